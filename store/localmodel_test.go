package store_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/adlayer/after/store"
)

// localModel is what the local documents should be: by id the number of the revision and the body.
type localModel map[string]localDoc

type localDoc struct {
	number int
	body   string
}

// random writes or removes some local documents with one request; the same one may be among them twice. The last write wins, whatever revision it
// names; it has no sequence and is in no feed.
func (m localModel) random(t *testing.T, rt *rapid.T, db *store.Database) {
	t.Helper()
	var docs []store.Doc
	for n := range rapid.IntRange(1, 3).Draw(rt, "documents") {
		doc := store.Doc{
			ID: "_local/" + rapid.SampledFrom([]string{"x", "y", "z"}).Draw(rt, "id"), Deleted: rapid.IntRange(0, 3).Draw(rt, "deleted") == 0,
			Body: fmt.Appendf(nil, `{"n":%d}`, n),
		}
		if over := rapid.IntRange(0, 4).Draw(rt, "over"); over > 0 {
			var err error
			if doc.Rev, err = store.ParseRev(fmt.Sprintf("0-%d", over)); err != nil {
				rt.Fatal(err)
			}
		}
		docs = append(docs, doc)
	}
	seq := db.Seq()
	results, err := db.Write(t.Context(), slices.Clone(docs), store.WriteOptions{})
	if err != nil {
		rt.Fatal(err)
	}
	for i, doc := range docs {
		_, there := m[doc.ID]
		want := localDoc{body: string(doc.Body)}
		if !doc.Rev.IsZero() {
			if _, err := fmt.Sscanf(doc.Rev.String(), "0-%d", &want.number); err != nil {
				rt.Fatal(err)
			}
		}
		want.number++
		switch {
		case doc.Deleted && !there:
			if !store.IsNotFound(results[i].Err) {
				rt.Fatalf("removing %s, which is not there: %+v", doc.ID, results[i])
			}
			continue
		case doc.Deleted:
			want.number = 0
			delete(m, doc.ID)
		default:
			m[doc.ID] = want
		}
		if got := results[i]; got.Err != nil || got.Rev.String() != fmt.Sprintf("0-%d", want.number) {
			rt.Fatalf("%+v was answered with %s %v, not 0-%d", doc, got.Rev, got.Err, want.number)
		}
	}
	if db.Seq() != seq {
		rt.Fatalf("local documents took the sequence from %d to %d", seq, db.Seq())
	}
}

// compare looks at each document alone and at the list of all.
func (m localModel) compare(rt *rapid.T, db *store.Database) {
	snap, err := db.Snapshot()
	if err != nil {
		rt.Fatal(err)
	}
	got := localModel{}
	err = snap.LocalDocs(store.Range{Bodies: true}, func(row *store.Row) error {
		var number int
		if _, err := fmt.Sscanf(row.Rev.String(), "0-%d", &number); err != nil {
			return err
		}
		got[row.ID] = localDoc{number, string(row.Body)}
		alone, err := snap.Local(row.ID)
		if err == nil && (alone.Rev != row.Rev || string(alone.Body) != string(row.Body)) {
			rt.Fatalf("%s is %s %s alone and %s %s in the list", row.ID, alone.Rev, alone.Body, row.Rev, row.Body)
		}
		return err
	})
	if err := errors.Join(err, snap.Close()); err != nil {
		rt.Fatal(err)
	}
	if !maps.Equal(got, m) {
		rt.Fatalf("the local documents are %v, the model has %v", got, m)
	}
}
