package mango

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"

	"github.com/adlayer/after/store"
)

// The index key space of a database. For each index, named by its id:
//
//	m<id>                   the update sequence that the rows have reached, as a varint
//	r<id><key><document id> a row; its value is the length of the key, as a varint, and the values of the columns
//	b<id><document id>      the document's own entry: what its key is made of, so that an update finds the row to remove
const (
	spaceReached = 'm'
	spaceRows    = 'r'
	spaceBack    = 'b'
)

const (
	pendingLimit = 256 // changed documents that a query takes along instead of bringing the index up to date
	roundsLimit  = 4   // catch-ups before a query takes along whatever writers have added meanwhile
)

func (x *index) space(kind byte) []byte { return append([]byte{kind}, x.id[:]...) }

func (x *index) spaceEnd(kind byte) []byte {
	end := x.space(kind)
	for i := len(end) - 1; ; i-- {
		if end[i]++; end[i] != 0 {
			return end
		}
	}
}

// reached gives the update sequence that the index's rows stand for; 0 if there are none.
func (x *index) reached(snap *store.Snapshot) (uint64, error) {
	raw, err := snap.IndexGet(x.space(spaceReached))
	if err != nil {
		return 0, fmt.Errorf("reading index %s: %w", x.name, err)
	}
	seq, _ := binary.Uvarint(raw)
	return seq, nil
}

// changed is a document written since the index's rows were.
type changed struct {
	row []byte // its key and its id
	key int    // the length of the key
	raw []byte // the values of the columns, as a row has them
}

// reading is an index as it stands in a snapshot: its rows, and over them the documents changed since.
type reading struct {
	snap    *store.Snapshot
	docs    *store.Reader
	index   *index
	pending []changed // by row
	over    map[string]struct{}
}

// read opens an index for a query, first bringing it up to date if much has changed. The caller closes the reading.
func (x *index) read(ctx context.Context, db *store.Database) (*reading, error) {
	for round := 1; ; round++ {
		snap, err := db.Snapshot()
		if err != nil {
			return nil, err
		}
		r := &reading{snap: snap, docs: snap.Reader(), index: x}
		limit := pendingLimit
		if round > roundsLimit {
			limit = 0
		}
		complete, err := r.collect(limit)
		if err == nil && complete {
			return r, nil
		}
		if err = errors.Join(err, r.close()); err == nil {
			err = x.catchUp(ctx, db)
		}
		if err != nil {
			return nil, err
		}
	}
}

func (r *reading) close() error { return errors.Join(r.docs.Close(), r.snap.Close()) }

// asItStands opens an index for a query that does not want to wait until it is brought up to date: its rows, and as much of what has changed
// since as others take along, so that it knows all that a query before it knew.
func (x *index) asItStands(_ context.Context, db *store.Database) (*reading, error) {
	snap, err := db.Snapshot()
	if err != nil {
		return nil, err
	}
	r := &reading{snap: snap, docs: snap.Reader(), index: x}
	if _, err := r.collect(pendingLimit); err != nil {
		return nil, errors.Join(err, r.close())
	}
	return r, nil
}

// collect gathers the documents changed since the rows were written, the oldest change first. It ends, and says that there are more, after limit
// of them; 0 means never.
func (r *reading) collect(limit int) (complete bool, err error) {
	since, err := r.index.reached(r.snap)
	if err != nil {
		return false, err
	}
	r.over = map[string]struct{}{}
	var now listed
	complete = true
	err = r.snap.Changes(since, func(row *store.Row) error {
		if limit > 0 && len(r.over) == limit {
			complete = false
			return store.ErrStop
		}
		r.over[row.ID] = struct{}{}
		if r.index.list(&now, row) {
			key := append(bytes.Clone(now.key), row.ID...)
			r.pending = append(r.pending, changed{row: key, key: len(now.key), raw: bytes.Clone(now.raw)})
		}
		return nil
	})
	slices.SortFunc(r.pending, func(a, b changed) int { return bytes.Compare(a.row, b.row) })
	return complete, err
}

// entry is one document that an index lists.
type entry struct {
	row []byte // its key and its id; like raw, valid within the visit
	key int    // the length of the key
	raw []byte // the values of the columns other than _id, if they are kept
}

func (e entry) id() string { return string(e.row[e.key:]) }

// visit goes through the entries of [lower, upper) in order or in reverse.
func (r *reading) visit(lower, upper []byte, reverse bool, visit func(entry) error) error {
	pending := slices.Clone(r.pending)
	pending = slices.DeleteFunc(pending, func(c changed) bool {
		return bytes.Compare(c.row, lower) < 0 || bytes.Compare(c.row, upper) >= 0
	})
	if reverse {
		slices.Reverse(pending)
	}
	stopped := false
	before := func(row []byte) error { // visits the pending ones that come before row; all, if it is nil
		for len(pending) > 0 && !stopped {
			c := bytes.Compare(pending[0].row, row)
			if row != nil && (c > 0) != reverse {
				return nil
			}
			next := pending[0]
			pending = pending[1:]
			if err := visit(entry(next)); err != nil {
				stopped = true
				return err
			}
		}
		return nil
	}
	space := r.index.space(spaceRows)
	err := r.snap.IndexScan(join(space, lower), join(space, upper), reverse, func(key, value []byte) error {
		length, n := binary.Uvarint(value)
		row := key[len(space):]
		if n <= 0 || length > uint64(len(row)) {
			return fmt.Errorf("index %s: a row of %d bytes is damaged: remove the index and make it again", r.index.name, len(row))
		}
		e := entry{row, int(length), value[n:]} //nolint:gosec // within the row
		if _, ok := r.over[e.id()]; ok {
			return nil
		}
		if err := before(row); err != nil {
			return err
		}
		if err := visit(e); err != nil {
			stopped = true
			return err
		}
		return nil
	})
	if err == nil {
		err = before(nil)
	}
	if errors.Is(err, store.ErrStop) {
		return nil
	}
	return err
}

func join(a, b []byte) []byte { return append(slices.Clone(a), b...) }
