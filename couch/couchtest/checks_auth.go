package couchtest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/hmac"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"slices"
	"strings"
)

// handlersOf is the setting that has these ways to log in, in their order.
func handlersOf(names ...string) string {
	for i, name := range names {
		names[i] = "{chttpd_auth, " + name + "_authentication_handler}"
	}
	return strings.Join(names, ", ")
}

// withAll sets settings, pairs of key and value, until the check ends them.
func (c *checker) withAll(settings ...string) (restore func()) {
	var restores []func()
	for i := 0; i+1 < len(settings); i += 2 {
		restores = append(restores, c.set(settings[i], settings[i+1]))
	}
	return func() {
		for _, one := range slices.Backward(restores) {
			one()
		}
	}
}

// plain sends a GET without credentials but those among the header fields.
func (c *checker) plain(path string, fields ...string) *reply {
	return c.withAs("", "", fields, "GET", path)
}

func authChecks() []check {
	return []check{
		{"auth/cookie-comes-first", func(c *checker) {
			login := c.askAs("", "", "POST", "/_session", `{"name":`+quoted(c.server.User)+`,"password":`+quoted(c.server.Password)+`}`).wants(200)
			cookie, _, _ := strings.Cut(login.header.Get("Set-Cookie"), ";")
			wrong := "Basic " + base64.StdEncoding.EncodeToString([]byte(c.name+":wrong"))
			c.plain("/_session", "Cookie", cookie, "Authorization", wrong).wants(200).has("info.authenticated", `"cookie"`)
			c.plain("/_session", "Authorization", wrong).refuses(401, "unauthorized")
		}},
		{"auth/cookie-key", func(c *checker) {
			login := `{"name":` + quoted(c.server.User) + `,"password":` + quoted(c.server.Password) + `}`
			cookie, _, _ := strings.Cut(c.askAs("", "", "POST", "/_session", login).wants(200).header.Get("Set-Cookie"), ";")
			c.plain("/_session", "Cookie", cookie).wants(200).has("userCtx.name", quoted(c.server.User))
			restore := c.set("chttpd_auth/secret", c.name)
			former := c.plain("/_session", "Cookie", cookie)
			cookie, _, _ = strings.Cut(c.askAs("", "", "POST", "/_session", login).header.Get("Set-Cookie"), ";")
			next := c.plain("/_session", "Cookie", cookie)
			restore()
			former.wants(200).has("userCtx.name", "null")
			next.wants(200).has("userCtx.name", quoted(c.server.User))
		}},
		{"auth/proxy", func(c *checker) {
			named := []string{"X-Auth-CouchDB-UserName", "foo", "X-Auth-CouchDB-Roles", "users, blogger"}
			c.plain("/_session", named...).wants(200).has("userCtx.name", "null")
			restore := c.withAll("chttpd/authentication_handlers", handlersOf("cookie", "proxy", "default"))
			open, admin := c.plain("/_session", named...), c.plain("/_all_dbs", "X-Auth-CouchDB-UserName", "foo", "X-Auth-CouchDB-Roles", "_admin")
			outside := c.plain("/"+c.name, named...)
			restore()
			open.wants(200).is(`{"ok":true,"userCtx":{"name":"foo","roles":["users","blogger"]},
				"info":{"authentication_handlers":["cookie","proxy","default"],"authenticated":"proxy"}}`)
			admin.wants(200)
			outside.says(403, "forbidden", "You are not allowed to access this db.")
		}},
		{"auth/proxy-signed", func(c *checker) {
			restore := c.withAll("chttpd/authentication_handlers", handlersOf("proxy", "cookie", "default"), "chttpd_auth/proxy_use_secret", "true",
				"chttpd_auth/secret", "the_secret", "chttpd_auth/x_auth_username", "X-Me")
			name := func(token string) *reply { return c.plain("/_session", "X-Me", "foo", "X-Auth-CouchDB-Token", token) }
			const signed = "3f0786e96b20b0102b77f1a49c041be6977cfb3bf78c41a12adc121cd9b4e68a" // as CouchDB's documentation has it
			right, none := name(signed), name("")
			wrong := name(strings.Replace(signed, "3", "4", 1))
			restore()
			right.wants(200).has("userCtx.name", `"foo"`).has("userCtx.roles", "[]")
			none.wants(200).has("userCtx.name", "null")
			wrong.wants(200).has("userCtx.name", "null")
		}},
		{"auth/jwt", checkTokens},
		{"auth/jwt-public-keys", checkPublicKeys},
		{"auth/jwt-claims", checkClaims},
		{"jsonp/answers", func(c *checker) {
			c.put("a", `{"n":1}`)
			c.ask("GET", "/a?callback=f").wants(200).has("n", "1")
			restore := c.set("chttpd/allow_jsonp", "true")
			one, list, feed := c.ask("GET", "/a?callback=x.f%5B1%5D"), c.ask("GET", "/_all_docs?callback=f"), c.ask("GET", "/_changes?callback=f")
			missing, bad, none := c.ask("GET", "/b?callback=f"), c.ask("GET", "/a?callback=f%28"), c.ask("GET", "/a")
			c.with([]string{"Content-Type", "application/json"}, "PUT", "/"+c.name+"/b/file", `{}`).wants(201)
			file, head := c.ask("GET", "/b/file?callback=f"), c.ask("HEAD", "/a?callback=f")
			restore()
			calls := func(r *reply, name string) *reply {
				text, ok := strings.CutPrefix(string(r.body), "/* CouchDB */"+name+"(")
				inner, ended := strings.CutSuffix(text, ");\n")
				if !ok || !ended || r.header.Get("Content-Type") != "application/javascript" {
					c.failf("%s: %s: %q", r.what, r.header.Get("Content-Type"), r.body)
				}
				r.body = []byte(inner)
				return r
			}
			calls(one.wants(200), "x.f[1]").has("n", "1")
			calls(list.wants(200), "f").has("total_rows", "1")
			calls(feed.wants(200), "f").has("results.0.id", `"a"`)
			calls(missing, "f").says(404, "not_found", "missing")
			bad.says(400, "bad_request", "invalid_callback")
			none.wants(200).has("n", "1")
			file.wants(200).is(`{}`)
			c.equal("body of HEAD", string(head.wants(200).body), "")
		}},
	}
}

