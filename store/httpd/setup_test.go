package httpd_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestSetUp sets a single node up as CouchDB's clients do.
func TestSetUp(t *testing.T) {
	t.Parallel()
	h := handler(t, memory(t))
	ask := func(who, method, body string, status int, text string) {
		t.Helper()
		w := request(t, h, "10.0.0.1", who, method, "/_cluster_setup", body)
		if w.Code != status || !strings.Contains(w.Body.String(), text) {
			t.Errorf("%s %s as %q: %d instead of %d with %q: %s", method, body, who, w.Code, status, text, w.Body)
		}
	}
	const admin = "admin:secret"
	ask(admin, "GET", "", 200, `"single_node_disabled"`)
	for body, reason := range map[string]string{
		`[]`:                    "Missing JSON body'",
		`{`:                     "Missing JSON body'",
		`{}`:                    "Invalid Action'",
		`{"action":1}`:          "wrong type",
		`{"action":"nonsense"}`: "Invalid Action'",
		`{"action":"enable_single_node","bind_address":"x"}`:              "valid IP bind_address",
		`{"action":"enable_single_node","port":"x"}`:                      "`port`",
		`{"action":"enable_single_node","port":65536}`:                    "`port`",
		`{"action":"enable_single_node","username":"boss"}`:               "requires admin account",
		`{"action":"enable_single_node","username":"","password":"x"}`:    "requires admin account",
		`{"action":"enable_single_node","username":"boss","password":""}`: "requires admin account",
	} {
		ask(admin, "POST", body, 400, reason)
	}
	for _, action := range []string{"enable_cluster", "add_node", "remove_node", "receive_cookie"} {
		ask(admin, "POST", `{"action":"`+action+`"}`, 501, action)
	}
	ask(admin, "GET", "", 200, `"single_node_disabled"`) // nothing of that has done anything
	ask("", "POST", `{"action":"enable_single_node","username":"boss","password":"pw"}`, 401, "")
	ask(admin, "POST", `{"action":"enable_single_node","username":"boss","password":"pw","bind_address":"0.0.0.0","port":5984,"singlenode":true}`, 201, `{"ok":true}`)
	ask("boss:pw", "GET", "", 200, `"single_node_enabled"`)
	ask("boss:pw", "POST", `{"action":"finish_cluster"}`, 400, "Cluster is already finished")
	ask(admin, "POST", `{"action":"enable_single_node","username":"admin","password":"secret"}`, 201, "") // as it is already
	ask(admin, "POST", `{"action":"enable_single_node","username":"admin","password":"other"}`, 403, "configuration")
	ask(admin, "GET", "", 200, `"single_node_enabled"`)
	w := request(t, h, "10.0.0.1", admin, http.MethodGet, "/_node/_local/_config", "")
	if text := w.Body.String(); !strings.Contains(text, `"bind_address":"0.0.0.0"`) || !strings.Contains(text, `"port":"5984"`) || !strings.Contains(text, `"n":"1"`) ||
		strings.Contains(text, `"pw"`) {
		t.Errorf("the settings are %s", text)
	}
	for _, name := range []string{"/_users", "/_replicator"} {
		if w := request(t, h, "10.0.0.1", admin, http.MethodGet, name, ""); w.Code != 200 {
			t.Errorf("%s is not there: %d", name, w.Code)
		}
	}
}

// set changes a setting over HTTP.
func set(t *testing.T, h http.Handler, key, value string) {
	t.Helper()
	if w := request(t, h, "10.0.0.1", "admin:secret", http.MethodPut, "/_node/_local/_config/"+key, `"`+value+`"`); w.Code != 200 {
		t.Fatalf("setting %s: %d %s", key, w.Code, w.Body)
	}
}

