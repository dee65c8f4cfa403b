package gateway

import (
	"encoding/base64"
	"net/http"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
)

// caller is who sent a request.
type caller struct {
	name          string // as far as the credentials tell; whether they are right the server says
	authorization string // for the server
	cookie        string
	address       string
	token         *holder // nil where it showed none of ours
}

type callerKey struct{}

// identify reads a request's credentials. A token that is none of ours is an error; all else is for the server to judge.
func (g *Gateway) identify(r *http.Request) (*caller, error) {
	own := r.Header.Get(CredentialsHeader)
	if own == "" {
		own = r.Header.Get("Authorization")
	}
	if scheme, secret, _ := strings.Cut(own, " "); strings.EqualFold(scheme, "Bearer") && len(g.tokens) > 0 {
		token, err := g.admit(strings.TrimSpace(secret))
		if err != nil {
			return nil, err
		}
		return &caller{name: "token:" + token.Name, authorization: basic(g.opts.User, g.opts.Password), address: r.RemoteAddr, token: token}, nil
	}
	who := &caller{authorization: own, address: r.RemoteAddr}
	scheme, text, _ := strings.Cut(own, " ")
	text = strings.TrimSpace(text)
	switch { // a cookie beside it, which servers may look at first, is not sent on
	case strings.EqualFold(scheme, "Basic"):
		raw, _ := base64.StdEncoding.DecodeString(text) // the server refuses what is none
		who.name, _, _ = strings.Cut(string(raw), ":")
	case strings.EqualFold(scheme, "Bearer"):
		who.name = tokenName(text)
	default:
		if cookie, err := r.Cookie(sessionCookie); err == nil {
			who.cookie = sessionCookie + "=" + cookie.Value
			who.name = sessionName(cookie.Value)
		}
	}
	return who, nil
}

// sessionCookie is CouchDB's.
const sessionCookie = "AuthSession"

// sessionName reads the name out of a session cookie, which is name:time:hash in base64.
func sessionName(cookie string) string {
	raw, _ := base64.RawURLEncoding.DecodeString(strings.TrimRight(cookie, "="))
	name, _, _ := strings.Cut(string(raw), ":")
	return name
}

// tokenName reads the name out of a JSON Web Token, which is head.claims.signature in base64.
func tokenName(token string) string {
	_, rest, _ := strings.Cut(token, ".")
	claims, _, _ := strings.Cut(rest, ".")
	raw, _ := base64.RawURLEncoding.DecodeString(strings.TrimRight(claims, "="))
	var said struct {
		Name string `json:"sub"`
	}
	_ = jsonv2.Unmarshal(raw, &said) // what is none names nobody
	return said.Name
}

func basic(user, password string) string {
	if user == "" && password == "" {
		return ""
	}
	return "Basic " + base64.StdEncoding.EncodeToString([]byte(user+":"+password))
}

// asCaller sends each request with the credentials of the caller in its context.
type asCaller struct{ next http.RoundTripper }

// RoundTrip may write to the request: the client in front of it makes each for itself.
func (a asCaller) RoundTrip(r *http.Request) (*http.Response, error) {
	who, ok := r.Context().Value(callerKey{}).(*caller)
	if !ok {
		return a.next.RoundTrip(r)
	}
	sent := r.WithContext(r.Context())
	if who.authorization != "" {
		sent.Header["Authorization"] = []string{who.authorization}
	}
	if who.cookie != "" {
		sent.Header["Cookie"] = []string{who.cookie}
	}
	sent.RemoteAddr = who.address // for a server that is reached without a socket
	return a.next.RoundTrip(sent)
}

// CloseIdleConnections is what the client calls when it is closed.
func (a asCaller) CloseIdleConnections() {
	if t, ok := a.next.(interface{ CloseIdleConnections() }); ok {
		t.CloseIdleConnections()
	}
}
