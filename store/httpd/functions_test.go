package httpd_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
	"github.com/adlayer/after/store/script"
	"github.com/adlayer/after/store/storetest"
)

// startScripts is start with functions of design documents.
func startScripts(t *testing.T, o script.Options) *server {
	t.Helper()
	o.Command = script.Self()
	st, err := store.Open("data", store.Options{FS: vfs.NewMem()})
	if err != nil {
		t.Fatal(err)
	}
	h := httpd.New(st, httpd.Options{Admins: map[string]string{"admin": "secret"}, HashRounds: 10, Script: o})
	web := httptest.NewServer(h)
	t.Cleanup(func() {
		err := errors.Join(h.Close())
		web.Close()
		if err != nil {
			t.Error(err)
		}
		storetest.End(t, st)
	})
	s := &server{t: t, st: st, url: web.URL}
	s.want("PUT", "/db", "", 201)
	return s
}

// TestEndlessFunctions shows that functions without end give an error, and that what comes after them is served.
func TestEndlessFunctions(t *testing.T) {
	t.Parallel()
	s := startScripts(t, script.Options{Timeout: 200 * time.Millisecond})
	s.want("PUT", "/db/_design/v", `{"validate_doc_update":"function (doc) { while (doc.loop); }",
		"filters":{"f":"function (doc) { while (doc._id == 'b'); return true }"}}`, 201)
	const late = `"error":"os_process_error","reason":"OS process timed out."`
	if got := s.want("PUT", "/db/a", `{"loop":1}`, 500); !strings.Contains(got, late) {
		t.Error(got)
	}
	s.want("PUT", "/db/a", `{}`, 201)
	if got := s.want("POST", "/db/_bulk_docs", `{"docs":[{"_id":"x"},{"_id":"y","loop":1}]}`, 201); !strings.Contains(got, `{"id":"y",`+late+`}`) ||
		!strings.Contains(got, `"ok":true,"id":"x"`) {
		t.Error(got)
	}
	s.want("PUT", "/db/b", `{}`, 201)
	if got := s.want("GET", "/db/_changes?filter=v/f", "", 500); got != "{"+late+"}" {
		t.Error(got)
	}
	if got := s.want("GET", "/db/_changes?filter=v/f&limit=2", "", 500); got != "{"+late+"}" {
		t.Error(got)
	}
	// Where the answer has begun, the error is its last line.
	res := s.open(t.Context(), "GET", "/db/_changes?filter=v/f&feed=continuous&heartbeat=10000&since=now", "")
	defer res.Body.Close()
	lines := bufio.NewScanner(res.Body)
	lines.Scan()
	s.want("DELETE", "/db/b?rev="+rev(t, s, "b"), "", 200)
	for lines.Scan() && lines.Text() == "" {
	}
	if got := lines.Text(); res.StatusCode != http.StatusOK || got != "{"+late+"}" {
		t.Errorf("%d %s", res.StatusCode, got)
	}
	if lines.Scan() && lines.Text() != "" {
		t.Errorf("after the error: %s", lines.Text())
	}
}

func rev(t *testing.T, s *server, id string) string {
	t.Helper()
	var doc struct {
		Rev string `json:"_rev"`
	}
	if err := json.Unmarshal([]byte(s.want("GET", "/db/"+id, "", 200)), &doc); err != nil {
		t.Fatal(err)
	}
	return doc.Rev
}

// TestNoFunctions shows a server without them: it refuses what it could not hold to.
func TestNoFunctions(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	s.want("PUT", "/db/_design/v", `{"validate_doc_update":"function () {}"}`, 501)
	s.want("PUT", "/db/_design/f", `{"filters":{"f":"function () {}"}}`, 201)
	s.want("GET", "/db/_changes?filter=f/f", "", 501)
	s.want("GET", "/db/_changes?filter=f/none", "", 404)
	db, err := s.st.Database("db")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Put(t.Context(), []byte(`{"_id":"_design/v","validate_doc_update":"function () {}"}`)); err != nil {
		t.Fatal(err)
	}
	s.want("PUT", "/db/a", `{}`, 501)
}

func TestOtherLanguages(t *testing.T) {
	t.Parallel()
	s := startScripts(t, script.Options{})
	s.want("PUT", "/db/_design/v", `{"language":"cobol","filters":{"f":"x"},"validate_doc_update":"x"}`, 201)
	for _, got := range []string{s.want("PUT", "/db/a", `{}`, 500), s.want("GET", "/db/_changes?filter=v/f", "", 500)} {
		if got != `{"error":"unknown_query_language","reason":"cobol"}` {
			t.Error(got)
		}
	}
}

// TestNoCredentials shows that functions are not told what a request proves itself with.
func TestNoCredentials(t *testing.T) {
	t.Parallel()
	s := startScripts(t, script.Options{})
	s.want("PUT", "/db/_design/d", `{"filters":{"f":"function (doc, req) { throw({error: 'shown', reason: JSON.stringify(req)}) }"}}`, 201)
	got := s.want("GET", "/db/_changes?filter=d/f&startkey=%5B1%5D&t=x", "", 500)
	if strings.Contains(got, "uthorization") || strings.Contains(got, "Basic") || !strings.Contains(got, `\"query\":{\"filter\":\"d/f\",\"startkey\":[1],\"t\":\"x\"}`) ||
		!strings.Contains(got, `\"body\":\"undefined\"`) || !strings.Contains(got, `\"id\":null`) || !strings.Contains(got, `\"Accept\":\"application/json\"`) {
		t.Error(got)
	}
}

