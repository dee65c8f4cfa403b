package httpd_test

import (
	"bufio"
	"context"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strings"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/store"
)

// TestCompactedDeletion: of a deletion that others follow a compaction leaves the name alone, and _revs_info says so.
func TestCompactedDeletion(t *testing.T) {
	t.Parallel()
	st := memory(t)
	h := handler(t, st)
	ask := func(method, path, body string) string {
		req := httptest.NewRequest(method, path, strings.NewReader(body))
		req.SetBasicAuth("admin", "secret")
		req.Header.Set("Content-Type", "application/json")
		res := httptest.NewRecorder()
		h.ServeHTTP(res, req)
		if res.Code >= http.StatusBadRequest {
			t.Fatalf("%s %s: %d %s", method, path, res.Code, res.Body)
		}
		return res.Body.String()
	}
	ask(http.MethodPut, "/db", "")
	made := ask(http.MethodPut, "/db/a", `{}`)
	ask(http.MethodDelete, "/db/a?rev="+made[strings.Index(made, `"rev":"`)+len(`"rev":"`):strings.LastIndex(made, `"`)], "")
	ask(http.MethodPut, "/db/a", `{"n":1}`)
	for _, want := range []string{`"available","deleted","available"`, `"available","missing","missing"`} {
		var got []string
		for _, info := range strings.Split(ask(http.MethodGet, "/db/a?revs_info=true", ""), `"status":`)[1:] {
			got = append(got, info[:strings.Index(info, "}")])
		}
		if strings.Join(got, ",") != want {
			t.Errorf("_revs_info says %s instead of %s", strings.Join(got, ","), want)
		}
		ask(http.MethodPost, "/db/_compact", "")
		db, err := st.Database("db")
		if err != nil {
			t.Fatal(err)
		}
		compacted(db)
	}
}

// compacted waits until no compaction of a database is under way.
func compacted(db *store.Database) {
	for db.Compacting() {
		runtime.Gosched() // nobody tells of its end but this
	}
}

// TestAncestorWrittenLast: a body that a replicator brings of an ancestor is there until the next compaction, with its attachment, though it was written
// last. The document stands once in every feed, with its winner.
func TestAncestorWrittenLast(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	db, err := s.st.Database("db")
	if err != nil {
		t.Fatal(err)
	}
	bring := func(doc string) {
		t.Helper()
		if got := s.want("POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[`+doc+`]}`, 201); got != "[]" {
			t.Fatal(got)
		}
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	feed := s.open(ctx, "GET", "/db/_changes?feed=continuous&include_docs=true&heartbeat=60000", "")
	defer feed.Body.Close()
	lines := bufio.NewScanner(feed.Body)
	next := func() string {
		for lines.Scan() && lines.Text() == "" {
		}
		return lines.Text()
	}
	rows := func(query string, rows, pending int) {
		t.Helper()
		got := s.want("GET", "/db/_changes"+query, "", 200)
		if gjson.Get(got, "results.#").Int() != int64(rows) || gjson.Get(got, "pending").Int() != int64(pending) {
			t.Errorf("_changes%s: %s", query, got)
		}
		if n := strings.Count(got, `"rev":"2-bb"`); n != rows || strings.Contains(got, "first") {
			t.Errorf("_changes%s has the winner %d times: %s", query, n, got)
		}
	}
	bring(`{"_id":"a","_revisions":{"start":2,"ids":["bb","aa"]},"n":"second"}`)
	if got := gjson.Get(next(), "doc.n").String(); got != "second" {
		t.Errorf("the feed begins with %q", got)
	}
	bring(`{"_id":"a","_rev":"1-aa","n":"first","_attachments":{"f":{"content_type":"text/plain","data":"aGFsbG8="}}}`)
	if got := gjson.Get(next(), "doc.n").String(); got != "second" {
		t.Errorf("the feed goes on with %q", got)
	}
	_, tag, _ := strings.Cut(gjson.Get(s.want("GET", "/db", "", 200), "update_seq").String(), "-")
	tag = "-" + tag
	for range 2 {
		rows("?style=all_docs&include_docs=true&attachments=true", 1, 0)
		rows("?since=1"+tag, 1, 0)
		rows("?since=2"+tag, 1, 0)
		rows("?since=now", 0, 0)
		rows("?limit=0", 0, 1)
		rows("?descending=true", 1, 0)
		s.equal("POST", "/db/_revs_diff", `{"a":["1-aa","2-bb"]}`, 200, `{}`)
		s.want("GET", "/db/a?rev=1-aa", "", 200)
		s.equal("GET", "/db/a/f?rev=1-aa", "", 200, "hallo")
		s.want("GET", "/db/a/f", "", 404)
		bring(`{"_id":"a","_rev":"1-aa","n":"first again"}`) // which is there
	}
	s.want("POST", "/db/_compact", "", 202)
	compacted(db)
	s.want("GET", "/db/a?rev=1-aa", "", 404)
	s.want("GET", "/db/a/f?rev=1-aa", "", 404)
	s.equal("POST", "/db/_revs_diff", `{"a":["1-aa","2-bb"]}`, 200, `{}`)
	rows("?style=all_docs&include_docs=true", 1, 0)
	bring(`{"_id":"b","_rev":"1-bb"}`)
	if got := gjson.Get(next(), "id").String(); got != "b" {
		t.Errorf("the feed goes on with %q", got)
	}
}
