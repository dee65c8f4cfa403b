package httpd_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/adlayer/after/store"
)

// TestBulkGetMany: what several readers answer for many documents is what one answers for each of them.
func TestBulkGetMany(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	var docs []string
	for i := range 300 {
		docs = append(docs, fmt.Sprintf(`{"_id":"d%03d","n":%d,"text":"%s"}`, i, i, strings.Repeat("x", 80*i)))
	}
	s.want("POST", "/db/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`, 201)
	refs := make([]string, 320)
	want := make([]string, len(refs))
	for i := range refs {
		refs[i] = fmt.Sprintf(`{"id":"d%03d"}`, i*7919%360) // some are not there
		switch i % 50 {
		case 7:
			refs[i] = fmt.Sprintf(`{"id":"d%03d","rev":"1-00000000000000000000000000000000"}`, i%300)
		case 8:
			refs[i] = `{"rev":"1-x"}`
		case 9:
			refs[i] = `{"id":"_bad"}`
		}
		one := s.want("POST", "/db/_bulk_get", `{"docs":[`+refs[i]+`]}`, 200)
		want[i] = strings.TrimSuffix(strings.TrimPrefix(one, `{"results":[`), `]}`)
	}
	got := s.want("POST", "/db/_bulk_get", `{"docs":[`+strings.Join(refs, ",")+`]}`, 200)
	if got != `{"results":[`+strings.Join(want, ",")+`]}` {
		t.Errorf("many documents: %.300s", got)
	}
}
