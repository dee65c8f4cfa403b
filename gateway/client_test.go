package gateway_test

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
)

// TestQueues: over the database and over either address the queue is the same.
func TestQueues(t *testing.T) {
	t.Parallel()
	a, b := within(t, options()), before(t, options())
	for name, r := range map[string]*rig{"database": a, "store": a, "gateway": b} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			mine := *r // two of them share a store, and each tells its own test
			mine.t = t
			queue := r.tasks.Queue()
			if name != "database" {
				var err error
				queue, err = client.Dial(strings.Replace(r.url, "http://", "http://"+user+":"+password+"@", 1)+"/", client.Access{HTTP: caller})
				must(t, err)
			}
			useQueue(t, &mine, queue, name)
		})
	}
	for _, wrong := range []string{"", "ftp://localhost", "http://", "localhost:8088", "http://a b"} {
		if _, err := client.Dial(wrong, client.Access{}); err == nil {
			t.Errorf("%q is an address", wrong)
		}
	}
}

// TestSameCall: the same call under an id is one task through whichever door it comes, and another one is told what differs.
func TestSameCall(t *testing.T) {
	t.Parallel()
	r := within(t, options())
	over, err := client.Dial(strings.Replace(r.url, "http://", "http://"+user+":"+password+"@", 1), client.Access{HTTP: caller})
	must(t, err)
	doors := map[string]client.Queue{"database": r.tasks.Queue(), "store": over}
	full := client.Call{
		Worker: "w", URL: "http://localhost/x", Method: "put", Headers: map[string]string{"X-A": "b", "X-B": "c"}, Form: map[string][]string{"b": {"2"}, "a": {"1", "é"}},
		Date: time.Date(2099, 1, 1, 0, 0, 0, 5e6, time.UTC), Timezone: "Europe/Berlin", Repeat: json.RawMessage(`{"days": 1, "months": 2}`),
		Retry: json.RawMessage(`{"limit":2, "interval":"5s"}`), Timeout: 1500 * time.Millisecond,
		Notify: &task.Notify{URL: "http://localhost/told", Email: []string{"ops@example.org"}, On: []task.Event{task.EventError}}, Expect: "every 1h", Callback: "2h",
	}
	calls := map[string]client.Call{
		"full": full, "json": {Worker: "w", URL: "http://localhost/", JSON: json.RawMessage(`{"a": [1, {"b": null}]}`), Callback: "true"},
		"query": {Worker: "w", URL: "http://localhost/", Method: http.MethodGet, Form: map[string][]string{"a": {"1"}}}, "bare": {Worker: "w", URL: "http://localhost/"},
	}
	for name, call := range calls {
		for first, door := range doors {
			call.ID = name + " by " + first
			for second, again := range map[string]client.Queue{first: door, "database": doors["database"], "store": doors["store"]} {
				if id, err := door.Schedule(t.Context(), call); err != nil || id != call.ID {
					t.Fatalf("%s: %q %v", call.ID, id, err)
				}
				if id, err := again.Schedule(t.Context(), call); err != nil || id != call.ID {
					t.Errorf("%s, then by %s: %q %v", call.ID, second, id, err)
				}
				other := call
				other.URL, other.Timeout = "http://localhost/other", 7*time.Second
				_, err := again.Schedule(t.Context(), other)
				differs, ok := errors.AsType[*client.DiffersError](err)
				if !ok || !couch.IsConflict(err) || differs.ID != call.ID || cmp.Diff([]string{"timeout", "url"}, differs.Fields) != "" {
					t.Errorf("%s, then another by %s: %#v", call.ID, second, err)
				}
			}
		}
	}
	if n := r.documents(); n != int64(len(calls)*len(doors)) {
		t.Errorf("%d documents", n)
	}
	_, err = r.tasks.Add(t.Context(), client.Spec{ID: "added", Worker: "w", Job: "noop"})
	must(t, err)
	for name, door := range doors {
		if _, err := door.Schedule(t.Context(), client.Call{ID: "added", Worker: "w", URL: "http://localhost/"}); !couch.IsConflict(err) || !strings.Contains(err.Error(), "was not posted") {
			t.Errorf("%s, over what was not posted: %v", name, err)
		}
		if _, err := door.Schedule(t.Context(), client.Call{Worker: "w", URL: "http://localhost/", Headers: map[string]string{"A": "b\nc"}}); err == nil || !strings.Contains(err.Error(), "line break") {
			t.Errorf("%s, a header that is two: %v", name, err)
		}
	}
}

