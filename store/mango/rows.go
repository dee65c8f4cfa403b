package mango

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"slices"
	"sync"

	"github.com/adlayer/after/store"
)

// The index key space of a database. For each index, named by its id:
//
//	m<id>                   the update sequence that the rows have reached, as a varint
//	r<id><key><document id> a row; its value is the length of the key, as a varint
//	b<id><document id>      the key of the document's row, so that an update finds the row to remove
const (
	spaceReached = 'm'
	spaceRows    = 'r'
	spaceBack    = 'b'
)

const (
	pendingLimit = 256       // changed documents that a query takes along instead of bringing the index up to date
	catchUpLimit = 512 << 10 // bytes after which a batch is written, small enough not to hold up writers
	roundsLimit  = 4         // catch-ups before a query takes along whatever writers have added meanwhile
)

// upkeep is what belongs to one database.
type upkeep struct {
	turn  chan struct{} // holds one token: who has it writes index rows
	ddocs ddocCache
}

type upkeepKey struct{}

func upkeepOf(db *store.Database) *upkeep {
	u, ok := db.Attach(upkeepKey{}, func() any {
		u := &upkeep{turn: make(chan struct{}, 1)}
		u.turn <- struct{}{}
		return u
	}).(*upkeep)
	if !ok {
		panic("mango: another package attached a value to this key")
	}
	return u
}

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
	row []byte // its key and its id; nil if the index does not list it
	key int    // the length of the key
	id  string
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

// asItStands opens an index for a query that does not want to wait for what has changed since: its rows alone say which documents are
// read, and those are read as they are now.
func (x *index) asItStands(_ context.Context, db *store.Database) (*reading, error) {
	snap, err := db.Snapshot()
	if err != nil {
		return nil, err
	}
	return &reading{snap: snap, docs: snap.Reader(), index: x}, nil
}

// collect gathers the documents changed since the rows were written. It gives up, and says so, after limit of them; 0 means never.
func (r *reading) collect(limit int) (complete bool, err error) {
	since, err := r.index.reached(r.snap)
	if err != nil {
		return false, err
	}
	r.over = map[string]struct{}{}
	err = r.snap.Changes(since, func(row *store.Row) error {
		if limit > 0 && len(r.over) == limit {
			r.over = nil
			return store.ErrStop
		}
		r.over[row.ID] = struct{}{}
		if key, ok := r.index.appendRow(nil, row); ok {
			r.pending = append(r.pending, changed{row: append(key, row.ID...), key: len(key), id: row.ID})
		}
		return nil
	})
	slices.SortFunc(r.pending, func(a, b changed) int { return bytes.Compare(a.row, b.row) })
	return r.over != nil, err
}

