package worker_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/tidwall/gjson"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/worker"
)

// TestCluster plays a cluster that is split while the worker writes: its write is accepted without a quorum, and the other
// side takes another one in its place. Once the sides meet, the database shows the winner.
func TestCluster(t *testing.T) {
	t.Parallel()
	onServers(t, map[string]func(t *testing.T, b *bundle){
		"claim accepted":                    testClaimAccepted,
		"claim wins":                        testClaimWins,
		"claim loses against a cancel":      testClaimLosesAgainstACancel,
		"claim loses against a reschedule":  testClaimLosesAgainstAReschedule,
		"claim loses against a worker":      testClaimLosesAgainstAWorker,
		"claim deleted before it is read":   testClaimDeletedBeforeItIsRead,
		"claim read from a node behind":     testClaimReadFromANodeBehind,
		"mark loses":                        testMarkLoses,
		"settle wins":                       testSettleWins,
		"settle loses against an edit":      testSettleLosesAgainstAnEdit,
		"settle loses against a cancel":     testSettleLosesAgainstACancel,
		"settle loses against a reschedule": testSettleLosesAgainstAReschedule,
		"settle loses against a worker":     testSettleLosesAgainstAWorker,
		"settle loses against a member":     testSettleLosesAgainstAMember,
		"settle read from a node behind":    testSettleReadFromANodeBehind,
		"deleted above an older leaf":       testDeletedAboveAnOlderLeaf,
		"deleted above an older leaf, soon": testDeletedAboveAnOlderLeafSoon,
		"load read from a node behind":      testLoadReadFromANodeBehind,
	})
}

// Hashes of revisions that win and lose against any other of their generation.
const (
	wins  = "ffffffffffffffffffffffffffffffff"
	loses = "00000000000000000000000000000000"
)

// splitAt splits the cluster for the first write of the task t with a status. The other side changes the fields of what was
// there; nil for none. The channel is closed when both sides have written.
func (b *bundle) splitAt(status, hash string, fields map[string]any) <-chan struct{} {
	b.t.Helper()
	m := b.tampered()
	var over atomic.Bool
	happened := make(chan struct{})
	split := func(doc gjson.Result) (string, bool) {
		if !holds([]gjson.Result{doc}, "t", status) || over.Swap(true) {
			return "", false
		}
		if fields == nil {
			return "", true
		}
		return b.leaf("t", doc.Get("_rev").String(), hash, fields), true
	}
	m.split.Store(&split)
	written := sync.OnceFunc(func() { close(happened) })
	after := func([]gjson.Result) {
		if over.Load() {
			written()
		}
	}
	m.after.Store(&after)
	return happened
}

// leaf gives a successor of a document's revision, in the form of new_edits=false.
func (b *bundle) leaf(id, parent, hash string, fields map[string]any) string {
	before, err := b.db.Get(b.t.Context(), id, couch.AtRev(parent))
	if err != nil {
		b.t.Errorf("reading what the other side has: %v", err)
		return ""
	}
	var doc map[string]any
	if err := json.Unmarshal(before.Body, &doc); err != nil {
		b.t.Errorf("reading what the other side has: %v", err)
		return ""
	}
	maps.Copy(doc, fields)
	number, parentHash, _ := strings.Cut(parent, "-")
	gen, err := strconv.Atoi(number)
	if err != nil {
		b.t.Errorf("the revision %s: %v", parent, err)
		return ""
	}
	doc["_rev"] = fmt.Sprintf("%d-%s", gen+1, hash)
	doc["_revisions"] = map[string]any{"start": gen + 1, "ids": []string{hash, parentHash}}
	body, err := json.Marshal(doc)
	if err != nil {
		b.t.Errorf("encoding what the other side has: %v", err)
	}
	return string(body)
}

// wantNoConflicts waits until a document has one live leaf.
func (b *bundle) wantNoConflicts(id string) {
	b.t.Helper()
	b.poll("the end of conflicts", func() bool {
		doc, err := b.db.Get(b.t.Context(), id, couch.WithConflicts())
		must(b.t, err)
		return !gjson.GetBytes(doc.Body, "_conflicts").Exists()
	})
}

// wantNoLosers waits until the leaves that lost against the worker's are deleted.
func (b *bundle) wantNoLosers(id string) {
	b.t.Helper()
	if why, gap := b.server.gaps["client/bulk-get-conflicts"]; gap {
		b.t.Logf("conflicts stay on this server: it %s", why)
		return
	}
	b.wantNoConflicts(id)
}

