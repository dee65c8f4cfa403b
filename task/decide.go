package task

import (
	"errors"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/adlayer/after/when"
)

// Self is who writes: it stamps claims and history.
type Self struct{ Member, Incarnation string }

// View is what a decision needs to know besides the document.
type View struct {
	Now   time.Time
	Self  Self
	Site  string                // where this worker runs; a task that names another site is not ours
	Known func(job string) bool // whether a job of that name exists; nil knows all
	// Absent says why there is no job of that name, "" where nothing more is known; nil knows nothing.
	Absent      func(job string) string
	Recovering  bool          // the document was met at a start or takeover: before it, no live member held it
	MissedAfter time.Duration // in recovery, what was due earlier than this before Now, or before Since, was missed
	// Since is when a task that waits for others was first met, zero is Now: what was due since was not missed, and without a date of its
	// own, what expires counts from then.
	Since time.Time
	// Calendar gives a calendar document by its id; nil knows none.
	Calendar func(id string) (*when.Calendar, error)
	// Alive says whether the member of that name lives; nil knows of none. A run that was moved to another worker meanwhile is left to a
	// living member, which hands it over when it ends.
	Alive func(member string) bool
}

// Action is what a worker does about a document.
type Action int

const (
	// Ignore means that there is nothing to do: no task of ours, ended, or deleted. Whatever is held for its id is dropped.
	Ignore Action = iota
	// Hold means that it is scheduled and planned as it stands: it goes into the wheel at Next.Plan.Due without a write.
	Hold
	// Start means that it is due: it runs at once, without a write. Where Next.Delivery is AtMostOnce, what Running gives has to be
	// written first, and it starts only when that write succeeded.
	Start
	// Schedule means that Next is written, and then goes into the wheel at Next.Plan.Due, which may lie in the past.
	Schedule
	// End means that Next is written and then dropped.
	End
)

// String gives the action's name for logs.
func (a Action) String() string {
	switch a {
	case Ignore:
		return "ignore"
	case Hold:
		return "hold"
	case Start:
		return "start"
	case Schedule:
		return "schedule"
	case End:
		return "end"
	}
	return "unknown"
}

// Decision is what comes next for a document.
type Decision struct {
	Action Action
	Next   *Task  // what is held, run or written; nil for Ignore
	Note   string // why, for the log; may be empty
	// Settled is the run that came to its end by this decision, where the caller does not know of it or of its outcome; nil else.
	Settled *Settled
}

// Settled is a run that came to its end outside of a worker's hands.
type Settled struct {
	Ran     *Task
	Outcome Outcome
}

// settles is Settle, and remembers what it settled.
func (t *Task) settles(o Outcome, v View) Decision {
	d := Settle(t, o, v)
	d.Settled = &Settled{Ran: t, Outcome: o}
	return d
}

// Decide reads one revision of a document that is addressed to a worker we hold, and which we did not write ourselves. A run whose callback
// was awaited, and is not any more, came to its end by that (Settled).
func Decide(t *Task, v View) Decision {
	v.Now = cut(v.Now)
	return t.displaced(t.decide(v), v)
}

func (t *Task) decide(v View) Decision {
	switch {
	case t.Deleted:
		return Decision{Note: "deleted"}
	case !t.IsTask():
		return Decision{Note: "no task: its type is " + shortenText(t.Type, mostHistoryError)}
	case t.Worker == "":
		return Decision{Note: "it names no worker"}
	case t.Site != "" && t.Site != v.Site:
		return Decision{Note: "it runs at the site " + shortenText(t.Site, mostHistoryError)}
	case t.Status.ended():
		return Decision{Note: "ended"}
	case t.Status == Cancel:
		return t.cancel(v)
	case t.brokenOff(v):
		return t.afterBreak(v)
	case t.Status == Pause:
		return t.pauseNow(v, t.text(fieldNote))
	case t.Status == Paused:
		return Decision{Note: "paused"}
	case t.invalid != nil:
		return t.refuse(t.invalid, v)
	case t.Status == Resume:
		return t.resumeNow(v)
	case t.Status == RunNow:
		return t.runNow(v)
	case t.Status == Skip:
		return t.skipNext(v)
	case t.Status.asks():
		return t.planAnew(v, "")
	case t.Awaits():
		return t.decideAwaited(v)
	case t.Status == Scheduled, t.Status == Running && t.Claim == nil:
		return t.decideScheduled(v)
	case t.Status == Running:
		return t.decideInterrupted(v)
	}
	return t.refuse(fmt.Errorf("status: %q is unknown; a person writes \"waiting\", \"reschedule\", \"cancel\", \"pause\", \"resume\", \"run\" or \"skip\"", shorten([]byte(t.Status))), v)
}

