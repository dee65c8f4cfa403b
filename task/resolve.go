package task

import (
	"bytes"
	"cmp"
)

// Resolve is what becomes of an outcome whose write met an edit (a 409): ran is the task as it ran, theirs what the database now
// holds; nil where it is gone. Ignore means that there is nothing to write: the outcome belongs into the log, and whatever is held for
// the id is dropped. See the package comment for the table. A run that was to go on elsewhere, and for which the edit leaves nobody to wait,
// ends with that: as its callback says, if that is here, and as canceled else (Settled, also where there is nothing to write).
func Resolve(ran *Task, o Outcome, theirs *Task, v View) Decision {
	v.Now = cut(v.Now)
	o = o.checked()
	d := resolve(ran, o, theirs, v)
	if o.Await == 0 || d.Settled != nil || d.Next != nil && d.Next.elsewhere() || theirs != nil && theirs.carries(ran, o) {
		return d
	}
	over := brokenOffElsewhere("", o.Started, o.Finished)
	if theirs != nil {
		over = brokenOffElsewhere(theirs.Status, o.Started, o.Finished)
		if back, ok := onto(ran, theirs).calledBack(); ok {
			over = back.checked()
			over.Started, over.Finished = o.Started, o.Finished
		}
	}
	d = resolve(ran, over, theirs, v)
	d.Settled = &Settled{Ran: ran, Outcome: over}
	return d
}

func resolve(ran *Task, o Outcome, theirs *Task, v View) Decision {
	switch {
	case theirs == nil || theirs.Deleted:
		return Decision{Note: "deleted while it ran"}
	case !theirs.IsTask() || theirs.Worker == "":
		return Decision{Note: "no task any more"}
	case theirs.carries(ran, o):
		return Decide(theirs, v)
	case theirs.Worker != ran.Worker:
		return handOver(ran, o, theirs, v)
	case theirs.takenOver(ran, v.Self):
		return Decision{Note: "another member (" + theirs.Claim.Member + ") has gone on with it"}
	case theirs.Status == Cancel, theirs.Status == Canceled:
		return canceledBeside(ran, o, theirs, v)
	case theirs.Status.ended():
		return endedByHand(ran, o, theirs, v)
	case theirs.Status == Pause, theirs.Status == RunNow, theirs.Status == Skip, theirs.Status == Resume && ran.Plan != nil && ran.Plan.Paused:
		return controlled(ran, o, theirs, v)
	case askedAgain(ran, theirs, v):
		next := afterwards(ran, o, theirs, v)
		if next.Status == Running { // our own word: the run is over
			next.setStatus(Waiting)
		}
		return written(Decide(next, v))
	}
	return Settle(onto(ran, theirs), o, v)
}

// takenOver says whether another incarnation holds the task and is at another firing.
func (t *Task) takenOver(ran *Task, self Self) bool {
	return t.Claim != nil && t.Claim.Incarnation != self.Incarnation && t.Claim.Incarnation != ran.stored.Incarnation &&
		!t.Status.asks() && t.Status != Cancel && t.Status != Canceled &&
		t.Plan != nil && t.Plan.Key != ran.Key()
}

// written turns a start without a write into one with a write before it, so that what the copy carries is not lost.
func written(d Decision) Decision {
	if d.Action == Start || d.Action == Hold {
		d.Action = Schedule
	}
	return d
}

// carries says whether t already holds this very outcome: the write was done, only its answer was lost, perhaps with the process.
func (t *Task) carries(ran *Task, o Outcome) bool {
	return !o.Interrupted && (t.Executions > ran.Executions || o.Snooze > 0) && t.Started.Equal(cut(o.Started)) && t.Finished.Equal(cut(o.Finished))
}

// askedAgain says whether the person asked for another run rather than changing something beside it.
func askedAgain(ran, theirs *Task, v View) bool {
	s, err := theirs.schedule(v)
	if err != nil || theirs.invalid != nil || ran.Plan == nil {
		return true
	}
	if theirs.Status.asks() && !sameAsk(theirs.Status, ran.stored.Status) {
		return true
	}
	if theirs.Status != Scheduled && theirs.Status != Running && theirs.Status != Resume && !theirs.Status.asks() {
		return true // a word nobody knows: Decide says so
	}
	if bytes.Equal(theirs.Date, ran.stored.Date) {
		return !s.sameRule(ran.Plan)
	}
	planned := *theirs
	planned.Plan = ran.Plan
	return s.edited(&planned, v.Now)
}

