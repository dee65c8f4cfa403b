package recorded_test

import (
	"bytes"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adlayer/after/cli"
	"github.com/adlayer/after/couch/couchtest"
)

// world is a machine on which people work with after, and a database elsewhere that is no store of after's as far as after knows.
type world struct {
	t      *testing.T
	folder string
}

// newWorld gives the environment of all commands: the configuration is in it alone.
func newWorld(t *testing.T, server couchtest.Server) *world {
	t.Helper()
	w := &world{t: t, folder: t.TempDir()}
	for name, value := range map[string]string{
		"HOME": w.folder, "TZ": "UTC", "TERM": "dumb",
		"AFTER_COUCH_URL": server.URL, "AFTER_COUCH_USER": "worker", "AFTER_COUCH_PASSWORD": "its own", "AFTER_SETUP_PASSWORD": server.Password,
		"AFTER_STATE_FOLDER": filepath.Join(w.folder, "state"), "AFTER_STORE_DATA": filepath.Join(w.folder, "data"),
		"AFTER_JOBS_FOLDER": w.folder, "AFTER_WORKER_CONCURRENCY": "20",
		"AFTER_GATEWAY_LISTEN": "127.0.0.1:0", "AFTER_GATEWAY_WORKER": "manobi",
		"AFTER_HTTP_CALLBACK_URL": "http://callbacks.example",
		"AFTER_HTTP_SIGNING_KEY":  "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=",
	} {
		t.Setenv(name, value)
	}
	return w
}

// after types a command that succeeds.
func (w *world) after(args ...string) {
	w.t.Helper()
	w.exits(0, args...)
}

// exits types a command.
func (w *world) exits(want int, args ...string) {
	w.t.Helper()
	var out, said bytes.Buffer
	got := cli.Run(w.t.Context(), "after", args, cli.Streams{In: strings.NewReader(""), Out: &out, Err: &said})
	if got != want {
		w.t.Errorf("after %s: exit status %d, not %d\n%s%s", strings.Join(args, " "), got, want, out.String(), said.String())
	}
}

// begins types a command that lasts, and waits until it says so. It ends with the test, before the server does.
func (w *world) begins(until string, args ...string) (said string) {
	w.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	out := &tail{until: until, seen: make(chan struct{})}
	var running sync.WaitGroup
	ended := make(chan int, 1)
	running.Go(func() {
		ended <- cli.Run(ctx, "after", args, cli.Streams{In: strings.NewReader(""), Out: out, Err: out})
	})
	w.t.Cleanup(func() {
		cancel()
		running.Wait()
	})
	select {
	case <-out.seen:
	case status := <-ended:
		w.t.Fatalf("after %s ends with %d:\n%s", strings.Join(args, " "), status, out.said())
	case <-time.After(time.Minute):
		w.t.Fatalf("after %s never says %q:\n%s", strings.Join(args, " "), until, out.said())
	}
	return out.said()
}

// tail keeps what a command says, and tells when it has said a certain thing.
type tail struct {
	until string

	mu   sync.Mutex
	text bytes.Buffer
	seen chan struct{}
	told bool
}

func (o *tail) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	n, err := o.text.Write(p)
	if !o.told && strings.Contains(o.text.String(), o.until) {
		o.told = true
		close(o.seen)
	}
	return n, err
}

func (o *tail) said() string {
	o.mu.Lock()
	defer o.mu.Unlock()
	return o.text.String()
}

// queue is the queue over HTTP, as somebody uses it who is the workers' user.
type queue struct {
	t   *testing.T
	url string
}

// ask sends a request that is answered with a status.
func (q queue) ask(want int, method, path, kind, body string, header ...string) (answer string) {
	q.t.Helper()
	r, err := http.NewRequestWithContext(q.t.Context(), method, q.url+path, strings.NewReader(body))
	if err != nil {
		q.t.Fatal(err)
	}
	r.SetBasicAuth("worker", "its own")
	if kind != "" {
		r.Header.Set("Content-Type", kind)
	}
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	client := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}}
	response, err := client.Do(r)
	if err != nil {
		q.t.Fatal(err)
	}
	defer response.Body.Close()
	read, err := io.ReadAll(response.Body)
	if err != nil || response.StatusCode != want {
		q.t.Errorf("%s %s: %d, not %d: %s %v", method, path, response.StatusCode, want, read, err)
	}
	return string(read)
}

// endpoint is called by tasks.
func endpoint(t *testing.T) (address string, callbacks <-chan string) {
	t.Helper()
	given := make(chan string, 10)
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		_, _ = io.Copy(io.Discard, r.Body)
		if callback := r.Header.Get("X-After-Callback"); callback != "" {
			w.WriteHeader(http.StatusAccepted)
			given <- callback
			return
		}
		_, _ = io.WriteString(w, `{"ok":true}`)
	}))
	t.Cleanup(listener.Close)
	return listener.URL, given
}

// member is a member of a JSON object.
func member(t *testing.T, object, name string) string {
	t.Helper()
	var members map[string]any
	if err := json.Unmarshal([]byte(object), &members); err != nil {
		t.Fatalf("%v: %s", err, object)
	}
	text, _ := members[name].(string)
	return text
}
