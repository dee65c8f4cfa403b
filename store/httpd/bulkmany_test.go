package httpd_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
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

// TestBulkGetManyLarge: a document whose leaves are large is sent leaf by leaf, wherever in the list it is asked for, and is not gathered.
func TestBulkGetManyLarge(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	docs := []string{`{"_id":"small","_rev":"1-00000000000000000000000000000000"}`}
	text := strings.Repeat("x", 500<<10)
	for i := range 5 {
		docs = append(docs, fmt.Sprintf(`{"_id":"large","_rev":"1-%032x","text":"%s"}`, i, text))
	}
	s.want("POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[`+strings.Join(docs, ",")+`]}`, 201)
	db, err := s.st.Database("db")
	if err != nil {
		t.Fatal(err)
	}
	snap, err := db.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	gathered, left, err := httpd.GatherRefs(snap, "small", "large", "small")
	if err := errors.Join(err, snap.Close()); err != nil {
		t.Fatal(err)
	}
	if gathered == 0 || gathered > 1000 || left != 1 {
		t.Errorf("%d bytes gathered, %d documents left", gathered, left)
	}
	one := func(id string) string {
		row := s.want("POST", "/db/_bulk_get", `{"docs":[{"id":"`+id+`"}]}`, 200)
		return strings.TrimSuffix(strings.TrimPrefix(row, `{"results":[`), `]}`)
	}
	small, large := one("small"), one("large")
	for _, at := range []int{0, 200} {
		ids, rows := slices.Repeat([]string{"small"}, 300), slices.Repeat([]string{small}, 300)
		ids[at], rows[at] = "large", large
		got := s.want("POST", "/db/_bulk_get", `{"docs":[{"id":"`+strings.Join(ids, `"},{"id":"`)+`"}]}`, 200)
		if got != `{"results":[`+strings.Join(rows, ",")+`]}` {
			t.Errorf("with the large one at %d: %d bytes, %.200s", at, len(got), got)
		}
	}
}

// TestBulkGetOfNothing: in parts, no document is followed by no end, as in CouchDB.
func TestBulkGetOfNothing(t *testing.T) {
	t.Parallel()
	h := handler(t, memory(t))
	request(t, h, "10.0.0.1", "admin:secret", "PUT", "/db", "")
	for accept, want := range map[string]string{"multipart/mixed": "", "multipart/related": "", "application/json": `{"results":[]}`} {
		r := httptest.NewRequest(http.MethodPost, "/db/_bulk_get", strings.NewReader(`{"docs":[]}`))
		r.SetBasicAuth("admin", "secret")
		r.Header.Set("Content-Type", "application/json")
		r.Header.Set("Accept", accept)
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if got := strings.TrimSpace(w.Body.String()); w.Code != http.StatusOK || got != want || !strings.HasPrefix(w.Header().Get("Content-Type"), accept) {
			t.Errorf("%s: %d, %q, %s", accept, w.Code, got, w.Header())
		}
	}
}
