package send

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"slices"
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

// leave leaves a notice to a pass at an instant, or to one that something else brings about after this. One that is too old is given up by that,
// whether mails can leave or not.
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
	g.tryYielded(working)
	g.flush(working)
	if ended {
		m.passed = now
		if m.able(time.Now()) { // else what waits was not mailed
			m.windows.settle(now, g.waiting)
		}
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
	what, until := m.whose(it, now)
	if what == others {
		m.wake(until)
		return
	}
	switch {
	case it.over():
		m.record(working, []ref{refTo(it)}) // everybody was told, and it is still there
		return
	case it.state.Email.Told:
		return
	case what == abandoned:
		m.giveUp(working, it, g)
		return
	case !m.Mailer.Ready():
		m.unconfigured(working, what, it, g)
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
	m.due(working, it, g)
}

// due mails a notice, or leaves it to a later mail to its recipients.
func (m *postman) due(working context.Context, it *item, g *gathering) {
	now, set, known := time.Now(), m.setOf(it), it.state.Email.Alone
	choice, until := m.windows.choose(set, now, m.server.failures > 0)
	failing := m.windows.failures(set) > 0
	if pace := m.windows.pace(set); known && choice != gather && now.Before(pace) {
		choice, until, failing = gather, pace, true
	}
	switch {
	case choice == gather && failing && m.tooOld(it, now):
		m.giveUp(working, it, g)
	case choice == gather:
		m.wake(until)
	case choice == digest && !known && g != nil:
		g.add(set, it)
	case choice == digest && !known:
		m.wake(now)
	case it.state.Email.Attempts == 0 || !m.windows.yields(set, known):
		m.alone(working, set, it)
	case g != nil:
		g.yield(set, it)
	default:
		m.wake(now)
	}
}

// unconfigured does what has to be done about a notice while there is no mail server. Others than our own may be mailed by another process, which has
// one: that we have none is nothing to complain of.
func (m *postman) unconfigured(working context.Context, what standing, it *item, g *gathering) {
	if what == own {
		m.unmailed++
	}
	switch now := time.Now(); {
	case m.tooOld(it, now):
		m.giveUp(working, it, g)
	case g == nil:
		m.wake(now) // which costs no look, and says it
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
	if ok, again := m.claim(working, it); !ok {
		m.wake(again)
		return
	}
	known, proven := it.state.Email.Alone, m.windows.proven(set)
	p := parcel{notices: 1, itself: true, known: known, more: known || m.windows.divided(set)} // others may be gathered, which do not wait for it
	refused, err := m.mail(working, set, it.addresses(), p, func(to mailer.Recipients) (map[string]error, error) {
		return m.Mailer.One(working, &it.Notice, to)
	})
	if err != nil && working.Err() != nil { // it was cut short, and is ours when we are back
		return
	}
	it.state.Email.Alone = known || proven && putOff(err)
	m.mailed(it, refused, err)
	m.record(working, []ref{refTo(it)})
}

// mailed notes in a notice what came of its mail. Where it is of a worker that is not ours, another process may yet mail it that has another mail server
// and may mail others: what is refused here is tried on until it is too old.
func (m *postman) mailed(it *item, refused map[string]error, err error) {
	now, own := time.Now(), m.isOwn(it)
	log := m.logOf(it)
	if own {
		for address, why := range refused {
			log.WithError(why).Errorf("the mail server takes no mails to %s: it is not told there", address)
		}
	}
	before := it.state.Email
	if err == nil && len(refused) > 0 && !own {
		before.Left = slices.Sorted(maps.Keys(refused))
		err = fmt.Errorf("to %s: %w", before.Left[0], refused[before.Left[0]])
		if m.seldom("refused for others", time.Hour) {
			log.WithError(err).Warn("the mail server takes not all mails that are told for workers that are gone; trying again, in case another process may mail them")
		}
	}
	done := progress{Told: true}
	switch {
	case err == nil:
	case permanent(err) && own:
		log.WithError(err).Error(untold)
	case m.tooOld(it, now):
		log.WithError(err).Errorf("the notice is given up: it could not be mailed for %v", m.Keep)
	default:
		again := now.Add(m.backoff(before.Attempts + 1))
		if permanent(err) {
			again = later(again, m.windows.failing(m.setOf(it)).Add(turn))
			before.Alone = true
		}
		done = before.failed(err, again)
		if failure, ok := errors.AsType[*mailer.Error](err); ok && failure.Server {
			done.Next = "" // it is not about this notice
		}
		m.wake(instant(done.Next))
	}
	it.state.Claim, it.state.Email = nil, done
}

// turn is how long after the end of its set's wait a notice is tried that was refused for what it says: others go first.
const turn = time.Second

// untold is what the log says of a notice whose mail is refused for what it says.
const untold = "the notice is given up: no mail of it is taken"

// setOf names the recipients of a notice's mail. What we tell for others has windows and digests of its own: their recipients may be refused here.
func (m *postman) setOf(it *item) string {
	set := setOf(it.addresses())
	if !m.isOwn(it) {
		set += " (of workers that are gone)"
	}
	return set
}

func permanent(err error) bool {
	failure, ok := errors.AsType[*mailer.Error](err)
	return ok && failure.Permanent
}

// putOff says whether a mail that the server has read was not taken for now: because of what it says, or of what the server lacks.
func putOff(err error) bool {
	failure, ok := errors.AsType[*mailer.Error](err)
	return ok && failure.Read && !failure.Server && !failure.Permanent
}

// parcel is what is known of a mail before it is sent.
type parcel struct {
	notices int
	itself  bool // it is of one notice that is mailed by itself
	more    bool // it has no room for all that waits
	known   bool // it was refused before for what it says, or put off: that it is again says nothing of its recipients
}

// mail sends a mail to a set of recipients and notes how that went: whether the server is well, and when the set's next mail may leave.
func (m *postman) mail(
	ctx context.Context, set string, to []string, p parcel, deliver func(mailer.Recipients) (map[string]error, error),
) (refused map[string]error, err error) {
	refused, err = deliver(mailer.Recipients{Addresses: to, Some: m.windows.some(set)})
	now := time.Now()
	failure, _ := errors.AsType[*mailer.Error](err)
	switch {
	case err == nil:
		asked := slices.ContainsFunc(to, func(address string) bool {
			_, unasked := errors.AsType[*mailer.UnaskedError](refused[address])
			return !unasked
		})
		if asked && m.server.recover() {
			m.Log.Info("the mail server takes mails again")
			m.wake(now)
			p.more = true
		}
		m.wake(m.windows.sent(set, now, p.more, len(refused) > 0))
		m.windows.of(set).unasked = !asked
		if p.known {
			m.windows.again(set, now, m.Retry, true)
		}
	case ctx.Err() != nil:
	case failure != nil && failure.Server:
		if m.server.fail(now, m.Retry, 0) {
			m.Log.WithError(err).Warn("no mail leaves; trying again")
		}
		m.wake(m.server.until)
	case (permanent(err) || putOff(err)) && p.known:
		m.Log.WithError(err).WithField("to", set).Warn("a mail is still refused for what it says")
		m.wake(m.windows.again(set, now, m.Retry, false))
	case (permanent(err) || putOff(err) && m.windows.proven(set)) && p.notices > 1:
		m.Log.WithError(err).WithField("to", set).Warnf("a mail of %d notices is refused for what it says; dividing it", p.notices)
		m.wake(m.windows.divide(set, now, p.notices))
	case putOff(err) && p.itself && m.windows.proven(set):
		m.Log.WithError(err).WithField("to", set).Warn("a mail is put off, while others to its recipients are taken; it is tried by itself from now on")
		m.wake(m.windows.single(set, now))
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
	if m.seldom("no mail server", time.Minute) {
		m.Log.WithField("waiting", m.unmailed).Warn("notices of tasks wait to be mailed, and mail.host in the configuration names no mail server")
	}
}
