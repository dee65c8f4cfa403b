package jobs

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/task"
)

// Task is what a job is given: one firing of one task document. It can be used by several goroutines.
type Task struct {
	document *task.Task
	attempt  int64
	log      logrus.FieldLogger
	upstream map[string]*task.Task
	open     Opener
}

// Opener reads an attachment of a document that stands in the database; its error says what is wrong, such as that there is none.
type Opener func(ctx context.Context, id, name string) (io.ReadCloser, error)

// NewTask makes the handle for one run of a document. attempt counts the runs of this firing from 1; a nil log discards.
func NewTask(document *task.Task, attempt int64, log logrus.FieldLogger) *Task {
	return &Task{document: document, attempt: attempt, log: log}
}

// WithUpstream gives a handle that knows the documents of the tasks that this one waited for, by id.
func (t *Task) WithUpstream(documents map[string]*task.Task) *Task {
	if len(documents) == 0 && len(t.upstream) == 0 {
		return t
	}
	next := *t
	next.upstream = documents
	return &next
}

// WithAttachments gives a handle that reads attachments with open.
func (t *Task) WithAttachments(open Opener) *Task {
	next := *t
	next.open = open
	return &next
}

// Attachment reads an attachment of the task's document. The caller closes it. Where there is none of that name, it is an error.
func (t *Task) Attachment(ctx context.Context, name string) (io.ReadCloser, error) {
	if t.open == nil {
		return nil, fmt.Errorf("attachment %s of task %s: this run has no database to read it from", name, t.document.ID)
	}
	return t.open(ctx, t.document.ID, name)
}

// Upstream is the document of a task that this one waited for (its field "after"), as it stood when this run began; nil where it waited for
// no such task. Its Result is what that task gave. It must not be changed.
func (t *Task) Upstream(id string) *task.Task { return t.upstream[id] }

// Results gives what the tasks gave that this one waited for, as a JSON object by id; nil where it waited for none.
func (t *Task) Results() json.RawMessage {
	if len(t.upstream) == 0 {
		return nil
	}
	results := make(map[string]json.RawMessage, len(t.upstream))
	for id, document := range t.upstream {
		if results[id] = document.Result; document.Result == nil {
			results[id] = json.RawMessage("null")
		}
	}
	raw, err := json.Marshal(results)
	if err != nil { // they were JSON in their documents
		return nil
	}
	return raw
}

// ID is the document's _id.
func (t *Task) ID() string { return t.document.ID }

// Key is the identity of this firing: the same in every attempt and every repetition after a crash, another one for every
// date of a repeat and every deliberate second run. Hand it to whoever must not do the same thing twice.
func (t *Task) Key() string {
	if t.document.Plan == nil {
		return ""
	}
	return t.document.Plan.Key
}

// Worker is the name of the worker that runs the task.
func (t *Task) Worker() string { return t.document.Worker }

// Name is the name of the job as the document calls it.
func (t *Task) Name() string { return t.document.Job }

// Nominal is the date that the firing is for. Retries and snoozes do not move it.
func (t *Task) Nominal() time.Time {
	if t.document.Plan == nil {
		return time.Time{}
	}
	return t.document.Plan.Nominal
}

// Attempt counts the runs of this firing, from 1.
func (t *Task) Attempt() int64 { return t.attempt }

// Arguments are the document's job.arguments as they stand: an array, an object, or nil if there are none.
func (t *Task) Arguments() json.RawMessage { return t.document.Arguments }

// Data is the document's data field as it stands, nil if there is none.
func (t *Task) Data() json.RawMessage { return t.document.Data }

// Decode reads the arguments into a value of the job's own. What does not fit is an [Invalid] error that names the field.
// Without arguments the value is left as it is.
func (t *Task) Decode(into any) error { return decode(t.document.Arguments, into, false) }

// Log is a logger whose lines carry the task's id, the job's name and the worker's.
func (t *Task) Log() logrus.FieldLogger {
	log := t.log
	if log == nil {
		discard := logrus.New()
		discard.SetOutput(io.Discard)
		log = discard
	}
	return log.WithFields(logrus.Fields{"task": t.document.ID, "job": t.document.Job, "worker": t.document.Worker})
}

// Document is the whole task document, as it was when the run began. It must not be changed.
func (t *Task) Document() *task.Task { return t.document }
