package httpd_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/adlayer/after/store/httpd"
)

// people is a server whose _users is open to all, with ann and ben in it.
type people struct {
	t    *testing.T
	h    http.Handler
	revs map[string]string
}

func openUsers(t *testing.T, public ...string) *people {
	t.Helper()
	st := memory(t)
	h := httpd.New(st, httpd.Options{
		Admins: map[string]string{"admin": "secret"}, HashRounds: 10, UsersSecurityEditable: true, PublicFields: public,
	})
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := h.SetUp(t.Context()); err != nil {
		t.Fatal(err)
	}
	p := &people{t: t, h: h, revs: map[string]string{}}
	p.want("admin:secret", "PUT", "/_users/_security", `{"members":{"roles":[]},"admins":{"roles":["_admin"],"names":["boss"]}}`, 200, "")
	for name, roles := range map[string]string{"ann": `[]`, "ben": `["r"]`, "boss": `[]`} {
		body := fmt.Sprintf(`{"name":%q,"password":"pw","type":"user","roles":%s,"town":"of %s"}`, name, roles, name)
		got := p.want("admin:secret", "PUT", userPath(name), body, 201, "")
		var made struct{ Rev string }
		if err := json.Unmarshal([]byte(got), &made); err != nil {
			t.Fatal(err)
		}
		p.revs[name] = made.Rev
	}
	return p
}

func userPath(name string) string { return "/_users/org.couchdb.user:" + name }

// want sends a request and looks for text in the answer.
func (p *people) want(who, method, path, body string, status int, text string) string {
	p.t.Helper()
	w := request(p.t, p.h, "10.0.0.1", who, method, path, body)
	if w.Code != status || !strings.Contains(w.Body.String(), text) {
		p.t.Errorf("%s %s %s as %q: %d instead of %d with %q: %s", method, path, body, who, w.Code, status, text, w.Body)
	}
	return w.Body.String()
}

