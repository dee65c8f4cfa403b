package worker_test

import (
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/jobs"
)

// transitions are the tests of the worker's behaviour as its documents show it; each runs on every server.
func transitions() map[string]func(t *testing.T, b *bundle) {
	return map[string]func(t *testing.T, b *bundle){
		"task runs on its date":          testTaskRunsOnItsDate,
		"due task needs one write":       testDueTaskNeedsOneWrite,
		"tasks of others are left alone": testTasksOfOthersAreLeftAlone,
		"reschedule":                     testReschedule,
		"cancel before its time":         testCancelBeforeItsTime,
		"cancel while running":           testCancelWhileRunning,
		"deletion":                       testDeletion,
		"change of worker":               testChangeOfWorker,
		"run again":                      testRunAgain,
		"edits during a run":             testEditsDuringARun,
		"retries":                        testRetries,
		"repeats":                        testRepeats,
		"timeout panic and unknown job":  testTimeoutPanicAndUnknownJob,
		"at most once":                   testAtMostOnce,
		"job limit and concurrency":      testJobLimitAndConcurrency,
	}
}

func TestTransitions(t *testing.T) {
	t.Parallel()
	onServers(t, transitions())
}

// onServers runs tests on every server there is, each in a database of its own.
func onServers(t *testing.T, tests map[string]func(t *testing.T, b *bundle)) {
	t.Helper()
	for _, s := range couchtest.Servers(t) {
		for name, test := range tests {
			t.Run(s.Name+"/"+name, func(t *testing.T) {
				t.Parallel()
				test(t, setupOn(t, serverOf(t, s)))
			})
		}
	}
}

func testTaskRunsOnItsDate(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	due := time.Now().Add(1500 * time.Millisecond).UTC().Truncate(time.Millisecond)
	b.put("t", `{"worker":"manobi","job":"run","date":%q,"status":"waiting","mine":{"kept":[1.5,null,{"a":""}]}}`, due.Format(time.RFC3339Nano))
	scheduled := b.awaitStatus("t", "scheduled")
	if got := scheduled.Get("claim.worker").String(); got != "manobi" {
		t.Errorf("claim.worker = %q", got)
	}
	done := b.awaitStatus("t", "done")
	started, err := time.Parse(time.RFC3339Nano, done.Get("started").String())
	must(t, err)
	if started.Before(due) {
		t.Errorf("started %v before its date %v", started, due)
	}
	if got := done.Get("result.ran").String(); got != "t" {
		t.Errorf("result = %s", done.Get("result").Raw)
	}
	if got := done.Get("mine").Raw; got != `{"kept":[1.5,null,{"a":""}]}` {
		t.Errorf("an unknown field became %s", got)
	}
	if runs := b.runsOf("t"); len(runs) != 1 || runs[0].Attempt != 1 {
		t.Errorf("runs = %+v", runs)
	}
}

func testDueTaskNeedsOneWrite(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run"}`)
	done := b.awaitStatus("t", "done")
	if rev := done.Get("_rev").String(); !strings.HasPrefix(rev, "2-") {
		t.Errorf("revision %s: a due task needs one write besides the person's", rev)
	}
}

func testTasksOfOthersAreLeftAlone(t *testing.T, b *bundle) {
	t.Helper()
	b.put("other", `{"worker":"somebody","job":"run"}`)
	b.put("nobody", `{"job":"run","status":"waiting"}`)
	b.put("calendar", `{"type":"calendar","worker":"manobi","job":"run"}`)
	b.put("ended", `{"worker":"manobi","job":"run","status":"done"}`)
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run"}`)
	b.awaitStatus("t", "done")
	for _, id := range []string{"other", "nobody", "calendar", "ended"} {
		if doc := b.awaitDoc(id, func(gjson.Result) bool { return true }); !strings.HasPrefix(doc.Get("_rev").String(), "1-") {
			t.Errorf("%s was written to: %s", id, doc.Raw)
		}
	}
}

