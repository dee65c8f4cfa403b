package worker_test

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/internal/torture"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/runs"
	"github.com/adlayer/after/worker"
)

// childVariable makes the test binary a worker process: it holds the childConfig.
const childVariable = "AFTER_TEST_WORKER"

type childConfig struct {
	URL, Database, State, Journal string
	Names                         []string
	Standby                       bool
	History                       string // the server of the database of runs, which is reached without the proxy; empty keeps none
}

// child is a worker in a process of its own, which can be killed.
type child struct {
	b       *bundle
	command *exec.Cmd
	lines   *bufio.Reader
}

// runChild is the main function of such a process. Its job "append" writes a line to the journal, takes as many milliseconds as its first
// argument says, and writes another one.
func runChild(text string) error {
	var c childConfig
	if err := json.Unmarshal([]byte(text), &c); err != nil {
		return err
	}
	registry := jobs.NewRegistry()
	job, err := jobs.NewTyped("append", func(ctx context.Context, t *jobs.Task, arguments []int64) (string, error) {
		if err := noteRun(c.Journal, t, false, nil); err != nil {
			return "", err
		}
		timer := time.NewTimer(time.Duration(arguments[0]) * time.Millisecond)
		defer timer.Stop()
		select {
		case <-ctx.Done():
			return "", context.Cause(ctx)
		case <-timer.C:
		}
		var failed error
		if len(arguments) > 1 && t.Attempt() <= arguments[1] {
			failed = errors.New("not yet")
		}
		return "appended", errors.Join(failed, noteRun(c.Journal, t, true, failed))
	})
	if err != nil {
		return err
	}
	if err := registry.Add(job); err != nil {
		return err
	}
	client, err := couch.Dial(c.URL, couch.Options{})
	if err != nil {
		return err
	}
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM, os.Interrupt)
	defer stop()
	log := logrus.New()
	log.SetOutput(os.Stderr)
	var history *runs.Writer
	if c.History != "" {
		direct, err := couch.Dial(c.History, couch.Options{})
		if err != nil {
			return err
		}
		history = runs.NewWriter(direct.Database(runs.Database(c.Database)), log)
	}
	return worker.Run(ctx, worker.Config{
		Runs: history, Names: c.Names, Client: client, Database: c.Database, Jobs: registry, StateFolder: c.State, Standby: c.Standby,
		Log: log, Ready: func() { fmt.Println("ready") },
	})
}

// startChild starts a worker process and waits until it is ready.
func (b *bundle) startChild(journal, state string, standby bool, names ...string) *child {
	b.t.Helper()
	return b.startChildWith(childConfig{State: state, Journal: journal, Names: names, Standby: standby})
}

func (b *bundle) startChildWith(c childConfig) *child {
	b.t.Helper()
	c.URL, c.Database = b.server.url(b.proxy.Addr()), b.server.database
	config, err := json.Marshal(c)
	must(b.t, err)
	return b.runChild(string(config))
}

func (b *bundle) runChild(config string) *child {
	b.t.Helper()
	c := &child{b: b, command: exec.Command(os.Args[0])}
	c.command.Env = append(os.Environ(), childVariable+"="+config)
	c.command.Stderr = b.t.Output()
	out, err := c.command.StdoutPipe()
	must(b.t, err)
	must(b.t, c.command.Start())
	b.t.Cleanup(c.kill)
	c.lines = bufio.NewReader(out)
	line, err := c.lines.ReadString('\n')
	if err != nil || line != "ready\n" {
		b.t.Fatalf("the worker process said %q: %v", line, err)
	}
	return c
}

// kill ends the process as a power cut would, and waits for its end.
func (c *child) kill() {
	_ = c.command.Process.Kill()
	_ = c.command.Wait()
	c.b.died()
}

func TestKilledWorkerLosesNothing(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := filepath.Join(t.TempDir(), "journal")
	rounds := torture.Times(3)
	n := 133 * rounds
	b.many(n, func(i int) string {
		return fmt.Sprintf(`{"_id":"t%05d","worker":"manobi","job":{"name":"append","arguments":[%d]},"status":"waiting","date":%q}`,
			i, i%40, time.Now().Add(time.Duration(i)*10*time.Millisecond).UTC().Format(time.RFC3339Nano))
	})
	for round := range rounds {
		c := b.startChild(path, b.state, false, "manobi")
		b.await("a part of the tasks is done", func() bool { return b.doneLocked() >= (round+1)*n/(rounds+2) })
		c.kill()
	}
	b.startChild(path, b.state, false, "manobi")
	b.awaitDone(n)
	b.checkJournal(path)
}

func (b *bundle) doneLocked() int {
	done := 0
	for _, doc := range b.docs {
		if doc.Get("status").String() == "done" {
			done++
		}
	}
	return done
}

func TestStandbyTakesOver(t *testing.T) {
	t.Parallel()
	b := setup(t)
	path := filepath.Join(t.TempDir(), "journal")
	holder := b.startChild(path, t.TempDir(), false, "manobi")
	b.startChild(path, t.TempDir(), true, "manobi")
	b.put("running", `{"worker":"manobi","job":{"name":"append","arguments":[600000]},"timeout":"1h"}`)
	b.put("sleeping", `{"worker":"manobi","job":{"name":"append","arguments":[0]},"status":"waiting","date":"in 10 seconds"}`)
	b.put("retrying", `{"worker":"manobi","job":{"name":"append","arguments":[0,2]},"retry":{"limit":5,"interval":"8s","backoff":"constant"}}`)
	b.awaitStatus("running", "running")
	b.awaitStatus("sleeping", "scheduled")
	b.awaitStatus("retrying", "scheduled")
	died := time.Now()
	holder.kill()
	b.await("the standby runs what ran", func() bool { return begun(t, path, "running") == 2 })
	if took := time.Since(died); took > 20*time.Second {
		t.Logf("the takeover took %v", took)
	}
	b.awaitStatus("sleeping", "done")
	if doc := b.awaitStatus("retrying", "done"); doc.Get("retries").Int() != 2 {
		t.Errorf("%s", doc.Raw)
	}
	b.checkJournal(path)
}

// begun counts the runs of a task that the journal has.
func begun(t *testing.T, path, id string) (n int) {
	t.Helper()
	for _, r := range journal(t, path) {
		if r.Task == id {
			n++
		}
	}
	return n
}

func TestSecondMemberIsRefused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.start("manobi")
	p, _ := b.begin(nil, "manobi")
	<-p.ended
	if p.err == nil || !strings.Contains(p.err.Error(), strconv.Itoa(os.Getpid())) || !strings.Contains(p.err.Error(), "standby") {
		t.Errorf("on the same machine: %v", p.err)
	}
	p, _ = b.begin(elsewhere, "manobi")
	<-p.ended
	if p.err == nil || !strings.Contains(p.err.Error(), "manobi") || !strings.Contains(p.err.Error(), "standby") {
		t.Errorf("with another state folder: %v", p.err)
	}
}
