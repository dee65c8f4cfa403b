package runcheck_test

import (
	"container/heap"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"testing"
	"time"

	"github.com/adlayer/after/internal/runcheck"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// world is a server, workers and people in a time that moves from event to event.
type world struct {
	t      *testing.T
	random *rand.Rand
	now    time.Time
	events events
	count  int

	documents map[string]*document
	closed    holidays
	calendar  *when.Calendar
	workers   map[string]*worker // those that are there, by name

	all     []string // the ids of all tasks
	ids     []string // of those that people wrote
	free    []string // of those that people change
	asked   map[string]*runcheck.Task
	orders  map[string]*order // the last plan of each task
	present map[string][]runcheck.Span
	runs    []*runcheck.Run
}

// document is one document as the server has it.
type document struct {
	generation int
	rev        string
	raw        []byte
	edited     bool // by a person, and no worker has written since
}

// feedDelay is how long a change takes to reach the worker.
const feedDelay = 200 * time.Millisecond

type event struct {
	at    time.Time
	order int
	do    func()
}

type events []event //nolint:recvcheck // the receivers that container/heap wants

func (e events) Len() int { return len(e) }
func (e events) Less(i, j int) bool {
	return e[i].at.Before(e[j].at) || e[i].at.Equal(e[j].at) && e[i].order < e[j].order
}
func (e events) Swap(i, j int) { e[i], e[j] = e[j], e[i] }
func (e *events) Push(x any)   { *e = append(*e, x.(event)) }
func (e *events) Pop() any {
	old := *e
	last := old[len(old)-1]
	*e = old[:len(old)-1]
	return last
}

func (w *world) in(d time.Duration, do func()) {
	w.count++
	heap.Push(&w.events, event{at: w.now.Add(d), order: w.count, do: do})
}

// names are those of the workers; each has its share of the tasks.
func names() []string { return []string{"a", "b"} }

func workerOf(id string) string {
	sum := 0
	for _, c := range id[:min(len(id), 5)] { // what runs beside a task belongs to its worker
		sum += int(c)
	}
	return names()[sum%len(names())]
}

func later(a, b time.Time) time.Time {
	if b.After(a) {
		return b
	}
	return a
}

func (w *world) at(at time.Time, do func()) { w.in(at.Sub(w.now), do) }

// run lets time pass up to an instant.
func (w *world) run(until time.Time) {
	for {
		next, due := until, time.Time{}
		if len(w.events) > 0 && w.events[0].at.Before(next) {
			next = w.events[0].at
		}
		var first *worker
		for _, name := range names() {
			if one := w.workers[name]; one != nil {
				if at, ok := one.wheel.Next(); ok && !at.After(next) && (first == nil || at.Before(next)) {
					next, due, first = later(at, w.now), at, one
				}
			}
		}
		switch {
		case !next.Before(until):
			w.now = until
			return
		case !due.IsZero():
			w.now = next
			first.expire()
		default:
			w.now = next
			heap.Pop(&w.events).(event).do()
		}
	}
}

// put writes a document under the revision it names; false is a conflict.
func (w *world) put(id, base string, next func(rev string) []byte, person bool) (string, bool) {
	d := w.documents[id]
	if d == nil {
		d = &document{}
		w.documents[id] = d
		w.all = append(w.all, id)
	}
	if d.rev != base {
		return "", false
	}
	d.generation++
	d.rev = fmt.Sprintf("%d-%08x", d.generation, w.random.Uint32())
	d.raw, d.edited = next(d.rev), person
	w.in(feedDelay, func() {
		for _, name := range names() {
			if one := w.workers[name]; one != nil {
				one.onRow(id)
			}
		}
	})
	return d.rev, true
}

func (w *world) read(id string) *task.Task {
	t, err := task.Decode(w.documents[id].raw)
	if err != nil {
		w.t.Fatal(err)
	}
	return t
}

// write changes fields of a document as a person does, and notes what was asked for.
func (w *world) write(id string, fields map[string]any, asked runcheck.Order) {
	whole := map[string]any{}
	base := ""
	if d := w.documents[id]; d != nil {
		base = d.rev
		if err := json.Unmarshal(d.raw, &whole); err != nil {
			w.t.Fatal(err)
		}
	}
	maps.Copy(whole, fields)
	maps.DeleteFunc(whole, func(_ string, value any) bool { return value == nil })
	w.put(id, base, func(rev string) []byte {
		whole["_id"], whole["_rev"] = id, rev
		raw, err := json.Marshal(whole)
		if err != nil {
			w.t.Fatal(err)
		}
		return raw
	}, true)
	if w.asked[id] == nil {
		w.asked[id] = &runcheck.Task{ID: id}
		w.ids = append(w.ids, id)
		if fields["after"] == nil {
			w.free = append(w.free, id)
		}
	}
	asked.At = w.now
	w.asked[id].Orders = append(w.asked[id].Orders, asked)
}

// ask writes a plan.
func (w *world) ask(id string, o order, status any) { w.askSince(id, o, status, time.Time{}) }

func (w *world) askSince(id string, o order, status any, date time.Time) {
	fields := maps.Clone(o.fields)
	fields["worker"], fields["job"] = workerOf(id), "run"
	fields["status"] = status
	w.orders[id] = &o
	terms := o.terms
	terms.Dates = o.dates(maps.Clone(w.closed))
	w.write(id, fields, runcheck.Order{Ask: runcheck.Plan, Terms: terms, Date: date})
}

// close makes days holidays, and others none.
func (w *world) close(days holidays) {
	w.closed = days
	list := slices.Sorted(maps.Keys(days))
	raw, err := json.Marshal(map[string]any{"type": "calendar", "dates": list})
	if err != nil {
		w.t.Fatal(err)
	}
	if w.calendar, err = when.ParseCalendar(raw); err != nil {
		w.t.Fatal(err)
	}
	for _, id := range w.ids {
		o := w.orders[id]
		repeat, _ := o.fields["repeat"].(map[string]any)
		if repeat["except"] == nil {
			continue
		}
		w.asked[id].Orders = append(w.asked[id].Orders, runcheck.Order{At: w.now, Ask: runcheck.Recalculate, Terms: runcheck.Terms{Dates: o.dates(maps.Clone(days))}})
		w.in(0, func() {
			if one := w.workers[workerOf(id)]; one != nil {
				one.reconsider(id)
			}
		})
	}
}

func (w *world) calendarOf(string) (*when.Calendar, error) { return w.calendar, nil }
