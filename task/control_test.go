package task_test

import (
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/task"
)

// hourly is a planned repeat of every hour since 06:00; its date of 09:00 has passed.
func hourly(fields string) string {
	return join(`"status":"scheduled"`, `"date":"`+nine+`"`, `"repeat":{"hours":1}`, fields,
		planAt("2026-11-18T06:00:00Z", nine, 3, nine, "PT1H"))
}

func TestControl(t *testing.T) {
	t.Parallel()
	asked := func(status, fields string) string { return join(`"status":"`+status+`"`, fields) }
	daily := func(status, nominal, more string) string {
		return asked(status, join(`"date":"`+nominal+`"`, daily, more, planAt("2026-11-01T12:00:00Z", nominal, 17, nominal, "P1D")))
	}
	for _, c := range []struct {
		name, fields, want string
		after              map[string]string
	}{
		{"pause", daily("pause", noon, `"note":"away"`), "end paused", map[string]string{
			"note": `"away"`, "history": `[{"status":"paused","at":"2026-11-18T09:30:15.007Z","member":"m1","note":"away"}]`,
		}},
		{"pause of what was never planned", asked("pause", ""), "end paused", map[string]string{
			"plan": `{"from":"2026-11-18T09:30:15.007Z","index":0,"nominal":"2026-11-18T09:30:15.007Z","due":"2026-11-18T09:30:15.007Z",` +
				`"key":"t@2026-11-18T09:30:15.007Z/3-967a00df","rule":"now","paused":true}`,
		}},
		{"pause of what nobody can read", asked("pause", `"timeout":[]`), "end paused", nil},
		{"paused", daily("paused", noon, ""), "ignore", nil},
		{"resume before its date", daily("resume", noon, ""), "schedule scheduled " + noon, map[string]string{"skipped": ""}},
		{
			"resume after three dates", asked("resume", join(`"date":"2026-11-15T12:00:00Z"`, `"repeat":{"days":1}`, `"failures":2`,
				planAt("2026-11-01T12:00:00Z", "2026-11-15T12:00:00Z", 14, "2026-11-15T12:00:00Z", "P1D"))),
			"schedule scheduled " + noon,
			map[string]string{"skipped": "3", "failures": "0", "date": `"` + noon + `"`},
		},
		{"resume after its last date", asked("resume", join(`"date":"2026-11-15T12:00:00Z"`, `"repeat":{"days":1,"until":"2026-11-16"}`,
			planAt("2026-11-01T12:00:00Z", "2026-11-15T12:00:00Z", 14, "2026-11-15T12:00:00Z", "P1D"))), "end done", map[string]string{"skipped": "2"}},
		{"resume of a one-off whose date passed", asked("resume", join(`"date":"`+nine+`"`, plan(nine, nine, ""))), "schedule scheduled " + nine, nil},
		{"resume without a plan", asked("resume", `"date":"`+noon+`"`), "schedule scheduled " + noon, nil},
		{"resume of an edited one", asked("resume", join(`"date":"2026-11-19"`, plan(noon, noon, ""))), "schedule scheduled 2026-11-19T00:00:00Z", nil},
		{"run", daily("run", noon, ""), "schedule scheduled 2026-11-18T09:30:15.007Z", map[string]string{"date": `"` + noon + `"`}},
		{"run without a plan", asked("run", `"date":"`+noon+`"`), "schedule scheduled 2026-11-18T09:30:15.007Z", nil},
		{"run of a job that is not there", asked("run", `"job":"gone"`), `end error invalid: job: the worker w has no job named "gone"`, nil},
		{"skip", daily("skip", noon, ""), "schedule scheduled 2026-11-19T12:00:00Z", map[string]string{"skipped": "1", "date": `"2026-11-19T12:00:00Z"`}},
		{"skip of a one-off", asked("skip", join(`"date":"`+noon+`"`, plan(noon, noon, ""))), "end canceled", nil},
		{"skip of the last", asked("skip", join(`"date":"`+noon+`"`, `"repeat":{"days":1,"until":"`+noon+`"}`, planAt(noon, noon, 0, noon, "P1D"))), "end done", nil},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := task.Decide(decode(t, document(c.fields)), ours())
			if got := describe(d); !matches(got, c.want) {
				t.Fatalf("%s, want %s", got, c.want)
			}
			if d.Next != nil {
				expect(t, d.Next, c.after)
			}
		})
	}
}

