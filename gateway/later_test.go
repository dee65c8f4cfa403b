package gateway_test

import (
	"encoding/json"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"
)

// TestLater: the whole request is kept for the endpoint, and what is ours is taken out of it.
func TestLater(t *testing.T) {
	t.Parallel()
	both(t, handsOver)
}

func handsOver(t *testing.T, r *rig) {
	t.Helper()
	for name, test := range map[string]struct {
		method, path, body string
		header             map[string]string
		want               string // the arguments
		fields             map[string]string
	}{
		"plain": {
			method: http.MethodPut, path: "/later/http://localhost:8080/a//b/../c%20d;x?b=2&after.id=plain&a=%zz&after.in=5m&a=3", body: "\x00\xffbytes",
			header: map[string]string{"Content-Type": "image/png", "X-Own": "kept", "X-After-Worker": "w", "Connection": "X-Hop", "X-Hop": "1", "X-Task-Id": "former"},
			want: `{"url":"http://localhost:8080/a//b/../c%20d;x?b=2&a=%zz&a=3","method":"PUT","headers":{"Content-Type":"image/png","X-Own":"kept","User-Agent":"Go-http-client/1.1"},` +
				`"attachment":"body"}`,
			fields: map[string]string{"worker": "w", "_attachments.body.length": "7", "repeat": ""},
		},
		"encoded": {
			method: http.MethodGet, path: "/later/https%3A%2F%2F127.0.0.1%2Fa%252Fb%3Fx%3D1?after.id=encoded&after.every=5m&y=2&wait=1",
			want:   `{"url":"https://127.0.0.1/a%2Fb?x=1&y=2&wait=1","method":"GET","headers":{"User-Agent":"Go-http-client/1.1"}}`,
			fields: map[string]string{"worker": "manobi", "repeat": "every 5m", "_attachments": ""},
		},
		"headers alone": {
			method: "PURGE", path: "/later/HTTP://localhost/", body: "",
			header: map[string]string{
				"X-After-Id": "headers alone", "X-After-Cron": "0 9 * * *", "X-After-Timezone": "Europe/Berlin", "X-After-Retry": `{"limit":2}`, "Cookie": "a=b; AuthSession=x; c=d",
				"X-After-Attempt": "3", "X-After-Callback": "http://localhost/callback/x", "X-After-Authorization": "Basic YWRtaW46c2VjcmV0", "Authorization": "Bearer theirs",
			},
			want:   `{"url":"HTTP://localhost/","method":"PURGE","headers":{"Authorization":"Bearer theirs","Cookie":"a=b; c=d","User-Agent":"Go-http-client/1.1"}}`,
			fields: map[string]string{"repeat": "0 9 * * *", "timezone": "Europe/Berlin", "retry.limit": "2"},
		},
		"finishes later": {
			method: http.MethodGet, path: "/later/http://localhost/?after.id=finishes+later&after.callback=2h",
			want: `{"url":"http://localhost/","method":"GET","headers":{"User-Agent":"Go-http-client/1.1"},"callback":"2h"}`,
		},
		"by a header": {
			method: http.MethodGet, path: "/later/http://localhost/?after.id=by+a+header", header: map[string]string{"X-After-Callback": "true"},
			want: `{"url":"http://localhost/","method":"GET","headers":{"User-Agent":"Go-http-client/1.1"},"callback":true}`,
		},
	} {
		a := r.ask(asking{method: test.method, path: test.path, body: test.body, header: test.header})
		if a.status != http.StatusCreated || a.get("status") != "scheduled" || a.get("id") != name {
			t.Errorf("%s: %d %s", name, a.status, a.body)
			continue
		}
		doc := r.document(name)
		if diff := cmp.Diff(gjson.Parse(test.want).Value(), doc.Get("job.arguments").Value()); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
		for path, want := range test.fields {
			if got := doc.Get(path).String(); got != want {
				t.Errorf("%s: %s is %q, want %q", name, path, got, want)
			}
		}
		if test.body != "" {
			kept, err := r.db.Attachment(t.Context(), name, "body")
			must(t, err)
			raw, err := io.ReadAll(kept)
			must(t, err)
			kept.Close()
			if string(raw) != test.body {
				t.Errorf("%s: the body is %q", name, raw)
			}
		}
	}
}

