package embedded

import (
	"runtime"
	"runtime/debug"
	"runtime/metrics"
)

// memory keeps the process that serves a store small. The store's engine holds tens of megabytes, its cache and the tables in which writes
// gather, which the collector need not look through; with a percentage that lets a small heap of documents grow to four times its
// size, as suits a worker, those would be let grow likewise: 680 MB after a million documents were written and read. So the heap may have
// the engine's part once and the rest four times, of what is much twice as much, and when there is nothing to do for a while what was used
// meanwhile is given back.
type memory struct {
	engine  uint64 // bytes that the engine holds
	limit   uint64 // as it is set
	seen    uint64 // bytes ever allocated when it looked last
	settled uint64 // and when it gave back last
	sample  []metrics.Sample
}

const (
	smallHeap  = 10 << 20 // what is alive beside the engine is taken for at least this
	largeHeap  = 32 << 20 // what is beyond has muchFactor
	heapFactor = 4        // as a percentage of 300 gives
	muchFactor = 2
	quietBytes = 1 << 20  // who allocates less between two looks has nothing to do
	worthwhile = 16 << 20 // and this must have been allocated since the last time
)

func newMemory(engine int64) *memory {
	m := &memory{sample: []metrics.Sample{
		{Name: "/gc/heap/live:bytes"}, {Name: "/memory/classes/heap/stacks:bytes"}, {Name: "/gc/heap/allocs:bytes"},
	}}
	m.look(engine)
	return m
}

// look is called each second, with what the engine holds.
func (m *memory) look(engine int64) {
	m.engine = uint64(engine) //nolint:gosec // never negative
	metrics.Read(m.sample)
	// A new limit stops the world for a moment: small differences are not worth it.
	if limit := m.limitFor(m.sample[0].Value.Uint64() + m.sample[1].Value.Uint64()); limit > m.limit || limit < m.limit-m.limit/8 {
		m.limit = limit
		debug.SetMemoryLimit(int64(limit)) //nolint:gosec // far below
	}
	allocated := m.sample[2].Value.Uint64()
	quiet := allocated-m.seen < quietBytes
	m.seen = allocated
	if quiet && allocated-m.settled > worthwhile {
		runtime.GC() // pools give up what they hold at the second collection
		debug.FreeOSMemory()
		m.settled = allocated
	}
}

// limitFor is the memory that a process may use in which so many bytes are alive.
func (m *memory) limitFor(alive uint64) uint64 {
	rest := max(alive, m.engine+smallHeap) - m.engine
	return m.engine + heapFactor*min(rest, largeHeap) + muchFactor*(max(rest, largeHeap)-largeHeap)
}
