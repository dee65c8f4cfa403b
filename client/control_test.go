package client_test

import (
	"context"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
)

func TestControl(t *testing.T) {
	t.Parallel()
	c, db := tasks(t)
	ctx := t.Context()
	const plan = `"plan":{"from":"2099-01-01T00:00:00Z","nominal":"2099-01-01T00:00:00Z","due":"2099-01-01T00:00:00Z","key":"k"}`
	paused := strings.Replace(plan, `"key"`, `"paused":true,"key"`, 1)
	for name, test := range map[string]struct {
		fields string
		do     func(id string) error
		want   string // the status afterwards
		why    string // or why it is refused
	}{
		"pause":               {`"status":"scheduled"`, func(id string) error { return c.Pause(ctx, id, "") }, "pause", ""},
		"pause ended":         {`"status":"done"`, func(id string) error { return c.Pause(ctx, id, "") }, "done", "it has ended as done"},
		"resume":              {`"status":"paused"`, func(id string) error { return c.Resume(ctx, id) }, "resume", ""},
		"resume at once":      {`"status":"pause"`, func(id string) error { return c.Resume(ctx, id) }, "resume", ""},
		"resume a paused run": {`"status":"running",` + paused, func(id string) error { return c.Resume(ctx, id) }, "resume", ""},
		"resume scheduled":    {`"status":"scheduled",` + plan, func(id string) error { return c.Resume(ctx, id) }, "scheduled", "it is not paused: it is scheduled"},
		"resume replanned":    {`"status":"waiting",` + paused, func(id string) error { return c.Resume(ctx, id) }, "waiting", "it is not paused: it is waiting"},
		"run":                 {`"status":"scheduled"`, func(id string) error { return c.Run(ctx, id) }, "run", ""},
		"run ended":           {`"status":"error"`, func(id string) error { return c.Run(ctx, id) }, "run", ""},
		"skip":                {`"status":"scheduled"`, func(id string) error { return c.Skip(ctx, id) }, "skip", ""},
		"skip ended":          {`"status":"canceled"`, func(id string) error { return c.Skip(ctx, id) }, "canceled", "it has ended as canceled"},
		"skip twice":          {`"status":"skip"`, func(id string) error { return c.Skip(ctx, id) }, "skip", "its next firing is being skipped already"},
	} {
		put(t, db, `{"_id":"`+name+`","worker":"w","job":"j",`+test.fields+`}`)
		err := test.do(name)
		got, read := c.Get(ctx, name)
		must(t, read)
		if string(got.Status) != test.want {
			t.Errorf("%s: the status is %s, want %s", name, got.Status, test.want)
		}
		refused, _ := errors.AsType[*couch.Error](err)
		switch {
		case test.why == "" && err != nil:
			t.Errorf("%s: %v", name, err)
		case test.why != "" && (!client.IsRefused(err) || refused.Reason != test.why):
			t.Errorf("%s: %v, want %s", name, err, test.why)
		}
	}
	must(t, c.Pause(ctx, "pause", `because "so"`))
	if got := body(t, db, "pause"); !strings.Contains(got, `"note":"because \"so\""`) {
		t.Errorf("the note is not in %s", got)
	}
	if err := c.Skip(ctx, "nothere"); !couch.IsNotFound(err) {
		t.Errorf("a task that is not there: %v", err)
	}
}

