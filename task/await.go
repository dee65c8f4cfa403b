package task

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/adlayer/after/when"
)

// defaultAwait is how long an outcome is awaited where neither the job nor the task says.
const defaultAwait = time.Hour

// Awaits says whether the task's run goes on elsewhere: its status is running, and it ends by the field callback or at its plan's due.
func (t *Task) Awaits() bool { return t.Status == Running && t.Plan != nil && t.Plan.Awaits }

// Sleeps says whether the task, as a worker left it, comes due by itself: it is scheduled, or waits for a callback until then.
func (t *Task) Sleeps() bool { return t.Status == Scheduled || t.Awaits() }

// elsewhere says whether a run of the task goes on elsewhere, whatever a person has written over its status since.
func (t *Task) elsewhere() bool {
	return t.Plan != nil && t.Plan.Awaits && t.Status != Scheduled && !t.Status.ended()
}

// awaitNoMore has the plan of a task, which the caller owns, wait for no callback.
func (t *Task) awaitNoMore() {
	if t.Plan != nil && t.Plan.Awaits {
		plan := *t.Plan
		plan.Awaits = false
		t.setPlan(&plan)
	}
}

// displaced adds the end of a run that went on elsewhere to a decision by which nobody waits for it any more. It is written at once, so that
// it is not told again.
func (t *Task) displaced(d Decision, v View) Decision {
	if !t.elsewhere() || d.Settled != nil || d.Next == nil || d.Next.elsewhere() && d.Next.Key() == t.Key() && d.Next.Attempt() == t.Attempt() {
		return d
	}
	d = written(d)
	over := brokenOffElsewhere(t.Status, t.Started, v.Now)
	next := *d.Next
	next.Executions = t.Executions + 1 // as that of a run whose end meets an edit
	next.dirty.add(fieldExecutions)
	if back, ok := t.calledBack(); ok { // it came before the word did
		over = back.since(t.Started, v.Now).checked()
		next.consumed()
	}
	d.Next = &next
	d.Settled = &Settled{Ran: t, Outcome: over}
	return d
}

// since gives the outcome of a callback as that of a run that began then.
func (o Outcome) since(started, now time.Time) Outcome {
	o.Started = started
	if o.Finished.Before(started) { // it has none, or its clock is behind
		o.Finished = now
	}
	return o
}

// brokenOffElsewhere is the outcome of a run that was left to somebody else and for which nobody waits any more since a document has a status.
func brokenOffElsewhere(status Status, started, at time.Time) Outcome {
	err := errors.New("its task was edited or deleted while a callback was awaited")
	if status == Cancel || status == Canceled {
		err = errors.New("canceled while a callback was awaited")
	}
	return Outcome{Started: started, Finished: at, Err: err, Kind: KindCanceled}
}

// awaitCallback leaves the run of the planned firing to whoever writes its outcome into the field callback.
func (t *Task) awaitCallback(o Outcome, v View) Decision {
	wait := o.Await
	if wait <= 0 {
		wait = defaultAwait
		if t.Timeout > 0 {
			wait = t.Timeout
		}
	}
	started, due := cut(o.Started), t.Plan.Due
	plan := *t.Plan
	plan.Due, plan.Awaits, plan.Interrupted = later(started, wait), true, false
	t.setPlan(&plan)
	t.Started, t.Lag = started, max(0, started.Sub(due))
	t.dirty.add(fieldStarted, fieldLag)
	t.setStatus(Running)
	note := "a callback is awaited until " + said(plan.Due)
	t.note(v, Running, note, "")
	return Decision{Action: Schedule, Next: t, Note: note}
}

// decideAwaited goes on with a run whose callback is awaited: it is here, it is too late for it, or it may still come.
func (t *Task) decideAwaited(v View) Decision {
	s, err := t.schedule(v)
	switch {
	case err != nil:
		return t.refuse(err, v)
	case s.edited(t, v.Now):
		return t.planAnew(v, "its date or repeat was edited while a callback was awaited")
	}
	if o, ok := t.calledBack(); ok {
		return t.settles(o.since(t.Started, v.Now), v)
	}
	if t.Plan.Due.After(v.Now) {
		return Decision{Action: Hold, Next: t}
	}
	late := fmt.Errorf("no callback came within %v", t.Plan.Due.Sub(t.Started))
	return t.settles(Outcome{Started: t.Started, Finished: v.Now, Err: late, Kind: KindTimeout}, v)
}

