package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/storetest"
)

// open opens a store that is checked and closed when the test ends, if it is open then.
func open(t *testing.T, o store.Options) *store.Store {
	t.Helper()
	if o.FS == nil {
		o.FS = vfs.NewMem()
	}
	st, err := store.Open("data", o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { storetest.End(t, st) })
	return st
}

func create(t *testing.T, st *store.Store, name string) *store.Database {
	t.Helper()
	db, err := st.CreateDatabase(t.Context(), name)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func put(t *testing.T, db *store.Database, format string, args ...any) string {
	t.Helper()
	rev, err := db.Put(t.Context(), fmt.Appendf(nil, format, args...))
	if err != nil {
		t.Fatalf("%s: %v", fmt.Sprintf(format, args...), err)
	}
	return rev
}

// view runs read on a snapshot.
func view(t *testing.T, db *store.Database, read func(*store.Snapshot) error) {
	t.Helper()
	snap, err := db.Snapshot()
	if err == nil {
		err = errors.Join(read(snap), snap.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
}

func feed(t *testing.T, db *store.Database, since uint64) []string {
	t.Helper()
	var out []string
	view(t, db, func(v *store.Snapshot) error {
		return v.Changes(since, func(r *store.Row) error {
			out = append(out, fmt.Sprintf("%d %s %d %v %s", r.Seq, r.ID, r.Rev.Pos, r.Deleted, r.Body))
			return nil
		})
	})
	return out
}

func TestWriteReadReopen(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	st := open(t, store.Options{FS: fs})
	db := create(t, st, "tasks")
	rev1 := put(t, db, `{"_id":"a", "x": 1}`)
	put(t, db, `{"_id":"b","y":[1, 2]}`)
	put(t, db, `{"_id":"a","_rev":%q,"x":2}`, rev1)
	if _, err := db.Put(t.Context(), []byte(`{"_id":"a","_rev":"`+rev1+`"}`)); !store.IsConflict(err) {
		t.Fatalf("a stale revision was not a conflict: %v", err)
	}
	want := fmt.Sprint([]string{`2 b 1 false {"y":[1,2]}`, `3 a 2 false {"x":2}`})
	if got := fmt.Sprint(feed(t, db, 0)); got != want {
		t.Fatalf("changes\n got %s\nwant %s", got, want)
	}
	var row *store.Row
	view(t, db, func(v *store.Snapshot) (err error) {
		row, err = v.Get("a")
		return err
	})
	doc := string(row.AppendJSON(nil))
	if doc != `{"_id":"a","_rev":"`+row.Rev.String()+`","x":2}` {
		t.Fatal(doc)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	st = open(t, store.Options{FS: fs})
	db, err := st.Database("tasks")
	if err != nil {
		t.Fatal(err)
	}
	if got := fmt.Sprint(feed(t, db, 0)); got != want {
		t.Fatalf("changes after opening again\n got %s\nwant %s", got, want)
	}
	put(t, db, `{"_id":"c"}`)
	if got := feed(t, db, 3); len(got) != 1 || got[0] != "4 c 1 false {}" {
		t.Fatal(got)
	}
}

func TestNewerFormatIsRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	if err := os.WriteFile(filepath.Join(dir, "after-store.json"), []byte(`{"format":99,"uuid":"x"}`), 0o600); err != nil {
		t.Fatal(err)
	}
	if _, err := store.Open(dir, store.Options{}); err == nil || !strings.Contains(err.Error(), "newer version (format 99") {
		t.Fatal(err)
	}
}

// TestCompaction writes one document again and again: old bodies go by themselves, the newest stays, and so do the names.
func TestCompaction(t *testing.T) {
	t.Parallel()
	st := open(t, store.Options{CompactAfter: 20})
	db := create(t, st, "db")
	put(t, db, `{"_id":"other"}`)
	first := put(t, db, `{"_id":"a","n":0}`)
	rev := first
	gone := func() (gone bool) {
		view(t, db, func(v *store.Snapshot) error {
			tree, err := v.Tree("a")
			if err != nil {
				return err
			}
			r, err := store.ParseRev(first)
			if err != nil {
				return err
			}
			node, ok := tree.Find(r)
			if !ok {
				return errors.New("the first revision is not in the tree")
			}
			there, err := v.HasBody(node)
			gone = !there
			return err
		})
		return gone
	}
	for n := 1; n < 25 || !gone(); n++ {
		rev = put(t, db, `{"_id":"a","_rev":%q,"n":%d}`, rev, n)
		if n > 900 {
			t.Fatal("nothing was compacted")
		}
	}
	if got := feed(t, db, 0); len(got) != 2 {
		t.Fatal(got)
	}
	view(t, db, func(v *store.Snapshot) error {
		row, err := v.Get("a")
		if err == nil && (row.Rev.String() != rev || row.Body == nil) {
			err = fmt.Errorf("the newest revision is %s with %s instead of %s", row.Rev, row.Body, rev)
		}
		return err
	})
	sound(t, st)
}
