package worker_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/tidwall/gjson"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/fleet"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/worker"
)

// orders are the tests of what becomes of a person's orders where something comes between.
func orders() map[string]func(t *testing.T, b *bundle) {
	return map[string]func(t *testing.T, b *bundle){
		"wait for a run that expires":     testWaitForARunThatExpires,
		"wait for a run that is skipped":  testWaitForARunThatIsSkipped,
		"wait for others until expiry":    testWaitForOthersUntilExpiry,
		"wait for others before expiry":   testWaitForOthersBeforeExpiry,
		"expired while nobody waited":     testExpiredWhileNobodyWaited,
		"orders over a run that died":     testOrdersOverARunThatDied,
		"run of what was never planned":   testRunOfWhatWasNeverPlanned,
		"outcomes that pause are counted": testOutcomesThatPauseAreCounted,
		"outcomes that meet edits count":  testOutcomesThatMeetEditsCount,
		"thousands of calendars":          testThousandsOfCalendars,
		"plans that would be refused":     testPlansThatWouldBeRefused,
	}
}

func TestOrders(t *testing.T) {
	t.Parallel()
	onServers(t, orders())
}

// awaitRun runs a task now and waits for the end of that run, no longer than a test may take.
func (b *bundle) awaitRun(ids ...string) ([]*task.Task, error) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.t.Context(), patience)
	defer cancel()
	return client.New(b.db).RunAndWait(ctx, ids, nil)
}

func testWaitForARunThatExpires(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run","date":%q,"expires":"2001-01-01","repeat":{"days":1}}`, far())
	b.awaitStatus("t", "scheduled")
	ended, err := b.awaitRun("t")
	must(t, err)
	if got := ended[0]; got.Error == nil || got.Error.Kind != task.KindExpired || got.Status != task.Scheduled {
		t.Errorf("%s", got.Encode())
	}
	b.wantRuns("t", 0)
}

func testWaitForARunThatIsSkipped(t *testing.T, b *bundle) {
	t.Helper()
	b.startWith(func(c *worker.Config) { c.Concurrency = 1 }, "manobi")
	b.put("t", `{"worker":"manobi","job":"run","date":%q,"repeat":{"days":1}}`, far())
	b.awaitStatus("t", "scheduled")
	b.put("busy", `{"worker":"manobi","job":"block"}`)
	b.awaitRuns("busy", 1)
	over := make(chan struct{})
	var ended []*task.Task
	var err error
	go func() {
		defer close(over)
		ended, err = b.awaitRun("t")
	}()
	b.awaitDoc("t", func(doc gjson.Result) bool { return doc.Get("plan.back").Exists() })
	b.edit("t", map[string]any{"status": "skip"})
	<-over
	if !client.IsRefused(err) || len(ended) != 1 {
		t.Fatalf("a run that was taken back: %v, %v", ended, err)
	}
	if got := ended[0]; got.Executions != 0 || got.Status != task.Scheduled || !got.Plan.Nominal.After(time.Now().Add(time.Minute)) {
		t.Errorf("%s", got.Encode())
	}
	close(b.gate("busy"))
	b.awaitStatus("busy", "done")
	b.wantRuns("t", 0)
}

func testWaitForOthersUntilExpiry(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	b.put("undated", `{"worker":"manobi","job":"run","after":"other","expires":"300ms"}`)
	b.put("dated", `{"worker":"manobi","job":"run","after":"other","date":%q,"expires":"1s"}`, fromNow(-500*time.Millisecond))
	b.put("repeat", `{"worker":"manobi","job":"run","after":"other","expires":"500ms","repeat":{"hours":1}}`)
	b.put("each", `{"worker":"manobi","job":"run","repeat":{"hours":1}}`)
	b.awaitDoc("each", func(doc gjson.Result) bool { return doc.Get("repetitions").Int() == 1 })
	b.put("planned", `{"worker":"manobi","job":"run","after":"each","expires":"100ms","repeat":{"ms":300,"limit":2}}`)
	for _, id := range []string{"undated", "dated", "planned"} {
		if doc := b.awaitStatus(id, "error"); doc.Get("error.kind").String() != "expired" || doc.Get("executions").Int() != 0 {
			t.Errorf("%s", doc.Raw)
		}
	}
	doc := b.awaitStatus("repeat", "scheduled")
	if doc.Get("error.kind").String() != "expired" || doc.Get("plan.nominal").Time().Before(time.Now().Add(50*time.Minute)) {
		t.Errorf("%s", doc.Raw)
	}
	b.put("other", `{"worker":"manobi","job":"run"}`)
	b.awaitStatus("other", "done")
	b.seen("manobi")
	for _, id := range []string{"undated", "dated", "planned", "repeat"} {
		b.wantRuns(id, 0)
	}
}

