package task_test

import (
	"strings"
	"testing"

	"github.com/adlayer/after/task"
)

const (
	daily = `"repeat":{"days":1}`
	nine  = "2026-11-18T09:00:00Z" // half an hour ago
	noon  = "2026-11-18T12:00:00Z" // still to come
)

func TestDecide(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ name, fields, want string }{
		// Planned anew.
		{"absent status and date", ``, "start scheduled 2026-11-18T09:30:15.007Z"},
		{"null date", `"date":null,"status":"waiting"`, "start scheduled 2026-11-18T09:30:15.007Z"},
		{"waiting, to come", `"status":"waiting","date":"` + noon + `"`, "schedule scheduled " + noon},
		{"waiting, past", `"status":"waiting","date":"` + nine + `"`, "start scheduled " + nine},
		{"waiting, past, missed skip, not recovering", `"missed":"skip","date":"` + nine + `"`, "start scheduled " + nine},
		{"reschedule, to come", `"status":"reschedule","date":"` + noon + `"`, "schedule scheduled " + noon},
		{"reschedule, past", `"status":"reschedule","date":"` + nine + `"`, "start scheduled " + nine},
		{"reschedule of a planned one", `"status":"reschedule","date":"` + noon + `",` + plan(nine, nine, ""), "schedule scheduled " + noon},
		{"words", `"date":"in 5 minutes"`, "schedule scheduled 2026-11-18T09:35:15.007Z"},
		{"words in a zone", `"date":"tomorrow at 9am","timezone":"Europe/Berlin"`, "schedule scheduled 2026-11-19T08:00:00Z"},
		{"local date", `"date":"2026-12-01 09:00","timezone":"Europe/Berlin"`, "schedule scheduled 2026-12-01T08:00:00Z"},
		{"milliseconds", `"date":1796115600000`, "schedule scheduled 2026-12-01T09:00:00Z"},
		{"repeat starts at its date", `"date":"` + noon + `",` + daily, "schedule scheduled " + noon},
		{"repeat in the past runs once", `"date":"2020-01-01",` + daily, "start scheduled 2020-01-01T00:00:00Z"},
		{"repeat without date", daily, "start scheduled 2026-11-18T09:30:15.007Z"},
		{"rerun of a plan that ended", `"status":"waiting","date":"` + noon + `","executions":3,"retries":2,` + plan(noon, noon, ""), "schedule scheduled " + noon},
		// Goes on.
		{"scheduled, to come", `"status":"scheduled","date":"` + noon + `",` + plan(noon, noon, "") + `,` + claim("dead"), "hold scheduled " + noon},
		{"scheduled, other spelling of the date", `"status":"scheduled","timezone":"Europe/Berlin","date":"2026-11-18 13:00",` + plan(noon, noon, ""), "hold scheduled " + noon},
		{"scheduled, due", `"status":"scheduled","date":"` + nine + `",` + plan(nine, nine, ""), "start scheduled " + nine},
		{"scheduled, retry to come", `"status":"scheduled","date":"` + nine + `",` + plan(nine, noon, ""), "hold scheduled " + noon + " for " + nine},
		{"scheduled without date", `"status":"scheduled",` + plan(nine, noon, "now"), "hold scheduled " + noon + " for " + nine},
		{"scheduled repeat", `"status":"scheduled","date":"` + noon + `",` + daily + `,` + plan(noon, noon, "P1D"), "hold scheduled " + noon},
		{"repeat in another spelling", `"status":"scheduled","date":"` + noon + `","repeat":"P1D",` + plan(noon, noon, "P1D"), "hold scheduled " + noon},
		{"limit edited", `"status":"scheduled","date":"` + noon + `","repetitions":2,"repeat":{"days":1,"limit":5},` + plan(noon, noon, "P1D"), "hold scheduled " + noon},
		{"running by hand, without claim", `"status":"running","date":"` + noon + `",` + plan(noon, noon, ""), "hold running " + noon},
		{"sleeping, its job gone for now", `"job":"gone","status":"scheduled","date":"` + noon + `",` + plan(noon, noon, ""), "hold scheduled " + noon},
		// Edited without touching the status.
		{"date edited, later", `"status":"scheduled","date":"` + noon + `",` + plan(nine, nine, ""), "schedule scheduled " + noon},
		{"date edited, earlier", `"status":"scheduled","date":"` + nine + `",` + plan(noon, noon, ""), "start scheduled " + nine},
		{"date edited, words", `"status":"scheduled","date":"in 5 minutes",` + plan(noon, noon, ""), "schedule scheduled 2026-11-18T09:35:15.007Z"},
		{"date removed", `"status":"scheduled",` + plan(noon, noon, ""), "start scheduled 2026-11-18T09:30:15.007Z"},
		{"date given", `"status":"scheduled","date":"` + noon + `",` + plan(noon, noon, "now"), "schedule scheduled " + noon},
		{"repeat edited", `"status":"scheduled","date":"` + noon + `","repeat":{"days":2},` + plan(noon, noon, "P1D"), "schedule scheduled " + noon},
		{"repeat given", `"status":"scheduled","date":"` + noon + `",` + daily + `,` + plan(noon, noon, ""), "schedule scheduled " + noon},
		{"repeat removed", `"status":"scheduled","date":"` + noon + `",` + plan(noon, noon, "P1D"), "schedule scheduled " + noon},
		{"zone of a repeat edited", `"status":"scheduled","timezone":"Europe/Berlin","date":"` + noon + `",` + daily + `,` + plan(noon, noon, "P1D"), "schedule scheduled " + noon},
		{"zone of a local date edited", `"status":"scheduled","timezone":"Europe/Berlin","date":"2026-11-18 12:00",` + plan(noon, noon, ""), "schedule scheduled 2026-11-18T11:00:00Z"},
		{"plan dropped", `"status":"scheduled","date":"` + noon + `"`, "schedule scheduled " + noon},
		{"plan spoiled", `"status":"scheduled","date":"` + noon + `","plan":{"from":"x"}`, "schedule scheduled " + noon},
		{"running by hand, without anything", `"status":"running","date":"` + noon + `"`, "schedule scheduled " + noon},
		{"limit lowered", `"status":"scheduled","date":"` + noon + `","repetitions":2,"repeat":{"days":1,"limit":2},` + plan(noon, noon, "P1D"), "end done"},
		{"until lowered after an error", `"status":"scheduled","date":"` + noon + `","error":{"message":"boom","kind":"panic"},"repeat":{"days":1,"until":"2026-11-17"},` + plan(noon, noon, "P1D"), "end error panic: boom"},
		// Ends.
		{"cancel", `"status":"cancel","date":"` + noon + `",` + plan(noon, noon, ""), "end canceled"},
		{"cancel of what nobody can read", `"status":"cancel","date":"soon","missed":7`, "end canceled"},
		{"done", `"status":"done","date":"` + nine + `"`, "ignore"},
		{"error", `"status":"error"`, "ignore"},
		{"canceled", `"status":"canceled"`, "ignore"},
		{"error, and invalid", `"status":"error","missed":7`, "ignore"},
		// Nobody's, or not ours.
		{"another type", `"type":"calendar"`, "ignore"},
		{"another site", `"site":"elsewhere"`, "ignore"},
		// Cannot run.
		{"unknown word", `"status":"frozen"`, `end error invalid: status: "frozen" is unknown; a person writes "waiting", "reschedule", "cancel", "pause"`},
		{"unknown job", `"job":"gone"`, `end error invalid: job: the worker w has no job named "gone"`},
		{"unknown job, to come", `"job":"gone","date":"` + noon + `"`, `end error invalid: job: the worker w has no job named "gone"`},
		{"unknown job, due", `"job":"gone","status":"scheduled","date":"` + nine + `",` + plan(nine, nine, ""), `end error invalid: job: the worker w has no job named "gone"`},
		{"unreadable date", `"date":"soon"`, `end error invalid: date: cannot read the date "soon": "soon" is not understood`},
		{"unreadable date of a planned one", `"status":"scheduled","date":"soon",` + plan(noon, noon, ""), `end error invalid: date: cannot read the date "soon"`},
		{"unreadable repeat", `"repeat":{"days":0}`, `end error invalid: repeat: days: is zero`},
		{"unreadable repeat of a planned one", `"status":"scheduled","date":"` + noon + `","repeat":{"day":"x"},` + plan(noon, noon, ""), `end error invalid: repeat: day: must be a whole number`},
		{"cron", `"repeat":"*/5 * * * *"`, `schedule scheduled 2026-11-18T09:35:00Z`},
		{"repeat that never comes", `"date":"` + noon + `","repeat":{"days":1,"until":"2026-11-17"}`, `end error invalid: repeat: it never comes: it has no date from ` + noon + ` on`},
		{"unknown zone", `"timezone":"Berlin"`, `end error invalid: timezone: "Berlin" is no time zone`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := task.Decide(decode(t, document(c.fields)), ours())
			if got := describe(d); !matches(got, c.want) {
				t.Errorf("%s, want %s", got, c.want)
			}
			if d.Action == task.Schedule && (d.Next.Repetitions != 0 || d.Next.Retries != 0 || d.Next.Plan.Index != 0) {
				t.Errorf("planned anew with counts of before: %s", d.Next.Encode())
			}
		})
	}
}

