package mango

import (
	"bytes"
	"unicode/utf16"
	"unicode/utf8"

	"github.com/adlayer/after/internal/jsonscan"
)

// The functions here walk JSON that is already known to be valid; on anything else they stop early, but never panic and never loop.

// walker goes through the members of an object or the elements of an array.
type walker struct {
	b []byte
	i int
}

// walk enters the object or array v; ok is false for any other value.
func walk(v []byte, open byte) (walker, bool) {
	i := jsonscan.Space(v, 0)
	if i >= len(v) || v[i] != open {
		return walker{}, false
	}
	return walker{b: v, i: i + 1}, true
}

// member gives the next member: its name as written, with the quotes, and its value.
func (w *walker) member() (name, value []byte, ok bool) {
	i := w.start()
	end := jsonscan.StringEnd(w.b, i)
	if end < 0 {
		return nil, nil, false
	}
	name = w.b[i:end]
	i = jsonscan.Space(w.b, end)
	if i >= len(w.b) || w.b[i] != ':' {
		return nil, nil, false
	}
	value, ok = w.value(jsonscan.Space(w.b, i+1))
	return name, value, ok
}

// element gives the next element.
func (w *walker) element() ([]byte, bool) {
	return w.value(w.start())
}

// value takes the value that begins at i; ok is false where none does, as at the end.
func (w *walker) value(i int) (value []byte, ok bool) {
	end := jsonscan.ValueEnd(w.b, i)
	if end < 0 {
		return nil, false
	}
	w.i = end
	return w.b[i:end], true
}

// start is where the next member or element begins.
func (w *walker) start() int {
	i := jsonscan.Space(w.b, w.i)
	if i < len(w.b) && w.b[i] == ',' {
		i = jsonscan.Space(w.b, i+1)
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
	i := jsonscan.Space(raw, 0)
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
			dst = append(dst, jsonscan.Unescape(s[i+1]))
			s = s[i+2:]
			continue
		}
		r, size := unescapeUnicode(s[i:])
		dst = utf8.AppendRune(dst, r)
		s = s[i+size:]
	}
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
