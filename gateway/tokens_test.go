package gateway_test

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base64"
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/sirupsen/logrus/hooks/test"

	"github.com/adlayer/after/gateway"
	"github.com/adlayer/after/store/httpd"
	"github.com/adlayer/after/webhook"
)

func TestParseToken(t *testing.T) {
	t.Parallel()
	hash := strings.Repeat("ab", 32)
	for text, want := range map[string]string{
		"sha256:" + hash + " post": "",
		"sha256:" + hash + " post read cancel worker=a worker=b limit=100/m": "",
		"  read  sha256:" + hash:                            "",
		"sha256:" + hash + " post worker=Zo%C3%A9%20cancel": "",
		"sha256:" + hash + " post worker=10%":               `"10%" is not percent-encoded`,
		"post":                                              "no sha256:",
		"sha256:" + hash:                                    "none of the rights",
		"sha256:abc post":                                   "64 hexadecimal digits",
		"sha256:" + hash + " post write":                    `"write" is none of`,
		"sha256:" + hash + " post worker=":                  `"worker=" is none of`,
		"sha256:" + hash + " post limit=x":                  `the limit "x"`,
		"sha256:" + hash + " limit=0/s":                     `the limit "0/s"`,
		"sha256:" + hash + " limit=1/d":                     `the limit "1/d"`,
	} {
		token, err := gateway.ParseToken("n", text)
		switch {
		case want != "" && (err == nil || !strings.Contains(err.Error(), want)):
			t.Errorf("%s: %v, want %s", text, err, want)
		case want == "" && err != nil:
			t.Errorf("%s: %v", text, err)
		case want == "":
			if again, err := gateway.ParseToken("n", token.String()); err != nil || again.String() != token.String() {
				t.Errorf("%s: written as %s: %v", text, token, err)
			}
		}
	}
}

// TestTokenOfNameWithBlanks: a name gives no rights.
func TestTokenOfNameWithBlanks(t *testing.T) {
	t.Parallel()
	want := gateway.Token{Name: "n", Rights: []string{"post"}, Workers: []string{"a cancel", "50%"}}
	if got, err := gateway.ParseToken("n", want.String()); err != nil || got.String() != want.String() || !slices.Equal(got.Rights, want.Rights) || !slices.Equal(got.Workers, want.Workers) {
		t.Errorf("%s became %+v: %v", want, got, err)
	}
}

// TestTokens: a token has the rights that it is given, and no others.
func TestTokens(t *testing.T) {
	t.Parallel()
	tokens := map[string]string{}
	o := options()
	for name, rights := range map[string]string{
		"all": "post read cancel", "poster": "post", "reader": "read", "manobi": "post read cancel worker=manobi", "two": "read worker=a worker=b",
	} {
		token, hash := gateway.NewToken()
		tokens[name] = token
		one, err := gateway.ParseToken(name, fmt.Sprintf("sha256:%x %s", hash, rights))
		must(t, err)
		o.Tokens = append(o.Tokens, one)
	}
	for name, r := range map[string]*rig{"within": within(t, o), "before": before(t, o)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r.t = t
			r.post("/queue", form, "task.id=manobi's&task.url=http://localhost/")
			r.post("/queue", form, "task.id=another's&task.worker=another&task.url=http://localhost/")
			for _, test := range []struct {
				token, method, path, body string
				status                    int
			}{
				{"all", http.MethodPost, "/queue", "task.url=http://localhost/&task.id=by+token", 201},
				{"all", http.MethodGet, "/queue/another's", "", 200},
				{"all", http.MethodGet, "/queue", "", 200},
				{"poster", http.MethodPost, "/queue", "task.url=http://localhost/", 201},
				{"poster", http.MethodGet, "/queue/manobi's", "", 403},
				{"poster", http.MethodGet, "/queue", "", 403},
				{"poster", http.MethodDelete, "/queue/manobi's", "", 403},
				{"poster", http.MethodPost, "/queue?wait=1ms", "task.url=http://localhost/", 403},
				{"reader", http.MethodPost, "/queue", "task.url=http://localhost/", 403},
				{"reader", http.MethodPost, "/queue/manobi's", "task.countdown=1", 403},
				{"reader", http.MethodDelete, "/queue/manobi's", "", 403},
				{"reader", http.MethodGet, "/queue/another's", "", 200},
				{"manobi", http.MethodPost, "/queue", "task.url=http://localhost/&task.worker=another", 403},
				{"manobi", http.MethodPost, "/queue", "task.url=http://localhost/", 201},
				{"manobi", http.MethodGet, "/queue/another's", "", 403},
				{"manobi", http.MethodPost, "/queue/another's", "task.countdown=1", 403},
				{"manobi", http.MethodDelete, "/queue/another's", "", 403},
				{"manobi", http.MethodGet, "/queue?worker=another", "", 403},
				{"manobi", http.MethodGet, "/queue", "", 200},
				{"manobi", http.MethodDelete, "/queue/manobi's", "", 202},
				{"two", http.MethodGet, "/queue", "", 403},
				{"two", http.MethodGet, "/queue?worker=b", "", 200},
			} {
				a := r.ask(asking{
					method: test.method, path: test.path, kind: form, body: test.body, nobody: true,
					header: map[string]string{"Authorization": "Bearer " + tokens[test.token]},
				})
				if a.status != test.status || a.status == 403 && a.get("error") != "forbidden" {
					t.Errorf("%s: %s %s %s: %d %s", test.token, test.method, test.path, test.body, a.status, a.body)
				}
			}
			if by := r.document("by token").Get("posted.by").String(); by != "token:all" {
				t.Errorf("posted by %s", by)
			}
			a := r.ask(asking{method: http.MethodGet, path: "/queue", nobody: true, header: map[string]string{"Authorization": "Bearer after_x"}})
			if a.status != http.StatusUnauthorized || a.get("reason") != "the token is not known" {
				t.Errorf("an unknown token: %d %s", a.status, a.body)
			}
		})
	}
}

