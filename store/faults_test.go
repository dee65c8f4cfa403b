package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"path"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/adlayer/after/internal/torture"
	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/storetest"
)

// opNames are the operations on a disk that can fail.
var opNames = map[errorfs.OpKind]string{
	errorfs.OpCreate: "create", errorfs.OpLink: "link", errorfs.OpRemove: "remove", errorfs.OpRename: "rename", errorfs.OpReuseForWrite: "reuse",
	errorfs.OpMkdirAll: "mkdir", errorfs.OpFileWrite: "write", errorfs.OpFileSync: "sync", errorfs.OpFileSyncData: "sync", errorfs.OpFileSyncTo: "sync",
	errorfs.OpFileClose: "close", errorfs.OpFilePreallocate: "preallocate", errorfs.OpFileReadAt: "read",
}

// fault lets one operation of a class fail, or it and from then on everything that writes: a disk that is full.
type fault struct {
	class   string
	nth     int // of the class
	lasting bool

	mu   sync.Mutex
	seen map[string]int
	full atomic.Bool
	hit  atomic.Bool
	off  atomic.Bool
}

func (f *fault) inject(op errorfs.Op) error {
	name, known := opNames[op.Kind]
	if !known || f.off.Load() {
		return nil
	}
	if f.full.Load() && op.Kind != errorfs.OpFileClose && op.Kind != errorfs.OpRemove && op.Kind.ReadOrWrite() == errorfs.OpIsWrite {
		return syscall.ENOSPC
	}
	class := name + " " + kindOfFile(op.Path)
	f.mu.Lock()
	f.seen[class]++
	hit := class == f.class && f.seen[class] == f.nth
	f.mu.Unlock()
	if !hit {
		return nil
	}
	f.hit.Store(true)
	f.full.Store(f.lasting)
	if f.lasting {
		return syscall.ENOSPC
	}
	return syscall.EIO
}

// kindOfFile names the kind of a file, and whose it is.
func kindOfFile(name string) string {
	base, backup := path.Base(name), ""
	if strings.HasPrefix(name, "backups") {
		backup = "backup "
	}
	for _, kind := range []string{"MANIFEST", "OPTIONS", "marker", "after-store.json", "owner.json", "LOCK"} {
		if strings.HasPrefix(base, kind) {
			return backup + kind
		}
	}
	if ext := path.Ext(base); ext == ".log" || ext == ".sst" || ext == ".dbtmp" {
		return backup + ext
	}
	return backup + "folder"
}

// work is what a store is asked to do while its disk fails, with what it answered.
type work struct {
	t      *testing.T
	st     *store.Store
	revs   map[string]store.Rev // by database and document: the newest revision answered
	files  map[string][]byte    // likewise: the attachment
	locals map[string]string
	made   map[string]bool // databases
	split  map[string]bool // by database and number: batches of which some documents were refused and others not
	errs   []error
}

// failed keeps an error, which must say what happened.
func (w *work) failed(err error) bool {
	if err == nil {
		return false
	}
	w.errs = append(w.errs, err)
	return true
}

func (w *work) database(name string) *store.Database {
	db, err := w.st.CreateDatabase(w.t.Context(), name)
	if !w.failed(err) {
		w.made[name] = true
	}
	return db
}

func (w *work) write(db *store.Database, o store.WriteOptions, docs ...store.Doc) {
	if db == nil {
		return
	}
	results, err := db.Write(w.t.Context(), docs, o)
	if w.failed(err) {
		return
	}
	for i := range results {
		if results[i].Err != nil {
			w.failed(results[i].Err)
			number, _, _ := strings.Cut(results[i].ID, "-")
			w.split[db.Name()+"/"+number] = true
			continue
		}
		w.revs[db.Name()+"/"+results[i].ID] = results[i].Rev
	}
}

func (w *work) attach(db *store.Database, id string, n uint64) {
	if db == nil {
		return
	}
	content := noise(n, 150_000)
	u, err := db.Upload(w.t.Context(), bytes.NewReader(content), store.UploadOptions{Name: "f"})
	if w.failed(err) {
		return
	}
	doc := store.Doc{ID: id, Rev: w.revs[db.Name()+"/"+id], Body: []byte("{}")}
	doc.Attach("f", "x/y", u)
	before := w.revs[db.Name()+"/"+id]
	if w.write(db, store.WriteOptions{}, doc); w.revs[db.Name()+"/"+id] != before {
		w.files[db.Name()+"/"+id] = content
	}
}

