package mango_test

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/mango"
)

// TestCoveredQueriesReadNoDocument: where an index has all that a query names, the answer comes from its rows, with the values as the documents
// have them and not as they are compared.
func TestCoveredQueriesReadNoDocument(t *testing.T) {
	t.Parallel()
	db := openDatabase(t)
	long := strings.Repeat("long ", 1000)
	bulk(t, db, `{"_id":"a","s":"É","n":1.0,"o":{"k":[1,{"x":null}]},"t":"p"}`, `{"_id":"b","s":"é","n":12345678901234567890,"o":{"k":{}},"t":"p"}`,
		`{"_id":"c","s":"`+long+`","n":-0.5,"o":{"k":"\u0001\"\\"},"t":"q"}`, `{"_id":"d","n":3}`)
	serve(t, db, "POST", "_index", `{"index":{"fields":["s","n","o.k"]},"ddoc":"i","name":"snk"}`)
	serve(t, db, "POST", "_index", `{"index":{"fields":["n","_id"],"partial_filter_selector":{"t":"p"}},"ddoc":"p","name":"p"}`)
	for _, built := range []bool{false, true} {
		if built {
			if _, err := mango.Update(t.Context(), db); err != nil {
				t.Fatal(err)
			}
		}
		for _, c := range []struct {
			query    string
			want     string
			covering bool
		}{
			{
				`{"selector":{"s":{"$gt":null},"n":{"$gt":null},"o.k":{"$exists":true}},"fields":["o.k","n","s","_id"]}`,
				`[{"o":{"k":{}},"n":12345678901234567890,"s":"é","_id":"b"},{"o":{"k":[1,{"x":null}]},"n":1.0,"s":"É","_id":"a"},` +
					`{"o":{"k":"\u0001\"\\"},"n":-0.5,"s":"` + long + `","_id":"c"}]`, true,
			},
			{`{"selector":{"s":{"$regex":"^\\x{c3}"},"n":{"$gt":null},"o.k":{"$exists":true}},"fields":["_id"]}`, `[{"_id":"b"},{"_id":"a"}]`, true},
			{`{"selector":{"s":{"$gt":null},"n":{"$gt":null},"o.k":{"$elemMatch":{"x":null}}},"fields":["_id"]}`, `[{"_id":"a"}]`, true},
			{`{"selector":{"s":"` + long + `","n":{"$gt":null},"o.k":{"$exists":true}},"fields":["n"]}`, `[{"n":-0.5}]`, true},
			{`{"selector":{"s":{"$gt":null},"n":{"$gt":null},"o.k":{"$exists":true}},"fields":["s","o"]}`, "", false},
			{`{"selector":{"s":{"$gt":null},"n":{"$gt":null},"o.k":{"$exists":true},"t":"p"},"fields":["s"]}`, "", false},
			{`{"selector":{"s":{"$gt":null},"n":{"$gt":null},"o.k":{"$exists":true}}}`, "", false},
			{`{"selector":{"n":{"$gt":2}},"fields":["_id"],"use_index":"p"}`, `[{"_id":"b"}]`, true},
			{`{"selector":{"n":{"$gt":2},"t":"p"},"fields":["_id"],"use_index":"p"}`, `[{"_id":"b"}]`, false},
			{`{"selector":{"_id":"a"},"fields":["_id"]}`, `[{"_id":"a"}]`, false},
		} {
			body := strings.TrimSuffix(c.query, "}") + `,"execution_stats":true}`
			e := explained(t, db, c.query)
			if e.Covering != c.covering || e.Range.Docs == c.covering {
				t.Errorf("%.100s: covering %v, include_docs %v", c.query, e.Covering, e.Range.Docs)
			}
			p := findPage(t, db, body)
			if c.covering != (p.Stats.Docs == 0) || p.Stats.Keys == 0 {
				t.Errorf("%.100s: %d documents examined, %d keys", c.query, p.Stats.Docs, p.Stats.Keys)
			}
			if c.want == "" {
				continue
			}
			if diff := cmp.Diff(c.want, docsOf(serve(t, db, "POST", "_find", c.query))); diff != "" {
				t.Errorf("built %v: %.100s: %s", built, c.query, diff)
			}
		}
	}
}

// docsOf cuts the documents out of an answer.
func docsOf(answer string) string {
	_, rest, _ := strings.Cut(answer, `"docs":`)
	docs, _, _ := strings.Cut(rest, `,"bookmark"`)
	return docs
}

// canonical is JSON as the store keeps it.
func canonical(t *testing.T, text string) string {
	t.Helper()
	raw, err := store.Canonical([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return string(raw)
}

// TestCoveredRowsFollowTheirDocuments: a value that is written in another way, but compares as before, is shown as it is now.
func TestCoveredRowsFollowTheirDocuments(t *testing.T) {
	t.Parallel()
	db := openDatabase(t)
	serve(t, db, "POST", "_index", `{"index":{"fields":["n","s"]}}`)
	const query = `{"selector":{"n":{"$gt":null},"s":{"$gt":null}},"fields":["n","s"]}`
	rev := bulk(t, db, `{"_id":"a","n":1,"s":"e\u0301"}`)[0].Rev
	for _, body := range []string{`"n":1.0,"s":"\u00e9"`, `"n":1,"s":"e\u0301"`, `"n":1,"s":"` + strings.Repeat("x", 3000) + `"`, `"n":2,"s":""`} {
		if _, err := mango.Update(t.Context(), db); err != nil {
			t.Fatal(err)
		}
		rev = bulk(t, db, fmt.Sprintf(`{"_id":"a","_rev":%q,%s}`, rev, body))[0].Rev
		want := `[` + canonical(t, `{`+body+`}`) + `]`
		for _, built := range []bool{false, true} {
			if got := docsOf(serve(t, db, "POST", "_find", query)); got != want {
				t.Errorf("built %v: %.80s, want %.80s", built, got, want)
			}
			if rows, err := mango.Update(t.Context(), db); rows != 1 || err != nil {
				t.Fatalf("%d rows, %v", rows, err)
			}
		}
	}
}
