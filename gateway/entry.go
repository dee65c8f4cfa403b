package gateway

import (
	"encoding/json"
	"time"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/jobs/call"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// entry is how a task stands, as an answer says it. Dates are RFC 3339, durations milliseconds.
type entry struct {
	ID         string          `json:"id"`
	Rev        string          `json:"rev,omitempty"`
	Status     task.Status     `json:"status"`
	Worker     string          `json:"worker,omitempty"`
	Job        string          `json:"job,omitempty"`
	Method     string          `json:"method,omitempty"`
	URL        string          `json:"url,omitempty"`
	Due        string          `json:"due,omitempty"`    // the next start; none where the task has ended
	Repeat     json.RawMessage `json:"repeat,omitempty"` // as in the document
	Period     string          `json:"period,omitempty"` // the repeat in words
	Timezone   string          `json:"timezone,omitempty"`
	Executions int64           `json:"executions"`        // runs that came to an outcome
	Attempt    int64           `json:"attempt,omitempty"` // of the firing at hand, from 1
	Started    string          `json:"started,omitempty"`
	Finished   string          `json:"finished,omitempty"`
	Duration   int64           `json:"duration,omitempty"`
	Lag        int64           `json:"lag,omitempty"`
	Result     json.RawMessage `json:"result,omitempty"`
	Error      *failure        `json:"failure,omitempty"`
	Note       string          `json:"note,omitempty"` // the last word of its history: why it was put off, say
	Warning    string          `json:"warning,omitempty"`
}

// failure is how a task failed. It is not called error, which is what answers are that refuse.
type failure struct {
	Message string `json:"message"`
	Kind    string `json:"kind,omitempty"`
	Attempt int64  `json:"attempt,omitempty"`
	Code    int64  `json:"code,omitempty"` // the HTTP status that the endpoint answered
	Next    string `json:"next,omitempty"` // when it is tried again
}

func (x *exchange) entryOf(t *task.Task) *entry {
	if t.Deleted {
		return &entry{ID: t.ID, Rev: t.Rev, Status: "deleted"}
	}
	e := &entry{
		ID: t.ID, Rev: t.Rev, Status: t.Status, Worker: t.Worker, Job: t.Job, Timezone: t.Timezone, Repeat: t.Repeat, Executions: t.Executions,
		Started: date(t.Started), Finished: date(t.Finished), Duration: t.Duration.Milliseconds(), Lag: t.Lag.Milliseconds(), Result: t.Result,
	}
	if e.Status == "" {
		e.Status = task.Waiting
	}
	if history := t.History(); len(history) > 0 {
		e.Note = history[len(history)-1].Note
	}
	if t.Repeat != nil {
		e.Period = x.periodOf(t)
	}
	if t.Job == jobName {
		e.Method, e.URL = call.MethodOf(t.Arguments), gjson.GetBytes(t.Arguments, "url").Str
	}
	switch {
	case t.Ended():
	case t.Plan != nil && !t.Asks():
		e.Due = date(t.Plan.Due)
		e.Attempt = t.Attempt()
	case len(t.Date) > 0 && t.Date[0] == '"':
		e.Due = gjson.ParseBytes(t.Date).Str
	}
	if f := t.Error; f != nil {
		e.Error = &failure{f.Message, f.Kind, f.Attempt, f.Code, date(f.Next)}
	}
	return e
}

// periodOf says the repeat of a task in words; nothing where it cannot be read. The days of calendars are none of them.
func (x *exchange) periodOf(t *task.Task) string {
	loc, err := when.LoadLocation(t.Timezone)
	if err != nil {
		return ""
	}
	unread := func(string) (*when.Calendar, error) { return &when.Calendar{}, nil }
	rule, err := when.ParseRule(t.Repeat, when.Scope{Now: x.now, Zone: loc, Seed: t.ID, Calendar: unread})
	if err != nil {
		return ""
	}
	return rule.Words()
}

func date(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return when.Format(t)
}
