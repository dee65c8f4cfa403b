package gateway

import (
	"context"
	"sync"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/fleet"
)

// sightings remembers for a moment which workers run, so that a post costs no look at the fleet.
type sightings struct {
	db   *couch.Database
	now  func() time.Time
	wait time.Duration // for an answer

	mu      sync.Mutex
	at      time.Time
	known   bool
	workers map[string]bool
	looking chan struct{} // closed when whoever looks is done; nil while nobody does
}

const sightAge = 3 * time.Second

func newSightings(db *couch.Database, now func() time.Time, wait time.Duration) *sightings {
	return &sightings{db: db, now: now, wait: wait}
}

// runs says whether a worker of that name runs; known is false where nobody can tell. One of those who ask looks, with the gateway's own
// credentials, or with the caller's where the server does not know those, while the others take what was seen before, or wait where nothing was.
func (s *sightings) runs(ctx context.Context, own, who *caller, worker string) (running, known bool) {
	now := s.now()
	s.mu.Lock()
	if first := s.looking; first != nil && s.at.IsZero() {
		s.mu.Unlock()
		select {
		case <-first:
		case <-ctx.Done():
		}
		s.mu.Lock()
	}
	if s.looking != nil || !s.at.IsZero() && now.Sub(s.at) < sightAge {
		defer s.mu.Unlock()
		return s.workers[worker], s.known
	}
	looked := make(chan struct{})
	defer close(looked)
	s.looking = looked
	s.mu.Unlock()
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), s.wait) // others take what it sees, too
	defer cancel()
	members, err := fleet.Look(context.WithValue(ctx, callerKey{}, own), s.db, now)
	if couch.IsUnauthorized(err) {
		members, err = fleet.Look(context.WithValue(ctx, callerKey{}, who), s.db, now)
	}
	workers := map[string]bool{}
	for _, m := range members {
		for _, w := range m.Workers {
			workers[w.Name] = workers[w.Name] || m.Alive
		}
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	s.looking, s.at, s.known, s.workers = nil, now, err == nil, workers
	return workers[worker], s.known
}
