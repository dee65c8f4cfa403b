package httpd_test

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/store"
)

// bad is a request that must be refused. Its path is below the database unless it begins with two slashes.
type bad struct {
	method, path, body string
	status             int
	name               string // of the error
	header             string // "Name: value"
}

func badBodies() []bad {
	deep := strings.Repeat(`[`, 5000)
	long := `{"text":"` + strings.Repeat("x", 2000) + `"}`
	var list []bad
	for _, body := range []string{
		"", "{", "}", "nul", "tru", `{"a":}`, `{"a" 1}`, `{"a":1,}`, `{,}`, `[1,2`, `{'a':1}`, `{"a":1}x`, "{\"a\":\"\xff\"}", "\xef\xbb\xbf{}",
		"\x00", `{"a":01}`, `{"a":+1}`, `{"a":.5}`, `{"a":1e400}`, `{"a":-1e400}`, `{"a":NaN}`, `{"a":"\x"}`, `{"a":"\u12"}`, "{\"a\":\"\n\"}",
		`{"a":` + deep, `{"a":` + deep + strings.Repeat(`]`, 5000) + `}`, strings.Repeat(`{"a":`, 5000),
	} {
		list = append(list,
			bad{"PUT", "/a", body, 400, "bad_request", ""},
			bad{"POST", "", body, 400, "bad_request", ""},
			bad{"POST", "/_bulk_docs", `{"docs":[{"_id":"good"},` + body, 400, "bad_request", ""},
		)
	}
	for _, path := range []string{"/_bulk_docs", "/_bulk_get", "/_revs_diff", "/_missing_revs", "/_find", "/_index", "/_all_docs", "/_changes"} {
		for _, body := range []string{"{", "[]", `"text"`, "5", "{}x", strings.Repeat("[", 100_000)} {
			list = append(list, bad{"POST", path, body, 400, "bad_request", ""})
		}
	}
	return append(list,
		bad{"PUT", "/a", "[]", 400, "bad_request", ""},
		bad{"PUT", "/a", `"text"`, 400, "bad_request", ""},
		bad{"PUT", "/a", "5", 400, "bad_request", ""},
		bad{"PUT", "/a", long, 413, "document_too_large", ""},
		bad{"POST", "/_bulk_docs", `{"docs":[{"_id":"good"},` + long + `]}`, 413, "document_too_large", ""},
		bad{"PUT", "/a", strings.Repeat(" ", 200_000) + "{}", 413, "too_large", ""},
		bad{"POST", "/_bulk_docs", `{"docs":[` + strings.Repeat(`{},`, 20) + `{}]}`, 413, "max_bulk_docs_count_exceeded", ""},
		bad{"POST", "/_bulk_get", `{"docs":[` + strings.Repeat(`{},`, 20) + `{}]}`, 413, "max_bulk_get_count_exceeded", ""},
		bad{"PUT", "/a/file", strings.Repeat("x", 101), 413, "attachment_too_large", ""},
		bad{"PUT", "/a", `{"_attachments":{"f":{"data":"` + strings.Repeat("AAAA", 40) + `"}}}`, 413, "attachment_too_large", ""},
	)
}

