package store

import (
	"bytes"
	"math"
	"strconv"
	"unicode/utf8"
)

// maxDepth bounds the nesting of arrays and objects in a body.
const maxDepth = 2000

// scanner checks JSON and copies it in canonical form: no space between tokens, escapes only where needed, numbers as CouchDB prints them.
// What is canonical already is copied in long runs.
type scanner struct {
	in    []byte
	pos   int
	run   int // in[run:pos] is read and still to be copied
	out   []byte
	depth int
}

func (s *scanner) flush() {
	s.out = append(s.out, s.in[s.run:s.pos]...)
	s.run = s.pos
}

// drop forgets the bytes from the run's start to pos.
func (s *scanner) drop() { s.run = s.pos }

// space skips white space and keeps it out of the copy.
func (s *scanner) space() {
	if s.pos >= len(s.in) || s.in[s.pos] > ' ' {
		return
	}
	s.flush()
	for s.pos < len(s.in) {
		switch s.in[s.pos] {
		case ' ', '\t', '\n', '\r':
			s.pos++
			continue
		}
		break
	}
	s.drop()
}

func (s *scanner) peek() byte {
	if s.pos < len(s.in) {
		return s.in[s.pos]
	}
	return 0
}

// expect takes one given byte, after white space.
func (s *scanner) expect(c byte) error {
	s.space()
	if s.pos >= len(s.in) || s.in[s.pos] != c {
		return badJSON()
	}
	s.pos++
	return nil
}

// value takes any value, after white space.
func (s *scanner) value() error {
	s.space()
	switch c := s.peek(); c {
	case '"':
		return s.str()
	case '{':
		return s.object()
	case '[':
		return s.array()
	case 't':
		return s.literal("true")
	case 'f':
		return s.literal("false")
	case 'n':
		return s.literal("null")
	default:
		return s.number()
	}
}

func (s *scanner) literal(word string) error {
	if len(s.in)-s.pos < len(word) || string(s.in[s.pos:s.pos+len(word)]) != word {
		return badJSON()
	}
	s.pos += len(word)
	return nil
}

func (s *scanner) enter() error {
	s.pos++
	s.depth++
	if s.depth > maxDepth {
		return BadRequest("JSON is nested too deeply: more than %d levels", maxDepth)
	}
	s.space()
	return nil
}

func (s *scanner) object() error {
	if err := s.enter(); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.pos++
		s.depth--
		return nil
	}
	for {
		s.space()
		if err := s.str(); err != nil {
			return err
		}
		if err := s.expect(':'); err != nil {
			return err
		}
		if err := s.value(); err != nil {
			return err
		}
		if done, err := s.next('}'); done || err != nil {
			return err
		}
	}
}

func (s *scanner) array() error {
	if err := s.enter(); err != nil {
		return err
	}
	if s.peek() == ']' {
		s.pos++
		s.depth--
		return nil
	}
	for {
		if err := s.value(); err != nil {
			return err
		}
		if done, err := s.next(']'); done || err != nil {
			return err
		}
	}
}

// next takes a comma, or the closing byte.
func (s *scanner) next(closing byte) (bool, error) {
	s.space()
	switch s.peek() {
	case ',':
		s.pos++
		return false, nil
	case closing:
		s.pos++
		s.depth--
		return true, nil
	}
	return false, badJSON()
}

// plain marks the bytes that stand for themselves in a string.
var plain = func() (t [256]bool) { //nolint:gochecknoglobals // a constant table
	for c := 0x20; c < 0x80; c++ {
		t[c] = c != '"' && c != '\\'
	}
	return t
}()

func (s *scanner) str() error {
	if s.peek() != '"' {
		return badJSON()
	}
	in, i := s.in, s.pos+1
	for {
		for i < len(in) && plain[in[i]] {
			i++
		}
		if i >= len(in) {
			return badJSON()
		}
		switch c := in[i]; {
		case c == '"':
			s.pos = i + 1
			return nil
		case c == '\\':
			s.pos = i
			if err := s.escape(); err != nil {
				return err
			}
			i = s.pos
		case c < 0x20:
			return badJSON()
		default:
			r, n := utf8.DecodeRune(in[i:])
			if r == utf8.RuneError && n == 1 {
				return badJSON()
			}
			i += n
		}
	}
}

// escape takes one escape sequence at pos and writes it in canonical form.
func (s *scanner) escape() error {
	if s.pos+1 >= len(s.in) {
		return badJSON()
	}
	switch s.in[s.pos+1] {
	case '"', '\\', 'b', 'f', 'n', 'r', 't':
		s.pos += 2
		return nil
	case '/':
		s.flush()
		s.out = append(s.out, '/')
		s.pos += 2
		s.drop()
		return nil
	case 'u':
		return s.unicode()
	}
	return badJSON()
}

