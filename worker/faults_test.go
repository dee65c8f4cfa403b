package worker_test

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adlayer/after/internal/torture"
	"github.com/adlayer/after/worker"
)

// load is a crowd of tasks, some due and some about to be, that a fault comes over.
const load = 1500

// startUnderLoad starts a worker, gives it the load and waits until so many tasks have run.
func (b *bundle) startUnderLoad(runs int) *process {
	b.t.Helper()
	p := b.start("manobi")
	now := time.Now()
	b.many(load, func(i int) string {
		return fmt.Sprintf(`{"_id":"task-%04d","worker":"manobi","job":"run","status":"waiting","date":%q}`,
			i, now.Add(time.Duration(i%300)*10*time.Millisecond).UTC().Format(time.RFC3339Nano))
	})
	b.afterRuns(runs)
	return p
}

// disconnect takes the store away: what is open is cut, and what is new refused.
func (b *bundle) disconnect() {
	b.proxy.Refuse(true)
	b.proxy.Cut()
}

// heal ends the fault and waits until so many tasks are done, none of which may have run twice.
func (b *bundle) heal(done int) {
	b.t.Helper()
	b.proxy.Heal()
	b.awaitDone(done)
	b.check()
}

// afterRuns waits until so many runs have begun.
func (b *bundle) afterRuns(n int) {
	b.t.Helper()
	b.await(fmt.Sprintf("%d runs", n), func() bool { return len(b.runs) >= n })
}

func TestStoreRestartsUnderLoad(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.startUnderLoad(0)
	for n := 1; n <= 3; n++ {
		b.afterRuns(n * load / 4)
		b.server.restart()
	}
	b.awaitDone(load)
	b.check()
}

// faults are what networks and servers do to a worker under load; each runs on every server.
func faults() map[string]func(t *testing.T, b *bundle) {
	return map[string]func(t *testing.T, b *bundle){
		"store unreachable":             testStoreUnreachable,
		"feed stalls":                   testFeedStalls,
		"connections cut mid-row":       testConnectionsCutMidRow,
		"answers lost after the commit": testAnswersLostAfterTheCommit,
		"batch refused as a whole":      testBatchRefusedAsAWhole,
	}
}

func TestFaults(t *testing.T) {
	t.Parallel()
	onServers(t, faults())
}

func testStoreUnreachable(t *testing.T, b *bundle) {
	t.Helper()
	b.startUnderLoad(load / 3)
	b.disconnect()
	// Long enough that the lease's margin passes and starts are held back.
	pause(min(time.Minute, time.Duration(torture.Times(20))*time.Second))
	b.heal(load)
}

func testFeedStalls(t *testing.T, b *bundle) {
	t.Helper()
	b.startUnderLoad(load / 3)
	b.proxy.Stall(true)
	b.put("late", `{"worker":"manobi","job":"run"}`)
	pause(3 * time.Second)
	b.heal(load + 1)
}

func testConnectionsCutMidRow(t *testing.T, b *bundle) {
	t.Helper()
	b.startUnderLoad(0)
	for n := 1; n <= 8; n++ {
		b.proxy.CutAfter(int64(n * 3001))
		b.afterRuns(n * load / 10)
	}
	b.heal(load)
}

func testAnswersLostAfterTheCommit(t *testing.T, b *bundle) {
	t.Helper()
	b.startUnderLoad(load / 4)
	b.proxy.DropAnswers(true)
	pause(2 * time.Second)
	b.heal(load)
}

func testBatchRefusedAsAWhole(t *testing.T, b *bundle) {
	t.Helper()
	const most = 20_000
	b.tampered().bulkMost.Store(most)
	b.many(60, func(i int) string {
		return fmt.Sprintf(`{"_id":"t%02d","worker":"manobi","job":"run","data":"%s"}`, i, strings.Repeat("x", 200))
	})
	b.put("guilty", `{"worker":"manobi","job":"large"}`)
	b.start("manobi")
	b.awaitDone(61)
	doc := b.awaitStatus("guilty", "done")
	if len(doc.Raw) > most {
		t.Errorf("the document has %d bytes", len(doc.Raw))
	}
	if !strings.Contains(doc.Raw, "cut") {
		t.Errorf("the document does not say that its result was cut: %.500s", doc.Raw)
	}
	b.check()
}

func TestStopWhileTheStoreIsAway(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.startWith(drainFor(time.Second), "manobi")
	b.put("t", `{"worker":"manobi","job":"block"}`)
	b.put("repeat", `{"worker":"manobi","job":"block","repeat":{"hours":1}}`)
	b.awaitStatus("t", "running")
	b.awaitStatus("repeat", "running")
	b.disconnect()
	close(b.gate("t"))
	close(b.gate("repeat"))
	p.end()
	b.proxy.Heal()
	b.edit("t", map[string]any{"data": "edited meanwhile"})
	b.start("manobi")
	doc := b.awaitStatus("t", "done")
	if doc.Get("data").String() != "edited meanwhile" || doc.Get("result").String() != "opened" {
		t.Errorf("%s", doc.Raw)
	}
	b.awaitStatus("repeat", "scheduled")
	b.check()
	if left, err := filepath.Glob(filepath.Join(b.state, "members", "*", "spool.ndjson")); err != nil || len(left) != 0 {
		t.Errorf("the spool is not empty: %v %v", left, err)
	}
}

