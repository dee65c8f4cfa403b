package worker_test

import (
	"context"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/worker"
)

// orders are the tests of what becomes of a person's orders where something comes between.
func orders() map[string]func(t *testing.T, b *bundle) {
	return map[string]func(t *testing.T, b *bundle){
		"wait for a run that expires":    testWaitForARunThatExpires,
		"wait for a run that is skipped": testWaitForARunThatIsSkipped,
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
