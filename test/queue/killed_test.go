// Package queue_test uses the queue over HTTP as programs do, with real processes on all sides: many clients post while the processes behind it are
// killed, and all that is wrong with a request is refused.
package queue_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"regexp"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/internal/runcheck"
	"github.com/adlayer/after/internal/torture"
	"github.com/adlayer/after/test/faultproxy"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	clients = 10
	// rounds is how often processes are killed; with AFTER_TORTURE that many times as often.
	rounds = 3
	// mostCalls bounds the calls of a round: it ends at a random one up to this.
	mostCalls = 150
	// backlog bounds the posts that are accepted and not yet called, so that the end is near whenever the killing ends.
	backlog = 200
	// patience is how long a round may take, however slow the machine.
	patience = 5 * time.Minute
	// lateness is how late a call may be, likewise.
	lateness = time.Hour
	worker   = "manobi"
)

// TestEachPostIsCalled has ten clients post calls, each again under its Idempotency-Key until it is answered, while processes are killed. At the
// end the checker holds the calls against what was accepted: each is called at its date and not before, none is called that nobody posted, and
// none again whose outcome was known. A receiver that drops repeats by Idempotency-Key has each order exactly once.
func TestEachPostIsCalled(t *testing.T) {
	t.Parallel()
	seed := torture.Seed(t)
	program := couchtest.Program(t)
	tests := map[string]struct {
		gateway bool
		victims func(*world) []*couchtest.Process
	}{
		"the worker is killed": {false, func(w *world) []*couchtest.Process { return []*couchtest.Process{w.worker} }},
		"the worker and the store are killed": {false, func(w *world) []*couchtest.Process {
			return []*couchtest.Process{w.worker, w.store}
		}},
		"the worker, the gateway and the store are killed": {true, func(w *world) []*couchtest.Process {
			return []*couchtest.Process{w.worker, w.gateway, w.store}
		}},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, program, rand.New(rand.NewPCG(seed, uint64(len(name)))), test.gateway)
			w.run(test.victims(w))
		})
	}
}

// world is the processes, the clients and the endpoint.
type world struct {
	t        *testing.T
	r        *rand.Rand
	store    *couchtest.Process
	worker   *couchtest.Process
	gateway  *couchtest.Process // nil: the queue is on the store's port
	front    *faultproxy.Proxy  // between the clients and the queue
	back     *faultproxy.Proxy  // between the others and the store
	receiver *receiver
	deaths   []time.Time  // of workers
	whole    sync.RWMutex // locked while processes are missing
}

func newWorld(t *testing.T, program string, r *rand.Rand, gateway bool) *world {
	t.Helper()
	w := &world{t: t, r: r, store: couchtest.NewProcess(t, program), receiver: newReceiver(t)}
	w.store.Start()
	w.back = faultproxy.New(t, w.store.Address())
	w.front = faultproxy.New(t, w.store.Address())
	env := []string{"AFTER_COUCH_URL=http://admin:secret@" + w.back.Addr(), "AFTER_GATEWAY_LISTEN=127.0.0.1:0", "AFTER_LOG_LEVEL=error"}
	w.worker = couchtest.NewCommand(t, program, regexp.MustCompile(`^`+worker+` is ready`), env, "start", worker)
	w.worker.Start()
	if gateway {
		w.gateway = couchtest.NewCommand(t, program, regexp.MustCompile(`^serving the queue at http://([^/]+)/queue,`), env, "gateway")
		w.gateway.Start()
		w.front.SetTarget(w.gateway.Address())
	}
	return w
}

// queue is where the clients find the queue, whatever address the processes have.
func (w *world) queue() string {
	if w.gateway != nil {
		return "http://" + w.front.Addr()
	}
	return "http://" + w.front.Addr() + "/_after"
}

