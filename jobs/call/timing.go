package call

import (
	"crypto/tls"
	"math"
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

// stopwatch follows one request. Connections are made by goroutines of the transport, some of which go on after the request.
type stopwatch struct {
	now   func() time.Time
	begun time.Time

	mu                sync.Mutex
	dns, connect, tls time.Time
	timing            Timing
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
		GotFirstResponseByte: func() {
			since(&s.begun, &s.timing.FirstByte)
		},
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
