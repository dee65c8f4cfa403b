package gateway

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/couch"
)

// refusal is an answer that says no.
type refusal struct {
	status int
	after  time.Duration // for Retry-After
	allow  string

	Name   string `json:"error"`
	Reason string `json:"reason"`
	// Field is what of the request is wrong, in the spelling of the JSON form; Differs are the fields in which a repeated post is another one.
	Field   string   `json:"field,omitempty"`
	Differs []string `json:"differs,omitempty"`
}

// Error is for the log.
func (e *refusal) Error() string { return fmt.Sprintf("%d %s: %s", e.status, e.Name, e.Reason) }

// bad refuses a field of a request.
func bad(field, format string, arguments ...any) error {
	return &refusal{status: http.StatusBadRequest, Name: "bad_request", Reason: fmt.Sprintf(format, arguments...), Field: field}
}

func missing(reason string) error {
	return &refusal{status: http.StatusNotFound, Name: "not_found", Reason: reason}
}

func forbidden(format string, arguments ...any) error {
	return &refusal{status: http.StatusForbidden, Name: "forbidden", Reason: fmt.Sprintf(format, arguments...)}
}

func busy(reason string) error {
	return &refusal{status: http.StatusServiceUnavailable, Name: "service_unavailable", Reason: reason, after: time.Second}
}

func noDatabase(name string) error {
	return &refusal{
		status: http.StatusServiceUnavailable, Name: "service_unavailable", after: time.Second,
		Reason: fmt.Sprintf("the database %s is not there: a worker makes it at its start, and so does \"after setup\"", name),
	}
}

func notAllowed[V any](do map[string]V) error {
	methods := slices.Sorted(maps.Keys(do))
	if slices.Contains(methods, http.MethodGet) {
		methods = append(methods, http.MethodHead)
	}
	list := strings.Join(methods, ", ")
	return &refusal{status: http.StatusMethodNotAllowed, Name: "method_not_allowed", Reason: "only " + list + " can be asked for here", allow: list}
}

// fail answers with an error.
func (x *exchange) fail(err error) {
	if x.r.Context().Err() != nil {
		panic(http.ErrAbortHandler) // nobody listens; who does after all must not take silence for success
	}
	e := x.asRefusal(err)
	h := x.w.Header()
	if e.after > 0 {
		h.Set("Retry-After", strconv.FormatInt(int64((e.after+time.Second-1)/time.Second), 10))
	}
	if e.allow != "" {
		h.Set("Allow", e.allow)
	}
	if e.status == http.StatusUnauthorized && x.opts.Prefix == "" {
		h.Set("WWW-Authenticate", `Basic realm="after"`)
	}
	x.answer(e.status, e)
}

// asRefusal makes an answer of an error: what the server of the tasks refused goes on as it is.
func (x *exchange) asRefusal(err error) *refusal {
	if e, ok := errors.AsType[*refusal](err); ok {
		return e
	}
	if e, ok := errors.AsType[*client.DiffersError](err); ok {
		first := "id"
		if len(e.Fields) > 0 {
			first = e.Fields[0]
		}
		return &refusal{status: http.StatusConflict, Name: "conflict", Reason: e.Error(), Field: first, Differs: e.Fields}
	}
	if couch.IsUnauthorized(err) && x.asOwn {
		x.log.WithError(err).WithField("path", x.r.URL.Path).Errorf("gateway: the server of the tasks refuses the queue's own user %q, as whom tokens and "+
			"callbacks reach it: couch.user and couch.password must be right", x.opts.User)
		return &refusal{status: http.StatusBadGateway, Name: "bad_gateway", Reason: "the server of the tasks refuses the queue's own user (couch.user); the log says more"}
	}
	if couch.IsUnauthorized(err) {
		if reason := x.unknown(); reason != "" {
			return &refusal{status: http.StatusUnauthorized, Name: "unauthorized", Reason: reason}
		}
	}
	if e, ok := errors.AsType[*couch.Error](err); ok && e.Status < http.StatusInternalServerError {
		name := e.Name
		if name == "" {
			name = strings.ToLower(strings.ReplaceAll(http.StatusText(e.Status), " ", "_"))
		}
		return &refusal{status: e.Status, Name: name, Reason: e.Reason}
	}
	if tooLarge, ok := errors.AsType[*http.MaxBytesError](err); ok {
		return &refusal{
			status: http.StatusRequestEntityTooLarge, Name: "too_large",
			Reason: fmt.Sprintf("the body is larger than %d bytes (gateway.max_body)", tooLarge.Limit),
		}
	}
	x.log.WithError(err).WithField("path", x.r.URL.Path).Error("gateway: a request failed")
	if e, ok := errors.AsType[*unnamedError](err); ok && late(err) {
		return e.refusal()
	}
	if passing(err) {
		return &refusal{status: http.StatusServiceUnavailable, Name: "service_unavailable", Reason: "the server of the tasks is busy or cannot write; try again", after: time.Second}
	}
	return &refusal{status: http.StatusBadGateway, Name: "bad_gateway", Reason: "the server of the tasks failed or cannot be reached; the log says why"}
}

