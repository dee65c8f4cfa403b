package store_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/adlayer/after/store"
)

// problems checks a store and gives what is wrong with it.
func problems(t *testing.T, st *store.Store) (found []string) {
	t.Helper()
	if err := st.Check(t.Context(), func(p store.Problem) { found = append(found, p.String()) }); err != nil {
		t.Errorf("the check ended early: %v", err)
	}
	return found
}

// sound fails the test for each problem of a store.
func sound(t *testing.T, st *store.Store) {
	t.Helper()
	for _, p := range problems(t, st) {
		t.Errorf("the check says: %s", p)
	}
}

// small is a store with some of everything: see fill.
type small struct {
	fs *vfs.MemFS
	db *store.Database
}

// fill writes: seq 1 a, 2 b, 3 a again, 4 c, 5 c deleted, 6 a conflict of b, 7 another leaf of b that wins.
func fill(t *testing.T) small {
	t.Helper()
	s := small{fs: vfs.NewMem()}
	st, err := store.Open("data", store.Options{FS: s.fs, CompactAfter: -1})
	if err != nil {
		t.Fatal(err)
	}
	s.db = create(t, st, "db")
	rev := put(t, s.db, `{"_id":"a","n":1}`)
	put(t, s.db, `{"_id":"b","n":1}`)
	put(t, s.db, `{"_id":"a","_rev":%q,"n":2}`, rev)
	rev = put(t, s.db, `{"_id":"c"}`)
	put(t, s.db, `{"_id":"c","_rev":%q,"_deleted":true}`, rev)
	put(t, s.db, `{"_id":"_local/l","x":1}`)
	for _, text := range []string{"1-00000000000000000000000000000000", "2-ffffffffffffffffffffffffffffffff"} {
		rev, err := store.ParseRev(text)
		if err != nil {
			t.Fatal(err)
		}
		if _, err := s.db.Write(t.Context(), []store.Doc{{ID: "b", Rev: rev, Body: []byte(`{}`)}}, store.WriteOptions{Replicated: true}); err != nil {
			t.Fatal(err)
		}
	}
	sound(t, st)
	if err := st.Close(); err != nil {
		t.Fatal(err)
	}
	return s
}

// inEngine opens the engine alone, to damage what is in it.
func inEngine(t *testing.T, fs vfs.FS, change func(*pebble.DB) error) {
	t.Helper()
	db, err := pebble.Open("data", &pebble.Options{FS: fs, FormatMajorVersion: pebble.FormatNewest})
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(change(db), db.Close()); err != nil {
		t.Fatal(err)
	}
}

func (s small) get(db *pebble.DB, key []byte) []byte {
	value, closer, err := db.Get(key)
	if err != nil {
		panic(err)
	}
	defer closer.Close()
	return bytes.Clone(value)
}

