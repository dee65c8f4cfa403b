package runcheck_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/internal/runcheck"
)

var noon = time.Date(2026, 11, 18, 12, 0, 0, 0, time.UTC)

func at(minutes float64) time.Time { return noon.Add(time.Duration(minutes * float64(time.Minute))) }

// ran is a run of ten seconds on a date.
func ran(minute float64) runcheck.Run {
	return runcheck.Run{Task: "t", Key: fmt.Sprint("t@", minute), Attempt: 1, Nominal: at(minute), Started: at(minute), Ended: at(minute).Add(10 * time.Second)}
}

func with(r runcheck.Run, change func(*runcheck.Run)) runcheck.Run {
	change(&r)
	return r
}

// besides is a run on a date that came while another run was on.
func besides(minute float64) runcheck.Run {
	return with(ran(minute), func(r *runcheck.Run) { r.Task = "t@" + at(minute).Format(time.RFC3339) })
}

func always() []runcheck.Span { return []runcheck.Span{{From: at(-60), To: at(600)}} }

func options() runcheck.Options {
	return runcheck.Options{Until: at(31), MissedAfter: 5 * time.Second}
}

// planned is a task every ten minutes from noon.
func planned(change func(*runcheck.Terms)) []runcheck.Task {
	terms := runcheck.Terms{Dates: runcheck.Every(noon, 10*time.Minute)}
	if change != nil {
		change(&terms)
	}
	return []runcheck.Task{{ID: "t", Orders: []runcheck.Order{{At: at(-30), Terms: terms}}}}
}

