package store

import (
	"bytes"
	"context"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// mergePiece is how much is merged at once, in tables of memory: some hundred tables of the engine.
const mergePiece = 8

// merge has the engine merge the database's tables. It goes on piece by piece, since the engine ends none that it has begun: whoever closes the store
// waits for one, one is on disk twice, and between two of them those who write have their tables merged.
func (d *Database) merge(ctx context.Context, c *compaction) error {
	s := d.store
	ctx, cancel := s.untilFailed(ctx)
	defer cancel()
	from, upper := contentRange(d.number)
	levels, err := s.db.SSTables(pebble.WithKeyRangeFilter(from, upper))
	if err != nil {
		return err
	}
	for _, to := range append(ends(levels, mergePiece*s.opts.MemTableSize, from, upper), upper) {
		if err := ctx.Err(); err != nil {
			return err
		}
		begun := time.Now()
		if err := s.db.Compact(ctx, from, to, false); err != nil {
			return err
		}
		if err := c.rest(ctx, s, begun); err != nil {
			return err
		}
		from = to
	}
	return nil
}

// ends divides the largest level of tables into pieces of about so many bytes. It gives where they end, between lower and upper, but for the last.
func ends(levels [][]pebble.SSTableInfo, piece uint64, lower, upper []byte) (out [][]byte) {
	var largest []pebble.SSTableInfo
	var most uint64
	for _, tables := range levels[1:] { // the first one is in no order
		var size uint64
		for _, t := range tables {
			size += t.Size
		}
		if size > most {
			largest, most = tables, size
		}
	}
	var size uint64
	for _, t := range largest {
		end := t.Largest.UserKey
		if size += t.Size; size >= piece && bytes.Compare(lower, end) < 0 && bytes.Compare(end, upper) < 0 {
			out, size = append(out, end), 0
		}
	}
	return out
}

// untilFailed gives a context that ends with another one, and when the store fails: what waits for the engine would wait without an end.
func (s *Store) untilFailed(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancel(ctx)
	s.background.Go(func() {
		for {
			moved := s.gate.next()
			if s.Failed() != nil {
				cancel()
			}
			select {
			case <-moved:
			case <-ctx.Done():
				return
			}
		}
	})
	return ctx, cancel
}
