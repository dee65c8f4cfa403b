package httpd_test

import (
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/adlayer/after/store"
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
