package httpd_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/adlayer/after/store"
)

// TestLimits sends what is too large, too deep or too much.
func TestLimits(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{MaxDocument: 1000})
	s.want("PUT", "/db", "", http.StatusCreated)
	s.want("PUT", "/db/a", `{"a":"`+strings.Repeat("x", 1100)+`"}`, http.StatusRequestEntityTooLarge)
	bulk := `{"docs":[{"_id":"c"},{"_id":"d","a":"` + strings.Repeat("x", 1100) + `"}]}`
	if got := s.want("POST", "/db/_bulk_docs", bulk, http.StatusRequestEntityTooLarge); !strings.Contains(got, `"reason":"d"`) {
		t.Error(got)
	}
	s.want("GET", "/db/c", "", http.StatusNotFound)
	s.want("PUT", "/db/deep", `{"a":`+strings.Repeat("[", 5000)+strings.Repeat("]", 5000)+`}`, http.StatusBadRequest)
	s.want("PUT", "/db/bad", "{\"a\":\"\xff\"}", http.StatusBadRequest)
	s.want("POST", "/_session", `{"name":"`+strings.Repeat("x", 100<<10)+`"}`, http.StatusRequestEntityTooLarge)
	many := `{"docs":[` + strings.Repeat("{},", 200_000) + `{}]}`
	if got := s.want("POST", "/db/_bulk_docs", many, http.StatusRequestEntityTooLarge); !strings.Contains(got, "max_bulk_docs_count_exceeded") {
		t.Error(got)
	}
	if got := s.want("GET", "/db", "", http.StatusOK); !strings.Contains(got, `"doc_count":0`) {
		t.Error(got)
	}
}

// TestDepth writes the deepest document that there may be both ways: a worker writes back in bulk what a person has PUT.
func TestDepth(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", http.StatusCreated)
	doc := func(id string, levels int) string {
		return `{"_id":"` + id + `","a":` + strings.Repeat("[", levels) + strings.Repeat("]", levels) + `}`
	}
	s.want("PUT", "/db/a", doc("a", 1999), http.StatusCreated)
	s.want("PUT", "/db/a2", doc("a2", 2000), http.StatusBadRequest)
	if got := s.want("POST", "/db/_bulk_docs", `{"docs":[`+doc("b", 1999)+`,`+doc("c", 1999)+`]}`, http.StatusCreated); strings.Contains(got, "error") {
		t.Error(got)
	}
	s.want("POST", "/db/_bulk_docs", `{"docs":[`+doc("d", 2000)+`]}`, http.StatusBadRequest)
}

// TestBulkAllOrNothing sends documents that are wrong in themselves beside good ones: a 400 means that nothing was written.
func TestBulkAllOrNothing(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", http.StatusCreated)
	for _, body := range []string{
		`{"new_edits":false,"docs":[{"_id":"good","_rev":"1-abc"},{"_id":"no-rev"}]}`,
		`{"new_edits":false,"docs":[{"_id":"good","_rev":"1-abc"},{"_id":"_local/x","_rev":"1-abc"}]}`,
		`{"docs":[{"_id":"good"},{"_id":"_local/x","_rev":"1-abc"}]}`,
		`{"docs":[{"_id":"good"},{"_id":"_bad"}]}`,
		`{"docs":[{"_id":"good"},{"_rev":"x"}]}`,
	} {
		s.want("POST", "/db/_bulk_docs", body, http.StatusBadRequest)
		s.want("GET", "/db/good", "", http.StatusNotFound)
	}
}

// TestMissing asks for parts of CouchDB that are not there.
func TestMissing(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", http.StatusCreated)
	s.want("PUT", "/_replicator", "", http.StatusCreated)
	s.want("PUT", "/db/_design/there", `{"views":{"v":{"map":"function(){}"}}}`, http.StatusCreated)
	s.want("GET", "/db/_design/none/_view/v", "", http.StatusNotFound)
	for _, r := range []struct{ method, path, body string }{
		{"GET", "/_utils", ""},
		{"POST", "/_search_analyze", `{"analyzer":"standard","text":"a"}`},
		{"POST", "/_cluster_setup", `{"action":"add_node","host":"b","port":5984,"username":"a","password":"b"}`},
		{"POST", "/_reshard/jobs", `{"type":"split","db":"db"}`},
		{"PUT", "/_replicator/a", `{"source":"a","target":"b"}`},
		{"POST", "/db/_purge", "{}"},
		{"GET", "/db/_partition/p/_all_docs", ""},
		{"PUT", "/other?partitioned=true", ""},
		{"GET", "/db/_design/there/_view/v", ""},
		{"POST", "/db/_design/there/_view/v/queries", `{"queries":[{}]}`},
		{"POST", "/db/_design/there/_update/u", "{}"},
		{"PUT", "/db/_design/there/_update/u/a", "{}"},
		{"GET", "/db/_design/there/_show/s/a", ""},
		{"GET", "/db/_design/there/_list/l/v", ""},
		{"GET", "/db/_design/there/_rewrite/r", ""},
		{"GET", "/db/_design/there/_info", ""},
		{"GET", "/db/_design/there/_search/s", ""},
		{"GET", "/db/_design/there/_nouveau/n", ""},
		{"PUT", "/db/_design/v", `{"validate_doc_update":"function(){}"}`},
	} {
		got := s.want(r.method, r.path, r.body, http.StatusNotImplemented)
		if !strings.HasPrefix(got, `{"error":"not_implemented","reason":"`) {
			t.Errorf("%s %s: %s", r.method, r.path, got)
		}
	}
}

// TestCredentials lets in who it should.
func TestCredentials(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", http.StatusCreated)
	for _, c := range []struct {
		name, password string
		status         int
	}{{"", "", 401}, {"admin", "wrong", 401}, {"nobody", "secret", 401}, {"admin", "secret", 200}, {"admin", "secret", 200}} {
		req, err := http.NewRequest(http.MethodGet, s.url+"/db", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		if c.name != "" {
			req.SetBasicAuth(c.name, c.password)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != c.status {
			t.Errorf("%s:%s got %d instead of %d", c.name, c.password, res.StatusCode, c.status)
		}
	}
}
