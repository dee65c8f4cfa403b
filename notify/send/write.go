package send

import (
	"cmp"
	"context"
	"errors"
	"math/rand/v2"
	"net/http"
	"slices"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/internal/wait"
	"github.com/adlayer/after/when"
)

// claim makes a notice ours, before anybody is told. Where somebody else has it, or nobody can write, again is when to try it once more.
func (s *sender) claim(working context.Context, it *item) (ok bool, again time.Time) {
	body, err := it.document(s.claimed(it, time.Now()))
	if err == nil {
		var rev string
		if rev, err = s.write(working, body); err == nil {
			it.Rev = rev
			return true, time.Time{}
		}
	}
	if working.Err() != nil {
		return false, time.Time{}
	}
	if again = s.unclaimed(it, err); again.IsZero() {
		again = time.Now().Add(s.Retry) // whoever has it may fail, and a server may have no feed that tells of it
	}
	return false, again
}

// claimed is the state of a notice that we have in hand from now on.
func (s *sender) claimed(it *item, now time.Time) state {
	next := it.state
	next.Claim = &claim{Member: s.Member, Until: when.Format(now.Add(claimTime))}
	return next
}

// write writes one document, as the workers write theirs: not every server takes ids with slashes in its paths.
func (s *sender) write(ctx context.Context, body []byte) (rev string, err error) {
	results, err := s.bulk(ctx, [][]byte{body})
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
		case err == nil:
			return results, nil
		case couch.Status(err) != http.StatusRequestEntityTooLarge:
			return nil, &requestError{err}
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
func (s *sender) recordPart(working context.Context, part []ref, bodies [][]byte) (again []ref, why error) {
	results, err := s.bulk(working, bodies)
	if err != nil && !refused(err) {
		return part, err
	}
	var undeleted []ref
	for i, r := range part {
		failed := err
		if err == nil {
			failed = results[i].Err()
		}
		switch {
		case failed == nil, couch.IsConflict(failed), couch.IsNotFound(failed):
		case refused(failed) && r.stays == nil:
			undeleted = append(undeleted, r)
			if s.seldom("undeleted", time.Hour) {
				s.Log.WithError(failed).WithField("notice", r.id).Warn("the database refuses that notices are deleted of which everybody was told: they stay there, and it is tried again now and then")
			}
		case refused(failed):
			s.refusals.add(r.id, time.Now(), s.Retry) // it is told again then
			s.unrecorded(r, failed)
		default:
			again, why = append(again, r), failed
		}
	}
	unmarked, err := s.markTold(working, undeleted)
	return slices.Concat(again, unmarked), cmp.Or(why, err)
}

// requestError is what was answered to a whole request, and says nothing of one of its documents.
type requestError struct{ error }

func (e *requestError) Unwrap() error { return e.error }

// refused says whether a database will never take the document that it has refused. Where it is a whole request that it does not take from us, that is
// about who asks, and ends with the permissions that are missing.
func refused(err error) bool {
	switch couch.Status(err) {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusRequestEntityTooLarge:
		return true
	case http.StatusForbidden, http.StatusUnauthorized: // of a document, both are said by validation functions
		_, whole := errors.AsType[*requestError](err)
		return !whole
	}
	return false
}

// document gives what is written: the document that stays, or a tombstone.
func (r ref) document() []byte {
	if r.stays != nil {
		if raw, err := r.stays.document(r.stays.state); err == nil { // it was read a moment ago
			return raw
		}
	}
	return couch.Ref{ID: r.id, Rev: r.rev}.Tombstone()
}

// mostRetryAfter is the longest wait that a receiver may ask for.
const mostRetryAfter = 24 * time.Hour

// backoff is how long a notice waits after so many failures, not quite the same for all.
func (s *sender) backoff(failures int) time.Duration {
	d := wait.Doubled(s.Retry, failures, mostWait)
	return d - d/5 + rand.N(d/5+1) //nolint:gosec // spreads load; nobody gains by guessing it
}
