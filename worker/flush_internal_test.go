package worker

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/scheduler"
	"github.com/adlayer/after/task"
)

// TestGathering: what ends at an idle time is written at once, and behind a request others gather, unless something waits for them.
func TestGathering(t *testing.T) {
	t.Parallel()
	client, err := couch.Dial("http://127.0.0.1:1", couch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer client.Close()
	now := time.Date(2026, 11, 18, 9, 0, 0, 0, time.UTC)
	l := &loop{
		config: Config{Now: func() time.Time { return now }}, log: discard(), table: newTable(), wheel: scheduler.New[uint32](), upstreams: newUpstreams(),
		workersOf: []*named{{}}, answers: make(chan []answer, requestsMost), sender: sender{db: client.Database("none"), now: time.Now, log: discard()},
	}
	writing, stop := context.WithCancel(t.Context())
	stop() // so that no request is made
	l.writing = writing
	defer l.requesters.Wait()
	submit := func(why purpose, due time.Time) {
		t.Helper()
		status := task.Done
		if !due.IsZero() {
			status = task.Scheduled
		}
		at := due.Format(time.RFC3339Nano)
		doc, err := task.Decode(fmt.Appendf(nil, `{"_id":"t%d","worker":"w","job":"j","status":%q,"plan":{"from":%q,"nominal":%[3]q,"due":%[3]q,"key":"k"}}`, l.writes, status, at))
		if err != nil {
			t.Fatal(err)
		}
		i, e := l.add(doc.ID, 0)
		l.submit(i, e, why, doc)
	}
	// sends says how many documents leave now, until when the others wait, and has those answered that left.
	sends := func(want int, until time.Time) {
		t.Helper()
		if got := l.flush(now); !got.Equal(until) || l.inFlight != want {
			t.Errorf("%d leave, others wait until %v; want %d and %v", l.inFlight, got, want, until)
		}
		for ; l.requests > 0; l.requests-- {
			l.inFlight -= len(<-l.answers)
		}
	}
	after := func(d time.Duration) { now = now.Add(d) }
	none := time.Time{}

	submit(settle, none)
	sends(1, none)
	after(time.Millisecond)
	submit(settle, none)
	sends(0, now.Add(gatherTime-time.Millisecond))
	submit(settle, now.Add(time.Minute))
	after(gatherTime - time.Millisecond)
	sends(2, none)

	submit(settle, now.Add(gatherTime))
	sends(1, none) // it comes due before others have gathered
	submit(first, now.Add(time.Hour))
	sends(1, none) // its run waits for it
	submit(settle, none)
	sends(0, now.Add(gatherTime))
	after(-time.Hour)
	sends(1, none) // the clock went back
	for range worthwhile {
		submit(settle, none)
	}
	sends(worthwhile, none)
	submit(settle, none)
	l.draining = true
	sends(1, none)
}
