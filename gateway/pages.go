package gateway

import (
	"mime"
	"net/http"
	"slices"
	"strings"
	"time"

	"github.com/adlayer/after/internal/cors"
)

// CORS says which web pages of other origins may use the queue from a browser. The zero value: none. The methods, and the headers of answers,
// are the queue's; Headers are those that requests may have beside the queue's own.
type CORS = cors.Rules

const pageAge = 10 * time.Minute

// Pages are rules with what the queue itself allows and exposes. Below /_after/ of a store, which answers browsers there, they are for it.
func Pages(o CORS) CORS {
	if len(o.Origins) == 0 {
		return CORS{}
	}
	o.Methods = []string{http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPatch, http.MethodPost, http.MethodPut}
	o.Headers = append(slices.Clone(o.Headers), "Accept", "Accept-Language", "Authorization", "Content-Type", "Idempotency-Key", headerPrefix+"*")
	o.Exposed = []string{"Allow", "Location", "Retry-After", "Idempotent-Replayed", "X-After-Status", "X-After-Truncated"}
	if o.MaxAge == 0 {
		o.MaxAge = pageAge
	}
	return o
}

// errAsked answers a browser that asks for a page which is not let in. It is no request to hand over, whatever its path.
func errAsked() error {
	return forbidden("pages of this origin are not let in, or not with this method and these headers: gateway.cors of the configuration says which are")
}

// notForeign refuses a request that a browser sent for a page of another origin which is not let in. Where it is but a form or an image, no browser
// asks first, and it brings the passwords and cookies that it has.
func (x *exchange) notForeign(name string) error {
	h := x.r.Header
	if h["Origin"] == nil && h["Sec-Fetch-Site"] == nil {
		if name == laterPath && x.unsaid() {
			return forbidden("a browser that does not say whose page asked for this must not have it sent: over plain http it says so with no link or image. " +
				"Use https, another method than GET, or a header X-After-...")
		}
		return nil
	}
	if said := x.w.Header(); said.Get("Access-Control-Allow-Origin") != "" && (said.Get("Access-Control-Allow-Credentials") != "" || !x.ambient()) {
		return nil
	}
	asked := x.r
	if name == laterPath { // there every method posts something
		asked = x.r.WithContext(x.r.Context())
		asked.Method = http.MethodPost
	}
	if new(http.CrossOriginProtection).Check(asked) != nil {
		return forbidden("a page of another origin sent this, which is not let in: gateway.cors of the configuration says which are")
	}
	return nil
}

// unsaid says whether a browser follows a link, loads an image or the like for a page that it does not name: over plain HTTP, but from its own
// machine, it names none for what needs no asking, whichever page that stands in.
func (x *exchange) unsaid() bool {
	h := x.r.Header
	fromBrowser := strings.HasPrefix(h.Get("User-Agent"), "Mozilla/") && h["Accept-Language"] != nil
	return fromBrowser && (x.r.Method == http.MethodGet || x.r.Method == http.MethodHead) && !x.asked()
}

// asked says whether a request has headers of ours, which no form, link or image can have: a browser asks first.
func (x *exchange) asked() bool {
	for name := range x.r.Header {
		if name == "Idempotency-Key" || strings.HasPrefix(name, headerPrefix) {
			return true
		}
	}
	return false
}

// ambient says whether the credentials of a request may be those that a browser adds by itself, without having asked first: its page is let in,
// but not with them. What a browser asks about, it does not send with them then.
func (x *exchange) ambient() bool {
	h := x.r.Header
	if h["Authorization"] == nil && h["Cookie"] == nil || x.asked() {
		return false
	}
	switch x.r.Method {
	case http.MethodGet, http.MethodHead, http.MethodPost:
	default:
		return false
	}
	kind, _, _ := mime.ParseMediaType(h.Get("Content-Type"))
	return kind == "" || kind == "text/plain" || kind == "application/x-www-form-urlencoded" || kind == "multipart/form-data"
}
