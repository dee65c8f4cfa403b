package gateway_test

import (
	"io"
	"net/http"
	"strings"
	"testing"
)

// unwell is a server that answers what writes with something else.
type unwell struct {
	*http.Transport

	status int
	body   string
}

func (u unwell) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Method != http.MethodPut {
		return u.Transport.RoundTrip(r)
	}
	if r.Body != nil {
		_ = r.Body.Close()
	}
	header := http.Header{"Content-Type": {"application/json"}}
	return &http.Response{StatusCode: u.status, Header: header, Body: io.NopCloser(strings.NewReader(u.body)), Request: r}, nil
}

// TestServerThatIsUnwell: who posts is told whether to try again.
func TestServerThatIsUnwell(t *testing.T) {
	t.Parallel()
	for name, test := range map[string]struct {
		status int
		body   string
		want   int
	}{
		"a cluster that is too slow": {500, `{"error":"timeout","reason":"The request could not be processed in a reasonable amount of time."}`, http.StatusServiceUnavailable},
		"a server that is busy":      {503, `{"error":"service_unavailable","reason":"busy"}`, http.StatusServiceUnavailable},
		"a server that is broken":    {500, `{"error":"badarg","reason":"undefined"}`, http.StatusBadGateway},
		"something else":             {502, `<html>`, http.StatusBadGateway},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			o := options()
			o.Transport = unwell{&http.Transport{}, test.status, test.body}
			r := before(t, o)
			a := r.post("/queue", form, "task.url=http://localhost/")
			if a.status != test.want || (a.header.Get("Retry-After") != "") != (test.want == http.StatusServiceUnavailable) {
				t.Errorf("%d %v %s, want %d", a.status, a.header, a.body, test.want)
			}
		})
	}
}