// calledBack reads the outcome in the field callback, where it is that of the planned firing and attempt: {"key", "attempt", "status":
// "done" or "error", "result", "error", "code", "at"}. Whoever leaves out key or attempt means the present one.
func (t *Task) calledBack() (Outcome, bool) {
	var o Outcome
	if len(t.Callback) == 0 || t.Callback[0] != '{' {
		return o, false
	}
	key, attempt, status, message := t.Key(), t.Attempt(), Status(""), ""
	err := eachField(t.Callback, func(name, value []byte) error {
		switch string(name) {
		case "key":
			key = textOf(value)
		case "attempt":
			attempt = number(value)
		case "status":
			status = statusOf([]byte(textOf(value)))
		case "result":
			o.Result = json.RawMessage(value)
		case "error":
			message = textOf(value)
		case "code":
			o.Code = wholeNumber(value)
		case "at":
			o.Finished = instant(value)
		}
		return nil
	})
	if err != nil || key != t.Key() || attempt != t.Attempt() || status != Done && status != Failed {
		return o, false
	}
	if status == Failed {
		if message == "" {
			message = "the callback said error"
		}
		o.Err = errors.New(message)
	}
	return o, true
}

// consumed takes the callback that told an outcome out of the document.
func (t *Task) consumed() {
	if t.Callback != nil {
		t.Callback = nil
		t.dirty.add(fieldCallback)
	}
}

// Callback is what whoever was left with a run writes into the field callback of its task.
type Callback struct {
	Key     string          `json:"key"`     // of the firing
	Attempt int64           `json:"attempt"` // from 1
	Status  Status          `json:"status"`  // Done or Failed
	Result  json.RawMessage `json:"result,omitempty"`
	Error   string          `json:"error,omitempty"`
	Code    int64           `json:"code,omitempty"`
	At      time.Time       `json:"at"`
}

// ErrEarly is the error of [Task.WithCallback] for a firing that a worker may have begun without having written so yet: the next revision tells.
var ErrEarly = errors.New("the worker of the task has not written yet that it runs")

// WithCallback gives the task with an outcome in its field callback, or says why it cannot be that of the firing that is on.
func (t *Task) WithCallback(c Callback) (*Task, error) {
	switch {
	case t.Ended():
		return nil, fmt.Errorf("the task has ended as %s", t.Status)
	case t.Status == Cancel:
		return nil, errors.New("the task is being canceled")
	case c.Status != Done && c.Status != Failed:
		return nil, fmt.Errorf("status %q is neither done nor error", c.Status)
	case t.mayBegin(c.Key):
		return nil, ErrEarly
	case c.Key != t.Key() || t.Asks():
		return nil, fmt.Errorf("the firing %s is over: the task was planned anew, or has gone on", c.Key)
	case c.Attempt != t.Attempt():
		return nil, fmt.Errorf("attempt %d is over: the task is at attempt %d", c.Attempt, t.Attempt())
	}
	c.At = cut(c.At)
	raw, err := json.Marshal(c)
	if err != nil {
		return nil, fmt.Errorf("encoding a callback: %w", err)
	}
	return t.WithField("callback", raw)
}

// mayBegin says whether a firing can be one that began from this revision, in which somebody asks for one, or from one shortly before it: a
// task that is due at once runs before its plan is written. It cannot where the document tells that it is over.
func (t *Task) mayBegin(key string) bool {
	if !t.Asks() && t.Status != RunNow || key == t.Key() {
		return false
	}
	nominal, asked := partsOf(key)
	was, askedThen := partsOf(t.Key())
	switch {
	case asked == askedBy(t.Rev):
		return true
	case t.Plan != nil && (generation(asked) < generation(askedThen) || asked == askedThen && nominal.Before(was)):
		return false
	case !t.Asks() || t.Repeat != nil: // its first date may be another one than the document's
		return true
	}
	loc, err := when.LoadLocation(t.Timezone)
	if err != nil {
		return true
	}
	date, err := when.ParseDateJSON(t.Date, nominal, loc)
	return err != nil || t.Date == nil || date.Words || date.Time.Equal(nominal)
}

// remove ends the task and has its document deleted, with no more in the tombstone than which task it was and how it ended.
func (t *Task) remove(o Outcome, v View) Decision {
	t.note(v, Done, "removed", "")
	finished := when.Format(cut(o.Finished))
	b := appendTextField([]byte{'{'}, "_id", t.ID)
	b = appendTextField(b, "_rev", t.Rev)
	b = append(appendKey(b, "_deleted"), "true"...)
	b = appendTextField(b, "worker", t.Worker)
	b = appendTextField(b, "status", string(Done))
	b = appendTextField(b, "finished", finished)
	tombstone, err := Decode(append(b, '}'))
	if err != nil {
		return t.end(Done, "") // unreachable: the bytes are our own
	}
	t.tellOutcome(t, o)
	tombstone.Claim, tombstone.Notify, tombstone.report = t.Claim, t.Notify, t.report
	tombstone.dirty.add(fieldClaim)
	return Decision{Action: End, Next: tombstone, Note: "removed"}
}
