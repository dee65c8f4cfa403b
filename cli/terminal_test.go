//go:build unix

package cli_test

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"

	"github.com/adlayer/after/couch/couchtest"
)

// terminal is a command on a pseudo terminal of its own, as a person sees it.
type terminal struct {
	t       *testing.T
	command *exec.Cmd
	ended   chan struct{} // closed behind err
	err     error
	master  *os.File // the person's end
	slave   *os.File // the command's
	reading sync.WaitGroup

	mu      sync.Mutex
	seen    bytes.Buffer
	changed chan struct{} // closed at the next output
}

const terminalPatience = 2 * time.Minute

// terminalEnd is shown behind a command's last words.
const terminalEnd = "the command has ended"

// onTerminal starts a command there.
func onTerminal(t *testing.T, env []string, args ...string) *terminal {
	t.Helper()
	master, slave, err := pty.Open()
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{t: t, master: master, slave: slave, changed: make(chan struct{}), ended: make(chan struct{})}
	ctx, cancel := context.WithTimeout(t.Context(), terminalPatience)
	x.command = exec.CommandContext(ctx, args[0], args[1:]...)
	x.command.Env = env
	x.command.Stdin, x.command.Stdout, x.command.Stderr = slave, slave, slave
	x.command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Setctty: true}
	x.reading.Go(x.read)
	t.Cleanup(func() {
		cancel()
		if x.command.Process != nil {
			<-x.ended
		}
		_ = slave.Close() // with the command's own gone too, reading ends
		x.reading.Wait()
		_ = master.Close()
	})
	if err := x.command.Start(); err != nil {
		t.Fatal(err)
	}
	go func() {
		defer close(x.ended)
		x.err = x.command.Wait()
		_, _ = slave.WriteString(terminalEnd)
	}()
	return x
}

func (x *terminal) read() {
	buffer := make([]byte, 4096)
	for {
		n, err := x.master.Read(buffer)
		x.mu.Lock()
		x.seen.Write(buffer[:n])
		close(x.changed)
		x.changed = make(chan struct{})
		x.mu.Unlock()
		if err != nil {
			return
		}
	}
}

// expect waits until a text has been shown.
func (x *terminal) expect(text string) {
	x.t.Helper()
	limit := time.NewTimer(terminalPatience)
	defer limit.Stop()
	for {
		x.mu.Lock()
		shown, changed := x.seen.String(), x.changed
		x.mu.Unlock()
		if strings.Contains(shown, text) {
			return
		}
		if strings.Contains(shown, terminalEnd) {
			x.t.Fatalf("it ended without %q:\n%s", text, shown)
		}
		select {
		case <-changed:
		case <-limit.C:
			x.t.Fatalf("%q was never shown, but:\n%s", text, shown)
		}
	}
}

func (x *terminal) types(text string) {
	x.t.Helper()
	if _, err := x.master.WriteString(text); err != nil {
		x.t.Fatal(err)
	}
}

// ends waits for the command's end, and gives all that was shown and what ended it.
func (x *terminal) ends() (shown string, state *os.ProcessState) {
	x.t.Helper()
	x.expect(terminalEnd)
	<-x.ended
	if exit := (*exec.ExitError)(nil); x.err != nil && !errors.As(x.err, &exit) {
		x.t.Fatal(x.err)
	}
	x.mu.Lock()
	defer x.mu.Unlock()
	shown, _, _ = strings.Cut(strings.ReplaceAll(x.seen.String(), "\r\n", "\n"), terminalEnd)
	return shown, x.command.ProcessState
}

// outside is the environment of a command with the tasks of a server, each in a home of its own.
func outside(t *testing.T, server couchtest.Server, more ...string) []string {
	t.Helper()
	home := t.TempDir()
	return append([]string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + home, "TZ=UTC", "TERM=dumb", "GORACE=atexit_sleep_ms=0",
		"AFTER_COUCH_URL=" + strings.Replace(server.URL, "://", "://"+server.User+":"+server.Password+"@", 1),
		"AFTER_STATE_FOLDER=" + filepath.Join(home, "state"), "AFTER_STORE_DATA=" + filepath.Join(home, "data"),
	}, more...)
}