func testReschedule(t *testing.T, b *bundle) {
	t.Helper()
	far := time.Now().Add(time.Hour).UTC().Format(time.RFC3339)
	b.start("manobi")
	for _, id := range []string{"earlier", "later", "date-only", "running"} {
		b.put(id, `{"worker":"manobi","job":"run","date":%q,"status":"waiting"}`, far)
		b.awaitStatus(id, "scheduled")
	}
	b.edit("earlier", map[string]any{"status": "reschedule", "date": time.Now().Add(time.Second).UTC().Format(time.RFC3339Nano)})
	b.awaitStatus("earlier", "done")

	later := time.Now().Add(2 * time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
	b.edit("later", map[string]any{"status": "reschedule", "date": later})
	b.awaitDoc("later", func(doc gjson.Result) bool {
		return doc.Get("status").String() == "scheduled" && doc.Get("plan.nominal").String() == later
	})

	b.edit("date-only", map[string]any{"date": time.Now().Add(500 * time.Millisecond).UTC().Format(time.RFC3339Nano)})
	b.awaitStatus("date-only", "done")

	b.edit("running", map[string]any{"status": "reschedule", "date": nil})
	b.awaitStatus("running", "done")
	for id, n := range map[string]int{"earlier": 1, "later": 0, "date-only": 1, "running": 1} {
		if runs := b.runsOf(id); len(runs) != n {
			t.Errorf("%s ran %d times, want %d", id, len(runs), n)
		}
	}
}

func testCancelBeforeItsTime(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run","date":"in 1 hour","status":"waiting"}`)
	b.awaitStatus("t", "scheduled")
	b.edit("t", map[string]any{"status": "cancel"})
	b.awaitStatus("t", "canceled")
	if runs := b.runsOf("t"); len(runs) != 0 {
		t.Errorf("it ran: %v", runs)
	}
}

func testCancelWhileRunning(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"block","retry":5}`)
	b.awaitRuns("t", 1)
	b.awaitStatus("t", "running")
	b.edit("t", map[string]any{"status": "cancel"})
	doc := b.awaitStatus("t", "canceled")
	if got := doc.Get("error.kind").String(); got != "canceled" {
		t.Errorf("the outcome is not kept beside it: %s", doc.Raw)
	}
	if runs := b.runsOf("t"); len(runs) != 1 || runs[0].Cause == nil || !strings.Contains(runs[0].Cause.Error(), jobs.ErrCanceled.Error()) {
		t.Errorf("runs = %+v", runs)
	}
}

func testDeletion(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	b.put("before", `{"worker":"manobi","job":"run","date":%q}`, time.Now().Add(1500*time.Millisecond).UTC().Format(time.RFC3339Nano))
	doc := b.awaitStatus("before", "scheduled")
	_, err := b.db.Delete(t.Context(), "before", doc.Get("_rev").String())
	must(t, err)
	b.put("during", `{"worker":"manobi","job":"block"}`)
	b.awaitRuns("during", 1)
	doc = b.awaitStatus("during", "running")
	_, err = b.db.Delete(t.Context(), "during", doc.Get("_rev").String())
	must(t, err)
	b.await("the job of the deleted task was told to stop", func() bool {
		runs := b.runsLocked("during")
		return len(runs) == 1 && runs[0].Cause != nil
	})
	b.put("after", `{"worker":"manobi","job":"run","date":%q}`, time.Now().Add(2*time.Second).UTC().Format(time.RFC3339Nano))
	b.awaitStatus("after", "done")
	if runs := b.runsOf("before"); len(runs) != 0 {
		t.Errorf("a deleted task ran: %v", runs)
	}
	for _, id := range []string{"before", "during"} {
		b.await(id+" stays deleted", func() bool { return b.docs[id].Get("_deleted").Bool() })
	}
}

func testChangeOfWorker(t *testing.T, b *bundle) {
	t.Helper()
	b.start("one")
	b.startWith(elsewhere, "two")
	b.put("field", `{"worker":"one","job":"run","date":"in 1 hour","status":"waiting"}`)
	b.put("whole", `{"worker":"one","job":"run","date":"in 1 hour","status":"waiting"}`)
	b.awaitStatus("field", "scheduled")
	b.edit("field", map[string]any{"worker": "two"})
	b.awaitDoc("field", func(doc gjson.Result) bool { return doc.Get("worker").String() == "two" })
	b.edit("field", map[string]any{"status": "reschedule", "date": nil})
	doc := b.awaitStatus("field", "done")
	if got := doc.Get("claim.worker").String(); got != "two" {
		t.Errorf("claim.worker = %q", got)
	}

	rev := b.awaitStatus("whole", "scheduled").Get("_rev").String()
	b.put("whole", `{"_rev":%q,"worker":"two","job":"run"}`, rev)
	if got := b.awaitStatus("whole", "done").Get("claim.worker").String(); got != "two" {
		t.Errorf("claim.worker = %q", got)
	}

	b.put("running", `{"worker":"one","job":"block"}`)
	b.awaitRuns("running", 1)
	b.awaitStatus("running", "running")
	b.edit("running", map[string]any{"worker": "two"})
	close(b.gate("running"))
	doc = b.awaitStatus("running", "done")
	if got := doc.Get("claim.worker").String(); got != "two" {
		t.Errorf("claim.worker = %q in %s", got, doc.Raw)
	}
	if runs := b.runsOf("running"); len(runs) != 2 {
		t.Errorf("it ran %d times: the new worker runs it too, since the first outcome is only history", len(runs))
	}
}

func testRunAgain(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run"}`)
	b.awaitStatus("t", "done")
	b.edit("t", map[string]any{"status": "waiting"})
	runs := b.awaitRuns("t", 2)
	doc := b.awaitDoc("t", func(doc gjson.Result) bool {
		return doc.Get("executions").Int() == 2 && doc.Get("status").String() == "done"
	})
	if runs[0].Key == runs[1].Key {
		t.Errorf("a deliberate second run has the key of the first: %s", runs[0].Key)
	}
	if n := len(doc.Get("history").Array()); n < 2 {
		t.Errorf("history has %d lines: %s", n, doc.Raw)
	}
}

