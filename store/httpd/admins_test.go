package httpd_test

import (
	"crypto/pbkdf2"
	"crypto/sha1"
	"crypto/sha512"
	"fmt"
	"maps"
	"net/http"
	"testing"

	"github.com/adlayer/after/store/httpd"
)

// TestAdminHashes takes administrators' passwords in every form that a CouchDB's configuration has.
func TestAdminHashes(t *testing.T) {
	t.Parallel()
	old, err := pbkdf2.Key(sha1.New, "pw", []byte("salt"), 10, sha1.Size)
	if err != nil {
		t.Fatal(err)
	}
	long, err := pbkdf2.Key(sha512.New, "pw", []byte("salt"), 10, sha512.Size)
	if err != nil {
		t.Fatal(err)
	}
	simple := sha1.Sum([]byte("pwsalt"))
	admins := map[string]string{
		"plain":  "pw",
		"old":    fmt.Sprintf("-pbkdf2-%x,salt,10", old),
		"sha":    fmt.Sprintf("-pbkdf2:sha-%x,salt,10", old),
		"sha512": fmt.Sprintf("-pbkdf2:sha512-%x,salt,10", long),
		"simple": fmt.Sprintf("-hashed-%x,salt", simple),
	}
	broken := map[string]string{
		"unknown": fmt.Sprintf("-pbkdf2:md5-%x,salt,10", old), "short": "-pbkdf2-,salt,10", "rounds": fmt.Sprintf("-pbkdf2-%x,salt,0", old),
		"many": fmt.Sprintf("-pbkdf2-%x,salt,99999999999", old), "hex": "-pbkdf2-xyz,salt,10", "parts": "-hashed-", "half": "-pbkdf2",
	}
	all := map[string]string{}
	for _, list := range []map[string]string{admins, broken} {
		maps.Copy(all, list)
	}
	h := httpd.New(memory(t), httpd.Options{Admins: all, HashRounds: 10})
	defer h.Close()
	want := func(name, password string, status int) {
		t.Helper()
		if w := request(t, h, "10.0.0.1", name+":"+password, http.MethodGet, "/_all_dbs", ""); w.Code != status {
			t.Errorf("%s with %q: %d instead of %d: %s", name, password, w.Code, status, w.Body)
		}
	}
	for name, password := range admins {
		want(name, "pw", 200)
		want(name, "wrong", 401)
		want(name, "", 401)
		if password != "pw" {
			want(name, password, 401) // the hash is no password
		}
	}
	for name, password := range broken {
		want(name, "pw", 401)
		want(name, password, 401)
		want(name, "", 401)
	}
}

// TestConflictingUser: which of two passwords is the right one, nobody knows.
func TestConflictingUser(t *testing.T) {
	t.Parallel()
	p := openUsers(t)
	p.want("ann:pw", "GET", "/_session", "", 200, `"ann"`)
	p.want("admin:secret", "POST", "/_users/_bulk_docs",
		`{"new_edits":false,"docs":[{"_id":"org.couchdb.user:ann","_rev":"1-abc","name":"ann","type":"user","roles":[],"password":"other"}]}`, 201, "")
	for _, password := range []string{"pw", "other"} {
		p.want("ann:"+password, "GET", "/_session", "", 401, "User document conflicts must be resolved")
	}
}

// TestAskedToLogIn: clients that want the browser to ask for a password say so.
func TestAskedToLogIn(t *testing.T) {
	t.Parallel()
	p := openUsers(t)
	p.want("", "GET", "/_session?basic=true", "", 401, "Please login.")
	p.want("ann:pw", "GET", "/_session?basic=true", "", 200, `"ann"`)
	p.want("", "GET", "/_session", "", 200, `"name":null`)
}
