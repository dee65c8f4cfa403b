package task_test

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/task"
)

// ok and bad are outcomes of a run that took 250 ms and ended now.
func ok() task.Outcome {
	return task.Outcome{Started: now.Add(-250 * time.Millisecond), Finished: now, Result: json.RawMessage(`{"ok":true}`)}
}

func bad() task.Outcome {
	o := ok()
	o.Result, o.Err = nil, errBoom
	return o
}

func kind(k string) task.Outcome {
	o := bad()
	o.Kind = k
	return o
}

func with(o task.Outcome, change func(*task.Outcome)) task.Outcome {
	change(&o)
	return o
}

func TestSettle(t *testing.T) {
	t.Parallel()
	const half = "2026-11-18T09:30:15Z"
	scheduled := func(fields string) string {
		return join(`"status":"scheduled"`, `"date":"`+half+`"`, fields, plan(half, half, ""))
	}
	repeating := func(repeat, rule, fields string) string {
		return join(`"status":"scheduled"`, `"date":"`+half+`"`, `"repeat":`+repeat, fields, plan(half, half, rule))
	}
	exact := `"retry":{"limit":2,"interval":"30s","max":"30s","backoff":"constant"}`
	snooze := with(ok(), func(o *task.Outcome) { o.Snooze = time.Hour })
	interrupted := with(ok(), func(o *task.Outcome) { o.Interrupted = true })
	for _, c := range []struct {
		name, fields string
		o            task.Outcome
		want         string
		fieldsAfter  map[string]string
	}{
		{"success", scheduled(""), ok(), "end done", map[string]string{
			"executions": "1", "started": `"2026-11-18T09:30:14.757Z"`, "finished": `"2026-11-18T09:30:15.007Z"`, "duration": "250", "lag": "0",
			"result": `{"ok":true}`, "error": "", "repetitions": "",
			"history": `[{"status":"done","at":"2026-11-18T09:30:15.007Z","member":"m1"}]`,
		}},
		{"success after errors", scheduled(`"executions":2,"retries":2,"error":{"message":"old"}`), ok(), "end done", map[string]string{
			"executions": "3", "retries": "2", "error": "",
		}},
		{"success without result", scheduled(`"result":7`), with(ok(), func(o *task.Outcome) { o.Result = nil }), "end done", map[string]string{"result": ""}},
		{"result that is no JSON", scheduled(`"retry":3`), with(ok(), func(o *task.Outcome) { o.Result = json.RawMessage(`{"a"`) }), "end error invalid: its result is no JSON: it ends too early", map[string]string{"result": ""}},
		{"error", scheduled(`"result":7`), bad(), "end error job: boom", map[string]string{
			"executions": "1", "error": `{"message":"boom","kind":"job","attempt":1}`, "result": "",
			"history": `[{"status":"error","at":"2026-11-18T09:30:15.007Z","member":"m1","error":"boom"}]`,
		}},
		{"kind without error", scheduled(""), with(ok(), func(o *task.Outcome) { o.Kind = task.KindTimeout }), "end error timeout: timeout", nil},
		{"canceled", scheduled(`"retry":3`), kind(task.KindCanceled), "end canceled canceled: boom", map[string]string{"executions": "1"}},
		{"canceled repeat", repeating(`{"days":1}`, "P1D", ""), kind(task.KindCanceled), "end canceled canceled: boom", nil},
		// Retries.
		{"first retry", scheduled(exact), bad(), "schedule scheduled ~2026-11-18T09:30:42Z for " + half, map[string]string{
			"retries": "1", "executions": "1", "error": `{"message":"boom","kind":"job","attempt":1,"next":"2026-11-18T09:30:42.212Z"}`, "date": `"` + half + `"`,
		}},
		{"second retry", scheduled(exact + `,"retries":1`), kind(task.KindPanic), "schedule scheduled ~2026-11-18T09:30:42Z for " + half, map[string]string{
			"retries": "2", "error": `{"message":"boom","kind":"panic","attempt":2,"next":"2026-11-18T09:30:44.244Z"}`,
		}},
		{"no retry left", scheduled(exact + `,"retries":2`), kind(task.KindTimeout), "end error timeout: boom", map[string]string{
			"retries": "2", "error": `{"message":"boom","kind":"timeout","attempt":3}`,
		}},
		{"permanent", scheduled(exact), with(bad(), func(o *task.Outcome) { o.Permanent = true }), "end error job: boom", nil},
		{"unknown is not retried", scheduled(exact), kind(task.KindUnknown), "end error unknown: boom", nil},
		{"invalid is not retried", scheduled(exact), kind(task.KindInvalid), "end error invalid: boom", nil},
		{"too large is not retried", scheduled(exact), kind(task.KindTooLarge), "end error too_large: boom", nil},
		{"stuck is not retried", scheduled(exact), kind(task.KindStuck), "end error stuck: boom", nil},
		{"retry after", scheduled(exact), with(bad(), func(o *task.Outcome) { o.RetryAfter = time.Minute }), "schedule scheduled 2026-11-18T09:31:15.007Z for " + half, nil},
		{"at most once is retried after an error", scheduled(exact + `,"delivery":"at-most-once"`), bad(), "schedule scheduled ~2026-11-18T09:30:42Z for " + half, nil},
		// Snooze and interruption.
		{"snooze", scheduled(`"result":7,"error":{"message":"old"}`), snooze, "schedule scheduled 2026-11-18T10:30:15.007Z for " + half, map[string]string{
			"executions": "0", "retries": "", "result": "7", "error": `{"message":"old"}`,
			"history": `[{"status":"scheduled","at":"2026-11-18T09:30:15.007Z","member":"m1","note":"snoozed until 2026-11-18T10:30:15.007Z"}]`,
		}},
		{"snooze for a reason", scheduled(`"executions":3`), with(snooze, func(o *task.Outcome) { o.Why = "it rains" }), "schedule scheduled 2026-11-18T10:30:15.007Z for " + half, map[string]string{
			"executions": "3",
			"history":    `[{"status":"scheduled","at":"2026-11-18T09:30:15.007Z","member":"m1","note":"snoozed until 2026-11-18T10:30:15.007Z: it rains"}]`,
		}},
		{"snooze for ever", scheduled(""), with(ok(), func(o *task.Outcome) { o.Snooze = 1<<63 - 1 }), "schedule scheduled 2319-02-28T09:17:31.861Z for " + half, nil},
		{"interrupted", scheduled(`"retries":1,"retry":2`), interrupted, "schedule scheduled " + half, map[string]string{
			"executions": "", "retries": "1", "finished": "", "result": "",
			"history": `[{"status":"scheduled","at":"2026-11-18T09:30:15.007Z","member":"m1","note":"interrupted, runs again"}]`,
		}},
		{"interrupted repeat", repeating(`{"days":1}`, "P1D", ""), interrupted, "schedule scheduled " + half, map[string]string{"repetitions": ""}},
		{"interrupted, at most once", scheduled(`"retry":3,"delivery":"at-most-once"`), interrupted, "end error unknown: its worker stopped during the run, and it runs at most once", nil},
		// Repeats.
		{"repeat", repeating(`{"days":1}`, "P1D", ""), ok(), "schedule scheduled 2026-11-19T09:30:15Z", map[string]string{
			"date": `"2026-11-19T09:30:15Z"`, "repetitions": "1", "executions": "1", "result": `{"ok":true}`,
			"plan": `{"from":"` + half + `","index":1,"nominal":"2026-11-19T09:30:15Z","due":"2026-11-19T09:30:15Z","key":"t@2026-11-19T09:30:15Z/2-aaaaaaaa","rule":"P1D","last":{"nominal":"` + half + `","at":"2026-11-18T09:30:15.007Z","status":"done"}}`,
		}},
		{"repeat of an error", repeating(`{"days":1}`, "P1D", ""), bad(), "schedule scheduled 2026-11-19T09:30:15Z", map[string]string{
			"error": `{"message":"boom","kind":"job","attempt":1}`, "repetitions": "1", "retries": "0",
			"history": `[{"status":"error","at":"2026-11-18T09:30:15.007Z","member":"m1","note":"next 2026-11-19T09:30:15Z","error":"boom"}]`,
		}},
		{"repeat of an error with retries", repeating(`{"days":1}`, "P1D", exact), bad(), "schedule scheduled ~2026-11-18T09:30:42Z for " + half, map[string]string{"repetitions": ""}},
		{"repeat after its last retry", repeating(`{"days":1}`, "P1D", exact+`,"retries":2`), bad(), "schedule scheduled 2026-11-19T09:30:15Z", map[string]string{"repetitions": "1", "retries": "0"}},
		{"a run longer than its interval", repeating(`{"ms":2}`, "PT0.002S", ""), ok(), "schedule scheduled 2026-11-18T09:30:15.008Z", map[string]string{"repetitions": "1"}},
		{"limit not reached", repeating(`{"days":1,"limit":3}`, "P1D", `"repetitions":1`), ok(), "schedule scheduled 2026-11-19T09:30:15Z", map[string]string{"repetitions": "2"}},
		{"limit reached", repeating(`{"days":1,"limit":3}`, "P1D", `"repetitions":2`), ok(), "end done", map[string]string{"repetitions": "3", "date": `"` + half + `"`}},
		{"limit reached by an error", repeating(`{"days":1,"limit":3}`, "P1D", `"repetitions":2`), bad(), "end error job: boom", map[string]string{"repetitions": "3"}},
		{"until reached", repeating(`{"days":1,"until":"2026-11-18"}`, "P1D", ""), ok(), "end done", map[string]string{"repetitions": "1"}},
		{"the calendar's end", repeating(`{"years":9000}`, "P9000Y", ""), ok(), "end done", map[string]string{"repetitions": "1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			before := decode(t, document(c.fields))
			d := task.Settle(before, c.o, ours())
			got := describe(d)
			if head, tail, about := strings.Cut(c.want, "~"); about { // a retry varies by a tenth
				due := d.Next.Plan.Due
				from := at(t, tail[:20])
				if !strings.HasPrefix(got, head) || !strings.HasSuffix(got, tail[20:]) || due.Before(from) || due.After(from.Add(7*time.Second)) {
					t.Errorf("%s, want %s", got, c.want)
				}
			} else if got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
			expect(t, d.Next, c.fieldsAfter)
			if d.Next.Claim == nil || d.Next.Claim.Incarnation != "i1" {
				t.Errorf("not claimed by its writer: %+v", d.Next.Claim)
			}
			if d.Action == task.Schedule && d.Next.Plan.Nominal.Equal(before.Plan.Nominal) && d.Next.Key() != before.Key() {
				t.Errorf("the same firing has another key: %s", d.Next.Key())
			}
		})
	}
}

