package worker_test

import (
	"context"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/task"
)

// controls are the tests of what a person may ask of a planned task, and of what tasks ask of each other.
func controls() map[string]func(t *testing.T, b *bundle) {
	return map[string]func(t *testing.T, b *bundle){
		"pause and resume":                  testPauseAndResume,
		"pause during a run":                testPauseDuringARun,
		"pause after errors in a row":       testPauseAfterErrors,
		"run now":                           testRunNow,
		"skip the next":                     testSkipTheNext,
		"calendars":                         testCalendars,
		"after others":                      testAfterOthers,
		"after others in a circle":          testAfterCircle,
		"after the same date of a repeat":   testAfterRepeat,
		"overlap cancel":                    testOverlapCancel,
		"overlap allow":                     testOverlapAllow,
		"overlap queue":                     testOverlapQueue,
		"expires":                           testExpires,
		"cron, phrases and recurrence sets": testGrammars,
	}
}

func TestControls(t *testing.T) {
	t.Parallel()
	onServers(t, controls())
}

func fromNow(d time.Duration) string { return time.Now().Add(d).UTC().Format(time.RFC3339Nano) }

func testPauseAndResume(t *testing.T, b *bundle) {
	t.Helper()
	p := b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run","repeat":{"ms":100}}`)
	b.awaitRuns("t", 2)
	b.edit("t", map[string]any{"status": "pause", "note": "the printer is away"})
	paused := b.awaitStatus("t", "paused")
	ran := len(b.runsOf("t"))
	p.end()
	b.start("manobi") // a pause outlives the worker
	b.put("other", `{"worker":"manobi","job":"run","date":%q}`, fromNow(500*time.Millisecond))
	b.awaitStatus("other", "done")
	b.wantRuns("t", ran)
	if paused.Get("note").String() != "the printer is away" || paused.Get(`history.@reverse.0.note`).String() != "the printer is away" {
		t.Errorf("the note is not kept: %s", paused.Raw)
	}
	b.edit("t", map[string]any{"status": "resume"})
	b.awaitRuns("t", ran+2)
	doc := b.awaitDoc("t", func(doc gjson.Result) bool { return doc.Get("status").String() == "scheduled" })
	if doc.Get("skipped").Int() == 0 {
		t.Errorf("the dates of the pause are not counted: %s", doc.Raw)
	}
	from, err := time.Parse(time.RFC3339Nano, doc.Get("plan.from").String())
	must(t, err)
	for _, r := range b.runsOf("t") {
		if off := r.Nominal.Sub(from) % (100 * time.Millisecond); off != 0 {
			t.Errorf("nominal date %v is %v off the grid", r.Nominal, off)
		}
	}
}

func testPauseDuringARun(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"block","repeat":{"hours":1}}`)
	b.awaitRuns("t", 1)
	b.edit("t", map[string]any{"status": "pause"})
	close(b.gate("t"))
	doc := b.awaitStatus("t", "paused")
	if doc.Get("result").String() != "opened" || doc.Get("repetitions").Int() != 1 {
		t.Errorf("the outcome of the run is lost: %s", doc.Raw)
	}
}

func testPauseAfterErrors(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"fail","repeat":{"ms":50},"pause_after":3}`)
	doc := b.awaitStatus("t", "paused")
	b.wantRuns("t", 3)
	if doc.Get("failures").Int() != 3 || doc.Get("error.message").String() != "it failed" {
		t.Errorf("%s", doc.Raw)
	}
}

func testRunNow(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	date := fromNow(time.Hour)
	for id, repeat := range map[string]string{"repeat": `{"hours":2}`, "once": `null`} {
		b.put(id, `{"worker":"manobi","job":"run","date":%q,"repeat":%s}`, date, repeat)
		before := b.awaitStatus(id, "scheduled")
		b.edit(id, map[string]any{"status": "run"})
		b.awaitRuns(id, 1)
		after := b.awaitDoc(id, func(doc gjson.Result) bool {
			return doc.Get("status").String() == "scheduled" && doc.Get("executions").Int() == 1
		})
		for _, path := range []string{"date", "plan.nominal", "plan.key", "plan.from", "plan.due"} {
			if before.Get(path).Raw != after.Get(path).Raw {
				t.Errorf("%s: %s was %s and is %s", id, path, before.Get(path).Raw, after.Get(path).Raw)
			}
		}
		if after.Get("result.ran").String() != id || after.Get("plan.back").Exists() {
			t.Errorf("%s", after.Raw)
		}
	}
	b.edit("repeat", map[string]any{"status": "pause"})
	b.awaitStatus("repeat", "paused")
	b.edit("repeat", map[string]any{"status": "run"})
	b.awaitRuns("repeat", 2)
	b.awaitStatus("repeat", "paused")
}

