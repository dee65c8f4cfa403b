package gateway_test

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/tidwall/gjson"

	"github.com/adlayer/after/fleet"
)

func TestPost(t *testing.T) {
	t.Parallel()
	both(t, posts)
}

func posts(t *testing.T, r *rig) {
	t.Helper()
	for name, test := range map[string]struct{ kind, body, want string }{
		"form": {
			form, "task.url=http%3A%2F%2F127.0.0.1%2Fhook&task.id=form&task.headers.X-A=b&task.retry.limit=3&task.retry.interval=10s&task.timeout=30s&task.callback=2h&a=1&a=2&b=c+d",
			`{"job":{"name":"http","arguments":{"url":"http://127.0.0.1/hook","method":"POST","headers":{"X-A":"b"},"callback":"2h","form":{"a":["1","2"],"b":["c d"]}}},` +
				`"worker":"manobi","status":"waiting","retry":{"interval":"10s","limit":3},"timeout":"30s"}`,
		},
		"query": {
			form, "task.url=http%3A%2F%2F127.0.0.1%2F%3Fx%3D1&task.id=query&task.method=get&task.worker=w&task.repeat=every+5+minutes&task.timezone=Europe/Berlin&a=1",
			`{"job":{"name":"http","arguments":{"url":"http://127.0.0.1/?x=1","method":"GET","query":{"a":["1"]}}},` +
				`"worker":"w","status":"waiting","timezone":"Europe/Berlin","repeat":"every 5 minutes"}`,
		},
		"json": {
			inJSON, `{"id":"json","url":"https://[::1]:8080/","params":{"a":{"b":[1,2.5]}},"format":"json","method":"put","eta":"2099-01-01T00:00:00Z","headers":{"X-A":"é"},` +
				`"retry":2,"notify":{"email":["a@example.org"],"on":["error"]},"expect":"every 1h","limit":"10/s","codes":{"remove":[410]},"callback":true,"tags":["x"]}`,
			`{"job":{"name":"http","arguments":{"url":"https://[::1]:8080/","method":"PUT","headers":{"X-A":"é"},"body":{"a":{"b":[1,2.5]}},` +
				`"codes":{"remove":[410]},"limit":"10/s","callback":true}},"worker":"manobi","status":"waiting","date":"2099-01-01T00:00:00Z","retry":2,"tags":["x"],` +
				`"notify":{"email":["a@example.org"],"on":["error"]},"expect":"every 1h"}`,
		},
		"json as form": {
			inJSON, `{"id":"json as form","url":"http://localhost/","params":{"a":1,"b":["x",true],"c":null}}`,
			`{"job":{"name":"http","arguments":{"url":"http://localhost/","method":"POST","form":{"a":["1"],"b":["x","true"],"c":[""]}}},"worker":"manobi","status":"waiting"}`,
		},
		"form as json": {
			form, "task.url=http://localhost/&task.format=json&task.id=form+as+json&a=1&b=2&b=3",
			`{"job":{"name":"http","arguments":{"url":"http://localhost/","method":"POST","body":{"a":"1","b":["2","3"]}}},"worker":"manobi","status":"waiting"}`,
		},
	} {
		a := r.post("/queue", test.kind, test.body)
		if a.status != http.StatusCreated || a.get("status") != "scheduled" || a.get("id") != name && name != "query" {
			t.Errorf("%s: %d %s", name, a.status, a.body)
			continue
		}
		id := a.get("id")
		if want := "/queue/" + strings.ReplaceAll(id, " ", "%20"); !strings.HasSuffix(a.header.Get("Location"), want) {
			t.Errorf("%s: it is at %s", name, a.header.Get("Location"))
		}
		doc, _ := r.document(id).Value().(map[string]any)
		by := doc["posted"].(map[string]any)
		if by["by"] != user || by["at"] == nil {
			t.Errorf("%s: posted %v", name, by)
		}
		for _, ours := range []string{"_id", "_rev", "type", "posted"} {
			delete(doc, ours)
		}
		if diff := cmp.Diff(gjson.Parse(test.want).Value(), any(doc)); diff != "" {
			t.Errorf("%s: %s", name, diff)
		}
	}
	if a := r.post("/queue", form, "task.url=http://localhost/"); a.get("warning") != "" && a.get("id") == "" {
		t.Errorf("without an id: %s", a.body)
	}
}

