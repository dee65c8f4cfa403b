package send

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/notify/mailer"
)

// do does one thing about a notice, which is in hand, and writes what came of it. It says when the notice is to be looked at again; zero is
// never.
func (s *sender) do(working context.Context, what step, it *item) (again time.Time) {
	next := it.state
	next.Claim = nil
	switch what.action {
	case post:
		if !s.claim(working, it) {
			return time.Now().Add(s.Retry) // whoever has it may fail, and a server may have no feed that tells of it
		}
		next.URL = s.post(working, it)
	case mail:
		progress, done := s.mailAlone(working, what.set, it)
		if !done {
			return time.Now().Add(s.Retry)
		}
		next.Email = progress
	case giveUp:
		part, whom := &next.Email, fmt.Sprint(it.To.Email)
		if what.url {
			part, whom = &next.URL, hostOf(it.To.URL)
		}
		s.logOf(it).WithField("last", part.Error).Errorf("the notice for %s is given up: it could not be told for %v", whom, s.Keep)
		part.Told = true
	default:
	}
	if working.Err() != nil { // it was cut short, and is ours when we are back
		return time.Time{}
	}
	it.state = next
	if s.settle(working, it); it.over() {
		return time.Time{}
	}
	return time.Now() // whoever looks finds out when it is due
}

// claim makes a notice ours, before anybody is told; false where somebody else has it, or nobody can write.
func (s *sender) claim(working context.Context, it *item) bool {
	now := time.Now()
	body, err := it.document(s.claimed(it, now))
	if err == nil {
		var rev string
		if rev, err = s.write(working, body); err == nil {
			it.Rev = rev
			return true
		}
	}
	if !couch.IsConflict(err) && !couch.IsNotFound(err) && working.Err() == nil {
		s.logOf(it).WithError(err).Warn("a notice cannot be claimed; trying again")
		s.wake(now.Add(s.Retry))
	}
	return false
}

// settle writes how far the telling of a notice is, again and again until it is written: who was told is not to be told again. A conflict
// says that somebody else has it, or has deleted it.
func (s *sender) settle(working context.Context, it *item) {
	for failures := 1; ; failures++ {
		var err error
		if it.over() {
			_, err = s.write(working, grave(it.ID, it.Rev))
		} else {
			var body []byte
			if body, err = it.document(it.state); err == nil {
				_, err = s.write(working, body)
			}
		}
		if err == nil || couch.IsConflict(err) {
			return
		}
		if couch.IsNotFound(err) || couch.IsForbidden(err) {
			s.logOf(it).WithError(err).Error("what came of a notice cannot be written: it may be told again")
			return
		}
		if failures == 1 {
			s.logOf(it).WithError(err).Warn("what came of a notice is not written yet; trying again")
		}
		if !pause(working, backoff(time.Second/4, failures, 10*time.Second)) {
			return
		}
	}
}

// write writes one document, as the workers write theirs: not every server takes ids with slashes in its paths.
func (s *sender) write(ctx context.Context, body []byte) (rev string, err error) {
	results, err := s.Database.Bulk(ctx, [][]byte{body})
	if err != nil {
		return "", err
	}
	return results[0].Rev, results[0].Err()
}

func grave(id, rev string) []byte {
	raw, _ := json.Marshal(map[string]any{"_id": id, "_rev": rev, "_deleted": true}) // texts can always be encoded
	return raw
}

