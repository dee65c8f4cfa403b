package worker

import (
	"testing"
	"time"

	"github.com/adlayer/after/scheduler"
)

// TestEndedRunWaitsForTheTaskForItsNextDate: while the database cannot be reached, a run that has ended is not given up when its time is over. Its outcome
// would be written together with the task for its next date, which would then run twice.
func TestEndedRunWaitsForTheTaskForItsNextDate(t *testing.T) {
	t.Parallel()
	l := &loop{
		config: Config{Now: time.Now}, log: discard(), table: newTable(), wheel: scheduler.New[uint32](), upstreams: newUpstreams(),
		workersOf: []*named{{}}, runs: map[*run]struct{}{},
	}
	i, e := l.add("t", 0)
	r := &run{index: i, beside: true, limit: time.Now().Add(-time.Hour), told: time.Now().Add(-time.Hour), started: time.Now()}
	e.activity().run = r
	l.runs[r] = struct{}{}
	l.onEnded(ended{run: r})
	l.watchRuns(time.Now())
	if _, on := l.runs[r]; !on || !r.beside || e.act.run != r {
		t.Error("it was given up")
	}
}
