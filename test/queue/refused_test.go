package queue_test

import (
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strings"
	"testing"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/couch/couchtest"
)

// most is the largest body of a request in these tests.
const most = 2000

// asked is a request, and how it is refused.
type asked struct {
	method, path, kind, body string
	header                   http.Header

	status int
	name   string
	field  string
	says   string // a part of the reason
}

// door is one way in to the queue.
type door struct {
	t     *testing.T
	web   *http.Client
	queue string // where it is
	store *couchtest.Process
	db    *couch.Client
}

// doors gives the queue on a store's own port, and a gateway in front of another one.
func doors(t *testing.T) map[string]*door {
	t.Helper()
	program := couchtest.Program(t)
	web := &http.Client{Timeout: patience, Transport: &http.Transport{DisableKeepAlives: true}}
	env := []string{fmt.Sprint("AFTER_GATEWAY_MAX_BODY=", most), "AFTER_GATEWAY_LISTEN=127.0.0.1:0", "AFTER_LOG_LEVEL=error"}
	all := map[string]*door{}
	for _, name := range []string{"on the store's port", "before a store"} {
		d := &door{t: t, web: web, store: couchtest.NewProcess(t, program, env...)}
		d.store.Start()
		d.queue = "http://" + d.store.Address() + "/_after"
		if name == "before a store" {
			own := append(env, "AFTER_COUCH_URL=http://admin:secret@"+d.store.Address())
			gateway := couchtest.NewCommand(t, program, regexp.MustCompile(`^serving the queue at (http://[^/]+)/queue,`), own, "gateway")
			gateway.Start()
			d.queue = gateway.Address()
		}
		d.db = d.store.Server().Dial(t)
		must(t, d.db.CreateDatabase(t.Context(), "tasks"))
		all[name] = d
	}
	return all
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// send sends a request, whose path goes out as it stands.
func (d *door) send(q asked) (status int, header http.Header, body []byte) {
	d.t.Helper()
	request, err := http.NewRequestWithContext(d.t.Context(), q.method, d.queue, strings.NewReader(q.body))
	must(d.t, err)
	request.URL.Opaque = strings.TrimPrefix(d.queue, "http:") + q.path
	request.SetBasicAuth("admin", "secret")
	maps.Copy(request.Header, q.header)
	if q.kind != "" {
		request.Header.Set("Content-Type", q.kind)
	}
	answer, err := d.web.Do(request)
	must(d.t, err)
	defer answer.Body.Close()
	body, err = io.ReadAll(answer.Body)
	must(d.t, err)
	return answer.StatusCode, answer.Header, body
}

// state is all that the store has: its databases, and how far each has come.
func (d *door) state() string {
	d.t.Helper()
	names, err := d.db.AllDatabases(d.t.Context())
	must(d.t, err)
	var state []string
	for _, name := range names {
		info, err := d.db.Database(name).Info(d.t.Context())
		must(d.t, err)
		state = append(state, fmt.Sprint(name, " ", info.Documents, " ", info.UpdateSeq))
	}
	return strings.Join(state, "\n")
}

// TestRefused sends all kinds of mistakes through both doors. Each is a clear error in one form, and nothing is written.
func TestRefused(t *testing.T) {
	t.Parallel()
	for name, d := range doors(t) {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			d.t = t
			first := asked{method: http.MethodPost, path: "/queue", kind: form, body: "task.url=http://127.0.0.1:1/&task.id=first&task.worker=nobody&task.countdown=1h&a=1"}
			if status, _, body := d.send(first); status != http.StatusCreated || !strings.Contains(string(body), `"warning":"no worker named nobody is running`) {
				t.Fatalf("%d %s", status, body)
			}
			before := d.state()
			for what, q := range allMistakes() {
				d.refuses(what, q)
				if after := d.state(); after != before {
					t.Errorf("%s: it left something behind:\n%s\nbefore:\n%s", what, after, before)
					before = after
				}
			}
		})
	}
}

