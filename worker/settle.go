package worker

import (
	"time"

	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/task"
)

// onOutcomes takes in a run's end and those that came meanwhile.
func (l *loop) onOutcomes(first ended) {
	l.onEnded(first)
	for range cap(l.outcomes) {
		select {
		case e := <-l.outcomes:
			l.onEnded(e)
		default:
			return
		}
	}
}

func (l *loop) onEnded(end ended) {
	if end.run.beside && !end.run.detached {
		end.run.over = &end // which date comes next is only known with the answer
		return
	}
	l.leave(end.run)
	if end.run.detached {
		l.workersOf[end.run.name].Stuck--
		l.log.WithField("task", end.ran.ID).WithError(end.outcome.Err).Warn("a job that was given up has ended after all")
		return
	}
	l.onOutcome(end, l.table.at(end.run.index))
}

// onOutcome turns a run's outcome into the next document of its task.
func (l *loop) onOutcome(end ended, e *entry) {
	act := e.act
	act.run = nil
	l.set(e, idle)
	l.wheel.Remove(end.run.index)
	outcome := end.outcome
	outcome.Covered, outcome.Note = end.run.covered, end.run.note
	act.outcome, act.recorded = &outcome, false
	l.tellRun(end, e)
	if act.inFlight {
		return // the answer comes first
	}
	decision := end.decision
	if act.edit != nil || act.ran != end.ran || end.run.detached || !outcome.Covered.IsZero() || outcome.Note != "" {
		l.settle(end.run.index, e)
		return
	}
	l.write(end.run.index, e, decision)
}

// settle decides what the document becomes after a run, in the light of what a person did to it meanwhile.
func (l *loop) settle(i uint32, e *entry) {
	act := e.act
	if act.edit == nil {
		l.write(i, e, task.Settle(act.ran, *act.outcome, l.view()))
		return
	}
	edit := act.edit
	act.edit = nil
	if l.takenOver(act.ran.Stored(), edit) {
		l.logOf(e).WithField("member", edit.Claim.Member).Warn("another member has taken the task over: the outcome of our run is only here: " + said(*act.outcome))
		l.tellAlone(act)
		l.abandon(i, e)
		return
	}
	l.write(i, e, task.Resolve(act.ran, *act.outcome, edit, l.view()))
}

// takenOver says that another member has claimed a document since the run started from what was stored then, which happens
// only to one that lost its lease. A claim that was there before is that of a member whose name we took.
func (l *loop) takenOver(before task.Stored, t *task.Task) bool {
	return t.Claim != nil && t.Claim.Member != l.self.Member && t.Claim.Incarnation != before.Incarnation
}

// write submits what an outcome led to.
func (l *loop) write(i uint32, e *entry, d task.Decision) {
	l.recordOwn(e.act)
	e.act.elsewhere = nil
	if d.Settled != nil {
		l.record(e.act, d.Settled.Ran, d.Settled.Outcome)
		e.act.elsewhere = &d.Settled.Outcome
	}
	if d.Next == nil {
		l.logOf(e).Info("the task is gone: the outcome of its run is only here: " + said(*e.act.outcome))
		l.tellAlone(e.act)
		l.abandon(i, e)
		return
	}
	if left := d.Next.Skipped - e.act.ran.Skipped; left > 0 {
		l.logOf(e).Warnf("%d of its dates came during the run and are left out (overlap is %q)", left, d.Next.Overlap)
	}
	l.submit(i, e, settle, d.Next)
}

// abandon forgets a task and all that is under way for it.
func (l *loop) abandon(i uint32, e *entry) {
	pending := e.act.row
	e.act = nil
	l.finish(i, e)
	if pending != nil {
		l.onRow(pending)
	}
}

// onAnswers takes in what the database said to one batch.
func (l *loop) onAnswers(answers []answer) {
	l.requests--
	l.inFlight -= len(answers)
	before := len(l.spooled)
	defer func() {
		if len(l.refused) > 0 && len(l.spooled) > before {
			l.saveRefused()
		}
	}()
	for _, a := range answers {
		e := l.table.at(a.index)
		e.act.inFlight = a.again
		if e.act.purpose == first && !a.again {
			l.noting--
		}
		switch {
		case a.again:
			l.again = append(l.again, write{index: a.index, doc: e.act.next})
		case a.rev != "":
			l.onWritten(a.index, e, a.rev)
		case a.unwritten:
			l.keep(a.index, e)
		case a.refused != nil:
			l.onRefused(a.index, e, a.refused)
		case a.gone:
			l.onGone(a.index, e)
		default:
			l.onConflict(a.index, e, a.theirs)
		}
	}
}

// onWritten goes on from a document that the database has as we wrote it.
func (l *loop) onWritten(i uint32, e *entry, rev string) {
	act := e.act
	next := act.next.WithRev(rev)
	act.next = nil
	e.rev = markOf(rev)
	e.found = false
	l.tallyWritten(e, next)
	switch act.purpose {
	case claim:
		l.afterWrite(i, e, next)
	case end:
		l.afterWrite(i, e, nil)
	case first:
		act.noted = true
		l.hold(e, next)
		l.afterWrite(i, e, next)
		switch {
		case l.draining:
			l.giveBackNoted()
		case !l.killed && e.act == act && e.state == queued && l.member.MayStart(l.workersOf[e.name].Name, time.Now()):
			l.start(i, e, l.now()) // at once, in the place that was kept for it
		}
	case begun:
		l.hold(e, next)
		act.ran = next
		l.takePending(i, e)
		l.settleIfOver(i, e, act)
	case settle:
		act.outcome, act.ran = nil, nil
		if next.Worker != l.workersOf[e.name].Name {
			l.handOver(i, e, next)
			return
		}
		if !next.Sleeps() {
			next = nil
		}
		l.afterWrite(i, e, next)
	}
}

