package mango

import (
	"bytes"
	"encoding/json"

	"github.com/adlayer/after/store"
)

// kind is what a JSON value is, in the order in which CouchDB collates the kinds.
type kind uint8

const (
	kindNull kind = iota
	kindFalse
	kindTrue
	kindNumber
	kindString
	kindArray
	kindObject
	kindRaw  // JSON in text, passed on as it is; never parsed, never compared
	kindPast // right behind all strings that begin with text; only ever the upper end of a span
)

// maxDepth bounds how deep a request may nest: beyond any use, far below the stack.
const maxDepth = 500

// value is a parsed JSON value that keeps the order of its members. Requests and design documents become values; documents never do.
type value struct {
	kind    kind
	text    string // the text of a string, the literal of a number
	items   []*value
	members []member
}

type member struct {
	name  string
	value *value
}

// parse reads one JSON value. What is none, or nests too deep, is refused as a bad request.
func parse(raw []byte) (*value, error) {
	if !json.Valid(raw) {
		return nil, store.BadRequest("invalid UTF-8 JSON")
	}
	return build(bytes.TrimSpace(raw), 0)
}

func build(raw []byte, depth int) (*value, error) {
	if depth > maxDepth {
		return nil, store.BadRequest("JSON is nested too deeply: more than %d levels", maxDepth)
	}
	v := &value{kind: kindOf(raw)}
	switch v.kind {
	case kindNumber:
		v.text = string(raw)
	case kindString:
		v.text = string(unquote(raw))
	case kindArray:
		return v, v.fillArray(raw, depth)
	case kindObject:
		return v, v.fillObject(raw, depth)
	default:
	}
	return v, nil
}

func (v *value) fillArray(raw []byte, depth int) error {
	w, _ := walk(raw, '[')
	for {
		element, ok := w.element()
		if !ok {
			return nil
		}
		item, err := build(element, depth+1)
		if err != nil {
			return err
		}
		v.items = append(v.items, item)
	}
}

func (v *value) fillObject(raw []byte, depth int) error {
	w, _ := walk(raw, '{')
	for {
		name, text, ok := w.member()
		if !ok {
			return nil
		}
		item, err := build(text, depth+1)
		if err != nil {
			return err
		}
		v.set(string(unquote(name)), item)
	}
}

// get finds a member, nil if there is none.
func (v *value) get(name string) *value {
	if v == nil {
		return nil
	}
	for _, m := range v.members {
		if m.name == name {
			return m.value
		}
	}
	return nil
}

// set replaces a member in its place, or adds it at the end.
func (v *value) set(name string, item *value) {
	for i := range v.members {
		if v.members[i].name == name {
			v.members[i].value = item
			return
		}
	}
	v.members = append(v.members, member{name, item})
}

// drop removes a member and tells whether it was there.
func (v *value) drop(name string) bool {
	for i := range v.members {
		if v.members[i].name == name {
			v.members = append(v.members[:i:i], v.members[i+1:]...)
			return true
		}
	}
	return false
}

func (v *value) isBool() bool { return v.kind == kindTrue || v.kind == kindFalse }

// integer tells whether the value is a number written without fraction and exponent, as CouchDB decides what an integer is.
func (v *value) integer() bool { return v.kind == kindNumber && isInteger([]byte(v.text)) }

func isInteger(literal []byte) bool { return !bytes.ContainsAny(literal, ".eE") }

// appendJSON writes the value compactly.
func (v *value) appendJSON(dst []byte) []byte {
	switch v.kind {
	case kindNull:
		return append(dst, "null"...)
	case kindFalse:
		return append(dst, "false"...)
	case kindTrue:
		return append(dst, "true"...)
	case kindNumber, kindRaw:
		return append(dst, v.text...)
	case kindString:
		return appendString(dst, v.text)
	case kindPast:
		return appendString(dst, v.text+"\uffff")
	case kindArray:
		dst = append(dst, '[')
		for i, item := range v.items {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = item.appendJSON(dst)
		}
		return append(dst, ']')
	default:
	}
	dst = append(dst, '{')
	for i, m := range v.members {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendString(dst, m.name), ':')
		dst = m.value.appendJSON(dst)
	}
	return append(dst, '}')
}

// MarshalJSON writes the value as it was read.
func (v *value) MarshalJSON() ([]byte, error) { return v.appendJSON(nil), nil }

const hexDigits = "0123456789abcdef"

// appendString writes a JSON string: quotes, backslashes and control characters escaped, all else as it is.
func appendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	from := 0
	for i := range len(s) {
		c := s[i]
		if c >= ' ' && c != '"' && c != '\\' {
			continue
		}
		dst = append(dst, s[from:i]...)
		from = i + 1
		if c < ' ' {
			dst = append(dst, '\\', 'u', '0', '0', hexDigits[c>>4], hexDigits[c&15])
		} else {
			dst = append(dst, '\\', c)
		}
	}
	return append(append(dst, s[from:]...), '"')
}

func stringValue(s string) *value { return &value{kind: kindString, text: s} }

func objectValue(name string, item *value) *value {
	return &value{kind: kindObject, members: []member{{name, item}}}
}

func boolValue(b bool) *value {
	if b {
		return &value{kind: kindTrue}
	}
	return &value{kind: kindFalse}
}
