package store

import (
	"context"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// IndexGet reads a row of an index; nil, nil if it is not there.
func (v *Snapshot) IndexGet(key []byte) ([]byte, error) {
	return v.copy(&v.indexes, append(appendPrefix(nil, v.db.number, kindIndex), key...))
}

// IndexScan visits the index rows of [lower, upper), in order or in reverse. A nil upper has no end. The keys come without the store's own
// prefix; the bytes are only valid within visit, which stops by returning ErrStop.
func (v *Snapshot) IndexScan(lower, upper []byte, reverse bool, visit func(key, value []byte) error) error {
	prefix := appendPrefix(nil, v.db.number, kindIndex)
	o := &pebble.IterOptions{LowerBound: append(prefix[:prefixLen:prefixLen], lower...), UpperBound: prefixEnd(prefix)}
	if upper != nil {
		o.UpperBound = append(prefix[:prefixLen:prefixLen], upper...)
	}
	it, err := v.view.snap.NewIter(o)
	if err != nil {
		return err
	}
	first, next := it.First, it.Next
	if reverse {
		first, next = it.Last, it.Prev
	}
	for ok := first(); ok; ok = next() {
		if err = visit(it.Key()[prefixLen:], it.Value()); err != nil {
			break
		}
	}
	return endScan(it, err)
}

// IndexBatch gathers changes of index rows. It belongs to one goroutine.
type IndexBatch struct {
	db    *Database
	batch *pebble.Batch
	key   []byte
	err   error
}

// IndexBatch begins a batch. It must end with Commit or Discard.
func (d *Database) IndexBatch() *IndexBatch {
	return &IndexBatch{db: d, batch: d.store.db.NewBatch()}
}

func (b *IndexBatch) full(key []byte) []byte {
	b.key = append(appendPrefix(b.key[:0], b.db.number, kindIndex), key...)
	return b.key
}

// Set writes a row.
func (b *IndexBatch) Set(key, value []byte) {
	b.err = errors.Join(b.err, b.batch.Set(b.full(key), value, nil))
}

// Delete removes a row.
func (b *IndexBatch) Delete(key []byte) {
	b.err = errors.Join(b.err, b.batch.Delete(b.full(key), nil))
}

// DeleteRange removes the rows of [lower, upper).
func (b *IndexBatch) DeleteRange(lower, upper []byte) {
	end := append(appendPrefix(nil, b.db.number, kindIndex), upper...)
	b.err = errors.Join(b.err, b.batch.DeleteRange(b.full(lower), end, nil))
}

// Len is the size of the batch in bytes.
func (b *IndexBatch) Len() int { return b.batch.Len() }

// Discard gives the batch up.
func (b *IndexBatch) Discard() {
	if b.batch != nil {
		_ = b.batch.Close() // nothing was written
		b.batch = nil
	}
}

// Commit writes the batch as a whole; snapshots taken after it see it. The batch cannot be used again.
func (b *IndexBatch) Commit(ctx context.Context) error {
	defer b.Discard()
	if b.err != nil {
		return b.err
	}
	return b.db.store.do(ctx, func(batch *pebble.Batch) error {
		if b.db.dropped.Load() {
			return noDatabase()
		}
		return batch.Apply(b.batch, nil)
	}, nil)
}
