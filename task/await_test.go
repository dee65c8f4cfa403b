package task_test

import (
	"errors"
	"fmt"
	"testing"

	"github.com/adlayer/after/task"
)

// TestCallbackOfWhichFiring: a callback is of the firing that is on, of one that may have begun from this revision without having been written yet, or
// of one that is over.
func TestCallbackOfWhichFiring(t *testing.T) {
	t.Parallel()
	const on, early, over = "on", "early", "over"
	planned := func(nominal, asked string) string {
		return fmt.Sprintf(`,"plan":{"from":%[1]q,"nominal":%[1]q,"due":%[1]q,"key":"t@%[1]s/%[2]s"}`, nominal, asked)
	}
	const nine, ten = "2026-12-01T09:00:00Z", "2026-12-01T10:00:00Z"
	for name, test := range map[string]struct{ document, nominal, asked, want string }{
		"at once":                         {`"status":"waiting"`, nine, "7-aaaaaaaa", early},
		"without a status":                {`"date":"` + nine + `"`, nine, "7-aaaaaaaa", early},
		"edited in between":               {`"status":"waiting"`, nine, "6-bbbbbbbb", early},
		"edited, its date stays":          {`"status":"waiting","date":"` + nine + `"`, nine, "6-bbbbbbbb", early},
		"a date in words":                 {`"status":"waiting","date":"tomorrow"`, nine, "6-bbbbbbbb", early},
		"a repeat, whose first is later":  {`"status":"waiting","date":"2026-12-01","repeat":"0 9 * * *"`, nine, "6-bbbbbbbb", early},
		"another date":                    {`"status":"waiting","date":"` + ten + `"`, nine, "6-bbbbbbbb", over},
		"run again":                       {`"status":"waiting"` + planned(nine, "2-cccccccc"), ten, "7-aaaaaaaa", early},
		"planned anew while it ran":       {`"status":"reschedule"` + planned(nine, "2-cccccccc"), nine, "2-cccccccc", over},
		"a firing before the last":        {`"status":"waiting"` + planned(ten, "4-cccccccc"), nine, "2-dddddddd", over},
		"a date before the last":          {`"status":"waiting"` + planned(ten, "4-cccccccc"), nine, "4-cccccccc", over},
		"asked for now":                   {`"status":"run"` + planned(nine, "2-cccccccc"), ten, "7-aaaaaaaa", early},
		"asked for now, with a callback":  {`"status":"run"` + planned(nine, "2-cccccccc"), nine, "2-cccccccc", on},
		"asked for now, of one long gone": {`"status":"run"` + planned(ten, "2-cccccccc"), nine, "2-cccccccc", over},
		"awaited":                         {`"status":"running"` + planned(nine, "2-cccccccc"), nine, "2-cccccccc", on},
		"the next one":                    {`"status":"scheduled"` + planned(ten, "2-cccccccc"), nine, "2-cccccccc", over},
		"canceled soon":                   {`"status":"cancel"` + planned(nine, "2-cccccccc"), nine, "2-cccccccc", over},
		"done":                            {`"status":"done"` + planned(nine, "2-cccccccc"), nine, "2-cccccccc", over},
	} {
		document, err := task.Decode([]byte(`{"_id":"t","_rev":"7-aaaaaaaabbbbbbbb","worker":"w","job":"j",` + test.document + `}`))
		if err != nil {
			t.Fatal(err)
		}
		got := on
		switch _, err := document.WithCallback(task.Callback{Key: "t@" + test.nominal + "/" + test.asked, Attempt: 1, Status: task.Done}); {
		case errors.Is(err, task.ErrEarly):
			got = early
		case err != nil:
			got = over
		}
		if got != test.want {
			t.Errorf("%s: %s, want %s", name, got, test.want)
		}
	}
}
