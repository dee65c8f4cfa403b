package mango_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/url"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/google/go-cmp/cmp"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/mango"
	"github.com/adlayer/after/store/storetest"
)

// fataler is a *testing.T, a *testing.B or a *rapid.T.
type fataler interface {
	Helper()
	Fatal(args ...any)
	Fatalf(format string, args ...any)
}

// openStore opens a store in memory, closed at the test's end.
func openStore(tb testing.TB) *store.Store {
	tb.Helper()
	st, err := store.Open("data", store.Options{FS: vfs.NewMem()})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() { storetest.End(tb, st) })
	return st
}

func createDatabase(t fataler, st *store.Store, name string) *store.Database {
	t.Helper()
	db, err := st.CreateDatabase(context.Background(), name)
	if err != nil {
		t.Fatal(err)
	}
	return db
}

func openDatabase(tb testing.TB) *store.Database {
	tb.Helper()
	return createDatabase(tb, openStore(tb), "db")
}

// bulk writes documents given as JSON; ones that are refused fail the test.
func bulk(t fataler, db *store.Database, raw ...string) []store.Result {
	t.Helper()
	docs := make([]store.Doc, len(raw))
	for i, text := range raw {
		var p store.Parser
		if err := p.Document([]byte(text), &docs[i]); err != nil {
			t.Fatalf("%s: %v", text, err)
		}
	}
	results, err := db.Write(context.Background(), docs, store.WriteOptions{})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range results {
		if r.Err != nil {
			t.Fatalf("%s: %v", raw[i], r.Err)
		}
	}
	return results
}

// serve sends one request to the finder.
func serve(t fataler, db *store.Database, method, path, body string) string {
	t.Helper()
	path, query, _ := strings.Cut(path, "?")
	values, err := url.ParseQuery(query)
	if err != nil {
		t.Fatal(err)
	}
	var answer bytes.Buffer
	if err := (mango.Finder{}).Serve(context.Background(), db, method, path, values, []byte(body), &answer); err != nil {
		t.Fatalf("%s %s %s: %v", method, path, body, err)
	}
	if !json.Valid(answer.Bytes()) {
		t.Fatalf("%s %s %s: %s", method, path, body, &answer)
	}
	return answer.String()
}

// page is an answer of _find.
type page struct {
	Docs     []map[string]any `json:"docs"`
	Bookmark string           `json:"bookmark"`
	Warning  string           `json:"warning"`
	Stats    struct {
		Keys    int `json:"total_keys_examined"`
		Docs    int `json:"total_docs_examined"`
		Results int `json:"results_returned"`
	} `json:"execution_stats"`
}

func (p page) ids() []string {
	ids := []string{}
	for _, doc := range p.Docs {
		ids = append(ids, doc["_id"].(string))
	}
	return ids
}

func findPage(t fataler, db *store.Database, body string) page {
	t.Helper()
	var p page
	if err := json.Unmarshal([]byte(serve(t, db, "POST", "_find", body)), &p); err != nil {
		t.Fatal(err)
	}
	return p
}

// refused sends a request that must be refused, and gives the error.
func refused(t fataler, db *store.Database, path, body string) *store.Error {
	t.Helper()
	var answer bytes.Buffer
	err := mango.Finder{}.Serve(context.Background(), db, "POST", path, url.Values{}, []byte(body), &answer)
	var refusal *store.Error
	if !errors.As(err, &refusal) || answer.Len() > 0 {
		t.Fatalf("%s %s: %s, %v", path, body, &answer, err)
	}
	return refusal
}

