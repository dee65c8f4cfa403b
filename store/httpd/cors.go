package httpd

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// CORS says which web pages of other origins may use the server from a browser. The zero value: none.
type CORS struct {
	// Origins are those that may, as scheme://host:port; "*" means all.
	Origins []string
	// Credentials lets pages of these origins send cookies and passwords that the browser has. It has no effect for origins that "*" alone lets
	// in: any page could act as whoever is logged in.
	Credentials bool
	// Headers and Methods are what requests may have; none means what CouchDB allows. Headers are compared without regard to case.
	Headers, Methods []string
	// Exposed are the headers of answers that pages may read beside the simple ones; none means what CouchDB exposes.
	Exposed []string
	// MaxAge is how long browsers may keep an answer to their asking; 0 means ten minutes.
	MaxAge time.Duration
}

const defaultMaxAge = 10 * time.Minute

// corsHeaders and corsMethods are what CouchDB allows where nothing else is configured.
func corsHeaders() []string {
	return []string{
		"accept", "accept-language", "authorization", "content-length", "content-range", "content-type", "destination", "expires", "if-match",
		"last-modified", "origin", "pragma", "x-couch-full-commit", "x-couch-id", "x-couch-persist", "x-couchdb-www-authenticate",
		"x-http-method-override", "x-requested-with", "x-couchdb-vhost-path",
	}
}

func corsMethods() []string {
	return []string{"CONNECT", "COPY", "DELETE", "GET", "HEAD", "OPTIONS", "POST", "PUT", "TRACE"}
}

// simpleExposed and exposedHeaders are those of answers that pages may read.
const simpleExposed = "content-type, cache-control, "

func exposedHeaders() []string {
	return []string{"accept-ranges", "etag", "server", "x-couch-request-id", "x-couch-update-newrev", "x-couchdb-body-time"}
}

func (o CORS) withDefaults() CORS {
	if len(o.Headers) == 0 {
		o.Headers = corsHeaders()
	}
	if len(o.Methods) == 0 {
		o.Methods = corsMethods()
	}
	if len(o.Exposed) == 0 {
		o.Exposed = exposedHeaders()
	}
	if o.MaxAge == 0 {
		o.MaxAge = defaultMaxAge
	}
	return o
}

// cors puts what browsers ask for on the answer to a page of another origin. It tells whether that is all there is to the request: the browser
// only asked whether it may.
func (c *call) cors() (done bool) {
	o := &c.s.settings.now().cors
	if len(o.Origins) == 0 {
		return false
	}
	h := c.w.Header()
	h.Add("Vary", "Origin")
	origin := c.r.Header.Get("Origin")
	named := slices.Contains(o.Origins, origin)
	if origin == "" || !named && !slices.Contains(o.Origins, "*") {
		return false
	}
	asked := c.r.Header.Get("Access-Control-Request-Method")
	preflight := c.r.Method == http.MethodOptions && asked != ""
	if preflight && !o.allows(asked, c.r.Header.Get("Access-Control-Request-Headers")) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if o.Credentials && named {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if !preflight {
		h.Set("Access-Control-Expose-Headers", simpleExposed+strings.Join(o.Exposed, ", "))
		return false
	}
	h.Set("Access-Control-Max-Age", strconv.Itoa(int(o.MaxAge.Seconds())))
	h.Set("Access-Control-Allow-Methods", strings.Join(o.Methods, ", "))
	h.Set("Access-Control-Allow-Headers", c.r.Header.Get("Access-Control-Request-Headers"))
	c.w.WriteHeader(http.StatusNoContent)
	return true
}

// allows tells whether a page may use a method and headers.
func (o CORS) allows(method, headers string) bool {
	if !slices.Contains(o.Methods, method) {
		return false
	}
	for name := range strings.SplitSeq(headers, ",") {
		name = strings.TrimSpace(name)
		if name != "" && !slices.ContainsFunc(o.Headers, func(allowed string) bool { return strings.EqualFold(allowed, name) }) {
			return false
		}
	}
	return true
}
