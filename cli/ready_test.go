//go:build unix

package cli_test

import (
	"bufio"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"github.com/adlayer/after/couch/couchtest"
)

// TestSignalsOfWhoHearsThatItIsReady: whoever is told that a process is ready may have it read its configuration again at once. The process has
// its signals before it tells: here it cannot tell yet, since nobody reads what it says.
func TestSignalsOfWhoHearsThatItIsReady(t *testing.T) {
	t.Parallel()
	server := couchtest.Embedded(t)
	for name, args := range map[string][]string{
		"the queue is served": {"gateway", "--listen", "127.0.0.1:0"}, "the store is served": {"serve", "--listen", "127.0.0.1:0"},
	} {
		t.Run(args[0], func(t *testing.T) {
			t.Parallel()
			says, full := stuffed(t)
			command := exec.CommandContext(t.Context(), "after", args...)
			command.Env, command.Stdout = outside(t, server, "AFTER_STORE_ADMINS="+hashedAdmin), full
			log, err := command.StderrPipe()
			if err != nil {
				t.Fatal(err)
			}
			if err := command.Start(); err != nil {
				t.Fatal(err)
			}
			_ = full.Close()
			lines := bufio.NewScanner(log)
			awaitLine(t, lines, name)
			if err := command.Process.Signal(syscall.SIGHUP); err != nil {
				t.Error(err)
			}
			// It cannot say more than the pipe takes until now.
			heard := make(chan struct{})
			go func() { defer close(heard); _, _ = io.Copy(io.Discard, says) }()
			awaitLine(t, lines, "was read again")
			if err := command.Process.Signal(syscall.SIGTERM); err != nil {
				t.Error(err)
			}
			for lines.Scan() {
				t.Log(lines.Text())
			}
			if err := command.Wait(); err != nil {
				t.Error(err)
			}
			<-heard
		})
	}
}

// stuffed is a pipe that takes no more until somebody reads it.
func stuffed(t *testing.T) (says, full *os.File) {
	t.Helper()
	says, full, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = says.Close() })
	raw, err := full.SyscallConn()
	if err != nil {
		t.Fatal(err)
	}
	// It does not block yet: it is full once it does not take a single byte.
	written, chunk := 0, make([]byte, 64<<10)
	var refused error
	err = raw.Write(func(fd uintptr) bool {
		for refused == nil {
			var n int
			n, refused = syscall.Write(int(fd), chunk)
			switch {
			case refused == nil:
				written += n
			case errors.Is(refused, syscall.EINTR):
				refused = nil
			case errors.Is(refused, syscall.EAGAIN) && len(chunk) > 1:
				chunk, refused = chunk[:1], nil
			}
		}
		return true
	})
	if err != nil || !errors.Is(refused, syscall.EAGAIN) || written == 0 {
		t.Fatalf("a pipe that takes no more after %d bytes: %v, %v", written, refused, err)
	}
	return says, full
}

func awaitLine(t *testing.T, lines *bufio.Scanner, what string) {
	t.Helper()
	for lines.Scan() {
		t.Log(lines.Text())
		if strings.Contains(lines.Text(), what) {
			return
		}
	}
	t.Fatalf("it ended before it said %q", what)
}
