package folder_test

import (
	"bufio"
	"io"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"
)

// TestProcessEndsWithAKilledWorker: the process that runs the job is killed, and has no chance to do anything about its own.
func TestProcessEndsWithAKilledWorker(t *testing.T) {
	t.Parallel()
	in := place(t)
	fifo := pipe(t)
	script(t, in, "x", `exec 3>"`+fifo+`"; echo $$ >&3; exec sleep 1000`)
	worker := exec.Command(os.Args[0])
	worker.Env = append(os.Environ(), childVariable+"="+in)
	worker.Stderr = t.Output()
	if err := worker.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _, _ = worker.Process.Kill(), worker.Wait() })
	read, err := os.Open(fifo) // waits for the script
	if err != nil {
		t.Fatal(err)
	}
	defer read.Close()
	lines := bufio.NewReader(read)
	text, err := lines.ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	pid, err := strconv.Atoi(strings.TrimSpace(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := worker.Process.Kill(); err != nil {
		t.Fatal(err)
	}
	stuck := time.AfterFunc(time.Minute, func() {
		t.Error("the process goes on without its worker")
		_ = syscall.Kill(pid, syscall.SIGKILL)
	})
	defer stuck.Stop()
	if _, err := io.ReadAll(lines); err != nil { // the end comes when nobody holds the pipe any more
		t.Error(err)
	}
}
