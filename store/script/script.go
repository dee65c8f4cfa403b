package script

import (
	"context"
	"fmt"
	"io"
	"os/exec"
	"time"

	"github.com/sirupsen/logrus"
)

// Options configure a Pool. The zero value has no children, and runs nothing.
type Options struct {
	// Command makes the command of a child: a program that calls Main, such as this one (Self). nil means that functions are not run.
	Command func(ctx context.Context) *exec.Cmd
	// Log hears what functions log, and of those that had to be ended; nil means nobody does.
	Log logrus.FieldLogger
	// Timeout is how long a function may take for one document; 0 means 5 s, as in CouchDB.
	Timeout time.Duration
	// Memory is how many bytes the values of a child's functions may take; 0 means 128 MiB.
	Memory int64
	// Output is the longest answer of a function in bytes; 0 means 1 MiB.
	Output int
	// Idle is how long a child without work is kept; 0 means 3 minutes.
	Idle time.Duration
	// Wait is how long a call waits for a child that others have; 0 means a minute.
	Wait time.Duration
}

const (
	defaultTimeout = 5 * time.Second
	defaultMemory  = 128 << 20
	defaultOutput  = 1 << 20
	defaultIdle    = 3 * time.Minute
	defaultWait    = time.Minute
)

func (o Options) withDefaults() Options {
	if o.Log == nil {
		quiet := logrus.New()
		quiet.SetOutput(io.Discard)
		o.Log = quiet
	}
	if o.Timeout == 0 {
		o.Timeout = defaultTimeout
	}
	if o.Memory == 0 {
		o.Memory = defaultMemory
	}
	if o.Output == 0 {
		o.Output = defaultOutput
	}
	if o.Idle == 0 {
		o.Idle = defaultIdle
	}
	if o.Wait == 0 {
		o.Wait = defaultWait
	}
	return o
}

// Design is one revision of a design document.
type Design struct {
	// Key names the revision, apart from all others of all databases: what was compiled once is used again for the same key.
	Key string
	// Doc is the document as JSON.
	Doc []byte
}

// Edit is a document that is about to be written, and the revision that it replaces, as JSON; nil where there is none.
type Edit struct {
	New, Old []byte
}

// FunctionError is a function's refusal, or what became of one that did not end well: a short name and a reason for people.
type FunctionError struct {
	Name   string
	Reason string
}

func (f *FunctionError) Error() string { return f.Name + ": " + f.Reason }

// The names of failures that are not a function's own.
const (
	nameProcess     = "os_process_error"
	nameCompilation = "compilation_error"
	nameInternal    = "InternalError"
	nameUnknown     = "unknown_error"
	nameProtocol    = "query_protocol_error"
	nameTimeout     = "timeout"
)

func timedOut() *FunctionError { return &FunctionError{nameProcess, "OS process timed out."} }
func busy(wait time.Duration) *FunctionError {
	return &FunctionError{nameTimeout, fmt.Sprintf("Other design functions have kept all processes for them at work for %v. Try again later.", wait)}
}

func tooLong() *FunctionError {
	return &FunctionError{nameProcess, "The answer of the function is too long."}
}
