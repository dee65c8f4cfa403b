package task

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"
)

// Outcome is what came of one run.
type Outcome struct {
	Started  time.Time
	Finished time.Time
	Result   json.RawMessage // nil is none
	Err      error           // nil where the job succeeded
	Kind     string          // one of the Kind constants; "" is KindJob where Err is set
	// Permanent forbids retries.
	Permanent bool
	// Snooze above zero postpones the firing by so much from now; no attempt is used. Why is for the history.
	Snooze time.Duration
	Why    string
	// Remove has the task's document deleted.
	Remove bool
	// Await says that the run goes on elsewhere, for so long at most since its start; below zero for as long as the task's timeout says, or
	// an hour. Zero is none. See [Task.Awaits].
	Await time.Duration
	// Interrupted says that the run was cut short by the worker's own end. It is no outcome: no attempt is used, and the firing
	// runs again, unless it may run at most once.
	Interrupted bool
	// Code is what the job gave beside its error: an HTTP status, an exit code; 0 is none.
	Code int64
	// Covered is the last date for which a task of its own was made while the run was on (overlap "allow"); zero is none.
	Covered time.Time
	// Note is what the history of a repeat has to say beside the outcome.
	Note string
	// RetryAfter is the shortest pause before the next retry, whatever the document says.
	RetryAfter time.Duration
}

func (o Outcome) failed() bool { return o.Err != nil || o.Kind != "" }

// Failed says whether the run ended as an error, of whatever kind.
func (o Outcome) Failed() bool { return o.failed() }

// FailureKind is the kind of a failed run's error.
func (o Outcome) FailureKind() string { return o.kind() }

// Message is what a failed run's error says.
func (o Outcome) Message() string { return o.message() }

func (o Outcome) kind() string {
	if o.Kind == "" {
		return KindJob
	}
	return o.Kind
}

func (o Outcome) message() string {
	if o.Err == nil {
		return o.kind()
	}
	return o.Err.Error()
}

// status is what the outcome alone makes of a task.
func (o Outcome) status() Status {
	if o.failed() {
		return Failed
	}
	return Done
}

// retryable says whether another attempt could end otherwise. Nobody knows the outcome of KindUnknown, so it is not tried again;
// a stuck job may still run.
func (o Outcome) retryable() bool {
	switch o.kind() {
	case KindJob, KindPanic, KindTimeout:
		return !o.Permanent
	}
	return false
}

// checked replaces a result that is no JSON by an error, since it would spoil the document.
func (o Outcome) checked() Outcome {
	if o.Result == nil {
		return o
	}
	start := skipSpace(o.Result, 0)
	end, err := skipValue(o.Result, start)
	if err == nil {
		err = onlySpace(o.Result, end)
	}
	if err == nil {
		o.Result = o.Result[start:end]
		return o
	}
	o.Result = nil
	if !o.failed() {
		o.Err, o.Kind = fmt.Errorf("its result is no JSON: %w", err), KindInvalid
	}
	return o
}

// Settle gives the document after a run of the task's planned firing: ended (End), or scheduled again (Schedule) for a retry, the next
// date of a repeat, a snooze or an interruption. Where the outcome is another one than o, as of a callback that came before anybody waited for it, the
// decision says so (Settled).
func Settle(t *Task, o Outcome, v View) Decision {
	v.Now = cut(v.Now)
	o = o.checked()
	next := t.change(v)
	if next.Plan == nil {
		started := cut(o.Started)
		next.setPlan(&Plan{From: started, Nominal: started, Due: started, Key: firingKey(t.ID, started, askedBy(t.Rev))})
	}
	if o.Interrupted && t.Delivery == AtMostOnce {
		o.Interrupted, o.Kind = false, KindUnknown
		o.Err = errors.New("its worker stopped during the run, and it runs at most once")
	}
	if o.Await != 0 {
		back, ok := next.calledBack()
		if !ok {
			return next.awaitCallback(o, v)
		}
		back.Started, back.Finished = o.Started, o.Finished // it came before we knew that there is anything to wait for
		return t.settles(back.checked(), v)
	}
	if o.Interrupted {
		return next.resume(v)
	}
	next.record(o)
	switch {
	case o.Remove:
		return next.remove(o, v)
	case o.Snooze > 0:
		due := later(v.Now, o.Snooze)
		note := snoozedUntil + said(due)
		if o.Why != "" {
			note += ": " + o.Why
		}
		return next.postpone(due, v, Scheduled, note, "")
	case o.Kind == KindCanceled:
		next.note(v, Canceled, "", o.message())
		return next.giveUp(Canceled, "canceled while it ran", v)
	case o.failed() && next.retries(o, v):
		return next.tryAgain(o, v)
	}
	return next.advance(o, v)
}

// resume schedules an interrupted firing again, with its nominal date and key and no attempt used.
func (t *Task) resume(v View) Decision {
	plan := *t.Plan
	plan.Interrupted = true
	t.setPlan(&plan)
	t.setStatus(Scheduled)
	t.note(v, Scheduled, "interrupted, runs again", "")
	return Decision{Action: Schedule, Next: t, Note: "interrupted"}
}

