package httpd_test

import (
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
)

// served gives a store in memory, and a server of it whose hashes cost little.
func served(f *testing.F) (*store.Store, *httpd.Server) {
	f.Helper()
	st, err := store.Open("data", store.Options{FS: vfs.NewMem()})
	if err != nil {
		f.Fatal(err)
	}
	h := httpd.New(st, httpd.Options{Admins: map[string]string{"admin": "secret"}, HashRounds: 1})
	f.Cleanup(func() {
		if err := h.Close(); err != nil {
			f.Error(err)
		}
		if err := st.Close(); err != nil {
			f.Error(err)
		}
	})
	return st, h
}

// fuzzed gives a server with a database of some documents, and a function that asks it without a socket.
func fuzzed(f *testing.F) (*store.Database, func(method, target, body string) *httptest.ResponseRecorder) {
	f.Helper()
	st, h := served(f)
	db, err := st.CreateDatabase(f.Context(), "db")
	if err != nil {
		f.Fatal(err)
	}
	for _, doc := range []string{`{"_id":"a"}`, `{"_id":"b","n":1}`, `{"_id":"_design/d"}`, `{"_id":"c","_deleted":true}`} {
		if _, err := db.Put(f.Context(), []byte(doc)); err != nil {
			f.Fatal(err)
		}
	}
	return db, func(method, target, body string) *httptest.ResponseRecorder {
		r := httptest.NewRequest(method, "/", strings.NewReader(body))
		path, query, _ := strings.Cut(target, "?")
		r.URL = &url.URL{Path: path, RawQuery: query}
		r.SetBasicAuth("admin", "secret")
		r.Header.Set("Content-Type", "application/json")
		w := httptest.NewRecorder()
		h.ServeHTTP(w, r)
		return w
	}
}

// FuzzSince asks for changes behind anything: an answer begins at a sequence that was given, or at the start.
func FuzzSince(f *testing.F) {
	db, ask := fuzzed(f)
	for _, seed := range []string{"0", "now", "", "1", "3-" + db.UUID()[:12], "99-" + db.UUID()[:12], "2-other", "-1", "1-", `"2-x"`, "18446744073709551616-a", "1e3", "\x00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, since string) {
		w := ask(http.MethodGet, "/db/_changes?since="+url.QueryEscape(since), "")
		rows := strings.Count(w.Body.String(), `"seq"`)
		switch {
		case w.Code != http.StatusOK && w.Code != http.StatusBadRequest:
			t.Fatalf("%q: %d %s", since, w.Code, w.Body)
		case w.Code == http.StatusOK && (rows > 4 || !strings.Contains(w.Body.String(), `"pending":0`)):
			t.Fatalf("%q: %s", since, w.Body)
		}
	})
}

// FuzzQuery asks with any parameters: what is refused is refused in CouchDB's form.
func FuzzQuery(f *testing.F) {
	_, ask := fuzzed(f)
	for _, seed := range []string{
		"limit=1&skip=2&descending=true", `startkey="a"&endkey="b"&inclusive_end=false`, `keys=["a","x",5]`, `key="a"&include_docs=true&conflicts=true`,
		"update_seq=true&reduce=false&group_level=0&stale=ok", "style=all_docs&seq_interval=2", "filter=_doc_ids&doc_ids=[\"a\"]", "filter=_design",
		"filter=d/f", "filter=_view&view=d/v", "%zz", "limit=99999999999999999999", "&&==", "startkey=%22%ff%22", "descending=TRUE&limit=+1", "attachments=true&include_docs=true",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, query string) {
		for _, path := range []string{"/db/_all_docs?", "/db/_design_docs?", "/db/_local_docs?", "/db/_changes?", "/_all_dbs?", "/_dbs_info?"} {
			w := ask(http.MethodGet, path+"feed=normal&"+query, "")
			switch {
			case w.Code >= http.StatusInternalServerError && w.Code != http.StatusNotImplemented:
				t.Fatalf("%s%q: %d %s", path, query, w.Code, w.Body)
			case w.Code >= http.StatusBadRequest && !strings.HasPrefix(w.Body.String(), `{"error":"`):
				t.Fatalf("%s%q: %d %s", path, query, w.Code, w.Body)
			}
		}
	})
}
