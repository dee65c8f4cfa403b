package cli

import (
	"context"
	"runtime/debug"
	"runtime/metrics"
	"time"
)

const (
	// gcPercent trades memory for time: short-lived documents are nearly all that a worker allocates, and what stays is small.
	// With 100,000 due tasks, 300 took a tenth of the worker's processor time less than Go's 100.
	gcPercent = 300
	// plentyOfHeap is how much may be allocated between two collections where more than a small heap is alive. With as much, and 27 MB of endpoints alive
	// that are called a thousand times a second, there is one collection of 7 ms in a second: more memory would spare next to no time.
	plentyOfHeap = 32 << 20
	// heapLook is how often what is alive is looked at.
	heapLook = 5 * time.Second
)

// gcPercentFor is the percentage for a heap in which so many bytes are alive.
func gcPercentFor(alive uint64) int {
	return int(min(gcPercent, max(100, plentyOfHeap*100/max(alive, 1))))
}

// tendHeap has the heap of a worker grow by less, in proportion, the more is alive in it, until ctx ends.
func tendHeap(ctx context.Context) {
	ticker := time.NewTicker(heapLook)
	defer ticker.Stop()
	defer debug.SetGCPercent(gcPercent)
	sample := []metrics.Sample{{Name: "/gc/heap/live:bytes"}}
	for now := gcPercent; ; {
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
		metrics.Read(sample)
		// Another percentage stops the world for a moment: small differences are not worth it.
		if next := gcPercentFor(sample[0].Value.Uint64()); next > now+now/8 || next < now-now/8 {
			now = next
			debug.SetGCPercent(now)
		}
	}
}