// TestCountdown: seconds and durations count from the post.
func TestCountdown(t *testing.T) {
	t.Parallel()
	r := within(t, fixed(options()))
	for countdown, want := range map[string]string{"90": "2026-11-22T12:01:30Z", "1.5": "2026-11-22T12:00:01.500Z", "5m": "2026-11-22T12:05:00Z", "0": "2026-11-22T12:00:00Z"} {
		a := r.post("/queue", form, "task.url=http://localhost/&task.countdown="+countdown)
		if date := r.document(a.get("id")).Get("date").String(); date != want {
			t.Errorf("%s: %s, want %s", countdown, date, want)
		}
	}
	a := r.post("/queue", inJSON, `{"url":"http://localhost/","eta":"tomorrow at 9am","timezone":"Europe/Berlin"}`)
	if date := r.document(a.get("id")).Get("date").String(); date != "2026-11-23T08:00:00Z" {
		t.Errorf("tomorrow is %s: %s", date, a.body)
	}
}

func TestBadPosts(t *testing.T) {
	t.Parallel()
	both(t, badPosts)
}

func badPosts(t *testing.T, r *rig) {
	t.Helper()
	const good = `"url":"http://localhost/"`
	for name, test := range map[string]struct {
		kind, body string
		status     int
		field      string
	}{
		"no address":         {form, "a=1", 400, "url"},
		"no scheme":          {form, "task.url=localhost/a%26b", 400, "url"},
		"another scheme":     {form, "task.url=ftp://localhost/", 400, "url"},
		"a file":             {inJSON, `{"url":"file:///etc/passwd"}`, 400, "url"},
		"no host":            {inJSON, `{"url":"http:///x"}`, 400, "url"},
		"a blank":            {inJSON, `{"url":"http://localhost/a b"}`, 400, "url"},
		"unresolvable":       {inJSON, `{"url":"http://nowhere.example/"}`, 400, "url"},
		"both dates":         {form, "task.url=http://localhost/&task.eta=tomorrow&task.countdown=1", 400, "countdown"},
		"a date":             {form, "task.url=http://localhost/&task.eta=whenever", 400, "eta"},
		"a countdown":        {inJSON, `{` + good + `,"countdown":-1}`, 400, "countdown"},
		"a long countdown":   {inJSON, `{` + good + `,"countdown":1e300}`, 400, "countdown"},
		"a list as one":      {inJSON, `{` + good + `,"countdown":[1]}`, 400, "countdown"},
		"a zone":             {form, "task.url=http://localhost/&task.eta=tomorrow&task.timezone=Mars", 400, "timezone"},
		"a zone alone":       {form, "task.url=http://localhost/&task.timezone=Mars", 400, "timezone"},
		"a repeat":           {form, "task.url=http://localhost/&task.repeat=sometimes", 400, "repeat"},
		"a calendar":         {form, `task.url=http://localhost/&task.repeat={"days":1,"calendars":["nothere"]}`, 400, "repeat"},
		"a retry":            {inJSON, `{` + good + `,"retry":{"limit":-1}}`, 400, "retry"},
		"a timeout":          {form, "task.url=http://localhost/&task.timeout=soon", 400, "timeout"},
		"a header's name":    {inJSON, `{` + good + `,"headers":{"X A":"b"}}`, 400, "headers"},
		"an injected header": {inJSON, `{` + good + `,"headers":{"X-A":"b\r\nX-B: c"}}`, 400, "headers.X-A"},
		"in a form":          {form, "task.url=http://localhost/&task.headers.X-A=b%0D%0AX-B:c", 400, "headers.X-A"},
		"a method":           {form, "task.url=http://localhost/&task.method=GET%20/", 400, "method"},
		"a tunnel":           {form, "task.url=http://localhost/&task.method=connect", 400, "method"},
		"a port":             {form, "task.url=http://localhost:66000/", 400, "url"},
		"a limit":            {form, "task.url=http://localhost/&task.limit=fast", 400, "limit"},
		"a code":             {inJSON, `{` + good + `,"codes":{"done":["2xx",99]}}`, 400, "codes"},
		"a code twice":       {form, `task.url=http://localhost/&task.codes={"done":[200],"retry":[200]}`, 400, "codes"},
		"codes as a list":    {inJSON, `{` + good + `,"codes":[200]}`, 400, "codes"},
		"a list of codes":    {inJSON, `{` + good + `,"codes":{"gone":[410]}}`, 400, "codes"},
		"a callback":         {form, "task.url=http://localhost/&task.callback=often", 400, "callback"},
		"callbacks":          {inJSON, `{` + good + `,"callback":["2h"]}`, 400, "callback"},
		"a list":             {inJSON, `[{` + good + `}]`, 400, ""},
		"a format":           {form, "task.url=http://localhost/&task.format=xml", 400, "format"},
		"a field of a form":  {form, "task.url=http://localhost/&task.colour=red", 400, "colour"},
		"a field":            {inJSON, `{` + good + `,"colour":"red"}`, 400, "colour"},
		"a field twice":      {inJSON, `{` + good + `,` + good + `}`, 400, "url"},
		"twice in a form":    {form, "task.url=http://localhost/&task.url=http://localhost/", 400, "url"},
		"a wrong type":       {inJSON, `{` + good + `,"worker":1}`, 400, "worker"},
		"nested in a form":   {inJSON, `{` + good + `,"params":{"a":{"b":1}}}`, 400, "params.a"},
		"parameters":         {inJSON, `{` + good + `,"params":[1]}`, 400, "params"},
		"a notice":           {inJSON, `{` + good + `,"notify":{}}`, 400, "notify"},
		"what it is of":      {inJSON, `{` + good + `,"notify":{"url":"http://localhost/","on":["never"]}}`, 400, "notify.on"},
		"an expectation":     {inJSON, `{` + good + `,"expect":"someday"}`, 400, "expect"},
		"a reserved id":      {inJSON, `{` + good + `,"id":"_design/x"}`, 400, "id"},
		"batch as an id":     {inJSON, `{` + good + `,"id":"batch"}`, 400, "id"},
		"no JSON":            {inJSON, `{"url"`, 400, ""},
		"no object":          {inJSON, `["url"]`, 400, ""},
		"nothing":            {inJSON, ``, 400, ""},
		"a broken form":      {form, "task.url=%zz", 400, ""},
		"a type":             {"text/plain", "task.url=http://localhost/", 415, ""},
		"no type":            {"", "task.url=http://localhost/", 415, ""},
		"too much":           {form, "task.url=http://localhost/&a=" + strings.Repeat("x", 1<<10), 413, ""},
	} {
		a := r.post("/queue", test.kind, test.body)
		if a.status != test.status || a.get("field") != test.field || a.get("error") == "" || a.get("reason") == "" {
			t.Errorf("%s: %d %s, want %d and the field %q", name, a.status, a.body, test.status, test.field)
		}
	}
	if a := r.post("/queue?wait=long", form, "task.url=http://localhost/"); a.status != http.StatusBadRequest || a.get("field") != "wait" {
		t.Errorf("a wait: %d %s", a.status, a.body)
	}
	if a := r.ask(asking{method: http.MethodPatch, path: "/queue"}); a.status != http.StatusMethodNotAllowed || a.header.Get("Allow") != "GET, POST, HEAD" {
		t.Errorf("a method: %d %s, %s", a.status, a.body, a.header.Get("Allow"))
	}
	for _, path := range []string{"/queue/nothere", "/queue/_design%2Fx", "/queue/a/b", "/queue/a/", "/queue/_all_docs"} {
		if a := r.get(path); a.status != http.StatusNotFound || a.get("error") != "not_found" {
			t.Errorf("%s: %d %s", path, a.status, a.body)
		}
	}
	if n := r.documents(); n != 0 {
		t.Errorf("%d documents were written", n)
	}
}

