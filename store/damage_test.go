package store_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"
	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"

	"github.com/adlayer/after/internal/torture"
	"github.com/adlayer/after/store"
)

// TestDamagedFile: what lies in a damaged block gives errors, told once in the log; the rest is read and written as before.
func TestDamagedFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	options := store.Options{MemTableSize: 256 << 10, CacheSize: 1 << 10, CompactAfter: -1}
	st := openAt(t, dir, options)
	other := create(t, st, "other")
	put(t, other, `{"_id":"sound","n":1}`)
	db := create(t, st, "db")
	r := rand.New(rand.NewPCG(torture.Seed(t), 4))
	docs := make([]store.Doc, 400)
	for n := range docs {
		noise := make([]byte, 3000)
		for i := range noise {
			noise[i] = byte('a' + r.IntN(26))
		}
		docs[n] = store.Doc{ID: fmt.Sprintf("d%04d", n), Body: fmt.Appendf(nil, `{"text":%q}`, noise)}
	}
	for part := range slices.Chunk(docs, 50) {
		if _, err := db.Write(t.Context(), part, store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	damage(t, dir)

	log, said := test.NewNullLogger()
	options.Log = log
	st, err := store.Open(dir, options)
	if err != nil {
		t.Fatalf("one damaged block keeps the store from opening: %v", err)
	}
	defer st.Close()
	if db, err = st.Database("db"); err != nil {
		t.Fatal(err)
	}
	lost := 0
	for n := range 400 {
		view(t, db, func(v *store.Snapshot) error {
			if _, err := v.Get(fmt.Sprintf("d%04d", n)); err != nil {
				lost++
			}
			return nil
		})
	}
	if lost == 0 || lost == 400 {
		t.Errorf("%d of 400 documents cannot be read", lost)
	}
	told := 0
	for _, e := range said.AllEntries() {
		if e.Level == logrus.ErrorLevel && strings.Contains(e.Message, "damaged") {
			told++
			if strings.Contains(fmt.Sprint(e.Data), "\n") {
				t.Errorf("the log holds a stack: %v", e.Data)
			}
		}
	}
	if told != 1 {
		t.Errorf("the log tells of it %d times", told)
	}
	put(t, db, `{"_id":"new","n":2}`)
	if other, err = st.Database("other"); err != nil {
		t.Fatal(err)
	}
	put(t, other, `{"_id":"more","n":3}`)
	if err := st.Failed(); err != nil {
		t.Errorf("the store is off: %v", err)
	}
}

func openAt(t *testing.T, dir string, o store.Options) *store.Store {
	t.Helper()
	st, err := store.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	return st
}

// damage turns some bytes in the middle of the largest table that is in use: a folder can also have tables that a compaction left behind, which
// nobody reads any more.
func damage(t *testing.T, dir string) {
	t.Helper()
	st, err := store.OpenReadOnly(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	tables := store.Tables(st)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	var largest string
	var size int64
	for _, name := range tables {
		info, err := os.Stat(filepath.Join(dir, name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > size {
			largest, size = filepath.Join(dir, name), info.Size()
		}
	}
	f, err := os.OpenFile(largest, os.O_RDWR, 0)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	if _, err := f.WriteAt([]byte("damaged by the test"), size/2); err != nil {
		t.Fatal(err)
	}
}

// TestFullDiskIsStillRead: a store that cannot write any more says so and goes on to be read.
func TestFullDiskIsStillRead(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if full.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose {
			return errors.New("no space left on device")
		}
		return nil
	}))
	st, err := store.Open("data", store.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	db := create(t, st, "db")
	put(t, db, `{"_id":"before"}`)
	full.Store(true)
	if _, err := db.Put(t.Context(), []byte(`{"_id":"after"}`)); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("a write on a full disk: %v", err)
	}
	view(t, db, func(v *store.Snapshot) error {
		if _, err := v.Get("before"); err != nil {
			t.Errorf("what was written: %v", err)
		}
		if _, err := v.Get("after"); !store.IsNotFound(err) {
			t.Errorf("what was refused: %v", err)
		}
		return nil
	})
	if err := st.Close(); err == nil {
		t.Error("closing gave no error")
	}
}

func TestFolderThatCannotBeWritten(t *testing.T) {
	t.Parallel()
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if op.Kind == errorfs.OpLock {
			return &os.PathError{Op: "open", Path: op.Path, Err: os.ErrPermission}
		}
		return nil
	}))
	_, err := store.Open("data", store.Options{FS: fs})
	if _, held := errors.AsType[*store.HeldError](err); held || err == nil || !strings.Contains(err.Error(), "cannot be written") {
		t.Errorf("%v", err)
	}
}
