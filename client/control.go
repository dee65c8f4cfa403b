package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
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
	return c.edit(ctx, id, runNow)
}

func runNow(t *task.Task) (*task.Task, error) { return status(t, task.RunNow) }

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
// task that is deleted meanwhile has come to an end, and so has one whose run somebody took back before it began, by another
// status: that is a conflict, which is given beside the tasks once all have come to an end.
func (c *Client) RunAndWait(ctx context.Context, ids []string, changed func(*task.Task) error) ([]*task.Task, error) {
	if changed == nil {
		changed = func(*task.Task) error { return nil }
	}
	if len(ids) == 0 {
		return nil, nil
	}
	info, err := c.db.Info(ctx)
	if err != nil {
		return nil, err
	}
	asked, ended := map[string]*task.Task{}, map[string]*task.Task{}
	for _, id := range ids {
		if asked[id] != nil {
			continue
		}
		if asked[id], err = c.edited(ctx, id, runNow); err != nil {
			return nil, err
		}
	}
	err = c.follow(ctx, info.UpdateSeq, slices.Collect(maps.Keys(asked)), func(t *task.Task) error {
		if ended[t.ID] != nil || !t.Deleted && couch.Beats(asked[t.ID].Rev, t.Rev) {
			return nil // what it was before is no news
		}
		if err := changed(t); err != nil {
			return err
		}
		if cameToEnd(t) {
			ended[t.ID] = t
		}
		if len(ended) == len(asked) {
			return errEnded
		}
		return nil
	})
	if !errors.Is(err, errEnded) {
		return nil, err
	}
	tasks := make([]*task.Task, len(ids))
	var errs []error
	for i, id := range ids {
		tasks[i] = ended[id]
		if takenBack(asked[id], ended[id]) {
			errs = append(errs, refused("running task "+id, "the run was taken back before it began: the task is %s now", statusOf(ended[id])))
		}
	}
	return tasks, errors.Join(errs...)
}

// cameToEnd says whether a run that a person asked for is over: while it is not, the task says that it is asked for or on, or its
// plan says where to go on afterwards.
func cameToEnd(t *task.Task) bool {
	switch {
	case t.Deleted:
		return true
	case t.Status == task.RunNow || t.Status == task.Running:
		return false
	}
	return t.Ended() || t.Plan == nil || t.Plan.Back == nil
}

// takenBack says whether a run that a person asked for is over without having begun, and not because it could not.
func takenBack(asked, t *task.Task) bool {
	switch {
	case t.Deleted, t.Status == task.Canceled, t.Executions > asked.Executions:
		return false
	}
	return t.Error == nil || t.Error.Kind != task.KindInvalid && t.Error.Kind != task.KindExpired
}

// conflicted says whether a row of a bulk write was refused because the document is there already.
func conflicted(r couch.Result) bool { return r.Error == "conflict" }