func (d *door) refuses(what string, q asked) {
	d.t.Helper()
	status, header, body := d.send(q)
	var is struct {
		Error, Reason, Field string
		Differs              []string
	}
	decoder := json.NewDecoder(strings.NewReader(string(body)))
	decoder.DisallowUnknownFields()
	if err := decoder.Decode(&is); err != nil || is.Reason == "" || header.Get("Content-Type") != "application/json" {
		d.t.Errorf("%s: the answer is no error in the form of all: %d %s %s", what, status, header.Get("Content-Type"), body)
		return
	}
	if status != q.status || is.Error != q.name || is.Field != q.field || !strings.Contains(is.Reason, q.says) {
		d.t.Errorf("%s: %d %s, want %d %s, field %q: %s", what, status, body, q.status, q.name, q.field, q.says)
	}
	if q.status == http.StatusConflict && q.field != "" && q.field != "id" && !slices.Contains(is.Differs, q.field) {
		d.t.Errorf("%s: the difference is not named: %s", what, body)
	}
}

const (
	form   = "application/x-www-form-urlencoded"
	inJSON = "application/json"
)

// mistakes are requests that are refused, by what is wrong with them.
type mistakes map[string]asked

func allMistakes() mistakes {
	m := mistakes{}
	m.addAddresses()
	m.addBodies()
	m.addTimes()
	m.addFields()
	m.addConflicts()
	m.addPaths()
	m.addOthers()
	return m
}

func (m mistakes) add(what string, q asked, status int, name, field, says string) {
	if q.method == "" {
		q.method = http.MethodPost
	}
	q.status, q.name, q.field, q.says = status, name, field, says
	m[what] = q
}

func (m mistakes) bad(what string, q asked, field, says string) {
	m.add(what, q, http.StatusBadRequest, "bad_request", field, says)
}

// with is a form that lacks nothing, with one field more or another one.
func with(field, value string) asked {
	values := url.Values{"task.url": {"http://127.0.0.1:1/"}, "task.worker": {"nobody"}, "task.countdown": {"1h"}}
	values.Set("task."+field, value)
	return asked{path: "/queue", kind: form, body: values.Encode()}
}

// withJSON is a post with members beside the worker; ok is the address.
func withJSON(members string) asked {
	return asked{path: "/queue", kind: inJSON, body: `{"worker":"nobody",` + members + `}`}
}

const ok = `"url":"http://127.0.0.1:1/",`

func (m mistakes) addAddresses() {
	for _, scheme := range []string{"ftp://example.org/", "file:///etc/passwd", "javascript:alert(1)", "gopher://x/"} {
		m.bad("a URL of another scheme: "+scheme, with("url", scheme), "url", "only http:// and https://")
	}
	m.bad("a URL without a scheme", with("url", "example.org/hook"), "url", "")
	m.bad("a URL without a host", with("url", "http:///hook"), "url", "")
	m.bad("a URL with a line break", with("url", "http://127.0.0.1:1/\r\nX: y"), "url", "cannot be read")
	m.bad("a URL with a wrong port", with("url", "http://127.0.0.1:99999/"), "url", "port")
	m.bad("no URL", withJSON(`"countdown":1`), "url", "missing")
	m.bad("an unresolvable host", with("url", "http://no.such.host.invalid/"), "url", "no.such.host.invalid")
	m.bad("a header that injects another", withJSON(ok+`"headers":{"X-A":"b\r\nX-C: d"}`), "headers.X-A", "line")
	m.bad("a header whose name injects another", withJSON(ok+`"headers":{"X-A: b\r\nX-C":"d"}`), "headers", "no name of a header")
	m.bad("a header of a form that injects another", with("headers.X-A", "b\nX-C: d"), "headers.X-A", "line")
	m.bad("a method that injects a header", with("method", "GET / HTTP/1.1\r\nX: y"), "method", "")
}

func (m mistakes) addBodies() {
	m.add("a body over the limit", with("x", strings.Repeat("x", most)), http.StatusRequestEntityTooLarge, "too_large", "", "gateway.max_body")
	for _, kind := range []string{"", "text/plain", "multipart/form-data; boundary=x", "application/xml", "nonsense;;"} {
		m.add("the content type "+kind, asked{path: "/queue", kind: kind, body: "task.url=x"}, http.StatusUnsupportedMediaType, "bad_content_type", "", "Content-Type")
	}
	m.bad("a malformed form", asked{path: "/queue", kind: form, body: "task.url=%zz"}, "", "form")
	m.bad("a form with a semicolon", asked{path: "/queue", kind: form, body: "task.url=a;task.worker=b"}, "", "form")
	m.bad("an empty form", asked{path: "/queue", kind: form}, "url", "missing")
	m.bad("a field twice", asked{path: "/queue", kind: form, body: "task.url=a&task.url=b"}, "url", "2 times")
	m.bad("an unknown field of a form", with("wrker", "x"), "wrker", "no field task.wrker")
	for _, body := range []string{"", "{", "[]", "null", `"x"`, `{"url":"http://127.0.0.1:1/"} {}`, "{\"url\":\"\xff\"}"} {
		m.bad("no JSON object: "+body, asked{path: "/queue", kind: inJSON, body: body}, "", "")
	}
	m.bad("an unknown field of JSON", withJSON(ok+`"wrker":1`), "wrker", "no field")
	m.bad("a field of JSON twice", withJSON(ok+`"id":"a","id":"b"`), "id", "twice")
	m.bad("a field of a wrong type", withJSON(`"url":7`), "url", "a number")
}

