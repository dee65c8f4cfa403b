package send

import (
	"encoding/json"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/jobs/call"
	"github.com/adlayer/after/notify"
	"github.com/adlayer/after/task"
)

// payload is what is posted, in the form of Standard Webhooks.
type payload struct {
	Type      string `json:"type"`
	Timestamp string `json:"timestamp"`
	Data      data   `json:"data"`
}

type data struct {
	Event    task.Event      `json:"event"`
	Task     string          `json:"task"`
	Job      string          `json:"job"`
	Worker   string          `json:"worker"`
	Key      string          `json:"key"`
	Nominal  string          `json:"nominal,omitempty"`
	Attempt  int64           `json:"attempt"`
	Started  string          `json:"started,omitempty"`
	Finished string          `json:"finished,omitempty"`
	Duration int64           `json:"duration,omitempty"` // ms
	Error    *failure        `json:"error,omitempty"`
	Result   json.RawMessage `json:"result,omitempty"`
	Cut      bool            `json:"cut,omitempty"`
}

type failure struct {
	Kind    string `json:"kind"`
	Message string `json:"message"`
	Code    int64  `json:"code,omitempty"`
}

// body gives the JSON that is posted.
func (it *item) body() json.RawMessage {
	d := data{
		Event: it.Event, Task: it.Task, Job: it.Job, Worker: it.By, Key: it.Key, Nominal: notify.Stamp(it.Nominal), Attempt: it.Attempt,
		Started: notify.Stamp(it.Started), Finished: notify.Stamp(it.Finished), Result: it.Result, Cut: it.Cut,
	}
	if !it.Started.IsZero() {
		d.Duration = max(0, it.Finished.Sub(it.Started).Milliseconds())
	}
	if it.Kind != "" || it.Error != "" {
		d.Error = &failure{Kind: it.Kind, Message: it.Error, Code: it.Code}
	}
	raw, _ := json.Marshal(payload{Type: "task." + string(it.Event), Timestamp: notify.Stamp(it.At), Data: d}) // the result was JSON in the document
	return raw
}

// call gives the task that the post is made for: the http job marks and signs it as all its calls. The notice's id takes the place of the
// firing's key, so that it is the same in every repetition.
func (it *item) call(log logrus.FieldLogger) *jobs.Task {
	nominal := it.Nominal
	if nominal.IsZero() {
		nominal = it.At
	}
	document := &task.Task{ID: it.Task, Worker: it.By, Job: it.Job, Plan: &task.Plan{Key: it.ID, Nominal: nominal, Due: it.At}}
	return jobs.NewTask(document, int64(it.state.URL.Attempts)+1, log)
}

// arguments are those of the http job. Only a 2xx says that it was told; a redirect is none, since its receiver would be another one.
func (it *item) arguments() call.Arguments {
	var none call.Follow
	codes := call.Codes{Error: []call.Code{}}
	for _, list := range []struct {
		to    *[]call.Code
		texts []string
	}{{&codes.Done, []string{"2xx"}}, {&codes.Retry, []string{"0", "1xx", "3xx", "4xx", "5xx"}}, {&codes.Remove, []string{"410"}}} {
		for _, text := range list.texts {
			if code, err := call.ParseCode(text); err == nil {
				*list.to = append(*list.to, code)
			}
		}
	}
	return call.Arguments{URL: it.To.URL, Method: "POST", Body: it.body(), Timeout: call.Span(postTimeout), Redirects: &none, Codes: codes}
}
