package store_test

import (
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/cockroachdb/pebble/v2/vfs/errorfs"

	"github.com/adlayer/after/internal/torture"
	"github.com/adlayer/after/store"
)

// TestBackupAmongWriters: each backup that is made while others write has every write answered before it, whole batches, and a feed that ends
// where its counters say.
func TestBackupAmongWriters(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	st := openAt(t, filepath.Join(dir, "data"), store.Options{MemTableSize: 64 << 10, CompactAfter: 50})
	db := create(t, st, "db")
	var stopped atomic.Bool
	var wg sync.WaitGroup
	for w := range 16 {
		wg.Go(func() {
			revs := make([]store.Rev, 3)
			for n := 0; !stopped.Load(); n++ {
				docs := make([]store.Doc, len(revs))
				for i := range docs {
					docs[i] = store.Doc{ID: fmt.Sprintf("%d-%d", w, i), Rev: revs[i], Body: fmt.Appendf(nil, `{"n":%d,"pad":%q}`, n, strings.Repeat("x", 300))}
				}
				results, err := db.Write(t.Context(), docs, store.WriteOptions{})
				if err != nil {
					t.Error(err)
					return
				}
				for i := range results {
					revs[i] = results[i].Rev
				}
			}
		})
	}
	for round := range torture.Times(5) {
		target := db.Seq() + 100
		for db.Seq() < target {
			<-db.Wait()
		}
		answered := db.Seq()
		backup := filepath.Join(dir, fmt.Sprint("backup", round))
		if err := st.Backup(t.Context(), backup); err != nil {
			t.Fatal(err)
		}
		lookIntoBackup(t, backup, st.UUID(), answered)
	}
	stopped.Store(true)
	wg.Wait()
	sound(t, st)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(filepath.Join(dir, "*unfinished*")); err != nil || left != nil {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func lookIntoBackup(t *testing.T, backup, uuid string, answered uint64) {
	t.Helper()
	st, err := store.OpenReadOnly(backup, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	sound(t, st)
	db, err := st.Database("db")
	if err != nil {
		t.Fatal(err)
	}
	if db.Seq() < answered || st.UUID() != uuid {
		t.Errorf("the backup of %s has come to %d, but %d was answered; it says it is %s", uuid, db.Seq(), answered, st.UUID())
	}
	n := map[string]string{}
	view(t, db, func(v *store.Snapshot) error {
		return v.AllDocs(store.Range{Bodies: true}, func(row *store.Row) error {
			writer, _, _ := strings.Cut(row.ID, "-")
			said, _, _ := strings.Cut(string(row.Body), ",")
			if other := n[writer]; other != "" && other != said {
				return fmt.Errorf("half a batch: %s and %s of writer %s", other, said, writer)
			}
			n[writer] = said
			return nil
		})
	})
}

// TestBackupsAreRefused: a folder that is there, one in a place that is not, a store that has failed or is closed.
func TestBackupsAreRefused(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	st := openAt(t, filepath.Join(dir, "data"), store.Options{})
	for folder, want := range map[string]string{
		dir:                              "is there already",
		filepath.Join(dir, "no", "such"): "cannot be used",
	} {
		if err := st.Backup(t.Context(), folder); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%s: %v", folder, err)
		}
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	if err := st.Backup(t.Context(), filepath.Join(dir, "late")); !errors.Is(err, store.ErrClosed) {
		t.Errorf("after Close: %v", err)
	}
}

// TestUnfinishedBackup: where a backup fails half-way, no folder has its name, and nothing of it is left.
func TestUnfinishedBackup(t *testing.T) {
	t.Parallel()
	mem := vfs.NewMem()
	fs := errorfs.Wrap(mem, errorfs.InjectorFunc(func(op errorfs.Op) error {
		if strings.Contains(op.Path, "unfinished") && strings.HasSuffix(op.Path, ".json.new") && op.Kind == errorfs.OpCreate {
			return errors.New("no space left on device")
		}
		return nil
	}))
	st := open(t, store.Options{FS: fs})
	put(t, create(t, st, "db"), `{"_id":"a"}`)
	if err := mem.MkdirAll("backups", 0o700); err != nil {
		t.Fatal(err)
	}
	if err := st.Backup(t.Context(), "backups/one"); err == nil || !strings.Contains(err.Error(), "no space left") {
		t.Errorf("%v", err)
	}
	if left, err := mem.List("backups"); err != nil || len(left) != 0 {
		t.Errorf("left behind: %v %v", left, err)
	}
}

// TestBackupAfterABrokenOne: what a backup left that a crash ended is in nobody's way, cannot be restored, and goes with the next into the same folder.
func TestBackupAfterABrokenOne(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	st := openAt(t, at("data"), store.Options{})
	put(t, create(t, st, "db"), `{"_id":"a"}`)
	left := at("backup.unfinished-" + st.UUID()[:8])
	if err := os.CopyFS(left, os.DirFS(at("data"))); err != nil {
		t.Fatal(err)
	}
	if err := os.Remove(filepath.Join(left, "after-store.json")); err != nil { // it is the last that a backup writes
		t.Fatal(err)
	}
	err := store.Restore(t.Context(), left, at("new"), store.Options{}, func(*store.Store) error { return nil })
	if err == nil || !strings.Contains(err.Error(), "did not come to its end") {
		t.Errorf("restoring it: %v", err)
	}
	if err := st.Backup(t.Context(), at("backup")); err != nil {
		t.Fatal(err)
	}
	if left, err := filepath.Glob(at("*unfinished*")); err != nil || left != nil {
		t.Errorf("left behind: %v %v", left, err)
	}
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	backup, err := store.OpenReadOnly(at("backup"), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	sound(t, backup)
	if err := backup.Close(); err != nil {
		t.Error(err)
	}
}

// TestRestore: a store that is restored is the one that was backed up; what is in the way, or wrong with the backup, stops it before anything
// is there.
func TestRestore(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	at := func(name string) string { return filepath.Join(dir, name) }
	st := openAt(t, at("data"), store.Options{})
	db := create(t, st, "db")
	put(t, db, `{"_id":"a","n":1}`)
	if err := st.Backup(t.Context(), at("backup")); err != nil {
		t.Fatal(err)
	}
	put(t, db, `{"_id":"later"}`)
	fine := func(*store.Store) error { return nil }
	if err := store.Restore(t.Context(), at("backup"), at("data"), store.Options{}, fine); err == nil || !strings.Contains(err.Error(), "not empty") {
		t.Errorf("over another store: %v", err)
	}
	uuid := st.UUID()
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	bad := errors.New("bad")
	if err := store.Restore(t.Context(), at("backup"), at("new"), store.Options{}, func(*store.Store) error { return bad }); !errors.Is(err, bad) {
		t.Errorf("a bad backup: %v", err)
	}
	if err := store.Restore(t.Context(), at("none"), at("new"), store.Options{}, fine); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("no backup: %v", err)
	}
	if _, err := os.Stat(at("new")); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("what was refused left %v", err)
	}
	if err := os.Mkdir(at("empty"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, folder := range []string{"new", "empty"} {
		if err := store.Restore(t.Context(), at("backup"), at(folder), store.Options{}, fine); err != nil {
			t.Fatal(err)
		}
		st := openAt(t, at(folder), store.Options{})
		sound(t, st)
		db, err := st.Database("db")
		if err != nil {
			t.Fatal(err)
		}
		if got := feed(t, db, 0); st.UUID() != uuid || len(got) != 1 || got[0] != `1 a 1 false {"n":1}` {
			t.Errorf("%s: %s with %v", folder, st.UUID(), got)
		}
		put(t, db, `{"_id":"more"}`) // and the backup must not change by it
		if err := st.Close(); err != nil {
			t.Fatal(err)
		}
	}
	if left, err := filepath.Glob(at("*unfinished*")); err != nil || left != nil {
		t.Errorf("left behind: %v %v", left, err)
	}
}

func TestStats(t *testing.T) {
	t.Parallel()
	st := open(t, store.Options{})
	create(t, st, "empty")
	db := create(t, st, "db")
	rev := put(t, db, `{"_id":"a","n":1}`)
	rev = put(t, db, `{"_id":"a","_rev":%q,"n":2}`, rev)
	put(t, db, `{"_id":"b","_rev":"1-x","_deleted":true}`)
	put(t, db, `{"_id":"a","_rev":%q,"n":3}`, rev)
	s, err := st.Stats()
	if err != nil {
		t.Fatal(err)
	}
	names := []string{}
	for _, d := range s.Databases {
		names = append(names, d.Name)
	}
	if d := s.Databases[0]; !slices.Equal(names, []string{"db", "empty"}) || d.Docs != 1 || d.Deleted != 1 || d.Seq != 4 || d.Superseded != 2 {
		t.Errorf("%+v", s.Databases)
	}
	if s.UUID != st.UUID() || s.Format == 0 || s.Memtables.Count == 0 || s.Disk == 0 || s.Failed != "" {
		t.Errorf("%+v", s)
	}
}
