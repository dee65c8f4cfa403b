package task_test

import (
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// What people ask for while no worker is there, and after one has died during a run.

const begun = `"history":[{"status":"running","at":"2026-11-18T09:00:01Z"}]`

// TestWordOverARunThatBrokeOff: a person's word takes the place of the status that says that a task runs, and the run is not forgotten.
func TestWordOverARunThatBrokeOff(t *testing.T) {
	t.Parallel()
	const onlyOnce = `"delivery":"at-most-once"`
	broken := func(status, more string) string {
		return join(`"status":"`+status+`"`, `"date":"`+nine+`"`, `"repeat":{"hours":1}`, begun, claim("dead"), more,
			planAt("2026-11-18T06:00:00Z", nine, 3, nine, "PT1H"))
	}
	const ten, rightNow = "2026-11-18T10:00:00Z", "2026-11-18T09:30:15.007Z"
	for _, c := range []struct{ fields, want, after string }{
		{broken("run", ""), "schedule scheduled " + rightNow, "schedule scheduled " + nine},
		{broken("run", onlyOnce), "schedule scheduled " + rightNow, "schedule scheduled " + ten},
		{broken("pause", ""), "end paused", "schedule scheduled " + nine},
		{broken("pause", onlyOnce), "end paused unknown: its worker", "schedule scheduled " + ten},
		{broken("skip", ""), "schedule scheduled " + ten, ""},
		{broken("skip", onlyOnce), "schedule scheduled 2026-11-18T11:00:00Z", ""},
		{broken("resume", ""), "schedule scheduled " + nine, ""},
		{broken("resume", onlyOnce), "schedule scheduled " + ten, ""},
		{join(`"status":"pause"`, `"date":"`+nine+`"`, begun, claim("dead"), onlyOnce, plan(nine, nine, "")), "end error unknown: its worker", ""},
		{join(`"status":"run"`, `"date":"`+noon+`"`, begun, claim("dead"), onlyOnce, plan(nine, nine, "")), "schedule scheduled " + rightNow, "schedule scheduled " + noon},
		{broken("cancel", ""), "end canceled", ""},
	} {
		d := task.Decide(decode(t, document(c.fields)), recovering())
		if got := describe(d); !matches(got, c.want) {
			t.Errorf("%s: %s, want %s", c.fields, got, c.want)
			continue
		}
		switch d.Next.Status {
		case task.Paused:
			d = task.Decide(writes(t, d, "4-a", "resume"), ours())
		default:
			d = task.Settle(writes(t, d, "4-a", ""), ok(), ours())
		}
		if got := describe(d); c.after != "" && !matches(got, c.after) {
			t.Errorf("%s, and then: %s, want %s", c.fields, got, c.after)
		}
	}
	here := recovering()
	here.Self.Incarnation = "dead" // alive after all: its note of the run was written, and the word came before the start
	if d := task.Decide(decode(t, document(broken("run", onlyOnce))), here); d.Next.Error != nil {
		t.Errorf("what did not begin counts as run: %s", describe(d))
	}
}

// TestRunNowWhileNobodyWasThere: a run that a person asked for comes first, and then what the missed rule says of the dates that passed.
func TestRunNowWhileNobodyWasThere(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ missed, want, next string }{
		{`"skip"`, "schedule scheduled 2026-11-18T10:00:00Z", ""},
		{`"run"`, "schedule scheduled " + nine, "schedule scheduled 2026-11-18T10:00:00Z"},
		{`"all"`, "schedule scheduled 2026-11-18T06:00:00Z", "schedule scheduled 2026-11-18T07:00:00Z"},
		{`{"rule":"all","limit":2}`, "schedule scheduled 2026-11-18T08:00:00Z", "schedule scheduled " + nine},
	} {
		const six = "2026-11-18T06:00:00Z"
		away := document(join(`"status":"run"`, `"date":"`+six+`"`, `"repeat":{"hours":1}`, `"missed":`+c.missed, planAt(six, six, 0, six, "PT1H")))
		d := task.Decide(decode(t, away), recovering())
		if d.Action != task.Schedule || !d.Next.Plan.Due.Equal(now) {
			t.Fatalf("%s: it does not run: %s", c.missed, describe(d))
		}
		d = task.Settle(writes(t, d, "4-a", ""), ok(), ours())
		if got := describe(d); !matches(got, c.want) {
			t.Errorf("%s, after the run: %s, want %s", c.missed, got, c.want)
		}
		if c.next == "" {
			continue
		}
		if got := describe(task.Settle(writes(t, d, "5-a", ""), ok(), ours())); !matches(got, c.next) {
			t.Errorf("%s, after the first date: %s, want %s", c.missed, got, c.next)
		}
	}
}

