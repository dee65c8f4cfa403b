package worker

import (
	"bytes"
	"context"
	"strings"

	"github.com/adlayer/after/changes"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/task"
)

// row is one revision of one document as it came from the feed, a page of live tasks or a load.
type row struct {
	id      string
	rev     mark
	deleted bool
	// missing: the database has nothing under the id, not even a tombstone.
	missing bool
	// ours says that the document is addressed to one of our workers; name is which.
	ours bool
	name uint16
	// task is the decoded document where the reader saw that it will be needed; otherwise doc is there to be decoded.
	task *task.Task
	doc  []byte
	// buried is the highest generation of the deleted leaves beside a live one, as far as a load told.
	buried uint32
	// found says that no live member held the task when the row was read: missed dates and interrupted runs count.
	found bool
}

// decode gives the row's task, nil where the bytes are no document.
func (r *row) decode() *task.Task {
	if r.task == nil && r.doc != nil {
		if t, err := task.Decode(r.doc); err == nil {
			r.task = t
		}
	}
	return r.task
}

// reader makes rows; it is used by the goroutines that read, and knows only what never changes.
type reader struct {
	names map[string]uint16
	// incarnation is ours: a document that holds it is most likely the echo of our own write, and is not decoded.
	incarnation []byte
}

// reserved says that an id is the database's own: what lies under it, such as a design document, is no task whatever it holds.
func reserved(id string) bool { return strings.HasPrefix(id, "_") }

func (r *reader) row(id, rev string, deleted bool, doc []byte) row {
	out := row{id: id, rev: markOf(rev), deleted: deleted, doc: doc}
	if deleted || doc == nil {
		return out
	}
	out.name, out.ours = r.names[string(task.WorkerOf(doc))]
	if out.ours && !bytes.Contains(doc, r.incarnation) {
		out.decode()
	}
	return out
}

// fromFeed makes rows of a batch of changes.
func (r *reader) fromFeed(batch []changes.Row) []row {
	rows := make([]row, 0, len(batch))
	for _, c := range batch {
		if reserved(c.ID) {
			continue
		}
		rows = append(rows, r.row(c.ID, c.Rev, c.Deleted, c.Doc))
	}
	return rows
}

// fromDocuments makes rows of documents that were read by id.
func (r *reader) fromDocuments(docs []couch.Document) []row {
	rows := make([]row, 0, len(docs))
	for _, d := range docs {
		out := row{id: d.ID, rev: markOf(d.Rev), deleted: d.Deleted || d.Missing || reserved(d.ID), missing: d.Missing, doc: d.Body}
		if !out.deleted {
			out.name, out.ours = r.names[string(task.WorkerOf(d.Body))]
			out.decode()
		}
		for _, rev := range d.Tombstones {
			out.buried = max(out.buried, markOf(rev).gen)
		}
		rows = append(rows, out)
	}
	return rows
}

// follow reads the feed until its context ends.
func (l *loop) follow(ctx context.Context, r *reader, since string) error {
	options := changes.Options{Since: since, IncludeDocs: true, Log: l.log, MaxBatch: 1000}
	if l.config.Filter == FilterSelector {
		options.Selector = l.config.selector()
	}
	options.OnState = func(s changes.State) {
		if couch.IsNotFound(s.Err) {
			select {
			case l.anew <- struct{}{}:
			case <-ctx.Done():
			}
		}
	}
	return changes.Follow(ctx, l.db, options, func(ctx context.Context, batch []changes.Row, _ string) error {
		return l.hand(ctx, r.fromFeed(batch))
	})
}

// onAnew forgets what is not under way: the database is gone, and in the one that comes back under its name revisions count
// from one again. The feed begins anew too and brings what is there.
func (l *loop) onAnew() {
	l.finished = newFinished()
	l.forgetRefused()
	l.table.each(func(i uint32, e *entry) {
		if e.act == nil {
			l.drop(i, e)
		}
	})
}

// onRows takes in what the feed brought.
func (l *loop) onRows(rows []row) {
	for i := range rows {
		l.onRow(&rows[i])
	}
}

// onRow takes in one revision: an echo, old news, an edit, or a task that was not known.
func (l *loop) onRow(r *row) {
	l.onUpstream(r)
	if !r.ours || r.task != nil && !r.task.IsTask() {
		l.onCalendar(r)
	}
	i, e := l.table.find(r.id)
	if e == nil {
		l.onUnknown(r)
		return
	}
	switch {
	case r.rev == e.rev:
		return
	case r.rev.gen < e.rev.gen:
		if e.act == nil && !r.deleted {
			l.want(e) // most likely it is old news
		}
	case e.act != nil && e.act.inFlight:
		if e.act.row == nil || e.act.row.rev.gen <= r.rev.gen {
			kept := *r
			e.act.row = &kept
		}
	default:
		l.onEdit(i, e, r)
	}
}