// token makes a JSON Web Token of its head and its claims.
func token(head, claims string, sign func(text []byte) []byte) string {
	encode := base64.RawURLEncoding.EncodeToString
	text := encode([]byte(head)) + "." + encode([]byte(claims))
	return text + "." + encode(sign([]byte(text)))
}

// macWith signs with a secret.
func macWith(secret string) func([]byte) []byte {
	return func(text []byte) []byte {
		m := hmac.New(sha256.New, []byte(secret))
		_, _ = m.Write(text)
		return m.Sum(nil)
	}
}

func (c *checker) bears(token string) *reply {
	return c.plain("/_session", "Authorization", "Bearer "+token)
}

// oneDay is the year 2100.
const oneDay = "4102444800"

func checkTokens(c *checker) {
	const head = `{"typ":"JWT","alg":"HS256"}`
	claims := func(more string) string { return `{"sub":"couch@apache.org","exp":` + oneDay + more + `}` }
	hello := base64.StdEncoding.EncodeToString([]byte("hello"))
	unused := c.bears(token(head, claims(""), macWith("hello")))
	restore := c.withAll("chttpd/authentication_handlers", handlersOf("jwt", "cookie", "default"),
		"jwt_keys/hmac:_default", hello, "jwt_keys/hmac:other", base64.StdEncoding.EncodeToString([]byte("secret")))
	answers := map[string]*reply{
		"right":     c.bears(token(head, claims(""), macWith("hello"))),
		"roles":     c.bears(token(head, claims(`,"_couchdb.roles":["a","b"]`), macWith("hello"))),
		"text":      c.bears(token(head, claims(`,"_couchdb.roles":"a, b"`), macWith("hello"))),
		"no-roles":  c.bears(token(head, claims(`,"_couchdb.roles":[1]`), macWith("hello"))),
		"other":     c.bears(token(`{"alg":"HS256","kid":"other"}`, claims(""), macWith("secret"))),
		"unknown":   c.bears(token(`{"alg":"HS256","kid":"none"}`, claims(""), macWith("secret"))),
		"wrong":     c.bears(token(head, claims(""), macWith("hell"))),
		"none":      c.bears(token(`{"alg":"none"}`, claims(""), func([]byte) []byte { return nil })),
		"no-alg":    c.bears(token(`{}`, claims(""), macWith("hello"))),
		"no-sub":    c.bears(token(head, `{"exp":`+oneDay+`}`, macWith("hello"))),
		"expired":   c.bears(token(head, `{"sub":"x","exp":1}`, macWith("hello"))),
		"no-exp":    c.bears(token(head, `{"sub":"x"}`, macWith("hello"))),
		"malformed": c.bears("a.b"),
		"no-json":   c.bears("YQ.YQ.YQ"),
	}
	admin := c.plain("/_all_dbs", "Authorization", "Bearer "+token(head, claims(`,"_couchdb.roles":["_admin"]`), macWith("hello")))
	restore()
	unused.wants(200).has("userCtx.name", "null")
	answers["right"].wants(200).is(`{"ok":true,"userCtx":{"name":"couch@apache.org","roles":[]},
		"info":{"authentication_handlers":["jwt","cookie","default"],"authenticated":"jwt"}}`)
	answers["roles"].wants(200).lists("userCtx.roles", "a b")
	answers["text"].wants(200).lists("userCtx.roles", "a b")
	answers["no-roles"].says(400, "bad_request", "Malformed token")
	answers["other"].wants(200).has("userCtx.name", `"couch@apache.org"`)
	answers["unknown"].says(400, "bad_request", "Unknown kid")
	answers["wrong"].says(400, "bad_request", "Bad HMAC")
	answers["none"].says(400, "bad_request", "Invalid alg header parameter")
	answers["no-alg"].says(400, "bad_request", "Missing alg header parameter")
	answers["no-sub"].says(401, "unauthorized", "Token missing sub claim.")
	answers["expired"].says(401, "unauthorized", "exp not in future")
	answers["no-exp"].says(400, "bad_request", "Missing exp claim")
	answers["malformed"].says(400, "bad_request", "Malformed token")
	answers["no-json"].refuses(400, "bad_request")
	admin.wants(200)
}

