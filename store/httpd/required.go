package httpd

import (
	"net/http"
	"strings"
)

// needUser refuses who has not logged in where the settings ask for that, unless this is the request that logs in.
func (c *call) needUser() error {
	now := c.s.settings.now()
	if c.who.name != "" || !now.userRequired && !now.userRequiredButForUp {
		return nil
	}
	first := ""
	if len(c.path) > 0 {
		first = c.path[0]
	}
	if first == "_session" && c.r.Method == http.MethodPost || first == "_up" && now.userRequiredButForUp {
		return nil
	}
	return unauthorized("Authentication required.")
}

// askToLogIn makes a browser ask for a name and a password, or sends it to a page that does, and gives the status of the answer.
func (c *call) askToLogIn(reason string) int {
	now := c.s.settings.now()
	scheme := c.r.Header.Get("X-CouchDB-WWW-Authenticate") // for clients that want the browser to ask
	if scheme == "" {
		scheme = now.challenge
	}
	switch {
	case scheme != "":
		c.w.Header().Set("WWW-Authenticate", scheme)
	case now.loginPage != "" && !c.accepts("application/json") && c.accepts("text/html"):
		query := "?return=" + escape(c.r.URL.EscapedPath()) + "&reason=" + escape(reason)
		c.w.Header().Set("Location", c.base()+now.loginPage+query)
		return http.StatusFound
	}
	return http.StatusUnauthorized
}

// own is the address at which this request reached the server.
func (c *call) own() string {
	scheme := "http://"
	if c.r.TLS != nil {
		scheme = "https://"
	}
	return scheme + c.r.Host
}

// base is the address at which clients reach the server: what proxies in front say of it goes before what is seen here.
func (c *call) base() string {
	now := c.s.settings.now()
	scheme, host, _ := strings.Cut(c.own(), "://")
	switch proto := c.r.Header.Get(now.forwardedProto); {
	case c.r.Header.Get(now.forwardedSSL) == "on":
		scheme = "https"
	case proto == "http" || proto == "https":
		scheme = proto
	}
	if forwarded := c.r.Header.Get(now.forwardedHost); forwarded != "" {
		host = forwarded
	}
	return scheme + "://" + host
}

// frameOptions says whether the answer may stand in a frame of another page, where the settings ask for that.
func (c *call) frameOptions() {
	frames := c.s.settings.now().frames
	if frames == nil {
		return
	}
	value := "DENY"
	switch {
	case frames.sameOrigin:
		value = "SAMEORIGIN"
	case frames.allows(c.own(), c.r.Host):
		value = "ALLOW-FROM " + c.own()
	}
	c.w.Header().Set("X-Frame-Options", value)
}

// framePolicy is the section x_frame_options.
type framePolicy struct {
	sameOrigin bool
	hosts      []string
}

func (p *framePolicy) allows(address, host string) bool {
	for _, one := range p.hosts {
		if one == "*" || one == address || one == host {
			return true
		}
	}
	return false
}
