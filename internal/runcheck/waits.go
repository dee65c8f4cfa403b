package runcheck

import (
	"slices"
	"time"
)

// When is how the tasks that a task waits for have to end.
type When int

// What When can be.
const (
	WhenDone When = iota
	WhenEnded
	WhenError
)

// standing is how a task stands from an instant on, for those that wait for it.
type standing struct {
	at       time.Time
	repeats  bool
	over     bool // it has ended, the last of its firings too
	canceled bool
	busy     bool      // a person asked for a run of what has ended
	ended    time.Time // when its last firing ended; zero is none since it was planned
	nominal  time.Time // of that
	failed   bool
}

// history is how a task stood over time, in order.
type history []standing

// allows says whether a task that waits with a date may go on at an instant, as far as this one is concerned.
func (h history) allows(at, nominal time.Time, when When) bool {
	i, _ := slices.BinarySearchFunc(h, at, func(s standing, at time.Time) int {
		if s.at.After(at) {
			return 1
		}
		return -1
	})
	if i == 0 {
		return false
	}
	s := h[i-1]
	fits := when == WhenEnded || s.failed == (when == WhenError)
	if s.repeats && !s.ended.IsZero() {
		return fits && (nominal.IsZero() || !s.nominal.Before(nominal) || !s.ended.Before(nominal))
	}
	return s.over && !s.busy && (fits && !s.canceled || s.canceled && when == WhenEnded)
}

// stand notes how the task stands from an instant on.
func (w *walk) stand(at time.Time, change func(*standing)) {
	s := standing{}
	if n := len(w.history); n > 0 {
		s = w.history[n-1]
		at = later(at, s.at)
	}
	change(&s)
	s.at, s.repeats, s.over = at, !w.terms.Once, !w.planned
	w.history = append(w.history, s)
}

// allowed says whether all that the task waits for lets a date of its own start at an instant.
func (w *walk) allowed(at, nominal time.Time) bool {
	for _, id := range w.terms.After {
		if !w.others[id].allows(at, nominal, w.terms.When) {
			return false
		}
	}
	return true
}

// allowedFrom gives the first instant, not before another one, at which all that the task waits for lets a date start, and does so for long
// enough to be noticed; false is never.
func (w *walk) allowedFrom(at, nominal time.Time) (time.Time, bool) {
	for !w.allowed(at, nominal) || !w.allowed(at.Add(w.Slack), nominal) {
		next, ok := w.nextStanding(at)
		if !ok {
			return at, false
		}
		at = next
	}
	return at, true
}

// mayStart says whether a start at an instant was allowed, or would have been as far as the worker had heard.
func (w *walk) mayStart(at, nominal time.Time) bool {
	for heard, ok := at.Add(-w.Slack), true; ok && !heard.After(at); heard, ok = w.nextStanding(heard) {
		if w.allowed(heard, nominal) {
			return true
		}
	}
	return false
}

// expectAllowed gives what may come next for the pending date of a task that waits for others, if it is ready at an instant. A worker that
// comes looks at what was missed by then, and has that wait.
func (w *walk) expectAllowed(ready time.Time) (options []expectation) {
	waits := ready
	if !w.waits.IsZero() {
		waits = w.waits
	}
	for from := ready; ; {
		span, ok := w.spanAt(from)
		if !ok {
			return options
		}
		e := w.start(w.pending, time.Time{}, time.Time{}, w.catchUp)
		if !w.terms.Once && span.From.After(waits) && w.pending.Add(w.terms.Jitter).Before(span.From.Add(-w.MissedAfter)) {
			e = w.missed(span.From)
		}
		from = later(from, span.From)
		if !w.waits.IsZero() {
			from, ok = w.allowedFrom(from, time.Time{})
		}
		if at, may := w.allowedFrom(from, e.nominal); ok && may && at.Before(span.To) {
			e.earliest, e.latest = at, later(at, e.nominal.Add(w.terms.Jitter)).Add(w.Late+2*w.Slack)
			if options = append(options, e); e.latest.Before(span.To) {
				return options
			}
		}
		from = span.To
	}
}

// nextStanding gives when one of the tasks that it waits for stands otherwise.
func (w *walk) nextStanding(at time.Time) (best time.Time, ok bool) {
	for _, id := range w.terms.After {
		for _, s := range w.others[id] {
			if s.at.After(at) && (!ok || s.at.Before(best)) {
				best, ok = s.at, true
			}
		}
	}
	return best, ok
}
