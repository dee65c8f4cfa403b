package httpd_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
)

// TestMounted: a handler below /_after/ gets its requests as they came, but for those with wrong credentials.
func TestMounted(t *testing.T) {
	t.Parallel()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = st.Close() })
	echo := http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Fprint(w, r.Method, " ", r.URL.EscapedPath(), "?", r.URL.RawQuery, " ", r.Header.Get("Authorization"))
	})
	server := httpd.New(st, httpd.Options{
		Admins: map[string]string{"a": "b"}, HashRounds: 10, Under: map[string]httpd.Mounted{"own": {Handler: echo, Credentials: "X-Own"}},
	})
	t.Cleanup(func() { _ = server.Close() })
	handlers := `"{chttpd_auth, jwt_authentication_handler}, {chttpd_auth, default_authentication_handler}"`
	if w := request(t, server, "10.0.0.1", "a:b", http.MethodPut, "/_node/_local/_config/chttpd/authentication_handlers", handlers); w.Code != 200 {
		t.Fatalf("setting the ways to log in: %d %s", w.Code, w.Body)
	}
	const right, wrong = "Basic YTpi", "Basic YTpj"
	for name, test := range map[string]struct {
		path   string
		header map[string]string
		status int
		body   string
	}{
		"nobody":               {"/_after/own", nil, 200, "POST /_after/own? "},
		"somebody":             {"/_after/own/x", map[string]string{"Authorization": right}, 200, "POST /_after/own/x? " + right},
		"a wrong password":     {"/_after/own/x", map[string]string{"Authorization": wrong}, 401, `"error":"unauthorized"`},
		"as it came":           {"/_after/own/http://h//a/../b%2Fc?d=%zz&e;f", nil, 200, "POST /_after/own/http://h//a/../b%2Fc?d=%zz&e;f "},
		"a method in a header": {"/_after/own", map[string]string{"X-HTTP-Method-Override": "PUT"}, 200, "POST /_after/own? "},
		"for somebody else":    {"/_after/own", map[string]string{"Authorization": wrong, "X-Own": right}, 200, "POST /_after/own? " + wrong},
		"wrong for us":         {"/_after/own", map[string]string{"Authorization": right, "X-Own": wrong}, 401, `"error":"unauthorized"`},
		"a token of its own":   {"/_after/own", map[string]string{"Authorization": "Bearer x"}, 200, "POST /_after/own? Bearer x"},
		"no token of ours":     {"/_after/owner", map[string]string{"Authorization": "Bearer x"}, 400, "Malformed token"},
		"not mounted":          {"/_after/owner", map[string]string{"Authorization": right}, 404, `"error":"not_found"`},
		"nor for nobody":       {"/_after/owner", nil, 401, `"error":"unauthorized"`},
	} {
		request := httptest.NewRequest(http.MethodPost, test.path, strings.NewReader(""))
		for key, value := range test.header {
			request.Header.Set(key, value)
		}
		answer := httptest.NewRecorder()
		server.ServeHTTP(answer, request)
		if answer.Code != test.status || !strings.Contains(answer.Body.String(), test.body) {
			t.Errorf("%s: %d %s, want %d %s", name, answer.Code, answer.Body, test.status, test.body)
		}
	}
}
