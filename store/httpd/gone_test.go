package httpd_test

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/storetest"
)

// TestGone has the client close its half of the connection once it has said all, which a server cannot tell from a client that has gone: what it
// asked for is done and told. What cannot be is not told as a success.
func TestGone(t *testing.T) {
	t.Parallel()
	fs := vfs.NewMem()
	st, err := store.Open("data", store.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { storetest.End(t, st) })
	h := handler(t, st)
	ask := func(method, path, body string) (w *httptest.ResponseRecorder, aborted bool) {
		t.Helper()
		ctx, leave := context.WithCancel(t.Context())
		leave()
		r := httptest.NewRequestWithContext(ctx, method, path, strings.NewReader(body))
		r.SetBasicAuth("admin", "secret")
		r.Header.Set("Content-Type", "application/json")
		w = httptest.NewRecorder()
		defer func() {
			if err, ok := recover().(error); ok && errors.Is(err, http.ErrAbortHandler) {
				aborted = true
			}
		}()
		h.ServeHTTP(w, r)
		return w, false
	}
	inline := base64.StdEncoding.EncodeToString(make([]byte, 600<<10))
	for _, c := range []struct {
		method, path, body string
		status             int
	}{
		{"PUT", "/db", "", 201},
		{"PUT", "/db/a", fmt.Sprintf(`{"_attachments":{"f":{"data":%q}}}`, inline), 201},
		{"PUT", "/db/b/f", strings.Repeat("x", 600<<10), 201},
		{"POST", "/db/_bulk_docs", `{"docs":[{}]}`, 201},
		{"PUT", "/db/_revs_limit", "7", 200},
		{"GET", "/db/a", "", 200},
		{"DELETE", "/db", "", 200},
		{"GET", "/db", "", 404},
		{"PUT", "/db", "", 201},
		{"POST", "/db/_bulk_docs", `{"docs":[{"n":1},{"n":2}]}`, 201},
	} {
		if w, aborted := ask(c.method, c.path, c.body); aborted || w.Code != c.status {
			t.Errorf("%s %s: %d %s (aborted: %v)", c.method, c.path, w.Code, w.Body, aborted)
		}
	}
	for path, body := range map[string]string{
		"/db/_find":            `{"selector":{"n":{"$gte":0}}}`,
		"/_after/store/backup": `{"folder":"/backup"}`,
	} {
		if w, aborted := ask("POST", path, body); !aborted {
			t.Errorf("%s is told as done: %d %s", path, w.Code, w.Body)
		}
	}
	if left, err := fs.List("/"); err != nil || slices.ContainsFunc(left, func(name string) bool { return strings.HasPrefix(name, "backup") }) {
		t.Errorf("the backup of a client that has gone leaves %v (%v)", left, err)
	}
	silent, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer silent.Close()
	replication := fmt.Sprintf(`{"source":"db","target":"http://%s/db"}`, silent.Addr())
	if w, aborted := ask("POST", "/_replicate", replication); !aborted {
		t.Errorf("what became of the replication is not known: %d %s", w.Code, w.Body)
	}
}