// soon is a date that a task is claimed for before it runs.
func soon() string { return time.Now().Add(2 * time.Second).UTC().Format(time.RFC3339Nano) }

// far is a date at which no test is left.
func far() string { return time.Now().Add(time.Hour).UTC().Format(time.RFC3339) }

func testClaimAccepted(t *testing.T, b *bundle) {
	t.Helper()
	happened := b.splitAt("scheduled", "", nil)
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run","date":%q}`, soon())
	<-happened
	if doc := b.awaitStatus("t", "done"); !strings.HasPrefix(doc.Get("_rev").String(), "3-") {
		t.Errorf("more writes than a claim and an outcome: %s", doc.Raw)
	}
	b.wantRuns("t", 1)
	b.wantNoConflicts("t")
}

func testClaimWins(t *testing.T, b *bundle) {
	t.Helper()
	happened := b.splitAt("scheduled", loses, map[string]any{"status": "cancel"})
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run","date":%q}`, soon())
	<-happened
	b.awaitStatus("t", "done")
	b.wantRuns("t", 1)
	b.wantNoLosers("t")
}

func testClaimLosesAgainstACancel(t *testing.T, b *bundle) {
	t.Helper()
	happened := b.splitAt("scheduled", wins, map[string]any{"status": "cancel"})
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run","date":%q}`, soon())
	<-happened
	b.awaitStatus("t", "canceled")
	b.wantNoConflicts("t")
	b.wantRuns("t", 0)
}

func testClaimLosesAgainstAReschedule(t *testing.T, b *bundle) {
	t.Helper()
	later := far()
	happened := b.splitAt("scheduled", wins, map[string]any{"status": "reschedule", "date": later})
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run","date":%q}`, soon())
	<-happened
	b.awaitDoc("t", func(doc gjson.Result) bool {
		return doc.Get("status").String() == "scheduled" && doc.Get("plan.nominal").String() == later
	})
	b.wantNoConflicts("t")
	pause(3 * time.Second) // beyond the date of the claim that lost
	b.wantRuns("t", 0)
}

func testClaimLosesAgainstAWorker(t *testing.T, b *bundle) {
	t.Helper()
	happened := b.splitAt("scheduled", wins, map[string]any{"worker": "other"})
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run","date":%q}`, soon())
	<-happened
	b.awaitDoc("t", func(doc gjson.Result) bool { return doc.Get("worker").String() == "other" })
	b.wantNoConflicts("t")
	pause(3 * time.Second)
	b.wantRuns("t", 0)
	b.start("other")
	b.awaitStatus("t", "done")
	b.wantRuns("t", 1)
}

// testClaimDeletedBeforeItIsRead: a person deletes the task between the claim and its reading back.
func testClaimDeletedBeforeItIsRead(t *testing.T, b *bundle) {
	t.Helper()
	m := b.tampered()
	split := func(doc gjson.Result) (string, bool) { return "", doc.Get("_id").String() == "t" }
	m.split.Store(&split)
	var over atomic.Bool
	remove := func(docs []gjson.Result) {
		if !holds(docs, "t", "scheduled") || over.Swap(true) {
			return
		}
		doc, err := b.db.Get(t.Context(), "t")
		if err == nil {
			_, err = b.db.Delete(t.Context(), "t", doc.Rev)
		}
		if err != nil {
			t.Errorf("deleting the task: %v", err)
		}
	}
	m.after.Store(&remove)
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run","date":%q}`, soon())
	b.awaitStatus("t", "(deleted)")
	pause(3 * time.Second)
	b.wantRuns("t", 0)
	b.put("t", `{"worker":"manobi","job":"run"}`)
	b.awaitStatus("t", "done")
	b.wantRuns("t", 1)
}

// behind has the first write of the task t with a status accepted, and read back from a node that does not know of it.
func (b *bundle) behind(status string) {
	b.t.Helper()
	m := b.tampered()
	var over atomic.Bool
	split := func(doc gjson.Result) (rival string, accepted bool) {
		accepted = holds([]gjson.Result{doc}, "t", status) && !over.Swap(true)
		if accepted {
			before, err := b.db.Get(b.t.Context(), "t")
			if err != nil {
				b.t.Errorf("reading what the node has: %v", err)
			}
			stale := gjson.ParseBytes(before.Body)
			m.stale.Store(&stale)
		}
		return rival, accepted
	}
	m.split.Store(&split)
}