// TestOthersUsers reads the document of somebody else by every way there is.
func TestOthersUsers(t *testing.T) {
	t.Parallel()
	p := openUsers(t)
	ben, rev := userPath("ben"), p.revs["ben"]
	id := "org.couchdb.user:ben"
	p.want("admin:secret", "PUT", ben+"/photo?rev="+rev, "pixels", 201, "")
	for _, who := range []string{"", "ann:pw"} {
		for _, r := range []struct {
			method, path, body string
			status             int
			text               string
		}{
			{"GET", ben, "", 404, "missing"},
			{"HEAD", ben, "", 404, ""},
			{"GET", ben + "?rev=" + rev, "", 404, "missing"},
			{"GET", ben + "?revs_info=true&conflicts=true", "", 404, "missing"},
			{"GET", ben + "?open_revs=all", "", 404, "missing"},
			{"GET", ben + `?open_revs=["` + rev + `"]`, "", 404, "missing"},
			{"GET", ben + "/photo", "", 404, "missing"},
			{"PUT", ben + "/photo?rev=" + rev, "x", 404, "missing"},
			{"DELETE", ben + "/photo?rev=" + rev, "", 404, "missing"},
			{"DELETE", ben + "?rev=" + rev, "", 404, "missing"},
			{"COPY", ben, "", 404, "missing"},
			{"POST", "/_users/_bulk_get", `{"docs":[{"id":"` + id + `"},{"id":"` + id + `","rev":"` + rev + `"}]}`, 200, "not_found"},
			{"POST", "/_users/_bulk_get?revs=true&attachments=true", `{"docs":[{"id":"` + id + `"}]}`, 200, "not_found"},
			{"POST", "/_users/_revs_diff", `{"` + id + `":["` + rev + `"]}`, 200, `"missing":["` + rev + `"]}`},
			{"POST", "/_users/_missing_revs", `{"` + id + `":["` + rev + `"]}`, 200, `["` + rev + `"]`},
			{"GET", "/_users/_all_docs", "", 401, "You are not a server admin."},
			{"POST", "/_users/_all_docs", `{"keys":["` + id + `"]}`, 401, "You are not a server admin."},
			{"POST", "/_users/_all_docs/queries", `{"queries":[{}]}`, 401, "You are not a server admin."},
			{"GET", "/_users/_changes?include_docs=true", "", 401, "You are not a server admin."},
			{"POST", "/_users/_changes?filter=_doc_ids", `{"doc_ids":["` + id + `"]}`, 401, "You are not a server admin."},
			{"POST", "/_users/_find", `{"selector":{}}`, 401, "You are not a server admin."},
			{"POST", "/_users/_explain", `{"selector":{}}`, 401, "You are not a server admin."},
			{"GET", "/_users/_index", "", 401, "You are not a server admin."},
			{"GET", "/_users/_design_docs", "", 401, "You are not a server admin."},
			{"GET", "/_users/_local_docs", "", 401, "You are not a server admin."},
			{"GET", "/_users/_design/_auth", "", 403, "Only administrators can view design docs in the users database."},
			{"GET", "/_users", "", 200, `"doc_count":4`},
		} {
			req := httptest.NewRequest(r.method, r.path, strings.NewReader(r.body))
			if who != "" {
				req.SetBasicAuth("ann", "pw")
			}
			req.Header.Set("Content-Type", "application/json")
			req.Header.Set("Destination", "org.couchdb.user:ann2")
			w := httptest.NewRecorder()
			p.h.ServeHTTP(w, req)
			if got := w.Body.String(); w.Code != r.status || !strings.Contains(got, r.text) {
				t.Errorf("%s %s as %q: %d instead of %d with %q: %s", r.method, r.path, who, w.Code, r.status, r.text, got)
			} else if strings.Contains(got, "derived_key") || strings.Contains(got, "town") {
				t.Errorf("%s %s as %q shows the document: %s", r.method, r.path, who, got)
			}
		}
	}
	p.want("boss:pw", "GET", ben, "", 200, "derived_key") // an administrator of the database
	p.want("boss:pw", "POST", "/_users/_find", `{"selector":{}}`, 200, "derived_key")
	p.want("boss:pw", "GET", "/_users/_all_docs", "", 401, "You are not a server admin.")
}

