package store_test

import (
	"context"
	"encoding/json"
	"fmt"
	"slices"
	"testing"

	"pgregory.net/rapid"

	"github.com/adlayer/after/store"
)

// TestSubscriptionsMissNothing holds what subscriptions tell against a reader that looks at every change.
func TestSubscriptionsMissNothing(t *testing.T) {
	t.Parallel()
	st := open(t, store.Options{})
	rounds := 0
	rapid.Check(t, func(t *rapid.T) {
		rounds++
		db, err := st.CreateDatabase(context.Background(), fmt.Sprintf("db%d", rounds))
		if err != nil {
			t.Fatal(err)
		}
		var subs []*follower
		for range rapid.IntRange(1, 4).Draw(t, "subscriptions") {
			f := &follower{interest: drawInterest(t)}
			f.sub = db.Subscribe(f.interest)
			subs = append(subs, f)
		}
		t.Repeat(map[string]func(*rapid.T){
			"write": func(t *rapid.T) { drawWrite(t, db) },
			"take": func(t *rapid.T) {
				rapid.SampledFrom(subs).Draw(t, "subscription").take(t)
			},
			"": func(*rapid.T) {},
		})
		for _, f := range subs {
			f.take(t)
			f.sub.Close()
		}
		drawWrite(t, db) // nobody listens
		if err := st.DropDatabase(context.Background(), db.Name()); err != nil {
			t.Fatal(err)
		}
	})
}

type follower struct {
	interest store.Interest
	sub      *store.Subscription
	last     uint64
}

func drawInterest(t *rapid.T) (i store.Interest) {
	for range rapid.IntRange(0, 2).Draw(t, "fields") {
		path := rapid.SampledFrom([][]string{{"worker"}, {"claim", "worker"}}).Draw(t, "path")
		i.Fields = append(i.Fields, store.FieldIs{Path: path, Value: rapid.SampledFrom([]string{"a", "b", "ab"}).Draw(t, "value")})
	}
	i.Deleted = rapid.Bool().Draw(t, "deletions")
	if rapid.Bool().Draw(t, "by id") {
		i.IDs = []string{"d1"}
	}
	return i
}

// drawWrite writes or deletes a document, or brings a revision of it from elsewhere.
func drawWrite(t *rapid.T, db *store.Database) {
	doc := store.Doc{ID: rapid.SampledFrom([]string{"d1", "d2", "d3"}).Draw(t, "id"), Deleted: rapid.IntRange(0, 4).Draw(t, "deletes") == 0}
	values := []string{`"a"`, `"b"`, `"\u00e9"`, `["b","c"]`, `{"worker":"a"}`, `null`, `1`}
	doc.Body = fmt.Appendf(nil, `{"n":%d,"x":{"worker":"a","s":"\"}{,"},"worker":%s,"claim":{"at":[1,{}],"worker":%s}}`, rapid.IntRange(0, 9).Draw(t, "n"),
		rapid.SampledFrom(values).Draw(t, "worker"), rapid.SampledFrom(values).Draw(t, "claim"))
	if rapid.IntRange(0, 3).Draw(t, "replicated") == 0 {
		rev, err := store.ParseRev(fmt.Sprintf("%d-%032x", rapid.IntRange(1, 4).Draw(t, "generation"), rapid.IntRange(1, 3).Draw(t, "hash")))
		if err != nil {
			t.Fatal(err)
		}
		doc.Rev = rev
		write(t, db, doc, store.WriteOptions{Replicated: true})
		return
	}
	snap, err := db.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	if row, err := snap.Get(doc.ID); err == nil && !row.Deleted {
		doc.Rev = row.Rev
	}
	if err := snap.Close(); err != nil {
		t.Fatal(err)
	}
	write(t, db, doc, store.WriteOptions{})
}

func write(t *rapid.T, db *store.Database, doc store.Doc, o store.WriteOptions) {
	if _, err := db.Write(context.Background(), []store.Doc{doc}, o); err != nil {
		t.Fatal(err)
	}
}

// take checks that every change since the last one that is of interest was told.
func (f *follower) take(t *rapid.T) {
	snap, due, all, err := f.sub.Take()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	if !slices.IsSorted(due) {
		t.Fatalf("%v is not in order", due)
	}
	err = snap.Changes(f.last, func(row *store.Row) error {
		if told := all || slices.Contains(due, row.Seq); !told && f.wants(t, row) {
			t.Fatalf("%+v was not told of %s at %d: %s", f.interest, row.ID, row.Seq, row.Body)
		}
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	for _, seq := range due {
		row, err := snap.At(seq)
		if err != nil || row != nil && row.Seq != seq {
			t.Fatalf("at %d: %+v, %v", seq, row, err)
		}
	}
	f.last = snap.Seq()
}

func (f *follower) wants(t *rapid.T, row *store.Row) bool {
	i := f.interest
	if len(i.Fields) == 0 && len(i.IDs) == 0 && !i.Deleted || i.Deleted && row.Deleted || slices.Contains(i.IDs, row.ID) {
		return true
	}
	var doc any
	if err := json.Unmarshal(row.Body, &doc); err != nil {
		t.Fatal(err)
	}
	for _, is := range i.Fields {
		value := doc
		for _, name := range is.Path {
			object, _ := value.(map[string]any)
			value = object[name]
		}
		list, _ := value.([]any)
		if value == is.Value || slices.Contains(list, any(is.Value)) {
			return true
		}
	}
	return false
}

func TestSubscriptionOverflowsToAll(t *testing.T) {
	t.Parallel()
	db, err := open(t, store.Options{}).CreateDatabase(context.Background(), "db")
	if err != nil {
		t.Fatal(err)
	}
	sub := db.Subscribe(store.Interest{Fields: []store.FieldIs{{Path: []string{"worker"}, Value: "w"}}})
	defer sub.Close()
	take := func() (int, bool) {
		snap, due, all, err := sub.Take()
		if err != nil {
			t.Fatal(err)
		}
		if err := snap.Close(); err != nil {
			t.Fatal(err)
		}
		return len(due), all
	}
	if n, all := take(); n != 0 || !all {
		t.Errorf("the first take: %d, %t", n, all)
	}
	put := func(worker string, n int) {
		docs := make([]store.Doc, n)
		for i := range docs {
			docs[i].Body = fmt.Appendf(nil, `{"worker":%q}`, worker)
		}
		if _, err := db.Write(context.Background(), docs, store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	put("other", 300)
	select {
	case <-sub.Ready():
		t.Error("it was told of what it did not ask for")
	default:
	}
	put("w", 10)
	<-sub.Ready()
	if n, all := take(); n != 10 || all {
		t.Errorf("after ten: %d, %t", n, all)
	}
	put("w", 300)
	<-sub.Ready()
	if n, all := take(); n != 0 || !all {
		t.Errorf("after too many: %d, %t", n, all)
	}
}
