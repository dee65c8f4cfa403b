package embedded

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// MeansListener says whether requests to the address of a server reach a listener on listen ("host:port") of this machine, which speaks https
// if secure says so.
func MeansListener(address, listen string, secure bool) bool {
	scheme, usual := "http", "80"
	if secure {
		scheme, usual = "https", "443"
	}
	u, err := url.Parse(address)
	if err != nil || u.Scheme != scheme || strings.Trim(u.Path, "/") != "" {
		return false
	}
	port := cmp.Or(u.Port(), usual)
	host, at, err := net.SplitHostPort(listen)
	if err != nil || at != port {
		return false
	}
	asked := u.Hostname()
	switch {
	case strings.EqualFold(asked, host):
		return true
	case wildcard(host):
		return Loopback(asked)
	default:
		return (asked == localhost && Loopback(host)) || (host == localhost && Loopback(asked))
	}
}

const localhost = "localhost"

// Loopback says whether a host is this machine and cannot be reached from another.
func Loopback(host string) bool {
	if strings.EqualFold(host, localhost) {
		return true
	}
	address, err := netip.ParseAddr(host)
	return err == nil && address.IsLoopback()
}

func wildcard(host string) bool {
	address, err := netip.ParseAddr(host)
	return host == "" || (err == nil && address.IsUnspecified())
}

// CheckListen refuses an address that other machines can reach while users have the default password.
func CheckListen(listen string, defaults []string) error {
	host, _, err := net.SplitHostPort(listen)
	if err != nil {
		return fmt.Errorf("store.listen %q: %w", listen, err)
	}
	if Loopback(host) || len(defaults) == 0 {
		return nil
	}
	return fmt.Errorf("the store will not listen on %s, which other machines can reach, while %s has the default password: "+
		"set store.admins, store.admins_file or AFTER_STORE_ADMINS", listen, strings.Join(defaults, ", "))
}
