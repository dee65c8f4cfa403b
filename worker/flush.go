package worker

import (
	"time"

	"github.com/adlayer/after/task"
)

const (
	// burstPatience is how long writes wait for the starts of a burst.
	burstPatience = 250 * time.Millisecond
	// gatherTime is how long after a request the next one may leave, so that what ends meanwhile shares it. A request costs both sides as much as
	// five outcomes in it, and where there is history to tell, each is two.
	gatherTime = 10 * time.Millisecond
)

// flush sends what waits to be written: at once where nothing was sent just now, otherwise after a moment, together with what came in it. While
// requests are in flight, another one leaves when it is worth it. While tasks wait that have only just come due, starts come first, and writes
// wait a little longer: a burst on one second starts in half the time. It gives the instant at which writes that wait must go; zero if there are
// none, or an answer lets them go.
func (l *loop) flush(now time.Time) (until time.Time) {
	most := requestsMost
	if len(l.queue) > 0 && l.burst(now) {
		if l.waiting.IsZero() || now.Before(l.waiting) {
			l.waiting = now
		}
		if until = l.waiting.Add(burstPatience); until.After(now) {
			return until
		}
		most = 1
	}
	for len(l.queue) > 0 && l.requests < most {
		if len(l.queue) < worthwhile {
			if l.requests > 0 {
				return time.Time{}
			}
			if until = l.gathersUntil(now); !until.IsZero() {
				return until
			}
		}
		n := min(len(l.queue), batchMost)
		batch := append([]write(nil), l.queue[:n]...)
		l.queue = append(l.queue[:0], l.queue[n:]...)
		l.requests++
		l.inFlight += n
		l.waiting, l.sent = time.Time{}, now
		l.hurried = l.hurried && len(l.queue) > 0
		l.requesters.Go(func() { l.answers <- l.sender.send(l.writing, batch) })
	}
	return time.Time{}
}

// gathersUntil gives the instant up to which writes wait for others; zero where they go now.
func (l *loop) gathersUntil(now time.Time) time.Time {
	until := l.sent.Add(gatherTime)
	if l.hurried || l.draining || now.Before(l.sent) || !until.After(now) { // a clock that went back is no reason to wait
		return time.Time{}
	}
	return until
}

// hurries says whether something waits for a write: the start of a run, or a date that comes before others have gathered.
func hurries(why purpose, next *task.Task, now time.Time) bool {
	return why == first || next.Sleeps() && next.Plan != nil && next.Plan.Due.Before(now.Add(2*gatherTime))
}

// burst says that tasks are queued that came due within the last second.
func (l *loop) burst(now time.Time) bool {
	for _, w := range l.workersOf {
		if w.queue.len() > 0 && now.UnixMilli()-w.queue.places[0].due < int64(time.Second/time.Millisecond) {
			return true
		}
	}
	return false
}
