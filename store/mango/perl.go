package mango

import (
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"
)

// Classes as Perl's engine has them for bytes, as the inside of a bracket; the second of each pair is its complement.
var perlClasses = map[byte]string{ //nolint:gochecknoglobals // a constant table
	'd': `0-9`, 'D': `\x00-/:-\xff`,
	'w': `0-9A-Z_a-z`, 'W': `\x00-/:-@\[-\^` + "`" + `{-\xff`,
	's': `\t-\r `, 'S': `\x00-\x08\x0e-\x1f!-\xff`,
	'h': `\t \xa0`, 'H': `\x00-\x08\x0a-\x1f!-\x9f\xa1-\xff`,
	'v': `\n-\r\x85`, 'V': `\x00-\x09\x0e-\x84\x86-\xff`,
	'N': `\x00-\x09\x0b-\xff`,
	'C': `\x00-\xff`,
}

const (
	wordBoundary   = `(?:(?<=[0-9A-Z_a-z])(?![0-9A-Z_a-z])|(?<![0-9A-Z_a-z])(?=[0-9A-Z_a-z]))`
	noWordBoundary = `(?:(?<=[0-9A-Z_a-z])(?=[0-9A-Z_a-z])|(?<![0-9A-Z_a-z])(?![0-9A-Z_a-z]))`
)

// perl rewrites a pattern for an engine that differs in some of what it understands.
type perl struct {
	in     string
	at     int
	second bool // for the engine that backtracks; the other one is asked first
	lines  bool // $ means the end of a line here

	out    []byte // each byte of the pattern as the character of its number
	atom   int    // where the last atom begins in out; -1 where there is nothing to repeat
	open   []perlGroup
	groups int    // that capture
	bad    bool   // the engine cannot be told, or the pattern is none
	lacks  string // what Perl has and no engine here, where the pattern needs it
}

// perlGroup is a group whose end has not come yet.
type perlGroup struct {
	begin int  // in out
	lines bool // as it was before
}

// translate gives a pattern as an engine wants it; ok is false if the engine does not have what the pattern says, and lacks names what none has.
func translate(pattern string, second bool) (expression, lacks string, ok bool) {
	p := &perl{in: pattern, second: second, atom: -1}
	for p.at < len(p.in) && !p.bad {
		p.step()
	}
	return string(p.out), p.lacks, !p.bad
}

// without gives the pattern up: it needs what there is not here.
func (p *perl) without(what string) { p.bad, p.lacks = true, what }

// needs tells the other engine off.
func (p *perl) needs() { p.bad = p.bad || !p.second }

func (p *perl) begins(prefix string) bool { return strings.HasPrefix(p.in[p.at:], prefix) }

// copy takes n bytes over as they are.
func (p *perl) copy(n int) {
	for _, c := range []byte(p.in[p.at : p.at+n]) {
		p.out = utf8.AppendRune(p.out, rune(c))
	}
	p.at += n
}

// put writes an atom in place of n bytes.
func (p *perl) put(n int, text string) {
	p.atom = len(p.out)
	p.out = append(p.out, text...)
	p.at += n
}

func (p *perl) step() {
	switch c := p.in[p.at]; c {
	case '\\':
		p.escape()
	case '[':
		p.class()
	case '(':
		p.group()
	case ')':
		if len(p.open) == 0 {
			p.bad = true
			return
		}
		p.atom, p.lines = p.open[len(p.open)-1].begin, p.open[len(p.open)-1].lines
		p.open = p.open[:len(p.open)-1]
		p.copy(1)
	case '*', '+', '?', '{':
		p.quantifier()
	case '$':
		p.end()
	default:
		p.atom = len(p.out)
		p.copy(1)
	}
}

// end is a $: the end, or before a line feed at the end.
func (p *perl) end() {
	rest := p.in[p.at+1:]
	switch {
	case p.lines:
		p.put(1, "$")
	case p.second:
		p.put(1, `(?=\n?\z)`)
	case rest == "" || rest[0] == ')' || rest[0] == '|':
		p.put(1, `(?:\n?\z)`)
	default:
		p.bad = true
	}
}

// quantifier takes a repetition; a plus behind it makes it keep what it has.
func (p *perl) quantifier() {
	n := 1
	if p.in[p.at] == '{' {
		if n = countEnd(p.in[p.at:]); n == 0 {
			p.put(1, `\{`)
			return
		}
	}
	atom := p.atom
	if atom < 0 {
		p.bad = true
		return
	}
	p.copy(n)
	p.atom = -1 // a repetition is not repeated
	switch {
	case p.begins("?"):
		p.copy(1)
	case p.begins("+"):
		p.needs()
		p.at++
		p.out = append(slices.Insert(p.out, atom, []byte("(?>")...), ')')
	}
}

// countEnd gives the length of {n}, {n,} or {n,m}; 0 for anything else, which stands for itself.
func countEnd(text string) int {
	n := 1 + digits(text[1:])
	if n == 1 {
		return 0
	}
	if strings.HasPrefix(text[n:], ",") {
		n += 1 + digits(text[n+1:])
	}
	if !strings.HasPrefix(text[n:], "}") {
		return 0
	}
	return n + 1
}

