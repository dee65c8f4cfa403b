package couchtest

import (
	"net/url"
	"testing"

	"github.com/adlayer/after/couch"
)

// Server is a server under test.
type Server struct {
	Name           string
	URL            string // of its root, without credentials
	User, Password string // of a server administrator

	// Gaps are the checks of the suite that the server is known to fail, by name, each with the reason. One that it passes
	// after all fails the test.
	Gaps map[string]string

	// Recorded are the recorded exchanges that the server is known to answer in another way than CouchDB.
	Recorded []Gap
}

// Dial gives a client of the server, as its administrator. It is closed with the test.
func (s Server) Dial(tb testing.TB) *couch.Client {
	tb.Helper()
	client, err := couch.Dial(s.URL, couch.Options{User: s.User, Password: s.Password})
	if err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(client.Close)
	return client
}

// hostport is where the server listens.
func (s Server) hostport() string {
	parsed, err := url.Parse(s.URL)
	if err != nil {
		return s.URL
	}
	return parsed.Host
}
