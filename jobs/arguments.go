package jobs

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"reflect"
	"strings"
)

// decode reads arguments; its errors say that the document is invalid: it would give them again.
func decode(raw json.RawMessage, into any, strict bool) error {
	if len(raw) > 0 && !bytes.Equal(bytes.TrimSpace(raw), []byte("null")) {
		decoder := json.NewDecoder(bytes.NewReader(raw))
		if strict {
			decoder.DisallowUnknownFields()
		}
		if err := decoder.Decode(into); err != nil {
			return Invalid(explain(err))
		}
		if _, err := decoder.Token(); !errors.Is(err, io.EOF) {
			return Invalid(errors.New("arguments: more than one JSON value"))
		}
	}
	if v, ok := into.(interface{ Validate() error }); ok {
		if err := v.Validate(); err != nil {
			return Invalid(fmt.Errorf("arguments: %w", err))
		}
	}
	return nil
}

// explain turns an error of the decoder into words for whoever wrote the task.
func explain(err error) error {
	if wrong, ok := errors.AsType[*json.UnmarshalTypeError](err); ok {
		field := "arguments"
		if wrong.Field != "" {
			field += "." + wrong.Field
		}
		value, number, _ := strings.Cut(wrong.Value, " ")
		if number != "" {
			value = number
		}
		return fmt.Errorf("%s: %s found, %s wanted", field, value, shape(wrong.Type))
	}
	if name, ok := strings.CutPrefix(err.Error(), "json: unknown field "); ok {
		return fmt.Errorf("arguments: the job knows no %s", name)
	}
	return fmt.Errorf("arguments: %w", err)
}

// shape names a Go type in the words of JSON.
func shape(t reflect.Type) string {
	switch t.Kind() {
	case reflect.Bool:
		return "true or false"
	case reflect.Int, reflect.Int8, reflect.Int16, reflect.Int32, reflect.Int64:
		return fmt.Sprintf("a whole number of %d bits", t.Bits())
	case reflect.Uint, reflect.Uint8, reflect.Uint16, reflect.Uint32, reflect.Uint64:
		return fmt.Sprintf("a whole number from 0 of %d bits", t.Bits())
	case reflect.Float32, reflect.Float64:
		return "a number"
	case reflect.String:
		return "a string"
	case reflect.Slice, reflect.Array:
		return "an array"
	case reflect.Struct, reflect.Map:
		return "an object"
	case reflect.Pointer:
		return shape(t.Elem())
	default:
		return t.String()
	}
}
