// Package program runs one executable on behalf of a job: bounded output, its log line by line, and the end of its whole
// process group when the job's context ends.
package program

import (
	"bytes"
	"cmp"
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"runtime"
	"slices"
	"strings"
	"syscall"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/jobs"
)

// Call is one run of an executable.
type Call struct {
	Path        string // absolute
	Args        []string
	Folder      string   // to run in; empty = the process's own
	Environment []string // "NAME=value", beside what [Environment] lets through
	Input       []byte
	Log         logrus.FieldLogger // gets standard error, line by line
	Keep        int                // how many bytes of standard output are kept; 0 = 1 MiB
	Grace       time.Duration      // from asking the processes to end until they are killed; 0 = 5 s
}

// Output is what an executable wrote to standard output.
type Output struct {
	Kept  []byte
	Bytes int64 // how much it wrote in all
}

// Cut says whether more was written than was kept.
func (o Output) Cut() bool { return o.Bytes > int64(len(o.Kept)) }

// ExitError is the error of an executable that ran and did not end with status 0.
type ExitError struct {
	Name   string
	Status string // "exit status 3", "signal: killed"
	Stderr string // the last lines it wrote to standard error
}

func (e *ExitError) Error() string {
	if e.Stderr == "" {
		return e.Name + ": " + e.Status
	}
	return e.Name + ": " + e.Status + ": " + e.Stderr
}

const (
	defaultKeep  = 1 << 20
	defaultGrace = 5 * time.Second
)

// Run runs the executable and waits for its end. Its error wraps an [*ExitError] and has the exit code, or is the cause of the context's end, or says
// why the executable could not be run. The output is given in any case.
func (c Call) Run(ctx context.Context) (Output, error) {
	out := &head{keep: cmp.Or(c.Keep, defaultKeep)}
	lines := &lines{log: c.Log}
	runtime.LockOSThread() // the process ends with the thread that has started it; see endWithUs
	defer runtime.UnlockOSThread()
	cmd, err := c.start(ctx, out, lines)
	if err != nil {
		return Output{}, fmt.Errorf("running %s: %w", c.Path, err)
	}
	err = cmd.Wait()
	lines.flush()
	output := Output{Kept: out.buffer.Bytes(), Bytes: out.total}
	if ctx.Err() != nil && err != nil {
		kill(cmd.Process.Pid) // what did not care about being asked
		return output, fmt.Errorf("%s was ended: %w%s", c.name(), context.Cause(ctx), after(": ", lines.tail()))
	}
	var exit *exec.ExitError
	switch {
	case errors.As(err, &exit):
		return output, coded(&ExitError{Name: c.name(), Status: exit.String(), Stderr: lines.tail()}, exit.ExitCode())
	case errors.Is(err, exec.ErrWaitDelay):
		c.Log.Warnf("%s ended, but left a process behind that holds its output open: what that writes is lost", c.name())
	case err != nil:
		return output, fmt.Errorf("running %s: %w", c.Path, err)
	}
	return output, nil
}

// coded gives an error the exit code, if there is one: a process that a signal ended has none.
func coded(err error, code int) error {
	if code <= 0 {
		return err
	}
	return jobs.Coded(err, code)
}

// start starts the process. A file that has only just been written can be busy for a moment: processes that this one is
// starting meanwhile may still hold it open.
func (c Call) start(ctx context.Context, out *head, stderr *lines) (*exec.Cmd, error) {
	grace := cmp.Or(c.Grace, defaultGrace)
	for wait := time.Millisecond; ; wait *= 2 {
		cmd := exec.CommandContext(ctx, c.Path, c.Args...) //nolint:gosec // running what it is told is the purpose; callers decide what
		cmd.Dir = c.Folder
		cmd.Env = append(Environment(os.Environ()), c.Environment...)
		cmd.Stdin, cmd.Stdout, cmd.Stderr = bytes.NewReader(c.Input), out, stderr
		cmd.WaitDelay = grace
		group(cmd)
		err := cmd.Start()
		if !errors.Is(err, syscall.ETXTBSY) || wait > time.Second {
			return cmd, err
		}
		timer := time.NewTimer(wait)
		select {
		case <-ctx.Done():
			timer.Stop()
			return nil, context.Cause(ctx)
		case <-timer.C:
		}
	}
}

// Environment is what of a worker's environment its programs see: all but the worker's own configuration, in which
// passwords may stand.
func Environment(environ []string) []string {
	return slices.DeleteFunc(slices.Clone(environ), func(variable string) bool {
		return strings.HasPrefix(variable, "AFTER_")
	})
}

func (c Call) name() string { return c.Path[strings.LastIndexAny(c.Path, `/\`)+1:] }

func after(separator, text string) string {
	if text == "" {
		return ""
	}
	return separator + text
}
