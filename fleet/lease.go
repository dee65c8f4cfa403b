package fleet

import (
	"context"
	"fmt"
	"os"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/internal/wait"
)

// HeldError says that another live member holds a worker's name.
type HeldError struct{ Lease Lease }

func (e *HeldError) Error() string {
	return fmt.Sprintf("worker %s is run by process %d on %s since %s: stop it first, or start with --standby",
		e.Lease.Worker, e.Lease.PID, e.Lease.Host, e.Lease.Since.Format(time.RFC3339))
}

// Take acquires a worker's name. A name whose member gives no sign of life for [Validity] is taken over. Where the member
// lives, Take fails with *HeldError, or goes on waiting if standby; waiting is told once, before the first wait.
func (m *Member) Take(ctx context.Context, name string, standby bool, waiting func(Lease)) error {
	var holder witness
	for {
		lease, taken, err := m.tryTake(ctx, name, &holder)
		if err != nil && (!standby || ctx.Err() != nil) {
			return fmt.Errorf("taking the name %s: %w", name, err)
		}
		if taken {
			return nil
		}
		if err == nil {
			if holder.moved && !standby {
				return &HeldError{Lease: lease}
			}
			if waiting != nil {
				waiting(lease)
				waiting = nil
			}
		}
		if !wait.For(ctx, look) {
			return fmt.Errorf("taking the name %s: %w", name, context.Cause(ctx))
		}
	}
}

// AwaitEnd returns nil once an incarnation of a member has left, has been followed by another one, or has been silent for
// [Validity]; otherwise the context's error.
func (m *Member) AwaitEnd(ctx context.Context, member, incarnation string) error {
	var seen witness
	for {
		var info Info
		found, err := get(ctx, m.config.Database, memberPrefix+member, &info)
		if err == nil && (!found || info.Incarnation != incarnation || seen.see(info.Rev, time.Now())) {
			return nil
		}
		if !wait.For(ctx, look) {
			return fmt.Errorf("waiting for the end of member %s: %w", member, context.Cause(ctx))
		}
	}
}

// witness remembers when the holder of a name last gave a sign of life, by our monotonic clock.
type witness struct {
	sign  string
	since time.Time
	moved bool
}

// see notes the holder's sign of life and says whether it has been silent for too long.
func (w *witness) see(sign string, now time.Time) (dead bool) {
	if w.since.IsZero() || sign != w.sign {
		w.moved = !w.since.IsZero()
		w.sign, w.since = sign, now
		return false
	}
	return now.Sub(w.since) >= Validity
}

func (m *Member) tryTake(ctx context.Context, name string, holder *witness) (Lease, bool, error) {
	var lease Lease
	found, err := get(ctx, m.config.Database, leasePrefix+name, &lease)
	if err != nil {
		return lease, false, err
	}
	if found && lease.Member != m.config.Identity.Member {
		var member Info
		alive, err := get(ctx, m.config.Database, memberPrefix+lease.Member, &member)
		if err != nil {
			return lease, false, err
		}
		now := time.Now()
		if alive && !holder.see(lease.Rev+" "+member.Rev, now) {
			return lease, false, nil
		}
	}
	mine, err := m.write(ctx, name, lease.Rev)
	if couch.IsConflict(err) {
		return lease, false, nil // somebody else was faster: look again
	}
	if err != nil {
		return lease, false, err
	}
	return m.confirm(ctx, mine)
}

// write puts the lease in our name over the revision rev.
func (m *Member) write(ctx context.Context, name, rev string) (Lease, error) {
	lease := Lease{
		ID: leasePrefix + name, Rev: rev, Type: "lease", Worker: name,
		Member: m.config.Identity.Member, Incarnation: m.config.Identity.Incarnation,
		Host: m.host, PID: os.Getpid(), Since: m.config.Now().UTC().Truncate(time.Millisecond),
	}
	rev, err := put(ctx, m.config.Database, lease.ID, lease)
	lease.Rev = rev
	return lease, err
}

// hold notes that the name of a lease is ours.
func (m *Member) hold(lease Lease) {
	m.mu.Lock()
	defer m.mu.Unlock()
	m.held[lease.Worker] = lease
}

// confirm reads back a lease that we wrote, and holds its name if it is still ours: in a cluster two members can both have
// been told that their write was accepted.
func (m *Member) confirm(ctx context.Context, mine Lease) (holder Lease, taken bool, err error) {
	found, err := get(ctx, m.config.Database, mine.ID, &holder)
	switch {
	case err != nil || !found:
		return holder, false, err
	case m.owns(holder):
		m.hold(holder)
		return holder, true, nil
	}
	m.removeLoser(ctx, mine, holder)
	return holder, false, nil
}

// owns says whether a lease is this incarnation's.
func (m *Member) owns(lease Lease) bool {
	return lease.Member == m.config.Identity.Member && lease.Incarnation == m.config.Identity.Incarnation
}

// removeLoser deletes a lease of ours that another one has won against. Where it is its predecessor it is no leaf, and the
// database lets it be; and where ours would win, it was read from a node that does not know of ours yet.
func (m *Member) removeLoser(ctx context.Context, mine, winner Lease) {
	if !couch.Beats(winner.Rev, mine.Rev) {
		return
	}
	_, err := m.config.Database.Delete(ctx, mine.ID, mine.Rev)
	if err != nil && !couch.IsConflict(err) && !couch.IsNotFound(err) {
		m.config.Log.WithError(err).Warnf("worker %s: the revision %s of its lease lost and could not be deleted", mine.Worker, mine.Rev)
	}
}

// release gives a name back.
func (m *Member) release(ctx context.Context, name string) error {
	m.mu.Lock()
	lease := m.held[name]
	delete(m.held, name)
	m.mu.Unlock()
	if err := m.remove(ctx, lease.ID, lease.Rev); err != nil {
		return fmt.Errorf("giving the name %s back: %w", name, err)
	}
	return nil
}
