package couchtest

import (
	"fmt"
	"net/url"
	"os"
	"testing"
)

// CouchVariable is the variable that names a real CouchDB to test with: its URL, with an administrator's credentials in it.
const CouchVariable = "AFTER_TEST_COUCHDB"

// Servers gives the servers that a test can have here: the embedded store, PouchDB Server and, where AFTER_TEST_COUCHDB names
// one, a real CouchDB. Each but the last is the test's own and ends with it. Where one cannot be had, it says so on standard
// error; with AFTER_REQUIRE_NPM=1 a missing PouchDB Server fails the test.
func Servers(tb testing.TB) []Server {
	tb.Helper()
	servers := []Server{Embedded(tb)}
	if s, ok := orLoudly(tb, PouchDB); ok {
		servers = append(servers, s)
	}
	if s, ok := Couch(tb); ok {
		servers = append(servers, s)
	}
	return servers
}

// orLoudly starts a server, or says loudly that it did not.
func orLoudly(tb testing.TB, start func(testing.TB) (Server, error)) (Server, bool) {
	tb.Helper()
	s, err := start(tb)
	if err == nil {
		return s, true
	}
	Without(tb, "PouchDB Server", err)
	return Server{}, false
}

// Couch is the real CouchDB that AFTER_TEST_COUCHDB names, if it names one.
func Couch(tb testing.TB) (Server, bool) {
	tb.Helper()
	address := os.Getenv(CouchVariable)
	if address == "" {
		loudly(tb, "a real CouchDB: "+CouchVariable+" names none")
		return Server{}, false
	}
	parsed, err := url.Parse(address)
	if err != nil || parsed.Host == "" || parsed.User == nil {
		tb.Fatalf("%s is no URL with credentials, such as http://admin:secret@127.0.0.1:5984", CouchVariable)
	}
	password, _ := parsed.User.Password()
	s := Server{Name: "CouchDB", User: parsed.User.Username(), Password: password}
	parsed.User, parsed.Path = nil, ""
	s.URL = parsed.String()
	return s, true
}

// loudly says that something did not run: go test shows it for a single package, and make says it for all of them.
func loudly(tb testing.TB, what string) {
	tb.Helper()
	fmt.Fprintf(os.Stderr, "*** %s did NOT run on %s\n", tb.Name(), what)
	tb.Logf("did NOT run on %s", what)
}