func TestSettleWithoutPlan(t *testing.T) {
	t.Parallel()
	d := task.Settle(decode(t, document("")), ok(), ours())
	if d.Action != task.End || d.Next.Status != task.Done || d.Next.Key() == "" {
		t.Errorf("%s %s", describe(d), d.Next.Encode())
	}
}

// TestNoDrift goes through a year of a monthly repeat, with a retry and a restart now and then.
func TestNoDrift(t *testing.T) {
	t.Parallel()
	v := ours()
	v.Now = at(t, "2026-01-01T00:00:00Z")
	d := task.Decide(decode(t, document(`"date":"2026-01-31 09:00","timezone":"Europe/Berlin","repeat":{"months":1},"retry":{"limit":1,"interval":"90m"}`)), v)
	var dates []string
	for i := range 12 {
		v.Now = d.Next.Plan.Due.Add(3 * time.Second)
		o := ok()
		if i%3 == 1 {
			d = task.Settle(d.Next, task.Outcome{Started: v.Now, Finished: v.Now, Err: errBoom}, v)
			v.Now = d.Next.Plan.Due
		}
		dates = append(dates, d.Next.Plan.Nominal.In(time.FixedZone("", 0)).Format("01-02T15"))
		d = task.Settle(d.Next.WithRev("5-x"), o, v)
		if i%4 == 2 {
			d = task.Decide(decode(t, string(d.Next.Encode())), v)
			if d.Action != task.Hold {
				t.Fatal(describe(d))
			}
		}
	}
	want := "01-31T08 02-28T08 03-31T07 04-30T07 05-31T07 06-30T07 07-31T07 08-31T07 09-30T07 10-31T08 11-30T08 12-31T08"
	if got := strings.Join(dates, " "); got != want {
		t.Errorf("fired at\n%s, want\n%s", got, want)
	}
	if d.Next.Repetitions != 12 || d.Next.Executions != 16 {
		t.Errorf("%d repetitions in %d executions", d.Next.Repetitions, d.Next.Executions)
	}
}

