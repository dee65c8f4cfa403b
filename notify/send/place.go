package send

import (
	"context"
	"net/url"
	"strings"
	"time"

	"github.com/adlayer/after/internal/wait"
)

// place is a host that is posted to, or the mail server. The poster's lock guards a host.
type place struct {
	room     chan struct{} // holds those under way; nil for the mail server
	using    int           // how many have it in hand
	until    time.Time     // left alone until then
	full     time.Time     // passed over until then, since it had no room
	failures int           // in a row; 0: it is well, if busy
}

// rests says until when a place is left alone or passed over; zero where it is not.
func (p *place) rests(now time.Time) time.Time {
	if until := later(p.until, p.full); now.Before(until) {
		return until
	}
	return time.Time{}
}

// fail leaves a place alone: longer with each failure in a row. Those that were under way at the same time count as one.
func (p *place) fail(now time.Time, retry, least time.Duration) (first bool) {
	if p.failures > 0 && now.Before(p.until) {
		return false
	}
	p.failures++
	p.until = now.Add(max(wait.Doubled(retry, p.failures, mostPause), least))
	return p.failures == 1
}

// recover says whether the place had failed before.
func (p *place) recover() bool {
	had := p.failures > 0
	p.failures, p.until, p.full = 0, time.Time{}, time.Time{}
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
func (p *poster) host(address string) (name string, host *place) {
	name = hostOf(address)
	p.lock.Lock()
	defer p.lock.Unlock()
	host = p.hosts[name]
	if host == nil {
		host = &place{room: make(chan struct{}, mostPerHost)}
		p.hosts[name] = host
	}
	host.using++
	return name, host
}

// admit takes room at a host. One that has failed is tried by one post at a time, when it was left alone for long enough: until it is known to be
// back, no others wait for it. A host that takes posts and never answers would hold all hands.
func (p *poster) admit(ctx context.Context, host *place) bool {
	if failed, taken := p.try(host); failed {
		return taken
	}
	if !take(ctx, host.room) {
		return false
	}
	p.lock.Lock()
	defer p.lock.Unlock()
	if host.failures > 0 { // while we waited
		<-host.room
		return false
	}
	return true
}

// try takes all the room that a host has which has failed, where nobody has any: to look and to take is one step.
func (p *poster) try(host *place) (failed, taken bool) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if host.failures == 0 {
		return false, false
	}
	if len(host.room) > 0 || time.Now().Before(host.until) {
		return true, false
	}
	select {
	case host.room <- struct{}{}:
		return true, true
	default: // others have waited for room since before it failed: they give it back when they have this lock
		return true, false
	}
}

// leave forgets a place that nobody uses and of which nothing is known.
func (p *poster) leave(name string, host *place) {
	p.lock.Lock()
	defer p.lock.Unlock()
	if host.using--; host.using == 0 && host.failures == 0 && !time.Now().Before(host.until) {
		delete(p.hosts, name)
	}
}

// forgetHosts drops those that failed long ago and that nobody asked for since. The lock is held.
func (p *poster) forgetHosts(now time.Time) {
	for name, host := range p.hosts {
		if host.using == 0 && now.Sub(host.until) > mostWait {
			delete(p.hosts, name)
		}
	}
}

// passOver leaves a host alone that has no room.
func (p *poster) passOver(host *place) {
	p.lock.Lock()
	defer p.lock.Unlock()
	host.full = time.Now().Add(busyFor)
}

// busyFor is how long room is waited for, and for how long a host that has none is passed over.
const busyFor = time.Second

// take takes room, and waits a moment for it.
func take(ctx context.Context, room chan<- struct{}) bool {
	select {
	case room <- struct{}{}:
		return true
	default:
	}
	timer := time.NewTimer(busyFor)
	defer timer.Stop()
	select {
	case room <- struct{}{}:
		return true
	case <-timer.C:
	case <-ctx.Done():
	}
	return false
}
