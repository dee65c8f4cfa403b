// Package httpd serves a store in CouchDB's protocol, enough of it for curl, kivik and PouchDB as clients. What it does not have answers 501
// in CouchDB's error form and names itself.
package httpd

import (
	"context"
	"crypto/x509"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/replicate"
	"github.com/adlayer/after/store/script"
)

// Options configure a Server. The zero value works, but lets nobody in.
type Options struct {
	// Admins are the server's administrators: names and passwords, plain or as CouchDB's hashes (-pbkdf2-..., -pbkdf2:sha256-...,
	// -hashed-...).
	Admins map[string]string
	// Log hears about requests that failed for the server's own reasons; nil means nobody does.
	Log logrus.FieldLogger
	// Version is what GET / says behind "after"; empty means "dev".
	Version string
	// MaxRequest is the largest request body in bytes; 0 means 256 MiB. A document has its own limit in the store's options, and so have
	// attachments that come by themselves or in parts of their own, for which this one does not count.
	MaxRequest int64
	// MaxBulkDocs and MaxBulkGet are how many documents one request may write and read; 0 means 200,000.
	MaxBulkDocs, MaxBulkGet int
	// Limits bound connections, and what clients do with them.
	Limits Limits
	// CORS lets web pages of other origins in.
	CORS CORS
	// Heartbeat is how often a feed sends an empty line where the request does not say; 0 means 60 s.
	Heartbeat time.Duration
	// HashRounds is how many rounds of PBKDF2 hide the password of a user who is written; 0 means 600,000.
	HashRounds int
	// Find answers _find, _index and _explain; nil means the server's own.
	Find Finder
	// Selector compiles the selector of a _changes filter; nil means the server's own.
	Selector Selector
	// SessionTimeout is how long a session cookie is good for, from its last renewal; 0 means ten minutes.
	SessionTimeout time.Duration
	// SameSite is the attribute of that name of session cookies, "Strict", "Lax" or "None"; empty means that they have none.
	SameSite string
	// UsersSecurityEditable lets administrators change _security of _users, which opens that database to others than administrators: each user
	// to the own document.
	UsersSecurityEditable bool
	// PublicFields are the fields of documents of _users that everybody sees who may read that database.
	PublicFields []string
	// Authorities sign the certificates of other servers that replications believe; nil means those that the system believes.
	Authorities *x509.CertPool
	// Under are handlers of paths below /_after/, by the first part of what follows: that of "queue" has /_after/queue and all below it.
	Under map[string]Mounted
	// Script says how the functions of design documents are run. Without a command they are not, and what needs them answers 501.
	Script script.Options
}

const (
	defaultMaxRequest = 256 << 20
	defaultMaxBulk    = 200_000 // many tiny documents take far more memory than their bytes
	defaultHeartbeat  = time.Minute
	// protocolVersion is the CouchDB whose behaviour this server follows; clients look at it.
	protocolVersion = "3.5.0"
)

// Server is the handler. Its methods may be called from any goroutine.
type Server struct {
	store *store.Store
	opts  Options
	log   logrus.FieldLogger
	auth  *authenticator

	settings *settings
	uuids    uuids
	counts   counts
	bodies   memory

	ctx   context.Context //nolint:containedctx // it ends the feeds at Close
	stop  context.CancelFunc
	feeds gate

	replicator *replicate.Manager
	scripts    *script.Pool
}

// New makes the handler for a store, which stays the caller's to close, after the server.
func New(st *store.Store, o Options) *Server {
	if o.Log == nil {
		quiet := logrus.New()
		quiet.SetOutput(io.Discard)
		o.Log = quiet
	}
	if o.MaxRequest == 0 {
		o.MaxRequest = defaultMaxRequest
	}
	if o.MaxBulkDocs == 0 {
		o.MaxBulkDocs = defaultMaxBulk
	}
	if o.MaxBulkGet == 0 {
		o.MaxBulkGet = defaultMaxBulk
	}
	if o.Heartbeat == 0 {
		o.Heartbeat = defaultHeartbeat
	}
	if o.HashRounds == 0 {
		o.HashRounds = defaultHashRounds
	}
	o.Limits = o.Limits.withDefaults()
	if o.SessionTimeout == 0 {
		o.SessionTimeout = defaultSession
	}
	if o.Version == "" {
		o.Version = "dev"
	}
	if o.Selector == nil {
		o.Selector = defaultSelector()
	}
	s := &Server{store: st, log: o.Log, counts: counts{started: time.Now()}}
	if o.Find == nil {
		o.Find = s.finder()
	}
	s.auth = newAuthenticator(st, o, &s.counts, s.begin)
	o.Admins = nil // what is plain among them is not kept
	s.opts = o
	s.settings = newSettings(st, o, s.auth.setMore)
	s.uuids.settings = s.settings
	s.auth.sessionAge = func() time.Duration { return s.settings.now().sessionAge }
	s.auth.locks.policy = func() lockoutPolicy { return s.settings.now().lockouts }
	s.auth.policy = func() hashPolicy { return s.settings.now().hashes }
	s.auth.handlers = func() *authHandlers { return s.settings.now().handlers }
	s.bodies.most = o.Limits.BodyMemory
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.replicator = replicate.NewManager(replicate.Options{UUID: st.UUID(), Log: o.Log, Authorities: o.Authorities})
	if o.Script.Log == nil {
		o.Script.Log = o.Log
	}
	s.scripts = script.NewPool(o.Script)
	s.begin(s.noteUpdates)
	s.begin(s.auth.hashAdmins)
	return s
}