// digits counts those that a text begins with.
func digits(text string) int { return len(text) - len(strings.TrimLeft(text, "0123456789")) }

// group takes what opens a group, or the whole of one that has nothing within.
func (p *perl) group() {
	switch {
	case p.begins("(*"):
		p.without("verbs, (*...)")
		return
	case len(p.open) >= maxNesting:
		p.bad = true
		return
	}
	p.open = append(p.open, perlGroup{len(p.out), p.lines})
	if !p.begins("(?#") {
		p.atom = -1
	}
	if !p.begins("(?") {
		p.groups++
		p.copy(1)
		return
	}
	kind := p.in[p.at+2:]
	switch {
	case strings.HasPrefix(kind, ":"):
		p.copy(3)
	case strings.HasPrefix(kind, "#"):
		p.open = p.open[:len(p.open)-1]
		if n := strings.IndexByte(kind, ')'); n >= 0 {
			p.at += n + 3
		} else {
			p.bad = true
		}
	case strings.HasPrefix(kind, "P<"), strings.HasPrefix(kind, "<") && !strings.HasPrefix(kind, "<=") && !strings.HasPrefix(kind, "<!"),
		strings.HasPrefix(kind, "'"):
		p.name(kind)
	case strings.HasPrefix(kind, "P="):
		p.open = p.open[:len(p.open)-1]
		p.reference(4, ')', `\k<`)
	case strings.HasPrefix(kind, "="), strings.HasPrefix(kind, "!"), strings.HasPrefix(kind, ">"), strings.HasPrefix(kind, "("):
		p.needs()
		p.copy(3 - btoi(kind[0] == '('))
	case strings.HasPrefix(kind, "<"):
		p.needs()
		p.copy(4)
	default:
		p.flags(kind)
	}
}

func btoi(b bool) int {
	if b {
		return 1
	}
	return 0
}

// name takes the name of a group that captures.
func (p *perl) name(kind string) {
	kind = strings.TrimPrefix(kind, "P")
	closing := byte('>')
	if kind[0] == '\'' {
		closing = '\''
	}
	end := strings.IndexByte(kind[1:], closing)
	if end < 1 {
		p.bad = true
		return
	}
	p.groups++
	p.at = len(p.in) - len(kind) + end + 2
	p.out = append(p.out, "(?P<"+kind[1:end+1]+">"...)
}

// flags takes (?i) and (?i:.
func (p *perl) flags(kind string) {
	switch {
	case strings.HasPrefix(kind, "|"):
		p.without("branch reset, (?|...)")
		return
	case recursion(kind):
		p.without("recursion, (?R)")
		return
	}
	end := strings.IndexAny(kind, "):")
	if end < 0 || strings.Trim(kind[:end], "imsxU-") != "" {
		p.bad = true
		return
	}
	on, off, _ := strings.Cut(kind[:end], "-")
	p.lines = (p.lines || strings.Contains(on, "m")) && !strings.Contains(off, "m")
	if strings.Contains(kind[:end], "x") {
		p.needs()
	}
	if kind[end] == ')' {
		p.open = p.open[:len(p.open)-1]
	}
	p.copy(2 + end + 1)
}

// recursion tells of what stands behind (? whether it calls the pattern, or a group of it, by R, number or name.
func recursion(kind string) bool {
	if strings.HasPrefix(kind, "&") || strings.HasPrefix(kind, "P>") {
		return true
	}
	group, _, closed := strings.Cut(kind, ")")
	return closed && (group == "R" || strings.Trim(strings.TrimLeft(group, "+-"), "0123456789") == "" && strings.ContainsAny(group, "0123456789"))
}

// reference writes a back reference by name; n bytes stand before the name.
func (p *perl) reference(n int, closing byte, before string) {
	p.needs()
	rest := p.in[min(p.at+n, len(p.in)):]
	end := strings.IndexByte(rest, closing)
	if end < 1 {
		p.bad = true
		return
	}
	p.put(n+end+1, before+rest[:end]+">")
}

// escape takes what begins with a backslash, outside of brackets.
func (p *perl) escape() {
	if p.at+1 >= len(p.in) {
		p.bad = true
		return
	}
	c := p.in[p.at+1]
	if class, ok := perlClasses[c]; ok {
		p.put(2, "["+class+"]")
		return
	}
	switch {
	case c == 'Q':
		p.quoted()
	case c == 'E', c == 'K': // where the match begins is of no interest
		p.at += 2
	case c == 'b' && p.second:
		p.put(2, wordBoundary)
	case c == 'B' && p.second:
		p.put(2, noWordBoundary)
	case c == 'R':
		p.needs()
		p.put(2, `(?>\r\n|[\n-\r\x85])`)
	case c == 'Z':
		p.needs()
		p.put(2, `(?=\n?\z)`)
	case c == 'G':
		p.needs()
		p.put(2, `\A`)
	case c >= '1' && c <= '9':
		p.needs()
		p.atom = len(p.out)
		p.copy(2)
	case c == 'g', c == 'k':
		p.backReference(c)
	default:
		p.character(true)
	}
}

