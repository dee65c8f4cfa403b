package couch_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"go.uber.org/goleak"

	"github.com/adlayer/after/couch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// dial gives a client of a server that answers with handler.
func dial(t *testing.T, handler http.HandlerFunc, base string, o couch.Options) *couch.Client {
	t.Helper()
	server := httptest.NewServer(handler)
	client, err := couch.Dial(server.URL+base, o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		server.Close()
	})
	return client
}

func answer(status int, body string) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		io.Copy(io.Discard, r.Body)
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		io.WriteString(w, body)
	}
}

func TestDialRefuses(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"":                              "is empty",
		"ftp://user:hunter2@host":       `begins with "ftp://"`,
		"http://user:hun%zzter2@host":   "not a URL",
		"http://user:hunter2@":          "names no host",
		"http://user:hunter2@host/?x=1": "a query",
		"http://us er:hunter2@ho st":    "not a URL",
	} {
		_, err := couch.Dial(address, couch.Options{})
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q: got error %v, want one that says %q", address, err, want)
		}
		if err != nil && (strings.Contains(err.Error(), "hunter2") || strings.Contains(err.Error(), "ter2")) {
			t.Errorf("%q: the error shows the password: %v", address, err)
		}
	}
}

func TestPasswordIsNeverShown(t *testing.T) {
	t.Parallel()
	client, err := couch.Dial("http://user:hunter2@127.0.0.1:1/base", couch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	db := client.Database("tasks")
	_, getErr := db.Get(t.Context(), "x")
	_, sessionErr := client.Session(t.Context())
	_, bulkErr := db.Bulk(t.Context(), [][]byte{[]byte("{}")})
	for _, text := range []string{
		client.String(), db.String(), fmt.Sprint(client), fmt.Sprintf("%v", db), getErr.Error(), sessionErr.Error(), bulkErr.Error(),
	} {
		if strings.Contains(text, "hunter2") {
			t.Errorf("the password is in %q", text)
		}
	}
	if got := client.String(); got != "http://127.0.0.1:1/base" {
		t.Errorf("String is %q", got)
	}
}

func TestPathsAndCredentials(t *testing.T) {
	t.Parallel()
	for _, base := range []string{"", "/couch", "/a%2Fb/"} {
		var got []string
		client := dial(t, func(w http.ResponseWriter, r *http.Request) {
			user, password, _ := r.BasicAuth()
			got = append(got, fmt.Sprintf("%s %s %s:%s", r.Method, r.RequestURI, user, password))
			if r.Header.Get("Content-Encoding") != "" || r.Header.Get("Accept-Encoding") != "" {
				t.Errorf("%s %s is compressed, or asks for it", r.Method, r.RequestURI)
			}
			answer(200, `{"ok":true,"_id":"x","_rev":"1-a","id":"x","rev":"1-a"}`)(w, r)
		}, base, couch.Options{User: "ann", Password: "p:w"})
		db := client.Database("tasks/fleet+1")
		for _, id := range []string{"a/b", "a b", "a+b", "é", "..", "a?b#c%d", "_design/x/y", "_local/x y", "plain:1"} {
			if _, err := db.Get(t.Context(), id); err != nil {
				t.Fatal(err)
			}
		}
		if _, err := db.Delete(t.Context(), "x", "1-a"); err != nil {
			t.Fatal(err)
		}
		if err := client.CreateDatabase(t.Context(), "tasks/fleet"); err != nil {
			t.Fatal(err)
		}
		root := strings.TrimSuffix(base, "/")
		want := []string{}
		for _, path := range []string{"a%2Fb", "a%20b", "a%2Bb", "%C3%A9", "%2E%2E", "a%3Fb%23c%25d", "_design/x%2Fy", "_local/x%20y", "plain%3A1"} {
			want = append(want, "GET "+root+"/tasks%2Ffleet%2B1/"+path+" ann:p:w")
		}
		want = append(want, "DELETE "+root+"/tasks%2Ffleet%2B1/x?rev=1-a ann:p:w", "PUT "+root+"/tasks%2Ffleet ann:p:w")
		if g, w := strings.Join(got, "\n"), strings.Join(want, "\n"); g != w {
			t.Errorf("with the base %q got\n%s\nwant\n%s", base, g, w)
		}
	}
}

func TestErrors(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		status int
		body   string
		is     func(error) bool
		want   string
	}{
		{404, `{"error":"not_found","reason":"deleted"}`, couch.IsNotFound, "reading document x of db: 404 not_found: deleted"},
		{409, `{"error":"conflict","reason":"Document update conflict."}`, couch.IsConflict, "409 conflict"},
		{401, `{"error":"unauthorized","reason":"Name or password is incorrect."}`, couch.IsUnauthorized, "401 unauthorized: Name"},
		{403, `{"error":"forbidden","reason":"no"}`, couch.IsForbidden, "403 forbidden: no"},
		{412, ``, couch.IsExists, "412 Precondition Failed"},
		{502, `<html>Bad Gateway</html>`, func(err error) bool { return couch.Status(err) == 502 }, `the answer is not CouchDB's: "<html>`},
		{301, ``, func(err error) bool { return couch.Status(err) == 301 }, "301 Moved Permanently"},
		{200, `<html>`, func(err error) bool { return couch.Status(err) == 0 }, "the answer is no document"},
	} {
		client := dial(t, answer(test.status, test.body), "", couch.Options{})
		_, err := client.Database("db").Get(t.Context(), "x")
		if err == nil || !test.is(err) || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%d %s: got error %v, want one that says %q", test.status, test.body, err, test.want)
		}
	}
	if couch.Status(nil) != 0 || couch.IsNotFound(errors.New("other")) {
		t.Error("an error that is none of ours has a status")
	}
}

