package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"syscall"

	"github.com/spf13/pflag"

	"github.com/adlayer/after/couch"
)

// Exit statuses.
const (
	exitOK          = 0
	exitFailure     = 1
	exitUsage       = 2
	exitNotFound    = 3
	exitConflict    = 4
	exitUnreachable = 5
	exitTask        = 6
	exitDenied      = 7
	exitTimeout     = 8
)

// ExitCode is one exit status and what it means.
type ExitCode struct {
	Code    int
	Meaning string
}

// ExitCodes lists every exit status of the program.
func ExitCodes() []ExitCode {
	return []ExitCode{
		{exitOK, "done as asked"},
		{exitFailure, "something went wrong that none of the others describes"},
		{exitUsage, "a mistake in the command line or in the configuration; nothing was done"},
		{exitNotFound, "there is no such task, worker, log or database"},
		{exitConflict, "it is there already, somebody else has changed it, or another process holds it"},
		{exitUnreachable, "the server of the tasks cannot be reached, or what answers there is none"},
		{exitTask, "a task that was waited for ended other than done"},
		{exitDenied, "the server does not accept the user, the password, or what they ask for"},
		{exitTimeout, "it did not happen in the time allowed"},
	}
}

// codeError gives an error an exit status that cannot be read from the error itself.
type codeError struct {
	err  error
	code int
}

func (e *codeError) Error() string { return e.err.Error() }
func (e *codeError) Unwrap() error { return e.err }

func fail(code int, format string, args ...any) error {
	return &codeError{err: fmt.Errorf(format, args...), code: code}
}

// usageError is a mistake in the command line.
type usageError struct {
	err     error
	command string
}

func (e *usageError) Error() string {
	return fmt.Sprintf("%s\nSee \"%s --help\".", e.err, e.command)
}
func (e *usageError) Unwrap() error { return e.err }

func misuse(command, format string, args ...any) error {
	return &usageError{err: fmt.Errorf(format, args...), command: command}
}

// flagMistake says what a flag takes, in place of what the library that reads its value says.
func flagMistake(err error) error {
	wrong, ok := errors.AsType[*pflag.InvalidValueError](err)
	if !ok {
		return err
	}
	takes := map[string]string{"int": "a whole number", "duration": "a time such as 30s, 5m or 1h30m", "bool": "true or false"}
	if what, ok := takes[wrong.GetFlag().Value.Type()]; ok {
		return fmt.Errorf("--%s %s: it takes %s", wrong.GetFlag().Name, quoted(wrong.GetValue()), what)
	}
	return err
}

// silentError carries an exit status where all has been said already.
type silentError struct{ code int }

func (e *silentError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// codeOf reads the exit status from an error.
func codeOf(err error) int {
	var silent *silentError
	var coded *codeError
	var usage *usageError
	switch {
	case err == nil:
		return exitOK
	case errors.As(err, &silent):
		return silent.code
	case errors.As(err, &coded):
		return coded.code
	case errors.As(err, &usage):
		return exitUsage
	case errors.Is(err, context.Canceled):
		return exitFailure // interrupted: a request that this cut short says nothing of the server
	case held(err):
		return exitConflict
	case foreign(err):
		return exitUnreachable
	}
	switch couch.Status(err) {
	case http.StatusNotFound:
		return exitNotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return exitConflict
	case http.StatusUnauthorized, http.StatusForbidden:
		return exitDenied
	}
	if unreachable(err) {
		return exitUnreachable
	}
	return exitFailure
}

// unreachable says whether the network failed, rather than the server refused.
func unreachable(err error) bool {
	var network *url.Error
	var op *net.OpError
	return errors.As(err, &network) || errors.As(err, &op) || errors.Is(err, syscall.ECONNREFUSED) || errors.Is(err, io.ErrUnexpectedEOF)
}

// foreign says whether something answered, but not as a CouchDB does: another program, or a proxy before it.
func foreign(err error) bool {
	refused, ok := errors.AsType[*couch.Error](err)
	return ok && refused.Name == "" || errors.Is(err, couch.ErrForeign)
}

// hint adds to an error what to do about it.
func hint(err error) string {
	text := err.Error()
	switch {
	case errors.Is(err, context.Canceled):
		return "interrupted"
	case couch.IsForbidden(err), notAdmin(err):
		return text + "\nThe user may not do this: an administrator gives the rights with \"after setup\"."
	case couch.IsUnauthorized(err):
		return text + "\nThe user or the password is not the server's, or none is given: see couch.url, couch.user and couch.password_file (\"after config\" shows what is in force)."
	case couch.IsNotFound(err) && noDatabase(err):
		return text + "\nThe database is not there: \"after start\" creates it if the user may, \"after setup\" does with an administrator's password."
	case errors.Is(err, syscall.ECONNREFUSED):
		return text + "\nNothing answers there: \"after start <name>\" or \"after serve\" brings up the store."
	case errors.Is(err, os.ErrPermission):
		return text + "\nThe rights on the file or folder do not allow it."
	}
	return text
}

// notAdmin says whether a user whose password is right asked for what only an administrator may: CouchDB's status is that of a
// wrong password.
func notAdmin(err error) bool {
	refused, ok := errors.AsType[*couch.Error](err)
	return ok && refused.Reason == "You are not a server admin."
}

func noDatabase(err error) bool {
	refused, ok := errors.AsType[*couch.Error](err)
	return ok && (refused.Reason == "Database does not exist." || refused.Reason == "no_db_file")
}
