package worker_test

import (
	"context"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/tidwall/gjson"

	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/jobs/folder"
	"github.com/adlayer/after/worker"
)

// seen waits until the worker has seen all that was written before: the feed keeps the order.
func (b *bundle) seen(name string) {
	b.t.Helper()
	id := fmt.Sprintf("seen-%d", time.Now().UnixNano())
	b.put(id, `{"worker":%q,"job":"run"}`, name)
	b.awaitRuns(id, 1)
}

func TestDeletedWhileTheMarkOfALongRunIsInFlight(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.tampered()
	open := m.holdAnswer("t", "running")
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"block"}`)
	doc := b.awaitStatus("t", "running")
	close(b.gate("t"))
	_, err := b.db.Delete(t.Context(), "t", doc.Get("_rev").String())
	must(t, err)
	b.seen("manobi")
	close(open)
	b.put("u", `{"worker":"manobi","job":"run"}`)
	b.awaitStatus("u", "done")
}

func TestEditDuringTheRunOfATaskThatAnotherMemberClaimed(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"block","date":%q}`, time.Now().Add(3*time.Second).UTC().Format(time.RFC3339Nano))
	b.awaitStatus("t", "scheduled")
	first.end()
	b.startWith(elsewhere, "manobi")
	b.awaitRuns("t", 1)
	b.edit("t", map[string]any{"tags": []string{"edited"}})
	b.seen("manobi")
	close(b.gate("t"))
	if doc := b.awaitStatus("t", "done"); doc.Get("tags.0").String() != "edited" || doc.Get("result").String() != "opened" {
		t.Errorf("%s", doc.Raw)
	}
	b.check()
}

func TestAtMostOnceEditedBeforeItStarts(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.tampered()
	open := m.holdAnswer("t", "running")
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run","delivery":"at-most-once"}`)
	b.awaitStatus("t", "running")
	b.edit("t", map[string]any{"tags": []string{"edited"}})
	b.seen("manobi")
	close(open)
	if doc := b.awaitStatus("t", "done"); doc.Get("tags.0").String() != "edited" {
		t.Errorf("%s", doc.Raw)
	}
	b.check()
}

func TestAtMostOnceWhoseFirstAnswerIsLost(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.tampered()
	var lost atomic.Bool
	lose := func(docs []gjson.Result) {
		if holds(docs, "t", "running") && !lost.Swap(true) {
			panic(http.ErrAbortHandler)
		}
	}
	m.after.Store(&lose)
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run","delivery":"at-most-once"}`)
	b.awaitStatus("t", "done")
	b.check()
}

// TestAtMostOnceIsNotedOnlyWhereThereIsRoom: what was noted and has not begun when a process dies counts as run.
func TestAtMostOnceIsNotedOnlyWhereThereIsRoom(t *testing.T) {
	t.Parallel()
	b := setup(t)
	const room, n = 2, 20
	b.many(n, func(i int) string {
		return fmt.Sprintf(`{"_id":"t%02d","worker":"manobi","job":"block","delivery":"at-most-once"}`, i)
	})
	few := func(c *worker.Config) { c.Concurrency = room }
	p := b.startWith(few, "manobi")
	b.afterRuns(room)
	p.crash()
	for i := range n {
		close(b.gate(fmt.Sprintf("t%02d", i)))
	}
	b.startWith(few, "manobi")
	b.await("all have ended", func() bool { return b.countLocked("done")+b.countLocked("error") == n })
	b.mu.Lock()
	defer b.mu.Unlock()
	if unknown := b.countLocked("error"); unknown != room {
		t.Errorf("%d of %d that had begun count as run", unknown, room)
	}
}

// TestMovedFromAMemberThatCameBack: the run that a task is kept back for died with its process, and the member lives on in
// another.
func TestMovedFromAMemberThatCameBack(t *testing.T) {
	t.Parallel()
	b := setup(t)
	first := b.start("first")
	b.startWith(elsewhere, "second")
	b.put("t", `{"worker":"first","job":"block"}`)
	b.awaitStatus("t", "running")
	first.crash()
	b.edit("t", map[string]any{"worker": "second"})
	b.seen("second")
	b.start("first")
	close(b.gate("t"))
	b.awaitStatus("t", "done")
}