// entry is one document that an index lists.
type entry struct {
	row []byte // its key and its id, valid within the visit
	key int    // the length of the key
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
			if err := visit(entry{next.row, next.key}); err != nil {
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
		e := entry{row, int(length)} //nolint:gosec // within the row
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

// catchUp brings the rows of the index up to date. One caller at a time works on a database; the others wait and find the work done.
func (x *index) catchUp(ctx context.Context, db *store.Database) error {
	u := upkeepOf(db)
	select {
	case <-u.turn:
	case <-ctx.Done():
		return context.Cause(ctx)
	}
	defer func() { u.turn <- struct{}{} }()
	snap, err := db.Snapshot()
	if err != nil {
		return err
	}
	err = u.sweep(ctx, db, snap)
	if err == nil {
		err = x.update(ctx, db, snap)
	}
	return errors.Join(err, snap.Close())
}

// updater writes rows in batches.
type updater struct {
	index   *index
	db      *store.Database
	rows    *store.Reader
	batch   *store.IndexBatch
	fresh   bool // there are no rows yet
	reached uint64

	row, back, value []byte
}

func (x *index) update(ctx context.Context, db *store.Database, snap *store.Snapshot) (err error) {
	since, err := x.reached(snap)
	if err != nil {
		return err
	}
	u := &updater{index: x, db: db, rows: snap.Reader(), batch: db.IndexBatch(), fresh: since == 0}
	defer func() {
		u.batch.Discard()
		err = errors.Join(err, u.rows.Close())
	}()
	seen := 0
	err = snap.Changes(since, func(row *store.Row) error {
		if seen++; seen%1024 == 0 && ctx.Err() != nil {
			return context.Cause(ctx)
		}
		if err := u.add(row); err != nil {
			return err
		}
		u.reached = row.Seq
		if u.batch.Len() < catchUpLimit {
			return nil
		}
		return u.commit(ctx)
	})
	if err != nil {
		return fmt.Errorf("bringing index %s up to date: %w", x.name, err)
	}
	u.reached = snap.Seq()
	return u.commit(ctx)
}

func (u *updater) commit(ctx context.Context) error {
	u.batch.Set(u.index.space(spaceReached), binary.AppendUvarint(nil, u.reached))
	if err := u.batch.Commit(ctx); err != nil {
		return fmt.Errorf("writing rows of index %s: %w", u.index.name, err)
	}
	u.batch = u.db.IndexBatch()
	return nil
}

// add brings one document's row up to date. A row that stays as it is costs one look and no write.
func (u *updater) add(row *store.Row) error {
	u.row = append(append(u.row[:0], spaceRows), u.index.id[:]...)
	start := len(u.row)
	var listed bool
	u.row, listed = u.index.appendRow(u.row, row)
	key := u.row[start:]
	u.back = append(append(append(u.back[:0], spaceBack), u.index.id[:]...), row.ID...)
	if !u.fresh {
		old, err := u.rows.IndexGet(u.back)
		if err != nil {
			return err
		}
		if listed && old != nil && bytes.Equal(old, key) {
			return nil
		}
		if old != nil {
			u.batch.Delete(append(append(u.index.space(spaceRows), old...), row.ID...))
			if !listed {
				u.batch.Delete(u.back)
			}
		}
	}
	if !listed {
		return nil
	}
	u.batch.Set(u.back, key)
	u.value = binary.AppendUvarint(u.value[:0], uint64(len(key)))
	u.row = append(u.row, row.ID...)
	u.batch.Set(u.row, u.value)
	return nil
}

// sweep removes the rows of indexes that no design document has any more.
func (u *upkeep) sweep(ctx context.Context, db *store.Database, snap *store.Snapshot) error {
	indexes, err := u.ddocs.indexes(snap)
	if err != nil {
		return err
	}
	wanted := map[[8]byte]bool{}
	for _, x := range indexes {
		wanted[x.id] = true
	}
	var gone []*index
	err = snap.IndexScan([]byte{spaceReached}, []byte{spaceReached + 1}, false, func(key, _ []byte) error {
		x := &index{}
		if copy(x.id[:], key[1:]) == len(x.id) && !wanted[x.id] {
			gone = append(gone, x)
		}
		return nil
	})
	if err != nil || len(gone) == 0 {
		return err
	}
	batch := db.IndexBatch()
	for _, x := range gone {
		batch.DeleteRange(x.space(spaceRows), x.spaceEnd(spaceRows))
		batch.DeleteRange(x.space(spaceBack), x.spaceEnd(spaceBack))
		batch.Delete(x.space(spaceReached))
	}
	return batch.Commit(ctx)
}

// ddocCache keeps the indexes of the design documents, by revision, so that a query need not read them again.
type ddocCache struct {
	mu   sync.Mutex
	docs map[string]cachedDdoc
}

type cachedDdoc struct {
	rev     store.Rev
	indexes []*index
}

// indexes gives all indexes of the database, the primary one first, in the order of their names.
func (c *ddocCache) indexes(snap *store.Snapshot) ([]*index, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := []*index{primary()}
	docs := map[string]cachedDdoc{}
	designs := store.Range{Start: "_design/", End: "_design0", HasEnd: true, ExclusiveEnd: true}
	err := snap.AllDocs(designs, func(row *store.Row) error {
		known, ok := c.docs[row.ID]
		if !ok || known.rev != row.Rev {
			full, err := snap.Get(row.ID)
			if err != nil {
				return err
			}
			known = cachedDdoc{row.Rev, indexesOf(row.ID, full.Body)}
		}
		docs[row.ID] = known
		all = append(all, known.indexes...)
		return nil
	})
	if err == nil {
		c.docs = docs
	}
	slices.SortFunc(all, (*index).compare)
	return all, err
}
