package task

import (
	"time"

	"github.com/adlayer/after/when"
)

// brokenOff says whether a worker died during a run of the planned firing, and a person's word has since taken the place of the status
// that told so.
func (t *Task) brokenOff(v View) bool {
	switch t.Status {
	case Pause, Resume, RunNow, Skip:
	default:
		return false
	}
	if t.invalid != nil || t.Plan == nil || t.Plan.Interrupted || t.Plan.Awaits || t.Claim == nil || t.Claim.Incarnation == v.Self.Incarnation {
		return false
	}
	if history := t.History(); len(history) == 0 || history[len(history)-1].Status != Running {
		return false
	}
	s, err := t.schedule(v)
	return err == nil && !s.edited(t, v.Now)
}

// afterBreak does what a person asked for of a task whose run was broken off: that run runs again in its turn, or counts as run.
func (t *Task) afterBreak(v View) Decision {
	ran := *t
	ran.setStatus(Running)
	d := ran.decideInterrupted(v)
	if d.Next == nil || d.Next.Status != Scheduled && t.Status != RunNow {
		return d
	}
	next := *d.Next
	next.setStatus(t.Status)
	return written(Decide(&next, v))
}

// pauseNow pauses a task that does not run. One that nobody has planned yet gets its plan, which remembers the pause beyond other words.
func (t *Task) pauseNow(v View, note string) Decision {
	next := t.change(v)
	if t.Plan == nil && t.invalid == nil {
		if planned, _, err := t.draft(v.Now, v); err == nil { // else the resume says why not
			next = planned
		}
	}
	if next.Plan != nil {
		plan := *next.Plan
		plan.Paused = true
		next.setPlan(&plan)
	}
	next.note(v, Paused, note, "")
	return next.end(Paused, "paused")
}

// resumeNow goes on after a pause: a repeat with its next date after now, any other task with its date, at once where that has passed.
func (t *Task) resumeNow(v View) Decision {
	s, err := t.schedule(v)
	switch {
	case err != nil:
		return t.refuse(err, v)
	case t.Plan == nil, s.edited(t, v.Now):
		return t.planAnew(v, "resumed")
	case t.Plan.Back != nil:
		return t.resumeBeside(s, v)
	case !t.Plan.Paused && t.hadEnded(v) && !t.Finished.IsZero():
		next, status := t.change(v), t.outcome()
		next.note(v, status, "it had ended: nothing to resume", "")
		return next.end(status, "it had ended: nothing to resume")
	}
	next := t.change(v)
	plan := *t.Plan
	plan.Paused = false
	next.setPlan(&plan)
	if !next.catchUpWithNow(s, v) {
		return next.endOver(v)
	}
	return next.goOn(v)
}

// resumeBeside goes on with a run that a person asked for beside the plan, and with the plan after it.
func (t *Task) resumeBeside(s schedule, v View) Decision {
	next := t.change(v)
	run, retries := *t.Plan, t.Retries
	plan := run.behind()
	next.setPlan(&plan)
	next.Retries = run.Back.Retries
	back := *run.Back
	if !plan.Ended && !next.catchUpWithNow(s, v) {
		back.Ended = true
	} else if !plan.Ended {
		back = next.Plan.firing(next.Retries)
	}
	run.Back, run.Paused, run.Calendars = &back, false, s.calendars()
	run.Skipped, run.CatchUp = next.Plan.Skipped, next.Plan.CatchUp
	next.setPlan(&run)
	next.Retries = retries
	return next.goOn(v)
}

// catchUpWithNow moves the plan of a repeat, whose dates passed within a pause or whose calendars changed, to the next date; false where
// there is none.
func (t *Task) catchUpWithNow(s schedule, v View) bool {
	plan := t.Plan
	switch passed := !plan.Nominal.After(v.Now); {
	case s.rule == nil, !passed && s.calendars() == plan.Calendars:
		return true
	case plan.Interrupted, plan.Awaits: // it runs again or still, and the dates within the pause do not
		next := *plan
		next.Skipped, next.CatchUp = v.Now, time.Time{}
		t.setPlan(&next)
		return true
	}
	date, ok := s.rule.After(plan.From, latest(v.Now, plan.Skipped))
	t.leftOut(s.rule.Count(plan.From, plan.Nominal.Add(-time.Millisecond), v.Now, mostCounted))
	if ok {
		t.moveTo(date, s)
	}
	return ok
}

// goOn schedules a task that is resumed. A run that goes on elsewhere did so during the pause, and ends by its callback.
func (t *Task) goOn(v View) Decision {
	t.Failures = 0
	t.dirty.add(fieldFailures)
	if t.Plan.Awaits {
		t.setStatus(Running)
		t.note(v, Running, "resumed: a callback is awaited until "+said(t.Plan.Due), "")
		return written(t.decideAwaited(v))
	}
	t.setStatus(Scheduled)
	t.note(v, Scheduled, "resumed", "")
	return Decision{Action: Schedule, Next: t, Note: "resumed: next " + said(t.Plan.Due)}
}

// firing gives the planned firing as one to go back to.
func (p *Plan) firing(retries int64) Firing {
	return Firing{Index: p.Index, Nominal: p.Nominal, Due: p.Due, Key: p.Key, Retries: retries, Interrupted: p.Interrupted}
}

// behind gives the plan as it stands after a firing beside it.
func (p *Plan) behind() Plan {
	plan, back := *p, p.Back
	plan.Index, plan.Nominal, plan.Due, plan.Key = back.Index, back.Nominal, back.Due, back.Key
	plan.Back, plan.Interrupted, plan.Awaits, plan.Ended = nil, back.Interrupted, false, back.Ended
	return plan
}

