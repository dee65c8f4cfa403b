package gateway

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"net/url"
	"time"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/tidwall/gjson"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/webhook"
)

// ending is what an endpoint that was left with a call says at its end.
type ending struct {
	Status string          `json:"status,omitempty"` // done or error; empty is done
	Result json.RawMessage `json:"result,omitempty"`
	Error  string          `json:"error,omitempty"`
	Code   int64           `json:"code,omitempty"`
}

// callback serves /callback/<token>. The token is all that its holder needs: the document is written as the gateway itself.
func (x *exchange) callback(rest string) error {
	token, err := url.PathUnescape(rest)
	if err != nil || token == "" {
		return missing("the path goes on with the token that the call came with")
	}
	return x.method(map[string]func() error{http.MethodPost: func() error { return x.calledBack(token) }})
}

func (x *exchange) calledBack(token string) error {
	if x.opts.Callbacks == nil {
		return missing("callbacks need a signing key (http.signing_key), and none is configured")
	}
	run, err := x.opts.Callbacks.Callback(token)
	switch {
	case errors.Is(err, webhook.ErrTime):
		return &refusal{status: http.StatusGone, Name: "gone", Reason: "the callback comes too late: its token has expired"}
	case err != nil:
		return forbidden("the token is not one that this queue has signed")
	}
	end, release, err := x.ending()
	defer release()
	if err != nil {
		return err
	}
	x.asOwn = true
	ctx := context.WithValue(x.r.Context(), callerKey{}, x.own())
	err = couch.Again(ctx, func() error { return x.end(ctx, run, end) })
	if couch.IsNotFound(err) {
		return taskIsGone()
	}
	if err != nil {
		return err
	}
	x.answer(http.StatusAccepted, scheduled{Status: task.Status(end.Status), ID: run.Task})
	return nil
}

// ending reads the body: JSON, or nothing.
func (x *exchange) ending() (end ending, release func(), err error) {
	body, release, err := x.body()
	if err != nil {
		return end, release, err
	}
	if len(body) > 0 {
		if err := x.wantsJSON(); err != nil {
			return end, release, err
		}
		if err := jsonv2.Unmarshal(body, &end, jsonv2.RejectUnknownMembers(true)); err != nil {
			return end, release, unreadable(err, "code, error, result and status")
		}
	}
	switch end.Status {
	case "":
		end.Status = string(task.Done)
	case string(task.Done), string(task.Failed):
	default:
		return end, release, bad("status", "%q is neither done nor error", end.Status)
	}
	return end, release, nil
}

// callbackPatience is how long a callback waits for the worker to write that the run is on.
const callbackPatience = 10 * time.Second

// end writes the outcome into the document of a run that waits for it. The same said again changes nothing.
func (x *exchange) end(ctx context.Context, run webhook.Callback, end ending) error {
	t, err := x.tasks.Get(ctx, run.Task)
	if err != nil {
		return err
	}
	if status := saidBefore(t, run); status == end.Status {
		return nil
	} else if status != "" {
		return conflict("status", "this run ended as %s before", status)
	}
	outcome := task.Callback{
		Key: run.Key, Attempt: run.Attempt, Status: task.Status(end.Status), Result: end.Result, Error: end.Error, Code: end.Code, At: x.now,
	}
	next, err := t.WithCallback(outcome)
	if errors.Is(err, task.ErrEarly) { // the endpoint was faster than its worker, which is about to write that the run is on
		t, err = x.outcome(ctx, t, callbackPatience, func(now *task.Task) bool {
			_, err := now.WithCallback(outcome)
			return !errors.Is(err, task.ErrEarly)
		})
		if err != nil {
			return err
		}
		next, err = t.WithCallback(outcome)
	}
	switch {
	case t.Deleted:
		return taskIsGone()
	case errors.Is(err, task.ErrEarly):
		return busy(err.Error() + "; try again")
	case err != nil:
		return conflict("", "nothing waits for this callback: %v", err)
	}
	_, err = x.db.Put(ctx, run.Task, next.Encode())
	return err
}

// saidBefore is what the same callback said before, as the document tells: it waits there for the worker, or ended the task. Empty where
// it said nothing.
func saidBefore(t *task.Task, run webhook.Callback) string {
	said := gjson.ParseBytes(t.Callback)
	switch {
	case said.Get("key").Str == run.Key && said.Get("attempt").Int() == run.Attempt:
		return said.Get("status").Str
	case (t.Status == task.Done || t.Status == task.Failed) && t.Key() == run.Key && t.Attempt() == run.Attempt && (t.Error == nil || t.Error.Kind == task.KindJob):
		return string(t.Status)
	}
	return ""
}

func taskIsGone() error { return missing("the task of this callback is not there any more") }
