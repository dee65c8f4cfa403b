package send

import (
	"context"
	"net/url"
	"strings"
	"time"
)

// place is a host that is posted to, or the mail server. Its sender's lock guards it.
type place struct {
	room     chan struct{} // holds those under way; nil for the mail server
	using    int           // how many have it in hand
	until    time.Time     // left alone until then
	failures int           // in a row; 0: it is well, if busy
}

// rests says until when a place is left alone; zero where it is not.
func (p *place) rests(now time.Time) time.Time {
	if now.Before(p.until) {
		return p.until
	}
	return time.Time{}
}

// fail leaves a place alone: longer with each failure in a row. Those that were under way at the same time count as one.
func (p *place) fail(now time.Time, retry, least time.Duration) (first bool) {
	if p.failures > 0 && now.Before(p.until) {
		return false
	}
	p.failures++
	p.until = now.Add(max(backoff(retry, p.failures, mostPause), least))
	return p.failures == 1
}

// recover says whether the place had failed before.
func (p *place) recover() bool {
	had := p.failures > 0
	p.failures, p.until = 0, time.Time{}
	return had
}

// hostOf is the host of a URL with its port, in one spelling.
func hostOf(address string) string {
	u, err := url.Parse(address)
	if err != nil {
		return ""
	}
	return strings.ToLower(u.Scheme + "://" + u.Host)
}

// host gives the place of a URL, for as long as leave was not called.
func (s *sender) host(address string) (name string, p *place) {
	name = hostOf(address)
	s.mu.Lock()
	defer s.mu.Unlock()
	p = s.hosts[name]
	if p == nil {
		p = &place{room: make(chan struct{}, mostPerHost)}
		s.hosts[name] = p
	}
	p.using++
	return name, p
}

// leave forgets a place that nobody uses and of which nothing is known.
func (s *sender) leave(name string, p *place) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if p.using--; p.using == 0 && p.failures == 0 && !time.Now().Before(p.until) {
		delete(s.hosts, name)
	}
}

// forgetHosts drops those that failed long ago and that nobody asked for since. The lock is held.
func (s *sender) forgetHosts(now time.Time) {
	for name, p := range s.hosts {
		if p.using == 0 && now.Sub(p.until) > mostWait {
			delete(s.hosts, name)
		}
	}
}

// busyFor is how long a host that has no room is passed over.
const busyFor = time.Second

// enter takes room at a host, and waits a moment for it. Without room the host is passed over for a while.
func (s *sender) enter(ctx context.Context, p *place) bool {
	select {
	case p.room <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(busyFor)
	defer timer.Stop()
	select {
	case p.room <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	now := time.Now()
	s.mu.Lock()
	if p.until.Before(now) {
		p.until = now.Add(busyFor)
	}
	s.mu.Unlock()
	return false
}
