package worker

import (
	"context"
	"slices"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/couch"
)

const (
	loadMost  = 1000 // documents in one load
	loadsMost = 2    // loads in flight
)

// loader reads documents by id, again and again until it is answered or its context ends.
type loader struct {
	db     *couch.Database
	reader *reader
	log    logrus.FieldLogger
}

func (r *loader) read(ctx context.Context, ids []string) []row {
	refs := make([]couch.Ref, len(ids))
	for i, id := range ids {
		refs[i].ID = id
	}
	s := sender{db: r.db, log: r.log}
	var docs []couch.Document
	err := s.persist(ctx, "loading tasks", func() (err error) {
		docs, err = r.db.BulkGet(ctx, refs)
		return err
	})
	if err != nil && ctx.Err() == nil && len(ids) > 1 { // too much at once
		half := len(ids) / 2
		return append(r.read(ctx, ids[:half]), r.read(ctx, ids[half:])...)
	}
	if err != nil {
		return nil
	}
	return r.reader.fromDocuments(docs)
}

// want has a document loaded.
func (l *loop) want(e *entry) {
	if !e.loading {
		e.loading = true
		l.wanted = append(l.wanted, e.id)
	}
}

// load sends for what is wanted.
func (l *loop) load() {
	for len(l.wanted) > 0 && l.loads < loadsMost {
		n := min(len(l.wanted), loadMost)
		ids := slices.Clone(l.wanted[:n])
		l.wanted = l.wanted[n:]
		slices.Sort(ids)
		ids = slices.Compact(ids)
		l.loads++
		l.requesters.Go(func() { l.loaded <- l.loader.read(l.writing, ids) })
	}
	if len(l.wanted) == 0 {
		l.wanted = nil
	}
}

// onLoaded takes in documents that were sent for.
func (l *loop) onLoaded(rows []row) {
	l.loads--
	for k := range rows {
		r := &rows[k]
		l.onUpstream(r)
		i, e := l.table.find(r.id)
		if e == nil {
			l.onUnknown(r)
			continue
		}
		e.loading = false
		if r.rev.gen >= e.rev.gen {
			delete(l.older, e.id)
		}
		switch {
		case r.missing:
			if e.act == nil {
				l.drop(i, e)
			}
		case r.rev.gen < e.rev.gen && e.act == nil && !r.deleted:
			l.onOlder(i, e, r)
		case r.rev != e.rev:
			l.onRow(r)
		case e.act != nil || e.state == running || l.draining:
			// Its document came on another way, or is not needed any more.
		default:
			l.leavePlace(i, e)
			l.consider(i, e, r.decode(), e.found)
		}
	}
}

// olderMost is how often a document is asked for that comes back older than what is known, before the database is believed.
const olderMost = 5

// onOlder takes in a document that is older than what is known of it. Either a node answered that is behind, or what is known was
// deleted and an older leaf, which had lost against it, is the winner now.
func (l *loop) onOlder(i uint32, e *entry, r *row) {
	if l.older[e.id]++; r.buried <= e.rev.gen && l.older[e.id] < olderMost {
		l.deferred = append(l.deferred, e.id)
		e.loading = true
		return
	}
	l.logOf(e).WithField("generation", r.rev.gen).Warn("what was known of the task is gone, and an older revision stands in its place: it is taken as it is now")
	delete(l.older, e.id)
	l.onEdit(i, e, r)
}

// preload sends for the documents of tasks that come within the horizon.
func (l *loop) preload(now time.Time) {
	until := now.Add(horizon)
	if l.preloaded.After(until) { // the clock went back
		l.preloaded = until
	}
	if l.preloaded.Before(now) {
		l.preloaded = now
	}
	for l.preloaded.Before(until) && l.held < heldMost && !l.draining {
		next := l.preloaded.Add(time.Second)
		l.wheel.Peek(l.preloaded, next, func(i uint32, _ time.Time) {
			if e := l.table.at(i); e.doc == nil {
				l.want(e)
			}
		})
		l.preloaded = next
	}
}

// undefer goes on with tasks that had to wait for the backlog.
func (l *loop) undefer() {
	if len(l.deferred) == 0 || l.unsettled() > backlogLow {
		return
	}
	n := min(len(l.deferred), backlogLow)
	l.wanted = append(l.wanted, l.deferred[:n]...)
	l.deferred = l.deferred[n:]
}