func TestRunNowGoesBackToThePlan(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, plan, want string }{
		{"a repeat", planAt("2026-11-01T12:00:00Z", noon, 17, noon, "P1D"), "schedule scheduled " + noon},
		{"a paused one", planAt("2026-11-01T12:00:00Z", noon, 17, noon, "P1D"), "end paused"},
		{"one that had ended", planAt("2026-11-01T12:00:00Z", nine, 17, nine, "P1D"), "end done"},
	} {
		fields := join(`"status":"run"`, `"repeat":{"days":1}`, `"date":"`+noon+`"`, c.plan)
		if c.name == "one that had ended" {
			fields = join(`"status":"run"`, `"repeat":{"days":1}`, `"date":"`+nine+`"`, c.plan[:len(c.plan)-1]+`,"last":{"nominal":"`+nine+`","at":"`+nine+`","status":"done"}}`)
		}
		if c.name == "a paused one" {
			fields = join(`"status":"run"`, `"repeat":{"days":1}`, `"date":"`+noon+`"`, c.plan[:len(c.plan)-1]+`,"paused":true}`)
		}
		planned := task.Decide(decode(t, document(fields)), ours())
		if planned.Action != task.Schedule {
			t.Fatalf("%s: %s", c.name, describe(planned))
		}
		again := decode(t, string(planned.Next.Encode()))
		if got := task.Decide(again, ours()); got.Action != task.Start {
			t.Errorf("%s, read back: %s", c.name, describe(got))
		}
		if got := describe(task.Settle(again, ok(), ours())); !matches(got, c.want) {
			t.Errorf("%s: %s, want %s", c.name, got, c.want)
		}
	}
}

// TestEditWhileAwaited: a run that goes on elsewhere is still awaited after what a person wrote, or that is its end, which is told once.
func TestEditWhileAwaited(t *testing.T) {
	t.Parallel()
	awaits := func(status, nominal, fields string) string {
		p := planAt(nine, nominal, 0, noon, "")
		return join(`"status":"`+status+`"`, `"date":"`+nine+`"`, `"started":"`+nine+`"`, claim("i1"), fields, p[:len(p)-1]+`,"awaits":true}`)
	}
	called := `"callback":{"status":"done","result":7}`
	for _, c := range []struct{ name, fields, want, ended string }{
		{"cancel", awaits("cancel", nine, ""), "end canceled", "canceled"},
		{"canceled while it was paused", awaits("cancel", nine, `"note":"x"`), "end canceled", "canceled"},
		{"waiting", awaits("waiting", nine, ""), "schedule scheduled " + nine, "canceled"},
		{"reschedule", awaits("reschedule", nine, ""), "schedule scheduled " + nine, "canceled"},
		{"another date", strings.Replace(awaits("running", nine, ""), `"date":"`+nine, `"date":"`+noon, 1), "schedule scheduled " + noon, "canceled"},
		{"a date nobody can read", strings.Replace(awaits("running", nine, ""), `"date":"`+nine, `"date":"soon`, 1), `end error invalid: date`, "canceled"},
		{"skip", awaits("skip", nine, ""), "end canceled", "canceled"},
		{"skip, called back before", awaits("skip", nine, called), "end canceled", "done"},
		{"run, called back before", awaits("run", nine, called), "schedule scheduled 2026-11-18T09:30:15.007Z", "done"},
		{"run", awaits("run", nine, ""), "schedule scheduled 2026-11-18T09:30:15.007Z", "canceled"},
		{"run, after a restart", strings.Replace(awaits("run", nine, ""), `"i1"`, `"i0"`, 1), "schedule scheduled 2026-11-18T09:30:15.007Z", "canceled"},
		{"pause", awaits("pause", nine, ""), "end paused", ""},
		{"pause, after a restart", strings.Replace(awaits("pause", nine, `"delivery":"at-most-once","history":[{"status":"running","at":"`+nine+`"}]`), `"i1"`, `"i0"`, 1), "end paused", ""},
		{"resume", awaits("resume", nine, ""), "schedule running " + noon + " for " + nine, ""},
		{"resume, called back meanwhile", awaits("resume", nine, called), "end done", "done"},
		{"data", awaits("running", nine, `"data":2`), "hold running " + noon + " for " + nine, ""},
		{"scheduled by hand", awaits("scheduled", nine, ""), "hold scheduled " + noon + " for " + nine, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			before := decode(t, document(c.fields))
			d := task.Decide(before, ours())
			if got := describe(d); !matches(got, c.want) {
				t.Errorf("%s, want %s", got, c.want)
			}
			if got := endOf(d); got != c.ended {
				t.Errorf("the run ended as %q, want %q", got, c.ended)
			}
			if c.ended == "" {
				return
			}
			if d.Next.Callback != nil || d.Next.Executions != 1 {
				t.Errorf("%d executions; the callback stays for the next run: %s", d.Next.Executions, d.Next.Callback)
			}
			if again := task.Decide(edit(t, decode(t, string(d.Next.Encode())), "9-x", `status:"waiting"`), ours()); again.Settled != nil {
				t.Errorf("its end is told twice: %+v", again.Settled.Outcome)
			}
		})
	}
}

