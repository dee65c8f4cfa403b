package store_test

import (
	"fmt"
	"math/rand/v2"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/adlayer/after/store"
)

// TestRanks compares counts with what a walk through everything finds, while documents come, change, conflict and go.
func TestRanks(t *testing.T) {
	t.Parallel()
	db := create(t, open(t, store.Options{}), "db")
	seed := rand.Uint64()
	t.Logf("seed %d", seed)
	w := &crowd{t: t, db: db, rand: rand.New(rand.NewPCG(seed, 1)), revs: map[string]store.Rev{}}
	for _, next := range []func(int) string{
		func(int) string { return fmt.Sprintf("r%08x", w.rand.Uint32()) },
		func(n int) string { return fmt.Sprintf("s%08d", n) },
	} {
		for n := range 3 {
			w.create(900, func(i int) string { return next(n*900 + i) })
			w.edit(300)
			w.compare()
		}
	}
	var wait sync.WaitGroup
	stop := make(chan struct{})
	wait.Go(func() { // whoever asks meanwhile must not be mistaken afterwards
		for {
			select {
			case <-stop:
				return
			default:
				_, _ = db.Before("s")
				_, _ = db.Pending(1)
			}
		}
	})
	w.create(3000, func(i int) string { return fmt.Sprintf("a%08d", i) }) // all in one span
	w.edit(2000)
	close(stop)
	wait.Wait()
	w.compare()
}

// TestRanksAreThinned: what counts the changes does not grow with the number of updates.
func TestRanksAreThinned(t *testing.T) {
	t.Parallel()
	db := create(t, open(t, store.Options{CompactAfter: -1}), "db")
	w := &crowd{t: t, db: db, rand: rand.New(rand.NewPCG(1, 1)), revs: map[string]store.Rev{}}
	w.create(2100, func(n int) string { return fmt.Sprintf("d%08d", n) })
	w.compare() // begins to count
	var docs []store.Doc
	for range 4 {
		docs = docs[:0]
		for _, id := range w.ids {
			docs = append(docs, store.Doc{ID: id, Rev: w.revs[id], Body: []byte("{}")})
		}
		w.write(docs, store.WriteOptions{})
	}
	before := store.SpansOf(db)
	if err := store.CompactNow(db); err != nil {
		t.Fatal(err)
	}
	if after := store.SpansOf(db); before < 16 || after > 8 {
		t.Errorf("%d spans before the compaction, %d after it", before, after)
	}
	w.compare()
}

// TestCountsOfALookedAtStore: where nothing can be written, what is counted is counted one by one.
func TestCountsOfALookedAtStore(t *testing.T) {
	t.Parallel()
	const many = 2100
	o := store.Options{FS: vfs.NewMem()}
	st := open(t, o)
	w := &crowd{t: t, db: create(t, st, "db"), rand: rand.New(rand.NewPCG(1, 1)), revs: map[string]store.Rev{}}
	w.create(many, func(n int) string { return fmt.Sprintf("d%08d", n) })
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	looked, err := store.OpenReadOnly("data", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := looked.Close(); err != nil {
			t.Error(err)
		}
	})
	if w.db, err = looked.Database("db"); err != nil {
		t.Fatal(err)
	}
	w.compare()
}

// crowd writes many documents.
type crowd struct {
	t    *testing.T
	db   *store.Database
	rand *rand.Rand
	ids  []string
	revs map[string]store.Rev
}

func (w *crowd) write(docs []store.Doc, o store.WriteOptions) {
	w.t.Helper()
	results, err := w.db.Write(w.t.Context(), docs, o)
	if err != nil {
		w.t.Fatal(err)
	}
	for i, r := range results {
		if r.Err != nil {
			w.t.Fatal(r.Err)
		}
		if !o.Replicated {
			if w.revs[r.ID] = r.Rev; docs[i].Deleted {
				w.revs[r.ID] = store.Rev{}
			}
		}
	}
}

func (w *crowd) create(n int, id func(int) string) {
	w.t.Helper()
	var docs []store.Doc
	for i := range n {
		if name := id(i); w.revs[name].IsZero() {
			docs = append(docs, store.Doc{ID: name, Body: []byte("{}")})
			w.ids = append(w.ids, name)
			w.revs[name] = store.Rev{}
		}
	}
	w.write(docs, store.WriteOptions{})
}

// edit changes and deletes some documents, makes deleted ones anew, and adds a conflict to others.
func (w *crowd) edit(n int) {
	w.t.Helper()
	var docs, conflicts []store.Doc
	seen := map[string]bool{}
	for range n {
		id := w.ids[w.rand.IntN(len(w.ids))]
		if seen[id] {
			continue
		}
		seen[id] = true
		deleted := w.rand.IntN(2) == 0 && !w.revs[id].IsZero()
		docs = append(docs, store.Doc{ID: id, Rev: w.revs[id], Deleted: deleted, Body: []byte("{}")})
		if w.rand.IntN(10) == 0 {
			rev, err := store.ParseRev(fmt.Sprintf("1-%032x", w.rand.Uint64()))
			if err != nil {
				w.t.Fatal(err)
			}
			conflicts = append(conflicts, store.Doc{ID: id + "-c", Rev: rev, Deleted: w.rand.IntN(2) == 0, Body: []byte("{}")},
				store.Doc{ID: id + "-c", Rev: rev, Body: []byte("{}")})
		}
	}
	w.write(docs, store.WriteOptions{})
	w.write(conflicts, store.WriteOptions{Replicated: true})
}

func (w *crowd) compare() {
	w.t.Helper()
	var ids []string
	var seqs []uint64
	view(w.t, w.db, func(snap *store.Snapshot) error {
		if err := snap.AllDocs(store.Range{}, func(r *store.Row) error { ids = append(ids, r.ID); return nil }); err != nil {
			return err
		}
		return snap.Changes(0, func(r *store.Row) error { seqs = append(seqs, r.Seq); return nil })
	})
	for range 20 {
		i := w.rand.IntN(len(ids))
		if n, err := w.db.Before(ids[i]); err != nil || n != int64(i) {
			w.t.Fatalf("%d documents before %q, not %d: %v", n, ids[i], i, err)
		}
		if n, err := w.db.NotBefore(ids[i] + "\x00"); err != nil || n != int64(len(ids)-i-1) {
			w.t.Fatalf("%d documents behind %q, not %d: %v", n, ids[i], len(ids)-i-1, err)
		}
		i = w.rand.IntN(len(seqs))
		if n, err := w.db.Pending(seqs[i]); err != nil || n != int64(len(seqs)-i-1) {
			w.t.Fatalf("%d changes behind %d, not %d: %v", n, seqs[i], len(seqs)-i-1, err)
		}
	}
	for key, want := range map[string]int64{"": 0, "\xff": int64(len(ids))} {
		if n, err := w.db.Before(key); err != nil || n != want {
			w.t.Fatalf("%d documents before %q, not %d: %v", n, key, want, err)
		}
	}
}
