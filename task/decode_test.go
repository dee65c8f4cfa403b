package task_test

import (
	"bytes"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/task"
)

func TestDecodeReadsEveryField(t *testing.T) {
	t.Parallel()
	raw := `{"_id":"a/b c","_rev":"1-x","type":"task","worker":"w","job":{"name":"mail","arguments":{"to":"ada"}},"date":"2026-12-01",
	 "timezone":"Europe/Berlin","status":"scheduled","repeat":{"days":1},"retry":{"limit":5},"timeout":"30s","missed":"skip",
	 "delivery":"at-most-once","site":"home","data":[1, 2],"tags":["x"],
	 "plan":{"from":"2026-12-01T00:00:00Z","index":2,"nominal":"2026-12-03T00:00:00Z","due":"2026-12-03T00:00:05.250Z","key":"k","rule":"P1D",
	   "catchup":"2026-12-04T00:00:00Z","interrupted":true,"later":1},
	 "claim":{"worker":"w","member":"m","incarnation":"i","write":7},"executions":3,"repetitions":2,"retries":1,
	 "started":"2026-12-02T00:00:00Z","finished":"2026-12-02T00:00:01Z","duration":1000,"lag":3,"result":{"ok":true},
	 "error":{"message":"boom","kind":"job","attempt":2,"more":[1]},
	 "history":[{"status":"done","at":"2026-12-02T00:00:01Z","member":"m","note":"n"}]}`
	got := decode(t, raw)
	if got.Invalid() != nil {
		t.Fatal(got.Invalid())
	}
	if string(got.Encode()) != raw {
		t.Error("an untouched document is not encoded as it was")
	}
	for _, c := range []struct {
		name      string
		got, want any
	}{
		{"id", got.ID, "a/b c"},
		{"rev", got.Rev, "1-x"},
		{"type", got.Type, "task"},
		{"worker", got.Worker, "w"},
		{"job", got.Job, "mail"},
		{"arguments", string(got.Arguments), `{"to":"ada"}`},
		{"date", string(got.Date), `"2026-12-01"`},
		{"timezone", got.Timezone, "Europe/Berlin"},
		{"status", got.Status, task.Scheduled},
		{"repeat", string(got.Repeat), `{"days":1}`},
		{"retry", got.RetryLimit(), int64(5)},
		{"timeout", got.Timeout, 30 * time.Second},
		{"missed", got.Missed, task.MissedSkip},
		{"delivery", got.Delivery, task.AtMostOnce},
		{"site", got.Site, "home"},
		{"data", string(got.Data), "[1, 2]"},
		{"tags", string(got.Tags), `["x"]`},
		{"plan", *got.Plan, task.Plan{
			From: at(t, "2026-12-01"), Index: 2, Nominal: at(t, "2026-12-03"), Due: at(t, "2026-12-03T00:00:05.250Z"),
			Key: "k", Rule: "P1D", CatchUp: at(t, "2026-12-04"), Interrupted: true,
		}},
		{"claim", *got.Claim, task.Claim{Worker: "w", Member: "m", Incarnation: "i", Write: 7}},
		{"executions", got.Executions, int64(3)},
		{"repetitions", got.Repetitions, int64(2)},
		{"retries", got.Retries, int64(1)},
		{"attempt", got.Attempt(), int64(2)},
		{"started", got.Started, at(t, "2026-12-02")},
		{"finished", got.Finished, at(t, "2026-12-02T00:00:01Z")},
		{"duration", got.Duration, time.Second},
		{"lag", got.Lag, 3 * time.Millisecond},
		{"result", string(got.Result), `{"ok":true}`},
		{"error", *got.Error, task.Failure{Message: "boom", Kind: "job", Attempt: 2}},
		{"key", got.Key(), "k"},
		{"history", got.History()[0], task.Transition{Status: task.Done, At: at(t, "2026-12-02T00:00:01Z"), Member: "m", Note: "n"}},
	} {
		if c.got != c.want {
			t.Errorf("%s = %v, want %v", c.name, c.got, c.want)
		}
	}
}

func TestDecodeShortForms(t *testing.T) {
	t.Parallel()
	got := decode(t, `{"worker":"w","job":"noop","date":null,"retry":3,"status":null,"timezone":null,"plan":null}`)
	if got.Invalid() != nil || got.Job != "noop" || got.Arguments != nil || got.Date != nil || got.RetryLimit() != 3 ||
		got.Status != "" || got.Missed != task.MissedRun || got.Delivery != task.AtLeastOnce || got.Key() != "" || !got.IsTask() || got.Ended() {
		t.Errorf("%+v: %v", got, got.Invalid())
	}
	gone := decode(t, `{"_id":"x","_rev":"2-x","_deleted":true}`)
	if !gone.Deleted || !gone.Ended() {
		t.Errorf("%+v", gone)
	}
	escaped := decode(t, `{"\u005fid":"\u00e4\ud83d\ude00","_rev":"1","w\u006frker":"w\n","job":"a\"b","x":"\u005f"}`)
	if escaped.ID != "ä😀" || escaped.Worker != "w\n" || escaped.Job != `a"b` {
		t.Errorf("%q %q %q", escaped.ID, escaped.Worker, escaped.Job)
	}
	twice := decode(t, `{"job":"a","job":"b","worker":"x","worker":"w"}`)
	if twice.Job != "b" || twice.Worker != "w" {
		t.Errorf("of a field that comes twice, the last counts: %q %q", twice.Job, twice.Worker)
	}
}

