package call

import (
	"cmp"
	"errors"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sony/gobreaker/v2"
)

// host is what is known of one host and port.
type host struct {
	name    string
	gate    gate
	breaker *gobreaker.TwoStepCircuitBreaker[struct{}]

	mu    sync.Mutex
	until time.Time // while the breaker is open: when a call tries it again
	why   error     // the last failure
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
	Error   string    // of the last call, unless it is closed
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
	c.hosts.mu.Lock()
	defer c.hosts.mu.Unlock()
	states := make([]HostState, 0, len(c.hosts.known))
	for _, h := range c.hosts.known {
		one := HostState{Host: h.name, State: h.breaker.State().String()}
		one.Running, one.Waiting = h.gate.count()
		h.mu.Lock()
		one.Until = h.until
		if h.why != nil && one.State != gobreaker.StateClosed.String() {
			one.Error = h.why.Error()
		}
		h.mu.Unlock()
		states = append(states, one)
	}
	slices.SortFunc(states, func(a, b HostState) int { return cmp.Compare(a.Host, b.Host) })
	return states
}
