package worker_test

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"sync"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/fleet"
	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
)

func TestMain(m *testing.M) {
	if config := os.Getenv(childVariable); config != "" {
		if err := runChild(config); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		return
	}
	goleak.VerifyTestMain(m)
}

// server is one server that tests run against.
type server struct {
	t        *testing.T
	gaps     map[string]string // what it is known not to do, by couchtest's names
	address  string            // host:port
	database string
	login    string // user:password
	folder   string // of the embedded store

	mu    sync.Mutex
	store *store.Store
	httpd *httpd.Server
	http  *http.Server
}

func (s *server) url(address string) string { return "http://" + s.login + "@" + address }

// startStore serves the embedded store on a free port.
func startStore(t *testing.T) *server {
	t.Helper()
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	s := &server{t: t, address: listener.Addr().String(), database: "tasks", login: "after:secret", folder: t.TempDir()}
	s.open(listener)
	t.Cleanup(s.close)
	return s
}

func (s *server) open(listener net.Listener) {
	s.t.Helper()
	s.mu.Lock()
	defer s.mu.Unlock()
	st, err := store.Open(s.folder, store.Options{})
	must(s.t, err)
	s.store = st
	s.httpd = httpd.New(st, httpd.Options{Admins: map[string]string{"after": "secret"}, HashRounds: 1000})
	s.http = s.httpd.HTTPServer()
	server := s.http
	go func() { _ = server.Serve(listener) }()
}

// close ends the server as a crash of its process would be seen from outside: connections are cut.
func (s *server) close() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.http == nil {
		return
	}
	_ = s.http.Close()
	_ = s.httpd.Close()
	if err := s.store.Close(); err != nil {
		s.t.Errorf("closing the store: %v", err)
	}
	s.http = nil
}

// restart closes the server and opens its folder again at the same address.
func (s *server) restart() {
	s.t.Helper()
	s.close()
	listener, err := net.Listen("tcp", s.address)
	must(s.t, err)
	s.open(listener)
}

// databases numbers the databases of the tests that share a server.
var databases atomic.Int64

// serverOf uses a server that runs already, with a database of the test's own.
func serverOf(t *testing.T, s couchtest.Server) *server {
	t.Helper()
	parsed, err := url.Parse(s.URL)
	must(t, err)
	name := fmt.Sprintf("after-test-%d-%d", os.Getpid(), databases.Add(1))
	t.Cleanup(func() {
		client := s.Dial(t)
		for _, database := range []string{name, fleet.Database(name)} {
			if err := client.DropDatabase(context.Background(), database); err != nil {
				t.Errorf("dropping %s: %v", database, err)
			}
		}
	})
	return &server{t: t, gaps: s.Gaps, address: parsed.Host, database: name, login: s.User + ":" + s.Password}
}
