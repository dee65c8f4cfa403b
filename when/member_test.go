package when

import (
	"bytes"
	"encoding/json"
	"slices"
	"testing"
)

// FuzzEachMember compares the walk over an object's members with encoding/json's.
func FuzzEachMember(f *testing.F) {
	for _, seed := range []string{
		`{}`, ` { "a" : 1 , "b":[{"c":"}\""},2], "\u0061":{"x":[]} } `, `{"a":tru}`, `{"a":1`, `{"a":1}x`, `{"é":null,"a":-1.5e3,"a":"\\"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		if trimmed := bytes.TrimLeft(raw, " \n\t\r"); len(trimmed) == 0 || trimmed[0] != '{' {
			return
		}
		var keys, values []string
		before := string(raw)
		err := eachMember(raw, func(key string, value json.RawMessage) error {
			keys, values = append(keys, key), append(values, string(value))
			clear(value)
			return nil
		})
		if string(raw) != before {
			t.Fatalf("%q became %q", before, raw)
		}
		if valid := json.Valid(raw); (err == nil) != valid {
			t.Fatalf("%q: %v, valid %t", raw, err, valid)
		}
		if err != nil {
			return
		}
		dec := json.NewDecoder(bytes.NewReader(raw))
		if _, err := dec.Token(); err != nil {
			t.Fatal(err)
		}
		var wantKeys, wantValues []string
		for dec.More() {
			key, err := dec.Token()
			if err != nil {
				t.Fatal(err)
			}
			var value json.RawMessage
			if err := dec.Decode(&value); err != nil {
				t.Fatal(err)
			}
			text, _ := key.(string)
			wantKeys, wantValues = append(wantKeys, text), append(wantValues, string(value))
		}
		if !slices.Equal(keys, wantKeys) || !slices.Equal(values, wantValues) {
			t.Errorf("%q: %q %q, want %q %q", raw, keys, values, wantKeys, wantValues)
		}
	})
}
