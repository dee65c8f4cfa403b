package task

import (
	"encoding/json"
	"time"
)

// Task is one decoded document. It is immutable: the functions of this package give changed copies, and nobody else may
// write to it or to what it points to. Its strings and raw values point into the document's bytes, but for ID and Rev, which
// can be kept without holding the document.
type Task struct {
	ID, Rev  string
	Deleted  bool
	Type     string // "" is a task; a type that is no string is kept as raw JSON
	Worker   string // "" where it is missing or no string: nobody's task
	Job      string // the job's name
	Timezone string // IANA name; "" is UTC
	Site     string // where it may run; "" is anywhere
	Status   Status // "" is waiting

	Arguments json.RawMessage // the job's arguments, an array or object; nil where there are none
	Data      json.RawMessage
	Tags      json.RawMessage
	Date      json.RawMessage // nil is now
	Repeat    json.RawMessage // nil is once
	Retry     json.RawMessage // nil is never
	Timeout   time.Duration   // 0 is none
	Missed    Missed          // never empty
	Overlap   Overlap         // never empty
	Expires   json.RawMessage // a date, or a duration after the nominal date; nil is never
	After     []string        // the tasks that it waits for
	Delivery  Delivery        // never empty
	Callback  json.RawMessage // the outcome of a run that went on elsewhere; nil where nobody wrote one
	Notify    *Notify         // who is told what; nil is nobody
	Expect    *Expect         // how often it is to be done; nil is unknown

	Plan        *Plan  // nil where nothing is planned, or not legibly
	Claim       *Claim // nil where nobody wrote it
	Executions  int64  // runs that came to an outcome, ever
	Repetitions int64  // firings of the repeat that came to an end, since it was planned
	Retries     int64  // retries of this firing so far
	Skipped     int64  // dates left out since it was planned: missed, covered by a longer run, or by a person
	Failures    int64  // firings in a row that ended as errors
	Started     time.Time
	Finished    time.Time
	Duration    time.Duration // of the last run
	Lag         time.Duration // start of the last run minus its due instant
	Result      json.RawMessage
	Error       *Failure

	*source
	dirty   nameSet // fields whose value in the struct differs from the source
	history json.RawMessage
	added   []Transition // to history
	report  *Report      // what is to be told before the task is written
	stored  Stored
}

// source is the document as it was read; changed copies of a task share it.
type source struct {
	raw     []byte
	spans   []span
	at      [names]int32 // index into spans plus one; the last where a key comes twice
	retry   retryPolicy
	missed  missedBounds
	pause   int64   // errors in a row after which it is paused; 0 is never
	until   waitFor // what becomes of the tasks in After that lets it go on
	invalid error
}

// Stored is what of a task the database held when it was read or last written: an edit is told by what differs from it. It has to
// be kept beside the document (Stored, WithStored) where a task is put aside between its run and the write of its outcome.
type Stored struct {
	Status      Status          `json:"status,omitempty"`
	Date        json.RawMessage `json:"date,omitempty"`
	Incarnation string          `json:"incarnation,omitempty"` // of whoever had claimed it
}

// Stored gives what the database held of t when it was read or last written.
func (t *Task) Stored() Stored { return t.stored }

// WithStored gives the task with another knowledge of what the database holds of it.
func (t *Task) WithStored(s Stored) *Task {
	next := *t
	next.stored = s
	return &next
}

func (t *Task) stands() Stored {
	s := Stored{Status: t.Status, Date: t.Date}
	if t.Claim != nil {
		s.Incarnation = t.Claim.Incarnation
	}
	return s
}