// TestMissedBehindARunThatWasAskedFor: the worker goes away before, or during, a run beside the plan, whose dates pass meanwhile.
func TestMissedBehindARunThatWasAskedFor(t *testing.T) {
	t.Parallel()
	const six, seven, ten = "2026-11-18T06:00:00Z", "2026-11-18T07:00:00Z", "2026-11-18T10:00:00Z"
	asked := func(missed, interrupted string) string {
		back := `"back":{"index":0,"nominal":"` + six + `","due":"` + six + `","key":"k"` + interrupted + `}}`
		return join(`"date":"`+six+`"`, `"repeat":{"hours":1}`, `"missed":`+missed, claim("dead"),
			strings.TrimSuffix(planAt(six, "2026-11-18T06:30:00Z", 0, "2026-11-18T06:30:00Z", "PT1H"), "}")+","+back)
	}
	for _, c := range []struct{ missed, interrupted, want, next string }{
		{`"skip"`, "", ten, ""},
		{`"run"`, "", nine, ten},
		{`"all"`, "", six, seven},
		{`{"rule":"all","limit":2}`, "", "2026-11-18T08:00:00Z", nine},
		{`"skip"`, `,"interrupted":true`, six, ten},
		{`"run"`, `,"interrupted":true`, six, nine},
		{`"all"`, `,"interrupted":true`, six, seven},
	} {
		for _, status := range []string{"scheduled", "running"} {
			d := task.Decide(decode(t, document(join(`"status":"`+status+`"`, asked(c.missed, c.interrupted)))), recovering())
			if d.Action != task.Start || d.Next.Plan.Nominal.Format(time.RFC3339) != "2026-11-18T06:30:00Z" {
				t.Fatalf("%s: what was asked for does not run: %s", status, describe(d))
			}
			d = task.Settle(d.Next, ok(), ours())
			if got := describe(d); !matches(got, "schedule scheduled "+c.want) {
				t.Errorf("%s, %s%s: %s, want %s", status, c.missed, c.interrupted, got, c.want)
			}
			if c.next == "" {
				continue
			}
			if got := describe(task.Settle(writes(t, d, "5-a", ""), ok(), ours())); !matches(got, "schedule scheduled "+c.next) {
				t.Errorf("%s, %s%s, after the first date: %s, want %s", status, c.missed, c.interrupted, got, c.next)
			}
		}
	}
}

// TestRunNowOverARunThatWasStopped: the run that a worker's stop cut short comes next, and then what the missed rule says.
func TestRunNowOverARunThatWasStopped(t *testing.T) {
	t.Parallel()
	const six = "2026-11-18T06:00:00Z"
	for missed, want := range map[string]string{
		"skip": "schedule scheduled 2026-11-18T10:00:00Z", "run": "schedule scheduled " + nine, "all": "schedule scheduled 2026-11-18T07:00:00Z",
	} {
		away := document(join(`"status":"run"`, `"date":"`+six+`"`, `"repeat":{"hours":1}`, `"overlap":"queue-all"`, `"missed":"`+missed+`"`,
			strings.TrimSuffix(planAt(six, six, 0, six, "PT1H"), "}")+`,"interrupted":true}`))
		d := task.Decide(decode(t, away), recovering())
		d = task.Settle(writes(t, d, "4-a", ""), ok(), ours())
		if got := describe(d); !matches(got, "schedule scheduled "+six) {
			t.Fatalf("%s, after the run: %s", missed, got)
		}
		if got := describe(task.Settle(writes(t, d, "5-a", ""), ok(), ours())); !matches(got, want) {
			t.Errorf("%s, after the one that was cut short: %s, want %s", missed, got, want)
		}
	}
}

// TestDatesWithinAPauseDoNotRun: a run that was cut short runs again when the task is resumed; the dates since then do not, nor beside it.
func TestDatesWithinAPauseDoNotRun(t *testing.T) {
	t.Parallel()
	const six = "2026-11-18T06:00:00Z"
	for _, overlap := range []string{"queue-all", "allow", "queue", "skip"} {
		paused := document(join(`"status":"resume"`, `"date":"`+six+`"`, `"repeat":{"hours":1}`, `"overlap":"`+overlap+`"`, `"missed":"all"`,
			strings.TrimSuffix(planAt(six, six, 0, six, "PT1H"), "}")+`,"interrupted":true,"paused":true,"catchup":"2026-11-18T08:30:00Z"}`))
		d := task.Decide(decode(t, paused), ours())
		if got := describe(d); !matches(got, "schedule scheduled "+six) {
			t.Fatalf("%s, resumed: %s", overlap, got)
		}
		resumed := writes(t, d, "4-a", "")
		if overlap == "allow" {
			if date, ok := resumed.Following(now, time.Time{}, ours()); !ok || date.Format(time.RFC3339) != "2026-11-18T10:00:00Z" {
				t.Errorf("the next date beside it is %s, %t", date, ok)
			}
		}
		d = task.Settle(resumed, ok(), ours())
		if got := describe(d); !matches(got, "schedule scheduled 2026-11-18T10:00:00Z") || !d.Next.Plan.Skipped.IsZero() {
			t.Errorf("%s, after the run: %s", overlap, got)
		}
	}
}