func testClaimReadFromANodeBehind(t *testing.T, b *bundle) {
	t.Helper()
	b.behind("scheduled")
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run","date":%q}`, soon())
	b.awaitStatus("t", "done")
	b.wantRuns("t", 1)
	b.wantNoConflicts("t")
}

func testMarkLoses(t *testing.T, b *bundle) {
	t.Helper()
	happened := b.splitAt("running", wins, map[string]any{"tags": []string{"edited"}})
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"block"}`)
	<-happened
	b.wantNoConflicts("t")
	close(b.gate("t"))
	if doc := b.awaitStatus("t", "done"); doc.Get("tags.0").String() != "edited" || doc.Get("result").String() != "opened" {
		t.Errorf("%s", doc.Raw)
	}
	b.wantRuns("t", 1)
	b.wantNoConflicts("t")
}

func testSettleWins(t *testing.T, b *bundle) {
	t.Helper()
	happened := b.splitAt("done", loses, map[string]any{"data": "lost"})
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run"}`)
	<-happened
	b.wantNoLosers("t")
	if doc := b.awaitStatus("t", "done"); doc.Get("data").Exists() {
		t.Errorf("%s", doc.Raw)
	}
	b.seen("manobi")
	b.wantRuns("t", 1)
}

// settleLoses runs a task whose outcome loses against a change of these fields.
func (b *bundle) settleLoses(fields map[string]any) {
	b.t.Helper()
	happened := b.splitAt("done", wins, fields)
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run"}`)
	<-happened
}

func testSettleLosesAgainstAnEdit(t *testing.T, b *bundle) {
	t.Helper()
	b.settleLoses(map[string]any{"data": "edited", "mine": 1})
	doc := b.awaitDoc("t", func(doc gjson.Result) bool {
		return doc.Get("status").String() == "done" && doc.Get("data").String() == "edited"
	})
	if doc.Get("mine").Int() != 1 || doc.Get("result.ran").String() != "t" || doc.Get("executions").Int() != 1 {
		t.Errorf("%s", doc.Raw)
	}
	b.wantNoConflicts("t")
	b.seen("manobi")
	b.wantRuns("t", 1)
}

func testSettleLosesAgainstACancel(t *testing.T, b *bundle) {
	t.Helper()
	b.settleLoses(map[string]any{"status": "cancel"})
	if doc := b.awaitStatus("t", "canceled"); doc.Get("result.ran").String() != "t" {
		t.Errorf("the outcome is not beside it: %s", doc.Raw)
	}
	b.wantNoConflicts("t")
	b.wantRuns("t", 1)
}

func testSettleLosesAgainstAReschedule(t *testing.T, b *bundle) {
	t.Helper()
	later := far()
	b.settleLoses(map[string]any{"status": "reschedule", "date": later})
	doc := b.awaitDoc("t", func(doc gjson.Result) bool { return doc.Get("plan.nominal").String() == later })
	if doc.Get("status").String() != "scheduled" || !doc.Get(`history.#(status=="done")`).Exists() {
		t.Errorf("not planned anew, with the outcome in its history: %s", doc.Raw)
	}
	b.wantNoConflicts("t")
	b.wantRuns("t", 1)
}

func testSettleLosesAgainstAWorker(t *testing.T, b *bundle) {
	t.Helper()
	b.settleLoses(map[string]any{"worker": "other"})
	doc := b.awaitDoc("t", func(doc gjson.Result) bool {
		return doc.Get(`history.#(status=="done")`).Exists() && doc.Get("worker").String() == "other"
	})
	if doc.Get("status").String() != "waiting" {
		t.Errorf("not left to the new worker: %s", doc.Raw)
	}
	b.wantNoConflicts("t")
	b.wantRuns("t", 1)
}

// testSettleLosesAgainstAMember: the other side ran the task too, in a member that took over there.
func testSettleLosesAgainstAMember(t *testing.T, b *bundle) {
	t.Helper()
	b.settleLoses(map[string]any{
		"status": "done", "result": "theirs", "executions": 1,
		"claim": map[string]any{"worker": "manobi", "member": "another", "incarnation": "another-1", "write": 7},
	})
	b.awaitDoc("t", func(doc gjson.Result) bool { return doc.Get("result").String() == "theirs" })
	b.wantNoConflicts("t")
	b.seen("manobi")
	if doc := b.awaitStatus("t", "done"); doc.Get("result").String() != "theirs" {
		t.Errorf("%s", doc.Raw)
	}
	b.wantRuns("t", 1)
}

