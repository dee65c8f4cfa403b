package gateway

import (
	"cmp"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/expect"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

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
	p, err := readPing(x.r.URL.Query())
	switch {
	case err != nil:
		return err
	case !utf8.ValidString(id):
		return bad("id", "id %q is no valid UTF-8", id)
	}
	p.id = id
	t, due, err := x.sign(x.r.Context(), p)
	if err != nil {
		return err
	}
	x.answer(http.StatusOK, expected{scheduled{task.Scheduled, t.ID, x.warning(x.r.Context(), t.Worker)}, when.Format(due)})
	return nil
}

// expected is the answer to a ping.
type expected struct {
	scheduled

	Due string `json:"due"` // when it is too late for the next one
}

// ping is what a sign of life says beside who lives; all but the id may be empty where it is not the first one.
type ping struct {
	id, worker string
	every      time.Duration
	notify     *task.Notify
}

// readPing reads the parameters of a ping: every, worker, notify.url, notify.email and notify.on, the last two as often as wanted.
func readPing(q url.Values) (p ping, err error) {
	to := map[string]any{}
	for name, values := range q {
		if err := plainValues(name, name, values); err != nil && name != "worker" { // whose name is checked as a whole
			return p, err
		}
		switch name {
		case "every":
			if p.every, err = task.ParsePeriod(values[0]); err != nil {
				return p, bad("every", "%v; write every=1h, say", err)
			}
		case "worker":
			if p.worker = values[0]; p.worker == "" {
				continue
			}
			if err := client.CheckName("worker", p.worker); err != nil {
				return p, bad("worker", "%v", err)
			}
		case "notify.url":
			to["url"] = values[0]
		case "notify.email", "notify.on":
			to[strings.TrimPrefix(name, "notify.")] = values
		default:
			return p, bad(name, "there is no parameter %q: there are every, worker, notify.url, notify.email and notify.on", name)
		}
	}
	if len(to) == 0 {
		return p, nil
	}
	raw, err := json.Marshal(to)
	if err != nil {
		return p, err
	}
	if p.notify, err = task.ParseNotify(raw); err != nil {
		return p, badNotify(err)
	}
	return p, nil
}

// sign writes a sign of life into the switch of an id, and makes it where there is none. It gives when the next one is due.
func (x *exchange) sign(ctx context.Context, p ping) (t *task.Task, due time.Time, err error) {
	err = couch.Again(ctx, func() error {
		found, err := x.tasks.Get(ctx, expect.ID(p.id))
		var s expect.Switch
		if couch.IsNotFound(err) {
			found, s, err = x.newSwitch(p)
		} else if err == nil {
			found, s, err = x.seen(found, p)
		}
		if err != nil {
			return err
		}
		rev, err := x.db.Put(ctx, found.ID, found.Encode())
		switch {
		case couch.IsNotFound(err):
			return noDatabase(x.opts.Database)
		case err != nil:
			return err
		}
		t, due = found.WithRev(rev), x.now.Add(s.Every)
		return nil
	})
	return t, due, err
}

func (x *exchange) newSwitch(p ping) (*task.Task, expect.Switch, error) {
	s := expect.Switch{ID: p.id, Worker: cmp.Or(p.worker, x.opts.Worker), Every: p.every, Notify: p.notify}
	switch {
	case s.Worker == "":
		return nil, s, bad("worker", "name the worker that watches, or have one configured (gateway.worker)")
	case s.Every == 0:
		return nil, s, bad("every", "this is the first ping of %s: say how often others will come, every=1h", p.id)
	}
	if err := x.mayUse(s.Worker); err != nil {
		return nil, s, err
	}
	raw, err := s.Document(x.now)
	if err != nil {
		return nil, s, err
	}
	t, err := task.Decode(raw)
	return t, s, err
}

// seen gives a switch that is there after a ping.
func (x *exchange) seen(t *task.Task, p ping) (*task.Task, expect.Switch, error) {
	s, ok := expect.Of(t)
	if !ok {
		return nil, s, conflict("id", "the document %s is no switch that a ping puts off: choose another id", t.ID)
	}
	if err := x.mayUse(s.Worker); err != nil {
		return nil, s, err
	}
	s.Every, s.Worker = cmp.Or(p.every, s.Every), cmp.Or(p.worker, s.Worker)
	if p.notify != nil {
		s.Notify = p.notify
	}
	if err := x.mayUse(s.Worker); err != nil {
		return nil, s, err
	}
	next, err := s.Seen(t, x.now)
	return next, s, err
}
