package runcheck_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/internal/runcheck"
	"github.com/adlayer/after/internal/torture"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// source gives a random source: always the same, but where long tests are asked for.
func source(t *testing.T) *rand.Rand {
	t.Helper()
	if torture.Asked() {
		return rand.New(rand.NewPCG(torture.Seed(t), 0))
	}
	return rand.New(rand.NewPCG(torture.SeedOr(t, 103), 0))
}

// TestYear lets hundreds of tasks of all kinds live through a year, in zones whose clocks change, with people who change their minds and
// workers that come and go. Every date that had to be run was, once, and nothing else. The tasks are spread over several years, since
// zones change their rules.
func TestYear(t *testing.T) {
	t.Parallel()
	r := source(t)
	const worlds, tasks = 2, 250 // each takes the race detector some fifteen seconds, and others are asked for with AFTER_TORTURE
	for i := range torture.Times(worlds) {
		year := pick(r, 2011, 2018, 2019+r.IntN(8), 2026+r.IntN(12))
		own := rand.New(rand.NewPCG(r.Uint64(), uint64(i)))
		t.Run(fmt.Sprintf("%d in %d", i, year), func(t *testing.T) {
			t.Parallel()
			live(t, own, year, tasks)
		})
	}
}

func live(t *testing.T, r *rand.Rand, year, tasks int) {
	t.Helper()
	begin := time.Date(year, 1, 1, 0, 0, 0, 0, time.UTC)
	end := begin.AddDate(1, 0, 0)
	w := &world{
		t: t, random: r, now: begin.Add(-24 * time.Hour), documents: map[string]*document{}, closed: holidays{},
		asked: map[string]*runcheck.Task{}, orders: map[string]*order{}, workers: map[string]*worker{}, present: map[string][]runcheck.Span{},
	}
	w.close(someDays(r, year))
	for i := range tasks {
		w.at(w.odd(w.now, begin), func() {
			o := plan(r, begin, end)
			if len(w.ids) > 10 && r.IntN(6) == 0 {
				o = dependent(r, begin, end, w.ids, w.orders)
				w.free = slices.DeleteFunc(w.free, func(id string) bool { return slices.Contains(o.terms.After, id) }) // people leave them alone
			}
			w.ask(fmt.Sprintf("t%04d", i), o, nil)
		})
	}
	for range tasks * 3 / 2 {
		w.at(w.odd(begin, end), w.person)
	}
	for range 5 {
		w.at(w.odd(begin, end), func() { w.close(someDays(r, year)) })
	}
	for _, name := range names() {
		w.arrive(name)
		w.comeAndGo(name, begin, end)
	}
	w.run(end)

	var asked []runcheck.Task
	for _, id := range w.ids {
		one := *w.asked[id]
		one.Present = w.present[workerOf(id)]
		asked = append(asked, one)
	}
	var runs []runcheck.Run
	for _, run := range w.runs {
		runs = append(runs, *run)
	}
	report := runcheck.Check(asked, nil, runs, runcheck.Options{Until: end, Slack: feedDelay, MissedAfter: 5 * time.Second})
	t.Logf("%d: %d tasks, %d orders, %d times away", year, tasks, w.ordered(), len(w.present["a"])+len(w.present["b"])-2)
	if report.Err() == nil {
		t.Log(report)
		return
	}
	t.Error(report)
	first := map[string]time.Time{}
	for _, f := range report.Findings {
		id, _, _ := strings.Cut(f.Task, "@") // what runs beside a task is told with it
		if at, ok := first[id]; !ok || f.Nominal.Before(at) {
			first[id] = f.Nominal
		}
	}
	for i, id := range slices.Sorted(maps.Keys(first)) {
		if i < 8 {
			for _, f := range report.Findings {
				if f.Task == id && f.Nominal.Sub(first[id]) < time.Hour {
					w.t.Log(f)
				}
			}
			w.tell(id, first[id])
		}
	}
}

// comeAndGo has a worker stop, or die, and come back now and then.
func (w *world) comeAndGo(name string, begin, end time.Time) {
	r := w.random
	for at := begin; at.Before(end); {
		at = at.Add(time.Duration(r.Int64N(int64(20 * 24 * time.Hour)))).Truncate(time.Millisecond)
		away := pick(r, time.Duration(r.Int64N(int64(10*time.Second))), time.Duration(r.Int64N(int64(time.Hour))), time.Duration(r.Int64N(int64(5*24*time.Hour)))).Truncate(time.Millisecond)
		killed := r.IntN(2) == 0
		w.at(at, func() { w.leave(name, killed) })
		at = at.Add(away)
		w.at(at, func() { w.arrive(name) })
		at = at.Add(time.Hour)
	}
}

// odd gives an instant on half a second, where no task is due.
func (w *world) odd(from, to time.Time) time.Time {
	return from.Add(time.Duration(w.random.Int64N(int64(to.Sub(from))))).Truncate(time.Second).Add(500 * time.Millisecond)
}

func (w *world) ordered() (n int) {
	for _, t := range w.asked {
		n += len(t.Orders)
	}
	return n
}

