package gateway

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// A dead-man's switch is a task that every ping puts off, and whose job says that no ping came when it runs at last.
const (
	switchPrefix = "expect:" // of its id
	switchJob    = "expect"
)

// expectation is the argument of its job.
type expectation struct {
	ID    string `json:"id"`
	Every string `json:"every"`
	Since string `json:"since"` // the last ping
}

// ping serves /ping/<id>: whoever has that id lives. The first ping says how often others will come.
func (x *exchange) ping(rest string) error {
	id, err := url.PathUnescape(rest)
	if err != nil || id == "" {
		return missing("the path goes on with an id: /ping/<id>")
	}
	return x.method(map[string]func() error{http.MethodPost: func() error { return x.pinged(id) }})
}

func (x *exchange) pinged(id string) error {
	if err := x.may(rightPost); err != nil {
		return err
	}
	q := x.r.URL.Query()
	for name := range q {
		if name != "every" && name != "worker" {
			return bad(name, "there is no parameter %q: there are every and worker", name)
		}
	}
	t, err := x.expect(x.r.Context(), id, q.Get("every"), q.Get("worker"))
	if err != nil {
		return err
	}
	x.answer(http.StatusOK, expected{scheduled{task.Scheduled, t.ID, x.warning(x.r.Context(), t.Worker)}, gjson.ParseBytes(t.Date).Str})
	return nil
}

// expected is the answer to a ping.
type expected struct {
	scheduled

	Due string `json:"due"` // when it is too late for the next one
}

// period reads how often something is expected: "1h" or "every 1h".
func period(text string) (time.Duration, error) {
	every, err := when.ParseDuration(strings.TrimSpace(strings.TrimPrefix(text, "every ")))
	if err != nil || every <= 0 {
		return 0, bad("every", "%q is no duration: write every=1h, say", text)
	}
	return every, nil
}

// expect puts the switch of an id off by its period, and makes it where there is none.
func (x *exchange) expect(ctx context.Context, id, every, worker string) (*task.Task, error) {
	const tries = 20
	var err error
	for range tries {
		var t *task.Task
		if t, err = x.tasks.Get(ctx, switchPrefix+id); couch.IsNotFound(err) {
			t, err = x.newSwitch(ctx, id, every, worker)
		} else if err == nil {
			t, err = x.putOff(t, id, every)
		}
		if err != nil {
			return nil, err
		}
		var rev string
		if rev, err = x.db.Put(ctx, t.ID, t.Encode()); err == nil {
			return t.WithRev(rev), nil
		}
		if couch.IsNotFound(err) {
			return nil, noDatabase(x.opts.Database)
		}
		if !couch.IsConflict(err) || ctx.Err() != nil {
			return nil, err
		}
	}
	return nil, err
}

func (x *exchange) newSwitch(ctx context.Context, id, every, worker string) (*task.Task, error) {
	if worker == "" {
		worker = x.opts.Worker
	}
	switch {
	case worker == "":
		return nil, bad("worker", "name the worker that watches, or have one configured (gateway.worker)")
	case every == "":
		return nil, bad("every", "this is the first ping of %s: say how often others will come, every=1h", id)
	}
	if err := x.mayUse(worker); err != nil {
		return nil, err
	}
	wait, err := period(every)
	if err != nil {
		return nil, err
	}
	t, err := x.tasks.Prepare(ctx, client.Spec{
		ID: switchPrefix + id, Worker: worker, Job: switchJob, Date: x.now.Add(wait), Arguments: expectation{id, every, when.Format(x.now)},
	})
	if err != nil {
		return nil, asField(err)
	}
	return t, nil
}

// putOff gives a switch another date.
func (x *exchange) putOff(t *task.Task, id, every string) (*task.Task, error) {
	if t.Job != switchJob {
		return nil, conflict("id", "the document %s is no switch that a ping puts off: choose another id", t.ID)
	}
	if err := x.mayUse(t.Worker); err != nil {
		return nil, err
	}
	if every == "" {
		every = gjson.GetBytes(t.Arguments, "every").Str
	}
	wait, err := period(every)
	if err != nil {
		return nil, err
	}
	job := map[string]any{"name": switchJob, "arguments": expectation{id, every, when.Format(x.now)}}
	for _, field := range []struct {
		name  string
		value any
	}{{"job", job}, {"date", when.Format(x.now.Add(wait))}, {"status", task.Reschedule}} {
		raw, err := json.Marshal(field.value)
		if err != nil {
			return nil, err
		}
		if t, err = t.WithField(field.name, raw); err != nil {
			return nil, err
		}
	}
	return t, nil
}
