// Package gateway is the queue over HTTP: whoever can send a request posts a call to an endpoint, now or later, and asks what came of it.
//
// It is a handler over the database of the tasks and has no state of its own that matters: what is posted is a task document when the answer
// goes out. Each request reaches the database with the credentials that it came with, so that rights are the database's; only requests with
// a token of the gateway's own go with those of the gateway.
package gateway

import (
	"cmp"
	"context"
	"crypto/tls"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/fleet"
	"github.com/adlayer/after/internal/cors"
	"github.com/adlayer/after/webhook"
)

// Options configure a Gateway. URL and Database are required.
type Options struct {
	// URL is the server of the tasks, without credentials, and Database their database.
	URL, Database string
	// User and Password are the gateway's own, which requests with a token go with.
	User, Password string
	// Transport carries the requests to the server; nil means sockets, with TLS for https.
	Transport http.RoundTripper
	TLS       *tls.Config
	// Prefix is what the paths begin with: "/_after", say, or nothing.
	Prefix string
	// Worker is the name of the worker that makes the calls where a request does not say.
	Worker string
	// MaxBody is the largest body of a request in bytes; 0 means 8 MiB.
	MaxBody int64
	// BodyMemory is how many bytes of bodies are in memory at a time, all requests together; 0 means 256 MiB.
	BodyMemory int64
	// BodyDisk is how many bytes of long bodies, which are handed over, lie in files at a time; 0 means 4 GiB. Folder is where; empty means the
	// system's for temporary files.
	BodyDisk int64
	Folder   string
	// MaxWait is the longest ?wait=; 0 means a minute. Waits is how many requests wait at a time; 0 means 4,096.
	MaxWait time.Duration
	// LookWait is how long a post waits to learn whether its worker runs; 0 means two seconds.
	LookWait time.Duration
	Waits    int
	// Tokens let in who has one.
	Tokens []Token
	// Former is the gateway in whose place this one comes: what tokens have used up of their limits there, they have here. Nil means that there is none.
	Former *Gateway
	// CORS lets web pages of other origins in, where nobody before the gateway answers browsers.
	CORS CORS
	// Callbacks knows the tokens of callbacks; nil means that there are none.
	Callbacks *webhook.Verifier
	// Resolve finds out whether there is a host of that name; nil asks the system.
	Resolve func(ctx context.Context, host string) error
	// Log hears about requests that failed for the gateway's own reasons; nil means nobody does.
	Log logrus.FieldLogger
	// UserAgent is added to the User-Agent header of requests to the server, as product/version.
	UserAgent string
	// Now reads the clock; nil means the machine's.
	Now func() time.Time
}

const (
	defaultMaxBody    = 8 << 20
	defaultBodyMemory = 256 << 20
	defaultBodyDisk   = 4 << 30
	defaultMaxWait    = time.Minute
	defaultLookWait   = 2 * time.Second
	defaultWaits      = 4096
)

// Gateway is the handler. It is safe for concurrent use, and starts no goroutine that outlives its request.
type Gateway struct {
	opts   Options
	log    logrus.FieldLogger
	now    func() time.Time
	server *couch.Client
	db     *couch.Database
	tasks  *client.Client
	tokens map[[32]byte]*holder
	hosts  *hosts
	fleet  *sightings
	held   atomic.Int64 // bytes of bodies in memory
	// spooled are bytes of bodies in files.
	spooled atomic.Int64
	waits   chan struct{}
	pages   CORS
}

