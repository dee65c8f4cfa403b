package store

import (
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// view is the engine's state right after a sync: what readers see. It is closed when the last reader of it is done and a newer one has come.
type view struct {
	snap *pebble.Snapshot
	refs int
}

// viewHolder has the newest view.
type viewHolder struct {
	mu      sync.Mutex
	cur     *view
	readers sync.WaitGroup
}

func (h *viewHolder) set(snap *pebble.Snapshot) {
	h.mu.Lock()
	old := h.cur
	h.cur = &view{snap: snap, refs: 1}
	done := h.unref(old)
	h.mu.Unlock()
	closeSnapshot(done)
}

// unref gives the snapshot to close, if any. h.mu is held.
func (h *viewHolder) unref(v *view) *pebble.Snapshot {
	if v == nil {
		return nil
	}
	v.refs--
	if v.refs == 0 {
		return v.snap
	}
	return nil
}

func closeSnapshot(snap *pebble.Snapshot) {
	if snap != nil {
		_ = snap.Close() // the reads have told all there is
	}
}

// acquire gives the newest view, nil after close.
func (h *viewHolder) acquire() *view {
	h.mu.Lock()
	defer h.mu.Unlock()
	if h.cur != nil {
		h.cur.refs++
		h.readers.Add(1)
	}
	return h.cur
}

// again counts one more reader of a view that somebody reads.
func (h *viewHolder) again(v *view) {
	h.mu.Lock()
	defer h.mu.Unlock()
	v.refs++
	h.readers.Add(1)
}

func (h *viewHolder) release(v *view) {
	h.mu.Lock()
	done := h.unref(v)
	h.mu.Unlock()
	closeSnapshot(done)
	h.readers.Done()
}

// close gives out no more views and waits until those given out have come back.
func (h *viewHolder) close() {
	h.mu.Lock()
	old := h.cur
	h.cur = nil
	done := h.unref(old)
	h.mu.Unlock()
	closeSnapshot(done)
	h.readers.Wait()
}

// wake tells any number of waiters that something is new, or that nothing will be.
type wake struct {
	mu     sync.Mutex
	ch     chan struct{}
	closed bool
}

func newWake() wake { return wake{ch: make(chan struct{})} }

// wait gives a channel that is closed at the next signal.
func (w *wake) wait() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.ch
}

func (w *wake) signal() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		close(w.ch)
		w.ch = make(chan struct{})
	}
}

func (w *wake) close() {
	w.mu.Lock()
	defer w.mu.Unlock()
	if !w.closed {
		w.closed = true
		close(w.ch)
	}
}
