package send

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus/hooks/test"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/notify"
)

// somebody is a mailer with a mail server.
type somebody struct{ Mailer }

func (somebody) Ready() bool { return true }

// server is a database without notices.
type server struct {
	looks atomic.Int64                      // at all notices
	write func(body []byte) (int, []string) // a status, and the error of each document
}

func (s *server) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Type", "application/json")
	if strings.HasSuffix(r.URL.Path, "/_all_docs") {
		s.looks.Add(1)
		_, _ = io.WriteString(w, `{"total_rows":0,"offset":0,"rows":[]}`)
		return
	}
	body, err := io.ReadAll(r.Body)
	if err != nil {
		http.Error(w, err.Error(), http.StatusBadRequest)
		return
	}
	status, failures := s.write(body)
	w.WriteHeader(status)
	rows := make([]map[string]string, len(failures))
	for i, failure := range failures {
		if rows[i] = map[string]string{"id": "n", "rev": "2-a"}; failure != "" {
			rows[i] = map[string]string{"id": "n", "error": failure, "reason": "because"}
		}
	}
	_ = json.NewEncoder(w).Encode(rows)
}

// open gives a sender of a database, whose postman has looked through everything.
func (s *server) open(t *testing.T, m Mailer) *sender {
	t.Helper()
	listening := httptest.NewServer(s)
	t.Cleanup(listening.Close)
	transport := couch.NewTransport(1, nil)
	t.Cleanup(transport.CloseIdleConnections)
	client, err := couch.Dial(listening.URL, couch.Options{Transport: transport})
	if err != nil {
		t.Fatal(err)
	}
	log, _ := test.NewNullLogger()
	opened := &sender{
		Options: Options{Database: client.Database("db"), Names: []string{"w"}, Member: "m", Mailer: m, Retry: time.Minute, Keep: time.Hour, Log: log},
		busy:    map[string]*hand{},
	}
	opened.posts, opened.mails = newPoster(opened), newPostman(opened)
	opened.mails.passed = time.Now()
	return opened
}

// notice gives a document for a mail and a post, which has failed and is tried again in an hour.
func notice(t *testing.T, id string, at time.Time, result string) []byte {
	t.Helper()
	n := notify.Notice{
		ID: notify.Prefix + id, Rev: "1-a", By: "w", Event: "done", Task: "t", Job: "j", Key: "k", At: at,
		To: notify.To{URL: "http://a.example.org/told", Email: []string{"a@example.org"}},
	}
	if result != "" {
		n.Result = json.RawMessage(`"` + result + `"`)
	}
	raw, err := n.Encode()
	if err != nil {
		t.Fatal(err)
	}
	state := fmt.Sprintf(`,"sending":{"url":{"attempts":1,"next":%q}}}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	return append(bytes.TrimSuffix(raw, []byte("}")), state...)
}

// TestClaimsOfDigests are refused one by one, and are tried again where that was for now.
func TestClaimsOfDigests(t *testing.T) {
	t.Parallel()
	gather := func(t *testing.T, db *server, n int, result string) (g *gathering, next time.Duration) {
		t.Helper()
		m := db.open(t, somebody{}).mails
		g = newGathering(m)
		for i := range n {
			it, err := read(notice(t, fmt.Sprintf("t%03d:", i), time.Now(), result))
			if err != nil {
				t.Fatal(err)
			}
			g.add("a@example.org", it)
		}
		g.take(context.WithoutCancel(t.Context()))
		return g, time.Until(m.next)
	}
	t.Run("for now", func(t *testing.T) {
		t.Parallel()
		for failure, again := range map[string]bool{"unknown_error": true, "conflict": false} {
			g, next := gather(t, &server{write: func([]byte) (int, []string) { return http.StatusCreated, []string{"", failure, ""} }}, 3, "")
			if g.held != 2 || next <= g.Retry != again {
				t.Errorf("%s: %d of 3 are claimed, and the next pass is in %v", failure, g.held, next)
			}
		}
	})
	t.Run("too much at once", func(t *testing.T) {
		t.Parallel()
		db, largest := &server{}, 0
		db.write = func(body []byte) (int, []string) {
			largest = max(largest, len(body))
			if bytes.Contains(body, []byte(":t007:")) { // this one alone is refused then
				return http.StatusRequestEntityTooLarge, nil
			}
			return http.StatusCreated, make([]string, bytes.Count(body, []byte(`"_id":`)))
		}
		g, _ := gather(t, db, page, strings.Repeat("x", 45<<10))
		if g.held != page-1 || largest > mostBytes+page+100 {
			t.Errorf("%d of %d are claimed, with %d bytes at once", g.held, page, largest)
		}
	})
}
