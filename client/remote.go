package client

import (
	"bytes"
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/when"
)

// Access is how a queue over HTTP is reached. The zero value works where nobody has to say who asks.
type Access struct {
	User, Password string
	Token          string       // of the queue's own, instead of both
	HTTP           *http.Client // nil is one of the package's own
}

// Dial gives the queue at an address: http://127.0.0.1:8088 of a gateway, http://127.0.0.1:5984/_after of an embedded store. It sends no request.
func Dial(address string, a Access) (Queue, error) {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Host == "" {
		return nil, fmt.Errorf("the address of the queue is no http or https URL such as http://127.0.0.1:8088") //nolint:perfsprint,err113 // it may hold a password
	}
	if u.User != nil {
		a.User = u.User.Username()
		a.Password, _ = u.User.Password()
		u.User = nil
	}
	if a.HTTP == nil {
		a.HTTP = &http.Client{Transport: couch.NewTransport(0, nil)}
	}
	return &remote{base: strings.TrimRight(u.String(), "/"), access: a}, nil
}

// remote is the queue over HTTP.
type remote struct {
	base   string
	access Access
}

// holding is for how long one request waits; the queue may answer earlier, and is asked again then.
const holding = 30 * time.Second

// largest is how much of an answer is read.
const largest = 64 << 20

// ask sends a request and reads the answer into v.
func (r *remote) ask(ctx context.Context, op, method, path string, body, v any) error {
	var content io.Reader
	if body != nil {
		raw, err := json.Marshal(body)
		if err != nil {
			return fmt.Errorf("%s: %w", op, err)
		}
		content = bytes.NewReader(raw)
	}
	request, err := http.NewRequestWithContext(ctx, method, r.base+path, content)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	if body != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	switch {
	case r.access.Token != "":
		request.Header.Set("Authorization", "Bearer "+r.access.Token)
	case r.access.User != "":
		request.SetBasicAuth(r.access.User, r.access.Password)
	}
	response, err := r.access.HTTP.Do(request)
	if err != nil {
		return fmt.Errorf("%s: %w", op, err)
	}
	defer response.Body.Close() //nolint:errcheck // the answer was read, or its error is returned
	raw, err := io.ReadAll(io.LimitReader(response.Body, largest))
	if err != nil {
		return fmt.Errorf("%s: reading the answer: %w", op, err)
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		var refused struct {
			Error, Reason, Field string
			Differs              []string
		}
		_ = json.Unmarshal(raw, &refused) // what is no JSON is no queue's, and its status says enough
		if len(refused.Differs) > 0 || response.StatusCode == http.StatusConflict && refused.Field == "id" {
			return &DiffersError{Fields: refused.Differs} // who asks knows the id
		}
		return &couch.Error{Op: op, Status: response.StatusCode, Name: refused.Error, Reason: refused.Reason}
	}
	if err := json.Unmarshal(raw, v); err != nil {
		return fmt.Errorf("%s: the answer is not a queue's: %w", op, err)
	}
	return nil
}

func (r *remote) Schedule(ctx context.Context, c Call) (string, error) {
	if c.Form != nil && c.JSON != nil {
		return "", errBothParameters
	}
	order := map[string]any{"url": c.URL}
	for name, text := range map[string]string{"id": c.ID, "worker": c.Worker, "method": c.Method, "timezone": c.Timezone} {
		if text != "" {
			order[name] = text
		}
	}
	for name, raw := range map[string]json.RawMessage{"repeat": c.Repeat, "retry": c.Retry, "params": c.JSON, "notify": c.notify(), "expect": c.expect(), "callback": c.callback()} {
		if raw != nil {
			order[name] = raw
		}
	}
	if len(c.Headers) > 0 {
		order["headers"] = c.Headers
	}
	if len(c.Form) > 0 {
		order["params"] = c.Form
	}
	if c.JSON != nil {
		order["format"] = "json"
	}
	if eta := c.eta(); eta != nil {
		order["eta"] = eta
	}
	if timeout := c.timeout(); timeout != "" {
		order["timeout"] = timeout
	}
	var s State
	err := r.ask(ctx, "scheduling a call", http.MethodPost, "/queue", order, &s)
	if differs, ok := errors.AsType[*DiffersError](err); ok {
		differs.ID = c.ID
	}
	return s.ID, err
}

func (r *remote) Get(ctx context.Context, id string) (*State, error) { return r.get(ctx, id, nil) }

func (r *remote) get(ctx context.Context, id string, q url.Values) (*State, error) {
	path := "/queue/" + url.PathEscape(id)
	if q != nil {
		path += "?" + q.Encode()
	}
	s := &State{}
	if err := r.ask(ctx, "reading task "+id, http.MethodGet, path, nil, s); err != nil {
		return nil, err
	}
	s.Deleted = s.Status == deletedStatus
	return s, nil
}

// held asks for a task once its revision is another one than rev, or after a while.
func (r *remote) held(ctx context.Context, id, rev string) (*State, error) {
	s, err := r.get(ctx, id, url.Values{"wait": {holding.String()}, "rev": {rev}})
	if couch.IsNotFound(err) { // it was there, and is deleted
		return &State{ID: id, Status: deletedStatus, Deleted: true}, nil
	}
	return s, err
}

func (r *remote) Wait(ctx context.Context, id string) (*State, error) {
	s, err := r.Get(ctx, id)
	for err == nil && !s.Ended() {
		s, err = r.held(ctx, id, s.Rev)
	}
	return s, err
}

func (r *remote) Watch(ctx context.Context, id string, changed func(*State) error) error {
	s, err := r.Get(ctx, id)
	for told := ""; err == nil; s, err = r.held(ctx, id, s.Rev) {
		if s.Rev == told && !s.Deleted {
			continue
		}
		told = s.Rev
		if err := changed(s); err != nil || s.Deleted {
			return err
		}
	}
	return cmp.Or(context.Cause(ctx), err)
}

func (r *remote) Cancel(ctx context.Context, id string) error {
	return r.ask(ctx, "cancelling task "+id, http.MethodDelete, "/queue/"+url.PathEscape(id), nil, &State{})
}

func (r *remote) Reschedule(ctx context.Context, id string, date time.Time) error {
	return r.ask(ctx, "rescheduling task "+id, http.MethodPost, "/queue/"+url.PathEscape(id), map[string]string{"eta": when.Format(date)}, &State{})
}

func (r *remote) List(ctx context.Context, f Filter) iter.Seq2[*State, error] {
	return func(yield func(*State, error) bool) {
		q := url.Values{"limit": {"1000"}}
		for name, text := range map[string]string{"worker": f.Worker, "job": f.Job, "status": string(f.Status)} {
			if text != "" {
				q.Set(name, text)
			}
		}
		for found := 0; ; {
			var page struct {
				Tasks    []*State `json:"tasks"`
				Bookmark string   `json:"bookmark"`
			}
			if err := r.ask(ctx, "listing tasks", http.MethodGet, "/queue?"+q.Encode(), nil, &page); err != nil {
				yield(nil, err)
				return
			}
			for _, s := range page.Tasks {
				if found++; !yield(s, nil) || found == f.Limit {
					return
				}
			}
			if page.Bookmark == "" {
				return
			}
			q.Set("bookmark", page.Bookmark)
		}
	}
}
