package store_test

import (
	"bytes"
	"errors"
	"fmt"
	"math/rand/v2"
	"strconv"
	"sync"
	"testing"

	"github.com/adlayer/after/internal/torture"
	"github.com/adlayer/after/store"
)

// allowed are the errors of calls that meet a database which others make and drop.
func allowed(err error) bool {
	var refused *store.Error
	return err == nil || errors.Is(err, store.ErrClosed) || errors.As(err, &refused) && (refused.Status == 404 || refused.Status == 409 || refused.Status == 412)
}

// TestDatabasesComeAndGo: databases are made, written, followed, compacted and dropped by many at once, and the store is closed under them. Nobody waits
// for ever, nothing is used after its end, and what is left is sound.
func TestDatabasesComeAndGo(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(torture.Seed(t), 7))
	for _, closing := range []bool{false, true} {
		st := open(t, store.Options{MemTableSize: 64 << 10, CompactAfter: 5})
		var wg sync.WaitGroup
		for range 6 {
			source := rand.New(rand.NewPCG(r.Uint64(), 8))
			wg.Go(func() {
				for range torture.Times(80) {
					if err := comeOrGo(t, st, source, &wg); !allowed(err) {
						t.Error(err)
						return
					}
				}
			})
		}
		if closing {
			db, err := st.CreateDatabase(t.Context(), "mine")
			for n := 0; err == nil && n < 20; n++ {
				_, err = db.Put(t.Context(), fmt.Appendf(nil, `{"_id":"%d"}`, n))
			}
			if err := errors.Join(err, st.Close()); err != nil {
				t.Error(err)
			}
			wg.Wait()
			continue
		}
		for _, name := range []string{"a", "b", "c"} { // followers end with their databases
			wg.Go(func() {
				if _, err := st.CreateDatabase(t.Context(), name); !allowed(err) {
					t.Error(err)
				}
			})
		}
		done := make(chan struct{})
		go func() {
			wg.Wait()
			close(done)
		}()
		for waiting := true; waiting; {
			select {
			case <-done:
				waiting = false
			default:
				for _, name := range st.Databases() {
					if err := st.DropDatabase(t.Context(), name); !allowed(err) {
						t.Error(err)
					}
				}
			}
		}
	}
}

// comeOrGo does something to some database.
func comeOrGo(t *testing.T, st *store.Store, r *rand.Rand, wg *sync.WaitGroup) error {
	t.Helper()
	name := string(rune('a' + r.IntN(3)))
	switch r.IntN(8) {
	case 0:
		return st.DropDatabase(t.Context(), name)
	case 1, 2:
		_, err := st.CreateDatabase(t.Context(), name)
		return err
	}
	db, err := st.Database(name)
	if err != nil {
		return err
	}
	switch r.IntN(6) {
	case 0:
		follow(t, db, wg)
	case 1:
		db.Compact()
		return db.SetRevsLimit(t.Context(), 1+r.Uint64N(4))
	case 2:
		u, err := db.Upload(t.Context(), bytes.NewReader(noise(r.Uint64(), 70_000)), store.UploadOptions{})
		if err != nil || r.IntN(2) == 0 {
			return errors.Join(err, discardOf(u))
		}
		doc := store.Doc{ID: "file", Body: []byte("{}")}
		doc.Attach("f", "x/y", u)
		_, err = db.Write(t.Context(), []store.Doc{doc}, store.WriteOptions{})
		return err
	}
	_, err = db.Write(t.Context(), []store.Doc{{ID: strconv.Itoa(r.IntN(5)), Body: []byte("{}")}, {ID: "_local/x", Body: []byte("{}")}}, store.WriteOptions{})
	return err
}

func discardOf(u *store.Upload) error {
	if u == nil {
		return nil
	}
	return u.Discard()
}

// follow reads all changes of a database until it is gone, as a feed does.
func follow(t *testing.T, db *store.Database, wg *sync.WaitGroup) {
	t.Helper()
	sub := db.Subscribe(store.Interest{})
	wg.Go(func() {
		defer sub.Close()
		since := uint64(0)
		for !db.Gone() {
			snap, _, _, err := sub.Take()
			if err == nil {
				err = snap.Changes(since, func(row *store.Row) error {
					if row.Seq <= since {
						return fmt.Errorf("%d after %d", row.Seq, since)
					}
					since = row.Seq
					return nil
				})
				err = errors.Join(err, snap.Close())
			}
			if !allowed(err) {
				t.Error(err)
				return
			}
			<-sub.Ready()
		}
	})
}
