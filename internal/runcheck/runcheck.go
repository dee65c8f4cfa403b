// Package runcheck holds what workers ran against what was asked of them: it works out anew, from the rules, the hours in which a worker
// was there and what people asked for, which dates had to be run, and matches each to exactly one firing among the runs that were seen.
//
// It reads nothing that a worker wrote, but for when each run began and ended, which decides what comes after it. What is due in one way
// or another where an event lies within Options.Slack of a date is taken as it was seen.
package runcheck

import (
	"cmp"
	"slices"
	"time"
)

// Dates gives the first date of a task after an instant; false where none comes any more. It has no date before the task's first.
type Dates func(after time.Time) (date time.Time, ok bool)

// Once gives the dates of a task without a repeat.
func Once(date time.Time) Dates {
	return func(after time.Time) (time.Time, bool) { return date, date.After(after) }
}

// Every gives the dates of a fixed interval from a first date on.
func Every(first time.Time, interval time.Duration) Dates {
	return func(after time.Time) (time.Time, bool) {
		if after.Before(first) {
			return first, true
		}
		return after.Add(interval - after.Sub(first)%interval), true
	}
}

// Missed is what becomes of dates that passed while no worker was there.
type Missed int

// What Missed can be.
const (
	MissedRun Missed = iota
	MissedSkip
	MissedAll
)

// Overlap is what becomes of dates that come during a run.
type Overlap int

// What Overlap can be.
const (
	OverlapSkip Overlap = iota
	OverlapQueue
	OverlapQueueAll
	OverlapCancel
	OverlapAllow
)

// Terms are what a document says of its firings.
type Terms struct {
	Dates       Dates
	Once        bool          // it has no repeat
	Limit       int           // firings in all; 0 is any number
	Jitter      time.Duration // how long after its date a firing may start
	Missed      Missed
	Window      time.Duration // how far back missed dates run; 0 is any
	Most        int           // how many missed dates run with MissedAll; 0 is 100
	Overlap     Overlap
	Retries     int
	RetryWithin time.Duration // the longest pause before a retry
	AtMostOnce  bool
	Expires     time.Duration // after its date a firing starts no more; 0 is never
	PauseAfter  int           // errors in a row; 0 is any number
	After       []string      // the tasks that it waits for
	When        When          // how they have to end
}

// Ask is what a person asks of a task.
type Ask int

// What Ask can be.
const (
	Plan        Ask = iota // plan it anew by Order.Terms
	Pause                  // fire no more
	Resume                 // go on after a pause
	RunNow                 // fire once, beside the plan
	Skip                   // leave out the next firing
	Cancel                 // never mind
	Recalculate            // its dates changed by themselves: a calendar
)

// Order is what a person asked for, from when on.
type Order struct {
	At    time.Time // when the database took it
	Ask   Ask
	Terms Terms // of Plan and Recalculate
	// Date is that of a document whose rule of wall time was edited: the new one begins when it is heard, or at this date if that is
	// sooner. Zero means that the terms have no dates but those that are meant.
	Date time.Time
}

// Task is all that was asked of one task, in order of time.
type Task struct {
	ID      string
	Orders  []Order
	Present []Span // when its worker was there; nil is what Check is given for all
}

// Span is a time in which a worker was there, from reading its tasks up to when it started nothing more.
type Span struct{ From, To time.Time }

// Run is one run of a job as it was seen.
type Run struct {
	Task    string
	Key     string // of the firing
	Attempt int64  // from 1
	Nominal time.Time
	Due     time.Time // when it was to start at the earliest, later than Nominal for a retry; zero where it is not known
	Started time.Time
	Ended   time.Time // when its outcome was decided; zero where it never was, because the worker stopped or died
	Failed  bool
}

// Options say how exact the runs are.
type Options struct {
	Until       time.Time     // what was due before had to be run
	Late        time.Duration // how late a start may be
	Slack       time.Duration // how long an order or the coming of a worker takes to be felt
	MissedAfter time.Duration // what a worker finds that is later than this was missed
	// Deaths are when processes died whose last outcomes may have died with them: what ran before and runs again after is no repeat.
	Deaths []time.Time
}

// Check matches each date that had to be run to one firing.
func Check(tasks []Task, present []Span, runs []Run, o Options) Report {
	firings := map[string][]*firing{}
	byKey := map[string]*firing{}
	runs = slices.Clone(runs)
	slices.SortStableFunc(runs, func(a, b Run) int { return a.Started.Compare(b.Started) })
	forget(runs, o.Deaths)
	for _, r := range runs {
		key := r.Task + "\x00" + r.Key
		if byKey[key] == nil {
			byKey[key] = &firing{key: r.Key, nominal: r.Nominal}
			firings[r.Task] = append(firings[r.Task], byKey[key])
		}
		byKey[key].runs = append(byKey[key].runs, r)
	}
	report := Report{Runs: len(runs)}
	c := &check{Options: o, firings: firings, tasks: map[string]Task{}, present: present, others: map[string]history{}, report: &report}
	for _, t := range tasks {
		c.tasks[t.ID] = t
	}
	for _, t := range tasks {
		c.task(t.ID)
	}
	for id, left := range firings {
		w := &walk{id: id, firings: left, report: &report}
		w.extras()
	}
	slices.SortFunc(report.Findings, func(a, b Finding) int {
		return cmp.Or(cmp.Compare(a.Kind, b.Kind), cmp.Compare(a.Task, b.Task), a.Nominal.Compare(b.Nominal))
	})
	return report
}

// check is one call of Check.
type check struct {
	Options
	firings map[string][]*firing // of tasks that were not looked at
	tasks   map[string]Task
	present []Span
	others  map[string]history // of the tasks that were
	report  *Report
}

// task looks at one task, after those that it waits for.
func (c *check) task(id string) {
	t, ok := c.tasks[id]
	if _, done := c.others[id]; done || !ok {
		return
	}
	c.others[id] = nil
	for _, o := range t.Orders {
		for _, other := range o.Terms.After {
			c.task(other)
		}
	}
	w := &walk{Options: c.Options, id: id, orders: t.Orders, present: t.Present, firings: c.firings[id], others: c.others, all: c.firings, report: c.report}
	if w.present == nil {
		w.present = c.present
	}
	delete(c.firings, id)
	for w.step() {
	}
	if w.open != nil {
		w.besides(Run{Started: w.open.runs[w.open.next-1].Started, Ended: c.Until}) // it is still on, or was never taken up
	}
	w.extras()
	c.others[id] = w.history
	for _, child := range w.children {
		child.Present = t.Present
		c.tasks[child.ID] = child
		c.task(child.ID)
	}
}

// forget takes away the outcomes that died with a process: those of attempts that ran again after it.
func forget(runs []Run, deaths []time.Time) {
	if len(deaths) == 0 {
		return
	}
	type attempt struct {
		task, key string
		number    int64
	}
	last := map[attempt]int{}
	for i, r := range runs {
		which := attempt{r.Task, r.Key, r.Attempt}
		if before, ok := last[which]; ok {
			between := func(death time.Time) bool { return death.After(runs[before].Started) && !death.After(r.Started) }
			if slices.ContainsFunc(deaths, between) {
				runs[before].Ended, runs[before].Failed = time.Time{}, false
			}
		}
		last[which] = i
	}
}

// firing are the runs of one key, in order of start.
type firing struct {
	key     string
	nominal time.Time
	runs    []Run
	next    int // the first run that was not looked at
}

func (f *firing) start() time.Time { return f.runs[f.next].Started }
