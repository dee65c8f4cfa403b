package store

import (
	"context"
	"errors"
	"fmt"

	"github.com/cockroachdb/pebble/v2"
)

// Compact removes, in the background, the bodies of revisions that are neither current nor a leaf. Their names stay in the revision trees.
func (d *Database) Compact() {
	s := d.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed || !d.compacting.CompareAndSwap(false, true) {
		return
	}
	s.background.Go(func() {
		defer d.compacting.Store(false)
		if err := d.compact(s.ctx); err != nil && !errors.Is(err, context.Canceled) && !d.dropped.Load() {
			s.log.WithError(err).WithField("database", d.name).Error("store: compacting failed")
		}
	})
}

// compactIfDue begins a compaction where the superseded revisions are many, and more than the documents. The committer calls it.
func (d *Database) compactIfDue() {
	after := d.store.opts.CompactAfter
	if after < 0 || d.stats.Superseded < max(after, d.compactAt.Load(), d.stats.Docs+d.stats.Deleted) {
		return
	}
	d.Compact()
}

// Compacting tells whether a compaction is under way.
func (d *Database) Compacting() bool { return d.compacting.Load() }

// compactSlice is how many revisions are removed in one batch: writers share the committer with it.
const compactSlice = 2000

// compact goes through the rows marked as superseded, in slices.
func (d *Database) compact(ctx context.Context) error {
	for from := uint64(0); ; {
		if err := ctx.Err(); err != nil {
			return err
		}
		seqs, next, err := d.superseded(from)
		if err != nil {
			return fmt.Errorf("looking for superseded revisions: %w", err)
		}
		if len(seqs) > 0 {
			if err := d.removeRows(ctx, seqs); err != nil {
				return fmt.Errorf("removing superseded revisions: %w", err)
			}
		}
		if next == 0 {
			return nil
		}
		from = next
	}
}

// superseded finds a slice of sequences whose rows can go, from the given one on; next is where to go on, 0 at the end.
func (d *Database) superseded(from uint64) (seqs []uint64, next uint64, err error) {
	snap, err := d.Snapshot()
	if err != nil {
		return nil, 0, err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	it, err := snap.seqIter(from)
	if err != nil {
		return nil, 0, err
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		seq, mark := seqOf(it.Key())
		if mark != markSuperseded {
			continue
		}
		sure := len(it.Value()) == 1 && it.Value()[0] == 1
		if !sure {
			if !it.Next() {
				break
			}
			if sure, err = snap.noLeaf(it.Value(), seq); !sure {
				continue
			}
		}
		seqs = append(seqs, seq)
		if len(seqs) == compactSlice {
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
		d.compactAt.Store(d.stats.Superseded + max(d.store.opts.CompactAfter, 1))
		return nil
	}
	return d.store.submit(&request{db: d, op: op, done: make(chan error, 1)})
}