func testEditsDuringARun(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	for _, id := range []string{"data", "reschedule", "waiting", "date", "gone"} {
		b.put(id, `{"worker":"manobi","job":"block","data":1}`)
		b.awaitRuns(id, 1)
		b.awaitStatus(id, "running")
	}
	later := time.Now().Add(time.Hour).UTC().Truncate(time.Second).Format(time.RFC3339)
	b.edit("data", map[string]any{"data": 2, "tags": []string{"a"}, "else": "x"})
	b.edit("reschedule", map[string]any{"status": "reschedule", "date": later})
	b.edit("date", map[string]any{"date": later})
	b.edit("waiting", map[string]any{"status": "waiting", "job": "run"})
	for _, id := range []string{"data", "reschedule", "waiting", "date"} {
		close(b.gate(id))
	}
	doc := b.awaitStatus("data", "done")
	if doc.Get("data").Int() != 2 || doc.Get("else").String() != "x" || doc.Get("result").String() != "opened" {
		t.Errorf("edit of data: %s", doc.Raw)
	}
	for _, id := range []string{"reschedule", "date"} {
		doc = b.awaitStatus(id, "scheduled")
		if doc.Get("plan.nominal").String() != later || !strings.Contains(doc.Get("history").Raw, `"done"`) {
			t.Errorf("%s: %s", id, doc.Raw)
		}
	}
	b.awaitRuns("waiting", 2)
	b.awaitStatus("waiting", "done")
}

func testRetries(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	b.put("twice", `{"worker":"manobi","job":{"name":"fail-times","arguments":[2]},"retry":{"limit":5,"interval":"50ms","backoff":"constant"}}`)
	b.put("never", `{"worker":"manobi","job":"fail"}`)
	b.put("exhausted", `{"worker":"manobi","job":"fail","retry":{"limit":2,"interval":"20ms"}}`)
	if doc := b.awaitStatus("twice", "done"); doc.Get("retries").Int() != 2 || doc.Get("executions").Int() != 3 {
		t.Errorf("%s", doc.Raw)
	}
	keys := map[string]bool{}
	for _, r := range b.runsOf("twice") {
		keys[r.Key] = true
	}
	if len(keys) != 1 {
		t.Errorf("the retries of one firing have %d keys", len(keys))
	}
	b.awaitStatus("never", "error")
	if doc := b.awaitStatus("exhausted", "error"); doc.Get("executions").Int() != 3 || doc.Get("error.message").String() != "it failed" {
		t.Errorf("%s", doc.Raw)
	}
}

