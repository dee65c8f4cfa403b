package runcheck

import "time"

// order gives what a person asked for next.
func (w *walk) order() (Order, bool) {
	if len(w.orders) == 0 {
		return Order{}, false
	}
	return w.orders[0], true
}

// apply does what a person asked for, when a worker is there to hear it.
func (w *walk) apply(o Order) {
	w.orders = w.orders[1:]
	span, ok := w.spanAt(o.At)
	if !ok {
		w.planned, w.open, w.below = false, nil, nil
		return
	}
	at := later(later(span.From, o.At), w.free) // during a run it waits for the outcome
	w.felt = at.Add(w.Slack)
	if w.open != nil && w.cut {
		last := w.open.runs[w.open.next-1]
		if back, ok := w.comesBack(last, w.Until); ok { // nobody heard it until the worker came back
			at = later(at, back)
			if gone, _ := w.spanAt(last.Started); gone.To.After(o.At) {
				w.free = later(w.free, gone.To)
				if o.Ask == RunNow && w.sawNew(gone.To) {
					at = gone.To // the worker wrote so when it stopped
				}
			}
		}
	}
	// A run that was cut short within its first second is known to nobody: it is a date like others then, and what was seen tells.
	if w.open != nil && o.Ask != Recalculate && (o.Ask != RunNow || w.cut && w.open.next == len(w.open.runs)) {
		w.drop(o, at)
	}
	w.obey(o, at)
}

// drop lets go of the firing that has begun: what a person asked for takes its place.
func (w *walk) drop(o Order, at time.Time) {
	if !w.beside {
		last, r := w.pending, w.open.runs[w.open.next-1]
		if w.cut {
			r.Ended = at
		}
		if w.besides(r); w.pending.After(last) && o.Ask != Skip {
			w.pending, w.planned = w.after(w.pending)
		}
	}
	w.progress, w.below = progress{}, nil
}

// obey does what a person asked for, which was heard at an instant.
func (w *walk) obey(o Order, at time.Time) {
	switch o.Ask {
	case Plan:
		w.plan(o, at)
	case Recalculate:
		if w.terms.Dates == nil {
			return
		}
		w.terms.Dates = o.Terms.Dates
		if w.planned && w.pending.After(at) {
			w.pending, w.planned = w.after(at)
		}
	case Pause:
		w.paused = w.planned
	case Resume:
		w.resume(at)
	case Skip:
		w.report.LeftOut++
		w.catchUp, w.owes = time.Time{}, time.Time{}
		w.free = later(w.free, at)
		if w.terms.Once {
			w.planned = false
			w.stand(o.At, func(s *standing) { s.canceled = true })
		} else if w.planned {
			w.pending, w.planned = w.after(later(w.pending, at))
		}
	case Cancel:
		w.planned = false
		w.stand(o.At, func(s *standing) { s.canceled = true })
	case RunNow:
		w.stand(o.At, func(s *standing) { s.busy = true })
		w.runNow(at)
	}
}

// plan begins anew with the order's terms.
func (w *walk) plan(o Order, at time.Time) {
	w.terms = o.Terms
	if w.pending, w.planned = w.terms.Dates(o.since(at)); !w.planned {
		w.terms.Dates = nil
	}
	w.paused, w.fired, w.failures, w.catchUp, w.owes, w.beside = false, 0, 0, time.Time{}, time.Time{}, false
	w.free = later(w.free, o.At)
	w.stand(o.At, func(s *standing) { *s = standing{failed: !w.planned} })
	w.waits = time.Time{}
	if from, ok := w.allowedFrom(at, time.Time{}); !ok {
		w.planned = false
	} else if from.After(at) {
		w.free, w.waits = later(w.free, from), at
	}
}

// recalculate takes in what became of the dates during a run, and those that ran beside it before.
func (w *walk) recalculate(r Run) {
	for i := 0; i < len(w.orders) && w.orders[i].At.Before(r.Ended) && w.orders[i].Ask != Plan; i++ {
		if w.orders[i].Ask == Recalculate {
			w.besides(Run{Started: r.Started, Ended: w.orders[i].At})
			w.terms.Dates = w.orders[i].Terms.Dates
		}
	}
}

// since gives the instant after which an order's dates begin, if it is heard at an instant.
func (o Order) since(at time.Time) time.Time {
	switch {
	case o.Date.IsZero():
		return o.Date
	case o.Date.Before(at):
		at = o.Date
	}
	return at.Add(-1)
}

func (w *walk) resume(at time.Time) {
	if !w.paused {
		return
	}
	w.paused, w.failures = false, 0
	w.free = later(w.free, at)
	if !w.planned || w.terms.Once || w.pending.After(at) {
		return
	}
	for _, f := range w.firings {
		if f.next > 0 && f.next < len(f.runs) && f.nominal.Equal(w.pending) && !f.start().After(w.felt.Add(w.Late)) {
			return // it was cut short, and the worker knew
		}
	}
	w.moveBeyond(at)
}

