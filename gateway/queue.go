package gateway

import (
	"cmp"
	"context"
	"errors"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
)

// batchName is the path of many posts at once, which no task can have as its id.
const batchName = "batch"

// queue serves /queue and what is below it. rest is what comes behind, as it was sent.
func (x *exchange) queue(rest string) error {
	if rest == "" {
		return x.method(map[string]func() error{http.MethodGet: x.list, http.MethodPost: x.post})
	}
	escaped, below, deeper := strings.Cut(rest, "/")
	id, err := url.PathUnescape(escaped)
	if err != nil {
		return bad("", "the path is not percent-encoded as it should be")
	}
	switch {
	case id == "":
		return missing("there is nothing at this path")
	case strings.HasPrefix(id, "_"):
		return missing("there is no such task: ids that begin with _ belong to the database")
	case id == batchName && !deeper:
		return x.method(map[string]func() error{http.MethodPost: x.batch})
	case below == "result":
		return x.method(map[string]func() error{http.MethodGet: func() error { return x.result(id) }})
	case !deeper:
		return x.method(map[string]func() error{
			http.MethodGet:    func() error { return x.show(id) },
			http.MethodPost:   func() error { return x.reschedule(id) },
			http.MethodDelete: func() error { return x.cancel(id) },
		})
	}
	return missing("there is nothing at this path: a task has /queue/<id> and /queue/<id>/result")
}

// scheduled is the answer to a post.
type scheduled struct {
	Status  task.Status `json:"status"`
	ID      string      `json:"id"`
	Warning string      `json:"warning,omitempty"`
}

// order reads what is posted. What it is made of is given back with release, also after an error.
func (x *exchange) order() (o *order, release func(), err error) {
	body, release, err := x.body()
	if err != nil {
		return nil, release, err
	}
	o, err = readOrder(x.r.Header.Get("Content-Type"), body)
	return o, release, err
}

// post takes an order.
func (x *exchange) post() error {
	if err := x.may(rightPost); err != nil {
		return err
	}
	q, err := x.parameters("wait", "worker")
	if err != nil {
		return err
	}
	o, release, err := x.order()
	defer release()
	if err != nil {
		return err
	}
	if err := o.madeBy(q.Get("worker")); err != nil {
		return err
	}
	return x.accept(o, x.r.Header.Get("Idempotency-Key"), q.Get("wait"))
}

// parameters reads the query, in which there may be nothing but those named.
func (x *exchange) parameters(names ...string) (url.Values, error) {
	q := x.r.URL.Query()
	for name := range q {
		if !slices.Contains(names, name) {
			return nil, bad(name, "there is no parameter %q here: there are %s", name, strings.Join(names, ", "))
		}
	}
	return q, nil
}

// madeBy takes the worker that the address names.
func (o *order) madeBy(worker string) error {
	if worker != "" && o.Worker != "" && o.Worker != worker {
		return bad("worker", "the address names the worker %s, and what was posted %s", worker, o.Worker)
	}
	o.Worker = cmp.Or(o.Worker, worker)
	return nil
}

// accept writes an order as a task and answers.
func (x *exchange) accept(o *order, key, patience string) error {
	ctx := x.r.Context()
	wait, err := x.patience(patience)
	if err != nil {
		return err
	}
	if err := o.identify(x.who, key); err != nil {
		return err
	}
	prepared, err := x.prepare(ctx, o)
	if err != nil {
		return err
	}
	var body *client.Body
	if o.raw != nil && o.raw.body.size > 0 {
		body = &client.Body{Open: o.raw.body.open, Length: o.raw.body.size}
	}
	t, again, err := x.tasks.Post(ctx, prepared, body)
	if couch.IsNotFound(err) {
		return noDatabase(x.opts.Database)
	}
	if err != nil {
		return o.unwritten(err, prepared.ID)
	}
	if again {
		x.w.Header().Set("Idempotent-Replayed", "true")
	}
	x.w.Header().Set("Location", x.opts.Prefix+"/queue/"+url.PathEscape(t.ID))
	warning := x.warning(ctx, o.Worker)
	if wait > 0 {
		ran := func(now *task.Task) bool { return now.Executions > 0 && now.Status != task.Running && now.Retries == 0 }
		now, err := x.outcome(ctx, t, wait, ran)
		if err != nil { // the task is there: an error would have it posted once more
			now, warning = t, x.asRefusal(err).Reason
		}
		e := x.entryOf(now)
		e.Warning = warning
		x.answer(http.StatusCreated, e)
		return nil
	}
	x.answer(http.StatusCreated, scheduled{task.Scheduled, t.ID, warning})
	return nil
}

// warning is what a post's answer says besides, as far as that is known.
func (x *exchange) warning(ctx context.Context, worker string) string {
	if running, known := x.fleet.runs(ctx, x.own(), x.who, worker); known && !running {
		return "no worker named " + worker + " is running: it makes the call when it is started"
	}
	return ""
}

// own is for requests that go with the gateway's credentials where it has some.
func (x *exchange) own() *caller {
	if x.opts.User == "" {
		return x.who
	}
	return &caller{name: x.opts.User, authorization: basic(x.opts.User, x.opts.Password), address: x.r.RemoteAddr}
}

