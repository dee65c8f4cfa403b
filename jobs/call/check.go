package call

import (
	"errors"
	"fmt"
	"net/http"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// ArgumentError is what is wrong with an argument of the http job.
type ArgumentError struct {
	Argument string // its name, and behind a full stop that of a header; empty where it is about several
	Err      error
}

// Error begins with the argument's name.
func (e *ArgumentError) Error() string {
	if name, _, _ := strings.Cut(e.Argument, "."); name != "" && !strings.HasPrefix(e.Err.Error(), name) {
		return name + ": " + e.Err.Error()
	}
	return e.Err.Error()
}

// Unwrap gives what is wrong.
func (e *ArgumentError) Unwrap() error { return e.Err }

func wrong(argument, format string, details ...any) error {
	return &ArgumentError{argument, fmt.Errorf(format, details...)}
}

// Check says what the job would refuse in arguments as they stand in a document, whatever the configuration of its worker: an [ArgumentError].
// Nothing is looked up or sent.
func Check(raw []byte) error {
	var a Arguments
	if len(raw) == 0 {
		raw = []byte("{}")
	}
	// As lenient as the job's own reading; this one tells where it stopped.
	err := jsonv2.Unmarshal(raw, &a, jsonv2.RejectUnknownMembers(true), jsonv2.MatchCaseInsensitiveNames(true), jsontext.AllowDuplicateNames(true),
		jsontext.AllowInvalidUTF8(true))
	if err == nil {
		return a.Validate()
	}
	semantic, ok := errors.AsType[*jsonv2.SemanticError](err)
	if !ok {
		return &ArgumentError{"", err}
	}
	name := strings.ReplaceAll(strings.TrimPrefix(string(semantic.JSONPointer), "/"), "/", ".")
	switch {
	case errors.Is(err, jsonv2.ErrUnknownName):
		return wrong(name, "%s: the job http knows no such argument", name)
	case semantic.GoType != nil && semantic.Err == nil && name == "":
		return wrong("", "%s found, an object wanted", kind(semantic.JSONKind))
	case semantic.GoType != nil && semantic.Err == nil:
		return wrong(name, "%s: %s found, which is no value for it", name, kind(semantic.JSONKind))
	case semantic.Err != nil:
		return &ArgumentError{name, semantic.Err}
	}
	return &ArgumentError{name, err}
}

// kind names what stands in JSON.
func kind(k jsontext.Kind) string {
	if name, ok := map[jsontext.Kind]string{'[': "array", '{': "object"}[k]; ok {
		return name
	}
	return k.String()
}

func checkMethod(method string) error {
	if method != "" && !isToken(method) || strings.EqualFold(method, http.MethodConnect) {
		return wrong("method", "method: %q is none that can be sent", method)
	}
	return nil
}