// TestRunInsteadOfAnAwaitedOne: a run that is asked for ends the one for which a callback was awaited, for good, however the task is delivered and
// whoever reads the word. So does a skip, which leaves out nothing else.
func TestRunInsteadOfAnAwaitedOne(t *testing.T) {
	t.Parallel()
	const ten = "2026-11-18T10:00:00Z"
	awaits := func(word, rule, paused, fields string) string {
		p := planAt(nine, nine, 0, noon, rule)
		return join(`"status":"`+word+`"`, `"date":"`+nine+`"`, `"started":"`+nine+`"`, fields, p[:len(p)-1]+`,"awaits":true`+paused+`}`)
	}
	const once, hourly, paused = `"delivery":"at-most-once"`, `"repeat":{"hours":1}`, `,"paused":true`
	for _, c := range []struct{ name, fields, run, skip string }{
		{"one-off", awaits("%s", "", "", ""), "end done", "end canceled"},
		{"at most once", awaits("%s", "", "", once), "end done", "end canceled"},
		{"a paused one", awaits("%s", "", paused, once), "end done", "end canceled"},
		{"repeat", awaits("%s", "PT1H", "", hourly), "schedule scheduled " + ten, "schedule scheduled " + ten},
		{"repeat at most once", awaits("%s", "PT1H", "", hourly+","+once), "schedule scheduled " + ten, "schedule scheduled " + ten},
		{"a paused repeat", awaits("%s", "PT1H", paused, hourly), "end paused", "end paused"},
		{"the last date", awaits("%s", "PT1H", "", `"repeat":{"hours":1,"until":"`+nine+`"}`), "end done", "end done"},
	} {
		for _, by := range []string{"i1", "i0"} { // this process, or one before it
			history := `"history":[{"status":"running","at":"` + nine + `"}]`
			read := func(word string) *task.Task {
				return decode(t, document(join(strings.Replace(c.fields, "%s", word, 1), claim(by), history)))
			}
			d := task.Decide(read("run"), ours())
			if endOf(d) != "canceled" {
				t.Errorf("%s, %s: the run ended as %q", c.name, by, endOf(d))
			}
			if got := describe(task.Settle(d.Next, ok(), ours())); !matches(got, c.run) {
				t.Errorf("%s, %s: after the run %s, want %s", c.name, by, got, c.run)
			}
			d = task.Decide(read("skip"), ours())
			if got := describe(d); !matches(got, c.skip) || endOf(d) != "canceled" {
				t.Errorf("%s, %s: skipped: %s, ended as %q, want %s", c.name, by, got, endOf(d), c.skip)
			}
		}
	}
}

// TestResumeDuringARunBesideAPause: the word counts when the run has ended.
func TestResumeDuringARunBesideAPause(t *testing.T) {
	t.Parallel()
	p := planAt(nine, nine, 0, nine, "PT1H")
	paused := decode(t, document(join(`"status":"run"`, `"date":"`+nine+`"`, `"repeat":{"hours":1}`, p[:len(p)-1]+`,"paused":true}`)))
	ran := task.Decide(paused, ours()).Next
	theirs := edit(t, decode(t, string(ran.Encode())), "9-x", `status:"resume"`)
	if got := describe(task.Resolve(ran, ok(), theirs, ours())); got != "schedule scheduled 2026-11-18T10:00:00Z" {
		t.Errorf("got %s", got)
	}
}

