package store_test

import (
	"context"
	"errors"
	"testing"

	"github.com/adlayer/after/store"
)

// TestUploadsGivenUp writes documents that do not come to have what was uploaded for them, without being refused for it.
func TestUploadsGivenUp(t *testing.T) {
	t.Parallel()
	db := create(t, open(t, store.Options{}), "db")
	with := func(id string) store.Doc {
		doc := store.Doc{ID: id, Body: []byte("{}")}
		doc.Attach("f", "a/b", upload(t, db, noise(1, 2<<20), store.UploadOptions{}))
		return doc
	}
	nothing := func(what string) {
		t.Helper()
		put(t, db, `{"_id":"%s"}`, what) // what was given up is out of sight with the next write
		if stats := checkFiles(t, db); stats != (store.AttachmentStats{}) {
			t.Errorf("%s: %+v", what, stats)
		}
	}

	ctx, leave := context.WithCancel(t.Context())
	leave()
	if _, err := db.Write(ctx, []store.Doc{with("a")}, store.WriteOptions{}); !errors.Is(err, context.Canceled) {
		t.Error(err)
	}
	nothing("whoever writes has gone")

	if res := writeDoc(t, db, with("_local/a")); res.Err != nil {
		t.Error(res.Err)
	}
	nothing("a local document")

	// A revision that is there already comes with more of its history: that becomes longer, and the rest stays.
	replicated := func(doc store.Doc, revs ...string) {
		t.Helper()
		for i, text := range revs {
			rev, err := store.ParseRev(text)
			if err != nil {
				t.Fatal(err)
			}
			if i == 0 {
				doc.Rev = rev
			} else {
				doc.Ancestors = append(doc.Ancestors, rev)
			}
		}
		results, err := db.Write(t.Context(), []store.Doc{doc}, store.WriteOptions{Replicated: true})
		if err != nil || results[0].Err != nil {
			t.Fatal(results, err)
		}
	}
	replicated(store.Doc{ID: "b", Body: []byte("{}")}, "3-c")
	replicated(with("b"), "3-c", "2-b", "1-a")
	nothing("a longer history")
}
