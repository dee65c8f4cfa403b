package store_test

import (
	"crypto/rand"
	"fmt"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/storetest"
)

// TestDiskFailsWhileOpening has the disk take nothing more from some operation of the opening on, each in turn: the opening ends with an error, nothing
// changes in the folder but what opening makes anew, the store can be read, and once the disk is well again everything is there.
func TestDiskFailsWhileOpening(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	var left atomic.Int64
	left.Store(1 << 60)
	faulty := storetest.Faults(fs, func(op errorfs.Op) error {
		if op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpLock && op.Kind != errorfs.OpFileClose && op.Kind != errorfs.OpRemove && left.Add(-1) < 0 {
			return syscall.ENOSPC
		}
		return nil
	})
	o := store.Options{FS: faulty, MemTableSize: 1 << 20}
	st, err := store.Open("data", o)
	if err != nil {
		t.Fatal(err)
	}
	db, err := st.CreateDatabase(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	const documents = 40
	for i := range documents {
		pad := make([]byte, 40<<10)
		_, _ = rand.Read(pad)
		if _, err := db.Put(t.Context(), fmt.Appendf(nil, `{"_id":"%d","pad":"%x"}`, i, pad)); err != nil {
			t.Fatal(err)
		}
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	before := tables(t, fs)
	for nth := int64(0); ; nth++ {
		left.Store(nth)
		began := time.Now()
		st, err := store.Open("data", o)
		if took := time.Since(began); took > 5*time.Second {
			t.Errorf("with %d operations that went well it took %v", nth, took)
		}
		if err == nil {
			t.Logf("opening takes %d operations", nth)
			left.Store(1 << 60)
			readAll(t, st, documents)
			_ = st.Close() // what came behind the opening may have failed
			break
		}
		after := tables(t, fs)
		for name := range after { // what may be in the list of tables stays
			if before[name] == 0 {
				delete(after, name)
			}
		}
		if !maps.Equal(after, before) {
			t.Errorf("with %d operations that went well the tables are %v instead of %v", nth, after, before)
		}
		left.Store(0)
		reading, err := store.OpenFailed("data", o, err)
		if err != nil {
			t.Fatalf("with %d operations that went well the store cannot be read: %v", nth, err)
		}
		readAll(t, reading, documents)
		if _, err := reading.CreateDatabase(t.Context(), "more"); err == nil || err.Error() != reading.Failed().Error() {
			t.Errorf("writing gives %v", err)
		}
		_ = reading.Close() // gives the error with which it was opened
	}
	left.Store(1 << 60)
	st, err = store.Open("data", o)
	if err != nil {
		t.Fatal(err)
	}
	readAll(t, st, documents)
	storetest.End(t, st)
}

// tables are the files with what is stored, with their sizes: tables and logs.
func tables(t *testing.T, fs vfs.FS) map[string]int64 {
	t.Helper()
	names, err := fs.List("data")
	if err != nil {
		t.Fatal(err)
	}
	out := map[string]int64{}
	for _, name := range names {
		if len(name) < 4 || !slices.Contains([]string{".sst", ".log"}, name[len(name)-4:]) {
			continue
		}
		info, err := fs.Stat(fs.PathJoin("data", name))
		if err != nil {
			t.Fatal(err)
		}
		if info.Size() > 0 {
			out[name] = info.Size()
		}
	}
	return out
}

func readAll(t *testing.T, st *store.Store, documents int) {
	t.Helper()
	db, err := st.Database("db")
	if err != nil {
		t.Fatal(err)
	}
	snap, err := db.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	for i := range documents {
		if _, err := snap.Get(strconv.Itoa(i)); err != nil {
			t.Errorf("document %d: %v", i, err)
		}
	}
	if err := snap.Close(); err != nil {
		t.Error(err)
	}
}

// uncompacted is a file system on which tables are not compacted.
type uncompacted struct {
	vfs.FS

	off atomic.Bool
}

func (u *uncompacted) Create(name string, category vfs.DiskWriteCategory) (vfs.File, error) {
	if category == "pebble-compaction" && !u.off.Load() {
		return nil, syscall.ENOSPC
	}
	return u.FS.Create(name, category)
}

// TestOpeningFailsWhileTablesAreCompacted: the engine compacts tables as soon as it is open, and goes on with that where the last steps of the opening
// fail. Nothing of it outlives the opening.
func TestOpeningFailsWhileTablesAreCompacted(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	faulty := storetest.Faults(vfs.NewMem(), func(op errorfs.Op) error {
		if full.Load() && op.Kind == errorfs.OpCreate && strings.HasSuffix(path.Base(op.Path), ".dbtmp") {
			return syscall.ENOSPC
		}
		return nil
	})
	fs := &uncompacted{FS: faulty}
	o := store.Options{FS: fs, MemTableSize: 256 << 10}
	st, err := store.Open("data", o)
	if err != nil {
		t.Fatal(err)
	}
	db, err := st.CreateDatabase(t.Context(), "db")
	if err != nil {
		t.Fatal(err)
	}
	const documents = 100
	for i := range documents {
		pad := make([]byte, 16<<10)
		_, _ = rand.Read(pad)
		put(t, db, `{"_id":"%d","pad":"%x"}`, i, pad)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	fs.off.Store(true)
	full.Store(true)
	_, failed := store.Open("data", o)
	if failed == nil {
		t.Fatal("the store is open")
	}
	if !strings.Contains(failed.Error(), ".dbtmp: "+syscall.ENOSPC.Error()) {
		t.Error(failed)
	}
	full.Store(false)
	for range 3 {
		st, err = store.Open("data", o)
		if err != nil {
			t.Fatal(err)
		}
		readAll(t, st, documents)
		storetest.End(t, st)
	}
}