// runNow looks for the firing that a person asked for beside the plan.
func (w *walk) runNow(at time.Time) {
	if w.terms.Once && !w.paused && !w.pending.After(at) {
		w.planned, w.below = false, nil // it takes the place of the only date, which has passed
		if w.open != nil && !w.beside {
			w.progress = progress{}
		}
	}
	from := later(at, w.free)
	if w.terms.Dates == nil {
		return // it could never be planned
	}
	for _, f := range w.firings {
		if f.next == 0 && !f.nominal.Before(from.Truncate(time.Millisecond)) && !f.nominal.After(from.Add(w.Slack)) {
			w.report.Windows++
			w.freeBefore = w.free
			if w.open != nil && !w.beside {
				below := w.progress
				w.below = &below
			}
			w.begin(f, true)
			return
		}
	}
	if until := from.Add(w.Slack + w.Late); !until.Before(w.Until) {
		return
	} else if span, ok := w.spanAt(from); !ok || until.After(span.To) {
		return
	} else if o, ok := w.order(); ok && !o.At.After(until) {
		return
	}
	w.report.Windows++
	pending := w.pending
	w.pending = from
	w.find(Miss, "", "a person asked for a run now, and nothing ran")
	w.pending = pending
}

// sawNew says whether a firing of an instant was seen that was not looked at.
func (w *walk) sawNew(at time.Time) bool {
	for _, f := range w.firings {
		if f.next == 0 && f.nominal.Equal(at.Truncate(time.Millisecond)) {
			return true
		}
	}
	return false
}

// missedBehind leaves to the missed rule what passed while nobody was there, behind the run that a person asked for.
func (w *walk) missedBehind(r Run) {
	span, ok := w.spanAt(r.Started)
	if !ok || !w.planned || w.paused || w.terms.Once || later(w.pending, w.freeBefore).After(span.From) ||
		!w.pending.Add(w.terms.Jitter).Before(span.From.Add(-w.MissedAfter)) {
		return
	}
	e := w.missed(span.From)
	if e.over != nil {
		e.over()
		return
	}
	w.leaveOutUpTo(e.nominal)
	w.pending, w.catchUp = e.nominal, e.catchUp
}

// after gives the next date.
func (w *walk) after(t time.Time) (time.Time, bool) { return w.terms.Dates(t) }

// moveBeyond leaves out the dates up to an instant.
func (w *walk) moveBeyond(at time.Time) {
	w.catchUp, w.owes = time.Time{}, time.Time{}
	from := w.pending
	w.report.LeftOut++
	if w.terms.Once {
		w.planned = false
		w.stand(at, func(s *standing) { s.failed = true })
		return
	}
	if w.pending, w.planned = w.after(at); !w.planned {
		w.stand(at, func(s *standing) { s.failed = s.failed || s.ended.IsZero() })
	}
	w.countLeftOut(from, w.pending)
}

// leaveOutUpTo counts the dates from the pending one on that are left out before another one.
func (w *walk) leaveOutUpTo(date time.Time) {
	if date.After(w.pending) {
		w.report.LeftOut++
		w.countLeftOut(w.pending, date)
	}
}

// countLeftOut counts the dates between two.
func (w *walk) countLeftOut(from, to time.Time) {
	if !w.planned {
		return
	}
	for date, ok := w.after(from); ok && date.Before(to); date, ok = w.after(date) {
		w.report.LeftOut++
	}
}

// spanAt gives the span that holds an instant, or the next one after it.
func (w *walk) spanAt(t time.Time) (Span, bool) {
	for _, s := range w.present {
		if t.Before(s.To) {
			return s, true
		}
	}
	return Span{}, false
}

// extras reports the runs that nothing asked for.
func (w *walk) extras() {
	for _, f := range w.firings {
		for ; f.next < len(f.runs); f.next++ {
			r := f.runs[f.next]
			w.found(Extra, r, "started at "+show(r.Started)+", and nothing asked for it")
		}
	}
}

func (w *walk) find(kind Kind, key, detail string) {
	w.report.Findings = append(w.report.Findings, Finding{Kind: kind, Task: w.id, Nominal: w.pending, Key: key, Detail: detail})
}

func (w *walk) found(kind Kind, r Run, detail string) {
	w.report.Findings = append(w.report.Findings, Finding{Kind: kind, Task: r.Task, Nominal: r.Nominal, Key: r.Key, Detail: detail})
}

func show(t time.Time) string { return t.UTC().Format(time.RFC3339Nano) }

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}