// endOf says how the run ended that a decision settled, "" where there is none.
func endOf(d task.Decision) string {
	switch {
	case d.Settled == nil:
		return ""
	case d.Settled.Outcome.Kind != "":
		return d.Settled.Outcome.Kind
	case d.Settled.Outcome.Err != nil:
		return "error"
	}
	return "done"
}

func TestOverlap(t *testing.T) {
	t.Parallel()
	// The run of 06:00 ended at 09:30:15 after the dates 07:00, 08:00 and 09:00.
	long := with(ok(), func(o *task.Outcome) { o.Started = at(t, "2026-11-18T06:00:00Z") })
	late := with(ok(), func(o *task.Outcome) { o.Started = at(t, "2026-11-18T07:30:00Z") })
	allowed := with(long, func(o *task.Outcome) { o.Covered = at(t, "2026-11-18T08:00:00Z") })
	for _, c := range []struct {
		overlap, want, skipped string
		o                      task.Outcome
	}{
		{`"skip"`, "schedule scheduled 2026-11-18T10:00:00Z", "3", long},
		{`"queue"`, "schedule scheduled 2026-11-18T07:00:00Z", "", long},
		{`"queue"`, "schedule scheduled 2026-11-18T08:00:00Z", "1", late},
		{`"queue-all"`, "schedule scheduled 2026-11-18T07:00:00Z", "", late},
		{`"cancel"`, "schedule scheduled " + nine, "2", long},
		{`"allow"`, "schedule scheduled " + nine, "", allowed},
		{`"allow"`, "schedule scheduled 2026-11-18T07:00:00Z", "", long},
	} {
		const six = "2026-11-18T06:00:00Z"
		raw := document(join(`"status":"scheduled"`, `"date":"`+six+`"`, `"repeat":{"hours":1}`, `"overlap":`+c.overlap, planAt(six, six, 0, six, "PT1H")))
		d := task.Settle(decode(t, raw), c.o, ours())
		if got := describe(d); !matches(got, c.want) {
			t.Errorf("%s: %s, want %s", c.overlap, got, c.want)
		}
		expect(t, d.Next, map[string]string{"skipped": c.skipped})
	}
	const six = "2026-11-18T06:00:00Z"
	raw := document(join(`"status":"scheduled"`, `"date":"`+six+`"`, `"repeat":{"hours":1,"limit":1}`, planAt(six, six, 0, six, "PT1H")))
	if d := task.Settle(decode(t, raw), long, ours()); d.Action != task.End || d.Next.Skipped != 0 {
		t.Errorf("dates after the last firing are left out: %s, %d", describe(d), d.Next.Skipped)
	}
}

func TestMissedWindows(t *testing.T) {
	t.Parallel()
	old := func(missed string) string { // hourly since 06:00 the day before
		const from = "2026-11-17T06:00:00Z"
		return join(`"status":"scheduled"`, `"date":"`+from+`"`, `"repeat":{"hours":1}`, `"missed":`+missed, planAt(from, from, 0, from, "PT1H"))
	}
	for _, c := range []struct{ missed, want, skipped string }{
		{`"run"`, "start scheduled " + nine, "27"},
		{`{"rule":"run","window":"1h"}`, "start scheduled " + nine, "27"},
		{`{"rule":"run","window":"10m"}`, "schedule scheduled 2026-11-18T10:00:00Z", "28"},
		{`"skip"`, "schedule scheduled 2026-11-18T10:00:00Z", "28"},
		{`"all"`, "start scheduled 2026-11-17T06:00:00Z", ""},
		{`{"rule":"all","limit":3}`, "start scheduled 2026-11-18T07:00:00Z", "25"},
		{`{"rule":"all","window":"150m"}`, "start scheduled 2026-11-18T08:00:00Z", "26"},
		{`{"rule":"all","window":"10m"}`, "schedule scheduled 2026-11-18T10:00:00Z", "28"},
	} {
		d := task.Decide(decode(t, document(old(c.missed))), recovering())
		if got := describe(d); !matches(got, c.want) {
			t.Errorf("%s: %s, want %s", c.missed, got, c.want)
		}
		expect(t, d.Next, map[string]string{"skipped": c.skipped})
	}
	one := join(`"status":"scheduled"`, `"date":"`+nine+`"`, `"missed":{"rule":"run","window":"10m"}`, plan(nine, nine, ""))
	if got := describe(task.Decide(decode(t, document(one)), recovering())); !matches(got, "end error missed: it was due at "+nine) {
		t.Error(got)
	}
}

