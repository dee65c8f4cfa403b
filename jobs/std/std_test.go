package std_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/jobs/std"
	"github.com/adlayer/after/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func handle(t *testing.T, id, job string, arguments any, log io.Writer) *jobs.Task {
	t.Helper()
	raw, err := json.Marshal(map[string]any{
		"_id": id, "_rev": "1-a", "worker": "manobi", "job": map[string]any{"name": job, "arguments": arguments},
		"plan": map[string]any{
			"from": "2026-03-01T10:00:00Z", "nominal": "2026-03-01T10:00:00Z", "due": "2026-03-01T10:00:00Z", "key": id + "@key",
		},
	})
	if err != nil {
		t.Fatal(err)
	}
	doc, err := task.Decode(raw)
	if err != nil {
		t.Fatal(err)
	}
	logger := logrus.New()
	logger.SetOutput(log)
	return jobs.NewTask(doc, 1, logger)
}

func run(t *testing.T, o std.Options, job string, arguments any) (string, error) {
	t.Helper()
	found, ok := std.New(o).Lookup(job)
	if !ok {
		t.Fatalf("no job %s", job)
	}
	result, err := found.Run(t.Context(), handle(t, "t1", job, arguments, io.Discard))
	return string(result), err
}

func object(t *testing.T, text string) map[string]any {
	t.Helper()
	var o map[string]any
	if err := json.Unmarshal([]byte(text), &o); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return o
}

func TestList(t *testing.T) {
	t.Parallel()
	var names []string
	for _, info := range std.New(std.Options{}).List() {
		names = append(names, info.Name)
		if info.Description == "" {
			t.Errorf("%s has no description", info.Name)
		}
	}
	if diff := cmp.Diff([]string{"exec", "http", "log", "noop", "start_replication"}, names); diff != "" {
		t.Error(diff)
	}
}

func TestNoopAndLog(t *testing.T) {
	t.Parallel()
	if result, err := run(t, std.Options{}, "noop", nil); result != "" || err != nil {
		t.Errorf("noop: %s %v", result, err)
	}
	var log bytes.Buffer
	job, _ := std.New(std.Options{}).Lookup("log")
	for _, c := range []struct {
		arguments any
		want      string
	}{
		{[]any{"hello"}, "msg=hello "},
		{[]any{"two words", "ünd", 1, nil, true, []any{1}}, `msg="two words ünd 1 null true [1]"`},
		{[]any{}, "level=info job=log"},
		{map[string]any{"to": 7}, `msg="{\"to\":7}"`},
	} {
		log.Reset()
		if _, err := job.Run(t.Context(), handle(t, "t1", "log", c.arguments, &log)); err != nil {
			t.Fatal(err)
		}
		if line := log.String(); !strings.Contains(line, c.want) || !strings.Contains(line, "task=t1") {
			t.Errorf("log of %v: %s", c.arguments, line)
		}
	}
}

// server answers as its path says, and gives a client whose connections end with the test.
func server(t *testing.T) (string, *http.Client) {
	t.Helper()
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		h := w.Header()
		switch r.URL.Path {
		case "/echo":
			h.Set("Content-Type", "application/json")
			_ = json.NewEncoder(w).Encode(map[string]any{"method": r.Method, "body": string(body), "host": r.Host, "headers": r.Header})
		case "/text":
			fmt.Fprint(w, "hé")
		case "/long":
			fmt.Fprint(w, strings.Repeat("é", 100))
		case "/binary":
			h.Set("Content-Type", "application/octet-stream")
			_, _ = w.Write([]byte{0xff, 0xfe})
		case "/later":
			h.Set("Retry-After", "120")
			http.Error(w, "busy", http.StatusServiceUnavailable)
		case "/at":
			h.Set("Date", "Sun, 01 Mar 2026 10:00:00 GMT")
			h.Set("Retry-After", "Sun, 01 Mar 2026 10:00:30 GMT")
			w.WriteHeader(http.StatusTooManyRequests)
		case "/gone":
			http.Error(w, "no such thing", http.StatusNotFound)
		case "/cut":
			h.Set("Content-Length", "100")
			fmt.Fprint(w, "half")
		case "/moved":
			http.Redirect(w, r, "/text", http.StatusFound)
		}
	}))
	t.Cleanup(s.Close)
	return s.URL, s.Client()
}

