package httpd_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
	"github.com/adlayer/after/store/mango"
)

// TestFindGoesOutInPieces: a long answer is sent while it is made.
func TestFindGoesOutInPieces(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	var docs []string
	for i := range 2000 {
		docs = append(docs, fmt.Sprintf(`{"_id":"%d","s":%q}`, i, strings.Repeat("x", 100)))
	}
	s.want("POST", "/db/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`, 201)
	res := s.open(t.Context(), "POST", "/db/_find", `{"selector":{"s":{"$gt":null}},"limit":5000}`)
	defer res.Body.Close()
	var answer struct{ Docs []json.RawMessage }
	if err := json.NewDecoder(res.Body).Decode(&answer); err != nil || len(answer.Docs) != 2000 {
		t.Errorf("%d documents, %v", len(answer.Docs), err)
	}
	if res.ContentLength >= 0 || res.Header.Get("Content-Type") != "application/json" {
		t.Errorf("length %d, headers %v", res.ContentLength, res.Header)
	}
	if answer := s.want("POST", "/db/_find", `{"selector":{"s":{"$bad":1}}}`, 400); !strings.Contains(answer, "invalid_operator") {
		t.Error(answer)
	}
}

// finder stands before the server's own and can fail in the middle.
type finder struct {
	mango.Finder
	fail  error
	built chan error
	tasks []mango.Task
}

func (f *finder) Tasks(*store.Database) []mango.Task { return f.tasks }

func (f *finder) Serve(ctx context.Context, db *store.Database, method, path string, query url.Values, body []byte, w io.Writer) error {
	if f.fail == nil {
		return f.Finder.Serve(ctx, db, method, path, query, body, w)
	}
	if _, err := w.Write([]byte(`{"docs":[`)); err != nil {
		return err
	}
	return f.fail
}

func (f *finder) Build(ctx context.Context, db *store.Database) error {
	err := f.Finder.Build(ctx, db)
	f.built <- err
	return err
}

func startFinder(t *testing.T, f *finder) *server {
	t.Helper()
	st := memory(t)
	h := httpd.New(st, httpd.Options{Admins: map[string]string{"admin": "secret"}, HashRounds: 10, Find: f})
	web := httptest.NewServer(h)
	t.Cleanup(func() {
		if err := h.Close(); err != nil {
			t.Error(err)
		}
		web.Close()
	})
	return &server{t: t, st: st, url: web.URL}
}

// TestBrokenAnswerIsCutOff: what fails after the head has gone out cannot be taken for a whole answer.
func TestBrokenAnswerIsCutOff(t *testing.T) {
	t.Parallel()
	s := startFinder(t, &finder{fail: errors.New("the disk has gone")})
	s.want("PUT", "/db", "", 201)
	req, err := http.NewRequestWithContext(t.Context(), http.MethodPost, s.url+"/db/_find", strings.NewReader(`{"selector":{}}`))
	if err != nil {
		t.Fatal(err)
	}
	req.SetBasicAuth("admin", "secret")
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		return // cut off before the head went out
	}
	defer res.Body.Close()
	if raw, err := io.ReadAll(res.Body); err == nil {
		t.Errorf("%d: %s, and no error", res.StatusCode, raw)
	}
}

// TestNewIndexIsBuilt: its rows are there before anybody asks.
func TestNewIndexIsBuilt(t *testing.T) {
	t.Parallel()
	f := &finder{built: make(chan error, 1)}
	s := startFinder(t, f)
	s.want("PUT", "/db", "", 201)
	s.want("POST", "/db/_bulk_docs", `{"docs":[{"n":0}`+strings.Repeat(`,{"n":0}`, 300)+`,{"_id":"a","n":1}]}`, 201)
	s.want("POST", "/db/_index", `{"index":{"fields":["n"]}}`, 200)
	if err := <-f.built; err != nil {
		t.Fatal(err)
	}
	// A query that does not wait takes along some of what the rows have not yet; the last of so many is not among them.
	if answer := s.want("POST", "/db/_find", `{"selector":{"n":1},"update":false}`, 200); !strings.Contains(answer, `"_id":"a"`) {
		t.Error(answer)
	}
}

// TestBuildsAreShown: what is being built is a task, as long as it takes.
func TestBuildsAreShown(t *testing.T) {
	t.Parallel()
	f := &finder{built: make(chan error, 1)}
	s := startFinder(t, f)
	s.want("PUT", "/db", "", 201)
	f.tasks = []mango.Task{{Design: "_design/x", Done: 250, Total: 1000, Started: time.Unix(1000, 0), Updated: time.Unix(1001, 0)}}
	answer := s.want("GET", "/_active_tasks", "", 200)
	for _, want := range []string{`"type":"indexer"`, `"database":"db"`, `"design_document":"_design/x"`, `"progress":25`, `"started_on":1000`, `"updated_on":1001`} {
		if !strings.Contains(answer, want) {
			t.Errorf("no %s in %s", want, answer)
		}
	}
}