// TestDocumentsExamined shows that an index is really used: what a query looks at is what it finds and what lies on the ends of its range.
func TestDocumentsExamined(t *testing.T) {
	t.Parallel()
	db := openDatabase(t)
	var docs []string
	for i := range 1000 {
		status := "done"
		if i%100 == 0 {
			status = "scheduled"
		}
		docs = append(docs, fmt.Sprintf(`{"_id":"t%04d","worker":"w%d","status":%q,"n":%d}`, i, i%4, status, i))
	}
	bulk(t, db, docs...)
	serve(t, db, "POST", "_index", `{"index":{"fields":["n"]},"ddoc":"n","name":"n"}`)
	serve(t, db, "POST", "_index", `{"index":{"fields":["worker","n"]},"ddoc":"wn","name":"wn"}`)
	serve(t, db, "POST", "_index", `{"index":{"partial_filter_selector":{"status":{"$in":["waiting","scheduled"]}},"fields":["worker"]},"ddoc":"live","name":"live"}`)
	if got, err := mango.Update(t.Context(), db); err != nil || got != 2010 {
		t.Fatalf("%d index rows, want two for each document and one for each live one: %v", got, err)
	}
	for _, c := range []struct {
		about, body       string
		examined, results int
	}{
		{"equality", `{"selector":{"n":500},"execution_stats":true}`, 1, 1},
		{"range", `{"selector":{"n":{"$gt":100,"$lte":110}},"execution_stats":true}`, 11, 10},
		{"open range and limit", `{"selector":{"n":{"$gte":900}},"limit":7,"execution_stats":true}`, 7, 7},
		{"descending", `{"selector":{"n":{"$lt":900}},"sort":[{"n":"desc"}],"limit":7,"execution_stats":true}`, 8, 7},
		{"two columns", `{"selector":{"worker":"w1","n":{"$gte":100,"$lt":140}},"execution_stats":true}`, 10, 10},
		{"impossible", `{"selector":{"n":{"$gt":5,"$lt":5}},"execution_stats":true}`, 0, 0},
		{"filtered after", `{"selector":{"n":{"$gte":0,"$lt":10},"worker":{"$regex":"1$"}},"execution_stats":true,"use_index":"n"}`, 11, 3},
		{"partial", `{"selector":{"worker":"w0","status":{"$in":["waiting","scheduled"]}},"use_index":["live","live"],"execution_stats":true}`, 10, 10},
		{"partial, another worker", `{"selector":{"worker":"w1","status":"scheduled"},"use_index":"live","execution_stats":true}`, 0, 0},
		{"no index", `{"selector":{"status":"scheduled"},"limit":100,"execution_stats":true}`, 1003, 10},
	} {
		p := findPage(t, db, c.body)
		if p.Stats.Docs != c.examined || p.Stats.Results != c.results || len(p.Docs) != c.results {
			t.Errorf("%s: %d documents examined for %d results, want %d for %d", c.about, p.Stats.Docs, p.Stats.Results, c.examined, c.results)
		}
		if warned := strings.Contains(p.Warning, "No matching index"); warned != (c.about == "no index") {
			t.Errorf("%s: warning %q", c.about, p.Warning)
		}
	}
}

func TestPartialIndexNeedsItsName(t *testing.T) {
	t.Parallel()
	db := openDatabase(t)
	bulk(t, db, `{"_id":"a","w":"x","s":"live"}`, `{"_id":"b","w":"x","s":"dead"}`)
	serve(t, db, "POST", "_index", `{"index":{"partial_filter_selector":{"s":"live"},"fields":["w"]},"ddoc":"p"}`)
	if p := findPage(t, db, `{"selector":{"w":"x"}}`); len(p.Docs) != 2 || p.Warning == "" {
		t.Errorf("without its name: %v, warning %q", p.ids(), p.Warning)
	}
	if p := findPage(t, db, `{"selector":{"w":"x"},"use_index":"p"}`); !cmp.Equal(p.ids(), []string{"a"}) || p.Warning != "" {
		t.Errorf("with its name: %v, warning %q", p.ids(), p.Warning)
	}
}

