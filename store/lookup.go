package store

import (
	"bytes"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// lookups reads single keys of one kind. The first few are point reads; where more follow, an iterator is kept open for them, which saves
// finding the files again for each, and makes keys in ascending order nearly free. It belongs to one goroutine.
type lookups struct {
	lower []byte
	upper []byte
	reads int
	it    *pebble.Iterator
}

// manyLookups is from how many reads on an iterator pays.
const manyLookups = 6

func newLookups(number uint32, kind byte) lookups {
	prefix := appendPrefix(nil, number, kind)
	return lookups{lower: prefix, upper: prefixEnd(prefix)}
}

// get gives the value of key to use, which must not keep it; nil if it is not there.
func (l *lookups) get(r pebble.Reader, key []byte, use func(value []byte) error) error {
	l.reads++
	if l.it == nil && l.reads > manyLookups {
		if err := l.open(r); err != nil {
			return err
		}
	}
	if l.it == nil {
		return pointRead(r, key, use)
	}
	if l.it.SeekPrefixGE(key) && bytes.Equal(l.it.Key(), key) {
		value, err := l.it.ValueAndErr()
		if err != nil {
			return err
		}
		return use(value)
	}
	if err := l.it.Error(); err != nil {
		return err
	}
	return use(nil)
}

// seek gives the first key that is not below one, with its value, both of which are good until the next call; nil if there is none.
func (l *lookups) seek(r pebble.Reader, key []byte) (found, value []byte, err error) {
	if err := l.open(r); err != nil {
		return nil, nil, err
	}
	if !l.it.SeekGE(key) {
		return nil, nil, l.it.Error()
	}
	value, err = l.it.ValueAndErr()
	return l.it.Key(), value, err
}

// open makes the iterator.
func (l *lookups) open(r pebble.Reader) error {
	if l.it != nil {
		return nil
	}
	it, err := r.NewIter(&pebble.IterOptions{LowerBound: l.lower, UpperBound: l.upper})
	l.it = it
	return err
}

func pointRead(r pebble.Reader, key []byte, use func(value []byte) error) error {
	value, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return use(nil)
	}
	if err != nil {
		return err
	}
	return errors.Join(use(value), closer.Close())
}

func (l *lookups) close() error {
	if l.it == nil {
		return nil
	}
	it := l.it
	l.it = nil
	return it.Close()
}
