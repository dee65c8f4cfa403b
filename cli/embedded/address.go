package embedded

import (
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"strings"
)

// MeansListener says whether requests to the address of a server reach a listener on listen ("host:port") of this machine.
func MeansListener(address, listen string) bool {
	u, err := url.Parse(address)
	if err != nil || u.Scheme != "http" || strings.Trim(u.Path, "/") != "" {
		return false
	}
	port := u.Port()
	if port == "" {
		port = "80"
	}
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