// TestMissedWindowOfARetry: a firing whose retry was to start within the window is not too old, though its date is.
func TestMissedWindowOfARetry(t *testing.T) {
	t.Parallel()
	const due = "2026-11-18T09:25:00Z"
	for _, missed := range []string{"run", "all"} {
		for window, want := range map[string]string{"10m": "start scheduled " + due + " for " + nine, "3m": "schedule scheduled 2026-11-18T10:00:00Z"} {
			raw := document(join(`"status":"scheduled"`, `"date":"`+nine+`"`, `"repeat":{"hours":1}`, `"retries":1,"retry":3`,
				`"missed":{"rule":"`+missed+`","window":"`+window+`"}`, planAt("2026-11-18T06:00:00Z", nine, 3, due, "PT1H")))
			if got := describe(task.Decide(decode(t, raw), recovering())); !matches(got, want) {
				t.Errorf("%s within %s: %s, want %s", missed, window, got, want)
			}
		}
	}
}

// TestQueueAllAfterACatchUp: once the missed dates that may run have run, the older ones do not come back.
func TestQueueAllAfterACatchUp(t *testing.T) {
	t.Parallel()
	const six = "2026-11-18T06:00:00Z"
	raw := document(join(`"status":"scheduled"`, `"date":"`+six+`"`, `"repeat":{"hours":1}`, `"overlap":"queue-all"`, `"missed":{"rule":"all","window":"10m"}`,
		strings.TrimSuffix(planAt(six, six, 0, six, "PT1H"), "}")+`,"catchup":"2026-11-18T09:20:00Z","interrupted":true}`))
	d := task.Settle(decode(t, raw), with(ok(), func(o *task.Outcome) { o.Started = at(t, "2026-11-18T09:20:00Z") }), ours())
	if got := describe(d); !matches(got, "schedule scheduled 2026-11-18T10:00:00Z") || d.Next.Skipped != 3 {
		t.Errorf("%s, %d left out", got, d.Next.Skipped)
	}
}

func TestRetryConditions(t *testing.T) {
	t.Parallel()
	coded := func(code int64) task.Outcome { return with(bad(), func(o *task.Outcome) { o.Code = code }) }
	invalid := kind(task.KindInvalid)
	for _, c := range []struct {
		retry string
		o     task.Outcome
		again bool
	}{
		{`{"limit":3,"retry_on":["5xx",429]}`, coded(503), true},
		{`{"limit":3,"retry_on":["5xx",429]}`, coded(429), true},
		{`{"limit":3,"retry_on":["5xx",429]}`, coded(404), false},
		{`{"limit":3,"retry_on":["5xx",429]}`, kind(task.KindTimeout), false},
		{`{"limit":3,"retry_on":["timeout"]}`, kind(task.KindTimeout), true},
		{`{"limit":3,"retry_on":["invalid"]}`, invalid, true},
		{`{"limit":3}`, invalid, false},
		{`{"limit":3,"give_up_on":["4xx","panic"]}`, coded(404), false},
		{`{"limit":3,"give_up_on":["4xx","panic"]}`, coded(500), true},
		{`{"limit":3,"give_up_on":["4xx","panic"]}`, kind(task.KindPanic), false},
		{`{"limit":3,"total":"1h"}`, bad(), true},
		{`{"limit":3,"total":"20m"}`, bad(), false},
		{`{"limit":3,"total":"32m","interval":"1m","jitter":0}`, bad(), true},
		{`{"limit":3,"total":"31m","interval":"1m","jitter":0}`, bad(), false}, // the next would start at 09:31:15
		{`{"interval":["1s","2s"]}`, bad(), true},
	} {
		raw := document(join(`"status":"scheduled"`, `"date":"`+nine+`"`, `"retry":`+c.retry, plan(nine, nine, "")))
		d := task.Settle(decode(t, raw), c.o, ours())
		if again := d.Action == task.Schedule; again != c.again {
			t.Errorf("%s after %s %d: %s", c.retry, c.o.Kind, c.o.Code, describe(d))
		}
	}
	raw := document(join(`"status":"scheduled"`, `"date":"`+nine+`"`, `"retry":{"interval":["1s","2s","10s"],"jitter":0}`, plan(nine, nine, "")))
	next := decode(t, raw)
	for _, pause := range []time.Duration{time.Second, 2 * time.Second, 10 * time.Second} {
		d := task.Settle(next, bad(), ours())
		if got := d.Next.Plan.Due.Sub(now); d.Action != task.Schedule || got != pause || !d.Next.Error.Next.Equal(d.Next.Plan.Due) {
			t.Errorf("the pause is %v, want %v: %s", got, pause, describe(d))
		}
		next = d.Next
	}
	if d := task.Settle(next, bad(), ours()); d.Action != task.End || !d.Next.Error.Next.IsZero() {
		t.Errorf("after the last interval: %s", describe(d))
	}
	factor := document(join(`"status":"scheduled"`, `"date":"`+nine+`"`, `"retries":2`, `"retry":{"limit":5,"interval":"1s","factor":3,"jitter":0}`, plan(nine, nine, "")))
	if d := task.Settle(decode(t, factor), bad(), ours()); d.Next.Plan.Due.Sub(now) != 9*time.Second {
		t.Errorf("the third pause is %v", d.Next.Plan.Due.Sub(now))
	}
}

