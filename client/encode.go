package client

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"unicode/utf8"

	jsonv2 "github.com/go-json-experiment/json"
	"github.com/go-json-experiment/json/jsontext"
	jsonv1 "github.com/go-json-experiment/json/v1"
)

// encode gives the value of a field as JSON; nil for nothing. Texts that are no UTF-8 are refused: JSON would hold them as others.
func encode(field string, value any) (json.RawMessage, error) {
	raw, err := json.Marshal(value)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", field, err)
	}
	if string(raw) == "null" {
		return nil, nil
	}
	return raw, textsWithin(field, value, raw)
}

// textsWithin refuses a value with texts in it that are no UTF-8; raw is what was made of it. Where nothing in that stands for what was replaced, as nearly always,
// a look at it is enough.
func textsWithin(field string, value any, raw []byte) error {
	if utf8.Valid(raw) && !bytes.Contains(raw, []byte(`\ufffd`)) && !bytes.ContainsRune(raw, utf8.RuneError) {
		return nil
	}
	_, err := jsonv2.Marshal(value, jsonv1.DefaultOptionsV1(), jsonv1.ReportErrorsWithLegacySemantics(false), jsontext.AllowInvalidUTF8(false))
	var at jsontext.Pointer
	if e, ok := errors.AsType[*jsonv2.SemanticError](err); ok {
		at = e.JSONPointer
	} else if e, ok := errors.AsType[*jsontext.SyntacticError](err); ok {
		at = e.JSONPointer
	} else {
		return nil // that is how the value spells it
	}
	path := append([]string{field}, slices.Collect(at.Tokens())...)
	return fmt.Errorf("%s is no valid UTF-8", strings.Join(path, "."))
}