// A redirect would carry the credentials to where it points.
func TestRedirectsAreNotFollowed(t *testing.T) {
	t.Parallel()
	followed := false
	client := dial(t, func(w http.ResponseWriter, r *http.Request) {
		followed = followed || r.URL.Path == "/elsewhere"
		http.Redirect(w, r, "/elsewhere", http.StatusFound)
	}, "", couch.Options{User: "ann", Password: "pw"})
	_, err := client.Server(t.Context())
	if couch.Status(err) != http.StatusFound || followed {
		t.Errorf("got error %v, followed: %v", err, followed)
	}
}

func TestServerSaysWhatAnswers(t *testing.T) {
	t.Parallel()
	now := time.Date(2026, 12, 1, 9, 0, 0, 0, time.UTC)
	handler := func(body string) http.HandlerFunc {
		return func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Date", now.Add(90*time.Second).Format(http.TimeFormat))
			answer(200, body)(w, r)
		}
	}
	o := couch.Options{Now: func() time.Time { return now }}
	s, err := dial(t, handler(`{"couchdb":"Welcome","version":"3.5.0","uuid":"u","vendor":{"name":"v"}}`), "", o).Server(t.Context())
	if want := (couch.Server{Couch: "Welcome", Version: "3.5.0", Vendor: "v", UUID: "u", Clock: 90*time.Second + 500*time.Millisecond}); err != nil || s != want {
		t.Errorf("got %+v, %v; want %+v", s, err, want)
	}
	for _, body := range []string{`{"name":"elasticsearch"}`, `hello`, ``} {
		if _, err := dial(t, handler(body), "", o).Server(t.Context()); err == nil || !strings.Contains(err.Error(), "not a CouchDB") {
			t.Errorf("%q: got error %v", body, err)
		}
	}
}

func TestBulkRows(t *testing.T) {
	t.Parallel()
	const rows = `[{"ok":true,"id":"a","rev":"2-x"},{"accepted":true,"id":"b\"\u00e9","rev":"1-y"},` +
		`{"id":"c","error":"conflict","reason":"Document update conflict."},{"id":"d","error":"forbidden","reason":"no \"d\""},{"id":"e"}]`
	var sent string
	client := dial(t, func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		sent = string(body)
		if r.ContentLength != int64(len(body)) {
			t.Errorf("Content-Length is %d for %d bytes", r.ContentLength, len(body))
		}
		answer(201, rows)(w, r)
	}, "", couch.Options{})
	docs := [][]byte{[]byte(`{"_id":"a"}`), []byte(`{"_id":"b"}`), []byte(`{}`), []byte(`{}`), []byte(`{}`)}
	got, err := client.Database("db").Bulk(t.Context(), docs)
	if err != nil {
		t.Fatal(err)
	}
	if sent != `{"docs":[{"_id":"a"},{"_id":"b"},{},{},{}]}` {
		t.Errorf("sent %s", sent)
	}
	want := []couch.Result{
		{ID: "a", Rev: "2-x"},
		{ID: "b\"é", Rev: "1-y", Accepted: true},
		{ID: "c", Error: "conflict", Reason: "Document update conflict."},
		{ID: "d", Error: "forbidden", Reason: `no "d"`},
		{ID: "e", Error: "unknown_error", Reason: `the answer's row names neither a revision nor an error: "{\"id\":\"e\"}"`},
	}
	for i := range want {
		if got[i] != want[i] {
			t.Errorf("row %d: got %+v, want %+v", i, got[i], want[i])
		}
	}
	if !got[0].OK() || got[0].Err() != nil || !couch.IsConflict(got[2].Err()) || !couch.IsForbidden(got[3].Err()) || got[4].OK() {
		t.Error("OK and Err do not say what the rows say")
	}
	if none, err := client.Database("db").Bulk(t.Context(), nil); none != nil || err != nil {
		t.Errorf("without documents got %v, %v", none, err)
	}
}

