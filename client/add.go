package client

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/google/uuid"

	"github.com/adlayer/after/jobs/call"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// Spec is a task as a person thinks of it. Worker and Job are required; the zero value of anything else leaves it out.
type Spec struct {
	ID     string // any document id; taken ones are a conflict. Empty: a new one, later ones sort after earlier ones
	Worker string
	Job    string

	// Arguments of the job: a JSON array or object, or a value that encodes to one.
	Arguments any

	// When the task runs, by one of the two: an instant, or text as in a document ("tomorrow at 9am", "2026-12-01 09:00"),
	// which is read in Timezone. Neither: at once.
	Date time.Time
	When string

	Timezone string          // IANA name, for When and Repeat; empty: UTC
	Repeat   json.RawMessage // as in the document
	Retry    json.RawMessage // as in the document
	Timeout  time.Duration   // whole milliseconds

	Missed     task.Missed
	MissedRule json.RawMessage // instead of Missed, as in the document: with a window or a limit
	Overlap    task.Overlap    // what becomes of dates that come during a run
	Expires    string          // a date, or a duration after the nominal date ("10m"): a firing that could not start by then is an error
	PauseAfter int             // errors in a row after which it is paused; 0: never

	After     []string // ids of tasks that have to end first
	AfterWhen string   // as what: "done" (as where it is empty), "ended" or "error"

	Delivery task.Delivery
	Site     string
	Tags     []string
	Note     string // for people
	Data     any    // anything that encodes to JSON

	Notify *task.Notify // who is told what came of it; nil: nobody
	Expect string       // how often it is to be done ("every 1h"), so that its silence is told; empty: unknown

	// Fields are further fields of the document, such as _attachments, which are written as they stand. None of those above may be among them.
	Fields map[string]json.RawMessage
}

// httpJob is the job whose arguments are known here.
const httpJob = "http"

// document is a Spec as it is written.
type document struct {
	ID       string          `json:"_id"`
	Type     string          `json:"type"`
	Worker   string          `json:"worker"`
	Job      any             `json:"job"`
	Status   task.Status     `json:"status"`
	Date     string          `json:"date,omitempty"`
	Timezone string          `json:"timezone,omitempty"`
	Repeat   json.RawMessage `json:"repeat,omitempty"`
	Retry    json.RawMessage `json:"retry,omitempty"`
	Timeout  any             `json:"timeout,omitempty"`
	Missed   json.RawMessage `json:"missed,omitempty"`
	Overlap  task.Overlap    `json:"overlap,omitempty"`
	Expires  string          `json:"expires,omitempty"`
	Pause    int             `json:"pause_after,omitempty"`
	After    []string        `json:"after,omitempty"`
	When     string          `json:"when,omitempty"`
	Delivery task.Delivery   `json:"delivery,omitempty"`
	Site     string          `json:"site,omitempty"`
	Tags     []string        `json:"tags,omitempty"`
	Note     string          `json:"note,omitempty"`
	Data     json.RawMessage `json:"data,omitempty"`
	Notify   *task.Notify    `json:"notify,omitempty"`
	Expect   string          `json:"expect,omitempty"`
}

type named struct {
	Name      string          `json:"name"`
	Arguments json.RawMessage `json:"arguments"`
}

// Add schedules a task and gives it as it was written. Whatever a worker would refuse to run is an error here, before
// anything is written. Where the id is taken the error is a conflict.
func (c *Client) Add(ctx context.Context, s Spec) (*task.Task, error) {
	t, err := s.task(c.now(), c.Calendars(ctx))
	if err != nil {
		return nil, fmt.Errorf("adding a task: %w", err)
	}
	rev, err := c.db.Put(ctx, t.ID, t.Encode())
	if err != nil {
		return nil, err
	}
	return t.WithRev(rev), nil
}

// Prepare makes the task that Add writes, and refuses what Add refuses; nothing is written.
func (c *Client) Prepare(ctx context.Context, s Spec) (*task.Task, error) {
	return s.task(c.now(), c.Calendars(ctx))
}

