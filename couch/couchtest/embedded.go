package couchtest

import (
	"net/http/httptest"
	"testing"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
	"github.com/adlayer/after/store/script"
	"github.com/adlayer/after/store/storetest"
)

// Embedded starts the embedded store on a folder of the test's own, behind a real listener, and ends it with the test. It runs the functions of
// design documents in test programs that call [script.Main].
func Embedded(tb testing.TB) Server {
	tb.Helper()
	s := Server{Name: "embedded store", User: "admin", Password: "secret", Recorded: embeddedGaps()}
	st, err := store.Open(tb.TempDir(), store.Options{})
	if err != nil {
		tb.Fatal(err)
	}
	handler := httpd.New(st, httpd.Options{
		Admins:     map[string]string{s.User: s.Password},
		HashRounds: 1000, // for the sake of time
		Script:     script.Options{Command: script.Self()},
	})
	if err := handler.SetUp(tb.Context()); err != nil {
		tb.Fatalf("setting the embedded store up: %v", err)
	}
	listener := httptest.NewServer(handler)
	tb.Cleanup(func() {
		listener.CloseClientConnections()
		if err := handler.Close(); err != nil {
			tb.Errorf("closing the server: %v", err)
		}
		listener.Close()
		storetest.End(tb, st)
	})
	s.URL = listener.URL
	return s
}