// begin runs what goes on beside requests until the server ends, which waits for it. It is false where the server has ended.
func (s *Server) begin(work func(ctx context.Context)) bool {
	if !s.feeds.enter() {
		return false
	}
	go func() {
		defer s.feeds.leave()
		work(s.ctx)
	}()
	return true
}

// Close ends the replications, the open feeds and the functions of design documents, and waits for them. Requests after it still work, as far
// as they need no function; stop the listener first.
func (s *Server) Close() error {
	s.replicator.Close()
	s.stop()
	s.scripts.Close()
	s.feeds.shut()
	return nil
}

// HTTPServer gives a net/http server around the handler with its limits, which are fit for an open port.
func (s *Server) HTTPServer() *http.Server { return s.opts.Limits.HTTPServer(s) }

// call is one request on its way.
type call struct {
	s    *Server
	w    http.ResponseWriter
	r    *http.Request
	path []string // decoded, without the database
	who  *identity
	db   *store.Database
	q    url.Values
	keep bool   // functions may be told of the body:
	sent []byte // the body then
	view *usersView

	jsonp *jsonpWriter // nil unless the answer is one

	reading time.Duration // the body
}

// ServeHTTP answers one request.
func (s *Server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	h := w.Header()
	h.Set("Server", "after/"+s.opts.Version)
	h["X-Couch-Request-ID"] = []string{randomDigits(5)} // in CouchDB's spelling
	counted := s.counts.begin(w, r)
	defer counted.end()
	c := &call{s: s, w: counted, r: r}
	mounted, found := s.mounted(r)
	if !found {
		c.r = overridden(r)
	}
	c.frameOptions()
	if !found { // what is mounted has headers of its own, and Prefer may be for somebody else
		c.minimal()
	}
	c.pace() //nolint:contextcheck // the request carries it
	rules := c.s.settings.now().cors
	if found && mounted.CORS != nil {
		rules = mounted.CORS(rules)
	}
	if rules.Answer(c.w, r) {
		counted.whole = true
		return
	}
	var err error
	if found {
		err = c.handOver(mounted) //nolint:contextcheck // the request, which carries it, is a field
	} else {
		err = c.serve() //nolint:contextcheck // as above
	}
	if err != nil {
		c.fail(err)
	}
	c.jsonp.end()
	counted.whole = true
}

// overridden is a request with the method that it names in a header, for clients that can only POST.
func overridden(r *http.Request) *http.Request {
	method := r.Header.Get("X-HTTP-Method-Override")
	if r.Method != http.MethodPost || method == "" {
		return r
	}
	switch method {
	case http.MethodGet, http.MethodHead, http.MethodPut, http.MethodDelete, http.MethodTrace, http.MethodConnect, "COPY":
		r = r.WithContext(r.Context())
		r.Method = method
	}
	return r
}

func (c *call) serve() error {
	if err := c.padded(); err != nil {
		return err
	}
	if int64(len(c.r.RequestURI)) > c.s.settings.now().maxURI { // a request of the server to itself has none
		return &store.Error{Status: http.StatusRequestURITooLong, Name: "too_long", Reason: "the request uri is too long"}
	}
	if err := c.splitPath(); err != nil {
		return err
	}
	q, err := url.ParseQuery(c.r.URL.RawQuery)
	if err != nil {
		return store.BadRequest("invalid_url_encoding")
	}
	c.q = q
	if err := c.identify(); err != nil {
		return err
	}
	if err := c.needUser(); err != nil {
		return err
	}
	if len(c.path) == 0 {
		return c.welcome()
	}
	if serve, ok := serverRoutes[c.path[0]]; ok {
		return serve(c)
	}
	return c.database()
}