func testWaitForOthersBeforeExpiry(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	for _, expires := range []string{"90s", "1h"} { // the document of the second is not kept in memory
		b.put(expires, `{"worker":"manobi","job":"run","after":"other","expires":%q}`, expires)
	}
	b.seen("manobi")
	b.put("other", `{"worker":"manobi","job":"run"}`)
	b.awaitStatus("90s", "done")
	b.awaitStatus("1h", "done")
	b.wantRuns("90s", 1)
	b.wantRuns("1h", 1)
}

func testExpiredWhileNobodyWaited(t *testing.T, b *bundle) {
	t.Helper()
	p := b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run","after":"other","date":%q,"expires":"1s"}`, fromNow(500*time.Millisecond))
	b.put("u", `{"worker":"manobi","job":"run","date":%q}`, fromNow(1600*time.Millisecond))
	b.seen("manobi")
	p.end()
	b.start("manobi")
	b.awaitStatus("u", "done")
	if doc := b.awaitStatus("t", "error"); doc.Get("error.kind").String() != "expired" {
		t.Errorf("%s", doc.Raw)
	}
	b.wantRuns("t", 0)
}

func testPlansThatWouldBeRefused(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run","date":%q,"repeat":{"days":1,"until":"2098-12-31"}}`, far())
	before := b.awaitStatus("t", "scheduled")
	c := client.New(b.db)
	for want, p := range map[string]client.Plan{
		"timezone: ":               {Timezone: "Nowhere/Land"},
		"repeat: it never comes: ": {Date: time.Date(2099, 1, 1, 0, 0, 0, 0, time.UTC)},
		"repeat: ":                 {Repeat: json.RawMessage(`"sometimes"`)},
		"repeat.until: ":           {Repeat: json.RawMessage(`{"days":1,"until":"some day"}`)},
	} {
		if _, err := c.Replan(t.Context(), "t", p); err == nil || !strings.HasPrefix(err.Error(), "planning task t anew: "+want) {
			t.Errorf("%+v: %v, want %q", p, err, want)
		}
	}
	b.seen("manobi")
	if doc := b.awaitStatus("t", "scheduled"); doc.Raw != before.Raw {
		t.Errorf("it was %s and is %s", before.Raw, doc.Raw)
	}
	written, err := c.Replan(t.Context(), "t", client.Plan{Repeat: json.RawMessage(`{"hours":1,"until":"in 300 days"}`), Timezone: "Asia/Tokyo"})
	must(t, err)
	until := gjson.GetBytes(written.Repeat, "until").String()
	if at, err := time.Parse(time.RFC3339Nano, until); err != nil || at.Before(time.Now().AddDate(0, 0, 299)) {
		t.Errorf("words in until are written as %q, which would move with every reading", until)
	}
	doc := b.awaitDoc("t", func(doc gjson.Result) bool {
		return doc.Get("status").String() == "scheduled" && doc.Get("timezone").String() == "Asia/Tokyo"
	})
	if doc.Get("repeat.until").String() != until || !strings.HasPrefix(written.Rev, "3-") {
		t.Errorf("written as %s: %s", written.Rev, doc.Raw)
	}
}

func testThousandsOfCalendars(t *testing.T, b *bundle) {
	t.Helper()
	m := b.tampered()
	const n = 2500
	day := time.Now().UTC().AddDate(0, 0, 1).Format(time.DateOnly)
	b.many(n, func(i int) string {
		return fmt.Sprintf(`{"_id":"calendar-%04d","type":"calendar","dates":[%q]}`, i, day)
	})
	b.start("manobi")
	for _, i := range []int{0, n / 2, n - 1} {
		id := fmt.Sprint("t", i)
		b.put(id, `{"worker":"manobi","job":"run","date":%q,"repeat":{"every":"P1D","except":"calendar-%04d"}}`, day+"T09:00:00Z", i)
		if doc := b.awaitStatus(id, "scheduled"); !doc.Get("plan.nominal").Time().After(time.Now().Add(24 * time.Hour)) {
			t.Errorf("%s", doc.Raw)
		}
	}
	if _, gap := b.server.gaps["find/bookmark"]; !gap && m.skips.Load() > 0 {
		t.Errorf("%d requests walk again over what was read", m.skips.Load())
	}
}

