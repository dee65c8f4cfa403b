package mango_test

import (
	"bytes"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"strings"
	"sync"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/adlayer/after/internal/torture"
	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/mango"
)

// TestPowerLossOfAll cuts the power while several databases are written to, with attachments large and small, indexed and compacted: after each cut all
// that was answered is there with its attachment, and a check of everything finds nothing.
func TestPowerLossOfAll(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(torture.Seed(t), 5))
	fs := vfs.NewCrashableMem()
	known := map[string]string{} // the newest revision answered, by database and document
	for round := range torture.Times(2) {
		fs = cutPower(t, fs, r, known, round)
	}
	st, dbs := openAll(t, fs)
	defer st.Close()
	for _, db := range dbs {
		wantAnswered(t, db, known)
		if err := (mango.Finder{}).Build(t.Context(), db); err != nil {
			t.Error(err)
		}
	}
	wantSound(t, st)
}

// openAll opens a store, and its databases, which are made where they are not there.
func openAll(t *testing.T, fs vfs.FS) (*store.Store, []*store.Database) {
	t.Helper()
	st, err := store.Open("data", store.Options{FS: fs, MemTableSize: 512 << 10, CompactAfter: 40})
	if err != nil {
		t.Fatal(err)
	}
	var dbs []*store.Database
	for _, name := range []string{"a", "b", "c"} {
		db, err := st.Database(name)
		if store.IsNotFound(err) {
			db, err = st.CreateDatabase(t.Context(), name)
		}
		if err != nil {
			t.Fatal(err)
		}
		serve(t, db, "POST", "_index", `{"index":{"fields":["n"]},"name":"n"}`)
		dbs = append(dbs, db)
	}
	return st, dbs
}

// cutPower looks at what there is, writes on, and gives the disk as it would be after a cut.
func cutPower(t *testing.T, fs *vfs.MemFS, r *rand.Rand, known map[string]string, round int) *vfs.MemFS {
	t.Helper()
	st, dbs := openAll(t, fs)
	defer st.Close()
	wantSound(t, st)
	var mu sync.Mutex
	var all sync.WaitGroup
	stop := make(chan struct{})
	enough := make(chan struct{}, 1)
	left := 30 + r.IntN(60)
	answered := func(key, rev string) {
		mu.Lock()
		defer mu.Unlock()
		known[key] = rev
		if left--; left == 0 {
			enough <- struct{}{}
		}
	}
	var steps []func()
	for _, db := range dbs {
		wantAnswered(t, db, known)
		for w := range 2 {
			source := rand.New(rand.NewPCG(r.Uint64(), 6))
			revs := map[string]string{}
			for i := range 8 {
				id := fmt.Sprintf("%d-%d", w, i)
				revs[id] = known[db.Name()+"/"+id]
			}
			steps = append(steps, func() {
				id := fmt.Sprintf("%d-%d", w, source.IntN(8))
				rev, err := db.Put(t.Context(), withAttachment(id, revs[id], round, source))
				if err != nil {
					panic(err) // nothing in this test refuses a write
				}
				revs[id] = rev
				answered(db.Name()+"/"+id, rev)
			})
		}
		steps = append(steps, func() {
			select {
			case <-db.Wait():
			case <-stop:
			}
			db.Compact()
			if err := (mango.Finder{}).Build(t.Context(), db); err != nil {
				panic(err)
			}
		})
	}
	for _, step := range steps {
		all.Go(func() {
			for {
				select {
				case <-stop:
					return
				default:
					step()
				}
			}
		})
	}
	<-enough
	mu.Lock()
	before := maps.Clone(known)
	mu.Unlock()
	clone := fs.CrashClone(vfs.CrashCloneCfg{UnsyncedDataPercent: 50, RNG: r})
	close(stop)
	all.Wait()
	clear(known)
	maps.Copy(known, before)
	return clone
}

// withAttachment is a document whose attachment tells its number over and over.
func withAttachment(id, rev string, round int, r *rand.Rand) []byte {
	n := 1000*round + r.IntN(1000)
	if rev != "" {
		rev = `"_rev":"` + rev + `",`
	}
	kind, times := "a/b", []int{0, 1, 100, 14_000, 40_000}[r.IntN(5)]
	if times <= 100 {
		kind = []string{"text/plain", "a/b"}[r.IntN(2)]
	}
	content := strings.Repeat(fmt.Sprintf("%d ", n), times)
	return fmt.Appendf(nil, `{"_id":%q,%s"n":%d,"_attachments":{"f":{"content_type":%q,"data":%q}}}`, id, rev, n, kind,
		base64.StdEncoding.EncodeToString([]byte(content)))
}

// wantAnswered looks for what was answered, or what was written over it. What it finds is the answer from then on.
func wantAnswered(t *testing.T, db *store.Database, known map[string]string) {
	t.Helper()
	snap, err := db.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	for w := range 2 {
		for i := range 8 {
			id := fmt.Sprintf("%d-%d", w, i)
			key := db.Name() + "/" + id
			row, err := snap.Get(id)
			if store.IsNotFound(err) && known[key] == "" {
				continue
			}
			if err != nil {
				t.Fatalf("%s was answered as %s and is lost: %v", key, known[key], err)
			}
			if known[key] != "" {
				want, err := store.ParseRev(known[key])
				if err != nil || row.Rev.Pos < want.Pos || row.Rev.Pos == want.Pos && row.Rev != want {
					t.Fatalf("%s was answered as %s and is %s: %v", key, known[key], row.Rev, err)
				}
			}
			known[key] = row.Rev.String()
			if err := tellsNumber(snap, row); err != nil {
				t.Errorf("%s: %v", key, err)
			}
		}
	}
}

// tellsNumber reads the attachment of a document.
func tellsNumber(snap *store.Snapshot, row *store.Row) error {
	files := row.Attachments()
	if len(files) != 1 {
		return fmt.Errorf("it has %d attachments", len(files))
	}
	if files[0].Gzip || files[0].Stored == 0 {
		return nil // the check unpacks it
	}
	content, err := io.ReadAll(snap.Attachment(files[0]))
	number, _, _ := bytes.Cut(content, []byte(" "))
	if err == nil && !bytes.Contains(row.Body, append([]byte(`"n":`), number...)) {
		err = errors.New("the attachment is another one's")
	}
	return err
}

// wantSound checks everything.
func wantSound(t *testing.T, st *store.Store) {
	t.Helper()
	found := func(p store.Problem) { t.Errorf("the check says: %s", p) }
	if err := errors.Join(st.Check(t.Context(), found), mango.Check(t.Context(), st, found)); err != nil {
		t.Error(err)
	}
}
