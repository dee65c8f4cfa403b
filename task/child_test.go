package task_test

import (
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