func TestRetryDelays(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		retry string
		want  []time.Duration // each within a tenth
	}{
		{`9`, []time.Duration{30 * time.Second, time.Minute, 2 * time.Minute, 4 * time.Minute, 8 * time.Minute, 16 * time.Minute, 32 * time.Minute, time.Hour, time.Hour}},
		{`{"limit":4,"interval":"10s","max":"25s"}`, []time.Duration{10 * time.Second, 20 * time.Second, 25 * time.Second, 25 * time.Second}},
		{`{"limit":3,"interval":"10s","backoff":"linear"}`, []time.Duration{10 * time.Second, 20 * time.Second, 30 * time.Second}},
		{`{"limit":3,"interval":1500,"backoff":"constant"}`, []time.Duration{1500 * time.Millisecond, 1500 * time.Millisecond, 1500 * time.Millisecond}},
		{`{"limit":2,"interval":"2h"}`, []time.Duration{2 * time.Hour, 2 * time.Hour}},
		{`{"limit":2,"interval":"0s"}`, []time.Duration{0, 0}},
	} {
		d := task.Decide(decode(t, document(`"retry":`+c.retry)), ours())
		for i, want := range c.want {
			d = task.Settle(d.Next, bad(), ours())
			got := d.Next.Plan.Due.Sub(now)
			if d.Action != task.Schedule || got < want*9/10-time.Millisecond || got > want*11/10 {
				t.Errorf("%s: retry %d comes after %s, want about %s", c.retry, i+1, got, want)
			}
		}
		if d = task.Settle(d.Next, bad(), ours()); d.Action != task.End {
			t.Errorf("%s: %s after all retries", c.retry, describe(d))
		}
	}
}

