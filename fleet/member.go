package fleet

import (
	"context"
	"errors"
	"fmt"
	"maps"
	"os"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/couch"
)

// Config is what a member needs to know of itself.
type Config struct {
	Database *couch.Database
	Identity *Identity
	Version  string
	Log      logrus.FieldLogger
	// Workers tells the member's workers for its next heartbeat; called from the heartbeat's goroutine.
	Workers func() []Worker
	// Avoided tells the hosts that are left alone, likewise; nil: none.
	Avoided func() []Avoided
	// Clock tells the local clock minus the store's, for the heartbeat; nil means not known.
	Clock func() time.Duration
	// Lost is told of a name that another member holds now; called from the heartbeat's goroutine.
	Lost func(name string, to Lease)
	// Now is the wall clock; nil means time.Now.
	Now func() time.Time
	// Forget is after how long without a heartbeat another member's document is deleted; 0 means an hour.
	Forget time.Duration
}

// Member is this process in the fleet. Its goroutine beats from Join until Leave.
type Member struct {
	config Config
	since  time.Time
	host   string
	stop   context.CancelFunc
	ended  chan struct{}
	hurry  chan struct{}

	mu sync.Mutex
	// trusted is when the last accepted heartbeat was sent; zero before the first.
	trusted time.Time
	held    map[string]Lease

	// rev, beats and others belong to the heartbeat's goroutine once Join has returned.
	rev    string
	beats  int64
	others map[string]*witness // of other members, by id
	looked time.Time           // when they were last looked at
}

// Join writes the first heartbeat and starts the ones that follow.
func Join(ctx context.Context, c Config) (*Member, error) {
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Forget == 0 {
		c.Forget = forgotten
	}
	host, err := os.Hostname()
	if err != nil {
		host = "unknown"
	}
	m := &Member{
		config: c, since: c.Now().UTC().Truncate(time.Millisecond), host: host,
		others: map[string]*witness{},
		ended:  make(chan struct{}), hurry: make(chan struct{}, 1), held: map[string]Lease{},
	}
	if err := m.beat(ctx); err != nil {
		return nil, fmt.Errorf("joining the fleet in %s: %w", c.Database.Name(), err)
	}
	beating, stop := context.WithCancel(context.WithoutCancel(ctx))
	m.stop = stop
	go m.run(beating)
	return m, nil
}

func (m *Member) run(ctx context.Context) {
	defer close(m.ended)
	timer := time.NewTimer(Beat)
	defer timer.Stop()
	failing := false
	var told time.Time
	for {
		hurry := m.hurry
		if failing {
			hurry = nil // the next attempt comes soon enough, however often it is asked for
		}
		select {
		case <-ctx.Done():
			return
		case <-hurry:
		case <-timer.C:
		}
		err := m.renew(ctx)
		if ctx.Err() != nil {
			return
		}
		wait := Beat
		switch {
		case err != nil:
			wait = time.Second
			if time.Since(told) >= tellAgain {
				told = time.Now()
				m.config.Log.WithError(err).Warn("heartbeat failed; no task starts once the last one is too old")
			}
		case failing:
			told = time.Time{}
			m.config.Log.Info("the heartbeat is back")
		}
		failing = err != nil
		if !failing {
			m.forgetTheDead(ctx, time.Now())
		}
		timer.Reset(wait)
	}
}

// forgetTheDead deletes the documents of members that ended without saying so, long ago by our own clock.
func (m *Member) forgetTheDead(ctx context.Context, now time.Time) {
	if now.Sub(m.looked) < m.config.Forget/12 {
		return
	}
	m.looked = now
	members, err := List(ctx, m.config.Database)
	if err != nil {
		return // the next look is soon enough
	}
	there := map[string]*witness{}
	for _, info := range members {
		seen := m.others[info.Member]
		if seen == nil {
			seen = &witness{}
		}
		there[info.Member] = seen
		seen.see(info.Rev, now)
		if info.Member == m.config.Identity.Member || now.Sub(seen.since) < m.config.Forget {
			continue
		}
		if _, err := m.config.Database.Delete(ctx, info.ID, info.Rev); err == nil {
			m.config.Log.Infof("the document of process %d on %s was deleted: it gave no sign of life for %v", info.PID, info.Host, m.config.Forget)
		}
	}
	m.others = there
}

// renew sends one heartbeat and looks whether the names are still ours.
func (m *Member) renew(ctx context.Context) error {
	limited, cancel := context.WithTimeout(ctx, Validity-Margin)
	defer cancel()
	sent := m.config.Now()
	err := m.beat(limited)
	if couch.IsConflict(err) {
		err = m.readRev(limited)
		if err == nil {
			err = m.beat(limited)
		}
	}
	if err != nil {
		return err
	}
	if err := m.verify(limited); err != nil {
		return err
	}
	m.mu.Lock()
	m.trusted = sent
	m.mu.Unlock()
	return nil
}

