package httpd_test

import (
	"crypto/sha1"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/adlayer/after/store/httpd"
)

// TestPlainAdmins: a plain password of the configuration is good at once, becomes a hash, and is no plain one from then on. The hash outlives the
// server, as long as the password is the same.
func TestPlainAdmins(t *testing.T) {
	t.Parallel()
	st := memory(t)
	start := func(password string) *httpd.Server {
		return httpd.New(st, httpd.Options{Admins: map[string]string{"admin": password, "other": "-pbkdf2-00,salt,10"}, HashRounds: 10})
	}
	want := func(h http.Handler, who, path string, status int, text string) string {
		t.Helper()
		w := request(t, h, "10.0.0.1", who, http.MethodGet, path, "")
		if w.Code != status || !strings.Contains(w.Body.String(), text) {
			t.Errorf("GET %s as %s: %d instead of %d with %q: %s", path, who, w.Code, status, text, w.Body)
		}
		return w.Body.String()
	}
	end := func(h *httpd.Server) {
		t.Helper()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}
	const at = "/_node/_local/_config/admins/admin"
	h := start("secret")
	want(h, "admin:secret", "/_all_dbs", 200, "[]")
	if plain := h.KeepHashes(t.Context()); len(plain) > 0 {
		t.Errorf("%v still have a plain password in memory", plain)
	}
	for range 2 { // hashed, then remembered
		want(h, "admin:secret", "/_session", 200, `"_admin"`)
		want(h, "admin:wrong", "/_session", 401, "")
	}
	first := want(h, "admin:secret", at, 200, `"-pbkdf2:sha256-`)
	kept, err := st.Setting("admin-hashes")
	if err != nil || !strings.Contains(string(kept), strings.Trim(first, "\"\n")) || strings.Contains(string(kept), "other") {
		t.Errorf("the store keeps %s, %v", kept, err)
	}
	end(h)

	h = start("secret")
	if again := want(h, "admin:secret", at, 200, ""); again != first {
		t.Errorf("the same password had the hash %s and has now %s", first, again)
	}
	end(h)

	h = start("new")
	h.KeepHashes(t.Context())
	want(h, "admin:secret", "/_session", 401, "")
	if other := want(h, "admin:new", at, 200, ""); other == first {
		t.Errorf("another password has the hash of the former one")
	}
	end(h)
}

// rehashed is a user's document, as far as it has a hash.
type rehashed struct {
	Rev    string          `json:"_rev"`
	Rounds int             `json:"iterations"`
	PRF    string          `json:"pbkdf2_prf"`
	Scheme string          `json:"password_scheme"`
	Salt   string          `json:"salt"`
	SHA    string          `json:"password_sha"`
	Town   string          `json:"town"`
	Files  json.RawMessage `json:"_attachments"`
}

func (p *people) user(name string) (u rehashed) {
	p.t.Helper()
	if err := json.Unmarshal([]byte(p.want("admin:secret", "GET", userPath(name), "", 200, "")), &u); err != nil {
		p.t.Fatal(err)
	}
	return u
}

// awaitWrite waits for a write of the users' database behind a sequence.
func (p *people) awaitWrite(since string) {
	p.t.Helper()
	p.want("admin:secret", "GET", "/_users/_changes?feed=longpoll&timeout=60000&since="+since, "", 200, `"seq"`)
}

func (p *people) seq() string {
	p.t.Helper()
	var info struct {
		Seq string `json:"update_seq"`
	}
	if err := json.Unmarshal([]byte(p.want("admin:secret", "GET", "/_users", "", 200, "")), &info); err != nil {
		p.t.Fatal(err)
	}
	return info.Seq
}

// TestHashUpgrade: who logs in with a hash of other times gets one of today, and loses neither sessions nor anything else of the document.
func TestHashUpgrade(t *testing.T) {
	t.Parallel()
	p := openUsers(t)
	const auth = "/_node/_local/_config/chttpd_auth/"
	old := p.user("ann")
	p.want("admin:secret", "PUT", userPath("ann")+"/photo?rev="+old.Rev, "pixels", 201, "")
	w := request(t, p.h, "10.0.0.1", "", http.MethodPost, "/_session", `{"name":"ann","password":"pw"}`)
	cookie, _, _ := strings.Cut(w.Header().Get("Set-Cookie"), ";")

	p.want("admin:secret", "PUT", auth+"upgrade_hash_on_auth", `"false"`, 200, "")
	p.want("admin:secret", "PUT", auth+"iterations", `"20"`, 200, "")
	p.want("ben:pw", "GET", "/_session", "", 200, `"ben"`)
	p.want("admin:secret", "PUT", auth+"upgrade_hash_on_auth", `"true"`, 200, "")
	since := p.seq()
	p.want("ann:pw", "GET", "/_session", "", 200, `"ann"`)
	p.awaitWrite(since)
	now := p.user("ann")
	if now.Rounds != 20 || now.PRF != "sha256" || now.Salt != old.Salt || now.Town != "of ann" || !strings.Contains(string(now.Files), "photo") {
		t.Errorf("after the login the document is %+v", now)
	}
	p.want("ann:pw", "GET", "/_session", "", 200, `"ann"`)
	p.want("ann:wrong", "GET", "/_session", "", 401, "")
	p.want(cookie, "GET", "/_session", "", 200, `"ann"`)
	if ben := p.user("ben"); ben.Rounds != 10 {
		t.Errorf("ben's hash was replaced although that was off: %+v", ben)
	}
}

// TestSimpleHashUpgrade: one round of SHA-1 is what CouchDB had first.
func TestSimpleHashUpgrade(t *testing.T) {
	t.Parallel()
	p := openUsers(t)
	sum := sha1.Sum([]byte("pwsalt"))
	body := fmt.Sprintf(`{"name":"old","type":"user","roles":["r"],"password_scheme":"simple","salt":"salt","password_sha":"%x"}`, sum)
	p.want("admin:secret", "PUT", userPath("old"), body, 201, "")
	since := p.seq()
	p.want("old:pw", "GET", "/_session", "", 200, `"old"`)
	p.awaitWrite(since)
	if u := p.user("old"); u.Scheme != "pbkdf2" || u.SHA != "" || u.Rounds != 10 || !strings.HasPrefix(u.Rev, "2-") {
		t.Errorf("after the login the document is %+v", u)
	}
	p.want("old:pw", "GET", "/_session", "", 200, `"r"`)
}

// TestIterationBounds: hashes with too few or too many rounds let nobody in.
func TestIterationBounds(t *testing.T) {
	t.Parallel()
	p := openUsers(t)
	const auth = "/_node/_local/_config/chttpd_auth/"
	p.want("admin:secret", "PUT", auth+"min_iterations", `"11"`, 200, "")
	p.want("ann:pw", "GET", "/_session", "", 403, "Iteration count is too low for this server")
	p.want("admin:secret", "PUT", auth+"min_iterations", `"1"`, 200, "")
	p.want("admin:secret", "PUT", auth+"max_iterations", `"9"`, 200, "")
	p.want("ann:pw", "GET", "/_session", "", 403, "Iteration count is too high for this server")
	p.want("admin:secret", "DELETE", auth+"max_iterations", "", 200, "")
	p.want("ann:pw", "GET", "/_session", "", 200, `"ann"`)
}
