package httpd_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/tidwall/gjson"

	"github.com/adlayer/after/store"
)

// TestSettings changes settings: they act at once, answer what they were, and last as long as they should.
func TestSettings(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	t.Run("first", func(t *testing.T) {
		s := start(t, store.Options{FS: fs})
		const at = "/_node/_local/_config/"
		s.equal("GET", at+"couchdb/max_document_size", "", 200, `"8000000"`)
		s.equal("DELETE", at+"couchdb/max_document_size", "", 404, `{"error":"not_found","reason":"unknown_config_value"}`) // nobody set it
		s.equal("GET", at+"couchdb/file_compression", "", 404, `{"error":"not_found","reason":"unknown_config_value"}`)
		s.equal("PUT", at+"couchdb/max_document_size", `" 100 "`, 200, `""`)
		s.equal("PUT", at+"couchdb/max_document_size", `"40"`, 200, `"100"`)
		s.equal("GET", at+"couchdb/max_document_size", "", 200, `"40"`)
		couchdb := gjson.Parse(s.want("GET", at+"couchdb", "", 200))
		if couchdb.Get("max_document_size").String() != "40" || couchdb.Get("uuid").String() != s.st.UUID() {
			t.Error(couchdb)
		}
		s.want("PUT", "/db?q=3", "", 201)
		s.want("PUT", "/db/a", `{"text":"`+strings.Repeat("x", 40)+`"}`, 413)
		s.want("PUT", "/db/a", `{"text":"x"}`, 201)
		s.equal("DELETE", at+"couchdb/max_document_size", "", 200, `"40"`)
		s.want("DELETE", at+"couchdb/max_document_size", "", 404)
		s.want("PUT", "/db/b", `{"text":"`+strings.Repeat("x", 40)+`"}`, 201)

		s.want("PUT", at+"couchdb/max_document_id_length", `"3"`, 200)
		s.equal("PUT", "/db/long", `{}`, 400, `{"error":"illegal_docid","reason":"Document id is too long"}`)
		s.want("POST", "/db/_bulk_docs", `{"docs":[{"_id":"ok"},{"_id":"long"}]}`, 400)
		s.want("GET", "/db/ok", "", 404)
		s.want("DELETE", at+"couchdb/max_document_id_length", "", 200)

		s.want("PUT", at+"couchdb/max_bulk_docs_count", `"1"`, 200)
		s.equal("POST", "/db/_bulk_docs", `{"docs":[{},{}]}`, 413, `{"error":"max_bulk_docs_count_exceeded","reason":"1"}`)
		s.want("PUT", at+"couchdb/max_bulk_get_count", `"1"`, 200)
		s.equal("POST", "/db/_bulk_get", `{"docs":[{"id":"a"},{"id":"b"}]}`, 413, `{"error":"max_bulk_get_count_exceeded","reason":"1"}`)
		s.want("PUT", at+"chttpd/max_http_request_size", `"30"`, 200)
		s.equal("PUT", "/db/c", `{"text":"`+strings.Repeat("x", 40)+`"}`, 413, `{"error":"too_large","reason":"the request entity is too large"}`)
		s.want("DELETE", at+"chttpd/max_http_request_size", "", 200)
		s.want("PUT", at+"couchdb/max_attachment_size", `"5"`, 200)
		s.want("PUT", "/db/c/file", `123456`, 413)
		s.want("GET", "/db/c", "", 404)

		s.want("PUT", at+"own/key", `"kept"`, 200)
		s.want("PUT", at+"own/bad", `5`, 400)
		s.want("PUT", at+"own/bad", `"two\nlines"`, 400)
		s.want("PUT", at+"own/bad", `x`, 400)
		s.want("PUT", at+"daemons/x", `"y"`, 403)
		s.want("POST", at+"own/key", `"y"`, 405)
		s.want("GET", at+"own/key/more", "", 404)
		s.equal("GET", at+"nothing", "", 200, `{}`)

		request, err := http.NewRequest(http.MethodPut, s.url+at+"own/lost", strings.NewReader(`"soon"`))
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth("admin", "secret")
		request.Header.Set("X-Couch-Persist", "false")
		res, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		s.equal("GET", at+"own", "", 200, `{"key":"kept","lost":"soon"}`)
	})
	s := start(t, store.Options{FS: fs})
	s.equal("GET", "/_node/_local/_config/own", "", 200, `{"key":"kept"}`)
	s.want("PUT", "/db/c/file", `123456`, 413)
	if q := gjson.Get(s.want("GET", "/db", "", 200), "cluster.q").Int(); q != 3 {
		t.Errorf("q is %d", q)
	}
	s.want("PUT", "/_node/_local/_config/own/key", `"other"`, 200)
	s.want("POST", "/_node/_local/_config/_reload", "", 200)
	s.equal("GET", "/_node/_local/_config/own", "", 200, `{"key":"other"}`)
}