// outcome tells from the fields how the task's last run ended.
func (t *Task) outcome() Status {
	if t.Error != nil {
		return Failed
	}
	return Done
}

// hadEnded says whether nothing would come after the planned firing: that of a repeat came to an end, a task without one is at an end
// with its date, or the plan says so.
func (t *Task) hadEnded(v View) bool {
	switch {
	case t.Plan.Ended:
		return true
	case t.Repeat == nil:
		return !t.Plan.Due.After(v.Now) // that of a retry that waits is later
	}
	return t.Plan.Last != nil && t.Plan.Last.Nominal.Equal(t.Plan.Nominal)
}

// giveUp ends the task, which the caller owns, before its planned firing came to an end, and says so in the plan: a person who asks for a
// run of a task that has ended does not wake the rest of its plan.
func (t *Task) giveUp(s Status, note string, v View) Decision {
	if t.Plan == nil || t.hadEnded(v) {
		return t.end(s, note)
	}
	plan := *t.Plan
	if plan.Back != nil {
		back := *plan.Back
		back.Ended = true
		plan.Back = &back
	} else {
		plan.Ended = true
	}
	t.setPlan(&plan)
	return t.end(s, note)
}

// planned gives the task as planAnew would leave it where it has no plan or was edited.
func (t *Task) planned(v View) (next *Task, s schedule, refused *Decision) {
	s, err := t.schedule(v)
	if err != nil {
		d := t.refuse(err, v)
		return nil, s, &d
	}
	if t.Plan != nil && !s.edited(t, v.Now) {
		return t.change(v), s, nil
	}
	d := t.planAnew(v, "")
	if d.Action == End {
		return nil, s, &d
	}
	return d.Next.change(v), s, nil
}

// runNow fires once at once and takes up the plan afterwards.
func (t *Task) runNow(v View) Decision {
	next, s, refused := t.planned(v)
	if refused != nil {
		return *refused
	}
	if !v.knows(t.Job) {
		return t.refuse(unknownJob(t, v), v)
	}
	if s.rule != nil && !next.hadEnded(v) && next.missedNow(v) {
		next = next.recover(s, v).Next.change(v)
	}
	over := next.Plan.Awaits && next.Plan.Back == nil && !next.passOver(s, v)
	old := next.Plan
	back := old.firing(next.Retries)
	back.Ended = over || next.hadEnded(v) && !old.Paused
	plan := &Plan{
		From: old.From, Index: old.Index, Nominal: v.Now, Due: v.Now, Key: firingKey(t.ID, v.Now, askedBy(t.Rev)),
		Rule: s.fingerprint(next), Calendars: old.Calendars, CatchUp: old.CatchUp, Last: old.Last, Paused: old.Paused && !over, Skipped: old.Skipped,
		Back: &back, Recovers: old.Recovers, Done: old.Done,
	}
	if old.Back != nil {
		plan.Back = old.Back
	}
	if s.rule != nil && v.Recovering && old.Interrupted && !old.Paused {
		plan.CatchUp = v.Now // as behind any run that was cut short
	}
	next.setPlan(plan)
	next.Retries = 0
	next.dirty.add(fieldRetries)
	next.setStatus(Scheduled)
	next.note(v, Scheduled, "a person asked for a run now", "")
	return Decision{Action: Schedule, Next: next, Note: "runs now, beside its plan"}
}

// passOver moves the plan beyond a firing whose run, which goes on elsewhere, nobody waits for any more; false where nothing comes after it.
func (t *Task) passOver(s schedule, v View) bool {
	if s.rule == nil {
		return false
	}
	date, ok := s.rule.After(t.Plan.From, latest(t.Plan.Nominal, v.Now))
	if ok {
		t.moveTo(date, s)
	}
	return ok
}

// takeUp goes back to the plan after a firing beside it, with the outcome kept.
func (t *Task) takeUp(v View, status Status, failure string) Decision {
	back, plan := t.Plan.Back, t.Plan.behind()
	t.setPlan(&plan)
	t.Retries = back.Retries
	t.dirty.add(fieldRetries)
	switch {
	case plan.Paused:
		t.note(v, status, "paused again", failure)
		return t.end(Paused, "paused again")
	case back.Ended:
		t.note(v, status, "", failure)
		return t.end(status, "")
	}
	t.setStatus(Scheduled)
	note := "next " + said(plan.Due)
	t.note(v, status, note, failure)
	if s, err := t.schedule(v); err == nil && s.calendars() != plan.Calendars && plan.Nominal.After(v.Now) {
		return written(t.replan(s, v))
	}
	return Decision{Action: Schedule, Next: t, Note: note}
}

// skipNext leaves out the next firing; that may be a run beside the plan that did not start yet.
func (t *Task) skipNext(v View) Decision {
	next, s, refused := t.planned(v)
	if refused != nil {
		return *refused
	}
	if next.Plan.Back != nil {
		next.note(v, Canceled, "the run that was asked for was skipped", "")
		return next.takeUp(v, next.outcome(), "")
	}
	skipped := next.Plan.Nominal
	next.leftOut(1)
	if s.rule == nil {
		next.note(v, Canceled, "its only date was skipped", "")
		return next.giveUp(Canceled, "its only date was skipped", v)
	}
	date, ok := s.rule.After(next.Plan.From, latest(skipped, v.Now))
	if !ok {
		return next.endOver(v)
	}
	next.moveTo(date, s)
	next.Plan.Skipped = skipped
	note := "skipped " + when.Format(skipped) + ", next " + said(date)
	if next.Plan.Paused {
		next.note(v, Paused, note, "")
		return next.end(Paused, note)
	}
	next.setStatus(Scheduled)
	next.note(v, Scheduled, note, "")
	return Decision{Action: Schedule, Next: next, Note: note}
}
