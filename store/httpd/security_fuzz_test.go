package httpd_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
)

// FuzzSecurity: whatever _security is, it lets in whom it names and nobody else, and never locks the server's administrators out.
func FuzzSecurity(f *testing.F) {
	_, h := served(f)
	send := func(tb testing.TB, who, method, path, body string) *httptest.ResponseRecorder {
		tb.Helper()
		r := httptest.NewRequest(method, path, strings.NewReader(body))
		if who != "" {
			r.SetBasicAuth(who, map[bool]string{true: "secret", false: "pw"}[who == "admin"])
		}
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
	for _, path := range []string{"/_users", "/db"} {
		send(f, "admin", http.MethodPut, path, "")
	}
	for name, roles := range map[string]string{"ann": `[]`, "ben": `["staff"]`} {
		body := fmt.Sprintf(`{"name":%q,"password":"pw","type":"user","roles":%s}`, name, roles)
		if w := send(f, "admin", http.MethodPut, userPath(name), body); w.Code != 201 {
			f.Fatal(w.Body)
		}
	}
	for _, seed := range []string{
		"", "{}", "[]", "null", `{"members":{"names":["ann"]}}`, `{"members":{"roles":["staff"]},"admins":{"names":["ann"]}}`,
		`{"Members":{"names":["ann"]}}`, `{"members":{"names":[5]}}`, `{"readers":{"names":["ann"]}}`, `{"members":{"names":["ann"],"names":[]}}`,
		`{"members":{"names":[],"roles":["_admin"]}}`, `{"members":null,"admins":{"names":null}}`, `{"members":{"names":["a\u006en"]}}`, `{"members":{"names":[""]}}`,
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, body string) {
		put := send(t, "admin", http.MethodPut, "/db/_security", body)
		if put.Code != 200 && (put.Code < 400 || put.Code >= 500) {
			t.Fatalf("%q: %d %s", body, put.Code, put.Body)
		}
		in := send(t, "admin", http.MethodGet, "/db/_security", "")
		if in.Code != 200 {
			t.Fatalf("%q: the administrator is locked out: %s", body, in.Body)
		}
		open, names := whoMay(t, in.Body.Bytes())
		for who, roles := range map[string]string{"": "", "ann": "", "ben": "staff"} {
			want := open || who != "" && (slices.Contains(names["names"], who) || roles != "" && slices.Contains(names["roles"], roles))
			if w := send(t, who, http.MethodGet, "/db", ""); (w.Code == 200) != want {
				t.Errorf("%q, in force %s: %q gets %d", body, in.Body, who, w.Code)
			}
		}
	})
}

// whoMay reads a security object in another way than the server: whether all may, and the names and roles that may.
func whoMay(t *testing.T, raw []byte) (open bool, may map[string][]string) {
	t.Helper()
	var sec map[string]any
	if err := json.Unmarshal(raw, &sec); err != nil {
		t.Fatal(err)
	}
	may = map[string][]string{}
	list := func(section string) (n int) {
		people, _ := sec[section].(map[string]any)
		for _, kind := range []string{"names", "roles"} {
			items, _ := people[kind].([]any)
			for _, item := range items {
				text, _ := item.(string)
				may[kind] = append(may[kind], text)
				n++
			}
		}
		return n
	}
	n := list("members")
	if n == 0 {
		n = list("readers")
	}
	list("admins")
	return n == 0, may
}
