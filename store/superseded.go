package store

import (
	"context"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// compactSlice is how many revisions are removed in one batch: writers share the committer with it.
const compactSlice = 1000

// removeSuperseded goes through the rows that are marked as superseded, in slices.
func (d *Database) removeSuperseded(ctx context.Context, c *compaction) error {
	for from, first := uint64(0), true; ; first = false {
		begun := time.Now()
		seqs, next, err := d.superseded(from, first, c)
		if err != nil {
			return fmt.Errorf("looking for superseded revisions: %w", err)
		}
		if len(seqs) > 0 {
			if err := d.removeRows(ctx, seqs); err != nil {
				return fmt.Errorf("removing superseded revisions: %w", err)
			}
		}
		if next == 0 {
			return ctx.Err()
		}
		if err := c.rest(ctx, d.store, begun); err != nil {
			return err
		}
		from = next
	}
}

// superseded finds a slice of sequences whose rows can go, behind the given one; next is where to go on, 0 at the end.
func (d *Database) superseded(from uint64, first bool, c *compaction) (seqs []uint64, next uint64, err error) {
	snap, err := d.Snapshot()
	if err != nil {
		return nil, 0, err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	if first {
		c.enter("document_copy", snap.stats.Docs+snap.stats.Deleted+snap.stats.Superseded)
	}
	it, err := snap.seqIter(from)
	if err != nil {
		return nil, 0, err
	}
	look := slice{begun: time.Now()}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		seq, mark := seqOf(it.Key())
		if mark == markSuperseded {
			sure := len(it.Value()) == 1 && it.Value()[0] == 1
			if !it.Next() {
				break
			}
			if !sure {
				sure, err = snap.noLeaf(it.Value(), seq)
			}
			if sure && err == nil {
				seqs = append(seqs, seq)
			}
		}
		if look.over(c) || len(seqs) == compactSlice {
			next = seq
			break
		}
	}
	return seqs, next, endScan(it, err)
}

// noLeaf tells whether the body in a row, written at seq, belongs to no leaf of its document.
func (v *Snapshot) noLeaf(raw []byte, seq uint64) (bool, error) {
	var row Row
	if _, err := parseRow(raw, &row); err != nil {
		return false, err
	}
	tree, err := v.Tree(row.ID)
	if err != nil {
		return false, err
	}
	for _, leaf := range tree.Leaves() {
		if leaf.body == seq {
			return false, nil
		}
	}
	return true, nil
}

// removeRows removes rows, whose sequences ascend, and what they alone refer to.
func (d *Database) removeRows(ctx context.Context, seqs []uint64) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	op := func(b *pebble.Batch) error {
		if err := d.release(b, seqs); err != nil {
			return err
		}
		var key [seqKeyLen]byte
		for _, seq := range seqs {
			for _, mark := range []byte{markSuperseded, markRow} {
				if err := b.Delete(appendSeqKey(key[:0], d.number, seq, mark), nil); err != nil {
					return err
				}
			}
		}
		d.stats.Superseded -= int64(len(seqs))
		return nil
	}
	return d.store.submit(&request{db: d, op: op, done: make(chan error, 1)})
}
