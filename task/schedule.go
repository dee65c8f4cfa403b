package task

import (
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
	switch {
	case s.rule == nil:
		return ""
	}
	return s.rule.Identity()
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
	return err != nil || date.Words || !date.Time.Equal(t.Plan.Nominal)
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
	return !until.IsZero() && t.Plan.Nominal.After(until)
}

// next gives the occurrence that follows a firing: the first after its date and now, so that a run longer than its interval skips
// what it covered; while missed dates are caught up, simply the next.
func (s schedule) next(p *Plan, now time.Time) (date time.Time, catchUp, ok bool) {
	if !p.CatchUp.IsZero() {
		date, ok = s.rule.After(p.From, p.Nominal)
		if ok && !date.After(p.CatchUp) {
			return date, true, true
		}
	}
	after := p.Nominal
	if now.After(after) {
		after = now
	}
	date, ok = s.rule.After(p.From, after)
	return date, false, ok
}

// mostCounted bounds how many occurrences are counted one by one.
const mostCounted = 1_000_000

// index gives the number of an occurrence, counted from the plan's first date.
func (s schedule) index(p *Plan, date time.Time) int64 {
	return p.Index + s.rule.Count(p.From, p.Nominal, date, mostCounted)
}