func (m *Member) beat(ctx context.Context) error {
	sent := m.config.Now()
	m.beats++
	info := Info{
		ID: memberPrefix + m.config.Identity.Member, Rev: m.rev, Type: "member",
		Member: m.config.Identity.Member, Incarnation: m.config.Identity.Incarnation,
		Host: m.host, PID: os.Getpid(), Version: m.config.Version,
		Since: m.since, Seen: sent.UTC().Truncate(time.Millisecond), Beat: m.beats,
	}
	if m.config.Workers != nil {
		info.Workers = m.config.Workers()
	}
	if m.config.Avoided != nil {
		info.Avoided = m.config.Avoided()
	}
	if m.config.Clock != nil {
		info.Clock = m.config.Clock().Milliseconds()
	}
	rev, err := put(ctx, m.config.Database, info.ID, info)
	if couch.IsConflict(err) && m.rev == "" {
		// The document of an earlier incarnation, which is dead: we hold its lock.
		if err := m.readRev(ctx); err != nil {
			return err
		}
		info.Rev = m.rev
		rev, err = put(ctx, m.config.Database, info.ID, info)
	}
	if err != nil {
		return err
	}
	m.rev = rev
	if m.beats == 1 {
		m.mu.Lock()
		m.trusted = sent
		m.mu.Unlock()
	}
	return nil
}

func (m *Member) readRev(ctx context.Context) error {
	var info Info
	found, err := get(ctx, m.config.Database, memberPrefix+m.config.Identity.Member, &info)
	if err != nil {
		return err
	}
	m.rev = ""
	if found {
		m.rev = info.Rev
	}
	return nil
}

// verify reads the leases of the names we hold. One that names another member is lost.
func (m *Member) verify(ctx context.Context) error {
	for name, mine := range m.leases() {
		var now Lease
		found, err := get(ctx, m.config.Database, leasePrefix+name, &now)
		if err != nil {
			return err
		}
		if found && m.owns(now) {
			continue
		}
		if !found {
			// Somebody deleted the document, or the database is new: it is ours until somebody else takes it.
			mine, err := m.write(ctx, name, "")
			if err != nil {
				return err
			}
			m.hold(mine)
			continue
		}
		m.mu.Lock()
		delete(m.held, name)
		m.mu.Unlock()
		m.removeLoser(ctx, mine, now)
		m.config.Lost(name, now)
	}
	return nil
}

func (m *Member) leases() map[string]Lease {
	m.mu.Lock()
	defer m.mu.Unlock()
	return maps.Clone(m.held)
}

// MayStart says whether this member may start tasks of a worker at now: it holds the name, and its last heartbeat is young
// enough by the monotonic clock and by the wall clock (the first stands still while a machine sleeps). Where it is too old, a
// heartbeat is sent at once.
func (m *Member) MayStart(name string, now time.Time) bool {
	m.mu.Lock()
	_, held := m.held[name]
	until := m.trusted.Add(Validity - Margin)
	m.mu.Unlock()
	if !held {
		return false
	}
	if now.Before(until) && now.Round(0).Before(until.Round(0)) {
		return true
	}
	m.Hurry()
	return false
}

// Hurry sends a heartbeat at once, since there is news to tell.
func (m *Member) Hurry() {
	select {
	case m.hurry <- struct{}{}:
	default:
	}
}

// Leave ends the heartbeats, gives the names back and deletes the member's document, so that others need not wait.
func (m *Member) Leave(ctx context.Context) error {
	m.stop()
	<-m.ended
	var errs []error
	for name := range m.leases() {
		errs = append(errs, m.release(ctx, name))
	}
	if err := m.remove(ctx, memberPrefix+m.config.Identity.Member, m.rev); err != nil {
		errs = append(errs, fmt.Errorf("leaving the fleet: %w", err))
	}
	return errors.Join(errs...)
}

// remove deletes a document of this incarnation. Its revision may be another than we know: a write whose answer we did not wait
// for has arrived. What belongs to somebody else by now is let be.
func (m *Member) remove(ctx context.Context, id, rev string) error {
	const attempts = 5
	for attempt := 1; ; attempt++ {
		_, err := m.config.Database.Delete(ctx, id, rev)
		if err == nil || couch.IsNotFound(err) {
			return nil
		}
		if !couch.IsConflict(err) || attempt == attempts {
			return fmt.Errorf("deleting %s: %w", id, err)
		}
		var now struct {
			Rev         string `json:"_rev"`
			Incarnation string `json:"incarnation"`
		}
		found, err := get(ctx, m.config.Database, id, &now)
		if err != nil {
			return err
		}
		if !found || now.Incarnation != m.config.Identity.Incarnation {
			return nil
		}
		rev = now.Rev
	}
}

// Abandon ends the heartbeats and writes nothing, as a crash would.
func (m *Member) Abandon() {
	m.stop()
	<-m.ended
}
