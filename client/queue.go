package client

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"iter"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// Queue has endpoints called, now or later. It is the same over the database ([Client.Queue]) and over the queue's address ([Dial]). What is
// not there, or is refused, is a [couch.Error] either way.
type Queue interface {
	// Schedule writes the task of a call and gives its id. The same call again under the same ID is answered as the first one was; an ID that is
	// taken by anything else is a [DiffersError].
	Schedule(ctx context.Context, c Call) (id string, err error)
	// Get tells how a task stands.
	Get(ctx context.Context, id string) (*State, error)
	// Wait waits until a task has ended, or is deleted.
	Wait(ctx context.Context, id string) (*State, error)
	// Cancel asks that a task does not run, or stops. One that has ended is a conflict.
	Cancel(ctx context.Context, id string) error
	// Reschedule gives a task another date. One that has ended runs again then.
	Reschedule(ctx context.Context, id string, date time.Time) error
	// List gives tasks by their worker, job and status, page by page as they are asked for, up to the limit. After an error it ends.
	List(ctx context.Context, f Filter) iter.Seq2[*State, error]
	// Watch tells how a task stands, and again after each change, until ctx ends, it is deleted, or changed returns an error, which Watch gives
	// back. Of several changes in quick succession it may tell the last one only.
	Watch(ctx context.Context, id string, changed func(*State) error) error
}

// Call is an endpoint to be called. URL is required, and Worker where the queue knows none by itself; the database never does.
type Call struct {
	ID      string // of the task; empty: a new one
	Worker  string
	URL     string
	Method  string // empty: POST
	Headers map[string]string
	Form    map[string][]string // the parameters: as a form, or in the query for GET
	JSON    json.RawMessage     // or instead an object

	Date     time.Time // zero: at once
	Timezone string
	Repeat   json.RawMessage // as in the document
	Retry    json.RawMessage // as in the document
	Timeout  time.Duration   // whole milliseconds

	// Callback lets the endpoint answer 202 and finish later, by the URL that it is given in X-After-Callback: "true", or for how long that is
	// awaited at most ("2h"); empty: it has to finish at once.
	Callback string

	Notify *task.Notify // who is told what came of it; nil: nobody
	Expect string       // how often it is to be done ("every 1h"), so that its silence is told; empty: unknown
}

// State is how a task of a queue stands.
type State struct {
	ID         string          `json:"id"`
	Rev        string          `json:"rev"`
	Status     task.Status     `json:"status"`
	Deleted    bool            `json:"-"`
	Worker     string          `json:"worker"`
	Job        string          `json:"job"`
	Due        time.Time       `json:"due,omitzero"` // the next start; zero where there is none, or it is not known yet
	Executions int64           `json:"executions"`
	Started    time.Time       `json:"started,omitzero"`
	Finished   time.Time       `json:"finished,omitzero"`
	Result     json.RawMessage `json:"result,omitempty"`
	Failure    *Failure        `json:"failure,omitempty"` // how the last run failed
}

// Failure is how a run failed.
type Failure struct {
	Message string `json:"message"`
	Kind    string `json:"kind"`
	Code    int64  `json:"code"` // the status that the endpoint answered; 0 where it did not
}

// Ended says whether the task has come to its end.
func (s *State) Ended() bool {
	return s.Deleted || s.Status == task.Done || s.Status == task.Failed || s.Status == task.Canceled
}

// Queue gives the queue over the database.
func (c *Client) Queue() Queue { return direct{c} }

// direct is the queue over the database.
type direct struct{ client *Client }

func (d direct) Schedule(ctx context.Context, c Call) (string, error) {
	spec, content, err := c.spec()
	if err != nil {
		return "", err
	}
	note, err := d.client.Posted(c.ID, "", content)
	if err != nil {
		return "", err
	}
	spec.Fields = map[string]json.RawMessage{PostedField: note}
	t, err := d.client.Prepare(ctx, spec)
	if err != nil {
		return "", fmt.Errorf("scheduling a call: %w", err)
	}
	t, _, err = d.client.Post(ctx, t, nil)
	if err != nil {
		return "", err
	}
	return t.ID, nil
}

// spec makes the task of a call, and its content as the queue over HTTP has it.
func (c Call) spec() (Spec, Content, error) {
	if c.Form != nil && c.JSON != nil {
		return Spec{}, nil, errBothParameters
	}
	method := strings.ToUpper(cmp.Or(c.Method, http.MethodPost))
	arguments := map[string]any{"url": c.URL, "method": method}
	content := Content{
		"url": []byte(c.URL), "method": []byte(method), "worker": []byte(c.Worker), "timezone": []byte(c.Timezone), "repeat": c.Repeat, "retry": c.Retry,
		"timeout": []byte(c.timeout()), "eta": c.eta(), "notify": c.notify(), "expect": c.expect(),
	}
	if callback := c.callback(); callback != nil {
		arguments["callback"], content["callback"] = callback, callback
	}
	if len(c.Headers) > 0 {
		arguments["headers"] = c.Headers
		content["headers"], _ = json.Marshal(c.Headers) //nolint:errchkjson // texts have no error
	}
	switch {
	case c.JSON != nil:
		arguments["body"] = c.JSON
		content["params"], content["format"] = c.JSON, []byte("json")
	case len(c.Form) > 0:
		where := "form"
		if method == http.MethodGet || method == http.MethodHead {
			where = "query"
		}
		arguments[where] = c.Form
		content["params"], _ = json.Marshal(c.Form) //nolint:errchkjson // texts have no error
	}
	return Spec{
		ID: c.ID, Worker: c.Worker, Job: httpJob, Arguments: arguments, Date: c.Date, Timezone: c.Timezone, Repeat: c.Repeat, Retry: c.Retry, Timeout: c.Timeout,
		Notify: c.Notify, Expect: c.Expect,
	}, content, nil
}

