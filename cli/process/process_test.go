package process_test

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/cli/process"
)

// TestMain lets the test program play the process in the background.
func TestMain(m *testing.M) {
	switch os.Getenv("PROCESS_TEST_ROLE") {
	case "":
		os.Exit(m.Run())
	case "ready":
		fail(process.Tell(os.Stdout, process.Report{Ready: true, Notes: []string{"a note"}}))
		// It lives until its entry is removed: whoever started it has long returned.
		for {
			if _, err := os.Stat(os.Getenv("PROCESS_TEST_FILE")); err != nil {
				return
			}
			time.Sleep(10 * time.Millisecond)
		}
	case "refuse":
		fail(process.Tell(os.Stdout, process.Report{Error: "no room", Code: 4}))
		os.Exit(4)
	case "die":
		fmt.Fprintln(os.Stderr, "panic: all is lost")
		os.Exit(2)
	case "register":
		_, err := process.Register(os.Getenv("PROCESS_TEST_FILE"), process.Info{Names: []string{"manobi"}})
		fail(err)
		// Dies without removing its entry, as by kill -9.
	}
}

func fail(err error) {
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func TestRegistry(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	if live, err := process.List(state); err != nil || len(live) != 0 {
		t.Fatalf("nobody: %v, %v", live, err)
	}
	entry, err := process.Register(state, process.Info{Names: []string{"a", "b"}, Since: time.Unix(1, 0).UTC(), Version: "v1"})
	if err != nil {
		t.Fatal(err)
	}
	live, err := process.List(state)
	if err != nil || len(live) != 1 || live[0].PID != os.Getpid() || !live[0].Has("b") || live[0].Has("c") || live[0].Version != "v1" {
		t.Fatalf("ourselves: %+v, %v", live, err)
	}
	if alive, err := process.Alive(state, os.Getpid()); err != nil || !alive {
		t.Errorf("alive: %v, %v", alive, err)
	}
	if err := entry.Close(); err != nil {
		t.Fatal(err)
	}
	if alive, err := process.Alive(state, os.Getpid()); err != nil || alive {
		t.Errorf("after the end: %v, %v", alive, err)
	}
}

func TestTheDeadAreRemoved(t *testing.T) {
	t.Parallel()
	state := t.TempDir()
	cmd := exec.CommandContext(t.Context(), os.Args[0])
	cmd.Env = append(os.Environ(), "PROCESS_TEST_ROLE=register", "PROCESS_TEST_FILE="+state)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	left, err := filepath.Glob(filepath.Join(state, "run", "*"))
	if err != nil || len(left) != 2 {
		t.Fatalf("the dead process left %v (%v), want two files", left, err)
	}
	if live, err := process.List(state); err != nil || len(live) != 0 {
		t.Errorf("the dead process is listed: %v, %v", live, err)
	}
	if left, err := filepath.Glob(filepath.Join(state, "run", "*")); err != nil || len(left) != 0 {
		t.Errorf("left: %v (%v)", left, err)
	}
}

// TestDetach sets variables of the process, so it runs alone.
func TestDetach(t *testing.T) { //nolint:paralleltest // Setenv
	file := filepath.Join(t.TempDir(), "lives")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	t.Setenv("PROCESS_TEST_FILE", file)
	trouble := filepath.Join(t.TempDir(), "stderr")

	t.Setenv("PROCESS_TEST_ROLE", "ready")
	report, pid, err := process.Detach(t.Context(), nil, trouble)
	if err != nil || !report.Ready || len(report.Notes) != 1 || pid == 0 {
		t.Errorf("ready: %+v, %d, %v", report, pid, err)
	}
	inOwnSession(t, pid)
	if err := os.Remove(file); err != nil {
		t.Fatal(err)
	}

	t.Setenv("PROCESS_TEST_ROLE", "refuse")
	report, _, err = process.Detach(t.Context(), nil, trouble)
	if err != nil || report.Ready || report.Error != "no room" || report.Code != 4 {
		t.Errorf("refused: %+v, %v", report, err)
	}

	t.Setenv("PROCESS_TEST_ROLE", "die")
	_, _, err = process.Detach(t.Context(), nil, trouble)
	if err == nil || !strings.Contains(err.Error(), "all is lost") || !strings.Contains(err.Error(), "exit status 2") {
		t.Errorf("died: %v", err)
	}
}

// inOwnSession looks that the process leads a session: no terminal can take it along.
func inOwnSession(t *testing.T, pid int) {
	t.Helper()
	if runtime.GOOS != "linux" {
		return
	}
	stat, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if errors.Is(err, os.ErrNotExist) {
		t.Fatal("the process in the background has ended")
	}
	if err != nil {
		t.Fatal(err)
	}
	// pid (name) state parent group session
	fields := strings.Fields(string(stat[strings.LastIndexByte(string(stat), ')')+1:]))
	if fields[3] != strconv.Itoa(pid) {
		t.Errorf("its session is %s, want its own (%d)", fields[3], pid)
	}
}
