package fleet_test

import (
	"net/http"
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
	return databaseBehind(t, nil)
}

// databaseBehind serves a database of which a test may change the answers.
func databaseBehind(t *testing.T, middle func(http.Handler) http.Handler) *couch.Database {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	must(t, err)
	handler := httpd.New(st, httpd.Options{Admins: map[string]string{"after": "secret"}, HashRounds: 1000})
	outer := http.Handler(handler)
	if middle != nil {
		outer = middle(handler)
	}
	server := httptest.NewServer(outer)
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
