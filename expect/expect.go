// Package expect keeps dead-man's switches: tasks of the job "expect" that raise "missed" when whatever has their id showed no sign of life for
// as long as it may stay away. A sign of life is a ping, or that the task of that id was done.
package expect

import (
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// Job is the name of a switch's job.
const Job = "expect"

const prefix = "expect:"

// ID gives the _id of the switch of an id.
func ID(id string) string { return prefix + id }

// Switch is what a dead-man's switch is made of.
type Switch struct {
	ID     string        // of what is expected
	Worker string        // who watches
	Every  time.Duration // at least a second
	Task   bool          // it is a task of that _id, whose document says how often; else it checks in itself
	Notify *task.Notify  // who is told; nil is nobody
}

type job struct {
	Name      string    `json:"name"`
	Arguments arguments `json:"arguments"`
}

// arguments are those of the job.
type arguments struct {
	ID    string `json:"id"`
	Every string `json:"every"`
	Since string `json:"since"` // the last sign of life that was written here
	Task  bool   `json:"task,omitempty"`
}

// Validate is asked before the job runs.
func (a *arguments) Validate() error {
	if a.ID == "" {
		return errors.New("id is missing")
	}
	if _, err := task.ParsePeriod(a.Every); err != nil {
		return fmt.Errorf("every: %w", err)
	}
	if _, err := time.Parse(time.RFC3339, a.Since); err != nil {
		return fmt.Errorf("since: %w", err)
	}
	return nil
}

// said writes a period so that it can be read again: "1h30m".
func said(every time.Duration) string { return every.String() }

// Document gives the document of a new switch, with its first sign of life now.
func (s Switch) Document(now time.Time) ([]byte, error) {
	fields := s.fields(now)
	fields["_id"] = ID(s.ID)
	raw, err := json.Marshal(fields)
	if err != nil {
		return nil, fmt.Errorf("encoding the switch of %s: %w", s.ID, err)
	}
	return raw, nil
}

// fields are those of a switch that begins to count now.
func (s Switch) fields(now time.Time) map[string]any {
	fields := map[string]any{
		"worker": s.Worker, "job": s.job(now), "date": when.Format(now.Add(s.Every)), "repeat": s.Every.Milliseconds(), "status": task.Waiting,
	}
	if to := s.told(); to != nil {
		fields["notify"] = to
	}
	return fields
}

func (s Switch) job(since time.Time) job {
	return job{Job, arguments{ID: s.ID, Every: said(s.Every), Since: when.Format(since), Task: s.Task}}
}

// told is who is told of the switch: that something stayed away, and that it came back. The rest is of the task itself.
func (s Switch) told() *task.Notify {
	if s.Notify == nil {
		return nil
	}
	to := task.Notify{URL: s.Notify.URL, Email: s.Notify.Email}
	for _, event := range []task.Event{task.EventMissed, task.EventRecovered} {
		if link, email := s.Notify.To(event); link != "" || len(email) > 0 {
			to.On = append(to.On, event)
		}
	}
	if len(to.On) == 0 {
		return nil
	}
	return &to
}

// Of reads a switch's document; false where t is none.
func Of(t *task.Task) (Switch, bool) {
	var a arguments
	if t.Job != Job || json.Unmarshal(t.Arguments, &a) != nil || a.Validate() != nil || t.ID != ID(a.ID) {
		return Switch{}, false
	}
	every, _ := task.ParsePeriod(a.Every) // Validate has read it
	return Switch{ID: a.ID, Worker: t.Worker, Every: every, Task: a.Task, Notify: t.Notify}, true
}

// Late says whether a switch has raised "missed" and saw no sign of life since.
func Late(t *task.Task) bool {
	return t.Plan != nil && t.Plan.Last != nil && t.Plan.Last.Status == task.Failed
}

// Seen gives the document of a switch after a sign of life now. s is what the switch is to be; where that is what it was, its date stays, and the
// job looks at what is written here when that comes. One that has raised "missed" runs at once, and says that it recovered.
func (s Switch) Seen(t *task.Task, now time.Time) (*task.Task, error) {
	fields := map[string]any{"job": s.job(now)}
	before, ok := Of(t)
	switch {
	case !ok || t.Ended() || before.Every != s.Every || before.Worker != s.Worker:
		fields = s.fields(now)
		fields["status"] = task.Reschedule
	case Late(t):
		fields["status"] = task.RunNow
	}
	fields["notify"] = nil
	if to := s.told(); to != nil {
		fields["notify"] = to
	}
	return with(t, fields)
}

// with sets fields of a document; nil takes one out.
func with(t *task.Task, fields map[string]any) (next *task.Task, err error) {
	next = t
	for name, value := range fields {
		var raw json.RawMessage
		if value != nil {
			if raw, err = json.Marshal(value); err != nil {
				return nil, fmt.Errorf("encoding %s of %s: %w", name, t.ID, err)
			}
		}
		if next, err = next.WithField(name, raw); err != nil {
			return nil, err
		}
	}
	return next, nil
}