func TestHTTPRequest(t *testing.T) {
	t.Parallel()
	url, client := server(t)
	tests := map[string]struct {
		arguments map[string]any
		want      map[string]any
		headers   map[string]string
	}{
		"get":  {map[string]any{}, map[string]any{"method": "GET", "body": ""}, map[string]string{"User-Agent": "after/1"}},
		"post": {map[string]any{"body": map[string]any{"a": 1}}, map[string]any{"method": "POST", "body": `{"a":1}`}, map[string]string{"Content-Type": "application/json"}},
		"text": {map[string]any{"body": "hé", "method": "put"}, map[string]any{"method": "PUT", "body": "hé"}, map[string]string{"Content-Type": "text/plain; charset=utf-8"}},
		"null": {map[string]any{"body": nil}, map[string]any{"method": "GET", "body": ""}, nil},
		"headers": {
			map[string]any{"headers": map[string]string{"host": "example.org", "content-type": "text/csv", "x-own": "1"}, "body": "a,b"},
			map[string]any{"method": "POST", "body": "a,b", "host": "example.org"},
			map[string]string{"Content-Type": "text/csv", "X-Own": "1"},
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			test.arguments["url"] = url + "/echo"
			result, err := run(t, std.Options{HTTP: client, UserAgent: "after/1"}, "http", test.arguments)
			if err != nil {
				t.Fatal(err)
			}
			answer := object(t, result)
			if answer["status"] != 200.0 {
				t.Errorf("status %v", answer["status"])
			}
			seen, ok := answer["body"].(map[string]any)
			if !ok {
				t.Fatalf("body %v", answer["body"])
			}
			for field, want := range test.want {
				if seen[field] != want {
					t.Errorf("%s is %v, want %v", field, seen[field], want)
				}
			}
			if test.headers == nil {
				test.headers = map[string]string{}
			}
			test.headers["X-Task-Id"], test.headers["Idempotency-Key"] = "t1", "t1@key"
			headers, _ := seen["headers"].(map[string]any)
			for header, want := range test.headers {
				if got := fmt.Sprint(headers[header]); got != "["+want+"]" {
					t.Errorf("%s is %s, want %s", header, got, want)
				}
			}
		})
	}
}

