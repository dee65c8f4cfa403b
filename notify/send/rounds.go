package send

import (
	"context"
	"sync"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/notify"
)

// sweep is how often all notices are looked through though nothing asks for it: in a cluster a feed may be behind.
const sweep = 5 * time.Minute

// rounds are one owner's passes through the notices: when the next one is due, and how they are read. All but wake is its owner's alone.
type rounds struct {
	*sender

	mu     sync.Mutex
	next   time.Time     // when notices are to be looked through
	woken  chan struct{} // holds a token when that is earlier than it was
	rested time.Time     // no pass before
	spent  time.Duration // by this pass on reading
}

func newRounds(s *sender) *rounds {
	return &rounds{sender: s, next: time.Now().Add(sweep), woken: make(chan struct{}, 1)}
}

// wake has the notices looked through at an instant, or before; zero is no instant. The wait is kept, not the instant: a clock that is set does
// not change it.
func (r *rounds) wake(at time.Time) {
	if at.IsZero() {
		return
	}
	now := time.Now()
	at = now.Add(min(max(at.Sub(now), 0), sweep))
	r.mu.Lock()
	defer r.mu.Unlock()
	if at.Before(r.next) {
		r.next = at
		select {
		case r.woken <- struct{}{}:
		default:
		}
	}
}

// turn makes a pass if one is due, and sets the timer for the next one.
func (r *rounds) turn(ctx context.Context, timer *time.Timer, pass func() error) {
	now := time.Now()
	r.mu.Lock()
	at := r.next
	if at.Before(r.rested) {
		at = r.rested
	}
	if now.Before(at) {
		r.mu.Unlock()
		timer.Reset(at.Sub(now))
		return
	}
	r.next = now.Add(sweep)
	r.mu.Unlock()
	r.spent = 0
	if err := pass(); err != nil && ctx.Err() == nil {
		if !couch.IsNotFound(err) { // the worker makes the database, or has lost it and says so
			r.Log.WithError(err).Warn("the notices of tasks cannot be read; trying again")
		}
		r.wake(time.Now().Add(r.Retry))
	}
	// Reading many that are not due costs something: it takes a small part of the time.
	r.rested = time.Now().Add(min(max(9*r.spent, 10*time.Millisecond), time.Minute))
	timer.Reset(0)
}

// pages reads all notices, page by page, until consider says that it wants no more.
func (r *rounds) pages(ctx context.Context, consider func(items []*item) (more bool)) error {
	part := couch.Range{Start: notify.Prefix, End: notify.Prefix + "\ufff0", IncludeDocs: true, Limit: page}
	last := ""
	r.lookAround(ctx)
	for {
		began := time.Now()
		listing, err := r.Database.AllDocs(ctx, part)
		if err != nil {
			return err
		}
		var items []*item
		for _, row := range listing.Rows {
			switch it, err := read(row.Doc); {
			case err != nil:
				r.illegible(row.ID, err)
			case row.ID != last:
				items = append(items, it)
			}
		}
		r.spent += time.Since(began)
		if more := consider(items); !more || len(listing.Rows) < page {
			return ctx.Err()
		}
		last = listing.Rows[page-1].ID // the next page begins with it, unless it is gone by then
		part.Start = last
	}
}
