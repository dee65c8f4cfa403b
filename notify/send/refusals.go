package send

import (
	"hash/maphash"
	"sync"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/internal/wait"
)

// mostRefused is how many refused notices are remembered: a few megabytes. What is refused beside them is tried in every pass.
const mostRefused = 100_000

// refusals remember the notices of which the database takes no writes, though it can be reached: a validation function forbids them, or they are too
// large for it. Such a notice is tried again less and less often. It is known by a hash of its id.
type refusals struct {
	mu    sync.Mutex
	seed  maphash.Seed
	known map[uint64]refusal // nil: none was refused yet
}

type refusal struct {
	until    time.Time // the notice is left alone until then
	failures int       // in a row
}

// until says until when a notice is left alone; zero where it was not refused.
func (r *refusals) until(id string) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if len(r.known) == 0 {
		return time.Time{}
	}
	return r.known[maphash.String(r.seed, id)].until
}

// add notes a refusal and says until when the notice is left alone.
func (r *refusals) add(id string, now time.Time, retry time.Duration) time.Time {
	r.mu.Lock()
	defer r.mu.Unlock()
	if r.known == nil {
		r.seed, r.known = maphash.MakeSeed(), map[uint64]refusal{}
	}
	key := maphash.String(r.seed, id)
	known, found := r.known[key]
	if !found && len(r.known) >= mostRefused {
		return now.Add(mostPause)
	}
	known.failures++
	known.until = now.Add(wait.Doubled(retry, known.failures, mostWait))
	r.known[key] = known
	return known.until
}

// forget drops what was not refused again although it could have been, long ago.
func (r *refusals) forget(now time.Time) {
	r.mu.Lock()
	defer r.mu.Unlock()
	for key, known := range r.known {
		if now.Sub(known.until) > 2*mostWait {
			delete(r.known, key)
		}
	}
}

// unclaimed says when to try again to claim a notice, and tells the log why that failed; zero where somebody else has it or has deleted it.
func (s *sender) unclaimed(it *item, err error) (again time.Time) {
	now := time.Now()
	switch {
	case couch.IsConflict(err), couch.IsNotFound(err):
		return time.Time{}
	case refused(err):
		if s.seldom("refused", time.Hour) {
			s.logOf(it).WithError(err).Warn("the database refuses that a notice is claimed: nobody is told of it; trying again now and then")
		}
		return s.refusals.add(it.ID, now, s.Retry)
	}
	if s.seldom("unclaimed", time.Minute) {
		s.logOf(it).WithError(err).Warn("notices of tasks cannot be claimed; trying again")
	}
	return now.Add(s.Retry)
}
