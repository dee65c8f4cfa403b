package store

import (
	"context"
	"encoding/binary"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// A document's history is cut to the limit of revisions whenever the document is written. Histories of documents that nobody writes after the
// limit was lowered are cut here, in the course of a compaction: the leaves, and so the winner and the conflicts, stay what they are, and so does
// the document's place in the feed.

// stemSlice is about how many revisions the trees of one batch have: decoding them takes the committer's time.
const stemSlice = 20_000

// stem goes through the revision trees if some may be longer than the limit, in slices.
func (d *Database) stem(ctx context.Context, c *compaction) error {
	before := d.entry.Load()
	limit := d.RevsLimit()
	if before.longest() <= limit {
		return nil
	}
	// What was written under the limit before may not be in a snapshot yet; after this it is.
	if err := d.shorten(ctx, nil); err != nil {
		return err
	}
	for from, first := "", true; ; first = false {
		begun := time.Now()
		ids, next, err := d.longer(from, first, limit, c)
		if err != nil {
			return fmt.Errorf("looking for histories beyond the limit of revisions: %w", err)
		}
		if len(ids) > 0 {
			if err := d.shorten(ctx, ids); err != nil {
				return fmt.Errorf("shortening histories: %w", err)
			}
		}
		if next == "" {
			break
		}
		if err := c.rest(ctx, d.store, begun); err != nil {
			return err
		}
		from = next
	}
	if err := ctx.Err(); err != nil {
		return err
	}
	return d.changeEntry(ctx, func(e *catalogEntry) {
		if e.changes == before.changes { // else another limit was set meanwhile: the next compaction looks again
			e.Longest = limit
		}
	})
}

// longer finds a slice of documents whose trees are longer than the limit, behind the given id; next is where to go on, empty at the end.
func (d *Database) longer(from string, first bool, limit uint64, c *compaction) (ids []string, next string, err error) {
	snap, err := d.Snapshot()
	if err != nil {
		return nil, "", err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	if first {
		c.enter("docid_copy", snap.stats.Docs+snap.stats.Deleted)
	}
	prefix := string(appendPrefix(nil, d.number, kindDoc))
	look := slice{begun: time.Now()}
	nodes := uint64(0)
	err = snap.scan(prefix, Range{Start: from}, func(key, value []byte) error {
		id := string(key[len(prefix):])
		if id == from {
			return nil
		}
		n, err := meta(value).longest()
		if err != nil {
			return fmt.Errorf("document %q: %w", id, err)
		}
		if n > limit {
			ids = append(ids, id)
			nodes += n
		}
		if look.over(c) || nodes >= stemSlice {
			next = id
			return ErrStop
		}
		return nil
	})
	return ids, next, err
}

// shorten stems documents. All of them are read before anything is written, so that one that cannot be read leaves nothing by half.
func (d *Database) shorten(ctx context.Context, ids []string) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	op := func(b *pebble.Batch) error {
		w := writer{batch: b, db: d, docs: newLookups(d.number, kindDoc)}
		stems := make([]meta, len(ids))
		for i, id := range ids {
			m, err := w.lookup(id)
			if err == nil && m != nil {
				stems[i], err = m.stemmed(d.RevsLimit())
			}
			if err != nil {
				_ = w.docs.close() // the error is the reads' own
				return fmt.Errorf("document %q: %w", id, err)
			}
		}
		if err := w.docs.close(); err != nil {
			return err
		}
		for i, m := range stems {
			if m == nil {
				continue
			}
			if err := w.putMeta(ids[i], m); err != nil {
				return err
			}
		}
		return nil
	}
	return d.store.submit(&request{db: d, op: op, done: make(chan error, 1)})
}

// longest is the number of revisions on the longest stretch of a record that is stored as one: no branch is shorter than it by what a stem would
// take. With several branches it is that of the whole path from the leaf.
func (m meta) longest() (uint64, error) {
	h, err := m.head()
	if err != nil || !h.branches {
		return h.count, err
	}
	t, err := m.decode()
	if err != nil {
		return 0, err
	}
	most := uint64(0)
	for _, leaf := range t.leaves() {
		n := uint64(0)
		for at := leaf; at != nil; at = at.parent {
			n++
		}
		most = max(most, n)
	}
	return most, nil
}

// stemmed gives the record with limit generations above each leaf; nil if it has no more.
func (m meta) stemmed(limit uint64) (meta, error) {
	h, err := m.head()
	if err != nil {
		return nil, err
	}
	if h.branches {
		t, err := m.decode()
		if err != nil {
			return nil, err
		}
		had := len(t.nodes)
		if t.stem(limit); len(t.nodes) == had {
			return nil, nil
		}
		return t.encode(t.seq), nil
	}
	if h.count <= limit {
		return nil, nil
	}
	c := cursor{b: m, at: h.nodes}
	for range limit {
		c.skipNode()
	}
	if c.bad {
		return nil, errCorrupt
	}
	out := binary.AppendUvarint([]byte{m[0]}, h.seq)
	out = binary.AppendUvarint(out, h.rev.Pos)
	out = binary.AppendUvarint(out, limit)
	return append(out, m[h.nodes:c.at]...), nil
}
