package gateway

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"maps"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/gjson"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
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

// postedField has what the gateway keeps in a document: when it was posted and by whom, and what of where it can be posted again.
const postedField = "posted"

type posted struct {
	At     string            `json:"at"`
	By     string            `json:"by,omitempty"`
	Fields map[string]string `json:"fields,omitempty"` // a fingerprint of each field's content
}

// prints are fingerprints of what an order says, by its fields.
func (o *order) prints(a *arguments) (map[string]string, error) {
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
	content := map[string][]byte{
		"url": []byte(a.URL), "method": []byte(a.Method), "worker": []byte(o.Worker), "params": params, "headers": headers,
		"countdown": o.Countdown, "eta": o.ETA, "repeat": o.Repeat, "timezone": []byte(o.Timezone), "retry": o.Retry, "timeout": []byte(o.Timeout),
		"notify": o.Notify, "expect": o.Expect, "limit": []byte(a.Limit), "codes": a.Codes, "tags": tags,
	}
	if a.Body != nil {
		content["format"] = []byte(jsonFormat)
	}
	if a.Callback {
		content["callback"] = []byte("true")
	}
	if o.raw != nil {
		content["body"] = o.raw.body
	}
	prints := make(map[string]string, len(content))
	for name, value := range content {
		if len(value) > 0 && string(value) != "null" {
			prints[name] = printOf(o.ID, name, value)
		}
	}
	return prints, nil
}

// printOf is the fingerprint of a field's content; JSON counts as the value that it is.
func printOf(id, name string, content []byte) string {
	if c := content[0]; c == '{' || c == '[' {
		canonical := jsontext.Value(bytes.Clone(content))
		if canonical.Canonicalize() == nil {
			content = canonical
		}
	}
	h := sha256.New()
	_, _ = h.Write([]byte(id + "\x00" + name + "\x00"))
	_, _ = h.Write(content)
	return hexed(h.Sum(nil)[:8])
}

// write writes the task of an order. Where the order has an id, and this is the same post again, the task is the one that is there, and
// again is true.
func (x *exchange) write(ctx context.Context, t *task.Task, o *order) (written *task.Task, again bool, err error) {
	const tries = 4
	for range tries {
		var rev string
		if rev, err = x.db.Put(ctx, t.ID, t.Encode()); err == nil {
			return t.WithRev(rev), false, nil
		}
		if couch.IsNotFound(err) {
			return nil, false, noDatabase(x.opts.Database)
		}
		if !couch.IsConflict(err) || o.ID == "" {
			return nil, false, err
		}
		if written, err = x.already(ctx, t); !couch.IsNotFound(err) {
			return written, err == nil, err
		}
		// It was deleted in between.
	}
	return nil, false, err
}

// already reads the task that is there under the id of another, which must be the same post.
func (x *exchange) already(ctx context.Context, t *task.Task) (*task.Task, error) {
	there, err := x.tasks.Get(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	return there, samePost(t, there)
}

func samePost(t, there *task.Task) error {
	was, is := printsIn(there), printsIn(t)
	if was == nil {
		return conflict("id", nil, "a document with the id %s is there, and it was not posted here with that id: choose another one", t.ID)
	}
	var differs []string
	for name := range is {
		if was[name] != is[name] {
			differs = append(differs, name)
		}
	}
	for name := range was {
		if is[name] == "" {
			differs = append(differs, name)
		}
	}
	if len(differs) == 0 {
		return nil
	}
	slices.Sort(differs)
	return conflict(differs[0], differs, "the task %s was posted with other content: %s", t.ID, strings.Join(differs, ", "))
}

func printsIn(t *task.Task) map[string]string {
	fields := gjson.GetBytes(t.Encode(), postedField+".fields")
	if !fields.IsObject() {
		return nil
	}
	prints := map[string]string{}
	fields.ForEach(func(name, value gjson.Result) bool {
		prints[name.Str] = value.Str
		return true
	})
	return prints
}

func conflict(field string, differs []string, format string, arguments ...any) error {
	e, _ := bad(field, format, arguments...).(*refusal) //nolint:errorlint // it is made just here
	e.status, e.Name, e.Differs = http.StatusConflict, "conflict", differs
	return e
}

// fields are those of the document that are not the task's own.
func (x *exchange) fields(o *order, a *arguments) (map[string]json.RawMessage, error) {
	p := posted{At: when.Format(x.now), By: x.who.name}
	if o.ID != "" {
		var err error
		if p.Fields, err = o.prints(a); err != nil {
			return nil, err
		}
	}
	note, err := json.Marshal(p)
	if err != nil {
		return nil, err
	}
	fields := map[string]json.RawMessage{postedField: note}
	if o.raw != nil && len(o.raw.body) > 0 {
		fields["_attachments"] = o.raw.attachment()
	}
	maps.DeleteFunc(fields, func(_ string, value json.RawMessage) bool { return value == nil })
	return fields, checkExtras(o, fields)
}
