package httpd

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"os"
	"sync/atomic"
	"time"

	"github.com/adlayer/after/store"
)

// Limits bound what clients can take of a server, whether they mean it or not. The zero value has the defaults.
type Limits struct {
	// Connections is how many there are at a time, 20,000 where it is 0. Further ones wait until one ends, or, if some have no request under way,
	// take the place of the one that has been without for the longest time.
	Connections int
	// Header is the size of the head of a request in bytes; 0 means 64 KiB. Beyond it the answer is 431.
	Header int
	// HeaderTimeout is how long a client may take to send the head; 0 means 20 s.
	HeaderTimeout time.Duration
	// Idle is how long a connection may be without a request; 0 means five minutes.
	Idle time.Duration
	// Stall is for how long a client may send nothing of a body that it has begun, or take nothing of an answer; 0 means a minute.
	Stall time.Duration
	// Rate is the least that a client must send of a body on the whole, in bytes a second, beyond a first Stall; 0 means 1,024.
	Rate int64
	// BodyMemory is how many bytes of request bodies are in memory at a time, all requests together; 0 means 512 MiB. A request that would go
	// beyond it is a 503. Attachments that come by themselves or in parts of their own are not in memory.
	BodyMemory int64
}

const (
	defaultConnections   = 20_000
	defaultHeader        = 64 << 10
	defaultHeaderTimeout = 20 * time.Second
	defaultIdle          = 5 * time.Minute
	defaultStall         = time.Minute
	defaultRate          = 1 << 10
	defaultBodyMemory    = 512 << 20
)

func (l Limits) withDefaults() Limits {
	return Limits{
		Connections:   cmp.Or(l.Connections, defaultConnections),
		Header:        cmp.Or(l.Header, defaultHeader),
		HeaderTimeout: cmp.Or(l.HeaderTimeout, defaultHeaderTimeout),
		Idle:          cmp.Or(l.Idle, defaultIdle),
		Stall:         cmp.Or(l.Stall, defaultStall),
		Rate:          cmp.Or(l.Rate, defaultRate),
		BodyMemory:    cmp.Or(l.BodyMemory, defaultBodyMemory),
	}
}

// HTTPServer gives a net/http server around a handler that is a [Server], or hands requests on to one with the same limits. Its listener should
// be one of [Limits.Listener]. It speaks HTTP/1 alone, as CouchDB does: on the one connection of HTTP/2 a feed that nobody reads would hold up
// all else.
func (l Limits) HTTPServer(handler http.Handler) *http.Server {
	l = l.withDefaults()
	protocols := new(http.Protocols)
	protocols.SetHTTP1(true)
	return &http.Server{
		Handler:           handler,
		Protocols:         protocols,
		ReadHeaderTimeout: l.HeaderTimeout,
		WriteTimeout:      l.Stall, // for what net/http answers by itself; a Server renews it
		IdleTimeout:       l.Idle,
		MaxHeaderBytes:    l.Header,
		ConnState:         noteIdle,
	}
}

// renewal is how much of a deadline may have passed before it is set anew: setting one costs more than looking at the clock.
const renewal = 8

// incoming is the body of a request. Its deadline moves on as it brings something.
type incoming struct {
	io.ReadCloser

	ctl    *http.ResponseController
	limits *Limits
	got    int64
	waited time.Duration // for the client, altogether
	set    time.Time     // the deadline in force
	free   bool          // there is none: the body has ended, or the connection has no deadlines
}

// begin sets the first deadline. It also bounds what net/http reads of a body that nobody wants.
func (b *incoming) begin() { b.until(time.Now().Add(b.limits.Stall)) }

func (b *incoming) until(deadline time.Time) {
	if b.free || deadline.Sub(b.set).Abs() < b.limits.Stall/renewal {
		return
	}
	b.set = deadline
	if b.ctl.SetReadDeadline(deadline) != nil {
		b.free = true
	}
}

// hurry is for an answer that goes out before the body is there: net/http waits for some of it first, and must be done with that while the answer
// still can be sent.
func (b *incoming) hurry() {
	if b != nil && !b.free {
		b.until(time.Now().Add(b.limits.Stall / 2)) //nolint:mnd // half
	}
}

