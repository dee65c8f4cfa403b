package call

import (
	"cmp"
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sony/gobreaker/v2"
)

// host is what is known of one host and port.
type host struct {
	name    string
	gate    gate
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]
	opened  atomic.Bool // the breaker is open, as far as anybody has asked it since

	mu    sync.Mutex
	until time.Time // while the breaker is open: when a call tries it again
	why   error     // the last failure, as everybody may read it
	used  time.Time
}

// Open is the state of a host that is left alone.
const Open = "open" // as gobreaker calls it

// HostState is what a process knows of a host that it calls.
type HostState struct {
	Host    string    // with its port
	State   string    // closed: it is called; [Open]: it is left alone; half-open: one call tries it
	Until   time.Time // where it is open: until when
	Running int       // calls under way
	Waiting int       // for a place among them
	Error   string    // of the last call, unless it is closed; neither an address nor a word of the host's answer
}

// hosts are those that were called lately.
type hosts struct {
	mu    sync.Mutex
	known map[string]*host
	sweep int
}

// errIgnored is the outcome of a call that says nothing of its host: it was told to stop.
var errIgnored = errors.New("told to stop")

// host finds a host, or makes it known.
func (c *Caller) host(name string, s *settings) *host {
	c.hosts.mu.Lock()
	defer c.hosts.mu.Unlock()
	now := c.now()
	h := c.hosts.known[name]
	if h == nil {
		c.forget(now)
		h = &host{name: name, gate: gate{places: s.PerHost}}
		h.breaker = gobreaker.NewTwoStepCircuitBreaker[struct{}](gobreaker.Settings{
			Name:          name,
			Timeout:       s.Breaker.Pause,
			ReadyToTrip:   func(counts gobreaker.Counts) bool { return int(counts.ConsecutiveFailures) >= s.Breaker.Failures },
			IsExcluded:    func(err error) bool { return errors.Is(err, errIgnored) },
			OnStateChange: func(_ string, _, to gobreaker.State) { c.turned(h, to, s.Breaker.Pause) },
		})
		c.hosts.known[name] = h
	}
	h.used = now
	return h
}

const (
	// idle is for how long a host is remembered that failed and that nobody calls.
	idle = 10 * time.Minute
	// passing is for how long one is that did not: there is nothing to remember of it, but whoever looked it up may not have called it yet.
	passing = 10 * time.Second
	// mostHosts is how many are remembered for longer than that, whatever happened.
	mostHosts = 50_000
)

// forget drops hosts that nobody calls, where many are known. The lock is held.
func (c *Caller) forget(now time.Time) {
	if len(c.hosts.known) < max(c.hosts.sweep, swept) {
		return
	}
	many := len(c.hosts.known) > mostHosts
	for name, h := range c.hosts.known {
		taken, waiting := h.gate.count()
		unused := now.Sub(h.used)
		if taken+waiting == 0 && (unused > idle || unused > passing && (many || h.well())) {
			delete(c.hosts.known, name)
		}
	}
	c.hosts.sweep = 2 * len(c.hosts.known)
}

// well says that there was no failure since the last success.
func (h *host) well() bool {
	return h.breaker.State() == gobreaker.StateClosed && h.breaker.Counts().ConsecutiveFailures == 0
}

// drop forgets what breakers know, so that other options of theirs come in force. The lock is held.
func (h *hosts) drop() {
	for name, one := range h.known {
		if taken, waiting := one.gate.count(); taken+waiting == 0 {
			delete(h.known, name)
		}
	}
}

// turned is told of each change of a host's breaker.
func (c *Caller) turned(h *host, to gobreaker.State, pause time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.opened.Store(to == gobreaker.StateOpen)
	line := c.log().WithFields(logrus.Fields{"host": h.name, "breaker": to.String()})
	if to != gobreaker.StateOpen {
		h.until = time.Time{}
		if to == gobreaker.StateClosed {
			line.Info("the host answers again")
		} else {
			line.Debug("a call tries whether the host answers again")
		}
		return
	}
	h.until = c.now().Add(pause)
	line.WithField("until", h.until.UTC().Format(time.RFC3339)).Warnf("the host is left alone for a while: %v", h.why)
}