func testSkipTheNext(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	first := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	b.put("t", `{"worker":"manobi","job":"run","date":%q,"repeat":{"days":1}}`, first.Format(time.RFC3339))
	b.awaitStatus("t", "scheduled")
	b.edit("t", map[string]any{"status": "skip"})
	want := first.AddDate(0, 0, 1).Format(time.RFC3339)
	doc := b.awaitDoc("t", func(doc gjson.Result) bool { return doc.Get("plan.nominal").String() == want })
	if doc.Get("status").String() != "scheduled" || doc.Get("skipped").Int() != 1 || doc.Get("date").String() != want {
		t.Errorf("%s", doc.Raw)
	}
}

func testCalendars(t *testing.T, b *bundle) {
	t.Helper()
	day := func(n int) string { return time.Now().UTC().AddDate(0, 0, n).Format(time.DateOnly) }
	b.put("holidays", `{"type":"calendar","dates":[%q]}`, day(1))
	p := b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run","date":%q,"repeat":{"every":"P1D","except":"holidays"}}`, day(1)+"T09:00:00Z")
	planned := func(n int) func(gjson.Result) bool {
		return func(doc gjson.Result) bool { return doc.Get("plan.nominal").String() == day(n)+"T09:00:00Z" }
	}
	b.awaitDoc("t", planned(2))
	b.edit("holidays", map[string]any{"dates": []string{day(1) + "/" + day(4)}})
	b.awaitDoc("t", planned(5))
	p.end()
	b.edit("holidays", map[string]any{"dates": []string{}}) // while nobody looks
	b.start("manobi")
	doc := b.awaitDoc("t", planned(1))
	if doc.Get("status").String() != "scheduled" {
		t.Errorf("%s", doc.Raw)
	}
	b.put("lost", `{"worker":"manobi","job":"run","repeat":{"every":"P1D","except":"nowhere"}}`)
	lost := b.awaitStatus("lost", "error")
	if message := lost.Get("error.message").String(); message != `repeat: except: the calendar "nowhere": there is no document of that id with "type": "calendar"` {
		t.Errorf("the error is %q", message)
	}
}

func testAfterOthers(t *testing.T, b *bundle) {
	t.Helper()
	job, err := jobs.New("sum", func(_ context.Context, task *jobs.Task) (any, error) {
		b.note(task)
		return map[string]string{"a": string(task.Upstream("a").Result), "b": string(task.Upstream("b").Result)}, nil
	})
	must(t, err)
	must(t, b.jobs.Add(job))
	p := b.start("manobi", "other")
	b.put("c", `{"worker":"manobi","job":"sum","after":["a","b"]}`)
	b.put("failed", `{"worker":"manobi","job":"run","after":"b","when":"error"}`)
	b.put("a", `{"worker":"other","job":"run"}`)
	b.awaitStatus("a", "done")
	p.end()
	b.start("manobi", "other") // what waits goes on waiting
	b.put("b", `{"worker":"other","job":"block"}`)
	b.awaitRuns("b", 1)
	b.wantRuns("c", 0)
	if doc := b.awaitDoc("c", func(gjson.Result) bool { return true }); doc.Get("claim").Exists() || doc.Get("status").Exists() {
		t.Errorf("it was claimed before it may run: %s", doc.Raw)
	}
	close(b.gate("b"))
	doc := b.awaitStatus("c", "done")
	if doc.Get("result.a").String() != `{"ran":"a"}` || doc.Get("result.b").String() != `"opened"` {
		t.Errorf("the results that it waited for did not arrive: %s", doc.Raw)
	}
	b.wantRuns("failed", 0)
}

func testAfterCircle(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	b.put("a", `{"worker":"manobi","job":"run","after":"b"}`)
	b.put("b", `{"worker":"manobi","job":"run","after":"c"}`)
	b.put("c", `{"worker":"manobi","job":"run","after":"a"}`)
	b.await("one of the circle says so", func() bool {
		for _, id := range []string{"a", "b", "c"} {
			if b.docs[id].Get("error.kind").String() == "invalid" {
				return true
			}
		}
		return false
	})
}

func testAfterRepeat(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	from := time.Now().Add(300 * time.Millisecond).UTC().Truncate(time.Millisecond).Format(time.RFC3339Nano)
	b.put("second", `{"worker":"manobi","job":"run","date":%q,"repeat":{"ms":400,"limit":3},"after":"first"}`, from)
	b.put("first", `{"worker":"manobi","job":"run","date":%q,"repeat":{"ms":400,"limit":3}}`, from)
	b.awaitStatus("second", "done")
	first, second := b.runsOf("first"), b.runsOf("second")
	if len(second) == 0 {
		t.Fatal("it never ran")
	}
	for _, s := range second {
		held := false
		for _, f := range first {
			held = held || !f.Nominal.Before(s.Nominal) && f.At.Before(s.At)
		}
		if !held {
			t.Errorf("%v ran before the firing that it waits for: %v", s, first)
		}
	}
}

