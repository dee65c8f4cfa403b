// Package send tells what notices say: it posts them to URLs and mails them, and deletes each when everybody it names was told.
//
// A notice waits in the database of tasks until then, so that nothing is lost where a process dies, a receiver cannot be reached or no mail
// server is configured. Whoever sends one claims it first, by writing its document with the revision it was read at; of several processes one
// succeeds. The documents are read in pages and never all held: a receiver that is away costs a look at the notices for it, now and then.
//
// Posts and mails have an owner each, a goroutine that passes through the notices when one of its own may be due. Neither waits for the other.
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
	"github.com/adlayer/after/internal/wait"
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
	// Ready says whether there is a mail server.
	Ready() bool
	// Configured gives a channel that is closed when the mailer is told to do its work in another way.
	Configured() <-chan struct{}
	One(ctx context.Context, n *notify.Notice, to mailer.Recipients) (refused map[string]error, err error)
	Digest(ctx context.Context, d *mailer.Digest, to mailer.Recipients) (refused map[string]error, err error)
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
	Keep     time.Duration // how old a notice may become before it is given up; 0 means [usualKeep]
	Log      logrus.FieldLogger

	Site     string        // where this process runs: notices of other sites are told there; empty is nowhere in particular
	TakeOver time.Duration // how long nobody must have run a worker before its notices are told here; 0: they never are
	// Fleet gives the names of the workers that live processes run, and those of names that were ever run in this fleet; nil: notices of other workers
	// are left alone. Those of a name that the fleet has never had are copies, of a fleet elsewhere that has the same database of tasks.
	Fleet func(ctx context.Context, names []string) (running, known []string, err error)
}

// How much is done at a time, and for how long.
const (
	mostAtOnce   = 32              // posts under way
	mostPerHost  = 16              // of them to one host
	mostArrived  = 32              // notices that a feed has brought and that wait for a mail under way
	mostGathered = 50_000          // notices that digests being made hold by their ids
	mostWeight   = 8 << 20         // bytes of notices that they hold whole
	mostPause    = 5 * time.Minute // before a host or a mail server that failed is tried again
	mostWait     = time.Hour       // before a notice is tried again
	postTimeout  = 30 * time.Second
	usualKeep    = 72 * time.Hour  // before a notice is given up
	claimTime    = 5 * time.Minute // longer than a post or a mail can take
	farewell     = 3 * time.Second // that those under way may still take at the end
	page         = 100             // documents read at once
)

// sender is what both owners share.
type sender struct {
	Options

	posts *poster
	mails *postman

	mu   sync.Mutex
	busy map[string]*hand     // notices that are in hand, by id
	told map[string]time.Time // when the log said what it says now and then only

	absences absences // of the workers of other processes
	refusals refusals // of the database
}

// hand is who has a notice in hand.
type hand struct{ owner, wanted *rounds }

// Run tells notices until ctx ends. What is under way then may go on for a moment.
func Run(ctx context.Context, o Options) {
	o.Retry, o.Keep = cmp.Or(o.Retry, 5*time.Second), cmp.Or(o.Keep, usualKeep)
	s := &sender{Options: o, busy: map[string]*hand{}}
	s.posts, s.mails = newPoster(s), newPostman(s)
	working, stop := context.WithCancel(context.WithoutCancel(ctx))
	defer stop()
	var owners sync.WaitGroup
	owners.Go(func() { s.follow(ctx, working) })
	owners.Go(func() { s.posts.run(ctx, working) })
	owners.Go(func() { s.mails.run(ctx, working) })
	<-ctx.Done()
	late := time.AfterFunc(farewell, stop)
	defer late.Stop()
	owners.Wait()
	s.posts.hands.Wait() // which two of the owners have started
}

// follow hands on notices as they are written.
func (s *sender) follow(ctx, working context.Context) {
	names, err := json.Marshal(s.Names)
	if err != nil { // strings can always be encoded
		return
	}
	since, ok := s.begin(ctx)
	if !ok {
		return
	}
	first := since != fromNow
	options := changes.Options{
		Since: since, IncludeDocs: true, Log: s.Log, MaxBatch: page,
		Selector: json.RawMessage(`{"type":"` + notify.Type + `","by":{"$in":` + string(names) + `}}`),
		OnState: func(state changes.State) {
			if state.Connected && !first { // what came while nobody listened
				s.lookThrough()
			}
			first = false
		},
	}
	_ = changes.Follow(ctx, s.Database, options, func(ctx context.Context, rows []changes.Row, _ string) error {
		s.arrived(ctx, working, rows)
		return ctx.Err()
	})
}

