package httpd

import (
	"context"
	"fmt"
	"io"
	"net/http"
	"sync"
)

// Inside gives a transport that hands requests to a server's handler, or to one around it, without a socket. Their header says who asks.
func Inside(handler http.Handler) http.RoundTripper { return &inside{s: handler} }

// inside is a transport that hands requests to the server itself, without a socket. Where there is a who they count as those of that one,
// whatever their header says, with the rights that who has when each is made: a replication may run for months.
type inside struct {
	s   http.Handler
	who *identity
}

// identityKey is where a request of the server to itself has its *identity.
type identityKey struct{}

// RoundTrip serves a request on a goroutine of its own. It returns when the answer begins.
func (t *inside) RoundTrip(r *http.Request) (*http.Response, error) {
	ctx, cancel := context.WithCancel(r.Context())
	if t.who != nil {
		ctx = context.WithValue(ctx, identityKey{}, t.who)
	}
	served := r.WithContext(ctx)
	if served.Body == nil {
		served.Body = http.NoBody
	}
	body, pipe := io.Pipe()
	w := &insideWriter{header: http.Header{}, pipe: pipe, begun: make(chan struct{})}
	go func() {
		defer cancel()
		err := serveInside(t.s, w, served)
		_ = served.Body.Close() // a transport closes it
		w.begin(http.StatusOK)
		_ = pipe.CloseWithError(err) // nil: the answer is complete
	}()
	select {
	case <-w.begun:
	case <-ctx.Done():
		// Whoever asked has gone; the handler sees it too.
		_ = body.CloseWithError(ctx.Err())
		<-w.begun // it has ended, or begins to write and cannot
		if err := r.Context().Err(); err != nil {
			return nil, err
		}
	}
	return &http.Response{
		Status: fmt.Sprintf("%d %s", w.status, http.StatusText(w.status)), StatusCode: w.status,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, Header: w.sent, ContentLength: -1, Request: r,
		Body: &insideBody{body, cancel},
	}, nil
}

// serveInside serves, and makes an error of what would have cut a connection.
func serveInside(h http.Handler, w http.ResponseWriter, r *http.Request) (err error) {
	defer func() {
		if v := recover(); v != nil {
			err = fmt.Errorf("the answer ended early: %v", v)
		}
	}()
	h.ServeHTTP(w, r)
	return nil
}

// insideWriter takes what the handler answers.
type insideWriter struct {
	header, sent http.Header
	pipe         *io.PipeWriter
	status       int
	once         sync.Once
	begun        chan struct{}
}

func (w *insideWriter) Header() http.Header { return w.header }

func (w *insideWriter) begin(status int) {
	w.once.Do(func() {
		w.status, w.sent = status, w.header.Clone()
		close(w.begun)
	})
}

func (w *insideWriter) WriteHeader(status int) { w.begin(status) }

func (w *insideWriter) Write(b []byte) (int, error) {
	w.begin(http.StatusOK)
	return w.pipe.Write(b)
}

// Flush has nothing to do: the reader gets each write at once.
func (w *insideWriter) Flush() {}

// insideBody ends the request when it is closed.
type insideBody struct {
	*io.PipeReader

	cancel context.CancelFunc
}

func (b *insideBody) Close() error {
	b.cancel()
	return b.PipeReader.Close()
}
