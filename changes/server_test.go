package changes_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/adlayer/after/changes"
	"github.com/adlayer/after/couch"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long a test waits for something that must come.
const patience = 60 * time.Second

// feedServer is a CouchDB as far as a follower sees one: a database that only grows, with numbers for sequences.
type feedServer struct {
	mutex    sync.Mutex
	rows     []string // rows[i] has the sequence i+1
	grown    chan struct{}
	status   int           // other than 0: refuse with it
	idle     time.Duration // other than 0: end a feed in good order after so long without a row
	requests []string
}

func newFeedServer(t *testing.T) (*feedServer, string) {
	t.Helper()
	s := &feedServer{grown: make(chan struct{})}
	server := httptest.NewServer(s)
	t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	return s, strings.TrimPrefix(server.URL, "http://")
}

// add appends rows with n documents named after their sequences.
func (s *feedServer) add(n int) {
	for range n {
		s.addRow(func(seq int) string { return row(seq, fmt.Sprintf(`{"_id":"doc%d","_rev":"1-a"}`, seq)) })
	}
}

func row(seq int, doc string) string {
	return fmt.Sprintf(`{"seq":"%d","id":"doc%d","changes":[{"rev":"1-a"}],"doc":%s}`, seq, seq, doc)
}

func (s *feedServer) addRow(line func(seq int) string) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.rows = append(s.rows, line(len(s.rows)+1))
	close(s.grown)
	s.grown = make(chan struct{})
}

func (s *feedServer) refuse(status int) {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	s.status = status
}

func (s *feedServer) asked() []string {
	s.mutex.Lock()
	defer s.mutex.Unlock()
	return append([]string(nil), s.requests...)
}

func (s *feedServer) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	s.mutex.Lock()
	s.requests = append(s.requests, r.Method+" "+r.URL.RequestURI())
	status, count := s.status, len(s.rows)
	s.mutex.Unlock()
	switch {
	case status != 0:
		w.Header().Set("Content-Type", "application/json")
		w.WriteHeader(status)
		fmt.Fprintf(w, `{"error":"%s","reason":"as the test wants it"}`, strings.ToLower(http.StatusText(status)))
	case !strings.HasSuffix(r.URL.Path, "/_changes"):
		fmt.Fprintf(w, `{"db_name":"db","doc_count":%d,"update_seq":"%d"}`, count, count)
	case r.URL.Query().Get("feed") != "continuous":
		s.normal(w, r)
	default:
		s.continuous(w, r)
	}
}

// matches is the filter of the test: documents with "match":true in them.
func matches(r *http.Request, line string) bool {
	return r.URL.Query().Get("filter") == "" || strings.Contains(line, `"match":true`)
}

func (s *feedServer) normal(w http.ResponseWriter, r *http.Request) {
	since, _ := strconv.Atoi(r.URL.Query().Get("since"))
	s.mutex.Lock()
	defer s.mutex.Unlock()
	results := []json.RawMessage{}
	for _, line := range s.rows[since:] {
		if matches(r, line) {
			results = append(results, json.RawMessage(line))
		}
	}
	json.NewEncoder(w).Encode(map[string]any{"results": results, "last_seq": strconv.Itoa(len(s.rows)), "pending": 0})
}

func (s *feedServer) continuous(w http.ResponseWriter, r *http.Request) {
	since, _ := strconv.Atoi(r.URL.Query().Get("since"))
	heartbeat, _ := strconv.Atoi(r.URL.Query().Get("heartbeat"))
	flush := w.(http.Flusher).Flush
	flush()
	ticker := time.NewTicker(time.Duration(heartbeat) * time.Millisecond)
	defer ticker.Stop()
	for {
		s.mutex.Lock()
		rows, grown, idle := s.rows[min(since, len(s.rows)):], s.grown, s.idle
		s.mutex.Unlock()
		for _, line := range rows {
			since++
			if matches(r, line) {
				fmt.Fprintln(w, line)
			}
		}
		flush()
		var end <-chan time.Time
		if idle > 0 {
			end = time.After(idle)
		}
		select {
		case <-grown:
		case <-ticker.C:
			fmt.Fprintln(w)
		case <-end:
			fmt.Fprintf(w, `{"last_seq":"%d","pending":0}`+"\n", since)
			return
		case <-r.Context().Done():
			return
		}
	}
}

// follower follows in the background and collects what it is given.
type follower struct {
	t      *testing.T
	rows   chan changes.Row
	seqs   chan string
	states chan changes.State
	err    chan error
	stop   context.CancelFunc
}

func follow(t *testing.T, addr string, o changes.Options) *follower {
	t.Helper()
	client, err := couch.Dial("http://"+addr, couch.Options{})
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	f := &follower{
		t: t, stop: cancel, err: make(chan error, 1),
		rows: make(chan changes.Row, 100_000), seqs: make(chan string, 100_000), states: make(chan changes.State, 100_000),
	}
	o.OnState = func(s changes.State) { f.states <- s }
	if o.BackoffMin == 0 {
		o.BackoffMin = time.Millisecond
	}
	if o.BackoffMax == 0 {
		o.BackoffMax = 20 * time.Millisecond
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		f.err <- changes.Follow(ctx, client.Database("db"), o, func(_ context.Context, rows []changes.Row, seq string) error {
			for _, r := range rows {
				f.rows <- r
			}
			f.seqs <- seq
			return nil
		})
	}()
	t.Cleanup(func() {
		cancel()
		select {
		case <-done:
		case <-time.After(patience):
			t.Error("Follow did not return after its context ended")
		}
		client.Close()
	})
	return f
}

// next waits for a row.
func (f *follower) next() changes.Row {
	f.t.Helper()
	return receive(f.t, f.rows, "a row")
}

// wants waits for the rows from..to in their order; rows that came before may come again.
func (f *follower) wants(from, to int) {
	f.t.Helper()
	for seq := from; seq <= to; {
		r := f.next()
		got, err := strconv.Atoi(r.Seq)
		if err != nil || got > seq {
			f.t.Fatalf("got the row %q, waiting for %d", r.Seq, seq)
		}
		if got == seq {
			if want := fmt.Sprintf("doc%d", seq); r.ID != want || r.Rev != "1-a" {
				f.t.Fatalf("row %d: got id %q and rev %q, want %q and 1-a", seq, r.ID, r.Rev, want)
			}
			if r.Doc != nil && !json.Valid(r.Doc) {
				f.t.Fatalf("row %d: its document is no JSON: %q", seq, r.Doc)
			}
			seq++
		}
	}
}

// state waits for a state of which this is true.
func (f *follower) state(what string, is func(changes.State) bool) changes.State {
	f.t.Helper()
	for {
		if s := receive(f.t, f.states, what); is(s) {
			return s
		}
	}
}

func connected(s changes.State) bool { return s.Connected }

func lost(s changes.State) bool { return !s.Connected && s.Err != nil }

func receive[T any](t *testing.T, from <-chan T, what string) T {
	t.Helper()
	select {
	case got := <-from:
		return got
	case <-time.After(patience):
		t.Fatalf("%s did not come within %v", what, patience)
		panic("unreachable")
	}
}
