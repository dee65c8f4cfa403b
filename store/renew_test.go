package store_test

import (
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/adlayer/after/store"
)

// TestRenew: a snapshot that is renewed shows what was written since, and has given back what it held.
func TestRenew(t *testing.T) {
	t.Parallel()
	st := open(t, store.Options{FS: vfs.NewMem(), CompactAfter: -1})
	db := create(t, st, "db")
	doc := store.Doc{ID: "a", Body: []byte("{}")}
	doc.Attach("file", "x/y", upload(t, db, noise(1, 300_000), store.UploadOptions{}))
	first := writeDoc(t, db, doc)
	snap, _ := detached(t, db, "a")
	second := writeDoc(t, db, store.Doc{ID: "a", Rev: first.Rev})
	if err := snap.Renew(); err != nil {
		t.Fatal(err)
	}
	if row, err := snap.Get("a"); err != nil || row.Rev != second.Rev {
		t.Errorf("%v %v", row, err)
	}
	if err := store.CompactNow(db); err != nil {
		t.Fatal(err)
	}
	if stats := checkFiles(t, db); stats.Blobs != 0 || stats.Uploads != 0 {
		t.Errorf("the content that it had is kept: %+v", stats)
	}
	if err := st.DropDatabase(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	if err := snap.Renew(); !store.IsNotFound(err) {
		t.Errorf("renewed in a database that was dropped: %v", err)
	}
	if err := snap.Close(); err != nil {
		t.Error(err)
	}
}
