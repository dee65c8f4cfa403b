package worker

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/adlayer/after/runs"
	"github.com/adlayer/after/scheduler"
	"github.com/adlayer/after/task"
)

// TestHistoryOfOutcomesWithoutDocument: a run whose outcome no document takes any more is in the history all the same.
func TestHistoryOfOutcomesWithoutDocument(t *testing.T) {
	t.Parallel()
	db := storeOf(t)
	history := db.Client().Database("history")
	const date = "2026-11-18T09:00:00Z"
	document := func(id, incarnation string) *task.Task {
		t.Helper()
		doc, err := task.Decode(fmt.Appendf(nil, `{"_id":%q,"_rev":"2-a","worker":"w","job":"j","repeat":{"days":1},"status":"scheduled","date":%q,
			"plan":{"from":%[2]q,"nominal":%[2]q,"due":%[2]q,"key":%q},"claim":{"worker":"w","member":%q,"incarnation":%[4]q}}`, id, date, id+"@"+date+"/1-a", incarnation))
		if err != nil {
			t.Fatal(err)
		}
		return doc
	}
	ends := map[string]func(l *loop, i uint32, e *entry){
		"deleted while the write that it runs was under way": func(l *loop, i uint32, e *entry) {
			e.act.purpose, e.act.inFlight, e.act.next = begun, true, e.act.ran
			l.onGone(i, e)
		},
		"taken over by another member": func(l *loop, i uint32, e *entry) {
			e.act.edit = document(e.id, "other")
			l.settle(i, e)
		},
	}
	for id, end := range ends {
		l := &loop{
			config: Config{Now: time.Now, Runs: runs.NewWriter(history, discard())}, log: discard(), self: task.Self{Member: "own", Incarnation: "own"},
			table: newTable(), wheel: scheduler.New[uint32](), upstreams: newUpstreams(), calendarUsers: newCalendarUsers(), finished: newFinished(),
			workersOf: []*named{{}}, writing: context.WithoutCancel(t.Context()),
		}
		i, e := l.add(id, 0)
		at := time.Date(2026, 11, 18, 9, 0, 1, 0, time.UTC)
		act := e.activity()
		act.ran, act.outcome = document(id, "own"), &task.Outcome{Started: at, Finished: at}
		end(l, i, e)
		l.requesters.Wait()
		var got []runs.Run
		for r, err := range runs.List(t.Context(), history, id, runs.Filter{}) {
			if err != nil {
				t.Fatal(err)
			}
			got = append(got, r)
		}
		if len(got) != 1 || got[0].Incarnation != "own" {
			t.Errorf("%s: %+v", id, got)
		}
	}
}