func testOutcomesThatPauseAreCounted(t *testing.T, b *bundle) {
	t.Helper()
	b.addAwaiting()
	b.start("manobi")
	b.put("fails", `{"worker":"manobi","job":"fail","repeat":{"ms":50},"pause_after":3}`)
	b.put("runs", `{"worker":"manobi","job":"run","date":%q,"repeat":{"days":1}}`, far())
	b.awaitStatus("fails", "paused")
	b.awaitStatus("runs", "scheduled")
	b.edit("runs", map[string]any{"status": "pause"})
	b.awaitStatus("runs", "paused")
	b.edit("runs", map[string]any{"status": "run"})
	b.awaitRuns("runs", 1)
	b.awaitStatus("runs", "paused")
	// What ends elsewhere counts as well.
	const awaits = `{"worker":"manobi","job":{"name":"elsewhere","arguments":[3600000]}`
	gate := b.gate("early")
	b.put("one-off", awaits+`}`)
	b.put("repeat", awaits+`,"repeat":{"days":1}}`)
	b.put("early", awaits+`,"date":"in 1 second"}`)
	key := b.awaitStatus("early", "scheduled").Get("plan.key").String()
	for id, status := range map[string]task.Status{"one-off": task.Failed, "repeat": task.Done} {
		b.callBack(id, task.Callback{Key: b.awaitDoc(id, awaited).Get("plan.key").String(), Attempt: 1, Status: status})
	}
	b.awaitRuns("early", 1)
	b.callBack("early", task.Callback{Key: key, Attempt: 1, Status: task.Done})
	close(gate)
	b.awaitCounted(4, 3)
}

// testOutcomesThatMeetEditsCount: a task that cannot run any more since an edit while its callback was awaited is an error, and a run that ended
// elsewhere counts where the answer to that was lost, and an edit came before it was asked for again.
func testOutcomesThatMeetEditsCount(t *testing.T, b *bundle) {
	t.Helper()
	b.addAwaiting()
	var lost atomic.Bool
	lose := func(docs []gjson.Result) {
		if !holds(docs, "lost", "scheduled") || lost.Swap(true) {
			return
		}
		doc, err := b.db.Get(t.Context(), "lost")
		if err == nil {
			_, err = b.db.Put(t.Context(), "lost", []byte(strings.Replace(string(doc.Body), "{", `{"data":1,`, 1)))
		}
		if err != nil {
			t.Errorf("editing the task: %v", err)
		}
		panic(http.ErrAbortHandler)
	}
	b.tampered().after.Store(&lose)
	b.start("manobi")
	const awaits = `{"worker":"manobi","job":{"name":"elsewhere","arguments":[3600000]},"repeat":{"days":1}}`
	b.put("invalid", awaits)
	b.put("lost", awaits)
	b.awaitDoc("invalid", awaited)
	b.edit("invalid", map[string]any{"repeat": map[string]any{"days": 0}})
	b.awaitStatus("invalid", "error")
	b.callBack("lost", task.Callback{Key: b.awaitDoc("lost", awaited).Get("plan.key").String(), Attempt: 1, Status: task.Done})
	b.awaitStatus("lost", "scheduled")
	b.awaitCounted(1, 1)
}

// awaitCounted waits for a heartbeat with so many errors and so many runs that were done.
func (b *bundle) awaitCounted(failed, done int64) {
	b.t.Helper()
	db := dial(b.t, b.server.url(b.server.address)).Database(fleet.Database(b.server.database))
	b.poll(fmt.Sprintf("a heartbeat with %d errors and %d runs that were done", failed, done), func() bool {
		members, err := fleet.List(b.t.Context(), db)
		must(b.t, err)
		return len(members) == 1 && len(members[0].Workers) == 1 && members[0].Workers[0].Errors == failed && members[0].Workers[0].Done == done
	})
}

