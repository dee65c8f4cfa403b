package task_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// writes gives the document as the database holds it after a decision, perhaps with a person's word in it.
func writes(t *testing.T, d task.Decision, rev, status string) *task.Task {
	t.Helper()
	next := decode(t, string(d.Next.WithRev(rev).Encode()))
	if status == "" {
		return next
	}
	next, err := next.WithField("status", json.RawMessage(`"`+status+`"`))
	if err != nil {
		t.Fatal(err)
	}
	return next
}

// TestRunNowDoesNotWakeWhatEnded: a person may ask for one more run of a task that has ended, as often as they like; nothing comes after.
func TestRunNowDoesNotWakeWhatEnded(t *testing.T) {
	t.Parallel()
	v := ours()
	for name, fields := range map[string]string{
		"a canceled date to come":   join(`"status":"cancel"`, `"date":"`+noon+`"`, plan(noon, noon, "")),
		"a canceled repeat":         join(`"status":"cancel"`, `"date":"`+noon+`"`, daily, plan(noon, noon, "P1D")),
		"a limit reached":           join(`"status":"scheduled"`, `"date":"`+noon+`"`, `"repetitions":2,"repeat":{"days":1,"limit":2}`, plan(noon, noon, "P1D")),
		"a repeat that was missed":  join(`"status":"scheduled"`, `"date":"`+nine+`"`, `"missed":"skip","repeat":{"days":1,"until":"`+noon+`"}`, plan(nine, nine, "P1D")),
		"a repeat whose job is not": join(`"status":"scheduled"`, `"date":"`+nine+`"`, `"job":"gone"`, daily, plan(nine, nine, "P1D")),
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			v := v
			v.Recovering = true
			d := task.Decide(decode(t, document(fields)), v)
			if d.Action != task.End {
				t.Fatalf("%s does not end: %s", fields, describe(d))
			}
			v.Recovering = false
			v.Known = nil
			for i, rev := range []string{"4-a", "6-b", "8-c"} {
				d = task.Decide(writes(t, d, rev, "run"), v)
				if d.Action != task.Schedule || d.Next.Plan.Due.After(v.Now) {
					t.Fatalf("run %d does not start: %s", i, describe(d))
				}
				d = task.Settle(writes(t, d, rev+"0", ""), ok(), v)
				if d.Action != task.End || d.Next.Status != task.Done {
					t.Fatalf("after run %d: %s", i, describe(d))
				}
			}
		})
	}
}

// TestRunNowKeepsTheCountOfRetries: a run that a person asks for between two attempts does not give the firing its attempts anew.
func TestRunNowKeepsTheCountOfRetries(t *testing.T) {
	t.Parallel()
	v := ours()
	waits := join(`"status":"run"`, `"date":"`+nine+`"`, daily, `"retries":2,"retry":3`, plan(nine, noon, "P1D"))
	d := task.Decide(decode(t, document(waits)), v)
	beside := writes(t, d, "4-a", "")
	if beside.Attempt() != 1 {
		t.Errorf("the run beside is attempt %d", beside.Attempt())
	}
	d = task.Settle(beside, ok(), v)
	if d.Action != task.Schedule || d.Next.Attempt() != 3 || d.Next.Plan.Due.Format(time.RFC3339) != noon {
		t.Errorf("%s, attempt %d", describe(d), d.Next.Attempt())
	}
}

// TestMissedComesBeforeExpired: only a date that the missed rule lets run can expire.
func TestMissedComesBeforeExpired(t *testing.T) {
	t.Parallel()
	v := ours()
	v.Recovering, v.MissedAfter = true, 5*time.Second
	hourly := join(`"status":"scheduled"`, `"date":"2026-11-18T05:00:00Z"`, `"expires":"45m"`, `"repeat":{"hours":1,"limit":9}`, plan("2026-11-18T05:00:00Z", "2026-11-18T05:00:00Z", "PT1H"))
	d := task.Decide(decode(t, document(hourly)), v)
	if d.Action != task.Start || d.Next.Plan.Nominal.Format(time.RFC3339) != nine || d.Next.Repetitions != 0 || d.Next.Skipped != 4 {
		t.Errorf("the latest date does not run: %s", describe(d))
	}
	v.Now = v.Now.Add(20 * time.Minute) // the latest has expired too
	d = task.Decide(decode(t, document(hourly)), v)
	if d.Action != task.Schedule || d.Next.Plan.Nominal.Format(time.RFC3339) != "2026-11-18T10:00:00Z" || d.Next.Error.Kind != task.KindExpired || d.Next.Repetitions != 1 {
		t.Errorf("%s", describe(d))
	}
}

