package task

import (
	"fmt"
	"time"

	"github.com/adlayer/after/when"
)

// recover applies the missed rule to a task whose date passed while nobody held it.
func (t *Task) recover(s schedule, v View) Decision {
	since := time.Time{} // dates before it are not looked at
	if t.missed.window > 0 {
		since = v.since().Add(-t.missed.window)
	}
	switch {
	case t.Missed == MissedSkip:
		return t.skipMissed(s, v)
	case s.rule == nil && t.Plan.Due.Before(since):
		return t.fail(KindMissed, fmt.Sprintf("it was due at %s, when no worker held it, and the window of missed is %s", when.Format(t.Plan.Due), t.missed.window), v)
	case s.rule == nil:
		return Decision{Action: Start, Next: t, Note: "missed, runs now"}
	case t.Missed == MissedAll:
		return t.catchUp(s, since, v)
	}
	date, ok := s.rule.Latest(t.Plan.From, v.since())
	switch {
	case t.tooOld(date, since, ok):
		return t.skipMissed(s, v)
	case !ok || !date.After(t.Plan.Nominal):
		return Decision{Action: Start, Next: t, Note: "missed, runs now"}
	}
	next := t.change(v)
	left := s.rule.Count(t.Plan.From, t.Plan.Nominal, date, mostCounted)
	next.leftOut(left)
	next.moveTo(date, s)
	return Decision{Action: Start, Next: next, Note: fmt.Sprintf("missed, runs now for the latest date; %d dates before it are left out", left)}
}

// tooOld says whether the latest missed date lies before the window; the planned one does where its start does, too, which a retry and
// jitter put off. ok is false where there is no date but the planned one.
func (t *Task) tooOld(date, since time.Time, ok bool) bool {
	if !ok || date.Equal(t.Plan.Nominal) {
		return t.Plan.Due.Before(since)
	}
	return date.Before(since)
}

// catchUp runs the missed dates one by one: those within the window, and of these the latest that the limit allows.
func (t *Task) catchUp(s schedule, since time.Time, v View) Decision {
	first, last := t.Plan.Nominal, v.since()
	for range t.missed.limit {
		date, ok := s.rule.Latest(t.Plan.From, last)
		if date.Before(t.Plan.Nominal) || t.tooOld(date, since, ok) {
			break
		}
		first, last = date, date.Add(-time.Millisecond)
	}
	if last.Equal(v.since()) && t.Plan.Due.Before(since) {
		return t.skipMissed(s, v) // none of them is within the window
	}
	next := t.change(v)
	note := "missed, catches up one by one"
	if left := s.rule.Count(t.Plan.From, t.Plan.Nominal, first, mostCounted); left > 0 && first.After(t.Plan.Nominal) {
		next.leftOut(left)
		note = fmt.Sprintf("missed, catches up from %s on; %d dates before it are left out", said(first), left)
		next.moveTo(first, s)
	}
	plan := *next.Plan
	plan.CatchUp = v.since()
	next.setPlan(&plan)
	return Decision{Action: Start, Next: next, Note: note}
}

// owing gives a copy of an interrupted task that remembers up to when dates were missed: its firing runs first, and then what the missed
// rule says of the others. Behind a firing that a person asked for beside the plan, that rule decides at once where the plan goes on.
func (t *Task) owing(s schedule, v View) *Task {
	next := t.change(v)
	plan := *t.Plan
	next.setPlan(&plan)
	switch {
	case !v.Recovering || s.rule == nil:
		return next
	case plan.Back == nil:
		next.Plan.CatchUp = v.Now
		return next
	}
	behind := plan.behind()
	next.setPlan(&behind)
	next.Retries = plan.Back.Retries
	switch {
	case behind.Ended, behind.Paused:
	case behind.Interrupted:
		next.Plan.CatchUp = v.Now
	case next.missedNow(v):
		next = next.recover(s, v).Next.change(v)
	}
	back := next.Plan.firing(next.Retries)
	back.Ended = next.Plan.Ended
	plan.Back, plan.CatchUp, plan.Calendars = &back, next.Plan.CatchUp, next.Plan.Calendars
	next.setPlan(&plan)
	next.setStatus(t.Status)
	next.Retries = t.Retries
	return next
}

// owed gives the date that runs next of those that were missed up to the plan's CatchUp; ok is false where none is left.
func (s schedule) owed(t *Task) (date time.Time, ok bool) {
	p := t.Plan
	if t.Missed == MissedSkip {
		return time.Time{}, false
	}
	since := time.Time{}
	if t.missed.window > 0 {
		since = p.CatchUp.Add(-t.missed.window)
	}
	if t.Missed != MissedAll {
		date, ok = s.rule.Latest(p.From, p.CatchUp)
		return date, ok && date.After(p.Nominal) && !date.Before(since)
	}
	date, ok = s.rule.After(p.From, latest(p.Nominal, since.Add(-time.Millisecond)))
	if !ok || date.After(p.CatchUp) {
		return time.Time{}, false
	}
	if s.rule.Count(p.From, p.Nominal, p.CatchUp, t.missed.limit+1) <= t.missed.limit {
		return date, true
	}
	first := p.CatchUp.Add(time.Millisecond)
	for range t.missed.limit {
		earlier, found := s.rule.Latest(p.From, first.Add(-time.Millisecond))
		if !found {
			break
		}
		first = earlier
	}
	return latest(date, first), true
}

// skipMissed goes to the next date that is not past, or ends the task where none comes.
func (t *Task) skipMissed(s schedule, v View) Decision {
	missed := t.Plan.Due
	if s.rule != nil {
		if date, ok := s.rule.After(t.Plan.From, v.Now); ok {
			next := t.change(v)
			count := s.rule.Count(t.Plan.From, t.Plan.Nominal.Add(-time.Millisecond), v.Now, mostCounted)
			next.leftOut(count)
			next.moveTo(date, s)
			next.setStatus(Scheduled)
			note := fmt.Sprintf("skipped %d dates that were missed since %s", count, said(missed))
			next.note(v, Scheduled, note, "")
			next.tell(t, EventMissed, Report{Failure: &Failure{Message: note, Kind: KindMissed}})
			return Decision{Action: Schedule, Next: next, Note: note}
		}
	}
	return t.fail(KindMissed, "it was due at "+when.Format(missed)+", when no worker held it, and missed is \"skip\"", v)
}

// replan moves a sleeping task whose calendars changed to the date that they give now.
func (t *Task) replan(s schedule, v View) Decision {
	after := latest(v.Now, t.Plan.Skipped)
	if !t.Plan.Nominal.After(v.Now) {
		after = t.Plan.Nominal.Add(-time.Millisecond) // it was due, but not on a date that there is now: those since then were missed
	}
	date, ok := s.rule.After(t.Plan.From, after)
	if first, found := s.rule.First(t.Plan.From); found && first.After(after) {
		date, ok = first, true
	}
	next := t.change(v)
	if !ok {
		return next.endOver(v)
	}
	if date.Equal(t.Plan.Nominal) {
		plan := *t.Plan
		plan.Calendars = s.calendars()
		next.setPlan(&plan)
		return Decision{Action: Hold, Next: next}
	}
	next.moveTo(date, s)
	if !next.Plan.Due.After(v.Now) {
		return next.begin(s, v)
	}
	next.note(v, Scheduled, "a calendar changed", "")
	return Decision{Action: Schedule, Next: next, Note: "a calendar changed: next " + said(date)}
}
