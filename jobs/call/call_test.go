package call_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/tidwall/gjson"
	"go.uber.org/goleak"

	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/jobs/call"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/webhook"
)

const (
	nominal = "2026-03-01T10:00:00Z"
	secret  = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// document makes a task's handle; fields are put beside those of a usual document.
func document(tb testing.TB, id string, fields map[string]any) *jobs.Task {
	tb.Helper()
	doc := map[string]any{
		"_id": id, "_rev": "1-a", "worker": "manobi", "job": "http",
		"plan": map[string]any{"from": nominal, "nominal": nominal, "due": nominal, "key": id + "@" + nominal + "/1-a"},
	}
	maps.Copy(doc, fields)
	raw, err := json.Marshal(doc)
	if err != nil {
		tb.Fatal(err)
	}
	decoded, err := task.Decode(raw)
	if err != nil {
		tb.Fatal(err)
	}
	log := logrus.New()
	log.SetOutput(io.Discard)
	return jobs.NewTask(decoded, 1, log)
}

// fresh is a caller whose connections end with the test.
func fresh(tb testing.TB, o call.Options) *call.Caller {
	tb.Helper()
	if o.Proxy == "" {
		o.Proxy = "none"
	}
	c, err := call.New(o)
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(c.Close)
	return c
}

// arguments reads arguments as a document has them.
func arguments(tb testing.TB, text string, args ...any) call.Arguments {
	tb.Helper()
	var a call.Arguments
	if err := json.Unmarshal(fmt.Appendf(nil, text, args...), &a); err != nil {
		tb.Fatal(err)
	}
	if err := a.Validate(); err != nil {
		tb.Fatal(err)
	}
	return a
}

// seen is a request as a server saw it.
type seen struct {
	*http.Request

	body string
}

// recorder is a server that keeps what it was asked, and answers by its handler; 200 where that is nil.
func recorder(tb testing.TB, handler http.HandlerFunc) (address string, requests func() []seen) {
	tb.Helper()
	var mu sync.Mutex
	var all []seen
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			body = []byte(err.Error())
		}
		mu.Lock()
		all = append(all, seen{r, string(body)})
		mu.Unlock()
		if handler != nil {
			handler(w, r)
		}
	}))
	tb.Cleanup(s.Close)
	return s.URL, func() []seen {
		mu.Lock()
		defer mu.Unlock()
		return all
	}
}

// TestBodies sends each kind of body.
func TestBodies(t *testing.T) {
	t.Parallel()
	address, requests := recorder(t, nil)
	c := fresh(t, call.Options{})
	handle := document(t, "a", map[string]any{"_attachments": map[string]any{"in.csv": map[string]any{"content_type": "text/csv", "stub": true, "length": 7000}}})
	handle = handle.WithAttachments(func(_ context.Context, id, name string) (io.ReadCloser, error) {
		if name == "missing" {
			return nil, errors.New("there is none")
		}
		return io.NopCloser(strings.NewReader(strings.Repeat(id+name, 1000))), nil
	})
	tests := []struct{ arguments, method, query, kind, body string }{
		{`{"url":"%s/"}`, "GET", "", "", ""},
		{`{"url":"%s/?a=1","query":{"b":[2,"x y"],"c":true}}`, "GET", "a=1&b=2&b=x+y&c=true", "", ""},
		{`{"url":"%s/","body":{"a":[1]}}`, "POST", "", "application/json", `{"a":[1]}`},
		{`{"url":"%s/","body":"plain"}`, "POST", "", "text/plain; charset=utf-8", "plain"},
		{`{"url":"%s/","form":{"a":"x y","b":[1,2]}}`, "POST", "", "application/x-www-form-urlencoded", "a=x+y&b=1&b=2"},
		{`{"url":"%s/","method":"put","text":"{}","headers":{"content-type":"application/xml"}}`, "PUT", "", "application/xml", "{}"},
		{`{"url":"%s/","base64":"/wA="}`, "POST", "", "application/octet-stream", "\xff\x00"},
		{`{"url":"%s/","attachment":"in.csv"}`, "POST", "", "text/csv", strings.Repeat("ain.csv", 1000)},
		{`{"url":"%s/","attachment":"other"}`, "POST", "", "application/octet-stream", strings.Repeat("aother", 1000)},
		{`{"url":"%s/","method":"DELETE"}`, "DELETE", "", "", ""},
	}
	for i, test := range tests {
		if _, err := c.Run(t.Context(), handle, arguments(t, test.arguments, address)); err != nil {
			t.Fatalf("%s: %v", test.arguments, err)
		}
		r := requests()[i]
		if r.Method != test.method || r.URL.RawQuery != test.query || r.Header.Get("Content-Type") != test.kind || r.body != test.body {
			t.Errorf("%s: %s %s, %s: %.100q", test.arguments, r.Method, r.URL, r.Header.Get("Content-Type"), r.body)
		}
	}
	if known, unknown := requests()[7].ContentLength, requests()[8].ContentLength; known != 7000 || unknown != -1 {
		t.Errorf("the lengths of attachments that the document knows and does not know were told as %d and %d", known, unknown)
	}
	for range 6 { // as many as would have the host left alone
		_, err := c.Run(t.Context(), handle, arguments(t, `{"url":"%s/","attachment":"missing"}`, address))
		if err == nil || !strings.Contains(err.Error(), "attachment missing: there is none") || jobs.IsPermanent(err) {
			t.Errorf("a missing attachment: %v", err)
		}
	}
	if states := c.Hosts(); len(states) != 1 || states[0].State != "closed" {
		t.Errorf("the host was blamed: %+v", states)
	}
}

