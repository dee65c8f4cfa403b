// Package browser_test uses the store and the queue from a page in a real browser, as a web application of another origin does.
package browser_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/adlayer/after/couch/couchtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long anything may take, however slow the machine.
const patience = 5 * time.Minute

// chosen is the environment variable that names a Chromium to use instead of the one that npm installs, which is for x86-64 alone.
const chosen = "AFTER_TEST_BROWSER"

// browser is the program of a browser, and where its libraries are.
type browser struct {
	program, libraries string
}

// newBrowser prepares the browser. It is false where there is no npm, which is said loudly.
func newBrowser(t *testing.T) (browser, bool) {
	t.Helper()
	node, err := couchtest.NPM(t, ".") // PouchDB is needed with any browser
	if err != nil {
		couchtest.Without(t, "browser", err)
		return browser{}, false
	}
	if program := os.Getenv(chosen); program != "" {
		return browser{program: program}, true
	}
	folder := t.TempDir()
	unpack := exec.CommandContext(t.Context(), node, "install.js")
	unpack.Env = append(os.Environ(), "TMPDIR="+folder)
	var complaints bytes.Buffer
	unpack.Stderr = &complaints
	path, err := unpack.Output()
	if err != nil {
		t.Fatalf("unpacking the browser: %v\n%s", err, complaints.String())
	}
	return browser{strings.TrimSpace(string(path)), filepath.Join(folder, "al2023", "lib")}, true
}

// open opens a page. The browser ends with the test.
func (b browser) open(t *testing.T, address string) {
	t.Helper()
	folder := t.TempDir()
	// Its sandbox needs rights that containers do not give; it opens the pages of this test alone.
	cmd := exec.CommandContext(context.WithoutCancel(t.Context()), b.program, "--headless", "--no-sandbox", "--disable-gpu",
		"--disable-dev-shm-usage", "--remote-debugging-port=0", "--user-data-dir="+folder, address)
	cmd.Env = append(os.Environ(), "HOME="+folder, "TMPDIR="+folder)
	if b.libraries != "" {
		cmd.Env = append(cmd.Env, "LD_LIBRARY_PATH="+b.libraries)
	}
	var said bytes.Buffer
	cmd.Stdout, cmd.Stderr = &said, &said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true} // it has processes of its own
	if err := cmd.Start(); err != nil {
		t.Fatalf("starting the browser: %v", err)
	}
	t.Cleanup(func() {
		_ = syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL)
		var killed *exec.ExitError
		if err := cmd.Wait(); !errors.As(err, &killed) {
			t.Errorf("the browser: %v", err)
		}
		if t.Failed() {
			t.Logf("the browser said: %s", said.String())
		}
	})
}
