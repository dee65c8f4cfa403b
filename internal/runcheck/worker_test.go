package runcheck_test

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"time"

	"github.com/adlayer/after/internal/runcheck"
	"github.com/adlayer/after/scheduler"
	"github.com/adlayer/after/task"
)

// worker does what package worker does, in the world's time: the rules of package task and the wheel are the real ones, and the joint
// between them is made small.
type worker struct {
	*world

	name  string
	wheel *scheduler.Wheel[string]
	held  map[string]*task.Task // that sleep or run, by id
	found map[string]bool       // met at the start, and not written since
	runs  map[string]*running
	waits map[string]*task.Task // that wait for others, by id
	begun map[string]time.Time  // since when
	since time.Time
}

// running is a run that is on.
type running struct {
	ran     *task.Task
	started time.Time
	seen    *runcheck.Run
	covered time.Time // dates up to here run beside it
	over    bool
}

var errJob = errors.New("it failed")

// arrive starts a worker.
func (w *world) arrive(name string) {
	w.count++
	one := &worker{
		world: w, name: fmt.Sprint("i", w.count), wheel: scheduler.New[string](), held: map[string]*task.Task{},
		found: map[string]bool{}, runs: map[string]*running{}, waits: map[string]*task.Task{}, begun: map[string]time.Time{}, since: w.now,
	}
	w.workers[name] = one
	w.present[name] = append(w.present[name], runcheck.Span{From: w.now, To: w.now.AddDate(10, 0, 0)})
	for _, id := range w.all {
		if workerOf(id) != name {
			continue
		}
		if t := w.read(id); !t.Ended() {
			one.found[id] = true
			one.consider(t)
		}
	}
}

// leave ends the worker: as it should, with what runs given back, or as a power cut does.
func (w *world) leave(name string, killed bool) {
	old := w.workers[name]
	if !killed {
		for _, id := range slices.Sorted(maps.Keys(old.runs)) {
			r := old.runs[id]
			if r.ran.Delivery == task.AtMostOnce {
				r.seen.Ended, r.seen.Failed = w.now, true // its outcome is that nobody knows
			}
			old.settle(id, r, task.Outcome{Started: r.started, Finished: w.now, Interrupted: true})
		}
	}
	for _, r := range old.runs {
		r.over = true
	}
	w.present[name][len(w.present[name])-1].To = w.now
	delete(w.workers, name)
}

func (w *worker) view(id string) task.View {
	return task.View{
		Now: w.now, Self: task.Self{Member: "m", Incarnation: w.name}, MissedAfter: 5 * time.Second, Calendar: w.calendarOf, Recovering: w.found[id],
	}
}

// onRow takes in the newest revision of a task.
func (w *worker) onRow(id string) {
	for _, waiter := range slices.Sorted(maps.Keys(w.waits)) {
		v := w.view(waiter)
		v.Since = w.begun[waiter]
		if t := w.waits[waiter]; slices.Contains(t.After, id) && !w.blocked(t) {
			w.admit(waiter, task.Decide(t, v))
		}
	}
	if w.workers[workerOf(id)] != w {
		return
	}
	if held := w.held[id]; held != nil && held.Rev == w.documents[id].rev {
		return
	}
	if r := w.runs[id]; r != nil {
		if t := w.read(id); t.Status == task.Cancel {
			w.end(id, r, task.Outcome{Err: errJob, Kind: task.KindCanceled})
		}
		return // the outcome will meet it
	}
	w.consider(w.read(id))
}

// reconsider looks at a task again whose calendar changed.
func (w *worker) reconsider(id string) {
	if w.held[id] != nil && w.runs[id] == nil {
		w.consider(w.read(id))
	}
}

func (w *worker) consider(t *task.Task) {
	if t.Asks() && w.blocked(t) {
		return
	}
	w.admit(t.ID, task.Decide(t, w.view(t.ID)))
}

// blocked has a task wait for others, where it has to.
func (w *worker) blocked(t *task.Task) bool {
	ids, err := t.Blocked(func(id string) *task.Task {
		if w.documents[id] == nil {
			return nil
		}
		return w.read(id)
	})
	if err != nil {
		w.t.Fatal(err)
	}
	delete(w.waits, t.ID)
	if len(ids) == 0 {
		delete(w.begun, t.ID)
		return false
	}
	if w.begun[t.ID].IsZero() {
		w.begun[t.ID] = w.now
	}
	w.wheel.Remove(t.ID)
	w.held[t.ID], w.waits[t.ID] = t, t
	return true
}

// admit does what the rules decided.
func (w *worker) admit(id string, d task.Decision) {
	w.wheel.Remove(id)
	delete(w.waits, id)
	switch d.Action {
	case task.Ignore:
		delete(w.held, id)
		delete(w.found, id)
	case task.Hold, task.Start:
		if d.Action == task.Hold {
			delete(w.found, id)
		}
		w.sleep(d.Next)
	case task.Schedule, task.End:
		w.store(id, d)
	}
}

func (w *worker) sleep(t *task.Task) {
	w.held[t.ID] = t
	w.wheel.Add(t.ID, t.Plan.Due)
}