// Plan says which firing of a task comes next.
type Plan struct {
	From        time.Time // the first date, index 0: what all others are computed from
	Index       int64     // the occurrence, counted from From
	Nominal     time.Time // its date
	Due         time.Time // when it starts: Nominal, later for a retry or a snooze
	Key         string    // the identity of the firing: "<id>@<nominal>/<revision that asked for it>"
	Rule        string    // what it was computed from; a document whose rule differs was edited
	Calendars   string    // what its calendars said then
	CatchUp     time.Time // missed dates up to here run one by one; zero where there are none
	Awaits      bool      // its run goes on elsewhere: Due is how long its callback is awaited
	Interrupted bool      // a run of this firing was cut short: it runs first, whatever missed says
	Paused      bool      // nothing fires until a person resumes it
	Recovers    bool      // it was planned anew after an error that was final
	Ended       bool      // nothing comes after, though the planned firing did not come to an end: the task was canceled, or given up
	Skipped     time.Time // no date up to here runs any more, whatever calendars and overlap say: a person skipped it, or it lay within a pause
	Last        *Ended    // the last firing that came to an end; nil before there is one
	Done        time.Time // when a firing of a task that is expected was last done; zero before
	Back        *Firing   // where the plan goes on after a firing that a person asked for beside it; nil else
}

// Firing is one firing of a plan.
type Firing struct {
	Index   int64
	Nominal time.Time
	Due     time.Time
	Key     string
	Retries int64 // of it so far
	// Interrupted says that a run of it was cut short.
	Interrupted bool
	Ended       bool // the task had ended: nothing comes after
}

// Ended is a firing that came to an end.
type Ended struct {
	Nominal time.Time
	At      time.Time
	Status  Status // Done or Failed
}

// Claim names the write that a document stems from.
type Claim struct {
	Worker      string
	Member      string
	Incarnation string
	Write       int64 // the number of that member's write, from 1
}

// Failure is the document's field error.
type Failure struct {
	Message string
	Kind    string    // one of the Kind constants
	Attempt int64     // the run of this firing that failed, from 1; 0 where nothing ran
	Code    int64     // what the job gave: an HTTP status, an exit code; 0 is none
	Next    time.Time // when it is tried again; zero where it is not
}

// Transition is one line of a task's history.
type Transition struct {
	Status Status    `json:"status"`
	At     time.Time `json:"at"`
	Member string    `json:"member,omitempty"`
	Note   string    `json:"note,omitempty"`
	Error  string    `json:"error,omitempty"`
}

// Invalid gives the first field that a person wrote in a shape nobody can read, and why; nil where there is none. Dates and
// repeats are not looked at until the task is planned.
func (t *Task) Invalid() error { return t.invalid }

// IsTask says whether the document is a task at all, by its type.
func (t *Task) IsTask() bool { return t.Type == "" || t.Type == "task" }

// Ended says whether the task has come to an end: done, error, canceled or deleted.
func (t *Task) Ended() bool { return t.Deleted || t.Status.ended() }

// Key gives the identity of the planned firing, "" where nothing is planned.
func (t *Task) Key() string {
	if t.Plan == nil {
		return ""
	}
	return t.Plan.Key
}

// Attempt is the number that the next run of the planned firing has, from 1.
func (t *Task) Attempt() int64 { return t.Retries + 1 }

// RetryLimit is how many times an error is retried.
func (t *Task) RetryLimit() int64 { return t.retry.limit }

// WithRev gives the task as the database holds it after a write that was answered with rev.
func (t *Task) WithRev(rev string) *Task {
	next := *t
	next.Rev = rev
	next.dirty.add(fieldRev)
	next.stored = t.stands()
	next.report = nil
	return &next
}

// WithWrite gives the task with the number of the write that carries it in its claim. A task that nobody claimed is as it was.
func (t *Task) WithWrite(write int64) *Task {
	next := *t
	if t.Claim != nil {
		next.Claim = &Claim{Worker: t.Claim.Worker, Member: t.Claim.Member, Incarnation: t.Claim.Incarnation, Write: write}
		next.dirty.add(fieldClaim)
	}
	return &next
}

// History gives the last transitions, oldest first, at most ten.
func (t *Task) History() []Transition {
	var elements []json.RawMessage
	var all []Transition
	if json.Unmarshal(t.history, &elements) == nil {
		for _, element := range elements[max(0, len(elements)-mostTransitions):] {
			var one Transition
			if json.Unmarshal(element, &one) == nil {
				all = append(all, one)
			}
		}
	}
	all = append(all, t.added...)
	return all[max(0, len(all)-mostTransitions):]
}
