package send

import (
	"context"
	"errors"
	"sync/atomic"
	"time"

	"github.com/adlayer/after/notify/mailer"
)

// postman mails notices, by themselves or in digests, one mail at a time. All of it is its goroutine's alone, but for what others may call: wake,
// leave and offer.
type postman struct {
	*rounds

	arrivals chan *item  // that the feed has brought
	behind   atomic.Bool // the next pass looks at all notices though no mail can leave
	server   place       // the mail server
	windows  *windows
	passed   time.Time // when all notices were looked through last
	unmailed int       // notices that wait for a mail server to be configured
	told     time.Time // when the log said so
}

func newPostman(s *sender) *postman {
	return &postman{rounds: newRounds(s), arrivals: make(chan *item, mostArrived), windows: newWindows(s.Window)}
}

// offer hands a notice on that was just written. While a mail takes its time, they are left to a pass.
func (m *postman) offer(it *item) {
	if len(it.To.Email) == 0 {
		return
	}
	select {
	case m.arrivals <- it:
	default:
		m.leave(it, time.Now())
	}
}

// leave leaves a notice to a pass at an instant, or to one that something else brings about. One that is too old is given up by that, whether mails
// can leave or not.
func (m *postman) leave(it *item, at time.Time) {
	if len(it.To.Email) == 0 || it.state.Email.Told && !it.over() {
		return
	}
	if m.tooOld(it, time.Now()) {
		m.behind.Store(true)
	}
	m.wake(at)
}

// run mails until ctx ends.
func (m *postman) run(ctx, working context.Context) {
	timer := time.NewTimer(0)
	defer timer.Stop()
	configured := m.Mailer.Configured()
	for {
		select {
		case <-ctx.Done():
			return
		case it := <-m.arrivals:
			m.consider(working, it, nil)
			continue
		case <-configured: // what failed may go well now
			configured = m.Mailer.Configured()
			m.server.until, m.passed = time.Time{}, time.Time{}
			m.windows.retry(time.Now())
			m.wake(time.Now())
			continue
		case <-m.woken:
		case <-timer.C:
		}
		m.turn(ctx, timer, func() error { return m.pass(ctx, working) })
	}
}

// pass looks through all notices, mails what is due, and sends the digests that it has gathered. While no mail can leave, that is only done now
// and then, and where some too old one was left to it: to give up what is too old.
func (m *postman) pass(ctx, working context.Context) error {
	now := time.Now()
	if m.behind.Swap(false) {
		m.passed = time.Time{} // until all were looked through
	}
	whole := m.passed.IsZero() || now.Sub(m.passed) >= mostWait
	if !whole && !m.able(now) {
		m.complain(now)
		return nil
	}
	m.unmailed = 0
	m.windows.forget(now)
	g := newGathering(m)
	ended := true
	err := m.pages(ctx, func(items []*item) bool {
		for _, it := range items {
			m.consider(working, it, g)
		}
		g.take(working)
		ended = whole || m.able(time.Now())
		return ended && ctx.Err() == nil
	})
	if err != nil {
		g.drop()
		return err
	}
	g.flush(working)
	if ended {
		m.passed = now
		m.windows.settle(now)
	}
	m.complain(time.Now())
	return nil
}

// able says whether mails can leave now. Where the server is left alone, the end of that is waited for.
func (m *postman) able(now time.Time) bool {
	until := m.server.rests(now)
	m.wake(until)
	return m.Mailer.Ready() && until.IsZero()
}

// consider does what has to be done about a notice's mail. What a feed brings comes without a gathering: what is gathered is left to a pass then.
func (m *postman) consider(working context.Context, it *item, g *gathering) {
	if len(it.To.Email) == 0 && it.To.URL != "" {
		return
	}
	now := time.Now()
	ok, until := m.ours(it, now)
	if !ok {
		m.wake(until)
		return
	}
	switch {
	case it.over():
		m.record(working, []ref{refTo(it)}) // everybody was told, and it is still there
		return
	case it.state.Email.Told:
		return
	case !m.Mailer.Ready():
		m.unmailed++
		if m.tooOld(it, now) {
			m.giveUp(working, it, g)
		} else if g == nil {
			m.wake(now) // which costs no look, and says it
		}
		return
	}
	next := it.state.Email.next(now)
	if until := m.server.rests(now); until.After(next) {
		next = until
		if m.tooOld(it, now) {
			m.giveUp(working, it, g)
			return
		}
	}
	if now.Before(next) {
		m.wake(next)
		return
	}
	set := setOf(it.To.Email)
	switch choice, until := m.windows.choose(set, now, m.server.failures > 0); {
	case choice == alone:
		m.alone(working, set, it)
	case choice == digest && g == nil:
		m.wake(now)
	case choice == digest:
		g.add(set, it)
	case m.windows.failures(set) > 0 && m.tooOld(it, now):
		m.giveUp(working, it, g)
	default:
		m.wake(until)
	}
}

