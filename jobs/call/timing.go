package call

import (
	"context"
	"crypto/tls"
	"math"
	"net/http"
	"net/http/httptrace"
	"sync"
	"time"
)

// Timing says how long the parts of a call took, in milliseconds. Those that there were none of, since a connection was there already, are
// left out. Over several redirects they are the last one's; the total is all of them.
type Timing struct {
	DNS       Millis `json:"dns,omitempty"`
	Connect   Millis `json:"connect,omitempty"`
	TLS       Millis `json:"tls,omitempty"`
	FirstByte Millis `json:"first_byte,omitempty"` // of the answer, from the beginning
	Total     Millis `json:"total"`                // to the end of what was read of the answer's body
}

// Millis is a duration in milliseconds, to the microsecond.
type Millis float64

func millis(d time.Duration) Millis {
	return Millis(math.Round(float64(d)/float64(time.Microsecond)) / 1000)
}

// stopwatch follows one call. Connections are made by goroutines of the transport, some of which go on after the request: such a
// stopwatch is not used again.
type stopwatch struct {
	now   func() time.Time
	hooks context.Context //nolint:containedctx // only what the hooks are found by: they are the same for every call
	begun time.Time

	mu                sync.Mutex
	dns, connect, tls time.Time
	timing            Timing
	idle, other       int // connections that lay ready, and all others
}

// stopwatches are those that nobody holds any more.
var stopwatches = sync.Pool{New: func() any {
	s := &stopwatch{}
	s.hooks = httptrace.WithClientTrace(context.Background(), s.trace())
	return s
}}

// newStopwatch takes one; release gives it back.
func newStopwatch(now func() time.Time) *stopwatch {
	s, _ := stopwatches.Get().(*stopwatch)
	s.mu.Lock()
	defer s.mu.Unlock()
	s.now, s.idle, s.other = now, 0, 0
	return s
}

// release gives it back, where nothing can call its hooks any more: an answer came by HTTP/1 on a connection that lay ready. The transport
// may have begun to make another one for any other request, and goes on with that for as long as it takes.
func (s *stopwatch) release(answer *http.Response) {
	s.mu.Lock()
	over := s.idle == 1 && s.other == 0 && answer.ProtoMajor == 1 // of one request: HTTP/2 tells other things of a connection
	s.mu.Unlock()
	if over {
		stopwatches.Put(s)
	}
}

// over gives a context whose requests the stopwatch follows.
func (s *stopwatch) over(ctx context.Context) context.Context { return watched{ctx, s.hooks} }

// watched is a context with the hooks of a stopwatch.
type watched struct {
	context.Context //nolint:containedctx // it is one

	hooks context.Context //nolint:containedctx // see stopwatch
}

// Value finds the hooks, or what the context has.
func (w watched) Value(key any) any {
	if value := w.hooks.Value(key); value != nil {
		return value
	}
	return w.Context.Value(key)
}

func (s *stopwatch) trace() *httptrace.ClientTrace {
	since := func(begun *time.Time, into *Millis) {
		s.mu.Lock()
		defer s.mu.Unlock()
		*into = millis(s.now().Sub(*begun))
	}
	begin := func(at *time.Time) {
		s.mu.Lock()
		defer s.mu.Unlock()
		if at.IsZero() { // of several addresses that are tried at once, the first
			*at = s.now()
		}
	}
	return &httptrace.ClientTrace{
		DNSStart:          func(httptrace.DNSStartInfo) { begin(&s.dns) },
		DNSDone:           func(httptrace.DNSDoneInfo) { since(&s.dns, &s.timing.DNS) },
		ConnectStart:      func(string, string) { begin(&s.connect) },
		ConnectDone:       func(string, string, error) { since(&s.connect, &s.timing.Connect) },
		TLSHandshakeStart: func() { begin(&s.tls) },
		TLSHandshakeDone:  func(tls.ConnectionState, error) { since(&s.tls, &s.timing.TLS) },
		GotConn:           s.got,
		GotFirstResponseByte: func() {
			since(&s.begun, &s.timing.FirstByte)
		},
	}
}

func (s *stopwatch) got(connection httptrace.GotConnInfo) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if connection.WasIdle {
		s.idle++
	} else {
		s.other++
	}
}

// begin starts it anew, for another request.
func (s *stopwatch) begin(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.begun, s.dns, s.connect, s.tls, s.timing = at, time.Time{}, time.Time{}, time.Time{}, Timing{}
}

func (s *stopwatch) read() Timing {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.timing
}