func TestBadLater(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, r *rig) {
		t.Helper()
		for path, field := range map[string]string{
			"/later": "url", "/later/": "url", "/later/localhost/x": "url", "/later/ftp://localhost/": "url", "/later/http://nowhere.example/": "url", "/later/http:///x": "url",
			"/later/http://localhost/?after.at=tomorrow&after.in=5":         "after.in",
			"/later/http://localhost/?after.every=1h&after.cron=0+9+*+*+*":  "after.",
			"/later/http://localhost/?after.every=often":                    "after.every",
			"/later/http://localhost/?after.at=whenever":                    "after.at",
			"/later/http://localhost/?after.colour=red":                     "after.colour",
			"/later/http://localhost/?after.in=1&after.in=2":                "after.in",
			"/later/http://localhost/?after.id=%zz":                         "after.id",
			"/later/http://localhost/?after.timeout=soon":                   "after.timeout",
			"/later/http://localhost/?after.callback=soon":                  "after.callback",
			"/later/http://localhost/?after.wait=long":                      "after.wait",
			"/later/http://localhost/?after.id=" + strings.Repeat("%5f", 1): "after.id",
		} {
			a := r.ask(asking{method: http.MethodGet, path: path})
			if a.status != http.StatusBadRequest || !strings.HasPrefix(a.get("field"), field) || a.get("reason") == "" {
				t.Errorf("%s: %d %s, want the field %s", path, a.status, a.body, field)
			}
		}
		if a := r.post("/later/http://localhost/", "text/plain", strings.Repeat("x", 1<<11)); a.status != http.StatusRequestEntityTooLarge {
			t.Errorf("too much: %d %s", a.status, a.body)
		}
		a := r.ask(asking{method: http.MethodGet, path: "/later/http://localhost/", nobody: true, header: map[string]string{"X-After-Authorization": "Basic YWRtaW46d3Jvbmc="}})
		if a.status != http.StatusUnauthorized {
			t.Errorf("a wrong password of ours: %d %s", a.status, a.body)
		}
		if n := r.documents(); n != 0 {
			t.Errorf("%d documents were written", n)
		}
	})
}

// TestLaterAgain: the same request under a key is kept once.
func TestLaterAgain(t *testing.T) {
	t.Parallel()
	r := within(t, options())
	q := asking{method: http.MethodPost, path: "/later/http://localhost/x", kind: "text/plain", body: "a", header: map[string]string{"Idempotency-Key": "k"}}
	first := r.ask(q)
	if again := r.ask(q); again.body != first.body || again.header.Get("Idempotent-Replayed") != "true" || r.documents() != 1 {
		t.Errorf("%s, then %s", first.body, again.body)
	}
	if key := r.document(first.get("id")).Get("job.arguments.headers.Idempotency-Key").String(); key != "k" {
		t.Errorf("the endpoint's own key is %q", key)
	}
	q.body = "b"
	if a := r.ask(q); a.status != http.StatusConflict || a.get("differs") != `["body"]` {
		t.Errorf("another body: %d %s", a.status, a.body)
	}
}

func TestPing(t *testing.T) {
	t.Parallel()
	o := fixed(options())
	for name, r := range map[string]*rig{"within": within(t, o), "before": before(t, o)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r.t = t
			for query, field := range map[string]string{"": "every", "?every=often": "every", "?every=1h&colour=red": "colour", "?every=1h&notify.email=x": "notify.email"} {
				if a := r.post("/ping/backup"+query, "", ""); a.status != http.StatusBadRequest || a.get("field") != field {
					t.Errorf("%s: %d %s", query, a.status, a.body)
				}
			}
			for query, due := range map[string]string{"?every=1h&worker=w&notify.email=ops@example.org&notify.email=b@example.org": "2026-11-22T13:00:00Z"} {
				a := r.post("/ping/back%2Fup"+query, "", "")
				if a.status != http.StatusOK || a.get("id") != "expect:back/up" || a.get("due") != due {
					t.Errorf("%s: %d %s", query, a.status, a.body)
				}
			}
			doc := r.document("expect:back/up")
			if doc.Get("worker").Str != "w" || doc.Get("job.name").Str != "expect" || doc.Get("job.arguments.since").Str != "2026-11-22T12:00:00Z" {
				t.Errorf("%s", doc.Raw)
			}
			if told := doc.Get("notify").Raw; told != `{"email":["ops@example.org","b@example.org"],"on":["missed","recovered"]}` {
				t.Errorf("told: %s", told)
			}
			plan := map[string]any{
				"from": "2026-11-22T09:00:00Z", "index": 1, "nominal": "2026-11-22T10:00:00Z", "due": "2026-11-22T10:00:00Z", "key": "k",
				"last": map[string]string{"nominal": "2026-11-22T09:00:00Z", "at": "2026-11-22T09:00:00Z", "status": "done"},
			}
			r.work("expect:back/up", map[string]any{"status": "scheduled", "date": "2026-11-22T10:00:00Z", "plan": plan})
			r.post("/ping/back%2Fup", "", "")
			if doc := r.document("expect:back/up"); doc.Get("status").Str != "scheduled" || doc.Get("date").Str != "2026-11-22T10:00:00Z" {
				t.Errorf("a sign of life moved the date: %s", doc.Raw)
			}
			plan["last"] = map[string]string{"nominal": "2026-11-22T09:00:00Z", "at": "2026-11-22T09:00:00Z", "status": "error"}
			r.work("expect:back/up", map[string]any{"plan": plan})
			r.post("/ping/back%2Fup", "", "")
			if doc := r.document("expect:back/up"); doc.Get("status").Str != "run" {
				t.Errorf("after a silence: %s", doc.Raw)
			}
			r.post("/ping/back%2Fup?every=every+2h", "", "")
			if doc := r.document("expect:back/up"); doc.Get("status").Str != "reschedule" || doc.Get("date").Str != "2026-11-22T14:00:00Z" || doc.Get("notify.email.1").Str != "b@example.org" {
				t.Errorf("another period: %s", doc.Raw)
			}
			if a := r.get("/ping/x"); a.status != http.StatusMethodNotAllowed {
				t.Errorf("GET: %d %s", a.status, a.body)
			}
		})
	}
}

