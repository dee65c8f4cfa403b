package store_test

import (
	"crypto/rand"
	"encoding/hex"
	"testing"

	"github.com/adlayer/after/store"
)

// TestSizes: what is written counts at once, in memory as on disk, and once.
func TestSizes(t *testing.T) {
	t.Parallel()
	s := open(t, store.Options{})
	db, other := create(t, s, "db"), create(t, s, "other")
	if n := diskOf(t, db); n != 0 {
		t.Errorf("an empty database takes %d bytes", n)
	}
	const docs, each = 20, 50_000
	noise := make([]byte, each/2)
	if _, err := rand.Read(noise); err != nil {
		t.Fatal(err)
	}
	for round := range 3 {
		for i := range docs {
			put(t, db, `{"_id":"%d-%d","noise":"%s"}`, round, i, hex.EncodeToString(noise))
		}
		want := uint64((round + 1) * docs * each)
		if n := diskOf(t, db); n < want/3 || n > want*3/2 {
			t.Errorf("round %d: %d bytes in memory and on disk, of about %d", round, n, want)
		}
		if err := store.FlushTables(s); err != nil {
			t.Fatal(err)
		}
		if n := diskOf(t, db); n < want/3 || n > want*3/2 {
			t.Errorf("round %d: %d bytes on disk, of about %d", round, n, want)
		}
	}
	if n := diskOf(t, other); n != 0 {
		t.Errorf("the other database takes %d bytes", n)
	}
}

func diskOf(t *testing.T, db *store.Database) uint64 {
	t.Helper()
	snap, err := db.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	defer snap.Close()
	return snap.Stats().Disk
}

// TestSequenceOfAMoment: what a reader was given counts as given, also before those who wait were told.
func TestSequenceOfAMoment(t *testing.T) {
	t.Parallel()
	db := create(t, open(t, store.Options{}), "db")
	put(t, db, `{"_id":"a"}`)
	put(t, db, `{"_id":"b"}`)
	store.ForgetSeq(db)
	if db.Seq() != 1 || !db.Gave(2) || db.Gave(3) {
		t.Errorf("at %d: 2 was given: %v, 3: %v", db.Seq(), db.Gave(2), db.Gave(3))
	}
}
