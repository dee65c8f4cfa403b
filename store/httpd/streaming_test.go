package httpd_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"

	"github.com/adlayer/after/store"
)

// TestLongAnswersStream reads answers that are made while they are sent: nobody knows their length before.
func TestLongAnswersStream(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	var docs, refs, lost []string
	for i := range 50 {
		docs = append(docs, fmt.Sprintf(`{"_id":"a","_rev":"1-%032x","text":"%s"}`, i, strings.Repeat("x", 5000)))
		refs = append(refs, `{"id":"a"}`)
	}
	for i := range 4000 {
		lost = append(lost, fmt.Sprintf(`"doc%d":["1-%032x"]`, i, i))
	}
	s.want("POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[`+strings.Join(docs, ",")+`]}`, 201)
	for path, body := range map[string]string{
		"/db/_bulk_get":                                `{"docs":[` + strings.Join(refs, ",") + `]}`,
		"/db/_revs_diff":                               `{` + strings.Join(lost, ",") + `}`,
		"/db/a?open_revs=all":                          "",
		"/db/_all_docs?include_docs=true":              `{"keys":[` + strings.Repeat(`"a",`, 49) + `"a"]}`,
		"/db/_changes?include_docs=true&conflicts=all": "",
	} {
		method := "POST"
		if body == "" {
			method = "GET"
		}
		res := s.open(t.Context(), method, path, body)
		raw, err := io.ReadAll(res.Body)
		res.Body.Close()
		if err != nil || !json.Valid(raw) || res.StatusCode != http.StatusOK {
			t.Fatalf("%s: %s, %v: %.200s", path, res.Status, err, raw)
		}
		if len(raw) > 100_000 && res.ContentLength >= 0 {
			t.Errorf("%s: %d bytes are made before the first is sent", path, len(raw))
		}
	}
	// The order of the answer is that of the request, from its end.
	s.equal("POST", "/db/_revs_diff", `{"z":["1-a"],"b":["1-a"],"m":["1-a"]}`, 200,
		`{"m":{"missing":["1-a"]},"b":{"missing":["1-a"]},"z":{"missing":["1-a"]}}`)
}
