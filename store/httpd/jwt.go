package httpd

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/hmac"
	"crypto/rsa"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"errors"
	"math/big"
	"regexp"
	"slices"
	"strings"
	"time"

	"github.com/adlayer/after/store"
)

// tokenPolicy is which JSON Web Tokens say who asks.
type tokenPolicy struct {
	claims    map[string]string // that a token must have; iss may have the value that is asked for, the others have ""
	malformed bool              // the setting that lists them makes no sense
	rolesName string            // the member that has the roles
	rolesPath []string          // the same, as a path; it goes before
	keys      map[string]string // by "hmac:id", "rsa:id" and "ec:id"
}

// claimForm is one of a list such as: exp, {iss, "https://issuer"}.
var claimForm = regexp.MustCompile(`([a-z]+)|\{([a-z]+)\s*,\s*"([^"]+)"\}`)

// knownClaims are those that can be asked for.
var knownClaims = []string{"alg", "exp", "iat", "iss", "kid", "nbf", "sig", "typ"} //nolint:gochecknoglobals // a constant table

func (s *settings) tokenPolicy() tokenPolicy {
	p := tokenPolicy{claims: map[string]string{}, rolesName: s.text("jwt_auth", "roles_claim_name", "_couchdb.roles"), keys: map[string]string{}}
	claims := s.text("jwt_auth", "required_claims", "exp")
	for _, match := range claimForm.FindAllStringSubmatch(claims, -1) {
		name, value := cmp.Or(match[1], match[2]), match[3]
		_, twice := p.claims[name]
		p.malformed = p.malformed || twice || !slices.Contains(knownClaims, name) || value != "" && name != "iss"
		p.claims[name] = value
	}
	// What cannot be read may have been meant to keep somebody out.
	p.malformed = p.malformed || strings.Trim(claimForm.ReplaceAllString(claims, ""), ", \t") != ""
	if path := s.text("jwt_auth", "roles_claim_path", ""); path != "" {
		p.rolesPath = splitPath(path)
	}
	for at, value := range s.values {
		if at.section == "jwt_keys" {
			p.keys[at.key] = value
		}
	}
	return p
}

// splitPath reads the names of a path, between dots; a dot behind a backslash belongs to a name.
func splitPath(text string) (path []string) {
	const escaped = "\x00"
	for part := range strings.SplitSeq(strings.ReplaceAll(text, `\.`, escaped), ".") {
		path = append(path, strings.ReplaceAll(part, escaped, "."))
	}
	return path
}

// signatures are the algorithms, each with the kind of its keys.
var signatures = map[string]struct { //nolint:gochecknoglobals // a constant table
	kind string
	hash crypto.Hash
}{
	"HS256": {"hmac", crypto.SHA256}, "HS384": {"hmac", crypto.SHA384}, "HS512": {"hmac", crypto.SHA512},
	"RS256": {"rsa", crypto.SHA256}, "RS384": {"rsa", crypto.SHA384}, "RS512": {"rsa", crypto.SHA512},
	"ES256": {"ec", crypto.SHA256}, "ES384": {"ec", crypto.SHA384}, "ES512": {"ec", crypto.SHA512},
}

func malformedToken() error { return store.BadRequest("Malformed token") }

// bearer is who asks by a token.
func (p *tokenPolicy) bearer(token string) (*identity, error) {
	if p.malformed {
		return nil, misconfigured()
	}
	parts := strings.SplitN(token, ".", 4)
	if len(parts) != 3 {
		return nil, malformedToken()
	}
	head, err := tokenObject(parts[0])
	if err != nil {
		return nil, err
	}
	if err := p.checkHead(head); err != nil {
		return nil, err
	}
	claims, err := tokenObject(parts[1])
	if err != nil {
		return nil, err
	}
	if err := p.checkClaims(claims, time.Now()); err != nil {
		return nil, err
	}
	if err := p.verify(head, parts); err != nil {
		return nil, err
	}
	roles, err := p.roles(claims)
	if err != nil {
		return nil, err
	}
	name, _ := textOf(claims["sub"])
	if name == "" {
		return nil, unauthorized("Token missing sub claim.")
	}
	return vouchedFor(name, roles, "jwt"), nil
}

// tokenObject decodes a part of a token.
func tokenObject(part string) (map[string]json.RawMessage, error) {
	raw, err := decodeToken(part)
	if err != nil {
		return nil, malformedToken()
	}
	m, err := decodeObject(raw)
	if err != nil {
		return nil, malformedToken()
	}
	return m, nil
}

func decodeToken(part string) ([]byte, error) {
	return base64.RawURLEncoding.DecodeString(strings.TrimRight(part, "="))
}

// textOf reads a JSON string.
func textOf(raw json.RawMessage) (text string, ok bool) {
	return text, raw != nil && raw[0] == '"' && json.Unmarshal(raw, &text) == nil
}

func (p *tokenPolicy) checkHead(head map[string]json.RawMessage) error {
	if _, asked := p.claims["typ"]; asked {
		if head["typ"] == nil {
			return store.BadRequest("Missing typ header parameter")
		}
		if kind, _ := textOf(head["typ"]); kind != "JWT" {
			return store.BadRequest("Invalid typ header parameter")
		}
	}
	if head["alg"] == nil {
		return store.BadRequest("Missing alg header parameter")
	}
	alg, _ := textOf(head["alg"])
	if _, known := signatures[alg]; !known {
		return store.BadRequest("Invalid alg header parameter")
	}
	if _, asked := p.claims["kid"]; asked && head["kid"] == nil {
		return store.BadRequest("Missing kid claim")
	}
	return nil
}