func TestDecodeTypes(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]bool{`{}`: true, `{"type":"task"}`: true, `{"type":null}`: true, `{"type":""}`: true, `{"type":"calendar"}`: false, `{"type":7}`: false, `{"type":{"a":1}}`: false} {
		if got := decode(t, raw).IsTask(); got != want {
			t.Errorf("%s: task %t, want %t", raw, got, want)
		}
	}
}

func TestDecodeRefuses(t *testing.T) {
	t.Parallel()
	for _, raw := range []string{
		``, ` `, `null`, `1`, `"x"`, `[]`, `{`, `{"a"`, `{"a":`, `{"a":1`, `{"a":1,`, `{"a":1,}`, `{a:1}`, `{"a" 1}`, `{"a":1}x`, `{}}`,
		`{"a":01}`, `{"a":1.}`, `{"a":.5}`, `{"a":-}`, `{"a":1e}`, `{"a":+1}`, `{"a":tru}`, `{"a":nul}`, `{"a":"\x"}`, `{"a":"\u12g4"}`, `{"a":"\u12`,
		"{\"a\":\"\n\"}", `{"a":"}`, `{"a":"\`, `{"a":[}`, `{"a":[1 2]}`, `{"a":[1,]}`, `{"a":{]}`, `{"a":[}]}`, `{"a":{"b":1]}`, `{"a":{"b"}}`,
		`{"_id":1}`, `{"_id":null}`, `{"_rev":{}}`, `{"_rev":null}`,
	} {
		if got, err := task.Decode([]byte(raw)); err == nil {
			t.Errorf("%s was decoded: %+v", raw, got)
		} else if !strings.HasPrefix(err.Error(), "decoding a document: ") {
			t.Errorf("%s: %v", raw, err)
		}
	}
}

func TestDecodeInvalidFields(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ fields, want string }{
		{`"job":null`, "job: is missing"},
		{`"job":7`, "job: must be a name or an object"},
		{`"job":""`, "job: has no name"},
		{`"job":{}`, "job: has no name"},
		{`"job":{"name":7}`, "job: name must be a string"},
		{`"job":{"name":"noop","arguments":7}`, "job: arguments must be an array or an object, not 7"},
		{`"job":{"name":"noop","args":[]}`, `job: "args" is an unknown key`},
		{`"status":7`, "status: must be a string, not 7"},
		{`"timezone":7`, "timezone: must be a string"},
		{`"site":[]`, "site: must be a string"},
		{`"timeout":"soon"`, `timeout: cannot read the duration "soon"`},
		{`"timeout":-1`, "timeout: cannot read the duration -1: it is negative"},
		{`"missed":"perhaps"`, `missed: must be "run", "skip" or "all", not "perhaps"`},
		{`"missed":true`, `missed: must be "run"`},
		{`"delivery":"exactly-once"`, `delivery: must be "at-least-once" or "at-most-once"`},
		{`"retry":"5"`, "retry: must be a number or an object"},
		{`"retry":-1`, "retry: must be a number or an object with limit: must be a whole number"},
		{`"retry":1.5`, "retry: must be a number"},
		{`"retry":{}`, "retry: limit: is missing"},
		{`"retry":{"limit":"5"}`, "retry: limit: must be a whole number"},
		{`"retry":{"limit":5,"interval":"x"}`, "retry: interval: cannot read the duration"},
		{`"retry":{"limit":5,"backoff":"fast"}`, `retry: backoff: must be "exponential"`},
		{`"retry":{"limit":5,"max":0}`, "retry: max: must be above zero"},
		{`"retry":{"limit":5,"tries":6}`, "retry: tries: unknown key"},
		{`"job":"` + strings.Repeat("x", 500) + `","missed":"` + strings.Repeat("y", 500) + `"`, `missed: must be "run"`},
	} {
		got := decode(t, document(c.fields))
		if got.Invalid() == nil || !strings.HasPrefix(got.Invalid().Error(), c.want) || len(got.Invalid().Error()) > 300 {
			t.Errorf("%s: %v, want %s", c.fields, got.Invalid(), c.want)
		}
		d := task.Decide(got, ours())
		if c.want != "" && (d.Action != task.End || d.Next.Status != task.Failed || d.Next.Error.Kind != task.KindInvalid) {
			t.Errorf("%s: %s", c.fields, describe(d))
		}
	}
}

// TestDecodeForgivesWorkersFields checks that a person who spoils what a worker wrote spoils nothing else.
func TestDecodeForgivesWorkersFields(t *testing.T) {
	t.Parallel()
	for _, fields := range []string{
		`"plan":7`, `"plan":{}`, `"plan":{"from":"x"}`, `"plan":[1]`, `"claim":"me"`, `"claim":{}`, `"executions":"many"`, `"executions":-1`, `"executions":1e99`,
		`"executions":99999999999999999999`, `"retries":1.5`, `"started":"yesterday"`, `"started":7`, `"history":{}`, `"history":"x"`, `"error":"bad"`, `"error":[]`, `"lag":true`,
		`"history":[1,"x",null,{"status":7}]`, `"duration":9223372036854775807`,
	} {
		d := task.Decide(decode(t, document(fields)), ours())
		if d.Action != task.Start {
			t.Errorf("%s: %s", fields, describe(d))
			continue
		}
		d = task.Settle(d.Next, task.Outcome{Started: now, Finished: now}, ours())
		expect(t, d.Next, map[string]string{"status": `"done"`})
	}
}

func TestWorkerOf(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]string{
		`{"_id":"x","worker":"w","job":`:                       "w",
		` {"a":{"worker":"no"},"b":["worker"],"worker" : "w"}`: "w",
		`{"w\u006frker":"\u0077"}`:                             "w",
		`{"workers":"x","worker":"w"}`:                         "w",
		`{"\u0061":1,"worker":"w"}`:                            "w",
		`{"worker":""}`:                                        "",
		`{"worker":7}`:                                         "<nil>",
		`{"a":{"worker":"no"}}`:                                "<nil>",
		`{}`:                                                   "<nil>",
		``:                                                     "<nil>",
		`[]`:                                                   "<nil>",
		`{"a":`:                                                "<nil>",
		`{"worker`:                                             "<nil>",
		`{"worker":"w`:                                         "<nil>",
	} {
		got := task.WorkerOf([]byte(raw))
		text := string(got)
		if got == nil {
			text = "<nil>"
		}
		if text != want {
			t.Errorf("WorkerOf(%s) = %q, want %q", raw, text, want)
		}
	}
}

// TestDecodeLimits has documents as large as somebody could put them; what counts is that they end, and that a task among them runs.
func TestDecodeLimits(t *testing.T) {
	t.Parallel()
	const million, many = 1_000_000, 200_000
	for name, value := range map[string]string{
		"a million elements":         `[` + strings.Repeat("1,", million-1) + `1]`,
		"many fields":                `{` + strings.Repeat(`"k":1,`, many) + `"k":1}`,
		"a million levels of arrays": strings.Repeat("[", million) + strings.Repeat("]", million),
		"many levels of both":        strings.Repeat(`{"a":[`, many) + strings.Repeat("]}", many),
		"20 MB of text":              `"` + strings.Repeat("x", 20<<20) + `"`,
		"many escapes":               `"` + strings.Repeat(`\u00e4`, many) + `"`,
		"invalid UTF-8":              "\"\xff\xfe\"",
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			raw := document(`"data":` + value)
			d := task.Decide(decode(t, raw), ours())
			if d.Action != task.Start {
				t.Fatal(describe(d))
			}
			d = task.Settle(d.Next, task.Outcome{Started: now, Finished: now}, ours())
			encoded := d.Next.Encode()
			if !bytes.Contains(encoded, []byte(value)) || !bytes.Contains(encoded, []byte(`"status":"done"`)) {
				t.Error("the document lost something")
			}
		})
	}
	t.Run("many top-level fields", func(t *testing.T) {
		t.Parallel()
		got := decode(t, `{`+strings.Repeat(`"k":1,`, many)+`"worker":"w","job":"noop"}`)
		if d := task.Decide(got, ours()); d.Action != task.Start || len(d.Next.Encode()) < 6*many {
			t.Error(describe(d))
		}
	})
	t.Run("worker's fields made huge", func(t *testing.T) {
		t.Parallel()
		huge := `[` + strings.Repeat(`{"status":"done"},`, many/10) + `{}]`
		d := task.Decide(decode(t, document(`"date":"2027-01-01","history":`+huge+`,"plan":`+huge+`,"claim":`+huge)), ours())
		if d.Action != task.Schedule || len(d.Next.History()) != 10 || len(d.Next.Encode()) > 5000 {
			t.Error(describe(d), len(d.Next.History()), len(d.Next.Encode()))
		}
	})
}