// TestForwarded: behind a proxy, Location has the address that clients know.
func TestForwarded(t *testing.T) {
	t.Parallel()
	h := handler(t, memory(t))
	location := func(name string, fields ...string) string {
		t.Helper()
		r := httptest.NewRequest(http.MethodPut, "http://inner:5984/"+name, nil)
		r.SetBasicAuth("admin", "secret")
		for i := 0; i < len(fields); i += 2 {
			r.Header.Set(fields[i], fields[i+1])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w.Header().Get("Location")
	}
	want := func(got, want string) {
		t.Helper()
		if got != want {
			t.Errorf("Location is %q, not %q", got, want)
		}
	}
	want(location("a"), "http://inner:5984/a")
	want(location("b", "X-Forwarded-Host", "db.example"), "http://db.example/b")
	want(location("c", "X-Forwarded-Host", "db.example", "X-Forwarded-Proto", "https"), "https://db.example/c")
	want(location("d", "X-Forwarded-Ssl", "on", "X-Forwarded-Proto", "http"), "https://inner:5984/d")
	want(location("e", "X-Forwarded-Proto", "javascript"), "http://inner:5984/e")
	set(t, h, "chttpd/x_forwarded_host", "X-Real-Host")
	want(location("f", "X-Forwarded-Host", "no.example", "X-Real-Host", "db.example"), "http://db.example/f")
}

func TestFrameOptions(t *testing.T) {
	t.Parallel()
	h := handler(t, memory(t))
	want := func(value string) {
		t.Helper()
		if got := request(t, h, "10.0.0.1", "", http.MethodGet, "/", "").Header().Get("X-Frame-Options"); got != value {
			t.Errorf("X-Frame-Options is %q, not %q", got, value)
		}
	}
	want("")
	set(t, h, "chttpd/enable_xframe_options", "true")
	want("DENY")
	set(t, h, "x_frame_options/hosts", "http://other.example")
	want("DENY")
	set(t, h, "x_frame_options/hosts", "http://other.example, http://example.com")
	want("ALLOW-FROM http://example.com")
	set(t, h, "x_frame_options/same_origin", "true")
	want("SAMEORIGIN")
}

// TestCookieSettings: what a session cookie says of itself.
func TestCookieSettings(t *testing.T) {
	t.Parallel()
	h := handler(t, memory(t))
	want := func(parts, none string) {
		t.Helper()
		cookie := request(t, h, "10.0.0.1", "", http.MethodPost, "/_session", `{"name":"admin","password":"secret"}`).Header().Get("Set-Cookie")
		if !strings.Contains(cookie, parts) || strings.Contains(cookie, none) {
			t.Errorf("the cookie %q has not %q, or has %q", cookie, parts, none)
		}
	}
	want("; Max-Age=600", "Domain")
	set(t, h, "chttpd_auth/allow_persistent_cookies", "false")
	want("; Path=/; HttpOnly", "Max-Age")
	want("; Path=/; HttpOnly", "Expires")
	set(t, h, "chttpd_auth/cookie_domain", "example.com")
	want("; Domain=example.com", "Expires")
}

// TestLockoutSettings: CouchDB's section chttpd_auth_lockout.
func TestLockoutSettings(t *testing.T) {
	t.Parallel()
	h := handler(t, memory(t))
	try := func(from, mode string, last int) {
		t.Helper()
		set(t, h, "chttpd_auth_lockout/mode", mode)
		var got int
		for range 3 {
			got = request(t, h, from, "ann:wrong", http.MethodGet, "/_session", "").Code
		}
		if got != last {
			t.Errorf("mode %s: the third wrong password is answered with %d, not %d", mode, got, last)
		}
	}
	set(t, h, "chttpd_auth_lockout/threshold", "2")
	try("10.0.0.2", "off", 401)
	try("10.0.0.2", "warn", 401)
	try("10.0.0.2", "enforce", 403) // those of warn count
	try("10.0.0.3", "enforce", 403)
	set(t, h, "chttpd_auth_lockout/threshold", "20")
	try("10.0.0.4", "enforce", 401)
}

// TestNobodyByName: browsers log out of Basic authentication by this name and password.
func TestNobodyByName(t *testing.T) {
	t.Parallel()
	w := request(t, handler(t, memory(t)), "10.0.0.1", "_:_", http.MethodGet, "/_session", "")
	if w.Code != 200 || !strings.Contains(w.Body.String(), `"name":null`) {
		t.Errorf("%d %s", w.Code, w.Body)
	}
}