func TestRunAndWait(t *testing.T) {
	t.Parallel()
	c, db := tasks(t)
	const plan = `"plan":{"from":"2099-01-01T00:00:00Z","nominal":"2099-01-01T00:00:00Z","due":"2099-01-01T00:00:00Z","key":"k"`
	put(
		t, db, `{"_id":"a","worker":"w","job":"j","executions":3,"status":"scheduled",`+plan+`}}`,
		`{"_id":"b","worker":"w","job":"j","executions":1,"status":"done"}`, `{"_id":"c","worker":"w","job":"j","status":"paused"}`,
	)
	back := plan + `,"back":{"nominal":"2099-01-01T00:00:00Z","due":"2099-01-01T00:00:00Z","key":"k"}}`
	var told []string
	worker := func(one *task.Task) error {
		told = append(told, one.ID+" "+string(one.Status))
		switch {
		case one.Status == task.RunNow && one.ID == "b":
			set(t, db, "b", "executions", "2")
			set(t, db, "b", "status", `"done"`)
		case one.Status == task.RunNow && one.ID == "c":
			_ = c.Delete(t.Context(), "c")
		case one.Status == task.RunNow: // the worker starts it, it fails and is tried again, and goes back to its plan
			set(t, db, "a", "plan", strings.TrimPrefix(back, `"plan":`))
			set(t, db, "a", "executions", "4")
			set(t, db, "a", "status", `"scheduled"`)
		case one.ID == "a" && one.Plan.Back != nil && one.Status == task.Scheduled:
			set(t, db, "a", "executions", "5")
			set(t, db, "a", "plan", strings.TrimPrefix(plan, `"plan":`)+"}")
		}
		return nil
	}
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	ended, err := c.RunAndWait(ctx, []string{"a", "b", "c"}, worker)
	must(t, err)
	if ended[0].Executions != 5 || ended[0].Plan.Back != nil || ended[1].Executions != 2 || !ended[2].Deleted {
		t.Errorf("ended as %s, %s, %v; told of %v", ended[0].Encode(), ended[1].Encode(), ended[2].Deleted, told)
	}
	if _, err := c.RunAndWait(ctx, []string{"nothere"}, nil); !couch.IsNotFound(err) {
		t.Errorf("a task that is not there: %v", err)
	}
}

func TestBackfill(t *testing.T) {
	t.Parallel()
	c, db := tasks(t)
	ctx := t.Context()
	put(
		t, db, `{"_id":"a","worker":"w","job":{"name":"j","arguments":[1]},"repeat":"0 9 * * *","timezone":"Europe/Berlin","retry":2,"x":1}`,
		`{"_id":"b","worker":"w","job":"j","date":"2025-01-10T09:00:00Z","repeat":{"days":1}}`, `{"_id":"once","worker":"w","job":"j"}`,
		`{"_id":"broken","worker":"w","job":"j","repeat":"whenever"}`, `{"_id":"nowhere","worker":"w","job":"j","repeat":"1d","timezone":"x"}`,
	)
	day := func(n int) time.Time { return time.Date(2025, 1, n, 8, 0, 0, 0, time.UTC) }
	idsOf := func(all []client.Backfilled) (ids []string) {
		for _, one := range all {
			id := one.ID
			if one.There {
				id += " there"
			}
			ids = append(ids, id)
		}
		return ids
	}
	some, err := c.Backfill(ctx, "a", client.Backfill{From: day(2), Until: day(3)})
	must(t, err)
	if diff := cmp.Diff([]string{"a@2025-01-02T08:00:00Z", "a@2025-01-03T08:00:00Z"}, idsOf(some)); diff != "" {
		t.Error(diff)
	}
	child, err := c.Get(ctx, some[0].ID)
	must(t, err)
	if child.Job != "j" || child.Status != task.Waiting || child.Repeat != nil || child.RetryLimit() != 2 || child.Timezone != "Europe/Berlin" ||
		!strings.Contains(string(child.Encode()), `"backfill":{"task":"a"}`) {
		t.Errorf("it wrote %s", child.Encode())
	}
	for range 2 { // a dry run writes nothing
		more, err := c.Backfill(ctx, "a", client.Backfill{From: day(3), Until: day(4), DryRun: true})
		must(t, err)
		if diff := cmp.Diff([]string{"a@2025-01-03T08:00:00Z there", "a@2025-01-04T08:00:00Z"}, idsOf(more)); diff != "" {
			t.Error(diff)
		}
	}
	more, err := c.Backfill(ctx, "a", client.Backfill{From: day(3), Until: day(4)})
	must(t, err)
	if diff := cmp.Diff([]string{"a@2025-01-03T08:00:00Z there", "a@2025-01-04T08:00:00Z"}, idsOf(more)); diff != "" {
		t.Error(diff)
	}
	counted, err := c.Backfill(ctx, "b", client.Backfill{From: day(9), Until: day(12), DryRun: true}) // also before its first date
	must(t, err)
	if diff := cmp.Diff([]string{"b@2025-01-09T09:00:00Z", "b@2025-01-10T09:00:00Z", "b@2025-01-11T09:00:00Z"}, idsOf(counted)); diff != "" {
		t.Error(diff)
	}
	for id, test := range map[string]struct {
		b    client.Backfill
		want string
	}{
		"a":       {client.Backfill{From: day(1), Until: day(31), Most: 30}, "more than 30 dates"},
		"b":       {client.Backfill{From: day(3), Until: day(2)}, "lies before from"},
		"once":    {client.Backfill{From: day(1), Until: day(2)}, "it does not repeat"},
		"broken":  {client.Backfill{From: day(1), Until: day(2)}, "repeat: "},
		"nowhere": {client.Backfill{From: day(1), Until: day(2)}, "timezone: "},
		"nothere": {client.Backfill{From: day(1), Until: day(2)}, "missing"},
	} {
		if _, err := c.Backfill(ctx, id, test.b); err == nil || !strings.Contains(err.Error(), test.want) {
			t.Errorf("%s: %v, want %q", id, err, test.want)
		}
	}
	if _, err := c.Backfill(ctx, "a", client.Backfill{From: day(1), Until: time.Now().Add(time.Hour)}); err == nil {
		t.Error("a backfill of the future")
	}
	_, err = c.Backfill(ctx, "a", client.Backfill{From: time.Now().Add(time.Hour), Until: time.Now()})
	if err == nil || !strings.Contains(err.Error(), "lies in the future") {
		t.Errorf("a backfill from the future on: %v", err)
	}
}

