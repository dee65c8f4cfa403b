package httpd

import (
	"time"

	"github.com/adlayer/after/internal/cors"
)

// CORS says which web pages of other origins may use the server from a browser. The zero value: none. Headers and Methods that are empty mean
// what CouchDB allows, Exposed what it exposes, a MaxAge of 0 ten minutes.
type CORS = cors.Rules

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

// exposedHeaders are those of answers that pages may read.
func exposedHeaders() []string {
	return []string{"accept-ranges", "etag", "server", "x-couch-request-id", "x-couch-update-newrev", "x-couchdb-body-time"}
}

// usualCORS fills in what is CouchDB's default.
func usualCORS(o CORS) CORS {
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