// TestGzip sends a compressed body, out of memory and out of an attachment, signed as it is sent.
func TestGzip(t *testing.T) {
	t.Parallel()
	address, requests := recorder(t, nil)
	c := fresh(t, call.Options{SigningKeys: []string{secret}})
	plain := strings.Repeat("after ", 20_000)
	handle := document(t, "a", nil).WithAttachments(func(context.Context, string, string) (io.ReadCloser, error) {
		return io.NopCloser(strings.NewReader(plain)), nil
	})
	for _, args := range []string{`{"url":"%s","gzip":true,"attachment":"x"}`, `{"url":"%s","gzip":true,"text":"` + plain + `"}`} {
		if _, err := c.Run(t.Context(), handle, arguments(t, args, address)); err != nil {
			t.Fatal(err)
		}
	}
	v, err := webhook.NewVerifier(secret)
	if err != nil {
		t.Fatal(err)
	}
	for _, r := range requests() {
		if r.Header.Get("Content-Encoding") != "gzip" || len(r.body) > 2000 {
			t.Errorf("%d bytes, %s", len(r.body), r.Header.Get("Content-Encoding"))
		}
		if got := unzip(t, r.body); got != plain {
			t.Errorf("%d bytes unpacked, want %d", len(got), len(plain))
		}
		if _, err := v.Verify(r.Header, []byte(r.body)); err != nil {
			t.Error(err)
		}
	}
}

