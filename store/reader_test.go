package store_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/adlayer/after/store"
)

func TestReaderReadsWhatGetReads(t *testing.T) {
	db := create(t, open(t, store.Options{}), "db")
	for i := range 100 {
		rev := put(t, db, `{"_id":"d%02d","n":%d}`, i, i)
		if i%3 == 0 {
			put(t, db, `{"_id":"d%02d","_rev":%q,"_deleted":true}`, i, rev)
		}
	}
	batch := db.IndexBatch()
	batch.Set([]byte("b"), []byte("value"))
	if err := batch.Commit(t.Context()); err != nil {
		t.Fatal(err)
	}
	view(t, db, func(snap *store.Snapshot) error {
		r := snap.Reader()
		defer func() {
			if err := r.Close(); err != nil {
				t.Error(err)
			}
		}()
		for i := range 120 {
			id := fmt.Sprintf("d%02d", (i*37)%110) // up and down, some never written
			got, err := r.Get(id)
			want, wantErr := snap.Get(id)
			if !errors.Is(err, wantErr) && store.IsNotFound(err) != store.IsNotFound(wantErr) {
				t.Fatalf("%s: %v, want %v", id, err, wantErr)
			}
			if err != nil {
				continue
			}
			if got.ID != want.ID || got.Rev != want.Rev || got.Seq != want.Seq || got.Deleted != want.Deleted || string(got.Body) != string(want.Body) {
				t.Fatalf("%s: %+v, want %+v", id, got, want)
			}
		}
		for key, want := range map[string]string{"a": "", "b": "value", "c": ""} {
			if got, err := r.IndexGet([]byte(key)); err != nil || string(got) != want {
				t.Errorf("index row %s: %q, %v, want %q", key, got, err, want)
			}
		}
		return nil
	})
}
