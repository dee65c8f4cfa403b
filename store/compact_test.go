package store_test

import (
	"errors"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/sirupsen/logrus/hooks/test"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/storetest"
)

// TestCompactionInTurn: so many at once and no more; who waits is shown as compacting, and ends with its database.
func TestCompactionInTurn(t *testing.T) {
	t.Parallel()
	st := open(t, store.Options{})
	db, dropped := create(t, st, "db"), create(t, st, "dropped")
	rev := put(t, db, `{"_id":"a"}`)
	put(t, db, `{"_id":"a","_rev":%q}`, rev)
	release := store.HoldCompactions(st)
	for _, d := range []*store.Database{db, dropped} {
		d.Compact()
		d.Compact() // it is asked for already
	}
	running := st.Compactions()
	if len(running) != 2 || running[0].Database != "db" || !running[0].Started.IsZero() || !db.Compacting() {
		t.Errorf("%+v", running)
	}
	end := store.CompactionEnd(dropped)
	if err := st.DropDatabase(t.Context(), "dropped"); err != nil {
		t.Fatal(err)
	}
	<-end
	end = store.CompactionEnd(db)
	release()
	<-end
	if db.Compacting() || len(st.Compactions()) != 0 {
		t.Error("a compaction goes on after its end")
	}
	if s, err := st.Stats(); err != nil || s.Databases[0].Superseded != 0 {
		t.Errorf("%+v %v", s.Databases, err)
	}
	release = store.HoldCompactions(st)
	db.Compact()
	if err := st.Close(); err != nil { // and one that waits does not keep the store open
		t.Error(err)
	}
	release()
	db.Compact()
	if db.Compacting() {
		t.Error("a closed store compacts")
	}
}

// TestCompactionByDisk: few revisions that take much of the disk are removed by themselves.
func TestCompactionByDisk(t *testing.T) {
	t.Parallel()
	st := open(t, store.Options{MemTableSize: 64 << 10, CompactBytes: 200 << 10})
	db := create(t, st, "db")
	first := put(t, db, `{"_id":"a","n":0}`)
	rev := first
	for n := 1; !gone(t, db, "a", first); n++ {
		rev = put(t, db, `{"_id":"a","_rev":%q,"n":"%x"}`, rev, noise(uint64(n), 4000))
		if n > 2000 {
			t.Fatal("nothing was compacted")
		}
	}
	<-store.CompactionEnd(db)
	sound(t, st)
}

// TestCompactionOnFullDisk: a compaction that is asked for ends where the disk has no room for what it writes, with the store.
func TestCompactionOnFullDisk(t *testing.T) {
	t.Parallel()
	disk := storetest.NewDisk(1 << 30)
	st, err := store.Open("data", store.Options{FS: disk})
	if err != nil {
		t.Fatal(err)
	}
	db := create(t, st, "db")
	put(t, db, `{"_id":"a"}`)
	disk.Resize(0)
	for range 2 { // also one that begins when the store has failed
		db.Compact()
		<-store.CompactionEnd(db)
	}
	if st.Failed() == nil {
		t.Error("the store has not failed")
	}
	if err := st.Close(); !errors.Is(err, storetest.ErrFull) {
		t.Error(err)
	}
}

// TestCompactionAskedForAgain: what is written over behind the place where a compaction is goes too where another one is asked for meanwhile.
func TestCompactionAskedForAgain(t *testing.T) {
	t.Parallel()
	st := open(t, store.Options{CompactAfter: -1})
	db := create(t, st, "db")
	rev := put(t, db, `{"_id":"first"}`)
	docs := make([]store.Doc, 10_000) // some slices
	for range 2 {
		for i := range docs {
			docs[i].ID, docs[i].Body = strconv.Itoa(i), []byte(`{}`)
		}
		results, err := db.Write(t.Context(), docs, store.WriteOptions{})
		if err != nil {
			t.Fatal(err)
		}
		for i := range docs {
			docs[i] = store.Doc{Rev: results[i].Rev}
		}
	}
	db.Compact()
	for running := st.Compactions(); len(running) == 1 && running[0].Done < 1000; running = st.Compactions() {
		runtime.Gosched()
	}
	put(t, db, `{"_id":"first","_rev":%q}`, rev)
	db.Compact()
	<-store.CompactionEnd(db)
	if !gone(t, db, "first", rev) {
		t.Error("the second compaction did nothing")
	}
	if s, err := st.Stats(); err != nil || s.Databases[0].Superseded != 0 || db.Compacting() {
		t.Errorf("%+v %v", s.Databases, err)
	}
}

