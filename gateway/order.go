package gateway

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"mime"
	"net/http"
	"reflect"
	"slices"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
)

// order is what somebody posts: a call of an endpoint, and when. It is the JSON form as it stands; a form has the same fields as task.<field>.
type order struct {
	URL       string            `json:"url"`
	Params    json.RawMessage   `json:"params,omitempty"`    // an object; texts alone where the format is form
	Method    string            `json:"method,omitempty"`    // POST
	Format    string            `json:"format,omitempty"`    // of the parameters: "form" or "json"
	Headers   map[string]string `json:"headers,omitempty"`   // of the call
	ID        string            `json:"id,omitempty"`        // of the task
	Worker    string            `json:"worker,omitempty"`    // who makes the call
	Countdown json.RawMessage   `json:"countdown,omitempty"` // seconds, or a duration
	ETA       json.RawMessage   `json:"eta,omitempty"`       // a date as in a document
	Repeat    json.RawMessage   `json:"repeat,omitempty"`    // as in a document
	Timezone  string            `json:"timezone,omitempty"`
	Retry     json.RawMessage   `json:"retry,omitempty"`   // as in a document
	Timeout   string            `json:"timeout,omitempty"` // of the call
	Notify    json.RawMessage   `json:"notify,omitempty"`
	Expect    json.RawMessage   `json:"expect,omitempty"`
	Limit     string            `json:"limit,omitempty"`    // "10/s"
	Codes     json.RawMessage   `json:"codes,omitempty"`    // what status codes mean
	Callback  json.RawMessage   `json:"callback,omitempty"` // the endpoint may finish later: true, or for how long it may
	Tags      []string          `json:"tags,omitempty"`

	form map[string][]string // the parameters of a form, instead of Params
	raw  *original           // a whole request that is handed over, instead of both
}

// readOrder reads a post by its content type.
func readOrder(kind string, body []byte) (*order, error) {
	media, _, err := mime.ParseMediaType(kind)
	if err != nil && kind != "" {
		media = ""
	}
	switch media {
	case "application/json":
		return decodeOrder(body)
	case "application/x-www-form-urlencoded":
		return formOrder(string(body))
	}
	const wanted = "send a form (application/x-www-form-urlencoded) or JSON (application/json), and say so in Content-Type"
	if media == "" {
		return nil, contentType(wanted)
	}
	return nil, contentType(wanted + ", not " + media)
}

func contentType(reason string) error {
	return &refusal{status: http.StatusUnsupportedMediaType, Name: "bad_content_type", Reason: reason}
}

// fieldNames are the fields of an order, sorted, for people.
func fieldNames() string {
	var names []string
	for field := range reflect.TypeFor[order]().Fields() {
		if name, _, _ := strings.Cut(field.Tag.Get("json"), ","); name != "" {
			names = append(names, name)
		}
	}
	slices.Sort(names)
	return strings.Join(names, ", ")
}

// decodeOrder reads the JSON form, strictly.
func decodeOrder(body []byte) (*order, error) {
	o := &order{}
	switch trimmed := bytes.TrimSpace(body); {
	case len(trimmed) == 0:
		return nil, bad("", "the body is empty")
	case string(trimmed) == "null":
		return nil, bad("", "the body is no JSON object: it is null")
	}
	if err := jsonv2.Unmarshal(body, o, jsonv2.RejectUnknownMembers(true)); err != nil {
		return nil, unreadable(err, fieldNames())
	}
	return o, nil
}