// post posts a notice and gives the progress of that.
func (s *sender) post(working context.Context, it *item) progress {
	name, host := s.host(it.To.URL)
	defer s.leave(name, host)
	_, err := s.Caller.Run(working, it.call(s.Log), it.arguments())
	now, told := time.Now(), progress{Told: true}
	switch {
	case err == nil:
		s.mu.Lock()
		back := host.recover()
		s.mu.Unlock()
		if back {
			s.logOf(it).Infof("%s takes notices again", name)
			s.wake(now)
		}
		return told
	case jobs.IsRemove(err):
		s.logOf(it).Warn("the URL answered 410: it is not told of this")
		return told
	case jobs.IsPermanent(err):
		s.logOf(it).WithError(err).Error("the notice is given up: it cannot be posted")
		return told
	case working.Err() != nil:
		return it.state.URL
	}
	least := time.Duration(0)
	if d, ok := jobs.SnoozeOf(err); ok { // nothing was tried
		s.mu.Lock()
		if until := now.Add(d); until.After(host.until) {
			host.until = until
		}
		s.mu.Unlock()
		return it.state.URL
	}
	if d, ok := jobs.RetryAfterOf(err); ok {
		least = min(d, mostRetryAfter)
	}
	if code, ok := jobs.CodeOf(err); !ok || code >= http.StatusInternalServerError || code == http.StatusTooManyRequests { // it is not about this notice
		s.mu.Lock()
		first := host.fail(now, s.Retry, least)
		s.mu.Unlock()
		if first {
			s.logOf(it).WithError(err).Warnf("notices cannot be posted to %s; trying again", name)
		}
	} else {
		s.logOf(it).WithError(err).Warn("a notice was not taken; trying again")
	}
	if s.tooOld(it, now) {
		s.logOf(it).WithError(err).Errorf("the notice is given up: it could not be posted for %v", s.Keep)
		return told
	}
	return it.state.URL.failed(err, now.Add(max(s.backoff(it.state.URL.Attempts+1), least)))
}

// mostRetryAfter is the longest wait that a receiver may ask for.
const mostRetryAfter = 24 * time.Hour

// backoff is how long a notice waits after so many failures, not quite the same for all.
func (s *sender) backoff(failures int) time.Duration {
	d := backoff(s.Retry, failures, mostWait)
	return d - d/5 + rand.N(d/5+1) //nolint:gosec // spreads load; nobody gains by guessing it
}

// mailAlone mails a notice by itself; done is false where it was not tried after all.
func (s *sender) mailAlone(working context.Context, set string, it *item) (p progress, done bool) {
	select {
	case s.letter <- struct{}{}:
		defer func() { <-s.letter }()
	case <-working.Done():
		s.withdraw(set)
		return p, false
	}
	s.mu.Lock()
	rests := !s.server.rests(time.Now()).IsZero()
	s.mu.Unlock()
	if rests || !s.claim(working, it) {
		s.withdraw(set)
		return p, false
	}
	refused, err := s.mailing(working, set, false, func(ctx context.Context) (map[string]error, error) {
		return s.Mailer.One(ctx, &it.Notice, it.To.Email)
	})
	for address, why := range refused {
		s.logOf(it).WithError(why).Errorf("the mail server takes no mails to %s: it is not told there", address)
	}
	now := time.Now()
	failure, _ := errors.AsType[*mailer.Error](err)
	switch {
	case err == nil:
		return progress{Told: true}, true
	case working.Err() != nil:
		return p, false
	case failure != nil && failure.Permanent:
		s.logOf(it).WithError(err).Error("the notice is given up: no mail of it is taken")
		return progress{Told: true}, true
	case s.tooOld(it, now):
		s.logOf(it).WithError(err).Errorf("the notice is given up: it could not be mailed for %v", s.Keep)
		return progress{Told: true}, true
	}
	return it.state.Email.failed(err, now.Add(s.backoff(it.state.Email.Attempts+1))), true
}

// mailing sends a mail to a set of recipients and notes how that went: whether the server is well, and when the set's next mail may leave. With
// more, it has no room for all that was gathered.
func (s *sender) mailing(
	ctx context.Context, set string, more bool, deliver func(context.Context) (map[string]error, error),
) (refused map[string]error, err error) {
	refused, err = deliver(ctx)
	now := time.Now()
	failure, _ := errors.AsType[*mailer.Error](err)
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case err == nil:
		if s.server.recover() {
			s.Log.Info("the mail server takes mails again")
			s.wakeLocked(now)
		}
		s.windows.sent(set, now, more)
		if s.windows.waits(set) {
			s.wakeLocked(s.windows.sets[set].until)
		}
	case ctx.Err() != nil:
		s.windows.withdraw(set)
	case failure != nil && failure.Server:
		if s.server.fail(now, s.Retry, 0) {
			s.Log.WithError(err).Warn("no mail leaves; trying again")
		}
		s.windows.withdraw(set)
		s.wakeLocked(s.server.until)
	default:
		s.Log.WithError(err).WithField("to", set).Warn("a mail was not taken; trying again")
		s.wakeLocked(s.windows.failed(set, now, s.Retry))
	}
	return refused, err
}