// TestCheckFindsDamage puts in every kind of damage by hand, and looks for the words that tell of it.
func TestCheckFindsDamage(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		damage func(s small, db *pebble.DB) error
		want   string
	}{
		"row gone": {func(s small, db *pebble.DB) error {
			return db.Delete(store.RowKey(s.db, 3), nil)
		}, `db: document "a": it was last written at 3, where there is no row`},
		"row of another": {func(s small, db *pebble.DB) error {
			return db.Set(store.RowKey(s.db, 3), s.get(db, store.RowKey(s.db, 5)), nil)
		}, `document "a": it was last written at 3, where the row is that of "c"`},
		"row of another revision": {func(s small, db *pebble.DB) error {
			return db.Set(store.RowKey(s.db, 3), s.get(db, store.RowKey(s.db, 1)), nil)
		}, `document "a": the row of its last write, at 3, names 1-`},
		"row damaged": {func(s small, db *pebble.DB) error {
			return db.Set(store.RowKey(s.db, 3), []byte{1}, nil)
		}, "db: the row at 3 cannot be read"},
		"body damaged": {func(s small, db *pebble.DB) error {
			row := s.get(db, store.RowKey(s.db, 3))
			return db.Set(store.RowKey(s.db, 3), row[:len(row)-1], nil)
		}, `document "a": the body written at 3 is no JSON object`},
		"body of a leaf gone": {func(s small, db *pebble.DB) error {
			return db.Delete(store.RowKey(s.db, 6), nil)
		}, `document "b": the body of its leaf 1-00000000000000000000000000000000, written at 6, is gone`},
		"row twice": {func(s small, db *pebble.DB) error {
			return db.Delete(store.MarkKey(s.db, 1), nil)
		}, `document "a": the row at 1 stands in the feed, though the document was last written at 3`},
		"current row superseded": {func(s small, db *pebble.DB) error {
			return db.Set(store.MarkKey(s.db, 3), []byte{1}, nil)
		}, `document "a": its last write, at 3, is marked as superseded`},
		"row of a leaf removable": {func(s small, db *pebble.DB) error {
			return db.Set(store.MarkKey(s.db, 6), []byte{1}, nil)
		}, `document "b": the row at 6 is marked as removable, but it holds the body of a leaf`},
		"mark alone": {func(s small, db *pebble.DB) error {
			return db.Delete(store.RowKey(s.db, 1), nil)
		}, "db: there is a mark at 1, but no row"},
		"mark unknown": {func(s small, db *pebble.DB) error {
			return db.Set(store.MarkKey(s.db, 1), []byte("x"), nil)
		}, "db: the mark at 1 says nothing known"},
		"newer superseded": {func(s small, db *pebble.DB) error {
			row := s.get(db, store.RowKey(s.db, 3))
			return errors.Join(db.Set(store.MarkKey(s.db, 9), []byte{1}, nil), db.Set(store.RowKey(s.db, 9), row, nil))
		}, `document "a": the row at 9 is marked as superseded, but the document was last written at 3`},
		"row beyond the counter": {func(s small, db *pebble.DB) error {
			return db.Set(store.CountersKey(s.db), store.Counters(6, 2, 1, 4), nil)
		}, `document "b": it was written at 7, but the database's update sequence is 6`},
		"counters": {func(s small, db *pebble.DB) error {
			return db.Set(store.CountersKey(s.db), store.Counters(8, 7, 7, 7), nil)
		}, "db: its update sequence is 8, but the newest row is at 7"},
		"documents counted": {func(s small, db *pebble.DB) error {
			return db.Set(store.CountersKey(s.db), store.Counters(7, 9, 1, 4), nil)
		}, "db: it counts 9 documents, but there are 2"},
		"counters damaged": {func(s small, db *pebble.DB) error {
			return db.Set(store.CountersKey(s.db), []byte{0x80}, nil)
		}, "db: the counters cannot be read"},
		"document gone": {func(s small, db *pebble.DB) error {
			return db.Delete(store.DocKey(s.db, "a"), nil)
		}, `document "a": there is a row at 3, but no such document`},
		"tree damaged": {func(s small, db *pebble.DB) error {
			m := s.get(db, store.DocKey(s.db, "b"))
			return db.Set(store.DocKey(s.db, "b"), m[:len(m)-3], nil)
		}, `document "b": its revision tree cannot be read`},
		"tree with more behind it": {func(s small, db *pebble.DB) error {
			return db.Set(store.DocKey(s.db, "a"), append(s.get(db, store.DocKey(s.db, "a")), 0), nil)
		}, `document "a": its revision tree does not encode to what was read`},
		"winner not deleted": {func(s small, db *pebble.DB) error {
			m := s.get(db, store.DocKey(s.db, "c"))
			m[0] &^= 1
			return db.Set(store.DocKey(s.db, "c"), m, nil)
		}, `document "c": its record names 2-`},
		"local damaged": {func(s small, db *pebble.DB) error {
			return db.Set(store.LocalKey(s.db, "_local/l"), []byte{1, '{'}, nil)
		}, `document "_local/l": the local document cannot be read`},
		"local named otherwise": {func(s small, db *pebble.DB) error {
			return db.Set(store.LocalKey(s.db, "l"), []byte("\x01{}"), nil)
		}, `document "l": no local document can have this id`},
		"catalog damaged": {func(_ small, db *pebble.DB) error {
			return db.Set(store.CatalogKey("db"), []byte("{"), nil)
		}, "db: the record of the database cannot be read"},
		"name": {func(s small, db *pebble.DB) error {
			return db.Set(store.CatalogKey("Db"), []byte(`{"number":1,"uuid":"x"}`), nil)
		}, "Db: no database can have this name"},
		"content shared": {func(s small, db *pebble.DB) error {
			return db.Set(store.CatalogKey("dc"), s.get(db, store.CatalogKey("db")), nil)
		}, "dc: the database shares its content with db"},
		"content of none": {func(_ small, db *pebble.DB) error {
			return db.Set(store.KindKey(77, 'd'), nil, nil)
		}, "the content of a database that is not listed (number 77)"},
		"last number": {func(_ small, db *pebble.DB) error {
			return db.Delete(store.NumberKey(), nil)
		}, "the last database number is 0, but db has 1"},
		"unknown kind": {func(_ small, db *pebble.DB) error {
			return db.Set(store.KindKey(1, 'Z'), nil, nil)
		}, `db: a key that nothing writes: "Z"`},
		"unknown row key": {func(_ small, db *pebble.DB) error {
			return db.Set(append(store.KindKey(1, 's'), "zz"...), nil, nil)
		}, `db: a row has a key that nothing writes: "zz"`},
		"unknown space": {func(_ small, db *pebble.DB) error {
			return db.Set([]byte("z"), nil, nil)
		}, `a key that nothing writes: "z"`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := fill(t)
			inEngine(t, s.fs, func(db *pebble.DB) error { return test.damage(s, db) })
			st, err := store.OpenReadOnly("data", store.Options{FS: s.fs})
			if err != nil {
				t.Fatal(err)
			}
			defer st.Close()
			found := problems(t, st)
			if !slices.ContainsFunc(found, func(p string) bool { return strings.Contains(p, test.want) }) {
				t.Errorf("no word of %q in\n%s", test.want, strings.Join(found, "\n"))
			}
			for _, p := range found {
				if strings.Contains(p, "\n") {
					t.Errorf("a problem of several lines: %q", p)
				}
			}
		})
	}
}

