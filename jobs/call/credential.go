package call

import (
	"crypto/tls"
	"encoding/base64"
	"errors"
	"fmt"
	"net/http"
	"os"
	"slices"
	"strings"

	"github.com/adlayer/after/internal/authorities"
)

// credential is what a call logs in with, and the hosts that may see it.
type credential struct {
	hosts         []string // names, *.names, or *
	authorization string
}

// parseCredential reads a credential: the hosts that it is for with commas between them (* for any), then "bearer" and a token or "basic"
// and user:password. Where the last begins with @, it is the first line of that file. Errors do not show it.
func parseCredential(text string) (credential, error) {
	var c credential
	hosts, rest, _ := strings.Cut(strings.TrimSpace(text), " ")
	kind, secret, found := strings.Cut(strings.TrimSpace(rest), " ")
	if !found || hosts == "" {
		return c, errors.New(`write "<hosts> bearer <token>" or "<hosts> basic <user>:<password>"; * is any host`)
	}
	for one := range strings.SplitSeq(strings.ToLower(hosts), ",") {
		if strings.ContainsAny(one, "/:") || one == "" {
			return c, fmt.Errorf("%q is no host: write example.org, *.example.org or *", one)
		}
		c.hosts = append(c.hosts, one)
	}
	if path, ok := strings.CutPrefix(secret, "@"); ok {
		content, err := os.ReadFile(path) //nolint:gosec // the configuration names the file
		if err != nil {
			return c, err
		}
		secret, _, _ = strings.Cut(string(content), "\n")
		secret = strings.TrimSpace(secret)
	}
	switch {
	case secret == "" || strings.ContainsFunc(secret, func(r rune) bool { return r < ' ' || r == 0x7f }):
		return c, errors.New("the token or password is empty, or has control characters in it")
	case kind == "bearer":
		c.authorization = "Bearer " + secret
	case kind == "basic" && strings.Contains(secret, ":"):
		c.authorization = "Basic " + base64.StdEncoding.EncodeToString([]byte(secret))
	default:
		return c, errors.New("it is neither bearer nor basic with user:password")
	}
	return c, nil
}

// fits says whether a host may see the credential.
func (c *credential) fits(name string) bool {
	name = strings.ToLower(name)
	return slices.ContainsFunc(c.hosts, func(h string) bool {
		return h == "*" || h == name || strings.HasPrefix(h, "*.") && strings.HasSuffix(name, h[1:])
	})
}

// parseTLS reads how to speak TLS: "ca=<file>; certificate=<file>; key=<file>; insecure=true", each if wanted. ca are the authorities that
// are trusted in place of the system's; insecure takes any certificate.
func parseTLS(text string) (*tls.Config, error) {
	c := &tls.Config{MinVersion: tls.VersionTLS12}
	var certificate, key string
	for part := range strings.SplitSeq(text, ";") {
		if part = strings.TrimSpace(part); part == "" {
			continue
		}
		name, value, _ := strings.Cut(part, "=")
		switch name, value = strings.TrimSpace(name), strings.TrimSpace(value); {
		case value == "":
			return nil, fmt.Errorf("%q has no value", name)
		case name == "ca":
			pool, err := authorities.Only(value)
			if err != nil {
				return nil, err
			}
			c.RootCAs = pool
		case name == "certificate":
			certificate = value
		case name == "key":
			key = value
		case name == "insecure" && value == "true":
			c.InsecureSkipVerify = true
		default:
			return nil, fmt.Errorf("%q is none of ca, certificate, key and insecure=true", part)
		}
	}
	if certificate == "" && key == "" {
		return c, nil
	}
	pair, err := tls.LoadX509KeyPair(certificate, key)
	if err != nil {
		return nil, fmt.Errorf("certificate and key: %w", err)
	}
	c.Certificates = []tls.Certificate{pair}
	return c, nil
}

// public says whether a header of a document may be seen by another host that a redirect leads to.
func public(name string) bool {
	switch http.CanonicalHeaderKey(name) {
	case "Accept", "Accept-Language", "Accept-Encoding", "Content-Type", "Content-Language", "Content-Encoding":
		return true
	}
	return false
}
