package send

import (
	"context"
	"errors"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/notify"
	"github.com/adlayer/after/notify/mailer"
	"github.com/adlayer/after/when"
)

// batch is a digest in the making.
type batch struct {
	digest *mailer.Digest
	only   *notify.Notice // while it is one alone
	to     []string
	refs   []ref
}

// ref is a notice that is held by its id alone.
type ref struct {
	id, rev string
	old     bool // it is given up if the mail is not taken
}

// gathering is what one pass puts into digests. Its goroutine owns it.
type gathering struct {
	*sender

	batches map[string]*batch
	held    int       // notices in all batches
	weight  int       // bytes of those that are held whole
	since   time.Time // when the first of them was claimed

	wanted []*item // of this page, not yet claimed
	sets   []string
}

// add notes a notice for the digest of a set.
func (g *gathering) add(set string, it *item) {
	if g.hold(it.ID) {
		g.wanted, g.sets = append(g.wanted, it), append(g.sets, set)
	}
}

// take claims what was noted, and sends digests that are full, or have waited for as long as claims are safe.
func (g *gathering) take(working context.Context) {
	if len(g.wanted) == 0 {
		return
	}
	wanted, sets := g.wanted, g.sets
	g.wanted, g.sets = nil, nil
	now := time.Now()
	if g.held == 0 {
		g.since = now
	}
	bodies := make([][]byte, 0, len(wanted))
	for _, it := range wanted {
		body, err := it.document(g.claimed(it, now))
		if err != nil { // it was read a moment ago
			body = it.raw
		}
		bodies = append(bodies, body)
	}
	results, err := g.Database.Bulk(working, bodies)
	for i, it := range wanted {
		if err != nil || !results[i].OK() {
			g.release(it.ID)
			continue
		}
		b := g.batches[sets[i]]
		if b == nil {
			b = &batch{digest: mailer.NewDigest(), only: &it.Notice, to: it.To.Email}
			g.batches[sets[i]] = b
			g.weight += len(it.raw)
		} else {
			b.only = nil
		}
		b.digest.Add(&it.Notice)
		b.refs = append(b.refs, ref{it.ID, results[i].Rev, g.tooOld(it, now)})
		g.held++
	}
	if err != nil {
		g.Log.WithError(err).Warn("notices of tasks cannot be claimed; trying again")
		g.wake(now.Add(g.Retry))
	}
	if g.held >= mostGathered || g.weight >= mostWeight || g.held > 0 && now.Sub(g.since) > claimTime/2 {
		g.flush(working, true)
	}
}

// claimed is the state of a notice that we have in hand from now on.
func (s *sender) claimed(it *item, now time.Time) state {
	next := it.state
	next.Claim = &claim{Member: s.Member, Until: when.Format(now.Add(claimTime))}
	return next
}

// withdraw gives everything back: the claims are ours, and hinder nobody but others, for a while.
func (g *gathering) withdraw() {
	for _, it := range g.wanted {
		g.release(it.ID)
	}
	for _, b := range g.batches {
		g.dropped(b)
	}
}

func (g *gathering) dropped(b *batch) {
	for _, r := range b.refs {
		g.release(r.id)
	}
}

// flush sends all digests. With more, notices may be left that they had no room for.
func (g *gathering) flush(working context.Context, more bool) {
	for set, b := range g.batches {
		if time.Since(g.since) > claimTime-time.Minute { // others may take them up before the mail is out
			g.dropped(b)
			g.wake(time.Now())
			continue
		}
		g.mail(working, set, b, more)
	}
	g.batches, g.held, g.weight = map[string]*batch{}, 0, 0
}

// mail sends one digest, and deletes what it tells of.
func (g *gathering) mail(working context.Context, set string, b *batch, more bool) {
	defer g.dropped(b)
	g.mu.Lock()
	rests := !g.server.rests(time.Now()).IsZero()
	if !rests {
		g.windows.begin(set)
	}
	g.mu.Unlock()
	if rests { // since it was decided
		g.wake(time.Now().Add(g.Retry))
		return
	}
	refused, err := g.mailing(working, set, more, func(ctx context.Context) (map[string]error, error) {
		if b.only != nil {
			return g.Mailer.One(ctx, b.only, b.to)
		}
		return g.Mailer.Digest(ctx, b.digest, b.to)
	})
	if err == nil {
		for address, why := range refused {
			g.Log.WithError(why).Errorf("the mail server takes no mails to %s: %d notices of tasks are not told there", address, b.digest.Count())
		}
		g.bury(working, b.refs)
		return
	}
	failure, _ := errors.AsType[*mailer.Error](err)
	refusedForGood := failure != nil && failure.Permanent
	var lost []ref
	for _, r := range b.refs {
		if r.old || refusedForGood {
			lost = append(lost, r)
		}
	}
	if len(lost) > 0 {
		g.Log.WithError(err).Errorf("%d notices of tasks for %s are given up: the mail is refused for good, or could not be mailed for %v", len(lost), set, g.Keep)
		g.bury(working, lost)
	}
}

// bury deletes notices, again and again until they are gone: a mail that was sent is not to be sent again.
func (s *sender) bury(working context.Context, refs []ref) {
	for failures := 1; len(refs) > 0; failures++ {
		part := refs[:min(len(refs), 500)]
		graves := make([][]byte, 0, len(part))
		for _, r := range part {
			graves = append(graves, grave(r.id, r.rev))
		}
		// A row that is refused has another revision: somebody else has taken it.
		if _, err := s.Database.Bulk(working, graves); err == nil || couch.IsNotFound(err) {
			refs, failures = refs[len(part):], 0
		} else if !pause(working, backoff(time.Second/4, failures, 10*time.Second)) {
			return
		}
	}
}
