package mango_test

import (
	"encoding/json"
	"errors"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/mango"
)

// TestPatterns: a $regex means what it means to Perl, byte by byte.
func TestPatterns(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern, subject string
		linear, want     bool
	}{
		{`^a.c$`, "abc", true, true},
		{`^a.c$`, "abc\n", true, true},
		{`^a.c$`, "abc\n\n", true, false},
		{`^a.c\z`, "abc\n", true, false},
		{`a$|b$`, "b\n", true, true},
		{`(a$)`, "xa\n", true, true},
		{`a$\n`, "a\n", false, true},
		{`(?m)^b$`, "a\nb\nc", true, true},
		{`(?m:^b$)`, "a\nb\nc", true, true},
		{`(?m:^a)$`, "a\n", true, true},
		{`(?-m)a$`, "a\nb", true, false},
		{`\s`, "\v", true, true},
		{`[\s]`, "\v", true, true},
		{`[^\S]`, "\v", true, true},
		{`^\S+$`, "é", true, true},
		{`\d`, "٣", true, false},
		{`^\w+$`, "a_9", true, true},
		{`\w`, "é", true, false},
		{`^[\w.]+@[\w-]+$`, "ab.c@d-e", true, true},
		{`^\W$`, "-", true, true},
		{`\bcd\b`, "ab cd ef", true, true},
		{`^.$`, "é", true, false},
		{`^..$`, "é", true, true},
		{`é`, "café", true, true},
		{`^[é]{2}$`, "é", true, true},
		{`\xc3\xa9`, "é", true, true},
		{`\x{e9}`, "é", true, false},
		{`(?i)HELLO`, "say hello", true, true},
		{`a{2,3}`, "aa", true, true},
		{`a{,3}`, "a{,3}", true, true},
		{`a{x`, "a{x", true, true},
		{`[]a]`, "]", true, true},
		{`[^]a]`, "]", true, false},
		{`[a-]`, "-", true, true},
		{`[[:alpha:]]+`, "abc", true, true},
		{`[[:^digit:]]`, "1", true, false},
		{`[[a]`, "[", true, true},
		{`^[[:]+$`, "[:", true, true},
		{`[[:a]`, ":", true, true},
		{`\Qa.b\E+`, "a.bbb", true, true},
		{`\Q.*`, ".*", true, true},
		{`[\Q]\E]`, "]", true, true},
		{`\h\H`, "\tx", true, true},
		{`^\N+$`, "a", true, true},
		{`\Ca`, "\na", true, true},
		{`a\Kb`, "ab", true, true},
		{`\e`, "\x1b", true, true},
		{`[\b]`, "\b", true, true},
		{`(?<y>\d{4})-(?P<m>\d\d)`, "on 2026-11", true, true},
		{`(?'q'a)`, "a", true, true},
		{`(?#note)a`, "a", true, true},
		{`(?:a|b)+`, "ab", true, true},
		{`(?i:a)B`, "AB", true, true},
		{`(?s).`, "\n", true, true},
		{`.`, "\n", true, false},
		{`\pL\p{Lu}`, "aB", true, true},

		{`(?=.*\d)(?=.*[a-z]).{4,}`, "pass1", false, true},
		{`^(?!foo)`, "foobar", false, false},
		{`(?<=\$)\d+`, "cost $42", false, true},
		{`(?<!a)b`, "ab", false, false},
		{`(a+)b\1`, "aabaa", false, true},
		{`^(a+)b\1$`, "aaba", false, false},
		{`(?<q>['"]).*\k<q>`, `say "hi"`, false, true},
		{`(?P<q>['"]).*(?P=q)`, `say "hi'`, false, false},
		{`^(.)(.)\g{-1}\g1$`, "abba", false, true},
		{`^(.)\g{1}$`, "ab", false, false},
		{`(?<n>a)\g{n}`, "aa", false, true},
		{`(?<n>a)\k{n}`, "aa", false, true},
		{`(?<n>a)\k'n'`, "ab", false, false},
		{`a++b`, "aaab", false, true},
		{`a++ab`, "aaab", false, false},
		{`(?:ab)*+ab`, "abab", false, false},
		{`[ab]?+b`, "b", false, false},
		{`é*+x`, "ééx", false, true},
		{`a{1,3}+a`, "aaa", false, false},
		{`(?>a+)ab`, "aaab", false, false},
		{`(?x) a b # words`, "ab", false, true},
		{`^\R$`, "\r\n", false, true},
		{`a\Z`, "a\n", false, true},
		{`\Ga`, "ba", false, false},
		{`(?=a)\w`, "é", false, false},
		{`(?!x)\d`, "٣", false, false},
		{`(?=x)x\b`, "xé", false, true},
		{`(?!x)[[:space:]]`, " ", false, true},
		{`(?=a)a$`, "a\n", false, true},
		{`(?m)(?=b)b$`, "b\nc", false, true},
		{`(a)?b(?(1)c|d)`, "abc", false, true},
		{`^(a)?b(?(1)c|d)$`, "abd", false, false},
		{`a{1,2000}`, "a", false, true},
		{`(?=\D)\W`, "-", false, true},
		{`(?=[^\n])[\v]`, "\f", false, true},
	} {
		matched, linear, ok := mango.Matches(c.pattern, c.subject)
		if !ok || matched != c.want || linear != c.linear {
			t.Errorf("%s on %q: matched %v, linear %v, understood %v", c.pattern, c.subject, matched, linear, ok)
		}
	}
}

