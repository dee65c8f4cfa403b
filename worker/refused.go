package worker

import (
	"slices"

	"github.com/adlayer/after/task"
)

// refused is where the outcome lies that the database will not take for a revision of a task.
type refused struct {
	rev  mark
	spot spot // of no size while it is in memory only
}

// onRefused shows a document that the database will not take. It is left alone until somebody changes it, and an outcome waits in
// the spool for that.
func (l *loop) onRefused(i uint32, e *entry, why error) {
	act := e.act
	line := l.logOf(e).WithError(why)
	if act.outcome != nil {
		line = line.WithField("outcome", said(*act.outcome))
	}
	line.Error("the database refuses the task's document: it is left as it is until somebody changes it")
	l.workersOf[e.name].Refused++
	if act.purpose == begun {
		act.next = nil
		l.takePending(i, e)
		l.settleIfOver(i, e, act)
		return // the outcome is tried by itself
	}
	if act.outcome != nil {
		l.spool(e, act.next.Rev)
		l.refused[e.id] = refused{rev: markOf(act.next.Rev)}
	}
	pending := act.row
	e.act = nil
	l.leavePlace(i, e)
	l.hold(e, nil)
	if pending != nil {
		l.onRow(pending)
	}
}

// saveRefused puts refused outcomes on disk, so that their runs are not done again after a crash. Where the disk does not take them,
// they are tried again with the next ones and at the end.
func (l *loop) saveRefused() {
	spots, err := appendRecords(l.spoolPath, l.spooled)
	if err != nil {
		l.log.WithError(err).Errorf("%d outcomes are in memory only", len(l.spooled))
		return
	}
	for i, r := range l.spooled {
		if known, ok := l.refused[r.ID]; ok {
			l.refused[r.ID] = refused{rev: known.rev, spot: spots[i]}
		}
	}
	l.spooled = nil
}

// keepsBack says whether a task that was met is one whose outcome is in the spool; it does not start, and an edit meets the outcome.
func (l *loop) keepsBack(r *row) bool {
	known, ok := l.refused[r.id]
	if !ok {
		return false
	}
	i, e := l.add(r.id, r.name)
	if known.rev == r.rev {
		e.rev = r.rev
		l.workersOf[e.name].Refused++
		return true
	}
	if l.takeUp(i, e, r) {
		return true
	}
	l.drop(i, e)
	return false
}

// takeUp lets an edit meet the outcome that is in the spool for a task, and says whether there is one.
func (l *loop) takeUp(i uint32, e *entry, r *row) bool {
	if _, ok := l.refused[e.id]; !ok {
		return false
	}
	kept, err := l.unspool(e.id)
	if err == nil {
		var ran *task.Task
		if ran, err = kept.ran(); err == nil {
			outcome := kept.Outcome.outcome()
			act := e.activity()
			act.ran, act.outcome, act.recorded = ran, &outcome, true // its history was written before the database refused it
			l.takeEdit(i, e, r)
			return true
		}
	}
	l.logOf(e).WithError(err).Error("the outcome that the database refused is lost: the task is taken as it is now")
	return false
}

// unspool takes an outcome out of the spool.
func (l *loop) unspool(id string) (record, error) {
	where := l.refused[id].spot
	delete(l.refused, id)
	if where.size == 0 {
		k := slices.IndexFunc(l.spooled, func(r record) bool { return r.ID == id })
		r := l.spooled[k]
		l.spooled = slices.Delete(l.spooled, k, k+1)
		return r, nil
	}
	r, err := readRecord(l.spoolPath, where)
	if _, overErr := appendRecords(l.spoolPath, []record{{Database: l.config.Database, ID: id, Over: true}}); overErr != nil {
		l.log.WithError(overErr).Warn("the spool still holds an outcome that is taken up: the next start looks at it again")
	}
	return r, err
}

// forgetRefused gives up the outcomes in the spool: the database is gone, and in the one that comes back under its name revisions
// count from one again.
func (l *loop) forgetRefused() {
	for id := range l.refused {
		if r, err := l.unspool(id); err == nil {
			l.logOfRecord(r).Warn("an outcome from the spool is only here: the database is gone")
		}
	}
}
