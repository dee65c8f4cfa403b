package store

import (
	"errors"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// pins are the blobs of a database that are read without a snapshot. The zero value has none.
type pins struct {
	mu      sync.Mutex
	held    map[uint64]int      // how many read a blob
	going   map[uint64]struct{} // removed by a group that may not be in the engine yet
	orphans map[uint64]struct{} // nothing refers to them, but somebody reads them: the last one removes them
}

// free tells the pins that a blob is to go; true if its bytes must stay for those who read them. The committer calls it.
func (p *pins) free(blob uint64) (read bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[blob] > 0 {
		if p.orphans == nil {
			p.orphans = map[uint64]struct{}{}
		}
		p.orphans[blob] = struct{}{}
		return true
	}
	if p.going == nil {
		p.going = map[uint64]struct{}{}
	}
	p.going[blob] = struct{}{}
	return false
}

// removed tells the pins that blobs are gone in the engine, too.
func (p *pins) removed(blobs []uint64) {
	if len(blobs) == 0 {
		return
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	for _, blob := range blobs {
		delete(p.going, blob)
	}
}

// take counts a reader of a blob, if the blob is not about to go. kept tells that its bytes are there though nothing refers to it any more.
func (p *pins) take(blob uint64) (ok, kept bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if _, going := p.going[blob]; going {
		return false, false
	}
	if p.held == nil {
		p.held = map[uint64]int{}
	}
	p.held[blob]++
	_, kept = p.orphans[blob]
	return true, kept
}

// give counts a reader out. last tells that the blob's bytes are for nobody now.
func (p *pins) give(blob uint64) (last bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.held[blob]--; p.held[blob] > 0 {
		return false
	}
	delete(p.held, blob)
	_, last = p.orphans[blob]
	delete(p.orphans, blob)
	return last
}

// pin keeps the bytes of a blob, which a snapshot of the caller has, until unpin. It can fail where the blob is being removed.
func (d *Database) pin(blob uint64) bool {
	ok, kept := d.pins.take(blob)
	if !ok || kept {
		return ok
	}
	// It may be gone from the engine already, and be known to old snapshots alone.
	name, err := getCopy(d.store.db, appendBlobKey(nil, d.number, kindName, blob))
	if err != nil || name == nil {
		_ = d.unpin([]uint64{blob}) // the next opening finds what it could not remove
		return false
	}
	return true
}

// unpin gives blobs up, and removes those that nobody else needs.
func (d *Database) unpin(blobs []uint64) error {
	var last []uint64
	for _, blob := range blobs {
		if d.pins.give(blob) {
			last = append(last, blob)
		}
	}
	if len(last) == 0 {
		return nil
	}
	// In order with the batch that let them go.
	op := func(b *pebble.Batch) error {
		for _, blob := range last {
			if err := dropUpload(b, d.number, blob); err != nil {
				return err
			}
		}
		return nil
	}
	err := d.store.submit(&request{db: d, op: op, done: make(chan error, 1)})
	if errors.Is(err, ErrClosed) || IsNotFound(err) {
		return nil // the next opening, or the end of the database, removes them
	}
	return err
}