func TestBadPatternsAreRefused(t *testing.T) {
	t.Parallel()
	for _, bad := range []string{
		"[", "(", ")", "a)", "*", "+", "?a**", "(?", "(?<", "(?<n", "(?<n>", "(?P>n)", "(?R)", "(?|a)", "(?z)", "(*ACCEPT)", `\`, `a\`, `[\`, `[a`, `[a\]`, "[z-a]", `\x{100}`, `\x{`, `\g`,
		`\g{`, `\g{}`, `\g0`, `\k`, `\k<`, `\k<n>`, `\1`, `(a)\2`, "a{2,1}", "++", "(?#", "(?P=n", "(?P=n)", "[[:nothing:]]", `\p{`, `\p{Nothing}`, "(?=", "(?<=", "(?>", "(?(", "(?'", "(?''a)", "a{1,99999999999}",
		strings.Repeat("(", 251) + strings.Repeat(")", 251), strings.Repeat("a", 65<<10),
	} {
		if _, _, ok := mango.Matches(bad, "a"); ok {
			t.Errorf("%.40q is understood", bad)
		}
	}
	if _, _, ok := mango.Matches(strings.Repeat("(", 250)+strings.Repeat(")", 250), "a"); !ok {
		t.Error("groups within 250 others are refused")
	}
}

// TestPatternThatNeverEndsIsCutOff: a pattern that tries for ever matches nothing, and a query that has many of its kind ends with CouchDB's error.
func TestPatternThatNeverEndsIsCutOff(t *testing.T) {
	t.Parallel()
	db := openDatabase(t)
	subject := strings.Repeat("a", 200)
	bulk(t, db, `{"_id":"a","s":"`+subject+`"}`, `{"_id":"b","s":"`+subject+`"}`, `{"_id":"c","s":"ab"}`)
	query := `{"selector":{"s":{"$regex":"^(?=a)(a|aa)+b$"}}}`
	if p := findPage(t, db, query); len(p.Docs) != 1 || p.Docs[0]["_id"] != "c" {
		t.Errorf("found %v", p.ids())
	}
	err := mango.Finder{Patience: time.Nanosecond}.Serve(t.Context(), db, "POST", "_find", nil, []byte(query), io.Discard)
	if e, ok := errors.AsType[*store.Error](err); !ok || e.Status != 500 || e.Name != "timeout" {
		t.Errorf("without patience: %v", err)
	}
}

// FuzzPattern: no pattern ends the program, whatever it is matched with.
func FuzzPattern(f *testing.F) {
	for _, seed := range []string{`^a(?=b)\1[\d]*+$`, `\Qé\E(?<n>x)\k{n}`, `(?m:[[:alpha:]\]])++`, `(((((`, `\x{e9}\g{-1}`, `[[:]]`} {
		f.Add(seed, "abé\n")
	}
	f.Fuzz(func(_ *testing.T, pattern, subject string) {
		if len(pattern) > 200 || len(subject) > 200 {
			return
		}
		mango.Matches(pattern, subject)
	})
}

// TestPatternsThatAreNotThere: what Perl has and this server has not is said by name; what is no pattern is a bad argument.
func TestPatternsThatAreNotThere(t *testing.T) {
	t.Parallel()
	for pattern, want := range map[string]string{
		`\((?:[^()]|(?R))*\)`: "recursion, (?R)", `(a(?1)?b)`: "recursion, (?R)", `(?<n>a(?&n)?)`: "recursion, (?R)", `(?P<n>a(?P>n)?)`: "recursion, (?R)",
		`(a)(?-1)`: "recursion, (?R)", `(?+1)(a)`: "recursion, (?R)", `(*ACCEPT)a`: "verbs, (*...)", `(*UTF8)a`: "verbs, (*...)", `(?|(a)|(b))`: "branch reset, (?|...)",
		`(`: "", `(?y)a`: "", `a**b)`: "", `a+++`: "", `a(++b)`: "", `a{2}{3}+`: "", `(?-)`: "none", `(?i-s)a`: "none",
	} {
		quoted, err := json.Marshal(pattern)
		if err != nil {
			t.Fatal(err)
		}
		_, err = mango.Compile([]byte(`{"a":{"$regex":` + string(quoted) + `}}`))
		e, _ := errors.AsType[*store.Error](err)
		switch {
		case want == "none":
			if err != nil {
				t.Errorf("%s: %v", pattern, err)
			}
		case e == nil, want == "" && e.Name != "bad_arg", want != "" && (e.Name != "not_supported" || !strings.Contains(e.Reason, "uses "+want+".")):
			t.Errorf("%s: %v", pattern, err)
		}
	}
}