// identify finds out who asks. A request of the server to itself says so.
func (c *call) identify() (err error) {
	if who, ok := c.r.Context().Value(identityKey{}).(*identity); ok {
		c.who, err = c.s.auth.present(who)
		return err
	}
	if c.who, err = c.s.auth.identify(c.r); err != nil {
		return err
	}
	if c.who.renew != "" {
		c.setCookie(c.who.renew)
	}
	return nil
}

// splitPath decodes the path's parts one by one, so that %2F stays within its part. As in CouchDB, a plus is a space, and empty parts do not count.
func (c *call) splitPath() error {
	unescape := url.QueryUnescape
	if c.s.settings.now().plusIsPlus {
		unescape = url.PathUnescape
	}
	for part := range strings.SplitSeq(c.r.URL.EscapedPath(), "/") {
		if part == "" {
			continue
		}
		text, err := unescape(part)
		if err != nil {
			return store.BadRequest("invalid_url_encoding")
		}
		c.path = append(c.path, text)
	}
	return nil
}

// allow checks the method. As in CouchDB, GET allows HEAD too, whether or not it is listed.
func (c *call) allow(methods ...string) error {
	if slices.Contains(methods, c.method()) {
		return nil
	}
	list := strings.Join(methods, ",")
	c.w.Header().Set("Allow", list)
	return &store.Error{Status: http.StatusMethodNotAllowed, Name: "method_not_allowed", Reason: "Only " + list + " allowed"}
}

// method is the request's, with GET for HEAD, which is answered alike but for the body.
func (c *call) method() string {
	if c.r.Method == http.MethodHead {
		return http.MethodGet
	}
	return c.r.Method
}

// wantJSON checks the content type of a request with a body.
func (c *call) wantJSON() error {
	kind, _, _ := strings.Cut(c.r.Header.Get("Content-Type"), ";")
	if strings.TrimSpace(kind) == "application/json" {
		return nil
	}
	return badType("Content-Type must be application/json")
}

func badType(reason string) error {
	return &store.Error{Status: http.StatusUnsupportedMediaType, Name: "bad_content_type", Reason: reason}
}

func (c *call) setHead(kind string) {
	h := c.w.Header()
	h["Content-Type"] = []string{kind}
	if kind == "application/json" {
		if c.jsonp != nil {
			c.jsonp.json = true
		}
		// In CouchDB's spelling.
		h["X-CouchDB-Body-Time"] = []string{strconv.FormatInt(c.reading.Milliseconds(), 10)}
	}
	if h.Get("Cache-Control") == "" {
		h["Cache-Control"] = []string{"must-revalidate"}
	}
}

// answer sends a whole JSON answer.
func (c *call) answer(status int, body []byte) error {
	c.setHead("application/json")
	c.w.Header()["Content-Length"] = []string{strconv.Itoa(len(body) + 1)}
	c.w.WriteHeader(status)
	if c.r.Method != http.MethodHead {
		_, _ = c.w.Write(append(body, '\n')) // a reader that has gone is no error of ours
	}
	return nil
}

func (c *call) ok() error { return c.answer(http.StatusOK, []byte(`{"ok":true}`)) }

// fail sends an error in CouchDB's form.
func (c *call) fail(err error) {
	var e *store.Error
	switch {
	case errors.As(err, &e):
	case errors.Is(err, store.ErrClosed):
		e = &store.Error{Status: http.StatusServiceUnavailable, Name: "service_unavailable", Reason: "The server is stopping."}
	case errors.Is(err, context.Canceled):
		panic(http.ErrAbortHandler) // nobody listens; who does after all must not take silence for success
	default:
		c.s.log.WithError(err).WithField("path", c.r.URL.Path).Error("store: a request failed")
		e = unexpected()
	}
	status := e.Status
	if status == http.StatusUnauthorized {
		status = c.askToLogIn(e.Reason)
	}
	_ = c.answer(status, appendError(nil, e)) // answer has no error of its own
}

// appendError adds {"error":...,"reason":...}.
func appendError(b []byte, e *store.Error) []byte {
	b = store.AppendString(append(b, `{"error":`...), e.Name)
	return append(store.AppendString(append(b, `,"reason":`...), e.Reason), '}')
}

// flag reads a boolean parameter; what is neither true nor false counts as false.
func (c *call) flag(name string) bool { return c.q.Get(name) == "true" }

// asError gives err as an error of the protocol.
func asError(err error) *store.Error {
	if e, ok := errors.AsType[*store.Error](err); ok {
		return e
	}
	return unexpected()
}

// unexpected is the error of a request that failed for the server's own reasons, which are for its log: they can tell of files and code.
func unexpected() *store.Error {
	return &store.Error{Status: http.StatusInternalServerError, Name: "internal_server_error", Reason: "The request failed; the server's log says why."}
}
