package store_test

import (
	"errors"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/adlayer/after/store"
)

// TestCreateOnce makes one database many times at once: one caller makes it, the others are told that it is there, and what is written to it
// stays.
func TestCreateOnce(t *testing.T) {
	t.Parallel()
	st := open(t, store.Options{})
	for range 20 {
		var made atomic.Int32
		var all sync.WaitGroup
		for range 8 {
			all.Go(func() {
				db, err := st.CreateDatabase(t.Context(), "db")
				var e *store.Error
				switch {
				case err == nil:
					made.Add(1)
					if _, err := db.Put(t.Context(), []byte(`{"_id":"a"}`)); err != nil {
						t.Error(err)
					}
				case !errors.As(err, &e) || e.Status != 412:
					t.Error(err)
				}
			})
		}
		all.Wait()
		if n := made.Load(); n != 1 {
			t.Fatalf("it was made %d times", n)
		}
		db, err := st.Database("db")
		if err != nil {
			t.Fatal(err)
		}
		get(t, db, "a")
		if err := st.DropDatabase(t.Context(), "db"); err != nil {
			t.Fatal(err)
		}
	}
}
