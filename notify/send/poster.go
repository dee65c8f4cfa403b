package send

import (
	"context"
	"net/http"
	"sync"
	"time"

	"github.com/adlayer/after/jobs"
)

// poster posts notices to URLs. The feed and its passes bring them, and hands do the posts, so many at a time.
type poster struct {
	*rounds

	lock   sync.Mutex        // of hosts, and of what is in them
	hosts  map[string]*place // that are busy or failed
	places chan struct{}     // holds the posts under way
	hands  sync.WaitGroup
}

func newPoster(s *sender) *poster {
	return &poster{rounds: newRounds(s), hosts: map[string]*place{}, places: make(chan struct{}, mostAtOnce)}
}

// run passes through the notices until ctx ends. The posts that are under way then go on.
func (p *poster) run(ctx, working context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		select {
		case <-ctx.Done():
			return
		case <-p.woken:
		case <-timer.C:
		}
		p.turn(ctx, timer, func() error { return p.pass(ctx, working) })
	}
}

// pass looks through all notices and begins the posts that are due.
func (p *poster) pass(ctx, working context.Context) error {
	p.lock.Lock()
	p.forgetHosts(time.Now())
	p.lock.Unlock()
	p.refusals.forget(time.Now())
	return p.pages(ctx, func(items []*item) bool {
		for _, it := range items {
			for ctx.Err() == nil && !p.consider(ctx, working, it) { // there is room in a moment: each post is bounded in time
			}
		}
		return ctx.Err() == nil
	})
}

// action is what has to be done about a notice.
type action int

const (
	nothing action = iota // now: it is not ours, or not due
	post
	giveUp // it is too old, and who is to be told is away
	clean  // everybody was told, and the document is still there
)

// consider begins what has to be done about the URL of a notice; false: there is no room for another post.
func (p *poster) consider(ctx, working context.Context, it *item) (room bool) {
	if it.To.URL == "" {
		return true
	}
	what, again := p.decide(it, time.Now())
	p.wake(again)
	if what == nothing {
		return true
	}
	if !p.hold(it.ID, p.rounds) {
		return true
	}
	if err := it.open(); err != nil {
		p.release(it.ID)
		p.illegible(it.ID, err)
		return true
	}
	leave, room := p.enter(ctx, what, it)
	if leave == nil {
		p.release(it.ID)
		if room { // it is the host that has none
			p.wake(time.Now().Add(busyFor))
		}
		return room
	}
	p.hands.Go(func() {
		defer leave()
		again := p.do(working, what, it)
		p.release(it.ID) // before anybody looks for it
		p.wake(again)
	})
	return true
}

// decide says what has to be done about a notice's URL now, and when that may be another thing; zero is not known, or never.
func (p *poster) decide(it *item, now time.Time) (what action, again time.Time) {
	whose, until := p.whose(it, now)
	switch {
	case whose == others:
		return nothing, until
	case it.over():
		return clean, time.Time{}
	case it.state.URL.Told:
		return nothing, time.Time{}
	case whose == abandoned:
		return giveUp, time.Time{}
	}
	next := it.state.URL.next(now)
	failing := false
	p.lock.Lock()
	if host := p.hosts[hostOf(it.To.URL)]; host != nil {
		if until := host.rests(now); until.After(next) {
			next, failing = until, host.failures > 0 && now.Before(host.until)
		}
	}
	p.lock.Unlock()
	switch {
	case !now.Before(next):
		return post, time.Time{}
	case failing && p.tooOld(it, now):
		return giveUp, time.Time{}
	}
	return nothing, next
}

// enter takes a place for what is to be done, and waits a moment for it. Without one leave is nil; room is false where there is none for others
// either.
func (p *poster) enter(ctx context.Context, what action, it *item) (leave func(), room bool) {
	away := func() {}
	if what == post {
		name, host := p.host(it.To.URL)
		if !p.admit(ctx, host) {
			p.passOver(host)
			p.leave(name, host)
			return nil, true
		}
		away = func() {
			<-host.room
			p.leave(name, host)
		}
	}
	if !take(ctx, p.places) {
		away()
		return nil, false
	}
	return func() {
		<-p.places
		away()
	}, true
}

// do does one thing about a notice, which is in hand, and writes what came of it. It says when the notice is to be looked at again; zero is
// never.
func (p *poster) do(working context.Context, what action, it *item) (again time.Time) {
	next := it.state
	next.Claim = nil
	switch what {
	case post:
		ok, later := p.claim(working, it)
		if !ok {
			return later
		}
		next.URL, again = p.post(working, it)
	case giveUp:
		p.logOf(it).WithField("last", next.URL.Error).Errorf("the notice for %s is given up: it could not be told for %v", hostOf(it.To.URL), p.Keep)
		next.URL.Told = true
	default:
	}
	if working.Err() != nil { // it was cut short, and is ours when we are back
		return time.Time{}
	}
	it.state = next
	p.record(working, []ref{refTo(it)})
	return again
}

// post posts a notice and gives the progress of that, and when it may be posted again.
func (p *poster) post(working context.Context, it *item) (done progress, again time.Time) {
	name, host := p.host(it.To.URL)
	defer p.leave(name, host)
	_, err := p.Caller.Run(working, it.call(p.Log), it.arguments())
	now, told := time.Now(), progress{Told: true}
	switch {
	case err == nil:
		p.answered(it, name, host)
		return told, time.Time{}
	case jobs.IsRemove(err):
		p.answered(it, name, host)
		p.logOf(it).Warn("the URL answered 410: it is not told of this")
		return told, time.Time{}
	case jobs.IsPermanent(err) && p.isOwn(it): // another process may, which has other fences
		p.logOf(it).WithError(err).Error("the notice is given up: it cannot be posted")
		return told, time.Time{}
	case working.Err() != nil:
		return it.state.URL, time.Time{}
	}
	if d, ok := jobs.SnoozeOf(err); ok { // nothing was tried
		p.lock.Lock()
		if until := now.Add(d); until.After(host.until) {
			host.until = until
		}
		p.lock.Unlock()
		return it.state.URL, now.Add(d)
	}
	least := time.Duration(0)
	if d, ok := jobs.RetryAfterOf(err); ok {
		least = min(d, mostRetryAfter)
	}
	p.failed(it, name, host, err, least)
	if p.tooOld(it, now) {
		p.logOf(it).WithError(err).Errorf("the notice is given up: it could not be posted for %v", p.Keep)
		return told, time.Time{}
	}
	again = now.Add(max(p.backoff(it.state.URL.Attempts+1), least))
	return it.state.URL.failed(err, again), again
}

// answered notes that a host is there, whatever it thinks of a notice: if it had failed, as many posts as ever may go to it again.
func (p *poster) answered(it *item, name string, host *place) {
	p.lock.Lock()
	back := host.recover()
	p.lock.Unlock()
	if back {
		p.logOf(it).Infof("%s answers again", name)
		p.wake(time.Now())
	}
}

// failed notes a post that was not taken: the host is left alone where that is not about this notice.
func (p *poster) failed(it *item, name string, host *place, err error, least time.Duration) {
	code, ok := jobs.CodeOf(err)
	there := ok && code < http.StatusInternalServerError && code != http.StatusTooManyRequests
	if there {
		p.answered(it, name, host)
	}
	if there || jobs.IsPermanent(err) {
		p.logOf(it).WithError(err).Warn("a notice was not taken; trying again")
		return
	}
	p.lock.Lock()
	first := host.fail(time.Now(), p.Retry, least)
	p.lock.Unlock()
	if first {
		p.logOf(it).WithError(err).Warnf("notices cannot be posted to %s; trying again", name)
	}
}