// backReference takes \g1, \g{1}, \g{-1}, \g{name}, \k{name}, \k<name> and \k'name'.
func (p *perl) backReference(c byte) {
	rest := p.in[p.at+2:]
	if c == 'g' && rest != "" && rest[0] != '{' {
		n := len(rest) - len(strings.TrimLeft(rest, "-0123456789"))
		p.number(rest[:n], 2+n)
		return
	}
	closing, ok := map[string]byte{"{": '}', "<": '>', "'": '\''}[rest[:min(1, len(rest))]]
	end := strings.IndexByte(rest[min(1, len(rest)):], closing) + 1
	if !ok || end < 2 {
		p.bad = true
		return
	}
	if name := rest[1:end]; c == 'g' && strings.Trim(name, "-0123456789") == "" {
		p.number(name, 2+end+1)
		return
	}
	p.reference(3, closing, `\k<`)
}

// number writes a back reference by number; a negative one counts back from here.
func (p *perl) number(text string, n int) {
	p.needs()
	group, err := strconv.Atoi(text)
	if group < 0 {
		group += p.groups + 1
	}
	if err != nil || group < 1 {
		p.bad = true
		return
	}
	p.put(n, `(?:\`+strconv.Itoa(group)+`)`)
}

// quoted takes \Q...\E.
func (p *perl) quoted() {
	text, _, _ := strings.Cut(p.in[p.at+2:], `\E`)
	p.at += 2
	for range len(text) {
		p.atom = len(p.out)
		p.out = append(p.out, quotedByte(p.in[p.at])...)
		p.at++
	}
}

// quotedByte writes a byte so that it stands for itself.
func quotedByte(c byte) string {
	if c >= '0' && c <= '9' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' {
		return string(rune(c))
	}
	return `\x` + strconv.FormatUint(uint64(c)+0x100, 16)[1:]
}

// character takes an escaped character, alone or within brackets.
func (p *perl) character(atom bool) {
	if atom {
		p.atom = len(p.out)
	}
	rest := p.in[p.at+1:]
	switch c := rest[0]; {
	case strings.HasPrefix(rest, "x{"):
		end := strings.IndexByte(rest, '}')
		n, err := strconv.ParseUint(rest[2:max(end, 2)], 16, 8)
		if err != nil {
			p.bad = true
			return
		}
		p.out = append(p.out, `\x`+strconv.FormatUint(n+0x100, 16)[1:]...)
		p.at += end + 2
	case c == 'e':
		p.out = append(p.out, `\x1b`...)
		p.at += 2
	case c == 'p' || c == 'P':
		end := 2
		if strings.HasPrefix(rest[1:], "{") {
			end = strings.IndexByte(rest, '}') + 1
		}
		if end < 2 || end > len(rest) {
			p.bad = true
			return
		}
		p.copy(1 + end)
	default:
		if c == 'c' {
			p.needs()
		}
		p.copy(2)
	}
}

// class takes a whole class in brackets.
func (p *perl) class() {
	p.atom = len(p.out)
	p.copy(1)
	if p.begins("^") {
		p.copy(1)
	}
	if p.begins("]") {
		p.at++
		p.out = append(p.out, `\]`...)
	}
	for p.at < len(p.in) && !p.bad {
		switch c := p.in[p.at]; c {
		case ']':
			p.copy(1)
			return
		case '[':
			p.named()
		case '\\':
			p.classEscape()
		default:
			p.copy(1)
		}
	}
	p.bad = true
}

// named takes [:alpha:] within brackets, or a bracket that stands for itself.
func (p *perl) named() {
	if p.begins("[:") {
		rest := p.in[p.at+2:]
		if name := len(rest) - len(strings.TrimLeft(rest, "^abcdefghijklmnopqrstuvwxyz")); strings.HasPrefix(rest[name:], ":]") {
			p.copy(2 + name + 2)
			return
		}
	}
	p.at++
	p.out = append(p.out, `\[`...)
}

func (p *perl) classEscape() {
	if p.at+1 >= len(p.in) {
		p.bad = true
		return
	}
	c := p.in[p.at+1]
	if class, ok := perlClasses[c]; ok && c != 'N' && c != 'C' {
		p.out = append(p.out, class...)
		p.at += 2
		return
	}
	switch c {
	case 'b':
		p.out = append(p.out, `\x08`...)
		p.at += 2
	case 'Q':
		text, _, _ := strings.Cut(p.in[p.at+2:], `\E`)
		p.at += 2
		for range len(text) {
			p.out = append(p.out, quotedByte(p.in[p.at])...)
			p.at++
		}
	case 'E':
		p.at += 2
	default:
		p.character(false)
	}
}