// TestResumeAfterACalendarChanged: a date that a calendar kept free when the task was paused is not left out when it is no holiday any more.
func TestResumeAfterACalendarChanged(t *testing.T) {
	t.Parallel()
	v := ours()
	calendar := `{"type":"calendar","dates":["2026-11-19"]}`
	v.Calendar = func(string) (*when.Calendar, error) { return when.ParseCalendar([]byte(calendar)) }
	d := task.Decide(decode(t, document(`"date":"2026-11-18T20:00:00Z","repeat":{"cron":"0 9 * * *","except":"holidays"}`)), v)
	if got := d.Next.Plan.Nominal.Format(time.RFC3339); got != "2026-11-20T09:00:00Z" {
		t.Fatalf("planned for %s", got)
	}
	d = task.Decide(writes(t, d, "4-a", "pause"), v)
	calendar = `{"type":"calendar","dates":[]}`
	d = task.Decide(writes(t, d, "5-b", "resume"), v)
	if got := d.Next.Plan.Nominal.Format(time.RFC3339); got != "2026-11-19T09:00:00Z" || d.Next.Skipped != 0 {
		t.Errorf("resumed for %s with %d left out", got, d.Next.Skipped)
	}
}

// TestRunNowOutlivesItsWorker: a run that a person asks for beside a repeat whose limit is used up runs, though its worker went away first.
func TestRunNowOutlivesItsWorker(t *testing.T) {
	t.Parallel()
	v := recovering()
	ended := join(`"status":"run"`, `"date":"`+nine+`"`, `"repetitions":2,"repeat":{"days":1,"limit":2}`, plan(nine, nine, "P1D"))
	d := task.Decide(writes(t, task.Decide(decode(t, document(ended)), v), "4-a", ""), v)
	if d.Action != task.Start {
		t.Errorf("it does not run: %s", describe(d))
	}
}

// TestRunNowKeepsAWaitingRetry: a run that a person asks for takes the place of no retry of a task whose only date has passed.
func TestRunNowKeepsAWaitingRetry(t *testing.T) {
	t.Parallel()
	v := ours()
	waits := join(`"status":"run"`, `"date":"`+nine+`"`, `"job":"noop","retries":1,"retry":3`, `"error":{"message":"m","kind":"job"}`, plan(nine, noon, ""))
	d := task.Decide(decode(t, document(waits)), v)
	d = task.Settle(writes(t, d, "4-a", ""), ok(), v)
	if d.Action != task.Schedule || d.Next.Attempt() != 2 || d.Next.Plan.Due.Format(time.RFC3339) != noon {
		t.Errorf("%s, attempt %d", describe(d), d.Next.Attempt())
	}
	d = task.Decide(writes(t, d, "5-a", "cancel"), v) // canceled, the retry is gone for good
	d = task.Decide(writes(t, d, "6-a", "run"), v)
	if d = task.Settle(writes(t, d, "7-a", ""), ok(), v); d.Action != task.End {
		t.Errorf("after a run of the canceled one: %s", describe(d))
	}
}

// TestRunBesideAPause: pause, resume and skip between the order for a run and its start.
func TestRunBesideAPause(t *testing.T) {
	t.Parallel()
	v := ours()
	hourly := join(`"status":"run"`, `"date":"`+noon+`"`, `"repeat":{"hours":1}`, `"retries":2`, planAt("2026-11-18T06:00:00Z", noon, 6, noon, "PT1H"))
	asked := writes(t, task.Decide(decode(t, document(hourly)), v), "4-a", "")
	key := asked.Plan.Key

	d := task.Decide(writes(t, task.Decision{Next: asked}, "5-a", "pause"), v)
	if d.Next.Status != task.Paused {
		t.Fatal(describe(d))
	}
	later := v
	later.Now = at(t, "2026-11-18T14:30:00Z")
	d = task.Decide(writes(t, d, "6-a", "resume"), later)
	if d.Action != task.Schedule || d.Next.Plan.Key != key || d.Next.Plan.Paused || d.Next.Skipped != 3 {
		t.Fatalf("resumed: %s, %d left out", describe(d), d.Next.Skipped)
	}
	if d = task.Decide(writes(t, d, "7-a", ""), later); d.Action != task.Start {
		t.Fatalf("the run does not start: %s", describe(d))
	}
	d = task.Settle(d.Next, ok(), later)
	if d.Next.Plan.Nominal.Format(time.RFC3339) != "2026-11-18T15:00:00Z" || d.Next.Plan.Back != nil || d.Next.Retries != 0 {
		t.Errorf("after the run: %s", describe(d))
	}

	d = task.Decide(writes(t, task.Decision{Next: asked}, "5-b", "skip"), v)
	if d.Action != task.Schedule || d.Next.Plan.Nominal.Format(time.RFC3339) != noon || d.Next.Plan.Back != nil || d.Next.Skipped != 0 || d.Next.Retries != 2 {
		t.Errorf("skipped: %s", describe(d))
	}
}