func TestPlanted(t *testing.T) {
	t.Parallel()
	late := func(by time.Duration) func(*runcheck.Run) {
		return func(r *runcheck.Run) { r.Started, r.Ended = r.Started.Add(by), r.Ended.Add(by) }
	}
	for name, c := range map[string]struct {
		terms   func(*runcheck.Terms)
		orders  []runcheck.Order
		present []runcheck.Span
		runs    []runcheck.Run
		want    string // the kinds that are found, with the minute of the date
	}{
		"all ran":         {runs: []runcheck.Run{ran(0), ran(10), ran(20), ran(30)}},
		"a miss":          {runs: []runcheck.Run{ran(0), ran(20), ran(30)}, want: "miss 10"},
		"all missed":      {want: "miss 0, miss 10, miss 20, miss 30"},
		"an extra":        {runs: []runcheck.Run{ran(0), ran(7), ran(10), ran(20), ran(30)}, want: "extra 7"},
		"the wrong date":  {runs: []runcheck.Run{ran(0), ran(11), ran(20), ran(30)}, want: "miss 10, extra 11"},
		"one µs early":    {runs: []runcheck.Run{ran(0), with(ran(10), late(-time.Microsecond)), ran(20), ran(30)}, want: "early 10"},
		"late":            {runs: []runcheck.Run{ran(0), with(ran(10), late(time.Second)), ran(20), ran(30)}, want: "late 10"},
		"twice":           {runs: []runcheck.Run{ran(0), ran(0), ran(10), ran(20), ran(30)}, want: "extra 0"},
		"another's":       {runs: []runcheck.Run{ran(0), ran(10), ran(20), ran(30), with(ran(5), func(r *runcheck.Run) { r.Task = "u" })}, want: "extra 5"},
		"within jitter":   {terms: func(t *runcheck.Terms) { t.Jitter = time.Minute }, runs: []runcheck.Run{ran(0), with(ran(10), late(59*time.Second)), ran(20), ran(30)}},
		"beyond jitter":   {terms: func(t *runcheck.Terms) { t.Jitter = time.Minute }, runs: []runcheck.Run{ran(0), with(ran(10), late(61*time.Second)), ran(20), ran(30)}, want: "late 10"},
		"limit":           {terms: func(t *runcheck.Terms) { t.Limit = 2 }, runs: []runcheck.Run{ran(0), ran(10)}},
		"beyond limit":    {terms: func(t *runcheck.Terms) { t.Limit = 2 }, runs: []runcheck.Run{ran(0), ran(10), ran(20)}, want: "extra 20"},
		"nobody there":    {present: []runcheck.Span{{From: at(-60), To: at(5)}, {From: at(22), To: at(60)}}, runs: []runcheck.Run{ran(0), with(ran(20), late(2*time.Minute)), ran(30)}},
		"nobody, all run": {present: []runcheck.Span{{From: at(-60), To: at(5)}, {From: at(22), To: at(60)}}, runs: []runcheck.Run{ran(0), with(ran(10), late(12*time.Minute)), with(ran(20), late(2*time.Minute+10*time.Second)), ran(30)}, want: "extra 10, late 20"},
		"nobody, all": {
			terms:   func(t *runcheck.Terms) { t.Missed = runcheck.MissedAll },
			present: []runcheck.Span{{From: at(-60), To: at(5)}, {From: at(22), To: at(60)}},
			runs:    []runcheck.Run{ran(0), with(ran(10), late(12*time.Minute)), with(ran(20), late(2*time.Minute+10*time.Second)), ran(30)},
		},
		"nobody, skip": {
			terms:   func(t *runcheck.Terms) { t.Missed = runcheck.MissedSkip },
			present: []runcheck.Span{{From: at(-60), To: at(5)}, {From: at(22), To: at(60)}},
			runs:    []runcheck.Run{ran(0), ran(30)},
		},
		"nobody, and nothing run": {present: []runcheck.Span{{From: at(-60), To: at(5)}, {From: at(22), To: at(60)}}, runs: []runcheck.Run{ran(0), ran(30)}, want: "miss 20"},
		"covered by a run":        {runs: []runcheck.Run{with(ran(0), func(r *runcheck.Run) { r.Ended = at(15) }), ran(20), ran(30)}},
		"beside a run":            {runs: []runcheck.Run{with(ran(0), func(r *runcheck.Run) { r.Ended = at(15) }), ran(10), ran(20), ran(30)}, want: "extra 10"},
		"queued": {
			terms: func(t *runcheck.Terms) { t.Overlap = runcheck.OverlapQueueAll },
			runs:  []runcheck.Run{with(ran(0), func(r *runcheck.Run) { r.Ended = at(12) }), with(ran(10), late(2*time.Minute)), ran(20), ran(30)},
		},
		"queued beside": {
			terms: func(t *runcheck.Terms) { t.Overlap = runcheck.OverlapQueueAll },
			runs:  []runcheck.Run{with(ran(0), func(r *runcheck.Run) { r.Ended = at(12) }), with(ran(10), late(time.Minute)), ran(20), ran(30)},
			want:  "beside 10",
		},
		"retried": {
			terms: func(t *runcheck.Terms) { t.Retries, t.RetryWithin = 1, time.Minute },
			runs: []runcheck.Run{ran(0), with(ran(10), func(r *runcheck.Run) { r.Failed = true }), with(ran(10), func(r *runcheck.Run) {
				r.Attempt = 2
				late(time.Minute)(r)
			}), ran(20), ran(30)},
		},
		"not retried": {
			terms: func(t *runcheck.Terms) { t.Retries, t.RetryWithin = 1, time.Minute },
			runs:  []runcheck.Run{ran(0), with(ran(10), func(r *runcheck.Run) { r.Failed = true }), ran(20), ran(30)}, want: "miss 10",
		},
		"an attempt twice": {
			terms: func(t *runcheck.Terms) { t.Retries, t.RetryWithin = 1, time.Minute },
			runs: []runcheck.Run{ran(0), with(ran(10), func(r *runcheck.Run) { r.Failed = true }), with(ran(10), func(r *runcheck.Run) {
				late(time.Minute)(r)
			}), ran(20), ran(30)},
			want: "repeat 10",
		},
		"expired": {
			terms:   func(t *runcheck.Terms) { t.Expires = time.Minute },
			present: []runcheck.Span{{From: at(-60), To: at(5)}, {From: at(22), To: at(60)}},
			runs:    []runcheck.Run{ran(0), ran(30)},
		},
		"paused":      {orders: []runcheck.Order{{At: at(5), Ask: runcheck.Pause}, {At: at(25), Ask: runcheck.Resume}}, runs: []runcheck.Run{ran(0), ran(30)}},
		"not paused":  {orders: []runcheck.Order{{At: at(5), Ask: runcheck.Pause}, {At: at(25), Ask: runcheck.Resume}}, runs: []runcheck.Run{ran(0), ran(10), ran(30)}, want: "extra 10"},
		"skipped":     {orders: []runcheck.Order{{At: at(5), Ask: runcheck.Skip}}, runs: []runcheck.Run{ran(0), ran(20), ran(30)}},
		"a skip lost": {orders: []runcheck.Order{{At: at(5), Ask: runcheck.Skip}}, runs: []runcheck.Run{ran(0), ran(10), ran(20), ran(30)}, want: "extra 10"},
		"early retry": {
			terms: func(t *runcheck.Terms) { t.Retries, t.RetryWithin = 1, time.Minute },
			runs: []runcheck.Run{ran(0), with(ran(10), func(r *runcheck.Run) { r.Failed = true }), with(ran(10), func(r *runcheck.Run) {
				r.Attempt, r.Due = 2, at(11)
				late(30 * time.Second)(r)
			}), ran(20), ran(30)},
			want: "early 10",
		},
		"stopped by its next date": {
			terms: func(t *runcheck.Terms) { t.Overlap, t.Retries, t.RetryWithin = runcheck.OverlapCancel, 1, time.Minute },
			runs:  []runcheck.Run{with(ran(0), func(r *runcheck.Run) { r.Ended, r.Failed = at(10), true }), ran(10), ran(20), ran(30)},
		},
		"not stopped": {
			terms: func(t *runcheck.Terms) { t.Overlap = runcheck.OverlapCancel },
			runs:  []runcheck.Run{with(ran(0), func(r *runcheck.Run) { r.Ended = at(15) }), with(ran(10), late(5*time.Minute)), ran(20), ran(30)},
			want:  "beside 0",
		},
		"run beside": {
			terms: func(t *runcheck.Terms) { t.Overlap = runcheck.OverlapAllow },
			runs:  []runcheck.Run{with(ran(0), func(r *runcheck.Run) { r.Ended = at(15) }), besides(10), ran(20), ran(30)},
		},
		"run beside, and by itself": {
			terms: func(t *runcheck.Terms) { t.Overlap = runcheck.OverlapAllow },
			runs:  []runcheck.Run{with(ran(0), func(r *runcheck.Run) { r.Ended = at(15) }), besides(10), with(ran(10), late(5*time.Minute)), ran(20), ran(30)},
			want:  "extra 10",
		},
		"run beside one that was on at the end": {
			terms: func(t *runcheck.Terms) { t.Overlap, t.AtMostOnce = runcheck.OverlapAllow, true },
			runs:  []runcheck.Run{ran(0), with(ran(10), func(r *runcheck.Run) { r.Ended = time.Time{} }), besides(20), besides(30)},
		},
		"run beside, run now, and the retry": {
			terms: func(t *runcheck.Terms) {
				t.Overlap, t.Retries, t.RetryWithin = runcheck.OverlapAllow, 1, time.Minute
			},
			orders: []runcheck.Order{{At: at(12), Ask: runcheck.RunNow}},
			runs: []runcheck.Run{
				with(ran(0), func(r *runcheck.Run) { r.Ended, r.Failed = at(15), true }), besides(10),
				with(ran(15), func(r *runcheck.Run) { r.Ended = at(15.1) }),
				with(ran(0), func(r *runcheck.Run) { r.Started, r.Ended, r.Attempt = at(15.5), at(15.6), 2 }), ran(20), ran(30),
			},
		},
		"not run beside": {
			terms: func(t *runcheck.Terms) { t.Overlap = runcheck.OverlapAllow },
			runs:  []runcheck.Run{with(ran(0), func(r *runcheck.Run) { r.Ended = at(15) }), ran(20), ran(30)},
			want:  "miss 10",
		},
		"run now":      {orders: []runcheck.Order{{At: at(5), Ask: runcheck.RunNow}}, runs: []runcheck.Run{ran(0), ran(5), ran(10), ran(20), ran(30)}},
		"not run now":  {orders: []runcheck.Order{{At: at(5), Ask: runcheck.RunNow}}, runs: []runcheck.Run{ran(0), ran(10), ran(20), ran(30)}, want: "miss 5"},
		"canceled":     {orders: []runcheck.Order{{At: at(5), Ask: runcheck.Cancel}}, runs: []runcheck.Run{ran(0)}},
		"not canceled": {orders: []runcheck.Order{{At: at(5), Ask: runcheck.Cancel}}, runs: []runcheck.Run{ran(0), ran(10)}, want: "extra 10"},
		"edited": {
			orders: []runcheck.Order{{At: at(5), Terms: runcheck.Terms{Dates: runcheck.Once(at(12)), Once: true}}},
			runs:   []runcheck.Run{ran(0), ran(12)},
		},
		"paused by errors": {
			terms: func(t *runcheck.Terms) { t.PauseAfter = 1 },
			runs:  []runcheck.Run{with(ran(0), func(r *runcheck.Run) { r.Failed = true }), ran(10)}, want: "extra 10",
		},
		"cut, and again": {
			present: []runcheck.Span{{From: at(-60), To: at(0.1)}, {From: at(2), To: at(60)}},
			runs:    []runcheck.Run{with(ran(0), func(r *runcheck.Run) { r.Ended = time.Time{} }), with(ran(0), late(2*time.Minute)), ran(10), ran(20), ran(30)},
		},
		"cut, and never again": {
			present: []runcheck.Span{{From: at(-60), To: at(0.1)}, {From: at(2), To: at(60)}},
			runs:    []runcheck.Run{with(ran(0), func(r *runcheck.Run) { r.Ended = time.Time{} }), ran(10), ran(20), ran(30)}, want: "miss 0",
		},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			tasks := planned(c.terms)
			tasks[0].Orders = append(tasks[0].Orders, c.orders...)
			if c.present == nil {
				c.present = always()
			}
			report := runcheck.Check(tasks, c.present, c.runs, options())
			var found []string
			for _, f := range report.Findings {
				found = append(found, fmt.Sprint(f.Kind, " ", f.Nominal.Sub(noon).Minutes()))
			}
			if got := strings.Join(found, ", "); got != c.want {
				t.Errorf("found %q, not %q\n%s", got, c.want, report)
			}
			if (report.Err() == nil) != (c.want == "") {
				t.Error("the error is not about the findings")
			}
		})
	}
}

