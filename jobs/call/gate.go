package call

import (
	"container/heap"
	"context"
	"sync"
	"time"
)

// gate bounds how many calls are under way at once. Who waits is served in the order of dates: a firing that was put off meanwhile and comes
// again goes before those that became due later.
type gate struct {
	mu      sync.Mutex
	places  int
	taken   int
	waiting waiters
	arrived uint64
	// slow is until when whoever finds a queue as long as the gate is wide, and would not be its first, need not stand in it: somebody gave
	// up waiting a moment ago.
	slow time.Time
}

// enter takes a place within patience; false where there was none.
func (g *gate) enter(ctx context.Context, nominal time.Time, patience time.Duration, now func() time.Time) (bool, error) {
	g.mu.Lock()
	if g.taken < g.places && len(g.waiting) == 0 {
		g.taken++
		g.mu.Unlock()
		return true, nil
	}
	if len(g.waiting) >= max(g.places, 1) && !nominal.Before(g.waiting[0].nominal) && now().Before(g.slow) {
		g.mu.Unlock()
		return false, nil
	}
	g.arrived++
	w := &waiter{nominal: nominal, order: g.arrived, served: make(chan struct{})}
	heap.Push(&g.waiting, w)
	g.mu.Unlock()
	timer := time.NewTimer(patience)
	defer timer.Stop()
	select {
	case <-w.served:
		return true, nil
	case <-ctx.Done():
	case <-timer.C:
	}
	g.mu.Lock()
	defer g.mu.Unlock()
	if w.at < 0 { // served at the same instant
		if ctx.Err() == nil {
			return true, nil
		}
		g.pass()
		return false, ctx.Err()
	}
	heap.Remove(&g.waiting, w.at)
	if ctx.Err() == nil {
		g.slow = now().Add(patience)
	}
	return false, ctx.Err()
}

// leave gives a place back.
func (g *gate) leave() {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.pass()
}

// pass hands a place to who waits, or keeps it. The lock is held.
func (g *gate) pass() {
	g.taken--
	g.serve()
}

func (g *gate) serve() {
	for g.taken < g.places && len(g.waiting) > 0 {
		w, _ := heap.Pop(&g.waiting).(*waiter)
		g.taken++
		close(w.served)
	}
}

// widen sets how many places there are.
func (g *gate) widen(places int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	g.places = places
	g.serve()
}

// count tells how many are within and how many wait.
func (g *gate) count() (taken, waiting int) {
	g.mu.Lock()
	defer g.mu.Unlock()
	return g.taken, len(g.waiting)
}

type waiter struct {
	nominal time.Time
	order   uint64
	at      int // its place in the queue; below zero once it is out of it
	served  chan struct{}
}

// waiters are a heap by date.
type waiters []*waiter //nolint:recvcheck // the receivers that container/heap wants

func (w waiters) Len() int { return len(w) }

func (w waiters) Less(i, j int) bool {
	if c := w[i].nominal.Compare(w[j].nominal); c != 0 {
		return c < 0
	}
	return w[i].order < w[j].order
}

func (w waiters) Swap(i, j int) {
	w[i], w[j] = w[j], w[i]
	w[i].at, w[j].at = i, j
}

func (w *waiters) Push(x any) {
	one := x.(*waiter) //nolint:errcheck,forcetypeassert // container/heap gives what enter pushed
	one.at = len(*w)
	*w = append(*w, one)
}

func (w *waiters) Pop() any {
	last := len(*w) - 1
	one := (*w)[last]
	(*w)[last] = nil
	*w = (*w)[:last]
	one.at = -1
	return one
}