func (w *work) local(db *store.Database, id string, n int) {
	if db == nil {
		return
	}
	body := fmt.Sprintf(`{"n":%d}`, n)
	results, err := db.Write(w.t.Context(), []store.Doc{{ID: "_local/" + id, Body: []byte(body)}}, store.WriteOptions{})
	if !w.failed(err) && results[0].Err == nil {
		w.locals[db.Name()+"/_local/"+id] = body
	}
}

// batch writes documents, all of a batch with the same number, over their revisions.
func (w *work) batch(db *store.Database, n, round int) {
	if db == nil {
		return
	}
	docs := make([]store.Doc, 3)
	for i := range docs {
		id := fmt.Sprintf("%d-%d", n, i)
		docs[i] = store.Doc{ID: id, Rev: w.revs[db.Name()+"/"+id], Body: fmt.Appendf(nil, `{"round":%d,"pad":"%x"}`, round, noise(uint64(n), 1500))}
	}
	w.write(db, store.WriteOptions{}, docs...)
}

// run does some of everything.
func (w *work) run() {
	a, b := w.database("a"), w.database("b")
	for n := range 6 {
		w.batch(a, n, 0)
		w.local(a, "checkpoint", n)
	}
	w.attach(b, "file", 1)
	rev, _ := store.ParseRev("3-c3")
	before, _ := store.ParseRev("2-c2")
	w.write(b, store.WriteOptions{Replicated: true}, store.Doc{ID: "conflict", Rev: rev, Ancestors: []store.Rev{before}, Body: []byte("{}")})
	w.write(b, store.WriteOptions{}, store.Doc{ID: "_design/d", Body: []byte(`{"views":{}}`)})
	for round := range 4 {
		w.batch(a, 0, round+1)
		w.batch(b, 1, round)
	}
	if a != nil && b != nil {
		w.failed(a.SetRevsLimit(w.t.Context(), 2))
		w.failed(store.Squeeze(w.t.Context(), w.st))
		w.failed(store.CompactNow(a))
		w.attach(b, "file", 2)
		w.failed(store.CompactNow(b))
	}
	w.failed(w.st.Backup(w.t.Context(), "backups/one"))
	w.database("gone")
	w.failed(w.st.DropDatabase(w.t.Context(), "gone"))
	delete(w.made, "gone")
	for n := range 4 {
		w.batch(a, n+4, 9)
	}
	w.failed(store.Squeeze(w.t.Context(), w.st))
}

// holds looks for everything that was answered; half a batch is an error.
func (w *work) holds(st *store.Store, when string) {
	w.t.Helper()
	for name := range w.made {
		db, err := st.Database(name)
		if err != nil {
			w.t.Errorf("%s: database %s: %v", when, name, err)
			continue
		}
		snap, err := db.Snapshot()
		if err != nil {
			w.t.Errorf("%s: database %s: %v", when, name, err)
			continue
		}
		err = errors.Join(w.documents(name, snap), w.wholeBatches(name, snap), snap.Close())
		if err != nil {
			w.t.Errorf("%s: database %s: %v", when, name, err)
		}
	}
}

func (w *work) documents(name string, snap *store.Snapshot) error {
	for key, rev := range w.revs {
		id, ours := strings.CutPrefix(key, name+"/")
		if !ours {
			continue
		}
		row, err := snap.Get(id)
		if err != nil {
			return fmt.Errorf("%s was answered as %s and is lost: %w", id, rev, err)
		}
		if row.Rev.Pos < rev.Pos || row.Rev.Pos == rev.Pos && row.Rev != rev || row.Body == nil {
			return fmt.Errorf("%s was answered as %s and is %s: %s", id, rev, row.Rev, row.Body)
		}
		if content := w.files[key]; content != nil && row.Rev == rev {
			got, err := io.ReadAll(snap.Attachment(row.Attachments()[0]))
			if err != nil || !bytes.Equal(got, content) {
				return fmt.Errorf("the attachment of %s: %d bytes: %w", id, len(got), err)
			}
		}
	}
	for key, body := range w.locals {
		if id, ours := strings.CutPrefix(key, name+"/"); ours {
			row, err := snap.Local(id)
			if err != nil || string(row.Body) < body { // one that was not answered may be there
				return fmt.Errorf("%s: %w", id, err)
			}
		}
	}
	return nil
}

