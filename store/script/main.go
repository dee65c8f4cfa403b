package script

import (
	"context"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"runtime"
	"runtime/debug"
	"syscall"
)

// argument starts a program that calls Main as a child.
const argument = "design-functions"

// hosted tells that this program can be its own child.
var hosted bool //nolint:gochecknoglobals // a fact about the process

// Main runs a child and ends the process, if that is what the process was started for by Self; else it returns at once. Call it before
// anything else, in main, or in TestMain.
func Main() {
	hosted = true
	if len(os.Args) == 2 && os.Args[1] == argument {
		os.Exit(child()) //nolint:forbidigo // this process is nothing but the child
	}
}

// Self makes commands that run this program as a child; it is nil where the program has not called Main, and functions are not run then.
func Self() func(ctx context.Context) *exec.Cmd {
	if !hosted {
		return nil
	}
	return func(ctx context.Context) *exec.Cmd {
		path, err := os.Executable()
		if err != nil {
			path = os.Args[0]
		}
		if runtime.GOOS == "linux" {
			path = "/proc/self/exe" // the program as it runs, even where its file has been replaced since
		}
		cmd := exec.CommandContext(ctx, path, argument) //nolint:gosec // ourselves
		cmd.Args[0] = filepath.Base(os.Args[0])
		return cmd
	}
}

// maxStack bounds the interpreter's own stack. Functions that call themselves without end meet maxCalls before it; what is nested in a single
// value or source meets this, and ends the process.
const maxStack = 128 << 20

func child() int {
	// A child ends with its parent, which ends in its own time.
	signal.Ignore(os.Interrupt, syscall.SIGTERM)
	debug.SetGCPercent(400) // most of what is allocated is gone at once
	debug.SetMaxStack(maxStack)
	c := newServant(os.Stdin, os.Stdout, os.Exit) //nolint:forbidigo // as above
	c.limitProcess = limitProcess
	return c.serve()
}