func TestExpiry(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ fields, want string }{
		{join(`"date":"`+nine+`"`, `"expires":"20m"`), "end error expired: it could not start before it expired at 2026-11-18T09:20:00Z"},
		{join(`"date":"`+nine+`"`, `"expires":"40m"`), "start scheduled " + nine},
		{join(`"date":"`+nine+`"`, `"expires":"2026-11-18 09:30"`), "end error expired: it could not start before it expired at 2026-11-18T09:30:00Z"},
		{join(`"date":"`+nine+`"`, `"expires":"2026-11-18 10:30"`, `"timezone":"Europe/Berlin"`), "end error expired: it could not start before it expired at 2026-11-18T09:30:00Z"},
		{hourly(`"expires":"20m"`), "schedule scheduled 2026-11-18T10:00:00Z"},
		{hourly(`"expires":"tomorrow"`), "end error invalid: expires: words would move"},
	} {
		if got := describe(task.Decide(decode(t, document(c.fields)), ours())); !matches(got, c.want) {
			t.Errorf("%s: %s, want %s", c.fields, got, c.want)
		}
	}
}

// TestRetriesAndExpiry: no retry starts after the task has expired, and what failed is what it says in the end.
func TestRetriesAndExpiry(t *testing.T) {
	t.Parallel()
	failing := func(expires, more string) string {
		return document(join(`"status":"scheduled"`, `"date":"`+nine+`"`, `"expires":"`+expires+`"`, more, plan(nine, nine, "")))
	}
	const retry = `"retry":{"limit":3,"interval":"1m","jitter":0}`
	if d := task.Settle(decode(t, failing("31m", retry)), bad(), ours()); d.Action != task.End || d.Next.Error.Kind != task.KindJob || !d.Next.Error.Next.IsZero() {
		t.Errorf("its retry would come too late: %s", describe(d))
	}
	d := task.Settle(decode(t, failing("32m", retry)), bad(), ours())
	if d.Action != task.Schedule {
		t.Fatalf("its retry comes in time: %s", describe(d))
	}
	v := recovering()
	v.Now = v.Now.Add(time.Hour)
	d = task.Decide(writes(t, d, "4-a", ""), v)
	if d.Action != task.Schedule && d.Action != task.End || d.Next.Status != task.Failed || d.Next.Error.Kind != task.KindJob || !d.Next.Error.Next.IsZero() {
		t.Errorf("nobody was there for its retry: %s", describe(d))
	}
}

