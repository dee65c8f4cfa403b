// Package send tells what notices say: it posts them to URLs and mails them, and deletes each when everybody it names was told.
//
// A notice waits in the database of tasks until then, so that nothing is lost where a process dies, a receiver cannot be reached or no mail
// server is configured. Whoever sends one claims it first, by writing its document with the revision it was read at; of several processes one
// succeeds. The documents are read in pages and never all held: a receiver that is away costs a look at the notices for it, now and then.
package send

import (
	"cmp"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/changes"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/jobs/call"
	"github.com/adlayer/after/notify"
	"github.com/adlayer/after/notify/mailer"
)

// Caller makes the posts, as [call.Caller] does.
type Caller interface {
	Run(ctx context.Context, t *jobs.Task, in call.Arguments) (*call.Result, error)
}

// Mailer sends the mails, as [mailer.Mailer] does.
type Mailer interface {
	Ready() bool
	One(ctx context.Context, n *notify.Notice, to []string) (refused map[string]error, err error)
	Digest(ctx context.Context, d *mailer.Digest, to []string) (refused map[string]error, err error)
}

// Options are what a sender needs; all but the durations are required.
type Options struct {
	Database *couch.Database // of tasks, where the notices lie
	Names    []string        // the workers whose notices are told
	Member   string          // this process, which no other one is at the same time
	Caller   Caller
	Mailer   Mailer
	Window   time.Duration // what comes for the same recipients within it is gathered into one mail; 0: nothing is
	Retry    time.Duration // the wait after the first failure, which doubles with each; 0 means 5 s
	Keep     time.Duration // how old a notice may become before it is given up; 0 means three days
	Log      logrus.FieldLogger
}

// How much is done at a time, and for how long.
const (
	mostAtOnce   = 32              // posts under way
	mostMails    = 32              // mails of single notices that are sent or wait for their turn
	mostPerHost  = 16              // of them to one host
	mostGathered = 10_000          // notices that digests being made hold by their ids
	mostWeight   = 8 << 20         // bytes of notices that they hold whole
	mostPause    = 5 * time.Minute // before a host or a mail server that failed is tried again
	mostWait     = time.Hour       // before a notice is tried again
	postTimeout  = 30 * time.Second
	claimTime    = 5 * time.Minute // longer than a post or a mail can take
	farewell     = 3 * time.Second // that those under way may still take at the end
	page         = 100             // documents read at once
)

// sender is the state of one [Run].
type sender struct {
	Options

	mu       sync.Mutex
	busy     map[string]bool   // notices that are in hand, by id
	hosts    map[string]*place // that are busy or failed
	server   place             // the mail server
	windows  *windows
	wakeAt   time.Time // when notices are to be looked through; zero is never
	unmailed int       // notices that wait for a mail server to be configured, in this pass
	told     time.Time // when the log said so

	toldIllegible time.Time // when the log said that one cannot be read

	woken  chan struct{}
	places chan struct{} // holds the posts under way
	mails  chan struct{} // holds the mails under way
	letter chan struct{} // holds the one of them that speaks to the server
	hands  sync.WaitGroup
}

// Run tells notices until ctx ends. What is under way then may go on for a moment.
func Run(ctx context.Context, o Options) {
	o.Retry, o.Keep = cmp.Or(o.Retry, 5*time.Second), cmp.Or(o.Keep, 72*time.Hour)
	s := &sender{
		Options: o, busy: map[string]bool{}, hosts: map[string]*place{}, windows: newWindows(o.Window),
		woken: make(chan struct{}, 1), places: make(chan struct{}, mostAtOnce), mails: make(chan struct{}, mostMails),
		letter: make(chan struct{}, 1),
	}
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var owned sync.WaitGroup
	owned.Go(func() { s.follow(ctx, working) })
	s.wake(time.Now()) // a server may say nothing of a feed until something comes
	s.look(ctx, working)
	owned.Wait()
	late := time.AfterFunc(farewell, stop)
	defer late.Stop()
	s.hands.Wait()
}

// follow takes up notices as they are written. While there is no room for more, the server waits.
func (s *sender) follow(ctx, working context.Context) {
	names, err := json.Marshal(s.Names)
	if err != nil { // strings can always be encoded
		return
	}
	options := changes.Options{
		Since: "now", IncludeDocs: true, Log: s.Log, MaxBatch: page,
		Selector: json.RawMessage(`{"type":"` + notify.Type + `","by":{"$in":` + string(names) + `}}`),
		OnState: func(state changes.State) {
			if state.Connected { // what is there already, and what came while nobody listened
				s.wake(time.Now())
			}
		},
	}
	if !s.there(ctx) {
		return
	}
	_ = changes.Follow(ctx, s.Database, options, func(ctx context.Context, rows []changes.Row, _ string) error {
		for _, row := range rows {
			if it, err := read(row.Doc); err == nil && !row.Deleted {
				s.consider(ctx, working, it, nil)
			}
		}
		return ctx.Err()
	})
}

