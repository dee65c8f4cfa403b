package worker_test

import (
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/runs"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/worker"
)

// TestHistory: what workers leave of single runs.
func TestHistory(t *testing.T) {
	t.Parallel()
	onServers(t, map[string]func(t *testing.T, b *bundle){
		"repeats and retries":                 testHistory,
		"a second execution of an attempt":    testSecondExecution,
		"a database of runs that is refused":  testHistoryRefused,
		"runs that go on elsewhere":           testHistoryOfCallbacks,
		"an outcome that is refused":          testHistoryOfRefused,
		"runs that nobody waits for any more": testHistoryOfDisplaced,
		"runs that were left, and are gone":   testHistoryOfLeftElsewhere,
		"a stop cuts the write short":         testHistoryAtStop,
	})
}

// history is the database of runs, reached without the proxy; it is dropped with the test.
func (b *bundle) history() *couch.Database {
	client := dial(b.t, b.server.url(b.server.address))
	db := client.Database(runs.Database(b.server.database))
	b.t.Cleanup(func() {
		if err := client.DropDatabase(context.Background(), db.Name()); err != nil && !couch.IsNotFound(err) {
			b.t.Error(err)
		}
	})
	return db
}

func (b *bundle) keepingHistory(db *couch.Database) func(*worker.Config) {
	return func(c *worker.Config) { c.Runs = runs.NewWriter(db, c.Log) }
}

func (b *bundle) recorded(db *couch.Database, id string) (all []runs.Run) {
	b.t.Helper()
	for r, err := range runs.List(b.t.Context(), db, id, runs.Filter{}) {
		must(b.t, err)
		all = append(all, r)
	}
	return all
}

func testHistory(t *testing.T, b *bundle) {
	t.Helper()
	db := b.history()
	p := b.startWith(b.keepingHistory(db), "manobi")
	b.put("repeat", `{"worker":"manobi","job":"run","repeat":{"milliseconds":150,"limit":4}}`)
	b.put("retried", `{"worker":"manobi","job":{"name":"fail-times","arguments":[2]},"retry":{"limit":3,"interval":"10ms"}}`)
	b.put("once", `{"worker":"manobi","job":"run"}`)
	gate := b.gate("deleted")
	b.put("deleted", `{"worker":"manobi","job":"deaf","repeat":{"days":1}}`)
	b.awaitStatus("repeat", "done")
	b.awaitStatus("retried", "done")
	b.awaitStatus("once", "done")
	b.awaitRuns("deleted", 1)
	doc, err := b.db.Get(t.Context(), "deleted")
	must(t, err)
	_, err = b.db.Delete(t.Context(), "deleted", doc.Rev)
	must(t, err)
	close(gate)
	p.end()
	if got := b.recorded(db, "repeat"); len(got) != len(b.runsOf("repeat")) {
		t.Errorf("of %d runs of the repeat are kept: %+v", len(b.runsOf("repeat")), got)
	}
	statuses := map[int64]task.Status{}
	for _, r := range b.recorded(db, "retried") {
		statuses[r.Attempt] = r.Status
		if r.Worker != "manobi" || r.Job != "fail-times" || r.Duplicate || r.Member == "" {
			t.Errorf("%+v", r)
		}
	}
	if len(statuses) != 3 || statuses[1] != task.Failed || statuses[2] != task.Failed || statuses[3] != task.Done {
		t.Errorf("the attempts are kept as %v", statuses)
	}
	if got := b.recorded(db, "once"); got != nil {
		t.Errorf("a run that is whole in its task is kept too: %+v", got)
	}
	if got := b.recorded(db, "deleted"); len(got) != 1 {
		t.Errorf("of the deleted task is kept: %+v", got)
	}
}

// testSecondExecution: the process dies after the history of a run was written and before its outcome was.
func testSecondExecution(t *testing.T, b *bundle) {
	t.Helper()
	db := b.history()
	config := childConfig{
		State: t.TempDir(), Journal: filepath.Join(t.TempDir(), "journal"), Names: []string{"manobi"}, History: b.server.url(b.cutAfterHistory()),
	}
	first := b.startChildWith(config)
	b.put("t", `{"worker":"manobi","job":{"name":"append","arguments":[1]},"repeat":{"days":1},"date":%q}`, time.Now().UTC().Format(time.RFC3339Nano))
	b.poll("the first execution is kept", func() bool { return len(b.recorded(db, "t")) == 1 })
	first.kill()
	b.proxy.Heal()
	b.startChildWith(config)
	b.awaitDoc("t", func(doc gjson.Result) bool { return doc.Get("repetitions").Int() == 1 })
	got := b.recorded(db, "t")
	if len(got) != 2 || got[0].Key != got[1].Key || got[0].Duplicate == got[1].Duplicate || got[0].Incarnation == got[1].Incarnation {
		t.Errorf("%+v", got)
	}
}