func TestPagesFollowEachOther(t *testing.T) {
	t.Parallel()
	db := openDatabase(t)
	var docs []string
	for i := range 100 {
		docs = append(docs, fmt.Sprintf(`{"_id":"d%02d","n":%d}`, i, i/10))
	}
	bulk(t, db, docs...)
	for _, index := range []string{"", `{"index":{"fields":["n"]}}`} {
		if index != "" {
			serve(t, db, "POST", "_index", index)
		}
		for _, selector := range []string{`"selector":{"n":{"$gte":2}}`, `"selector":{"n":{"$gte":2}},"sort":[{"n":"desc"}]`, `"selector":{"_id":{"$gte":"d20"}},"sort":[{"_id":"desc"}]`} {
			if index == "" && strings.Contains(selector, `"sort":[{"n"`) {
				continue
			}
			whole := findPage(t, db, `{`+selector+`,"limit":1000}`)
			var pieces []string
			bookmark := ""
			for range 100 {
				p := findPage(t, db, `{`+selector+`,"limit":7,"bookmark":"`+bookmark+`"}`)
				if len(p.Docs) == 0 {
					break
				}
				pieces = append(pieces, p.ids()...)
				bookmark = p.Bookmark
			}
			if len(pieces) != 80 || !cmp.Equal(whole.ids(), pieces) {
				t.Errorf("index %s, %s: pages give %v, one answer %v", index, selector, pieces, whole.ids())
			}
		}
	}
}

// TestBookmarkSurvivesDeletion: a page begins behind its bookmark also when the document there is gone.
func TestBookmarkSurvivesDeletion(t *testing.T) {
	t.Parallel()
	db := openDatabase(t)
	serve(t, db, "POST", "_index", `{"index":{"fields":["n"]}}`)
	results := bulk(t, db, `{"_id":"a","n":1}`, `{"_id":"b","n":2}`, `{"_id":"c","n":3}`)
	first := findPage(t, db, `{"selector":{"n":{"$gt":0}},"limit":2}`)
	bulk(t, db, fmt.Sprintf(`{"_id":"b","_rev":%q,"_deleted":true}`, results[1].Rev))
	if p := findPage(t, db, `{"selector":{"n":{"$gt":0}},"limit":2,"bookmark":"`+first.Bookmark+`"}`); !cmp.Equal(p.ids(), []string{"c"}) {
		t.Errorf("the second page has %v", p.ids())
	}
}

func TestIndexesAreDesignDocuments(t *testing.T) {
	t.Parallel()
	db := openDatabase(t)
	serve(t, db, "POST", "_index", `{"index":{"fields":[{"b":"desc"},{"a":"desc"}],"partial_filter_selector":{"s":{"$in":["x"]}}},"ddoc":"d","name":"i"}`)
	snap, err := db.Snapshot()
	if err != nil {
		t.Fatal(err)
	}
	row, err := snap.Get("_design/d")
	if err = errors.Join(err, snap.Close()); err != nil {
		t.Fatal(err)
	}
	want := `{"language":"query","views":{"i":{"map":{"fields":{"b":"desc","a":"desc"},"partial_filter_selector":{"s":{"$in":["x"]}}},"reduce":"_count",` +
		`"options":{"def":{"fields":[{"b":"desc"},{"a":"desc"}],"partial_filter_selector":{"s":{"$in":["x"]}}}}}}}`
	if string(row.Body) != want {
		t.Errorf("%s, want %s", row.Body, want)
	}
	// One that came by replication works as well.
	bulk(t, db, `{"_id":"_design/r","language":"query","views":{"n":{"map":{"fields":{"n":"asc"}},"reduce":"_count","options":{"def":{"fields":["n"]}}}}}`,
		`{"_id":"_design/js","language":"javascript","views":{"v":{"map":"function(doc){}"}}}`,
		`{"_id":"_design/odd","language":"query","views":{"v":5,"w":{"map":"x"},"x":{"map":{"fields":{"a":"asc"},"partial_filter_selector":{"a":{"$bad":1}}}}}}`,
		`{"_id":"x","n":7}`)
	if p := findPage(t, db, `{"selector":{"n":7}}`); len(p.Docs) != 1 || p.Warning != "" {
		t.Errorf("%v, warning %q", p.ids(), p.Warning)
	}
	if e := refused(t, db, "_index", `{"index":{"fields":["n"]},"ddoc":"js"}`); e.Name != "invalid_ddoc_lang" {
		t.Errorf("an index in a design document of another language: %v", e)
	}
	var list struct {
		Total int `json:"total_rows"`
	}
	if err := json.Unmarshal([]byte(serve(t, db, "GET", "_index", "")), &list); err != nil || list.Total != 3 {
		t.Errorf("%d indexes, %v", list.Total, err)
	}
}

