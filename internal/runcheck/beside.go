package runcheck

import (
	"fmt"
	"time"
)

// childID is the id of the task that runs for one date of another one beside it.
func childID(id string, date time.Time) string { return id + "@" + show(date) }

// besides takes in the dates of a repeat that ran as tasks of their own while a run was on.
func (w *walk) besides(r Run) {
	if w.terms.Overlap != OverlapAllow || w.beside {
		return
	}
	for date, ok := w.after(w.pending); ok && !date.After(r.Ended.Add(w.Slack)); date, ok = w.after(date) {
		id := childID(w.id, date)
		if len(w.all[id]) == 0 {
			return
		}
		terms := Terms{Dates: Once(date), Once: true, Retries: w.terms.Retries, RetryWithin: w.terms.RetryWithin, AtMostOnce: w.terms.AtMostOnce}
		w.children = append(w.children, Task{ID: id, Orders: []Order{{At: later(date, r.Started), Terms: terms}}})
		w.pending = date
	}
}

// stopped says whether the next date of a repeat ended a run of the one before, and reports a run that went on over it.
func (w *walk) stopped(r Run) bool {
	if w.terms.Overlap != OverlapCancel || w.beside || w.terms.Once || r.Ended.IsZero() || w.terms.Limit > 0 && w.fired+1 >= w.terms.Limit {
		return false
	}
	next, ok := w.after(later(w.pending, r.Started))
	if !ok || r.Ended.Before(next) {
		return false
	}
	for _, o := range w.orders {
		if o.Ask != Recalculate && o.At.After(r.Started.Add(-w.Slack)) && o.At.Before(r.Ended) {
			return false // a person had other things in mind
		}
	}
	if r.Ended.After(next.Add(w.Slack + w.Late)) {
		w.found(Beside, r, fmt.Sprintf("it ran on until %s, over its next date %s", show(r.Ended), show(next)))
	}
	return r.Failed
}