// cutAfterHistory gives an address of the server through which the first history that is written takes the workers' own connection away,
// before they know that it is: outcomes are only written after it.
func (b *bundle) cutAfterHistory() string {
	var once sync.Once
	front := httptest.NewServer(&httputil.ReverseProxy{
		Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: b.server.address}) },
		ModifyResponse: func(r *http.Response) error {
			if strings.HasSuffix(r.Request.URL.Path, "/_bulk_docs") && r.StatusCode == http.StatusCreated {
				once.Do(b.disconnect)
			}
			return nil
		},
	})
	b.t.Cleanup(front.Close)
	return strings.TrimPrefix(front.URL, "http://")
}

// testHistoryOfCallbacks: what ends elsewhere is kept too, be it faster than the write that it is waited for, or canceled.
func testHistoryOfCallbacks(t *testing.T, b *bundle) {
	t.Helper()
	db := b.history()
	b.addAwaiting()
	gate := b.gate("early")
	b.startWith(b.keepingHistory(db), "manobi")
	b.put("early", `{"worker":"manobi","job":{"name":"elsewhere","arguments":[3600000]},"repeat":{"days":1},"date":"in 1 second"}`)
	key := b.awaitStatus("early", "scheduled").Get("plan.key").String()
	b.awaitRuns("early", 1)
	b.callBack("early", task.Callback{Key: key, Attempt: 1, Status: task.Done, Result: json.RawMessage(`"soon"`)})
	close(gate)
	b.awaitDoc("early", func(doc gjson.Result) bool { return doc.Get("repetitions").Int() == 1 })
	if got := b.recorded(db, "early"); len(got) != 1 || got[0].Status != task.Done || string(got[0].Output) != `"soon"` || got[0].Key != key {
		t.Errorf("%+v", got)
	}
	b.put("canceled", `{"worker":"manobi","job":{"name":"elsewhere","arguments":[3600000]},"repeat":{"days":1}}`)
	claim := b.awaitDoc("canceled", awaited).Get("claim")
	b.edit("canceled", map[string]any{"status": "cancel"})
	b.awaitStatus("canceled", "canceled")
	got := b.recorded(db, "canceled")
	if len(got) != 1 || got[0].Status != task.Canceled || got[0].Incarnation != claim.Get("incarnation").String() || got[0].Member != claim.Get("member").String() {
		t.Errorf("%+v", got)
	}
}

// testHistoryOfDisplaced: a run that went on elsewhere ends with the edit after which nobody waits for it, be that before its job left it or after.
func testHistoryOfDisplaced(t *testing.T, b *bundle) {
	t.Helper()
	db := b.history()
	b.addAwaiting()
	gates := map[string]chan struct{}{"sooner": b.gate("sooner"), "deleted": b.gate("deleted")}
	b.startWith(b.keepingHistory(db), "manobi")
	for _, id := range []string{"edited", "sooner", "deleted"} {
		b.put(id, `{"worker":"manobi","job":{"name":"elsewhere","arguments":[3600000]},"repeat":{"days":1}}`)
	}
	b.awaitDoc("edited", awaited)
	for id, gate := range gates {
		b.awaitRuns(id, 1)
		if id == "deleted" {
			doc, err := b.db.Get(t.Context(), id)
			must(t, err)
			_, err = b.db.Delete(t.Context(), id, doc.Rev)
			must(t, err)
		} else {
			b.edit(id, map[string]any{"date": "2999-01-01"})
		}
		close(gate)
	}
	b.edit("edited", map[string]any{"date": "2999-01-01"})
	for _, id := range []string{"edited", "sooner"} {
		b.awaitDoc(id, func(doc gjson.Result) bool { return doc.Get("plan.nominal").Time().Year() == 2999 })
	}
	for _, id := range []string{"edited", "sooner", "deleted"} {
		b.poll("the run of "+id+" is kept", func() bool { return len(b.recorded(db, id)) > 0 })
		if got := b.recorded(db, id); len(got) != 1 || got[0].Status != task.Canceled || got[0].Duplicate {
			t.Errorf("%s: %+v", id, got)
		}
	}
}

