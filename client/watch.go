package client

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/adlayer/after/changes"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
)

// Watch calls changed with every task that fits the filter, each time it changes from now on, until ctx ends or changed
// returns an error, and returns that error. Of several changes in quick succession it may see the last one only. A deleted
// task has little more than its id; it is told of unless a filter asks for more. A server that goes away is waited for; one
// that cannot be reached at the beginning is an error.
func (c *Client) Watch(ctx context.Context, f Filter, changed func(*task.Task) error) error {
	info, err := c.db.Info(ctx)
	if err != nil {
		return err
	}
	return c.follow(ctx, info.UpdateSeq, f.IDs, func(t *task.Task) error {
		if t.Deleted {
			if f.Worker != "" || f.Job != "" || f.Status != "" || f.Invalid || !f.DueBefore.IsZero() {
				return nil
			}
		} else if !f.matches(t, c.now()) {
			return nil
		}
		return changed(t)
	})
}

// Wait waits until each of the tasks has ended or is deleted, and gives them as they then are, in the order of ids. An id
// that is not there is an error ([couch.IsNotFound]) at once. changed, which may be nil, is told of every task as it stands
// at the beginning and of every change; an error from it ends the wait.
func (c *Client) Wait(ctx context.Context, ids []string, changed func(*task.Task) error) ([]*task.Task, error) {
	if changed == nil {
		changed = func(*task.Task) error { return nil }
	}
	// What changes after this sequence comes in the feed; what changed before is seen in the first reading.
	info, err := c.db.Info(ctx)
	if err != nil {
		return nil, err
	}
	state := map[string]*task.Task{}
	open := 0
	see := func(t *task.Task) error {
		was, waited := state[t.ID]
		if waited && was.Rev == t.Rev {
			return nil
		}
		if (!waited || was.Ended()) && !t.Ended() {
			open++
		} else if waited && !was.Ended() && t.Ended() {
			open--
		}
		state[t.ID] = t
		return changed(t)
	}
	if err := c.look(ctx, ids, see); err != nil {
		return nil, err
	}
	for _, id := range ids {
		if state[id] == nil {
			return nil, &couch.Error{Op: "waiting for task " + id, Status: http.StatusNotFound, Name: "not_found", Reason: "there is no such task"}
		}
	}
	if open > 0 {
		awaited := slices.Compact(slices.Sorted(slices.Values(ids)))
		err = c.followAndLook(ctx, info.UpdateSeq, awaited, func(t *task.Task, again bool) error {
			var err error
			switch was := state[t.ID]; {
			case !couch.Beats(was.Rev, t.Rev):
				err = see(t)
			case again: // the feed was faster
				return nil
			default: // what was read already, or a revision that won because the one before was deleted: the database knows
				err = see(c.newest(ctx, t))
			}
			if err != nil || open > 0 {
				return err
			}
			return errEnded
		})
		if !errors.Is(err, errEnded) {
			return nil, err
		}
	}
	tasks := make([]*task.Task, len(ids))
	for i, id := range ids {
		tasks[i] = state[id]
	}
	return tasks, nil
}

// errEnded ends the feed once nothing is waited for any more.
var errEnded = errors.New("all tasks have ended")

// look reads the tasks that are there.
func (c *Client) look(ctx context.Context, ids []string, see func(*task.Task) error) error {
	for raw, err := range c.byID(ctx, ids) {
		if err != nil {
			return err
		}
		t, err := decode(raw)
		if err != nil {
			return err
		}
		if err := see(t); err != nil {
			return err
		}
	}
	return nil
}

// lookAgain reads the tasks that are there, and of those that were deleted their ids.
func (c *Client) lookAgain(ctx context.Context, ids []string, see func(*task.Task) error) error {
	for chunk := range slices.Chunk(ids, page) {
		listing, err := c.db.AllDocs(ctx, couch.Range{Keys: chunk, IncludeDocs: true})
		if err != nil {
			return err
		}
		for _, row := range listing.Rows {
			t := &task.Task{ID: row.ID, Rev: row.Rev, Deleted: true}
			switch {
			case row.Doc != nil:
				if t, err = decode(row.Doc); err != nil {
					return err
				}
			case !row.Deleted:
				continue
			}
			if err := see(t); err != nil {
				return err
			}
		}
	}
	return nil
}

// newest is a task as the database has it now, or as it is where that cannot be read.
func (c *Client) newest(ctx context.Context, t *task.Task) *task.Task {
	_ = c.lookAgain(ctx, []string{t.ID}, func(read *task.Task) error {
		t = read
		return nil
	})
	return t
}

// secondLook is how long after the first one the tasks are looked at again.
const secondLook = 10 * time.Second

// followAndLook is follow, with one more look at the tasks themselves after a while: in a cluster the sequence may be that of a node which was ahead of
// those that were read, and what lies between comes in no feed. changed is told of one task at a time.
func (c *Client) followAndLook(ctx context.Context, since string, ids []string, changed func(t *task.Task, again bool) error) error {
	ctx, end := context.WithCancelCause(ctx)
	var one sync.Mutex
	tell := func(again bool) func(*task.Task) error {
		return func(t *task.Task) error {
			one.Lock()
			defer one.Unlock()
			if ctx.Err() != nil {
				return context.Cause(ctx)
			}
			err := changed(t, again)
			if err != nil {
				end(err)
			}
			return err
		}
	}
	var looking sync.WaitGroup
	defer looking.Wait()
	defer end(nil)
	looking.Go(func() {
		timer := time.NewTimer(c.secondLook)
		defer timer.Stop()
		select {
		case <-ctx.Done():
		case <-timer.C:
			_ = c.lookAgain(ctx, ids, tell(true)) // where it fails, the feed is still there
		}
	})
	return c.follow(ctx, since, ids, tell(false))
}

// remembered is of how many tasks the last change is remembered, so that one which a cluster tells again is seen once.
const remembered = 10_000

// follow hands on every document that changes after since, as a task.
func (c *Client) follow(ctx context.Context, since string, ids []string, changed func(*task.Task) error) error {
	o := changes.Options{Since: since, IncludeDocs: true, DocIDs: ids, Remember: remembered}
	return changes.Follow(ctx, c.db, o, func(_ context.Context, rows []changes.Row, _ string) error {
		for _, row := range rows {
			t := &task.Task{ID: row.ID, Rev: row.Rev, Deleted: true}
			if !row.Deleted {
				var err error
				if t, err = decode(row.Doc); err != nil {
					return err
				}
			}
			if err := changed(t); err != nil {
				return err
			}
		}
		return nil
	})
}