func TestHTTPEscapesIDs(t *testing.T) {
	t.Parallel()
	url, client := server(t)
	job, _ := std.New(std.Options{HTTP: client}).Lookup("http")
	result, err := job.Run(t.Context(), handle(t, "a b/é\n", "http", map[string]any{"url": url + "/echo"}, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	if s := string(result); !strings.Contains(s, `"X-Task-Id":["a%20b/%C3%A9%0A"]`) {
		t.Error(s)
	}
}

func TestHTTPResult(t *testing.T) {
	t.Parallel()
	url, client := server(t)
	for path, want := range map[string]map[string]any{
		"/text":   {"body": "hé"},
		"/moved":  {"body": "hé"},
		"/long":   {"body": strings.Repeat("é", 15), "truncated": true},
		"/binary": {"base64": "//4="},
		"/empty":  {},
	} {
		t.Run(path, func(t *testing.T) {
			t.Parallel()
			result, err := run(t, std.Options{HTTP: client, MaxBody: 31}, "http", map[string]any{"url": url + path})
			if err != nil {
				t.Fatal(err)
			}
			got := object(t, result)
			if headers, ok := got["headers"].(map[string]any); !ok || headers["date"] == "" {
				t.Errorf("headers %v", got["headers"])
			}
			delete(got, "headers")
			if timing, ok := got["timing"].(map[string]any); !ok || timing["total"] == 0.0 {
				t.Errorf("timing %v", got["timing"])
			}
			delete(got, "timing")
			if path == "/moved" {
				want["redirects"] = []any{url + "/text"}
			}
			if n, _ := got["bytes"].(float64); n == 0 && path != "/empty" {
				t.Errorf("%v bytes", got["bytes"])
			}
			delete(got, "bytes")
			want["status"] = 200.0
			if diff := cmp.Diff(want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestHTTPErrors(t *testing.T) {
	t.Parallel()
	url, client := server(t)
	withPassword := strings.Replace(url, "http://", "http://ada:secret@", 1)
	closed := httptest.NewServer(http.NotFoundHandler())
	closed.Close()
	tests := map[string]struct {
		arguments any
		says      string
		permanent bool
		after     time.Duration
		code      int
	}{
		"unavailable": {map[string]any{"url": withPassword + "/later"}, "/later answered 503 Service Unavailable: busy", false, 2 * time.Minute, 503},
		"too many":    {map[string]any{"url": url + "/at"}, "GET " + url + "/at answered 429 Too Many Requests", false, 30 * time.Second, 429},
		"not found":   {map[string]any{"url": url + "/gone"}, "answered 404 Not Found: no such thing", true, 0, 404},
		"cut":         {map[string]any{"url": url + "/cut"}, "reading the answer: unexpected EOF", false, 0, 0},
		"nobody":      {map[string]any{"url": closed.URL}, "GET " + closed.URL + ": dial tcp", false, 0, 0},
		"no url":      {map[string]any{}, "arguments: url is missing", true, 0, 0},
		"no address":  {map[string]any{"url": "example.com"}, "arguments: url example.com is no http or https address", true, 0, 0},
		"other":       {map[string]any{"url": "file:///etc/passwd"}, "is no http or https address", true, 0, 0},
		"unreadable":  {map[string]any{"url": "http://ada:secret@a b/"}, "arguments: url cannot be read", true, 0, 0},
		"method":      {map[string]any{"url": url, "method": "A B"}, `arguments: method: "A B" is none that can be sent`, true, 0, 0},
		"typo":        {map[string]any{"url": url, "header": 1}, `arguments: the job knows no "header"`, true, 0, 0},
		"array":       {[]any{url}, "arguments: array found, an object wanted", true, 0, 0},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result, err := run(t, std.Options{HTTP: client}, "http", test.arguments)
			if err == nil {
				t.Fatalf("no error but %s", result)
			}
			if !strings.Contains(err.Error(), test.says) || strings.Contains(err.Error(), "secret") {
				t.Errorf("error %v, want %s", err, test.says)
			}
			if jobs.IsPermanent(err) != test.permanent {
				t.Errorf("permanent is %v", !test.permanent)
			}
			if d, _ := jobs.RetryAfterOf(err); d != test.after {
				t.Errorf("to be tried after %v, want %v", d, test.after)
			}
			if code, ok := jobs.CodeOf(err); code != test.code || ok != (code != 0) {
				t.Errorf("code %d, want %d", code, test.code)
			}
		})
	}
}

func TestHTTPEndsWithContext(t *testing.T) {
	t.Parallel()
	arrived, done := make(chan struct{}), make(chan struct{})
	s := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) {
		close(arrived)
		<-done
	}))
	defer s.Close()
	defer close(done)
	ctx, cancel := context.WithCancel(t.Context())
	go func() {
		<-arrived
		cancel()
	}()
	job, _ := std.New(std.Options{HTTP: s.Client()}).Lookup("http")
	_, err := job.Run(ctx, handle(t, "t1", "http", map[string]any{"url": s.URL}, io.Discard))
	if !errors.Is(err, context.Canceled) || jobs.IsPermanent(err) {
		t.Errorf("error %v", err)
	}
}

func TestExec(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		allow     []string
		arguments any
		result    string
		fails     string
		permanent bool
	}{
		"array":         {[]string{"echo"}, []string{"echo", "a b", "$HOME"}, `{"stdout":"a b $HOME\n"}`, "", false},
		"object":        {[]string{"cat"}, map[string]any{"command": "cat", "stdin": "in"}, `{"stdout":"in"}`, "", false},
		"path":          {[]string{"/bin/sh"}, []string{"/bin/sh", "-c", "echo $AFTER_TASK $AFTER_KEY"}, `{"stdout":"t1 t1@key\n"}`, "", false},
		"much":          {[]string{"head"}, []string{"head", "-c", "100000", "/dev/zero"}, "", "", false},
		"fails":         {[]string{"/bin/sh"}, []string{"/bin/sh", "-c", "echo why >&2; exit 2"}, "", "sh: exit status 2: why", false},
		"nothing":       {nil, []string{"echo"}, "", `the command "echo" is not allowed: jobs.exec.allow in the worker's configuration lists those that are (none)`, true},
		"another":       {[]string{"echo"}, []string{"cat"}, "", `the command "cat" is not allowed`, true},
		"relative":      {[]string{"./x"}, []string{"./x"}, "", "neither a name nor an absolute path", true},
		"not there":     {[]string{"nosuchcommand"}, []string{"nosuchcommand"}, "", "is not installed where the worker looks", true},
		"no command":    {nil, []string{}, "", "arguments: command is missing", true},
		"no arguments":  {nil, nil, "", "arguments: command is missing", true},
		"wrong element": {nil, []any{"echo", 1}, "", "a command and its arguments are strings", true},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			result, err := run(t, std.Options{ExecAllow: test.allow, Output: 1000}, "exec", test.arguments)
			if test.fails != "" {
				if err == nil || !strings.Contains(err.Error(), test.fails) || jobs.IsPermanent(err) != test.permanent {
					t.Errorf("error %v (permanent: %v)", err, jobs.IsPermanent(err))
				}
				if code, _ := jobs.CodeOf(err); name == "fails" && code != 2 {
					t.Errorf("code %d", code)
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			if name == "much" {
				if o := object(t, result); o["truncated"] != true || len(fmt.Sprint(o["stdout"])) != 1000 {
					t.Errorf("result %s", result)
				}
			} else if diff := cmp.Diff(test.result, result); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// A name that is allowed stands for the command that PATH gives, not for any file of that name.
func TestExecAllowsNoNamesake(t *testing.T) {
	t.Parallel()
	fake := filepath.Join(t.TempDir(), "echo")
	if err := os.WriteFile(fake, []byte("#!/bin/sh\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	if _, err := run(t, std.Options{ExecAllow: []string{"echo"}}, "exec", []string{fake}); err == nil || !jobs.IsPermanent(err) {
		t.Errorf("error %v", err)
	}
}

type replicator struct {
	body string
	err  error
}

func (r *replicator) Replicate(_ context.Context, body json.RawMessage) (json.RawMessage, error) {
	r.body = string(body)
	return json.RawMessage(`{"ok":true}`), r.err
}

func TestStartReplication(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		arguments any
		body      string
		fails     string
	}{
		"plain": {map[string]any{"source": "a", "target": "http://b/c"}, `{"source":"a","target":"http://b/c"}`, ""},
		"options": {
			map[string]any{"source": "a", "target": map[string]any{"url": "http://b/c"}, "options": map[string]any{"continuous": true, "source": "x"}},
			`{"continuous":true,"source":"a","target":{"url":"http://b/c"}}`, "",
		},
		"beside":    {map[string]any{"source": "a", "target": "b", "create_target": true}, `{"create_target":true,"source":"a","target":"b"}`, ""},
		"no source": {map[string]any{"target": "b"}, "", "arguments: source is missing"},
		"no target": {map[string]any{"source": "a", "target": ""}, "", "arguments: target is missing"},
		"number":    {map[string]any{"source": 1, "target": "b"}, "", "arguments: source is the name or URL of a database"},
		"array":     {[]any{"a", "b"}, "", "source and target are fields of an object"},
		"nothing":   {nil, "", "arguments: source is missing"},
		"bad":       {map[string]any{"source": "a", "target": "b", "options": 1}, "", "options is not an object"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var server replicator
			result, err := run(t, std.Options{Replicator: &server}, "start_replication", test.arguments)
			if test.fails != "" {
				if err == nil || !strings.Contains(err.Error(), test.fails) || !jobs.IsPermanent(err) {
					t.Errorf("error %v", err)
				}
				return
			}
			if err != nil || result != `{"ok":true}` {
				t.Errorf("result %s, error %v", result, err)
			}
			if diff := cmp.Diff(test.body, server.body); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestStartReplicationFails(t *testing.T) {
	t.Parallel()
	ends := map[string]any{"source": "a", "target": "b"}
	_, err := run(t, std.Options{}, "start_replication", ends)
	if err == nil || !jobs.IsPermanent(err) {
		t.Errorf("without a server: %v", err)
	}
	cause := errors.New("no")
	if _, err = run(t, std.Options{Replicator: &replicator{err: cause}}, "start_replication", ends); !errors.Is(err, cause) || jobs.IsPermanent(err) {
		t.Errorf("when the server fails: %v", err)
	}
}
