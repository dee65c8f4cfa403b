package task_test

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// draw builds any task document, with unknown fields among the known and odd bytes between them; legible ones have nothing in them
// that nobody can read.
func draw(t *rapid.T, label string, legible bool) string {
	maybe := func(key string, good []string, bad ...string) string {
		values := append([]string{""}, good...)
		if !legible {
			values = append(values, bad...)
		}
		value := rapid.SampledFrom(values).Draw(t, label+" "+key)
		if value == "" {
			return ""
		}
		return `"` + key + `":` + rapid.SampledFrom([]string{"", " ", "\n\t"}).Draw(t, label+" space") + value
	}
	job := `"job":"noop"`
	if !legible {
		job = maybe("job", []string{`"noop"`, `{"name":"noop","arguments":[1]}`}, `"gone"`, `7`)
	}
	parts := []string{
		`"_id":"t"`, `"_rev":"` + rev + `"`, `"worker":"w"`, job,
		maybe("date", []string{`"` + nine + `"`, `"` + nine + `"`, `"2026-11-18"`, `"now"`, `null`}, `"`+noon+`"`, `"in 5 minutes"`, `1796115600000`, `"soon"`),
		maybe("timezone", []string{`"Europe/Berlin"`, `"UTC"`}, `"Nowhere"`),
		maybe("status", []string{`"waiting"`, `"scheduled"`, `"scheduled"`, `"running"`, `"reschedule"`}, `"cancel"`, `"done"`, `"error"`, `"canceled"`, `"odd"`, `7`),
		maybe("repeat", []string{`{"days":1}`, `{"ms":5,"limit":2}`, `"P1M"`}, `{"days":1,"until":"2026-11-18"}`, `{"days":0}`),
		maybe("retry", []string{`2`, `{"limit":1,"interval":"5s"}`}, `{"limit":"x"}`),
		maybe("missed", []string{`"run"`, `"skip"`, `"all"`}), maybe("delivery", []string{`"at-most-once"`}), maybe("timeout", []string{`"30s"`}, `"x"`),
		maybe("plan", []string{strings.TrimPrefix(plan(nine, nine, ""), `"plan":`), strings.TrimPrefix(plan(nine, nine, "P1D"), `"plan":`), awaiting, `{}`, `7`}, strings.TrimPrefix(plan(noon, noon, "P1D"), `"plan":`)),
		maybe("claim", []string{strings.TrimPrefix(claim("dead"), `"claim":`), `[]`}, strings.TrimPrefix(claim("i1"), `"claim":`)),
		maybe("executions", []string{`3`, `-1`, `"x"`}), maybe("repetitions", []string{`1`}), maybe("retries", []string{`1`, `2`}),
		maybe("history", []string{`[{"status":"done"}]`, `[]`, `{}`}), maybe("error", []string{`{"message":"old","kind":"job"}`, `"x"`}), maybe("result", []string{`[1,  2]`}),
		maybe("data", []string{`{"a": [1,  2]}`, `"\u00e4"`, "\"\xff\""}), maybe("tags", []string{`["x"]`}),
		maybe("notify", []string{`{"url":"https://example.org/told"}`, `{"email":["a@example.org"],"on":["error"]}`}, `"a@example.org"`),
		maybe("callback", []string{`{"status":"done","result":[2]}`, `{"status":"error","attempt":1}`, `{"status":"done","key":"other"}`}, `7`),
		maybe("unknown", []string{`{"status":"waiting", "b":1e400}`, `[ ]`}), maybe("Status", []string{`"waiting"`}),
	}
	parts = slices.DeleteFunc(parts, func(part string) bool { return part == "" })
	return "{" + strings.Join(rapid.Permutation(parts).Draw(t, label+" order"), ",") + "}"
}

// awaiting is a plan whose run goes on elsewhere until a minute after now.
var awaiting = strings.TrimSuffix(strings.TrimPrefix(strings.Replace(plan(nine, nine, ""), `"due":"`+nine, `"due":"`+when.Format(now.Add(time.Minute)), 1), `"plan":`), "}") + `,"awaits":true}`

// persons are the fields that no rule may change; date may be, see the laws.
var persons = []string{
	"_id", "type", "worker", "job", "timezone", "repeat", "retry", "missed", "delivery", "timeout", "data", "tags", "unknown", "Status",
}

