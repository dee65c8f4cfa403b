package send_test

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"github.com/adlayer/after/changes"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/internal/torture"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/jobs/call"
	"github.com/adlayer/after/notify"
	"github.com/adlayer/after/notify/mailer"
	"github.com/adlayer/after/notify/send"
	"github.com/adlayer/after/task"
)

func TestMain(m *testing.M) {
	torture.Checks(100)
	goleak.VerifyTestMain(m)
}

// world has a database of notices, and counts what is posted and mailed.
type world struct {
	t  *testing.T
	db *couch.Database

	mu         sync.Mutex
	posted     map[string]int // by the id of the notice
	mailed     int            // notices
	mails      int
	written    int // notices that are to be told
	answer     func(id string, n int) error
	server     func(notices int, to mailer.Recipients) error
	refused    map[string]error // of those who are mailed
	away       bool             // no mail server is configured
	asked      func()           // whether one is
	heard      logrus.Hook      // the log; may be nil
	configured chan struct{}
}

// TestSenders has senders tell what waits, on each server that there is.
func TestSenders(t *testing.T) {
	t.Parallel()
	for _, server := range couchtest.Servers(t) {
		client := server.Dial(t)
		for name, test := range map[string]func(w *world){
			"once": once, "gathered": gathered, "slow mails": slowMails, "both": both, "reconfigured": reconfigured, "put off": putOff, "too old": tooOld,
			"too old at once": tooOldAtOnce, "wrong clock": wrongClock, "unpostable": unpostable, "of nobody": ofNobody, "refused for others": refusedForOthers,
		} {
			t.Run(server.Name+"/"+name, func(t *testing.T) {
				t.Parallel()
				db := client.Database(fmt.Sprintf("after-notify-%d", time.Now().UnixNano()))
				if err := client.CreateDatabase(t.Context(), db.Name()); err != nil {
					t.Fatal(err)
				}
				t.Cleanup(func() {
					if err := client.DropDatabase(context.Background(), db.Name()); err != nil {
						t.Error(err)
					}
				})
				test(&world{
					t: t, db: db, posted: map[string]int{}, configured: make(chan struct{}),
					answer: func(string, int) error { return nil }, server: func(int, mailer.Recipients) error { return nil },
				})
			})
		}
	}
}

// Run makes a post.
func (w *world) Run(_ context.Context, t *jobs.Task, _ call.Arguments) (*call.Result, error) {
	w.mu.Lock()
	w.posted[t.Key()]++
	n := w.posted[t.Key()]
	w.mu.Unlock()
	return nil, w.answer(t.Key(), n)
}

// Ready says whether there is a mail server.
func (w *world) Ready() bool {
	w.mu.Lock()
	away, asked := w.away, w.asked
	w.mu.Unlock()
	if asked != nil {
		asked()
	}
	return !away
}

// Configured tells when there is one, or another.
func (w *world) Configured() <-chan struct{} {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.configured
}

// configure puts a mail server there, or another one.
func (w *world) configure() {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.away = false
	close(w.configured)
	w.configured = make(chan struct{})
}

// One takes a mail of one notice.
func (w *world) One(_ context.Context, _ *notify.Notice, to mailer.Recipients) (map[string]error, error) {
	return w.take(1, to)
}

// Digest takes a mail of many.
func (w *world) Digest(_ context.Context, d *mailer.Digest, to mailer.Recipients) (map[string]error, error) {
	return w.take(d.Count(), to)
}

