package cli

import (
	"context"
	"fmt"
	"strings"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
)

// waits finds what tasks wait for: those among all that name others, and the others, which are read where they are not among them.
func (s *session) waits(ctx context.Context, all []*task.Task) (map[string]string, error) {
	known := make(map[string]*task.Task, len(all))
	for _, t := range all {
		known[t.ID] = t
	}
	var unread []string
	for _, t := range all {
		for _, id := range t.After {
			if _, ok := known[id]; !ok && !t.Ended() {
				known[id] = nil
				unread = append(unread, id)
			}
		}
	}
	if len(unread) > 0 {
		for t, err := range s.tasks.List(ctx, client.Filter{IDs: unread}) {
			if couch.IsNotFound(err) {
				continue
			}
			if err != nil {
				return nil, fmt.Errorf("reading what tasks wait for: %w", err)
			}
			known[t.ID] = t
		}
	}
	texts := map[string]string{}
	for _, t := range all {
		if text := waiting(t, known); text != "" {
			texts[t.ID] = text
		}
	}
	return texts, nil
}

// waiting says what a task waits for; "" is nothing.
func waiting(t *task.Task, known map[string]*task.Task) string {
	if t.Ended() || len(t.After) == 0 {
		return ""
	}
	ids, err := t.Blocked(func(id string) *task.Task { return known[id] })
	if err != nil {
		return err.Error()
	}
	if len(ids) == 0 {
		return ""
	}
	for i, id := range ids {
		if other := known[id]; other == nil || other.Deleted {
			ids[i] += " (which is not there)"
		}
	}
	return "waits for " + strings.Join(ids, ", ")
}

// stateOf is what there is to say of a task in few words: what holds it up, what came of its last run, what was left out.
func (a *app) stateOf(t *task.Task, waits string) string {
	var parts []string
	if note := noteOf(t); note != "" && client.IsPaused(t) {
		parts = append(parts, "paused: "+note)
	}
	if waits != "" {
		parts = append(parts, waits)
	}
	if why := t.PutOff(); why != "" {
		parts = append(parts, "put off: "+why)
	}
	if t.Error != nil && t.Error.Next.After(a.now()) && !t.Ended() {
		parts = append(parts, "tries again "+distance(t.Error.Next.Sub(a.now())))
	}
	if outcome := a.outcomeOf(t); outcome != "-" {
		parts = append(parts, outcome)
	}
	if t.Failures > 1 {
		parts = append(parts, fmt.Sprintf("%d errors in a row", t.Failures))
	}
	if t.Skipped > 0 {
		parts = append(parts, counted(int(t.Skipped), "date")+" skipped")
	}
	return or(a.shorten(strings.Join(parts, "; ")), "-")
}