func TestBlocked(t *testing.T) {
	t.Parallel()
	const last = `,"last":{"nominal":"` + nine + `","at":"2026-11-18T09:10:00Z","status":"done"}}`
	repeat := planAt("2026-11-18T06:00:00Z", noon, 6, noon, "PT1H")
	known := map[string]*task.Task{
		"done":    decode(t, `{"_id":"done","_rev":"1-a","worker":"v","status":"done"}`),
		"error":   decode(t, `{"_id":"error","_rev":"1-a","worker":"v","status":"error"}`),
		"waiting": decode(t, `{"_id":"waiting","_rev":"1-a","worker":"v"}`),
		"again":   decode(t, `{"_id":"again","_rev":"1-a","worker":"v","status":"scheduled","repeat":{"hours":1},`+repeat[:len(repeat)-1]+last+`}`),
		"circle":  decode(t, `{"_id":"circle","_rev":"1-a","worker":"v","after":["waiting","circle2"]}`),
		"circle2": decode(t, `{"_id":"circle2","_rev":"1-a","worker":"v","after":["t"]}`),
	}
	for _, c := range []struct{ fields, want string }{
		{`"after":"done"`, ""},
		{`"after":"error"`, "error"},
		{`"after":"error","when":"error"`, ""},
		{`"after":["error","done"],"when":"ended"`, ""},
		{`"after":["waiting","done","missing"]`, "waiting missing"},
		{`"after":"again"`, ""},
		{`"after":"again","when":"error"`, "again"},
		{join(`"after":"again"`, plan(nine, nine, "")), ""},
		{join(`"after":"again"`, plan("2026-11-18T09:05:00Z", "2026-11-18T09:05:00Z", "")), ""},
		{join(`"after":"again"`, plan("2026-11-18T09:15:00Z", "2026-11-18T09:15:00Z", "")), "again"},
		{join(`"status":"scheduled"`, `"after":"again"`, plan("2026-11-18T09:05:00Z", "2026-11-18T09:30:00Z", "")), ""},
		{join(`"status":"scheduled"`, `"after":"error"`, `"retries":1`, plan(nine, noon, "")), ""},
		{join(`"status":"waiting"`, `"after":"error"`, `"retries":1`, plan(nine, noon, "")), "error"},
		{join(`"status":"scheduled"`, `"after":"error"`, strings.TrimSuffix(plan(nine, nine, ""), "}")+`,"interrupted":true}`), ""},
		{`"after":"circle"`, "after: it waits for itself: t → circle2 → circle → t"},
	} {
		ids, err := decode(t, document(c.fields)).Blocked(func(id string) *task.Task { return known[id] })
		got := strings.Join(ids, " ")
		if err != nil {
			got = err.Error()
		}
		if got != c.want {
			t.Errorf("%s: %q, want %q", c.fields, got, c.want)
		}
	}
}

// TestMissedAfterAnInterruption has a run that was cut short at 06:00 while the dates from 07:00 to 09:00 passed with nobody there: it runs
// first, and then what the missed rule says.
func TestMissedAfterAnInterruption(t *testing.T) {
	t.Parallel()
	const six = "2026-11-18T06:00:00Z"
	for _, c := range []struct{ missed, status, next, skipped string }{
		{`"run"`, "running", "schedule scheduled " + nine, "2"},
		{`"run"`, "scheduled", "schedule scheduled " + nine, "2"},
		{`"all"`, "running", "schedule scheduled 2026-11-18T07:00:00Z", ""},
		{`{"rule":"all","limit":2}`, "running", "schedule scheduled 2026-11-18T08:00:00Z", "1"},
		{`{"rule":"all","window":"50m"}`, "running", "schedule scheduled " + nine, "2"},
		{`{"rule":"run","window":"10m"}`, "running", "schedule scheduled 2026-11-18T10:00:00Z", "3"},
		{`"skip"`, "running", "schedule scheduled 2026-11-18T10:00:00Z", "3"},
	} {
		plan := planAt(six, six, 0, six, "PT1H")
		if c.status == "scheduled" {
			plan = plan[:len(plan)-1] + `,"interrupted":true}`
		}
		raw := document(join(`"status":"`+c.status+`"`, `"date":"`+six+`"`, `"repeat":{"hours":1}`, `"missed":`+c.missed, claim("dead"), plan))
		d := task.Decide(decode(t, raw), recovering())
		if got := describe(d); d.Action != task.Start || d.Next.Plan.Nominal.Format(time.RFC3339) != six {
			t.Errorf("%s, %s: %s, want a start of the date that was cut short", c.missed, c.status, got)
			continue
		}
		after := task.Settle(d.Next, ok(), ours())
		if got := describe(after); !matches(got, c.next) {
			t.Errorf("%s, %s: then %s, want %s", c.missed, c.status, got, c.next)
		}
		expect(t, after.Next, map[string]string{"skipped": c.skipped})
	}
}