// TestDroppedIndexLeavesNothing: the rows of an index that is gone go with the next upkeep.
func TestDroppedIndexLeavesNothing(t *testing.T) {
	t.Parallel()
	db := openDatabase(t)
	bulk(t, db, `{"_id":"a","n":1,"m":1}`, `{"_id":"b","n":2,"m":2}`)
	serve(t, db, "POST", "_index", `{"index":{"fields":["n"]},"ddoc":"d","name":"n"}`)
	serve(t, db, "POST", "_index", `{"index":{"fields":["m"]},"ddoc":"d","name":"m"}`)
	if rows, err := mango.Update(t.Context(), db); rows != 4 || err != nil {
		t.Fatalf("%d rows, %v", rows, err)
	}
	serve(t, db, "DELETE", "_index/d/json/n", "")
	if rows, err := mango.Update(t.Context(), db); rows != 2 || err != nil {
		t.Fatalf("%d rows after one of two indexes is gone, %v", rows, err)
	}
	if e := refused(t, db, "_find", `{"selector":{"n":1},"sort":["n"]}`); e.Name != "no_usable_index" {
		t.Errorf("sorting without an index: %v", e)
	}
}

// TestUnchangedKeysCostNothing: the rows of documents whose indexed fields stay are not written again.
func TestUnchangedKeysCostNothing(t *testing.T) {
	t.Parallel()
	db := openDatabase(t)
	serve(t, db, "POST", "_index", `{"index":{"fields":["n"]}}`)
	results := bulk(t, db, `{"_id":"a","n":1}`)
	if rows, err := mango.Update(t.Context(), db); rows != 1 || err != nil {
		t.Fatal(rows, err)
	}
	bulk(t, db, fmt.Sprintf(`{"_id":"a","_rev":%q,"n":1,"other":true}`, results[0].Rev))
	if rows, err := mango.Update(t.Context(), db); rows != 1 || err != nil {
		t.Fatal(rows, err)
	}
	if p := findPage(t, db, `{"selector":{"n":1}}`); len(p.Docs) != 1 || p.Docs[0]["other"] != true {
		t.Errorf("%v", p.Docs)
	}
}

// TestLongKeysAreCut: values of any length can be indexed.
func TestLongKeysAreCut(t *testing.T) {
	t.Parallel()
	db := openDatabase(t)
	serve(t, db, "POST", "_index", `{"index":{"fields":["s"]}}`)
	long := strings.Repeat("x", 100_000)
	bulk(t, db, `{"_id":"a","s":"`+long+`a"}`, `{"_id":"b","s":"`+long+`b"}`, `{"_id":"c","s":"y"}`, `{"_id":"d","s":"`+long+`"}`)
	if _, err := mango.Update(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	for selector, want := range map[string][]string{
		`{"s":"` + long + `a"}`:                               {"a"},
		`{"s":{"$gt":"` + long + `a"}}`:                       {"b", "c"},
		`{"s":{"$lt":"` + long + `b"}}`:                       {"a", "d"},
		`{"s":{"$gte":"` + long + `","$lt":"` + long + `b"}}`: {"a", "d"},
	} {
		if got := findPage(t, db, `{"selector":`+selector+`}`).ids(); !cmp.Equal(got, want) {
			t.Errorf("%.20s...: %v, want %v", selector, got, want)
		}
	}
}

func TestCanceledQueryEnds(t *testing.T) {
	t.Parallel()
	db := openDatabase(t)
	var docs []string
	for i := range 1000 {
		docs = append(docs, fmt.Sprintf(`{"_id":"%d","n":%d}`, i, i))
	}
	bulk(t, db, docs...)
	serve(t, db, "POST", "_index", `{"index":{"fields":["n"]}}`)
	ctx, cancel := context.WithCancelCause(t.Context())
	cause := errors.New("the asker has gone")
	cancel(cause)
	for _, body := range []string{`{"selector":{"x":1}}`, `{"selector":{"n":{"$gt":0}}}`} {
		if err := (mango.Finder{}).Serve(ctx, db, "POST", "_find", nil, []byte(body), io.Discard); !errors.Is(err, cause) && !errors.Is(err, context.Canceled) {
			t.Errorf("%s: %v", body, err)
		}
	}
}