func TestDecideIgnoresWhatIsNobodys(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		`{"_id":"t","_rev":"2-x","_deleted":true}`,
		`{"_id":"t","_rev":"2-x","_deleted":true,"worker":"w","job":"noop","status":"waiting"}`,
		`{"_id":"t","job":"noop"}`, `{"_id":"t","worker":7,"job":"noop"}`, `{"_id":"t","worker":"","job":"noop"}`, `{}`,
	} {
		if d := task.Decide(decode(t, raw), ours()); d.Action != task.Ignore || d.Note == "" {
			t.Errorf("%s: %s", raw, describe(d))
		}
	}
	v := ours()
	v.Site = "home"
	if d := task.Decide(decode(t, document(`"site":"home"`)), v); d.Action != task.Start {
		t.Errorf("a task for this site: %s", describe(d))
	}
}

func TestDecideWritesThePlan(t *testing.T) {
	t.Parallel()
	d := task.Decide(decode(t, document(`"date":"tomorrow at 9am","timezone":"Europe/Berlin","repeat":{"months":1},"error":{"message":"old"},"executions":4,"mine":{"a": [1,  2]}`)), ours())
	expect(t, d.Next, map[string]string{
		"status":      `"scheduled"`,
		"date":        `"2026-11-19T08:00:00Z"`,
		"plan":        `{"from":"2026-11-19T08:00:00Z","index":0,"nominal":"2026-11-19T08:00:00Z","due":"2026-11-19T08:00:00Z","key":"t@2026-11-19T08:00:00Z/3-967a00df","rule":"P1M Europe/Berlin"}`,
		"claim":       `{"worker":"w","member":"m1","incarnation":"i1","write":0}`,
		"repetitions": "0", "retries": "0", "executions": "4", "error": "",
		"history": `[{"status":"scheduled","at":"2026-11-18T09:30:15.007Z","member":"m1"}]`,
		"mine":    `{"a": [1,  2]}`,
	})
	written := d.Next.WithRev("4-b").WithWrite(9)
	expect(t, written, map[string]string{"_rev": `"4-b"`, "claim": `{"worker":"w","member":"m1","incarnation":"i1","write":9}`})
	// What was written is held as it stands when it comes back.
	if again := task.Decide(decode(t, string(written.Encode())), ours()); again.Action != task.Hold {
		t.Error(describe(again))
	}
}

