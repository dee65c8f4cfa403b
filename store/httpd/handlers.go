package httpd

import (
	"crypto/hmac"
	"encoding/hex"
	"net/http"
	"regexp"
	"slices"
	"strings"

	"github.com/adlayer/after/store"
)

// authHandlers are the ways to show who asks, in the order in which they are tried, with what they go by.
type authHandlers struct {
	names []string // "cookie", "default" (basic), "proxy", "jwt"

	secret []byte // of cookies and proxies, where the settings have one
	proxy  proxyPolicy
	tokens tokenPolicy
}

// proxyPolicy is how a proxy in front tells who asks.
type proxyPolicy struct {
	user, roles, proof string // the names of headers
	signed             bool   // the proof is needed, which only who knows the secret can make
	hashes             []string
}

// handlerNames are those of CouchDB's functions that this server has, each with what _session calls it.
var handlerNames = map[string]string{ //nolint:gochecknoglobals // a constant table
	"cookie_authentication_handler": "cookie", "default_authentication_handler": "default",
	"proxy_authentication_handler": "proxy", "jwt_authentication_handler": "jwt",
}

// handlerForm is one of a list such as {chttpd_auth, cookie_authentication_handler}, {chttpd_auth, default_authentication_handler}.
var handlerForm = regexp.MustCompile(`\{\s*\w+\s*,\s*(\w+)\s*\}`)

// usualHandlers are the ways to log in where the settings name none.
const usualHandlers = "{chttpd_auth, cookie_authentication_handler}, {chttpd_auth, default_authentication_handler}"

// authHandlers reads the settings. A list that leaves nobody a way to log in is joined by the usual ones: nobody could set it right again.
func (s *settings) authHandlers() *authHandlers {
	h := &authHandlers{
		secret: []byte(s.text("chttpd_auth", "secret", "")),
		proxy: proxyPolicy{
			user:   s.text("chttpd_auth", "x_auth_username", "X-Auth-CouchDB-UserName"),
			roles:  s.text("chttpd_auth", "x_auth_roles", "X-Auth-CouchDB-Roles"),
			proof:  s.text("chttpd_auth", "x_auth_token", "X-Auth-CouchDB-Token"),
			signed: s.flag("chttpd_auth", "proxy_use_secret"),
			hashes: splitList(s.text("chttpd_auth", "hash_algorithms", "sha256, sha")),
		},
		tokens: s.tokenPolicy(),
	}
	for _, match := range handlerForm.FindAllStringSubmatch(s.text("chttpd", "authentication_handlers", usualHandlers), -1) {
		if name := handlerNames[match[1]]; name != "" && !slices.Contains(h.names, name) {
			h.names = append(h.names, name)
		}
	}
	if !slices.ContainsFunc(h.names, h.works) {
		h.names = append(h.names, "cookie", "default")
	}
	return h
}

// works tells whether anybody can log in that way, as the settings are.
func (h *authHandlers) works(name string) bool {
	switch name {
	case "proxy":
		return !h.proxy.signed || len(h.secret) > 0
	case "jwt":
		return !h.tokens.malformed && len(h.tokens.keys) > 0
	}
	return true
}

// identify finds out who asks: the first way that names somebody has the word. No credentials are nobody; wrong ones are an error.
func (a *authenticator) identify(r *http.Request) (*identity, error) {
	h := a.handlers()
	for _, name := range h.names {
		var who *identity
		var err error
		switch name {
		case "cookie":
			if cookie, missing := r.Cookie(cookieName); missing == nil && cookie.Value != "" {
				who, err = a.cookie(cookie.Value)
			}
		case "default":
			if scheme, rest, _ := strings.Cut(r.Header.Get("Authorization"), " "); strings.EqualFold(scheme, "Basic") {
				who, err = a.basic(r, rest)
			}
		case "proxy":
			who = h.proxied(r)
		case "jwt":
			if token, ok := strings.CutPrefix(r.Header.Get("Authorization"), "Bearer "); ok {
				who, err = h.tokens.bearer(token)
			}
		}
		if err != nil || who != nil && who.name != "" {
			return who, err
		}
	}
	return &identity{}, nil
}

// proxied is who asks by the word of a proxy; nil where it says nothing, or cannot prove what it says.
func (h *authHandlers) proxied(r *http.Request) *identity {
	name := r.Header.Get(h.proxy.user)
	if name == "" || h.proxy.signed && !h.signs(name, r.Header.Get(h.proxy.proof)) {
		return nil
	}
	return vouchedFor(name, splitList(r.Header.Get(h.proxy.roles)), "proxy")
}

// signs tells whether a token is the name, signed with the secret. Where no secret is set, nobody knows it.
func (h *authHandlers) signs(name, token string) bool {
	given, err := hex.DecodeString(token)
	if err != nil || len(h.secret) == 0 {
		return false
	}
	for _, hash := range h.proxy.hashes {
		function := hashFunctions[hash]
		if function == nil {
			continue
		}
		m := hmac.New(function, h.secret)
		_, _ = m.Write([]byte(name))
		if hmac.Equal(m.Sum(nil), given) {
			return true
		}
	}
	return false
}

// vouchedFor is somebody of whom others than this server know who it is, and what roles.
func vouchedFor(name string, roles []string, via string) *identity {
	return &identity{name: name, roles: roles, admin: slices.Contains(roles, "_admin"), via: via}
}

// isVouchedFor tells whether the rights of who asks come with the request alone.
func (i *identity) isVouchedFor() bool { return i.via == "proxy" || i.via == "jwt" }

func misconfigured() error {
	return &store.Error{Status: http.StatusInternalServerError, Name: "misconfigured_server", Reason: "JWT is not configured correctly"}
}