// store writes what was decided; a conflict is decided anew.
func (w *worker) store(id string, d task.Decision) {
	rev, ok := w.save(d.Next)
	if !ok {
		w.consider(w.read(id))
		return
	}
	delete(w.found, id)
	if d.Action == task.End || d.Next.Status != task.Scheduled {
		delete(w.held, id)
		return
	}
	w.sleep(d.Next.WithRev(rev))
}

func (w *worker) save(t *task.Task) (string, bool) {
	return w.put(t.ID, t.Rev, func(rev string) []byte { return t.WithRev(rev).Encode() }, false)
}

// expire starts what is due.
func (w *worker) expire() {
	var due []string
	w.wheel.Expire(w.now, func(id string, _ time.Time) { due = append(due, id) })
	for _, id := range due {
		w.start(id)
	}
}

func (w *worker) start(id string) {
	t := w.held[id]
	if t.Expired(w.now) {
		w.admit(id, task.Expire(t, w.view(id)))
		return
	}
	if w.blocked(t) {
		delete(w.found, id)
		return
	}
	if t.Overlap == task.OverlapAllow && t.Repeat != nil && t.Plan.Back == nil && !t.Plan.Interrupted && t.Retries == 0 &&
		!t.Plan.Nominal.After(w.since.Add(5*time.Second)) && w.documents[task.ChildID(id, t.Plan.Nominal)] != nil {
		w.admit(id, task.PassOver(t, w.view(id)))
		return
	}
	if t.Delivery == task.AtMostOnce {
		began := task.Begin(t, w.now, w.view(id))
		rev, ok := w.save(began)
		if !ok {
			w.consider(w.read(id))
			return
		}
		delete(w.found, id)
		t = began.WithRev(rev)
	}
	seen := &runcheck.Run{Task: id, Key: t.Key(), Attempt: t.Attempt(), Nominal: t.Plan.Nominal, Started: w.now}
	w.world.runs = append(w.world.runs, seen)
	r := &running{ran: t, started: w.now, seen: seen}
	w.held[id], w.runs[id] = t, r
	o := task.Outcome{}
	if w.random.IntN(5) == 0 {
		o.Err = errJob
	}
	took := pick(w.random, time.Duration(w.random.Int64N(int64(time.Second))), time.Duration(w.random.Int64N(int64(time.Second))),
		time.Duration(w.random.Int64N(int64(20*time.Second)))) + time.Millisecond
	if w.random.IntN(25) == 0 {
		took = time.Duration(w.random.Int64N(int64(30 * time.Hour)))
	}
	if took > time.Second && t.Delivery != task.AtMostOnce {
		w.in(time.Second, func() { w.mark(id, r) })
	}
	w.in(took.Truncate(time.Millisecond), func() { w.end(id, r, o) })
	w.watch(id, r)
}

// watch has the overlap rule act on the next date that comes during a run.
func (w *worker) watch(id string, r *running) {
	if r.ran.Repeat == nil {
		return
	}
	date, ok := r.ran.Following(r.started, r.covered, w.view(id))
	if !ok {
		return
	}
	w.at(later(date, w.now), func() {
		if r.over || w.documents[id].edited {
			return
		}
		if next, ok := r.ran.Following(r.started, r.covered, w.view(id)); !ok || !next.Equal(date) { // a calendar has changed since
			w.watch(id, r)
			return
		}
		if r.ran.Overlap == task.OverlapCancel {
			w.end(id, r, task.Outcome{Err: errJob, Kind: task.KindOverlap, Permanent: true})
			return
		}
		if child := task.ChildID(id, date); w.documents[child] == nil {
			w.put(child, "", func(rev string) []byte { return w.child(r.ran, date, rev) }, false)
		}
		r.covered = date
		w.watch(id, r)
	})
}

// child is the document that runs beside a task for one date.
func (w *worker) child(t *task.Task, date time.Time, rev string) []byte {
	raw, err := t.Child(date, "beside")
	if err != nil {
		w.t.Fatal(err)
	}
	return append(raw[:len(raw)-1], fmt.Sprintf(`,"_rev":%q}`, rev)...)
}

// mark notes a run that takes long.
func (w *worker) mark(id string, r *running) {
	if r.over || r.ran.Rev != w.documents[id].rev {
		return
	}
	began := task.Begin(r.ran, r.started, w.view(id))
	if rev, ok := w.save(began); ok {
		r.ran = began.WithRev(rev)
		w.held[id] = r.ran
	}
}

// end takes in a run's outcome.
func (w *worker) end(id string, r *running, o task.Outcome) {
	if r.over {
		return
	}
	o.Started, o.Finished, o.Covered = r.started, w.now, r.covered
	r.seen.Ended, r.seen.Failed = w.now, o.Err != nil
	w.settle(id, r, o)
}

// settle writes an outcome, if need be onto what somebody else wrote meanwhile.
func (w *worker) settle(id string, r *running, o task.Outcome) {
	r.over = true
	delete(w.runs, id)
	d := task.Settle(r.ran, o, w.view(id))
	if r.ran.Rev != w.documents[id].rev {
		d = task.Resolve(r.ran, o, w.read(id), w.view(id))
	}
	if d.Next == nil {
		delete(w.held, id)
		return
	}
	w.store(id, d)
}
