package httpd_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/storetest"
)

const (
	slowDocs = 120
	indexed  = `{"selector":{"k":{"$gt":null}},"limit":1000,"use_index":"by",`
)

// slowLists are lists of the documents d000 to d119, each longer than what a client takes before it pauses.
func slowLists() []slowList {
	keys := make([]string, slowDocs)
	for i := range keys {
		keys[i] = fmt.Sprintf(`"d%03d"`, i)
	}
	return []slowList{
		{"_all_docs", "GET", "_all_docs?include_docs=true", "", false},
		{"descending", "GET", "_all_docs?include_docs=true&descending=true", "", true},
		{"within", "GET", `_all_docs?include_docs=true&startkey="d000"&endkey="d119"`, "", false},
		{"with attachments", "GET", "_all_docs?include_docs=true&attachments=true", "", false},
		{"keys", "POST", "_all_docs?include_docs=true&attachments=true", `{"keys":[` + strings.Join(keys, ",") + `]}`, false},
		{"_find", "POST", "_find", `{"selector":{"_id":{"$gt":null}},"limit":1000}`, false},
		{"_find descending", "POST", "_find", `{"selector":{"_id":{"$gt":null}},"limit":1000,"sort":[{"_id":"desc"}]}`, true},
		{"_find by an index", "POST", "_find", indexed + `"sort":["k"]}`, false},
		{"_find by an index, descending", "POST", "_find", indexed + `"sort":[{"k":"desc"}]}`, true},
	}
}

type slowList struct {
	name, method, path, body string
	descending               bool
}

// TestSlowReadersOfLists: a list that is sent for long goes on with a newer view: each document comes once, and the last as it is when its turn comes.
// One that is sent at once is of one moment, unless it sends attachments.
func TestSlowReadersOfLists(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name string
		old  time.Duration
		want string
	}{{"slow", 1, "new"}, {"at once", time.Hour, "old"}} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			st, err := store.Open("data", store.Options{FS: vfs.NewMem(), OldView: c.old})
			if err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() { storetest.End(t, st) })
			h := handler(t, st)
			for i, list := range slowLists() {
				if c.want == "old" && strings.Contains(list.path, "attachments") {
					continue // their view is given up with the first content, however soon it is taken
				}
				t.Run(list.name, func(t *testing.T) { list.read(t, h, fmt.Sprintf("/db%d", i), c.want) })
			}
		})
	}
}

// read takes the list with a pause in which the last document of it changes.
func (l slowList) read(t *testing.T, h http.Handler, db, want string) {
	t.Helper()
	put(t, h, db, "")
	put(t, h, db+"/_design/by", `{"language":"query","views":{"by":{"map":{"fields":{"k":"asc"}},"reduce":"_count","options":{"def":{"fields":["k"]}}}}}`)
	docs, ids := make([]string, slowDocs), make([]string, slowDocs)
	for i := range docs {
		ids[i] = fmt.Sprintf("d%03d", i)
		docs[i] = fmt.Sprintf(`{"_id":%q,"k":%d,"state":"old","text":%q}`, ids[i], i, strings.Repeat("x", 1000))
	}
	if l.descending {
		slices.Reverse(ids)
	}
	w := httptest.NewRecorder()
	ask(t, h, w, http.MethodPost, db+"/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`, "application/json")
	put(t, h, db+"/d050/f?rev="+revOfDocument(t, h, db+"/d050"), strings.Repeat("y", 1000))
	last := ids[slowDocs-1]
	rev := revOfDocument(t, h, db+"/"+last)
	paused := &pausing{ResponseRecorder: httptest.NewRecorder(), after: 50 << 10}
	paused.paused = func() {
		put(t, h, db+"/"+last+"?rev="+rev, `{"k":`+strings.TrimLeft(last[1:3], "0")+last[3:]+`,"state":"new"}`)
	}
	ask(t, h, paused, l.method, db+"/"+l.path, l.body, "application/json")
	var got struct {
		Rows []struct{ Doc listedDocument }
		Docs []listedDocument
	}
	if err := json.Unmarshal(paused.Body.Bytes(), &got); err != nil || paused.paused != nil {
		t.Fatalf("%d %v: %.300s", paused.Code, err, paused.Body)
	}
	for _, row := range got.Rows {
		got.Docs = append(got.Docs, row.Doc)
	}
	var seen []string
	for _, doc := range got.Docs {
		if !strings.HasPrefix(doc.ID, "_design/") {
			seen = append(seen, doc.ID)
		}
		if doc.ID == last && doc.State != want {
			t.Errorf("the last document is the %s one, want the %s one", doc.State, want)
		}
	}
	if !slices.Equal(seen, ids) {
		t.Errorf("%d documents: %v", len(seen), seen)
	}
}

type listedDocument struct {
	ID    string `json:"_id"`
	State string `json:"state"`
}

func revOfDocument(t *testing.T, h http.Handler, path string) string {
	t.Helper()
	w := httptest.NewRecorder()
	ask(t, h, w, http.MethodHead, path, "", "application/json")
	return strings.Trim(w.Header().Get("ETag"), `"`)
}
