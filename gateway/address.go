package gateway

import (
	"context"
	"errors"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strings"
	"sync"
	"time"
	"unicode/utf8"
)

// checkAddress refuses what nobody can call.
func (x *exchange) checkAddress(ctx context.Context, o *order) error {
	host, err := o.host()
	if err != nil {
		return err
	}
	err, done := x.lookedUp[host]
	if !done {
		err = x.hosts.check(ctx, host)
	}
	if err != nil {
		return bad("url", "the host %s is not known: its name cannot be resolved", host)
	}
	return nil
}

// host is the name of the host that an order's address has, which is refused where nobody can call it.
func (o *order) host() (string, error) {
	u, err := url.Parse(o.URL)
	switch {
	case !utf8.ValidString(o.URL):
		return "", bad("url", "the address is no UTF-8: it has bytes that must be percent-encoded in it")
	case err != nil || strings.ContainsFunc(o.URL, func(r rune) bool { return r <= ' ' || r == 0x7f }):
		return "", bad("url", "the address cannot be read") // the parser's error repeats it, and a password may stand in it
	case u.Scheme == "":
		return "", bad("url", "the address begins with neither http:// nor https://")
	case u.Scheme != "http" && u.Scheme != "https":
		return "", bad("url", "the address begins with %q: only http:// and https:// can be called", u.Scheme+":")
	case u.Hostname() == "":
		return "", bad("url", "the address names no host")
	case u.Opaque != "":
		return "", bad("url", "the address cannot be read")
	}
	return u.Hostname(), nil
}

// hosts remembers for a while which names of hosts there are.
type hosts struct {
	resolve func(ctx context.Context, host string) error
	now     func() time.Time

	mu    sync.Mutex
	known map[string]resolved
}

type resolved struct {
	at  time.Time
	err error
}

const (
	hostAge     = time.Minute
	hostMost    = 1024 // beyond it all are forgotten and asked for anew
	hostWait    = 2 * time.Second
	hostsAtOnce = 32 // that one request has looked up
)

func newHosts(resolve func(context.Context, string) error, now func() time.Time) *hosts {
	if resolve == nil {
		resolve = func(ctx context.Context, host string) error {
			_, err := net.DefaultResolver.LookupNetIP(ctx, "ip", host)
			return err
		}
	}
	return &hosts{resolve: resolve, now: now, known: map[string]resolved{}}
}

// check is an error where there is certainly no host of that name. What cannot be found out at the moment may be there when it is called.
func (h *hosts) check(ctx context.Context, host string) error {
	if _, err := netip.ParseAddr(host); err == nil || host == "localhost" {
		return nil
	}
	if strings.HasSuffix(strings.TrimSuffix(strings.ToLower(host), "."), ".invalid") { // RFC 6761: nobody need be asked
		return &net.DNSError{Err: "no such host", Name: host, IsNotFound: true}
	}
	now := h.now()
	h.mu.Lock()
	known, ok := h.known[host]
	h.mu.Unlock()
	if ok && now.Sub(known.at) < hostAge {
		return known.err
	}
	ctx, cancel := context.WithTimeout(ctx, hostWait)
	defer cancel()
	err := h.resolve(ctx, host)
	if e, ok := errors.AsType[*net.DNSError](err); !ok || !e.IsNotFound {
		err = nil
	}
	if ctx.Err() == nil {
		h.mu.Lock()
		if len(h.known) >= hostMost {
			clear(h.known)
		}
		h.known[host] = resolved{now, err}
		h.mu.Unlock()
	}
	return err
}

// checkAll is check of many names, each once.
func (h *hosts) checkAll(ctx context.Context, names []string) map[string]error {
	slices.Sort(names)
	names = slices.Compact(names)
	errs := make([]error, len(names))
	room := make(chan struct{}, hostsAtOnce)
	var looking sync.WaitGroup
	for i, name := range names {
		room <- struct{}{}
		looking.Go(func() {
			errs[i] = h.check(ctx, name)
			<-room
		})
	}
	looking.Wait()
	all := make(map[string]error, len(names))
	for i, name := range names {
		all[name] = errs[i]
	}
	return all
}