// TestPlantedAmongTasksThatWait: a task with the same dates as the one that it waits for, which fails at 12:10.
func TestPlantedAmongTasksThatWait(t *testing.T) {
	t.Parallel()
	first := []runcheck.Run{ran(0), with(ran(10), func(r *runcheck.Run) { r.Failed = true }), ran(20), ran(30)}
	second := func(date, start float64) runcheck.Run {
		return with(ran(date), func(r *runcheck.Run) {
			r.Task, r.Key, r.Started, r.Ended = "u", fmt.Sprint("u@", date), at(start), at(start+0.1)
		})
	}
	for name, c := range map[string]struct {
		runs []runcheck.Run
		want string
	}{
		"in turn":              {[]runcheck.Run{second(0, 0.2), second(10, 20.2), second(30, 30.2)}, ""},
		"beside the first":     {[]runcheck.Run{second(0, 0), second(10, 20.2), second(30, 30.2)}, "early 0"},
		"after an error":       {[]runcheck.Run{second(0, 0.2), second(10, 10.2), second(30, 30.2)}, "miss 20, early 10"},
		"never":                {nil, "miss 0, miss 10, miss 30"},
		"long after the first": {[]runcheck.Run{second(0, 0.2), second(10, 25), second(30, 30.2)}, "late 10"},
	} {
		terms := runcheck.Terms{Dates: runcheck.Every(noon, 10*time.Minute), After: []string{"t"}}
		tasks := append([]runcheck.Task{{ID: "u", Orders: []runcheck.Order{{At: at(-30), Terms: terms}}}}, planned(nil)...)
		o := options()
		o.Slack = 5 * time.Second
		report := runcheck.Check(tasks, always(), append(c.runs, first...), o)
		var found []string
		for _, f := range report.Findings {
			found = append(found, fmt.Sprint(f.Kind, " ", f.Nominal.Sub(noon).Minutes()))
		}
		if got := strings.Join(found, ", "); got != c.want {
			t.Errorf("%s: found %q, not %q\n%s", name, got, c.want, report)
		}
	}
}

// TestDeaths: what ran before a death may run again after it, and nothing else may.
func TestDeaths(t *testing.T) {
	t.Parallel()
	again := func(minutes float64) runcheck.Run {
		return with(ran(0), func(r *runcheck.Run) { r.Started, r.Ended = at(minutes), at(minutes).Add(time.Second) })
	}
	present := []runcheck.Span{{From: at(-60), To: at(2)}, {From: at(2), To: at(600)}}
	task := []runcheck.Task{{ID: "t", Orders: []runcheck.Order{{At: at(-30), Terms: runcheck.Terms{Dates: runcheck.Once(noon), Once: true}}}}}
	o := options()
	o.Deaths, o.Late = []time.Time{at(2)}, time.Minute
	if err := runcheck.Check(task, present, []runcheck.Run{ran(0), again(2.5)}, o).Err(); err != nil {
		t.Error(err)
	}
	if report := runcheck.Check(task, present, []runcheck.Run{ran(0), again(1)}, o); len(report.Of(runcheck.Extra)) != 1 {
		t.Errorf("a run was repeated, and nobody had died: %s", report)
	}
}