func (m mistakes) addTimes() {
	m.bad("both eta and countdown", withJSON(ok+`"eta":"2099-01-01T00:00:00Z","countdown":1`), "countdown", "both eta and countdown")
	for _, value := range []string{"-1", "NaN", "soon", "1e99", ""} {
		m.bad("the countdown "+value, with("countdown", value), "countdown", "")
	}
	when := func(field, value string) asked {
		q := with(field, value)
		q.body = strings.Replace(q.body, "task.countdown=1h&", "", 1)
		return q
	}
	m.bad("an eta that is no date", when("eta", "the day after never"), "eta", "the day after never")
	m.bad("a repeat that is none", when("repeat", "every so often"), "repeat", "every so often")
	m.bad("a time zone that is none", with("timezone", "Mars/Olympus"), "timezone", "Mars/Olympus")
	m.bad("a timeout that is none", with("timeout", "long"), "timeout", "no duration")
	m.bad("a retry that is none", with("retry", "often"), "retry", "")
}

func (m mistakes) addFields() {
	m.bad("a limit of retries that is none", with("retry.limit", "-1"), "retry", "")
	m.bad("a limit that is none", with("limit", "often"), "limit", "")
	m.bad("codes that are none", with("codes", `{"done":["99"]}`), "codes", "")
	m.bad("a format that is none", with("format", "xml"), "format", "neither form nor json")
	m.bad("a callback that is neither", with("callback", "perhaps"), "callback", "neither true nor false")
	m.bad("a notice to nobody", withJSON(ok+`"notify":{}`), "notify", "neither a url nor an email")
	m.bad("an expectation that is none", with("expect", "sometimes"), "expect", "cannot read the duration")
	m.bad("parameters that are no object", withJSON(ok+`"params":[1]`), "params", "an object")
	m.bad("parameters that are no form", withJSON(ok+`"params":{"a":{"b":1}}`), "params.a", `"format": "json"`)
	m.bad("no worker", asked{path: "/queue", kind: form, body: "task.url=http://127.0.0.1:1/"}, "worker", "gateway.worker")
	m.bad("an id of the database's own", with("id", "_design/x"), "id", "")
	m.bad("an id that is a path", with("id", "batch"), "id", "another id")
	m.bad("a key that is too long", asked{path: "/queue", kind: form, body: with("id", "").body, header: http.Header{"Idempotency-Key": {strings.Repeat("k", 256)}}}, "Idempotency-Key", "255")
}

// addConflicts adds what is there already with other content.
func (m mistakes) addConflicts() {
	post := func(values string) asked {
		return asked{path: "/queue", kind: form, body: "task.id=first&task.worker=nobody&" + values}
	}
	conflict := func(what, values, field string) {
		m.add(what, post(values), http.StatusConflict, "conflict", field, field)
	}
	conflict("an id with another URL", "task.url=http://127.0.0.1:2/&task.countdown=1h&a=1", "url")
	conflict("an id with other parameters", "task.url=http://127.0.0.1:1/&task.countdown=1h&a=2", "params")
	conflict("an id with another time", "task.url=http://127.0.0.1:1/&task.countdown=2h&a=1", "countdown")
	conflict("an id with another method", "task.url=http://127.0.0.1:1/&task.countdown=1h&task.method=PUT&a=1", "method")
	conflict("an id with a time zone more", "task.url=http://127.0.0.1:1/&task.countdown=1h&task.timezone=UTC&a=1", "timezone")
}

