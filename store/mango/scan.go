package mango

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"
)

// The functions here walk JSON that is already known to be valid; on anything else they stop early, but never panic and never loop.

// skipSpace gives the index of the first byte at or after i that is no white space.
func skipSpace(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\t' || b[i] == '\r') {
		i++
	}
	return i
}

// skipString gives the index behind the string whose opening quote is at i.
func skipString(b []byte, i int) int {
	i++
	for i < len(b) {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return len(b)
		}
		end := i + n
		slashes := 0
		for slashes < n && b[end-1-slashes] == '\\' {
			slashes++
		}
		i = end + 1
		if slashes%2 == 0 {
			return i
		}
	}
	return len(b)
}

// skipValue gives the index behind the value that starts at i. It does not recurse, so depth costs nothing.
func skipValue(b []byte, i int) int {
	if i >= len(b) {
		return len(b)
	}
	switch b[i] {
	case '"':
		return skipString(b, i)
	case '{', '[':
		return skipNested(b, i)
	}
	for i < len(b) {
		switch b[i] {
		case ',', '}', ']', ':', ' ', '\n', '\t', '\r':
			return i
		}
		i++
	}
	return len(b)
}

func skipNested(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			i = skipString(b, i)
			continue
		case '{', '[':
			depth++
		case '}', ']':
			depth--
			if depth == 0 {
				return i + 1
			}
		}
		i++
	}
	return len(b)
}

// walker goes through the members of an object or the elements of an array.
type walker struct {
	b []byte
	i int
}

// walk enters the object or array v; ok is false for any other value.
func walk(v []byte, open byte) (walker, bool) {
	i := skipSpace(v, 0)
	if i >= len(v) || v[i] != open {
		return walker{}, false
	}
	return walker{b: v, i: i + 1}, true
}

// member gives the next member: its name as written, with the quotes, and its value.
func (w *walker) member() (name, value []byte, ok bool) {
	i := w.start()
	if i >= len(w.b) || w.b[i] != '"' {
		return nil, nil, false
	}
	end := skipString(w.b, i)
	name = w.b[i:end]
	i = skipSpace(w.b, end)
	if i >= len(w.b) || w.b[i] != ':' {
		return nil, nil, false
	}
	i = skipSpace(w.b, i+1)
	w.i = skipValue(w.b, i)
	return name, w.b[i:w.i], w.i > i && len(name) >= 2
}

// element gives the next element.
func (w *walker) element() ([]byte, bool) {
	i := w.start()
	if i >= len(w.b) || w.b[i] == ']' {
		return nil, false
	}
	w.i = skipValue(w.b, i)
	return w.b[i:w.i], w.i > i
}

// start is where the next member or element begins.
func (w *walker) start() int {
	i := skipSpace(w.b, w.i)
	if i < len(w.b) && w.b[i] == ',' {
		i = skipSpace(w.b, i+1)
	}
	return i
}

// nameIs tells whether a quoted name, as written, stands for want. Escapes make a name longer, never shorter.
func nameIs(quoted []byte, want string) bool {
	inner := quoted[1 : len(quoted)-1]
	if len(inner) < len(want) {
		return false
	}
	if bytes.IndexByte(inner, '\\') < 0 {
		return string(inner) == want
	}
	return string(unquote(quoted)) == want
}

// lookup finds a member of an object by name.
func lookup(object []byte, name string) (value []byte, ok bool) {
	w, ok := walk(object, '{')
	for ok {
		var quoted []byte
		if quoted, value, ok = w.member(); ok && nameIs(quoted, name) {
			return value, true
		}
	}
	return nil, false
}

// elementAt finds an element of an array by position.
func elementAt(array []byte, position int) (value []byte, ok bool) {
	w, ok := walk(array, '[')
	for ; ok && position >= 0; position-- {
		value, ok = w.element()
	}
	return value, ok
}

// kindOf reads the kind of a raw value from its first byte.
func kindOf(raw []byte) kind {
	i := skipSpace(raw, 0)
	if i >= len(raw) {
		return kindNull
	}
	switch raw[i] {
	case 'n':
		return kindNull
	case 'f':
		return kindFalse
	case 't':
		return kindTrue
	case '"':
		return kindString
	case '[':
		return kindArray
	case '{':
		return kindObject
	}
	return kindNumber
}

// unquote gives the text of a quoted JSON string: a part of it where nothing is escaped.
func unquote(quoted []byte) []byte {
	if len(quoted) < 2 {
		return nil
	}
	var dst []byte
	s := quoted[1 : len(quoted)-1]
	for {
		i := bytes.IndexByte(s, '\\')
		if i < 0 || i+1 >= len(s) {
			if dst == nil {
				return s
			}
			return append(dst, s...)
		}
		dst = append(dst, s[:i]...)
		if s[i+1] != 'u' {
			dst = append(dst, unescape(s[i+1]))
			s = s[i+2:]
			continue
		}
		r, size := unescapeUnicode(s[i:])
		dst = utf8.AppendRune(dst, r)
		s = s[i+size:]
	}
}

func unescape(c byte) byte {
	switch c {
	case 'b':
		return '\b'
	case 'f':
		return '\f'
	case 'n':
		return '\n'
	case 'r':
		return '\r'
	case 't':
		return '\t'
	}
	return c
}

// unescapeUnicode reads \uXXXX, or a pair of them, at the start of s.
func unescapeUnicode(s []byte) (r rune, size int) {
	first, ok := hex4(s)
	if !ok {
		return utf8.RuneError, min(len(s), 6)
	}
	if !utf16.IsSurrogate(first) {
		return first, 6
	}
	if second, ok := hex4(s[6:]); ok {
		if r := utf16.DecodeRune(first, second); r != utf8.RuneError {
			return r, 12
		}
	}
	return utf8.RuneError, 6
}

func hex4(s []byte) (rune, bool) {
	if len(s) < 6 || s[0] != '\\' || s[1] != 'u' {
		return 0, false
	}
	var r rune
	for _, c := range s[2:6] {
		switch {
		case c >= '0' && c <= '9':
			c -= '0'
		case c >= 'a' && c <= 'f':
			c -= 'a' - 10
		case c >= 'A' && c <= 'F':
			c -= 'A' - 10
		default:
			return 0, false
		}
		r = r<<4 | rune(c)
	}
	return r, true
}
