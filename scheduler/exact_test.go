package scheduler_test

import (
	"math/rand/v2"
	"testing"
	"testing/synctest"
	"time"

	"github.com/adlayer/after/scheduler"
)

// drifting is a wall clock that runs fast or slow, and is set now and then. Only one goroutine sets it, between two readings of others.
type drifting struct {
	jumping

	start time.Time
	ppm   float64
}

func (d *drifting) now() time.Time {
	passed := time.Since(d.start)
	return d.jumping.now().Add(time.Duration(float64(passed) * d.ppm / 1e6))
}

// TestNothingFiresEarly lets a wheel and a ticker work as a worker has them do, by clocks that are wrong: no key comes before its instant,
// not by a nanosecond, and where the clock is not set, none comes later than the clock's own error over a second.
func TestNothingFiresEarly(t *testing.T) {
	t.Parallel()
	const leapSmear = 1e6 / 86_400.0 // a second over a day
	for name, c := range map[string]struct {
		ppm   float64
		steps []time.Duration // one each 700 ms
	}{
		"right":       {},
		"fast":        {ppm: 500},
		"slow":        {ppm: -500},
		"leap smear":  {ppm: -leapSmear},
		"smear back":  {ppm: leapSmear},
		"a ms":        {steps: []time.Duration{time.Millisecond, -time.Millisecond, -time.Millisecond, time.Millisecond}},
		"half a sec":  {steps: []time.Duration{500 * time.Millisecond, -500 * time.Millisecond, -500 * time.Millisecond, 500 * time.Millisecond}},
		"an hour":     {steps: []time.Duration{time.Hour, -time.Hour, -time.Hour, time.Hour}},
		"suspended":   {ppm: 100, steps: []time.Duration{3 * time.Second, 3 * time.Second}},
		"all of this": {ppm: -500, steps: []time.Duration{time.Hour, -500 * time.Millisecond, time.Millisecond, -time.Hour, -time.Millisecond}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				random := rand.New(rand.NewPCG(1, 2))
				clock := &drifting{start: time.Now(), ppm: c.ppm}
				ticker := scheduler.NewTickerOn(clock.now)
				defer ticker.Stop()
				wheel := scheduler.New[int]()
				const n = 500
				for i := range n {
					wheel.Add(i, clock.now().Add(time.Duration(random.IntN(20_000_000))*time.Microsecond))
				}
				set := time.NewTicker(700 * time.Millisecond)
				defer set.Stop()
				left, fired := c.steps, 0
				for fired < n {
					if next, ok := wheel.Next(); ok {
						ticker.WakeAt(next)
					}
					select {
					case <-set.C:
						if len(left) > 0 {
							clock.offset.Add(int64(left[0]))
							left = left[1:]
						}
						continue
					case <-ticker.C():
					}
					now := clock.now()
					wheel.Expire(now, func(_ int, due time.Time) {
						fired++
						if due.After(now) {
							t.Errorf("fired %v early", due.Sub(now))
						}
						if late := now.Sub(due); len(c.steps) == 0 && late > time.Millisecond {
							t.Errorf("fired %v late", late)
						}
					})
				}
			})
		})
	}
}