// New makes the handler. It sends no request.
func New(o Options) (*Gateway, error) {
	if o.Log == nil {
		quiet := logrus.New()
		quiet.SetOutput(io.Discard)
		o.Log = quiet
	}
	if o.Now == nil {
		o.Now = time.Now //nolint:forbidigo // the default of the clock that callers pass in
	}
	o.MaxBody, o.BodyMemory = cmp.Or(o.MaxBody, defaultMaxBody), cmp.Or(o.BodyMemory, defaultBodyMemory)
	o.BodyDisk = cmp.Or(o.BodyDisk, defaultBodyDisk)
	o.MaxWait, o.Waits = cmp.Or(o.MaxWait, defaultMaxWait), cmp.Or(o.Waits, defaultWaits)
	carrier := o.Transport
	if carrier == nil {
		carrier = couch.NewTransport(connections, o.TLS)
	}
	server, err := couch.Dial(o.URL, couch.Options{Transport: asCaller{carrier}, UserAgent: o.UserAgent, Now: o.Now})
	if err != nil {
		return nil, err
	}
	var former map[[32]byte]*holder
	if o.Former != nil {
		former, o.Former = o.Former.tokens, nil
	}
	tokens, err := holders(o.Tokens, former)
	if err != nil {
		return nil, err
	}
	db := server.Database(o.Database)
	return &Gateway{
		opts: o, log: o.Log, now: o.Now, server: server, db: db, tasks: client.New(db).At(o.Now),
		tokens: tokens, hosts: newHosts(o.Resolve, o.Now),
		fleet: newSightings(server.Database(fleet.Database(o.Database)), o.Now, cmp.Or(o.LookWait, defaultLookWait)), waits: make(chan struct{}, o.Waits),
		pages: Pages(o.CORS),
	}, nil
}

// connections is how many idle connections to the server are kept.
const connections = 128

// Close drops the idle connections to the server.
func (g *Gateway) Close() { g.server.Close() }

// Names are the first parts of the paths that the gateway has, behind its prefix.
func Names() []string { return []string{"queue", laterPath, "ping", "callback", "openapi.json"} }

// CredentialsHeader is where requests have their credentials for the gateway when their Authorization is meant for the endpoint.
const CredentialsHeader = "X-After-Authorization" //nolint:gosec // the name of a header

// exchange is one request and its answer.
type exchange struct {
	*Gateway

	w   http.ResponseWriter
	r   *http.Request // with the caller in its context
	who *caller
	now time.Time // when it came
	// lookedUp are the names of hosts that were looked up already, and what came of it.
	lookedUp map[string]error
	// asOwn says that it goes on to the server with the gateway's own credentials.
	asOwn bool
}

// ServeHTTP answers one request.
func (g *Gateway) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	x := &exchange{Gateway: g, w: w, r: r, now: g.now()}
	if g.pages.Answer(w, r) {
		return
	}
	if err := x.serve(); err != nil { //nolint:contextcheck // the request, which carries it, is a field
		x.fail(err)
	}
}

func (x *exchange) serve() error {
	if cors.Asks(x.r) {
		return errAsked()
	}
	who, err := x.identify(x.r)
	if err != nil {
		return err
	}
	x.who, x.asOwn = who, who.token != nil
	x.r = x.r.WithContext(context.WithValue(x.r.Context(), callerKey{}, who))
	path, ok := strings.CutPrefix(x.r.URL.EscapedPath(), x.opts.Prefix+"/") // as it was sent: an address within it stays as it is
	if !ok {
		return x.nothing()
	}
	name, rest, _ := strings.Cut(path, "/")
	if who.token == nil && name != "callback" { // the token of a callback is in its path, and no browser adds it
		if err := x.notForeign(name); err != nil {
			return err
		}
	}
	switch name {
	case "queue":
		return x.queue(rest)
	case laterPath:
		return x.later(rest)
	case "ping":
		return x.ping(rest)
	case "callback":
		return x.callback(rest)
	case "openapi.json":
		return x.describe()
	}
	return x.nothing()
}

// nothing says what there is, to who asks for anything else.
func (x *exchange) nothing() error {
	p := x.opts.Prefix
	return missing("there is nothing at this path: there are " + p + "/queue, " + p + "/later/<url>, " + p + "/ping/<id>, " + p + "/callback/<token> and " + p + "/openapi.json")
}

// method picks what to do by the method; HEAD is answered as GET.
func (x *exchange) method(do map[string]func() error) error {
	asked := x.r.Method
	if asked == http.MethodHead {
		asked = http.MethodGet
	}
	if serve, ok := do[asked]; ok {
		return serve()
	}
	return notAllowed(do)
}
