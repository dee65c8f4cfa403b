package store

import (
	"context"
	"errors"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// CompactNow compacts in the caller's goroutine.
func CompactNow(d *Database) error { return d.compact(d.store.ctx, &compaction{}) }

// Keys counts the keys of the contents of all databases.
func Keys(s *Store) (n int) {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceContent}, UpperBound: []byte{spaceContent + 1}})
	if err != nil {
		panic(err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		n++
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		panic(err)
	}
	return n
}

// HoldCompactions lets no compaction begin until release is called.
func HoldCompactions(s *Store) (release func()) {
	for range compactAtOnce {
		s.compacting <- struct{}{}
	}
	return func() {
		for range compactAtOnce {
			<-s.compacting
		}
	}
}

// CompactionEnd is closed when no compaction of the database is under way.
func CompactionEnd(d *Database) <-chan struct{} {
	if c := d.compacting.Load(); c != nil {
		return c.ended
	}
	ended := make(chan struct{})
	close(ended)
	return ended
}

// LongestHistory is what no revision tree of the database is longer than, as far as the store knows.
func LongestHistory(d *Database) uint64 { return d.entry.Load().longest() }

// Replace writes a key behind the store's back and gives the value that it had; nil for none.
func Replace(s *Store, key, value []byte) (old []byte) {
	old, err := getCopy(s.db, key)
	if err == nil {
		err = s.db.Set(key, value, pebble.Sync)
	}
	if err != nil {
		panic(err)
	}
	return old
}

// Squeeze brings everything from memory to tables and merges them. It ends where the store fails.
func Squeeze(ctx context.Context, s *Store) error {
	if err := s.Failed(); err != nil {
		return err
	}
	flushed, err := s.db.AsyncFlush()
	if err != nil {
		return err
	}
	ticker := time.NewTicker(time.Millisecond) // a failed engine tries for ever
	defer ticker.Stop()
	for waiting := true; waiting; {
		select {
		case <-flushed:
			waiting = false
		case <-ticker.C:
			if err := s.Failed(); err != nil {
				return err
			}
		}
	}
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	done := make(chan error, 1)
	go func() { done <- s.db.Compact(ctx, []byte{0}, []byte{0xff}, false) }()
	for {
		select {
		case err := <-done:
			if failed := s.trouble.compaction(); failed != nil {
				return failed
			}
			return err
		case <-ticker.C:
			if s.Failed() != nil || s.trouble.compaction() != nil {
				cancel()
			}
		}
	}
}

// Tables are the names of the engine's tables that are in use.
func Tables(s *Store) []string {
	files, err := (&checker{store: s}).listed()
	if err != nil {
		panic(err)
	}
	return files
}

// AwaitFull returns when a writer waits for room in the engine's memory.
func AwaitFull(s *Store) {
	ticker := time.NewTicker(time.Millisecond) // nobody is told of those who wait
	defer ticker.Stop()
	for s.gate.waiting.Load() == 0 {
		<-ticker.C
	}
}

// PublishDrop publishes a group in which a database is written, and dropped after that.
func PublishDrop(d *Database) {
	d.store.publish(&group{
		touched:  map[*Database]uint64{d: d.seq.Load() + 1},
		requests: []*request{{synced: func() { d.store.tell(d.name, Deleted) }}},
	})
}

// Scribble overwrites what a row was read from.
func Scribble(r *Row) {
	for _, b := range [][]byte{r.Body, r.files} {
		clear(b)
	}
}

// ForgetSeq has the database be in the moment in which readers see the last write already and nobody was told of it.
func ForgetSeq(d *Database) { d.seq.Add(^uint64(0)) }

// FlushTables brings what the engine has in memory to tables.
func FlushTables(s *Store) error { return s.db.Flush() }

// AloneBeside says whether a write is done by its caller while another one is in flight, as it may be whose caller was halted for a moment.
func AloneBeside(s *Store) bool {
	s.inFlight.Add(2) //nolint:mnd // the write, and the other one
	defer s.inFlight.Add(-2)
	return s.alone(&request{op: func(*pebble.Batch) error { return nil }, done: make(chan error, 1)})
}

// Misplace has a document remembered at a sequence, whether it is there or not.
func Misplace(d *Database, id string, seq uint64) { d.store.places.put(d.number, id, seq) }

// RecordsRead counts the records of documents that were read by id.
func RecordsRead(v *Snapshot) int { return v.docs.reads }
