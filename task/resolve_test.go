package task_test

import (
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/task"
)

// edit changes one field of a document as a person would.
func edit(tb testing.TB, t *task.Task, rev string, changes ...string) *task.Task {
	tb.Helper()
	for _, change := range append(changes, `_rev:"`+rev+`"`) {
		key, value, _ := strings.Cut(change, ":")
		var raw []byte
		if value != "" {
			raw = []byte(value)
		}
		next, err := t.WithField(key, raw)
		if err != nil {
			tb.Fatal(err)
		}
		t = next
	}
	return decode(tb, string(t.Encode()))
}

func TestResolve(t *testing.T) {
	t.Parallel()
	const half = "2026-11-18T09:30:15Z"
	oneOff := join(`"status":"scheduled"`, `"date":"`+half+`"`, plan(half, half, ""), claim("i1"), `"data":1`)
	unwritten := `"status":"waiting","date":"` + half + `","data":1`
	inWords := `"date":"now","data":1`
	repeating := join(`"status":"scheduled"`, `"date":"`+half+`"`, daily, plan(half, half, "P1D"), claim("i1"))
	const outcome = `{"status":"done","at":"2026-11-18T09:30:15.007Z","member":"m1","note":"the run for 2026-11-18T09:30:15Z; edited while it ran"}`
	interrupted := with(ok(), func(o *task.Outcome) { o.Interrupted = true })
	otherClaim := `claim:{"worker":"w","member":"m2","incarnation":"i2","write":1}`
	otherPlan := `plan:{"from":"` + noon + `","index":0,"nominal":"` + noon + `","due":"` + noon + `","key":"t@` + noon + `/8-bbbbbbbb"}`
	for _, c := range []struct {
		name, fields string
		changes      []string
		o            task.Outcome
		want         string
		after        map[string]string
	}{
		// Changed beside it: the outcome, with the changes.
		{"data", oneOff, []string{`data:2`, `new:[1,  2]`}, ok(), "end done", map[string]string{"data": "2", "new": "[1,  2]", "executions": "1", "result": `{"ok":true}`}},
		{"data, nothing was written yet", unwritten, []string{`data:2`}, ok(), "end done", map[string]string{"data": "2", "executions": "1"}},
		{"data, status absent before and after", `"date":"` + half + `"`, []string{`data:2`}, ok(), "end done", nil},
		{"absent became waiting", `"date":"` + half + `"`, []string{`status:"waiting"`}, ok(), "end done", nil},
		{"data, date in words", inWords, []string{`data:2`}, ok(), "end done", map[string]string{"date": `"2026-11-18T09:30:15.007Z"`}},
		{"data, no date", `"data":1`, []string{`data:2`}, ok(), "end done", map[string]string{"date": ""}},
		{"data, asked to reschedule before", `"status":"reschedule","date":"` + half + `"`, []string{`data:2`}, ok(), "end done", nil},
		{"data of a repeat", repeating, []string{`data:2`}, ok(), "schedule scheduled 2026-11-19T09:30:15Z", map[string]string{"data": "2", "repetitions": "1"}},
		{"data, an error with retries", repeating + `,"retry":{"limit":1,"interval":"0s"}`, []string{`data:2`}, bad(), "schedule scheduled 2026-11-18T09:30:15.007Z for " + half, map[string]string{"data": "2", "retries": "1"}},
		{"plan and claim dropped", oneOff, []string{`plan:`, `claim:`, `executions:`, `history:`}, ok(), "end done", map[string]string{"executions": "1"}},
		{"date in another spelling", oneOff, []string{`date:"2026-11-18 09:30:15"`}, ok(), "end done", map[string]string{"date": `"2026-11-18 09:30:15"`}},
		{"repeat in another spelling", repeating, []string{`repeat:"P1D"`}, ok(), "schedule scheduled 2026-11-19T09:30:15Z", nil},
		{"limit lowered", repeating, []string{`repeat:{"days":1,"limit":1}`}, ok(), "end done", nil},
		{"job changed", oneOff, []string{`job:"other"`}, ok(), "end done", map[string]string{"job": `"other"`}},
		{"running by hand", oneOff, []string{`status:"running"`}, ok(), "end done", nil},
		{"interrupted, and data", oneOff, []string{`data:2`}, interrupted, "schedule scheduled " + half, map[string]string{"data": "2", "executions": "0"}},
		// Asked again: the outcome in history, planned anew.
		{"waiting", oneOff, []string{`status:"waiting"`}, ok(), "schedule scheduled " + half, map[string]string{"history": `[` + outcome + `]`, "executions": "1", "result": ""}},
		{"waiting, to come", oneOff, []string{`status:"waiting"`, `date:"` + noon + `"`}, ok(), "schedule scheduled " + noon, nil},
		{"status dropped", oneOff, []string{`status:`}, ok(), "schedule scheduled " + half, nil},
		{"whole document without our fields", oneOff, []string{`status:`, `plan:`, `claim:`, `history:`}, ok(), "schedule scheduled " + half, map[string]string{"history": `[` + outcome + `]`, "executions": "1"}},
		{"reschedule", oneOff, []string{`status:"reschedule"`, `date:"` + noon + `"`}, ok(), "schedule scheduled " + noon, nil},
		{"another date", oneOff, []string{`date:"` + noon + `"`}, ok(), "schedule scheduled " + noon, nil},
		{"another date, nothing was written yet", unwritten, []string{`date:"` + noon + `"`}, ok(), "schedule scheduled " + noon, nil},
		{"another date, in words", oneOff, []string{`date:"in 5 minutes"`}, ok(), "schedule scheduled 2026-11-18T09:35:15.007Z", nil},
		{"another repeat", repeating, []string{`repeat:{"days":2}`}, ok(), "schedule scheduled " + half, map[string]string{"repetitions": "0"}},
		{"another zone of a repeat", repeating, []string{`timezone:"Europe/Berlin"`}, ok(), "schedule scheduled " + half, nil},
		{"an error, and waiting", oneOff, []string{`status:"waiting"`}, bad(), "schedule scheduled " + half, map[string]string{"error": ""}},
		{"interrupted, and another date", oneOff, []string{`date:"` + noon + `"`}, interrupted, "schedule scheduled " + noon, map[string]string{"executions": "0"}},
		{"interrupted and called back, and another date", oneOff, []string{`date:"` + noon + `"`, `callback:{"status":"done"}`}, interrupted, "schedule scheduled " + noon, map[string]string{"callback": ""}},
		{"interrupted and called back, and canceled", oneOff, []string{`status:"cancel"`, `callback:{"status":"done"}`}, interrupted, "end canceled", map[string]string{"callback": ""}},
		{"a date nobody can read", oneOff, []string{`date:"soon"`}, ok(), `end error invalid: date: cannot read the date "soon"`, map[string]string{"executions": "1"}},
		{"a repeat nobody can read", oneOff, []string{`repeat:{"days":0}`}, ok(), `end error invalid: repeat: days: is zero`, nil},
		{"a field nobody can read", oneOff, []string{`missed:7`}, ok(), `end error invalid: missed: must be "run", "skip" or "all", not 7`, nil},
		{"a word nobody knows", oneOff, []string{`status:"frozen"`}, ok(), `end error invalid: status: "frozen" is unknown`, nil},
		// Canceled.
		{"cancel", oneOff, []string{`status:"cancel"`}, ok(), "end canceled", map[string]string{"result": `{"ok":true}`, "executions": "1", "error": ""}},
		{"cancel, nothing was written yet", unwritten, []string{`status:"cancel"`}, kind(task.KindCanceled), "end canceled canceled: boom", map[string]string{"executions": "1"}},
		{"cancel of a repeat", repeating, []string{`status:"cancel"`}, ok(), "end canceled", nil},
		{"cancel and another date", oneOff, []string{`status:"cancel"`, `date:"` + noon + `"`}, ok(), "end canceled", map[string]string{"date": `"` + noon + `"`}},
		{"canceled by hand", oneOff, []string{`status:"canceled"`}, ok(), "end canceled", nil},
		{"cancel, interrupted", oneOff, []string{`status:"cancel"`}, interrupted, "end canceled", map[string]string{"executions": "0", "finished": ""}},
		// Another worker.
		{"another worker", oneOff, []string{`worker:"other"`}, ok(), "end waiting", map[string]string{"history": `[` + outcome + `]`, "plan": "", "claim": "", "result": ""}},
		{"another worker, whole document", oneOff, []string{`worker:"other"`, `status:`, `plan:`, `claim:`, `history:`, `executions:`}, ok(), "end waiting", map[string]string{"history": `[` + outcome + `]`, "executions": "1"}},
		{"another worker, waiting", unwritten, []string{`worker:"other"`}, ok(), "end waiting", nil},
		{"another worker, reschedule", oneOff, []string{`worker:"other"`, `status:"reschedule"`}, ok(), "end reschedule", nil},
		{"another worker, cancel", oneOff, []string{`worker:"other"`, `status:"cancel"`}, ok(), "end cancel", nil},
		{"another worker has it", oneOff, []string{`worker:"other"`, `claim:{"worker":"other","member":"m2","incarnation":"i2","write":1}`}, ok(), "ignore", nil},
		// Ended by another hand.
		{"done by hand", oneOff, []string{`status:"done"`}, bad(), "end done", map[string]string{"error": "", "executions": "1"}},
		{"done by hand, interrupted", oneOff, []string{`status:"done"`}, interrupted, "ignore", nil},
		// Gone.
		{"deleted", oneOff, []string{`_deleted:true`}, ok(), "ignore", nil},
		{"no task any more", oneOff, []string{`type:"calendar"`}, ok(), "ignore", nil},
		{"nobody's any more", oneOff, []string{`worker:`}, ok(), "ignore", nil},
		// Another member.
		{"another member, the same firing", oneOff, []string{otherClaim}, ok(), "end done", nil},
		{"another member, its next firing", oneOff, []string{otherClaim, otherPlan, `date:"` + noon + `"`}, ok(), "ignore", nil},
		{"another member had it before", strings.Replace(oneOff, `"i1"`, `"i0"`, 1), []string{`data:2`}, ok(), "end done", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			before := decode(t, document(c.fields))
			started := task.Decide(before, ours())
			if started.Action != task.Start {
				t.Fatalf("the table's task does not start: %s", describe(started))
			}
			theirs := edit(t, before, "8-cccc", c.changes...)
			d := task.Resolve(started.Next, c.o, theirs, ours())
			if got := describe(d); !matches(got, c.want) {
				t.Errorf("%s, want %s (%s)", got, c.want, d.Note)
			}
			if d.Next == nil {
				if d.Note == "" {
					t.Error("nothing is written and nothing said")
				}
				return
			}
			expect(t, d.Next, c.after)
			expect(t, d.Next, map[string]string{"_rev": `"8-cccc"`})
			if d.Action == task.Schedule && d.Next.Plan.Nominal.IsZero() {
				t.Error("no plan")
			}
		})
	}
	t.Run("gone", func(t *testing.T) {
		t.Parallel()
		if d := task.Resolve(decode(t, document(oneOff)), ok(), nil, ours()); d.Action != task.Ignore {
			t.Error(describe(d))
		}
	})
}

