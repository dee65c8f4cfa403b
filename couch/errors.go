package couch

import (
	"errors"
	"fmt"
	"net/http"

	"github.com/go-kivik/kivik/v4/couchdb/chttp"
)

// Error is an answer in which the server refused a request. An error of the network is no Error.
type Error struct {
	Op     string // what was asked for, such as "reading document x of tasks"
	Status int    // the HTTP status, 300 to 599
	Name   string // CouchDB's name for the error, such as "not_found"; empty where the answer was not CouchDB's
	Reason string // the server's own words
}

// ErrForeign is in the errors of answers that a CouchDB does not give, and that are no refusal either.
var ErrForeign = errors.New("what answers there is not a CouchDB")

// Error says what was refused, and why in the server's words.
func (e *Error) Error() string {
	name := e.Name
	if name == "" {
		name = http.StatusText(e.Status)
	}
	if e.Reason == "" {
		return fmt.Sprintf("%s: %d %s", e.Op, e.Status, name)
	}
	return fmt.Sprintf("%s: %d %s: %s", e.Op, e.Status, name, e.Reason)
}

// Status is the HTTP status of the refusal in err; 0 where err is none (a network error, a cancelled context, nil).
func Status(err error) int {
	if refused, ok := errors.AsType[*Error](err); ok {
		return refused.Status
	}
	return 0
}

// IsNotFound says whether the server answered that there is no such thing (404).
func IsNotFound(err error) bool { return Status(err) == http.StatusNotFound }

// IsConflict says whether the server refused a write because the document has another revision by now (409).
func IsConflict(err error) bool { return Status(err) == http.StatusConflict }

// IsExists says whether the server refused to create what is there already (412).
func IsExists(err error) bool { return Status(err) == http.StatusPreconditionFailed }

// IsUnauthorized says whether the server did not accept the credentials, or misses them (401).
func IsUnauthorized(err error) bool { return Status(err) == http.StatusUnauthorized }

// IsForbidden says whether the server knows the user and refuses the request (403).
func IsForbidden(err error) bool { return Status(err) == http.StatusForbidden }

// IsInvalid says whether the server refused what was sent for what it is (400, 413, 415): it refuses the same for ever.
func IsInvalid(err error) bool {
	switch Status(err) {
	case http.StatusBadRequest, http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		return true
	}
	return false
}

// kivikError makes an error of ours of one that kivik returned.
func kivikError(op string, err error) error {
	if err == nil {
		return nil
	}
	if refused, ok := errors.AsType[*chttp.HTTPError](err); ok {
		status := refused.HTTPStatus()
		return &Error{Op: op, Status: status, Name: errorName(status), Reason: refused.Reason}
	}
	return fmt.Errorf("%s: %w", op, err)
}

// errorName is CouchDB's usual name for a status, for the calls where kivik keeps only the reason.
func errorName(status int) string {
	switch status {
	case http.StatusBadRequest:
		return "bad_request"
	case http.StatusUnauthorized:
		return "unauthorized"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusNotFound:
		return "not_found"
	case http.StatusConflict:
		return "conflict"
	case http.StatusPreconditionFailed:
		return "file_exists"
	case http.StatusNotImplemented:
		return "not_implemented"
	}
	return ""
}
