package store

import (
	"fmt"
	"sync"
	"sync/atomic"
)

// gate keeps writers waiting in the engine's place while its memory is full or its tables are too many. The engine would let them wait with its
// locks held and without an end, where a flush cannot succeed any more; those who wait here are told when the store fails.
type gate struct {
	written atomic.Int64 // bytes let through since the engine was looked at
	waiting atomic.Int32 // those who wait now

	mu    sync.Mutex
	moved chan struct{} // closed when the engine may have room, or the store has failed
}

const (
	// mostTables is how many tables of writes may be in memory before writers wait, those on their way to the disk included.
	mostTables = 4
	// mostLayers is how many layers of tables may wait for a compaction before writers wait. One of them costs every reader a look.
	mostLayers = 40
	// mostUncompacted is how many there may be where compactions fail: then waiting would not help.
	mostUncompacted = 30
	// engineWaits is the memory in bytes at which the engine itself would let writers wait: far more than passes the gate, whatever is under way.
	engineWaits = 256 << 20
)

// next gives the channel that is closed at the next movement.
func (g *gate) next() <-chan struct{} {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.moved == nil {
		g.moved = make(chan struct{})
	}
	return g.moved
}

// move has all who wait look again.
func (g *gate) move() {
	g.mu.Lock()
	defer g.mu.Unlock()
	if g.moved != nil {
		close(g.moved)
		g.moved = nil
	}
}

// pass waits until the engine has room for size bytes. It gives the error with which the store has failed, at once when it fails meanwhile.
func (s *Store) pass(size int) error {
	if err := s.Failed(); err != nil {
		return err
	}
	if s.gate.written.Add(int64(size)) < int64(s.opts.MemTableSize)/2 && s.trouble.compaction() == nil { //nolint:gosec // far below the limit
		return nil // looking costs more than most writes
	}
	s.gate.written.Store(0)
	for {
		moved := s.gate.next()
		room := s.room()
		if err := s.Failed(); err != nil || room {
			return err
		}
		s.gate.waiting.Add(1)
		<-moved
		s.gate.waiting.Add(-1)
	}
}

// room tells whether the engine takes a write without waiting. It ends the store where compactions fail for so long that there would be none again.
func (s *Store) room() bool {
	m := s.db.Metrics()
	layers := m.Levels[0].Sublevels
	if err := s.trouble.compaction(); err != nil && layers >= mostUncompacted {
		s.fail(fmt.Errorf("the engine's tables cannot be compacted: %w", err))
	}
	return m.MemTable.Size < mostTables*s.opts.MemTableSize && layers < mostLayers
}