// AddAll schedules many tasks in as few requests as make sense. It gives a task and an error for each, one of which is nil.
// What is wrong with one does not hold up the others.
func (c *Client) AddAll(ctx context.Context, specs []Spec) ([]*task.Task, []error) {
	const most = 1000
	tasks, errs := make([]*task.Task, len(specs)), make([]error, len(specs))
	var docs [][]byte
	var places []int
	flush := func() {
		results, err := c.db.Bulk(ctx, docs)
		for i, place := range places {
			switch {
			case err != nil:
				errs[place] = err
			case results[i].Err() != nil:
				errs[place] = results[i].Err()
			default:
				tasks[place] = tasks[place].WithRev(results[i].Rev)
			}
			if errs[place] != nil {
				tasks[place] = nil
			}
		}
		docs, places = docs[:0], places[:0]
	}
	now, calendars := c.now(), c.Calendars(ctx)
	for i, s := range specs {
		t, err := s.task(now, calendars)
		if err != nil {
			errs[i] = fmt.Errorf("adding task %d: %w", i, err)
			continue
		}
		tasks[i] = t
		docs, places = append(docs, t.Encode()), append(places, i)
		if len(docs) == most {
			flush()
		}
	}
	flush()
	return tasks, errs
}

// Task makes the task that [Client.Add] writes: with an id, its date an instant, and checked, but for whether the calendars that it names
// are there.
func (s Spec) Task(now time.Time) (*task.Task, error) { return s.task(now, anyCalendar) }

func (s Spec) task(now time.Time, calendar func(string) (*when.Calendar, error)) (*task.Task, error) {
	d := document{
		ID: s.ID, Type: "task", Worker: s.Worker, Job: s.Job, Status: task.Waiting, Timezone: s.Timezone,
		Retry: s.Retry, Overlap: s.Overlap, Expires: s.Expires, Pause: s.PauseAfter, After: s.After, When: s.AfterWhen,
		Delivery: s.Delivery, Site: s.Site, Tags: s.Tags, Note: s.Note, Notify: s.Notify, Expect: s.Expect,
	}
	var err error
	for _, step := range []func(*document, time.Time) error{s.name, s.texts, s.call, s.plan, s.rest} {
		if err := step(&d, now); err != nil {
			return nil, err
		}
	}
	raw, err := json.Marshal(d)
	if err != nil {
		return nil, err
	}
	if raw, err = s.further(raw); err != nil {
		return nil, err
	}
	t, err := task.Decode(raw)
	if err != nil {
		return nil, err
	}
	if err := refusedBy(t, now, calendar); err != nil {
		return nil, err
	}
	return t, nil
}

// further adds Fields to a document.
func (s Spec) further(raw []byte) ([]byte, error) {
	for _, name := range slices.Sorted(maps.Keys(s.Fields)) {
		value := s.Fields[name]
		if !json.Valid(value) || !utf8.Valid(value) || !utf8.ValidString(name) {
			return nil, fmt.Errorf("%.40q: %.40q is no JSON", name, value)
		}
		key, err := json.Marshal(name)
		if err != nil {
			return nil, err
		}
		raw = append(append(append(append(raw[:len(raw)-1], ','), key...), ':'), value...)
		raw = append(raw, '}')
	}
	return raw, nil
}

// refusedBy says why a worker would refuse a task, by the rules that it goes by; nil where it would not.
func refusedBy(t *task.Task, now time.Time, calendar func(string) (*when.Calendar, error)) error {
	d := task.Decide(t, task.View{Now: now, Site: t.Site, Calendar: calendar})
	if d.Action == task.End && d.Next.Error != nil && d.Next.Error.Kind == task.KindInvalid {
		return errors.New(d.Next.Error.Message)
	}
	return nil
}

func (s Spec) name(d *document, _ time.Time) error {
	switch {
	case d.ID == "":
		id, err := uuid.NewV7()
		if err != nil {
			return fmt.Errorf("making an id: %w", err)
		}
		d.ID = id.String()
	case strings.HasPrefix(d.ID, "_"):
		return fmt.Errorf("id %q: ids that begin with _ belong to the database", d.ID)
	case !utf8.ValidString(d.ID):
		return fmt.Errorf("id %q is no valid UTF-8", d.ID)
	}
	for field, name := range map[string]string{"worker": s.Worker, "job": s.Job} {
		if err := CheckName(field, name); err != nil {
			return err
		}
	}
	return nil
}