// change gives a copy that the caller may write to, claimed by v.Self.
func (t *Task) change(v View) *Task {
	next := *t
	next.dirty.add(fieldClaim)
	if c := t.Claim; c == nil || c.Incarnation != v.Self.Incarnation || c.Member != v.Self.Member || c.Worker != t.Worker {
		next.Claim = &Claim{Worker: t.Worker, Member: v.Self.Member, Incarnation: v.Self.Incarnation}
	}
	return &next
}

func (t *Task) setStatus(s Status) {
	t.Status = s
	t.dirty.add(fieldStatus)
}

func (t *Task) setPlan(p *Plan) {
	t.Plan = p
	t.dirty.add(fieldPlan)
}

func (t *Task) setError(f *Failure) {
	t.Error = f
	t.dirty.add(fieldError)
}

// clearError removes the field error, in whatever shape somebody wrote it.
func (t *Task) clearError() {
	if t.Error != nil || t.at[fieldError] != 0 {
		t.setError(nil)
	}
}

// end ends the task, which the caller owns.
func (t *Task) end(s Status, note string) Decision {
	t.setStatus(s)
	if s.ended() {
		t.awaitNoMore()
	}
	return Decision{Action: End, Next: t, Note: note}
}

// cancel ends a task that a person canceled before it ran.
func (t *Task) cancel(v View) Decision {
	next := t.change(v)
	next.note(v, Canceled, "", "")
	return next.giveUp(Canceled, "canceled by a person", v)
}

// refuse ends a task that cannot run; err says which field and why.
func (t *Task) refuse(err error, v View) Decision {
	return t.fail(KindInvalid, err.Error(), v)
}

// fail ends a task that does not run.
func (t *Task) fail(kind, message string, v View) Decision {
	next := t.change(v)
	next.setError(&Failure{Message: shortenText(message, mostMessage), Kind: kind})
	next.note(v, Failed, "", message)
	next.tell(t, eventOf(kind), Report{Failure: next.Error})
	return next.giveUp(Failed, message, v)
}

// planAnew plans the task from its date, as a person asked. why goes into the history, where there is more to say.
func (t *Task) planAnew(v View, why string) Decision {
	next, s, err := t.draft(v.Now, v)
	if err != nil {
		return t.refuse(err, v)
	}
	return next.await(s, v, why)
}

// draft gives the task with a plan from its date, or from now where it has none; the error says why it cannot be planned.
func (t *Task) draft(now time.Time, v View) (next *Task, s schedule, err error) {
	s, first, from, date, err := t.firstFiring(now, v)
	if err != nil {
		return nil, s, err
	}
	if !v.knows(t.Job) {
		return nil, s, unknownJob(t, v)
	}
	next = t.change(v)
	next.setStatus(Scheduled)
	plan := &Plan{From: cut(from), Nominal: first, Key: firingKey(t.ID, first, askedBy(t.Rev)), Rule: s.fingerprint(t), Calendars: s.calendars(), Recovers: t.failedForGood(), Done: t.Plan.done()}
	plan.Due = s.due(first, plan.Key)
	next.setPlan(plan)
	if date.Words || (t.Date != nil && s.rule != nil && !first.Equal(date.Time)) {
		next.setDate(first)
	}
	next.startCounting()
	next.clearError()
	return next, s, nil
}