func TestRetryJitterSpreads(t *testing.T) {
	t.Parallel()
	seen := map[time.Duration]bool{}
	for i := range 100 {
		raw := strings.Replace(document(`"retry":1,"date":"2026-11-18T09:30:15Z"`), `"t"`, `"t`+string(rune('a'+i))+`"`, 1)
		d := task.Settle(task.Decide(decode(t, raw), ours()).Next, bad(), ours())
		seen[d.Next.Plan.Due.Sub(now)] = true
	}
	if len(seen) < 90 {
		t.Errorf("a hundred tasks that failed together come back in only %d instants", len(seen))
	}
}

func TestBegin(t *testing.T) {
	t.Parallel()
	d := task.Decide(decode(t, document(`"delivery":"at-most-once"`)), ours())
	running := task.Begin(d.Next, now, ours())
	expect(t, running, map[string]string{
		"status": `"running"`, "started": `"2026-11-18T09:30:15.007Z"`, "executions": "",
		"claim":   `{"worker":"w","member":"m1","incarnation":"i1","write":0}`,
		"history": `[{"status":"running","at":"2026-11-18T09:30:15.007Z","member":"m1"}]`,
	})
	after := task.Settle(running.WithRev("4-x"), ok(), ours())
	expect(t, after.Next, map[string]string{"status": `"done"`, "executions": "1"})
	if len(after.Next.History()) != 2 {
		t.Errorf("history: %+v", after.Next.History())
	}
}

func TestHistoryIsBounded(t *testing.T) {
	t.Parallel()
	long := errors.New(strings.Repeat("ä\n", 5000))
	v := ours()
	v.Self.Member = strings.Repeat("m", 300)
	d := task.Decide(decode(t, document(`"retry":100,"history":[{"status":"done","at":"2020-01-01T00:00:00Z"},`+strings.Repeat(`{"status":"done"},`, 20)+`{"x":1}]`)), v)
	for i := range 30 {
		d = task.Settle(d.Next, task.Outcome{Started: now, Finished: now, Err: long}, v)
		if i%7 == 0 {
			d = task.Decide(decode(t, string(d.Next.Encode())), ours())
		}
		raw := fields(t, d.Next)["history"]
		if len(raw) > 4<<10 || len(d.Next.History()) > 10 {
			t.Fatalf("history of %d bytes, %d transitions", len(raw), len(d.Next.History()))
		}
	}
	if got := d.Next.History(); len(got) == 0 || got[len(got)-1].Status != task.Failed || !strings.Contains(got[len(got)-1].Error, "cut)") {
		t.Errorf("%+v", got)
	}
	if message := d.Next.Error.Message; len(message) > 8<<10 || !strings.Contains(message, "bytes, cut)") {
		t.Errorf("a message of %d bytes", len(message))
	}
}

