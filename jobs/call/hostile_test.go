package call_test

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"math"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adlayer/after/internal/testcert"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/jobs/call"
	"github.com/adlayer/after/jobs/call/fence"
)

// TestDrippingServer answers for ever, a byte at a time: the call's timeout ends it.
func TestDrippingServer(t *testing.T) {
	t.Parallel()
	gone := make(chan struct{})
	address, _ := recorder(t, func(w http.ResponseWriter, r *http.Request) {
		defer close(gone)
		for {
			if _, err := w.Write([]byte("x")); err != nil || http.NewResponseController(w).Flush() != nil || r.Context().Err() != nil {
				return
			}
		}
	})
	c := fresh(t, call.Options{MaxBody: math.MaxInt32}) // what is kept of the answer does not end it
	result, err := c.Run(t.Context(), document(t, "a", nil), arguments(t, `{"url":"%s","timeout":"100ms"}`, address))
	if got := outcome(result, err); got != "retry 0" || !strings.Contains(err.Error(), "no answer within the call's timeout of 100ms") {
		t.Errorf("%s: %v", got, err)
	}
	<-gone
}

// TestLostUpload: a server that is gone while a body is on its way is to blame for it, though its transport closes the body under whoever reads it. A
// body of which no more comes is no fault of the server, and does not hold up the call beyond its time.
func TestLostUpload(t *testing.T) {
	t.Parallel()
	ca := filepath.Join(t.TempDir(), "ca.pem")
	authority, err := testcert.New(ca)
	if err != nil {
		t.Fatal(err)
	}
	lost := httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		if _, err := io.ReadFull(r.Body, make([]byte, 4)); err != nil || r.ProtoMajor != 2 {
			t.Errorf("%s: %v", r.Proto, err)
		}
		panic(http.ErrAbortHandler)
	}))
	lost.EnableHTTP2 = true
	serve(t, lost, authority)
	waiting, _ := recorder(t, nil)
	for address, want := range map[string]struct {
		timeout, state string
		unread         bool
	}{lost.URL: {"1m", "open", false}, waiting: {"50ms", "closed", true}} {
		c := fresh(t, call.Options{CAFile: ca, Breaker: call.Breaker{Failures: 1, Pause: time.Hour}})
		handle := document(t, "a", nil).WithAttachments(func(ctx context.Context, _, _ string) (io.ReadCloser, error) {
			return &stuck{ctx: ctx, begin: strings.NewReader("half"), closed: make(chan struct{})}, nil
		})
		result, err := c.Run(t.Context(), handle, arguments(t, `{"url":"%s","attachment":"x","timeout":"%s"}`, address, want.timeout))
		if got := outcome(result, err); got != "retry 0" || strings.Contains(err.Error(), "reading what is sent") != want.unread {
			t.Errorf("%s: %v", got, err)
		}
		if hosts := c.Hosts(); len(hosts) != 1 || hosts[0].State != want.state {
			t.Errorf("after %v: %+v", err, hosts)
		}
	}
}

// stuck is a body of which no more comes than its beginning.
type stuck struct {
	ctx    context.Context
	begin  *strings.Reader
	closed chan struct{}
	once   sync.Once
}

func (s *stuck) Read(p []byte) (int, error) {
	if n, _ := s.begin.Read(p); n > 0 {
		return n, nil
	}
	select {
	case <-s.closed:
		return 0, jobs.Snooze(time.Second) // as of a database that is away
	case <-s.ctx.Done():
		return 0, s.ctx.Err()
	}
}

func (s *stuck) Close() error {
	s.once.Do(func() { close(s.closed) })
	return nil
}

// TestManyHeaders keeps the beginning of many.
func TestManyHeaders(t *testing.T) {
	t.Parallel()
	address, _ := recorder(t, func(w http.ResponseWriter, _ *http.Request) {
		for i := range 100 {
			w.Header().Set(fmt.Sprintf("X-%03d", i), strings.Repeat("x", 1000))
		}
	})
	result, err := fresh(t, call.Options{}).Run(t.Context(), document(t, "a", nil), arguments(t, `{"url":"%s"}`, address))
	if err != nil {
		t.Fatal(err)
	}
	kept := 0
	for name, value := range result.Headers {
		kept += len(name) + len(value)
	}
	if kept < 8<<10 || kept > 16<<10 {
		t.Errorf("%d bytes of headers are kept", kept)
	}
}