func badDocuments() []bad {
	docs := map[string]string{
		`{"_id":"_x"}`: "illegal_docid", `{"_id":5}`: "illegal_docid", `{"_id":""}`: "illegal_docid", `{"_id":"_design/"}`: "illegal_docid",
		`{"_id":"12345678901234567890123456789012345678901"}`: "illegal_docid",
		`{"_rev":"x"}`: "bad_request", `{"_rev":"1-"}`: "", `{"_rev":5}`: "bad_request", `{"_rev":"-1-a"}`: "bad_request", `{"_rev":"1.5-a"}`: "bad_request",
		`{"_revisions":5}`: "doc_validation", `{"_revisions":{"start":1,"ids":["a","b"]}}`: "doc_validation",
		`{"_revisions":{"start":-1,"ids":["a"]}}`: "doc_validation", `{"_revisions":{"start":"1","ids":["a"]}}`: "doc_validation",
		`{"_deleted":"yes"}`: "doc_validation", `{"_unknown":1}`: "doc_validation", `{"\u005funknown":1}`: "doc_validation",
		`{"_attachments":[]}`: "doc_validation", `{"_attachments":{"_f":{"data":""}}}`: "bad_request",
		`{"_attachments":{"f":{"data":"*"}}}`: "bad_request", `{"_attachments":{"f":{"data":5}}}`: "", `{"_attachments":{"f":{}}}`: "",
		`{"_attachments":{"f":{"follows":true,"length":5}}}`: "",
	}
	var list []bad
	for doc, name := range docs {
		if strings.HasPrefix(doc, `{"_id"`) {
			list = append(list, bad{"POST", "", doc, 400, name, ""})
		} else {
			list = append(list, bad{"PUT", "/a", doc, 400, name, ""})
		}
		if !strings.Contains(doc, "follows") {
			list = append(list, bad{"POST", "/_bulk_docs", `{"docs":[{"_id":"good"},` + doc + `]}`, 400, name, ""})
		}
	}
	return append(list,
		bad{"PUT", "/a", `{"_attachments":{"f":{"stub":true}}}`, 412, "missing_stub", ""},
		bad{"POST", "/_bulk_docs", `{"docs":5}`, 400, "bad_request", ""},
		bad{"POST", "/_bulk_docs", `{"docs":[5]}`, 400, "bad_request", ""},
		bad{"POST", "/_bulk_docs", `{"docs":[],"new_edits":"no"}`, 400, "bad_request", ""},
		bad{"POST", "/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"good"}]}`, 400, "bad_request", ""},
		bad{"POST", "/_revs_diff", `{"a":["x"]}`, 400, "bad_request", ""},
		bad{"POST", "/_revs_diff", `{"a":"1-a"}`, 400, "bad_request", ""},
		bad{"POST", "/_bulk_get", `{"docs":{}}`, 400, "bad_request", ""},
		bad{"POST", "/_bulk_get", `{"docs":[{"id":5}]}`, 400, "bad_request", ""},
		bad{"PUT", "/_security", `[]`, 400, "bad_request", ""},
		bad{"PUT", "/_security", `{"admins":{"names":"a"}}`, 400, "bad_request", ""},
		bad{"PUT", "/_revs_limit", `-1`, 400, "bad_request", ""},
		bad{"PUT", "/_revs_limit", `99999999999999999999`, 400, "bad_request", ""},
	)
}

func badHeads() []bad {
	return []bad{
		{"POST", "", "{}", 415, "bad_content_type", "Content-Type: text/plain"},
		{"POST", "/_bulk_docs", "{}", 415, "bad_content_type", "Content-Type: text/plain"},
		{"PUT", "/a", "{}", 415, "bad_content_type", "Content-Encoding: br"},
		{"PUT", "/a", "{}", 400, "bad_request", "Content-Encoding: gzip"},
		{"PUT", "/a/file", "x", 415, "bad_content_type", "Content-Encoding: br"},
		{"PUT", "/a", "{}", 400, "bad_request", "If-Match: x"},
		{"PUT", "/a", "{}", 400, "bad_request", "Content-Type: multipart/related"},
		{"PUT", "/a", "{}", 400, "bad_request", `Content-Type: multipart/related; boundary="b"`},
		{"PUT", "/a", "--b\r\n\r\n{", 400, "bad_request", `Content-Type: multipart/related; boundary="b"`},
		{"PUT", "/a", part(`{"_attachments":{"f":{"follows":true,"length":9}}}`, "short"), 400, "bad_request", multipartRelated},
		{"PUT", "/a", part(`{"_attachments":{"f":{"follows":true,"length":1}}}`, "long"), 400, "bad_request", multipartRelated},
		{
			"PUT", "/a", part(`{"_attachments":{"f":{"follows":true,"length":4,"digest":"md5-AAAAAAAAAAAAAAAAAAAAAA=="}}}`, "text"), 400, "",
			multipartRelated,
		},
		{"PUT", "/a?rev=x", "{}", 400, "bad_request", ""},
		{"GET", "/a?rev=x", "", 400, "bad_request", ""},
		{"DELETE", "/a?rev=x", "", 404, "not_found", ""},
		{"DELETE", "/there?rev=x", "", 400, "bad_request", ""},
		{"GET", "/a?open_revs=x", "", 400, "bad_request", ""},
		{"GET", "/a?open_revs=[5]", "", 400, "bad_request", ""},
		{"GET", "/a?atts_since=x", "", 400, "bad_request", ""},
		{"PUT", "/_x", "{}", 400, "illegal_docid", ""},
		{"PUT", "/%ff", "{}", 400, "illegal_docid", ""},
		{"PUT", "/a/_f", "x", 400, "bad_request", ""},
		{"PUT", "/a/%ff", "x", 400, "bad_request", ""},
		{"PUT", "/_local/", "{}", 400, "", ""},
		{"PUT", "/_local/a/file", "x", 400, "bad_request", ""},
		{"PUT", "//Upper", "", 400, "illegal_database_name", ""},
		{"PUT", "//_bad", "", 400, "illegal_database_name", ""},
		{"PUT", "//" + strings.Repeat("a", 300), "", 400, "", ""},
		{"PUT", "//x?q=0", "", 400, "bad_request", ""},
		{"PUT", "//x?q=99999999999", "", 400, "bad_request", ""},
		{"COPY", "/a", "", 400, "bad_request", ""},
		{"COPY", "/a", "", 400, "bad_request", "Destination: http://other/x"},
		{"COPY", "/a", "", 400, "illegal_docid", "Destination: _x"},
		{"GET", "/_all_docs?limit=a", "", 400, "query_parse_error", ""},
		{"GET", "/_all_docs?limit=99999999999999999999", "", 400, "query_parse_error", ""},
		{"GET", "/_all_docs?skip=-1", "", 400, "query_parse_error", ""},
		{"GET", "/_all_docs?descending=x", "", 400, "query_parse_error", ""},
		{"GET", "/_all_docs?startkey={", "", 400, "bad_request", ""},
		{"GET", "/_all_docs?keys=5", "", 400, "bad_request", ""},
		{"GET", "/_all_docs?%zz=1", "", 400, "", ""},
		{"GET", "/_changes?limit=a", "", 400, "bad_request", ""},
		{"GET", "/_changes?since=a", "", 400, "bad_request", ""},
		{"GET", "/_changes?since=-1", "", 400, "bad_request", ""},
		{"GET", "/_changes?since=99999999999999999999999-a", "", 400, "bad_request", ""},
		{"GET", "/_changes?heartbeat=0", "", 400, "bad_request", ""},
		{"GET", "/_changes?timeout=a", "", 400, "bad_request", ""},
		{"GET", "/_changes?feed=x", "", 400, "bad_request", ""},
		{"GET", "/_changes?style=x", "", 400, "bad_request", ""},
		{"GET", "/_changes?filter=_x", "", 400, "bad_request", ""},
		{"GET", "/_changes?filter=_doc_ids&doc_ids=5", "", 400, "bad_request", ""},
		{"PATCH", "/a", "{}", 405, "method_not_allowed", ""},
	}
}

const multipartRelated = `Content-Type: multipart/related; boundary="b"`

// part is a document with the content of an attachment behind it.
func part(doc, content string) string {
	return "--b\r\nContent-Type: application/json\r\n\r\n" + doc + "\r\n--b\r\n\r\n" + content + "\r\n--b--"
}

// TestBadInput sends what no server may choke on. Each request is refused in CouchDB's form, nothing of it is written, and the server goes on.
func TestBadInput(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	for key, value := range map[string]string{
		"couchdb/max_document_size": "1000", "couchdb/max_attachment_size": "100", "couchdb/max_document_id_length": "40",
		"couchdb/max_bulk_docs_count": "10", "couchdb/max_bulk_get_count": "10", "chttpd/max_http_request_size": "200000",
	} {
		s.want("PUT", "/_node/_local/_config/"+key, `"`+value+`"`, 200)
	}
	s.want("PUT", "/db/there", "{}", 201)
	before := s.want("GET", "/db", "", 200)
	for _, b := range append(append(badBodies(), badDocuments()...), badHeads()...) {
		s.refuses(b)
	}
	after := s.want("GET", "/db", "", 200)
	for _, path := range []string{"update_seq", "doc_count", "doc_del_count"} {
		if was, is := gjson.Get(before, path).String(), gjson.Get(after, path).String(); was != is {
			t.Errorf("%s was %s, and is %s", path, was, is)
		}
	}
	s.equal("GET", "/_all_dbs", "", 200, `["db"]`)
	s.want("PUT", "/db/good", `{"a":1}`, 201)
}

func (s *server) refuses(b bad) {
	s.t.Helper()
	target := "/db" + b.path
	if strings.HasPrefix(b.path, "//") {
		target = b.path[1:]
	}
	what := fmt.Sprintf("%s %s %.60q %s", b.method, target, b.body, b.header)
	request, err := http.NewRequestWithContext(s.t.Context(), b.method, s.url+"/", strings.NewReader(b.body))
	if err != nil {
		s.t.Fatal(err)
	}
	path, query, _ := strings.Cut(target, "?")
	request.URL.Opaque, request.URL.RawQuery = path, query // as it stands, escaped or not
	request.SetBasicAuth("admin", "secret")
	request.Header.Set("Content-Type", "application/json")
	if name, value, ok := strings.Cut(b.header, ": "); ok {
		request.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(request)
	if err != nil {
		s.t.Errorf("%s: %v", what, err)
		return
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Errorf("%s: %v", what, err)
		return
	}
	name := gjson.GetBytes(raw, "error").String()
	if res.StatusCode != b.status || b.name != "" && name != b.name || !gjson.GetBytes(raw, "reason").Exists() {
		s.t.Errorf("%s: got %d %.200s, want %d %s", what, res.StatusCode, raw, b.status, b.name)
	}
}

// TestEndlessBody gets its answer before it ends.
func TestEndlessBody(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	s.want("PUT", "/_node/_local/_config/chttpd/max_http_request_size", `"100000"`, 200)
	request, err := http.NewRequestWithContext(t.Context(), http.MethodPut, s.url+"/db/a", blanks{})
	if err != nil {
		t.Fatal(err)
	}
	request.SetBasicAuth("admin", "secret")
	res, err := http.DefaultClient.Do(request)
	if err != nil {
		t.Fatal(err)
	}
	defer res.Body.Close()
	if res.StatusCode != http.StatusRequestEntityTooLarge {
		t.Errorf("got %s", res.Status)
	}
}

// blanks never end.
type blanks struct{}

func (blanks) Read(b []byte) (int, error) {
	for i := range b {
		b[i] = ' '
	}
	return len(b), nil
}
