package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/adlayer/after/internal/torture"
	"github.com/adlayer/after/store"
)

// detached begins to read the only attachment of a document, without its snapshot.
func detached(t *testing.T, db *store.Database, id string) (*store.Snapshot, *store.AttachmentReader) {
	t.Helper()
	snap, err := db.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	row, err := snap.Get(id)
	if err != nil {
		t.Fatal(err)
	}
	if !snap.Detach(row.Attachments()) {
		t.Fatal("an attachment that a document has cannot be detached")
	}
	return snap, snap.Attachment(row.Attachments()[0])
}

// TestDownloadOutlivesItsAttachment: who reads an attachment without a snapshot reads it to its end, whatever becomes of the document; then its bytes
// go. Those of a reader that a crash ended go with the next opening.
func TestDownloadOutlivesItsAttachment(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	st := open(t, store.Options{FS: fs, CompactAfter: -1})
	db := create(t, st, "db")
	content := noise(1, 300_000)
	attached := func(id string) store.Doc {
		doc := store.Doc{ID: id, Body: []byte("{}")}
		doc.Attach("file", "x/y", upload(t, db, content, store.UploadOptions{}))
		return doc
	}
	first := writeDoc(t, db, attached("a"))
	old, err := db.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	snap, slow := detached(t, db, "a")
	again, other := detached(t, db, "a")
	if _, err := io.ReadFull(slow, make([]byte, 1000)); err != nil {
		t.Fatal(err)
	}
	second := writeDoc(t, db, store.Doc{ID: "a", Rev: first.Rev})
	if err := store.CompactNow(db); err != nil {
		t.Fatal(err)
	}
	if stats := checkFiles(t, db); stats.Blobs != 0 || stats.Uploads != 1 {
		t.Errorf("%+v", stats)
	}
	sound(t, st)
	third := attached("a") // the same content again has a place of its own
	third.Rev = second.Rev
	writeDoc(t, db, third)
	got, err := io.ReadAll(slow)
	if err != nil || !bytes.Equal(got, content[1000:]) {
		t.Errorf("%d bytes: %v", len(got), err)
	}
	if err := snap.Close(); err != nil {
		t.Error(err)
	}
	if got, err := io.ReadAll(other); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the other reader got %d bytes: %v", len(got), err)
	}
	if err := again.Close(); err != nil {
		t.Error(err)
	}
	if stats := checkFiles(t, db); stats.Blobs != 1 || stats.Uploads != 0 {
		t.Errorf("%+v", stats)
	}
	row, err := old.Get("a")
	if err != nil {
		t.Fatal(err)
	}
	if old.Detach(row.Attachments()) {
		t.Error("what is gone can be detached")
	}
	if got, err := contentOf(old, row.Attachments()[0]); err != nil || !bytes.Equal(got, content) {
		t.Errorf("the snapshot reads %d bytes: %v", len(got), err)
	}
	if err := old.Close(); err != nil {
		t.Error(err)
	}
	left, _ := detached(t, db, "a")
	rev := get(t, db, "a").Rev
	writeDoc(t, db, store.Doc{ID: "a", Rev: rev})
	if err := store.CompactNow(db); err != nil {
		t.Fatal(err)
	}
	if err := st.Close(); err != nil { // which does not wait for the reader
		t.Fatal(err)
	}
	if err := left.Close(); err != nil {
		t.Error(err)
	}
	st = open(t, store.Options{FS: fs})
	if db, err = st.Database("db"); err != nil {
		t.Fatal(err)
	}
	if stats := checkFiles(t, db); stats.Blobs != 0 || stats.Uploads != 0 {
		t.Errorf("%+v", stats)
	}
	sound(t, st)
	writeDoc(t, db, attached("b"))
	snap, slow = detached(t, db, "b")
	if err := st.DropDatabase(t.Context(), "db"); err != nil {
		t.Fatal(err)
	}
	if _, err := io.ReadAll(slow); !store.IsNotFound(err) {
		t.Errorf("reading from a database that was dropped: %v", err)
	}
	if err := snap.Close(); err != nil {
		t.Error(err)
	}
}

// TestDownloadsAmongCompactions: readers come and go while attachments are replaced and collected; each reads what it was promised.
func TestDownloadsAmongCompactions(t *testing.T) {
	t.Parallel()
	st := open(t, store.Options{CompactAfter: -1})
	db := create(t, st, "db")
	write := func(n int, rev store.Rev) store.Rev {
		doc := store.Doc{ID: "a", Rev: rev, Body: fmt.Appendf(nil, `{"n":%d}`, n)}
		doc.Attach("file", "x/y", upload(t, db, noise(uint64(n%3), 100_000), store.UploadOptions{}))
		return writeDoc(t, db, doc).Rev
	}
	rev := write(0, store.Rev{})
	var stopped atomic.Bool
	var wg sync.WaitGroup
	read := func() error {
		snap, err := db.Snapshot()
		if err != nil {
			return err
		}
		row, err := snap.Get("a")
		if err != nil {
			return errors.Join(err, snap.Close())
		}
		snap.Detach(row.Attachments()) // or not
		got, err := io.ReadAll(snap.Attachment(row.Attachments()[0]))
		var n int
		if _, scanning := fmt.Sscanf(string(row.Body), `{"n":%d}`, &n); err == nil {
			err = scanning
		}
		if err == nil && !bytes.Equal(got, noise(uint64(n%3), 100_000)) {
			err = fmt.Errorf("revision %d has other bytes", n)
		}
		return errors.Join(err, snap.Close())
	}
	for range 3 {
		wg.Go(func() {
			for !stopped.Load() {
				if err := read(); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for n := range torture.Times(60) {
		rev = write(n+1, rev)
		if err := store.CompactNow(db); err != nil {
			t.Error(err)
			break
		}
	}
	stopped.Store(true)
	wg.Wait()
	if stats := checkFiles(t, db); stats.Blobs != 1 || stats.Uploads != 0 {
		t.Errorf("%+v", stats)
	}
	sound(t, st)
}
