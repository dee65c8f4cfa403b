package store_test

import (
	"slices"
	"testing"

	"github.com/adlayer/after/store"
)

// TestWatch tells of each database once, however much is written.
func TestWatch(t *testing.T) {
	t.Parallel()
	st := open(t, store.Options{})
	w := st.Watch()
	db := create(t, st, "a")
	for range 5 {
		put(t, db, `{}`)
	}
	create(t, st, "b")
	if err := st.DropDatabase(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	if err := st.DropDatabase(t.Context(), "none"); !store.IsNotFound(err) {
		t.Fatal(err)
	}
	<-w.Ready()
	want := []store.Event{{"a", store.Created}, {"a", store.Updated}, {"b", store.Created}, {"a", store.Deleted}}
	if got := w.Take(); !slices.Equal(got, want) {
		t.Fatalf("told of %v, not of %v", got, want)
	}
	if got := w.Take(); len(got) != 0 {
		t.Fatalf("told of %v again", got)
	}
	create(t, st, "a")
	if err := st.DropDatabase(t.Context(), "a"); err != nil {
		t.Fatal(err)
	}
	create(t, st, "a")
	want = []store.Event{{"a", store.Deleted}, {"a", store.Created}}
	if got := w.Take(); !slices.Equal(got, want) {
		t.Fatalf("told of %v, not of %v: it is there", got, want)
	}
	w.Close()
	create(t, st, "c")
	if got := w.Take(); len(got) != 0 {
		t.Fatalf("told of %v after the end", got)
	}
}

// TestWatchOfOneGroup: a write and the drop behind it may go to disk together, and are told in their order.
func TestWatchOfOneGroup(t *testing.T) {
	t.Parallel()
	st := open(t, store.Options{})
	db := create(t, st, "a")
	w := st.Watch()
	defer w.Close()
	store.PublishDrop(db)
	want := []store.Event{{"a", store.Updated}, {"a", store.Deleted}}
	if got := w.Take(); !slices.Equal(got, want) {
		t.Errorf("told of %v, not of %v", got, want)
	}
}