// arrived takes up what the feed brings; what is claimed by ourselves is its echo. Mails are handed on first: with many posts under way, the
// others wait for room. Who is posted to and mailed is posted to first.
func (s *sender) arrived(ctx, working context.Context, rows []changes.Row) {
	var items []*item
	for _, row := range rows {
		it, err := read(row.Doc)
		if err != nil || row.Deleted || it.state.Claim != nil && it.state.Claim.Member == s.Member {
			continue
		}
		if it.To.URL == "" || it.state.URL.Told {
			s.mails.offer(it)
		} else {
			items = append(items, it)
		}
	}
	for i, it := range items {
		if ctx.Err() != nil {
			return
		}
		// In hand already, this may be what has just been written of a post that failed: nobody else brings it to the postman. It is left to the pass at
		// the end of that, so it has to be left first.
		if !it.state.Email.Told && len(it.To.Email) > 0 && s.held(it.ID) {
			s.mails.leave(it, time.Time{})
			s.await(it.ID, s.mails.rounds)
		}
		if !s.posts.consider(ctx, working, it) {
			soon := time.Now().Add(busyFor)
			s.posts.wake(soon)
			for _, it := range items[i:] {
				s.mails.leave(it, soon)
			}
			return
		}
		if !s.held(it.ID) {
			s.mails.offer(it)
		}
	}
}

// fromNow has a feed begin where the database is then.
const fromNow = "now"

// begin waits for the database, which a worker makes at its very first start, has what is there already looked through and gives the sequence
// after which the feed tells the rest; false is that the context ended before.
func (s *sender) begin(ctx context.Context) (since string, ok bool) {
	defer s.lookThrough()
	for failures := 1; ; failures++ {
		info, err := s.Database.Info(ctx)
		switch {
		case err == nil:
			return info.UpdateSeq, true
		case !couch.IsNotFound(err):
			return fromNow, ctx.Err() == nil // whatever else is wrong, the feed says it
		case !wait.For(ctx, wait.Doubled(50*time.Millisecond, failures, 5*time.Second)):
			return "", false
		}
	}
}

// lookThrough has both owners look through all notices.
func (s *sender) lookThrough() {
	s.posts.wake(time.Now())
	s.mails.behind.Store(true)
	s.mails.wake(time.Now())
}

// hold takes a notice in hand for an owner, unless it is. Where the other one has it, this one looks again when that is over.
func (s *sender) hold(id string, owner *rounds) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.taken(id, owner) {
		return false
	}
	s.busy[id] = &hand{owner: owner}
	return true
}

// await has an owner look again when the other one has a notice in hand no more, at once where nobody has it.
func (s *sender) await(id string, owner *rounds) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.taken(id, owner) {
		owner.wake(time.Now())
	}
}

// taken says whether a notice is in hand, and notes who wants it from another owner. The lock is held.
func (s *sender) taken(id string, owner *rounds) bool {
	h := s.busy[id]
	if h != nil && h.owner != owner {
		h.wanted = owner
	}
	return h != nil
}

func (s *sender) held(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.busy[id] != nil
}

func (s *sender) release(ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		if h := s.busy[id]; h != nil && h.wanted != nil {
			h.wanted.wake(time.Now())
		}
		delete(s.busy, id)
	}
}

// whose says what a notice is to this process now; until is when that may be another thing, as when another member's claim ends that keeps it from
// us, or when the database, which refused it, is asked again. A claim of our own is of before we were started. One that ends later than any can was written by a clock that is wrong.
func (s *sender) whose(it *item, now time.Time) (what standing, until time.Time) {
	if until = s.refusals.until(it.ID); now.Before(until) {
		return others, until
	}
	what, until = s.standing(it, now)
	if c := it.state.Claim; what != others && c != nil && c.Member != s.Member {
		if until = instant(c.Until); now.Before(until) && until.Sub(now) <= 2*claimTime {
			return others, until
		}
	}
	return what, until
}

func (s *sender) tooOld(it *item, now time.Time) bool { return now.Sub(it.At) >= s.Keep }

// forlorn says whether even those who tell a notice elsewhere have given it up, whose copy lies here: that the copy is deleted replicates to them.
func (s *sender) forlorn(it *item, now time.Time) bool {
	return now.Sub(it.At) >= 2*max(s.Keep, usualKeep)
}

// illegible says once an hour of all notices that cannot be read that there are such; they stay.
func (s *sender) illegible(id string, err error) {
	if s.seldom("illegible", time.Hour) {
		s.Log.WithError(err).WithField("notice", id).Error("a notice cannot be read: nobody is told of it until it is mended or deleted")
	}
}

// seldom says whether the log is to say a thing, which it does not say more often than once in a while.
func (s *sender) seldom(thing string, pause time.Duration) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	now := time.Now()
	if last, said := s.told[thing]; said && now.Sub(last) < pause {
		return false
	}
	if s.told == nil {
		s.told = map[string]time.Time{}
	}
	s.told[thing] = now
	return true
}

func (s *sender) logOf(it *item) logrus.FieldLogger {
	return s.Log.WithFields(logrus.Fields{"task": it.Task, "worker": it.By, "event": string(it.Event)})
}

// setOf names a set of recipients, whatever their order.
func setOf(addresses []string) string {
	sorted := slices.Sorted(slices.Values(addresses))
	return strings.ToLower(strings.Join(slices.Compact(sorted), " "))
}