// TestMarks looks at the headers that every call has, and that a document cannot give them.
func TestMarks(t *testing.T) {
	t.Parallel()
	address, requests := recorder(t, nil)
	c := fresh(t, call.Options{UserAgent: "after/1", SigningKeys: []string{secret}})
	forged := `{"url":"%s","headers":{"user-agent":"x","x-task-id":"x","x-after-worker":"x","x-after-nominal-date":"x","x-after-attempt":"x",
		"x-after-callback":"x","x-after-else":"x","idempotency-key":"x","x-via-jobqueue":"no","webhook-id":"x","webhook-timestamp":"x",
		"webhook-signature":"x","traceparent":"x","tracestate":"x","connection":"x-own","transfer-encoding":"identity","content-length":"7",
		"x-own":["1","2"]},"body":"b"}`
	for range 2 {
		if _, err := c.Run(t.Context(), document(t, "a b/é", nil), arguments(t, forged, address)); err != nil {
			t.Fatal(err)
		}
	}
	parent := `{"url":"%s","headers":{"Traceparent":"00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01","TraceState":"a=1"}}`
	if _, err := c.Run(t.Context(), document(t, "a", nil), arguments(t, parent, address)); err != nil {
		t.Fatal(err)
	}
	first, second, third := requests()[0], requests()[1], requests()[2]
	want := map[string]string{
		"User-Agent": "after/1", "X-Task-Id": "a%20b/%C3%A9", "X-After-Worker": "manobi", "X-After-Nominal-Date": nominal, "X-After-Attempt": "1",
		"Idempotency-Key": "a%20b/%C3%A9@" + nominal + "/1-a", "X-Via-Jobqueue": "yes", "Webhook-Id": "a%20b/%C3%A9@" + nominal + "/1-a",
		"X-Own": "1,2", "X-After-Callback": "", "X-After-Else": "", "Tracestate": "", "Connection": "",
	}
	for name, value := range want {
		if got := strings.Join(first.Header[name], ","); got != value {
			t.Errorf("%s is %q, want %q", name, got, value)
		}
	}
	if first.ContentLength != 1 || first.body != "b" {
		t.Errorf("%d bytes: %q", first.ContentLength, first.body)
	}
	v, err := webhook.NewVerifier(secret)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := v.Verify(first.Header, []byte(first.body)); err != nil {
		t.Error(err)
	}
	a, b := first.Header.Get("Traceparent"), second.Header.Get("Traceparent")
	if len(a) != 55 || a[:36] != b[:36] || a == b || a[52:] != "-00" {
		t.Errorf("two attempts are one trace and two spans: %s and %s", a, b)
	}
	if got := third.Header.Get("Traceparent"); !strings.HasPrefix(got, "00-4bf92f3577b34da6a3ce929d0e0e4736-") || strings.Contains(got, "00f067aa0ba902b7") ||
		!strings.HasSuffix(got, "-01") || third.Header.Get("Tracestate") != "a=1" {
		t.Errorf("no child span: %s, %s", got, third.Header.Get("Tracestate"))
	}
}

// TestTraceparent: what continues a trace, and what makes no sense and begins one of its own.
func TestTraceparent(t *testing.T) {
	t.Parallel()
	address, requests := recorder(t, nil)
	c := fresh(t, call.Options{})
	const ids = "4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7"
	for i, test := range []struct{ given, flags string }{
		{"00-" + ids + "-01", "-01"},
		{"01-" + ids + "-ff-more", "-01"},
		{"cc-" + ids + "-02", "-00"},
		{"zz-" + ids + "-01", ""},
		{"ff-" + ids + "-01", ""},
		{"00-" + ids + "-01-more", ""},
		{"00-" + strings.ToUpper(ids) + "-01", ""},
		{"00-00000000000000000000000000000000-00f067aa0ba902b7-01", ""},
	} {
		if _, err := c.Run(t.Context(), document(t, "a", nil), arguments(t, `{"url":"%s","headers":{"traceparent":%q}}`, address, test.given)); err != nil {
			t.Fatal(err)
		}
		got := requests()[i].Header.Get("Traceparent")
		if goesOn := strings.HasPrefix(got, "00-"+ids[:33]); goesOn != (test.flags != "") || goesOn && got[52:] != test.flags {
			t.Errorf("%s: %s", test.given, got)
		}
	}
}

// TestResultIsUTF8: what says that it is JSON and is no UTF-8 becomes bytes, for no document can hold it otherwise.
func TestResultIsUTF8(t *testing.T) {
	t.Parallel()
	address, _ := recorder(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte("{\"a\":\"\xff\"}"))
	})
	result, err := fresh(t, call.Options{}).Run(t.Context(), document(t, "a", nil), arguments(t, `{"url":"%s"}`, address))
	if err != nil || result.Body != nil || result.Base64 != "eyJhIjoi/yJ9" {
		t.Errorf("%+v, %v", result, err)
	}
}

