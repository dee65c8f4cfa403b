package process

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"strings"
)

// Report is what a process in the background tells the one that started it, once: that it is ready, or why it is not.
type Report struct {
	Ready bool     `json:"ready"`
	Notes []string `json:"notes,omitempty"` // what a person should read
	Error string   `json:"error,omitempty"`
	Code  int      `json:"code,omitempty"` // the exit status that goes with the error
}

// Detach starts this program again with the given arguments in a session of its own, without a terminal, and waits
// for its report. What it writes to standard error goes to the file at errors; where it dies without a report, the
// end of that file is in the error.
func Detach(ctx context.Context, args []string, errorsPath string) (Report, int, error) {
	program, err := os.Executable()
	if err != nil {
		return Report{}, 0, fmt.Errorf("finding the program: %w", err)
	}
	trouble, err := os.OpenFile(errorsPath, os.O_CREATE|os.O_TRUNC|os.O_RDWR|os.O_APPEND, 0o600) //nolint:gosec // a file of our own state folder
	if err != nil {
		return Report{}, 0, fmt.Errorf("opening the file for the errors of the process: %w", err)
	}
	defer trouble.Close() //nolint:errcheck // the child has its own
	// The background process must outlive the context, so it is not exec.CommandContext.
	child := exec.Command(program, args...) //nolint:gosec,noctx // ourselves
	child.Stderr = trouble
	child.SysProcAttr = ownSession()
	answer, err := child.StdoutPipe()
	if err != nil {
		return Report{}, 0, fmt.Errorf("making a pipe: %w", err)
	}
	if err := child.Start(); err != nil {
		return Report{}, 0, fmt.Errorf("starting the process in the background: %w", err)
	}
	pid := child.Process.Pid
	report, err := await(ctx, answer)
	switch {
	case err != nil && ctx.Err() != nil:
		return Report{}, pid, fmt.Errorf("process %d goes on starting in the background: %w", pid, context.Cause(ctx))
	case err != nil:
		_ = child.Wait() // its status is told as such
		return Report{}, pid, fmt.Errorf("the process in the background ended before it was ready (%s): %s", child.ProcessState, tail(errorsPath))
	case !report.Ready:
		_ = child.Wait() // it ends with its report; its status is in there
		return report, pid, nil
	}
	return report, pid, child.Process.Release()
}

func await(ctx context.Context, answer io.ReadCloser) (Report, error) {
	stop := context.AfterFunc(ctx, func() { _ = answer.Close() }) // ends the read below
	defer stop()
	line, err := bufio.NewReader(answer).ReadBytes('\n')
	if err != nil {
		return Report{}, err
	}
	var report Report
	if err := json.Unmarshal(line, &report); err != nil {
		return report, fmt.Errorf("it said %q", line)
	}
	return report, nil
}

// tail is the end of what a process said before it died.
func tail(path string) string {
	content, err := os.ReadFile(path) //nolint:gosec // a file of our own state folder
	text := strings.TrimSpace(string(content))
	if err != nil || text == "" {
		return "it said nothing"
	}
	const most = 4000
	if len(text) > most {
		text = "…" + text[len(text)-most:]
	}
	return text
}

// Tell sends the report to who started this process, and closes the way: nobody reads there any more.
func Tell(out *os.File, report Report) error {
	line, err := json.Marshal(report)
	if err != nil {
		return fmt.Errorf("encoding the report: %w", err)
	}
	_, err = out.Write(append(line, '\n'))
	return errors.Join(err, out.Close())
}
