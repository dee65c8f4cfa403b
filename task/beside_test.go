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