// TestRights: what the server refuses is refused, in its words, and nobody borrows the gateway's own credentials.
func TestRights(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, r *rig) {
		t.Helper()
		for _, q := range []asking{
			{method: http.MethodPost, path: "/queue", kind: form, body: "task.url=http://localhost/"},
			{method: http.MethodGet, path: "/queue"},
			{method: http.MethodGet, path: "/queue/a"},
			{method: http.MethodDelete, path: "/queue/a"},
			{method: http.MethodPost, path: "/queue/a", kind: form, body: "task.countdown=1"},
		} {
			q.nobody = true
			if a := r.ask(q); a.status != http.StatusUnauthorized || a.get("error") != "unauthorized" {
				t.Errorf("nobody: %s %s: %d %s", q.method, q.path, a.status, a.body)
			}
			q.header = map[string]string{"Authorization": "Basic " + "YWRtaW46d3Jvbmc="}
			if a := r.ask(q); a.status != http.StatusUnauthorized || a.get("error") != "unauthorized" {
				t.Errorf("a wrong password: %s %s: %d %s", q.method, q.path, a.status, a.body)
			}
		}
		// The cookie of a session does as well.
		session, err := caller.Post(r.store+"/_session", inJSON, strings.NewReader(`{"name":"other","password":"word"}`))
		must(t, err)
		session.Body.Close()
		a := r.ask(asking{
			method: http.MethodPost, path: "/queue", kind: form, body: "task.url=http://localhost/&task.id=cookie", nobody: true,
			header: map[string]string{"Cookie": "a=b; AuthSession=" + session.Cookies()[0].Value},
		})
		if a.status != http.StatusCreated || r.document("cookie").Get("posted.by").String() != "other" {
			t.Errorf("a cookie: %d %s", a.status, a.body)
		}
	})
}

