// Package killed_test kills the program that serves a store, again and again, while many write to it and follow it, and looks for all that it
// had answered.
package killed_test

import (
	"context"
	"math/rand/v2"
	"net/http"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/internal/torture"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

const (
	writers = 64
	// rounds is how often a folder's process is killed before the folder is checked and left; with AFTER_TORTURE there are as many more folders.
	rounds = 20
	// mostAnswers bounds the answers of a round: it ends at a random one up to this.
	mostAnswers = 400
	// patience is how long a round may take, however slow the machine.
	patience = 5 * time.Minute
)

// TestKilled kills a real serving process under 64 writers and 4 followers. In each round and at the end
//
//   - every answered write is there, with its content and its attachments, and what was not answered is there as a whole or not at all;
//   - sequences have not gone back, and no row that a feed has shown is lost;
//   - a feed that goes on from its last sequence ends up with the state that the whole feed tells;
//   - `after store check` finds nothing.
func TestKilled(t *testing.T) {
	t.Parallel()
	seed := torture.Seed(t)
	program := couchtest.Program(t)
	for n := range torture.Times(1) {
		one(t, program, rand.New(rand.NewPCG(seed, uint64(n))))
		if t.Failed() {
			return
		}
	}
}

// one kills the process of one folder in each round.
func one(t *testing.T, program string, r *rand.Rand) {
	t.Helper()
	p := couchtest.NewProcess(t, program)
	web := &http.Client{Transport: &http.Transport{MaxIdleConnsPerHost: writers + 16}}
	p.Start()
	w := &world{t: t, web: web, process: p, url: p.Server().URL}
	w.want(t.Context(), http.MethodPut, "/db", "", http.StatusCreated)
	for n := range writers {
		w.writers = append(w.writers, newWriter(w, n, rand.New(rand.NewPCG(r.Uint64(), 0))))
	}
	for _, kind := range []string{"continuous", "continuous", "longpoll", "normal"} {
		w.followers = append(w.followers, &follower{world: w, kind: kind, since: "0", seen: map[string]winner{}})
	}
	for range rounds {
		w.round(r.Int64N(mostAnswers) + 1)
		if r.IntN(4) == 0 { // at once, while it recovers
			w.start()
			p.Kill()
			web.CloseIdleConnections()
		}
		w.start()
		w.verify()
		if t.Failed() {
			break
		}
	}
	p.Kill()
	web.CloseIdleConnections()
	p.Check()
}

// world is a served database, those who use it, and what they know of it.
type world struct {
	t         *testing.T
	web       *http.Client
	process   *couchtest.Process
	url       string
	writers   []*writer
	followers []*follower

	numbers atomic.Int64 // gives each revision a number of its own
	answers atomic.Int64 // of this round
	highest atomic.Int64 // of the sequences that anybody was told
}

func (w *world) start() {
	w.process.Start()
	w.url = w.process.Server().URL
}

// round has everybody at work until so many writes were answered, and kills the process.
func (w *world) round(enough int64) {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	w.answers.Store(0)
	reached := make(chan struct{})
	var once sync.Once
	answered := func() {
		if w.answers.Add(1) >= enough {
			once.Do(func() { close(reached) })
		}
	}
	var users sync.WaitGroup
	for _, writer := range w.writers {
		users.Go(func() { writer.write(ctx, answered) })
	}
	for _, follower := range w.followers {
		users.Go(func() { follower.follow(ctx) })
	}
	select {
	case <-reached:
	case <-w.process.Ended(): // Kill says how
	case <-ctx.Done():
		w.t.Errorf("%d writes were answered in %v", w.answers.Load(), patience)
	}
	w.process.Kill()
	users.Wait()
	w.web.CloseIdleConnections()
}

// verify compares what the process has, since it was started again, with what everybody knows.
func (w *world) verify() {
	ctx, cancel := context.WithTimeout(w.t.Context(), patience)
	defer cancel()
	for _, writer := range w.writers {
		writer.verify(ctx)
	}
	// It is seen last by whoever goes on from where it was.
	marker := w.writers[0].mark(ctx)
	whole := w.all(ctx)
	w.compare(whole)
	for _, f := range w.followers {
		f.goOn(ctx, marker)
		f.compare(whole)
	}
}
