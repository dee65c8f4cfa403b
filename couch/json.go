package couch

import (
	"bytes"
	"errors"
)

// errShape is what the walkers say of bytes that are no JSON of the awaited shape.
var errShape = errors.New("not the JSON that was expected")

// Members visits the members of a JSON object in their order, without decoding them: name is what stands between the quotes,
// escapes and all, value the bytes of the value. It reads only as much as it must to find the values' ends, so it is no check
// of the JSON; bytes that are certainly no object are an error. visit returns false to stop early.
func Members(object []byte, visit func(name, value []byte) bool) error {
	i := skipSpace(object, 0)
	if i >= len(object) || object[i] != '{' {
		return errShape
	}
	i = skipSpace(object, i+1)
	if i < len(object) && object[i] == '}' {
		return atEnd(object, i+1)
	}
	for {
		end := stringEnd(object, i)
		if end < 0 {
			return errShape
		}
		name := object[i+1 : end-1]
		i = skipSpace(object, end)
		if i >= len(object) || object[i] != ':' {
			return errShape
		}
		i = skipSpace(object, i+1)
		end = valueEnd(object, i)
		if end < 0 {
			return errShape
		}
		if !visit(name, object[i:end]) {
			return nil
		}
		i = skipSpace(object, end)
		if i >= len(object) {
			return errShape
		}
		switch object[i] {
		case '}':
			return atEnd(object, i+1)
		case ',':
			i = skipSpace(object, i+1)
		default:
			return errShape
		}
	}
}

// Elements visits the elements of a JSON array in their order, in the manner of [Members].
func Elements(array []byte, visit func(value []byte) bool) error {
	i := skipSpace(array, 0)
	if i >= len(array) || array[i] != '[' {
		return errShape
	}
	i = skipSpace(array, i+1)
	if i < len(array) && array[i] == ']' {
		return atEnd(array, i+1)
	}
	for {
		end := valueEnd(array, i)
		if end < 0 {
			return errShape
		}
		if !visit(array[i:end]) {
			return nil
		}
		i = skipSpace(array, end)
		if i >= len(array) {
			return errShape
		}
		switch array[i] {
		case ']':
			return atEnd(array, i+1)
		case ',':
			i = skipSpace(array, i+1)
		default:
			return errShape
		}
	}
}

func atEnd(raw []byte, i int) error {
	if skipSpace(raw, i) != len(raw) {
		return errShape
	}
	return nil
}

func skipSpace(raw []byte, i int) int {
	for i < len(raw) && (raw[i] == ' ' || raw[i] == '\n' || raw[i] == '\r' || raw[i] == '\t') {
		i++
	}
	return i
}

// stringEnd is the index after the string that begins at i; -1 where none does.
func stringEnd(raw []byte, i int) int {
	if i >= len(raw) || raw[i] != '"' {
		return -1
	}
	i++
	for {
		n := bytes.IndexByte(raw[i:], '"')
		if n < 0 {
			return -1
		}
		i += n + 1
		escapes := 0
		for j := i - 2; raw[j] == '\\'; j-- { // ends at the opening quote at the latest
			escapes++
		}
		if escapes%2 == 0 {
			return i
		}
	}
}

// valueEnd is the index after the value that begins at i; -1 where none does.
func valueEnd(raw []byte, i int) int {
	if i >= len(raw) {
		return -1
	}
	switch raw[i] {
	case '"':
		return stringEnd(raw, i)
	case '{', '[':
		return nestedEnd(raw, i)
	}
	start := i
	for i < len(raw) {
		switch raw[i] {
		case ',', '}', ']', ':', '{', '[', '"', ' ', '\n', '\r', '\t':
			if i == start {
				return -1
			}
			return i
		}
		i++
	}
	return i
}

func nestedEnd(raw []byte, i int) int {
	depth := 0
	for i < len(raw) {
		switch raw[i] {
		case '"':
			if i = stringEnd(raw, i); i < 0 {
				return -1
			}
			continue
		case '{', '[':
			depth++
		case '}', ']':
			if depth--; depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return -1
}
