// Package jsonscan finds where the parts of JSON text begin and end, without decoding them.
//
// It is no check: what it steps over may hold any nonsense. It reads only as much as it must to find an end, never panics, and does not
// recurse, so that depth costs nothing.
package jsonscan

import "bytes"

// Space gives the index of the first byte at or after i that is no white space; len(b) where there is none.
func Space(b []byte, i int) int {
	for i < len(b) && (b[i] == ' ' || b[i] == '\n' || b[i] == '\r' || b[i] == '\t') {
		i++
	}
	return i
}

// StringEnd gives the index behind the string whose opening quote is at i; -1 where no string begins there, or none ends.
func StringEnd(b []byte, i int) int {
	if i >= len(b) || b[i] != '"' {
		return -1
	}
	i++
	for {
		n := bytes.IndexByte(b[i:], '"')
		if n < 0 {
			return -1
		}
		i += n + 1
		slashes := 0
		for j := i - 2; b[j] == '\\'; j-- { // ends at the opening quote at the latest
			slashes++
		}
		if slashes%2 == 0 {
			return i
		}
	}
}

// ValueEnd gives the index behind the value that begins at i; -1 where none begins there, or none ends. A number or a word ends where
// anything else begins, and with the text.
func ValueEnd(b []byte, i int) int {
	if i >= len(b) {
		return -1
	}
	switch b[i] {
	case '"':
		return StringEnd(b, i)
	case '{', '[':
		return nestedEnd(b, i)
	}
	for start := i; i < len(b); i++ {
		switch b[i] {
		case ',', '}', ']', ':', '{', '[', '"', ' ', '\n', '\r', '\t':
			if i == start {
				return -1
			}
			return i
		}
	}
	return i
}

func nestedEnd(b []byte, i int) int {
	depth := 0
	for i < len(b) {
		switch b[i] {
		case '"':
			if i = StringEnd(b, i); i < 0 {
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

// Unescape gives the character that a backslash and c stand for in a string; c is not u.
func Unescape(c byte) byte {
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
