package mango_test

import (
	"bytes"
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/adlayer/after/store/mango"
)

// TestPrefixNarrowsTheIndex: $beginsWith looks at the rows that begin so, and at no others.
func TestPrefixNarrowsTheIndex(t *testing.T) {
	t.Parallel()
	db := openDatabase(t)
	var docs []string
	for i := range 600 {
		docs = append(docs, fmt.Sprintf(`{"_id":"%c%03d","s":"%c%03d","n":%d}`, 'a'+i%6, i, 'A'+i%6, i, i%7))
	}
	bulk(t, db, docs...)
	serve(t, db, "POST", "_index", `{"index":{"fields":["s","n"]},"ddoc":"i","name":"sn"}`)
	serve(t, db, "POST", "_index", `{"index":{"fields":["n","s"]},"ddoc":"i","name":"ns"}`)
	for _, c := range []struct {
		query             string
		examined, results int
		start, end        string
	}{
		{`{"selector":{"s":{"$beginsWith":"B"},"n":{"$gt":null}},"use_index":["i","sn"],"limit":1000`, 100, 100, `["B",null]`, "[\"B\uffff\",\"<MAX>\"]"},
		{`{"selector":{"s":{"$beginsWith":"B0"},"n":{"$exists":true}},"limit":1000`, 17, 17, `["B0"]`, "[\"B0\uffff\",\"<MAX>\"]"},
		{`{"selector":{"s":{"$beginsWith":"C"},"n":3},"use_index":["i","ns"],"sort":["s"],"limit":1000`, 14, 14, `[3,"C"]`, "[3,\"C\uffff\",\"<MAX>\"]"},
		{`{"selector":{"s":{"$beginsWith":"C","$gte":"C3"},"n":{"$exists":true}},"limit":1000`, 50, 50, `["C3"]`, "[\"C\uffff\",\"<MAX>\"]"},
		{`{"selector":{"s":{"$beginsWith":"C","$lt":"B"},"n":{"$exists":true}},"limit":1000`, 0, 0, "null", "null"},
		{`{"selector":{"_id":{"$beginsWith":"c0"}},"limit":1000`, 17, 17, `"c0"`, "\"c0\uffff\""},
		{`{"selector":{"_id":{"$beginsWith":"c0"}},"sort":[{"_id":"desc"}],"limit":1000`, 17, 17, "\"c0\uffff\"", `"c0"`},
		{`{"selector":{"$or":[{"s":{"$beginsWith":"B"}},{"s":{"$beginsWith":"C"}}],"n":{"$gt":null}},"use_index":["i","ns"],"limit":1000`, 600, 200, `[null]`, `["<MAX>"]`},
		{`{"selector":{"s":{"$not":{"$beginsWith":"B"}},"n":{"$gt":null}},"use_index":["i","ns"],"limit":1000`, 600, 500, `[null]`, `["<MAX>"]`},
	} {
		p := findPage(t, db, c.query+`,"execution_stats":true}`)
		if p.Stats.Docs != c.examined || len(p.Docs) != c.results {
			t.Errorf("%s: %d examined, %d found, want %d, %d", c.query, p.Stats.Docs, len(p.Docs), c.examined, c.results)
		}
		if e := explained(t, db, c.query+"}"); string(e.Range.Start) != c.start || string(e.Range.End) != c.end {
			t.Errorf("%s: from %s to %s", c.query, e.Range.Start, e.Range.End)
		}
	}
}

// TestPrefixes: a prefix ends where a character ends.
func TestPrefixes(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		text, prefix string
		want         bool
	}{
		{"", "", true},
		{"a", "", true},
		{"abc", "ab", true},
		{"abc", "abc", true},
		{"abc", "abcd", false},
		{"Abc", "a", false},
		{"e\u0301x", "e", false},
		{"e\u0301x", "e\u0301", true},
		{"éx", "é", true},
		{"e\u0301\u0302", "e\u0301", false},
		{"a\r\nb", "a\r", false},
		{"a\nb", "a\n", true},
		{"🇩🇪", "🇩", false},
		{"🇩x", "🇩", true},
		{"👍🏽", "👍", false},
		{"👩\u200d💻", "👩", false},
		{"\u1112\u1161\u11ab", "\u1112", false},
		{"한", "한", true},
		{"하\u11ab", "하", false},
		{"\n\u0301", "\n", true},
		{"เก", "เ", true},
	} {
		s, err := mango.Compile([]byte(`{"s":{"$beginsWith":` + quote(c.prefix) + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		if got := s.Match([]byte(`{"s":` + quote(c.text) + `}`)); got != c.want {
			t.Errorf("%q begins with %q: %v", c.text, c.prefix, got)
		}
	}
}

// TestPrefixedTextLiesWithinItsSpan: what begins so is never left out by the part of an index that is looked at.
func TestPrefixedTextLiesWithinItsSpan(t *testing.T) {
	t.Parallel()
	pieces := rapid.SampledFrom([]string{
		"a", "A", "z", "Z", "0", "9", " ", "-", "_", "\x00", "\x01", "\x7f", "é", "e\u0301", "\u0301", "\u0327", "ß", "ﬁ", "Ω", "я", "й", "и\u0306", "ا", "न", "क्ष", "ไ", "ก", "ແ",
		"한", "\u1112", "\u1161", "中", "龍", "𠮷", "𐐀", "😀", "👍🏽", "\u200d", "\ufeff", "\uffff", "\U0010ffff", "\ue000", "ŀ", "l", "·", "ǆ", "Ǆ",
	})
	rapid.Check(t, func(t *rapid.T) {
		prefix := strings.Join(rapid.SliceOfN(pieces, 0, 4).Draw(t, "prefix"), "")
		text := prefix + strings.Join(rapid.SliceOfN(pieces, 0, 4).Draw(t, "rest"), "")
		s, err := mango.Compile([]byte(`{"s":{"$beginsWith":` + quote(prefix) + `}}`))
		if err != nil {
			t.Fatal(err)
		}
		low, high, narrowed := mango.PrefixSpan(prefix)
		if !narrowed || !s.Match([]byte(`{"s":`+quote(text)+`}`)) {
			return
		}
		key := mango.AppendString(nil, text)
		if bytes.Compare(key, low) < 0 || bytes.Compare(key, high) >= 0 {
			t.Fatalf("%q with the key %x lies outside of %x to %x, though it begins with %q", text, key, low, high, prefix)
		}
	})
}
