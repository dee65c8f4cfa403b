package task_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// now is when all tables take place, a Wednesday.
var now = time.Date(2026, 11, 18, 9, 30, 15, 7e6, time.UTC)

var errBoom = errors.New("boom")

const rev = "3-967a00dff5e02add41819138abb3284d"

// ours is the view of the member that runs the tables.
func ours() task.View {
	return task.View{
		Now:   now,
		Self:  task.Self{Member: "m1", Incarnation: "i1"},
		Known: func(job string) bool { return job == "noop" },
	}
}

// recovering is the same after a start.
func recovering() task.View {
	v := ours()
	v.Recovering, v.MissedAfter = true, 10*time.Second
	return v
}

// document builds a task document for the worker w; fields is what stands in it besides, as JSON without braces.
func document(fields string) string {
	if !strings.Contains(fields, `"job"`) {
		fields = join(`"job":"noop"`, fields)
	}
	return fmt.Sprintf(`{"_id":"t","_rev":%q,"worker":"w",%s}`, rev, strings.TrimSuffix(fields, ","))
}

func join(parts ...string) string {
	var kept []string
	for _, part := range parts {
		if part != "" {
			kept = append(kept, part)
		}
	}
	return strings.Join(kept, ",")
}

func decode(tb testing.TB, raw string) *task.Task {
	tb.Helper()
	decoded, err := task.Decode([]byte(raw))
	if err != nil {
		tb.Fatalf("decoding %.300s: %v", raw, err)
	}
	return decoded
}

// at reads an instant of a table; short ones are times of the tables' day.
func at(tb testing.TB, text string) time.Time {
	tb.Helper()
	d, err := when.ParseDate(text, now, time.UTC)
	if err != nil {
		tb.Fatal(err)
	}
	return d.Time
}

// plan builds the field plan of a one-off task.
func plan(nominal, due, rule string) string {
	return planAt(nominal, nominal, 0, due, rule)
}

func planAt(from, nominal string, index int, due, rule string) string {
	if rule != "" {
		rule = fmt.Sprintf(`,"rule":%q`, rule)
	}
	return fmt.Sprintf(`"plan":{"from":%q,"index":%d,"nominal":%q,"due":%q,"key":"t@%s/2-aaaaaaaa"%s}`, from, index, nominal, due, nominal, rule)
}

// claim builds the field claim of an incarnation.
func claim(incarnation string) string {
	return fmt.Sprintf(`"claim":{"worker":"w","member":"m-%s","incarnation":%q,"write":4}`, incarnation, incarnation)
}

// fields reads an encoded document back.
func fields(tb testing.TB, t *task.Task) map[string]json.RawMessage {
	tb.Helper()
	var all map[string]json.RawMessage
	if err := json.Unmarshal(t.Encode(), &all); err != nil {
		tb.Fatalf("encoded to no JSON: %v\n%s", err, t.Encode())
	}
	return all
}

// expect compares fields of the encoded document with raw JSON; "" means that the field must be absent.
func expect(tb testing.TB, t *task.Task, want map[string]string) {
	tb.Helper()
	all := fields(tb, t)
	for name, value := range want {
		if got := string(all[name]); got != value {
			tb.Errorf("%s = %s, want %s", name, got, value)
		}
	}
}

// describe tells a decision in one line, for tables.
func describe(d task.Decision) string {
	if d.Next == nil {
		return d.Action.String()
	}
	text := d.Action.String() + " " + string(d.Next.Status)
	if d.Action != task.End && d.Next.Plan != nil {
		text += " " + when.Format(d.Next.Plan.Due)
		if !d.Next.Plan.Nominal.Equal(d.Next.Plan.Due) {
			text += " for " + when.Format(d.Next.Plan.Nominal)
		}
	}
	if d.Action == task.End && d.Next.Error != nil {
		text += " " + d.Next.Error.Kind + ": " + d.Next.Error.Message
	}
	return text
}

// matches compares a description with what a table wants: errors by their beginning, all else as a whole.
func matches(got, want string) bool {
	return got == want || strings.Contains(want, ": ") && strings.HasPrefix(got, want)
}
