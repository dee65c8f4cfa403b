package queue_test

import (
	"net"
	"net/http"
	"net/http/httptest"
	"slices"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/adlayer/after/internal/runcheck"
)

// What the endpoint does at the first call for an order, beside taking it.
const (
	hold   = "hold"   // it does not answer until its caller dies
	refuse = "refuse" // it says to come again
)

// mostHeld is how many calls are held at a time, so that others find a place.
const mostHeld = 5

// receiver is the endpoint. It notes each call, and drops repeats by their Idempotency-Key.
type receiver struct {
	t    *testing.T
	url  string
	room chan struct{} // a place for each post that is not called yet

	mu     sync.Mutex
	change sync.Cond // of what follows
	open   int       // connections
	held   int
	quiet  chan struct{} // closed: nothing is held any more
	calls  int64
	runs   []runcheck.Run
	keys   map[string]string   // orders by Idempotency-Key
	orders map[string][]string // the keys under which an order was taken
}

func newReceiver(t *testing.T) *receiver {
	t.Helper()
	v := &receiver{t: t, room: make(chan struct{}, backlog), quiet: make(chan struct{}), keys: map[string]string{}, orders: map[string][]string{}}
	v.change.L = &v.mu
	server := httptest.NewUnstartedServer(v)
	server.Config.ConnState = func(_ net.Conn, state http.ConnState) {
		v.mu.Lock()
		defer v.mu.Unlock()
		switch state { //nolint:exhaustive // the others are between these
		case http.StateNew:
			v.open++
		case http.StateClosed, http.StateHijacked:
			v.open--
			v.change.Broadcast()
		}
	}
	server.Start()
	t.Cleanup(server.Close)
	v.url = server.URL + "/orders"
	return v
}

// ServeHTTP takes one call.
func (v *receiver) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	begun := time.Now()
	cut := r.ParseForm() != nil // its caller died while it was sent
	order, how := r.PostFormValue("order"), r.PostFormValue("how")
	key, attempt := r.Header.Get("Idempotency-Key"), r.Header.Get("X-After-Attempt")
	number, err := strconv.ParseInt(attempt, 10, 64)
	nominal, wrong := time.Parse(time.RFC3339Nano, r.Header.Get("X-After-Nominal-Date"))
	if order == "" && !cut || key == "" || err != nil || wrong != nil {
		v.t.Errorf("a call of the order %q came with %v", order, r.Header)
	}
	v.mu.Lock()
	v.calls++
	at := len(v.runs)
	v.runs = append(v.runs, runcheck.Run{Task: r.Header.Get("X-Task-Id"), Key: key, Attempt: number, Nominal: nominal, Started: begun})
	first := !slices.ContainsFunc(v.runs[:at], func(run runcheck.Run) bool { return run.Key == key })
	holding := !cut && how == hold && first && v.held < mostHeld
	if holding {
		v.held++
	}
	v.change.Broadcast()
	v.mu.Unlock()
	if cut || holding && v.untilDeath(r) {
		return
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.runs[at].Ended = time.Now()
	if how == refuse && number == 1 {
		v.runs[at].Failed = true
		w.WriteHeader(http.StatusTooManyRequests)
		return
	}
	v.take(key, order)
}

// untilDeath waits until the caller is gone, or until nothing is held any more.
func (v *receiver) untilDeath(r *http.Request) (gone bool) {
	select {
	case <-r.Context().Done():
		gone = true
	case <-v.quiet:
	}
	v.mu.Lock()
	defer v.mu.Unlock()
	v.held--
	return gone
}

// take does what an order is for, once for a key.
func (v *receiver) take(key, order string) {
	if before, repeated := v.keys[key]; repeated {
		if before != order {
			v.t.Errorf("the key %s came with the orders %s and %s", key, before, order)
		}
		return
	}
	v.keys[key] = order
	if v.orders[order] = append(v.orders[order], key); len(v.orders[order]) == 1 {
		<-v.room
	}
	v.change.Broadcast()
}

// calm has nothing held any more.
func (v *receiver) calm() { close(v.quiet) }

// reached is closed once so many more calls have come.
func (v *receiver) reached(more int64) <-chan struct{} {
	v.mu.Lock()
	defer v.mu.Unlock()
	enough := v.calls + more
	return v.once(func() bool { return v.calls >= enough })
}

// all is closed once so many orders were taken.
func (v *receiver) all(orders int) <-chan struct{} {
	return v.once(func() bool { return len(v.orders) >= orders })
}

// awaitSilence waits until all connections of a caller that has died are closed: what came over them is noted then.
func (v *receiver) awaitSilence() {
	<-v.once(func() bool { return v.open == 0 })
}

func (v *receiver) once(so func() bool) <-chan struct{} {
	is := make(chan struct{})
	go func() {
		defer close(is)
		v.mu.Lock()
		defer v.mu.Unlock()
		for !so() {
			v.change.Wait()
		}
	}()
	return is
}

// seen are the calls.
func (v *receiver) seen() []runcheck.Run {
	v.mu.Lock()
	defer v.mu.Unlock()
	return slices.Clone(v.runs)
}

// compare looks for each order that was accepted: it was taken once.
func (v *receiver) compare(posts []accepted) {
	v.t.Helper()
	v.mu.Lock()
	defer v.mu.Unlock()
	for _, a := range posts {
		if keys := v.orders[a.order]; len(keys) != 1 {
			v.t.Errorf("the order %s (task %s) was taken %d times: %v", a.order, a.id, len(keys), keys)
		}
		delete(v.orders, a.order)
	}
	for order, keys := range v.orders {
		v.t.Errorf("the order %s was taken, and nobody was told that it is accepted: %v", order, keys)
	}
}