// TestResolveOfARunElsewhere: a job left its run to somebody else, and its document was edited before that was written.
func TestResolveOfARunElsewhere(t *testing.T) {
	t.Parallel()
	const half = "2026-11-18T09:30:15Z"
	fields := join(`"status":"scheduled"`, `"date":"`+half+`"`, plan(half, half, ""), claim("i1"))
	left := with(ok(), func(o *task.Outcome) { o.Result, o.Await = nil, time.Hour })
	const until = "2026-11-18T10:30:14.757Z for " + half
	for _, c := range []struct {
		name              string
		changes           []string
		want, ended, last string
	}{
		{"data", []string{`data:2`}, "schedule running " + until, "", "running"},
		{"callback", []string{`callback:{"status":"done"}`}, "end done", "done", "done"},
		{"pause", []string{`status:"pause"`}, "end paused", "", "paused"},
		{"skip", []string{`status:"skip"`}, "end canceled", "canceled", "canceled"},
		{"cancel", []string{`status:"cancel"`}, "end canceled canceled: canceled while a callback was awaited", "canceled", "canceled"},
		{"done by hand", []string{`status:"done"`}, "end done", "canceled", "canceled"},
		{"done by hand, called back", []string{`status:"done"`, `callback:{"status":"error","error":"no"}`}, "end done", "error", "error"},
		{"another date", []string{`date:"` + noon + `"`}, "schedule scheduled " + noon, "canceled", "scheduled"},
		{"another date, called back", []string{`date:"` + noon + `"`, `callback:{"status":"done"}`}, "schedule scheduled " + noon, "done", "scheduled"},
		{"another worker", []string{`worker:"other"`}, "end waiting", "canceled", "canceled"},
		{"another worker, called back", []string{`worker:"other"`, `callback:{"status":"done"}`}, "end waiting", "done", "done"},
		{"deleted", []string{`_deleted:true`}, "ignore", "canceled", ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			before := decode(t, document(fields))
			d := task.Resolve(before, left, edit(t, before, "8-cccc", c.changes...), ours())
			if got := describe(d); !matches(got, c.want) {
				t.Errorf("%s, want %s", got, c.want)
			}
			if got := endOf(d); got != c.ended {
				t.Errorf("the run ended as %q, want %q", got, c.ended)
			}
			if d.Next == nil {
				return
			}
			if d.Next.Callback != nil {
				t.Errorf("the next run would end by %s", d.Next.Callback)
			}
			if history := d.Next.History(); string(history[len(history)-1].Status) != c.last {
				t.Errorf("the history is %+v", history)
			}
		})
	}
}

