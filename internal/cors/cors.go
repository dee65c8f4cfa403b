// Package cors answers browsers that ask for pages of other origins.
package cors

import (
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Rules say which web pages of other origins may use a server from a browser. The zero value: none.
type Rules struct {
	// Origins are those that may, as scheme://host:port; "*" means all.
	Origins []string
	// Credentials lets pages of these origins send cookies and passwords that the browser has. It has no effect for origins that "*" alone lets
	// in: any page could act as whoever is logged in.
	Credentials bool
	// Headers and Methods are what requests may have; none means what the server allows by itself. Headers are compared without regard to case;
	// one that ends with * means all that begin so.
	Headers, Methods []string
	// Exposed are the headers of answers that pages may read beside the simple ones; none means what the server exposes by itself.
	Exposed []string
	// MaxAge is how long browsers may keep an answer to their asking.
	MaxAge time.Duration
}

// simpleExposed are headers of answers that pages may always read.
const simpleExposed = "content-type, cache-control, "

// Asks says whether a browser only asks whether a page may send a request.
func Asks(r *http.Request) bool {
	return r.Method == http.MethodOptions && r.Header.Get("Access-Control-Request-Method") != ""
}

// Answer puts what browsers ask for on the answer to a page of another origin. It tells whether that is all there is to the request: the browser
// only asked whether it may.
func (o Rules) Answer(w http.ResponseWriter, r *http.Request) (done bool) {
	if len(o.Origins) == 0 {
		return false
	}
	h := w.Header()
	h.Add("Vary", "Origin")
	origin := r.Header.Get("Origin")
	named := slices.Contains(o.Origins, origin)
	if origin == "" || !named && !slices.Contains(o.Origins, "*") {
		return false
	}
	asked := Asks(r)
	if asked && !o.allows(r.Header.Get("Access-Control-Request-Method"), r.Header.Get("Access-Control-Request-Headers")) {
		return false
	}
	h.Set("Access-Control-Allow-Origin", origin)
	if o.Credentials && named {
		h.Set("Access-Control-Allow-Credentials", "true")
	}
	if !asked {
		h.Set("Access-Control-Expose-Headers", simpleExposed+strings.Join(o.Exposed, ", "))
		return false
	}
	h.Set("Access-Control-Max-Age", strconv.Itoa(int(o.MaxAge.Seconds())))
	h.Set("Access-Control-Allow-Methods", strings.Join(o.Methods, ", "))
	h.Set("Access-Control-Allow-Headers", r.Header.Get("Access-Control-Request-Headers"))
	w.WriteHeader(http.StatusNoContent)
	return true
}

// allows tells whether a page may use a method and headers.
func (o Rules) allows(method, headers string) bool {
	if !slices.Contains(o.Methods, method) {
		return false
	}
	for name := range strings.SplitSeq(headers, ",") {
		name = strings.TrimSpace(name)
		if name != "" && !slices.ContainsFunc(o.Headers, func(allowed string) bool { return fits(allowed, name) }) {
			return false
		}
	}
	return true
}

func fits(allowed, name string) bool {
	if beginning, wild := strings.CutSuffix(allowed, "*"); wild {
		return len(name) >= len(beginning) && strings.EqualFold(name[:len(beginning)], beginning)
	}
	return strings.EqualFold(allowed, name)
}
