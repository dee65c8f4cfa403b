package httpd_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
)

// TestReplicationHoldsNoBody: while a replication is copying, the body that asked for it is no memory of requests any more.
func TestReplicationHoldsNoBody(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", http.StatusCreated)
	asked, answer := make(chan struct{}, 1), make(chan struct{})
	source := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		select {
		case asked <- struct{}{}:
		default: // it asks again
		}
		<-answer
		http.Error(w, `{"error":"not_found","reason":"missing"}`, http.StatusNotFound)
	}))
	t.Cleanup(source.Close)
	status := make(chan string, 1)
	go func() {
		body := `{"source":"` + source.URL + `/x","target":"db","doc_ids":["` + strings.Repeat("x", 1000) + `"]}`
		res, raw := s.send("POST", "/_replicate", strings.NewReader(body), "Content-Type", "application/json")
		status <- res.Status + string(raw)
	}()
	select {
	case <-asked:
	case got := <-status:
		t.Fatal(got)
	}
	if held := s.handler.Held(); held != 0 {
		t.Errorf("%d bytes are held while the replication waits for its source", held)
	}
	close(answer)
	if got := <-status; !strings.Contains(got, "db_not_found") {
		t.Error(got)
	}
}

// TestFormIsCounted: the document within a form is memory of requests as any other is.
func TestFormIsCounted(t *testing.T) {
	t.Parallel()
	h := httpd.New(memory(t), httpd.Options{Admins: map[string]string{"admin": "secret"}, HashRounds: 10, Limits: httpd.Limits{BodyMemory: 1 << 20}})
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	})
	put(t, h, "/db", "")
	for _, c := range []struct{ size, status int }{{2 << 20, 503}, {100, 201}} {
		r := httptest.NewRequestWithContext(t.Context(), http.MethodPost, "http://here/db/a", io.MultiReader(
			strings.NewReader("--b\r\nContent-Disposition: form-data; name=\"_doc\"\r\n\r\n"),
			strings.NewReader(`{"a":"`+strings.Repeat("x", c.size)+`"}`), strings.NewReader("\r\n--b--\r\n")))
		r.SetBasicAuth("admin", "secret")
		r.Header.Set("Content-Type", "multipart/form-data; boundary=b")
		r.Header.Set("Referer", "http://here/page")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		if w.Code != c.status || h.Held() != 0 {
			t.Errorf("a document of %d bytes: %d %s, %d bytes are held", c.size, w.Code, w.Body, h.Held())
		}
	}
}