// TestMissedAfterARunThatCountsAsRun: what runs at most once does not run again; the dates missed since follow the missed rule, whatever
// overlap says of those that come during a run.
func TestMissedAfterARunThatCountsAsRun(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ fields, want string }{
		{`"missed":"all"`, "schedule scheduled 2026-11-18T07:00:00Z"},
		{`"missed":"run"`, "schedule scheduled " + nine},
		{`"missed":"skip","overlap":"queue-all"`, "schedule scheduled 2026-11-18T10:00:00Z"},
		{`"missed":"run","overlap":"queue-all"`, "schedule scheduled " + nine},
	} {
		const six = "2026-11-18T06:00:00Z"
		lost := join(`"status":"running"`, `"delivery":"at-most-once"`, `"date":"`+six+`"`, `"repeat":{"hours":1}`, c.fields, claim("dead"),
			planAt(six, six, 0, six, "PT1H"))
		if got := describe(task.Decide(decode(t, document(lost)), recovering())); !matches(got, c.want) {
			t.Errorf("%s: %s, want %s", c.fields, got, c.want)
		}
	}
	again := document(join(`"status":"scheduled"`, `"date":"2026-11-18T06:00:00Z"`, `"repeat":{"hours":1}`, `"missed":"skip","overlap":"queue-all"`,
		strings.TrimSuffix(planAt("2026-11-18T06:00:00Z", "2026-11-18T06:00:00Z", 0, "2026-11-18T06:00:00Z", "PT1H"), "}")+`,"interrupted":true}`))
	d := task.Decide(decode(t, again), recovering())
	if d.Action != task.Start {
		t.Fatalf("what was cut short does not run: %s", describe(d))
	}
	if got := describe(task.Settle(d.Next, ok(), ours())); !matches(got, "schedule scheduled 2026-11-18T10:00:00Z") {
		t.Errorf("missed dates run although missed is skip: %s", got)
	}
}

// TestRunNowKeepsWhatCalendarsSaid: a plan that was made before a calendar changed is made anew after a run beside it.
func TestRunNowKeepsWhatCalendarsSaid(t *testing.T) {
	t.Parallel()
	for _, paused := range []bool{false, true} {
		v := ours()
		calendar := `{"type":"calendar","dates":["2026-11-19"]}`
		v.Calendar = func(string) (*when.Calendar, error) { return when.ParseCalendar([]byte(calendar)) }
		d := task.Decide(decode(t, document(`"date":"2026-11-18T20:00:00Z","repeat":{"cron":"0 9 * * *","except":"holidays"}`)), v)
		if paused {
			d = task.Decide(writes(t, d, "4-a", "pause"), v)
		}
		calendar = `{"type":"calendar","dates":[]}`
		d = task.Decide(writes(t, d, "5-a", "run"), v)
		d = task.Settle(writes(t, d, "6-a", ""), ok(), v)
		if paused {
			d = task.Decide(writes(t, d, "7-a", "resume"), v)
		}
		if got := d.Next.Plan.Nominal.Format(time.RFC3339); d.Action != task.Schedule || got != "2026-11-19T09:00:00Z" {
			t.Errorf("paused %v: goes on at %s", paused, got)
		}
	}
}

// TestWaitingIsNotMissed: a date that passed while its task waited for others, and a worker was there, was not missed.
func TestWaitingIsNotMissed(t *testing.T) {
	t.Parallel()
	v := recovering()
	for since, want := range map[string]string{"2026-11-18T08:59:00Z": "start scheduled " + nine, "2026-11-18T09:10:00Z": "end error missed: it was due"} {
		for _, waited := range []string{`"status":"waiting"`, join(`"status":"scheduled"`, plan(nine, nine, ""))} {
			v.Since = at(t, since)
			d := task.Decide(decode(t, document(join(waited, `"date":"`+nine+`"`, `"after":"u"`, `"missed":"skip"`))), v)
			if got := describe(d); !matches(got, want) {
				t.Errorf("%s, met at %s: %s, want %s", waited, since, got, want)
			}
		}
	}
}
