package send

import (
	"context"
	"slices"
	"time"
)

// action is what has to be done about a notice.
type action int

const (
	nothing action = iota // now: it is not ours, or not due
	post                  // to its URL
	mail                  // by itself
	collect               // into a digest
	giveUp                // the URL, or the mail: it is too old, and who is to be told is away
	clean                 // everybody was told, and the document is still there
)

// step is an action, and what it is about.
type step struct {
	action action
	url    bool   // giveUp: the URL
	set    string // of recipients
}

// consider begins what has to be done about a notice. It waits while there is no room for posts. What a feed brings comes without a gathering:
// digests are left to a pass then, and what we have claimed ourselves is its echo.
func (s *sender) consider(ctx, working context.Context, it *item, g *gathering) {
	if c := it.state.Claim; g == nil && c != nil && c.Member == s.Member {
		return
	}
	now := time.Now()
	what := s.decide(it, now)
	if what.action == nothing {
		return
	}
	if what.action == collect {
		if g == nil {
			s.wake(now)
		} else {
			g.add(what.set, it)
		}
		return
	}
	leave, entered := s.room(ctx, what, it)
	if !entered {
		return
	}
	if !s.hold(it.ID) {
		if what.action == mail {
			s.withdraw(what.set)
		}
		leave()
		return
	}
	s.hands.Go(func() {
		defer leave()
		again := s.do(working, what, it)
		s.release(it.ID) // before anybody looks for it
		if !again.IsZero() {
			s.wake(again)
		}
	})
}

// room takes a place for what is to be done. Where there is none for long, the notice is looked at again later.
func (s *sender) room(ctx context.Context, what step, it *item) (leave func(), entered bool) {
	later := func() (func(), bool) {
		s.wake(time.Now().Add(busyFor))
		return nil, false
	}
	if what.action == mail { // these wait for one another, and nothing else waits for them
		select {
		case s.mails <- struct{}{}:
			return func() { <-s.mails }, true
		default:
			s.withdraw(what.set)
			return later()
		}
	}
	leave = func() { <-s.places }
	if what.action == post {
		name, host := s.host(it.To.URL)
		if !s.enter(ctx, host) {
			s.leave(name, host)
			return later()
		}
		leave = func() {
			<-s.places
			<-host.room
			s.leave(name, host)
		}
	}
	s.places <- struct{}{} // whoever has one gives it back: each is bounded in time
	return leave, true
}

// hold takes a notice in hand, unless it is.
func (s *sender) hold(id string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.busy[id] {
		return false
	}
	s.busy[id] = true
	return true
}

func (s *sender) release(ids ...string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for _, id := range ids {
		delete(s.busy, id)
	}
}

// decide says what has to be done about a notice now, and has the notices looked through again when that may be another thing.
func (s *sender) decide(it *item, now time.Time) step {
	if !slices.Contains(s.Names, it.By) {
		return step{}
	}
	s.mu.Lock()
	busy := s.busy[it.ID]
	s.mu.Unlock()
	if busy {
		return step{}
	}
	if c := it.state.Claim; c != nil && c.Member != s.Member { // our own is of before we were started
		if until := instant(c.Until); now.Before(until) {
			s.wake(until)
			return step{}
		}
	}
	if it.over() {
		return step{action: clean}
	}
	if it.To.URL != "" && !it.state.URL.Told {
		if what := s.decidePost(it, now); what.action != nothing {
			return what
		}
	}
	if len(it.To.Email) > 0 && !it.state.Email.Told {
		return s.decideMail(it, now)
	}
	return step{}
}

func (s *sender) decidePost(it *item, now time.Time) step {
	next := instant(it.state.URL.Next)
	s.mu.Lock()
	failing := false
	if p := s.hosts[hostOf(it.To.URL)]; p != nil {
		if until := p.rests(now); until.After(next) {
			next, failing = until, p.failures > 0
		}
	}
	s.mu.Unlock()
	switch {
	case !now.Before(next):
		return step{action: post}
	case failing && s.tooOld(it, now):
		return step{action: giveUp, url: true}
	}
	s.wake(next)
	return step{}
}

func (s *sender) decideMail(it *item, now time.Time) step {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.Mailer.Ready() {
		s.unmailed++
		return step{}
	}
	next := instant(it.state.Email.Next)
	if until := s.server.rests(now); until.After(next) {
		if s.tooOld(it, now) {
			return step{action: giveUp}
		}
		next = until
	}
	if now.Before(next) {
		s.wakeLocked(next)
		return step{}
	}
	set := setOf(it.To.Email)
	switch c, until := s.windows.choose(set, now); c {
	case alone:
		return step{action: mail, set: set}
	case digest:
		return step{action: collect, set: set}
	default:
		if !until.IsZero() {
			s.wakeLocked(until)
		}
		return step{}
	}
}

func (s *sender) tooOld(it *item, now time.Time) bool { return now.Sub(it.At) >= s.Keep }

// withdraw says that no mail was sent to a set that had its turn.
func (s *sender) withdraw(set string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.windows.withdraw(set)
}
