package mango

import (
	"bytes"
	"unicode"
	"unicode/utf8"
)

// beginsWith tells whether text begins with prefix. As in CouchDB, the prefix must end where a character ends that a reader sees: "e" is no beginning
// of an e that a combining accent follows.
func beginsWith(text []byte, prefix string) bool {
	if prefix == "" {
		return true
	}
	rest, ok := bytes.CutPrefix(text, []byte(prefix))
	if !ok || len(rest) == 0 {
		return ok
	}
	last, _ := utf8.DecodeLastRuneInString(prefix)
	next, _ := utf8.DecodeRune(rest)
	return !joined(last, next)
}

// joined tells whether two code points that follow each other belong to one character, by Unicode's rules for grapheme clusters.
func joined(last, next rune) bool {
	switch {
	case next < 0x80:
		return last == '\r' && next == '\n'
	case unicode.Is(unicode.Cc, last):
		return false
	case unicode.In(next, unicode.Mn, unicode.Me, unicode.Mc), next == 0x200c, next == 0x200d: // marks and joiners
		return true
	case next >= 0x1f3fb && next <= 0x1f3ff, next >= 0xe0020 && next <= 0xe007f: // tones of skin, tags
		return true
	case unicode.Is(unicode.Regional_Indicator, next): // a flag is two of them
		return unicode.Is(unicode.Regional_Indicator, last)
	}
	return hangulJoined(last, next)
}

// hangulJoined is joined for the parts of Korean syllables: leading consonants, vowels, trailing consonants.
func hangulJoined(last, next rune) bool {
	syllable := func(r rune) bool { return r >= 0xac00 && r <= 0xd7a3 }
	open := func(r rune) bool { return syllable(r) && (r-0xac00)%28 == 0 } // one without a trailing consonant
	leading := func(r rune) bool { return r >= 0x1100 && r <= 0x115f || r >= 0xa960 && r <= 0xa97c }
	vowel := func(r rune) bool { return r >= 0x1160 && r <= 0x11a7 || r >= 0xd7b0 && r <= 0xd7c6 }
	trailing := func(r rune) bool { return r >= 0x11a8 && r <= 0x11ff || r >= 0xd7cb && r <= 0xd7fb }
	switch {
	case leading(last):
		return leading(next) || vowel(next) || syllable(next)
	case vowel(last), open(last):
		return vowel(next) || trailing(next)
	case trailing(last), syllable(last):
		return trailing(next)
	}
	return false
}
