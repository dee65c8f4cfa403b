package send_test

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/sirupsen/logrus/hooks/test"
	"go.uber.org/goleak"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/jobs/call"
	"github.com/adlayer/after/notify"
	"github.com/adlayer/after/notify/mailer"
	"github.com/adlayer/after/notify/send"
	"github.com/adlayer/after/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// world has a database of notices, and counts what is posted and mailed.
type world struct {
	t  *testing.T
	db *couch.Database

	mu      sync.Mutex
	posted  map[string]int // by the id of the notice
	mailed  int            // notices
	letters int
	answer  func(id string, n int) error
	server  func(letters int) error
}

func onServers(t *testing.T, servers []couchtest.Server, test func(w *world)) {
	t.Helper()
	for i, server := range servers {
		t.Run(server.Name, func(t *testing.T) {
			t.Parallel()
			client := server.Dial(t)
			name := fmt.Sprintf("after-notify-%d-%d", i, time.Now().UnixNano())
			if err := client.CreateDatabase(t.Context(), name); err != nil {
				t.Fatal(err)
			}
			t.Cleanup(func() {
				if err := client.DropDatabase(context.Background(), name); err != nil {
					t.Error(err)
				}
			})
			test(&world{
				t: t, db: client.Database(name), posted: map[string]int{},
				answer: func(string, int) error { return nil }, server: func(int) error { return nil },
			})
		})
	}
}

// Run makes a post.
func (w *world) Run(_ context.Context, t *jobs.Task, _ call.Arguments) (*call.Result, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.posted[t.Key()]++
	return nil, w.answer(t.Key(), w.posted[t.Key()])
}

// Ready says that there is a mail server.
func (w *world) Ready() bool { return true }

// One takes a mail of one notice.
func (w *world) One(context.Context, *notify.Notice, []string) (map[string]error, error) {
	return w.letter(1)
}

// Digest takes a mail of many.
func (w *world) Digest(_ context.Context, d *mailer.Digest, _ []string) (map[string]error, error) {
	return w.letter(d.Count())
}

func (w *world) letter(notices int) (map[string]error, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if err := w.server(w.letters); err != nil {
		return nil, err
	}
	w.letters++
	w.mailed += notices
	return nil, nil //nolint:nilnil // nobody is refused
}

// write writes notices of the worker w.
func (w *world) write(n int, to notify.To) {
	w.t.Helper()
	for first := 0; first < n; first += 1000 {
		var bodies [][]byte
		for i := first; i < min(n, first+1000); i++ {
			notice := notify.Notice{
				ID: fmt.Sprintf("%st%06d:%s", notify.Prefix, i, to.URL), By: "w", Event: task.EventError, Task: fmt.Sprint("t", i), Job: "j", Key: "k", Attempt: 1,
				At: time.Now(), Error: "no", To: to,
			}
			body, err := notice.Encode()
			if err != nil {
				w.t.Fatal(err)
			}
			bodies = append(bodies, body)
		}
		if _, err := w.db.Bulk(w.t.Context(), bodies); err != nil {
			w.t.Fatal(err)
		}
	}
}

// sends runs senders until no notice is left.
func (w *world) sends(senders int, window time.Duration) {
	w.t.Helper()
	ctx, stop := context.WithCancel(w.t.Context())
	log, _ := test.NewNullLogger()
	log.SetLevel(logrus.WarnLevel)
	var running sync.WaitGroup
	for i := range senders {
		running.Go(func() {
			send.Run(ctx, send.Options{
				Database: w.db, Names: []string{"w"}, Member: fmt.Sprint("m", i), Caller: w, Mailer: w, Window: window, Retry: 10 * time.Millisecond, Log: log,
			})
		})
	}
	for deadline := time.Now().Add(2 * time.Minute); ; time.Sleep(10 * time.Millisecond) {
		listing, err := w.db.AllDocs(w.t.Context(), couch.Range{Start: notify.Prefix, End: notify.Prefix + "\ufff0", Limit: 1})
		if err != nil || time.Now().After(deadline) {
			w.t.Errorf("notices are left: %v", err)
			break
		}
		if len(listing.Rows) == 0 {
			break
		}
	}
	stop()
	running.Wait()
}

// TestOnce: of two senders with the same name, one posts a notice, and what failed is posted again; one that is refused for good is given up.
func TestOnce(t *testing.T) {
	t.Parallel()
	onServers(t, couchtest.Servers(t), func(w *world) {
		const many = 150
		w.answer = func(id string, n int) error {
			switch {
			case strings.HasPrefix(id, notify.Prefix+"t000007"):
				return jobs.Permanent(errors.New("it must not be called"))
			case strings.HasPrefix(id, notify.Prefix+"t000008"):
				return jobs.Remove(nil)
			case strings.HasPrefix(id, notify.Prefix+"t000009") && n < 3:
				return jobs.Coded(errors.New("not found"), 404)
			}
			return nil
		}
		w.write(many, notify.To{URL: "http://a.example.org/told"})
		w.sends(2, 0)
		if len(w.posted) != many {
			w.t.Errorf("%d of %d were posted", len(w.posted), many)
		}
		for id, n := range w.posted {
			if want := map[bool]int{true: 3, false: 1}[strings.HasPrefix(id, notify.Prefix+"t000009")]; n != want {
				w.t.Errorf("%s was posted %d times, want %d", id, n, want)
			}
		}
	})
}

// TestGathered: what waits for the same recipients, more than a page, is few mails. The mail server is away at first.
func TestGathered(t *testing.T) {
	t.Parallel()
	onServers(t, couchtest.Servers(t), func(w *world) {
		failures := 0
		w.server = func(int) error {
			if failures++; failures <= 2 {
				return &mailer.Error{Server: true}
			}
			return nil
		}
		const many = 250
		w.write(many, notify.To{Email: []string{"b@example.org", "a@example.org"}})
		w.sends(1, time.Second)
		if w.mailed != many || w.letters > many/10 {
			w.t.Errorf("%d notices in %d mails", w.mailed, w.letters)
		}
	})
}