// TestOwnUser reads and writes the own document.
func TestOwnUser(t *testing.T) {
	t.Parallel()
	p := openUsers(t)
	ann := userPath("ann")
	doc := func(rev, name, more string) string {
		return fmt.Sprintf(`{"_rev":%q,"name":%q,"password":"new","type":"user"%s}`, rev, name, more)
	}
	p.want("ann:pw", "GET", ann, "", 200, "derived_key")
	p.want("ann:pw", "GET", ann+"?open_revs=all", "", 200, "derived_key")
	p.want("ann:pw", "POST", "/_users/_bulk_get", `{"docs":[{"id":"org.couchdb.user:ann"}]}`, 200, "derived_key")
	p.want("ann:pw", "PUT", ann, doc(p.revs["ann"], "ann", `,"roles":["boss"]`), 403, "Only _admin may edit roles")
	p.want("ann:pw", "PUT", ann, doc(p.revs["ann"], "ann", `,"roles":["_admin"]`), 403, "Only _admin may edit roles")
	p.want("ann:pw", "PUT", ann, doc(p.revs["ann"], "ben", `,"roles":[]`), 403, "Doc ID must be")
	p.want("ann:pw", "PUT", userPath("ben"), doc(p.revs["ben"], "ben", `,"roles":["r"]`), 404, "missing")
	p.want("ann:pw", "PUT", userPath("cid"), `{"name":"cid","type":"user","roles":[]}`, 404, "missing")
	p.want("ann:pw", "PUT", "/_users/_design/d", `{}`, 403, "You are not a db or server admin.")
	p.want("ann:pw", "POST", "/_users/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"org.couchdb.user:ann","_rev":"9-a","name":"ann","type":"user","roles":["boss"]}]}`,
		201, "Only _admin may set roles")
	p.want("ann:pw", "POST", "/_users/_bulk_docs", `{"docs":[{"_id":"org.couchdb.user:ben","name":"ben","type":"user","roles":[]},`+
		strings.Replace(doc(p.revs["ann"], "ann", `,"roles":[]`), "{", `{"_id":"org.couchdb.user:ann",`, 1)+`]}`, 201, `"not_found"`)
	p.want("ann:pw", "GET", ann, "", 401, "incorrect")
	p.want("ann:new", "GET", ann, "", 200, `"roles":[]`)
	// What is spelled otherwise is no role.
	got := p.want("ann:new", "GET", ann, "", 200, "")
	var now struct {
		Rev string `json:"_rev"`
	}
	if err := json.Unmarshal([]byte(got), &now); err != nil {
		t.Fatal(err)
	}
	p.want("ann:new", "PUT", ann, doc(now.Rev, "ann", `,"roles":[],"Roles":["_admin"],"ROLES":["_admin"]`), 201, "")
	p.want("ann:new", "GET", "/_session", "", 200, `"roles":[]`)

	p.want("", "PUT", userPath("dan"), `{"name":"dan","password":"x","type":"user","roles":[]}`, 201, "")
	p.want("", "PUT", userPath("dan"), `{"name":"dan","password":"y","type":"user","roles":[]}`, 409, "conflict")
	p.want("", "PUT", userPath("eve"), `{"name":"eve","password":"y","type":"user","roles":["r"]}`, 403, "Only _admin may set roles")
	p.want("", "PUT", userPath("eve"), `{"name":"eve","password":"y","type":"user","roles":[null]}`, 403, "doc.roles can only contain strings")
	p.want("", "PUT", userPath("_x"), `{"name":"_x","password":"y","type":"user","roles":[]}`, 403, "Username may not start with underscore.")
	p.want("", "PUT", userPath("a:b"), `{"name":"a:b","password":"y","type":"user","roles":[]}`, 403, "Character `:` is not allowed in usernames.")
	p.want("", "PUT", userPath("ben"), doc(p.revs["ben"], "ben", `,"roles":["r"]`), 403, "You may only update your own user document.")
	p.want("", "POST", "/_users/_bulk_docs", `{"docs":[{"_id":"org.couchdb.user:ben","_rev":"`+p.revs["ben"]+`","_deleted":true}]}`, 201, "Only admins may delete other user docs.")
	p.want("ben:pw", "DELETE", userPath("ben")+"?rev="+p.revs["ben"], "", 200, "")
	p.want("ben:pw", "GET", "/_session", "", 401, "incorrect")
}

// TestPublicFields shows chosen fields of other users.
func TestPublicFields(t *testing.T) {
	t.Parallel()
	p := openUsers(t, "name", "town", "phone")
	ben := userPath("ben")
	for _, path := range []string{ben, ben + "?rev=" + p.revs["ben"], ben + "?open_revs=all", ben + "?revs=true"} {
		if got := p.want("ann:pw", "GET", path, "", 200, `"town":"of ben"`); strings.Contains(got, "derived_key") || strings.Contains(got, `"type"`) {
			t.Errorf("%s: %s", path, got)
		}
	}
	if got := p.want("", "POST", "/_users/_bulk_get", `{"docs":[{"id":"org.couchdb.user:ben"}]}`, 200, `"town":"of ben"`); strings.Contains(got, "salt") {
		t.Error(got)
	}
	p.want("ann:pw", "PUT", ben+"/photo?rev="+p.revs["ben"], "x", 404, "missing")
	p.want("admin:secret", "PUT", ben+"/photo?rev="+p.revs["ben"], "x", 201, "")
	p.want("ann:pw", "GET", ben+"/photo", "", 404, "missing attachment")
	p.want("ann:pw", "GET", userPath("ann"), "", 200, "derived_key")
	p.want("ann:pw", "GET", "/_users/_all_docs?include_docs=true", "", 401, "")
}

