package task

import (
	"bytes"
	"fmt"
	"strings"
	"time"

	"github.com/adlayer/after/when"
)

// schedule is what a task's repeat and timezone say.
type schedule struct {
	loc  *time.Location
	rule *when.Rule // nil: once
}

// schedule reads the task's timezone and repeat; the error names the field.
func (t *Task) schedule(v View) (schedule, error) {
	loc, err := when.LoadLocation(t.Timezone)
	if err != nil {
		return schedule{}, fmt.Errorf("timezone: %w", err)
	}
	s := schedule{loc: loc}
	if t.Repeat == nil {
		return s, nil
	}
	if s.rule, err = when.ParseRule(t.Repeat, when.Scope{Now: v.Now, Zone: loc, Seed: t.ID, Calendar: v.Calendar}); err != nil {
		return schedule{}, fmt.Errorf("repeat: %w", err)
	}
	return s, nil
}

// first gives the first date of a task with this date; ok is false where it never comes.
func (s schedule) first(date time.Time) (time.Time, bool) {
	if s.rule == nil {
		return date, true
	}
	return s.rule.First(date)
}

// text is the same for all ways to write the same rule, and differs for different ones. Limit and until are not in it, since
// they are read each time: an edit of them changes where the repeat ends, not where it stands.
func (s schedule) text() string {
	if s.rule == nil {
		return ""
	}
	return s.rule.Identity()
}

// startOf gives where planning anew begins: the task's date. A rule of wall time whose text was edited while it slept begins now, or
// at its next date where that is sooner, since that date is the old rule's.
func (s schedule) startOf(t *Task, date, now time.Time) time.Time {
	if s.rule == nil || s.rule.Anchored() || t.Plan == nil || t.Status != Scheduled || !date.Equal(t.Plan.date()) {
		return date
	}
	if now.Before(date) {
		return now
	}
	return date
}

// date is the plan's date as the document has it: that of the firing that the plan goes back to, where a person asked for another one.
func (p *Plan) date() time.Time {
	if p.Back != nil {
		return p.Back.Nominal
	}
	return p.Nominal
}

// due gives when a firing starts: its nominal date and the rule's jitter.
func (s schedule) due(nominal time.Time, key string) time.Time {
	if s.rule == nil {
		return nominal
	}
	return later(nominal, s.rule.Jitter(key))
}

// calendars tells what the calendars of the rule say.
func (s schedule) calendars() string {
	if s.rule == nil {
		return ""
	}
	return s.rule.CalendarState()
}

// undated marks the fingerprint of a plan that was made without a date: giving one is then an edit.
const undated = "now"

// fingerprint tells what a plan is made from, besides the date: a document where it differs from Plan.Rule was edited.
func (s schedule) fingerprint(t *Task) string {
	if t.Date != nil {
		return s.text()
	}
	return strings.TrimSpace(undated + " " + s.text())
}

// sameRule says whether the plan was made by the rule of s, whatever date it had.
func (s schedule) sameRule(p *Plan) bool {
	return strings.TrimSpace(strings.TrimPrefix(p.Rule, undated)) == s.text()
}

// edited says whether a person changed the date or rule since the task was planned.
func (s schedule) edited(t *Task, now time.Time) bool {
	if s.fingerprint(t) != t.Plan.Rule {
		return true
	}
	if t.Date == nil {
		return false
	}
	date, err := when.ParseDateJSON(t.Date, now, s.loc)
	return err != nil || date.Words || !date.Time.Equal(t.Plan.date())
}

// over says whether the repeat has no firing left at the planned date: its limit or until was lowered.
func (s schedule) over(t *Task) bool {
	if s.rule == nil {
		return false
	}
	if limit := s.rule.Limit(); limit > 0 && t.Repetitions >= limit {
		return true
	}
	until := s.rule.Until()
	return !until.IsZero() && t.Plan.date().After(until)
}

// next gives the occurrence that follows a firing which was started and ended, and how many are left out before it.
func (s schedule) next(t *Task, o Outcome, now time.Time) (date time.Time, catchUp bool, leftOut int64, ok bool) {
	p, done := t.Plan, s.doneUpTo(t, o, now)
	if !p.CatchUp.IsZero() {
		if date, ok = s.owed(t); ok {
			return date, t.Missed == MissedAll, s.between(p, date, true, now), true
		}
		done = latest(done, p.CatchUp)
	}
	done = latest(done, p.Skipped)
	date, ok = s.rule.After(p.From, done)
	if t.Overlap != OverlapAllow {
		leftOut = s.between(p, date, ok, now)
	}
	return date, false, leftOut, ok
}

// has says whether the planned date is still one of the rule's.
func (s schedule) has(p *Plan) bool {
	date, ok := s.rule.After(p.From, p.Nominal.Add(-time.Millisecond))
	return ok && date.Equal(p.Nominal)
}

// begun says whether the planned firing ran already: what waits is a retry, the end of a snooze or what an interruption left.
func (s schedule) begun(t *Task) bool {
	return t.Retries > 0 || t.Plan.Interrupted || !t.Plan.Due.Equal(s.due(t.Plan.Nominal, t.Plan.Key))
}

// doneUpTo gives the instant up to which dates need no run of their own, by the overlap rule.
func (s schedule) doneUpTo(t *Task, o Outcome, now time.Time) time.Time {
	p, ends := t.Plan, t.Plan.Nominal
	switch t.Overlap {
	case OverlapQueueAll:
	case OverlapAllow:
		ends = latest(ends, o.Covered)
	case OverlapQueue:
		ends = latest(ends, cut(o.Started))
	case OverlapCancel:
		if last, ok := s.rule.Latest(p.From, now); ok && last.After(ends) {
			return last.Add(-time.Millisecond)
		}
	default:
		ends = latest(ends, now)
	}
	return ends
}

// between counts the dates after a firing and before the next one, or up to now where there is none.
func (s schedule) between(p *Plan, next time.Time, ok bool, now time.Time) int64 {
	if !ok {
		next = now
	}
	return s.rule.Count(p.From, p.Nominal, next.Add(-time.Millisecond), mostCounted)
}

func latest(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

// mostCounted bounds how many occurrences are counted one by one.
const mostCounted = 1_000_000

// index gives the number of an occurrence, counted from the plan's first date.
func (s schedule) index(p *Plan, date time.Time) int64 {
	return p.Index + s.rule.Count(p.From, p.Nominal, date, mostCounted)
}

// Calendars gives the ids of the calendars that t's repeat names; nil where it cannot be read.
func (t *Task) Calendars(v View) []string {
	if !bytes.Contains(t.Repeat, []byte(`"except"`)) {
		return nil
	}
	s, err := t.schedule(v)
	if err != nil || s.rule == nil {
		return nil
	}
	return s.rule.Calendars()
}
