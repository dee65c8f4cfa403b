package couchtest

import (
	"bufio"
	"context"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"testing"
	"time"
)

// Program builds the program as it is installed, into a folder of the test's own, and gives its path.
func Program(tb testing.TB) string {
	tb.Helper()
	root := repository(tb)
	lookAtSources(tb, root)
	path := filepath.Join(tb.TempDir(), "after")
	build := exec.CommandContext(tb.Context(), "go", "build", "-buildvcs=false", "-trimpath", "-ldflags", "-s -w", "-o", path, "./cmd/after") //nolint:gosec // the path is the test's
	build.Dir = root
	build.Env = append(os.Environ(), "CGO_ENABLED=0")
	if out, err := build.CombinedOutput(); err != nil {
		tb.Fatalf("building the program: %v\n%s", err, out)
	}
	return path
}

// lookAtSources looks at all that the program is made of: go test does not take a result from its cache when something that a test looked at has
// changed.
func lookAtSources(tb testing.TB, root string) {
	tb.Helper()
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if name := entry.Name(); err == nil && entry.IsDir() && path != root && (name[0] == '.' || name == "node_modules" || name == "testdata") {
			return fs.SkipDir
		}
		if err == nil && filepath.Ext(path) == ".go" && !strings.HasSuffix(path, "_test.go") {
			_, err = os.Stat(path)
		}
		return err
	})
	if err != nil {
		tb.Fatal(err)
	}
}

// Process is a process of the program that can be killed and started again on its folder: the embedded store as `after serve` serves it, or
// another command that stays. It ends with the test.
type Process struct {
	tb      testing.TB
	program string
	folder  string
	args    []string
	env     []string       // beside that of all
	ready   *regexp.Regexp // what it says once it has started
	said    lockedBuffer

	child   *exec.Cmd
	reading sync.WaitGroup
	address string
	ended   chan struct{} // closed when the child has ended
	gone    error         // how
}

// NewProcess prepares a process of a built program, or of a test program that calls [ServeIfAsked]; Start starts it. env is added to its
// environment.
func NewProcess(tb testing.TB, program string, env ...string) *Process {
	tb.Helper()
	return NewCommand(tb, program, serving, env, "serve")
}

var serving = regexp.MustCompile(`^serving the store at http://(\S+),`)

// NewCommand prepares a process of another command that stays, a worker or a gateway, in an environment of the test's own and what env adds to
// it. It has started when it has said a line that ready matches; what the first group matches, if there is one, is its address.
func NewCommand(tb testing.TB, program string, ready *regexp.Regexp, env []string, args ...string) *Process {
	tb.Helper()
	p := &Process{tb: tb, program: program, folder: tb.TempDir(), args: args, env: env, ready: ready}
	tb.Cleanup(func() {
		p.Kill()
		if tb.Failed() && p.said.Len() > 0 {
			tb.Logf("%s said: %s", p, p.said.String())
		}
	})
	return p
}

// String names the command.
func (p *Process) String() string { return "after " + strings.Join(p.args, " ") }

// Start starts the process and returns once it answers, at another address each time.
func (p *Process) Start() {
	p.tb.Helper()
	child := p.command(p.args...)
	output, err := child.StdoutPipe()
	if err == nil {
		child.Stderr = &p.said
		err = child.Start()
	}
	if err != nil {
		p.tb.Fatalf("starting the program: %v", err)
	}
	p.child, p.ended = child, make(chan struct{})
	found := make(chan []string, 1)
	p.reading.Go(func() {
		defer close(found)
		lines := bufio.NewScanner(output)
		for lines.Scan() {
			if match := p.ready.FindStringSubmatch(lines.Text()); match != nil {
				found <- match
				break
			}
		}
		_, _ = io.Copy(io.Discard, output)
	})
	go func() { // its end is waited for by Kill
		p.reading.Wait()
		p.gone = child.Wait()
		close(p.ended)
	}()
	ready := time.NewTimer(patience)
	defer ready.Stop()
	var match []string
	select {
	case match = <-found:
	case <-ready.C:
	}
	if match == nil {
		p.tb.Fatalf("%s did not say within %v that it has started: %s", p, patience, p.said.String())
	}
	if len(match) > 1 {
		p.address = match[1]
	}
}

// Kill ends the process as kill -9 does, and waits for its end. A process that does not run is none; one that has ended by itself fails the test.
func (p *Process) Kill() {
	p.tb.Helper()
	if p.child == nil {
		return
	}
	select {
	case <-p.ended:
		p.tb.Errorf("%s ended by itself: %v: %s", p, p.gone, p.said.String())
	default:
		_ = p.child.Process.Kill()
		<-p.ended
	}
	p.child, p.address = nil, ""
}

// Ended is closed when the process that was started last has ended.
func (p *Process) Ended() <-chan struct{} { return p.ended }

// PID is the number of the process, while it runs.
func (p *Process) PID() int { return p.child.Process.Pid }

// Data is the folder of its store.
func (p *Process) Data() string { return filepath.Join(p.folder, "data") }

// Address is where the process listens, as host:port.
func (p *Process) Address() string { return p.address }

// Server is the process as a server to talk to, until it is killed.
func (p *Process) Server() Server {
	return Server{Name: "after serve", URL: "http://" + p.address, User: "admin", Password: "secret"}
}

// Check runs `after store check` on the folder of a process that was killed; what it finds fails the test.
func (p *Process) Check() {
	p.tb.Helper()
	if out, err := p.command("store", "check").CombinedOutput(); err != nil {
		p.tb.Errorf("after store check: %v\n%s", err, out)
	}
}

func (p *Process) command(args ...string) *exec.Cmd {
	cmd := exec.CommandContext(context.WithoutCancel(p.tb.Context()), p.program, args...) //nolint:gosec // it is ours
	cmd.Dir = p.folder
	cmd.Env = []string{
		"PATH=" + os.Getenv("PATH"), "HOME=" + p.folder, "TZ=UTC",
		"AFTER_STORE_LISTEN=127.0.0.1:0", "AFTER_STORE_DATA=" + p.Data(), "AFTER_STATE_FOLDER=" + filepath.Join(p.folder, "state"),
		"AFTER_STORE_ADMINS=admin:secret", "AFTER_LOG_LEVEL=warn",
		childFolder + "=" + p.Data(),
	}
	cmd.Env = append(cmd.Env, p.env...)
	return cmd
}
