// Package client schedules tasks and follows them, from Go.
//
//	server, err := couch.Dial("http://after:after@127.0.0.1:5984", couch.Options{})
//	...
//	tasks := client.New(server.Database("tasks"))
//	added, err := tasks.Add(ctx, client.Spec{Worker: "manobi", Job: "invoice", When: "next friday at 9am", Timezone: "Europe/Berlin"})
//	...
//	ended, err := tasks.Wait(ctx, []string{added.ID}, nil)
//
// A task is a document, and everything here is a plain read or write of it: what is done through this package can as well
// be done with curl. Edits change the one field they are about, keep everything else byte for byte, and are made again on
// the newer document where somebody else wrote in between.
//
// Errors of the server are [couch.Error]s: see [couch.IsNotFound], [couch.IsConflict].
package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
)

// Client works on the tasks of one database. It is safe for concurrent use.
type Client struct {
	db         *couch.Database
	now        func() time.Time
	secondLook time.Duration
}

// New gives the client of a database. It sends no request.
func New(db *couch.Database) *Client {
	return &Client{db: db, now: time.Now, secondLook: secondLook} //nolint:forbidigo // words such as "tomorrow" are relative to now
}

// At gives a client that takes the time from a clock other than the machine's: words such as "tomorrow" are relative to it.
func (c *Client) At(now func() time.Time) *Client { return &Client{c.db, now, c.secondLook} }

// Get reads one task.
func (c *Client) Get(ctx context.Context, id string) (*task.Task, error) {
	doc, err := c.db.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return decode(doc.Body)
}

// Cancel asks that a task does not run, or that its job is told to stop. The worker then makes it canceled. A task that has
// ended stays as it is, and that is a conflict.
func (c *Client) Cancel(ctx context.Context, id string) error {
	return c.edit(ctx, id, func(t *task.Task) (*task.Task, error) {
		if t.Ended() {
			return nil, refused("cancelling task "+id, "it has ended as %s", t.Status)
		}
		return status(t, task.Cancel)
	})
}

// Retry asks that a task which has ended runs again. One that has not is a conflict: it runs anyway.
func (c *Client) Retry(ctx context.Context, id string) error {
	return c.edit(ctx, id, func(t *task.Task) (*task.Task, error) {
		if !t.Ended() {
			return nil, refused("retrying task "+id, "it has not ended: it is %s", statusOf(t))
		}
		return status(t, task.Waiting)
	})
}

// Delete deletes a task's document. A job that runs is told to stop.
func (c *Client) Delete(ctx context.Context, id string) error {
	if err := reserved(id); err != nil {
		return err
	}
	return again(ctx, func() error {
		doc, err := c.db.Get(ctx, id)
		if err != nil {
			return err
		}
		_, err = c.db.Delete(ctx, id, doc.Rev)
		return err
	})
}

// edit reads a task, changes it and writes it, from the start again where somebody wrote in between.
func (c *Client) edit(ctx context.Context, id string, change func(*task.Task) (*task.Task, error)) error {
	_, err := c.edited(ctx, id, change)
	return err
}

// reserved refuses the documents that are the database's own, such as its indexes: a word in one of them spoils it.
func reserved(id string) error {
	if strings.HasPrefix(id, "_") {
		return refused("editing document "+id, "it is no task: ids that begin with _ belong to the database")
	}
	return nil
}

// edited is edit, and gives the task as it was written.
func (c *Client) edited(ctx context.Context, id string, change func(*task.Task) (*task.Task, error)) (written *task.Task, err error) {
	if err := reserved(id); err != nil {
		return nil, err
	}
	err = again(ctx, func() error {
		t, err := c.Get(ctx, id)
		if err != nil {
			return err
		}
		if !t.IsTask() {
			return refused("editing document "+id, "it is no task: its type is %s", t.Type)
		}
		next, err := change(t)
		if err != nil {
			return err
		}
		rev, err := c.db.Put(ctx, id, next.Encode())
		if err == nil {
			written = next.WithRev(rev)
		}
		return err
	})
	return written, err
}

// again repeats what a conflict of the database refused.
func again(ctx context.Context, try func() error) error {
	var refused error
	err := couch.Again(ctx, func() error {
		err := try()
		if IsRefused(err) { // trying again would not help
			refused, err = err, nil
		}
		return err
	})
	return cmp.Or(refused, err)
}

// refused makes a conflict between what is asked and how a task stands; to callers it is like one that a server tells.
func refused(op, format string, arguments ...any) error {
	return &couch.Error{Op: op, Status: http.StatusConflict, Name: standing, Reason: fmt.Sprintf(format, arguments...)}
}

// standing is the name of the conflicts that this package makes itself.
const standing = "task_status"

// IsRefused says whether an error is such a conflict: the task has ended, or has not, or the document is none. The reason in
// its [couch.Error] says which.
func IsRefused(err error) bool {
	e, ok := errors.AsType[*couch.Error](err)
	return ok && e.Name == standing
}

func status(t *task.Task, s task.Status) (*task.Task, error) {
	return t.WithField("status", json.RawMessage(`"`+s+`"`))
}

func statusOf(t *task.Task) task.Status {
	if t.Status == "" {
		return task.Waiting
	}
	return t.Status
}

func decode(raw []byte) (*task.Task, error) {
	t, err := task.Decode(raw)
	if err != nil {
		return nil, fmt.Errorf("reading a task: %w", err)
	}
	return t, nil
}
