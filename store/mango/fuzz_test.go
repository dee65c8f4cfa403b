package mango_test

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"errors"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/mango"
)

// fuzzDatabase is a small database with indexes of each kind.
func fuzzDatabase(f *testing.F) *store.Database {
	f.Helper()
	st, err := store.Open("data", store.Options{FS: vfs.NewMem()})
	if err != nil {
		f.Fatal(err)
	}
	f.Cleanup(func() {
		if err := st.Close(); err != nil {
			f.Error(err)
		}
	})
	db := createDatabase(f, st, "db")
	bulk(f, db, `{"_id":"a","n":1,"s":"x"}`, `{"_id":"b","n":2.5,"s":"é","o":{"k":[1,2]}}`, `{"_id":"c","n":null,"s":["y"]}`)
	serve(f, db, "POST", "_index", `{"index":{"fields":["n"]},"ddoc":"n","name":"n"}`)
	serve(f, db, "POST", "_index", `{"index":{"fields":["s","n"],"partial_filter_selector":{"n":{"$gt":0}}},"ddoc":"p","name":"p"}`)
	return db
}

// answers sends a body, and wants JSON or one of CouchDB's errors back, nothing else.
func answers(t *testing.T, db *store.Database, path string, body []byte) (ok bool) {
	t.Helper()
	var answer bytes.Buffer
	err := mango.Finder{}.Serve(t.Context(), db, "POST", path, nil, body, &answer)
	if err != nil {
		e, known := errors.AsType[*store.Error](err)
		if !known || e.Status < 400 || e.Name == "" || e.Reason == "" || answer.Len() > 0 {
			t.Fatalf("%s %q: %v, after %q", path, body, err, &answer)
		}
		return false
	}
	if !json.Valid(answer.Bytes()) {
		t.Fatalf("%s %q: %s", path, body, &answer)
	}
	return true
}

// FuzzFind: a query is answered or refused, and _explain does the same as _find.
func FuzzFind(f *testing.F) {
	for _, seed := range []string{
		`{"selector":{"n":{"$gt":0}},"fields":["n","_id"],"sort":[{"n":"desc"}],"limit":2,"skip":1,"execution_stats":true,"r":2}`,
		`{"selector":{"s":{"$beginsWith":"x"},"n":{"$exists":true}},"use_index":["p","p"],"conflicts":true,"update":false}`,
		`{"selector":{"$or":[{"o.k":{"$elemMatch":{"$mod":[2,1]}}},{"s":{"$regex":"(?=a)"}}]},"bookmark":"nil","allow_fallback":false}`,
		`{"selector":{"_id":{"$in":["a"]}},"use_index":"_design/n/n","stable":true,"stale":"ok","partition":""}`, `[]`, `{"selector":{"$not":{"$nor":[]}}}`,
	} {
		f.Add([]byte(seed))
	}
	db := fuzzDatabase(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if answers(t, db, "_find", body) && !answers(t, db, "_explain", body) {
			t.Fatalf("%q is answered, but not explained", body)
		}
	})
}

// FuzzIndex: a definition makes an index or is refused, and no index makes the database unreadable.
func FuzzIndex(f *testing.F) {
	for _, seed := range []string{
		`{"index":{"fields":["a.b",{"c":"asc"}],"partial_filter_selector":{"d":{"$regex":"^x"}}},"ddoc":"x","name":"y","type":"json","partitioned":false,"w":1}`,
		`{"index":{"fields":[]}}`, `{"index":{"fields":["a..b","a..b"]},"name":"\u0000"}`, `{"index":{"fields":[{"a":"desc"}]},"ddoc":"_design/_design/x"}`,
	} {
		f.Add([]byte(seed))
	}
	db := fuzzDatabase(f)
	f.Fuzz(func(t *testing.T, body []byte) {
		if answers(t, db, "_index", body) {
			serve(t, db, "GET", "_index", "")
			serve(t, db, "POST", "_find", `{"selector":{"n":1}}`)
		}
		answers(t, db, "_index/_bulk_delete", body)
	})
}

// FuzzBookmark: one that no answer gave is refused, or begins somewhere.
func FuzzBookmark(f *testing.F) {
	db := fuzzDatabase(f)
	for _, query := range []string{`{"selector":{},"limit":1}`, `{"selector":{"n":{"$gt":null}},"limit":1}`} {
		raw, err := base64.RawURLEncoding.DecodeString(findPage(f, db, query).Bookmark)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(raw)
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		bookmark := quote(base64.RawURLEncoding.EncodeToString(raw))
		for _, query := range []string{`{"selector":{}`, `{"selector":{},"sort":[{"_id":"desc"}]`, `{"selector":{"n":{"$gt":null}}`, `{"selector":{"n":{"$gt":null}},"sort":[{"n":"desc"}]`} {
			answers(t, db, "_find", []byte(query+`,"bookmark":`+bookmark+`}`))
		}
	})
}