// wholeBatches looks for batches of which some documents are of another round, though all of them had the same answer.
func (w *work) wholeBatches(name string, snap *store.Snapshot) error {
	rounds := map[string]string{}
	return snap.AllDocs(store.Range{Bodies: true}, func(row *store.Row) error {
		batch, _, ok := strings.Cut(row.ID, "-")
		if !ok || len(batch) > 2 || w.split[name+"/"+batch] {
			return nil
		}
		round, _, _ := strings.Cut(string(row.Body), ",")
		if other := rounds[batch]; other != "" && other != round {
			return fmt.Errorf("batch %s is there by half: %s and %s", batch, round, other)
		}
		rounds[batch] = round
		return nil
	})
}

// TestDiskFaults: whatever operation fails, on whatever kind of file, once or from then on: nothing answered is lost, no batch is there by half, what
// is stored can be read, and once the disk is well again the store opens and writes.
func TestDiskFaults(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(torture.Seed(t), 5))
	none := &fault{}
	tryFault(t, none, 0)
	if len(none.seen) < 25 {
		t.Errorf("the disk saw %v", none.seen)
	}
	for _, class := range slices.Sorted(maps.Keys(none.seen)) {
		for range torture.Times(1) {
			f := &fault{class: class, nth: 1 + r.IntN(none.seen[class]), lasting: r.IntN(2) == 0}
			if ok := t.Run(fmt.Sprintf("%s %d of %d lasting=%v", class, f.nth, none.seen[class], f.lasting), func(t *testing.T) {
				tryFault(t, f, r.IntN(101))
			}); !ok {
				return
			}
		}
	}
}

func tryFault(t *testing.T, f *fault, unsynced int) {
	t.Helper()
	f.seen = map[string]int{}
	mem := vfs.NewCrashableMem()
	if err := mem.MkdirAll("backups", 0o700); err != nil {
		t.Fatal(err)
	}
	options := store.Options{FS: storetest.Faults(mem, f.inject), MemTableSize: 64 << 10, CacheSize: 1 << 10, CompactAfter: -1}
	w := &work{t: t, revs: map[string]store.Rev{}, files: map[string][]byte{}, locals: map[string]string{}, made: map[string]bool{}, split: map[string]bool{}}
	var err error
	if w.st, err = store.Open("data", options); err != nil {
		if !strings.Contains(err.Error(), "data") {
			t.Errorf("opening: %v", err)
		}
	} else {
		w.run()
		failed := w.st.Failed()
		for _, err := range w.errs {
			if failed == nil && !strings.Contains(err.Error(), "error") && !strings.Contains(err.Error(), "space") && !store.IsNotFound(err) {
				t.Errorf("an error that does not say what happened: %v", err)
			}
		}
		if failed == nil && len(w.errs) > 0 && !f.hit.Load() {
			t.Errorf("without a fault: %v", w.errs)
		}
		f.off.Store(!f.lasting || !f.hit.Load()) // what fails once must not be the look itself
		w.holds(w.st, "on the failing disk")
		if err := w.st.Close(); errors.Is(err, store.ErrStuck) || (err == nil) != (failed == nil) && !f.hit.Load() {
			t.Errorf("closing: %v", err)
		}
	}
	f.off.Store(true)
	clone := mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: unsynced, RNG: rand.New(rand.NewPCG(uint64(unsynced), 6))})
	for when, fs := range map[string]vfs.FS{"after the repair": options.FS, "after a power cut": clone} {
		st, err := store.Open("data", store.Options{FS: fs, CompactAfter: -1})
		if err != nil {
			t.Errorf("%s: %v", when, err)
			continue
		}
		sound(t, st)
		w.holds(st, when)
		if _, err := st.CreateDatabase(context.WithoutCancel(t.Context()), "later"); err != nil {
			t.Errorf("%s: %v", when, err)
		}
		if err := st.Close(); err != nil {
			t.Errorf("%s: %v", when, err)
		}
	}
}