// unreadable says what is wrong with JSON that cannot be read, of which the fields are those named.
func unreadable(err error, fields string) error {
	var at jsontext.Pointer
	if e, ok := errors.AsType[*jsonv2.SemanticError](err); ok {
		at = e.JSONPointer
	}
	if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok && errors.Is(err, jsontext.ErrDuplicateName) {
		at = e.JSONPointer
	}
	field := strings.Join(slices.Collect(at.Tokens()), ".")
	switch {
	case errors.Is(err, jsonv2.ErrUnknownName):
		return bad(field, "there is no field %q: there are %s", field, fields)
	case errors.Is(err, jsontext.ErrDuplicateName):
		return bad(field, "the field %q is there twice", field)
	}
	if e, ok := errors.AsType[*jsonv2.SemanticError](err); ok && e.JSONKind != 0 && field == "" {
		return bad("", "the body is no JSON object: it is %s", kindName(e.JSONKind))
	} else if ok && e.JSONKind != 0 && e.GoType != nil {
		return wanted(field, e.JSONKind, wantedBy(e.GoType))
	}
	return bad(field, "the body is no JSON: %s", strings.TrimPrefix(err.Error(), "jsontext: "))
}

// wanted refuses a field of another kind than it has.
func wanted(field string, sent jsontext.Kind, want string) error {
	return bad(field, "%s was sent, where %s is wanted", kindName(sent), want)
}

// wantedBy is what a field of that type is in JSON.
func wantedBy(t reflect.Type) string {
	switch t.Kind() {
	case reflect.String:
		return "a text"
	case reflect.Slice:
		if t.Elem().Kind() != reflect.String { // those of a batch, which are read later
			return "a list of objects"
		}
		return "a list of texts"
	case reflect.Int64:
		return "a whole number"
	case reflect.Map:
		return "an object of texts"
	default:
		return "another value"
	}
}

func kindName(k jsontext.Kind) string {
	switch k { //nolint:exhaustive // the others begin no value but a list
	case 'n':
		return "null"
	case 't', 'f':
		return "true or false"
	case '"':
		return "a text"
	case '0':
		return "a number"
	case '{':
		return "an object"
	}
	return "a list"
}

// anyField names a field that an order has; empty where it has none.
func (o *order) anyField() string {
	raw, err := json.Marshal(o)
	if err != nil {
		return "params"
	}
	var members map[string]json.RawMessage
	_ = json.Unmarshal(raw, &members) // it was made just now
	if o.URL == "" {
		delete(members, "url")
	}
	if o.form != nil {
		members["params"] = nil
	}
	names := slices.Sorted(maps.Keys(members))
	if len(names) == 0 {
		return ""
	}
	return names[0]
}

// formParams are the parameters of an order that go into a form or a query: texts, or lists of texts.
func (o *order) formParams() (map[string][]string, error) {
	if o.form != nil || o.Params == nil {
		return o.form, nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(o.Params, &members) != nil || members == nil {
		return nil, o.noParams()
	}
	form := make(map[string][]string, len(members))
	for name, value := range members {
		texts, err := textsOf(value)
		if err != nil {
			return nil, bad("params."+name, "%v: send what a form cannot hold with \"format\": \"json\"", err)
		}
		form[name] = texts
	}
	return form, nil
}

func (o *order) noParams() error {
	return bad("params", "%s was sent, where an object is wanted: {\"name\": \"value\"}", kindName(jsontext.Value(o.Params).Kind()))
}

// textsOf gives a JSON value as the values of a form's field.
func textsOf(value json.RawMessage) ([]string, error) {
	switch value[0] {
	case '{':
		return nil, errors.New("an object is no value of a form")
	case 'n':
		return []string{""}, nil
	case '[':
		var items []json.RawMessage
		if err := json.Unmarshal(value, &items); err != nil {
			return nil, fmt.Errorf("the list cannot be read: %w", err)
		}
		texts := make([]string, 0, len(items))
		for _, item := range items {
			one, err := textsOf(item)
			if err != nil || item[0] == '[' {
				return nil, errors.New("a list of lists is no value of a form")
			}
			texts = append(texts, one...)
		}
		return texts, nil
	case '"':
		var text string
		if err := json.Unmarshal(value, &text); err != nil {
			return nil, fmt.Errorf("the text cannot be read: %w", err)
		}
		return []string{text}, nil
	}
	return []string{string(value)}, nil
}
