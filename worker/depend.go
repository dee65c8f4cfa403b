package worker

import (
	"slices"
	"strings"
	"time"

	"github.com/adlayer/after/task"
)

// A task with "after" waits for other tasks, be they ours or another worker's. Their documents come through the feed like all others;
// nothing is asked for again and again. What is kept of them is kept only while somebody waits.

// upstreams are the tasks that others wait for.
type upstreams struct {
	known   map[string]upstream            // by id
	waiters map[string]map[string]struct{} // the ids of our tasks that look at one
	looks   map[string]map[string]struct{} // the ids that one of our tasks looks at
	since   map[string]time.Time           // when each of our tasks that waits was first met so
	changed bool                           // others are waited for than when it was last asked
}

// upstream is what is known of a task that others wait for.
type upstream struct {
	task    *task.Task // nil is a document that is missing
	rev     mark
	doubted bool // an older revision came, and the document is asked for
}

func newUpstreams() *upstreams {
	return &upstreams{known: map[string]upstream{}, waiters: map[string]map[string]struct{}{}, looks: map[string]map[string]struct{}{}, since: map[string]time.Time{}}
}

// look gives the documents for one task's question, and notes which of them have yet to be read.
func (u *upstreams) look(waiter string) (known func(id string) *task.Task, missing *[]string) {
	missing = &[]string{}
	return func(id string) *task.Task {
		u.changed = u.changed || u.waiters[id] == nil
		join(u.waiters, id, waiter)
		join(u.looks, waiter, id)
		known, ok := u.known[id]
		if !ok && !slices.Contains(*missing, id) {
			*missing = append(*missing, id)
		}
		return known.task
	}, missing
}

// take notes a revision. One that is older than what is known is not believed before the document was asked for, which overtaken says:
// feeds and loads overtake each other, and behind the last word on a task that has ended no other would come.
func (u *upstreams) take(r *row) (overtaken bool) {
	known := u.known[r.id]
	if r.rev.gen < known.rev.gen && !known.doubted {
		known.doubted = true
		u.known[r.id] = known
		return true
	}
	known = upstream{rev: r.rev}
	if !r.deleted {
		known.task = r.decode()
	}
	u.known[r.id] = known
	return false
}

func join(sets map[string]map[string]struct{}, key, member string) {
	if sets[key] == nil {
		sets[key] = map[string]struct{}{}
	}
	sets[key][member] = struct{}{}
}

// forget lets go of what one task looked at.
func (u *upstreams) forget(waiter string) {
	for id := range u.looks[waiter] {
		if delete(u.waiters[id], waiter); len(u.waiters[id]) == 0 {
			delete(u.waiters, id)
			delete(u.known, id)
			u.changed = true
		}
	}
	delete(u.looks, waiter)
	delete(u.since, waiter)
}

// waits says whether a task has to wait for others, and sees to it that it is looked at again when one of them changes. A task in a circle
// ends as an error.
func (l *loop) waits(i uint32, e *entry, t *task.Task) bool {
	if len(t.After) == 0 || t.Invalid() != nil {
		return false
	}
	known, missing := l.upstreams.look(t.ID)
	blocked, err := t.Blocked(known)
	switch {
	case err != nil:
		l.upstreams.forget(t.ID)
		l.admit(i, e, task.Refuse(t, err, l.view()))
		return true
	case len(*missing) > 0:
		l.wanted = append(l.wanted, *missing...)
	case len(blocked) == 0:
		delete(l.upstreams.since, t.ID)
		return false
	default:
		l.logOf(e).Debugf("waits for %s", strings.Join(blocked, ", "))
	}
	l.leavePlace(i, e)
	l.hold(e, t)
	if l.upstreams.since[t.ID].IsZero() {
		l.upstreams.since[e.id] = l.now()
	}
	if at := l.expiryOf(t); !at.IsZero() {
		l.sleepUntil(i, e, at.Add(time.Millisecond))
	}
	return true
}

// expiryOf gives when a task expires, be it planned or waiting for others without a plan; zero is never.
func (l *loop) expiryOf(t *task.Task) time.Time {
	if t.Expires == nil {
		return time.Time{}
	}
	return t.ExpiresAt(l.viewOf(t))
}

// viewOf is the view of a task that may have waited for others.
func (l *loop) viewOf(t *task.Task) task.View {
	v := l.view()
	v.Since = l.upstreams.since[t.ID]
	return v
}

// onUpstream takes in a revision of a task that others wait for, and looks at those again.
func (l *loop) onUpstream(r *row) {
	if l.upstreams.waiters[r.id] == nil {
		return
	}
	if l.upstreams.take(r) {
		l.wanted = append(l.wanted, r.id)
		return
	}
	for id := range l.upstreams.waiters[r.id] {
		i, e := l.table.find(id)
		switch {
		case e == nil:
			l.upstreams.forget(id)
		case l.upstreams.since[id].IsZero() || e.state != idle && e.state != asleep || e.act != nil:
			// it does not wait, or it expires: it looks again by itself
		case e.doc == nil:
			l.want(e)
		default:
			l.goOn(i, e)
		}
	}
}

// goOn looks again at a task that waited.
func (l *loop) goOn(i uint32, e *entry) {
	t := e.task()
	v := l.viewOf(t)
	if l.waits(i, e, t) {
		return
	}
	l.leavePlace(i, e)
	v.Recovering = e.found
	l.admit(i, e, task.Decide(t, v))
}

// results gives what the tasks ended with that a task waited for.
func (l *loop) results(t *task.Task) map[string]*task.Task {
	if len(t.After) == 0 {
		return nil
	}
	all := map[string]*task.Task{}
	for _, id := range t.After {
		if upstream := l.upstreams.known[id].task; upstream != nil {
			all[id] = upstream
		}
	}
	return all
}
