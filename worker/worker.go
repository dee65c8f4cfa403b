// Package worker is one worker process: the owner loop that joins the feed, the timer wheel, the jobs and the writes.
//
// A single goroutine (loop) owns all that the process knows of its tasks. Readers turn the feed, pages of live tasks and
// loads into rows; the rules of package task decide what a row means; the wheel says when a task is due; each run has a
// goroutine of its own; writers carry documents to the database in batches. They all talk to the loop over channels:
//
//	changes ──rows──►┌──────┐──run───► job goroutines ──ended──►┐
//	live    ──pages─►│ loop │◄──────────────────────────────────┘
//	loader  ──rows──►│      │──batch─► senders ──answers──►(loop)
//	fleet   ──names─►└──────┘
//
// What it promises is in the package's tests: a task that the database accepted runs at least once, on its date or, when
// that is not possible, as soon after as it can; it runs twice only where a process died between a start and its outcome.
package worker

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/fleet"
	"github.com/adlayer/after/scheduler"
	"github.com/adlayer/after/task"
)

// process is what Run starts and ends around the loop.
type process struct {
	config   Config
	identity *fleet.Identity
	member   *fleet.Member
	fleetDB  *couch.Database
	loop     *loop
	reader   *reader
	clock    atomic.Int64  // local clock minus the store's, nanoseconds
	ended    chan struct{} // closed when the loop has ended
	lost     map[string]chan fleet.Lease
}

// Run runs the named workers until ctx ends, then drains: running jobs get their time, outcomes are written or kept on
// disk for the next start. It returns nil after such an end. Errors: a name that another live member holds
// (*fleet.HeldError, *fleet.InUseError), missing rights, a database that cannot be created, a name lost to another member.
func Run(ctx context.Context, c Config) error {
	c, err := c.withDefaults()
	if err != nil {
		return fmt.Errorf("configuring the worker: %w", err)
	}
	identity, err := fleet.Open(c.StateFolder, c.Names, c.Standby)
	if err != nil {
		return err
	}
	p := &process{config: c, identity: identity, ended: make(chan struct{}), lost: map[string]chan fleet.Lease{}}
	stop := p.beside(ctx)
	err = p.run(ctx)
	stop()
	if ctx.Err() != nil && errors.Is(err, context.Canceled) {
		err = nil // stopped before it was ready
	}
	return errors.Join(err, identity.Close())
}

// beside starts what runs beside the work, through its drain too, and gives what ends it and waits for its end.
func (p *process) beside(ctx context.Context) (stop func()) {
	if p.config.Beside == nil {
		return func() {}
	}
	inner, cancel := context.WithCancel(context.WithoutCancel(ctx))
	done := make(chan struct{})
	go func() {
		defer close(done)
		p.config.Beside(inner, p.identity.Member)
	}()
	return func() {
		cancel()
		<-done
	}
}

func (p *process) run(ctx context.Context) error {
	p.fleetDB = p.config.Client.Database(fleet.Database(p.config.Database))
	if err := p.prepare(ctx); err != nil {
		return err
	}
	p.build()
	l := p.loop
	if err := l.replay(ctx); err != nil {
		return err
	}
	info, err := l.db.Info(ctx)
	if err != nil {
		return fmt.Errorf("reading the update sequence: %w", err)
	}
	if err := l.readCalendars(ctx); err != nil {
		return err
	}
	if err := p.join(ctx); err != nil {
		return err
	}
	err = p.work(ctx, info.UpdateSeq)
	if _, spoolErr := appendRecords(l.spoolPath, l.spooled); spoolErr != nil {
		for _, r := range l.spooled {
			l.logOfRecord(r).Error("an outcome could neither be written to the database nor to the spool: the task will run again")
		}
		err = errors.Join(err, spoolErr)
	}
	return err
}

// work runs the loop and those who feed it.
func (p *process) work(ctx context.Context, since string) error {
	l := p.loop
	serving, stopServing := context.WithCancel(context.WithoutCancel(ctx))
	taking, stopTaking := context.WithCancel(ctx) // ends with the loop too: that can end for other reasons
	defer stopTaking()
	failed := make(chan error, len(p.config.Names)+1)
	var feeders sync.WaitGroup
	feeders.Go(func() {
		if err := l.follow(serving, p.reader, since); err != nil && serving.Err() == nil {
			failed <- fmt.Errorf("following the feed: %w", err)
		}
	})
	if p.config.Filter == FilterSelector {
		feeders.Go(func() { l.followUpstreams(serving, p.reader) })
	}
	feeders.Go(func() { p.keepHistory(serving) })
	ready := make(chan struct{}, len(p.config.Names))
	for _, name := range p.config.Names {
		feeders.Go(func() {
			isReady := sync.OnceFunc(func() { ready <- struct{}{} })
			if err := p.serve(serving, taking, name, isReady); err != nil && serving.Err() == nil && ctx.Err() == nil {
				failed <- err
			}
		})
	}
	feeders.Go(func() { p.whenReady(serving, ready) })

	stopping, stop := context.WithCancelCause(ctx)
	defer stop(nil)
	feeders.Go(func() {
		select {
		case err := <-failed:
			stop(err)
		case <-p.ended:
		}
	})
	l.run(stopping)
	failure := context.Cause(stopping)
	close(p.ended)
	stopServing()
	stopTaking()
	feeders.Wait()
	if !l.killed {
		p.writeHistory(ctx)
	}
	p.leave(ctx)
	if ctx.Err() != nil {
		return nil
	}
	return failure
}

