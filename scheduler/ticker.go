package scheduler

import (
	"sync"
	"time"
)

// Ticker wakes its owner at the start of every second of wall time, and at one more instant of the owner's choosing.
//
// It never sleeps longer than a second without reading the wall clock again: after the clock was set or the machine was
// suspended, the next tick comes within a second and carries the new time. A clock that was set back gives a tick whose
// time is earlier than the last one's.
type Ticker struct {
	clock func() time.Time
	ticks chan time.Time
	poke  chan struct{} // the wanted instant came nearer
	quit  chan struct{}
	ended chan struct{}
	stop  sync.Once

	mu     sync.Mutex
	wanted time.Time // zero: none
	target time.Time // what the loop sleeps for
}

// NewTicker starts a ticker on the machine's wall clock. [Ticker.Stop] ends it.
func NewTicker() *Ticker { return NewTickerOn(Now) }

// NewTickerOn starts a ticker that reads wall time from clock, for tests in which the clock jumps. The sleep between two
// readings is real.
func NewTickerOn(clock func() time.Time) *Ticker {
	t := &Ticker{
		clock: clock,
		ticks: make(chan time.Time, 1),
		poke:  make(chan struct{}, 1),
		quit:  make(chan struct{}),
		ended: make(chan struct{}),
	}
	go t.run()
	return t
}

// Now is the wall time in UTC without a monotonic part, so that differences between two readings show a clock that was set
// and time spent suspended.
func Now() time.Time {
	return time.Now().UTC().Round(0) //nolint:forbidigo // the one place that reads a clock
}

// C delivers the wall time of each tick. An owner that is late finds the newest tick only. The channel is never closed.
func (t *Ticker) C() <-chan time.Time { return t.ticks }

// Now reads the clock that the ticker goes by.
func (t *Ticker) Now() time.Time { return t.clock() }

// WakeAt asks for one tick at an instant besides the aligned ones, at once if it has passed. It replaces what was asked
// before; a zero time asks for none. The tick comes at or after the instant, never before.
func (t *Ticker) WakeAt(at time.Time) {
	at = at.Round(0)
	t.mu.Lock()
	t.wanted = at
	nearer := !at.IsZero() && at.Before(t.target)
	t.mu.Unlock()
	if nearer {
		select {
		case t.poke <- struct{}{}:
		default:
		}
	}
}

// Stop ends the ticker and waits until it has ended. It can be called more than once.
func (t *Ticker) Stop() {
	t.stop.Do(func() { close(t.quit) })
	<-t.ended
}

func (t *Ticker) run() {
	defer close(t.ended)
	timer := time.NewTimer(time.Hour)
	defer timer.Stop()
	now := t.clock()
	for aligned := next(now); ; {
		target := t.aim(now, aligned)
		timer.Reset(target.Sub(now))
		rang := false
		select {
		case <-t.quit:
			return
		case <-t.poke:
		case <-timer.C:
			rang = true
		}
		before := now
		now = t.clock()
		setBack := now.Before(before) || rang && target.Sub(now) > slower
		if wished := t.grant(now); wished || setBack || !now.Before(target) {
			aligned = next(now)
			t.tick(now)
		}
	}
}

// slower is how much a wall clock may lag behind the timer over a second before it counts as set back. A clock that is
// slewed lags by half a millisecond; what is missing is then slept out.
const slower = 5 * time.Millisecond

func next(now time.Time) time.Time { return now.Truncate(time.Second).Add(time.Second) }

// aim chooses what to sleep for: the next second, or what the owner wants if that is earlier.
func (t *Ticker) aim(now, aligned time.Time) time.Time {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.target = aligned
	if !t.wanted.IsZero() && t.wanted.Before(aligned) {
		t.target = t.wanted
	}
	if limit := now.Add(time.Second); t.target.After(limit) {
		t.target = limit
	}
	return t.target
}

// grant says whether the instant that the owner wants has come, and if so takes the wish as fulfilled.
func (t *Ticker) grant(now time.Time) bool {
	t.mu.Lock()
	defer t.mu.Unlock()
	if t.wanted.IsZero() || t.wanted.After(now) {
		return false
	}
	t.wanted = time.Time{}
	return true
}

// tick puts the newest time into the channel in place of one that nobody took.
func (t *Ticker) tick(now time.Time) {
	select {
	case <-t.ticks:
	default:
	}
	t.ticks <- now // there is room: only this goroutine sends
}
