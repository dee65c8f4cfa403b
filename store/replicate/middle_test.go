package replicate_test

import (
	"bytes"
	"errors"
	"io"
	"log"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"
)

// middleman passes requests on, to a server that may change, and does harm.
type middleman struct {
	*server
	to atomic.Pointer[url.URL]
	// cutAfter ends the connection after so many bytes of an answer; 0: never. It is asked for each answer.
	cutAfter atomic.Pointer[func(*http.Request) int64]
	// answered hears of each answer that passed.
	answered atomic.Pointer[func(*http.Request, int)]
	// instead answers in the server's place, if it returns true.
	instead atomic.Pointer[func(http.ResponseWriter, *http.Request) bool]
}

func between(tb testing.TB, to string) *middleman {
	tb.Helper()
	m := &middleman{}
	m.point(tb, to)
	proxy := &httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) {
			r.Out.URL.Scheme, r.Out.URL.Host = m.to.Load().Scheme, m.to.Load().Host
		},
		Transport:     &http.Transport{DisableKeepAlives: true},
		FlushInterval: -1,
		ModifyResponse: func(res *http.Response) error {
			if f := m.cutAfter.Load(); f != nil {
				if n := (*f)(res.Request); n > 0 {
					res.Body = &cut{res.Body, n}
				}
			}
			if f := m.answered.Load(); f != nil {
				(*f)(res.Request, res.StatusCode)
			}
			return nil
		},
		ErrorLog:     log.New(io.Discard, "", 0), // it is meant to fail
		ErrorHandler: func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) },
	}
	web := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if f := m.instead.Load(); f != nil && (*f)(w, r) {
			return
		}
		proxy.ServeHTTP(w, r)
	}))
	tb.Cleanup(func() {
		web.CloseClientConnections()
		web.Close()
	})
	m.server = at(tb, web.URL)
	return m
}

func (m *middleman) point(tb testing.TB, to string) {
	tb.Helper()
	u, err := url.Parse(to)
	if err != nil {
		tb.Fatal(err)
	}
	m.to.Store(u)
}

// cut is a body that breaks off.
type cut struct {
	io.ReadCloser
	left int64
}

var errCut = errors.New("cut")

func (c *cut) Read(b []byte) (int, error) {
	if c.left <= 0 {
		return 0, errCut
	}
	n, err := c.ReadCloser.Read(b[:min(int64(len(b)), c.left)])
	c.left -= int64(n)
	return n, err
}

// checkpoints sends a value for each checkpoint that passes.
func (m *middleman) checkpoints() <-chan struct{} {
	passed := make(chan struct{}, 1)
	f := func(r *http.Request, status int) {
		if r.Method == http.MethodPut && strings.Contains(r.URL.Path, "/_local/") && status == http.StatusCreated {
			select {
			case passed <- struct{}{}:
			default:
			}
		}
	}
	m.answered.Store(&f)
	return passed
}

// readAll reads a body, and hands it to then before it gives it.
func readAll(tb testing.TB, body io.Reader, then func([]byte)) []byte {
	tb.Helper()
	raw, err := io.ReadAll(body)
	if err != nil {
		tb.Error(err)
	}
	then(raw)
	return raw
}

// again is a body that was read.
func again(raw []byte) io.ReadCloser { return io.NopCloser(bytes.NewReader(raw)) }
