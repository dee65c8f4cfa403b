package task

import (
	"bytes"
	"errors"
	"fmt"
)

var errEnds = errors.New("it ends too early")

// skipValue gives the index after the JSON value that starts at i, checking its grammar. It does not recurse, so that
// no depth of nesting can exhaust the stack: what is open is one bit a level.
func skipValue(b []byte, i int) (int, error) {
	var open nesting
	for {
		var complete bool
		var err error
		if i, complete, err = enter(b, skipSpace(b, i), &open); err != nil {
			return i, err
		}
		if !complete {
			continue
		}
		if i, complete, err = leave(b, i, &open); err != nil || complete {
			return i, err
		}
	}
}

// nesting holds which of the open levels are objects.
type nesting struct {
	shallow uint64 // the first 64 levels, which spare nearly all documents an allocation
	deep    []uint64
	depth   int
}

// level gives the word and the bit of a level.
func (n *nesting) level(depth int) (word *uint64, bit uint64) {
	bit = uint64(1) << (depth % 64)
	if depth < 64 {
		return &n.shallow, bit
	}
	return &n.deep[depth/64-1], bit
}

func (n *nesting) push(object bool) {
	if n.depth/64 > len(n.deep) {
		n.deep = append(n.deep, 0)
	}
	word, bit := n.level(n.depth)
	if object {
		*word |= bit
	} else {
		*word &^= bit
	}
	n.depth++
}

func (n *nesting) inObject() bool {
	word, bit := n.level(n.depth - 1)
	return *word&bit != 0
}

// enter steps over a scalar or an empty object or array (complete), or into one that is not empty.
func enter(b []byte, i int, open *nesting) (next int, complete bool, err error) {
	if i >= len(b) {
		return i, false, errEnds
	}
	switch b[i] {
	case '{':
		i = skipSpace(b, i+1)
		if i < len(b) && b[i] == '}' {
			return i + 1, true, nil
		}
		open.push(true)
		i, err = skipKey(b, i)
		return i, false, err
	case '[':
		i = skipSpace(b, i+1)
		if i < len(b) && b[i] == ']' {
			return i + 1, true, nil
		}
		open.push(false)
		return i, false, nil
	case '"':
		i, err = skipString(b, i)
	case 't':
		i, err = skipLiteral(b, i, "true")
	case 'f':
		i, err = skipLiteral(b, i, "false")
	case 'n':
		i, err = skipLiteral(b, i, "null")
	default:
		i, err = skipNumber(b, i)
	}
	return i, true, err
}

// leave closes what ends after a value; complete is true when nothing is open any more, else another value follows.
func leave(b []byte, i int, open *nesting) (next int, complete bool, err error) {
	for open.depth > 0 {
		if i = skipSpace(b, i); i >= len(b) {
			return i, false, errEnds
		}
		object := open.inObject()
		switch {
		case b[i] == ',' && object:
			i, err = skipKey(b, skipSpace(b, i+1))
			return i, false, err
		case b[i] == ',':
			return i + 1, false, nil
		case b[i] == '}' && object, b[i] == ']' && !object:
			open.depth--
			i++
		default:
			return i, false, unexpected(b, i)
		}
	}
	return i, true, nil
}

// skipKey gives the index after the key at i and its colon.
func skipKey(b []byte, i int) (int, error) {
	if i >= len(b) {
		return i, errEnds
	}
	if b[i] != '"' {
		return i, unexpected(b, i)
	}
	i, err := skipString(b, i)
	if err != nil {
		return i, err
	}
	if i = skipSpace(b, i); i >= len(b) {
		return i, errEnds
	}
	if b[i] != ':' {
		return i, unexpected(b, i)
	}
	return i + 1, nil
}

func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString gives the index after the string that starts at i.
func skipString(b []byte, i int) (int, error) {
	for i++; i < len(b); i++ {
		switch c := b[i]; {
		case c == '"':
			return i + 1, nil
		case c == '\\':
			n, err := skipEscape(b, i)
			if err != nil {
				return i, err
			}
			i = n - 1
		case c < ' ':
			return i, unexpected(b, i)
		}
	}
	return i, errEnds
}

func skipEscape(b []byte, i int) (int, error) {
	if i++; i >= len(b) {
		return i, errEnds
	}
	if b[i] != 'u' {
		if bytes.IndexByte([]byte(`"\/bfnrt`), b[i]) < 0 {
			return i, unexpected(b, i)
		}
		return i + 1, nil
	}
	for range 4 {
		if i++; i >= len(b) {
			return i, errEnds
		}
		if c := b[i] | 0x20; (b[i] < '0' || b[i] > '9') && (c < 'a' || c > 'f') {
			return i, unexpected(b, i)
		}
	}
	return i + 1, nil
}

func skipLiteral(b []byte, i int, word string) (int, error) {
	if len(b)-i < len(word) || string(b[i:i+len(word)]) != word {
		return i, unexpected(b, i)
	}
	return i + len(word), nil
}

func skipNumber(b []byte, i int) (int, error) {
	if i < len(b) && b[i] == '-' {
		i++
	}
	first := i
	i, err := skipDigits(b, i)
	if err != nil {
		return i, err
	}
	if b[first] == '0' && i > first+1 {
		return first, unexpected(b, first)
	}
	if i < len(b) && b[i] == '.' {
		if i, err = skipDigits(b, i+1); err != nil {
			return i, err
		}
	}
	if i < len(b) && (b[i] == 'e' || b[i] == 'E') {
		if i++; i < len(b) && (b[i] == '+' || b[i] == '-') {
			i++
		}
		return skipDigits(b, i)
	}
	return i, nil
}

func skipDigits(b []byte, i int) (int, error) {
	start := i
	for i < len(b) && b[i] >= '0' && b[i] <= '9' {
		i++
	}
	switch {
	case i > start:
		return i, nil
	case i >= len(b):
		return i, errEnds
	}
	return i, unexpected(b, i)
}

func unexpected(b []byte, i int) error {
	return fmt.Errorf("unexpected %q at byte %d", b[i], i)
}

// WorkerOf gives the text of the top-level field "worker" of a document without decoding anything: the test by which rows of
// others are skipped. It is nil where there is none, where it is no string, and where raw is no JSON object up to that field. The
// result points into raw unless the text has escapes.
func WorkerOf(raw []byte) []byte {
	i := skipSpace(raw, 0)
	if i >= len(raw) || raw[i] != '{' {
		return nil
	}
	for i++; ; i++ {
		start := skipSpace(raw, i)
		colon, err := skipKey(raw, start)
		if err != nil {
			return nil
		}
		value := skipSpace(raw, colon)
		if i, err = skipValue(raw, value); err != nil {
			return nil
		}
		if name := raw[start:colon]; bytes.HasPrefix(name, []byte(`"worker"`)) || bytes.IndexByte(name, '\\') >= 0 && isWorkerKey(name) {
			text, ok := unquote(raw[value:i])
			if !ok {
				return nil
			}
			return text
		}
		if i = skipSpace(raw, i); i >= len(raw) || raw[i] != ',' {
			return nil
		}
	}
}

// isWorkerKey reads a key that is written with escapes; name ends with its colon.
func isWorkerKey(name []byte) bool {
	end, err := skipString(name, 0)
	if err != nil {
		return false
	}
	text, _ := unquote(name[:end])
	return string(text) == "worker"
}
