package send

import (
	"bytes"
	"context"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/notify"
	"github.com/adlayer/after/notify/mailer"
)

// batch is a digest in the making.
type batch struct {
	digest *mailer.Digest
	only   *notify.Notice // while it is one alone
	to     []string
	refs   []ref
	others []*item // instead of refs: those of workers that are not ours, each with its own outcome
	weight int     // bytes of those that it holds whole
}

// gathering is what one pass of the postman puts into digests.
type gathering struct {
	*postman

	batches map[string]*batch
	held    int       // notices in all batches
	weight  int       // bytes of those that are held whole
	since   time.Time // when the first of them was claimed

	wanted []*item // of this page, not yet claimed
	sets   []string
	old    []*item // of this page, given up
	lost   int     // how many were, in the whole pass

	noted map[string]int  // of each set, how many were noted for the next digest
	over  map[string]bool // sets of whose notices that one has no room for all

	waiting map[string]bool // sets of which something should have been mailed, and was not for now

	yielded map[string]*item // of each set, the one that is tried by itself if no other was
}

func newGathering(m *postman) *gathering {
	return &gathering{
		postman: m, batches: map[string]*batch{}, noted: map[string]int{}, over: map[string]bool{}, waiting: map[string]bool{}, yielded: map[string]*item{},
	}
}

// add notes a notice for the digest of a set.
func (g *gathering) add(set string, it *item) {
	if g.windows.full(set, g.noted[set]) {
		g.over[set], g.waiting[set] = true, true
		return
	}
	if !g.grasp(it) {
		return
	}
	if err := it.open(); err != nil {
		g.release(it.ID)
		g.illegible(it.ID, err)
		return
	}
	g.wanted, g.sets = append(g.wanted, it), append(g.sets, set)
	g.noted[set]++
}

// yield notes a notice that was tried before: one that was not, or less often, is tried instead. Else the first one would be tried again and again that
// the mail server does not take, and keep all others of its set waiting.
func (g *gathering) yield(set string, it *item) {
	if other := g.yielded[set]; other == nil || it.before(other) {
		it.raw = bytes.Clone(it.raw) // it was read with many others
		g.yielded[set] = it
	}
}

// tryYielded mails what has yielded to others of its set of which none was tried, at the end of a pass.
func (g *gathering) tryYielded(working context.Context) {
	for set, it := range g.yielded {
		now := time.Now()
		if !g.able(now) {
			return
		}
		if g.held > 0 && now.Sub(g.since) > claimTime/2 { // digests have to leave
			g.waiting[set] = true
			g.wake(now)
			continue
		}
		known := it.state.Email.Alone
		choice, until := g.windows.choose(set, now, g.server.failures > 0)
		switch {
		case choice == gather:
			g.wake(until)
		case choice == digest && !known: // a mail was taken meanwhile: the next pass gathers it with the others, in one digest
			g.giveBack(set)
			g.wake(now)
		case known && now.Before(g.windows.pace(set)):
			g.wake(g.windows.pace(set))
		default:
			g.alone(working, set, it)
		}
	}
}

// giveUp notes that nobody will be mailed a notice.
func (g *gathering) giveUp(it *item) {
	if g.grasp(it) {
		g.old = append(g.old, it)
	} else {
		g.leave(it, time.Time{}) // to the pass when it is out of the poster's hands
	}
}

// grasp takes a notice in hand where the poster may take it, too.
func (g *gathering) grasp(it *item) bool { return it.To.URL == "" || g.hold(it.ID, g.rounds) }

// take claims what was noted of a page, and sends the digests when they are full, or have waited for as long as claims are safe.
func (g *gathering) take(working context.Context) {
	g.writeOff(working)
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
	results, err := g.bulk(working, bodies)
	for i, it := range wanted {
		failed := err
		if err == nil {
			failed = results[i].Err()
		}
		if failed == nil {
			it.Rev = results[i].Rev
			g.put(sets[i], it)
			continue
		}
		g.release(it.ID)
		g.noted[sets[i]]-- // another one may have its room
		if working.Err() == nil {
			g.wake(g.unclaimed(it, failed))
			if g.over[sets[i]] { // it may be that nothing is sent, and nothing else brings those about
				g.wake(now.Add(g.Retry))
			}
			g.waiting[sets[i]] = g.waiting[sets[i]] || !refused(failed) && !couch.IsConflict(failed)
		}
	}
	if g.held >= mostGathered || g.weight >= mostWeight || g.held > 0 && now.Sub(g.since) > claimTime/2 {
		g.flush(working)
	}
}

