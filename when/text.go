package when

import (
	"encoding/json"
	"strconv"
	"strings"
	"unicode/utf8"
)

// kind is the JSON type of a raw value, told from its first byte.
type kind int

const (
	kindNothing kind = iota // no bytes, or null
	kindString
	kindNumber
	kindObject
	kindOther
)

func kindOf(raw []byte) kind {
	if len(raw) == 0 || string(raw) == "null" {
		return kindNothing
	}
	switch c := raw[0]; {
	case c == '"':
		return kindString
	case c == '{':
		return kindObject
	case c == '-' || c >= '0' && c <= '9':
		return kindNumber
	}
	return kindOther
}

// unquote reads a JSON string; the plain ones, nearly all, without the detour over encoding/json.
func unquote(raw []byte) (string, error) {
	if len(raw) >= 2 && raw[0] == '"' && raw[len(raw)-1] == '"' {
		plain := true
		for _, c := range raw[1 : len(raw)-1] {
			plain = plain && c >= ' ' && c < utf8.RuneSelf && c != '"' && c != '\\'
		}
		if plain {
			return string(raw[1 : len(raw)-1]), nil
		}
	}
	var text string
	err := json.Unmarshal(raw, &text)
	return text, err
}

func isDigits(text string) bool {
	for i := range len(text) {
		if text[i] < '0' || text[i] > '9' {
			return false
		}
	}
	return text != ""
}

// atoi reads a few digits that isDigits has seen.
func atoi(digits string) int {
	n := 0
	for i := range len(digits) {
		n = n*10 + int(digits[i]-'0')
	}
	return n
}

// shownOf is how many bytes of a text an error shows.
const shownOf = 80

// quote shows text in an error, cut where somebody put a book in, and again where it is little but escapes.
func quote(text string) string {
	shown := strconv.Quote(shorten(text))
	if len(shown) > 2*shownOf {
		shown = strconv.Quote(clip(text, shownOf/4))
	}
	return shown
}

func shorten(text string) string { return clip(text, shownOf) }

func clip(text string, length int) string {
	if len(text) <= length {
		return text
	}
	return strings.ToValidUTF8(text[:length], "") + "…"
}
