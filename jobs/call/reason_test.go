package call_test

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/textproto"
	"net/url"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/sirupsen/logrus/hooks/test"

	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/jobs/call"
)

// TestReasonsAreForEverybody: what other tasks, the fleet and the log hear of a host that is left alone is nothing of the address that one task
// called, and no word of the host's.
func TestReasonsAreForEverybody(t *testing.T) {
	t.Parallel()
	const secret = "SECRET"
	answer := func(r *http.Request, status int, line string) *http.Response {
		header := http.Header{"Location": {"http://x.example/elsewhere?key=" + secret}}
		return &http.Response{StatusCode: status, Status: line, Header: header, Body: io.NopCloser(strings.NewReader("")), Request: r}
	}
	tests := map[string]struct {
		answers answers
		err     error
		want    string
	}{
		"a status": {
			answers: func(r *http.Request) *http.Response { return answer(r, 503, "503 Service Unavailable") },
			want:    "answered 503 Service Unavailable",
		},
		"a status that repeats what was asked": {
			answers: func(r *http.Request) *http.Response { return answer(r, 599, "599 \x1b]0;"+r.URL.String()) }, want: "answered 599",
		},
		"a status behind a redirect": {
			answers: func(r *http.Request) *http.Response {
				if r.URL.Path == "/elsewhere" {
					return answer(r, 502, "502 "+r.URL.String())
				}
				return answer(r, 302, "302 Found")
			},
			want: "answered 502 Bad Gateway",
		},
		"an address around the error": {
			err:  &url.Error{Op: "Get", URL: "http://x.example/?key=" + secret, Err: &url.Error{Op: "Get", URL: secret, Err: io.EOF}},
			want: "it closed the connection before its answer was complete",
		},
		"a header that is none": {
			err: fmt.Errorf("broken: %w", textproto.ProtocolError("malformed MIME header line: /?key="+secret)), want: "no answer that can be read",
		},
		"no connection": {
			err:  fmt.Errorf("GET %s: %w", secret, &net.OpError{Op: "dial", Net: "tcp", Err: errors.New("connection refused")}),
			want: "dial tcp: connection refused",
		},
		"a certificate": {
			err:  &url.Error{Op: "Get", URL: secret, Err: distrust(x509.UnknownAuthorityError{Cert: &x509.Certificate{Subject: pkix.Name{CommonName: secret}}})},
			want: "its certificate is signed by an unknown authority",
		},
		"a certificate for other names": {
			err:  distrust(x509.HostnameError{Certificate: &x509.Certificate{DNSNames: []string{secret + ".example"}}, Host: "x.example"}),
			want: "its certificate is for other names",
		},
		"an old certificate": {
			err: distrust(x509.CertificateInvalidError{Reason: x509.Expired, Detail: secret}), want: "its certificate has expired or is not yet valid",
		},
		"a certificate that is none": {
			err: distrust(x509.CertificateInvalidError{Reason: x509.CANotAuthorizedForThisName, Detail: secret}), want: "its certificate cannot be verified",
		},
		"a time": {err: &url.Error{Op: "Get", URL: secret, Err: context.DeadlineExceeded}, want: "no answer in time"},
	}
	for name, one := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			synctest.Test(t, func(t *testing.T) {
				log, hook := test.NewNullLogger()
				c := fresh(t, call.Options{Breaker: call.Breaker{Failures: 1, Pause: time.Minute}, Log: log, Transport: exchanger(func(r *http.Request) (*http.Response, error) {
					if one.err != nil {
						return nil, one.err
					}
					return one.answers(r), nil
				})})
				if _, err := c.Run(t.Context(), of(t, "a", 0), arguments(t, `{"url":"http://x.example/?key=%s"}`, secret)); err == nil || !strings.Contains(err.Error(), secret) {
					t.Errorf("the task that called it reads %v", err)
				}
				_, soon := c.Run(t.Context(), of(t, "b", 0), arguments(t, `{"url":"http://x.example/"}`))
				_, late := c.Run(t.Context(), of(t, "b", -time.Hour), arguments(t, `{"url":"http://x.example/"}`))
				prefix := "x.example:80 is left alone for 1m0s since it failed again and again: "
				states, lines := c.Hosts(), hook.AllEntries()
				if len(states) != 1 || len(lines) != 1 || late == nil {
					t.Fatalf("%+v %+v %v", states, lines, late)
				}
				logged, _ := strings.CutPrefix(lines[0].Message, "the host is left alone for a while: ")
				for where, got := range map[string]string{
					"a task that is put off": strings.TrimPrefix(jobs.SnoozeReason(soon), prefix), "a task that fails": strings.TrimPrefix(late.Error(), prefix),
					"the fleet": states[0].Error, "the log": logged,
				} {
					if got != one.want {
						t.Errorf("%s reads %q, want %q", where, got, one.want)
					}
				}
			})
		})
	}
}

// TestAvoided: the hosts that are left alone are told by name, as many as are asked for, until their pause is over.
func TestAvoided(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		c := fresh(t, call.Options{Breaker: call.Breaker{Failures: 1, Pause: time.Minute}, Transport: transport(func(r *http.Request) (int, error) {
			if r.URL.Host == "well.example" {
				return http.StatusOK, nil
			}
			return http.StatusServiceUnavailable, nil
		})})
		avoided := func(most int) string {
			var names []string
			for _, h := range c.Avoided(most) {
				names = append(names, h.Host)
				if h.State != call.Open || h.Error != "answered 503 Service Unavailable" || h.Until.IsZero() {
					t.Errorf("%+v", h)
				}
			}
			return strings.Join(names, " ")
		}
		fail := func(host string) {
			_, err := c.Run(t.Context(), of(t, "a", 0), arguments(t, `{"url":"http://%s/"}`, host))
			if (err == nil) != (host == "well.example") {
				t.Errorf("%s: %v", host, err)
			}
		}
		for _, host := range []string{"c.example", "well.example", "a.example"} {
			fail(host)
		}
		time.Sleep(30 * time.Second)
		fail("b.example")
		if all, two := avoided(50), avoided(2); all != "a.example:80 b.example:80 c.example:80" || two != "a.example:80 b.example:80" {
			t.Errorf("%q, of which the first two are %q", all, two)
		}
		time.Sleep(30*time.Second + time.Millisecond)
		if got := avoided(50); got != "b.example:80" {
			t.Errorf("of those whose pause is over are left %q", got)
		}
	})
}

func distrust(why error) error { return &tls.CertificateVerificationError{Err: why} }

// exchanger is a transport that makes answers, or none.
type exchanger func(*http.Request) (*http.Response, error)

func (f exchanger) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