// TestIdempotency: a repeated post is the first one, also at the same instant, and other content under the same key is told.
func TestIdempotency(t *testing.T) {
	t.Parallel()
	both(t, sameKeys)
}

func sameKeys(t *testing.T, r *rig) {
	t.Helper()
	const body = `{"url":"http://localhost/","params":{"a":1,"b":2},"countdown":5}`
	asked := asking{method: http.MethodPost, path: "/queue", kind: inJSON, body: body, header: map[string]string{"Idempotency-Key": "k 1"}}
	var group sync.WaitGroup
	answers := make([]answer, 10)
	for i := range answers {
		group.Go(func() {
			var err error
			if answers[i], err = r.send(t.Context(), asked); err != nil {
				t.Error(err)
			}
		})
	}
	group.Wait()
	first := 0
	for _, a := range answers {
		if a.status != http.StatusCreated || a.body != answers[0].body {
			t.Errorf("%d %s, another got %s", a.status, a.body, answers[0].body)
		}
		if a.header.Get("Idempotent-Replayed") == "" {
			first++
		}
	}
	if n := r.documents(); n != 1 || first != 1 {
		t.Errorf("%d documents by %d first posts", n, first)
	}
	id := answers[0].get("id")
	asked.body = `{"params":{"b":2,"a":1},"url":"http://localhost/","countdown":5}`
	if a := r.ask(asked); a.status != http.StatusCreated || a.get("id") != id {
		t.Errorf("in another order: %d %s", a.status, a.body)
	}
	asked.body = `{"url":"http://localhost/2","params":{"a":1,"b":3},"countdown":5,"method":"PUT"}`
	a := r.ask(asked)
	if a.status != http.StatusConflict || a.get("error") != "conflict" || a.get("differs") != `["method","params","url"]` || a.get("field") != "method" ||
		!strings.Contains(a.get("reason"), "method, params, url") {
		t.Errorf("with other content: %d %s", a.status, a.body)
	}
	asked.header = map[string]string{"Idempotency-Key": "k 1", "Authorization": "Basic " + "b3RoZXI6d29yZA=="}
	if a := r.ask(asked); a.status != http.StatusCreated || a.get("id") == id {
		t.Errorf("the key of somebody else: %d %s", a.status, a.body)
	}
	asked.header = map[string]string{"Idempotency-Key": strings.Repeat("k", 256)}
	if a := r.ask(asked); a.status != http.StatusBadRequest || a.get("field") != "Idempotency-Key" {
		t.Errorf("a long key: %d %s", a.status, a.body)
	}
	// An id does the same, also once the task has run.
	for i := range 3 {
		if a := r.post("/queue", form, "task.id=i&task.url=http://localhost/&a=1"); a.status != http.StatusCreated || (a.header.Get("Idempotent-Replayed") == "") != (i == 0) {
			t.Errorf("by its id: %d %s", a.status, a.body)
		}
		if i == 1 {
			r.work("i", ended(nil))
		}
	}
	must(t, func() error {
		_, err := r.db.Put(t.Context(), "foreign", []byte(`{"worker":"w","job":"j"}`))
		return err
	}())
	if a := r.post("/queue", form, "task.id=foreign&task.url=http://localhost/"); a.status != http.StatusConflict || a.get("field") != "id" {
		t.Errorf("a document that was not posted: %d %s", a.status, a.body)
	}
	if a := r.ask(asking{method: http.MethodDelete, path: "/queue/i"}); a.status != http.StatusConflict {
		t.Errorf("cancelling what has ended: %d %s", a.status, a.body)
	}
	must(t, r.tasks.Delete(t.Context(), "i"))
	if a := r.post("/queue", form, "task.id=i&task.url=http://localhost/&a=2"); a.status != http.StatusCreated || a.header.Get("Idempotent-Replayed") != "" {
		t.Errorf("after it was deleted: %d %s", a.status, a.body)
	}
}