// TestAwayFromTLS: what is secret stays where TLS is.
func TestAwayFromTLS(t *testing.T) {
	t.Parallel()
	plain, requests := recorder(t, nil)
	ca := filepath.Join(t.TempDir(), "ca.pem")
	authority, err := testcert.New(ca)
	if err != nil {
		t.Fatal(err)
	}
	secure := httptest.NewUnstartedServer(http.RedirectHandler(plain+"/plain", http.StatusTemporaryRedirect))
	serve(t, secure, authority)
	c := fresh(t, call.Options{SigningKeys: []string{secret}, CAFile: ca, Credentials: map[string]string{"me": "* bearer s3cret"}})
	result, err := c.Run(t.Context(), document(t, "a", nil), arguments(t, `{"url":"%s/","body":"content","credential":"me","headers":{"X-Api-Key":"key","Cookie":"c=1"}}`, secure.URL))
	if err != nil || len(result.Redirects) != 1 || len(requests()) != 1 {
		t.Fatalf("%v, %v", result, err)
	}
	for _, name := range []string{"Authorization", "X-Api-Key", "Cookie", "Webhook-Signature"} {
		if requests()[0].Header.Get(name) != "" {
			t.Errorf("%s went out without TLS", name)
		}
	}
}

func serve(t *testing.T, s *httptest.Server, authority *testcert.Authority) {
	t.Helper()
	folder := t.TempDir()
	cert, key := filepath.Join(folder, "cert.pem"), filepath.Join(folder, "key.pem")
	if _, err := authority.Issue(cert, key); err != nil {
		t.Fatal(err)
	}
	pair, err := tls.LoadX509KeyPair(cert, key)
	if err != nil {
		t.Fatal(err)
	}
	s.TLS = &tls.Config{Certificates: []tls.Certificate{pair}}
	s.StartTLS()
	t.Cleanup(s.Close)
}

// TestDisguises: an address that must not be called is refused however it is written, and whoever connects to it.
func TestDisguises(t *testing.T) {
	t.Parallel()
	reached, requests := recorder(t, nil)
	address := strings.TrimPrefix(reached, "http://")
	_, port, err := net.SplitHostPort(address)
	if err != nil {
		t.Fatal(err)
	}
	names := resolver(t, func(string) [][4]byte { return [][4]byte{{127, 0, 0, 1}} })
	for way, c := range map[string]*call.Caller{
		"directly":        fresh(t, call.Options{Resolver: names, Deny: []string{"loopback"}}),
		"through a proxy": fresh(t, call.Options{Resolver: names, Deny: []string{"loopback"}, Proxy: reached}),
	} {
		for _, host := range []string{
			"127.0.0.1", "127.0.0.1.", "0.0.0.0", "0", "127.1", "2130706433", "0x7f000001", "0177.0.0.1", "[::1]", "[::]", "[::ffff:127.0.0.1]", "[::ffff:0:0]",
			"[64:ff9b::7f00:1]", "local.example", "local.example.", "LOCAL.example", "user:password@127.0.0.1", "example.org@127.0.0.1",
			"169.254.169.254", "169.254.169.254.", "2852039166", "0xa9fea9fe", "0251.0376.0251.0376", "169.254.43518", "[::ffff:a9fe:a9fe]", "metadata.google.internal.",
		} {
			_, err := c.Run(t.Context(), document(t, "a", nil), arguments(t, `{"url":"http://%s:%s/","timeout":"10s"}`, host, port))
			var refused *fence.RefusalError
			if !errors.As(err, &refused) || !jobs.IsPermanent(err) {
				t.Errorf("%s, %s: %v", way, host, err)
			}
			if err != nil && strings.Contains(err.Error(), "password") {
				t.Errorf("the error shows a password: %v", err)
			}
		}
	}
	if n := len(requests()); n != 0 {
		t.Errorf("%d requests arrived", n)
	}
}

// TestNameOfSeveralAddresses: those that must not be called are passed over, whatever their order. A proxy may take any of them, and is not asked.
func TestNameOfSeveralAddresses(t *testing.T) {
	t.Parallel()
	address, requests := recorder(t, nil)
	names := resolver(t, func(name string) [][4]byte {
		if strings.HasPrefix(name, "first.") {
			return [][4]byte{{127, 0, 0, 1}, {169, 254, 169, 254}}
		}
		return [][4]byte{{169, 254, 169, 254}, {127, 0, 0, 1}}
	})
	_, port, err := net.SplitHostPort(strings.TrimPrefix(address, "http://"))
	if err != nil {
		t.Fatal(err)
	}
	direct, proxied := fresh(t, call.Options{Resolver: names}), fresh(t, call.Options{Resolver: names, Proxy: address})
	for n, host := range []string{"first.example", "last.example"} {
		in := arguments(t, `{"url":"http://%s:%s/","timeout":"10s"}`, host, port)
		if _, err := direct.Run(t.Context(), document(t, "a", nil), in); err != nil || len(requests()) != n+1 {
			t.Errorf("%s: %v, %d requests", host, err, len(requests()))
		}
		var refused *fence.RefusalError
		if _, err := proxied.Run(t.Context(), document(t, "a", nil), in); !errors.As(err, &refused) || len(requests()) != n+1 {
			t.Errorf("%s through a proxy: %v, %d requests", host, err, len(requests()))
		}
	}
}