func (b *incoming) Read(into []byte) (int, error) {
	if b.free {
		return b.ReadCloser.Read(into)
	}
	began := time.Now()
	credit := b.limits.Stall + time.Duration(b.got/b.limits.Rate)*time.Second - b.waited
	b.until(began.Add(min(credit, b.limits.Stall)))
	n, err := b.ReadCloser.Read(into)
	b.got += int64(n)
	b.waited += time.Since(began)
	switch {
	case err == nil:
	case errors.Is(err, os.ErrDeadlineExceeded):
		return n, tooSlow()
	default:
		// From its end on the connection is watched for the client's going, which must not run into a deadline.
		b.free = true
		_ = b.ctl.SetReadDeadline(time.Time{}) // it has worked before
	}
	return n, err
}

func tooSlow() error {
	return &store.Error{Status: http.StatusRequestTimeout, Name: "timeout", Reason: "The request body did not arrive in time."}
}

// outgoing sends an answer. Its deadline moves on as the client takes something.
type outgoing struct {
	http.ResponseWriter

	ctl   *http.ResponseController
	stall time.Duration
	set   time.Time
	free  bool      // the connection has no deadlines
	body  *incoming // of the request; nil where it has none
}

// piece is how much of an answer a client must take within the deadline.
const piece = 64 << 10

func (w *outgoing) renew() {
	if w.free {
		return
	}
	if deadline := time.Now().Add(w.stall); deadline.Sub(w.set) > w.stall/renewal {
		w.set = deadline
		w.free = w.ctl.SetWriteDeadline(deadline) != nil
	}
}

func (w *outgoing) WriteHeader(status int) {
	w.body.hurry()
	w.renew()
	w.ResponseWriter.WriteHeader(status)
}

func (w *outgoing) Write(b []byte) (sent int, err error) {
	for {
		w.renew()
		n, err := w.ResponseWriter.Write(b[:min(len(b), piece)])
		sent += n
		if b = b[n:]; err != nil || len(b) == 0 {
			return sent, err
		}
	}
}

// FlushError is what [http.ResponseController] calls.
func (w *outgoing) FlushError() error {
	w.renew()
	return w.ctl.Flush()
}

// Unwrap is what [http.ResponseController] finds the connection by.
func (w *outgoing) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// pace puts deadlines on both directions of a request.
func (c *call) pace() {
	ctl := http.NewResponseController(c.w)
	limits := &c.s.opts.Limits
	out := &outgoing{ResponseWriter: c.w, ctl: ctl, stall: limits.Stall}
	if len(c.r.Header["Expect"]) > 0 {
		out.renew() // net/http writes when the body is read
	}
	c.w = out
	if c.r.ContentLength != 0 && c.r.Body != nil {
		in := &incoming{ReadCloser: c.r.Body, ctl: ctl, limits: limits}
		in.begin()
		// In a copy: net/http looks at its own body to tell what it need not read any more.
		c.r = c.r.WithContext(c.r.Context())
		c.r.Body, out.body = in, in
	}
}

// ctx is for what goes on though the client has closed its side of the connection: it may still wait for the answer, and net/http cannot tell
// that from one that has gone.
func (c *call) ctx() context.Context { return context.WithoutCancel(c.r.Context()) }

// memory counts the bytes of request bodies that are held.
type memory struct {
	held atomic.Int64
	most int64
}

// metered is a reader whose bytes are held until they are given back.
type metered struct {
	io.Reader

	memory *memory
	took   int64
}

func (m *metered) Read(into []byte) (int, error) {
	n, err := m.Reader.Read(into)
	m.took += int64(n)
	if m.memory.held.Add(int64(n)) > m.memory.most {
		return n, tooMuchAtOnce()
	}
	return n, err
}

func (m *metered) release() {
	m.memory.held.Add(-m.took)
	m.took = 0
}

func tooMuchAtOnce() error {
	return &store.Error{
		Status: http.StatusServiceUnavailable, Name: "service_unavailable",
		Reason: "The requests under way take all the memory that there is for them. Try again, or send less at a time.",
	}
}
