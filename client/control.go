package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
)

// Pause asks that nothing of a task fires until it is resumed; a run that is on goes on to its end. The note, which may be empty, is
// left in the document and in its history. A task that has ended is a conflict.
func (c *Client) Pause(ctx context.Context, id, note string) error {
	return c.edit(ctx, id, func(t *task.Task) (*task.Task, error) {
		if t.Ended() {
			return nil, refused("pausing task "+id, "it has ended as %s", t.Status)
		}
		if note != "" {
			text, err := json.Marshal(note)
			if err != nil {
				return nil, fmt.Errorf("writing the note of task %s: %w", id, err)
			}
			if t, err = t.WithField("note", text); err != nil {
				return nil, err
			}
		}
		return status(t, task.Pause)
	})
}

// Resume asks that a paused task goes on: a repeat with its next date, any other with its date, at once where that has passed. A task
// that is not paused is a conflict.
func (c *Client) Resume(ctx context.Context, id string) error {
	return c.edit(ctx, id, func(t *task.Task) (*task.Task, error) {
		if !IsPaused(t) {
			return nil, refused("resuming task "+id, "it is not paused: it is %s", statusOf(t))
		}
		return status(t, task.Resume)
	})
}

// IsPaused says whether a task is paused, or about to be.
func IsPaused(t *task.Task) bool {
	switch t.Status {
	case task.Pause, task.Paused:
		return true
	case task.Resume, task.Waiting, task.Reschedule, task.Cancel, task.Done, task.Failed, task.Canceled:
		return false
	case task.RunNow, task.Skip, task.Scheduled, task.Running:
	}
	return t.Plan != nil && t.Plan.Paused
}

// Run asks for one run now, beside the plan of the task: what was planned stays so, a paused task is paused again afterwards, and one
// that has ended ends again.
func (c *Client) Run(ctx context.Context, id string) error {
	return c.edit(ctx, id, func(t *task.Task) (*task.Task, error) { return status(t, task.RunNow) })
}

// Skip asks that the next firing of a task is left out. A task that has ended is a conflict, and so is one whose next firing is being
// left out already: wait until its worker has done that.
func (c *Client) Skip(ctx context.Context, id string) error {
	return c.edit(ctx, id, func(t *task.Task) (*task.Task, error) {
		switch {
		case t.Ended():
			return nil, refused("skipping a firing of task "+id, "it has ended as %s", t.Status)
		case t.Status == task.Skip:
			return nil, refused("skipping a firing of task "+id, "its next firing is being skipped already")
		}
		return status(t, task.Skip)
	})
}

// RunAndWait does what Run does, to each of the tasks, and waits until these runs have come to an end, with their retries. It gives the
// tasks as they then are, in the order of ids. changed, which may be nil, is told of every change; an error from it ends the wait. A
// task that is deleted meanwhile has come to an end.
func (c *Client) RunAndWait(ctx context.Context, ids []string, changed func(*task.Task) error) ([]*task.Task, error) {
	if changed == nil {
		changed = func(*task.Task) error { return nil }
	}
	info, err := c.db.Info(ctx)
	if err != nil {
		return nil, err
	}
	before, ended := map[string]int64{}, map[string]*task.Task{}
	for _, id := range ids {
		t, err := c.Get(ctx, id)
		if err != nil {
			return nil, err
		}
		before[id] = t.Executions
		if err := c.Run(ctx, id); err != nil {
			return nil, err
		}
	}
	err = c.follow(ctx, info.UpdateSeq, slices.Compact(slices.Sorted(slices.Values(ids))), func(t *task.Task) error {
		if ended[t.ID] != nil {
			return nil
		}
		if err := changed(t); err != nil {
			return err
		}
		if cameToEnd(t, before[t.ID]) {
			ended[t.ID] = t
		}
		if len(ended) == len(before) {
			return errEnded
		}
		return nil
	})
	if !errors.Is(err, errEnded) {
		return nil, err
	}
	tasks := make([]*task.Task, len(ids))
	for i, id := range ids {
		tasks[i] = ended[id]
	}
	return tasks, nil
}

// cameToEnd says whether a run that a person asked for is over: it had so many executions before.
func cameToEnd(t *task.Task, before int64) bool {
	switch {
	case t.Deleted:
		return true
	case t.Status == task.RunNow || t.Status == task.Running:
		return false
	case t.Plan != nil && t.Plan.Back != nil:
		return t.Ended()
	}
	return t.Executions > before || t.Ended() && t.Error != nil && t.Error.Kind == task.KindInvalid
}

// conflicted says whether a row of a bulk write was refused because the document is there already.
func conflicted(r couch.Result) bool { return r.Error == "conflict" }
