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
	var written *task.Task
	err := c.edit(ctx, id, func(t *task.Task) (*task.Task, error) {
		next, err := c.replanned(ctx, t, p)
		if err != nil {
			return nil, fmt.Errorf("planning task %s anew: %w", id, err)
		}
		written = next
		return next, nil
	})
	return written, err
}

func (c *Client) replanned(ctx context.Context, t *task.Task, p Plan) (*task.Task, error) {
	now, zone := c.now(), t.Timezone
	if p.Timezone != "" {
		zone = p.Timezone
	}
	if p.Repeat != nil {
		loc, err := when.LoadLocation(zone)
		if err != nil {
			return nil, fmt.Errorf("timezone: %w", err)
		}
		rule, err := when.ParseRule(p.Repeat, when.Scope{Now: now, Zone: loc, Seed: t.ID, Calendar: c.Calendars(ctx)})
		if err != nil {
			return nil, fmt.Errorf("repeat: %w", err)
		}
		if p.Date.IsZero() {
			if p.Date = now; rule.Anchored() && !t.Ended() && t.Plan != nil && t.Plan.Nominal.After(now) {
				p.Date = t.Plan.Nominal
			}
		}
		if _, ok := rule.First(p.Date); !ok {
			return nil, fmt.Errorf("repeat: it never comes from %s on", when.Format(p.Date))
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
	return t, nil
}
