package worker_test

import (
	"context"
	"encoding/json"
	"io"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/task"
)

// TestAwait: runs that go on elsewhere end by what is written into their documents.
func TestAwait(t *testing.T) {
	t.Parallel()
	onServers(t, map[string]func(t *testing.T, b *bundle){
		"a callback ends a run":                testCallback,
		"a callback that comes before its run": testEarlyCallback,
		"a callback that never comes":          testNoCallback,
		"a callback after a restart":           testCallbackAfterRestart,
		"cancel while a callback is awaited":   testCancelAwaited,
		"removal":                              testRemoval,
	})
}

// addAwaiting registers the job "elsewhere", which awaits a callback for as many milliseconds as its argument says.
func (b *bundle) addAwaiting() {
	job, err := jobs.NewTyped("elsewhere", func(_ context.Context, t *jobs.Task, arguments []int64) (any, error) {
		b.note(t)
		if gate := b.gateOf(t.ID()); gate != nil {
			<-gate
		}
		return nil, jobs.Await(time.Duration(arguments[0]) * time.Millisecond)
	})
	must(b.t, err)
	must(b.t, b.jobs.Add(job))
}

// gateOf is the gate that a test made for a task, nil if it made none.
func (b *bundle) gateOf(id string) chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.open[id]
}

func awaited(doc gjson.Result) bool {
	return doc.Get("status").String() == "running" && doc.Get("plan.awaits").Bool()
}

// callBack writes an outcome as the gateway does.
func (b *bundle) callBack(id string, c task.Callback) {
	b.t.Helper()
	raw, err := json.Marshal(c)
	must(b.t, err)
	b.edit(id, map[string]any{"callback": json.RawMessage(raw)})
}

func testCallback(t *testing.T, b *bundle) {
	t.Helper()
	b.addAwaiting()
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":{"name":"elsewhere","arguments":[3600000]},"retry":{"limit":1,"interval":"10ms"}}`)
	doc := b.awaitDoc("t", awaited)
	key := doc.Get("plan.key").String()
	if due := doc.Get("plan.due").Time(); due.Sub(doc.Get("started").Time()) != time.Hour {
		t.Errorf("it is awaited until %v: %s", due, doc.Raw)
	}
	b.callBack("t", task.Callback{Key: "another firing", Attempt: 1, Status: task.Done})
	b.callBack("t", task.Callback{Key: key, Attempt: 1, Status: task.Failed, Error: "no luck", Code: 503})
	doc = b.awaitDoc("t", func(doc gjson.Result) bool { return awaited(doc) && doc.Get("retries").Int() == 1 })
	if doc.Get("callback").Exists() || doc.Get("error.message").String() != "no luck" || doc.Get("error.code").Int() != 503 {
		t.Errorf("after the first attempt: %s", doc.Raw)
	}
	b.callBack("t", task.Callback{Key: key, Attempt: 2, Status: task.Done, Result: json.RawMessage(`{"sum":3}`)})
	doc = b.awaitStatus("t", "done")
	if doc.Get("result.sum").Int() != 3 || doc.Get("callback").Exists() || doc.Get("executions").Int() != 2 || doc.Get("plan.awaits").Exists() {
		t.Errorf("%s", doc.Raw)
	}
	b.wantRuns("t", 2)
}

// testEarlyCallback: the endpoint may be faster than the write that says it is waited for.
func testEarlyCallback(t *testing.T, b *bundle) {
	t.Helper()
	b.addAwaiting()
	gate := b.gate("t")
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":{"name":"elsewhere","arguments":[3600000]},"date":"in 1 second"}`)
	key := b.awaitStatus("t", "scheduled").Get("plan.key").String()
	b.awaitRuns("t", 1)
	b.callBack("t", task.Callback{Key: key, Attempt: 1, Status: task.Done, Result: json.RawMessage(`"early"`)})
	close(gate)
	if doc := b.awaitStatus("t", "done"); doc.Get("result").String() != "early" {
		t.Errorf("%s", doc.Raw)
	}
	b.wantRuns("t", 1)
}

