package store_test

import (
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/storetest"
)

// TestFlushFailsUnderWaitingWriters: writers that wait for room in memory get an error once it is known that there will be none, the store is read on, ends,
// and has everything that was answered when it is opened again.
func TestFlushFailsUnderWaitingWriters(t *testing.T) {
	t.Parallel()
	var full atomic.Bool
	flushing, fail := make(chan struct{}), make(chan struct{})
	var once sync.Once
	fs := storetest.Faults(vfs.NewMem(), func(op errorfs.Op) error {
		if !full.Load() || op.Kind != errorfs.OpCreate || !strings.HasSuffix(op.Path, ".sst") {
			return nil
		}
		once.Do(func() { close(flushing) })
		<-fail
		return syscall.ENOSPC
	})
	st, err := store.Open("data", store.Options{FS: fs, MemTableSize: 64 << 10, CompactAfter: -1})
	if err != nil {
		t.Fatal(err)
	}
	db := create(t, st, "db")
	full.Store(true)
	const writers = 4
	var answered [writers]int
	var errs [writers]error
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			for errs[w] == nil {
				if _, errs[w] = db.Put(t.Context(), fmt.Appendf(nil, `{"_id":"%d-%d","pad":"%x"}`, w, answered[w], noise(1, 4<<10))); errs[w] == nil {
					answered[w]++
				}
			}
		})
	}
	<-flushing
	store.AwaitFull(st)
	close(fail)
	wg.Wait()
	for w, err := range errs {
		if !errors.Is(err, syscall.ENOSPC) || !strings.Contains(err.Error(), "opened again") {
			t.Errorf("writer %d got %v", w, err)
		}
	}
	all := func(db *store.Database) {
		t.Helper()
		view(t, db, func(v *store.Snapshot) error {
			for w, n := range answered {
				for i := range n {
					if _, err := v.Get(fmt.Sprintf("%d-%d", w, i)); err != nil {
						return err
					}
				}
			}
			return nil
		})
	}
	all(db)
	if err := st.Close(); err == nil || errors.Is(err, store.ErrStuck) {
		t.Errorf("closing: %v", err)
	}
	full.Store(false)
	st = open(t, store.Options{FS: fs})
	if db, err = st.Database("db"); err != nil {
		t.Fatal(err)
	}
	all(db)
	if _, err := db.Put(t.Context(), []byte(`{"_id":"later"}`)); err != nil {
		t.Error(err)
	}
}