// run kills some of the victims in each round, and checks at the end.
func (w *world) run(victims []*couchtest.Process) {
	w.t.Helper()
	web := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: clients}, Timeout: patience}
	defer web.CloseIdleConnections()
	ctx, cancel := context.WithTimeout(w.t.Context(), patience*time.Duration(torture.Times(1)))
	defer cancel()
	enough, stop := context.WithCancel(ctx)
	defer stop()
	posting := make([]*client, clients)
	var all sync.WaitGroup
	for n := range posting {
		posting[n] = newClient(w, web, n, rand.New(rand.NewPCG(w.r.Uint64(), 0)))
		all.Go(func() { posting[n].post(ctx, enough) })
	}
	for range torture.Times(rounds) {
		w.front.CutAfter(w.r.Int64N(50_000)) // an answer is lost, with nobody killed
		w.await(w.receiver.reached(w.r.Int64N(mostCalls)+1), "calls")
		if w.t.Failed() {
			break
		}
		w.kill(victims)
	}
	stop()
	all.Wait()
	w.receiver.calm()
	var accepted []accepted
	for _, c := range posting {
		accepted = append(accepted, c.accepted...)
	}
	w.await(w.receiver.all(len(accepted)), "a call of each post")
	w.check(accepted)
}

// await waits for what the endpoint tells.
func (w *world) await(reached <-chan struct{}, what string) {
	w.t.Helper()
	late := time.NewTimer(patience)
	defer late.Stop()
	select {
	case <-reached:
	case <-late.C:
		w.t.Errorf("%s: not within %v", what, patience)
	}
}

// kill kills one of the victims, or several at once, and starts them again.
func (w *world) kill(victims []*couchtest.Process) {
	w.t.Helper()
	w.whole.Lock()
	defer w.whole.Unlock()
	w.r.Shuffle(len(victims), func(i, j int) { victims[i], victims[j] = victims[j], victims[i] })
	killed := victims[:1+w.r.IntN(len(victims))]
	for _, p := range killed {
		p.Kill()
		if p == w.worker {
			w.receiver.awaitSilence() // what it sent is counted before its death
			w.deaths = append(w.deaths, time.Now())
		}
	}
	// What needs the store waits for it.
	for _, p := range []*couchtest.Process{w.store, w.gateway, w.worker} {
		for _, k := range killed {
			if p == k {
				w.start(p)
			}
		}
	}
}

func (w *world) start(p *couchtest.Process) {
	w.t.Helper()
	p.Start()
	switch p {
	case w.store:
		w.back.Cut()
		w.back.SetTarget(p.Address())
		if w.gateway == nil {
			w.front.SetTarget(p.Address())
		}
	case w.gateway:
		w.front.SetTarget(p.Address())
	}
}

// check holds the calls against what was accepted.
func (w *world) check(posts []accepted) {
	w.t.Helper()
	w.worker.Kill()
	w.receiver.awaitSilence()
	tasks := make([]runcheck.Task, 0, len(posts))
	for _, a := range posts {
		tasks = append(tasks, runcheck.Task{ID: a.id, Orders: []runcheck.Order{{
			At: a.at, Terms: runcheck.Terms{Dates: runcheck.Once(a.date), Once: true, Retries: retries, RetryWithin: lateness},
		}}})
	}
	now := time.Now()
	from := now.Add(-lateness)
	var present []runcheck.Span
	for _, death := range w.deaths {
		present = append(present, runcheck.Span{From: from, To: death})
		from = death
	}
	present = append(present, runcheck.Span{From: from, To: now.Add(3 * lateness)})
	report := runcheck.Check(tasks, present, w.receiver.seen(), runcheck.Options{
		Until: now.Add(2 * lateness), Late: lateness, MissedAfter: 5 * time.Second, Deaths: w.deaths,
	})
	if err := report.Err(); err != nil {
		w.t.Error(err)
	}
	w.receiver.compare(posts)
	w.t.Logf("%d posts, %d deaths of workers, %s", len(posts), len(w.deaths), report)
	w.store.Kill()
	w.store.Check()
}
