package couch

import (
	"errors"

	"github.com/adlayer/after/internal/jsonscan"
)

// errShape is what the walkers say of bytes that are no JSON of the awaited shape.
var errShape = errors.New("not the JSON that was expected")

// Members visits the members of a JSON object in their order, without decoding them: name is what stands between the quotes,
// escapes and all, value the bytes of the value. It reads only as much as it must to find the values' ends, so it is no check
// of the JSON; bytes that are certainly no object are an error. visit returns false to stop early.
func Members(object []byte, visit func(name, value []byte) bool) error {
	i := jsonscan.Space(object, 0)
	if i >= len(object) || object[i] != '{' {
		return errShape
	}
	i = jsonscan.Space(object, i+1)
	if i < len(object) && object[i] == '}' {
		return atEnd(object, i+1)
	}
	for {
		end := jsonscan.StringEnd(object, i)
		if end < 0 {
			return errShape
		}
		name := object[i+1 : end-1]
		i = jsonscan.Space(object, end)
		if i >= len(object) || object[i] != ':' {
			return errShape
		}
		i = jsonscan.Space(object, i+1)
		end = jsonscan.ValueEnd(object, i)
		if end < 0 {
			return errShape
		}
		if !visit(name, object[i:end]) {
			return nil
		}
		i = jsonscan.Space(object, end)
		if i >= len(object) {
			return errShape
		}
		switch object[i] {
		case '}':
			return atEnd(object, i+1)
		case ',':
			i = jsonscan.Space(object, i+1)
		default:
			return errShape
		}
	}
}

// Elements visits the elements of a JSON array in their order, in the manner of [Members].
func Elements(array []byte, visit func(value []byte) bool) error {
	i := jsonscan.Space(array, 0)
	if i >= len(array) || array[i] != '[' {
		return errShape
	}
	i = jsonscan.Space(array, i+1)
	if i < len(array) && array[i] == ']' {
		return atEnd(array, i+1)
	}
	for {
		end := jsonscan.ValueEnd(array, i)
		if end < 0 {
			return errShape
		}
		if !visit(array[i:end]) {
			return nil
		}
		i = jsonscan.Space(array, end)
		if i >= len(array) {
			return errShape
		}
		switch array[i] {
		case ']':
			return atEnd(array, i+1)
		case ',':
			i = jsonscan.Space(array, i+1)
		default:
			return errShape
		}
	}
}

func atEnd(raw []byte, i int) error {
	if jsonscan.Space(raw, i) != len(raw) {
		return errShape
	}
	return nil
}