// testOrdersOverARunThatDied: an order that is written over "running", while nobody is there, does not hide the run that was cut short.
func testOrdersOverARunThatDied(t *testing.T, b *bundle) {
	t.Helper()
	p := b.start("manobi")
	const once = `"delivery":"at-most-once",`
	tasks := map[string]string{
		"once": once, "repeat": once + `"repeat":{"hours":1},`, "run": once + `"repeat":{"hours":1},`, "again": ``, "again repeat": `"repeat":{"hours":1},`,
	}
	for id, more := range tasks {
		b.put(id, `{"worker":"manobi",%s"job":"block"}`, more)
	}
	for id := range tasks {
		b.awaitStatus(id, "running")
	}
	p.crash()
	for id := range tasks {
		order := "pause"
		if id == "run" {
			order = "run"
		}
		b.edit(id, map[string]any{"status": order})
		close(b.gate(id))
	}
	b.start("manobi")
	if doc := b.awaitStatus("once", "error"); doc.Get("error.kind").String() != "unknown" {
		t.Errorf("%s", doc.Raw)
	}
	if doc := b.awaitStatus("repeat", "paused"); doc.Get("error.kind").String() != "unknown" {
		t.Errorf("%s", doc.Raw)
	}
	doc := b.awaitDoc("run", func(doc gjson.Result) bool { return doc.Get("executions").Int() == 2 })
	if !strings.Contains(doc.Get("history").Raw, "nobody knows whether it was done") || doc.Get("error").Exists() {
		t.Errorf("%s", doc.Raw)
	}
	for _, id := range []string{"again", "again repeat"} {
		b.awaitStatus(id, "paused")
		b.wantRuns(id, 1)
		b.edit(id, map[string]any{"status": "resume"})
		if runs := b.awaitRuns(id, 2); runs[0].Key != runs[1].Key {
			t.Errorf("%s: another firing runs in place of the one that was cut short: %v", id, runs)
		}
	}
	b.wantRuns("once", 1)
	b.wantRuns("repeat", 1)
	if runs := b.runsOf("run"); len(runs) != 2 || runs[0].Key == runs[1].Key {
		t.Errorf("%v", runs)
	}
}

func testRunOfWhatWasNeverPlanned(t *testing.T, b *bundle) {
	t.Helper()
	b.put("t", `{"worker":"manobi","job":"run","date":%q,"repeat":{"days":1},"status":"pause"}`, far())
	b.put("words", `{"worker":"manobi","job":"run","date":"in 2 hours","status":"pause"}`)
	b.put("wrong", `{"worker":"manobi","job":"run","repeat":"sometimes","status":"pause"}`)
	b.start("manobi")
	for _, id := range []string{"t", "words", "wrong"} {
		b.awaitStatus(id, "paused")
	}
	for _, id := range []string{"t", "words"} {
		b.edit(id, map[string]any{"status": "run"})
		b.awaitRuns(id, 1)
		if doc := b.awaitStatus(id, "paused"); doc.Get("executions").Int() != 1 {
			t.Errorf("%s", doc.Raw)
		}
		b.edit(id, map[string]any{"status": "resume"})
		if doc := b.awaitStatus(id, "scheduled"); doc.Get("plan.nominal").Time().Before(time.Now().Add(50 * time.Minute)) {
			t.Errorf("%s", doc.Raw)
		}
		b.wantRuns(id, 1)
	}
}

// TestLeftOutIsSaid: dates that do not run are counted in the document, and the log says how many and why.
func TestLeftOutIsSaid(t *testing.T) {
	t.Parallel()
	b := setup(t)
	hook, hooked := b.hooked()
	said := func(text string) bool {
		return slices.ContainsFunc(hook.AllEntries(), func(e *logrus.Entry) bool { return strings.Contains(e.Message, text) })
	}
	b.put("missed", `{"worker":"manobi","job":"run","date":%q,"repeat":{"hours":1}}`, fromNow(-3*time.Hour-30*time.Minute))
	b.startWith(hooked, "manobi")
	doc := b.awaitDoc("missed", func(doc gjson.Result) bool { return doc.Get("executions").Int() == 1 })
	if doc.Get("skipped").Int() != 3 || !said("missed, runs now for the latest date; 3 dates before it are left out") {
		t.Errorf("the log says nothing of what was missed: %s", doc.Raw)
	}
	b.put("long", `{"worker":"manobi","job":"block","date":%q,"repeat":{"hours":1}}`, fromNow(-2*time.Hour-30*time.Minute))
	b.awaitRuns("long", 1)
	close(b.gate("long"))
	doc = b.awaitDoc("long", func(doc gjson.Result) bool { return doc.Get("executions").Int() == 1 })
	if doc.Get("skipped").Int() != 2 || !said(`2 of its dates came during the run and are left out (overlap is "skip")`) {
		t.Errorf("the log says nothing of what came during a run: %s", doc.Raw)
	}
}
