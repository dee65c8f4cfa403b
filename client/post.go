package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"

	"github.com/go-json-experiment/json/jsontext"
	"github.com/tidwall/gjson"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// PostedField is the field of a document that says when the task was posted and by whom, and what of, so that the same can be posted again.
const PostedField = "posted"

// Content is what a post says, by the fields of the queue's JSON form: what makes two posts under one id the same.
type Content map[string][]byte

// posted is the field as it is written.
type posted struct {
	At     string            `json:"at"`
	By     string            `json:"by,omitempty"`
	Fields map[string]string `json:"fields,omitempty"` // a fingerprint of each field's content
}

// Posted gives the field [PostedField] for a task that is posted now. Without an id nobody can post it again, and nothing is kept of its content.
func (c *Client) Posted(id, by string, content Content) (json.RawMessage, error) {
	p := posted{At: when.Format(c.now()), By: by}
	if id != "" {
		p.Fields = make(map[string]string, len(content))
		for name, value := range content {
			if len(value) > 0 && string(value) != "null" {
				p.Fields[name] = printOf(id, name, value)
			}
		}
	}
	return json.Marshal(p)
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
	return hex.EncodeToString(h.Sum(nil)[:8])
}

// DiffersError is a conflict: under the id of a post stands another one, or a document that was not posted with it.
type DiffersError struct {
	ID     string
	Fields []string // in which they differ, in the spelling of the queue's JSON form, sorted; none where it was not posted
}

// Error names the fields.
func (e *DiffersError) Error() string {
	if len(e.Fields) == 0 {
		return fmt.Sprintf("a document with the id %s is there, and it was not posted with that id: choose another one", e.ID)
	}
	return fmt.Sprintf("the task %s was posted with other content: %s", e.ID, strings.Join(e.Fields, ", "))
}

// Unwrap gives it as the [couch.Error] that other conflicts are.
func (e *DiffersError) Unwrap() error {
	return &couch.Error{Op: "posting task " + e.ID, Status: http.StatusConflict, Name: "conflict", Reason: e.Error()}
}

// Body is an attachment that comes with a post: the task's _attachments name it as one that follows.
type Body struct {
	Open   func() io.Reader // reads it from its beginning; it may be asked several times
	Length int64
}

// Post writes a task that has [PostedField], as [Client.Prepare] makes it of a Spec with that field. Where its id is taken by the same
// post, the task is the one that is there, and again is true; anything else there is a [DiffersError].
// A body, where there is one, is written with the task in one request: there is none without the other.
func (c *Client) Post(ctx context.Context, t *task.Task, body *Body) (written *task.Task, again bool, err error) {
	const tries = 4
	for range tries {
		var rev string
		if body == nil {
			rev, err = c.db.Put(ctx, t.ID, t.Encode())
		} else {
			rev, err = c.db.PutAttached(ctx, t.ID, t.Encode(), body.Open, body.Length)
		}
		if err == nil {
			return t.WithRev(rev), false, nil
		}
		if !couch.IsConflict(err) || printsIn(t) == nil {
			return nil, false, err
		}
		if written, err = c.Already(ctx, t); !couch.IsNotFound(err) {
			return written, err == nil, err
		}
		// It was deleted in between.
	}
	return nil, false, err
}

// Already reads the task that has the id of another, which must be the same post. Its errors are those of [Client.Post].
func (c *Client) Already(ctx context.Context, t *task.Task) (*task.Task, error) {
	there, err := c.Get(ctx, t.ID)
	if err != nil {
		return nil, err
	}
	return there, SamePost(t, there)
}

// SamePost says why a post is another one than that which stands under its id. Its errors are those of [Client.Post].
func SamePost(t, there *task.Task) error {
	was, is := printsIn(there), printsIn(t)
	if was == nil {
		return &DiffersError{ID: t.ID}
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
	return &DiffersError{t.ID, differs}
}

func printsIn(t *task.Task) map[string]string {
	fields := gjson.GetBytes(t.Encode(), PostedField+".fields")
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