// TestResolveOfOurOwnWrite has a settle that was committed but whose answer was lost: the 409 of its second try meets itself.
func TestResolveOfOurOwnWrite(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name, fields string
		o            task.Outcome
		changes      []string
		want         string
	}{
		{"done", ``, ok(), nil, "ignore"},
		{"done, then edited", ``, ok(), []string{`data:2`}, "ignore"},
		{"done, then waiting", ``, ok(), []string{`status:"waiting"`, `date:"` + noon + `"`}, "schedule scheduled " + noon},
		{"repeat", `"date":"2026-11-18T09:30:15Z",` + daily, ok(), nil, "hold scheduled 2026-11-19T09:30:15Z"},
		{"repeat, then canceled", `"date":"2026-11-18T09:30:15Z",` + daily, ok(), []string{`status:"cancel"`}, "end canceled"},
		{"retry", `"date":"2026-11-18T09:30:15Z","retry":{"limit":1,"interval":"0s"}`, bad(), nil, "start scheduled 2026-11-18T09:30:15.007Z for 2026-11-18T09:30:15Z"},
		{"snooze", `"date":"2026-11-18T09:30:15Z"`, with(ok(), func(o *task.Outcome) { o.Snooze = 1e9 }), nil, "hold scheduled 2026-11-18T09:30:16.007Z for 2026-11-18T09:30:15Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			ran := task.Decide(decode(t, document(c.fields)), ours()).Next
			written := task.Settle(ran, c.o, ours()).Next
			theirs := edit(t, decode(t, string(written.WithWrite(7).Encode())), "4-x", c.changes...)
			if got := describe(task.Resolve(ran, c.o, theirs, ours())); got != c.want {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

// TestEditOfARunThatStartedFromMemory goes round twice: after a write was answered, edits are told from what that write held.
func TestEditOfARunThatStartedFromMemory(t *testing.T) {
	t.Parallel()
	v := ours()
	held := task.Settle(task.Decide(decode(t, document(`"date":"2026-11-18T09:30:15Z",`+daily)), v).Next, ok(), v).Next.WithRev("4-x")
	v.Now = held.Plan.Due
	theirs := edit(t, decode(t, string(held.Encode())), "5-y", `data:2`)
	d := task.Resolve(held, task.Outcome{Started: v.Now, Finished: v.Now}, theirs, v)
	if got, want := describe(d), "schedule scheduled 2026-11-20T09:30:15Z"; got != want {
		t.Errorf("data: %s, want %s", got, want)
	}
	theirs = edit(t, decode(t, string(held.Encode())), "5-y", `status:"waiting"`)
	d = task.Resolve(held, task.Outcome{Started: v.Now, Finished: v.Now}, theirs, v)
	if got, want := describe(d), "schedule scheduled 2026-11-19T09:30:15Z"; got != want || d.Next.Repetitions != 0 {
		t.Errorf("waiting: %s, want %s", got, want)
	}
}

// TestStoredSurvivesASpool puts a task aside as its document and what the database held of it.
func TestStoredSurvivesASpool(t *testing.T) {
	t.Parallel()
	before := decode(t, document(`"date":"`+nine+`","data":1`))
	ran := task.Decide(before, ours()).Next
	stored, err := json.Marshal(ran.Stored())
	if err != nil {
		t.Fatal(err)
	}
	var back task.Stored
	if err := json.Unmarshal(stored, &back); err != nil {
		t.Fatal(err)
	}
	again := decode(t, string(ran.Encode())).WithStored(back)
	theirs := edit(t, before, "4-x", `data:2`)
	if got, want := describe(task.Resolve(again, ok(), theirs, ours())), "end done"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	written := task.Settle(ran, ok(), ours()).Next.WithRev("4-x")
	v := ours()
	v.Self.Incarnation = "i2" // the process that replays is another
	if d := task.Resolve(again, ok(), decode(t, string(written.Encode())), v); d.Action != task.Ignore {
		t.Errorf("what was written before is written again: %s", describe(d))
	}
}