func TestRunAndWaitForNothing(t *testing.T) {
	t.Parallel()
	c, db := tasks(t)
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	if ended, err := c.RunAndWait(ctx, nil, nil); err != nil || len(ended) != 0 {
		t.Errorf("no task: %v, %v", ended, err)
	}
	put(t, db, `{"_id":"a","worker":"w","job":"j","status":"scheduled"}`)
	ended, err := c.RunAndWait(ctx, []string{"a", "a"}, func(one *task.Task) error {
		set(t, db, "a", "status", `"pause"`)
		return nil
	})
	if !client.IsRefused(err) || len(ended) != 2 || ended[0].Status != task.Pause || ended[1] != ended[0] {
		t.Errorf("a run that was taken back: %v, %v", ended, err)
	}
}

// TestTheDatabasesOwnDocuments: no order and no deletion reaches an index.
func TestTheDatabasesOwnDocuments(t *testing.T) {
	t.Parallel()
	c, db := tasks(t)
	put(t, db, `{"_id":"_design/after","language":"query"}`)
	before := body(t, db, "_design/after")
	for name, do := range map[string]func(ctx context.Context, id string) error{
		"cancel": c.Cancel, "retry": c.Retry, "delete": c.Delete, "resume": c.Resume, "run": c.Run, "skip": c.Skip,
		"pause":      func(ctx context.Context, id string) error { return c.Pause(ctx, id, "") },
		"reschedule": func(ctx context.Context, id string) error { return c.Reschedule(ctx, id, time.Now()) },
		"wait": func(ctx context.Context, id string) error {
			_, err := c.RunAndWait(ctx, []string{id}, nil)
			return err
		},
	} {
		if err := do(t.Context(), "_design/after"); !client.IsRefused(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
	if now := body(t, db, "_design/after"); now != before {
		t.Errorf("it was %s and is %s", before, now)
	}
}