func testNoCallback(t *testing.T, b *bundle) {
	t.Helper()
	b.addAwaiting()
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":{"name":"elsewhere","arguments":[300]}}`)
	b.put("timeout", `{"worker":"manobi","job":{"name":"elsewhere","arguments":[0]},"timeout":400}`)
	for _, id := range []string{"t", "timeout"} {
		doc := b.awaitStatus(id, "error")
		if doc.Get("error.kind").String() != "timeout" || doc.Get("duration").Int() < 300 {
			t.Errorf("%s", doc.Raw)
		}
	}
}

func testCallbackAfterRestart(t *testing.T, b *bundle) {
	t.Helper()
	b.addAwaiting()
	p := b.start("manobi")
	b.put("t", `{"worker":"manobi","delivery":"at-most-once","job":{"name":"elsewhere","arguments":[3600000]}}`)
	b.put("meanwhile", `{"worker":"manobi","job":{"name":"elsewhere","arguments":[3600000]},"repeat":{"days":1}}`)
	key := b.awaitDoc("t", awaited).Get("plan.key").String()
	other := b.awaitDoc("meanwhile", awaited).Get("plan.key").String()
	p.crash()
	b.callBack("meanwhile", task.Callback{Key: other, Attempt: 1, Status: task.Done, Result: json.RawMessage(`1`)})
	b.start("manobi")
	doc := b.awaitDoc("meanwhile", func(doc gjson.Result) bool { return doc.Get("repetitions").Int() == 1 })
	if doc.Get("status").String() != "scheduled" || doc.Get("result").Int() != 1 || doc.Get("plan.awaits").Exists() {
		t.Errorf("%s", doc.Raw)
	}
	b.callBack("t", task.Callback{Key: key, Attempt: 1, Status: task.Done})
	b.awaitStatus("t", "done")
	b.wantRuns("t", 1)
	b.wantRuns("meanwhile", 1)
}

func testCancelAwaited(t *testing.T, b *bundle) {
	t.Helper()
	b.addAwaiting()
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":{"name":"elsewhere","arguments":[3600000]}}`)
	key := b.awaitDoc("t", awaited).Get("plan.key").String()
	b.edit("t", map[string]any{"status": "cancel"})
	b.awaitStatus("t", "canceled")
	b.callBack("t", task.Callback{Key: key, Attempt: 1, Status: task.Done})
	b.put("after", `{"worker":"manobi","job":"run"}`)
	b.awaitStatus("after", "done")
	b.awaitStatus("t", "canceled")
}

// testRemoval: a job may have its task's document deleted, with a tombstone that tells how it ended.
func testRemoval(t *testing.T, b *bundle) {
	t.Helper()
	job, err := jobs.New("leave", func(_ context.Context, task *jobs.Task) (any, error) {
		b.note(task)
		return nil, jobs.Remove(map[string]int{"status": 410})
	})
	must(t, err)
	must(t, b.jobs.Add(job))
	p := b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"leave","repeat":{"seconds":1},"data":{"secret":"x"}}`)
	b.awaitStatus("t", "(deleted)")
	p.end()
	b.start("manobi")
	b.put("after", `{"worker":"manobi","job":"run"}`)
	b.awaitStatus("after", "done")
	b.wantRuns("t", 1)
	if last := b.tombstone("t"); last.Get("status").String() != "done" || last.Get("worker").String() != "manobi" || last.Get("data").Exists() {
		t.Errorf("the tombstone is %s", last.Raw)
	}
}

// tombstone reads what is left of a deleted document.
func (b *bundle) tombstone(id string) gjson.Result {
	b.t.Helper()
	feed, err := b.db.Changes(b.t.Context(), couch.ChangesQuery{DocIDs: []string{id}, IncludeDocs: true})
	must(b.t, err)
	defer feed.Close()
	raw, err := io.ReadAll(feed)
	must(b.t, err)
	return gjson.GetBytes(raw, "results.#(deleted==true).doc")
}
