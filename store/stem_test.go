package store_test

import (
	"errors"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/adlayer/after/store"
)

// brought writes a revision as a replicator brings it: the newest of n generations of a branch.
func brought(t *testing.T, db *store.Database, id, branch string, n int, deleted bool) {
	t.Helper()
	doc := store.Doc{ID: id, Deleted: deleted, Body: fmt.Appendf(nil, `{"branch":%q}`, branch)}
	for at := n; at > 0; at-- {
		rev, err := store.ParseRev(fmt.Sprintf("%d-%s%d", at, branch, at))
		if err != nil {
			t.Fatal(err)
		}
		if at == n {
			doc.Rev = rev
			continue
		}
		doc.Ancestors = append(doc.Ancestors, rev)
	}
	if _, err := db.Write(t.Context(), []store.Doc{doc}, store.WriteOptions{Replicated: true}); err != nil {
		t.Fatal(err)
	}
}

// histories gives the leaves of each document, each with the length of its history, and fails if one is longer than limit.
func histories(t *testing.T, db *store.Database, limit int) (leaves []string) {
	t.Helper()
	view(t, db, func(v *store.Snapshot) error {
		return v.Changes(0, func(row *store.Row) error {
			tree, err := v.Tree(row.ID)
			if err != nil {
				return err
			}
			for _, leaf := range tree.Leaves() {
				if n := len(tree.Path(leaf.Rev)); n > limit {
					t.Errorf("%s of %s has %d generations", leaf.Rev, row.ID, n)
				}
				full, err := v.Revision(tree, leaf)
				if err != nil {
					return err
				}
				leaves = append(leaves, fmt.Sprint(row.ID, " ", leaf.Rev, leaf.Deleted, string(full.Body)))
			}
			return nil
		})
	})
	return leaves
}

// TestStemmingInCompaction: after the limit was lowered a compaction shortens the histories of documents that nobody writes. What clients see
// stays: leaves with their bodies, winners, the feed and its sequences. It is done once.
func TestStemmingInCompaction(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	options := store.Options{FS: fs, CompactAfter: -1}
	st := open(t, options)
	db := create(t, st, "db")
	rev := ""
	for n := range 30 {
		if rev == "" {
			rev = put(t, db, `{"_id":"plain"}`)
			continue
		}
		rev = put(t, db, `{"_id":"plain","_rev":%q,"n":%d}`, rev, n)
	}
	for n := range 3000 { // more than a slice
		if n%300 == 0 {
			put(t, db, `{"_id":"short%d"}`, n)
		}
	}
	brought(t, db, "conflict", "a", 40, false)
	brought(t, db, "conflict", "b", 3, false)
	brought(t, db, "conflict", "c", 25, true)
	brought(t, db, "gone", "x", 12, true)
	for n := range 700 {
		brought(t, db, fmt.Sprint("long", n), "l", 40, false)
	}
	was, leaves, seq := feed(t, db, 0), histories(t, db, 40), db.Seq()
	for _, limit := range []uint64{2000, 5} {
		if err := db.SetRevsLimit(t.Context(), limit); err != nil {
			t.Fatal(err)
		}
	}
	if got := histories(t, db, 40); !slices.Equal(got, leaves) || store.LongestHistory(db) != 2000 {
		t.Errorf("setting the limit alone changed documents, or the store thinks of histories of %d", store.LongestHistory(db))
	}
	if err := store.CompactNow(db); err != nil {
		t.Fatal(err)
	}
	if got := histories(t, db, 5); !slices.Equal(got, leaves) {
		t.Errorf("leaves\n%s\nare now\n%s", strings.Join(leaves, "\n"), strings.Join(got, "\n"))
	}
	if got := feed(t, db, 0); !slices.Equal(got, was) || db.Seq() != seq {
		t.Errorf("the feed has changed, or the sequence %d to %d", seq, db.Seq())
	}
	sound(t, st)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	st = open(t, options)
	db, err := st.Database("db")
	if err != nil {
		t.Fatal(err)
	}
	if n := store.LongestHistory(db); n != 5 {
		t.Errorf("after a restart the store thinks of histories of %d", n)
	}
	rev = put(t, db, `{"_id":"plain","_rev":%q,"n":"later"}`, rev)
	if !strings.HasPrefix(rev, "31-") {
		t.Errorf("the next revision is %s", rev)
	}
	histories(t, db, 5)
	sound(t, st)
}

// TestStemmingAmongWriters: the limit is lowered and compactions run while others write; in the end nothing is longer than it, and nothing is lost.
func TestStemmingAmongWriters(t *testing.T) {
	t.Parallel()
	st := open(t, store.Options{CompactAfter: -1})
	db := create(t, st, "db")
	const writers, writes = 4, 60
	var wg sync.WaitGroup
	for w := range writers {
		wg.Go(func() {
			rev := ""
			for n := range writes {
				doc := fmt.Appendf(nil, `{"_id":"w%d","n":%d}`, w, n)
				if rev != "" {
					doc = fmt.Appendf(nil, `{"_id":"w%d","_rev":%q,"n":%d}`, w, rev, n)
				}
				var err error
				if rev, err = db.Put(t.Context(), doc); err != nil {
					t.Error(err)
					return
				}
			}
		})
	}
	for limit := uint64(40); limit > 2; limit -= 4 {
		if err := errors.Join(db.SetRevsLimit(t.Context(), limit), store.CompactNow(db)); err != nil {
			t.Fatal(err)
		}
	}
	wg.Wait()
	limit := int(db.RevsLimit())
	if err := store.CompactNow(db); err != nil {
		t.Fatal(err)
	}
	for _, leaf := range histories(t, db, limit) {
		if !strings.Contains(leaf, " "+strconv.Itoa(writes)+"-") {
			t.Error(leaf)
		}
	}
	sound(t, st)
}

// TestHistoryBeyondTheLimit: a replicator that brings nothing but what the limit cuts off again changes nothing.
func TestHistoryBeyondTheLimit(t *testing.T) {
	t.Parallel()
	st := open(t, store.Options{})
	db := create(t, st, "db")
	if err := db.SetRevsLimit(t.Context(), 3); err != nil {
		t.Fatal(err)
	}
	brought(t, db, "d", "a", 9, false)
	brought(t, db, "d", "a", 9, false)
	if db.Seq() != 1 {
		t.Errorf("the same history again is an update: %d", db.Seq())
	}
	sound(t, st)
}
