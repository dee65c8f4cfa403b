package httpd_test

import (
	"net/http"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/script"
)

// TestAllOrNothing: who wants all documents written or none gets none, whatever there is to write.
func TestAllOrNothing(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	const file = `"_attachments":{"f":{"content_type":"text/plain","data":"aGFsbG8="}}`
	s.equal("POST", "/db/_bulk_docs", `{"docs":[{"_id":"a",`+file+`},{"_id":"b","_rev":"1-x"}],"all_or_nothing": true }`, 417,
		`[{"id":"a","rev":"0-","error":"not_implemented","reason":"all_or_nothing is not supported"},`+
			`{"id":"b","rev":"1-x","error":"not_implemented","reason":"all_or_nothing is not supported"}]`)
	s.want("GET", "/db/a", "", 404)
	for _, other := range []string{"false", `"true"`, "null"} {
		s.want("POST", "/db/_bulk_docs", `{"all_or_nothing":`+other+`,"docs":[{}]}`, 201)
	}
	s.want("POST", "/db/_bulk_docs", `{"docs":[{}]}`, 201)
	s.equal("POST", "/db/_bulk_docs", `{"all_or_nothing":true,"docs":[]}`, 201, "[]") // there is nothing to refuse
	s.equal("POST", "/db/_bulk_docs", `{"all_or_nothing":true,"new_edits":false,"docs":[{"_id":"c","_rev":"1-x"}]}`, 201, "[]")
	s.want("GET", "/db/c", "", 200) // replicators are not asked for it
}

// TestWeakTags: a proxy that compresses answers weakens their ETags, which name the same document all the same.
func TestWeakTags(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	tag := `"` + gjson.Get(s.want("PUT", "/db/a", `{}`, 201), "rev").String() + `"`
	for header, status := range map[string]int{
		tag: 304, "W/" + tag: 304, `"x", W/` + tag: 304, "W/" + tag + `,"x"`: 304, `"x"`: 200, `W/"x"`: 200, "*": 200, "w" + tag: 200,
	} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+"/db/a", http.NoBody)
		if err != nil {
			t.Fatal(err)
		}
		req.SetBasicAuth("admin", "secret")
		req.Header.Set("If-None-Match", header)
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		res.Body.Close()
		if res.StatusCode != status {
			t.Errorf("If-None-Match: %s gets %d, not %d", header, res.StatusCode, status)
		}
	}
}

// TestReloadQueryServers: functions run as before with new processes.
func TestReloadQueryServers(t *testing.T) {
	t.Parallel()
	s := startScripts(t, script.Options{})
	s.want("PUT", "/db/_design/v", `{"validate_doc_update":"function (doc) { if (doc.bad) throw({forbidden: 'no'}) }"}`, 201)
	for range 2 {
		s.want("PUT", "/db/a", `{"bad":1}`, 403)
		s.want("GET", "/_reload_query_servers", "", 405)
		s.equal("POST", "/_reload_query_servers", "", 200, `{"ok":true}`)
	}
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/_reload_query_servers", http.NoBody)
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", "secret")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusUnsupportedMediaType {
		t.Errorf("without a type: %d", res.StatusCode)
	}
}
