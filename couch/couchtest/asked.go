package couchtest

import (
	"bytes"
	"io"
	"io/fs"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Asked takes note of the kinds of requests that a server is asked. Its methods may be called from any goroutine.
type Asked struct {
	mu    sync.Mutex
	kinds map[string]map[string]int // by place and use: how often
}

// Before takes note of each request on its way to a handler.
func (a *Asked) Before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			panic(http.ErrAbortHandler) // the client has gone
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
		a.note(reduce(sent{method: r.Method, path: r.URL.EscapedPath(), query: r.URL.RawQuery, header: r.Header, body: body}))
		next.ServeHTTP(w, r)
	})
}

// Through gives a server behind a proxy that takes note of all that it is asked. The proxy ends with the test.
func (a *Asked) Through(tb testing.TB, server Server) Server {
	tb.Helper()
	pass := httputil.NewSingleHostReverseProxy(&url.URL{Scheme: "http", Host: server.hostport()})
	pass.FlushInterval = -1
	transport := &http.Transport{DisableCompression: true}
	pass.Transport = transport
	pass.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	listener := httptest.NewServer(a.Before(pass))
	tb.Cleanup(func() {
		listener.CloseClientConnections()
		listener.Close()
		transport.CloseIdleConnections()
	})
	server.URL = listener.URL
	return server
}

func (a *Asked) note(q question) {
	a.mu.Lock()
	defer a.mu.Unlock()
	if a.kinds == nil {
		a.kinds = map[string]map[string]int{}
	}
	uses := a.kinds[q.place]
	if uses == nil {
		uses = map[string]int{}
		a.kinds[q.place] = uses
	}
	uses[""]++
	for _, use := range q.uses {
		uses[use]++
	}
}

// Unrecorded is something that a server is asked, though no recorded exchange shows what CouchDB answers.
type Unrecorded struct {
	// Place is a method and a template, "GET /{db}/_changes", and Use is what is made use of there, "?feed=continuous"; without one it is the place itself.
	Place, Use string
	// Reason says for people why it is asked all the same, and Documented where CouchDB's documentation defines it.
	Reason, Documented string
}

// Judge fails the test for each thing that was asked and that no recorded exchange of the same method and template makes use of, unless it is listed;
// and for each that is listed without having been asked, or though it is recorded.
func (a *Asked) Judge(tb testing.TB, recordings fs.FS, known []Unrecorded) {
	tb.Helper()
	recorded, err := inRecordings(recordings)
	if err != nil {
		tb.Fatalf("reading the recordings: %v", err)
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	missing, total := map[[2]string]bool{}, 0
	for place, uses := range a.kinds {
		for use := range uses {
			total++
			if recorded.kinds[place] == nil {
				missing[[2]string{place, ""}] = true
			} else if recorded.kinds[place][use] == 0 {
				missing[[2]string{place, use}] = true
			}
		}
	}
	tb.Logf("%d methods and paths were asked, with %d things made use of; %d are not in the recordings", len(a.kinds), total-len(a.kinds), len(missing))
	for _, k := range known {
		where := [2]string{k.Place, k.Use}
		if !missing[where] {
			tb.Errorf("%s %s is listed as not recorded (%s), but it is, or nobody asked it: take it off the list", k.Place, k.Use, k.Reason)
		}
		delete(missing, where)
	}
	for _, where := range slices.SortedFunc(maps.Keys(missing), func(a, b [2]string) int { return slices.Compare(a[:], b[:]) }) {
		tb.Errorf("%s %s was asked, but no recorded exchange shows what CouchDB answers: ask something that is recorded, or list it with where CouchDB's "+
			"documentation defines it", where[0], where[1])
	}
}

// inRecordings gives what the recorded CouchDB was asked.
func inRecordings(recordings fs.FS) (*Asked, error) {
	groups, err := load(recordings)
	if err != nil {
		return nil, err
	}
	a := &Asked{}
	for _, g := range groups {
		for _, s := range g.Scenarios {
			if err := a.recorded(s.Steps, vars{}); err != nil {
				return nil, err
			}
		}
	}
	return a, nil
}

// valueOfPlaceholder is a value of the kind that a placeholder stands for, which its name tells.
func valueOfPlaceholder(name string) string {
	switch name = strings.TrimRight(strings.TrimSuffix(name, ".hash"), "0123456789"); name {
	case "rev":
		return "1-967a00dff5e02add41819138abb3284d"
	case "seq":
		return "1-g1AAAAB5eJzLYWBg"
	}
	return name
}

// longest is how many bytes a recorded body has at most that is looked at.
const longest = 64 << 10

func (a *Asked) recorded(steps []step, v vars) error {
	for _, s := range steps {
		if s.Kind == "wait" {
			continue
		}
		for _, name := range placeholder.FindAllString(s.Request.text(), -1) {
			name = strings.Trim(name, "{}")
			v[strings.TrimSuffix(name, ".hash")] = valueOfPlaceholder(name)
		}
		body, err := s.Request.payload(v)
		if err != nil {
			return err
		}
		if len(body) > longest { // one that is about limits: what it says takes too long to read, and nobody asks that
			body = nil
		}
		header := http.Header{}
		for name, value := range s.Request.Headers {
			header.Set(name, v.fill(value))
		}
		if s.Request.Auth != "" {
			header.Set("Authorization", "Basic x")
		}
		path, query, _ := strings.Cut(v.fill(s.Request.Path), "?")
		a.note(reduce(sent{method: s.Request.Method, path: path, query: query, header: header, body: body}))
		if err := a.recorded(s.During, v); err != nil {
			return err
		}
	}
	return nil
}
