package runcheck

import (
	"fmt"
	"time"
)

// walk goes through the life of one task: at each step either what a person asked for takes effect, or the planned firing is looked for
// among those that were seen.
type walk struct {
	Options
	id      string
	orders  []Order
	present []Span
	firings []*firing
	report  *Report

	terms    Terms
	planned  bool // there is a pending date
	paused   bool
	pending  time.Time
	free     time.Time // nothing starts before: the plan was made, or the last run ended
	catchUp  time.Time // missed dates up to here run one by one
	owes     time.Time // dates were missed up to here while a firing was cut short; zero is none
	fired    int
	failures int
	lastEnd  time.Time // of any run
	// freeBefore is what free was before a firing beside the plan.
	freeBefore time.Time
	felt       time.Time // when the last order had been heard
	waits      time.Time // since when it has waited to be planned; zero where it was at once, or has begun

	history  history
	others   map[string]history   // of the tasks that it waits for
	all      map[string][]*firing // of tasks that were not looked at
	children []Task               // for dates that ran beside

	progress
	below *progress // the firing that was open when a person asked for one beside it
}

// progress is how far a firing has come.
type progress struct {
	open    *firing // that began and has not come to its end; nil is none
	beside  bool    // it is one that a person asked for
	attempt int64   // its last
	cut     bool    // its last run came to no outcome
}

// expectation is what should come next: a start of a date, or a step over dates without one.
type expectation struct {
	nominal          time.Time
	earliest, latest time.Time
	over             func() // what becomes of the plan where nothing starts
	catchUp          time.Time
}

// step does what comes next; it is false at the end.
func (w *walk) step() bool {
	if w.open != nil {
		return w.goOn()
	}
	options := w.expect()
	best, seen := w.choose(options)
	if o, ok := w.order(); ok {
		felt := o.At.Add(w.Slack)
		before := best == nil || !o.At.After(best.latest)
		if seen != nil {
			before = !seen.start().Before(felt)
		}
		if before {
			w.apply(o)
			return true
		}
	}
	switch {
	case best == nil || !best.latest.Before(w.Until) && seen == nil:
		return false
	case best.over != nil && seen == nil:
		best.over()
		w.free = best.latest
		return true
	}
	w.leaveOutUpTo(best.nominal)
	w.pending, w.catchUp = best.nominal, best.catchUp
	w.report.Windows++
	if seen == nil {
		w.find(Miss, "", fmt.Sprintf("nothing ran between %s and %s", show(best.earliest), show(best.latest)))
		w.settle(Run{Started: best.latest, Ended: best.latest})
		return true
	}
	if start := seen.start(); start.After(best.latest) {
		w.find(Late, seen.key, fmt.Sprintf("started %v after it could at the latest, %s", start.Sub(best.latest), show(best.latest)))
	}
	w.begin(seen, false)
	return true
}

// expect gives what may come next for the pending date, the likeliest last.
func (w *walk) expect() (options []expectation) {
	if !w.planned || w.paused {
		return nil
	}
	ready := later(w.pending, w.free)
	if len(w.terms.After) > 0 {
		return w.expectAllowed(ready)
	}
	jitter := max(0, w.pending.Add(w.terms.Jitter).Sub(ready))
	span, ok := w.spanAt(ready)
	if !ok {
		return nil
	}
	if !span.From.After(ready) {
		latest := later(ready.Add(jitter), w.felt).Add(w.Late)
		options = append(options, w.start(w.pending, ready, latest, w.catchUp))
		if latest.Before(span.To) {
			return options
		}
		if span, ok = w.spanAt(span.To); !ok {
			if jitter == 0 && w.Late == 0 {
				return options
			}
			return append(options, expectation{nominal: w.pending, latest: w.Until}) // the worker left before it had to
		}
	}
	back := span.From
	if due := w.pending.Add(w.terms.Jitter); !due.Before(back.Add(-w.MissedAfter)) {
		options = append(options, w.start(w.pending, back, later(back, due).Add(w.Late+w.Slack), w.catchUp))
		if w.terms.Jitter == 0 && w.pending.After(back.Add(-w.MissedAfter)) {
			return options
		}
	}
	if due, since := w.pending.Add(w.terms.Jitter), back.Add(-w.terms.Window); w.terms.Window > 0 && w.pending.Before(since) && !due.Before(since) {
		catchUp := w.catchUp
		if w.terms.Missed == MissedAll {
			catchUp = back
		}
		options = append(options, w.start(w.pending, back, back.Add(w.Late+w.Slack), catchUp)) // by its date too long ago, by its start not
	}
	if date, ok := w.after(w.pending.Add(-1)); !ok || !date.Equal(w.pending) { // a calendar has taken the date away since
		options = append(options, w.start(w.pending, back, back.Add(w.Late+w.Slack), w.catchUp))
	}
	return append(options, w.missed(back))
}

