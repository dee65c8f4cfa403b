package call

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/adlayer/after/internal/authorities"
	"github.com/adlayer/after/jobs/call/fence"
)

// ways are the transports: one pool of connections for each way to speak TLS, and another through a proxy, whose address is not fenced.
type ways struct {
	rules    *fence.Rules
	resolver *net.Resolver
	proxy    func(*http.Request) (*url.URL, error)
	given    http.RoundTripper
	direct   map[string]*http.Transport
	proxied  map[string]*http.Transport
}

func newWays(o Options, rules *fence.Rules) (*ways, error) {
	w := &ways{rules: rules, resolver: o.Resolver, given: o.Transport, direct: map[string]*http.Transport{}, proxied: map[string]*http.Transport{}}
	if w.resolver == nil {
		w.resolver = net.DefaultResolver
	}
	switch o.Proxy {
	case "":
		w.proxy = http.ProxyFromEnvironment
	case "none":
		w.proxy = func(*http.Request) (*url.URL, error) { return nil, nil } //nolint:nilnil // as net/http has it: no proxy
	default:
		u, err := url.Parse(o.Proxy)
		if err != nil || u.Host == "" || u.Scheme != "http" && u.Scheme != "https" && u.Scheme != "socks5" && u.Scheme != "socks5h" {
			return nil, errors.New("the proxy is no http, https or socks5 address")
		}
		w.proxy = http.ProxyURL(u)
	}
	usual, err := usualTLS(o.CAFile)
	if err != nil {
		return nil, err
	}
	w.add("", usual, o)
	for name, text := range o.TLS {
		config, err := parseTLS(text)
		if err != nil {
			return nil, fmt.Errorf("tls %s: %w", name, err)
		}
		w.add(name, config, o)
	}
	return w, nil
}

func usualTLS(file string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	if file == "" {
		return c, nil
	}
	pool, err := authorities.Beside(file)
	c.RootCAs = pool
	return c, err
}

func (w *ways) add(name string, config *tls.Config, o Options) {
	dialer := net.Dialer{Timeout: 30 * time.Second, KeepAlive: 30 * time.Second, Resolver: w.resolver}
	fresh := func() *http.Transport {
		return &http.Transport{
			TLSClientConfig:        config.Clone(),
			ForceAttemptHTTP2:      true,
			MaxIdleConns:           o.Concurrency,
			MaxIdleConnsPerHost:    o.PerHost,
			IdleConnTimeout:        90 * time.Second,
			TLSHandshakeTimeout:    10 * time.Second,
			ExpectContinueTimeout:  time.Second,
			MaxResponseHeaderBytes: 256 << 10,
			HTTP2:                  &http.HTTP2Config{SendPingTimeout: 30 * time.Second, PingTimeout: 15 * time.Second},
		}
	}
	w.direct[name] = fresh()
	w.direct[name].DialContext = w.rules.Dial(dialer)
	w.proxied[name] = fresh()
	w.proxied[name].DialContext = dialer.DialContext
	w.proxied[name].Proxy = w.proxy
}

// errTLS says that the configuration knows no TLS of a name.
var errTLS = errors.New("tls: http.tls in the worker's configuration has nothing of that name")

// to finds the transport for a request, once its host may be called.
func (w *ways) to(ctx context.Context, r *http.Request, name string) (http.RoundTripper, error) {
	port := portOf(r.URL)
	if w.given != nil {
		_, err := w.rules.Host(r.URL.Hostname(), port)
		return w.given, err
	}
	direct, found := w.direct[name]
	if !found {
		return nil, errTLS
	}
	proxy, err := w.proxy(r)
	if err != nil {
		return nil, fmt.Errorf("the proxy of the environment: %w", err)
	}
	if proxy == nil {
		_, err := w.rules.Host(r.URL.Hostname(), port)
		return direct, err
	}
	return w.proxied[name], w.rules.Resolved(ctx, w.resolver, r.URL.Hostname(), port)
}

// close ends connections that nobody uses.
func (w *ways) close() {
	for name := range w.direct {
		w.direct[name].CloseIdleConnections()
		w.proxied[name].CloseIdleConnections()
	}
}

// portOf gives the port of an address; 0 where it is none, which no rule of ports covers and nobody can connect to.
func portOf(u *url.URL) uint16 {
	switch port := u.Port(); {
	case port != "":
		n, err := strconv.ParseUint(port, 10, 16)
		if err != nil {
			return 0
		}
		return uint16(n)
	case u.Scheme == "https":
		return 443
	default:
		return 80
	}
}

// authority is a host with its port: what is counted, limited and left alone.
func authority(u *url.URL) string {
	return net.JoinHostPort(strings.ToLower(u.Hostname()), strconv.Itoa(int(portOf(u))))
}
