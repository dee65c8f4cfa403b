package task_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/task"
)

// TestPassOver: a date that runs as a task of its own counts as a firing of the repeat, and no run is made up for it.
func TestPassOver(t *testing.T) {
	t.Parallel()
	v := ours()
	for name, test := range map[string]struct {
		fields, want string
		status       task.Status
	}{
		"goes on":            {`"executions":4,"repetitions":1,"repeat":{"hours":1}`, "schedule", task.Scheduled},
		"the last":           {`"executions":4,"repetitions":1,"repeat":{"hours":1,"limit":2}`, "end", task.Done},
		"the last of errors": {`"executions":4,"repetitions":1,"repeat":{"hours":1,"limit":2},"error":{"message":"m","kind":"job"}`, "end", task.Failed},
		"not legible":        {`"executions":4,"repetitions":1,"repeat":"whenever"`, "end", task.Failed},
	} {
		d := task.PassOver(decode(t, document(join(`"status":"scheduled"`, `"overlap":"allow"`, `"date":"`+nine+`"`, test.fields, plan(nine, nine, "PT1H")))), v)
		if d.Action.String() != test.want || d.Next.Status != test.status || d.Next.Executions != 4 {
			t.Errorf("%s: %s", name, describe(d))
		}
		if d.Action == task.Schedule && (d.Next.Repetitions != 2 || !d.Next.Plan.Nominal.Equal(at(t, nine).Add(time.Hour)) || d.Next.Skipped != 0) {
			t.Errorf("%s: %s", name, d.Next.Encode())
		}
	}
}

// TestFollowing: the dates on which a running repeat's overlap rule acts. The firing of 06:00 began at 07:30, as a retry does, or what was
// cut short or missed.
func TestFollowing(t *testing.T) {
	t.Parallel()
	const six = "2026-11-18T06:00:00Z"
	caughtUp := strings.TrimSuffix(planAt(six, six, 0, six, "PT1H"), "}") + `,"catchup":"2026-11-18T07:20:00Z"}`
	for _, c := range []struct{ fields, plan, covered, want string }{
		{`"overlap":"skip"`, "", "", ""},
		{`"overlap":"cancel"`, "", "", "2026-11-18T08:00:00Z"}, // 07:00 did not come during the run
		{`"overlap":"cancel"`, caughtUp, "", "2026-11-18T08:00:00Z"},
		{`"overlap":"allow"`, "", "", "2026-11-18T07:00:00Z"},
		{`"overlap":"allow"`, "", "2026-11-18T07:00:00Z", "2026-11-18T08:00:00Z"},
		{`"overlap":"allow"`, caughtUp, "", ""},
		{`"overlap":"allow","repetitions":1,"repeat":{"hours":1,"limit":4}`, "", "2026-11-18T07:00:00Z", "2026-11-18T08:00:00Z"},
		{`"overlap":"allow","repetitions":1,"repeat":{"hours":1,"limit":4}`, "", "2026-11-18T08:00:00Z", ""},
		{`"overlap":"cancel","repetitions":1,"repeat":{"hours":1,"limit":2}`, "", "", ""},
	} {
		if c.plan == "" {
			c.plan = planAt(six, six, 0, six, "PT1H")
		}
		var covered time.Time
		if c.covered != "" {
			covered = at(t, c.covered)
		}
		if !strings.Contains(c.fields, "repeat\"") {
			c.fields = join(c.fields, `"repeat":{"hours":1}`)
		}
		ran := decode(t, document(join(`"status":"scheduled"`, `"date":"`+six+`"`, c.fields, c.plan)))
		date, ok := ran.Following(at(t, "2026-11-18T07:30:00Z"), covered, ours())
		if ok != (c.want != "") || ok && date.Format(time.RFC3339) != c.want {
			t.Errorf("%s, covered %s: %v %v, want %s", c.fields, c.covered, date, ok, c.want)
		}
	}
}

// TestLimitCountsWhatRanBeside: a repeat fires as often as its limit says, wherever the firings ran.
func TestLimitCountsWhatRanBeside(t *testing.T) {
	t.Parallel()
	const six = "2026-11-18T06:00:00Z"
	for limit, want := range map[int]string{4: "end done", 5: "schedule scheduled " + nine} {
		ran := fmt.Sprintf(`"status":"scheduled","date":%q,"overlap":"allow","repetitions":1,"repeat":{"hours":1,"limit":%d},%s`, six, limit, planAt(six, six, 0, six, "PT1H"))
		o := with(ok(), func(o *task.Outcome) { o.Covered = at(t, "2026-11-18T08:00:00Z") })
		d := task.Settle(decode(t, document(ran)), o, ours())
		if got := describe(d); !matches(got, want) || d.Next.Repetitions != 4 {
			t.Errorf("limit %d: %s after %d firings, want %s", limit, got, d.Next.Repetitions, want)
		}
	}
}
