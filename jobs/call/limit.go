package call

import (
	"fmt"
	"strconv"
	"strings"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Limit is how many calls there may be in a time. A tenth of them may come at once; the rest is spread evenly.
type Limit struct {
	Calls int
	Per   time.Duration
}

// parseLimit reads a limit: 10/s, 100/m, 1000/h or 5000/d.
func parseLimit(text string) (Limit, error) {
	number, unit, found := strings.Cut(strings.ReplaceAll(text, " ", ""), "/")
	calls, err := strconv.Atoi(number)
	per := map[string]time.Duration{"s": time.Second, "m": time.Minute, "h": time.Hour, "d": 24 * time.Hour}[unit]
	if !found || err != nil || calls < 1 || calls > 1_000_000 || per == 0 {
		return Limit{}, fmt.Errorf("%q is no limit: write 10/s, 100/m, 1000/h or 5000/d, say", text)
	}
	return Limit{calls, per}, nil
}

func (l Limit) limiter() *rate.Limiter {
	return rate.NewLimiter(rate.Limit(float64(l.Calls)/l.Per.Seconds()), max(1, l.Calls/10))
}

const (
	// farthest is how far ahead a place is booked. Who would have to wait for longer asks again then.
	farthest = time.Hour
	// kept is how long a booked place is kept for a firing that does not come.
	kept = 10 * time.Minute
	// swept is how many limiters or places there are at least before those of no use are looked for.
	swept = 1024
)

// rates are the limits in force. A firing that has to wait for long is put off until its place, which is booked: it is served in the order in
// which it first came, without holding up anything while it waits.
type rates struct {
	mu       sync.Mutex
	limiters map[string]*rate.Limiter // by name and limit
	booked   map[booking]time.Time
	sweep    int // how many of both together have them looked through
}

type booking struct{ limiter, firing string }

// take takes a place under a limit and tells how long it is until then. Who has waited asks again, and gets
// the place that was booked.
func (r *rates) take(name string, limit Limit, firing string, now time.Time) (wait time.Duration) {
	r.mu.Lock()
	defer r.mu.Unlock()
	name += " " + strconv.Itoa(limit.Calls) + "/" + limit.Per.String()
	place := booking{name, firing}
	if at, found := r.booked[place]; found {
		if wait = at.Sub(now); wait <= 0 {
			delete(r.booked, place)
		}
		return max(wait, 0)
	}
	r.clean(now)
	limiter := r.limiters[name]
	if limiter == nil {
		limiter = limit.limiter()
		if r.limiters == nil {
			r.limiters, r.booked = map[string]*rate.Limiter{}, map[booking]time.Time{}
		}
		r.limiters[name] = limiter
	}
	reservation := limiter.ReserveN(now, 1)
	wait = reservation.DelayFrom(now)
	if wait > farthest {
		reservation.CancelAt(now)
		return farthest
	}
	if wait > 0 {
		r.booked[place] = now.Add(wait)
	}
	return wait
}

// clean forgets limiters that nobody has used for so long that they are as new, and places that nobody came for.
func (r *rates) clean(now time.Time) {
	if len(r.limiters)+len(r.booked) < max(r.sweep, swept) {
		return
	}
	for name, limiter := range r.limiters {
		if limiter.TokensAt(now) >= float64(limiter.Burst()) {
			delete(r.limiters, name)
		}
	}
	for place, at := range r.booked {
		if now.Sub(at) > kept {
			delete(r.booked, place)
		}
	}
	r.sweep = 2 * (len(r.limiters) + len(r.booked))
}
