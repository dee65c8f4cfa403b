package httpd_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
	"github.com/adlayer/after/store/storetest"
)

// server is a store behind its handler on a port of its own.
type server struct {
	t   *testing.T
	st  *store.Store
	url string

	handler *httpd.Server
}

func start(t *testing.T, o store.Options) *server {
	t.Helper()
	if o.FS == nil {
		o.FS = vfs.NewMem()
	}
	return startIn(t, "data", o)
}

// startIn is start with the store in a folder.
func startIn(t *testing.T, dir string, o store.Options) *server {
	t.Helper()
	st, err := store.Open(dir, o)
	if err != nil {
		t.Fatal(err)
	}
	h := httpd.New(st, httpd.Options{Admins: map[string]string{"admin": "secret"}, HashRounds: 10})
	web := httptest.NewServer(h)
	t.Cleanup(func() {
		err := errors.Join(h.Close())
		web.Close()
		if err != nil {
			t.Error(err)
		}
		storetest.End(t, st)
	})
	return &server{t: t, st: st, url: web.URL, handler: h}
}

// do sends a request as the administrator and gives status and body.
func (s *server) do(method, path, body string) (int, string) {
	s.t.Helper()
	res := s.open(s.t.Context(), method, path, body)
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, strings.TrimSpace(string(raw))
}

func (s *server) open(ctx context.Context, method, path, body string) *http.Response {
	s.t.Helper()
	req, err := http.NewRequestWithContext(ctx, method, s.url+path, strings.NewReader(body))
	if err != nil {
		s.t.Fatal(err)
	}
	req.SetBasicAuth("admin", "secret")
	req.Header.Set("Content-Type", "application/json")
	req.Header.Set("Accept", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	return res
}

func (s *server) want(method, path, body string, status int) string {
	s.t.Helper()
	got, answer := s.do(method, path, body)
	if got != status {
		s.t.Fatalf("%s %s: status %d instead of %d: %s", method, path, got, status, answer)
	}
	return answer
}

func TestSmoke(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	var made struct{ Rev string }
	if err := json.Unmarshal([]byte(s.want("PUT", "/db/a", `{"x": 1}`, 201)), &made); err != nil {
		t.Fatal(err)
	}
	if got := s.want("GET", "/db/a", "", 200); got != `{"_id":"a","_rev":"`+made.Rev+`","x":1}` {
		t.Fatal(got)
	}
	s.want("PUT", "/db/a", `{"x": 2}`, 409)
	s.want("POST", "/db/_bulk_docs", `{"docs":[{"_id":"b","n":1},{"_id":"c"},{"_id":"a","_rev":"`+made.Rev+`","x":2}]}`, 201)
	rows := s.want("GET", "/db/_changes?include_docs=true", "", 200)
	if strings.Count(rows, `"seq"`) != 3 || !strings.Contains(rows, `"pending":0`) {
		t.Fatal(rows)
	}
	if all := s.want("GET", "/db/_all_docs?include_docs=true", "", 200); strings.Count(all, `"doc"`) != 3 {
		t.Fatal(all)
	}
	s.want("GET", "/_utils", "", 501)
	s.want("DELETE", "/db", "", 200)
	s.want("GET", "/db", "", 404)
}

func TestContinuousFeed(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	res := s.open(ctx, "GET", "/db/_changes?feed=continuous&include_docs=true&heartbeat=10000", "")
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	for i := range 20 {
		s.want("POST", "/db", `{"n":1}`, 201)
		for lines.Scan() && lines.Text() == "" {
		}
		var row struct {
			Doc struct{ N int }
		}
		if err := json.Unmarshal(lines.Bytes(), &row); err != nil || row.Doc.N != 1 {
			t.Fatalf("row %d: %v: %s", i, err, lines.Text())
		}
	}
}
