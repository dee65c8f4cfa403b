package jobs

import (
	"errors"
	"fmt"
	"time"
)

// PanicError is the error of a run that panicked.
type PanicError struct {
	Value any    // what panic was called with
	Stack []byte // of the goroutine that panicked
}

func (e *PanicError) Error() string { return fmt.Sprintf("panic: %v", e.Value) }

// Unwrap gives the value of the panic where that is an error.
func (e *PanicError) Unwrap() error {
	err, _ := e.Value.(error)
	return err
}

type permanentError struct{ error }

func (e permanentError) Unwrap() error { return e.error }

// Permanent marks an error that trying again cannot mend: the task is not retried, unless its `retry_on` names the error's code
// (see [Coded]). Permanent(nil) is nil.
func Permanent(err error) error {
	if err == nil {
		return nil
	}
	return permanentError{err}
}

// IsPermanent says whether an error, or one that it wraps, was marked by [Permanent].
func IsPermanent(err error) bool {
	var p permanentError
	return errors.As(err, &p)
}

type invalidError struct{ error }

func (e invalidError) Unwrap() error { return e.error }

// Invalid marks an error that lies in the task's document, such as arguments that make no sense. It is [Permanent], and its
// kind is "invalid", so that `after tasks --invalid` shows the task. Invalid(nil) is nil.
func Invalid(err error) error {
	if err == nil {
		return nil
	}
	return Permanent(invalidError{err})
}

// IsInvalid says whether an error, or one that it wraps, was marked by [Invalid].
func IsInvalid(err error) bool {
	var i invalidError
	return errors.As(err, &i)
}

type missedError struct{ error }

func (e missedError) Unwrap() error { return e.error }

// Missed marks an error that says that something did not happen in time: it is [Permanent], its kind is "missed", and those whom the task's
// notify names are told of the event "missed". Missed(nil) is nil.
func Missed(err error) error {
	if err == nil {
		return nil
	}
	return Permanent(missedError{err})
}

// IsMissed says whether an error, or one that it wraps, was marked by [Missed].
func IsMissed(err error) bool {
	var m missedError
	return errors.As(err, &m)
}

type codedError struct {
	error

	code int
}

func (e codedError) Unwrap() error { return e.error }

// Coded gives an error a code, such as an HTTP status or an exit code: the document's `retry` can name codes in `retry_on` and
// `give_up_on`, and its `error` shows the code. Coded(nil, code) is nil.
func Coded(err error, code int) error {
	if err == nil {
		return nil
	}
	return codedError{err, code}
}

// CodeOf tells the code that an error, or one that it wraps, was given by [Coded].
func CodeOf(err error) (code int, ok bool) {
	var c codedError
	ok = errors.As(err, &c)
	return c.code, ok
}

type snoozeError struct {
	d   time.Duration
	why string
}

func (e snoozeError) Error() string {
	if e.why != "" {
		return fmt.Sprintf("put off by %v: %s", e.d, e.why)
	}
	return fmt.Sprintf("put off by %v", e.d)
}

// Snooze is what a job returns as its error to run again after d: no failure, and no attempt is used up. A d below zero
// counts as zero.
func Snooze(d time.Duration) error { return SnoozeBecause(d, "") }

// SnoozeBecause is [Snooze] with a reason, which the task's history shows.
func SnoozeBecause(d time.Duration, why string) error { return snoozeError{max(d, 0), why} }

// SnoozeReason tells why an error made by [SnoozeBecause], or one that wraps it, puts the task off; empty where nobody said so.
func SnoozeReason(err error) string {
	var s snoozeError
	errors.As(err, &s)
	return s.why
}

// SnoozeOf tells for how long an error made by [Snooze], or one that wraps it, puts the task off.
func SnoozeOf(err error) (time.Duration, bool) {
	var s snoozeError
	ok := errors.As(err, &s)
	return s.d, ok
}

type retryAfterError struct {
	error

	d time.Duration
}

func (e retryAfterError) Unwrap() error { return e.error }

// RetryAfter marks an error with the shortest time after which trying again makes sense, as a server may tell. It counts
// as a failed attempt; where the task's retry waits longer, that holds. RetryAfter(nil, d) is nil.
func RetryAfter(err error, d time.Duration) error {
	if err == nil {
		return nil
	}
	return retryAfterError{err, max(d, 0)}
}

// RetryAfterOf tells the time that an error, or one that it wraps, was marked with by [RetryAfter].
func RetryAfterOf(err error) (time.Duration, bool) {
	var r retryAfterError
	ok := errors.As(err, &r)
	return r.d, ok
}

type removeError struct{ result any }

func (e removeError) Error() string { return "the task is to be removed" }

// Remove is what a job returns as its error to end as done with the result, and to have the task's document deleted: no further date of a
// repeat comes. The tombstone keeps the task's name, its worker and how it ended.
func Remove(result any) error { return removeError{result} }

// IsRemove says whether an error was made by [Remove], or wraps one that was.
func IsRemove(err error) bool {
	var r removeError
	return errors.As(err, &r)
}

type resultError struct {
	error

	result any
}

func (e resultError) Unwrap() error { return e.error }

// WithResult gives an error a result, which becomes that of the task as if the run had succeeded: what an endpoint answered when it refused,
// say. A result that cannot be encoded is left out. WithResult(nil, result) is nil.
func WithResult(err error, result any) error {
	if err == nil {
		return nil
	}
	return resultError{err, result}
}

// resultOf tells the result that goes with an error: that of [Remove], or the one that [WithResult] gave it.
func resultOf(err error) any {
	if remove, ok := errors.AsType[removeError](err); ok {
		return remove.result
	}
	if with, ok := errors.AsType[resultError](err); ok {
		return with.result
	}
	return nil
}

type awaitError struct{ d time.Duration }

func (e awaitError) Error() string { return fmt.Sprintf("its end is awaited for %v at most", e.d) }

// Await is what a job returns as its error when the work goes on elsewhere: the task stays running without a place of its own, through
// restarts of the worker too, until somebody writes the outcome into the document's field callback, or d has passed, which is an error of
// kind timeout. d counts from the run's start; a d of zero or less means the task's timeout, or an hour where it has none.
func Await(d time.Duration) error { return awaitError{max(d, 0)} }

// AwaitOf tells for how long an error made by [Await], or one that wraps it, waits.
func AwaitOf(err error) (time.Duration, bool) {
	var a awaitError
	ok := errors.As(err, &a)
	return a.d, ok
}