// prepare makes sure that the databases and the index are there, as far as our rights go.
func (p *process) prepare(ctx context.Context) error {
	for _, name := range []string{p.config.Database, p.fleetDB.Name()} {
		if err := ensureDatabase(ctx, p.config.Client, name); err != nil {
			return err
		}
	}
	db := p.config.Client.Database(p.config.Database)
	err := errors.Join(db.EnsureIndex(ctx, Index()), db.EnsureIndex(ctx, CalendarIndex()))
	if couch.IsForbidden(err) || couch.IsUnauthorized(err) {
		indexes, listErr := db.Indexes(ctx)
		for _, index := range indexes {
			if index.Name == indexName {
				return nil
			}
		}
		p.config.Log.WithError(errors.Join(err, listErr)).Warnf(
			"the index of live tasks is missing in %s and this user may not create it: starts read the whole database; `after setup` creates it", p.config.Database)
		return nil
	}
	if err != nil {
		return fmt.Errorf("creating the index of live tasks: %w", err)
	}
	return nil
}

func ensureDatabase(ctx context.Context, client *couch.Client, name string) error {
	there, err := client.HasDatabase(ctx, name)
	if err != nil || there {
		return err
	}
	err = client.CreateDatabase(ctx, name)
	if couch.IsForbidden(err) || couch.IsUnauthorized(err) {
		return fmt.Errorf("the database %s is not there and user %q may not create it; `after setup` does, with an administrator's credentials: %w", name, client.User(), err)
	}
	if couch.IsExists(err) {
		return nil
	}
	return err
}

// build makes the loop.
func (p *process) build() {
	c := p.config
	db := c.Client.Database(c.Database)
	l := &loop{
		config: c, db: db, log: c.Log,
		self:      task.Self{Member: p.identity.Member, Incarnation: p.identity.Incarnation},
		rows:      make(chan []row),
		anew:      make(chan struct{}),
		pages:     make(chan page),
		outcomes:  make(chan ended, c.Concurrency),
		answers:   make(chan []answer, requestsMost),
		loaded:    make(chan []row, loadsMost),
		names:     make(chan naming),
		ends:      make(chan string),
		besides:   make(chan beside),
		sightings: make(chan sighting),
		watched:   make(chan []string, 1),
		alone:     map[string]string{},
		older:     map[string]int{},
		spoolPath: spoolFile(p.identity.Folder), refused: map[string]refused{},
		guarded: map[string][]string{}, departed: map[string]bool{},
		upstreams: newUpstreams(), calendarUsers: newCalendarUsers(),
		table: newTable(), wheel: scheduler.New[uint32](), finished: newFinished(),
		byName: map[string]uint16{}, runs: map[*run]struct{}{}, atLimit: map[string]*waitingJobs{},
	}
	l.lasting = l.lastingView()
	l.calendars.Store(&calendars{})
	l.writing, l.stopWriting = context.WithCancelCause(context.Background())
	l.working, l.stopWorking = context.WithCancelCause(context.Background())
	for i, name := range c.Names {
		l.byName[name] = uint16(i)
		l.workersOf = append(l.workersOf, &named{Worker: fleet.Worker{Name: name, State: "standby"}})
		p.lost[name] = make(chan fleet.Lease, 1)
	}
	p.reader = &reader{names: l.byName, incarnation: []byte(p.identity.Incarnation)}
	l.sender = sender{db: db, runs: c.Runs, self: l.self, site: c.Site, now: c.Now, log: c.Log}
	l.loader = loader{db: db, reader: p.reader, log: c.Log}
	l.show()
	p.loop = l
}

// join makes the process a member of the fleet.
func (p *process) join(ctx context.Context) error {
	p.readClock(ctx)
	member, err := fleet.Join(ctx, fleet.Config{
		Database: p.fleetDB, Identity: p.identity, Version: p.config.Version, Log: p.config.Log,
		Workers: p.loop.workersShown, Avoided: p.config.Avoided,
		Clock: func() time.Duration { return time.Duration(p.clock.Load()) },
		Lost: func(name string, to fleet.Lease) {
			p.lost[name] <- to
			p.tell(name, false) // at once: who serves the name may be waiting for the loop to take in more
		},
	})
	if err != nil {
		return fmt.Errorf("joining the fleet: %w", err)
	}
	p.member = member
	p.loop.member = member
	return nil
}