func TestRefusedIsLeftAloneUntilItChanges(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.tampered()
	refuse := func(doc gjson.Result) string {
		if doc.Get("refuse").Bool() {
			return "forbidden"
		}
		return ""
	}
	m.refuse.Store(&refuse)
	var offset atomic.Int64
	b.startWith(shiftedClock(&offset), "manobi")
	b.put("t", `{"worker":"manobi","job":"run","refuse":true}`)
	b.put("u", `{"worker":"manobi","job":"run"}`)
	b.awaitStatus("u", "done")
	for range 3 { // time enough to forget what ended
		offset.Add(int64(time.Minute))
		pause(1500 * time.Millisecond)
	}
	b.poll("a second look at the live tasks", func() bool { return m.finds.Load() >= 2 })
	pause(time.Second)
	b.seen("manobi")
	if runs := b.runsOf("t"); len(runs) != 1 {
		t.Errorf("it ran %d times", len(runs))
	}
	b.edit("t", map[string]any{"refuse": false})
	b.awaitStatus("t", "done")
}

// TestLoadTooLargeForTheServer: a load that is refused as a whole is asked for in parts.
func TestLoadTooLargeForTheServer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.tampered()
	m.getMost.Store(3)
	b.late = 3 * time.Hour
	var offset atomic.Int64
	b.startWith(shiftedClock(&offset), "manobi")
	const n = 20
	b.many(n, func(i int) string {
		return fmt.Sprintf(`{"_id":"t%02d","worker":"manobi","job":"run","date":%q}`, i, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
	})
	b.await("all sleep", func() bool { return b.countLocked("scheduled") == n })
	b.seen("manobi")
	b.awaitDone(1) // written after the others: the worker has the answers to those
	offset.Store(int64(2 * time.Hour))
	b.awaitDone(n + 1)
	b.check()
}

func TestRowThatFailsHoldsNothingElseUp(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.tampered()
	var healed atomic.Bool
	refuse := func(doc gjson.Result) string {
		if doc.Get("poison").Bool() && !healed.Load() {
			return "internal_server_error"
		}
		return ""
	}
	m.refuse.Store(&refuse)
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run","poison":true}`)
	b.awaitRuns("t", 1)
	b.many(50, func(i int) string { return fmt.Sprintf(`{"_id":"u%02d","worker":"manobi","job":"run"}`, i) })
	b.awaitDone(50)
	healed.Store(true)
	b.awaitStatus("t", "done")
	b.check()
}

// TestParkedGoOnWithoutTheOneThatWasNext: the task that a free place of its job was meant for is deleted before it starts.
func TestParkedGoOnWithoutTheOneThatWasNext(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.startWith(func(c *worker.Config) { c.Concurrency = 3 }, "manobi")
	b.put("one", `{"worker":"manobi","job":"one-at-a-time"}`)
	b.awaitRuns("one", 1)
	b.put("two", `{"worker":"manobi","job":"one-at-a-time"}`)
	b.put("three", `{"worker":"manobi","job":"one-at-a-time"}`)
	b.put("b1", `{"worker":"manobi","job":"block"}`)
	b.put("b2", `{"worker":"manobi","job":"block"}`)
	b.awaitRuns("b1", 1)
	b.awaitRuns("b2", 1)
	b.put("b3", `{"worker":"manobi","job":"block","date":"2001-01-01"}`)
	pause(200 * time.Millisecond) // b3 is queued before the place becomes free
	close(b.gate("one"))
	b.awaitRuns("b3", 1)
	b.awaitStatus("one", "done")
	doc, err := b.db.Get(t.Context(), "two")
	must(t, err)
	_, err = b.db.Delete(t.Context(), "two", doc.Rev)
	must(t, err)
	b.awaitStatus("two", "(deleted)")
	pause(200 * time.Millisecond)
	close(b.gate("two"))
	close(b.gate("three"))
	for _, id := range []string{"b1", "b2", "b3"} {
		close(b.gate(id))
	}
	b.awaitStatus("three", "done")
}