func TestSpoolOnAFullDisk(t *testing.T) {
	t.Parallel()
	if _, err := os.Stat("/dev/full"); err != nil {
		t.Logf("NOT RUN: a full disk is simulated by /dev/full, which this system does not have: %v", err)
		return
	}
	b := setup(t)
	p := b.startWith(drainFor(time.Second), "manobi")
	b.put("t", `{"worker":"manobi","job":"block"}`)
	b.awaitStatus("t", "running")
	spool := filepath.Join(b.state, "members", "manobi", "spool.ndjson")
	must(t, os.Symlink("/dev/full", spool))
	b.disconnect()
	close(b.gate("t"))
	p.end()
	if p.err == nil || !strings.Contains(p.err.Error(), "spool") {
		t.Errorf("the end says nothing of the spool: %v", p.err)
	}
	must(t, os.Remove(spool))
	b.proxy.Heal()
	b.start("manobi")
	b.awaitStatus("t", "done")
	if runs := b.runsOf("t"); len(runs) != 2 || runs[0].Key != runs[1].Key {
		t.Errorf("runs = %+v", runs)
	}
}

func TestDrain(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.startWith(drainFor(2*time.Second), "manobi")
	b.put("ends", `{"worker":"manobi","job":"block"}`)
	b.put("does-not", `{"worker":"manobi","job":"block","retry":1}`)
	b.awaitRuns("ends", 1)
	b.awaitRuns("does-not", 1)
	p.stop()
	b.put("too-late", `{"worker":"manobi","job":"run"}`)
	close(b.gate("ends"))
	b.awaitStatus("ends", "done")
	p.end()
	must(t, p.err)
	doc := b.awaitStatus("does-not", "scheduled")
	if doc.Get("executions").Int() != 0 || doc.Get("retries").Int() != 0 {
		t.Errorf("an interrupted run used up an attempt: %s", doc.Raw)
	}
	b.wantRuns("too-late", 0)
	close(b.gate("does-not"))
	b.start("manobi")
	b.awaitStatus("does-not", "done")
	b.awaitStatus("too-late", "done")
	runs := b.runsOf("does-not")
	if len(runs) != 2 || runs[0].Key != runs[1].Key || runs[1].Attempt != 1 {
		t.Errorf("runs = %+v", runs)
	}
}

func TestCrashMidRun(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.startUnderLoad(load / 2)
	p.crash()
	b.start("manobi")
	b.awaitDone(load)
	b.check()
}

func TestClockJumps(t *testing.T) {
	t.Parallel()
	for name, jump := range map[string]time.Duration{
		"forward an hour": time.Hour, "back an hour": -time.Hour, "back half a second": -500 * time.Millisecond,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			var offset atomic.Int64
			now := func() time.Time { return time.Now().Add(time.Duration(offset.Load())).Round(0) }
			b := setup(t)
			b.late = 2 * time.Hour
			b.startWith(func(c *worker.Config) { c.Now = now }, "manobi")
			const many = 100
			rest := time.Second // between the first quarter and the others: the clock jumps in it
			if jump > 0 {
				rest = 10 * time.Minute // which nothing else ends
			}
			n, before := 0, 0
			for ; before == n; rest *= 2 { // a machine may be too slow for it
				first, began := n, now()
				date := func(i int) time.Time {
					return began.Add(time.Second + time.Duration(min(1, i/(many/4)))*rest + time.Duration(i)*20*time.Millisecond)
				}
				b.many(many, func(i int) string {
					return fmt.Sprintf(`{"_id":"t%03d","worker":"manobi","job":"run","status":"waiting","date":%q}`, first+i, date(i).UTC().Format(time.RFC3339Nano))
				})
				n += many
				// A run that has begun and is yet to be noted would seem early.
				b.await("a quarter has run, and no other is due", func() bool {
					before = len(b.runs)
					if ran := before - first; ran < many/4 || ran < many && !now().Add(500*time.Millisecond).Before(date(ran)) {
						return false
					}
					if before < n {
						offset.Add(int64(jump))
					}
					return true
				})
			}
			if jump < -time.Minute {
				pause(rest + time.Second)
				b.mu.Lock()
				if len(b.runs) > before {
					t.Error("tasks fired before their date")
				}
				b.mu.Unlock()
				offset.Add(-int64(jump))
			}
			b.awaitDone(n)
			b.check()
		})
	}
}
