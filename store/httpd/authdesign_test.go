package httpd_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/store/httpd"
	"github.com/adlayer/after/store/script"
)

// openUsersScripts is a server whose _users is open to all, with a database beside it that has the function of _users alone.
func openUsersScripts(t *testing.T) *people {
	t.Helper()
	h := httpd.New(memory(t), httpd.Options{
		Admins: map[string]string{"admin": "secret"}, HashRounds: 10, UsersSecurityEditable: true, PublicFields: []string{"name"},
		Script: script.Options{Command: script.Self()},
	})
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := h.SetUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	return &people{t: t, h: h, revs: map[string]string{}}
}

// TestAuthDesign: _users has the design document that CouchDB puts there, whose function agrees with what the server does by itself.
func TestAuthDesign(t *testing.T) {
	t.Parallel()
	p := openUsersScripts(t)
	const admin, security = "admin:secret", `{"members":{"roles":[]},"admins":{"roles":["_admin","keeper"],"names":["boss"]}}`
	doc := p.want(admin, "GET", "/_users/_design/_auth", "", 200, `"language":"javascript"`)
	function := gjson.Get(doc, "validate_doc_update").String()
	p.want(admin, "PUT", "/plain", "", 201, "")
	p.want(admin, "PUT", "/plain/_design/auth", fmt.Sprintf(`{"validate_doc_update":%s}`, encode(t, function)), 201, "")
	for _, db := range []string{"_users", "plain"} {
		p.want(admin, "PUT", "/"+db+"/_security", security, 200, "")
	}
	for name, roles := range map[string]string{"ann": `[]`, "ben": `["r","s"]`, "boss": `[]`, "kay": `["keeper"]`} {
		p.want(admin, "PUT", userPath(name), `{"name":"`+name+`","password":"pw","type":"user","roles":`+roles+`}`, 201, "")
		p.want(admin, "PUT", "/plain/org.couchdb.user:"+name, `{"name":"`+name+`","type":"user","roles":`+roles+`}`, 201, "")
	}
	write := func(who, db, name, body string) (int, string) {
		path := "/" + db + "/org.couchdb.user:" + name
		if rev := gjson.Get(p.read(path), "_rev"); rev.Exists() {
			body = strings.Replace(body, "{", `{"_rev":"`+rev.String()+`",`, 1)
		}
		w := request(t, p.h, "10.0.0.1", who, "PUT", path, body)
		return w.Code, w.Body.String()
	}
	compare := func(who, name, body string) {
		t.Helper()
		text := strings.Replace(body, `"ID"`, `"`+name+`"`, 1)
		status, got := write(who, "plain", name, text)
		wantStatus, want := write(who, "_users", name, text)
		if status != wantStatus || status >= 400 && got != want {
			t.Errorf("%s writes %s to %s: the server answers %d %s, the function %d %s", who, text, name, wantStatus, want, status, got)
		}
		if name == "ann" && wantStatus == 201 { // who has no password any more
			write(admin, "_users", name, `{"name":"ann","password":"pw","type":"user","roles":[]}`)
		}
	}
	for _, body := range []string{
		`{"name":"ID","type":"user","roles":[]}`, `{"name":"ID","type":"other","roles":[]}`, `{"name":"ID","roles":[]}`,
		`{"type":"user","roles":[]}`, `{"name":"","type":"user","roles":[]}`, `{"name":1,"type":"user","roles":[]}`, `{"name":"ID","type":"user"}`,
		`{"name":"ID","type":"user","roles":"r"}`, `{"name":"ID","type":"user","roles":[1]}`, `{"name":"other","type":"user","roles":[]}`,
		`{"name":"ID","type":"user","roles":["s","r"]}`, `{"name":"ID","type":"user","roles":["r"]}`, `{"name":"ID","type":"user","roles":["_admin"]}`,
		`{"name":"ID","type":"user","roles":["_metrics"]}`, `{"name":"ID","type":"user","roles":[],"password_scheme":"x"}`,
		`{"name":"ID","type":"user","roles":[],"password_scheme":"pbkdf2"}`, `{"name":"ID","type":"user","roles":[],"password_sha":"x"}`,
		`{"name":"ID","type":"user","roles":[],"password_scheme":"pbkdf2","iterations":1}`, `{"_deleted":true}`,
	} {
		compare("boss:pw", "ben", body)
		compare("boss:pw", "new", body)
		if body != `{"_deleted":true}` {
			compare("ann:pw", "ann", body)
		}
	}
	const plain, role = `{"name":"ID","type":"user","roles":[]}`, `{"name":"ID","type":"user","roles":["r"]}`
	compare("kay:pw", "ben", role)
	compare("boss:pw", "_x", plain)
	compare("boss:pw", "a:b", plain)
	compare("", "fresh", role)
	compare("", "fresh", plain)
}

// TestAuthDesignStays: the design document comes back with the next start, and one that was changed meanwhile is asked until then.
func TestAuthDesignStays(t *testing.T) {
	t.Parallel()
	p := openUsersScripts(t)
	const admin = "admin:secret"
	first := p.want(admin, "GET", "/_users/_design/_auth", "", 200, "")
	changed := `{"_rev":"` + gjson.Get(first, "_rev").String() + `","kept":12345678901234567890,"_attachments":{"f":{"data":"Zg=="}},"language":"javascript","validate_doc_update":"function () { throw({forbidden: 'closed'}) }"}`
	p.want(admin, "PUT", "/_users/_design/_auth", changed, 201, "")
	ann := `{"name":"ann","password":"pw","type":"user","roles":[]}`
	p.want(admin, "PUT", userPath("ann"), ann, 403, "closed")
	canceled, cancel := context.WithCancel(t.Context())
	cancel()
	if err := p.h.(*httpd.Server).SetUp(canceled); err != nil {
		t.Errorf("a design document that cannot be written keeps the server from starting: %v", err)
	}
	if err := p.h.(*httpd.Server).SetUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	after := p.want(admin, "GET", "/_users/_design/_auth", "", 200, `"kept":12345678901234567890`)
	p.want(admin, "GET", "/_users/_design/_auth/f", "", 200, "f")
	if gjson.Get(after, "validate_doc_update").String() != gjson.Get(first, "validate_doc_update").String() {
		t.Errorf("the function did not come back: %s", after)
	}
	p.want(admin, "PUT", userPath("ann"), ann, 201, "")
	p.want(admin, "DELETE", "/_users", "", 200, "")
	p.want(admin, "PUT", "/_users", "", 201, "")
	p.want(admin, "GET", "/_users/_design/_auth", "", 200, "doc.type must be user")
}

// read gives a document as the administrator sees it.
func (p *people) read(path string) string {
	w := httptest.NewRecorder()
	r := httptest.NewRequest(http.MethodGet, path, http.NoBody)
	r.SetBasicAuth("admin", "secret")
	p.h.ServeHTTP(w, r)
	return w.Body.String()
}

func encode(t *testing.T, v any) []byte {
	t.Helper()
	raw, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return raw
}