// TestErrorOfAnyShapeGoes when the task succeeds, and when it is planned anew.
func TestErrorOfAnyShapeGoes(t *testing.T) {
	t.Parallel()
	for _, shape := range []string{`7`, `"text"`, `[1]`, `null`, `{"message":{}}`} {
		base := task.Decide(decode(t, document(`"error":`+shape)), ours()).Next
		if value, there := fields(t, task.Settle(base, ok(), ours()).Next)["error"]; there {
			t.Errorf("error %s became %s", shape, value)
		}
	}
	with7, err := decode(t, string(task.Decide(decode(t, document("")), ours()).Next.Encode())).WithField("error", []byte("7"))
	if err != nil {
		t.Fatal(err)
	}
	if value, there := fields(t, task.Settle(with7, ok(), ours()).Next)["error"]; there {
		t.Errorf("7 in a scheduled document became %s", value)
	}
}

func TestLeast(t *testing.T) {
	t.Parallel()
	text := document(`"x":[1, 2],"history":[{"status":"done"}],"executions":7,"result":{"a":1}`)
	base := task.Decide(decode(t, text), ours()).Next
	failed := task.Settle(base, task.Outcome{Started: now, Finished: now, Err: errors.New("it failed")}, ours()).Next
	least := failed.Least()
	expect(t, least, map[string]string{"status": `"error"`, "x": `[1, 2]`, "error": `{"message":"it failed","kind":"job"}`})
	for _, name := range []string{"plan", "claim", "executions", "result", "history", "finished"} {
		if value, ok := fields(t, least)[name]; ok {
			t.Errorf("it still has %s: %s", name, value)
		}
	}
	if again := least.Least(); string(again.Encode()) != string(least.Encode()) {
		t.Errorf("%s became %s", least.Encode(), again.Encode())
	}
	if base.Least() != base {
		t.Error("a task that has not ended was touched")
	}
}

func TestShrink(t *testing.T) {
	t.Parallel()
	big := json.RawMessage(`"` + strings.Repeat(`<\"&\u0000`, 200_000) + `"`)
	base := task.Decide(decode(t, document("")), ours()).Next
	small := task.Settle(base, ok(), ours()).Next
	if small.Shrink(1<<20) != small {
		t.Error("what fits was touched")
	}
	result := task.Settle(base, with(ok(), func(o *task.Outcome) { o.Result = big }), ours()).Next
	for _, limit := range []int{1 << 20, 4096, 1024} {
		cut := result.Shrink(limit)
		if size := len(cut.Encode()); size > limit {
			t.Errorf("%d bytes, want %d at most", size, limit)
		}
		var said struct {
			Cut   bool
			Bytes int
			Start string
		}
		if err := json.Unmarshal(fields(t, cut)["result"], &said); err != nil || !said.Cut || said.Bytes != len(big) {
			t.Errorf("%s: %v", fields(t, cut)["result"], err)
		}
		expect(t, cut, map[string]string{"status": `"done"`})
	}
	failed := task.Settle(base, task.Outcome{Started: now, Finished: now, Err: errors.New(strings.Repeat("x", 10_000))}, ours()).Next
	cut := failed.Shrink(1000)
	if size := len(cut.Encode()); size > 1000 || !strings.Contains(cut.Error.Message, "bytes, cut)") {
		t.Errorf("%d bytes: %s", size, cut.Encode())
	}
	persons := task.Settle(task.Decide(decode(t, document(`"data":"`+strings.Repeat("x", 5000)+`"`)), ours()).Next, with(ok(), func(o *task.Outcome) { o.Result = big }), ours()).Next
	if cut := persons.Shrink(1000); len(cut.Encode()) > 7000 || len(cut.Data) != 5002 {
		t.Errorf("%d bytes, of which the person's data has %d", len(cut.Encode()), len(cut.Data))
	}
}

