package worker

import (
	"bytes"
	"context"
	"fmt"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/task"
)

// A repeat whose run is longer than its interval meets its own next date. Most overlap rules decide when the run ends; "cancel" and
// "allow" have to act on the date itself, and so the wheel holds it while the run is on.

// watchOverlap puts the next date of a running repeat into the wheel, where its overlap rule needs that.
func (l *loop) watchOverlap(i uint32, e *entry) {
	t, r := e.act.ran, e.act.run
	if t.Repeat == nil || t.Overlap != task.OverlapCancel && t.Overlap != task.OverlapAllow {
		return
	}
	if date, ok := t.Following(r.started, r.covered, l.view()); ok {
		l.wheel.Add(i, date)
	}
}

// onOverlap does what a running repeat's rule says about the date that has come.
func (l *loop) onOverlap(e *entry, date time.Time) {
	run := e.act.run
	if run == nil || e.act.edit != nil && steers(e.act.edit, e.act.ran) {
		return
	}
	if next, ok := e.act.ran.Following(run.started, run.covered, l.view()); !ok || !next.Equal(date) { // a calendar has changed since
		l.watchOverlap(run.index, e)
		return
	}
	if e.act.ran.Overlap == task.OverlapCancel {
		l.logOf(e).Warnf("its date %s came while it ran: the run is stopped", date.Format(time.RFC3339))
		l.tell(run, jobs.ErrOverlap)
		return
	}
	document, err := e.act.ran.Child(date, "beside")
	if err != nil {
		l.logOf(e).WithError(err).Error("a run beside the one that is on could not be made: its date waits for the end of that")
		return
	}
	run.beside = true
	l.requesters.Go(func() {
		made := beside{run: run, date: date}
		made.refused, made.err = l.createChild(l.writing, document)
		select {
		case l.besides <- made:
		case <-l.writing.Done():
		}
	})
}

// steers says whether an edit that waits for the end of a run has other things in mind than the plan that it runs by.
func steers(edit, ran *task.Task) bool {
	asks := edit.Status != task.Scheduled && edit.Status != task.Running
	return asks || edit.Deleted || edit.Worker != ran.Worker || !bytes.Equal(edit.Repeat, ran.Repeat) || !bytes.Equal(edit.Date, ran.Stored().Date)
}

// beside says what became of the task for one date of a repeat whose run is on.
type beside struct {
	run     *run
	date    time.Time
	refused error // the database will not have it
	err     error // it was not reached before the worker stopped
}

// onBeside goes on after a task for a date was made, or refused. A date is only covered by what the database has: any other waits for the
// end of the run, and so do those after it.
func (l *loop) onBeside(made beside) {
	r := made.run
	r.beside = false
	if _, on := l.runs[r]; !on || r.detached {
		return
	}
	e := l.table.at(r.index)
	id := task.ChildID(e.id, made.date)
	switch {
	case made.refused != nil:
		r.note = fmt.Sprintf("%s could not be made, its date waited for the run: %v", id, made.refused)
		l.logOf(e).WithError(made.refused).Errorf("its date %s came while it ran, and the database refuses the task %s: it waits for the end of the run",
			made.date.Format(time.RFC3339), id)
	case made.err == nil:
		r.covered = made.date
		l.logOf(e).Infof("its date %s came while it ran: it runs beside, as %s", made.date.Format(time.RFC3339), id)
	}
	switch {
	case r.over != nil:
		l.onEnded(*r.over)
	case r.covered.Equal(made.date):
		l.watchOverlap(r.index, e)
	}
}

// createChild writes a document that may be there already, however long that takes.
func (l *loop) createChild(ctx context.Context, document []byte) (refused, err error) {
	err = l.sender.persist(ctx, "making a task for a date that runs beside", func() error {
		results, err := l.db.Bulk(ctx, [][]byte{document})
		if err != nil {
			return err
		}
		err = results[0].Err()
		switch {
		case couch.IsConflict(err):
			return nil
		case couch.IsForbidden(err), couch.IsUnauthorized(err), couch.IsInvalid(err):
			refused = err
			return nil
		}
		return err
	})
	if couch.IsInvalid(err) {
		return err, nil
	}
	return refused, err
}

// mayRunBeside says whether the planned firing of a task may run as a task of its own already: an earlier process made that while the
// firing before was on, and died before it could write so. What came due since we hold the name we know ourselves.
func (l *loop) mayRunBeside(e *entry) bool {
	t := e.task()
	return t.Overlap == task.OverlapAllow && t.Repeat != nil && t.Plan.Back == nil && !t.Plan.Interrupted && t.Retries == 0 &&
		!t.Plan.Nominal.After(l.workersOf[e.name].since.Add(missedAfter)) && l.alone[e.id] != t.Plan.Key
}

// lookBeside has the database say whether the planned firing of a task runs as a task of its own already.
func (l *loop) lookBeside(i uint32, e *entry) {
	l.leavePlace(i, e)
	plan := e.task().Plan
	id, key, child := e.id, plan.Key, task.ChildID(e.id, plan.Nominal)
	l.requesters.Go(func() {
		var docs []couch.Document
		err := l.sender.persist(l.writing, "looking for a task for a date", func() (err error) {
			docs, err = l.db.BulkGet(l.writing, []couch.Ref{{ID: child}})
			return err
		})
		seen := sighting{id: id, key: key, child: child, there: err == nil && len(docs) == 1 && !docs[0].Missing}
		select {
		case l.sightings <- seen:
		case <-l.writing.Done():
		}
	})
}

// sighting says whether a firing has a task of its own, be it deleted since.
type sighting struct {
	id, key, child string
	there          bool
}

// onSighting passes over a firing that has a task of its own, and starts any other.
func (l *loop) onSighting(seen sighting) {
	i, e := l.table.find(seen.id)
	if e == nil || e.state != idle || e.act != nil || e.doc == nil || e.task().Key() != seen.key {
		return // it was edited meanwhile, and looks again by itself
	}
	if seen.there {
		l.logOf(e).Infof("its date runs as %s already", seen.child)
		l.admit(i, e, task.PassOver(e.task(), l.view()))
		return
	}
	l.alone[e.id] = seen.key
	l.enqueue(i, e)
}