func testSettleReadFromANodeBehind(t *testing.T, b *bundle) {
	t.Helper()
	b.behind("done")
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run"}`)
	b.awaitStatus("t", "done")
	b.seen("manobi")
	b.wantRuns("t", 1)
	b.wantNoConflicts("t")
	if doc := b.awaitStatus("t", "done"); doc.Get("executions").Int() != 1 {
		t.Errorf("%s", doc.Raw)
	}
}

// deletedAbove deletes a task that is scheduled where it has an older leaf, which becomes the winner then.
func (b *bundle) deletedAbove(date, older string) {
	b.t.Helper()
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run","date":%q}`, date)
	rev := b.awaitStatus("t", "scheduled").Get("_rev").String()
	body := fmt.Sprintf(`{"new_edits":false,"docs":[{"_id":"t","_rev":"1-%s","_revisions":{"start":1,"ids":[%q]},"worker":"manobi","job":"run","date":%q,"data":"older"}]}`, loses, loses, older)
	request, err := http.NewRequestWithContext(b.t.Context(), http.MethodPost, b.server.url(b.server.address)+"/"+b.server.database+"/_bulk_docs", strings.NewReader(body))
	must(b.t, err)
	request.Header.Set("Content-Type", "application/json")
	response, err := http.DefaultClient.Do(request)
	must(b.t, err)
	must(b.t, response.Body.Close())
	if response.StatusCode != http.StatusCreated {
		b.t.Fatalf("an older leaf: %s", response.Status)
	}
	b.seen("manobi")
	_, err = b.db.Delete(b.t.Context(), "t", rev)
	must(b.t, err)
}

func testDeletedAboveAnOlderLeaf(t *testing.T, b *bundle) {
	t.Helper()
	b.deletedAbove(far(), soon())
	if doc := b.awaitStatus("t", "done"); doc.Get("data").String() != "older" {
		t.Errorf("%s", doc.Raw)
	}
	b.wantRuns("t", 1)
}

func testDeletedAboveAnOlderLeafSoon(t *testing.T, b *bundle) {
	t.Helper()
	date := time.Now().Add(20 * time.Second).UTC()
	later := far()
	b.deletedAbove(date.Format(time.RFC3339Nano), later)
	b.awaitDoc("t", func(doc gjson.Result) bool {
		return doc.Get("status").String() == "scheduled" && doc.Get("plan.nominal").String() == later
	})
	b.put("u", `{"worker":"manobi","job":"run","date":%q}`, date.Add(100*time.Millisecond).Format(time.RFC3339Nano))
	b.awaitStatus("u", "done")
	b.wantRuns("t", 0)
}

// testLoadReadFromANodeBehind: a document that is loaded before its date comes from a node that does not know of the claim.
func testLoadReadFromANodeBehind(t *testing.T, b *bundle) {
	t.Helper()
	m := b.tampered()
	var offset atomic.Int64
	logger := logrus.New()
	logger.SetOutput(t.Output())
	hook := logtest.NewLocal(logger)
	b.startWith(func(c *worker.Config) {
		shiftedClock(&offset)(c)
		c.Log = logger
	}, "manobi")
	first, err := b.db.Get(t.Context(), "t", couch.AtRev(b.put("t", `{"worker":"manobi","job":"run","date":%q}`, far())))
	must(t, err)
	b.awaitStatus("t", "scheduled")
	b.seen("manobi")
	b.awaitDone(1) // written after the claim: the worker has the answer to that
	stale := gjson.ParseBytes(first.Body)
	m.stale.Store(&stale)
	offset.Store(int64(time.Hour + time.Minute))
	if doc := b.awaitStatus("t", "done"); !strings.HasPrefix(doc.Get("_rev").String(), "3-") {
		t.Errorf("more writes than a claim and an outcome: %s", doc.Raw)
	}
	b.wantRuns("t", 1)
	for _, entry := range hook.AllEntries() {
		if strings.Contains(entry.Message, "older revision") {
			t.Errorf("one node that is behind was believed: %s", entry.Message)
		}
	}
}
