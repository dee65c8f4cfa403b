package httpd_test

import (
	"bytes"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
)

// pausing is a client that stops reading once, after so many bytes.
type pausing struct {
	*httptest.ResponseRecorder

	after  int
	paused func()
}

func (p *pausing) Write(b []byte) (int, error) {
	n, err := p.ResponseRecorder.Write(b)
	if p.after -= n; p.after <= 0 && p.paused != nil {
		pause := p.paused
		p.paused = nil
		pause()
	}
	return n, err
}

func ask(t *testing.T, h http.Handler, w http.ResponseWriter, method, path, body, accept string) {
	t.Helper()
	r := httptest.NewRequestWithContext(t.Context(), method, path, strings.NewReader(body))
	r.SetBasicAuth("admin", "secret")
	r.Header.Set("Accept", accept)
	r.Header.Set("Content-Type", "application/json")
	if strings.HasSuffix(path, "/f") {
		r.Header.Set("Content-Type", "image/png") // which is not compressed
	}
	h.ServeHTTP(w, r)
}

func put(t *testing.T, h http.Handler, path, body string) string {
	t.Helper()
	w := httptest.NewRecorder()
	ask(t, h, w, http.MethodPut, path, body, "application/json")
	if w.Code != http.StatusCreated {
		t.Fatalf("PUT %s: %d %s", path, w.Code, w.Body)
	}
	return revOf(w.Body.Bytes())
}

// TestSlowClientsHoldNoView: while a client is slow to take the content of one document, the answer holds no view of the database. It can be told
// by the documents behind it: they come as they are then.
func TestSlowClientsHoldNoView(t *testing.T) {
	t.Parallel()
	h := handler(t, memory(t))
	plain := strings.Repeat(`x`, 300<<10)
	for i, c := range []struct{ name, method, path, body, accept string }{
		{"_bulk_get", "POST", "_bulk_get?attachments=true", `{"docs":[{"id":"a"},{"id":"b"}]}`, "application/json"},
		{"_bulk_get in parts", "POST", "_bulk_get", `{"docs":[{"id":"a"},{"id":"b"}]}`, "multipart/mixed"},
		{"_changes", "GET", "_changes?include_docs=true&attachments=true", "", "application/json"},
		{"_changes of several", "GET", "_changes?include_docs=true&attachments=true&limit=2&feed=longpoll", "", "application/json"},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := fmt.Sprintf("/db%d", i)
			put(t, h, db, "")
			put(t, h, db+"/a/f", plain)
			rev := put(t, h, db+"/b", `{"state":"old"}`)
			w := &pausing{ResponseRecorder: httptest.NewRecorder(), after: 100 << 10}
			w.paused = func() { put(t, h, db+"/b?rev="+rev, `{"state":"new"}`) }
			ask(t, h, w, c.method, db+"/"+c.path, c.body, c.accept)
			if w.Code != http.StatusOK || w.paused != nil {
				t.Fatalf("%d %.300s", w.Code, w.Body)
			}
			if got := w.Body.Bytes(); bytes.Contains(got, []byte(`"old"`)) || bytes.Count(got, []byte(`"new"`)) != 1 {
				t.Errorf("the document behind the content is not as it was then: %s", got[max(0, len(got)-600):])
			}
		})
	}
}

// TestSlowClientsOfManyDocuments is the same without attachments: a view is good for so many bytes.
func TestSlowClientsOfManyDocuments(t *testing.T) {
	t.Parallel()
	h := handler(t, memory(t))
	for i, c := range []struct {
		name, accept string
		times, size  int // how often a document of this size is asked for
	}{
		{"some", "application/json", 2, 1100 << 10},
		{"many", "application/json", 1100, 1200}, // several read at once
		{"parts", "multipart/mixed", 2, 1100 << 10},
	} {
		t.Run(c.name, func(t *testing.T) {
			db := fmt.Sprintf("/db%d", i)
			put(t, h, db, "")
			put(t, h, db+"/first", `{"text":"`+strings.Repeat("x", c.size)+`"}`)
			rev := put(t, h, db+"/last", `{"state":"old"}`)
			w := &pausing{ResponseRecorder: httptest.NewRecorder()}
			w.paused = func() { put(t, h, db+"/last?rev="+rev, `{"state":"new"}`) }
			refs := strings.Repeat(`{"id":"first"},`, c.times) + `{"id":"last"}`
			ask(t, h, w, http.MethodPost, db+"/_bulk_get", `{"docs":[`+refs+`]}`, c.accept)
			if got := w.Body.Bytes(); w.Code != http.StatusOK || bytes.Contains(got, []byte(`"old"`)) || bytes.Count(got, []byte(`"new"`)) != 1 {
				t.Errorf("%d: the last document is not as it was then: %s", w.Code, got[max(0, len(got)-300):])
			}
		})
	}
}