func TestResult(t *testing.T) {
	t.Parallel()
	both(t, results)
}

func results(t *testing.T, r *rig) {
	t.Helper()
	for name, test := range map[string]struct{ result, kind, body string }{
		"text":   {`{"status":200,"headers":{"content-type":"text/html; charset=utf-8"},"body":"<script>"}`, "text/html; charset=utf-8", "<script>"},
		"json":   {`{"status":201,"headers":{"content-type":"application/json"},"body":{"a":[1]}}`, "application/json", `{"a":[1]}`},
		"string": {`{"status":200,"headers":{"content-type":"application/json"},"body":"x"}`, "application/json", `"x"`},
		"bytes":  {`{"status":200,"headers":{"content-type":"image/png"},"base64":"AP8="}`, "image/png", "\x00\xff"},
		"none":   {`{"status":204,"headers":{}}`, "application/octet-stream", ""},
		"cut":    {`{"status":200,"headers":{"content-type":"text/plain"},"body":"abc","truncated":true}`, "text/plain", "abc"},
		"other":  {`[1,2]`, "application/json", "[1,2]"},
	} {
		r.post("/queue", form, "task.url=http://localhost/&task.id="+name)
		if a := r.get("/queue/" + name + "/result"); a.status != http.StatusNotFound {
			t.Errorf("%s, before: %d %s", name, a.status, a.body)
		}
		r.work(name, ended(json.RawMessage(test.result)))
		a := r.get("/queue/" + name + "/result")
		if a.status != http.StatusOK || a.header.Get("Content-Type") != test.kind || a.body != test.body || a.header.Get("X-Content-Type-Options") != "nosniff" ||
			!strings.Contains(a.header.Get("Content-Security-Policy"), "sandbox") || (a.header.Get("X-After-Truncated") != "") != (name == "cut") {
			t.Errorf("%s: %d %q %v", name, a.status, a.body, a.header)
		}
	}
}

func TestBatch(t *testing.T) {
	t.Parallel()
	both(t, batches)
}

func batches(t *testing.T, r *rig) {
	t.Helper()
	r.post("/queue", form, "task.url=http://localhost/&task.id=there&a=1")
	const body = `{"tasks":[{"url":"http://localhost/","id":"a"},{"url":"ftp://localhost/"},{"url":"http://localhost/","id":"there","params":{"a":1}},` +
		`{"url":"http://localhost/","id":"there","params":{"a":2}},{"url":"http://localhost/","id":"a"},{"url":"http://localhost/","id":"a","method":"PUT"},{"colour":"red"},{"url":"http://localhost/"}]}`
	for range 2 {
		a := r.post("/queue/batch", inJSON, body)
		var got []string
		for _, one := range gjson.Get(a.body, "results").Array() {
			got = append(got, one.Get("code").Raw+" "+one.Get("field").Str)
		}
		want := []string{"201 ", "400 url", "201 ", "409 params", "201 ", "409 method", "400 colour", "201 "}
		if diff := cmp.Diff(want, got); a.status != http.StatusOK || diff != "" {
			t.Errorf("%d %s: %s", a.status, a.body, diff)
		}
	}
	if n := r.documents(); n != 4 {
		t.Errorf("%d documents", n)
	}
	for body, field := range map[string]string{`{"tasks":[]}`: "tasks", `{"tasks":1}`: "tasks", `{}`: "tasks", `{"x":1}`: "x", `{`: ""} {
		if a := r.post("/queue/batch", inJSON, body); a.status != http.StatusBadRequest || a.get("field") != field {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	if a := r.post("/queue/batch", form, "a=1"); a.status != http.StatusUnsupportedMediaType {
		t.Errorf("a form: %d %s", a.status, a.body)
	}
	if a := r.get("/queue/batch"); a.status != http.StatusMethodNotAllowed {
		t.Errorf("GET: %d %s", a.status, a.body)
	}
}