// show answers how a task stands, once it has come to an outcome where the caller waits for one.
func (x *exchange) show(id string) error {
	wait, err := x.patience(x.r.URL.Query().Get("wait"))
	if err != nil {
		return err
	}
	t, err := x.read(id)
	if err != nil {
		return err
	}
	if wait > 0 {
		came := func(now *task.Task) bool {
			return now.Executions > t.Executions && now.Status != task.Running && now.Retries == 0
		}
		if known := x.r.URL.Query().Get("rev"); known != "" {
			came = func(now *task.Task) bool { return now.Rev != known }
		}
		if t, err = x.outcome(x.r.Context(), t, wait, came); err != nil {
			return err
		}
	}
	x.answer(http.StatusOK, x.entryOf(t))
	return nil
}

// read reads a task that the caller may read.
func (x *exchange) read(id string) (*task.Task, error) {
	if err := x.may(rightRead); err != nil {
		return nil, err
	}
	t, err := x.tasks.Get(x.r.Context(), id)
	if couch.IsNotFound(err) || err == nil && !t.IsTask() {
		return nil, missing("there is no task " + id)
	}
	if err != nil {
		return nil, err
	}
	return t, x.mayUse(t.Worker)
}

// touch makes sure that a token may touch a task. Whoever comes with credentials of the server needs no look.
func (x *exchange) touch(id string) error {
	if x.who.token == nil || len(x.who.token.Workers) == 0 {
		return nil
	}
	t, err := x.tasks.Get(x.r.Context(), id)
	if err != nil {
		return err
	}
	return x.mayUse(t.Worker)
}

// cancel asks that a task does not run, or stops.
func (x *exchange) cancel(id string) error {
	if err := x.may(rightCancel); err != nil {
		return err
	}
	err := x.touch(id)
	if err == nil {
		err = x.tasks.Cancel(x.r.Context(), id)
	}
	switch {
	case couch.IsNotFound(err):
		return missing("there is no task " + id)
	case client.IsRefused(err):
		e, _ := errors.AsType[*couch.Error](err)
		return conflict("", "the task %s cannot be canceled: %s", id, e.Reason)
	case err != nil:
		return err
	}
	x.answer(http.StatusAccepted, scheduled{Status: task.Cancel, ID: id})
	return nil
}

// reschedule gives a task another date, or another repeat.
func (x *exchange) reschedule(id string) error {
	if err := x.may(rightPost); err != nil {
		return err
	}
	o, release, err := x.order()
	defer release()
	if err != nil {
		return err
	}
	if field := o.beyondPlan(); field != "" {
		return bad(field, "a task is given another countdown, eta, repeat or timezone here, in a form with task. before it, and nothing else")
	}
	if o.Countdown == nil && o.ETA == nil && o.Repeat == nil {
		return bad("", "say when: countdown, eta or repeat")
	}
	date, err := o.date(x.now)
	if err != nil {
		return err
	}
	if err := o.checkRepeat(); err != nil {
		return err
	}
	if err = x.touch(id); err == nil {
		_, err = x.tasks.Replan(x.r.Context(), id, client.Plan{Date: date, Repeat: o.Repeat, Timezone: o.Timezone})
	}
	switch {
	case couch.IsNotFound(err):
		return missing("there is no task " + id)
	case err != nil && couch.Status(err) == 0 && errors.Unwrap(err) != nil:
		return asField(errors.Unwrap(err))
	case err != nil:
		return err
	}
	x.answer(http.StatusOK, scheduled{Status: task.Scheduled, ID: id})
	return nil
}

// beyondPlan names a field that is not about when; empty where there is none.
func (o *order) beyondPlan() string {
	rest := *o
	rest.Countdown, rest.ETA, rest.Repeat, rest.Timezone = nil, nil, nil, ""
	return rest.anyField()
}

// page is the answer to a question for many tasks.
type page struct {
	Tasks    []*entry `json:"tasks"`
	Bookmark string   `json:"bookmark,omitempty"` // of the next page; none where this is the last one
}

const (
	usualPage = 100
	mostPage  = 1000
)

// list answers with tasks, page by page.
func (x *exchange) list() error {
	if err := x.may(rightRead); err != nil {
		return err
	}
	q, err := x.parameters("status", "worker", "job", "limit", "bookmark")
	if err != nil {
		return err
	}
	f := client.Filter{Status: task.Status(q.Get("status")), Worker: q.Get("worker"), Job: q.Get("job"), Limit: usualPage}
	if text := q.Get("limit"); text != "" {
		n, err := strconv.Atoi(text)
		if err != nil || n < 1 || n > mostPage {
			return bad("limit", "%q is no number from 1 to %d", text, mostPage)
		}
		f.Limit = n
	}
	if f.Status != "" && !slices.Contains(task.Statuses(), string(f.Status)) {
		return bad("status", "%q is no status of a task: there are %s", f.Status, strings.Join(task.Statuses(), ", "))
	}
	if x.who.token != nil && len(x.who.token.Workers) == 1 && f.Worker == "" {
		f.Worker = x.who.token.Workers[0]
	}
	if err := x.mayUse(f.Worker); err != nil {
		return err
	}
	tasks, next, err := x.tasks.Page(x.r.Context(), f, q.Get("bookmark"))
	if couch.Status(err) == http.StatusBadRequest && q.Get("bookmark") != "" {
		return bad("bookmark", "%q is no bookmark that an answer gave", q.Get("bookmark"))
	}
	if err != nil {
		return err
	}
	p := page{Tasks: make([]*entry, 0, len(tasks)), Bookmark: next}
	for _, t := range tasks {
		p.Tasks = append(p.Tasks, x.entryOf(t))
	}
	x.answer(http.StatusOK, p)
	return nil
}
