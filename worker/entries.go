package worker

import (
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/runs"
	"github.com/adlayer/after/task"
)

// set moves an entry to a state, and keeps the account of its worker.
func (l *loop) set(e *entry, s state) {
	if e.state == s {
		return
	}
	l.count(e, -1)
	e.state = s
	l.count(e, 1)
}

// count keeps the numbers of a worker's tasks by where they stand.
func (l *loop) count(e *entry, n int) {
	w := &l.workersOf[e.name].Worker
	switch {
	case e.state == asleep && e.doc == nil:
		w.Sleeping += n
	case e.state == asleep:
		w.Scheduled += n
	case e.state == queued, e.state == parked:
		w.Queued += n
	case e.state == running:
		w.Running += n
	}
}

// activity gives an entry's activity, made if there is none.
func (e *entry) activity() *activity {
	if e.act == nil {
		e.act = &activity{}
	}
	return e.act
}

// rest lets an entry's activity go when nothing is under way.
func (e *entry) rest() {
	if e.act != nil && e.act.idleNow() {
		e.act = nil
	}
}

// add makes the entry of a task that was not known.
func (l *loop) add(id string, name uint16) (uint32, *entry) {
	i, e := l.table.add(id)
	e.name = name
	return i, e
}

// drop forgets a task. Nothing of it may be under way.
func (l *loop) drop(i uint32, e *entry) {
	l.upstreams.forget(e.id)
	l.calendarUsers.forget(e.id)
	delete(l.alone, e.id)
	delete(l.older, e.id)
	l.hold(e, nil)
	l.set(e, idle)
	l.wheel.Remove(i)
	l.table.remove(i)
}

// finish forgets a task that ended with the revision the entry has, and remembers that it did.
func (l *loop) finish(i uint32, e *entry) {
	l.finished.note(e.id, e.rev.gen, l.now())
	l.drop(i, e)
}

// sleepUntil puts a task into the wheel, or into the queue if it is due.
func (l *loop) sleepUntil(i uint32, e *entry, due time.Time) {
	now := l.now()
	e.due = due.UnixMilli()
	if !due.After(now) {
		l.enqueue(i, e)
		return
	}
	switch {
	case e.act != nil:
	case due.After(now.Add(horizon)), l.held > heldMost:
		l.hold(e, nil)
	case due.After(now.Add(packedBeyond)):
		e.pack()
	}
	l.set(e, asleep)
	l.wheel.Add(i, due)
}

// enqueue makes a due task wait for a free place.
func (l *loop) enqueue(i uint32, e *entry) {
	if l.held > heldMost && e.act == nil { // what was noted cannot be loaded again as it stands
		l.hold(e, nil)
	}
	l.wheel.Remove(i)
	l.set(e, queued)
	l.workersOf[e.name].queue.push(i, e.due)
}

// submit puts the next document of a task on its way to the database.
func (l *loop) submit(i uint32, e *entry, why purpose, next *task.Task) {
	l.writes++
	next = next.WithWrite(l.writes)
	act := e.activity()
	act.next, act.purpose, act.inFlight = next, why, true
	l.queue = append(l.queue, write{index: i, doc: next, run: act.history})
	l.hurried = l.hurried || hurries(why, next, l.now())
	act.history = nil
}

// record has the next write of a task tell the history of the run that it settles.
func (l *loop) record(act *activity, ran *task.Task, o task.Outcome) {
	if l.config.Runs == nil {
		return
	}
	if r, ok := runs.Of(ran, o, l.self); ok {
		act.history = &r
	}
}

// recordOwn is record for the outcome of the run that an activity is about, once.
func (l *loop) recordOwn(act *activity) {
	if !act.recorded {
		act.recorded = true
		l.record(act, act.ran, *act.outcome)
	}
}

// tellAlone writes the history of a run whose outcome goes into no document. What a stop cuts short is written after it: see writeHistory.
func (l *loop) tellAlone(act *activity) {
	if l.config.Runs == nil {
		return
	}
	l.recordOwn(act)
	if act.history == nil {
		if d := task.Resolve(act.ran, *act.outcome, nil, l.view()); d.Settled != nil { // it was to go on elsewhere
			l.record(act, d.Settled.Ran, d.Settled.Outcome)
		}
	}
	if run := act.history; run != nil {
		act.history = nil
		l.requesters.Go(func() { l.config.Runs.Write(l.writing, []runs.Run{*run}) })
	}
}

// logOf is the log for lines about one task; its fields send the line to the worker's own file.
func (l *loop) logOf(e *entry) logrus.FieldLogger {
	return l.log.WithFields(logrus.Fields{"task": e.id, "worker": l.workersOf[e.name].Name})
}
