package store_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/adlayer/after/internal/torture"
	"github.com/adlayer/after/store"
)

// answered is what a writer was told about one document.
type answered struct {
	rev   string
	n     int // what the newest answered revision says
	asked int // what the newest write asked for, answered or not
}

// writeUntil updates documents of its own until stop is closed, keeping what was answered.
func writeUntil(ctx context.Context, db *store.Database, name string, r *rand.Rand, stop <-chan struct{}, out map[string]*answered,
	mu *sync.Mutex,
) {
	for n := 1; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		id := fmt.Sprintf("%s-%d", name, r.IntN(20))
		mu.Lock()
		a := out[id]
		if a == nil {
			a = &answered{}
			out[id] = a
		}
		a.asked = n
		rev := a.rev
		mu.Unlock()
		doc := fmt.Appendf(nil, `{"_id":%q,"n":%d,"pad":%q}`, id, n, strings.Repeat("x", r.IntN(200)))
		if rev != "" {
			doc = fmt.Appendf(nil, `{"_id":%q,"_rev":%q,"n":%d}`, id, rev, n)
		}
		got, err := db.Put(ctx, doc)
		if err != nil {
			panic(err) // nothing in this test refuses a write
		}
		mu.Lock()
		a.rev, a.n = got, n
		mu.Unlock()
	}
}

// TestPowerLoss cuts the power under concurrent writers, many times on the same disk, and looks for everything that was answered.
func TestPowerLoss(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(torture.Seed(t), 1))
	fs := vfs.NewCrashableMem()
	known := map[string]*answered{}
	for round := range torture.Times(25) {
		st, err := store.Open("data", store.Options{FS: fs, MemTableSize: 64 << 10, CompactAfter: 50})
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		db, err := st.Database("db")
		if store.IsNotFound(err) && round == 0 {
			db, err = st.CreateDatabase(t.Context(), "db")
		}
		if err != nil {
			t.Fatalf("round %d: %v", round, err)
		}
		checkAnswered(t, db, known, round)
		sound(t, st)
		fs = crash(t, st, db, fs, r, known, round)
	}
}

// crash writes for a while, takes the disk as it would be after a power cut, and gives it back.
func crash(t *testing.T, st *store.Store, db *store.Database, fs *vfs.MemFS, r *rand.Rand, known map[string]*answered, round int,
) *vfs.MemFS {
	t.Helper()
	var mu sync.Mutex
	var wg sync.WaitGroup
	stop := make(chan struct{})
	for w := range 4 {
		source := rand.New(rand.NewPCG(r.Uint64(), 2))
		wg.Go(func() {
			writeUntil(t.Context(), db, strconv.Itoa(w), source, stop, known, &mu)
		})
	}
	target := db.Seq() + 1 + r.Uint64N(300)
	for db.Seq() < target {
		select {
		case <-db.Wait():
		case <-time.After(30 * time.Second):
			t.Error("the writers write nothing")
			target = 0
		}
	}
	// What is answered before the cut must survive it. What is answered while the clone is made may or may not be in it, so the state known
	// is taken first.
	mu.Lock()
	before := map[string]answered{}
	for id, a := range known {
		before[id] = *a
	}
	mu.Unlock()
	clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: r})
	close(stop)
	wg.Wait()
	for id, a := range known {
		b, ok := before[id]
		asked := a.asked
		*a = b // the zero value, if it was not known yet
		if !ok {
			a.rev = ""
		}
		a.asked = asked
	}
	if err := st.Close(); err != nil {
		t.Fatalf("round %d: %v", round, err)
	}
	return clone
}