// start expects a date to start, or to be left out because it has expired.
func (w *walk) start(nominal, earliest, latest, catchUp time.Time) expectation {
	e := expectation{nominal: nominal, earliest: earliest, latest: latest, catchUp: catchUp}
	if w.terms.Expires > 0 && earliest.After(nominal.Add(w.terms.Expires)) && !w.wasCut(nominal) {
		e.over = func() {
			w.leaveOutUpTo(nominal)
			w.pending, w.catchUp = nominal, catchUp
			w.report.LeftOut++
			w.settle(Run{Ended: earliest, Failed: true})
		}
	}
	return e
}

// wasCut says whether a firing began before, and was cut short.
func (w *walk) wasCut(nominal time.Time) bool {
	for _, f := range w.firings {
		if f.nominal.Equal(nominal) && f.next > 0 && f.next < len(f.runs) && f.runs[f.next-1].Ended.IsZero() {
			return true
		}
	}
	return false
}

// missed says what becomes of the pending date, and those after it, when a worker comes back.
func (w *walk) missed(back time.Time) expectation {
	latest := back.Add(w.Slack + w.Late)
	since := time.Time{}
	if w.terms.Window > 0 {
		since = back.Add(-w.terms.Window)
	}
	over := expectation{nominal: w.pending, earliest: back, latest: latest, over: func() { w.moveBeyond(back) }}
	if w.terms.Missed == MissedSkip {
		return over
	}
	dates := []time.Time{}
	for date, ok := w.after(w.pending.Add(-1)); ok && !date.After(back); date, ok = w.after(date) {
		if !date.Before(since) {
			dates = append(dates, date)
		}
	}
	if len(dates) == 0 {
		return over
	}
	if w.terms.Missed == MissedAll && !w.terms.Once {
		most := w.terms.Most
		if most == 0 {
			most = 100
		}
		first := dates[max(0, len(dates)-most)]
		return w.start(first, back, later(back, first.Add(w.terms.Jitter)).Add(w.Late+w.Slack), back)
	}
	last := dates[len(dates)-1]
	return w.start(last, back, later(back, last.Add(w.terms.Jitter)).Add(w.Late+w.Slack), time.Time{})
}

// choose takes the option that was seen, else the last.
func (w *walk) choose(options []expectation) (*expectation, *firing) {
	for i := range options {
		if options[i].over != nil && w.Late == 0 {
			continue
		}
		for _, f := range w.firings {
			if f.next < len(f.runs) && f.nominal.Equal(options[i].nominal) {
				if i+1 < len(options) && f.start().After(options[i].latest) {
					break // that is of another option
				}
				return &options[i], f
			}
		}
	}
	if len(options) == 0 {
		return nil, nil
	}
	return &options[len(options)-1], nil
}

// begin takes up a firing that was seen.
func (w *walk) begin(f *firing, beside bool) {
	w.progress, w.waits = progress{open: f, beside: beside}, time.Time{}
	if f.next > 0 {
		last := f.runs[f.next-1]
		w.attempt, w.cut = last.Attempt, last.Ended.IsZero()
	}
	w.take()
}

// take looks at the next run of the open firing.
func (w *walk) take() {
	r := w.open.runs[w.open.next]
	w.open.next++
	if due := later(r.Nominal, r.Due); r.Started.Before(due) {
		w.found(Early, r, fmt.Sprintf("started %v early, at %s", due.Sub(r.Started), show(r.Started)))
	}
	if r.Started.Before(w.lastEnd) {
		w.found(Beside, r, "another run was on until "+show(w.lastEnd))
	}
	if len(w.terms.After) > 0 && !w.beside && w.attempt == 0 && !w.mayStart(r.Started, r.Nominal) {
		w.found(Early, r, "started at "+show(r.Started)+", when what it waits for did not allow it")
	}
	w.lastEnd = later(w.lastEnd, r.Ended)
	stopped := w.stopped(r)
	switch {
	case r.Attempt == w.attempt+1 && !w.cut, r.Attempt == w.attempt && w.cut:
	case r.Attempt == w.attempt:
		w.found(Repeat, r, fmt.Sprintf("attempt %d ran again, although its outcome was known", r.Attempt))
	default:
		w.found(Extra, r, fmt.Sprintf("attempt %d came after attempt %d", r.Attempt, w.attempt))
	}
	w.attempt, w.cut = r.Attempt, r.Ended.IsZero()
	switch {
	case w.cut && !w.terms.AtMostOnce:
	case w.cut:
		if span, ok := w.spanAt(r.Started); ok && !span.From.After(r.Started) {
			if span, ok = w.spanAt(span.To); ok {
				if !w.beside && !w.terms.Once {
					w.owes = span.From
				}
				w.settle(Run{Started: r.Started, Ended: span.From, Failed: true})
				return
			}
		}
		w.besides(Run{Started: r.Started, Ended: w.Until})
		w.open, w.planned = nil, false
	case r.Failed && w.attempt <= int64(w.terms.Retries) && !stopped:
		w.free = r.Ended
	default:
		w.settle(r)
	}
}

