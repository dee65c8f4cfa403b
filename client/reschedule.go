package client

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// Plan is what [Client.Replan] changes of a task's plan. What is zero stays as it is.
type Plan struct {
	Date     time.Time
	Repeat   json.RawMessage // as in the document
	Timezone string          // IANA name, of the repeat

	// OwnTimezone is the IANA name of the zone for the repeat of a task that had none, and names no zone: that of who asks.
	OwnTimezone string
}

// Reschedule asks that a task runs at another date. A task that has ended runs again at that date.
func (c *Client) Reschedule(ctx context.Context, id string, date time.Time) error {
	_, err := c.Replan(ctx, id, Plan{Date: date})
	return err
}

// Replan asks that a task is planned anew, and gives it as it was written. Where there is a new repeat and no date, one that counts
// from its first date begins with the date that the task has, if that is still ahead, and any other now. What a worker would
// refuse is an error, and nothing is written then.
func (c *Client) Replan(ctx context.Context, id string, p Plan) (*task.Task, error) {
	return c.edited(ctx, id, func(t *task.Task) (*task.Task, error) {
		next, err := c.replanned(ctx, t, p)
		if err != nil {
			return nil, fmt.Errorf("planning task %s anew: %w", id, err)
		}
		return next, nil
	})
}

func (c *Client) replanned(ctx context.Context, t *task.Task, p Plan) (*task.Task, error) {
	now, calendars := c.now(), c.Calendars(ctx)
	if p.Repeat != nil {
		if p.Timezone == "" && t.Timezone == "" && t.Repeat == nil {
			p.Timezone = p.OwnTimezone
		}
		zone := t.Timezone
		if p.Timezone != "" {
			zone = p.Timezone
		}
		var err error
		if p, err = p.begun(t, now, zone, calendars); err != nil {
			return nil, err
		}
	}
	fields := map[string]any{"status": task.Reschedule}
	if !p.Date.IsZero() {
		fields["date"] = when.Format(p.Date)
	}
	if p.Repeat != nil {
		fields["repeat"] = p.Repeat
	}
	if p.Timezone != "" {
		fields["timezone"] = p.Timezone
	}
	for _, name := range []string{"timezone", "repeat", "date", "status"} {
		if fields[name] == nil {
			continue
		}
		value, err := json.Marshal(fields[name])
		if err != nil {
			return nil, fmt.Errorf("%s: %w", name, err)
		}
		if t, err = t.WithField(name, value); err != nil {
			return nil, err
		}
	}
	if err := refusedBy(t, now, calendars); err != nil {
		return nil, err
	}
	return t, nil
}

// begun gives the plan as it is written where it has a new repeat: with the date that this begins with, and without words.
func (p Plan) begun(t *task.Task, now time.Time, zone string, calendars func(string) (*when.Calendar, error)) (Plan, error) {
	loc, err := when.LoadLocation(zone)
	if err != nil {
		return p, fmt.Errorf("timezone: %w", err)
	}
	if p.Repeat, err = untilWritten(p.Repeat, now, loc); err != nil {
		return p, err
	}
	rule, err := when.ParseRule(p.Repeat, when.Scope{Now: now, Zone: loc, Seed: t.ID, Calendar: calendars})
	if err != nil {
		return p, fmt.Errorf("repeat: %w", err)
	}
	if p.Date.IsZero() {
		if p.Date = now; rule.Anchored() && !t.Ended() && t.Plan != nil && t.Plan.Nominal.After(now) {
			p.Date = t.Plan.Nominal
		}
	}
	return p, nil
}
