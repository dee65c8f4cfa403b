package worker_test

import (
	"fmt"
	"math/rand/v2"
	"path/filepath"
	"syscall"
	"testing"
	"time"

	"github.com/adlayer/after/internal/torture"
)

// pause lets a fault last.
func pause(d time.Duration) {
	timer := time.NewTimer(d)
	<-timer.C
}

// TestRandomFaults lets tasks come due while everything that can fail does, in random order. Every task runs at least once; runs
// are repeated only where a process died.
func TestRandomFaults(t *testing.T) {
	t.Parallel()
	random := rand.New(rand.NewPCG(torture.Seed(t), 0))
	b := setup(t)
	path := filepath.Join(t.TempDir(), "journal")
	c := b.startChild(path, b.state, false, "manobi")
	tasks := 0
	for range torture.Times(8) {
		now := time.Now()
		const each = 120
		b.many(each, func(i int) string {
			return fmt.Sprintf(`{"_id":"task-%06d","worker":"manobi","job":{"name":"append","arguments":[%d]},"status":"waiting","date":%q}`,
				tasks+i, random.IntN(30), now.Add(time.Duration(random.IntN(1500))*time.Millisecond).UTC().Format(time.RFC3339Nano))
		})
		tasks += each
		pause(time.Duration(random.IntN(400)) * time.Millisecond)
		switch fault := random.IntN(6); fault {
		case 0:
			b.server.restart()
		case 1:
			b.proxy.Refuse(true)
			b.proxy.Cut()
		case 2:
			b.proxy.Stall(true)
		case 3:
			b.proxy.DropAnswers(true)
		case 4:
			b.proxy.CutAfter(int64(random.IntN(30_000)))
		case 5:
			c.kill()
			c = b.startChild(path, b.state, false, "manobi")
		}
		pause(time.Duration(random.IntN(1200)) * time.Millisecond)
		b.proxy.Heal()
	}
	b.awaitDone(tasks)
	b.checkJournal(path)
}

// TestSuspendedWorker stops a worker's process as a machine that sleeps does. What came due meanwhile runs once when it wakes.
func TestSuspendedWorker(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := filepath.Join(t.TempDir(), "journal")
	c := b.startChild(path, b.state, false, "manobi")
	const n = 100
	b.many(n, func(i int) string {
		return fmt.Sprintf(`{"_id":"t%03d","worker":"manobi","job":{"name":"append","arguments":[1]},"status":"waiting","date":%q}`,
			i, time.Now().Add(time.Duration(1000+i*20)*time.Millisecond).UTC().Format(time.RFC3339Nano))
	})
	b.await("some are done", func() bool { return b.doneLocked() > 5 })
	must(t, c.command.Process.Signal(syscall.SIGSTOP))
	pause(6 * time.Second)
	must(t, c.command.Process.Signal(syscall.SIGCONT))
	b.awaitDone(n)
	b.checkJournal(path)
}

// TestSuspendedHolderDoesNotStartWhatItsSuccessorRuns stops the holder for longer than its heartbeat is good for: the standby takes
// over, and the holder, when it wakes, starts nothing of what came due.
func TestSuspendedHolderDoesNotStartWhatItsSuccessorRuns(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := filepath.Join(t.TempDir(), "journal")
	holder := b.startChild(path, t.TempDir(), false, "manobi")
	b.startChild(path, t.TempDir(), true, "manobi")
	const n = 100
	b.many(n, func(i int) string {
		return fmt.Sprintf(`{"_id":"t%03d","worker":"manobi","job":{"name":"append","arguments":[1]},"status":"waiting","date":%q}`,
			i, time.Now().Add(3*time.Second+time.Duration(i*300)*time.Millisecond).UTC().Format(time.RFC3339Nano))
	})
	b.await("all are scheduled", func() bool { return b.countLocked("scheduled") == n })
	must(t, holder.command.Process.Signal(syscall.SIGSTOP))
	b.await("the successor has begun", func() bool { return b.doneLocked() > 0 })
	must(t, holder.command.Process.Signal(syscall.SIGCONT))
	b.awaitDone(n)
	b.checkJournal(path)
	if err := holder.command.Wait(); err == nil {
		t.Error("the holder that lost its name ended as if nothing had happened")
	}
}
