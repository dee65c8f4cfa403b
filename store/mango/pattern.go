package mango

import (
	"fmt"
	"regexp"
	"sync/atomic"
	"time"

	"github.com/dlclark/regexp2/v2"
)

const (
	// maxPattern and maxNesting bound a $regex about as CouchDB's engine does.
	maxPattern = 64 << 10
	maxNesting = 250
	// matchLimit is how long one match may take where a pattern needs an engine that tries one way after the other. As in CouchDB, one that takes
	// longer is none.
	matchLimit = 100 * time.Millisecond
)

// pattern is a compiled $regex. Like CouchDB's, it matches bytes, not characters: each byte of pattern and subject stands as one character.
type pattern struct {
	linear *regexp.Regexp  // takes time in proportion to the subject; nil for patterns that it does not understand
	second *regexp2.Regexp // knows what Perl knows
	wasted *atomic.Int64   // by matches of second that were cut off
}

// compilePattern reads a pattern of Perl's kind; ok is false if it is none, or one that needs what lacks names.
func compilePattern(text string) (p pattern, lacks string, ok bool) {
	if len(text) > maxPattern {
		return p, "", false
	}
	if expression, _, ok := translate(text, false); ok {
		if linear, err := regexp.Compile(expression); err == nil {
			return pattern{linear: linear}, "", true
		}
	}
	expression, lacks, ok := translate(text, true)
	if !ok {
		return p, lacks, false
	}
	second, err := regexp2.Compile(expression, regexp2.RE2, regexp2.OptionMaintainCaptureOrder())
	if err != nil {
		return p, "", false
	}
	second.MatchTimeout = matchLimit
	return pattern{second: second, wasted: new(atomic.Int64)}, "", true
}

func (p *pattern) match(subject []byte) bool {
	if p.linear != nil {
		return p.linear.Match(latin1(subject))
	}
	runes := make([]rune, len(subject))
	for i, c := range subject {
		runes[i] = rune(c)
	}
	begin := time.Now()
	matched, err := p.second.MatchRunes(runes)
	if err != nil {
		p.wasted.Add(int64(time.Since(begin)))
	}
	return matched && err == nil
}

// wasted is how long matches of the selector's patterns took that were cut off.
func (n *node) wasted() time.Duration {
	var total time.Duration
	if n.pattern.wasted != nil {
		total = time.Duration(n.pattern.wasted.Load())
	}
	for _, sub := range n.subs {
		total += sub.wasted()
	}
	return total
}

// slow tells whether the selector has a pattern whose matches may be cut off.
func (n *node) slow() bool {
	if n.pattern.second != nil {
		return true
	}
	for _, sub := range n.subs {
		if sub.slow() {
			return true
		}
	}
	return false
}

// latin1 writes each byte as the character of its number. ASCII stays as it is.
func latin1(text []byte) []byte {
	for i, c := range text {
		if c >= 0x80 {
			wide := append(make([]byte, 0, 2*len(text)), text[:i]...)
			for _, c := range text[i:] {
				wide = append(wide, string(rune(c))...)
			}
			return wide
		}
	}
	return text
}

// Pattern compiles an expression of Perl's kind, as $regex has it, for uses elsewhere. A match that takes too long is none.
func Pattern(text string) (matches func(subject string) bool, err error) {
	p, lacks, ok := compilePattern(text)
	switch {
	case lacks != "":
		return nil, fmt.Errorf("the expression %q has %s, which is not supported", text, lacks)
	case !ok:
		return nil, fmt.Errorf("%q is no regular expression", text)
	}
	return func(subject string) bool { return p.match([]byte(subject)) }, nil
}