func TestDecideLeavesLegibleDates(t *testing.T) {
	t.Parallel()
	for _, date := range []string{`"2026-12-01"`, `"2026-12-01 09:00"`, `1796115600000`, `"2026-12-01T09:00:00+01:00"`} {
		d := task.Decide(decode(t, document(`"date":`+date)), ours())
		expect(t, d.Next, map[string]string{"date": date})
		if again := task.Decide(decode(t, string(d.Next.Encode())), ours()); again.Action != task.Hold {
			t.Errorf("%s: %s", date, describe(again))
		}
	}
}

func TestDecideMissed(t *testing.T) {
	t.Parallel()
	const yesterday, friday = "2026-11-17T09:00:00Z", "2026-11-13T09:00:00Z"
	scheduled := func(fields string) string { return `"status":"scheduled",` + fields }
	weekly := `"repeat":{"days":2},"date":"` + friday + `",` // friday 13, sunday 15, tuesday 17, thursday 19
	for _, c := range []struct{ name, fields, want string }{
		{"one-off, run", scheduled(`"date":"` + yesterday + `",` + plan(yesterday, yesterday, "")), "start scheduled " + yesterday},
		{"one-off, all", scheduled(`"missed":"all","date":"` + yesterday + `",` + plan(yesterday, yesterday, "")), "start scheduled " + yesterday},
		{"one-off, skip", scheduled(`"missed":"skip","date":"` + yesterday + `",` + plan(yesterday, yesterday, "")), "end error missed: it was due at " + yesterday},
		{"one-off, skip, waiting", `"missed":"skip","date":"` + yesterday + `"`, "end error missed: it was due at " + yesterday},
		{"one-off, skip, no date", `"missed":"skip"`, "start scheduled 2026-11-18T09:30:15.007Z"},
		{"one-off, skip, only just due", scheduled(`"missed":"skip","date":"2026-11-18T09:30:06Z",` + plan("2026-11-18T09:30:06Z", "2026-11-18T09:30:06Z", "")), "start scheduled 2026-11-18T09:30:06Z"},
		{"one-off, skip, its retry missed", scheduled(`"missed":"skip","date":"` + friday + `",` + plan(friday, yesterday, "")), "end error missed: it was due at " + yesterday},
		{"one-off, skip, interrupted", scheduled(`"missed":"skip","date":"` + yesterday + `",` + strings.Replace(plan(yesterday, yesterday, ""), `}`, `,"interrupted":true}`, 1)), "start scheduled " + yesterday},
		{"one-off, to come", scheduled(`"missed":"skip","date":"` + noon + `",` + plan(noon, noon, "")), "hold scheduled " + noon},
		{"repeat, run: the latest", scheduled(weekly + plan(friday, friday, "P2D")), "start scheduled " + yesterday},
		{"repeat, run, waiting: the latest", weekly[:len(weekly)-1], "start scheduled " + yesterday},
		{"repeat, run, only one missed", scheduled(`"repeat":{"days":2},"date":"` + yesterday + `",` + plan(yesterday, yesterday, "P2D")), "start scheduled " + yesterday},
		{"repeat, run, its retry missed, none later", scheduled(`"repeat":{"days":7},"retries":1,"date":"` + friday + `",` + plan(friday, yesterday, "P7D")), "start scheduled " + yesterday + " for " + friday},
		{"repeat, skip", scheduled(`"missed":"skip",` + weekly + plan(friday, friday, "P2D")), "schedule scheduled 2026-11-19T09:00:00Z"},
		{"repeat, skip, none left", scheduled(`"missed":"skip","repeat":{"days":2,"until":"2026-11-18"},"date":"` + friday + `",` + plan(friday, friday, "P2D")), "end error missed: it was due at " + friday},
		{"repeat, all: each in turn", scheduled(`"missed":"all",` + weekly + plan(friday, friday, "P2D")), "start scheduled " + friday},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := task.Decide(decode(t, document(c.fields)), recovering())
			if got := describe(d); !matches(got, c.want) {
				t.Errorf("%s, want %s", got, c.want)
			}
		})
	}
}