func useQueue(t *testing.T, r *rig, queue client.Queue, name string) {
	t.Helper()
	ctx := t.Context()
	at := time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)
	id, err := queue.Schedule(ctx, client.Call{
		ID: name + "/1", Worker: name, URL: "http://localhost/x", Headers: map[string]string{"X-A": "b"}, Form: map[string][]string{"a": {"1", "2"}}, Date: at,
		Retry: json.RawMessage(`{"limit":2}`), Timeout: 1500 * time.Millisecond, Callback: "true",
	})
	must(t, err)
	other, err := queue.Schedule(ctx, client.Call{Worker: name, URL: "http://localhost/", JSON: json.RawMessage(`{"a":[1]}`), Repeat: json.RawMessage(`"every 5 minutes"`)})
	must(t, err)
	documentsOfQueue(t, r, id, other)
	s, err := queue.Get(ctx, id)
	must(t, err)
	if !s.Due.Equal(at) || s.Status != task.Waiting || s.Ended() || s.Worker != name {
		t.Errorf("%+v", s)
	}
	must(t, queue.Reschedule(ctx, id, at.Add(time.Hour)))
	if s, err = queue.Get(ctx, id); err != nil || !s.Due.Equal(at.Add(time.Hour)) {
		t.Errorf("rescheduled: %+v, %v", s, err)
	}
	var listed []string
	for s, err := range queue.List(ctx, client.Filter{Worker: name, Status: task.Reschedule}) {
		must(t, err)
		listed = append(listed, s.ID)
	}
	if diff := cmp.Diff([]string{id}, listed); diff != "" {
		t.Error(diff)
	}
	must(t, queue.Cancel(ctx, other))
	followQueue(t, r, queue, id)
	if err := queue.Cancel(ctx, id); !couch.IsConflict(err) {
		t.Errorf("cancelling what has ended: %v", err)
	}
	for what, err := range map[string]error{
		"get":        func() error { _, err := queue.Get(ctx, "nothere"); return err }(),
		"wait":       func() error { _, err := queue.Wait(ctx, "nothere"); return err }(),
		"watch":      queue.Watch(ctx, "nothere", func(*client.State) error { return nil }),
		"cancel":     queue.Cancel(ctx, "nothere"),
		"reschedule": queue.Reschedule(ctx, "nothere", at),
	} {
		if !couch.IsNotFound(err) {
			t.Errorf("%s of a task that is not there: %v", what, err)
		}
	}
	if _, err := queue.Schedule(ctx, client.Call{Worker: name, URL: "http://localhost/", Form: map[string][]string{}, JSON: json.RawMessage(`{}`)}); err == nil {
		t.Error("both a form and JSON")
	}
}

// documentsOfQueue: what is written is the same either way.
func documentsOfQueue(t *testing.T, r *rig, id, other string) {
	t.Helper()
	doc := r.document(id)
	if got := doc.Get("job.arguments").Raw; !strings.Contains(got, `"a":["1","2"]`) || doc.Get("job.arguments.form.a.1").Str != "2" || doc.Get("job.arguments.headers.X-A").Str != "b" ||
		doc.Get("job.arguments.callback").Raw != "true" ||
		doc.Get("retry.limit").Int() != 2 || doc.Get("timeout").Int() != 1500 || doc.Get("job.arguments.method").Str != "POST" {
		t.Errorf("%s", doc.Raw)
	}
	if doc := r.document(other); doc.Get("job.arguments.body.a.0").Int() != 1 || doc.Get("repeat").Str != "every 5 minutes" {
		t.Errorf("%s", doc.Raw)
	}
}

// followQueue: a watch tells each change up to the deletion, a wait ends with the outcome.
func followQueue(t *testing.T, r *rig, queue client.Queue, id string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	enough := errors.New("enough")
	var told []string
	err := queue.Watch(ctx, id, func(s *client.State) error {
		told = append(told, string(s.Status))
		switch s.Status {
		case task.Reschedule:
			r.work(id, map[string]any{"status": "running"})
		case task.Running:
			r.work(id, ended(map[string]any{"status": 200}))
		default:
			return enough
		}
		return nil
	})
	if diff := cmp.Diff([]string{"reschedule", "running", "done"}, told); diff != "" || !errors.Is(err, enough) {
		t.Errorf("%v: %s", err, diff)
	}
	s, err := queue.Wait(ctx, id)
	must(t, err)
	if s.Status != task.Done || s.Executions != 1 || string(s.Result) != `{"status":200}` || s.Finished.IsZero() {
		t.Errorf("%+v", s)
	}
	err = queue.Watch(ctx, id, func(s *client.State) error {
		if s.Deleted {
			return nil
		}
		return r.tasks.Delete(ctx, id)
	})
	if err != nil {
		t.Errorf("of a task that is deleted: %v", err)
	}
	_, err = r.db.Put(ctx, id, []byte(`{"worker":"w","job":"j","status":"done"}`))
	must(t, err)
}