// TestInfiniteSettings: what is set to be without a bound does not turn into the opposite.
func TestInfiniteSettings(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	for _, at := range []string{
		"couchdb/max_document_size", "couchdb/max_attachment_size", "couchdb/max_document_id_length", "couchdb/max_bulk_docs_count",
		"couchdb/max_bulk_get_count", "chttpd/max_http_request_size", "chttpd_auth/timeout", "cors/max_age", "cluster/q",
	} {
		s.want("PUT", "/_node/_local/_config/"+at, `"infinity"`, 200)
	}
	s.want("PUT", "/db", "", 201)
	s.want("PUT", "/db/a/file", "123456", 201)
	s.want("POST", "/db/_bulk_docs", `{"docs":[{"_id":"b"},{"_id":"c"}]}`, 201)
	s.want("POST", "/db/_bulk_get", `{"docs":[{"id":"b"},{"id":"c"}]}`, 200)
	if ranges := gjson.Get(s.want("GET", "/db/_shards", "", 200), "shards|@keys|#").Int(); ranges != 4096 {
		t.Errorf("%d ranges", ranges)
	}
	res := s.open(t.Context(), "POST", "/_session", `{"name":"admin","password":"secret"}`)
	res.Body.Close()
	request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/_all_dbs", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	for _, cookie := range res.Cookies() {
		request.AddCookie(cookie)
	}
	if res, err = http.DefaultClient.Do(request); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		t.Errorf("a session without an end gets %d", res.StatusCode)
	}
}

// equal asks for an answer as it must be.
func (s *server) equal(method, path, body string, status int, want string) {
	s.t.Helper()
	if got := s.want(method, path, body, status); got != want {
		s.t.Errorf("%s %s: got %s instead of %s", method, path, got, want)
	}
}

// TestAdministrators makes and removes one over HTTP.
func TestAdministrators(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	const at = "/_node/_local/_config/admins"
	boss := func(s *server, password string, status int) {
		t.Helper()
		request, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/_all_dbs", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		request.SetBasicAuth("boss", password)
		res, err := http.DefaultClient.Do(request)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != status {
			t.Fatalf("boss:%s gets %d, not %d", password, res.StatusCode, status)
		}
	}
	t.Run("first", func(t *testing.T) {
		s := start(t, store.Options{FS: fs})
		boss(s, "one", 401)
		s.equal("PUT", at+"/boss", `"one"`, 200, `""`)
		boss(s, "one", 200)
		hash := s.want("GET", at+"/boss", "", 200)
		if !strings.HasPrefix(hash, `"-pbkdf2:sha256-`) || strings.Contains(hash, "one") {
			t.Fatalf("the password is kept as %s", hash)
		}
		s.equal("PUT", at+"/boss", `"two"`, 200, hash)
		boss(s, "one", 401)
		boss(s, "two", 200)
		s.want("PUT", at+"/admin", `"other"`, 403)
		s.want("DELETE", at+"/admin", "", 403)
		if all := s.want("GET", "/_node/_local/_config", "", 200); strings.Contains(all, `"secret"`) || !gjson.Get(all, "admins.admin").Exists() {
			t.Fatal(all)
		}
	})
	s := start(t, store.Options{FS: fs})
	boss(s, "two", 200)
	s.want("DELETE", at+"/boss", "", 200)
	boss(s, "two", 401)
}

// TestNode asks a node about itself.
func TestNode(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.equal("GET", "/_node/_local", "", 200, `{"name":"after@127.0.0.1"}`)
	s.equal("GET", "/_node", "", 400, `{"error":"bad_request","reason":"Incomplete path to _node request"}`)
	s.equal("GET", "/_node/other@host", "", 404, `{"error":"not_found","reason":"no such node: other@host"}`)
	s.want("GET", "/_node/_local/_versions", "", 200)
	if system := s.want("GET", "/_node/_local/_system", "", 200); !gjson.Get(system, "uptime").Exists() {
		t.Error(system)
	}
	s.want("GET", "/_no_such_database", "", 404)
	const missing = "couchdb/httpd_status_codes/404"
	before := gjson.Get(s.want("GET", "/_node/_local/_stats/"+missing, "", 200), "value").Int()
	s.want("GET", "/_no_such_database", "", 404)
	all := s.want("GET", "/_node/after@127.0.0.1/_stats", "", 200)
	if after := gjson.Get(all, strings.ReplaceAll(missing, "/", ".")+".value").Int(); after != before+1 || before < 1 {
		t.Errorf("404 was counted %d times, then %d times", before, after)
	}

	s.equal("GET", "/_reshard/state", "", 200, `{"state":"running","reason":null}`)
	s.want("PUT", "/_node/_local/_config/couchdb/maintenance_mode", `"true"`, 200)
	s.equal("GET", "/_up", "", 404, `{"status":"maintenance_mode"}`)
}
