package worker

import (
	"context"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/fleet"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/scheduler"
	"github.com/adlayer/after/task"
)

const (
	// horizon is how long before its date a task's document is in memory.
	horizon = 2 * time.Minute
	// heldMost bounds how many documents are held at once; beyond it they are loaded when their turn comes.
	heldMost = 50_000
	// backlogHigh stops claiming and starting while so many writes wait; backlogLow lets it go on.
	backlogHigh = 25_000
	backlogLow  = 5_000
	// longRun is after how long a run is worth a write of its own.
	longRun = time.Second
)

// loop is the one owner of all that this process knows of its tasks. Everything else talks to it over channels; every
// field below "owned" is touched by its goroutine alone.
type loop struct {
	config Config
	self   task.Self
	member *fleet.Member
	db     *couch.Database
	log    logrus.FieldLogger
	sender sender
	loader loader

	spoolPath string    // of the file
	lasting   task.View // without the time: see view

	rows     chan []row    // from the feed
	anew     chan struct{} // from the feed: the database is gone
	pages    chan page     // from the readers of live tasks
	outcomes chan ended    // from the jobs
	answers  chan []answer // from the writers
	loaded   chan []row    // from the loaders
	names    chan naming   // from those who take and lose names
	ends     chan string   // incarnations that have ended, from those who wait for it
	besides  chan beside   // tasks for single dates, from those who make them
	// sightings of such tasks, from those who look for them.
	sightings chan sighting
	watched   chan []string // what our tasks wait for, to those who follow it
	ticker    *scheduler.Ticker

	// writing ends when nothing may be written any more; working when nothing may run.
	writing     context.Context
	working     context.Context
	stopWriting context.CancelCauseFunc
	stopWorking context.CancelCauseFunc
	requesters  sync.WaitGroup // writers and loaders
	jobs        sync.WaitGroup

	calendars atomic.Pointer[calendars]

	// shown is the newest account for the heartbeat.
	shown atomic.Pointer[[]fleet.Worker]

	// owned
	table     *table
	wheel     *scheduler.Wheel[uint32]
	finished  *finished
	writes    int64 // numbers this incarnation's writes, for their claims
	workersOf []*named
	byName    map[string]uint16
	runs      map[*run]struct{}
	atLimit   map[string]*waitingJobs
	queue     []write   // on its way to the next request
	waiting   time.Time // since when writes wait for the starts of a burst
	sent      time.Time // when the last request left
	hurried   bool      // something waits for a write that is in the queue
	requests  int       // bulk writes in flight
	inFlight  int       // documents in them
	again     []write   // what a request could not write; it goes into another one
	noting    int       // at-most-once runs whose note is on its way
	wanted    []string  // ids whose documents are to be loaded
	loads     int       // loads in flight
	deferred  []string  // ids that wait until the backlog is worked off
	// older counts how often the document of a task came back older than what is known of it.
	older         map[string]int
	held          int // documents in memory
	preloaded     time.Time
	upstreams     *upstreams
	calendarUsers *calendarUsers
	alone         map[string]string   // keys of firings that have no task of their own, by the id of a task that is about to start
	guarded       map[string][]string // ids of tasks whose runs other members still owe an outcome, by incarnation
	departed      map[string]bool     // incarnations that we have seen end
	woken         time.Time           // what the ticker was last asked for
	second        time.Time           // the last second whose work is done
	draining      bool
	gaveUp        bool
	killed        bool
	spooled       []record           // outcomes that are to go to the spool
	refused       map[string]refused // the outcomes in the spool that the database refused, by the task's id
}

// named is one of the process's workers.
type named struct {
	fleet.Worker
	queue   dueQueue
	holding bool
	since   time.Time // when the name was taken
}

// waitingJobs are the due tasks of a job whose limit is reached.
type waitingJobs struct {
	running int
	limit   int
	parked  dueQueue
}

// naming says that a name is ours now, or no longer.
type naming struct {
	name  string
	taken bool
	done  chan struct{} // closed when the loop knows
}

// view is what the rules need to know besides the document. It is safe for use by any goroutine.
func (l *loop) view() task.View {
	v := l.lasting
	v.Now = l.now()
	return v
}

// lastingView is what of a view stays as it is for as long as the loop lives.
func (l *loop) lastingView() task.View {
	return task.View{Self: l.self, Site: l.config.Site, Known: l.known, Absent: l.absent, MissedAfter: missedAfter, Calendar: l.calendarOf}
}

func (l *loop) known(job string) bool {
	_, ok := l.config.Jobs.Lookup(job)
	return ok
}

func (l *loop) absent(job string) string { return jobs.Explain(l.config.Jobs, job) }

// missedAfter is how late a task may be at a start without counting as missed.
const missedAfter = 5 * time.Second