// TestRetryAfter in all the forms that it has.
func TestRetryAfter(t *testing.T) {
	t.Parallel()
	address, _ := recorder(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header()["Date"] = r.URL.Query()["date"]
		w.Header().Set("Retry-After", r.URL.Query().Get("after"))
		w.WriteHeader(http.StatusTooManyRequests)
	})
	c := fresh(t, call.Options{})
	const date = "Sun, 01 Mar 2026 10:00:00 GMT"
	for _, test := range []struct {
		after, date string
		least, most time.Duration
	}{
		{"7", "", 7 * time.Second, 7 * time.Second},
		{"99999999999999999999", "", 24 * time.Hour, 24 * time.Hour},
		{"-7", "", 0, 0},
		{"soon", date, 0, 0},
		{"Sun, 01 Mar 2026 10:00:30 GMT", date, 30 * time.Second, 30 * time.Second},
		{"Sunday, 01-Mar-26 10:00:30 GMT", date, 30 * time.Second, 30 * time.Second},
		{"Sun Mar  1 10:00:30 2026", date, 30 * time.Second, 30 * time.Second},
		{"Sun, 01 Mar 2026 09:00:30 GMT", date, 0, 0},
		{time.Now().Add(2 * time.Hour).UTC().Format(http.TimeFormat), "", time.Hour, 2 * time.Hour},
	} {
		in := arguments(t, `{"url":"%s","query":{"after":%q,"date":%s}}`, address, test.after, map[bool]string{true: "[]", false: `"` + test.date + `"`}[test.date == ""])
		_, err := c.Run(t.Context(), document(t, "a", nil), in)
		if d, _ := jobs.RetryAfterOf(err); d < test.least || d > test.most {
			t.Errorf("%s: %v", test.after, d)
		}
	}
}

// TestCodes maps the status of an answer to what becomes of the task.
func TestCodes(t *testing.T) {
	t.Parallel()
	address, _ := recorder(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Retry-After", "7")
		var status int
		_, _ = fmt.Sscanf(r.URL.Path, "/%d", &status)
		w.WriteHeader(status)
	})
	closed := httptest.NewServer(nil)
	closed.Close()
	tests := []struct{ codes, defaults, status, want string }{
		{"", "", "200", "done"},
		{"", "", "304", "done"},
		{"", "", "404", "permanent 404"},
		{"", "", "410", "permanent 410"},
		{"", "", "408", "retry 408"},
		{"", "", "429", "retry 429"},
		{"", "", "501", "retry 501"},
		{"", "", "0", "retry 0"},
		{`{"done":["2xx"],"retry":[429,"5xx",0],"remove":[410]}`, "", "410", "remove"},
		{`{"done":["2xx"],"retry":[429,"5xx",0],"remove":[410]}`, "", "408", "permanent 408"},
		{`{"done":["2xx"],"retry":[429,"5xx",0],"remove":[410]}`, "", "0", "retry 0"},
		{`{"done":["2xx","4xx"],"retry":[404]}`, "", "404", "retry 404"},
		{`{"done":["5xx"]}`, "", "503", "done"},
		{`{"done":[201]}`, "", "200", "permanent 200"},
		{`{"error":[202]}`, "", "202", "permanent 202"},
		{`{"retry":[]}`, "", "0", "permanent 0"},
		{`{"done":[0]}`, "", "0", "done"},
		{`{"remove":["0"]}`, "", "0", "remove"},
		{"", `{"remove":[410]}`, "410", "remove"},
		{`{"remove":[]}`, `{"remove":[410]}`, "410", "permanent 410"},
		{`{"done":["4xx"]}`, `{"remove":[410]}`, "410", "done"},
	}
	for _, test := range tests {
		t.Run(test.codes+test.defaults+test.status, func(t *testing.T) {
			t.Parallel()
			var o call.Options
			if test.defaults != "" {
				if err := json.Unmarshal([]byte(test.defaults), &o.Codes); err != nil {
					t.Fatal(err)
				}
			}
			if test.codes == "" {
				test.codes = "{}"
			}
			url := address + "/" + test.status
			if test.status == "0" {
				url = closed.URL
			}
			result, err := fresh(t, o).Run(t.Context(), document(t, "a", nil), arguments(t, `{"url":"%s","codes":%s}`, url, test.codes))
			if got := outcome(result, err); got != test.want {
				t.Errorf("%s, want %s: %v", got, test.want, err)
			}
			if d, _ := jobs.RetryAfterOf(err); strings.HasPrefix(test.want, "retry") && test.status != "0" && d != 7*time.Second {
				t.Errorf("to be tried after %v", d)
			}
		})
	}
}