func TestImportAsksOnATerminal(t *testing.T) {
	t.Parallel()
	server := couchtest.Embedded(t)
	tab := filepath.Join(t.TempDir(), "tab")
	if err := os.WriteFile(tab, []byte("30 2 * * * backup\n@daily report\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	const question = "Write 2 tasks? [y/N] "
	for name, test := range map[string]struct {
		typed   string
		written bool
	}{
		"y":                  {"y\n", true},
		"yes":                {" Yes \n", true},
		"no":                 {"n\n", false},
		"nothing":            {"\n", false},
		"something else":     {"yellow\n", false},
		"end of input":       {"\x04", false},
		"end in the answer":  {"y\x04\x04", false},
		"interrupt":          {"\x03", false},
		"thought better":     {"y\x7fn\n", false},
		"interrupted answer": {"y\x03", false},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			database := "t" + strings.ReplaceAll(strings.ToLower(name), " ", "-")
			if err := server.Dial(t).CreateDatabase(t.Context(), database); err != nil {
				t.Fatal(err)
			}
			env := outside(t, server, "AFTER_COUCH_DATABASE="+database)
			x := onTerminal(t, env, "after", "import", "crontab", tab, "--worker", "manobi")
			x.expect(question)
			x.types(test.typed)
			shown, state := x.ends()
			before, after, _ := strings.Cut(shown, question)
			if !strings.Contains(before, "LINE  ID") || !strings.Contains(before, "at 02:30 every day") || !strings.Contains(before, "report") {
				t.Errorf("asked without showing what would be written:\n%s", before)
			}
			interrupted := strings.Contains(test.typed, "\x03")
			if status := state.Sys().(syscall.WaitStatus); interrupted != status.Signaled() || !interrupted && status.ExitStatus() != 0 {
				t.Errorf("it ended with %v", state)
			}
			switch said := strings.Contains(after, "\nnothing was written\n"); {
			case test.written && !strings.Contains(after, "\n2 tasks written\n"), said == (test.written || interrupted):
				t.Errorf("after the answer it said:\n%s", after)
			}
			if got := documents(t, server, database); got != test.written {
				t.Errorf("written: %v", got)
			}
		})
	}
}

// documents says whether a database has any.
func documents(t *testing.T, server couchtest.Server, database string) bool {
	t.Helper()
	info, err := server.Dial(t).Database(database).Info(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	return info.Documents > 0
}

// TestImportOnATerminalWithoutAFile does not wait for somebody to type a crontab.
func TestImportOnATerminalWithoutAFile(t *testing.T) {
	t.Parallel()
	x := onTerminal(t, outside(t, couchtest.Embedded(t)), "after", "import", "crontab", "--worker", "manobi")
	shown, state := x.ends()
	if state.ExitCode() != 2 || !strings.Contains(shown, "name the file; or, of your own crontab: crontab -l | after import crontab --worker <name>") {
		t.Errorf("%v, %s", state, shown)
	}
}

func TestSetupAsksOnATerminal(t *testing.T) {
	t.Parallel()
	server := couchtest.Embedded(t)
	for name, test := range map[string]struct {
		typed, said string
		status      int
	}{
		"right":         {server.Password + "\n", "user worker: created", 0},
		"wrong":         {"guess\n", "does not accept the administrator admin with that password", 7},
		"end of input":  {"\x04", "no password was given", 2},
		"interrupt":     {"\x03", "no password was given", 2},
		"typed, and ^C": {"gu\x03", "no password was given", 2},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			x := onTerminal(t, append(outside(t, server), "AFTER_COUCH_URL="+server.URL, "AFTER_COUCH_USER=worker", "AFTER_COUCH_PASSWORD=w"), "after", "setup")
			x.expect("password of admin: ")
			x.types(test.typed)
			shown, state := x.ends()
			if state.ExitCode() != test.status || !strings.Contains(shown, test.said) || strings.Contains(shown, strings.TrimSpace(test.typed)+"\n") {
				t.Errorf("%v, %s", state, shown)
			}
			if !x.echoes() {
				t.Error("the terminal does not show any more what is typed")
			}
		})
	}
}

// echoes says whether the terminal shows what is typed, as it did at first.
func (x *terminal) echoes() bool {
	x.t.Helper()
	stty := exec.CommandContext(x.t.Context(), "stty", "-a")
	stty.Stdin = x.slave
	out, err := stty.Output()
	if err != nil {
		x.t.Fatal(err)
	}
	return strings.Contains(string(out), " echo ")
}