func checkPublicKeys(c *checker) {
	oneLine := func(public any) string {
		der, err := x509.MarshalPKIXPublicKey(public)
		c.must(err)
		text := string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der}))
		return strings.ReplaceAll(strings.TrimSpace(text), "\n", `\n`)
	}
	rsaKey, err := rsa.GenerateKey(rand.Reader, 2048)
	c.must(err)
	ecKey, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	c.must(err)
	signRSA := func(text []byte) []byte {
		sum := sha256.Sum256(text)
		signature, err := rsa.SignPKCS1v15(rand.Reader, rsaKey, crypto.SHA256, sum[:])
		c.must(err)
		return signature
	}
	signEC := func(text []byte) []byte {
		sum := sha256.Sum256(text)
		r, s, err := ecdsa.Sign(rand.Reader, ecKey, sum[:])
		c.must(err)
		return append(r.FillBytes(make([]byte, 32)), s.FillBytes(make([]byte, 32))...)
	}
	public := oneLine(&rsaKey.PublicKey)
	restore := c.withAll("chttpd/authentication_handlers", handlersOf("jwt", "default"),
		"jwt_keys/rsa:a", public, "jwt_keys/ec:a", oneLine(&ecKey.PublicKey), "jwt_keys/rsa:b", oneLine(&ecKey.PublicKey))
	claims := `{"sub":"x","exp":` + oneDay + `}`
	byRSA, byEC := c.bears(token(`{"alg":"RS256","kid":"a"}`, claims, signRSA)), c.bears(token(`{"alg":"ES256","kid":"a"}`, claims, signEC))
	wrong := c.bears(token(`{"alg":"ES256","kid":"a"}`, claims, signRSA))
	otherKind := c.bears(token(`{"alg":"RS256","kid":"b"}`, claims, signRSA))
	asSecret := c.bears(token(`{"alg":"HS256","kid":"a"}`, claims, macWith(public)))
	restore()
	byRSA.wants(200).has("userCtx.name", `"x"`)
	byEC.wants(200).has("userCtx.name", `"x"`)
	wrong.says(400, "bad_request", "Bad signature")
	otherKind.says(400, "bad_request", "not an RSA public key")
	asSecret.says(400, "bad_request", "Unknown kid")
}

func checkClaims(c *checker) {
	hello := base64.StdEncoding.EncodeToString([]byte("hello"))
	restore := c.withAll("chttpd/authentication_handlers", handlersOf("jwt", "default"), "jwt_keys/hmac:_default", hello,
		"jwt_auth/required_claims", `nbf, {iss, "me"}`, "jwt_auth/roles_claim_path", `resource_access.security\.settings.roles`)
	ask := func(claims string) *reply { return c.bears(token(`{"alg":"HS256"}`, claims, macWith("hello"))) }
	right := ask(`{"sub":"x","iss":"me","nbf":1,"resource_access":{"security.settings":{"roles":["a"]}}}`)
	early, other := ask(`{"sub":"x","iss":"me","nbf":`+oneDay+`}`), ask(`{"sub":"x","iss":"you","nbf":1}`)
	none := ask(`{"sub":"x","nbf":1}`)
	nonsense := c.set("jwt_auth/required_claims", "%")
	unset := ask(`{"sub":"x"}`)
	nonsense()
	restore()
	right.wants(200).lists("userCtx.roles", "a")
	early.says(401, "unauthorized", "nbf not in past")
	other.says(400, "bad_request", "Invalid iss claim")
	none.says(400, "bad_request", "Missing iss claim")
	unset.says(500, "misconfigured_server", "JWT is not configured correctly")
}