// TestCheckReadsEveryBlock: a damaged block is told with the name of its file, and so are the documents that are lost in it.
func TestCheckReadsEveryBlock(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	st := openAt(t, dir, store.Options{MemTableSize: 256 << 10, CompactAfter: -1})
	db := create(t, st, "db")
	for part := range 8 {
		docs := make([]store.Doc, 50)
		for n := range docs {
			docs[n] = store.Doc{ID: fmt.Sprintf("d%d-%d", part, n), Body: fmt.Appendf(nil, `{"text":%q}`, strings.Repeat(fmt.Sprint(part, n), 500))}
		}
		if _, err := db.Write(t.Context(), docs, store.WriteOptions{}); err != nil {
			t.Fatal(err)
		}
	}
	sound(t, st)
	if err := errors.Join(store.Squeeze(t.Context(), st), st.Close()); err != nil { // nothing is left to the log
		t.Fatal(err)
	}
	damage(t, dir)
	st, err := store.OpenReadOnly(dir, store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer st.Close()
	file, document := false, false
	for _, p := range problems(t, st) {
		file = file || strings.Contains(p, ".sst: a block is damaged")
		document = document || strings.Contains(p, "cannot be read")
	}
	if !file || !document {
		t.Errorf("the file: %v, what is lost: %v", file, document)
	}
}

// TestReadOnly: nothing of the folder changes, and nothing can be written.
func TestReadOnly(t *testing.T) {
	t.Parallel()
	s := fill(t)
	names := func() string {
		list, err := s.fs.List("data")
		if err != nil {
			t.Fatal(err)
		}
		slices.Sort(list)
		return fmt.Sprint(list)
	}
	before := names()
	st, err := store.OpenReadOnly("data", store.Options{FS: s.fs})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := st.CreateDatabase(t.Context(), "new"); !errors.Is(err, store.ErrReadOnly) {
		t.Errorf("a write: %v", err)
	}
	db, err := st.Database("db")
	if err != nil {
		t.Fatal(err)
	}
	if got := feed(t, db, 0); len(got) != 3 {
		t.Errorf("the feed has %v", got)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	if err := st.Check(ctx, func(store.Problem) {}); !errors.Is(err, context.Canceled) {
		t.Errorf("a check that is called off: %v", err)
	}
	if err := st.Close(); err != nil {
		t.Error(err)
	}
	if after := names(); after != before {
		t.Errorf("the folder had %s and has %s", before, after)
	}
	if err := st.Check(t.Context(), func(store.Problem) {}); !errors.Is(err, store.ErrClosed) {
		t.Errorf("a check after Close: %v", err)
	}
	empty := t.TempDir()
	if _, err := store.OpenReadOnly(empty, store.Options{}); !errors.Is(err, os.ErrNotExist) || !strings.Contains(err.Error(), "there is no store in") {
		t.Errorf("a folder without a store: %v", err)
	}
	if made, err := filepath.Glob(filepath.Join(empty, "*")); err != nil || len(made) != 0 {
		t.Errorf("looking made %v", made)
	}
}