func testRepeats(t *testing.T, b *bundle) {
	t.Helper()
	p := b.start("manobi")
	from := time.Now().UTC().Truncate(time.Millisecond)
	b.put("t", `{"worker":"manobi","job":"run","date":%q,"repeat":{"ms":200,"limit":6}}`, from.Format(time.RFC3339Nano))
	b.awaitRuns("t", 3)
	p.end()
	b.start("manobi")
	doc := b.awaitStatus("t", "done")
	runs := b.runsOf("t")
	if doc.Get("repetitions").Int() != 6 || len(runs) != 6 {
		t.Errorf("%d runs: %s", len(runs), doc.Raw)
	}
	seen := map[string]bool{}
	for _, r := range runs {
		if off := r.Nominal.Sub(from) % (200 * time.Millisecond); off != 0 {
			t.Errorf("nominal date %v is %v off the grid", r.Nominal, off)
		}
		if seen[r.Key] {
			t.Errorf("firing %s ran twice", r.Key)
		}
		seen[r.Key] = true
	}
}

func testTimeoutPanicAndUnknownJob(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	b.put("slow", `{"worker":"manobi","job":"block","timeout":"100ms"}`)
	b.put("panics", `{"worker":"manobi","job":"panic"}`)
	b.put("unknown", `{"worker":"manobi","job":"no-such"}`)
	b.put("date", `{"worker":"manobi","job":"run","date":"gibberish"}`)
	b.put("repeat", `{"worker":"manobi","job":"run","repeat":{"days":0}}`)
	b.put("deaf", `{"worker":"manobi","job":"deaf","timeout":"100ms"}`)
	b.put("shapeless", `{"worker":"manobi","job":{"name":"typed","arguments":{"amount":"much"}},"retry":3}`)
	for id, want := range map[string][2]string{
		"slow": {"timeout", ""}, "panics": {"panic", "oh no"}, "unknown": {"invalid", "no-such"},
		"date": {"invalid", "date"}, "repeat": {"invalid", "repeat"}, "deaf": {"stuck", "ignored"},
		"shapeless": {"invalid", "arguments.amount: string found, a number wanted"},
	} {
		doc := b.awaitStatus(id, "error")
		if doc.Get("error.kind").String() != want[0] || !strings.Contains(doc.Get("error.message").String(), want[1]) {
			t.Errorf("%s: %s", id, doc.Get("error").Raw)
		}
	}
	close(b.gate("deaf"))
}

func testAtMostOnce(t *testing.T, b *bundle) {
	t.Helper()
	p := b.start("manobi")
	b.put("done", `{"worker":"manobi","job":"run","delivery":"at-most-once"}`)
	if doc := b.awaitStatus("done", "done"); !strings.HasPrefix(doc.Get("_rev").String(), "3-") {
		t.Errorf("an at-most-once run is written before it starts: %s", doc.Raw)
	}
	b.put("once", `{"worker":"manobi","job":"block","delivery":"at-most-once"}`)
	b.put("again", `{"worker":"manobi","job":"block"}`)
	b.awaitRuns("once", 1)
	b.awaitRuns("again", 1)
	b.awaitStatus("once", "running")
	b.awaitStatus("again", "running")
	p.crash()
	close(b.gate("again"))
	b.start("manobi")
	if doc := b.awaitStatus("once", "error"); doc.Get("error.kind").String() != "unknown" {
		t.Errorf("%s", doc.Raw)
	}
	b.awaitStatus("again", "done")
	if n := len(b.runsOf("once")); n != 1 {
		t.Errorf("it ran %d times", n)
	}
	again := b.runsOf("again")
	if len(again) != 2 || again[0].Key != again[1].Key {
		t.Errorf("the interrupted firing is the same firing: %+v", again)
	}
}

func testJobLimitAndConcurrency(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	b.many(3, func(i int) string {
		return `{"_id":"l` + string(rune('0'+i)) + `","worker":"manobi","job":"one-at-a-time"}`
	})
	for n := 1; n <= 3; n++ {
		b.await("one of them runs", func() bool { return len(b.runs) == n })
		b.mu.Lock()
		id := b.runs[n-1].ID
		b.mu.Unlock()
		close(b.gate(id))
		b.awaitStatus(id, "done")
	}
}
