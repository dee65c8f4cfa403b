package replicate_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"go.uber.org/goleak"

	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/internal/torture"
	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
	"github.com/adlayer/after/store/script"
	"github.com/adlayer/after/store/storetest"
)

func TestMain(m *testing.M) {
	script.Main()
	couchtest.ServeIfAsked()
	torture.Checks(100)
	goleak.VerifyTestMain(m)
}

// server is a server with the administrator admin, secret.
type server struct {
	t   testing.TB
	url string
	web *http.Client
}

// start serves a store in memory until the test ends.
func start(tb testing.TB, o store.Options) *server {
	tb.Helper()
	o.FS = vfs.NewMem()
	st, err := store.Open("data", o)
	if err != nil {
		tb.Fatal(err)
	}
	h := httpd.New(st, httpd.Options{Admins: map[string]string{"admin": "secret"}, HashRounds: 10, Script: script.Options{Command: script.Self()}})
	web := httptest.NewServer(h)
	tb.Cleanup(func() {
		err := h.Close()
		web.CloseClientConnections()
		web.Close()
		if err != nil {
			tb.Error(err)
		}
		storetest.End(tb, st)
	})
	return at(tb, web.URL)
}

// at is a server that runs elsewhere.
func at(tb testing.TB, address string) *server {
	tb.Helper()
	web := &http.Client{Transport: &http.Transport{}}
	tb.Cleanup(web.CloseIdleConnections)
	return &server{t: tb, url: address, web: web}
}

// with is the address of a database with the administrator's credentials.
func (s *server) with(db string) string {
	u, err := url.Parse(s.url)
	if err != nil {
		s.t.Fatal(err)
	}
	u.User = url.UserPassword("admin", "secret")
	return u.String() + "/" + db
}

func (s *server) do(method, path string, body any) (int, string) {
	s.t.Helper()
	text, ok := body.(string)
	if !ok {
		raw, err := json.Marshal(body)
		if err != nil {
			s.t.Fatal(err)
		}
		text = string(raw)
	}
	req, err := http.NewRequest(method, s.url+path, strings.NewReader(text))
	if err != nil {
		s.t.Fatal(err)
	}
	req.SetBasicAuth("admin", "secret")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	res, err := s.web.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, strings.TrimSpace(string(raw))
}

func (s *server) want(status int, method, path string, body any) string {
	s.t.Helper()
	got, answer := s.do(method, path, body)
	if got != status {
		s.t.Fatalf("%s %s: status %d instead of %d: %s", method, path, got, status, answer)
	}
	return answer
}

func decode[T any](tb testing.TB, raw string) (v T) {
	tb.Helper()
	if err := json.Unmarshal([]byte(raw), &v); err != nil {
		tb.Fatalf("%v: %s", err, raw)
	}
	return v
}

type j = map[string]any

// outcome is the answer of a replication that ended.
type outcome struct {
	OK        bool
	NoChanges bool   `json:"no_changes"`
	LocalID   string `json:"_local_id"`
	History   []struct {
		StartLastSeq any `json:"start_last_seq"`
		Read         int `json:"docs_read"`
		Written      int `json:"docs_written"`
		Failed       int `json:"doc_write_failures"`
		Checked      int `json:"missing_checked"`
	}
}

func (s *server) replicate(body j) outcome {
	s.t.Helper()
	return decode[outcome](s.t, s.want(200, "POST", "/_replicate", body))
}

// fill writes n documents in one request.
func (s *server) fill(db, prefix string, n int) {
	s.t.Helper()
	docs := make([]j, n)
	for i := range docs {
		docs[i] = j{"_id": fmt.Sprintf("%s-%05d", prefix, i), "n": i, "pad": strings.Repeat("x", 200)}
	}
	s.want(201, "POST", "/"+db+"/_bulk_docs", j{"docs": docs})
}

// state is everything that replication copies: each document's leaves with their content and history, the winner first.
func (s *server) state(db string) map[string]string {
	s.t.Helper()
	feed := decode[struct {
		Results []struct {
			ID      string
			Changes []struct{ Rev string }
			Deleted bool
		}
	}](s.t, s.want(200, "GET", "/"+db+"/_changes?style=all_docs", ""))
	out := map[string]string{}
	for _, row := range feed.Results {
		raw := s.want(200, "GET", "/"+db+"/"+strings.ReplaceAll(url.QueryEscape(row.ID), "+", "%20")+"?open_revs=all&revs=true", "")
		leaves := []string{}
		for _, leaf := range decode[[]json.RawMessage](s.t, raw) {
			leaves = append(leaves, string(leaf))
		}
		slices.Sort(leaves)
		out[row.ID] = fmt.Sprint(row.Changes[0].Rev, row.Deleted, leaves)
	}
	return out
}

// escapePath encodes the id in /db/id.
func escapePath(path string) string {
	db, id, _ := strings.Cut(path[1:], "/")
	return "/" + db + "/" + strings.ReplaceAll(url.QueryEscape(id), "+", "%20")
}