func (w *world) take(notices int, to mailer.Recipients) (map[string]error, error) {
	if err := w.server(notices, to); err != nil {
		return nil, err
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	w.mails++
	w.mailed += notices
	return w.refused, nil
}

// write writes notices of the worker w that are to be told.
func (w *world) write(n int, to notify.To) {
	w.t.Helper()
	w.with(n, to, time.Now(), "")
	w.written += n
}

// with writes notices that were known at an instant, and what is written of their telling.
func (w *world) with(n int, to notify.To, at time.Time, sending string) {
	w.t.Helper()
	w.of("w", "", n, to, at, sending)
}

// of writes notices of a worker at a site.
func (w *world) of(worker, site string, n int, to notify.To, at time.Time, sending string) {
	w.t.Helper()
	for first := 0; first < n; first += 1000 {
		var bodies [][]byte
		for i := first; i < min(n, first+1000); i++ {
			notice := notify.Notice{
				ID: fmt.Sprintf("%s%s%st%06d:%s%v", notify.Prefix, strings.TrimPrefix(worker, "w"), site, i, to.URL, to.Email), By: worker, Site: site, Event: task.EventError, Task: fmt.Sprint("t", i), Job: "j", Key: "k",
				Attempt: 1, At: at, Error: "no", To: to,
			}
			body, err := notice.Encode()
			if err != nil {
				w.t.Fatal(err)
			}
			if sending != "" {
				body = append(body[:len(body)-1], `,"sending":`+sending+`}`...)
			}
			bodies = append(bodies, body)
		}
		if _, err := w.db.Bulk(w.t.Context(), bodies); err != nil {
			w.t.Fatal(err)
		}
	}
}

// sends runs senders until all that is to be told was told and is deleted.
func (w *world) sends(senders int, o send.Options) {
	w.t.Helper()
	stop := w.start(senders, o)
	defer stop()
	w.gone(w.written)
}

// start runs senders until stop, which waits for their end.
func (w *world) start(senders int, o send.Options) (stop func()) {
	ctx, end := context.WithCancel(w.t.Context())
	log := logrus.New()
	log.SetOutput(w.t.Output())
	if w.heard != nil {
		log.AddHook(w.heard)
	}
	o.Database, o.Names, o.Caller, o.Mailer, o.Log = w.db, []string{"w"}, w, cmp.Or(o.Mailer, send.Mailer(w)), log
	o.Retry = cmp.Or(o.Retry, 10*time.Millisecond)
	var running sync.WaitGroup
	for i := range senders {
		mine := o
		mine.Member = fmt.Sprint("m", i)
		running.Go(func() { send.Run(ctx, mine) })
	}
	return func() {
		end()
		running.Wait()
	}
}

// comes waits for an event.
func (w *world) comes(event <-chan struct{}, otherwise string) {
	w.t.Helper()
	select {
	case <-event:
	case <-time.After(patience):
		w.t.Error(otherwise)
	}
}

// gone follows the database until so many notices were deleted.
func (w *world) gone(n int) {
	w.t.Helper()
	ctx, stop := context.WithTimeout(w.t.Context(), patience)
	defer stop()
	deleted := map[string]bool{}
	err := changes.Follow(ctx, w.db, changes.Options{}, func(_ context.Context, rows []changes.Row, _ string) error {
		for _, row := range rows {
			if row.Deleted {
				deleted[row.ID] = true
			}
		}
		if len(deleted) >= n {
			return errGone
		}
		return nil
	})
	if !errors.Is(err, errGone) {
		w.t.Errorf("%d of %d notices were told: %v", len(deleted), n, err)
	}
}

// patience is how long anything may take, however slow the machine.
const patience = 2 * time.Minute

var errGone = errors.New("all were told")

// once: of two senders with the same name, one posts a notice, and what failed is posted again; one that is refused for good is given up.
func once(w *world) {
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
	w.sends(2, send.Options{})
	if len(w.posted) != many {
		w.t.Errorf("%d of %d were posted", len(w.posted), many)
	}
	for id, n := range w.posted {
		if want := map[bool]int{true: 3, false: 1}[strings.HasPrefix(id, notify.Prefix+"t000009")]; n != want {
			w.t.Errorf("%s was posted %d times, want %d", id, n, want)
		}
	}
}

// gathered: what waits for the same recipients, more than a page, is few mails. While the mail server is away, one notice is tried at a time:
// an attempt costs the same however many wait.
func gathered(w *world) {
	failures := 0
	w.server = func(notices int, _ mailer.Recipients) error {
		if failures++; failures > 4 {
			return nil
		}
		if notices != 1 {
			w.t.Errorf("a mail of %d notices was tried at a server that is away", notices)
		}
		return &mailer.Error{Server: true}
	}
	const many = 250
	w.write(many, notify.To{Email: []string{"b@example.org", "a@example.org"}})
	w.sends(1, send.Options{Window: time.Second})
	if w.mailed != many || w.mails > many/10 {
		w.t.Errorf("%d notices in %d mails", w.mailed, w.mails)
	}
}

// slowMails: while the mail server takes its time for a digest, what could not be posted is posted again.
func slowMails(w *world) {
	gathering, posted := make(chan struct{}), make(chan struct{})
	begun, done := sync.OnceFunc(func() { close(gathering) }), sync.OnceFunc(func() { close(posted) })
	w.server = func(notices int, _ mailer.Recipients) error {
		if notices > 1 {
			begun()
			w.comes(posted, "nothing was posted while a mail took its time")
		}
		return nil
	}
	w.answer = func(_ string, n int) error {
		if n == 1 {
			w.comes(gathering, "no mail of many was sent")
			return jobs.Coded(errors.New("away"), 503)
		}
		done()
		return nil
	}
	w.write(150, notify.To{Email: []string{"a@example.org"}})
	w.write(1, notify.To{URL: "http://a.example.org/told"})
	w.sends(1, send.Options{Window: time.Second})
}

// both: a digest that was mailed takes nothing from the posts of its notices, whose receiver is away.
func both(w *world) {
	const many = 120
	mailed := make(chan struct{})
	gathered := sync.OnceFunc(func() { close(mailed) })
	w.server = func(notices int, _ mailer.Recipients) error {
		if notices > 1 {
			gathered()
		}
		return nil
	}
	w.answer = func(string, int) error {
		select {
		case <-mailed:
			return nil
		default:
			return jobs.Coded(errors.New("away"), 503)
		}
	}
	w.write(many, notify.To{URL: "http://a.example.org/told", Email: []string{"a@example.org"}})
	w.sends(1, send.Options{Window: time.Second})
	if len(w.posted) != many || w.mailed != many {
		w.t.Errorf("of %d, %d were posted and %d mailed, in %d mails", many, len(w.posted), w.mailed, w.mails)
	}
}

// reconfigured: with other settings of mails, what waits is tried at once.
func reconfigured(w *world) {
	tried := 0
	w.server = func(int, mailer.Recipients) error {
		if tried++; tried == 1 {
			time.AfterFunc(0, w.configure)
			return &mailer.Error{Server: true}
		}
		return nil
	}
	w.write(1, notify.To{Email: []string{"a@example.org"}})
	w.sends(1, send.Options{Retry: time.Hour})
}

// putOff: a recipient that the server puts off for long does not keep the others from their mails.
func putOff(w *world) {
	w.server = func(_ int, to mailer.Recipients) error {
		if !to.Some {
			return &mailer.Error{}
		}
		return nil
	}
	w.refused = map[string]error{"b@example.org": errors.New("the mailbox is full")}
	w.write(20, notify.To{Email: []string{"a@example.org", "b@example.org"}})
	w.sends(1, send.Options{Retry: time.Millisecond, Window: time.Second})
	if w.mails > 3 {
		w.t.Errorf("%d mails", w.mails)
	}
}

// tooOld: what nobody can mail is not kept for ever, with a mail server that is away or without any. What is to be posted is posted.
func tooOld(w *world) {
	const many, both = 150, 40 // these come again when they were posted
	old := time.Now().Add(-96 * time.Hour)
	w.away = true
	w.server = func(int, mailer.Recipients) error {
		w.t.Error("a mail was sent")
		return nil
	}
	w.with(many, notify.To{Email: []string{"a@example.org"}}, old, "")
	w.with(both, notify.To{Email: []string{"a@example.org"}, URL: "http://a.example.org/told"}, old, "")
	w.with(1, notify.To{Email: []string{"new@example.org"}}, time.Now(), "")
	w.written = many + both
	w.sends(1, send.Options{})
	if len(w.posted) != both {
		w.t.Errorf("%d of %d were posted", len(w.posted), both)
	}
}

// tooOldAtOnce: what nobody can mail is given up though more of it comes than waits for the postman, long before its next look at all notices.
func tooOldAtOnce(w *world) {
	const many = 100
	old := time.Now().Add(-96 * time.Hour)
	handed := make(chan struct{})
	done := sync.OnceFunc(func() { close(handed) }) // the others came before it
	w.away = true
	w.answer = func(string, int) error {
		done()
		return nil
	}
	stop := w.start(1, send.Options{})
	defer stop()
	w.with(1, notify.To{Email: []string{"first@example.org"}}, old, "")
	w.gone(1) // all notices were looked through, or have nobody but the feed to bring them
	w.mu.Lock()
	w.asked = func() { w.comes(handed, "nothing was handed on while one was given up") }
	w.mu.Unlock()
	w.with(many, notify.To{Email: []string{"a@example.org"}}, old, "")
	w.with(1, notify.To{URL: "http://a.example.org/told"}, time.Now(), "")
	w.gone(1 + many + 1)
}

// unpostable: what is never taken at its URL is mailed, at once.
func unpostable(w *world) {
	const many = 50
	mailed := make(chan struct{})
	left := many // the postman's
	w.server = func(notices int, _ mailer.Recipients) error {
		if left -= notices; left == 0 {
			close(mailed)
		}
		return nil
	}
	w.answer = func(string, int) error { return jobs.Coded(errors.New("not found"), 404) }
	stop := w.start(1, send.Options{Retry: time.Hour})
	defer stop()
	w.with(many, notify.To{URL: "http://a.example.org/told", Email: []string{"a@example.org"}}, time.Now(), "")
	w.comes(mailed, "not all were mailed")
}

// wrongClock: what was written by a clock that was far ahead keeps nothing from being told.
func wrongClock(w *world) {
	far := time.Now().AddDate(1, 0, 0).UTC().Format(time.RFC3339)
	w.with(1, notify.To{Email: []string{"a@example.org"}}, time.Now(), `{"claim":{"member":"other","until":"`+far+`"}}`)
	w.with(1, notify.To{Email: []string{"b@example.org"}}, time.Now(), `{"email":{"attempts":1,"next":"`+far+`"}}`)
	w.with(1, notify.To{URL: "http://a.example.org/told"}, time.Now(), `{"url":{"attempts":1,"next":"`+far+`"}}`)
	w.written = 3
	w.sends(1, send.Options{})
}