// sameAsk says whether a person's word stands there since before the run. Absent and waiting are the same word.
func sameAsk(now, before Status) bool {
	if now == "" {
		now = Waiting
	}
	if before == "" {
		before = Waiting
	}
	return now == before
}

// onto puts the worker's fields of the task that ran onto the person's document.
func onto(ran, theirs *Task) *Task {
	next := *theirs
	next.Plan, next.Claim = ran.Plan, ran.Claim
	next.Executions, next.Repetitions, next.Retries = ran.Executions, ran.Repetitions, ran.Retries
	next.Skipped, next.Failures = ran.Skipped, ran.Failures
	next.Error, next.history, next.added = ran.Error, ran.history, ran.added
	next.dirty.add(fieldPlan, fieldClaim, fieldExecutions, fieldRepetitions, fieldRetries, fieldError, fieldHistory)
	if ran.Skipped != theirs.Skipped || ran.Failures != theirs.Failures {
		next.dirty.add(fieldSkipped, fieldFailures)
	}
	if !bytes.Equal(ran.Date, ran.stored.Date) && bytes.Equal(theirs.Date, ran.stored.Date) {
		next.Date = ran.Date
		next.dirty.add(fieldDate)
	}
	return &next
}

// controlled settles the run and does then what the person asked for meanwhile: pause, resume after a run beside a pause, run again, or skip the next date.
func controlled(ran *Task, o Outcome, theirs *Task, v View) Decision {
	d := Settle(onto(ran, theirs), o, v)
	if (theirs.Status == Pause || theirs.Status == Skip) && !d.Next.Sleeps() {
		return d // it has ended
	}
	next := *d.Next
	next.setStatus(theirs.Status)
	after := written(Decide(&next, v))
	after.Settled = cmp.Or(after.Settled, d.Settled)
	return after
}

// afterwards gives the person's document with the outcome in its history only.
func afterwards(ran *Task, o Outcome, theirs *Task, v View) *Task {
	next := *theirs
	next.history, next.added = ran.history, ran.added
	next.Executions = ran.Executions
	next.dirty.add(fieldHistory, fieldExecutions)
	if _, ok := onto(ran, theirs).calledBack(); ok { // it is of this run: one without a key would end the next one
		next.consumed()
	}
	if o.Interrupted {
		return &next
	}
	if o.Snooze <= 0 {
		next.Executions++
	}
	status, failure := o.status(), ""
	if o.failed() {
		failure = o.message()
	}
	if o.Kind == KindCanceled {
		status = Canceled
	}
	note := "edited while it ran"
	if ran.Plan != nil {
		note = "the run for " + said(ran.Plan.Nominal) + "; edited while it ran"
	}
	next.note(v, status, note, failure)
	if status != Canceled { // which nobody is told of, whoever edits
		next.tellOutcome(ran, o)
	}
	return &next
}

// handOver leaves the document to the worker that it names now.
func handOver(ran *Task, o Outcome, theirs *Task, v View) Decision {
	if theirs.Claim != nil && theirs.Claim.Worker == theirs.Worker {
		return Decision{Note: "it belongs to the worker " + theirs.Worker + " now, which has taken it"}
	}
	next := afterwards(ran, o, theirs, v)
	next.Claim = nil
	next.setPlan(nil)
	next.dirty.add(fieldClaim)
	switch theirs.Status {
	case Waiting, Reschedule, Cancel, Done, Failed, Canceled:
	default:
		next.setStatus(Waiting)
	}
	return Decision{Action: End, Next: next, Note: "it belongs to the worker " + theirs.Worker + " now"}
}

// canceledBeside cancels the task and keeps the outcome beside that.
func canceledBeside(ran *Task, o Outcome, theirs *Task, v View) Decision {
	next := onto(ran, theirs).change(v)
	next.consumed()
	failure := ""
	if !o.Interrupted && next.Plan != nil {
		next.record(o)
		if o.failed() {
			failure = o.message()
		}
	}
	next.note(v, Canceled, "canceled while it ran", failure)
	return next.giveUp(Canceled, "canceled while it ran", v)
}

// endedByHand keeps an end that somebody else wrote, with the outcome in history.
func endedByHand(ran *Task, o Outcome, theirs *Task, v View) Decision {
	if o.Interrupted {
		return Decision{Note: "ended by another hand while it ran"}
	}
	next := afterwards(ran, o, theirs, v).change(v)
	return next.end(theirs.Status, "ended by another hand while it ran")
}
