package httpd_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// TestSmallSettings: settings that each change one thing of requests.
func TestSmallSettings(t *testing.T) {
	t.Parallel()
	p := openUsers(t)
	const admin = "admin:secret"
	set := func(key, value string) { p.want(admin, "PUT", "/_node/_local/_config/"+key, `"`+value+`"`, 200, "") }
	unset := func(key string) { p.want(admin, "DELETE", "/_node/_local/_config/"+key, "", 200, "") }
	p.want(admin, "PUT", "/db", "", 201, "")
	refused := func(accept string) *httptest.ResponseRecorder {
		w := httptest.NewRecorder()
		r := httptest.NewRequest(http.MethodGet, "/db?x=1", http.NoBody)
		r.Header.Set("Accept", accept)
		p.h.ServeHTTP(w, r)
		return w
	}

	if got := refused("*/*").Header().Get("WWW-Authenticate"); got != "" {
		t.Errorf("nobody asked for %q", got)
	}
	set("chttpd/WWW-Authenticate", "Basic realm='here'")
	if got := refused("*/*").Header().Get("WWW-Authenticate"); got != "Basic realm='here'" {
		t.Errorf("a browser is asked with %q", got)
	}
	unset("chttpd/WWW-Authenticate")
	set("chttpd_auth/require_valid_user", "true")
	if got := refused("*/*").Header().Get("WWW-Authenticate"); got != `Basic realm="server"` {
		t.Errorf("where everybody must log in, a browser is asked with %q", got)
	}
	unset("chttpd_auth/require_valid_user")

	set("chttpd_auth/authentication_redirect", "/login.html")
	w := refused("text/html")
	if got := w.Header().Get("Location"); w.Code != http.StatusFound || got != "http://example.com/login.html?return=%2Fdb&reason=You%20are%20not%20authorized%20to%20access%20this%20db." {
		t.Errorf("a browser is sent with %d to %q", w.Code, got)
	}
	for _, accept := range []string{"application/json", "text/html,application/json", "text/plain"} {
		if w := refused(accept); w.Code != http.StatusUnauthorized {
			t.Errorf("who takes %s gets %d", accept, w.Code)
		}
	}
	unset("chttpd_auth/authentication_redirect")

	set("chttpd/max_uri_length", "20") // nobody could undo it
	set("chttpd/max_uri_length", "1100")
	p.want(admin, "GET", "/db/"+strings.Repeat("x", 1096), "", 404, "missing")
	p.want(admin, "GET", "/db/"+strings.Repeat("x", 1097), "", 414, `{"error":"too_long","reason":"the request uri is too long"}`)
	unset("chttpd/max_uri_length")

	p.want(admin, "PUT", "/db/a+b", `{}`, 201, `"id":"a b"`)
	set("chttpd/decode_plus_to_space", "false")
	p.want(admin, "PUT", "/db/a+b", `{}`, 201, `"id":"a+b"`)
	unset("chttpd/decode_plus_to_space")

	conflict := `{"new_edits":false,"docs":[{"_id":"org.couchdb.user:ann","_rev":"1-a","name":"ann","type":"user","roles":[],"password":"pw"}]}`
	p.want(admin, "POST", "/_users/_bulk_docs", conflict, 201, "")
	p.want("ann:pw", "GET", "/", "", 401, "User document conflicts must be resolved")
	set("chttpd_auth/allow_conflicted_user_docs", "true")
	p.want("ann:pw", "GET", "/", "", 200, "")
}
