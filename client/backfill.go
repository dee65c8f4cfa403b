package client

import (
	"context"
	"errors"
	"fmt"
	"time"

	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// Backfill says what [Client.Backfill] runs again.
type Backfill struct {
	From, Until time.Time // the dates from From on and up to Until, both included; Until lies not in the future
	Most        int       // refuse to write more tasks than this; 0 is 1000
	DryRun      bool      // write nothing
}

// Backfilled is one date of a backfill.
type Backfilled struct {
	ID    string // of the task that runs for it
	Date  time.Time
	There bool // a task for this date was there already, and is left as it is
}

// defaultMost is how many tasks a backfill writes unless it is told otherwise.
const defaultMost = 1000

// Backfill runs a repeating task again for dates that passed: for each it writes a task of its own that runs once, as soon as the worker
// can, with that date as its nominal one. Its id is made of the task's and the date, so that a second backfill of the same
// range finds them there. The task itself is not changed. A repeat that counts from its first date is counted back from it.
func (c *Client) Backfill(ctx context.Context, id string, b Backfill) ([]Backfilled, error) {
	now := c.now()
	if b.Most == 0 {
		b.Most = defaultMost
	}
	t, err := c.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	dates, err := b.dates(t, now, c.Calendars(ctx))
	if err != nil {
		return nil, fmt.Errorf("backfilling task %s: %w", id, err)
	}
	all := make([]Backfilled, len(dates))
	docs := make([][]byte, len(dates))
	for i, date := range dates {
		all[i] = Backfilled{ID: task.ChildID(id, date), Date: date}
		if docs[i], err = t.Child(date, "backfill"); err != nil {
			return nil, err
		}
	}
	if b.DryRun {
		return all, c.markThere(ctx, all)
	}
	for start := 0; start < len(docs); start += page {
		end := min(start+page, len(docs))
		results, err := c.db.Bulk(ctx, docs[start:end])
		if err != nil {
			return all[:start], err
		}
		for i, result := range results {
			switch {
			case conflicted(result):
				all[start+i].There = true
			case result.Err() != nil:
				return all[:start+i], result.Err()
			}
		}
	}
	return all, nil
}

// markThere looks which of the tasks are there already.
func (c *Client) markThere(ctx context.Context, all []Backfilled) error {
	places := make(map[string]int, len(all))
	ids := make([]string, len(all))
	for i, one := range all {
		ids[i], places[one.ID] = one.ID, i
	}
	return c.look(ctx, ids, func(t *task.Task) error {
		if i, ok := places[t.ID]; ok && !t.Deleted {
			all[i].There = true
		}
		return nil
	})
}

// dates gives the dates of the task's repeat that are meant.
func (b Backfill) dates(t *task.Task, now time.Time, calendars func(string) (*when.Calendar, error)) ([]time.Time, error) {
	switch {
	case t.Invalid() != nil:
		return nil, t.Invalid()
	case t.Repeat == nil:
		return nil, errors.New("it does not repeat: there are no dates to run it for")
	case b.From.After(now):
		return nil, fmt.Errorf("from (%s) lies in the future, where the task runs by itself", when.Format(b.From))
	case b.Until.Before(b.From):
		return nil, fmt.Errorf("until (%s) lies before from (%s)", when.Format(b.Until), when.Format(b.From))
	case b.Until.After(now):
		return nil, fmt.Errorf("until (%s) lies in the future, where the task runs by itself", when.Format(b.Until))
	}
	loc, err := when.LoadLocation(t.Timezone)
	if err != nil {
		return nil, fmt.Errorf("timezone: %w", err)
	}
	rule, err := when.ParseRule(t.Repeat, when.Scope{Now: now, Zone: loc, Seed: t.ID, Calendar: calendars})
	if err != nil {
		return nil, fmt.Errorf("repeat: %w", err)
	}
	if rule.Anchored() {
		anchor, err := anchorOf(t, now, loc)
		if err != nil {
			return nil, err
		}
		rule = rule.Rewind(anchor, b.From)
	}
	var dates []time.Time
	for date := range rule.Between(b.From, b.From.Add(-time.Millisecond), b.Until) {
		if len(dates) == b.Most {
			return nil, fmt.Errorf("there are more than %d dates in this range: take a shorter one, or allow more", b.Most)
		}
		dates = append(dates, date)
	}
	return dates, nil
}

// anchorOf gives the date that a task's repeat counts from.
func anchorOf(t *task.Task, now time.Time, loc *time.Location) (time.Time, error) {
	if t.Plan != nil {
		return t.Plan.From, nil
	}
	date, err := when.ParseDateJSON(t.Date, now, loc)
	if err != nil {
		return time.Time{}, fmt.Errorf("date: %w", err)
	}
	return date.Time, nil
}
