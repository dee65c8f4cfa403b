package scheduler_test

import (
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/adlayer/after/internal/torture"
	"github.com/adlayer/after/scheduler"
)

func TestMain(m *testing.M) {
	torture.Checks(100)
	goleak.VerifyTestMain(m)
}

func TestTickerIsAligned(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		time.Sleep(300 * time.Millisecond)
		ticker := scheduler.NewTicker()
		defer ticker.Stop()
		start := scheduler.Now().Truncate(time.Second)
		for i := range 5 {
			if got, want := <-ticker.C(), start.Add(time.Duration(i+1)*time.Second); !got.Equal(want) {
				t.Fatalf("tick %d at %v, want %v", i, got, want)
			}
		}
	})
}

func TestTickerWakesAtInstant(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ticker := scheduler.NewTicker()
		defer ticker.Stop()
		synctest.Wait()
		start := scheduler.Now()
		expect := func(after time.Duration) {
			t.Helper()
			if got := (<-ticker.C()).Sub(start); got != after {
				t.Fatalf("tick after %v, want %v", got, after)
			}
		}
		ticker.WakeAt(start.Add(250 * time.Millisecond))
		expect(250 * time.Millisecond)
		ticker.WakeAt(start.Add(2500 * time.Millisecond)) // beyond the next second: not forgotten
		expect(time.Second)
		expect(2 * time.Second)
		expect(2500 * time.Millisecond)
		ticker.WakeAt(start) // passed: at once
		expect(2500 * time.Millisecond)
		ticker.WakeAt(start.Add(2700 * time.Millisecond))
		ticker.WakeAt(time.Time{}) // taken back
		expect(3 * time.Second)
		ticker.WakeAt(start.Add(3600 * time.Millisecond))
		ticker.WakeAt(start.Add(3100 * time.Millisecond)) // replaced by an earlier one
		expect(3100 * time.Millisecond)
		expect(4 * time.Second)
	})
}

// jumping is a wall clock that can be set.
type jumping struct{ offset atomic.Int64 }

func (j *jumping) now() time.Time {
	return scheduler.Now().Add(time.Duration(j.offset.Load()))
}

func TestTickerSurvivesJumps(t *testing.T) {
	t.Parallel()
	for _, jump := range []time.Duration{time.Hour, -time.Hour, -500 * time.Millisecond, 400 * time.Millisecond, -50 * 365 * 24 * time.Hour} {
		t.Run(jump.String(), func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				var clock jumping
				ticker := scheduler.NewTickerOn(clock.now)
				defer ticker.Stop()
				last := <-ticker.C()
				clock.offset.Store(int64(jump))
				real := time.Now()
				tick := <-ticker.C()
				if slept := time.Since(real); slept > time.Second {
					t.Errorf("told after %v", slept)
				}
				if want := last.Add(jump); tick.Before(want) || tick.After(want.Add(time.Second)) {
					t.Errorf("tick at %v, want within a second of %v", tick, want)
				}
				<-ticker.C()
				if tick = <-ticker.C(); tick.Truncate(time.Second) != tick {
					t.Errorf("tick at %v is not aligned any more", tick)
				}
			})
		})
	}
}

func TestTickerKeepsNewestTick(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		ticker := scheduler.NewTicker()
		start := scheduler.Now()
		time.Sleep(10*time.Second + time.Millisecond)
		if got := (<-ticker.C()).Sub(start); got != 10*time.Second {
			t.Errorf("the tick that waited is of %v, want the newest", got)
		}
		ticker.Stop()
		ticker.Stop()
		select {
		case <-ticker.C():
			t.Error("tick after Stop")
		default:
		}
	})
}
