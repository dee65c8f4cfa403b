package worker

import (
	"context"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
)

// A repeat whose run is longer than its interval meets its own next date. Most overlap rules decide when the run ends; "cancel" and
// "allow" have to act on the date itself, and so the wheel holds it while the run is on.

// watchOverlap puts the next date of a running repeat into the wheel, where its overlap rule needs that.
func (l *loop) watchOverlap(i uint32, e *entry, after time.Time) {
	t := e.act.ran
	if t.Repeat == nil || t.Overlap != task.OverlapCancel && t.Overlap != task.OverlapAllow {
		return
	}
	if date, ok := t.Following(after, l.view()); ok {
		l.wheel.Add(i, date)
	}
}

// onOverlap does what a running repeat's rule says about the date that has come.
func (l *loop) onOverlap(i uint32, e *entry, date time.Time) {
	run := e.act.run
	if run == nil {
		return
	}
	if e.act.ran.Overlap == task.OverlapCancel {
		l.logOf(e).Warnf("its date %s came while it ran: the run is stopped", date.Format(time.RFC3339))
		l.tell(run, ErrOverlap)
		return
	}
	document, err := e.act.ran.Child(date, "beside")
	if err != nil {
		l.logOf(e).WithError(err).Error("a run beside the one that is on could not be made")
		return
	}
	run.covered = date
	l.logOf(e).Infof("its date %s came while it ran: it runs beside, as %s", date.Format(time.RFC3339), task.ChildID(e.id, date))
	l.requesters.Go(func() { l.createChild(l.writing, document) })
	l.watchOverlap(i, e, date)
}

// createChild writes a document that may be there already, however long that takes.
func (l *loop) createChild(ctx context.Context, document []byte) {
	err := l.sender.persist(ctx, "making a task for a date that runs beside", func() error {
		results, err := l.db.Bulk(ctx, [][]byte{document})
		if err == nil && len(results) == 1 {
			err = results[0].Err()
		}
		if couch.IsConflict(err) {
			return nil
		}
		return err
	})
	if err != nil {
		l.log.WithError(err).Error("a task for a date that runs beside could not be made")
	}
}
