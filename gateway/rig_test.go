package gateway_test

import (
	"context"
	"encoding/json"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidwall/gjson"
	"go.uber.org/goleak"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/gateway"
	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
	"github.com/adlayer/after/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// rig is a store with a database of tasks and the queue before it.
type rig struct {
	t     testing.TB
	url   string // of the queue's tree
	store string // of the server
	tasks *client.Client
	db    *couch.Database
	count *atomic.Int64 // requests that reached the server

	user, password string
}

const user, password = "admin", "secret"

// both runs a test with the queue on the store's own port and with the queue in front of a server.
func both(t *testing.T, test func(t *testing.T, r *rig)) {
	t.Helper()
	t.Run("on the store's port", func(t *testing.T) { t.Parallel(); test(t, within(t, options())) })
	t.Run("before a server", func(t *testing.T) { t.Parallel(); test(t, before(t, options())) })
}

func options() gateway.Options {
	return gateway.Options{Database: "tasks", Worker: "manobi", User: user, Password: password, Resolve: resolve, MaxBody: 1 << 10}
}

// resolve knows no host nowhere.example.
func resolve(_ context.Context, host string) error {
	if host == "nowhere.example" {
		return &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	return nil
}

func newRig(tb testing.TB, under map[string]httpd.Mounted, serve func(*httpd.Server) http.Handler) *rig {
	tb.Helper()
	st, err := store.Open(tb.TempDir(), store.Options{})
	must(tb, err)
	server := httpd.New(st, httpd.Options{Admins: map[string]string{user: password, "other": "word"}, HashRounds: 1000, Under: under})
	must(tb, server.SetUp(context.Background()))
	r := &rig{t: tb, count: &atomic.Int64{}, user: user, password: password}
	handler := serve(server)
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { r.count.Add(1); handler.ServeHTTP(w, q) }))
	tb.Cleanup(func() {
		listener.CloseClientConnections()
		must(tb, server.Close())
		listener.Close()
		must(tb, st.Close())
	})
	r.store = listener.URL
	dialed, err := couch.Dial(listener.URL, couch.Options{User: user, Password: password})
	must(tb, err)
	tb.Cleanup(dialed.Close)
	must(tb, dialed.CreateDatabase(tb.Context(), "tasks"))
	r.db = dialed.Database("tasks")
	r.tasks = client.New(r.db)
	return r
}

func within(tb testing.TB, o gateway.Options) *rig {
	tb.Helper()
	var server *httpd.Server
	o.URL, o.Prefix = "http://store", "/_after"
	o.Transport = httpd.Inside(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) { server.ServeHTTP(w, q) }))
	pages := o.CORS
	o.CORS = gateway.CORS{} // the store answers browsers
	g, err := gateway.New(o)
	must(tb, err)
	under := map[string]httpd.Mounted{}
	for _, name := range gateway.Names() {
		under[name] = httpd.Mounted{Handler: g, Credentials: gateway.CredentialsHeader, CORS: func(gateway.CORS) gateway.CORS { return gateway.Pages(pages) }}
	}
	r := newRig(tb, under, func(s *httpd.Server) http.Handler { server = s; return s })
	r.url = r.store + "/_after"
	return r
}

func before(tb testing.TB, o gateway.Options) *rig {
	tb.Helper()
	r := newRig(tb, nil, func(s *httpd.Server) http.Handler { return s })
	o.URL = r.store
	g, err := gateway.New(o)
	must(tb, err)
	listener := httptest.NewServer(g)
	tb.Cleanup(func() { listener.Close(); g.Close() })
	r.url = listener.URL
	return r
}

// answer is what came back.
type answer struct {
	status int
	header http.Header
	body   string
}

func (a answer) get(path string) string { return gjson.Get(a.body, path).String() }

// asking is a request in the making.
type asking struct {
	method, path, kind, body string
	header                   map[string]string
	nobody                   bool // without credentials
}

func (r *rig) send(ctx context.Context, q asking) (answer, error) {
	request, err := http.NewRequestWithContext(ctx, q.method, r.url, strings.NewReader(q.body))
	if err != nil {
		return answer{}, err
	}
	request.URL.Opaque = strings.TrimPrefix(r.url, "http:") + q.path // as it stands
	if q.kind != "" {
		request.Header.Set("Content-Type", q.kind)
	}
	if !q.nobody {
		request.SetBasicAuth(r.user, r.password)
	}
	for name, value := range q.header {
		if value == "" {
			request.Header.Del(name)
			continue
		}
		request.Header.Set(name, value)
	}
	response, err := caller.Do(request)
	if err != nil {
		return answer{}, err
	}
	defer response.Body.Close()
	body, err := io.ReadAll(response.Body)
	return answer{response.StatusCode, response.Header, string(body)}, err
}

var caller = &http.Client{
	Transport:     &http.Transport{DisableKeepAlives: true},
	CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	Timeout:       time.Minute,
}

func (r *rig) ask(q asking) answer {
	r.t.Helper()
	a, err := r.send(r.t.Context(), q)
	must(r.t, err)
	if gjson.Valid(a.body) == (a.header.Get("Content-Type") != "application/json") && a.body != "" && !strings.HasSuffix(q.path, "/result") {
		r.t.Errorf("%s %s answers %s: %s", q.method, q.path, a.header.Get("Content-Type"), a.body)
	}
	describes(r.t, q, a)
	return a
}

const (
	form   = "application/x-www-form-urlencoded"
	inJSON = "application/json"
)

func (r *rig) get(path string) answer {
	r.t.Helper()
	return r.ask(asking{method: http.MethodGet, path: path})
}

func (r *rig) post(path, kind, body string) answer {
	r.t.Helper()
	return r.ask(asking{method: http.MethodPost, path: path, kind: kind, body: body})
}

// document reads what was written.
func (r *rig) document(id string) gjson.Result {
	r.t.Helper()
	doc, err := r.db.Get(r.t.Context(), id)
	must(r.t, err)
	return gjson.ParseBytes(doc.Body)
}

// work writes fields into a document, as a worker does.
func (r *rig) work(id string, fields map[string]any) {
	r.t.Helper()
	t, err := r.tasks.Get(r.t.Context(), id)
	must(r.t, err)
	for name, value := range fields {
		raw, err := json.Marshal(value)
		must(r.t, err)
		t, err = t.WithField(name, raw)
		must(r.t, err)
	}
	_, err = r.db.Put(r.t.Context(), id, t.Encode())
	must(r.t, err)
}

// documents counts the tasks that there are.
func (r *rig) documents() int64 {
	r.t.Helper()
	info, err := r.db.Info(r.t.Context())
	must(r.t, err)
	return info.Documents
}

func must(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

func ended(result any) map[string]any {
	return map[string]any{
		"status": task.Done, "executions": 1, "result": result, "started": "2026-11-22T06:00:00Z", "finished": "2026-11-22T06:00:01Z", "duration": 1000,
	}
}