func TestBulkAnswersThatAreNone(t *testing.T) {
	t.Parallel()
	for _, body := range []string{``, `{}`, `[`, `[{"ok":true,"id":"a","rev":"1-a"}]`, `[{},{},{}]`, `<html>`, `[{"id":"a"`} {
		client := dial(t, answer(201, body), "", couch.Options{})
		if got, err := client.Database("db").Bulk(t.Context(), [][]byte{[]byte("{}"), []byte("{}")}); err == nil {
			t.Errorf("%q: got %+v and no error", body, got)
		}
	}
	client := dial(t, answer(413, `{"error":"too_large","reason":"the request entity is too large"}`), "", couch.Options{})
	if _, err := client.Database("db").Bulk(t.Context(), [][]byte{[]byte("{}")}); couch.Status(err) != http.StatusRequestEntityTooLarge {
		t.Errorf("got error %v, want a 413", err)
	}
}

// The documents are the caller's again once Bulk returns, also where the server answered before it read them. The race
// detector watches.
func TestBulkLeavesTheBytesAlone(t *testing.T) {
	t.Parallel()
	client := dial(t, func(w http.ResponseWriter, _ *http.Request) {
		w.WriteHeader(http.StatusServiceUnavailable) // without reading
	}, "", couch.Options{})
	doc := []byte(`{"_id":"a","v":"` + strings.Repeat("x", 16<<20) + `"}`)
	for range 10 {
		_, err := client.Database("db").Bulk(t.Context(), [][]byte{doc})
		if err == nil {
			t.Fatal("no error")
		}
		for i := range doc {
			doc[i] = 'y'
		}
	}
}

func TestBulkGetAnswers(t *testing.T) {
	t.Parallel()
	const rows = `{"results":[
		{"id":"a","docs":[{"ok":{"_id":"a","_rev":"2-x","n":1}}]},
		{"id":"b","docs":[{"ok":{"_id":"b","_rev":"3-y","_deleted":true}}]},
		{"id":"c","docs":[{"error":{"id":"c","rev":"undefined","error":"not_found","reason":"missing"}}]},
		{"id":"d","docs":[]}]}`
	client := dial(t, answer(200, rows), "", couch.Options{})
	refs := []couch.Ref{{ID: "a"}, {ID: "b"}, {ID: "c"}, {ID: "d", Rev: "4-z"}}
	got, err := client.Database("db").BulkGet(t.Context(), refs)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []couch.Document{
		{ID: "a", Rev: "2-x", Body: []byte(`{"_id":"a","_rev":"2-x","n":1}`)},
		{ID: "b", Rev: "3-y", Deleted: true, Body: []byte(`{"_id":"b","_rev":"3-y","_deleted":true}`)},
		{ID: "c", Missing: true},
		{ID: "d", Rev: "4-z", Missing: true},
	} {
		g := got[i]
		if g.ID != want.ID || g.Rev != want.Rev || g.Deleted != want.Deleted || g.Missing != want.Missing || string(g.Body) != string(want.Body) {
			t.Errorf("row %d: got %+v, want %+v", i, g, want)
		}
	}
	for _, body := range []string{`{"results":[]}`, `{"results":7}`, `[]`, `{"results":[{"id":"a","docs":[{"error":{"error":"boom","reason":"it did"}}]}]}`} {
		client := dial(t, answer(200, body), "", couch.Options{})
		if got, err := client.Database("db").BulkGet(t.Context(), refs[:1]); err == nil {
			t.Errorf("%s: got %+v and no error", body, got)
		}
	}
}

// TestBulkGetFindsTheWinner: CouchDB sends all leaves of a document, in the order of its tree.
func TestBulkGetFindsTheWinner(t *testing.T) {
	t.Parallel()
	for leaves, want := range map[string]struct{ winner, conflicts string }{
		"2-bbb 2-ccc 3-ddd!":    {"2-ccc", "2-bbb"},
		"2-ccc 2-bbb":           {"2-ccc", "2-bbb"},
		"9-aaa 10-000 9-bbb":    {"10-000", "9-aaa 9-bbb"},
		"3-ddd! 2-bbb":          {"2-bbb", ""},
		"3-ddd! 2-bbb! 3-eee!":  {"3-eee", ""},
		"1-aaa":                 {"1-aaa", ""},
		"2-bbb 4-aaa! 3-000":    {"3-000", "2-bbb"},
		"2-ccc 2-bbb 2-aaa 3-x": {"3-x", "2-ccc 2-bbb 2-aaa"},
	} {
		var row []string
		for leaf := range strings.FieldsSeq(leaves) {
			rev, deleted := strings.CutSuffix(leaf, "!")
			row = append(row, fmt.Sprintf(`{"ok":{"_id":"a","_rev":%q,"_deleted":%t}}`, rev, deleted))
		}
		client := dial(t, answer(200, `{"results":[{"id":"a","docs":[`+strings.Join(row, ",")+`]}]}`), "", couch.Options{})
		got, err := client.Database("db").BulkGet(t.Context(), []couch.Ref{{ID: "a"}})
		if err != nil {
			t.Fatal(err)
		}
		var conflicts []string
		for _, c := range got[0].Conflicts {
			conflicts = append(conflicts, c.Rev)
		}
		slices.Sort(conflicts)
		losers := strings.Fields(want.conflicts)
		slices.Sort(losers)
		if got[0].Rev != want.winner || !slices.Equal(conflicts, losers) {
			t.Errorf("of %s the winner is %s, with the conflicts %q", leaves, got[0].Rev, conflicts)
		}
	}
}