func TestWithField(t *testing.T) {
	t.Parallel()
	start := decode(t, `{"_id":"t", "x" : [1,  2],"status":"done","y":{}}`)
	for _, c := range []struct{ key, value, want string }{
		{"status", `"waiting"`, `{"_id":"t","x":[1,  2],"status":"waiting","y":{}}`},
		{"status", ``, `{"_id":"t","x":[1,  2],"y":{}}`},
		{"new \"one\"", `null`, `{"_id":"t","x":[1,  2],"status":"done","y":{},"new \"one\"":null}`},
		{"absent", ``, `{"_id":"t","x":[1,  2],"status":"done","y":{}}`},
	} {
		var value json.RawMessage
		if c.value != "" {
			value = json.RawMessage(c.value)
		}
		got, err := start.WithField(c.key, value)
		if err != nil || string(got.Encode()) != c.want {
			t.Errorf("%s = %s: %s, %v", c.key, c.value, got.Encode(), err)
		}
	}
	for key, value := range map[string]string{"": `1`, "x": `{`, "_id": `7`} {
		if got, err := start.WithField(key, json.RawMessage(value)); err == nil {
			t.Errorf("%q = %s was taken: %s", key, value, got.Encode())
		}
	}
	changed := task.Settle(decode(t, document("")), ok(), ours()).Next
	got, err := changed.WithField("status", json.RawMessage(`"waiting"`))
	if err != nil || got.Status != task.Waiting || got.Executions != 1 {
		t.Errorf("%s, %v", got.Encode(), err)
	}
}

func TestLag(t *testing.T) {
	t.Parallel()
	d := task.Decide(decode(t, document(`"date":"2026-11-18T09:30:00Z"`)), ours())
	d = task.Settle(d.Next, task.Outcome{Started: now, Finished: now.Add(-time.Second)}, ours())
	if d.Next.Lag != 15007*time.Millisecond || d.Next.Duration != 0 {
		t.Errorf("lag %s, duration %s", d.Next.Lag, d.Next.Duration)
	}
	if !strings.Contains(string(d.Next.Encode()), `"lag":15007`) {
		t.Error(string(d.Next.Encode()))
	}
}

// TestJitterMovesTheStartAlone: the nominal dates stay on the hour, and lateness counts from the start that the jitter gives.
func TestJitterMovesTheStartAlone(t *testing.T) {
	t.Parallel()
	v := ours()
	d := task.Decide(decode(t, document(`"date":"`+noon+`","repeat":{"hours":1,"jitter":"10m"}`)), v)
	want, moved := at(t, noon), false
	for range 5 {
		due := d.Next.Plan.Due
		if off := due.Sub(want); !d.Next.Plan.Nominal.Equal(want) || off < 0 || off > 10*time.Minute {
			t.Fatalf("%s, starting %s", describe(d), due)
		}
		moved = moved || due.After(want)
		v.Now = due.Add(5 * time.Millisecond)
		d = task.Settle(d.Next, task.Outcome{Started: due.Add(3 * time.Millisecond), Finished: v.Now}, v)
		if d.Next.Lag != 3*time.Millisecond {
			t.Errorf("started 3 ms after it should: the lag is %s", d.Next.Lag)
		}
		want = want.Add(time.Hour)
	}
	if !moved {
		t.Error("it moved nothing")
	}
}

// TestPutOff: a firing that its job put off says why, as long as it sleeps.
func TestPutOff(t *testing.T) {
	t.Parallel()
	for note, want := range map[string]string{
		`"snoozed until 2026-11-18T10:30:15.007Z: it rains: a lot"`: "it rains: a lot",
		`"snoozed until 2026-11-18T10:30:15.007Z"`:                  "",
		`"retry 1 of 2 waits until 2026-11-18T10:30:15Z: x"`:        "",
	} {
		for status, asleep := range map[string]bool{"scheduled": true, "done": false} {
			doc, err := task.Decode([]byte(`{"_id":"t","worker":"w","job":"j","status":"` + status + `","history":[{"status":"done"},{"status":"scheduled","note":` + note + `}]}`))
			if err != nil {
				t.Fatal(err)
			}
			if got := doc.PutOff(); got != want && asleep || got != "" && !asleep {
				t.Errorf("%s, %s: %q", status, note, got)
			}
		}
	}
}
