package mango

import (
	"fmt"
	"net/http"

	"github.com/adlayer/after/store"
)

// The errors here carry CouchDB's names and reasons, since clients tell them apart by these. All are *store.Error.

func refuse(name, format string, args ...any) error {
	return &store.Error{Status: http.StatusBadRequest, Name: name, Reason: fmt.Sprintf(format, args...)}
}

// broke is an error that CouchDB blames on itself, though the request is at fault. Clients know it by its status.
func broke(name, format string, args ...any) error {
	return &store.Error{Status: http.StatusInternalServerError, Name: name, Reason: fmt.Sprintf(format, args...)}
}

func badArgument(operator string, arg *value) error {
	return refuse("bad_arg", "Bad argument for operator %s: %s", operator, erlang(arg))
}

func badOperator(operator string) error {
	return refuse("invalid_operator", "Invalid operator: %s", operator)
}

func badKey(name string) error {
	return refuse("invalid_key", "Invalid key %s for this request.", name)
}

func missingKey(name string) error {
	return refuse("missing_required_key", "Missing required key: %s", name)
}

func notFound(reason string) error {
	return &store.Error{Status: http.StatusNotFound, Name: "not_found", Reason: reason}
}

// unavailable refuses indexes of text, in the words of a CouchDB that runs without their service.
func unavailable(kind string) error {
	return &store.Error{Status: http.StatusServiceUnavailable, Name: "required index service unavailable", Reason: kind}
}

// timedOut ends a query that would take for ever, in CouchDB's words.
func timedOut() error {
	return broke("timeout", "The request could not be processed in a reasonable amount of time.")
}
