package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// unwell is a server that answers what writes with something else, be it one document or many.
type unwell struct {
	*http.Transport

	status int
	body   string
}

func (u unwell) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPut && !strings.HasSuffix(r.URL.Path, "/_bulk_docs") {
		return u.Transport.RoundTrip(r)
	}
	if r.Body != nil {
		_ = r.Body.Close()
	}
	header := http.Header{"Content-Type": {"application/json"}}
	return &http.Response{StatusCode: u.status, Header: header, Body: io.NopCloser(strings.NewReader(u.body)), Request: r}, nil
}

const tooSlow = `{"error":"timeout","reason":"The request could not be processed in a reasonable amount of time."}`

// TestServerThatIsUnwell: who posts is told whether to try again.
func TestServerThatIsUnwell(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		body   string
		want   int
	}{
		"a cluster that is too slow": {500, tooSlow, http.StatusServiceUnavailable},
		"a server that is busy":      {503, `{"error":"service_unavailable","reason":"busy"}`, http.StatusServiceUnavailable},
		"a server that is broken":    {500, `{"error":"badarg","reason":"undefined"}`, http.StatusBadGateway},
		"something else":             {502, `<html>`, http.StatusBadGateway},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options()
			o.Transport = unwell{&http.Transport{}, test.status, test.body}
			r := before(t, o)
			a := r.post("/queue", form, "task.url=http://localhost/&task.id=x")
			if a.status != test.want || (a.header.Get("Retry-After") != "") != (test.want == http.StatusServiceUnavailable) {
				t.Errorf("%d %v %s, want %d", a.status, a.header, a.body, test.want)
			}
		})
	}
}

// TestWrittenPerhaps: nobody is asked to try again where the server may have written what would be another task then.
func TestWrittenPerhaps(t *testing.T) {
	t.Parallel()
	const unnamed, named = `{"url":"http://localhost/"}`, `{"url":"http://localhost/","id":"x"}`
	slow, row, busy := unwell{status: 500, body: tooSlow}, unwell{status: 201, body: "[" + tooSlow + "]"}, unwell{status: 503, body: `{"error":"busy"}`}
	for name, test := range map[string]struct {
		server unwell
		asks   asking
		again  bool // it is safe to post it again
	}{
		"a post":               {slow, asking{path: "/queue", kind: inJSON, body: unnamed}, false},
		"with an id":           {slow, asking{path: "/queue", kind: inJSON, body: named}, true},
		"with a key":           {slow, asking{path: "/queue", kind: inJSON, body: unnamed, header: map[string]string{"Idempotency-Key": "k"}}, true},
		"a request":            {slow, asking{path: "/later/http://localhost/"}, false},
		"a request with a key": {slow, asking{path: "/later/http://localhost/?after.idempotency-key=k"}, true},
		"a batch":              {slow, asking{path: "/queue/batch", kind: inJSON, body: `{"tasks":[` + named + "," + unnamed + `]}`}, false},
		"a batch with ids":     {slow, asking{path: "/queue/batch", kind: inJSON, body: `{"tasks":[` + named + `]}`}, true},
		"one of a batch":       {row, asking{path: "/queue/batch", kind: inJSON, body: `{"tasks":[` + unnamed + `]}`}, false},
		"one with an id":       {row, asking{path: "/queue/batch", kind: inJSON, body: `{"tasks":[` + named + `]}`}, true},
		"a ping":               {slow, asking{path: "/ping/x?every=1h"}, true},
		"nothing is written":   {busy, asking{path: "/queue", kind: inJSON, body: unnamed}, true},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options()
			test.server.Transport = &http.Transport{}
			o.Transport = test.server
			test.asks.method = http.MethodPost
			a := before(t, o).ask(test.asks)
			reason := a.get("reason") + a.get("results.0.reason")
			if code := a.get("results.0.code"); a.status != http.StatusServiceUnavailable && code != "503" {
				t.Errorf("%d %s", a.status, a.body)
			}
			if strings.Contains(reason, "; try again") != test.again || strings.Contains(reason, "may have been written") == test.again {
				t.Errorf("%s", a.body)
			}
			if a.status != http.StatusOK && (a.header.Get("Retry-After") != "") != test.again {
				t.Errorf("%v", a.header)
			}
		})
	}
}
