package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/jobs/call"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// arguments are those of the job that makes the call.
type arguments struct {
	URL        string              `json:"url"`
	Method     string              `json:"method"`
	Query      map[string][]string `json:"query,omitempty"`
	Headers    map[string]string   `json:"headers,omitempty"`
	Body       json.RawMessage     `json:"body,omitempty"`
	Form       map[string][]string `json:"form,omitempty"`
	Attachment string              `json:"attachment,omitempty"`
	Codes      json.RawMessage     `json:"codes,omitempty"`
	Limit      string              `json:"limit,omitempty"`
	Callback   json.RawMessage     `json:"callback,omitempty"`
}

const (
	jobName    = "http"
	formFormat = "form"
	jsonFormat = "json"
)

// prepare makes the task of an order, and refuses what is wrong with it. Nothing is written.
func (x *exchange) prepare(ctx context.Context, o *order) (*task.Task, error) {
	o.Worker = cmp.Or(o.Worker, x.opts.Worker)
	if o.URL == "" {
		return nil, bad("url", "the address to call is missing: url, task.url in a form")
	}
	if o.Worker == "" {
		return nil, bad("worker", "name the worker that makes the call (worker, task.worker in a form, after.worker of a request that is handed over), or have one "+
			"configured (gateway.worker)")
	}
	if err := x.mayUse(o.Worker); err != nil {
		return nil, err
	}
	if o.ID == batchName {
		return nil, bad("id", "%q is the path of many posts at once: choose another id", batchName)
	}
	if err := x.checkAddress(ctx, o); err != nil {
		return nil, err
	}
	made, err := o.call()
	if err != nil {
		return nil, err
	}
	s := client.Spec{
		ID: o.ID, Worker: o.Worker, Job: jobName, Arguments: made, Timezone: o.Timezone, Repeat: o.Repeat, Retry: o.Retry, Tags: o.Tags,
	}
	if s.Date, err = o.date(x.now); err != nil {
		return nil, err
	}
	if err := o.checkRepeat(); err != nil {
		return nil, err
	}
	if o.Timeout != "" {
		if s.Timeout, err = when.ParseDuration(o.Timeout); err != nil || s.Timeout <= 0 {
			return nil, bad("timeout", "%q is no duration: write 30s or 5m, say", o.Timeout)
		}
		s.Timeout = s.Timeout.Truncate(time.Millisecond)
	}
	if s.Fields, err = x.fields(o, made); err != nil {
		return nil, err
	}
	t, err := x.tasks.Prepare(ctx, s)
	if err != nil {
		return nil, asField(err)
	}
	return t, nil
}

// asField tells what is wrong with a field of a task; errors of the server stay as they are.
func asField(err error) error {
	if couch.Status(err) != 0 {
		return err
	}
	if _, ok := errors.AsType[*url.Error](err); ok {
		return err
	}
	if e, ok := errors.AsType[*call.ArgumentError](err); ok {
		return bad(fieldOf(e.Argument), "%v", e)
	}
	field, _, found := strings.Cut(err.Error(), ":")
	if !found || strings.ContainsAny(field, ` "`) {
		field, _, _ = strings.Cut(field, " ")
	}
	if field == "date" {
		field = "eta"
	}
	return bad(field, "%v", err)
}

// fieldOf is the field of an order that an argument of the job is made of.
func fieldOf(argument string) string {
	name, _, _ := strings.Cut(argument, ".")
	switch name {
	case "headers":
		return argument
	case "form", "query", "body":
		return "params"
	}
	return name
}

// date is when the task runs; zero is at once.
func (o *order) date(now time.Time) (time.Time, error) {
	switch {
	case o.Countdown != nil && o.ETA != nil:
		return time.Time{}, bad("countdown", "both eta and countdown are given: they say the same thing")
	case o.Countdown != nil:
		wait, err := countdown(o.Countdown)
		if err != nil {
			return time.Time{}, err
		}
		return now.Add(wait), nil
	case o.ETA == nil:
		return time.Time{}, nil
	}
	loc, err := when.LoadLocation(o.Timezone)
	if err != nil {
		return time.Time{}, bad("timezone", "%v", err)
	}
	date, err := when.ParseDateJSON(o.ETA, now, loc)
	if err != nil {
		return time.Time{}, bad("eta", "%v", err)
	}
	return date.Time, nil
}

// checkRepeat refuses a repeat that was hardly meant: in a document, a bare number is milliseconds.
func (o *order) checkRepeat() error {
	if n, err := strconv.ParseInt(string(o.Repeat), 10, 64); err == nil && n >= 0 && n < time.Second.Milliseconds() {
		return bad("repeat", "%d of what? Write \"%[1]ds\" for seconds, {\"milliseconds\": %[1]d} for milliseconds", n)
	}
	return nil
}

// countdown reads seconds, as a number or as its digits, or a duration.
func countdown(raw json.RawMessage) (time.Duration, error) {
	var seconds float64
	text := string(raw)
	if raw[0] == '"' {
		if json.Unmarshal(raw, &text) != nil {
			return 0, bad("countdown", "the text cannot be read")
		}
	}
	const most = 100 * 365 * 24 * time.Hour
	wait := time.Duration(-1)
	if json.Unmarshal([]byte(text), &seconds) == nil && seconds <= most.Seconds() {
		wait = time.Duration(seconds * float64(time.Second)).Truncate(time.Millisecond)
	} else if d, err := when.ParseDuration(text); err == nil {
		wait = d
	}
	if wait < 0 || wait > most {
		return 0, bad("countdown", "%.40q is neither a number of seconds from 0 nor a duration such as 5m", text)
	}
	return wait, nil
}

// call makes the arguments of the job.
func (o *order) call() (*arguments, error) {
	a := &arguments{URL: o.URL, Method: strings.ToUpper(cmp.Or(o.Method, http.MethodPost)), Headers: o.Headers, Codes: o.Codes, Limit: o.Limit}
	switch callback := string(o.Callback); {
	case callback == "" || callback == "false" || callback == "null":
	case callback[0] >= '0' && callback[0] <= '9':
		return nil, bad("callback", "%.20s of what? Write \"%[1]ss\" for seconds", callback)
	default:
		a.Callback = o.Callback
	}
	if o.raw != nil {
		o.raw.into(a)
		return a, nil
	}
	var err error
	switch format := cmp.Or(o.Format, formFormat); {
	case format != formFormat && format != jsonFormat:
		return nil, bad("format", "%q is neither form nor json", o.Format)
	case a.Method == http.MethodGet || a.Method == http.MethodHead:
		a.Query, err = o.formParams()
	case format == formFormat:
		a.Form, err = o.formParams()
	default:
		a.Body, err = o.jsonParams()
	}
	return a, err
}

// jsonParams are the parameters as one JSON object: fields of a form that come once are texts, others lists.
func (o *order) jsonParams() (json.RawMessage, error) {
	if o.form == nil {
		if o.Params != nil && o.Params[0] != '{' {
			return nil, o.noParams()
		}
		return o.Params, nil
	}
	object := make(map[string]any, len(o.form))
	for name, values := range o.form {
		if object[name] = values; len(values) == 1 {
			object[name] = values[0]
		}
	}
	return json.Marshal(object)
}