// goOn looks for the next run of a firing that has not come to its end: a retry, or another start where the worker went away.
func (w *walk) goOn() bool {
	last := w.open.runs[w.open.next-1]
	latest := last.Ended.Add(w.terms.RetryWithin + w.Late)
	if w.cut {
		latest = w.Until
		if span, ok := w.spanAt(last.Started); ok && !span.From.After(last.Started) {
			if span, ok = w.spanAt(span.To); ok {
				latest = span.From.Add(w.Slack + w.Late)
			}
		}
	}
	if w.cut {
		latest = later(latest, w.free.Add(w.Slack+w.Late))
	}
	if from, ok := w.allowedFrom(latest, last.Nominal); w.cut && !ok { // cut short within its first second, it waits again
		latest = w.Until
	} else if w.cut && from.After(latest) {
		latest = from.Add(w.Late + 2*w.Slack)
	}
	back, away := w.comesBack(last, latest)
	if w.beside && away {
		latest = later(latest, back.Add(w.Slack+w.Late))
	}
	more := w.open.next < len(w.open.runs)
	heard := latest // by then
	if away {
		heard = later(heard, back)
	}
	if o, ok := w.order(); ok && (more && !w.open.start().Before(o.At.Add(w.Slack)) || !more && !o.At.After(heard)) {
		w.apply(o)
		return true
	}
	if more {
		w.catchUpAfter(last)
		w.take()
		return true
	}
	switch {
	case !latest.Before(w.Until) && !away, away && !back.Before(w.Until):
		if w.cut {
			w.besides(Run{Started: last.Started, Ended: w.Until})
		}
		return false
	case away && !w.beside:
		before := w.pending
		if w.besides(last); w.pending.After(before) {
			w.pending, w.planned = w.after(w.pending)
		}
		w.open, w.owes = nil, time.Time{}
		e := w.missed(back)
		switch {
		case e.over != nil:
			e.over()
			w.free = back
			return true
		case e.nominal.After(last.Nominal):
			w.free = back
			w.pending, w.catchUp = e.nominal, e.catchUp
			return true
		}
	}
	w.find(Miss, last.Key, fmt.Sprintf("attempt %d did not follow by %s", w.attempt+1, show(latest)))
	w.settle(Run{Started: last.Started, Ended: latest, Failed: true})
	return true
}

// catchUpAfter says that the dates which were missed while a retry was due run too, each in turn, once it has run.
func (w *walk) catchUpAfter(last Run) {
	if w.cut && !w.beside && !w.terms.Once {
		if span, ok := w.spanAt(w.open.start()); ok && span.From.After(last.Started) {
			w.owes = span.From
		}
	}
	if w.cut || w.beside || w.terms.Once || w.terms.Missed != MissedAll {
		return
	}
	span, ok := w.spanAt(w.open.start())
	if !ok || !span.From.After(last.Ended) || w.open.start().After(later(span.From, w.free).Add(w.Slack+w.Late)) {
		return
	}
	back := span.From
	if last.Ended.Add(w.terms.RetryWithin).Before(back.Add(-w.MissedAfter)) {
		w.catchUp = back
		return
	}
	if date, ok := w.after(w.pending); ok && !date.After(back) { // whether it was due is not known: what was seen tells
		for _, f := range w.firings {
			if f.next == 0 && f.nominal.Equal(date) {
				w.catchUp = back
			}
		}
	}
}

// comesBack gives when the worker that was to go on with a firing came back, where it went away before it had to.
func (w *walk) comesBack(last Run, latest time.Time) (time.Time, bool) {
	span, ok := w.spanAt(last.Started)
	if !ok || latest.Before(span.To) {
		return time.Time{}, false
	}
	if span, ok = w.spanAt(span.To); !ok {
		return w.Until, true // never
	}
	return span.From, true
}