func TestRunningTaskRescheduledForAnotherWorkerOfTheProcess(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.start("first", "second")
	b.put("t", `{"worker":"first","job":"block"}`)
	b.awaitRuns("t", 1)
	b.edit("t", map[string]any{"worker": "second", "status": "reschedule"})
	b.seen("first")
	close(b.gate("t"))
	b.awaitRuns("t", 2)
	b.awaitStatus("t", "done")
}

// TestSnoozeForNoTime: what is put off for no time runs again, and only the run that came to an outcome counts.
func TestSnoozeForNoTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	job, err := jobs.New("snooze", func(_ context.Context, task *jobs.Task) (any, error) {
		b.note(task)
		if len(b.runsOf(task.ID())) < 3 {
			return nil, jobs.Snooze(0)
		}
		return "at last", nil
	})
	must(t, err)
	must(t, b.jobs.Add(job))
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"snooze"}`)
	if doc := b.awaitStatus("t", "done"); doc.Get("result").String() != "at last" || doc.Get("executions").Int() != 1 {
		t.Errorf("%s", doc.Raw)
	}
}

// TestFileThatIsNotExecutable: the error says what is missing, and then the task can run.
func TestFileThatIsNotExecutable(t *testing.T) {
	t.Parallel()
	b := setup(t)
	in := t.TempDir()
	must(t, os.Chmod(in, 0o700))
	path := filepath.Join(in, "report")
	must(t, os.WriteFile(path, []byte("#!/bin/sh\necho 7\n"), 0o600))
	b.startWith(func(c *worker.Config) { c.Jobs = jobs.Sources(b.jobs, folder.New(in, folder.Options{})) }, "manobi")
	b.put("t", `{"worker":"manobi","job":"report"}`)
	doc := b.awaitStatus("t", "error")
	if got := doc.Get("error.message").String(); !strings.Contains(got, path+" is there, but is not executable: run chmod +x "+path) || doc.Get("error.kind").String() != "invalid" {
		t.Errorf("%s", doc.Get("error").Raw)
	}
	must(t, os.Chmod(path, 0o700))
	b.edit("t", map[string]any{"status": "waiting"})
	if doc := b.awaitStatus("t", "done"); doc.Get("result").Int() != 7 {
		t.Errorf("%s", doc.Raw)
	}
}

// TestClockSetBackWhileAJobIsDeaf: how long a job ignores that it was told to stop has nothing to do with the wall clock.
func TestClockSetBackWhileAJobIsDeaf(t *testing.T) {
	t.Parallel()
	b := setup(t)
	var offset atomic.Int64
	b.startWith(shiftedClock(&offset), "manobi")
	t.Cleanup(func() { close(b.gate("t")) })
	b.put("t", `{"worker":"manobi","job":"deaf"}`)
	b.awaitStatus("t", "running")
	b.edit("t", map[string]any{"status": "cancel"})
	b.seen("manobi")
	offset.Store(int64(-time.Hour))
	b.awaitStatus("t", "canceled")
}

// TestStoppedBeforeItIsReady, wherever in its start that finds it, a worker has done as it was asked.
func TestStoppedBeforeItIsReady(t *testing.T) {
	t.Parallel()
	b := setup(t)
	for i := range 20 {
		p, _ := b.begin(nil, "manobi")
		pause(time.Duration(i) * time.Millisecond)
		p.end()
		if p.err != nil {
			t.Errorf("stopped after %d ms: %v", i, p.err)
		}
	}
}

func TestFailedStartLeavesNothingBehind(t *testing.T) {
	t.Parallel()
	b := setup(t)
	must(t, os.MkdirAll(filepath.Join(b.state, "members", "manobi", "spool.ndjson"), 0o700))
	p, _ := b.begin(nil, "manobi")
	<-p.ended
	if p.err == nil {
		t.Error("a spool that cannot be read is no error")
	}
}

func TestKilledWhileStandingBy(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.start("manobi")
	p := b.startWith(func(c *worker.Config) { c.Standby, c.StateFolder = true, t.TempDir() }, "manobi")
	close(p.kill)
	select {
	case <-p.ended:
	case <-time.After(patience):
		t.Error("it stands by although it was killed")
	}
}

func TestSpoolBehindAHalfLine(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.startWith(drainFor(time.Second), "manobi")
	b.put("t", `{"worker":"manobi","job":"block"}`)
	b.awaitStatus("t", "running")
	must(t, os.WriteFile(filepath.Join(b.state, "members", "manobi", "spool.ndjson"), []byte(`{"database":"ta`), 0o600))
	b.disconnect()
	close(b.gate("t"))
	p.end()
	b.proxy.Heal()
	b.start("manobi")
	b.awaitStatus("t", "done")
	b.check()
}

