package task_test

import (
	"encoding/json"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/adlayer/after/task"
)

// TestLawsOfPacking: a task that the database holds as it is comes back from its bytes, and what follows is the same.
func TestLawsOfPacking(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before, err := task.Decode([]byte(draw(t, "document", true)))
		if err != nil {
			t.Fatal(err)
		}
		v := drawView(t)
		if d := task.Decide(before, v); d.Next != nil && d.Action != task.Ignore {
			before = d.Next
		}
		for range rapid.IntRange(0, 3).Draw(t, "runs") {
			if before.Deleted {
				break
			}
			before = task.Settle(before, drawOutcome(t), v).Next
		}
		if _, ok := before.Pack(); ok && before.Stored().Status != before.Status {
			t.Fatal("what was not written yet is packed")
		}
		before = before.WithRev("7-0123456789abcdef0123456789abcdef")
		packed, ok := before.Pack()
		if !ok {
			t.Fatalf("it is not packed: %s", before.Encode())
		}
		after := packed.Unpack()
		same(t, before, after)
		if diff := cmp.Diff(before.Stored(), after.Stored(), cmp.Transformer("text", func(raw json.RawMessage) string { return string(raw) })); diff != "" {
			t.Fatal(diff)
		}
		if d, e := task.Decide(before, v), task.Decide(after, v); d.Action != e.Action || d.Note != e.Note {
			t.Fatalf("%v (%s), then %v (%s)", d.Action, d.Note, e.Action, e.Note)
		}
		o := drawOutcome(t)
		same(t, task.Settle(before, o, v).Next, task.Settle(after, o, v).Next)
	})
	if nothing := (task.Packed{}).Unpack(); nothing != nil {
		t.Errorf("%+v", nothing)
	}
}

// same wants the same fields with the same values, in whatever order.
func same(t *rapid.T, a, b *task.Task) {
	t.Helper()
	_, values := order(t, a.Encode())
	_, others := order(t, b.Encode())
	if diff := cmp.Diff(values, others); diff != "" {
		t.Fatal(diff)
	}
}
