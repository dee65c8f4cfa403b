package store_test

import (
	"bytes"
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/adlayer/after/store"
)

func TestCanonical(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		` { "a" : [ 1 , 2 ] } `: `{"a":[1,2]}`,
		`{"f":1.0,"e":1e3,"e2":1E+2,"neg":-0,"negf":-0.0,"small":1e-7}`: `{"f":1.0,"e":1000.0,"e2":100.0,"neg":0,"negf":0.0,"small":1e-7}`,
		`[12345678901234567890123456789,1.7976931348623157e308,5e-324]`: `[12345678901234567890123456789,1.7976931348623157e+308,0.0]`,
		`"\u00e9\/\n\ud83d\ude00\u0000\u007f"`:                          "\"é/\\n😀\\u0000\u007f\"",
		`true`:                                                          `true`, `{}`: `{}`, `[]`: `[]`, `{"":{}}`: `{"":{}}`,
	} {
		got, err := store.Canonical([]byte(in))
		if err != nil || string(got) != want {
			t.Errorf("%s: got %s, %v, want %s", in, got, err, want)
		}
	}
	for _, in := range []string{
		``, ` `, `{`, `{"a"}`, `{"a":1,}`, `[1,]`, `01`, `+1`, `.5`, `1.`, `1e`, `NaN`, `'a'`, "\"\t\"", `"\x"`, `"\ud800"`, `"\udc00x"`, `1e400`,
		"\"\xff\"", "\"\xed\xa0\x80\"", `{} x`, "\ufeff{}", `{"a":1}}`, strings.Repeat("[", 3000) + strings.Repeat("]", 3000), `tru`, `"abc`,
	} {
		if got, err := store.Canonical([]byte(in)); err == nil {
			t.Errorf("%.40q was taken as %.40s", in, got)
		}
	}
}

func TestDocument(t *testing.T) {
	t.Parallel()
	var p store.Parser
	var d store.Doc
	raw := `{"x": 1, "_id": "a", "_deleted": false, "_rev": "2-0123456789abcdef0123456789ABCDEF", "k": 1, "_conflicts": [], "k": 2}`
	if err := p.Document([]byte(raw), &d); err != nil {
		t.Fatal(err)
	}
	if d.ID != "a" || d.Deleted || d.Rev.String() != "2-0123456789abcdef0123456789abcdef" || string(d.Body) != `{"x":1,"k":2}` {
		t.Fatalf("%+v %s", d, d.Body)
	}
	for in, reason := range map[string]string{
		`{"_foo":1}`: "Bad special document member: _foo", `[]`: "Document must be a JSON object", `{"_id":5}`: "Document id must be a string",
		`{"_id":""}`: "Document id must not be empty", `{"_rev":"x"}`: "Invalid rev format", `{"_attachments":{"a":{}}}`: "Invalid attachment data for a",
		`{"\u005ffoo":1}`: "Bad special document member: _foo", `{"_id":"_x"}`: "Only reserved document ids may start with underscore.",
	} {
		if err := p.Document([]byte(in), &d); err == nil || !strings.Contains(err.Error(), reason) {
			t.Errorf("%s: %v instead of %s", in, err, reason)
		}
	}
	small := store.Parser{MaxDocument: 10}
	if err := small.Document([]byte(`{"a":"0123456789"}`), &d); err == nil {
		t.Error("a document over the limit was taken")
	}
}

func TestWhiteSpaceChangesNoDocument(t *testing.T) {
	t.Parallel()
	for _, compact := range []string{`{}`, `{"a":1}`, `{"_id":"x","a":{},"b":[]}`, `{"a":[{"b":1},2],"_deleted":true,"c":"d e"}`, `{"k":1,"k":2}`} {
		var loose bytes.Buffer
		if err := json.Indent(&loose, []byte(compact), " ", "\t"); err != nil {
			t.Fatal(err)
		}
		for _, raw := range []string{compact, loose.String(), " " + strings.ReplaceAll(loose.String(), "{}", "{ \r\n}") + " "} {
			var tight, wide store.Parser
			var want, got store.Doc
			if err := errors.Join(tight.Document([]byte(compact), &want), wide.Document([]byte(raw), &got)); err != nil {
				t.Fatal(err)
			}
			if !json.Valid(got.Body) || !bytes.Equal(got.Body, want.Body) || got.ID != want.ID || got.Deleted != want.Deleted {
				t.Errorf("%q was read as %s, and %s as %s", raw, got.Body, compact, want.Body)
			}
		}
	}
}

// FuzzCanonical holds the scanner against the standard library: it never takes what that refuses, and what it gives is the same value, in a
// form that does not change any more.
func FuzzCanonical(f *testing.F) {
	for _, s := range []string{
		`{"a":[1,2.5e3,-0,"\u00e9\ud83d\ude00\/"],"b":{"c":null,"d":true}}`, ` [ ] `, `"\ud800"`, `1e400`, `{"a":1,"a":2}`, "\"\xff\"", `-0.0`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		got, err := store.Canonical(raw)
		if err != nil {
			return
		}
		if !json.Valid(raw) || !json.Valid(got) || !utf8.Valid(got) {
			t.Fatalf("%q was taken as %q", raw, got)
		}
		again, err := store.Canonical(got)
		if err != nil || !bytes.Equal(again, got) {
			t.Fatalf("%q is not canonical: %q %v", got, again, err)
		}
	})
}

// FuzzDocument feeds anything to the document parser and to the bulk parser: what they take is a valid object without reserved members, and
// both agree.
func FuzzDocument(f *testing.F) {
	for _, s := range []string{
		`{"_id":"a","_rev":"1-abc","x":1}`, `{"_revisions":{"start":3,"ids":["c","b"]},"_deleted":true}`, `{"\u005fid":"b"}`, `{"k":1,"k":2}`,
		`{"_attachments":{}}`, `{}`, `{ }`, "{\n\"a\" : 1 }", `[`, `{"a":"` + strings.Repeat("x", 100) + `"}`,
	} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		var p, bulk store.Parser
		var d store.Doc
		err := p.Document(raw, &d)
		wrapped := append(append([]byte(`{"docs":[`), raw...), `]}`...)
		docs, _, bulkErr := bulk.Bulk(wrapped, nil)
		if err != nil {
			return
		}
		if bulkErr != nil || len(docs) != 1 || docs[0].ID != d.ID || !bytes.Equal(docs[0].Body, d.Body) {
			t.Fatalf("%q: alone %q, in a batch %v %v", raw, d.Body, docs, bulkErr)
		}
		var m map[string]json.RawMessage
		if err := json.Unmarshal(d.Body, &m); err != nil {
			t.Fatalf("%q has the body %q: %v", raw, d.Body, err)
		}
		for name := range m {
			if strings.HasPrefix(name, "_") && !strings.HasPrefix(name, "_replication_") {
				t.Fatalf("%q kept %s in its body", raw, name)
			}
		}
		if d.ID != "" && store.CheckID(d.ID) != nil {
			t.Fatalf("%q has the id %q", raw, d.ID)
		}
	})
}
