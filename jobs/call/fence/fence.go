// Package fence says which addresses may be called: lists of hosts, networks and ports that are allowed or denied, and the addresses where
// clouds serve credentials, which nobody may call unless they are allowed by name. A name is judged before it is resolved, and every
// address at the moment of the connection, so that a name that resolves to another address the second time gains nothing.
package fence

import (
	"context"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"slices"
	"strconv"
	"strings"
	"syscall"

	"golang.org/x/net/idna"
)

// Rules say what may be called. They do not change once made. The zero value allows all but what is refused by default.
type Rules struct{ allow, deny []rule }

// RefusalError is the error for what must not be called.
type RefusalError struct {
	Target string // the host or address
	Why    string
}

func (e *RefusalError) Error() string { return e.Target + " must not be called: " + e.Why }

// New reads two lists. An entry is a host (example.org), the hosts below one (*.example.org), an address or a network (10.0.0.0/8), each
// with a port or a range of them behind a colon or none (example.org:443, [fc00::/7]:8000-8999), ports alone (:25), * for everything, or
// one of the words loopback and private. Where there is an allowed entry, all else is refused; what is denied is refused whatever is allowed.
func New(allow, deny []string) (*Rules, error) {
	var r Rules
	for _, entry := range allow {
		rules, err := parse(entry)
		if err != nil {
			return nil, fmt.Errorf("allow: %w", err)
		}
		r.allow = append(r.allow, rules...)
	}
	for _, entry := range deny {
		rules, err := parse(entry)
		if err != nil {
			return nil, fmt.Errorf("deny: %w", err)
		}
		r.deny = append(r.deny, rules...)
	}
	return &r, nil
}

// Host judges a host by its name, before it is resolved, or by the address that it is in any of the ways to write one. named says that its name is allowed, so that its addresses need not be.
func (r *Rules) Host(host string, port uint16) (named bool, err error) {
	if addr, err := netip.ParseAddr(host); err == nil {
		return r.literal(addr, port)
	}
	name, err := canonical(host)
	if err != nil {
		return false, &RefusalError{host, err.Error()}
	}
	if endsInNumber(name) {
		addr, ok := numeric(name)
		if !ok {
			return false, &RefusalError{host, "it is neither a name nor an address"}
		}
		return r.literal(addr, port)
	}
	for _, d := range r.deny {
		if d.names(name) && d.covers(port) {
			return false, &RefusalError{host, "it is denied by " + d.text}
		}
	}
	if isMetadata(name) && !slices.ContainsFunc(r.allow, func(a rule) bool { return a.host == name }) {
		return false, &RefusalError{host, "it is a name under which clouds serve credentials"}
	}
	networks := false
	for _, a := range r.allow {
		if a.names(name) && a.covers(port) {
			return true, nil
		}
		networks = networks || a.network.IsValid()
	}
	if len(r.allow) > 0 && !networks {
		return false, &RefusalError{host, "it is not among what is allowed"}
	}
	return len(r.allow) == 0, nil
}

// literal judges a host that is written as an address.
func (r *Rules) literal(addr netip.Addr, port uint16) (named bool, err error) {
	named = len(r.allow) == 0 || slices.ContainsFunc(r.allow, func(a rule) bool { return a.isAny() && a.covers(port) })
	return named, r.Address(addr, port, named)
}

// Address judges an address as it is connected to; named is what [Rules.Host] said of the name that resolved to it.
func (r *Rules) Address(addr netip.Addr, port uint16, named bool) error {
	faces := facesOf(addr)
	for _, face := range faces {
		for _, d := range r.deny {
			if (d.isAny() || d.network.IsValid() && d.network.Contains(face)) && d.covers(port) {
				return &RefusalError{addr.String(), "it is denied by " + d.text}
			}
		}
		for _, refused := range refusedNetworks() {
			if refused.network.Contains(face) && !r.lifted(face, port, refused.network) {
				return &RefusalError{addr.String(), refused.why}
			}
		}
	}
	if named {
		return nil
	}
	for _, a := range r.allow {
		if a.network.IsValid() && a.network.Contains(faces[0]) && a.covers(port) {
			return nil
		}
	}
	return &RefusalError{addr.String(), "it is not among what is allowed"}
}

// lifted says whether what is refused by default is allowed by an entry that means it: one that is no wider than the refused network.
func (r *Rules) lifted(face netip.Addr, port uint16, refused netip.Prefix) bool {
	return slices.ContainsFunc(r.allow, func(a rule) bool {
		return a.network.IsValid() && a.network.Bits() >= refused.Bits() && a.network.Contains(face) && a.covers(port)
	})
}

// Dial gives the function that dials for a transport: the name is judged, and each address that it resolves to when it is connected to.
func (r *Rules) Dial(d net.Dialer) func(ctx context.Context, network, address string) (net.Conn, error) {
	return func(ctx context.Context, network, address string) (net.Conn, error) {
		host, port, err := split(address)
		if err != nil {
			return nil, err
		}
		named, err := r.Host(host, port)
		if err != nil {
			return nil, err
		}
		dialer := d
		dialer.ControlContext = func(_ context.Context, _, address string, _ syscall.RawConn) error {
			at, err := netip.ParseAddrPort(address)
			if err != nil {
				return err
			}
			return r.Address(at.Addr(), at.Port(), named)
		}
		return dialer.DialContext(ctx, network, address)
	}
}

// Resolved judges a host that somebody else connects to, a proxy: by its name, and by all its addresses as they resolve here. A name that
// does not resolve here is judged by itself.
func (r *Rules) Resolved(ctx context.Context, resolver *net.Resolver, host string, port uint16) error {
	named, err := r.Host(host, port)
	if err != nil {
		return err
	}
	if _, err := netip.ParseAddr(host); err == nil {
		return nil
	}
	addrs, err := resolver.LookupNetIP(ctx, "ip", host)
	if err != nil {
		if ctx.Err() == nil && named {
			return nil
		}
		return err
	}
	for _, addr := range addrs {
		if err := r.Address(addr, port, named); err != nil {
			return err
		}
	}
	return nil
}

func split(address string) (host string, port uint16, err error) {
	host, text, err := net.SplitHostPort(address)
	if err != nil {
		return "", 0, err
	}
	n, err := strconv.ParseUint(text, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("%s is no port", text)
	}
	return host, uint16(n), nil
}

// canonical is a name as it is looked up: in lower case, without a full stop at its end, other alphabets in their ASCII form.
func canonical(host string) (string, error) {
	host = strings.TrimSuffix(host, ".")
	if strings.ContainsFunc(host, func(c rune) bool { return c >= 0x80 }) {
		ascii, err := idna.Lookup.ToASCII(host)
		if err != nil {
			return "", fmt.Errorf("it is no name of a host: %w", err)
		}
		host = strings.TrimSuffix(ascii, ".")
	}
	if host == "" {
		return "", errors.New("it is no name of a host")
	}
	return strings.ToLower(host), nil
}