// TestResumeAfterTheLastDateRunsWhatWasAsked: a run asked for before a pause outlives the end of the plan beside it.
func TestResumeAfterTheLastDateRunsWhatWasAsked(t *testing.T) {
	t.Parallel()
	v := ours()
	last := join(`"status":"run"`, `"date":"`+noon+`"`, `"repeat":{"hours":1,"until":"`+noon+`"}`, planAt("2026-11-18T06:00:00Z", noon, 6, noon, "PT1H"))
	d := task.Decide(writes(t, task.Decide(decode(t, document(last)), v), "4-a", "pause"), v)
	v.Now = at(t, "2026-11-18T14:30:00Z")
	d = task.Decide(writes(t, d, "5-a", "resume"), v)
	if d.Action != task.Schedule {
		t.Fatal(describe(d))
	}
	if d = task.Settle(writes(t, d, "6-a", ""), ok(), v); d.Action != task.End || d.Next.Status != task.Done {
		t.Errorf("after the run: %s", describe(d))
	}
}

// TestCalendarsDoNotBringBackWhatWasSkipped: when another date becomes free, what a person skipped stays skipped.
func TestCalendarsDoNotBringBackWhatWasSkipped(t *testing.T) {
	t.Parallel()
	v := ours()
	calendar := `{"type":"calendar","dates":["2026-11-25"]}`
	v.Calendar = func(string) (*when.Calendar, error) { return when.ParseCalendar([]byte(calendar)) }
	d := task.Decide(decode(t, document(`"date":"2026-11-18T20:00:00Z","repeat":{"cron":"0 9 * * *","except":"holidays"}`)), v)
	d = task.Decide(writes(t, d, "4-a", "skip"), v)
	calendar = `{"type":"calendar","dates":["2026-11-26"]}`
	d = task.Decide(writes(t, d, "5-a", ""), v)
	if got := d.Next.Plan.Nominal.Format(time.RFC3339); got != "2026-11-20T09:00:00Z" {
		t.Fatalf("a calendar changed: %s", got)
	}
	d = task.Decide(writes(t, d, "6-a", "pause"), v)
	calendar = `{"type":"calendar","dates":["2026-11-27"]}`
	d = task.Decide(writes(t, d, "7-a", "resume"), v)
	if got := d.Next.Plan.Nominal.Format(time.RFC3339); got != "2026-11-20T09:00:00Z" {
		t.Errorf("resumed: %s", got)
	}
}

// TestMissedDateThatIsNoneAnyMore: a date that passed while nobody was there, and that a calendar leaves out now, does not run.
func TestMissedDateThatIsNoneAnyMore(t *testing.T) {
	t.Parallel()
	v := recovering()
	calendar := `{"type":"calendar","dates":[]}`
	v.Calendar = func(string) (*when.Calendar, error) { return when.ParseCalendar([]byte(calendar)) }
	v.Now = at(t, "2026-11-18T20:00:00Z")
	planned := writes(t, task.Decide(decode(t, document(`"date":"2026-11-18T20:30:00Z","repeat":{"cron":"0 9 * * *","except":"holidays"}`)), v), "4-a", "")
	for _, c := range []struct{ dates, now, want string }{
		{`"2026-11-19"`, "2026-11-19T10:00:00Z", "schedule scheduled 2026-11-20T09:00:00Z"},
		{`"2026-11-19"`, "2026-11-20T10:00:00Z", "start scheduled 2026-11-20T09:00:00Z"},
		{`"2026-11-20"`, "2026-11-19T10:00:00Z", "start scheduled 2026-11-19T09:00:00Z"},
	} {
		calendar, v.Now = `{"type":"calendar","dates":[`+c.dates+`]}`, at(t, c.now)
		if got := describe(task.Decide(planned, v)); !matches(got, c.want) {
			t.Errorf("closed on %s, back at %s: %s, want %s", c.dates, c.now, got, c.want)
		}
	}
}
