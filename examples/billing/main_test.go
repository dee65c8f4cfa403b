//go:build unix

package main_test

import (
	"bytes"
	"context"
	"encoding/json"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"
)

// program is the worker binary, built once more, in a place of its own.
type program struct {
	path, home string
	env        []string
}

func build(t *testing.T) program {
	t.Helper()
	home := t.TempDir()
	path := filepath.Join(home, "billing")
	// Built as the image and the installer build, so that all of them share the compiler's cache.
	compile := exec.CommandContext(t.Context(), "go", "build", "-trimpath", "-buildvcs=false", "-o", path, ".")
	compile.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := compile.CombinedOutput(); err != nil {
		t.Fatalf("building: %v\n%s", err, out)
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	address := listener.Addr().String()
	if err := listener.Close(); err != nil {
		t.Fatal(err)
	}
	return program{path: path, home: home, env: []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TMPDIR=" + home,
		"AFTER_COUCH_URL=http://after:after@" + address, "AFTER_STORE_LISTEN=" + address,
		"AFTER_STORE_DATA=" + filepath.Join(home, "data"), "AFTER_STATE_FOLDER=" + filepath.Join(home, "state"),
		"AFTER_JOBS_FOLDER=" + filepath.Join(home, "jobs"),
	}}
}

func (p program) command(t *testing.T, args ...string) *exec.Cmd {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), p.path, args...)
	cmd.Dir, cmd.Env = p.home, p.env
	return cmd
}

// run gives the standard output of one command, and whether its exit status was 0.
func (p program) run(t *testing.T, args ...string) (string, bool) {
	t.Helper()
	cmd := p.command(t, args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	err := cmd.Run()
	t.Logf("billing %s: %v\n%s%s", strings.Join(args, " "), err, &out, &errs)
	return out.String(), err == nil
}

// output collects what a process writes and tells once it contains a text.
type output struct {
	wanted string
	found  chan struct{}

	mu  sync.Mutex
	all bytes.Buffer
}

func (o *output) Write(p []byte) (int, error) {
	o.mu.Lock()
	defer o.mu.Unlock()
	before := bytes.Contains(o.all.Bytes(), []byte(o.wanted))
	o.all.Write(p)
	if !before && bytes.Contains(o.all.Bytes(), []byte(o.wanted)) {
		close(o.found)
	}
	return len(p), nil
}

// start runs the worker until the test ends, and ends it as a person would.
func (p program) start(t *testing.T) {
	t.Helper()
	// t.Context() ends before the worker may.
	cmd := exec.CommandContext(context.Background(), p.path, "start", "manobi")
	cmd.Dir, cmd.Env = p.home, p.env
	out := &output{wanted: "manobi is ready", found: make(chan struct{})}
	cmd.Stdout, cmd.Stderr = out, out
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- cmd.Wait() }()
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		late := time.AfterFunc(time.Minute, func() { _ = cmd.Process.Kill() })
		defer late.Stop()
		if err := <-ended; err != nil {
			t.Errorf("the worker ended with %v", err)
		}
		if t.Failed() {
			t.Logf("the worker said:\n%s", &out.all)
		}
	})
	select {
	case <-out.found:
	case err := <-ended:
		ended <- err
		t.Fatalf("the worker ended before it was ready: %v", err)
	case <-time.After(time.Minute):
		t.Fatal("the worker is not ready after a minute")
	}
}

func TestWorkerOfOnesOwn(t *testing.T) {
	t.Parallel()
	p := build(t)
	list, ok := p.run(t, "jobs")
	if !ok || !strings.Contains(list, "invoice") || !strings.Contains(list, "adds up an order") || !strings.Contains(list, "noop") {
		t.Fatal("its jobs are not listed")
	}

	p.start(t)
	order := `{"customer": "Ada", "vat": 19, "lines": [{"text": "tea", "count": 2, "cents": 450}, {"text": "cup", "count": 1, "cents": 99}]}`
	if _, ok := p.run(t, "add", "manobi", "invoice", order, "--id", "order-1", "--wait"); !ok {
		t.Fatal("the order is not done")
	}
	raw, _ := p.run(t, "get", "order-1", "--json")
	var done struct {
		Status string
		Result struct {
			Number string
			Cents  int64
		}
	}
	if err := json.Unmarshal([]byte(raw), &done); err != nil {
		t.Fatal(err)
	}
	if done.Status != "done" || done.Result.Cents != 1189 || len(done.Result.Number) != 12 {
		t.Errorf("the document is %s", raw)
	}

	if _, ok := p.run(t, "add", "manobi", "invoice", `{"customer": 5}`, "--id", "order-2", "--wait"); ok {
		t.Error("an order without a customer is done")
	}
	raw, _ = p.run(t, "get", "order-2", "--json")
	if !strings.Contains(raw, "arguments.customer: number found, a string wanted") {
		t.Errorf("the document is %s", raw)
	}
}