// passing says whether an error of the server may be over when somebody tries again.
func passing(err error) bool {
	if e, ok := errors.AsType[*couch.Error](err); ok && e.Status == http.StatusServiceUnavailable {
		return true
	}
	return late(err)
}

// late says whether the server ran out of time, so that what it was to write may be there or not. A cluster calls it a timeout, with status 500, that
// too few of its nodes have answered.
func late(err error) bool {
	if e, ok := errors.AsType[*couch.Error](err); ok {
		return e.Name == "timeout"
	}
	return errors.Is(err, context.DeadlineExceeded)
}

// unnamedError is why a task was not written that was posted without an id and a key: posted again it is another task.
type unnamedError struct {
	error

	what string // was to be written
}

func (e *unnamedError) Unwrap() error { return e.error }

// refusal is for where the server ran out of time. It has no Retry-After, since clients obey that without asking anybody.
func (e *unnamedError) refusal() *refusal {
	return &refusal{
		status: http.StatusServiceUnavailable, Name: "service_unavailable",
		Reason: "the server of the tasks did not answer in time: " + e.what + " may have been written, and would be there twice if posted again; what has an id " +
			"or an Idempotency-Key may be posted again",
	}
}

// unknown says what is missing of a request that the server takes from nobody; empty where its own words say it.
func (x *exchange) unknown() string {
	switch scheme, _, _ := strings.Cut(x.who.authorization, " "); {
	case scheme == "" && x.who.cookie == "":
		return "say who asks: a user of the database (Authorization: Basic, or its session), or one of the gateway.tokens of the configuration (Authorization: Bearer)"
	case strings.EqualFold(scheme, "Bearer") && len(x.tokens) == 0:
		return "the token is not known: no gateway.tokens are configured"
	}
	return ""
}

// answer sends JSON.
func (x *exchange) answer(status int, value any) {
	var body bytes.Buffer
	encoder := json.NewEncoder(&body)
	encoder.SetEscapeHTML(false) // people read it, with addresses in it; a browser takes it for nothing but JSON
	if err := encoder.Encode(value); err != nil {
		x.log.WithError(err).Error("gateway: an answer cannot be encoded")
		body.Reset()
		body.WriteString(`{"error":"internal_server_error","reason":"the answer cannot be encoded; the log says why"}`)
		status = http.StatusInternalServerError
	}
	x.send(status, "application/json", body.Bytes())
}

func (x *exchange) send(status int, kind string, body []byte) {
	h := x.w.Header()
	h["Content-Type"] = []string{kind}
	h["Content-Length"] = []string{strconv.Itoa(len(body))}
	if h.Get("Cache-Control") == "" {
		h["Cache-Control"] = []string{"no-store"}
	}
	h["X-Content-Type-Options"] = []string{"nosniff"}
	h["Cross-Origin-Resource-Policy"] = []string{"same-origin"} // requests of CORS are judged by that, all others of foreign pages by this
	x.w.WriteHeader(status)
	if x.r.Method != http.MethodHead {
		_, _ = x.w.Write(body) // a reader that has gone is no error of ours
	}
}