// settleIfOver writes the outcome of a run that ended while its mark was in flight, if act is still the entry's activity.
func (l *loop) settleIfOver(i uint32, e *entry, act *activity) {
	if e.act == act && act.run == nil && act.outcome != nil && !act.inFlight {
		l.settle(i, e)
	}
}

// handOver lets go of a task that was left to another worker, which may be one of ours.
func (l *loop) handOver(i uint32, e *entry, next *task.Task) {
	r := row{id: e.id, rev: e.rev, task: next}
	if pending := e.act.row; pending != nil && pending.rev.gen > r.rev.gen {
		r = *pending
	} else {
		r.name, r.ours = l.byName[next.Worker]
	}
	e.act = nil
	l.finished.note(e.id, e.rev.gen-1, l.now()) // older rows still name us
	l.drop(i, e)
	l.onUnknown(&r)
}

// afterWrite lets a task sleep on with its new document, or forgets it if there is none, unless a newer row is here.
func (l *loop) afterWrite(i uint32, e *entry, next *task.Task) {
	pending := e.act.row
	e.act.row = nil
	if pending != nil && (pending.rev == e.rev || pending.rev.gen < e.rev.gen) {
		pending = nil
	}
	e.rest()
	switch {
	case pending != nil:
		e.act = nil
		l.onEdit(i, e, pending)
	case next == nil || next.Plan == nil:
		e.act = nil
		l.finish(i, e)
	case !l.workersOf[e.name].holding:
		e.act = nil
		l.drop(i, e) // it has not ended: if the name comes back, so does the task
	default:
		l.hold(e, next)
		l.sleepUntil(i, e, next.Plan.Due)
	}
}

// takePending takes in the row that came during a write, while a run is under way.
func (l *loop) takePending(i uint32, e *entry) {
	pending := e.act.row
	e.act.row = nil
	if pending != nil && pending.rev != e.rev && pending.rev.gen >= e.rev.gen {
		l.takeEdit(i, e, pending)
	}
}

// takeEdit keeps an edit for the outcome that it will meet.
func (l *loop) takeEdit(i uint32, e *entry, r *row) {
	e.rev = r.rev
	if e.act.run != nil {
		l.onEditDuringRun(e, r)
		return
	}
	if r.deleted {
		e.act.edit = &task.Task{ID: r.id, Deleted: true}
	} else {
		e.act.edit = r.decode()
	}
	l.settle(i, e)
}

// onConflict goes on from what the database has in place of our write.
func (l *loop) onConflict(i uint32, e *entry, theirs *task.Task) {
	act := e.act
	landed := act.next.Claim != nil && theirs.Claim != nil && *theirs.Claim == *act.next.Claim
	if landed && markOf(theirs.Rev).gen == markOf(act.next.Rev).gen+1 {
		l.onWritten(i, e, theirs.Rev) // it is what we wrote, and only the answer was lost
		return
	}
	r := row{id: e.id, rev: markOf(theirs.Rev), task: theirs}
	r.name, r.ours = l.byName[theirs.Worker]
	if act.row != nil && act.row.rev.gen > r.rev.gen {
		r = *act.row
	}
	if landed {
		l.tallyWritten(e, act.next)
	}
	act.row, act.next = nil, nil
	switch {
	case act.purpose == begun && act.run != nil:
		l.takeEdit(i, e, &r)
	case act.purpose == begun, act.purpose == settle && !landed:
		l.takeEdit(i, e, &r)
	default:
		// What we wrote has arrived and its answer was lost, or nothing has run yet: what is there now decides.
		e.act = nil
		l.onEdit(i, e, &r)
	}
}

// onGone goes on where the document was deleted under our write.
func (l *loop) onGone(i uint32, e *entry) {
	act, pending := e.act, e.act.row
	act.next, act.row = nil, nil
	if act.run != nil {
		act.edit = &task.Task{ID: e.id, Deleted: true}
		l.tell(act.run, jobs.ErrDeleted)
		return
	}
	if act.outcome != nil {
		l.logOf(e).Info("the task was deleted: the outcome of its run is only here: " + said(*act.outcome))
		l.tellAlone(act)
	}
	e.act = nil
	l.finish(i, e)
	if pending != nil {
		l.onRow(pending) // perhaps another task was made under the id since
	}
}

// tallyWritten counts what came to its end by a write that has arrived: the run that was ours, one that went on elsewhere, a task that could not run.
func (l *loop) tallyWritten(e *entry, next *task.Task) {
	act := e.act
	over := act.elsewhere
	act.elsewhere = nil
	if act.purpose == settle {
		l.tally(e, act.outcome)
	}
	if over != nil {
		l.tally(e, over)
	}
	if act.purpose == end && next.Status == task.Failed && (over == nil || !over.Failed() || over.Kind == task.KindCanceled) {
		l.workersOf[e.name].Errors++ // of what could not run
	}
}

// tally counts a run by its outcome: what became of the task may be another run, a pause, or another worker's.
func (l *loop) tally(e *entry, o *task.Outcome) {
	w := l.workersOf[e.name]
	switch {
	case o.Interrupted, o.Snooze > 0, o.Await != 0, o.Kind == task.KindCanceled:
	case o.Err != nil, o.Kind != "":
		w.Errors++
	default:
		w.Done++
	}
}