func checkAnswered(t *testing.T, db *store.Database, known map[string]*answered, round int) {
	t.Helper()
	seen := map[string]uint64{}
	view(t, db, func(v *store.Snapshot) error {
		for id, a := range known {
			row, err := v.Get(id)
			if store.IsNotFound(err) && a.rev == "" {
				continue
			}
			if err != nil {
				t.Fatalf("round %d: %s was answered as %s and is lost: %v", round, id, a.rev, err)
			}
			want, _ := store.ParseRev(orZero(a.rev))
			if row.Rev.Pos < want.Pos || (row.Rev.Pos == want.Pos && row.Rev != want) {
				t.Fatalf("round %d: %s was answered as %s and is %s", round, id, a.rev, row.Rev)
			}
			a.rev = row.Rev.String() // a write that was not answered may be there all the same
			if row.Body == nil {
				t.Fatalf("round %d: %s has lost its body", round, id)
			}
			seen[id] = row.Seq
		}
		docs, last := int64(0), uint64(0)
		err := v.Changes(0, func(row *store.Row) error {
			if row.Seq <= last || seen[row.ID] != row.Seq {
				return fmt.Errorf("the feed has %s at %d after %d, its document says %d", row.ID, row.Seq, last, seen[row.ID])
			}
			last = row.Seq
			docs++
			return nil
		})
		if st := v.Counts(); err == nil && (st.Docs != docs || docs != int64(len(seen)) || st.Seq < last) {
			err = fmt.Errorf("%d documents, %d in the feed up to %d, counters %+v", len(seen), docs, last, st)
		}
		return err
	})
}

func orZero(rev string) string {
	if rev == "" {
		return "0-0"
	}
	return rev
}

// TestFailingDisk lets writes to the disk fail from some point on: the writer gets a clear error, everything after it is refused, and a store
// opened on what is left has all that was answered and no half of a batch.
func TestFailingDisk(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(torture.Seed(t), 3))
	for range torture.Times(20) {
		failDisk(t, r.Int32N(60), r)
	}
}

func failDisk(t *testing.T, after int32, r *rand.Rand) {
	t.Helper()
	mem := vfs.NewCrashableMem()
	var writes atomic.Int32
	var broken atomic.Bool
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if strings.HasSuffix(op.Path, ".log") && (op.Kind == errorfs.OpFileWrite || op.Kind == errorfs.OpFileSync ||
			op.Kind == errorfs.OpFileSyncData || op.Kind == errorfs.OpFileSyncTo) && writes.Add(1) > after {
			broken.Store(true)
		}
		if broken.Load() && op.Kind.ReadOrWrite() == errorfs.OpIsWrite && op.Kind != errorfs.OpFileClose {
			return errorfs.ErrInjected
		}
		return nil
	}))
	st, err := store.Open("data", store.Options{FS: fs})
	if err != nil {
		return // it broke while it was opened, and said so
	}
	good := writeBatches(t, st)
	if st.Failed() == nil {
		t.Fatal("the disk failed and the store did not notice")
	}
	if err := st.Close(); err == nil {
		t.Fatal("closing a failed store gave no error")
	}
	st, err = store.Open("data", store.Options{FS: mem.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: r.IntN(101), RNG: r})})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	sound(t, st)
	db, err := st.Database("db")
	if err != nil {
		if good > 0 {
			t.Fatal(err)
		}
		return
	}
	view(t, db, func(v *store.Snapshot) error {
		for n := 0; ; n++ {
			there := 0
			for i := range 3 {
				if _, err := v.Get(fmt.Sprintf("%d-%d", n, i)); err == nil {
					there++
				}
			}
			switch {
			case there != 0 && there != 3:
				return fmt.Errorf("batch %d is there by half", n)
			case there == 0 && n < good:
				return fmt.Errorf("batch %d of %d answered ones is lost", n, good)
			case there == 0:
				return nil
			}
		}
	})
}

// writeBatches writes batches of three documents until one fails, and gives the number of those answered.
func writeBatches(t *testing.T, st *store.Store) (good int) {
	t.Helper()
	db, err := st.CreateDatabase(t.Context(), "db")
	for n := 0; err == nil; n++ {
		docs := make([]store.Doc, 3)
		for i := range docs {
			docs[i] = store.Doc{ID: fmt.Sprintf("%d-%d", n, i), Body: []byte(`{"x":1}`)}
		}
		if _, err = db.Write(t.Context(), docs, store.WriteOptions{}); err == nil {
			good++
		}
	}
	if !errors.Is(err, errorfs.ErrInjected) && !strings.Contains(err.Error(), "injected") {
		t.Fatalf("the error does not say what happened: %v", err)
	}
	if db != nil {
		if _, again := db.Put(t.Context(), []byte(`{"_id":"later"}`)); again == nil {
			t.Fatal("a store whose disk failed took a write")
		}
	}
	return good
}