func TestDecideMissedMovesThePlan(t *testing.T) {
	t.Parallel()
	const friday = "2026-11-13T09:00:00Z"
	d := task.Decide(decode(t, document(`"status":"scheduled","retries":2,"repetitions":4,"date":"`+friday+`","repeat":{"days":2},`+plan(friday, friday, "P2D"))), recovering())
	expect(t, d.Next, map[string]string{
		"date":    `"2026-11-17T09:00:00Z"`,
		"plan":    `{"from":"2026-11-13T09:00:00Z","index":2,"nominal":"2026-11-17T09:00:00Z","due":"2026-11-17T09:00:00Z","key":"t@2026-11-17T09:00:00Z/2-aaaaaaaa","rule":"P2D"}`,
		"retries": "0", "repetitions": "4",
	})
}

// TestMissedAll runs each missed date in turn, over a second restart among them, and then goes on as usual.
func TestMissedAll(t *testing.T) {
	t.Parallel()
	const friday = "2026-11-13T09:00:00Z"
	v := recovering()
	d := task.Decide(decode(t, document(`"status":"scheduled","missed":"all","date":"`+friday+`",`+daily+`,`+plan(friday, friday, "P1D"))), v)
	var ran []string
	for range 4 {
		ran = append(ran, d.Next.Plan.Nominal.Format("02"))
		d = task.Settle(d.Next, task.Outcome{Started: v.Now, Finished: v.Now}, v)
	}
	v.Now = v.Now.AddDate(0, 0, 1)
	d = task.Decide(decode(t, string(d.Next.Encode())), v)
	for range 3 {
		ran = append(ran, d.Next.Plan.Nominal.Format("02"))
		d = task.Settle(d.Next, task.Outcome{Started: v.Now, Finished: v.Now}, v)
	}
	if got, want := strings.Join(ran, " "), "13 14 15 16 17 18 19"; got != want {
		t.Errorf("ran for %s, want %s", got, want)
	}
	if got, want := describe(d), "schedule scheduled 2026-11-20T09:00:00Z"; got != want || !d.Next.Plan.CatchUp.IsZero() {
		t.Errorf("then %s, want %s", got, want)
	}
}

