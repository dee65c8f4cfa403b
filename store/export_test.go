package store

import (
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// CompactNow compacts in the caller's goroutine.
func CompactNow(d *Database) error { return d.compact(d.store.ctx) }

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