// texts refuses those that JSON would hold as others.
func (s Spec) texts(*document, time.Time) error {
	texts := map[string][]string{"note": {s.Note}, "site": {s.Site}, "tags": s.Tags, "after": s.After}
	if s.Notify != nil {
		texts["notify.url"], texts["notify.email"] = []string{s.Notify.URL}, s.Notify.Email
	}
	for _, field := range slices.Sorted(maps.Keys(texts)) {
		for _, text := range texts[field] {
			if !utf8.ValidString(text) {
				return fmt.Errorf("%s %q is no valid UTF-8", field, text)
			}
		}
	}
	return nil
}

// CheckName refuses what is no name of a worker or of a job; field says of which.
func CheckName(field, name string) error {
	switch {
	case name == "":
		return fmt.Errorf("%s: a task names its worker and its job", field)
	case !utf8.ValidString(name) || strings.ContainsFunc(name, unicode.IsControl):
		return fmt.Errorf("%s %q: a name is plain text", field, name)
	}
	return nil
}

func (s Spec) call(d *document, _ time.Time) error {
	arguments, err := encode("arguments", s.Arguments)
	if err != nil {
		return err
	}
	if s.Job == httpJob {
		if err := call.Check(arguments); err != nil {
			return fmt.Errorf("arguments: %w", err)
		}
	}
	if arguments == nil {
		return nil
	}
	if arguments[0] != '[' && arguments[0] != '{' {
		return fmt.Errorf("arguments: %.40s is neither an array nor an object", arguments)
	}
	d.Job = named{Name: s.Job, Arguments: arguments}
	return nil
}

func (s Spec) plan(d *document, now time.Time) error {
	loc, err := when.LoadLocation(s.Timezone)
	if err != nil {
		return fmt.Errorf("timezone: %w", err)
	}
	date := s.Date
	if s.When != "" {
		if !date.IsZero() {
			return errors.New("date: both an instant and words are given")
		}
		read, err := when.ParseDate(s.When, now, loc)
		if err != nil {
			return fmt.Errorf("date: %w", err)
		}
		date = read.Time
	}
	if date.IsZero() && len(s.After) > 0 && s.Expires != "" {
		date = now // while it waits, nobody writes down when it began to
	}
	if !date.IsZero() {
		d.Date = when.Format(date)
	}
	d.Repeat, err = untilWritten(s.Repeat, now, loc)
	return err
}

// untilWritten replaces words in a repeat's until, which would mean another instant whenever they are read.
func untilWritten(repeat json.RawMessage, now time.Time, loc *time.Location) (json.RawMessage, error) {
	var fields map[string]json.RawMessage
	if json.Unmarshal(repeat, &fields) != nil || fields["until"] == nil {
		return repeat, nil //nolint:nilerr // what is wrong with it, the rules will say
	}
	until, err := when.ParseDateJSON(fields["until"], now, loc)
	if err != nil {
		return nil, fmt.Errorf("repeat.until: %w", err)
	}
	if !until.Words {
		return repeat, nil
	}
	if fields["until"], err = json.Marshal(when.Format(until.Time)); err != nil {
		return nil, fmt.Errorf("repeat.until: %w", err)
	}
	return json.Marshal(fields)
}

func (s Spec) rest(d *document, _ time.Time) error {
	switch {
	case s.Timeout < 0 || s.Timeout%time.Millisecond != 0:
		return fmt.Errorf("timeout: %v is not a number of milliseconds from 0", s.Timeout)
	case s.Timeout > 0 && s.Timeout%time.Second == 0:
		d.Timeout = fmt.Sprintf("%ds", s.Timeout/time.Second)
	case s.Timeout > 0:
		d.Timeout = s.Timeout.Milliseconds()
	}
	var err error
	if d.Data, err = encode("data", s.Data); err != nil {
		return err
	}
	switch d.Missed = s.MissedRule; {
	case s.Missed == "":
	case d.Missed != nil:
		return errors.New("missed: both a word and a rule are given")
	default:
		if d.Missed, err = json.Marshal(s.Missed); err != nil {
			return fmt.Errorf("missed: %w", err)
		}
	}
	for name, raw := range map[string]json.RawMessage{"repeat": s.Repeat, "retry": s.Retry, "missed": s.MissedRule} {
		if raw != nil && (!json.Valid(raw) || !utf8.Valid(raw)) {
			return fmt.Errorf("%s: %.40q is no JSON", name, raw)
		}
	}
	return nil
}