func drawOutcome(t *rapid.T) task.Outcome {
	o := task.Outcome{Started: now.Add(-time.Second), Finished: now, Result: json.RawMessage(`[1]`)}
	switch rapid.SampledFrom([]string{"ok", "bad", "permanent", "timeout", "snooze", "interrupted", "canceled", "unknown", "await"}).Draw(t, "outcome") {
	case "bad":
		o.Err = errors.New("bad\xff")
	case "permanent":
		o.Err, o.Permanent = errBoom, true
	case "timeout":
		o.Err, o.Kind = errBoom, task.KindTimeout
	case "snooze":
		o.Snooze = time.Minute
	case "interrupted":
		o.Interrupted = true
	case "canceled":
		o.Err, o.Kind = errBoom, task.KindCanceled
	case "await":
		o.Await = rapid.SampledFrom([]time.Duration{-1, time.Minute}).Draw(t, "await")
	case "unknown":
		o.Kind = task.KindUnknown
	}
	return o
}

func drawView(t *rapid.T) task.View {
	v := ours()
	v.Recovering, v.MissedAfter = rapid.Bool().Draw(t, "recovering"), 10*time.Second
	return v
}

// order gives the names of a document's fields as they come.
func order(t *rapid.T, raw []byte) (names []string, values map[string]string) {
	values = map[string]string{}
	dec := json.NewDecoder(strings.NewReader(string(raw)))
	if _, err := dec.Token(); err != nil {
		t.Fatal(err)
	}
	for dec.More() {
		name, err := dec.Token()
		if err != nil {
			t.Fatal(err)
		}
		var value json.RawMessage
		if err := dec.Decode(&value); err != nil {
			t.Fatal(err)
		}
		key, _ := name.(string)
		names = append(names, key)
		values[key] = string(value)
	}
	return names, values
}

// keeps checks what holds for every document that a rule gives.
func keeps(t *rapid.T, before, after *task.Task) {
	namesBefore, valuesBefore := order(t, before.Encode())
	namesAfter, valuesAfter := order(t, after.Encode())
	for _, name := range persons {
		if diff := cmp.Diff(valuesBefore[name], valuesAfter[name]); diff != "" {
			t.Fatalf("%s was changed: %s", name, diff)
		}
	}
	kept := slices.DeleteFunc(slices.Clone(namesBefore), func(name string) bool { return !slices.Contains(namesAfter, name) })
	if got := namesAfter[:len(kept)]; !slices.Equal(got, kept) {
		t.Fatalf("the order of fields changed: %v, then %v", namesBefore, namesAfter)
	}
	again, err := task.Decode(after.Encode())
	if err != nil {
		t.Fatalf("%v: %s", err, after.Encode())
	}
	if again.Status != after.Status || again.Key() != after.Key() || again.Executions != after.Executions || again.Retries != after.Retries ||
		again.Repetitions != after.Repetitions || !again.Started.Equal(after.Started) || (again.Error == nil) != (after.Error == nil) || string(again.Date) != string(after.Date) {
		t.Fatalf("%s does not read back as what it was written from", after.Encode())
	}
}

func TestLawsOfDecide(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		raw := draw(t, "document", false)
		before, err := task.Decode([]byte(raw))
		if err != nil {
			t.Fatal(err)
		}
		v := drawView(t)
		d := task.Decide(before, v)
		if string(before.Encode()) != raw {
			t.Fatal("decoding and encoding is not the identity, or Decide changed its argument")
		}
		if d.Next == nil {
			if d.Action != task.Ignore {
				t.Fatalf("%s of nothing", d.Action)
			}
			return
		}
		keeps(t, before, d.Next)
		switch d.Action {
		case task.Hold, task.Schedule:
			// That a run which went on elsewhere has ended is written before the next one starts.
			if !d.Next.Plan.Due.After(v.Now) && d.Settled == nil {
				t.Fatalf("it sleeps until %s, which is past", d.Next.Plan.Due)
			}
		case task.Start:
			if d.Next.Plan.Due.After(v.Now) || !v.Known(d.Next.Job) || before.Invalid() != nil {
				t.Fatalf("it starts early, or cannot run: %s", d.Next.Encode())
			}
		case task.End:
			if !d.Next.Ended() {
				t.Fatalf("it ends as %s", d.Next.Status)
			}
		default:
			t.Fatalf("%s with a document", d.Action)
		}
		// What was decided is settled: deciding again on the written document changes nothing.
		if d.Action == task.Schedule || d.Action == task.Hold {
			written, err := task.Decode(d.Next.WithRev("4-z").Encode())
			if err != nil {
				t.Fatal(err)
			}
			if again := task.Decide(written, v); again.Action != task.Hold && (d.Settled == nil || again.Action != task.Start || again.Settled != nil) {
				t.Fatalf("%s, then %s: %s", d.Action, again.Action, written.Encode())
			}
		}
	})
}

