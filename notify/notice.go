// Package notify tells people and programs what came of tasks: a notice is a document that the worker writes before the outcome it tells of,
// and that is deleted when everybody it names has been told.
package notify

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"
	"time"

	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// Type is the field type of a notice's document.
const Type = "notice"

// Prefix is how the _id of a notice begins.
const Prefix = "notice:"

// mostResult is how many bytes of a result a notice carries.
const mostResult = 64 << 10

// Notice is one event to tell.
type Notice struct {
	ID, Rev  string
	By       string // the worker whose task it is of
	Member   string // the process that wrote it
	Site     string // where that runs, and the notice is told; "" is anywhere
	Event    task.Event
	Task     string // the task's _id
	Job      string
	Key      string // of the firing
	Attempt  int64
	At       time.Time // when it was known
	Nominal  time.Time // zero where nothing was planned
	Started  time.Time // zero where nothing ran
	Finished time.Time
	Kind     string // of the error, "" where there is none
	Error    string
	Code     int64 // an HTTP status, an exit code; 0 is none
	Result   json.RawMessage
	Cut      bool // the result was longer than 64 KiB, and is the text of its beginning
	To       To
}

// To is who is told.
type To struct {
	URL   string   `json:"url,omitempty"`
	Email []string `json:"email,omitempty"`
}

// document is a Notice as it is written. Its worker is the field by: by the field worker, feeds of tasks are dispatched.
type document struct {
	ID       string          `json:"_id"`
	Rev      string          `json:"_rev,omitempty"`
	Type     string          `json:"type"`
	By       string          `json:"by"`
	Member   string          `json:"member,omitempty"`
	Site     string          `json:"site,omitempty"`
	Event    task.Event      `json:"event"`
	Task     string          `json:"task"`
	Job      string          `json:"job"`
	Key      string          `json:"key"`
	Attempt  int64           `json:"attempt"`
	At       string          `json:"at"`
	Nominal  string          `json:"nominal,omitempty"`
	Started  string          `json:"started,omitempty"`
	Finished string          `json:"finished,omitempty"`
	Kind     string          `json:"kind,omitempty"`
	Error    string          `json:"error,omitempty"`
	Code     int64           `json:"code,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	Cut      bool            `json:"cut,omitempty"`
	To       To              `json:"to"`
}

// Of gives the notice of what is to be told before t is written as it stands; false where there is nothing to tell, or nobody.
func Of(t *task.Task, now time.Time, self task.Self) (Notice, bool) {
	report := t.Report()
	if report == nil {
		return Notice{}, false
	}
	link, email := t.Notify.To(report.Event)
	if link == "" && len(email) == 0 {
		return Notice{}, false
	}
	n := Notice{
		ID: Prefix + report.Key + "#" + strconv.FormatInt(report.Attempt, 10) + ":" + string(report.Event),
		By: t.Worker, Member: self.Member, Event: report.Event, Task: t.ID, Job: t.Job, Key: report.Key, Attempt: report.Attempt,
		At: now, Nominal: report.Nominal, Started: report.Started, Finished: report.Finished, To: To{URL: link, Email: email},
	}
	if f := report.Failure; f != nil {
		n.Kind, n.Error, n.Code = f.Kind, f.Message, f.Code
	}
	if n.Result = report.Result; len(n.Result) > mostResult {
		n.Cut = true
		n.Result, _ = json.Marshal(strings.ToValidUTF8(string(n.Result[:mostResult]), "")) // a string can always be encoded
	}
	return n, true
}

// Encode gives the document.
func (n Notice) Encode() ([]byte, error) {
	raw, err := json.Marshal(document{
		ID: n.ID, Rev: n.Rev, Type: Type, By: n.By, Member: n.Member, Site: n.Site, Event: n.Event, Task: n.Task, Job: n.Job, Key: n.Key, Attempt: n.Attempt,
		At: Stamp(n.At), Nominal: Stamp(n.Nominal), Started: Stamp(n.Started), Finished: Stamp(n.Finished),
		Kind: n.Kind, Error: n.Error, Code: n.Code, Result: n.Result, Cut: n.Cut, To: n.To,
	})
	if err != nil {
		return nil, fmt.Errorf("encoding the notice %s: %w", n.ID, err)
	}
	return raw, nil
}

// Stamp is how an instant is written in a notice and in what is posted of it: in RFC 3339, empty where there is none.
func Stamp(at time.Time) string {
	if at.IsZero() {
		return ""
	}
	return when.Format(at)
}

// Decode reads a document; the error says why it is no notice.
func Decode(raw []byte) (Notice, error) {
	var d document
	if err := json.Unmarshal(raw, &d); err != nil {
		return Notice{}, fmt.Errorf("decoding a notice: %w", err)
	}
	if d.Type != Type || d.Task == "" || d.By == "" {
		return Notice{}, fmt.Errorf("decoding a notice: the document %q is none", d.ID)
	}
	n := Notice{
		ID: d.ID, Rev: d.Rev, By: d.By, Member: d.Member, Site: d.Site, Event: d.Event, Task: d.Task, Job: d.Job, Key: d.Key, Attempt: d.Attempt,
		Kind: d.Kind, Error: d.Error, Code: d.Code, Result: d.Result, Cut: d.Cut, To: d.To,
	}
	for _, read := range []struct {
		from string
		to   *time.Time
	}{{d.At, &n.At}, {d.Nominal, &n.Nominal}, {d.Started, &n.Started}, {d.Finished, &n.Finished}} {
		if read.from == "" {
			continue
		}
		var err error
		if *read.to, err = time.Parse(time.RFC3339Nano, read.from); err != nil {
			return Notice{}, fmt.Errorf("decoding the notice %s: %w", d.ID, err)
		}
	}
	return n, nil
}
