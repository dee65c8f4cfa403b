package fleet_test

import (
	"net/http/httptest"
	"strings"
	"testing"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
)

// database serves an embedded store with one empty database of its own.
func database(t *testing.T) *couch.Database {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	must(t, err)
	handler := httpd.New(st, httpd.Options{Admins: map[string]string{"after": "secret"}})
	server := httptest.NewServer(handler)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
		_ = handler.Close()
		if err := st.Close(); err != nil {
			t.Errorf("closing the store: %v", err)
		}
	})
	client, err := couch.Dial("http://after:secret@"+strings.TrimPrefix(server.URL, "http://"), couch.Options{})
	must(t, err)
	t.Cleanup(client.Close)
	must(t, client.CreateDatabase(t.Context(), "tasks-fleet"))
	return client.Database("tasks-fleet")
}