// checkClaims looks at those claims that are asked for, and at no others.
func (p *tokenPolicy) checkClaims(claims map[string]json.RawMessage, now time.Time) error {
	for _, name := range []string{"iss", "iat", "nbf", "exp"} {
		value, asked := p.claims[name]
		if !asked {
			continue
		}
		if claims[name] == nil {
			return store.BadRequest("Missing %s claim", name)
		}
		var seconds float64
		isNumber := claims[name][0] != 'n' && json.Unmarshal(claims[name], &seconds) == nil // null would be 0
		switch name {
		case "iss":
			if issuer, _ := textOf(claims[name]); value != "" && issuer != value {
				return store.BadRequest("Invalid iss claim")
			}
		case "iat":
			if !isNumber {
				return store.BadRequest("Invalid iat claim")
			}
		case "nbf":
			if !isNumber || seconds >= float64(now.Unix()) {
				return unauthorized("nbf not in past")
			}
		case "exp":
			if !isNumber || seconds <= float64(now.Unix()) {
				return unauthorized("exp not in future")
			}
		}
	}
	return nil
}

// verify checks the signature of a token's parts with the key that its head names. The kind of the key must be that of the algorithm: else a public
// key could be taken for a secret.
func (p *tokenPolicy) verify(head map[string]json.RawMessage, parts []string) error {
	alg, _ := textOf(head["alg"])
	id := "_default"
	if head["kid"] != nil {
		var ok bool
		if id, ok = textOf(head["kid"]); !ok {
			return store.BadRequest("Unknown kid")
		}
	}
	algorithm := signatures[alg]
	key, known := p.keys[algorithm.kind+":"+id]
	if !known {
		return store.BadRequest("Unknown kid")
	}
	signature, err := decodeToken(parts[2])
	if err != nil {
		return malformedToken()
	}
	text := []byte(parts[0] + "." + parts[1])
	if algorithm.kind == "hmac" {
		return verifyMAC(algorithm.hash, key, text, signature)
	}
	h := algorithm.hash.New()
	_, _ = h.Write(text)
	public, err := publicKey(key)
	if err != nil {
		return err
	}
	right := false
	switch public := public.(type) {
	case *rsa.PublicKey:
		if algorithm.kind != "rsa" {
			return store.BadRequest("not an EC public key")
		}
		right = rsa.VerifyPKCS1v15(public, algorithm.hash, h.Sum(nil), signature) == nil
	case *ecdsa.PublicKey:
		if algorithm.kind != "ec" {
			return store.BadRequest("not an RSA public key")
		}
		size := (public.Curve.Params().BitSize + 7) / 8
		if len(signature) == 2*size {
			r, s := new(big.Int).SetBytes(signature[:size]), new(big.Int).SetBytes(signature[size:])
			right = ecdsa.Verify(public, h.Sum(nil), r, s)
		}
	}
	if !right {
		return store.BadRequest("Bad signature")
	}
	return nil
}

func verifyMAC(hash crypto.Hash, key string, text, mac []byte) error {
	secret, err := base64.StdEncoding.DecodeString(key)
	if err != nil || len(secret) == 0 {
		return store.BadRequest("Not a valid key")
	}
	m := hmac.New(hash.New, secret)
	_, _ = m.Write(text)
	if !hmac.Equal(m.Sum(nil), mac) {
		return store.BadRequest("Bad HMAC")
	}
	return nil
}

// publicKey reads a key in PEM, whose lines end with \n in two characters: a setting has one line.
func publicKey(text string) (any, error) {
	block, _ := pem.Decode([]byte(strings.ReplaceAll(text, `\n`, "\n")))
	if block == nil {
		return nil, store.BadRequest("Not a valid key")
	}
	key, err := x509.ParsePKIXPublicKey(block.Bytes)
	if err != nil {
		var other error
		if key, other = x509.ParsePKCS1PublicKey(block.Bytes); other != nil {
			return nil, store.BadRequest("Not a valid key")
		}
	}
	return key, nil
}

var errNoRoles = errors.New("no roles")

// roles reads the roles of a token: a list of strings, or one string with commas.
func (p *tokenPolicy) roles(claims map[string]json.RawMessage) ([]string, error) {
	raw := claims[p.rolesName]
	if p.rolesPath != nil {
		var err error
		if raw, err = within(claims, p.rolesPath); err != nil {
			return nil, malformedToken()
		}
	}
	if raw == nil {
		return nil, nil
	}
	if text, ok := textOf(raw); ok {
		return splitList(text), nil
	}
	var members []json.RawMessage
	if json.Unmarshal(raw, &members) != nil || members == nil {
		return nil, malformedToken()
	}
	roles := make([]string, len(members))
	for i, member := range members {
		var ok bool
		if roles[i], ok = textOf(member); !ok {
			return nil, malformedToken()
		}
	}
	return roles, nil
}

// within goes down a path of objects; nothing is there where its end is missing.
func within(members map[string]json.RawMessage, path []string) (raw json.RawMessage, err error) {
	for i, name := range path {
		if raw = members[name]; raw == nil || i == len(path)-1 {
			return raw, nil
		}
		members = nil
		if json.Unmarshal(raw, &members) != nil || members == nil {
			return nil, errNoRoles
		}
	}
	return raw, nil
}
