package httpd

import (
	"net/http"
	"strings"
)

// Mounted is a handler that a program which embeds the server puts below /_after/. It gets each request as it came, path included, once
// the server has made sure that the credentials by which it goes itself, if there are any, are right; what they allow is for the handler to find
// out, by what it asks of the server with them, through [Inside] say. Of a cookie and a password in one request the server looks at one alone.
type Mounted struct {
	Handler http.Handler
	// Credentials names a header that is read in place of Authorization where a request has it: for requests whose Authorization is meant
	// for somebody else. Empty: there is none.
	Credentials string
	// CORS gives the rules for web pages of other origins that hold for the handler's paths, of those that the server has. Nil: these hold. The
	// server answers by them; the handler finds Access-Control-Allow-Origin on answers to pages that were let in.
	CORS func(server CORS) CORS
}

// mounted finds the handler for a request. It looks at the path as it was sent: nothing of it is decoded or cleaned.
func (s *Server) mounted(r *http.Request) (Mounted, bool) {
	if len(s.opts.Under) == 0 {
		return Mounted{}, false
	}
	rest, ok := strings.CutPrefix(r.URL.EscapedPath(), "/_after/")
	if !ok {
		return Mounted{}, false
	}
	name, _, _ := strings.Cut(rest, "/")
	m, ok := s.opts.Under[name]
	return m, ok
}

// handOver gives a request to a handler, unless its credentials are wrong.
func (c *call) handOver(m Mounted) error {
	asked := c.r
	if m.Credentials != "" {
		if own := asked.Header.Get(m.Credentials); own != "" {
			c.r = asked.WithContext(asked.Context())
			c.r.Header = http.Header{"Authorization": {own}}
		}
	}
	if strings.HasPrefix(c.r.Header.Get("Authorization"), "Bearer ") { // a token of the handler's own, as far as the server knows
		c.r = c.r.WithContext(c.r.Context())
		c.r.Header = c.r.Header.Clone()
		c.r.Header.Del("Authorization")
	}
	err := c.identify()
	c.r = asked
	if err != nil {
		return err
	}
	m.Handler.ServeHTTP(c.w, asked)
	return nil
}
