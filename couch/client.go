package couch

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-kivik/kivik/v4"
	"github.com/go-kivik/kivik/v4/couchdb"
	"github.com/go-kivik/kivik/v4/couchdb/chttp"
)

const (
	defaultTimeout      = time.Minute
	defaultQueryTimeout = 10 * time.Minute
	defaultConnections  = 32
	bufferSize          = 64 << 10
)

// Options say how to reach a server. The zero value works.
type Options struct {
	// User and Password are used where the URL carries no credentials of its own. Both empty: no credentials are sent.
	User, Password string

	// Timeout bounds one request that reads or writes documents, answer included. Zero means a minute; negative means none.
	Timeout time.Duration

	// QueryTimeout bounds finds, listings and index definitions, which may have to wait for an index to be built. Zero means
	// ten minutes; negative means none.
	QueryTimeout time.Duration

	// Connections is how many idle connections are kept. Zero means 32.
	Connections int

	// UserAgent is added to the User-Agent header, as product/version.
	UserAgent string

	// TLS says how servers of https addresses are checked. Nil means by the certificates that the system trusts.
	TLS *tls.Config

	// Transport carries the requests. Nil means one of the client's own, tuned for few hosts and large bodies; TLS is for that one.
	Transport http.RoundTripper

	// Now reads the local clock, for [Server].Clock. Nil means time.Now.
	Now func() time.Time
}

// Client is one server, seen by one user.
type Client struct {
	base      *url.URL // without credentials
	basePath  string   // escaped, without a slash at its end
	user      string
	kivik     *kivik.Client
	http      *chttp.Client
	transport http.RoundTripper

	timeout      time.Duration
	queryTimeout time.Duration
	now          func() time.Time
}

// Dial prepares a client for the server at address, such as "http://user:password@127.0.0.1:5984". It sends no request.
// An address without a scheme is http. Its errors never hold the address, since that may hold a password.
func Dial(address string, o Options) (*Client, error) {
	base, err := parseAddress(address)
	if err != nil {
		return nil, err
	}
	user, password := o.User, o.Password
	if base.User != nil {
		user = base.User.Username()
		password, _ = base.User.Password()
		base.User = nil
	}

	c := &Client{
		base:         base,
		basePath:     strings.TrimRight(base.EscapedPath(), "/"),
		user:         user,
		transport:    o.Transport,
		timeout:      orDefault(o.Timeout, defaultTimeout),
		queryTimeout: orDefault(o.QueryTimeout, defaultQueryTimeout),
		now:          o.Now,
	}
	if c.transport == nil {
		c.transport = NewTransport(o.Connections, o.TLS)
	}
	if c.now == nil {
		c.now = time.Now //nolint:forbidigo // the default of the clock that callers pass in
	}
	return c, c.connect(user, password, o.UserAgent)
}

func (c *Client) connect(user, password, agent string) error {
	options := kivikOptions{couchdb.OptionNoRequestCompression()}
	if user != "" || password != "" {
		options = append(options, chttp.BasicAuth(user, password))
	}
	if agent != "" {
		options = append(options, couchdb.OptionUserAgent(agent))
	}
	// A redirect would carry the credentials to wherever it points, and CouchDB's API never sends one.
	client := func() *http.Client {
		return &http.Client{
			Transport:     pathFixer{next: c.transport, base: c.basePath},
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		}
	}
	var err error
	if c.http, err = chttp.New(client(), c.base.String(), options); err != nil {
		return fmt.Errorf("preparing the client for %s: %w", c, err)
	}
	options = append(options, couchdb.OptionHTTPClient(client()))
	if c.kivik, err = kivik.New("couch", c.base.String(), options); err != nil {
		return fmt.Errorf("preparing the client for %s: %w", c, err)
	}
	return nil
}

// String is the server's address without credentials.
func (c *Client) String() string { return strings.TrimRight(c.base.String(), "/") }

// User is the name that the client authenticates as; empty for none.
func (c *Client) User() string { return c.user }

