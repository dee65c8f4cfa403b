package gateway

import (
	"encoding/json"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"
)

// formOrder reads a post as a form: task.<field> are ours, everything else are the call's parameters.
func formOrder(body string) (*order, error) {
	if strings.HasPrefix(strings.TrimSpace(body), "{") {
		return nil, contentType("this is JSON, sent as a form: say Content-Type: application/json")
	}
	form, err := url.ParseQuery(body)
	if err != nil {
		return nil, bad("", "the form cannot be read: %v", err)
	}
	o := &order{}
	params := map[string][]string{}
	below := nested{}
	for name, values := range form {
		field, ours := strings.CutPrefix(name, "task.")
		if err := plain(name, values, field, ours); err != nil {
			return nil, err
		}
		if !ours {
			params[name] = values
			continue
		}
		if len(values) > 1 && field != "tags" {
			return nil, bad(field, "%s is there %d times", name, len(values))
		}
		if err := o.set(field, values, below); err != nil {
			return nil, err
		}
	}
	if err := below.into(o); err != nil {
		return nil, err
	}
	if len(params) > 0 {
		o.form = params
	}
	return o, nil
}

// plain refuses what of a form is no UTF-8: JSON, and with it the task, has no such texts.
func plain(name string, values []string, field string, ours bool) error {
	if !utf8.ValidString(name) {
		return bad("params", "%q, the name of a parameter, is no UTF-8, and cannot be kept", name)
	}
	if !ours {
		field = "params." + name
	}
	return plainValues(field, name, values)
}

// plainValues does so with the values of a name, which are of that field.
func plainValues(field, name string, values []string) error {
	if slices.ContainsFunc(values, func(value string) bool { return !utf8.ValidString(value) }) {
		return bad(field, "the value of %s is no UTF-8, and cannot be kept", name)
	}
	return nil
}

// set takes one field of a form.
func (o *order) set(field string, values []string, below nested) error {
	value := values[0]
	texts := map[string]*string{
		"url": &o.URL, "method": &o.Method, "format": &o.Format, "id": &o.ID, "worker": &o.Worker, "timezone": &o.Timezone,
		"timeout": &o.Timeout, "limit": &o.Limit,
	}
	if at, ok := texts[field]; ok {
		*at = value
		return nil
	}
	values2 := map[string]*json.RawMessage{
		"countdown": &o.Countdown, "eta": &o.ETA, "repeat": &o.Repeat, "retry": &o.Retry, "notify": &o.Notify, "expect": &o.Expect, "codes": &o.Codes,
	}
	if at, ok := values2[field]; ok {
		*at = valueOf(value, field == "retry")
		return nil
	}
	switch field {
	case "tags":
		o.Tags = values
		return nil
	case "callback":
		o.Callback = callbackOf(value)
		return nil
	case "headers":
		if err := json.Unmarshal([]byte(value), &o.Headers); err != nil {
			return bad(field, "task.headers is an object of texts as JSON; a single header is task.headers.<name>")
		}
		return nil
	}
	if parent, name, ok := strings.Cut(field, "."); ok && (parent == "headers" || parent == "retry" || parent == "notify") && name != "" {
		if below[parent] == nil {
			below[parent] = map[string]string{}
		}
		below[parent][name] = value
		return nil
	}
	return bad(field, "there is no field task.%s: there are %s", field, fieldNames())
}

// valueOf is a value of a form as JSON: what is JSON already, an object or a list, stays so, and so does a number where numbers is set; all
// else is a text.
func valueOf(text string, numbers bool) json.RawMessage {
	trimmed := strings.TrimSpace(text)
	if trimmed != "" && json.Valid([]byte(trimmed)) {
		if c := trimmed[0]; c == '{' || c == '[' || numbers && c >= '0' && c <= '9' {
			return json.RawMessage(trimmed)
		}
	}
	return quoted(text)
}

// callbackOf is a form's word on callbacks as JSON: true, false, or a duration.
func callbackOf(text string) json.RawMessage {
	if text == "true" || text == "false" {
		return json.RawMessage(text)
	}
	return quoted(text)
}

func quoted(text string) json.RawMessage {
	raw, _ := json.Marshal(text) //nolint:errchkjson // a text has no error
	return raw
}

// nested are fields of fields: task.retry.limit.
type nested map[string]map[string]string

// into puts them into an order.
func (n nested) into(o *order) error {
	for parent, members := range n {
		switch parent {
		case "headers":
			if o.Headers != nil {
				return bad(parent, "task.headers and task.headers.<name> do not go together")
			}
			o.Headers = members
		case "retry", "notify":
			at := &o.Retry
			if parent == "notify" {
				at = &o.Notify
			}
			if *at != nil {
				return bad(parent, "task.%s and task.%s.<name> do not go together", parent, parent)
			}
			object := make(map[string]json.RawMessage, len(members))
			for name, value := range members {
				object[name] = valueOf(value, true)
			}
			raw, err := json.Marshal(object)
			if err != nil {
				return bad(parent, "%v", err)
			}
			*at = raw
		}
	}
	return nil
}
