package cli

import (
	"cmp"
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

type calendarOptions struct {
	worker, from, zone string
	days               int
	all                bool
}

func newCalendar(a *app) *cobra.Command {
	var o calendarOptions
	cmd := &cobra.Command{
		Use:   "calendar",
		Short: "Show what the whole fleet will fire",
		Long: `Shows what all tasks will fire in the next days, in order: the date in your own zone or that of --timezone, the task, its
worker and job, and its rule in words. A task that fires more than four times a day has one line, with how many times it
fires and until when; --all shows each firing.

What is overdue is marked. Paused tasks, tasks whose rule cannot be read, and days on which a calendar document closes are
told beside it, on standard error.`,
		Example: `  after calendar
  after calendar --days 31 --worker manobi --from 2026-12-01
  after calendar --json | jq -r 'select(.job == "backup") | .date'`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.calendar(cmd, o) },
	}
	flags := cmd.Flags()
	flags.IntVar(&o.days, "days", 7, "how `many` days to show")
	flags.StringVar(&o.from, "from", "", "begin with this `date` (default: now)")
	flags.StringVar(&o.worker, "worker", "", "only tasks of this `worker`")
	flags.StringVar(&o.zone, "timezone", "", "the `zone` to show dates in (default: your own)")
	flags.BoolVar(&o.all, "all", false, "show each firing of tasks that fire often")
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

// entry is one line of the calendar: a firing, or those of a task that fires often.
type entry struct {
	firing

	Task    string `json:"task"`
	Worker  string `json:"worker"`
	Job     string `json:"job"`
	Rule    string `json:"rule"` // in words
	Times   int64  `json:"times"`
	Last    string `json:"last,omitempty"` // the last of so many times, where there is no limit
	Overdue bool   `json:"overdue,omitempty"`
}

// agenda is the calendar of a range while it is made.
type agenda struct {
	from, until, now time.Time
	loc              *time.Location
	all              bool
	entries          []entry
	notes            []string
	calendars        map[string]bool // those that rules name
}

const (
	mostDays   = 3660
	often      = 4         // firings a day from which on there is one line for all
	mostOften  = 100_000   // of a task with --all
	mostCounts = 5_000_000 // counted for such a line
)

func (a *app) calendar(cmd *cobra.Command, o calendarOptions) error {
	now := a.now()
	loc, err := ruleZone(o.zone)
	if err == nil && (o.days < 1 || o.days > mostDays) {
		err = fmt.Errorf("--days %d: between 1 and %d can be shown", o.days, mostDays)
	}
	from := now
	if err == nil && o.from != "" {
		from, err = dateFlag("from", o.from, now, loc)
	}
	if err != nil {
		return &usageError{err: err, command: cmd.CommandPath()}
	}
	s, err := a.connect(cmd)
	if err != nil {
		return err
	}
	defer s.close()
	g := &agenda{from: from, until: from.In(loc).AddDate(0, 0, o.days), now: now, loc: loc, all: o.all, calendars: map[string]bool{}}
	done := a.progress("reading tasks")
	err = g.read(cmd.Context(), s, o.worker, o.days)
	done()
	if err != nil {
		return err
	}
	return a.printAgenda(g)
}

// read enters the firings of all tasks.
func (g *agenda) read(ctx context.Context, s *session, worker string, days int) error {
	calendar := s.tasks.Calendars(ctx)
	for t, err := range s.tasks.List(ctx, client.Filter{Worker: worker, DueBefore: g.until}) {
		if err != nil {
			return err
		}
		if t.Worker == "" {
			continue
		}
		c, err := courseOf(t, g.now, calendar)
		if err != nil {
			g.notes = append(g.notes, fmt.Sprintf("%s: %v", t.ID, err))
			continue
		}
		c.shown = g.loc
		g.enter(c, int64(often*days))
	}
	slices.SortStableFunc(g.entries, func(a, b entry) int { return cmp.Or(a.at.Compare(b.at), cmp.Compare(a.Task, b.Task)) })
	g.closedDays(calendar)
	return nil
}

// enter enters the firings of one task.
func (g *agenda) enter(c *course, most int64) {
	t := c.task
	if c.paused() {
		text := t.ID + " is paused"
		if note := noteOf(t); note != "" {
			text += ": " + note
		}
		g.notes = append(g.notes, text)
		return
	}
	if c.rule != nil {
		for _, id := range c.rule.Calendars() {
			g.calendars[id] = true
		}
	}
	if c.left != 0 && c.first.Before(g.now) && c.first.Before(g.from) && t.Status != task.Running {
		one := c.entry(c.firing(c.first))
		one.Overdue = true
		g.entries = append(g.entries, one)
	}
	if g.all {
		most = mostOften
	}
	start, n := len(g.entries), int64(0)
	for f := range c.firings(g.from) {
		if !f.at.Before(g.until) {
			return
		}
		if n++; n > most {
			break
		}
		g.entries = append(g.entries, c.entry(f))
	}
	if n > most {
		g.fold(c, start)
	}
}

// fold makes one line of the many firings of a task.
func (g *agenda) fold(c *course, start int) {
	one := g.entries[start]
	g.entries = g.entries[:start+1]
	last := g.until.Add(-time.Millisecond)
	one.Times = 1 + c.rule.Count(c.from, one.at, last, mostCounts)
	if c.left > 0 {
		before := c.rule.Count(c.from, c.first.Add(-time.Millisecond), one.at.Add(-time.Millisecond), c.left)
		one.Times = min(one.Times, c.left-before)
	}
	if end, ok := c.rule.Latest(c.from, last); ok && c.left < 0 {
		one.Last = when.Format(end)
	}
	one.Mark = when.Unmarked
	g.entries[start] = one
}

func (c *course) entry(f firing) entry {
	return entry{firing: f, Task: c.task.ID, Worker: c.task.Worker, Job: c.task.Job, Rule: c.words(), Times: 1}
}

// closedDays notes on which days of the range the calendars close that rules name.
func (g *agenda) closedDays(calendar func(string) (*when.Calendar, error)) {
	ids := make([]string, 0, len(g.calendars))
	for id := range g.calendars {
		ids = append(ids, id)
	}
	slices.Sort(ids)
	for _, id := range ids {
		c, err := calendar(id)
		if err != nil {
			continue // its tasks have said so
		}
		var days []string
		year, month, day := g.from.In(g.loc).Date()
		for noon := time.Date(year, month, day, 12, 0, 0, 0, g.loc); noon.Before(g.until); noon = noon.AddDate(0, 0, 1) {
			if c.Covers(noon, g.loc) {
				days = append(days, noon.Format("Mon "+time.DateOnly))
			}
		}
		if len(days) > 0 {
			g.notes = append(g.notes, fmt.Sprintf("the calendar %s closes on %s", id, strings.Join(days, ", ")))
		}
	}
}

func (a *app) printAgenda(g *agenda) error {
	t := &table{headers: []string{"DATE", "TASK", "WORKER", "JOB", "RULE", "NOTE"}}
	for _, one := range g.entries {
		if a.json {
			if err := a.printJSON(one); err != nil {
				return err
			}
			continue
		}
		t.add(one.short(), one.Task, one.Worker, one.Job, one.Rule, one.remark())
	}
	if !a.json && len(t.rows) > 0 {
		if err := a.printTable(t); err != nil {
			return err
		}
	}
	for _, note := range g.notes {
		a.say("%s", oneLine(note))
	}
	if len(g.entries) == 0 {
		a.say("nothing fires up to %s", g.until.Format("Mon 2006-01-02 15:04 -07:00"))
	}
	return nil
}

func (e entry) remark() string {
	switch {
	case e.Times > mostCounts:
		return "more than " + strconv.Itoa(mostCounts) + " times"
	case e.Times > 1:
		return strconv.FormatInt(e.Times, 10) + " times"
	case e.Overdue:
		return "overdue"
	}
	return remark(e.Mark)
}