// tell shows the life of a task around a date.
func (w *world) tell(id string, around time.Time) {
	fields, _ := json.Marshal(w.orders[id].fields) //nolint:errchkjson // it was written
	w.t.Logf("%s: %s\nnow: %s", id, fields, w.documents[id].raw)
	for _, other := range w.orders[id].terms.After {
		w.t.Logf("it waits for %s", w.documents[other].raw)
	}
	near := func(at time.Time) bool { return at.Sub(around).Abs() < 7*24*time.Hour }
	var lines []string
	tell := func(at time.Time, format string, args ...any) {
		if near(at) || strings.HasPrefix(format, "asked") { // what was asked for holds for long
			lines = append(lines, at.Format("2006-01-02T15:04:05.000")+" "+fmt.Sprintf(format, args...))
		}
	}
	for _, o := range w.asked[id].Orders {
		terms := o.Terms
		terms.Dates = nil
		tell(o.At, "asked for %d: %+v", o.Ask, terms)
	}
	for _, s := range w.present[workerOf(id)] {
		tell(s.From, "a worker comes")
		tell(s.To, "the worker goes")
	}
	for _, r := range w.runs {
		if r.Task == id {
			tell(r.Started, "runs %s, attempt %d, up to %s, failed %v", r.Key, r.Attempt, r.Ended.Format(time.RFC3339Nano), r.Failed)
		}
	}
	slices.Sort(lines)
	middle, _ := slices.BinarySearch(lines, around.Format("2006-01-02T15:04:05.000"))
	w.t.Log(strings.Join(lines[max(0, middle-14):min(len(lines), middle+10)], "\n"))
}

func someDays(r *rand.Rand, year int) holidays {
	days := holidays{}
	for range 30 {
		days[time.Date(year, 1, 1+r.IntN(365), 0, 0, 0, 0, time.UTC).Format(time.DateOnly)] = true
	}
	return days
}

// person changes their mind about a task.
func (w *world) person() {
	if len(w.free) == 0 {
		return
	}
	id := w.free[w.random.IntN(len(w.free))]
	d := w.documents[id]
	if d.edited {
		return // the worker has not seen the last change
	}
	word := func(status string, ask runcheck.Ask) {
		w.write(id, map[string]any{"status": status}, runcheck.Order{Ask: ask})
	}
	t := w.read(id)
	soon := w.now.AddDate(0, 0, 30)
	switch {
	case t.Ended() && w.random.IntN(3) == 0:
		word("run", runcheck.RunNow)
	case t.Ended():
		w.ask(id, plan(w.random, w.now.Add(-time.Hour), soon), "waiting")
	case t.Status == task.Paused:
		switch w.random.IntN(4) {
		case 0:
			word("run", runcheck.RunNow)
		case 1:
			w.ask(id, plan(w.random, w.now, soon), "reschedule")
		default:
			word("resume", runcheck.Resume)
		}
	default:
		switch w.random.IntN(8) {
		case 0:
			word("cancel", runcheck.Cancel)
		case 1, 2:
			word("pause", runcheck.Pause)
		case 3:
			if len(t.Calendars(task.View{Calendar: w.calendarOf})) == 0 { // a calendar that changes gives skipped dates back
				word("skip", runcheck.Skip)
			}
		case 4:
			word("run", runcheck.RunNow)
		case 5:
			w.ask(id, plan(w.random, w.now.Add(-time.Hour), soon), "reschedule")
		case 6:
			w.editDate(id, t)
		default:
			w.editRule(id, t)
		}
	}
}

// editDate changes nothing but the date.
func (w *world) editDate(id string, t *task.Task) {
	o := *w.orders[id]
	o.fields = maps.Clone(o.fields)
	o.first = w.now.Add(time.Duration(w.random.Int64N(int64(14 * 24 * time.Hour)))).Truncate(time.Minute)
	o.fields["date"] = o.first.UTC().Format(time.RFC3339)
	if !o.until.IsZero() && o.until.Before(o.first) {
		return
	}
	w.ask(id, o, string(t.Status))
}

// identity is the same for all ways to say the same.
func identity(t *testing.T, loc *time.Location, repeat any) string {
	t.Helper()
	raw, err := json.Marshal(repeat)
	if err != nil {
		t.Fatal(err)
	}
	never := func(string) (*when.Calendar, error) { return when.ParseCalendar([]byte(`{}`)) }
	rule, err := when.ParseRule(raw, when.Scope{Zone: loc, Calendar: never})
	if err != nil {
		t.Fatal(err)
	}
	return rule.Identity()
}

// editRule changes nothing but the repeat: an interval counts from the date that the document has, other rules begin now.
func (w *world) editRule(id string, t *task.Task) {
	var date string
	if t.Repeat == nil || t.Plan == nil || t.Plan.Back != nil || json.Unmarshal(t.Date, &date) != nil {
		return
	}
	o := *w.orders[id]
	o.fields = maps.Clone(o.fields)
	first, err := time.Parse(time.RFC3339Nano, date)
	if err != nil {
		w.t.Fatal(err)
	}
	o.first = first
	old := o.shape.repeat
	o.repeats(w.random)
	o.fields["date"] = date
	if identity(w.t, o.loc, old) == identity(w.t, o.loc, o.shape.repeat) || o.shape.frugal && !o.shape.anchored {
		return // the same rule in other words, or one that would fire for months
	}
	if rule, _ := o.shape.repeat.(map[string]any); rule["adjust"] != nil && w.workers[workerOf(id)] == nil {
		return // which date it begins with depends on when it is heard
	}
	if !o.shape.anchored && w.now.Before(first) && t.Status == task.Scheduled {
		o.first = w.now
		w.askSince(id, o, string(t.Status), first)
		return
	}
	w.ask(id, o, string(t.Status))
}