// TestShow: how a task stands, told by its document.
func TestShow(t *testing.T) {
	t.Parallel()
	both(t, shows)
}

func shows(t *testing.T, r *rig) {
	t.Helper()
	r.post("/queue", form, "task.id=a/b&task.url=http://localhost/x&task.eta=2099-01-01")
	a := r.get("/queue/a%2Fb")
	if a.status != http.StatusOK || a.get("status") != "waiting" || a.get("url") != "http://localhost/x" || a.get("due") != "2099-01-01T00:00:00Z" ||
		a.get("executions") != "0" || a.get("worker") != "manobi" {
		t.Errorf("before: %d %s", a.status, a.body)
	}
	r.work("a/b", map[string]any{
		"status": "error", "executions": 3, "retries": 2, "finished": "2026-11-22T06:00:01Z",
		"error": map[string]any{"message": "503", "kind": "job", "attempt": 3, "code": 503},
	})
	a = r.get("/queue/a%2Fb")
	if a.get("status") != "error" || a.get("failure.message") != "503" || a.get("failure.code") != "503" || a.get("executions") != "3" || a.get("due") != "" {
		t.Errorf("after: %s", a.body)
	}
	if a := r.ask(asking{method: http.MethodHead, path: "/queue/a%2Fb"}); a.status != http.StatusOK || a.body != "" {
		t.Errorf("its head: %d %q", a.status, a.body)
	}
}

func TestCancelAndReschedule(t *testing.T) {
	t.Parallel()
	both(t, cancelsAndReschedules)
}