// TestOwnUser: a server that refuses the queue's own user is no fault of who brings a token, or was given a callback.
func TestOwnUser(t *testing.T) {
	t.Parallel()
	token, hash := gateway.NewToken()
	secret := webhook.NewSecret()
	verifier, err := webhook.NewVerifier(secret)
	must(t, err)
	signer, err := webhook.NewSigner(secret)
	must(t, err)
	callback, err := signer.Callback(webhook.Callback{Task: "t", Key: "k", Attempt: 1, Expires: time.Now().Add(time.Hour)})
	must(t, err)
	log, hook := test.NewNullLogger()
	o := options()
	o.Tokens, o.Callbacks, o.Log, o.Password = []gateway.Token{{Name: "all", Hash: hash, Rights: []string{"post", "read"}}}, verifier, log, "former"
	for name, r := range map[string]*rig{"within": within(t, o), "before": before(t, o)} {
		for what, q := range map[string]asking{
			"post":     {method: http.MethodPost, path: "/queue", kind: form, body: "task.url=http://localhost/"},
			"list":     {method: http.MethodGet, path: "/queue"},
			"callback": {method: http.MethodPost, path: "/callback/" + callback},
		} {
			q.nobody, q.header = true, map[string]string{"Authorization": "Bearer " + token}
			if a := r.ask(q); a.status != http.StatusBadGateway || !strings.Contains(a.get("reason"), "refuses the queue's own user") {
				t.Errorf("%s, %s: %d %s", name, what, a.status, a.body)
			}
			if entry := hook.LastEntry(); entry == nil || !strings.Contains(entry.Message, "couch.user") {
				t.Errorf("%s, %s: the log says %v", name, what, entry)
			}
			hook.Reset()
		}
		a := r.ask(asking{method: http.MethodGet, path: "/queue", nobody: true})
		if a.status != http.StatusUnauthorized {
			t.Errorf("%s, without credentials: %d %s", name, a.status, a.body)
		}
	}
}

// TestTokenLimit: beyond its limit a token waits, and the answer says for how long.
func TestTokenLimit(t *testing.T) {
	t.Parallel()
	o := fixed(options())
	token, hash := gateway.NewToken()
	one, err := gateway.ParseToken("few", fmt.Sprintf("sha256:%x read limit=2/m", hash))
	must(t, err)
	o.Tokens = []gateway.Token{one}
	start, later := o.Now(), time.Duration(0)
	o.Now = func() time.Time { return start.Add(later) }
	r := within(t, o)
	ask := func() answer {
		return r.ask(asking{method: http.MethodGet, path: "/queue", nobody: true, header: map[string]string{"Authorization": "Bearer " + token}})
	}
	for i, want := range []int{200, 200, 429, 429} {
		a := ask()
		if a.status != want || (want == 429) != (a.header.Get("Retry-After") == "30") || want == 429 && a.get("error") != "too_many_requests" {
			t.Errorf("%d: %d %s, after %q", i, a.status, a.body, a.header.Get("Retry-After"))
		}
	}
	later = 30 * time.Second
	if a := ask(); a.status != http.StatusOK {
		t.Errorf("after that time: %d %s", a.status, a.body)
	}
}