// TestSpooledWhileTheMarkIsInFlight: neither the mark of a long run nor its outcome reach the database, where the task is
// edited before the outcome comes out of the spool.
func TestSpooledWhileTheMarkIsInFlight(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.tampered()
	var tried atomic.Bool
	never := func(docs []gjson.Result) {
		if holds(docs, "t", "running") {
			tried.Store(true)
			panic(http.ErrAbortHandler)
		}
	}
	m.before.Store(&never)
	p := b.startWith(drainFor(time.Second), "manobi")
	b.put("t", `{"worker":"manobi","job":"block","date":%q}`, time.Now().Add(2*time.Second).UTC().Format(time.RFC3339Nano))
	b.awaitRuns("t", 1)
	b.poll("the mark of the run", tried.Load)
	close(b.gate("t"))
	p.end()
	b.edit("t", map[string]any{"data": "edited"})
	m.before.Store(nil)
	b.start("manobi")
	if doc := b.awaitStatus("t", "done"); doc.Get("data").String() != "edited" {
		t.Errorf("%s", doc.Raw)
	}
	b.check()
}

// TestOutageIsTold, but not over and over, however many tasks come due meanwhile.
func TestOutageIsTold(t *testing.T) {
	t.Parallel()
	b := setup(t)
	logger := logrus.New()
	logger.SetOutput(t.Output())
	hook := logtest.NewLocal(logger)
	b.startWith(func(c *worker.Config) { c.Log = logger }, "manobi")
	const n = 1000
	b.many(n, func(i int) string {
		return fmt.Sprintf(`{"_id":"t%04d","worker":"manobi","job":"run","date":%q}`,
			i, time.Now().Add(time.Second+time.Duration(i)*20*time.Millisecond).UTC().Format(time.RFC3339Nano))
	})
	b.await("all are scheduled", func() bool { return b.countLocked("scheduled")+b.countLocked("done") == n })
	b.disconnect()
	pause(18 * time.Second) // the last heartbeat becomes too old
	b.proxy.Heal()
	b.awaitDone(n)
	b.check()
	if lines := len(hook.AllEntries()); lines < 3 || lines > 60 {
		t.Errorf("%d lines in the log", lines)
	}
}

// TestDatabaseMadeAnew: revisions count from one again, and what was known of the old ones is worth nothing.
func TestDatabaseMadeAnew(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.start("manobi")
	for _, id := range []string{"slept", "ran"} {
		b.put(id, `{"worker":"manobi","job":"run","date":%q}`, time.Now().Add(time.Hour).UTC().Format(time.RFC3339))
		b.awaitStatus(id, "scheduled")
	}
	b.edit("ran", map[string]any{"date": nil})
	b.awaitStatus("ran", "done")
	client := dial(t, b.server.url(b.server.address))
	must(t, client.DropDatabase(t.Context(), b.server.database))
	pause(3 * time.Second) // the feed finds that there is none
	must(t, client.CreateDatabase(t.Context(), b.server.database))
	b.put("slept", `{"worker":"manobi","job":"run"}`)
	b.put("ran", `{"worker":"manobi","job":"run"}`)
	b.awaitRuns("slept", 1)
	b.awaitRuns("ran", 2)
}