// run works until stop is asked for and everything is written or kept. It returns once all that it started has ended,
// except jobs that ignore that they were told to stop.
func (l *loop) run(stop context.Context) {
	l.ticker = scheduler.NewTickerOn(l.config.Now)
	stopping := stop.Done()
	drain := newDrain(l)
	defer drain.end()
	defer l.close() //nolint:contextcheck // as below
	for !l.over() {
		pages := l.pages
		if l.full() || l.draining {
			pages = nil
		}
		select {
		case rows := <-l.rows:
			l.onRows(rows)
		case <-l.anew:
			l.onAnew()
		case p := <-pages:
			l.onPage(p)
		case e := <-l.outcomes:
			l.onOutcomes(e)
		case answers := <-l.answers:
			l.onAnswers(answers) //nolint:contextcheck // as below
		case rows := <-l.loaded:
			l.onLoaded(rows)
		case n := <-l.names:
			l.onNaming(n)
		case incarnation := <-l.ends:
			l.onEnd(incarnation)
		case made := <-l.besides:
			l.onBeside(made)
		case seen := <-l.sightings:
			l.onSighting(seen)
		case <-l.ticker.C():
			l.woken = time.Time{}
			l.onTick()
		case <-stopping:
			stopping = nil
			drain.begin()
		case <-drain.step():
			drain.next()
		case <-l.config.Kill:
			l.killed = true
		}
		drain.hasten()
		l.advance() //nolint:contextcheck // runs outlive the stop: they have a context of their own
	}
}

// over says that nothing is left to do, or nothing may be done any more.
func (l *loop) over() bool {
	if l.killed || l.gaveUp {
		return true
	}
	return l.draining && l.unsettled() == 0 && !l.anyRun()
}

// anyRun says whether a job runs that has not been given up.
func (l *loop) anyRun() bool {
	for r := range l.runs {
		if !r.detached {
			return true
		}
	}
	return false
}

// close ends what still runs or writes, and puts aside what the database does not have.
func (l *loop) close() {
	l.ticker.Stop()
	if l.killed {
		l.stopWorking(jobs.ErrDraining)
	}
	l.stopWriting(errStopped)
	for l.requests > 0 {
		l.onAnswers(<-l.answers)
	}
	l.requesters.Wait()
	for _, w := range append(l.queue, l.again...) {
		l.keep(w.index, l.table.at(w.index))
	}
	l.stopWorking(jobs.ErrDraining)
	if !l.killed && !l.anyStuck() {
		l.jobs.Wait()
	}
}

func (l *loop) anyStuck() bool { return len(l.runs) > 0 }

// giveUp ends the wait for what still runs or writes.
func (l *loop) giveUp() { l.gaveUp = true }

// advance does what the last event made possible.
func (l *loop) advance() {
	now := l.now()
	l.expire(now)
	l.dispatch(now)
	writes := l.flush(now)
	l.load()
	l.tellUpstreams()
	next, ok := l.wheel.Next()
	if !writes.IsZero() && (!ok || writes.Before(next)) {
		next, ok = writes, true
	}
	if ok && !next.Equal(l.woken) {
		l.woken = next
		l.ticker.WakeAt(next)
	}
}

// now is the wall time. Its monotonic part is stripped, so that differences show a clock that was set.
func (l *loop) now() time.Time { return l.config.Now().Round(0) }

// unsettled is how many documents wait to be written.
func (l *loop) unsettled() int { return len(l.queue) + len(l.again) + l.inFlight }

// full says that too much is under way to take on more.
func (l *loop) full() bool {
	if l.unsettled() > backlogHigh {
		return true
	}
	return l.due() > heldMost
}

// due is how many tasks wait for a free place.
func (l *loop) due() int {
	n := 0
	for _, w := range l.workersOf {
		n += w.queue.len()
	}
	return n
}

// onTick does what is done once a second. The ticker wakes us at other instants too, for the wheel.
func (l *loop) onTick() {
	now := l.now()
	second := now.Truncate(time.Second)
	if second.Equal(l.second) {
		return
	}
	l.second = second
	l.finished.tick(now)
	l.preload(now)
	l.watchRuns(now)
	l.watchParked()
	l.undefer()
	l.queue, l.again = append(l.queue, l.again...), nil
	l.show()
}

// onNaming begins or ends to serve a name.
func (l *loop) onNaming(n naming) {
	defer func() {
		l.show()
		l.member.Hurry()
		close(n.done)
	}()
	i := l.byName[n.name]
	w := l.workersOf[i]
	w.holding = n.taken
	w.State = "standby"
	if n.taken {
		w.since = l.now()
		w.State = "holding"
		return
	}
	l.table.each(func(index uint32, e *entry) {
		switch {
		case e.name != i:
		case e.act != nil && e.act.run != nil:
			l.tell(e.act.run, jobs.ErrLeaseLost)
		case e.act == nil || !e.act.inFlight:
			l.drop(index, e)
		}
	})
	w.queue = dueQueue{} // places of what was dropped
}

// tell asks a run to stop.
func (l *loop) tell(r *run, cause error) {
	if r.told.IsZero() {
		r.told = time.Now()
	}
	r.cancel(cause)
}