// firstFiring gives the first firing of a task that is planned from its date, where its rule counts from, and that date as it is read now.
func (t *Task) firstFiring(now time.Time, v View) (s schedule, first, from time.Time, date when.Date, err error) {
	if s, err = t.schedule(v); err != nil {
		return s, first, from, date, err
	}
	if date, err = when.ParseDateJSON(t.Date, now, s.loc); err != nil {
		return s, first, from, date, fmt.Errorf("date: %w", err)
	}
	from = s.startOf(t, date.Time, now)
	first, ok := s.first(from)
	if !ok {
		err = fmt.Errorf("repeat: it never comes: it has no date from %s on, within its until and exclusions", when.Format(from))
	}
	return s, first, from, date, err
}

// await schedules a task that was just planned, or starts it where it is due.
func (t *Task) await(s schedule, v View, why string) Decision {
	if !t.Plan.Due.After(v.Now) {
		return t.begin(s, v)
	}
	t.note(v, Scheduled, why, "")
	return Decision{Action: Schedule, Next: t}
}

// decideScheduled goes on with a plan as it stands, or plans anew where a person edited.
func (t *Task) decideScheduled(v View) Decision {
	s, err := t.schedule(v)
	if err != nil {
		return t.refuse(err, v)
	}
	switch {
	case t.Plan == nil:
		return t.planAnew(v, "it had no plan")
	case s.edited(t, v.Now):
		return t.planAnew(v, "its date or repeat was edited")
	case t.Plan.Back == nil && s.over(t):
		return t.change(v).endOver(v)
	case s.calendars() != t.Plan.Calendars && t.Plan.Back == nil && (t.Plan.Nominal.After(v.Now) || !s.begun(t) && !s.has(t.Plan)):
		return t.replan(s, v)
	case !t.Plan.Due.After(v.Now):
		return t.begin(s, v)
	}
	return Decision{Action: Hold, Next: t}
}

// endOver ends a repeat whose limit or until was edited below where it stands.
func (t *Task) endOver(v View) Decision {
	status := Done
	if t.Error != nil {
		status = Failed
	}
	t.note(v, status, "its limit or until leaves no further date", "")
	return t.giveUp(status, "no further date", v)
}

// begin starts a task that is due, unless it was missed.
func (t *Task) begin(s schedule, v View) Decision {
	switch {
	case !v.knows(t.Job):
		return t.refuse(unknownJob(t, v), v)
	case t.missedNow(v):
		return t.recover(s, v).unlessExpired(v)
	case v.Recovering && t.Plan.Interrupted, v.Recovering && t.Plan.Back != nil:
		return Decision{Action: Start, Next: t.owing(s, v)}
	}
	return Decision{Action: Start, Next: t}.unlessExpired(v)
}

// missedNow says whether the planned firing was due while nobody held the task.
func (t *Task) missedNow(v View) bool {
	return v.Recovering && !t.Plan.Interrupted && !t.Plan.Paused && t.Plan.Back == nil && t.Plan.Due.Before(v.since().Add(-v.MissedAfter))
}

// unlessExpired ends a firing that is to start and may not any more. What was missed is told first: of the dates of a repeat only those
// that the missed rule lets run can expire.
func (d Decision) unlessExpired(v View) Decision {
	if d.Action == Start && d.Next.Expired(v.Now) {
		return written(Expire(d.Next, v))
	}
	return d
}

// decideInterrupted takes up a run whose worker died.
func (t *Task) decideInterrupted(v View) Decision {
	if t.Claim.Incarnation == v.Self.Incarnation {
		return Decision{Note: "it runs here"}
	}
	if t.Claim.Worker != t.Worker && v.Alive != nil && v.Alive(t.Claim.Member) {
		return Decision{Note: "it still runs at the worker " + t.Claim.Worker + ", which hands it over when that ends"}
	}
	s, err := t.schedule(v)
	switch {
	case err != nil:
		return t.refuse(err, v)
	case t.Plan == nil, s.edited(t, v.Now):
		return t.planAnew(v, "its run was interrupted, and it was edited")
	case t.Delivery == AtMostOnce:
		lost := errors.New("its worker (member " + t.Claim.Member + ") ended during the run: nobody knows whether it was done, and it runs at most once")
		return t.owing(s, v).settles(Outcome{Started: t.Started, Finished: v.Now, Err: lost, Kind: KindUnknown}, v)
	case !v.knows(t.Job):
		return t.refuse(unknownJob(t, v), v)
	}
	next := t.owing(s, v)
	next.Plan.Interrupted, next.Plan.Awaits = true, false
	next.setStatus(Scheduled)
	return Decision{Action: Start, Next: next, Note: "its run was interrupted, runs again"}
}