func TestLawsOfSettle(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before, err := task.Decode([]byte(draw(t, "document", true)))
		if err != nil {
			t.Fatal(err)
		}
		v := drawView(t)
		started := task.Decide(before, v)
		if started.Action != task.Start {
			t.Skip("it does not run")
		}
		ran, o := started.Next, drawOutcome(t)
		encoded := string(ran.Encode())
		d := task.Settle(ran, o, v)
		if string(ran.Encode()) != encoded {
			t.Fatal("Settle changed its argument")
		}
		if d.Action != task.Schedule && d.Action != task.End {
			t.Fatalf("%s of an outcome", d.Action)
		}
		keeps(t, before, d.Next)
		if d.Next.Retries > d.Next.RetryLimit() && d.Next.Retries > ran.Retries {
			t.Fatalf("retry %d of %d", d.Next.Retries, d.Next.RetryLimit())
		}
		if d.Action == task.Schedule && d.Next.Key() != ran.Key() {
			if before.Repeat == nil || !d.Next.Plan.Nominal.After(ran.Plan.Nominal) || string(d.Next.Date) != `"`+d.Next.Plan.Nominal.Format("2006-01-02T15:04:05.999Z07:00")+`"` && d.Next.Plan.Nominal.Nanosecond() == 0 {
				t.Fatalf("another firing that is no next date: %s", d.Next.Encode())
			}
		}
		if size := len(d.Next.Shrink(1 << 20).Encode()); size != len(d.Next.Encode()) {
			t.Fatal("Shrink touched what fits")
		}
	})
}

func TestLawsOfResolve(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		before, err := task.Decode([]byte(draw(t, "before", true)))
		if err != nil {
			t.Fatal(err)
		}
		v := drawView(t)
		started := task.Decide(before, v)
		if started.Action != task.Start {
			t.Skip("it does not run")
		}
		theirs, err := task.Decode([]byte(draw(t, "theirs", false)))
		if err != nil {
			t.Fatal(err)
		}
		ran, o := started.Next, drawOutcome(t)
		d := task.Resolve(ran, o, theirs, v)
		if d.Action == task.Start {
			t.Fatal("an outcome would be lost: it starts again without a write")
		}
		if d.Next != nil {
			keeps(t, theirs, d.Next)
		} else if d.Note == "" {
			t.Fatal("nothing is written and nothing said")
		}
		if theirs.Status == task.Cancel && (d.Action != task.End || d.Next.Status != task.Canceled) {
			t.Fatalf("a cancel ended in %s", describe(d))
		}
		gone, err := theirs.WithField("_deleted", json.RawMessage("true"))
		if err != nil {
			t.Fatal(err)
		}
		if d := task.Resolve(ran, o, gone, v); d.Action != task.Ignore {
			t.Fatalf("deleted, and yet %s", describe(d))
		}
		// The person only changed data: the outcome is as if nothing had happened.
		same, err := before.WithField("data", json.RawMessage(`{"changed":true}`))
		if err != nil {
			t.Fatal(err)
		}
		with, without := task.Resolve(ran, o, same, v), task.Settle(ran, o, v)
		if before.Status != task.Canceled && describe(with) != describe(without) {
			t.Fatalf("data changed, and %s instead of %s", describe(with), describe(without))
		}
		if string(with.Next.Data) != `{"changed":true}` {
			t.Fatalf("the person's data became %s", with.Next.Data)
		}
	})
}
