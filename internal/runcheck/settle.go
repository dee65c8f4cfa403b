package runcheck

import (
	"math"
	"time"
)

// settle goes to the date after a firing that came to its end.
func (w *walk) settle(r Run) {
	nominal := w.pending
	if w.beside {
		nominal = r.Nominal
	}
	defer func() {
		w.stand(r.Ended, func(s *standing) {
			s.ended, s.nominal, s.failed, s.canceled, s.busy = r.Ended, nominal, r.Failed, false, false
		})
	}()
	w.open = nil
	w.free = r.Ended
	switch {
	case w.terms.Once:
	case r.Failed:
		w.failures++
	default:
		w.failures = 0
	}
	if w.beside {
		w.progress = progress{}
		if w.below != nil {
			w.progress, w.below = *w.below, nil
		} else {
			w.missedBehind(r)
			w.free = r.Ended
		}
		return
	}
	if w.terms.Once {
		w.planned = false
		return
	}
	w.fired++
	if w.terms.Limit > 0 && w.fired >= w.terms.Limit {
		w.planned = false
		return
	}
	w.advance(r)
	if w.planned && w.terms.PauseAfter > 0 && w.failures >= w.terms.PauseAfter {
		w.paused = true
	}
}

// payOff plans what the missed rule lets run of the dates that passed while a firing was cut short and nobody was there.
func (w *walk) payOff() bool {
	if w.owes.IsZero() {
		return false
	}
	back := w.owes
	w.owes, w.catchUp = time.Time{}, back
	if w.terms.Missed == MissedSkip {
		return false
	}
	since := time.Time{}
	if w.terms.Window > 0 {
		since = back.Add(-w.terms.Window)
	}
	dates := []time.Time{}
	for date, ok := w.after(w.pending); ok && !date.After(back); date, ok = w.after(date) {
		if !date.Before(since) {
			dates = append(dates, date)
		}
	}
	if len(dates) == 0 {
		return false
	}
	from, next := w.pending, dates[len(dates)-1]
	if w.terms.Missed == MissedAll {
		most := w.terms.Most
		if most == 0 {
			most = 100
		}
		next = dates[max(0, len(dates)-most)]
	} else {
		w.catchUp = time.Time{}
	}
	w.pending = next
	w.countLeftOut(from, next)
	return true
}

// window is how far back missed dates run.
func (w *walk) window() time.Duration {
	if w.terms.Window == 0 {
		return math.MaxInt64
	}
	return w.terms.Window
}

// advance plans the date that follows a firing, by the overlap rule.
func (w *walk) advance(r Run) {
	w.recalculate(r)
	w.besides(r)
	if w.payOff() {
		return
	}
	if date, ok := w.after(w.pending); ok && !date.After(w.catchUp) && w.terms.Missed == MissedAll && !date.Before(w.catchUp.Add(-w.window())) {
		w.pending = date
		return
	}
	covered := later(w.pending, w.catchUp)
	w.catchUp = time.Time{}
	switch w.terms.Overlap {
	case OverlapQueueAll, OverlapAllow:
	case OverlapQueue:
		covered = later(covered, r.Started)
	case OverlapCancel:
		for date, ok := w.after(covered); ok && !date.After(r.Ended); date, ok = w.after(date) {
			covered = date.Add(-1)
			if covered.Before(w.pending) {
				covered = w.pending
			}
			if next, more := w.after(date); !more || next.After(r.Ended) {
				break
			}
		}
	default:
		covered = later(covered, r.Ended)
	}
	from := w.pending
	w.pending, w.planned = w.after(covered)
	w.countLeftOut(from, w.pending)
}
