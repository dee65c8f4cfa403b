package script

import (
	"runtime/metrics"
	"sync"
	"time"

	"github.com/dop251/goja"
)

// How a child says, with its exit status, why it ended itself.
const (
	exitMemory = 3
	exitTime   = 4
)

// watchdog looks after the function that runs: it interrupts one that takes too long, and ends the process where that does not help, where
// memory runs out, and where the parent has gone.
type watchdog struct {
	exit func(code int)
	wake chan struct{} // a call began

	mu       sync.Mutex
	vm       *goja.Runtime // of the call that runs; nil: none does
	deadline time.Time
	memory   uint64
	orphan   bool
}

const (
	watchEvery = 5 * time.Millisecond
	// patience is how long a function that was interrupted may take to notice: one of the interpreter's own does not.
	patience = time.Second
	// drowsy is how many looks without a call let the watchdog sleep until the next.
	drowsy = 20
)

func newWatchdog(exit func(code int)) *watchdog {
	return &watchdog{exit: exit, wake: make(chan struct{}, 1), memory: defaultMemory}
}

// begin starts the time of a call, or of its next document.
func (w *watchdog) begin(vm *goja.Runtime, timeout time.Duration) {
	w.mu.Lock()
	idle := w.vm == nil
	w.vm, w.deadline = vm, time.Now().Add(timeout)
	w.mu.Unlock()
	if idle {
		select {
		case w.wake <- struct{}{}:
		default:
		}
	}
}

// end tells that the call is over.
func (w *watchdog) end() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.vm.ClearInterrupt()
	w.vm = nil
}

// run watches until wake is closed.
func (w *watchdog) run() {
	for range w.wake {
		ticker := time.NewTicker(watchEvery)
		for idle := 0; idle < drowsy; {
			<-ticker.C
			if w.look() {
				idle = 0
			} else {
				idle++
			}
		}
		ticker.Stop()
	}
}

// look tells whether a call runs.
func (w *watchdog) look() bool {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.vm == nil {
		return false
	}
	now := time.Now()
	switch {
	case w.orphan:
		w.exit(0)
	case full(w.memory):
		w.exit(exitMemory)
	case now.After(w.deadline.Add(patience)):
		w.exit(exitTime)
	case now.After(w.deadline):
		w.vm.Interrupt(nil)
	}
	return true
}

func (w *watchdog) limit(memory int64) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.memory = uint64(memory) //nolint:gosec // it is positive
}

// abandon tells that nobody waits for the answer.
func (w *watchdog) abandon() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.orphan = true
}

// heapSize is what the values in memory take, in bytes, those included that nobody needs any more.
func heapSize() uint64 {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64()
}

// full tells whether memory has run out: as much is taken as there may be, or so much of it is needed that looking for what is not would take
// most of the time.
func full(memory uint64) bool {
	sample := []metrics.Sample{{Name: "/memory/classes/heap/objects:bytes"}, {Name: "/gc/heap/live:bytes"}}
	metrics.Read(sample)
	return sample[0].Value.Uint64() > memory || sample[1].Value.Uint64() > memory/4*3
}
