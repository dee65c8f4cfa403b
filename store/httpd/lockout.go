package httpd

import (
	"container/list"
	"crypto/sha256"
	"net"
	"net/http"
	"net/netip"
	"sync"
	"time"

	"github.com/adlayer/after/store"
)

// lockout refuses an account to an address from which too many wrong passwords came, as CouchDB does.
type lockout struct {
	now    func() time.Time
	policy func() lockoutPolicy

	mu     sync.Mutex
	recent list.List // of *failures, the latest first
	by     map[attempt]*list.Element
}

// lockoutPolicy is when accounts are locked.
type lockoutPolicy struct {
	off, warn bool // nothing is counted; it is counted, and told in the log alone
	threshold int  // of wrong passwords in a row; the next one is refused
}

// attempt is who tried, and from where. Of the name, which may be long, its hash is remembered.
type attempt struct {
	address string // of IPv6 the network of 64 bits: its addresses are one client's
	name    [sha256.Size]byte
}

type failures struct {
	attempt
	count int
	last  time.Time
}

const (
	mostFailures = 5 // in a row, where the settings say nothing else
	lockedFor    = 5 * time.Minute
	mostAttempts = 10_000 // that are remembered
)

func newLockout() *lockout {
	policy := func() lockoutPolicy { return lockoutPolicy{threshold: mostFailures} }
	return &lockout{now: time.Now, policy: policy, by: map[attempt]*list.Element{}}
}

func attemptOf(r *http.Request, name string) attempt {
	return attempt{clientNetwork(r.RemoteAddr), sha256.Sum256([]byte(name))}
}

// clientNetwork is where a connection comes from, without its port. Who has an IPv6 address has 2⁶⁴ of them, in one network; an IPv4 address in
// the clothes of IPv6 is that address.
func clientNetwork(remote string) string {
	host, _, err := net.SplitHostPort(remote)
	if err != nil {
		host = remote
	}
	address, err := netip.ParseAddr(host)
	if err != nil {
		return host
	}
	address = address.Unmap().WithZone("")
	if address.Is4() {
		return address.String()
	}
	network, _ := address.Prefix(clientBits) // so many bits it has
	return network.String()
}

// clientBits are those of an IPv6 address that tell one client from another.
const clientBits = 64

// forget lets everybody try again.
func (l *lockout) forget() {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.recent.Init()
	clear(l.by)
}

// check gives the 403 of an account that is locked.
func (l *lockout) check(a attempt) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.locked(a)
}

// locked is check while l.mu is held.
func (l *lockout) locked(a attempt) error {
	p := l.policy()
	if f := l.find(a); f != nil && f.count >= p.threshold && !p.off && !p.warn {
		return &store.Error{
			Status: http.StatusForbidden, Name: "forbidden", Reason: "Account is temporarily locked due to multiple authentication failures",
		}
	}
	return nil
}

// find gives what is remembered of an attempt, unless it is too old. l.mu is held.
func (l *lockout) find(a attempt) *failures {
	e := l.by[a]
	if e == nil {
		return nil
	}
	f, _ := e.Value.(*failures)
	if l.now().Sub(f.last) > lockedFor {
		l.recent.Remove(e)
		delete(l.by, a)
		return nil
	}
	return f
}

// failed counts a wrong password; locked tells that it was the one too many.
func (l *lockout) failed(a attempt) (locked bool) {
	p := l.policy()
	if p.off {
		return false
	}
	l.mu.Lock()
	defer l.mu.Unlock()
	f := l.find(a)
	if f == nil {
		f = &failures{attempt: a}
		l.by[a] = l.recent.PushFront(f)
		if l.recent.Len() > mostAttempts {
			oldest, _ := l.recent.Remove(l.recent.Back()).(*failures)
			delete(l.by, oldest.attempt)
		}
	} else {
		l.recent.MoveToFront(l.by[a])
	}
	f.count++
	f.last = l.now()
	return f.count == p.threshold
}

// passed forgets the wrong passwords before a right one. It gives the 403 where the account was locked while the password was compared:
// else many passwords could be tried at the same instant.
func (l *lockout) passed(a attempt) error {
	l.mu.Lock()
	defer l.mu.Unlock()
	if err := l.locked(a); err != nil {
		return err
	}
	if e := l.by[a]; e != nil {
		l.recent.Remove(e)
		delete(l.by, a)
	}
	return nil
}
