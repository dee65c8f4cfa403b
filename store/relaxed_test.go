package store_test

import (
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/adlayer/after/store"
)

// TestRelaxed: writes are answered without waiting for the disk each time; what was brought to disk survives a power cut, and what is left after
// one is the beginning of what was written.
func TestRelaxed(t *testing.T) {
	t.Parallel()
	const writes = 300
	syncs := func(relaxed bool) (int32, *vfs.MemFS, *vfs.MemFS) {
		mem := vfs.NewCrashableMem()
		var n atomic.Int32
		fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
			if strings.HasSuffix(op.Path, ".log") && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo) {
				n.Add(1)
			}
			return nil
		}))
		st := open(t, store.Options{FS: fs, Relaxed: relaxed})
		db := create(t, st, "db")
		n.Store(0)
		for i := range writes {
			put(t, db, `{"_id":"d%03d"}`, i)
		}
		counted := n.Load()
		early := mem.CrashClone(vfs.CrashCloneCfg{})
		store.Flush(st)
		return counted, early, mem.CrashClone(vfs.CrashCloneCfg{})
	}
	full, _, _ := syncs(false)
	relaxed, early, flushed := syncs(true)
	if full < writes || relaxed > writes/2 {
		t.Errorf("%d writes took %d syncs, and %d when relaxed", writes, full, relaxed)
	}
	if n := beginning(t, flushed); n != writes {
		t.Errorf("%d of %d writes are on disk", n, writes)
	}
	beginning(t, early)
}

// beginning counts the documents that are left, which must be the first that were written.
func beginning(t *testing.T, fs vfs.FS) (n int) {
	t.Helper()
	st := open(t, store.Options{FS: fs})
	sound(t, st)
	db, err := st.Database("db")
	if store.IsNotFound(err) {
		return 0
	}
	if err != nil {
		t.Fatal(err)
	}
	view(t, db, func(v *store.Snapshot) error {
		return v.AllDocs(store.Range{}, func(row *store.Row) error {
			if row.ID != fmt.Sprintf("d%03d", n) {
				return fmt.Errorf("%s is there, but not what was written before", row.ID)
			}
			n++
			return nil
		})
	})
	return n
}

// TestSharedSync: writes that come while the disk is busy go to disk together.
func TestSharedSync(t *testing.T) {
	t.Parallel()
	const writers = 40
	var n atomic.Int32
	var armed atomic.Bool
	busy, free := make(chan struct{}), make(chan struct{})
	fs := errorfs.Wrap(vfs.NewMem(), errorfs.InjectorFunc(func(op errorfs.Op) error {
		if strings.HasSuffix(op.Path, ".log") && (op.Kind == errorfs.OpFileSync || op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo) {
			n.Add(1)
			if armed.CompareAndSwap(true, false) {
				close(busy)
				<-free
			}
		}
		return nil
	}))
	db := create(t, open(t, store.Options{FS: fs}), "db")
	n.Store(0)
	armed.Store(true)
	var all sync.WaitGroup
	all.Go(func() {
		if _, err := db.Put(t.Context(), []byte(`{"_id":"first"}`)); err != nil {
			t.Error(err)
		}
	})
	<-busy
	begun := make(chan struct{})
	for i := range writers {
		all.Go(func() {
			begun <- struct{}{}
			if _, err := db.Put(t.Context(), fmt.Appendf(nil, `{"_id":"d%d"}`, i)); err != nil {
				t.Error(err)
			}
		})
	}
	for range writers {
		<-begun
	}
	for range 1000 {
		runtime.Gosched() // nobody tells that a write waits; those that do not yet have syncs of their own
	}
	close(free)
	all.Wait()
	if got := n.Load(); got >= writers {
		t.Errorf("%d writes at once took %d syncs", writers, got)
	}
}

// TestAloneBeside: a caller does its write by itself only while no other is in flight, whose group may be on the way to the disk.
func TestAloneBeside(t *testing.T) {
	t.Parallel()
	if store.AloneBeside(open(t, store.Options{FS: vfs.NewMem()})) {
		t.Error("it does")
	}
}
