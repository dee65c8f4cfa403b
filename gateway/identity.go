package gateway

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"

	"github.com/adlayer/after/client"
)

// mostKey is how long an Idempotency-Key may be.
const mostKey = 255

// identify gives an order the id that its key stands for, the same for the same caller each time, so that the database refuses the second
// of two posts, however close they are. An id that the order names itself goes before it.
func (o *order) identify(who *caller, key string) error {
	switch {
	case len(key) > mostKey:
		return bad("Idempotency-Key", "the key is longer than %d bytes", mostKey)
	case key == "" || o.ID != "":
		return nil
	}
	sum := sha256.Sum256([]byte(who.name + "\x00" + key))
	o.ID = "post-" + hex.EncodeToString(sum[:16])
	return nil
}

// unwritten is why the task of an order was not written, as far as the server has told.
func (o *order) unwritten(err error, id string) error {
	if err == nil || o.ID != "" {
		return err
	}
	return &unnamedError{err, "the task " + id}
}

// content is what an order says, as far as another one under its id has to say the same.
func (o *order) content(a *arguments) (client.Content, error) {
	params := a.Body
	for _, form := range []map[string][]string{a.Form, a.Query} {
		if form != nil {
			params, _ = json.Marshal(form) //nolint:errchkjson // texts have no error
		}
	}
	headers, err := json.Marshal(a.Headers)
	if err != nil {
		return nil, err
	}
	tags, err := json.Marshal(o.Tags)
	if err != nil {
		return nil, err
	}
	content := client.Content{
		"url": []byte(a.URL), "method": []byte(a.Method), "worker": []byte(o.Worker), "params": params, "headers": headers,
		"countdown": o.Countdown, "eta": o.ETA, "repeat": o.Repeat, "timezone": []byte(o.Timezone), "retry": o.Retry, "timeout": []byte(o.Timeout),
		"notify": o.Notify, "expect": o.Expect, "limit": []byte(a.Limit), "codes": a.Codes, "tags": tags, "callback": a.Callback,
	}
	if a.Body != nil {
		content["format"] = []byte(jsonFormat)
	}
	if o.raw != nil && o.raw.body.size > 0 {
		content["body"] = o.raw.body.sum
	}
	return content, nil
}

func conflict(field, format string, arguments ...any) error {
	e, _ := bad(field, format, arguments...).(*refusal) //nolint:errorlint // it is made just here
	e.status, e.Name = http.StatusConflict, "conflict"
	return e
}

// fields are those of the document that are not the task's own.
func (x *exchange) fields(o *order, a *arguments) (map[string]json.RawMessage, error) {
	content, err := o.content(a)
	if err != nil {
		return nil, err
	}
	note, err := x.tasks.Posted(o.ID, x.who.name, content)
	if err != nil {
		return nil, err
	}
	fields := map[string]json.RawMessage{client.PostedField: note}
	if o.raw != nil && o.raw.body.size > 0 {
		fields["_attachments"] = o.raw.body.attachment()
	}
	maps.DeleteFunc(fields, func(_ string, value json.RawMessage) bool { return value == nil })
	return fields, checkExtras(o, fields)
}