// record writes the outcome's facts into the task, which the caller owns.
func (t *Task) record(o Outcome) {
	if o.Snooze <= 0 { // which is no outcome
		t.Executions++
	}
	t.Started, t.Finished = cut(o.Started), cut(o.Finished)
	t.Duration = max(0, t.Finished.Sub(t.Started))
	if !t.Plan.Awaits { // then it is known since the start
		t.Lag = max(0, t.Started.Sub(t.Plan.Due))
	}
	t.consumed()
	t.dirty.add(fieldExecutions, fieldStarted, fieldFinished, fieldDuration, fieldLag)
	if t.Plan.Interrupted || t.Plan.Awaits {
		plan := *t.Plan
		plan.Interrupted, plan.Awaits = false, false
		t.setPlan(&plan)
	}
	if o.Snooze > 0 {
		return
	}
	t.Result = o.Result
	t.dirty.add(fieldResult)
	if o.failed() {
		t.setError(&Failure{Message: shortenText(o.message(), mostMessage), Kind: o.kind(), Attempt: t.Attempt(), Code: o.Code})
	} else {
		t.clearError()
	}
}

// postpone schedules the same firing for another instant.
func (t *Task) postpone(due time.Time, v View, was Status, note, failure string) Decision {
	plan := *t.Plan
	plan.Due, plan.Interrupted = due, false
	t.setPlan(&plan)
	t.setStatus(Scheduled)
	t.note(v, was, note, failure)
	return Decision{Action: Schedule, Next: t, Note: note}
}

func (t *Task) tryAgain(o Outcome, v View) Decision {
	due := t.retryDue(o, v)
	t.Retries++
	t.dirty.add(fieldRetries)
	failure := *t.Error
	failure.Next = due
	t.setError(&failure)
	note := fmt.Sprintf("retry %d of %d waits until %s", t.Retries, t.retry.limit, said(due))
	return t.postpone(due, v, Failed, note, o.message())
}

// later adds d to t, but does not leave the years that dates can have.
func later(t time.Time, d time.Duration) time.Time {
	last := time.Date(9999, 12, 31, 23, 59, 59, 0, time.UTC)
	if sum := cut(t.Add(d)); sum.Before(last) {
		return sum
	}
	return last
}

// advance goes to the next date of a repeat, or ends the task with the outcome of its last firing.
func (t *Task) advance(o Outcome, v View) Decision {
	status, failure := o.status(), ""
	if o.failed() {
		failure = o.message()
	}
	t.tellOutcome(t, o)
	t.tally(status, v)
	switch {
	case t.Plan.Back != nil:
		return t.takeUp(v, status, failure)
	case t.Repeat == nil:
		t.note(v, status, "", failure)
		return t.end(status, "")
	}
	t.Repetitions++
	t.dirty.add(fieldRepetitions)
	s, err := t.schedule(v)
	if err != nil { // it was planned by a rule that is no longer legible: a person's edit decides what comes next
		t.note(v, status, "", failure)
		return t.refuse(err, v)
	}
	t.Repetitions += s.covered(t.Plan, o.Covered)
	date, catchUp, left, ok := s.next(t, o, v.Now)
	limit := s.rule.Limit()
	last := limit > 0 && t.Repetitions >= limit
	if !last { // what would come after the last firing is no date of the task
		t.leftOut(left)
	}
	if !ok || last {
		t.note(v, status, "the last of its repeat", failure)
		return t.end(status, "the last of its repeat")
	}
	until := t.Plan.CatchUp
	t.moveTo(date, s)
	t.Plan.Skipped = time.Time{}
	if catchUp {
		t.Plan.CatchUp = until
	}
	if t.pause > 0 && t.Failures >= t.pause {
		t.Plan.Paused = true
		note := fmt.Sprintf("paused after %d errors in a row", t.Failures)
		t.note(v, status, note, failure)
		return t.end(Paused, note)
	}
	t.setStatus(Scheduled)
	note := "next " + said(date)
	if left > 0 {
		note += fmt.Sprintf(", %d dates left out", left)
	}
	if o.Note != "" {
		note += "; " + o.Note
	}
	t.note(v, status, note, failure)
	return Decision{Action: Schedule, Next: t, Note: note}
}

// tally remembers a firing of a repeat that came to an end, and how many in a row were errors.
func (t *Task) tally(status Status, v View) {
	if t.Repeat != nil {
		plan := *t.Plan
		plan.Last = &Ended{Nominal: plan.Nominal, At: v.Now, Status: status}
		t.setPlan(&plan)
	}
	if done := t.Expect != nil && status == Done; t.Plan.Recovers || done {
		plan := *t.Plan
		plan.Recovers = false
		if done {
			plan.Done = v.Now
		}
		t.setPlan(&plan)
	}
	switch {
	case t.Repeat == nil:
	case status == Failed:
		t.Failures++
		t.dirty.add(fieldFailures)
	case t.Failures > 0:
		t.Failures = 0
		t.dirty.add(fieldFailures)
	}
}

// Begin gives the document with status running, to be written before an at-most-once run starts or while a run takes long.
func Begin(t *Task, started time.Time, v View) *Task {
	v.Now = cut(v.Now)
	next := t.change(v)
	next.awaitNoMore()
	next.setStatus(Running)
	next.Started = cut(started)
	next.dirty.add(fieldStarted)
	next.note(v, Running, "", "")
	return next
}