// addPaths adds what is wrong beyond a post.
func (m mistakes) addPaths() {
	missing := func(what, method, path string) {
		m.add(what, asked{method: method, path: path, kind: form, body: "task.countdown=1h"}, http.StatusNotFound, "not_found", "", "")
	}
	missing("a task that is not there", http.MethodGet, "/queue/none")
	missing("its result", http.MethodGet, "/queue/none/result")
	missing("the result of what has not run", http.MethodGet, "/queue/first/result")
	missing("its end", http.MethodDelete, "/queue/none")
	missing("another date for it", http.MethodPost, "/queue/none")
	missing("nothing behind a task", http.MethodGet, "/queue/first/more")
	missing("a document that is no task", http.MethodGet, "/queue/_design%2Fx")
	get := func(path string) asked { return asked{method: http.MethodGet, path: path} }
	m.bad("a status that is none", get("/queue?status=asleep"), "status", "asleep")
	m.bad("a page of none", get("/queue?limit=0"), "limit", "1 to 1000")
	m.bad("a page of too many", get("/queue?limit=1001"), "limit", "1 to 1000")
	m.bad("an unknown parameter", get("/queue?stat=done"), "stat", "no parameter")
	m.bad("a bookmark that is none", get("/queue?bookmark=x"), "bookmark", "")
	m.bad("a wait that is none", get("/queue/first?wait=long"), "wait", "no duration")
	m.bad("another url for a task", asked{path: "/queue/first", kind: form, body: "task.url=http://127.0.0.1:2/"}, "url", "countdown, eta, repeat or timezone")
	m.bad("no date for a task", asked{path: "/queue/first", kind: form}, "", "countdown, eta or repeat")
	m.bad("another date that is none", asked{path: "/queue/first", kind: form, body: "task.eta=never"}, "eta", "never")
	for _, method := range []string{http.MethodPut, http.MethodPatch} {
		m.add("the method "+method, asked{method: method, path: "/queue"}, http.StatusMethodNotAllowed, "method_not_allowed", "", "GET, POST, HEAD")
	}
}

// addOthers adds what is wrong with batches, requests that are handed over, pings and credentials.
func (m mistakes) addOthers() {
	m.bad("a batch of none", asked{path: "/queue/batch", kind: inJSON, body: `{"tasks":[]}`}, "tasks", "1 to 1000")
	m.bad("a batch that is no object", asked{path: "/queue/batch", kind: inJSON, body: `[]`}, "", "")
	m.add("a batch that is no JSON", asked{path: "/queue/batch", kind: form, body: "task.url=x"}, http.StatusUnsupportedMediaType, "bad_content_type", "", "JSON")
	m.bad("a handed request to nowhere", asked{path: "/later/"}, "url", "/later/https://host/path")
	m.bad("a handed request to another scheme", asked{path: "/later/ftp%3A%2F%2Fexample.org%2F?after.worker=nobody"}, "url", "only http:// and https://")
	m.bad("a handed request with an unknown setting", asked{path: "/later/http://127.0.0.1:1/?after.wrker=x"}, "after.wrker", "no setting")
	m.bad("a handed request with two times", asked{path: "/later/http://127.0.0.1:1/?after.worker=nobody&after.at=tomorrow&after.in=1h"}, "after.in", "both at and in")
	m.bad("a handed request with a setting twice", asked{
		path: "/later/http://127.0.0.1:1/?after.worker=nobody", header: http.Header{"X-After-Worker": {"nobody"}},
	}, "X-After-Worker", "twice")
	m.bad("a first ping without a period", asked{path: "/ping/new?worker=nobody"}, "every", "")
	m.bad("a ping whose period is none", asked{path: "/ping/new?worker=nobody&every=sometimes"}, "every", "")
	m.add("a callback without a signing key", asked{path: "/callback/x"}, http.StatusNotFound, "not_found", "", "http.signing_key")
	m.add("wrong credentials", asked{path: "/queue", kind: form, body: "task.url=http://127.0.0.1:1/&task.worker=nobody", header: http.Header{"Authorization": {"Basic YWRtaW46d3Jvbmc="}}},
		http.StatusUnauthorized, "unauthorized", "", "")
	m.add("no credentials", asked{path: "/queue", kind: form, body: "task.url=http://127.0.0.1:1/&task.worker=nobody", header: http.Header{"Authorization": nil}},
		http.StatusUnauthorized, "unauthorized", "", "")
}