// TestResultOfErrors: what an endpoint said is the result of an error too.
func TestResultOfErrors(t *testing.T) {
	t.Parallel()
	address, _ := recorder(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(map[string]int{"/retry": 503, "/final": 422, "/gone": 410}[r.URL.Path])
		_, _ = io.WriteString(w, `{"why":"no tea"}`)
	})
	job, err := fresh(t, call.Options{}).Job()
	if err != nil {
		t.Fatal(err)
	}
	for path, status := range map[string]int64{"retry": 503, "final": 422, "gone": 410} {
		fields := map[string]any{"job": map[string]any{"name": "http", "arguments": map[string]any{"url": address + "/" + path, "codes": map[string]any{"remove": []int{410}}}}}
		raw, err := job.Run(t.Context(), document(t, "a", fields))
		result := gjson.ParseBytes(raw)
		if err == nil || result.Get("status").Int() != status || result.Get("body.why").Str != "no tea" || result.Get("headers.content-type").Str != "application/json" {
			t.Errorf("%s: %s %v", path, raw, err)
		}
	}
}

// outcome puts into a word what becomes of the task.
func outcome(result *call.Result, err error) string {
	code, _ := jobs.CodeOf(err)
	d, snoozed := jobs.SnoozeOf(err)
	_, awaited := jobs.AwaitOf(err)
	switch {
	case err == nil && result != nil:
		return "done"
	case jobs.IsRemove(err):
		return "remove"
	case snoozed:
		return fmt.Sprintf("snooze %v", d)
	case awaited:
		return "await"
	case jobs.IsPermanent(err):
		return fmt.Sprintf("permanent %d", code)
	}
	return fmt.Sprintf("retry %d", code)
}

// TestArguments looks at what is refused before anything is sent.
func TestArguments(t *testing.T) {
	t.Parallel()
	job, err := fresh(t, call.Options{Credentials: map[string]string{"one": "example.org bearer x"}}).Job()
	if err != nil {
		t.Fatal(err)
	}
	for text, says := range map[string]string{
		`{"url":"ftp://x/"}`:                                        "is no http or https address",
		`{"url":"http://:80/"}`:                                     "is no http or https address",
		`{"url":"http://x","headers":{"A":"b\r\nC: d"}}`:            "the value of A has a line break",
		`{"url":"http://x","headers":{"A\r\nB":"c"}}`:               "is no name of a header",
		`{"url":"http://x","headers":{"":"c"}}`:                     "is no name of a header",
		`{"url":"http://x","headers":{"A":{"b":1}}}`:                "where a text or an array of texts is wanted",
		`{"url":"http://x","headers":{"A":[null]}}`:                 "where a text or an array of texts is wanted",
		`{"url":"http://x","body":1,"form":{}}`:                     "only one of body, form",
		`{"url":"http://x","base64":"%"}`:                           "illegal base64",
		`{"url":"http://x","timeout":"soon"}`:                       "cannot read the duration",
		`{"url":"http://x","timeout":0}`:                            "is not above zero",
		`{"url":"http://x","redirects":21}`:                         "a number from 0 to 20",
		`{"url":"http://x","codes":{"done":[99]}}`:                  "is no status code",
		`{"url":"http://x","codes":{"done":["6xx"]}}`:               "is no status code",
		`{"url":"http://x","codes":{"done":[200],"retry":["200"]}}`: "codes: 200 is in two lists",
		`{"url":"http://x","limit":"10"}`:                           "is no limit: write 10/s",
		`{"url":"http://x","limit":"0/s"}`:                          "is no limit",
		`{"url":"http://x:66000/"}`:                                 "has a port that is none",
		`{"url":"http://x","method":"A B"}`:                         "is none that can be sent",
		`{"url":"http://x","method":"connect"}`:                     "is none that can be sent",
		`{"url":"http://x","callback":"never"}`:                     `callback: "never" is neither true nor false, nor a duration`,
		`{"url":"http://x","callback":true}`:                        "no http.callback_url",
		`{"url":"http://x","credential":"two"}`:                     `has no "two"`,
		`{"url":"http://x","credential":"one"}`:                     `"one" is not for x`,
		`{"url":"http://x","tls":"one"}`:                            "has nothing of that name",
	} {
		_, err := job.Run(t.Context(), document(t, "a", map[string]any{"job": map[string]any{"name": "http", "arguments": json.RawMessage(text)}}))
		if err == nil || !strings.Contains(err.Error(), says) || !jobs.IsInvalid(err) {
			t.Errorf("%s: %v, want %s", text, err, says)
		}
	}
}
