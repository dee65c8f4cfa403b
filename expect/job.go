package expect

import (
	"context"
	"fmt"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// unread is how long a switch waits where the task that it watches cannot be read.
const unread = 5 * time.Second

// NewJob gives the job of switches, which reads the tasks that they watch from a database; nil is for those who only list jobs. now is the wall
// clock.
func NewJob(db *couch.Database, now func() time.Time) (*jobs.Job, error) {
	return jobs.NewTyped(Job, watch{db, now}.run, jobs.Strict(),
		jobs.Describe("a dead-man's switch: says that something did not run for as long as it may stay away"))
}

type watch struct {
	db  *couch.Database
	now func() time.Time
}

// run looks whether there was a sign of life in time. It tells of a silence once, and of its end.
func (w watch) run(ctx context.Context, t *jobs.Task, in arguments) (any, error) {
	seen, err := time.Parse(time.RFC3339, in.Since)
	if err != nil {
		return nil, jobs.Invalid(fmt.Errorf("since: %w", err))
	}
	every, err := task.ParsePeriod(in.Every)
	if err != nil {
		return nil, jobs.Invalid(fmt.Errorf("every: %w", err))
	}
	if in.Task {
		watched, err := w.read(ctx, in.ID)
		switch {
		case err != nil:
			t.Log().WithError(err).Warn("the task that it watches cannot be read: looking again")
			return nil, jobs.Snooze(unread)
		case watched == nil || watched.Expect == nil || watched.Status == task.Canceled:
			return nil, jobs.Remove(in.ID + " is not expected any more")
		}
		every = watched.Expect.Every
		if done := watched.LastDone(); done.After(seen) {
			seen = done
		}
	}
	left := seen.Add(every).Sub(w.now())
	late := Late(t.Document())
	switch {
	case left > 0 && late:
		return in.ID + " showed itself at " + when.Format(seen), nil
	case left > 0:
		return nil, jobs.Snooze(left)
	case late:
		return nil, jobs.Snooze(every)
	}
	return nil, jobs.Missed(fmt.Errorf("%s did not run since %s, and is expected every %s", in.ID, when.Format(seen), said(every)))
}

// read gives a task, nil where there is none.
func (w watch) read(ctx context.Context, id string) (*task.Task, error) {
	if w.db == nil {
		return nil, fmt.Errorf("there is no database to read %s from", id)
	}
	doc, err := w.db.Get(ctx, id)
	if couch.IsNotFound(err) {
		return nil, nil //nolint:nilnil // no task is an answer
	}
	if err != nil {
		return nil, err
	}
	return task.Decode(doc.Body)
}
