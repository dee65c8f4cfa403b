// Package runs keeps what came of single runs: documents of their own in the database "<tasks>-runs", written in batches by the workers,
// listed and followed by people, and deleted when they are old.
//
// A document's _id is the key of the firing and the number of the attempt, "<task>@<date>/<revision>#<attempt>". A second execution of the
// same attempt, after a crash, does not replace the first: it lies beside it under a longer _id, marked as a duplicate. A run's document is
// written before the outcome in its task, so that the task never tells of a run that is not here.
package runs

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// Database gives the name of the database of runs that belongs to a database of tasks.
func Database(tasks string) string { return tasks + "-runs" }

// Type is the field type of a run's document.
const Type = "run"

// MostOutput is how many bytes of a result a run keeps.
const MostOutput = 4 << 10

// mostMessage is how many bytes of an error's message it keeps.
const mostMessage = 2 << 10

// Run is one execution of a firing. Durations are whole milliseconds in the document.
type Run struct {
	ID          string
	Task        string // the task's _id
	Worker      string
	Job         string
	Member      string
	Incarnation string
	Key         string // of the firing
	Attempt     int64  // from 1
	Nominal     time.Time
	Started     time.Time
	Finished    time.Time
	Lag         time.Duration // start minus due
	Status      task.Status   // done, error or canceled
	Removed     bool          // the job had the task removed
	Kind        string        // of the error, "" where there is none
	Error       string        // its message, cut
	Code        int64         // an HTTP status, an exit code; 0 is none
	Output      json.RawMessage
	Cut         bool // the output was longer, or the message
	Duplicate   bool // the attempt ran before: a worker died, or a cluster was split
}

// Duration is how long it ran.
func (r Run) Duration() time.Duration { return max(0, r.Finished.Sub(r.Started)) }

// document is a Run as it is written.
type document struct {
	ID          string          `json:"_id"`
	Rev         string          `json:"_rev,omitempty"`
	Type        string          `json:"type"`
	Task        string          `json:"task"`
	Worker      string          `json:"worker"`
	Job         string          `json:"job"`
	Member      string          `json:"member"`
	Incarnation string          `json:"incarnation"`
	Key         string          `json:"key"`
	Attempt     int64           `json:"attempt"`
	Nominal     string          `json:"nominal"`
	Started     string          `json:"started"`
	Finished    string          `json:"finished"`
	Duration    int64           `json:"duration"`
	Lag         int64           `json:"lag"`
	Status      task.Status     `json:"status"`
	Removed     bool            `json:"removed,omitempty"`
	Kind        string          `json:"kind,omitempty"`
	Error       string          `json:"error,omitempty"`
	Code        int64           `json:"code,omitempty"`
	Output      json.RawMessage `json:"output,omitempty"`
	Cut         bool            `json:"cut,omitempty"`
	Duplicate   bool            `json:"duplicate,omitempty"`
}

// Of gives the run of a task as it ran, and false where it is not kept: of tasks without a repeat those alone that are retried, the
// rest being in the document; a run that was put off, was cut short or goes on elsewhere has not come to an end.
func Of(ran *task.Task, o task.Outcome, self task.Self) (Run, bool) {
	switch {
	case o.Snooze > 0, o.Interrupted, o.Await != 0, ran.Key() == "":
		return Run{}, false
	case ran.Repeat == nil && ran.Retries == 0 && (!o.Failed() || ran.RetryLimit() == 0):
		return Run{}, false
	}
	r := Run{
		ID: fmt.Sprintf("%s#%d", ran.Key(), ran.Attempt()), Task: ran.ID, Worker: ran.Worker, Job: ran.Job,
		Member: self.Member, Incarnation: self.Incarnation, Key: ran.Key(), Attempt: ran.Attempt(), Nominal: ran.Plan.Nominal,
		Started: o.Started.UTC(), Finished: o.Finished.UTC(), Lag: max(0, o.Started.Sub(ran.Plan.Due)), Status: task.Done, Removed: o.Remove, Code: o.Code,
	}
	if ran.Plan.Awaits && ran.Status != task.Scheduled { // its due is that of the callback, and whoever started it may be gone
		r.Lag = ran.Lag
		if c := ran.Claim; c != nil {
			r.Member, r.Incarnation = c.Member, c.Incarnation
		}
	}
	if o.Failed() {
		r.Status, r.Kind, r.Error = task.Failed, o.FailureKind(), o.Message()
		if r.Kind == task.KindCanceled {
			r.Status = task.Canceled
		}
	}
	return r.bounded(o.Result), true
}