func cancelsAndReschedules(t *testing.T, r *rig) {
	t.Helper()
	r.post("/queue", form, "task.id=a&task.url=http://localhost/&task.eta=2099-01-01")
	for kind, body := range map[string]string{form: "task.eta=2098-01-01&task.timezone=Europe/Berlin", inJSON: `{"eta":"2098-01-01","timezone":"Europe/Berlin"}`} {
		a := r.post("/queue/a", kind, body)
		if doc := r.document("a"); a.status != http.StatusOK || a.get("status") != "scheduled" || doc.Get("date").Str != "2097-12-31T23:00:00Z" || doc.Get("status").Str != "reschedule" {
			t.Errorf("%d %s: %s", a.status, a.body, doc.Raw)
		}
		r.work("a", map[string]any{"date": "2099-01-01T00:00:00Z", "status": "scheduled"})
	}
	for body, field := range map[string]string{"": "", "task.url=http://localhost/": "url", "task.eta=whenever": "eta", "task.repeat=whenever": "repeat", "a=1": "params", "task.eta=1&task.countdown=1": "countdown"} {
		if a := r.post("/queue/a", form, body); a.status != http.StatusBadRequest || a.get("field") != field {
			t.Errorf("%s: %d %s", body, a.status, a.body)
		}
	}
	for range 2 {
		a := r.ask(asking{method: http.MethodDelete, path: "/queue/a"})
		if a.status != http.StatusAccepted || a.get("status") != "cancel" || r.document("a").Get("status").Str != "cancel" {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	for _, q := range []asking{{method: http.MethodDelete, path: "/queue/b"}, {method: http.MethodPost, path: "/queue/b", kind: form, body: "task.countdown=1"}} {
		if a := r.ask(q); a.status != http.StatusNotFound || a.get("reason") != "there is no task b" {
			t.Errorf("%s: %d %s", q.method, a.status, a.body)
		}
	}
}

// TestEntries: a task shows the method that its call has, whoever wrote it, and its repeat as it stands in the document and in words.
func TestEntries(t *testing.T) {
	t.Parallel()
	r := within(t, options())
	for name, test := range map[string]struct{ document, method, repeat, period string }{
		"a":       {`"job":{"name":"http","arguments":{"url":"http://localhost/"}},"repeat":"1s"`, "GET", `"1s"`, "every second"},
		"b":       {`"job":{"name":"http","arguments":{"url":"http://localhost/","text":"x"}},"repeat":{"days":1,"calendars":["none"]}`, "POST", `{"days":1,"calendars":["none"]}`, ""},
		"c":       {`"job":{"name":"http","arguments":{"url":"http://localhost/","method":"put"}},"repeat":"0 9 * * *","timezone":"Europe/Berlin"`, "PUT", `"0 9 * * *"`, "at 09:00 every day, in Europe/Berlin"},
		"d":       {`"job":"noop","repeat":"sometimes"`, "", `"sometimes"`, ""},
		"nothing": {`"job":"noop","history":[{"status":"scheduled","note":"snoozed until tomorrow: <it> rains & snows"}]`, "", "", ""},
	} {
		_, err := r.db.Put(t.Context(), name, []byte(`{"worker":"w",`+test.document+`}`))
		must(t, err)
		a := r.get("/queue/" + name)
		if a.get("method") != test.method || gjson.Get(a.body, "repeat").Raw != test.repeat || a.get("period") != test.period {
			t.Errorf("%s: %s", name, a.body)
		}
	}
	if a := r.get("/queue/nothing"); !strings.Contains(a.body, `"note":"snoozed until tomorrow: <it> rains & snows"`) {
		t.Errorf("why it was put off: %s", a.body)
	}
}

// TestList: pages hold together, whatever number of tasks they have.
func TestList(t *testing.T) {
	t.Parallel()
	both(t, lists)
}

func lists(t *testing.T, r *rig) {
	t.Helper()
	for i := range 7 {
		r.post("/queue", form, fmt.Sprintf("task.id=%d&task.url=http://localhost/&task.eta=2099-01-01&task.worker=w%d", i, i%2))
	}
	r.work("6", ended(nil))
	for query, want := range map[string]string{
		"": "0 1 2 3 4 5 6", "?limit=3": "0 1 2 3 4 5 6", "?limit=7": "0 1 2 3 4 5 6", "?worker=w1": "1 3 5", "?worker=w0&status=waiting&limit=1": "0 2 4", "?status=done": "6",
		"?status=error": "", "?job=http&limit=2": "0 1 2 3 4 5 6",
	} {
		var ids []string
		for bookmark := ""; ; {
			at := "/queue" + query
			if bookmark != "" {
				at += "&bookmark=" + bookmark
			}
			a := r.get(at)
			for _, one := range gjson.Get(a.body, "tasks.#.id").Array() {
				ids = append(ids, one.Str)
			}
			if bookmark = a.get("bookmark"); bookmark == "" {
				break
			}
		}
		if got := strings.Join(ids, " "); got != want {
			t.Errorf("%s: %s, want %s", query, got, want)
		}
	}
	for query, field := range map[string]string{"?limit=0": "limit", "?limit=x": "limit", "?status=gone": "status", "?colour=red": "colour"} {
		if a := r.get("/queue" + query); a.status != http.StatusBadRequest || a.get("field") != field {
			t.Errorf("%s: %d %s", query, a.status, a.body)
		}
	}
	for _, bookmark := range []string{"nonsense", "~", "~!"} {
		if a := r.get("/queue?bookmark=" + bookmark); a.status != http.StatusBadRequest || a.get("field") != "bookmark" {
			t.Errorf("the bookmark %s: %d %s", bookmark, a.status, a.body)
		}
	}
	first := r.get("/queue?limit=3")
	must(t, r.tasks.Delete(t.Context(), first.get("tasks.0.id")))
	must(t, r.tasks.Delete(t.Context(), first.get("tasks.2.id")))
	if rest := r.get("/queue?bookmark=" + first.get("bookmark")); rest.get("tasks.#.id") != `["3","4","5","6"]` {
		t.Errorf("behind what was deleted: %d %s", rest.status, rest.body)
	}
}

// TestWarning: an answer says when nobody is there who makes the call.
func TestWarning(t *testing.T) {
	t.Parallel()
	both(t, warns)
}

func warns(t *testing.T, r *rig) {
	t.Helper()
	server := r.db.Client()
	must(t, server.CreateDatabase(t.Context(), fleet.Database(r.db.Name())))
	now := time.Now().UTC().Format(time.RFC3339Nano)
	member := `{"type":"member","member":"m","since":"` + now + `","seen":"` + now + `","workers":[{"name":"manobi","state":"holding"}]}`
	must(t, func() error {
		_, err := server.Database(fleet.Database(r.db.Name())).Put(t.Context(), "member:m", []byte(member))
		return err
	}())
	if a := r.post("/queue", form, "task.url=http://localhost/"); a.status != http.StatusCreated || a.get("warning") != "" {
		t.Errorf("a worker that runs: %d %s", a.status, a.body)
	}
	a := r.post("/queue", form, "task.url=http://localhost/&task.worker=nobody")
	if a.status != http.StatusCreated || a.get("warning") != "no worker named nobody is running: it makes the call when it is started" {
		t.Errorf("one that does not: %d %s", a.status, a.body)
	}
}

// TestWorkerOfTheAddress: the address may name the worker of a post, and nothing else than is known there.
func TestWorkerOfTheAddress(t *testing.T) {
	t.Parallel()
	r := within(t, options())
	for _, test := range []struct{ query, kind, body, worker, field string }{
		{"?worker=w", form, "task.url=http://localhost/", "w", ""},
		{"?worker=w", form, "task.url=http://localhost/&task.worker=w", "w", ""},
		{"?worker=w", inJSON, `{"url":"http://localhost/","worker":"v"}`, "", "worker"},
		{"?wiat=30s", inJSON, `{"url":"http://localhost/"}`, "", "wiat"},
	} {
		a := r.post("/queue"+test.query, test.kind, test.body)
		if test.field != "" && (a.status != http.StatusBadRequest || a.get("field") != test.field) || test.field == "" && r.document(a.get("id")).Get("worker").Str != test.worker {
			t.Errorf("%s %s: %d %s", test.query, test.body, a.status, a.body)
		}
	}
	a := r.post("/queue/batch?worker=w", inJSON, `{"tasks":[{"url":"http://localhost/"},{"url":"http://localhost/","worker":"v"}]}`)
	if id := a.get("results.0.id"); r.document(id).Get("worker").Str != "w" || a.get("results.1.field") != "worker" {
		t.Errorf("%d %s", a.status, a.body)
	}
	if a := r.post("/queue/batch?wait=1s", inJSON, `{"tasks":[]}`); a.status != http.StatusBadRequest || a.get("field") != "wait" {
		t.Errorf("%d %s", a.status, a.body)
	}
}
