package cli

import (
	"encoding/json"
	"fmt"
	"iter"
	"strings"
	"time"

	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// course is what a task's document says of its further firings.
type course struct {
	task  *task.Task
	rule  *when.Rule     // nil: it fires once
	loc   *time.Location // the task's own
	shown *time.Location // the zone to show dates in; nil: that of the rule
	from  time.Time      // its first date
	first time.Time      // the firing that comes next
	left  int64          // how many are left, the next among them; below 0 there is no limit
	now   time.Time
}

// noteOf gives the text that a person left in the task's document.
func noteOf(t *task.Task) string {
	var d struct {
		Note any `json:"note"`
	}
	if json.Unmarshal(t.Encode(), &d) != nil {
		return ""
	}
	text, _ := d.Note.(string)
	return oneLine(text)
}

// courseOf reads the plan of a task; calendar finds the calendars that its rule names. The error names the field that cannot be read.
func courseOf(t *task.Task, now time.Time, calendar func(string) (*when.Calendar, error)) (*course, error) {
	c := &course{task: t, now: now, left: -1}
	if err := t.Invalid(); err != nil {
		return nil, err
	}
	var err error
	if c.loc, err = when.LoadLocation(t.Timezone); err != nil {
		return nil, fmt.Errorf("timezone: %w", err)
	}
	if t.Repeat != nil {
		c.rule, err = when.ParseRule(t.Repeat, when.Scope{Now: now, Zone: c.loc, Seed: t.ID, Calendar: calendar})
		if err != nil {
			return nil, fmt.Errorf("repeat: %w", err)
		}
	}
	date, err := when.ParseDateJSON(t.Date, now, c.loc)
	if err != nil {
		return nil, fmt.Errorf("date: %w", err)
	}
	switch {
	case t.Ended():
		c.left = 0
	case c.planned(date.Time):
		c.goOn()
	default:
		c.plan(date.Time)
	}
	return c, nil
}

// planned says whether the worker's plan stands, with this date in the document.
func (c *course) planned(date time.Time) bool {
	t := c.task
	asked := t.Status == "" || t.Status == task.Waiting || t.Status == task.Reschedule
	return !asked && t.Plan != nil && (t.Date == nil || date.Equal(t.Plan.Nominal) || t.Plan.Back != nil)
}

// plan is what a worker will make of the document.
func (c *course) plan(date time.Time) {
	c.from, c.first, c.left = date, date, 1
	if c.rule == nil {
		return
	}
	first, ok := c.rule.First(date)
	c.from, c.first, c.left = first, first, -1
	if limit := c.rule.Limit(); limit > 0 {
		c.left = limit
	}
	if !ok {
		c.left = 0
	}
}

// goOn follows the plan that a worker made.
func (c *course) goOn() {
	t := c.task
	c.from, c.first, c.left = t.Plan.From, t.Plan.Nominal, 1
	back := t.Plan.Back
	if back != nil {
		c.first = back.Nominal
	}
	if c.rule == nil {
		if t.Status == task.Running && back == nil || back != nil && back.Ended {
			c.left = 0
		}
		return
	}
	c.left = -1
	if limit := c.rule.Limit(); limit > 0 {
		c.left = max(0, limit-t.Repetitions)
	}
	switch {
	case t.Status == task.Running && back == nil:
		c.advance(later(c.first, c.now))
		c.left = max(c.left-1, -1)
	case t.Status == task.Skip:
		c.advance(c.first)
	case c.paused(), t.Status == task.Resume:
		if c.first.Before(c.now) {
			c.advance(c.now)
		}
	}
	if until := c.rule.Until(); !until.IsZero() && c.first.After(until) {
		c.left = 0
	}
}

func later(a, b time.Time) time.Time {
	if a.Before(b) {
		return b
	}
	return a
}

// advance goes to the first date after t.
func (c *course) advance(t time.Time) {
	next, ok := c.rule.After(c.from, t)
	if c.first = next; !ok {
		c.left = 0
	}
}

// paused says whether nothing fires until a person resumes the task.
func (c *course) paused() bool {
	t := c.task
	return t.Status == task.Pause || t.Status == task.Paused || t.Plan != nil && t.Plan.Paused && t.Status != task.Resume
}

// zone is the zone that dates are meant in.
func (c *course) zone() *time.Location {
	switch {
	case c.shown != nil:
		return c.shown
	case c.rule != nil:
		return c.rule.Zone()
	}
	return c.loc
}

// firings gives the firings from a date on, which is that of the next one where it is zero.
func (c *course) firings(from time.Time) iter.Seq[firing] {
	return func(yield func(firing) bool) {
		at, left, ok := c.first, c.left, c.left != 0
		if ok && at.Before(from) {
			before := from.Add(-time.Millisecond)
			if c.rule == nil {
				return
			}
			if left > 0 {
				left = max(0, left-1-c.rule.Count(c.from, at, before, left))
			}
			at, ok = c.rule.After(c.from, before)
		}
		for ok && left != 0 {
			if !yield(c.firing(at)) || c.rule == nil {
				return
			}
			left = max(left-1, -1)
			if c.task.Missed != task.MissedAll {
				at = later(at, c.now) // what passed runs once
			}
			at, ok = c.rule.After(c.from, at)
		}
	}
}

func (c *course) firing(at time.Time) firing {
	if c.rule == nil {
		return shownIn(at.In(c.zone()), when.Unmarked)
	}
	f := firingOf(c.rule, c.from, at)
	if c.shown != nil {
		return shownIn(at.In(c.shown), f.Mark)
	}
	return f
}

// words says when the task fires.
func (c *course) words() string {
	if c.rule == nil {
		return "once"
	}
	return wordsOf(c.rule)
}

// notes says what holds the task up or changes its dates.
func (c *course) notes() []string {
	t := c.task
	var all []string
	say := func(format string, args ...any) { all = append(all, fmt.Sprintf(format, args...)) }
	switch {
	case t.Ended():
		say("it has ended as %s", statusOf(t))
	case t.Status == task.Cancel:
		say("it is being cancelled")
	case c.paused():
		text := "it is paused"
		if note := noteOf(t); note != "" {
			text += " (" + note + ")"
		}
		say("%s: nothing fires until it is resumed; these are the dates it would have", text)
	case t.Status == task.Running:
		say("it is running")
	case t.Status == task.RunNow || t.Plan != nil && t.Plan.Back != nil:
		say("it runs now, outside of its plan")
	case t.Plan == nil || t.Status != task.Scheduled && t.Status != task.Skip && t.Status != task.Resume:
		say("no worker has planned it yet")
	case t.Retries > 0:
		say("retry %d of %d starts at %s", t.Retries, t.RetryLimit(), moment(t.Plan.Due, c.now))
	}
	if len(t.After) > 0 && !t.Ended() {
		say("it waits for %s", strings.Join(t.After, ", "))
	}
	if c.rule != nil && c.rule.Limit() > 0 && c.left > 0 {
		say("%d of %d firings are left", c.left, c.rule.Limit())
	}
	return all
}