// TestReplicatorDocuments: a document of _replicator would be kept and do nothing.
func TestReplicatorDocuments(t *testing.T) {
	t.Parallel()
	p := openUsers(t)
	const what = `"error":"not_implemented"`
	p.want("admin:secret", "PUT", "/_replicator/a", `{"source":"a","target":"b"}`, 501, what)
	p.want("admin:secret", "POST", "/_replicator", `{"source":"a","target":"b"}`, 501, what)
	p.want("admin:secret", "POST", "/_replicator/_bulk_docs", `{"docs":[{"_id":"a"},{"_id":"_design/d"}]}`, 201, what)
	p.want("admin:secret", "PUT", "/_replicator/_design/e", `{}`, 201, "")
	p.want("admin:secret", "GET", "/_replicator", "", 200, `"doc_count":2`)
	p.want("", "GET", "/_replicator/_changes", "", 401, "You are not a server admin.")
}

// TestRefusedBeforeMissing: who may not ask is not told that something is not there.
func TestRefusedBeforeMissing(t *testing.T) {
	t.Parallel()
	p := openUsers(t)
	p.want("admin:secret", "PUT", "/db", "", 201, "")
	p.want("admin:secret", "PUT", "/db/_security", `{}`, 200, "")
	for _, path := range []string{"/_cluster_setup", "/_reshard", "/_nonsense", "/_node/_local/_config", "/_global_changes", "/_search_analyze"} {
		for _, who := range []string{"", "ann:pw"} {
			p.want(who, "GET", path, "", 401, "You are not a server admin.")
		}
	}
	p.want("ann:pw", "POST", "/db/_purge", `{}`, 401, "You are not a server admin.")
	p.want("ann:pw", "PUT", "/db/_purged_infos_limit", `5`, 401, "You are not a server admin.")
	p.want("", "GET", "/_up", "", 200, "")
}

// TestPasswordRules: a setting that is none lets nobody have a new password, and says nothing of itself to whoever wants one.
func TestPasswordRules(t *testing.T) {
	t.Parallel()
	p := openUsers(t)
	const at = "/_node/_local/_config/chttpd_auth/password_regexp"
	user := func(name, password string) string {
		return fmt.Sprintf(`{"name":%q,"password":%q,"type":"user","roles":[]}`, name, password)
	}
	for i, bad := range []string{
		`[`, `[A-Z]`, `{"a","b"}`, `["a"`, `["a" "b"]`, `["a",]`, `[{"a","b"]`, `[{"a","b","c"}]`, `["a]`, `["("]`, `["a"] x`, `["(?R)"]`, `[5]`, `"a"`,
	} {
		p.want("admin:secret", "PUT", at, fmt.Sprintf("%q", bad), 200, "")
		name := fmt.Sprintf("bad%d", i)
		p.want("admin:secret", "PUT", userPath(name), user(name, "Aa1"), 403, `"Server cannot hash passwords at this time."`)
	}
	p.want("ann:pw", "GET", userPath("ann"), "", 200, "") // who has one keeps it
	for i, good := range []string{``, `[]`, ` [ ] . `, `["A"].`, `[{"A"}, {"a", "why"} , "1"]`, `["^\\w+$", "\\d"]`} {
		p.want("admin:secret", "PUT", at, fmt.Sprintf("%q", good), 200, "")
		name := fmt.Sprintf("good%d", i)
		p.want("admin:secret", "PUT", userPath(name), user(name, "Aa1"), 201, "")
	}
	p.want("admin:secret", "PUT", userPath("bulk"), user("bulk", "a b"), 400, "does not conform")
	p.want("admin:secret", "POST", "/_users/_bulk_docs", `{"docs":[`+
		strings.Replace(user("one", "a b"), "{", `{"_id":"org.couchdb.user:one",`, 1)+`,`+
		strings.Replace(user("two", "b2"), "{", `{"_id":"org.couchdb.user:two",`, 1)+`]}`, 201, "does not conform")
	p.want("two:b2", "GET", "/_session", "", 200, `"two"`)
}
