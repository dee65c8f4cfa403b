package worker

import (
	"context"
	"fmt"
	"time"

	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/task"
)

// expire moves what is due from the wheel into the queues.
func (l *loop) expire(now time.Time) {
	l.wheel.Expire(now, func(i uint32, due time.Time) {
		if e := l.table.at(i); e.state == running {
			l.onOverlap(e, due)
		} else {
			l.enqueue(i, e)
		}
	})
}

// dispatch starts due tasks while there is room, in order of date, each worker in its turn.
func (l *loop) dispatch(now time.Time) {
	if l.draining || l.unsettled() > backlogHigh {
		return
	}
	for len(l.runs)+l.noting < l.config.Concurrency {
		w := l.nextWorker()
		if w == nil || !l.member.MayStart(w.Name, time.Now()) {
			return
		}
		p, _ := w.queue.pop()
		e := l.table.at(p.index)
		if e.state != queued || e.due != p.due {
			continue // a stale place
		}
		l.start(p.index, e, now)
	}
}

// nextWorker is the worker with due tasks that runs the fewest.
func (l *loop) nextWorker() *named {
	var least *named
	for _, w := range l.workersOf {
		if w.holding && w.queue.len() > 0 && (least == nil || w.Running < least.Running) {
			least = w
		}
	}
	return least
}

// start runs a due task, or does what must come before: load its document, note an at-most-once run, wait for its job.
func (l *loop) start(i uint32, e *entry, now time.Time) {
	t := e.task()
	if t == nil {
		l.want(e)
		return
	}
	if due := e.dueTime(); due.After(now) {
		if now = l.now(); due.After(now) { // the clock went back
			l.set(e, idle)
			l.sleepUntil(i, e, due)
			return
		}
	}
	if t.Awaits() {
		l.set(e, idle)
		l.admit(i, e, l.decide(t, false))
		return
	}
	if at := l.expiryOf(t); !at.IsZero() && now.After(at) {
		l.set(e, idle)
		l.admit(i, e, task.Expire(t, l.viewOf(t)))
		return
	}
	if l.waits(i, e, t) {
		e.found = false // what was missed has been looked at
		return
	}
	if l.mayRunBeside(e) {
		l.lookBeside(i, e)
		return
	}
	job, ok := l.config.Jobs.Lookup(t.Job)
	if !ok {
		l.set(e, idle)
		l.admit(i, e, l.decide(t, e.found))
		return
	}
	waiting := l.atLimit[job.Name]
	if job.Limit > 0 && waiting != nil && waiting.running >= job.Limit {
		l.set(e, parked)
		waiting.limit = job.Limit
		waiting.parked.push(i, e.due)
		return
	}
	if t.Delivery == task.AtMostOnce && (e.act == nil || !e.act.noted) {
		l.set(e, idle)
		l.noting++ // it keeps its place: if we die, what was noted counts as run
		l.submit(i, e, first, task.Begin(t, now, l.view()))
		return
	}
	r := &run{index: i, name: e.name, job: job, started: now}
	l.launch(e, t, r, job.Limit)
}

// launch starts the goroutine of a run.
func (l *loop) launch(e *entry, t *task.Task, r *run, limit int) {
	ctx, cancel := context.WithCancelCause(l.working)
	r.cancel = cancel
	timeout := t.Timeout
	if timeout == 0 {
		timeout = r.job.Timeout
	}
	if timeout > 0 {
		r.limit = time.Now().Add(timeout)
		var release context.CancelFunc
		ctx, release = context.WithDeadlineCause(ctx, r.limit, jobs.ErrTimeout)
		r.cancel = func(cause error) { cancel(cause); release() }
	}
	if limit > 0 {
		if l.atLimit[r.job.Name] == nil {
			l.atLimit[r.job.Name] = &waitingJobs{}
		}
		l.atLimit[r.job.Name].running++
	}
	act := e.activity()
	act.run, act.ran, act.noted = r, t, false
	delete(l.alone, e.id)
	l.runs[r] = struct{}{}
	l.set(e, running)
	l.workersOf[e.name].Lag = max(0, r.started.UnixMilli()-e.due)
	l.watchOverlap(r.index, e)
	upstream := l.results(t)
	l.jobs.Go(func() { l.execute(ctx, r, t, upstream) })
}

// leave gives back the place of a run that ended, and lets a task go on that waited for its job.
func (l *loop) leave(r *run) {
	delete(l.runs, r)
	waiting := l.atLimit[r.job.Name]
	if waiting == nil {
		return
	}
	waiting.running--
	if !l.unpark(waiting) && waiting.running == 0 {
		delete(l.atLimit, r.job.Name)
	}
}

// unpark lets the next task go on that waited for its job, if there is one.
func (l *loop) unpark(waiting *waitingJobs) bool {
	for {
		p, ok := waiting.parked.pop()
		if !ok {
			return false
		}
		if e := l.table.at(p.index); e.state == parked && e.due == p.due {
			l.enqueue(p.index, e)
			return true
		}
	}
}

// watchParked fills places of jobs that stayed free: the task that was to have one was edited before it started.
func (l *loop) watchParked() {
	for name, waiting := range l.atLimit {
		for free := waiting.limit - waiting.running; free > 0 && l.unpark(waiting); free-- {
		}
		if waiting.running == 0 && waiting.parked.len() == 0 {
			delete(l.atLimit, name)
		}
	}
}

// watchRuns notes long runs in their documents, and gives up on runs that ignore that their time is over.
func (l *loop) watchRuns(now time.Time) {
	for r := range l.runs {
		if r.detached || r.over != nil { // what has ended waits for the task for its next date, however long that takes to be made
			continue
		}
		e := l.table.at(r.index)
		if !r.limit.IsZero() && r.told.IsZero() && time.Now().After(r.limit) {
			r.told = time.Now()
		}
		if !r.told.IsZero() && time.Since(r.told) >= grace {
			l.detach(e, r, now)
			continue
		}
		if !r.marked && now.Sub(r.started) >= longRun && e.act.edit == nil && !e.act.inFlight && !l.draining {
			r.marked = true
			if e.task().Status != task.Running {
				l.submit(r.index, e, begun, task.Begin(e.act.ran, r.started, l.view()))
			}
		}
	}
}

// detach settles the task of a run that does not end although it was told to. The run keeps its place and is shown as
// stuck until it ends.
func (l *loop) detach(e *entry, r *run, now time.Time) {
	if r.over != nil { // it has ended, and only the task for its next date is not made yet: the next start looks for that
		r.beside = false
		l.onEnded(*r.over)
		return
	}
	r.detached = true
	l.workersOf[r.name].Stuck++
	l.logOf(e).WithField("job", r.job.Name).Error("the job ignores that it was told to stop: its goroutine goes on, and its place stays taken")
	o := task.Outcome{Started: r.started, Finished: now, Kind: "stuck", Permanent: true}
	o.Err = fmt.Errorf("the job ignored that it was told to stop, and was still running %v later", time.Since(r.told).Round(time.Second))
	if l.draining {
		o = task.Outcome{Started: r.started, Finished: now, Interrupted: true, Err: o.Err}
	}
	l.onOutcome(ended{run: r, ran: e.act.ran, outcome: o, decision: task.Settle(e.act.ran, o, l.view())}, e)
}
