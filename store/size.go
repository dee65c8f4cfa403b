package store

import (
	"sync"
	"sync/atomic"
)

// flushes counts how often the engine has begun and ended to bring what is in memory to tables, one flush at a time.
type flushes struct{ begun, ended atomic.Int64 }

// unflushed is about how many bytes of a database lie in the engine's memory, which its estimate of the disk leaves out: what was written
// while so many flushes had begun is on disk when the next one has ended.
type unflushed struct {
	mu          sync.Mutex
	now, before written
}

type written struct{ flush, bytes int64 }

// add counts bytes that were written.
func (u *unflushed) add(f *flushes, n int) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if flush := f.begun.Load(); flush != u.now.flush {
		u.before, u.now = u.now, written{flush: flush}
	}
	u.now.bytes += int64(n)
}

// bytes is what is not on disk yet.
func (u *unflushed) bytes(f *flushes) (n int64) {
	u.mu.Lock()
	defer u.mu.Unlock()
	for _, w := range []written{u.now, u.before} {
		if w.flush >= f.ended.Load() {
			n += w.bytes
		}
	}
	return n
}

// size is about how many bytes the database takes, on disk and on its way there.
func (d *Database) size() int64 {
	lower, upper := contentRange(d.number)
	n, err := d.store.db.EstimateDiskUsage(lower, upper)
	if err != nil {
		return 0 // who reads there is told
	}
	return int64(n) + d.unflushed.bytes(&d.store.flushes) //nolint:gosec // no disk is that large
}