func testOverlapCancel(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"block","repeat":{"ms":300,"limit":3},"overlap":"cancel"}`)
	b.awaitRuns("t", 3)
	b.awaitDoc("t", func(doc gjson.Result) bool { return doc.Get("error.kind").String() == "overlap" })
	close(b.gate("t"))
	doc := b.awaitStatus("t", "done")
	b.wantRuns("t", 3)
	passed := int64(0) // by a slow machine, which stops a run only when a further date has come
	for runs := b.runsOf("t"); len(runs) > 1; runs = runs[1:] {
		passed += runs[1].Nominal.Sub(runs[0].Nominal).Milliseconds()/300 - 1
	}
	if doc.Get("skipped").Int() != passed {
		t.Errorf("%d dates were passed over: %s", passed, doc.Raw)
	}
}

func testOverlapAllow(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	from := time.Now().UTC().Truncate(time.Millisecond)
	b.put("t", `{"worker":"manobi","job":"block","date":%q,"repeat":{"ms":400},"overlap":"allow"}`, from.Format(time.RFC3339Nano))
	for _, n := range []int{1, 2} {
		id := task.ChildID("t", from.Add(time.Duration(n)*400*time.Millisecond))
		b.awaitRuns(id, 1)
	}
	close(b.gate("t"))
	doc := b.awaitDoc("t", func(doc gjson.Result) bool { return doc.Get("repetitions").Int() >= 2 })
	if doc.Get("skipped").Int() != 0 {
		t.Errorf("%s", doc.Raw)
	}
	nominal := map[time.Time]int{}
	for _, r := range b.runsOf("t") {
		nominal[r.Nominal]++
	}
	for n := range 3 {
		date := from.Add(time.Duration(n) * 400 * time.Millisecond)
		id := task.ChildID("t", date)
		if runs := nominal[date] + len(b.runsOf(id)); runs != 1 {
			t.Errorf("the date %v has %d runs", date, runs)
		}
	}
}

func testOverlapQueue(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	for _, overlap := range []string{"queue-all", "skip"} {
		b.put(overlap, `{"worker":"manobi","job":"block","repeat":{"ms":100,"limit":6},"overlap":%q}`, overlap)
		b.awaitRuns(overlap, 1)
	}
	b.put("later", `{"worker":"manobi","job":"run","date":%q}`, fromNow(450*time.Millisecond))
	b.awaitStatus("later", "done")
	for _, overlap := range []string{"queue-all", "skip"} {
		close(b.gate(overlap))
	}
	queued, skipped := b.awaitStatus("queue-all", "done"), b.awaitStatus("skip", "done")
	if queued.Get("skipped").Int() != 0 || skipped.Get("skipped").Int() < 4 {
		t.Errorf("left out: %d of queue-all, %d of skip", queued.Get("skipped").Int(), skipped.Get("skipped").Int())
	}
	runs := b.runsOf("queue-all")
	for n := 1; n < len(runs); n++ {
		if gap := runs[n].Nominal.Sub(runs[n-1].Nominal); gap != 100*time.Millisecond {
			t.Errorf("run %d is for a date %v after the one before", n, gap)
		}
	}
}

func testExpires(t *testing.T, b *bundle) {
	t.Helper()
	b.put("gone", `{"worker":"manobi","job":"run","date":%q,"expires":"10s"}`, fromNow(-time.Hour))
	b.put("stays", `{"worker":"manobi","job":"run","date":%q,"expires":"2h"}`, fromNow(-time.Hour))
	b.start("manobi")
	if doc := b.awaitStatus("gone", "error"); doc.Get("error.kind").String() != "expired" {
		t.Errorf("%s", doc.Raw)
	}
	b.awaitStatus("stays", "done")
	b.wantRuns("gone", 0)
}

func testGrammars(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	for id, repeat := range map[string]string{
		"cron":   `{"cron":"* * * * * *","limit":2}`,
		"phrase": `"every second, 2 times"`,
		"rrule":  `"FREQ=SECONDLY;COUNT=2"`,
		"iso":    `"R2/PT1S"`,
		"any":    `{"any":["*/2 * * * * *","1/2 * * * * *"],"limit":2}`,
	} {
		b.put(id, `{"worker":"manobi","job":"run","repeat":%s,"overlap":"queue-all"}`, repeat) // a slow machine passes over none
	}
	for _, id := range []string{"cron", "phrase", "rrule", "iso", "any"} {
		doc := b.awaitStatus(id, "done")
		if runs := b.runsOf(id); len(runs) != 2 || runs[1].Nominal.Sub(runs[0].Nominal) != time.Second {
			t.Errorf("%s ran %+v: %s", id, runs, doc.Raw)
		}
	}
	b.put("never", `{"worker":"manobi","job":"run","repeat":"0 0 30 2 *"}`)
	if doc := b.awaitStatus("never", "error"); doc.Get("error.kind").String() != "invalid" {
		t.Errorf("%s", doc.Raw)
	}
}
