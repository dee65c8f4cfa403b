package task

import (
	"encoding/json"
	"errors"
	"fmt"
)

// WithField gives the task with one top-level field of the document set to a JSON value, or without it where value is nil, as if
// it were read anew from that document. The other fields stay as they are.
func (t *Task) WithField(key string, value json.RawMessage) (*Task, error) {
	if value != nil && !json.Valid(value) {
		return nil, fmt.Errorf("setting the field %q: the value is no JSON", key)
	}
	if key == "" {
		return nil, errors.New("setting a field: it has no name")
	}
	whole := *t
	if t.dirty != 0 {
		again, err := Decode(t.Encode())
		if err != nil {
			return nil, fmt.Errorf("setting the field %q: %w", key, err)
		}
		whole = *again
	}
	next, err := Decode(whole.spliced(key, value))
	if err != nil {
		return nil, fmt.Errorf("setting the field %q: %w", key, err)
	}
	return next, nil
}

// spliced gives the raw document with one field set or left out, in its place where it has one.
func (t *Task) spliced(key string, value json.RawMessage) []byte {
	b := append(make([]byte, 0, len(t.raw)+len(key)+len(value)+8), '{')
	put := func() {
		if value != nil {
			b = append(appendText(comma(b), key), ':')
			b = append(b, value...)
			value = nil
		}
	}
	for _, s := range t.spans {
		if text, _ := unquote(t.raw[s.key:s.keyEnd]); string(text) == key {
			put()
			continue
		}
		b = append(comma(b), t.raw[s.key:s.keyEnd]...)
		b = append(b, ':')
		b = append(b, t.raw[s.value:s.end]...)
	}
	put()
	return append(b, '}')
}