// timeout is the timeout as a post has it; empty for none.
func (c Call) timeout() string {
	if c.Timeout <= 0 {
		return ""
	}
	return strconv.FormatInt(c.Timeout.Milliseconds(), 10) + "ms"
}

// notify is who is told as a post has it, as JSON; nil for nobody.
func (c Call) notify() json.RawMessage {
	if c.Notify == nil {
		return nil
	}
	raw, _ := json.Marshal(c.Notify) //nolint:errchkjson // texts have no error
	return raw
}

// callback is whether the endpoint may finish later as a post has it, as JSON; nil where it may not.
func (c Call) callback() json.RawMessage {
	switch c.Callback {
	case "", "false":
		return nil
	case "true":
		return json.RawMessage(c.Callback)
	}
	raw, _ := json.Marshal(c.Callback) //nolint:errchkjson // a text has no error
	return raw
}

// expect is how often the task is expected as a post has it, as JSON; nil where that is unknown.
func (c Call) expect() json.RawMessage {
	if c.Expect == "" {
		return nil
	}
	raw, _ := json.Marshal(c.Expect) //nolint:errchkjson // texts have no error
	return raw
}

// eta is the date as a post has it, as JSON; nil for none.
func (c Call) eta() json.RawMessage {
	if c.Date.IsZero() {
		return nil
	}
	return json.RawMessage(`"` + when.Format(c.Date) + `"`)
}

var errBothParameters = errors.New("scheduling a call: both a form and JSON are given")

func (d direct) Get(ctx context.Context, id string) (*State, error) {
	t, err := d.client.Get(ctx, id)
	if err != nil {
		return nil, err
	}
	return stateOf(t), nil
}

func (d direct) Wait(ctx context.Context, id string) (*State, error) {
	ended, err := d.client.Wait(ctx, []string{id}, nil)
	if err != nil {
		return nil, err
	}
	return stateOf(ended[0]), nil
}

func (d direct) Cancel(ctx context.Context, id string) error { return d.client.Cancel(ctx, id) }

func (d direct) Reschedule(ctx context.Context, id string, date time.Time) error {
	return d.client.Reschedule(ctx, id, date)
}

func (d direct) List(ctx context.Context, f Filter) iter.Seq2[*State, error] {
	return func(yield func(*State, error) bool) {
		for t, err := range d.client.List(ctx, f) {
			if err != nil {
				yield(nil, err)
				return
			}
			if !yield(stateOf(t), nil) {
				return
			}
		}
	}
}

// errGone ends a watch.
var errGone = errors.New("the task was deleted")

func (d direct) Watch(ctx context.Context, id string, changed func(*State) error) error {
	info, err := d.client.db.Info(ctx)
	if err != nil {
		return err
	}
	first, err := d.client.Get(ctx, id)
	if err != nil {
		return err
	}
	if err := changed(stateOf(first)); err != nil {
		return err
	}
	err = d.client.follow(ctx, info.UpdateSeq, []string{id}, func(t *task.Task) error {
		if t.Rev == first.Rev || !t.Deleted && couch.Beats(first.Rev, t.Rev) {
			return nil // what it was before is no news
		}
		if err := changed(stateOf(t)); err != nil || !t.Deleted {
			return err
		}
		return errGone
	})
	if errors.Is(err, errGone) {
		return nil
	}
	return err
}

func stateOf(t *task.Task) *State {
	s := &State{
		ID: t.ID, Rev: t.Rev, Status: statusOf(t), Deleted: t.Deleted, Worker: t.Worker, Job: t.Job, Executions: t.Executions, Started: t.Started,
		Finished: t.Finished, Result: t.Result,
	}
	switch {
	case t.Deleted:
		s.Status = deletedStatus
	case t.Ended():
	case t.Plan != nil && !t.Asks():
		s.Due = t.Plan.Due
	default:
		var text string
		if json.Unmarshal(t.Date, &text) == nil {
			s.Due, _ = time.Parse(time.RFC3339, text) // words are not known yet
		}
	}
	if f := t.Error; f != nil {
		s.Failure = &Failure{f.Message, f.Kind, f.Code}
	}
	return s
}

// deletedStatus is what the queue says of a task whose document is deleted.
const deletedStatus = "deleted"