func (s *scanner) unicode() error {
	s.flush()
	r, err := s.hex4()
	if err != nil {
		return err
	}
	switch {
	case r >= 0xD800 && r < 0xDC00:
		if s.pos+1 >= len(s.in) || s.in[s.pos] != '\\' || s.in[s.pos+1] != 'u' {
			return badJSON()
		}
		low, err := s.hex4()
		if err != nil || low < 0xDC00 || low > 0xDFFF {
			return badJSON()
		}
		r = 0x10000 + (r-0xD800)<<10 + (low - 0xDC00)
	case r >= 0xDC00 && r <= 0xDFFF:
		return badJSON()
	}
	s.out = appendRune(s.out, r)
	s.drop()
	return nil
}

// hex4 takes \uXXXX.
func (s *scanner) hex4() (rune, error) {
	if len(s.in)-s.pos < 6 {
		return 0, badJSON()
	}
	var r rune
	for _, c := range s.in[s.pos+2 : s.pos+6] {
		d := hexDigit(c)
		if d > 15 {
			return 0, badJSON()
		}
		r = r<<4 | rune(d)
	}
	s.pos += 6
	return r, nil
}

// appendRune adds a character of a string, escaped where it must be.
func appendRune(dst []byte, r rune) []byte {
	const digits = "0123456789ABCDEF"
	switch r {
	case '"', '\\':
		return append(dst, '\\', byte(r))
	case '\b':
		return append(dst, '\\', 'b')
	case '\f':
		return append(dst, '\\', 'f')
	case '\n':
		return append(dst, '\\', 'n')
	case '\r':
		return append(dst, '\\', 'r')
	case '\t':
		return append(dst, '\\', 't')
	}
	if r < 0x20 {
		return append(dst, '\\', 'u', '0', '0', digits[r>>4], digits[r&15])
	}
	return utf8.AppendRune(dst, r)
}

// AppendString adds s to dst as a JSON string. Invalid UTF-8 becomes U+FFFD.
func AppendString(dst []byte, s string) []byte {
	dst = append(dst, '"')
	for i := 0; i < len(s); {
		start := i
		for i < len(s) && plain[s[i]] {
			i++
		}
		dst = append(dst, s[start:i]...)
		if i == len(s) {
			break
		}
		r, n := utf8.DecodeRuneInString(s[i:])
		dst = appendRune(dst, r)
		i += n
	}
	return append(dst, '"')
}

func (s *scanner) digits() bool {
	start := s.pos
	for s.pos < len(s.in) && s.in[s.pos] >= '0' && s.in[s.pos] <= '9' {
		s.pos++
	}
	return s.pos > start
}

func (s *scanner) number() error {
	start := s.pos
	if s.peek() == '-' {
		s.pos++
	}
	lead := s.pos
	if !s.digits() || (s.in[lead] == '0' && s.pos > lead+1) {
		return badJSON()
	}
	float := false
	if s.peek() == '.' {
		s.pos++
		float = true
		if !s.digits() {
			return badJSON()
		}
	}
	if c := s.peek(); c == 'e' || c == 'E' {
		s.pos++
		float = true
		if c := s.peek(); c == '+' || c == '-' {
			s.pos++
		}
		if !s.digits() {
			return badJSON()
		}
	}
	text := s.in[start:s.pos]
	if !float && !bytes.Equal(text, []byte("-0")) {
		return nil
	}
	return s.rewriteNumber(start, text)
}

// rewriteNumber prints a float, or minus zero, as CouchDB does.
func (s *scanner) rewriteNumber(start int, text []byte) error {
	end := s.pos
	s.pos = start
	s.flush()
	s.pos = end
	s.drop()
	if len(text) == 2 && text[0] == '-' && text[1] == '0' {
		s.out = append(s.out, '0')
		return nil
	}
	f, err := strconv.ParseFloat(string(text), 64)
	if err != nil && math.IsInf(f, 0) {
		return badJSON()
	}
	s.out = appendFloat(s.out, f)
	return nil
}

// appendFloat prints the shortest form that reads back, in the notation CouchDB uses: a fraction up to 21 digits, then an exponent with sign.
func appendFloat(dst []byte, f float64) []byte {
	abs := math.Abs(f)
	if abs < math.SmallestNonzeroFloat64*(1<<52) { // subnormal numbers read as zero
		return append(dst, "0.0"...)
	}
	if abs >= 1e-6 && abs < 1e21 {
		start := len(dst)
		dst = strconv.AppendFloat(dst, f, 'f', -1, 64)
		if !bytes.ContainsRune(dst[start:], '.') {
			dst = append(dst, '.', '0')
		}
		return dst
	}
	start := len(dst)
	dst = strconv.AppendFloat(dst, f, 'e', -1, 64)
	// Go prints at least two digits of exponent: e-07; CouchDB prints e-7.
	if e := bytes.IndexByte(dst[start:], 'e'); e >= 0 {
		at := start + e + 2
		if len(dst)-at == 2 && dst[at] == '0' {
			dst = append(dst[:at], dst[at+1])
		}
	}
	return dst
}

// Canonical checks that raw is one JSON value and returns it in canonical form. The error is a 400.
func Canonical(raw []byte) ([]byte, error) {
	s := scanner{in: raw, out: make([]byte, 0, len(raw))}
	if err := s.value(); err != nil {
		return nil, err
	}
	s.space()
	if s.pos != len(s.in) {
		return nil, badJSON()
	}
	s.flush()
	return s.out, nil
}