// Close drops the idle connections. Requests under way are not touched.
func (c *Client) Close() {
	if t, ok := c.transport.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// Database names a database of the server. It sends no request.
func (c *Client) Database(name string) *Database {
	return &Database{client: c, name: name, path: "/" + escapeSegment(name)}
}

func parseAddress(address string) (*url.URL, error) {
	if address == "" {
		return nil, errors.New("the address of the CouchDB server is empty: give a URL such as http://127.0.0.1:5984")
	}
	if !strings.Contains(address, "://") {
		address = "http://" + address
	}
	base, err := url.Parse(address)
	if err != nil {
		// The parser's own message quotes the address, password included.
		return nil, errors.New("the address of the CouchDB server is not a URL: escape special characters of the password as %XX")
	}
	switch {
	case base.Scheme != "http" && base.Scheme != "https":
		return nil, fmt.Errorf("the address of the CouchDB server begins with %q: it must begin with http:// or https://", base.Scheme+"://")
	case base.Host == "":
		return nil, errors.New("the address of the CouchDB server names no host: give a URL such as http://127.0.0.1:5984")
	case base.RawQuery != "" || base.Fragment != "":
		return nil, errors.New("the address of the CouchDB server has a query or a fragment: give the server's root")
	}
	return base, nil
}

// NewTransport gives a transport as a client has it by itself, for one that has something in front of it. 0 connections are 32.
func NewTransport(connections int, secure *tls.Config) *http.Transport {
	if connections <= 0 {
		connections = defaultConnections
	}
	dialer := &net.Dialer{Timeout: 10 * time.Second, KeepAlive: 15 * time.Second}
	return &http.Transport{
		Proxy:                 http.ProxyFromEnvironment,
		DialContext:           dialer.DialContext,
		TLSClientConfig:       secure,
		TLSHandshakeTimeout:   10 * time.Second,
		MaxIdleConns:          connections,
		MaxIdleConnsPerHost:   connections,
		IdleConnTimeout:       50 * time.Second, // servers close idle connections after a minute or more
		ExpectContinueTimeout: time.Second,
		DisableCompression:    true, // compressing costs more than a local network gains
		ReadBufferSize:        bufferSize,
		WriteBufferSize:       bufferSize,
		// HTTP/1 on purpose: on a shared HTTP/2 connection one stalled feed would stall the writes with it.
	}
}

func orDefault(d, fallback time.Duration) time.Duration {
	switch {
	case d == 0:
		return fallback
	case d < 0:
		return 0
	}
	return d
}

// kivikOptions applies several options at once; kivik keeps its own type for that unexported.
type kivikOptions []kivik.Option

func (o kivikOptions) Apply(target any) {
	for _, option := range o {
		option.Apply(target)
	}
}

// pathFixer repairs the escaped path of a request for a server that does not live at the root: chttp forgets the base in it,
// and net/http then drops all escapes, so that a slash within a name becomes a separator.
type pathFixer struct {
	next http.RoundTripper
	base string
}

func (p pathFixer) RoundTrip(r *http.Request) (*http.Response, error) {
	if p.base != "" && r.URL.RawPath != "" && !strings.HasPrefix(r.URL.RawPath, p.base+"/") {
		r = r.Clone(r.Context())
		r.URL.RawPath = p.base + r.URL.RawPath
	}
	return p.next.RoundTrip(r)
}

func (p pathFixer) CloseIdleConnections() {
	if t, ok := p.next.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}

// escapeSegment escapes a name so that it stays one segment of a path on every server: CouchDB reads a plus sign in a path as
// a space, and proxies fold dots.
func escapeSegment(name string) string {
	if name == "." || name == ".." {
		return strings.Repeat("%2E", len(name))
	}
	return strings.ReplaceAll(url.QueryEscape(name), "+", "%20")
}

// escapeID escapes a document id for a path. Only the slash after _design and _local separates.
func escapeID(id string) string {
	for _, prefix := range [...]string{"_design/", "_local/"} {
		if rest, ok := strings.CutPrefix(id, prefix); ok {
			return prefix + escapeSegment(rest)
		}
	}
	return escapeSegment(id)
}