// failed keeps the reason, for the log and for errors.
func (h *host) failed(err error) {
	h.mu.Lock()
	defer h.mu.Unlock()
	h.why = err
}

// The reasons for which a host is left alone are told to whoever calls it, to everybody who reads the fleet, and to the log of all workers: they
// have nothing of the address that one task called, and no words of the host's own, which may repeat it.
var (
	errHungUp     = errors.New("it closed the connection before its answer was complete")
	errSlow       = errors.New("no answer in time")
	errUnreadable = errors.New("no answer that can be read")
)

// reasonOf tells why a host gave no answer to a call whose time is that of ctx.
func reasonOf(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return errSlow
	}
	if lost, ok := errors.AsType[*net.OpError](err); ok { // has addresses of IP, and the host's name where nobody knows it
		return lost
	}
	if distrust, ok := errors.AsType[*tls.CertificateVerificationError](err); ok {
		return reasonOfDistrust(distrust.Err)
	}
	timeout, ok := errors.AsType[net.Error](err)
	switch {
	case ok && timeout.Timeout():
		return errSlow
	case errors.Is(err, io.EOF), errors.Is(err, io.ErrUnexpectedEOF):
		return errHungUp
	}
	return errUnreadable
}

// reasonOfDistrust tells why the certificate of a host is not believed, without a name that stands in it.
func reasonOfDistrust(err error) error {
	if _, ok := errors.AsType[x509.HostnameError](err); ok {
		return errors.New("its certificate is for other names")
	}
	if _, ok := errors.AsType[x509.UnknownAuthorityError](err); ok {
		return errors.New("its certificate is signed by an unknown authority")
	}
	if invalid, ok := errors.AsType[x509.CertificateInvalidError](err); ok && invalid.Reason == x509.Expired {
		return errors.New("its certificate has expired or is not yet valid")
	}
	return errors.New("its certificate cannot be verified")
}

// reasonOfStatus tells how a host answered that is not well.
func reasonOfStatus(status int) error {
	return errors.New(strings.TrimSpace(fmt.Sprintf("answered %d %s", status, http.StatusText(status))))
}

// closed tells how long the host is left alone still, at least a moment where it is; zero where it may be called; and why.
func (h *host) closed(now time.Time) (pause time.Duration, why error) {
	open := h.breaker.State() == gobreaker.StateOpen // which looks at the time, too
	h.mu.Lock()
	defer h.mu.Unlock()
	if !open {
		return 0, h.why
	}
	return max(h.until.Sub(now), time.Millisecond), h.why
}

// Hosts tells of the hosts that were called lately, by name.
func (c *Caller) Hosts() []HostState {
	known := c.hosts.some(func(*host) bool { return true })
	states := make([]HostState, 0, len(known))
	for _, h := range known {
		states = append(states, h.state())
	}
	return states
}

// Avoided tells of the hosts that are left alone, by name, and of no more than the first most of them.
func (c *Caller) Avoided(most int) []HostState {
	var states []HostState
	for _, h := range c.hosts.some(func(h *host) bool { return h.opened.Load() }) {
		if len(states) == most {
			break
		}
		if one := h.state(); one.State == Open { // its pause may be over
			states = append(states, one)
		}
	}
	return states
}

// some gives the hosts of a kind, by name. Calls wait while it looks: is asks no breaker.
func (h *hosts) some(is func(*host) bool) []*host {
	var list []*host
	h.mu.Lock()
	for _, one := range h.known {
		if is(one) {
			list = append(list, one)
		}
	}
	h.mu.Unlock()
	slices.SortFunc(list, func(a, b *host) int { return cmp.Compare(a.name, b.name) })
	return list
}

// state is what is known of a host at this moment.
func (h *host) state() HostState {
	s := HostState{Host: h.name, State: h.breaker.State().String()}
	s.Running, s.Waiting = h.gate.count()
	h.mu.Lock()
	defer h.mu.Unlock()
	s.Until = h.until
	if h.why != nil && s.State != gobreaker.StateClosed.String() {
		s.Error = h.why.Error()
	}
	return s
}
