package mango_test

import (
	"bytes"
	"context"
	"fmt"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/mango"
)

// TestQueriesAmongWriters asks while others write: every document moves from one group to the other and back, always within one write, so that
// each answer must have each document exactly once, in one of the two.
func TestQueriesAmongWriters(t *testing.T) {
	t.Parallel()
	db := openDatabase(t)
	const documents = 2 * mango.PendingLimit
	serve(t, db, "POST", "_index", `{"index":{"fields":["group","n"]}}`)
	revs := make([]string, documents)
	write := func(round int) {
		docs := make([]string, documents)
		for i := range docs {
			rev := ""
			if revs[i] != "" {
				rev = `,"_rev":"` + revs[i] + `"`
			}
			docs[i] = fmt.Sprintf(`{"_id":"d%04d"%s,"group":"g%d","n":%d}`, i, rev, (round+i)%2, i)
		}
		for i, r := range bulk(t, db, docs...) {
			revs[i] = r.Rev.String()
		}
	}
	write(0)
	var wg sync.WaitGroup
	done := make(chan struct{})
	for range 2 {
		wg.Go(func() {
			for {
				select {
				case <-done:
					return
				default:
				}
				checkGroups(t, db, documents)
			}
		})
	}
	for round := 1; round <= 30; round++ {
		write(round)
	}
	close(done)
	wg.Wait()
	checkGroups(t, db, documents)
	if rows, err := mango.Update(t.Context(), db); err != nil || rows != documents {
		t.Errorf("%d rows for %d documents, %v", rows, documents, err)
	}
}

// checkGroups reads everything through the index, sorted, and looks at each document's place.
func checkGroups(t *testing.T, db *store.Database, documents int) {
	t.Helper()
	var answer bytes.Buffer
	err := mango.Finder{}.Serve(context.Background(), db, "POST", "_find", nil,
		[]byte(`{"selector":{"group":{"$gte":"g0"}},"sort":["group","n"],"limit":100000}`), &answer)
	if err != nil {
		t.Error(err)
		return
	}
	seen := map[string]bool{}
	group, n := "", -1.0
	for _, doc := range plain(answer.String()).(map[string]any)["docs"].([]any) {
		d := doc.(map[string]any)
		if seen[d["_id"].(string)] {
			t.Errorf("%v comes twice", d)
		}
		seen[d["_id"].(string)] = true
		if g := d["group"].(string); g < group || (g == group && d["n"].(float64) <= n) {
			t.Errorf("%v comes behind %s %v", d, group, n)
		}
		group, n = d["group"].(string), d["n"].(float64)
	}
	if len(seen) != documents {
		t.Errorf("%d of %d documents", len(seen), documents)
	}
}

// TestIndexAfterPowerLoss: whatever part of the index survives a power cut, answers are those of the documents that did.
func TestIndexAfterPowerLoss(t *testing.T) {
	t.Parallel()
	fs := vfs.NewCrashableMem()
	st, err := store.Open("data", store.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	db := createDatabase(t, st, "db")
	serve(t, db, "POST", "_index", `{"index":{"fields":["n"]}}`)
	var docs []string
	for i := range 1000 {
		docs = append(docs, fmt.Sprintf(`{"_id":"d%04d","n":%d}`, i, i%10))
	}
	bulk(t, db, docs...)
	if _, err := mango.Update(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	results := bulk(t, db, `{"_id":"late","n":3}`)
	crashed := fs.CrashClone(vfs.CrashCloneCfg{})
	bulk(t, db, fmt.Sprintf(`{"_id":"late","_rev":%q,"_deleted":true}`, results[0].Rev))
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	for name, disk := range map[string]vfs.FS{"after a crash": crashed, "after a close": fs} {
		st, err := store.Open("data", store.Options{FS: disk})
		if err != nil {
			t.Fatal(name, err)
		}
		db, err := st.Database("db")
		if err != nil {
			t.Fatal(name, err)
		}
		want := 101
		if name == "after a close" {
			want = 100
		}
		if p := findPage(t, db, `{"selector":{"n":3},"limit":1000,"execution_stats":true}`); len(p.Docs) != want || p.Stats.Docs != want || p.Warning != "" {
			t.Errorf("%s: %d documents, %d examined, want %d; warning %q", name, len(p.Docs), p.Stats.Docs, want, p.Warning)
		}
		if err := st.Close(); err != nil {
			t.Error(name, err)
		}
	}
}
