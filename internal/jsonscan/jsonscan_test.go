package jsonscan_test

import (
	"bytes"
	"encoding/json"
	"testing"

	"github.com/adlayer/after/internal/jsonscan"
)

func TestEnds(t *testing.T) {
	for _, test := range []struct {
		text          string
		value, string int
	}{
		{`"a",`, 3, 3},
		{`"a\"b" `, 6, 6},
		{`"\\"x`, 4, 4},
		{`"\\\"`, -1, -1},
		{`"`, -1, -1},
		{``, -1, -1},
		{`12.5e3]`, 6, -1},
		{`true`, 4, -1},
		{`null }`, 4, -1},
		{`{"}":[1,{"a":"]"}]} `, 19, -1},
		{`[]`, 2, -1},
		{`[[1]`, -1, -1},
		{`["]`, -1, -1},
		{`,`, -1, -1},
		{`}`, -1, -1},
	} {
		if got := jsonscan.ValueEnd([]byte(test.text), 0); got != test.value {
			t.Errorf("the value %s ends at %d, not at %d", test.text, got, test.value)
		}
		if got := jsonscan.StringEnd([]byte(test.text), 0); got != test.string {
			t.Errorf("the string %s ends at %d, not at %d", test.text, got, test.string)
		}
	}
	if got := jsonscan.Space([]byte(" \t\r\n x"), 0); got != 5 {
		t.Errorf("white space ends at %d", got)
	}
	if got := jsonscan.Space([]byte("  "), 1); got != 2 {
		t.Errorf("white space at the end of the text ends at %d", got)
	}
}

// What is JSON ends where its text does, whatever comes after it; on what is not, nothing panics.
func FuzzValueEnd(f *testing.F) {
	for _, seed := range []string{`{"a":[1,"\"",{}],"b":null}`, `"\\"`, `-1e5`, `[`, `{"a`, `\`, `"\`, "\x00"} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		end := jsonscan.ValueEnd(text, 0)
		if end > len(text) {
			t.Fatalf("%q ends at %d, behind the text", text, end)
		}
		text = bytes.Trim(text, " \n\r\t")
		if !json.Valid(text) {
			return
		}
		for _, after := range []string{"", ",1", "]", "}", " ", "\n"} {
			if end := jsonscan.ValueEnd(append(bytes.Clone(text), after...), 0); end != len(text) {
				t.Fatalf("%q with %q behind it ends at %d, not at %d", text, after, end, len(text))
			}
		}
	})
}