// onUnknown takes in a row of a task that this process does not hold.
func (l *loop) onUnknown(r *row) {
	if !r.ours || r.deleted || l.draining || !l.workersOf[r.name].holding || l.finished.covers(r.id, r.rev.gen) || l.keepsBack(r) {
		return
	}
	t := r.decode()
	if t == nil {
		l.log.WithField("task", r.id).Error("the document cannot be read as a task")
		return
	}
	decision := l.decide(t, r.found)
	if decision.Action == task.Ignore {
		return
	}
	i, e := l.add(r.id, r.name)
	e.rev = r.rev
	e.found = r.found
	if l.guard(e, t) || t.Asks() && l.waits(i, e, t) {
		return
	}
	if l.unsettled() > backlogHigh && decision.Action == task.Schedule {
		l.deferred = append(l.deferred, e.id)
		e.loading = true
		return
	}
	l.admit(i, e, decision)
}

func (l *loop) decide(t *task.Task, found bool) task.Decision {
	v := l.view()
	v.Recovering = found
	return task.Decide(t, v)
}

// onEdit takes in a revision that somebody else made of a task that we hold and do not write at the moment.
func (l *loop) onEdit(i uint32, e *entry, r *row) {
	e.rev = r.rev
	if e.act != nil && e.act.run != nil {
		l.onEditDuringRun(e, r)
		return
	}
	if l.takeUp(i, e, r) {
		return
	}
	t := r.decode()
	if r.deleted || !r.ours || t == nil || !l.workersOf[r.name].holding {
		l.drop(i, e)
		return
	}
	l.leavePlace(i, e)
	l.readdress(e, r.name)
	if l.guard(e, t) {
		l.hold(e, nil)
		return
	}
	l.consider(i, e, l.unstarted(t), r.found)
}

// unstarted gives a task as scheduled whose document says that it runs here while it does not: an at-most-once run was noted,
// and the document edited before the run started.
func (l *loop) unstarted(t *task.Task) *task.Task {
	if t.Status == task.Running && !t.Awaits() && t.Claim != nil && t.Claim.Incarnation == l.self.Incarnation {
		if scheduled, err := t.WithField("status", []byte(`"scheduled"`)); err == nil {
			return scheduled
		}
	}
	return t
}

// onEditDuringRun keeps the edit until the outcome meets it, and passes a cancel on to the job.
func (l *loop) onEditDuringRun(e *entry, r *row) {
	if r.deleted {
		e.act.edit = &task.Task{ID: r.id, Deleted: true}
		l.tell(e.act.run, jobs.ErrDeleted)
		return
	}
	t := r.decode()
	if t == nil {
		return
	}
	e.act.edit = t
	if t.Status == task.Cancel || t.Status == task.Canceled {
		l.tell(e.act.run, jobs.ErrCanceled)
	}
}

// leavePlace takes a task out of wheel and queue.
func (l *loop) leavePlace(i uint32, e *entry) {
	l.wheel.Remove(i)
	l.set(e, idle)
}

// readdress moves an entry to another of our workers.
func (l *loop) readdress(e *entry, name uint16) {
	l.count(e, -1)
	e.name = name
	l.count(e, 1)
}

// consider does what a revision asks for, once the tasks that it waits for allow it.
func (l *loop) consider(i uint32, e *entry, t *task.Task, found bool) {
	if t.Asks() && l.waits(i, e, t) {
		return
	}
	l.admit(i, e, l.decide(t, found))
}

// admit does what the rules decided of a revision.
func (l *loop) admit(i uint32, e *entry, d task.Decision) {
	if d.Note != "" {
		l.logOf(e).Info(d.Note)
	}
	if d.Settled != nil {
		act := e.activity()
		l.record(act, d.Settled.Ran, d.Settled.Outcome)
		act.elsewhere = &d.Settled.Outcome
	}
	switch d.Action {
	case task.Ignore:
		l.finish(i, e)
	case task.Hold, task.Start:
		if d.Action == task.Hold {
			e.found = false // what comes due from now on comes due under our eyes
		}
		l.noteCalendars(d.Next)
		l.hold(e, d.Next)
		l.sleepUntil(i, e, d.Next.Plan.Due)
	case task.Schedule:
		l.noteCalendars(d.Next)
		l.hold(e, d.Next)
		l.submit(i, e, claim, d.Next)
	case task.End:
		l.submit(i, e, end, d.Next)
	}
}