func TestChangesQuery(t *testing.T) {
	t.Parallel()
	var uri, body string
	client := dial(t, func(w http.ResponseWriter, r *http.Request) {
		raw, _ := io.ReadAll(r.Body)
		uri, body = r.Method+" "+r.RequestURI, string(raw)
		answer(200, `{"results":[]}`)(w, r)
	}, "", couch.Options{})
	for _, test := range []struct {
		query     couch.ChangesQuery
		uri, body string
	}{
		{couch.ChangesQuery{}, "GET /db/_changes", ""},
		{
			couch.ChangesQuery{Feed: "continuous", Since: "1-a b", Limit: 5, Descending: true, IncludeDocs: true, Conflicts: true, AllLeaves: true, Heartbeat: time.Second, Timeout: time.Microsecond},
			"GET /db/_changes?conflicts=true&descending=true&feed=continuous&heartbeat=1000&include_docs=true&limit=5&since=1-a+b&style=all_docs&timeout=1", "",
		},
		{couch.ChangesQuery{Selector: json.RawMessage(`{"a":1}`)}, "POST /db/_changes?filter=_selector", `{"selector":{"a":1}}`},
		{couch.ChangesQuery{DocIDs: []string{"a", "é\""}}, "POST /db/_changes?filter=_doc_ids", `{"doc_ids":["a","é\""]}`},
		{couch.ChangesQuery{Filter: "d/f", Params: map[string][]string{"x": {"1"}}}, "GET /db/_changes?filter=d%2Ff&x=1", ""},
	} {
		stream, err := client.Database("db").Changes(t.Context(), test.query)
		if err != nil {
			t.Fatal(err)
		}
		if err := stream.Close(); err != nil {
			t.Error(err)
		}
		if uri != test.uri || body != test.body {
			t.Errorf("got %s %s, want %s %s", uri, body, test.uri, test.body)
		}
	}
	if _, err := client.Database("db").Changes(t.Context(), couch.ChangesQuery{Selector: json.RawMessage(`{`)}); err == nil {
		t.Error("a selector that is no JSON: no error")
	}
}

type roundTripper func(*http.Request) (*http.Response, error)

func (f roundTripper) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }

// A server that takes the request and never answers must not hold the caller for ever; a feed may take its time.
func TestTimeouts(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stuck := roundTripper(func(r *http.Request) (*http.Response, error) {
			<-r.Context().Done()
			return nil, context.Cause(r.Context())
		})
		client, err := couch.Dial("http://db.test", couch.Options{Transport: stuck, Timeout: 5 * time.Second, QueryTimeout: 50 * time.Second})
		if err != nil {
			t.Fatal(err)
		}
		db := client.Database("db")
		for name, call := range map[string]struct {
			limit time.Duration
			run   func() error
		}{
			"Get":     {5 * time.Second, func() error { _, err := db.Get(t.Context(), "a"); return err }},
			"Bulk":    {5 * time.Second, func() error { _, err := db.Bulk(t.Context(), [][]byte{[]byte("{}")}); return err }},
			"Session": {5 * time.Second, func() error { _, err := client.Session(t.Context()); return err }},
			"Find":    {50 * time.Second, func() error { _, err := db.Find(t.Context(), couch.Query{}); return err }},
			"Changes": {time.Hour, func() error {
				ctx, cancel := context.WithTimeout(t.Context(), time.Hour)
				defer cancel()
				_, err := db.Changes(ctx, couch.ChangesQuery{})
				return err
			}},
		} {
			began := time.Now()
			err := call.run()
			if !errors.Is(err, context.DeadlineExceeded) || time.Since(began) != call.limit {
				t.Errorf("%s: got error %v after %v, want a deadline after %v", name, err, time.Since(began), call.limit)
			}
		}
	})
}