// clockTolerated is a difference of clocks that is not worth a warning: an answer's Date has whole seconds, and came some time ago.
const clockTolerated = time.Second

// readClock measures how far our clock is ahead of the store's.
func (p *process) readClock(ctx context.Context) {
	server, err := p.config.Client.Server(ctx)
	if err != nil {
		return
	}
	p.clock.Store(-int64(server.Clock))
	if ahead := -server.Clock; ahead.Abs() > clockTolerated {
		p.config.Log.Warnf("the clock of this machine differs from the store's by %v: tasks start by this machine's", ahead.Round(time.Millisecond))
	}
}

// serve takes a name, gives the loop its tasks, and keeps watch over it until serving ends. A name that is lost is waited
// for again if the process stands by; otherwise it is an error.
func (p *process) serve(serving, taking context.Context, name string, ready func()) error {
	for {
		err := p.member.Take(taking, name, p.config.Standby, func(holder fleet.Lease) {
			if p.config.Standby {
				p.config.Log.Infof("worker %s is run by process %d on %s: standing by", name, holder.PID, holder.Host)
				ready()
				return
			}
			p.config.Log.Infof("worker %s was last run by process %d on %s: looking whether it is alive", name, holder.PID, holder.Host)
		})
		if err != nil {
			return err
		}
		if !p.tell(name, true) {
			return nil
		}
		p.config.Log.Infof("worker %s: reading its tasks", name)
		if err := p.loop.recover(serving, p.reader, name); err != nil {
			return err
		}
		ready()
		holder, lost := p.keepWatch(serving, name)
		if !lost {
			return nil
		}
		p.tell(name, false)
		p.config.Log.Errorf("worker %s is now run by process %d on %s: none of its tasks starts here any more", name, holder.PID, holder.Host)
		if !p.config.Standby {
			return fmt.Errorf("the name was lost: %w", &fleet.HeldError{Lease: holder})
		}
	}
}

// tell passes a change of names to the loop and says whether the loop is there to hear it.
func (p *process) tell(name string, taken bool) bool {
	n := naming{name: name, taken: taken, done: make(chan struct{})}
	select {
	case p.loop.names <- n:
		<-n.done
		return true
	case <-p.ended:
		return false
	}
}

// keepWatch looks now and then for tasks that the feed did not bring, until serving ends or the name is lost.
func (p *process) keepWatch(serving context.Context, name string) (holder fleet.Lease, lost bool) {
	next := secondSweep
	for {
		timer := time.NewTimer(next)
		select {
		case <-serving.Done():
			timer.Stop()
			return fleet.Lease{}, false
		case holder = <-p.lost[name]:
			timer.Stop()
			return holder, true
		case <-timer.C:
		}
		next = laterSweeps
		p.readClock(serving)
		if err := p.loop.sweep(serving, p.reader, name); err != nil && serving.Err() == nil {
			p.config.Log.WithError(err).Warnf("worker %s: looking for tasks that the feed did not bring", name)
		}
	}
}

// historyAgain is how often the history of runs that could not be written is tried again, beside each batch of outcomes.
const historyAgain = 5 * time.Second

// keepHistory writes what history could not be written before, until serving ends.
func (p *process) keepHistory(serving context.Context) {
	ticker := time.NewTicker(historyAgain)
	defer ticker.Stop()
	for {
		select {
		case <-serving.Done():
			return
		case <-ticker.C:
		}
		if p.config.Runs.Waiting() {
			p.config.Runs.Write(serving, nil)
		}
	}
}

// writeHistory tries once more at the end.
func (p *process) writeHistory(ctx context.Context) {
	if !p.config.Runs.Waiting() {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	p.config.Runs.Write(ctx, nil)
}

// whenReady tells that the tasks of all names are in.
func (p *process) whenReady(serving context.Context, ready <-chan struct{}) {
	for range p.config.Names {
		select {
		case <-ready:
		case <-serving.Done():
			return
		}
	}
	if p.config.Ready != nil {
		p.config.Ready()
	}
}

// leave takes the process out of the fleet, or as good as: after a kill nothing more is written.
func (p *process) leave(ctx context.Context) {
	if p.loop.killed {
		p.member.Abandon()
		return
	}
	leaving, cancel := context.WithTimeout(context.WithoutCancel(ctx), flushTime)
	defer cancel()
	if err := p.member.Leave(leaving); err != nil {
		p.config.Log.WithError(err).Warn("leaving the fleet: others will take the names once this member's last heartbeat is too old")
	}
}
