package store

import (
	"bytes"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Reader reads many documents or index rows of one snapshot, one after the other. It keeps its place between calls, so that each costs a fraction
// of Get, most of all where the ids or keys ascend. Close it before the snapshot.
type Reader struct {
	v      *Snapshot
	docs   *pebble.Iterator
	bodies *pebble.Iterator
	index  *pebble.Iterator
	key    []byte
	row    Row
}

// Reader begins reading. It belongs to one goroutine.
func (v *Snapshot) Reader() *Reader { return &Reader{v: v} }

// Close ends the reading.
func (r *Reader) Close() error {
	var errs []error
	for _, it := range []*pebble.Iterator{r.docs, r.bodies, r.index} {
		if it != nil {
			errs = append(errs, it.Close())
		}
	}
	r.docs, r.bodies, r.index = nil, nil, nil
	return errors.Join(errs...)
}

// seek gives the value of r.key, nil if it is not there. The iterator is made at the first call.
func (r *Reader) seek(it **pebble.Iterator, kind byte) ([]byte, error) {
	if *it == nil {
		prefix := appendPrefix(nil, r.v.db.number, kind)
		made, err := r.v.view.snap.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: prefixEnd(prefix)})
		if err != nil {
			return nil, err
		}
		*it = made
	}
	if !(*it).SeekGE(r.key) {
		return nil, (*it).Error()
	}
	if !bytes.Equal((*it).Key(), r.key) {
		return nil, nil
	}
	return (*it).ValueAndErr()
}

// Get is Snapshot.Get; the row and its bytes are only valid until the next call.
func (r *Reader) Get(id string) (*Row, error) {
	r.key = appendDocKey(r.key[:0], r.v.db.number, id)
	raw, err := r.seek(&r.docs, kindDoc)
	if err != nil {
		return nil, fmt.Errorf("reading document %q of %s: %w", id, r.v.db.name, err)
	}
	if raw == nil {
		return nil, NotFound("missing")
	}
	h, err := meta(raw).head()
	if err != nil {
		return nil, fmt.Errorf("reading document %q of %s: %w", id, r.v.db.name, err)
	}
	r.row = *h.row(id)
	if h.body != 0 {
		err = r.content(h.body)
	}
	return &r.row, err
}

// content reads the body and the attachments written at seq into r.row; the body stays nil if they are gone.
func (r *Reader) content(seq uint64) error {
	r.key = appendSeqKey(r.key[:0], r.v.db.number, seq, markRow)
	raw, err := r.seek(&r.bodies, kindSeq)
	if err != nil {
		return err
	}
	return r.row.fill(raw)
}

// IndexGet is Snapshot.IndexGet; the bytes are only valid until the next call.
func (r *Reader) IndexGet(key []byte) ([]byte, error) {
	r.key = append(appendPrefix(r.key[:0], r.v.db.number, kindIndex), key...)
	return r.seek(&r.index, kindIndex)
}