// moveTo plans another occurrence of the same rule, which is a firing of its own.
func (t *Task) moveTo(date time.Time, s schedule) {
	asked := askedBy(t.Rev)
	if at := strings.LastIndexByte(t.Plan.Key, '/'); at >= 0 {
		asked = t.Plan.Key[at+1:]
	}
	t.setDate(date)
	plan := &Plan{
		From: t.Plan.From, Index: s.index(t.Plan, date), Nominal: date, Key: firingKey(t.ID, date, asked), Rule: s.fingerprint(t),
		Calendars: s.calendars(), Last: t.Plan.Last, Paused: t.Plan.Paused, Skipped: t.Plan.Skipped, Recovers: t.Plan.Recovers, Done: t.Plan.Done,
	}
	plan.Due = s.due(date, plan.Key)
	t.setPlan(plan)
	t.Retries = 0
	t.dirty.add(fieldRetries)
}

// startCounting sets to zero what is counted since a task was planned.
func (t *Task) startCounting() {
	t.Repetitions, t.Retries = 0, 0
	t.dirty.add(fieldRepetitions, fieldRetries)
	if t.Skipped != 0 || t.Failures != 0 {
		t.Skipped, t.Failures = 0, 0
		t.dirty.add(fieldSkipped, fieldFailures)
	}
}

// leftOut counts dates that do not run.
func (t *Task) leftOut(n int64) {
	if n > 0 {
		t.Skipped += n
		t.dirty.add(fieldSkipped)
	}
}

func (t *Task) setDate(date time.Time) {
	b := append(make([]byte, 0, 28), '"')
	t.Date = append(when.AppendFormat(b, date), '"')
	t.dirty.add(fieldDate)
}

func (v View) knows(job string) bool { return v.Known == nil || v.Known(job) }

func unknownJob(t *Task, v View) error {
	err := fmt.Errorf("job: the worker %s has no job named %q", t.Worker, shorten([]byte(t.Job)))
	if v.Absent != nil {
		if why := v.Absent(t.Job); why != "" {
			return fmt.Errorf("%w: %s", err, why)
		}
	}
	return err
}

// firingKey is the identity of a firing.
func firingKey(id string, nominal time.Time, asked string) string {
	var few [192]byte
	b := append(append(few[:0], id...), '@')
	b = append(when.AppendFormat(b, nominal), '/')
	return string(append(b, asked...))
}

// partsOf takes a firing's identity apart: its nominal date, and the revision that asked for it as askedBy shortens it.
func partsOf(key string) (nominal time.Time, asked string) {
	slash := strings.LastIndexByte(key, '/')
	if slash < 0 {
		return time.Time{}, ""
	}
	at := strings.LastIndexByte(key[:slash], '@')
	nominal, _ = time.Parse(time.RFC3339Nano, key[at+1:slash]) // zero where it is not one of ours
	return nominal, key[slash+1:]
}

// generation is the number that a revision begins with, 0 where it has none.
func generation(rev string) int64 {
	number, _, _ := strings.Cut(rev, "-")
	n, _ := strconv.ParseInt(number, 10, 64)
	return n
}

// askedBy shortens a revision to its number and the first eight digits of its hash.
func askedBy(rev string) string {
	if at := strings.IndexByte(rev, '-'); at >= 0 {
		return rev[:min(len(rev), at+9)]
	}
	return rev
}

// cut drops what is smaller than a millisecond, and the monotonic reading.
func cut(t time.Time) time.Time {
	return time.UnixMilli(t.UnixMilli()).UTC()
}