// TestGuessedRevision has writers who name the revision that another write is about to make, so as to slip past the function that would refuse
// what follows it.
func TestGuessedRevision(t *testing.T) {
	t.Parallel()
	s := startScripts(t, script.Options{})
	s.want("PUT", "/db/probe", `{"n":1}`, 201)
	guess := rev(t, s, "probe") // revisions are made of content and history alone
	s.want("PUT", "/db/_design/v", `{"validate_doc_update":"function (doc, old) { if (old && doc.n != old.n) throw({forbidden: 'n never changes'}); }"}`, 201)
	for round := range 50 {
		id := fmt.Sprintf("doc%d", round)
		var both sync.WaitGroup
		for _, body := range []string{`{"n":1}`, `{"n":2,"_rev":"` + guess + `"}`} {
			both.Go(func() { s.do("PUT", "/db/"+id, body) })
		}
		both.Wait()
		if got := s.want("GET", "/db/"+id+"?revs=true", "", 200); strings.Contains(got, `"n":2`) && strings.Contains(got, strings.TrimPrefix(guess, "1-")) {
			// It may have been written as new, over a revision that was never there, but then the first is a conflict and is gone.
			if row := s.want("GET", "/db/"+id+"?rev="+guess, "", 404); !strings.Contains(row, "missing") {
				t.Fatalf("round %d: %s", round, row)
			}
		}
	}
}

// TestManyWriters has writers, feeds with filters and a runaway beside one another.
func TestManyWriters(t *testing.T) {
	t.Parallel()
	s := startScripts(t, script.Options{Timeout: 2 * time.Second})
	s.want("PUT", "/db/_design/v", `{"validate_doc_update":"function (doc) { if (doc.n % 10 == 0) throw({forbidden: 'ten'}); }",
		"filters":{"odd":"function (doc) { return doc.n % 2 == 1 }"}}`, 201)
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	res := s.open(ctx, "GET", "/db/_changes?filter=v/odd&feed=continuous&heartbeat=10000", "")
	defer res.Body.Close()
	var all sync.WaitGroup
	for w := range 8 {
		all.Go(func() {
			for i := range 25 {
				n := w*25 + i
				want := 201
				if n%10 == 0 {
					want = 403
				}
				if got, answer := s.do("PUT", fmt.Sprintf("/db/%d", n), fmt.Sprintf(`{"n":%d}`, n)); got != want {
					t.Errorf("%d: %d %s", n, got, answer)
				}
			}
		})
	}
	lines := bufio.NewScanner(res.Body)
	for seen := 0; seen < 100; {
		if !lines.Scan() {
			t.Fatalf("the feed ended after %d rows: %v", seen, lines.Err())
		}
		if lines.Text() != "" {
			seen++
		}
	}
	all.Wait()
	if got := s.want("GET", "/db/_changes?filter=v/odd&limit=0", "", 200); !strings.Contains(got, `"results":[`) {
		t.Error(got)
	}
}

// TestOneWayToWrite holds the package to call.write, which asks the validation functions.
func TestOneWayToWrite(t *testing.T) {
	t.Parallel()
	files, err := filepath.Glob("*.go")
	if err != nil {
		t.Fatal(err)
	}
	var writers []string
	for _, name := range files {
		if strings.HasSuffix(name, "_test.go") {
			continue
		}
		file, err := parser.ParseFile(token.NewFileSet(), name, nil, 0)
		if err != nil {
			t.Fatal(err)
		}
		ast.Inspect(file, func(n ast.Node) bool {
			if s, ok := n.(*ast.SelectorExpr); ok && (s.Sel.Name == "Write" || s.Sel.Name == "Put") {
				if on, ok := s.X.(*ast.SelectorExpr); ok && on.Sel.Name == "db" {
					writers = append(writers, name)
				}
			}
			return true
		})
	}
	if len(writers) != 1 || writers[0] != "validate.go" {
		t.Errorf("documents are written in %v, past the validation functions", writers)
	}
}

// TestFilterOfLargeLeaves: what a filter function is asked about is bounded, however many large leaves a document has.
func TestFilterOfLargeLeaves(t *testing.T) {
	t.Parallel()
	const size, leaves = 500 << 10, 8
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	s.want("PUT", "/db/small", "{}", 201)
	text := strings.Repeat("x", size)
	for i := range leaves {
		s.want("PUT", "/db/large?new_edits=false", fmt.Sprintf(`{"_rev":"1-%032x","text":"%s"}`, i, text), 201)
	}
	s.want("PUT", "/db/last", "{}", 201)
	db, err := s.st.Database("db")
	if err != nil {
		t.Fatal(err)
	}
	snap, err := db.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	asked, rows, err := httpd.FilterAll(db, snap)
	if err := errors.Join(err, snap.Close()); err != nil {
		t.Fatal(err)
	}
	if most := slices.Max(asked); most > 1<<20+size+1000 {
		t.Errorf("%d bytes at once: %d", most, asked)
	}
	if strings.Count(rows, `"id":`) != 3 || strings.Count(rows, `"rev":`) != leaves+2 || strings.Index(rows, "large") > strings.Index(rows, "last") {
		t.Error(rows)
	}
}
