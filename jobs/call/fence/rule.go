package fence

import (
	"errors"
	"fmt"
	"net/netip"
	"strconv"
	"strings"
)

// rule is one entry of a list. Of host and network at most one is set; where neither is, it means every host.
type rule struct {
	text      string       // as it was written
	host      string       // a name; with a full stop before it, the names below it
	network   netip.Prefix // never one of IPv4 within IPv6
	low, high uint16       // the ports
}

func (r rule) isAny() bool { return r.host == "" && !r.network.IsValid() }

func (r rule) covers(port uint16) bool { return r.low <= port && port <= r.high }

// names says whether the rule means a name in its canonical form.
func (r rule) names(name string) bool {
	return r.isAny() || r.host != "" && (r.host == name || r.host[0] == '.' && strings.HasSuffix(name, r.host))
}

// parse reads an entry. A word stands for several rules.
func parse(entry string) ([]rule, error) {
	host, ports, err := cutPorts(strings.TrimSpace(entry))
	if err != nil {
		return nil, fmt.Errorf("%q: %w", entry, err)
	}
	base := rule{text: entry, low: 0, high: 1<<16 - 1}
	if ports != "" {
		if base.low, base.high, err = parsePorts(ports); err != nil {
			return nil, fmt.Errorf("%q: %w", entry, err)
		}
	}
	networks := map[string][]string{
		"loopback": {"127.0.0.0/8", "::1/128"},
		"private":  {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "100.64.0.0/10", "fc00::/7"},
	}[host]
	switch {
	case networks != nil:
	case host == "*" || host == "" && ports != "":
		return []rule{base}, nil
	case strings.Contains(host, "/"):
		networks = []string{host}
	default:
		if addr, err := netip.ParseAddr(host); err == nil {
			addr = addr.Unmap().WithZone("")
			base.network = netip.PrefixFrom(addr, addr.BitLen())
			return []rule{base}, nil
		}
		base.host, err = parseName(host)
		if err != nil {
			return nil, fmt.Errorf("%q: %w", entry, err)
		}
		return []rule{base}, nil
	}
	rules := make([]rule, 0, len(networks))
	for _, network := range networks {
		prefix, err := netip.ParsePrefix(network)
		if err != nil || prefix.Addr().Is4In6() {
			return nil, fmt.Errorf("%q is no network: write 10.0.0.0/8 or fc00::/7, say", entry)
		}
		base.network = prefix.Masked()
		rules = append(rules, base)
	}
	return rules, nil
}

// cutPorts takes off what stands behind a colon, and the brackets that an IPv6 address has there.
func cutPorts(entry string) (host, ports string, err error) {
	if inner, ok := strings.CutPrefix(entry, "["); ok {
		host, rest, found := strings.Cut(inner, "]")
		ports, hasPorts := strings.CutPrefix(rest, ":")
		if !found || rest != "" && (!hasPorts || ports == "") {
			return "", "", errors.New("write [address] or [address]:port")
		}
		return host, ports, nil
	}
	if strings.Count(entry, ":") != 1 {
		return entry, "", nil
	}
	host, ports, _ = strings.Cut(entry, ":")
	if ports == "" {
		return "", "", errors.New("there is no port behind the colon")
	}
	return host, ports, nil
}

func parsePorts(text string) (low, high uint16, err error) {
	first, last, isRange := strings.Cut(text, "-")
	if !isRange {
		last = first
	}
	a, errA := strconv.ParseUint(first, 10, 16)
	b, errB := strconv.ParseUint(last, 10, 16)
	if errA != nil || errB != nil || a > b || a == 0 {
		return 0, 0, fmt.Errorf("%q is neither a port nor a range of ports", text)
	}
	return uint16(a), uint16(b), nil
}

func parseName(host string) (string, error) {
	below := ""
	if name, ok := strings.CutPrefix(host, "*."); ok {
		host, below = name, "."
	} else if name, ok := strings.CutPrefix(host, "."); ok {
		host, below = name, "."
	}
	name, err := canonical(host)
	if err != nil {
		return "", err
	}
	allowed := func(c rune) bool {
		return c >= 'a' && c <= 'z' || c >= '0' && c <= '9' || c == '-' || c == '_' || c == '.'
	}
	if strings.ContainsFunc(name, func(c rune) bool { return !allowed(c) }) {
		return "", errors.New("it is no host, address, network or port: write example.org, *.example.org, 10.0.0.0/8 or :25, say")
	}
	return below + name, nil
}