// TestTokenLimitGoesOn in a gateway that comes in the place of another one, for a token that is what it was; one with another limit begins anew.
func TestTokenLimitGoesOn(t *testing.T) {
	t.Parallel()
	o := fixed(options())
	o.URL = newRig(t, nil, func(s *httpd.Server) http.Handler { return s }).store
	tokens := map[string]string{}
	configured := func(limits map[string]string) {
		o.Tokens = nil
		for name, limit := range limits {
			token, hash := gateway.NewToken()
			if known := tokens[name]; known != "" {
				hash = sha256.Sum256([]byte(known))
			} else {
				tokens[name] = token
			}
			o.Tokens = append(o.Tokens, gateway.Token{Name: name, Hash: hash, Rights: []string{"read"}, Limit: limit})
		}
		g, err := gateway.New(o)
		must(t, err)
		t.Cleanup(g.Close)
		o.Former = g
	}
	expect := func(name string, want ...int) {
		t.Helper()
		for i, want := range want {
			r := httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/queue", nil)
			r.Header.Set("Authorization", "Bearer "+tokens[name])
			w := httptest.NewRecorder()
			if o.Former.ServeHTTP(w, r); w.Code != want {
				t.Errorf("request %d of %s: %d %s, want %d", i, name, w.Code, w.Body, want)
			}
		}
	}
	configured(map[string]string{"same": "2/h", "other": "2/h", "none": "1/h"})
	expect("same", 200, 200, 429)
	expect("other", 200, 200, 429)
	expect("none", 200, 429)
	configured(map[string]string{"same": "2/h", "other": "3/h", "none": "", "new": "1/h"})
	expect("same", 429)
	expect("other", 200, 200, 200, 429)
	expect("none", 200, 200)
	expect("new", 200, 429)
}

// TestPasswordBesideCookie: who sends both is whom the password is of. A server would go by the cookie, and what is posted would name another one.
func TestPasswordBesideCookie(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, r *rig) {
		t.Helper()
		logged, err := http.PostForm(r.store+"/_session", url.Values{"name": {"other"}, "password": {"word"}})
		must(t, err)
		must(t, logged.Body.Close())
		cookie := map[string]string{"Cookie": logged.Cookies()[0].String()}
		post := asking{method: http.MethodPost, path: "/queue", kind: form, body: "task.url=http://localhost/&task.id=cookie", nobody: true, header: cookie}
		if a := r.ask(post); a.status != http.StatusCreated || r.document("cookie").Get("posted.by").String() != "other" {
			t.Errorf("a cookie: %d %s", a.status, a.body)
		}
		post.body, post.nobody = "task.url=http://localhost/&task.id=password", false
		if a := r.ask(post); a.status != http.StatusCreated || r.document("password").Get("posted.by").String() != user {
			t.Errorf("a password beside it: %d %s", a.status, a.body)
		}
		cookie["Authorization"] = "Basic YWRtaW46d3Jvbmc="
		post.nobody = true
		if a := r.ask(post); a.status != http.StatusUnauthorized {
			t.Errorf("a wrong password beside it: %d %s", a.status, a.body)
		}
	})
}

// TestServerToken: a token that is the server's says who posts, also beside a cookie that names another one.
func TestServerToken(t *testing.T) {
	t.Parallel()
	both(t, func(t *testing.T, r *rig) {
		t.Helper()
		for at, value := range map[string]string{
			"jwt_keys/hmac:_default": `"aGVsbG8="`,
			"chttpd/authentication_handlers": `"{chttpd_auth, cookie_authentication_handler}, {chttpd_auth, jwt_authentication_handler}, ` +
				`{chttpd_auth, default_authentication_handler}"`,
		} {
			set, err := http.NewRequestWithContext(t.Context(), http.MethodPut, r.store+"/_node/_local/_config/"+at, strings.NewReader(value))
			must(t, err)
			set.SetBasicAuth(user, password)
			done, err := caller.Do(set)
			must(t, err)
			must(t, done.Body.Close())
			if done.StatusCode != http.StatusOK {
				t.Fatalf("%s: %d", at, done.StatusCode)
			}
		}
		encode := base64.RawURLEncoding.EncodeToString
		token := encode([]byte(`{"alg":"HS256"}`)) + "." + encode([]byte(`{"sub":"ann","exp":4102444800,"_couchdb.roles":["_admin"]}`))
		m := hmac.New(sha256.New, []byte("hello"))
		_, _ = m.Write([]byte(token))
		a := r.ask(asking{
			method: http.MethodPost, path: "/queue", kind: form, body: "task.url=http://localhost/&task.id=token", nobody: true, header: map[string]string{
				"Authorization": "Bearer " + token + "." + encode(m.Sum(nil)),
				"Cookie":        "AuthSession=" + encode([]byte(user+":60000000:"+strings.Repeat("x", 32))),
			},
		})
		if a.status != http.StatusCreated || r.document("token").Get("posted.by").String() != "ann" {
			t.Errorf("%d %s, %s", a.status, a.body, r.document("token"))
		}
	})
}