// testHistoryAtStop: the worker ends while it writes the history of a run whose task is gone, for which no outcome waits.
func testHistoryAtStop(t *testing.T, b *bundle) {
	t.Helper()
	db := b.history()
	writing, first := make(chan struct{}), sync.Once{}
	pass := &httputil.ReverseProxy{Rewrite: func(r *httputil.ProxyRequest) { r.SetURL(&url.URL{Scheme: "http", Host: b.server.address}) }}
	front := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		held := false
		if strings.HasSuffix(r.URL.Path, "/_bulk_docs") {
			first.Do(func() { held = true })
		}
		if held {
			_, _ = io.Copy(io.Discard, r.Body) // else the server does not notice that the client goes
			close(writing)
			<-r.Context().Done()
			return
		}
		pass.ServeHTTP(w, r)
	}))
	t.Cleanup(front.Close)
	through := dial(t, b.server.url(strings.TrimPrefix(front.URL, "http://"))).Database(db.Name())
	p := b.startWith(b.keepingHistory(through), "manobi")
	b.put("t", `{"worker":"manobi","job":"block","repeat":{"days":1}}`)
	b.awaitRuns("t", 1)
	doc, err := b.db.Get(t.Context(), "t")
	must(t, err)
	_, err = b.db.Delete(t.Context(), "t", doc.Rev)
	must(t, err)
	<-writing
	p.end()
	if got := b.recorded(db, "t"); len(got) != 1 || got[0].Duplicate {
		t.Errorf("%+v", got)
	}
}

// testHistoryOfLeftElsewhere: a run that was to go on elsewhere, and whose task is gone when its worker, which could not write that, is back, ends with
// that.
func testHistoryOfLeftElsewhere(t *testing.T, b *bundle) {
	t.Helper()
	db := b.history()
	b.addAwaiting()
	refuse := func(doc gjson.Result) string {
		if awaited(doc) {
			return "forbidden"
		}
		return ""
	}
	b.tampered().refuse.Store(&refuse)
	p := b.startWith(b.keepingHistory(db), "manobi")
	for _, id := range []string{"deleted", "changed"} {
		b.put(id, `{"worker":"manobi","job":{"name":"elsewhere","arguments":[3600000]},"repeat":{"days":1}}`)
	}
	b.awaitSpool(2)
	p.crash()
	doc, err := b.db.Get(t.Context(), "deleted")
	must(t, err)
	_, err = b.db.Delete(t.Context(), "deleted", doc.Rev)
	must(t, err)
	b.edit("changed", map[string]any{"type": "note"})
	b.startWith(b.keepingHistory(db), "manobi")
	b.seen("manobi")
	for _, id := range []string{"deleted", "changed"} {
		if got := b.recorded(db, id); len(got) != 1 || got[0].Status != task.Canceled || got[0].Duplicate {
			t.Errorf("%s: %+v", id, got)
		}
	}
}

// testHistoryOfRefused: an outcome that waits in the spool over a restart until an edit makes room for it is that of one execution.
func testHistoryOfRefused(t *testing.T, b *bundle) {
	t.Helper()
	db := b.history()
	refuse := func(doc gjson.Result) string {
		if doc.Get("repetitions").Int() == 1 && !doc.Get("data").Exists() {
			return "forbidden"
		}
		return ""
	}
	b.tampered().refuse.Store(&refuse)
	p := b.startWith(b.keepingHistory(db), "manobi")
	b.put("t", `{"worker":"manobi","job":"run","repeat":{"days":1}}`)
	b.awaitSpool(1)
	p.crash()
	b.startWith(b.keepingHistory(db), "manobi")
	b.seen("manobi")
	b.edit("t", map[string]any{"data": "edited"})
	b.awaitDoc("t", func(doc gjson.Result) bool { return doc.Get("repetitions").Int() == 1 })
	if got := b.recorded(db, "t"); len(got) != 1 || got[0].Duplicate {
		t.Errorf("%+v", got)
	}
}

// testHistoryRefused: outcomes do not wait for a database of runs that takes nothing.
func testHistoryRefused(t *testing.T, b *bundle) {
	t.Helper()
	stranger := dial(t, "http://stranger:no@"+b.server.address).Database(runs.Database(b.server.database))
	b.startWith(b.keepingHistory(stranger), "manobi")
	b.put("t", `{"worker":"manobi","job":"run","repeat":{"milliseconds":50,"limit":3}}`)
	b.awaitStatus("t", "done")
}
