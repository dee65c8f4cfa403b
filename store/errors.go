package store

import (
	"errors"
	"fmt"
	"net/http"
	"strconv"
)

// Error is a refusal in CouchDB's terms: an HTTP status, a short name and a reason for people. On the wire it is
// {"error": Name, "reason": Reason}.
type Error struct {
	Status int
	Name   string
	Reason string
}

func (e *Error) Error() string { return e.Name + ": " + e.Reason }

// Is makes errors.Is compare by status and name, whatever the reason says.
func (e *Error) Is(target error) bool {
	var t *Error
	return errors.As(target, &t) && t.Status == e.Status && t.Name == e.Name
}

// ErrStop ends a visit early without being an error of it.
var ErrStop = errors.New("stop")

// ErrClosed is what every call gets after Close.
var ErrClosed = errors.New("the store is closed")

// ErrReadOnly is what every write gets where the store was opened for reading only.
var ErrReadOnly = errors.New("the store is open for reading only")

// ErrStuck is part of Close's error where a store that had failed could not be closed in time: its process must not open the folder again.
var ErrStuck = errors.New("the engine does not end")

// NotFound is the 404 of a document; reason is "missing" or "deleted".
func NotFound(reason string) *Error {
	return &Error{Status: http.StatusNotFound, Name: "not_found", Reason: reason}
}

// noDatabase is the 404 of a database.
func noDatabase() *Error { return NotFound("Database does not exist.") }

// BadRequest is a 400 with the given reason.
func BadRequest(format string, args ...any) *Error {
	return &Error{Status: http.StatusBadRequest, Name: "bad_request", Reason: fmt.Sprintf(format, args...)}
}

// Conflict is the 409 of a write whose revision is not a current one.
func Conflict() *Error {
	return &Error{Status: http.StatusConflict, Name: "conflict", Reason: "Document update conflict."}
}

// NotImplemented is the 501 for the parts of CouchDB's API that are not there; what names them.
func NotImplemented(what string) *Error {
	return &Error{Status: http.StatusNotImplemented, Name: "not_implemented", Reason: what + " is not implemented by this server."}
}

func badJSON() *Error { return BadRequest("invalid UTF-8 JSON") }

func badMember(name string) *Error {
	return &Error{Status: http.StatusBadRequest, Name: "doc_validation", Reason: "Bad special document member: " + name}
}

func illegalID(reason string) *Error {
	return &Error{Status: http.StatusBadRequest, Name: "illegal_docid", Reason: reason}
}

func tooLarge(id string) *Error {
	return &Error{Status: http.StatusRequestEntityTooLarge, Name: "document_too_large", Reason: id}
}

// unreadable is the 500 of a write to a document whose record is damaged.
func unreadable() *Error {
	return &Error{Status: http.StatusInternalServerError, Name: "internal_server_error", Reason: "The document's record cannot be read; the server's log says why."}
}

func tooMany(limit int) *Error {
	return &Error{
		Status: http.StatusRequestEntityTooLarge, Name: "max_bulk_docs_count_exceeded",
		Reason: strconv.Itoa(limit),
	}
}

// IsNotFound tells whether err is a 404.
func IsNotFound(err error) bool { return statusOf(err) == http.StatusNotFound }

// IsConflict tells whether err is a 409.
func IsConflict(err error) bool { return statusOf(err) == http.StatusConflict }

func statusOf(err error) int {
	if e, ok := errors.AsType[*Error](err); ok {
		return e.Status
	}
	return 0
}