// there waits for the database, which a worker makes at its very first start; false is that the context ended before.
func (s *sender) there(ctx context.Context) bool {
	for failures := 1; ; failures++ {
		if _, err := s.Database.Info(ctx); !couch.IsNotFound(err) {
			return ctx.Err() == nil // whatever else is wrong, the feed says it
		}
		if !pause(ctx, backoff(50*time.Millisecond, failures, 5*time.Second)) {
			return false
		}
	}
}

// sweep is how often all notices are looked through though nothing asks for it: in a cluster a feed may be behind.
const sweep = 5 * time.Minute

// look passes through the notices whenever one of them may be due.
func (s *sender) look(ctx, working context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-s.woken: // something may be due earlier
		case <-timer.C:
		}
		now := time.Now()
		if due := s.due(); due.IsZero() || now.Before(due) {
			timer.Reset(s.until(now))
			continue
		}
		err := s.pass(ctx, working)
		if err != nil && ctx.Err() == nil {
			if !couch.IsNotFound(err) { // the worker makes the database, or has lost it and says so
				s.Log.WithError(err).Warn("the notices of tasks cannot be read; trying again")
			}
			s.wake(time.Now().Add(s.Retry))
		}
		// A pass through many that are not due costs something: it takes a small part of the time.
		rest := min(max(2*time.Since(now), 10*time.Millisecond), 10*time.Second)
		if !pause(ctx, rest) {
			return
		}
		timer.Reset(0)
	}
}

// until is how long to wait for the next pass.
func (s *sender) until(now time.Time) time.Duration {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.wakeAt.IsZero() {
		s.wakeAt = now.Add(sweep)
	}
	return max(0, s.wakeAt.Sub(now))
}

func (s *sender) due() time.Time {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.wakeAt
}

// wake has the notices looked through at an instant, or before.
func (s *sender) wake(at time.Time) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.wakeLocked(at)
}

func (s *sender) wakeLocked(at time.Time) {
	if s.wakeAt.IsZero() || at.Before(s.wakeAt) {
		s.wakeAt = at
		select {
		case s.woken <- struct{}{}:
		default:
		}
	}
}

// pass looks through all notices, begins what is due, and sends the digests that it has gathered.
func (s *sender) pass(ctx, working context.Context) error {
	s.mu.Lock()
	s.wakeAt, s.unmailed = time.Time{}, 0
	now := time.Now()
	s.windows.forget(now)
	s.forgetHosts(now)
	s.mu.Unlock()
	g := &gathering{sender: s, batches: map[string]*batch{}}
	r := couch.Range{Start: notify.Prefix, End: notify.Prefix + "\ufff0", IncludeDocs: true, Limit: page}
	last := ""
	for {
		listing, err := s.Database.AllDocs(ctx, r)
		if err != nil {
			g.withdraw()
			return err
		}
		for _, row := range listing.Rows {
			switch it, err := read(row.Doc); {
			case err != nil:
				s.illegible(row.ID, err)
			case row.ID != last:
				s.consider(ctx, working, it, g)
			}
		}
		if ctx.Err() != nil {
			g.withdraw()
			return ctx.Err()
		}
		g.take(working)
		if len(listing.Rows) < page {
			break
		}
		last = listing.Rows[page-1].ID // the next page begins with it, unless it is gone by then
		r.Start = last
	}
	g.flush(working, false)
	s.mu.Lock()
	s.windows.settle(now)
	s.mu.Unlock()
	s.complain()
	return nil
}

// illegible says once an hour of all notices that cannot be read that there are such; they stay.
func (s *sender) illegible(id string, err error) {
	s.mu.Lock()
	again := time.Since(s.toldIllegible) >= time.Hour
	if again {
		s.toldIllegible = time.Now()
	}
	s.mu.Unlock()
	if again {
		s.Log.WithError(err).WithField("notice", id).Error("a notice cannot be read: nobody is told of it until it is mended or deleted")
	}
}

// complain says once a minute that notices wait for a mail server.
func (s *sender) complain() {
	s.mu.Lock()
	n := s.unmailed
	again := n > 0 && time.Since(s.told) >= time.Minute
	if again {
		s.told = time.Now()
	}
	s.mu.Unlock()
	if n > 0 {
		s.wake(time.Now().Add(time.Minute))
	}
	if again {
		s.Log.WithField("waiting", n).Warn("notices of tasks wait to be mailed, and mail.host in the configuration names no mail server")
	}
}

// setOf names a set of recipients, whatever their order.
func setOf(addresses []string) string {
	sorted := slices.Sorted(slices.Values(addresses))
	return strings.ToLower(strings.Join(slices.Compact(sorted), " "))
}

func pause(ctx context.Context, d time.Duration) bool {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return true
	case <-ctx.Done():
		return false
	}
}
