package send

import (
	"context"
	"encoding/json"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/internal/wait"
	"github.com/adlayer/after/when"
)

// claim makes a notice ours, before anybody is told; false where somebody else has it, or nobody can write.
func (s *sender) claim(working context.Context, it *item) bool {
	now := time.Now()
	body, err := it.document(s.claimed(it, now))
	if err == nil {
		var rev string
		if rev, err = s.write(working, body); err == nil {
			it.Rev = rev
			return true
		}
	}
	if !couch.IsConflict(err) && !couch.IsNotFound(err) && working.Err() == nil {
		s.logOf(it).WithError(err).Warn("a notice cannot be claimed; trying again")
	}
	return false
}

// claimed is the state of a notice that we have in hand from now on.
func (s *sender) claimed(it *item, now time.Time) state {
	next := it.state
	next.Claim = &claim{Member: s.Member, Until: when.Format(now.Add(claimTime))}
	return next
}

// write writes one document, as the workers write theirs: not every server takes ids with slashes in its paths.
func (s *sender) write(ctx context.Context, body []byte) (rev string, err error) {
	results, err := s.Database.Bulk(ctx, [][]byte{body})
	if err != nil {
		return "", err
	}
	return results[0].Rev, results[0].Err()
}

// bulk writes documents, in several requests where they are too much for one. One that is too large by itself is refused alone.
func (s *sender) bulk(ctx context.Context, bodies [][]byte) ([]couch.Result, error) {
	size := 0
	for _, body := range bodies {
		size += len(body)
	}
	if len(bodies) <= 1 || size <= mostBytes {
		results, err := s.Database.Bulk(ctx, bodies)
		switch {
		case couch.Status(err) != http.StatusRequestEntityTooLarge:
			return results, err
		case len(bodies) == 1:
			return []couch.Result{{Error: "too_large", Reason: err.Error()}}, nil
		}
	}
	half := len(bodies) / 2
	first, err := s.bulk(ctx, bodies[:half])
	if err != nil {
		return nil, err
	}
	second, err := s.bulk(ctx, bodies[half:])
	if err != nil {
		return nil, err
	}
	return slices.Concat(first, second), nil
}

// ref is a notice of which something is to be written, held by its id alone where nobody is left to tell.
type ref struct {
	id, rev string
	stays   *item // with its new state; nil: everybody was told
}

func refTo(it *item) ref {
	r := ref{id: it.ID, rev: it.Rev}
	if !it.over() {
		r.stays = it
	}
	return r
}

// What one request records at most.
const (
	mostRecorded = 500     // documents
	mostBytes    = 4 << 20 // about
)

// record writes how far the telling of notices is, again and again until it is written: who was told is not to be told again. Where somebody
// else has taken or deleted one, that stands.
func (s *sender) record(working context.Context, refs []ref) {
	for failures := 0; len(refs) > 0; {
		var bodies [][]byte
		size := 0
		for _, r := range refs {
			body := r.document()
			bodies = append(bodies, body)
			if size += len(body); len(bodies) == mostRecorded || size > mostBytes {
				break
			}
		}
		part, rest := refs[:len(bodies)], refs[len(bodies):]
		again, err := s.recordPart(working, part, bodies)
		if len(again) == 0 {
			refs, failures = rest, 0
			continue
		}
		if failures++; failures == 1 {
			s.Log.WithError(err).Warnf("what came of %d notices is not written yet; trying again", len(again))
		}
		if !wait.For(working, wait.Doubled(time.Second/4, failures, 10*time.Second)) {
			return
		}
		refs = slices.Concat(again, rest)
	}
}

// recordPart makes one request, and gives what has to be written again and why.
func (s *sender) recordPart(working context.Context, part []ref, bodies [][]byte) (again []ref, err error) {
	const lost = "what came of notices cannot be written: they may be told again"
	results, err := s.bulk(working, bodies)
	if err != nil {
		if refused(err) {
			s.Log.WithError(err).WithField("notices", len(part)).Error(lost)
			return nil, nil
		}
		return part, err
	}
	for i, result := range results {
		switch failed := result.Err(); {
		case failed == nil, couch.IsConflict(failed), couch.IsNotFound(failed):
		case refused(failed):
			s.Log.WithError(failed).WithField("notice", part[i].id).Error(lost)
		default:
			again, err = append(again, part[i]), failed
		}
	}
	return again, err
}

// refused says whether a database will never take what it has refused.
func refused(err error) bool {
	switch couch.Status(err) {
	case http.StatusBadRequest, http.StatusForbidden, http.StatusNotFound, http.StatusRequestEntityTooLarge:
		return true
	}
	return false
}

// document gives what is written: the document that stays, or a grave.
func (r ref) document() []byte {
	if r.stays != nil {
		if raw, err := r.stays.document(r.stays.state); err == nil { // it was read a moment ago
			return raw
		}
	}
	raw, _ := json.Marshal(map[string]any{"_id": r.id, "_rev": r.rev, "_deleted": true}) // texts can always be encoded
	return raw
}

// mostRetryAfter is the longest wait that a receiver may ask for.
const mostRetryAfter = 24 * time.Hour

// backoff is how long a notice waits after so many failures, not quite the same for all.
func (s *sender) backoff(failures int) time.Duration {
	d := wait.Doubled(s.Retry, failures, mostWait)
	return d - d/5 + rand.N(d/5+1) //nolint:gosec // spreads load; nobody gains by guessing it
}