func TestDecideInterrupted(t *testing.T) {
	t.Parallel()
	running := `"status":"running","started":"` + nine + `",` + claim("dead") + `,`
	for _, c := range []struct{ name, fields, want string }{
		{"at least once", running + `"date":"` + nine + `",` + plan(nine, nine, ""), "start scheduled " + nine},
		{"missed skip", running + `"missed":"skip","date":"` + nine + `",` + plan(nine, nine, ""), "start scheduled " + nine},
		{"repeat: the same firing", running + `"date":"2026-11-13T09:00:00Z",` + daily + `,` + plan("2026-11-13T09:00:00Z", "2026-11-13T09:00:00Z", "P1D"), "start scheduled 2026-11-13T09:00:00Z"},
		{"at most once", running + `"delivery":"at-most-once","date":"` + nine + `",` + plan(nine, nine, ""), "end error unknown: its worker (member m-dead) ended during the run"},
		{"at most once, with retries", running + `"retry":5,"delivery":"at-most-once","date":"` + nine + `",` + plan(nine, nine, ""), "end error unknown: its worker"},
		{"at most once, repeat", running + `"delivery":"at-most-once","date":"` + nine + `",` + daily + `,` + plan(nine, nine, "P1D"), "schedule scheduled 2026-11-19T09:00:00Z"},
		{"date edited", running + `"date":"` + noon + `",` + plan(nine, nine, ""), "schedule scheduled " + noon},
		{"at most once, date edited", running + `"delivery":"at-most-once","date":"` + noon + `",` + plan(nine, nine, ""), "schedule scheduled " + noon},
		{"plan dropped", running + `"date":"` + nine + `"`, "start scheduled " + nine},
		{"job gone", running + `"job":"gone","date":"` + nine + `",` + plan(nine, nine, ""), `end error invalid: job: the worker w has no job`},
		{"repeat spoiled", running + `"repeat":7.5,"date":"` + nine + `",` + plan(nine, nine, ""), `end error invalid: repeat: `},
		{"runs here", `"status":"running","date":"` + nine + `",` + plan(nine, nine, "") + `,` + claim("i1"), "ignore"},
		{"moved from another worker", strings.ReplaceAll(running, `"worker":"w"`, `"worker":"other"`) + `"date":"` + nine + `",` + plan(nine, nine, ""), "start scheduled " + nine},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			d := task.Decide(decode(t, document(c.fields)), recovering())
			if got := describe(d); !matches(got, c.want) {
				t.Errorf("%s, want %s", got, c.want)
			}
			if strings.HasPrefix(c.want, "start") && !strings.Contains(c.name, "dropped") && d.Next.Key() != decode(t, document(c.fields)).Key() {
				t.Errorf("it is another firing now: %s", d.Next.Key())
			}
		})
	}
	t.Run("moved from a living worker", func(t *testing.T) {
		t.Parallel()
		v := ours()
		v.Alive = func(member string) bool { return member == "m-dead" }
		fields := strings.ReplaceAll(running, `"worker":"w"`, `"worker":"other"`) + `"date":"` + nine + `",` + plan(nine, nine, "")
		if d := task.Decide(decode(t, document(fields)), v); d.Action != task.Ignore {
			t.Error(describe(d))
		}
	})
}

func TestKeysTellFirings(t *testing.T) {
	t.Parallel()
	first := task.Decide(decode(t, document(`"date":"`+nine+`"`)), ours()).Next
	again := task.Decide(decode(t, document(`"date":"`+nine+`"`)), ours()).Next
	if first.Key() != again.Key() {
		t.Errorf("the same revision met twice is the same firing: %s and %s", first.Key(), again.Key())
	}
	asked := decode(t, strings.Replace(document(`"date":"`+nine+`","status":"waiting",`+plan(nine, nine, "")), rev, "9-ffffffffffffffff", 1))
	if rerun := task.Decide(asked, ours()).Next; rerun.Key() != "t@"+nine+"/9-ffffffff" {
		t.Errorf("a deliberate second run is another firing: %s", rerun.Key())
	}
}

func TestAbsentJobIsExplained(t *testing.T) {
	t.Parallel()
	v := ours()
	v.Absent = func(job string) string { return "the file " + job + " is not executable" }
	d := task.Decide(decode(t, `{"_id":"t","_rev":"`+rev+`","worker":"w","job":"gone"}`), v)
	if want := `job: the worker w has no job named "gone": the file gone is not executable`; d.Next.Error.Message != want {
		t.Errorf("got %q, want %q", d.Next.Error.Message, want)
	}
}