// giveUp has nobody mailed a notice.
func (m *postman) giveUp(working context.Context, it *item, g *gathering) {
	if g != nil {
		g.giveUp(it)
		return
	}
	g = newGathering(m)
	g.giveUp(it)
	g.take(working)
	g.flush(working)
}

// alone mails a notice by itself.
func (m *postman) alone(working context.Context, set string, it *item) {
	if !m.hold(it.ID, m.rounds) {
		return
	}
	defer m.release(it.ID)
	if err := it.open(); err != nil {
		m.illegible(it.ID, err)
		return
	}
	if !m.claim(working, it) {
		m.wake(time.Now().Add(m.Retry)) // whoever has it may fail, and a server may have no feed that tells of it
		return
	}
	refused, err := m.mail(working, set, it.To.Email, false, func(to mailer.Recipients) (map[string]error, error) {
		return m.Mailer.One(working, &it.Notice, to)
	})
	for address, why := range refused {
		m.logOf(it).WithError(why).Errorf("the mail server takes no mails to %s: it is not told there", address)
	}
	now := time.Now()
	done := progress{Told: true}
	switch {
	case err == nil:
	case working.Err() != nil: // it was cut short, and is ours when we are back
		return
	case permanent(err):
		m.logOf(it).WithError(err).Error("the notice is given up: no mail of it is taken")
	case m.tooOld(it, now):
		m.logOf(it).WithError(err).Errorf("the notice is given up: it could not be mailed for %v", m.Keep)
	default:
		done = it.state.Email.failed(err, now.Add(m.backoff(it.state.Email.Attempts+1)))
		if failure, ok := errors.AsType[*mailer.Error](err); ok && failure.Server {
			done.Next = "" // it is not about this notice
		}
		m.wake(instant(done.Next))
	}
	it.state.Claim, it.state.Email = nil, done
	m.record(working, []ref{refTo(it)})
}

func permanent(err error) bool {
	failure, ok := errors.AsType[*mailer.Error](err)
	return ok && failure.Permanent
}

// mail sends a mail to a set of recipients and notes how that went: whether the server is well, and when the set's next mail may leave. With
// more, it had no room for all that waits.
func (m *postman) mail(
	ctx context.Context, set string, to []string, more bool, deliver func(mailer.Recipients) (map[string]error, error),
) (refused map[string]error, err error) {
	refused, err = deliver(mailer.Recipients{Addresses: to, Some: m.windows.some(set)})
	now := time.Now()
	failure, _ := errors.AsType[*mailer.Error](err)
	switch {
	case err == nil:
		if m.server.recover() {
			m.Log.Info("the mail server takes mails again")
			m.wake(now)
			more = true
		}
		m.wake(m.windows.sent(set, now, more, len(refused) > 0))
	case ctx.Err() != nil:
	case failure != nil && failure.Server:
		if m.server.fail(now, m.Retry, 0) {
			m.Log.WithError(err).Warn("no mail leaves; trying again")
		}
		m.wake(m.server.until)
	default:
		m.Log.WithError(err).WithField("to", set).Warn("a mail was not taken; trying again")
		m.wake(m.windows.failed(set, now, m.Retry))
	}
	return refused, err
}

// complain says once a minute that notices wait for a mail server.
func (m *postman) complain(now time.Time) {
	if m.unmailed == 0 || m.Mailer.Ready() {
		return
	}
	m.wake(now.Add(time.Minute))
	if now.Sub(m.told) >= time.Minute {
		m.told = now
		m.Log.WithField("waiting", m.unmailed).Warn("notices of tasks wait to be mailed, and mail.host in the configuration names no mail server")
	}
}
