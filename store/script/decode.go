package script

import (
	"bytes"
	"encoding/json"
	"strconv"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/dop251/goja"

	"github.com/adlayer/after/internal/jsonscan"
)

// decoder makes values of the interpreter from JSON that is known to be well formed, several times as fast as the interpreter's own
// JSON.parse, which reads token by token. Lone surrogates are kept.
type decoder struct {
	vm  *goja.Runtime
	raw []byte
	at  int
}

// decode reads one value. What is cut off or trails is an error.
func decode(vm *goja.Runtime, raw []byte) (value goja.Value, err error) {
	if !json.Valid(raw) {
		return nil, &FunctionError{nameProtocol, "an argument is no JSON"}
	}
	d := decoder{vm: vm, raw: raw}
	return d.value()
}

// peek gives the next byte that is no white space.
func (d *decoder) peek() byte {
	for {
		switch c := d.raw[d.at]; c {
		case ' ', '\t', '\r', '\n':
			d.at++
		default:
			return c
		}
	}
}

func (d *decoder) value() (goja.Value, error) {
	switch c := d.peek(); c {
	case '{':
		return d.object()
	case '[':
		return d.array()
	case '"':
		return d.text()
	case 't':
		d.at += len("true")
		return d.vm.ToValue(true), nil
	case 'f':
		d.at += len("false")
		return d.vm.ToValue(false), nil
	case 'n':
		d.at += len("null")
		return goja.Null(), nil
	}
	return d.number(), nil
}

func (d *decoder) object() (goja.Value, error) {
	object := d.vm.NewObject()
	d.at++
	for d.peek() != '}' {
		raw := d.rawString()
		d.peek()
		d.at++ // the colon
		value, err := d.value()
		if err != nil {
			return nil, err
		}
		if err := setMember(object, raw, value); err != nil {
			return nil, err
		}
		if d.peek() == ',' {
			d.at++
		}
	}
	d.at++
	return object, nil
}

// setMember gives object a member of its own.
func setMember(object *goja.Object, raw []byte, value goja.Value) error {
	name, err := unquote(raw)
	if err != nil {
		return err
	}
	if name == "__proto__" { // to set it would be something else
		return object.DefineDataProperty(name, value, goja.FLAG_TRUE, goja.FLAG_TRUE, goja.FLAG_TRUE)
	}
	return object.Set(name, value)
}

func (d *decoder) array() (goja.Value, error) {
	var values []any
	d.at++
	for d.peek() != ']' {
		value, err := d.value()
		if err != nil {
			return nil, err
		}
		values = append(values, value)
		if d.peek() == ',' {
			d.at++
		}
	}
	d.at++
	return d.vm.NewArray(values...), nil
}

// rawString takes a string with its quotes.
func (d *decoder) rawString() []byte {
	start := d.at
	for d.at++; d.raw[d.at] != '"'; d.at++ {
		if d.raw[d.at] == '\\' {
			d.at++
		}
	}
	d.at++
	return d.raw[start:d.at]
}

func (d *decoder) text() (goja.Value, error) {
	raw := d.rawString()
	if bytes.Contains(raw, []byte(`\u`)) {
		return goja.StringFromUTF16(unescape(raw)), nil
	}
	text, err := unquote(raw)
	if err != nil {
		return nil, err
	}
	return d.vm.ToValue(text), nil
}

// unquote reads a string without regard to lone surrogates.
func unquote(raw []byte) (string, error) {
	if bytes.IndexByte(raw, '\\') < 0 && utf8.Valid(raw) {
		return string(raw[1 : len(raw)-1]), nil
	}
	var text string
	err := json.Unmarshal(raw, &text)
	return text, err
}

// unescape gives the units of a string's UTF-16.
func unescape(raw []byte) []uint16 {
	units := make([]uint16, 0, len(raw))
	for rest := raw[1 : len(raw)-1]; len(rest) > 0; {
		if rest[0] == '\\' && rest[1] == 'u' {
			unit, _ := strconv.ParseUint(string(rest[2:6]), 16, 16) // it is well formed
			units = append(units, uint16(unit))
			rest = rest[6:]
			continue
		}
		if rest[0] == '\\' {
			units = append(units, uint16(jsonscan.Unescape(rest[1])))
			rest = rest[2:]
			continue
		}
		r, size := utf8.DecodeRune(rest)
		units = utf16.AppendRune(units, r)
		rest = rest[size:]
	}
	return units
}

func (d *decoder) number() goja.Value {
	start := d.at
	for d.at < len(d.raw) && bytes.IndexByte([]byte("+-.0123456789eE"), d.raw[d.at]) >= 0 {
		d.at++
	}
	text := string(d.raw[start:d.at])
	if n, err := strconv.ParseInt(text, 10, 53); err == nil && text != "-0" {
		return d.vm.ToValue(n)
	}
	number, _ := strconv.ParseFloat(text, 64) // one out of range is infinite
	return d.vm.ToValue(number)
}