// put takes a notice that was claimed into the digest of its set.
func (g *gathering) put(set string, it *item) {
	b := g.batches[set]
	if b == nil {
		b = &batch{digest: mailer.NewDigest(), only: &it.Notice, to: it.addresses()}
		g.batches[set] = b
		g.weigh(b, it)
	} else {
		b.only = nil
	}
	b.digest.Add(&it.Notice)
	g.held++
	if !g.isOwn(it) {
		b.others = append(b.others, it)
		g.weigh(b, it)
		return
	}
	it.state.Claim, it.state.Email = nil, progress{Told: true} // once the mail is out
	r := refTo(it)
	if r.stays != nil {
		g.weigh(b, it)
	}
	b.refs = append(b.refs, r)
}

// weigh notes that a batch holds a notice whole.
func (g *gathering) weigh(b *batch, it *item) {
	g.weight += len(it.raw)
	b.weight += len(it.raw)
}

// writeOff writes that notices of a page are given up.
func (g *gathering) writeOff(working context.Context) {
	if len(g.old) == 0 {
		return
	}
	refs := make([]ref, 0, len(g.old))
	for _, it := range g.old {
		it.state.Claim, it.state.Email = nil, progress{Told: true}
		refs = append(refs, refTo(it))
	}
	g.record(working, refs)
	g.letGo(refs)
	g.lost, g.old = g.lost+len(refs), nil
}

// drop gives everything back: the claims are ours, and hinder nobody but others, for a while.
func (g *gathering) drop() {
	for _, it := range g.wanted {
		g.release(it.ID)
	}
	for _, it := range g.old {
		g.release(it.ID)
	}
	for _, b := range g.batches {
		g.letBatchGo(b)
	}
}

// giveBack leaves what was gathered of a set to the next pass.
func (g *gathering) giveBack(set string) {
	g.waiting[set] = true
	if b := g.batches[set]; b != nil {
		g.letBatchGo(b)
		delete(g.batches, set)
	}
}

func (g *gathering) letBatchGo(b *batch) {
	g.letGo(b.refs)
	for _, it := range b.others {
		g.release(it.ID)
	}
}

func (g *gathering) letGo(refs []ref) {
	for _, r := range refs {
		g.release(r.id)
	}
}

// flush sends all digests.
func (g *gathering) flush(working context.Context) {
	for set, b := range g.batches {
		left := false
		switch now := time.Now(); {
		case now.Sub(g.since) > claimTime-time.Minute: // others may take them up before the mail is out
			g.wake(now)
		case g.able(now):
			left = g.send(working, set, b)
		}
		g.waiting[set] = g.waiting[set] || !left
		g.letBatchGo(b)
	}
	g.batches, g.held, g.weight = map[string]*batch{}, 0, 0
	clear(g.noted)
	clear(g.over)
	if g.lost > 0 {
		g.Log.WithField("notices", g.lost).Errorf("notices of tasks are given up: they could not be mailed for %v", g.Keep)
		g.lost = 0
	}
}

// send sends one digest, and deletes what it tells of; false: it is to be sent once more.
func (g *gathering) send(working context.Context, set string, b *batch) (left bool) {
	notices := b.digest.Count()
	more := g.over[set] || notices >= mostGathered/2 || b.weight >= mostWeight/2 // so much that the next mail cannot wait for the window's end
	refused, err := g.mail(working, set, b.to, parcel{notices: notices, more: more}, func(to mailer.Recipients) (map[string]error, error) {
		if b.only != nil {
			return g.Mailer.One(working, b.only, to)
		}
		return g.Mailer.Digest(working, b.digest, to)
	})
	if err != nil && (!permanent(err) || notices > 1) { // one is tried by itself then, or fewer
		return false
	}
	if len(b.others) > 0 {
		g.settleOthers(working, b.others, refused, err)
		return true
	}
	if err == nil {
		for address, why := range refused {
			g.Log.WithError(why).Errorf("the mail server takes no mails to %s: %d notices of tasks are not told there", address, notices)
		}
	}
	if err != nil {
		g.logOf(&item{Notice: *b.only}).WithError(err).Error(untold)
	}
	g.record(working, b.refs)
	return true
}

// settleOthers writes what came of a digest of notices that are told for others.
func (g *gathering) settleOthers(working context.Context, items []*item, refused map[string]error, err error) {
	refs := make([]ref, len(items))
	for i, it := range items {
		g.mailed(it, refused, err)
		refs[i] = refTo(it)
	}
	g.record(working, refs)
}