// bounded gives the run with its output, that and the message cut where they are too long: an output becomes the text of its beginning.
func (r Run) bounded(output json.RawMessage) Run {
	r.Output = output
	if len(output) > MostOutput {
		r.Cut = true
		r.Output = nil
		if text, err := json.Marshal(strings.ToValidUTF8(string(output[:MostOutput]), "")); err == nil {
			r.Output = text
		}
	}
	if len(r.Error) > mostMessage {
		r.Error, r.Cut = strings.ToValidUTF8(r.Error[:mostMessage], ""), true
	}
	return r
}

// encode gives the document.
func (r Run) encode() ([]byte, error) {
	return json.Marshal(document{
		ID: r.ID, Type: Type, Task: r.Task, Worker: r.Worker, Job: r.Job, Member: r.Member, Incarnation: r.Incarnation, Key: r.Key,
		Attempt: r.Attempt, Nominal: when.Format(r.Nominal), Started: when.Format(r.Started), Finished: when.Format(r.Finished),
		Duration: r.Duration().Milliseconds(), Lag: r.Lag.Milliseconds(), Status: r.Status, Removed: r.Removed, Kind: r.Kind, Error: r.Error, Code: r.Code,
		Output: r.Output, Cut: r.Cut, Duplicate: r.Duplicate,
	})
}

// decode reads a document; false where it is no run.
func decode(raw []byte) (Run, bool) {
	var d document
	if json.Unmarshal(raw, &d) != nil || d.Type != Type || d.Task == "" {
		return Run{}, false
	}
	r := Run{
		ID: d.ID, Task: d.Task, Worker: d.Worker, Job: d.Job, Member: d.Member, Incarnation: d.Incarnation, Key: d.Key, Attempt: d.Attempt,
		Lag: time.Duration(d.Lag) * time.Millisecond, Status: d.Status, Removed: d.Removed, Kind: d.Kind, Error: d.Error, Code: d.Code, Output: d.Output, Cut: d.Cut,
		Duplicate: d.Duplicate,
	}
	var err error
	for _, read := range []struct {
		from string
		to   *time.Time
	}{{d.Nominal, &r.Nominal}, {d.Started, &r.Started}, {d.Finished, &r.Finished}} {
		if *read.to, err = time.Parse(time.RFC3339Nano, read.from); err != nil {
			return Run{}, false
		}
	}
	return r, true
}

// MarshalJSON gives the run as its document is, for people and programs that list runs.
func (r Run) MarshalJSON() ([]byte, error) { return r.encode() }

// beside gives the run as a second execution of its attempt.
func (r Run) beside() Run {
	r.ID += "~" + r.Incarnation + "-" + strconv.FormatInt(r.Started.UnixMilli(), 36)
	r.Duplicate = true
	return r
}

// same says whether two documents tell of the same execution: one was written, and only the answer was lost.
func (r Run) same(other Run) bool {
	return r.Incarnation == other.Incarnation && r.Started.UnixMilli() == other.Started.UnixMilli()
}

// parseID takes an _id apart: the task's, and the date of the firing as it is written.
func parseID(id string) (task, nominal string, ok bool) {
	hash := strings.LastIndexByte(id, '#')
	if hash < 0 {
		return "", "", false
	}
	slash := strings.LastIndexByte(id[:hash], '/')
	if slash < 0 {
		return "", "", false
	}
	at := strings.LastIndexByte(id[:slash], '@')
	if at < 0 {
		return "", "", false
	}
	return id[:at], id[at+1 : slash], true
}