// gone tells whether the body of a revision is there no more.
func gone(t *testing.T, db *store.Database, id, rev string) (gone bool) {
	t.Helper()
	view(t, db, func(v *store.Snapshot) error {
		tree, err := v.Tree(id)
		if err != nil {
			return err
		}
		r, err := store.ParseRev(rev)
		if err != nil {
			return err
		}
		node, ok := tree.Find(r)
		if !ok {
			return errors.New("the revision is not in the tree")
		}
		there, err := v.HasBody(node)
		gone = !there
		return err
	})
	return gone
}

// TestCompactionOfDamage: rows whose references cannot be read are left as they are, with everything else of their slice, and the store goes on.
func TestCompactionOfDamage(t *testing.T) {
	t.Parallel()
	log, said := test.NewNullLogger()
	st := open(t, store.Options{CompactAfter: -1, Log: log})
	db := create(t, st, "db")
	first := put(t, db, `{"_id":"a","_attachments":{"x":{"data":"aGk="}}}`)
	rev := first
	for n := range 3 {
		rev = put(t, db, `{"_id":"a","_rev":%q,"_attachments":{"x":{"data":%q}}}`, rev, strings.Repeat("aGkh", n+1))
	}
	list := store.Replace(st, store.RefsKey(db, 2), []byte{0x80})
	before := store.Keys(st)
	end := func() <-chan struct{} {
		db.Compact()
		return store.CompactionEnd(db)
	}
	<-end()
	if now := store.Keys(st); now != before || said.LastEntry() == nil || said.LastEntry().Message != "store: compacting failed" {
		t.Errorf("%d keys of %d, the log says %v", now, before, said.LastEntry())
	}
	if st.Failed() != nil {
		t.Error(st.Failed())
	}
	store.Replace(st, store.RefsKey(db, 2), list)
	put(t, db, `{"_id":"other"}`) // readers see it with the next write
	sound(t, st)
	<-end()
	if !gone(t, db, "a", first) {
		t.Error("what was mended is not compacted")
	}
	sound(t, st)
}

// TestBodyBroughtAgain: a replicator that brings a revision whose body a compaction has taken away gives it back.
func TestBodyBroughtAgain(t *testing.T) {
	t.Parallel()
	st := open(t, store.Options{})
	db := create(t, st, "db")
	there := func(when string, want bool, seq uint64) {
		t.Helper()
		view(t, db, func(v *store.Snapshot) error {
			tree, err := v.Tree("d")
			if err != nil {
				return err
			}
			path := tree.Path(tree.Leaves()[0].Rev)
			got, err := v.HasBody(path[len(path)-1])
			if err == nil && (got != want || db.Seq() != seq || len(path) != 2) {
				t.Errorf("%s: %v at %d, in %v", when, got, db.Seq(), path)
			}
			return err
		})
	}
	brought(t, db, "d", "a", 1, false)
	brought(t, db, "d", "a", 2, false)
	brought(t, db, "d", "a", 1, false)
	there("before the compaction", true, 2)
	release := store.HoldCompactions(st)
	db.Compact()
	end := store.CompactionEnd(db)
	release()
	<-end
	there("after it", false, 2)
	brought(t, db, "d", "a", 1, false)
	there("brought again", true, 4) // in a row of its own, behind which the document's is
	brought(t, db, "d", "a", 1, false)
	there("and again", true, 4)
	sound(t, st)
}
