package script

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/dop251/goja"
)

// FuzzDecode reads JSON with our decoder and with the interpreter's own: both values are the same.
func FuzzDecode(f *testing.F) {
	for _, text := range []string{
		`{"a":[1,-0,1.5,1e400,-2E-3,9007199254740993,123456789012345678901234567890],"b":{"":null}}`, ` [ true , false ] `, `"\ud800 \u00e9\"\\\/\b\f\n\r\t"`,
		`{"__proto__":{"x":1},"constructor":2,"a":1,"a":2,"1":0,"0":1}`, `"é😀"`, `[[[[]]],{}]`, `1`, `-`, `{"a"`, `"\uD83D\uDE00"`, `{"length":1,"toJSON":3}`,
	} {
		f.Add([]byte(text))
	}
	f.Fuzz(func(t *testing.T, raw []byte) {
		vm := goja.New()
		value, err := decode(vm, raw)
		if (err == nil) != json.Valid(raw) {
			t.Fatalf("%q: %v", raw, err)
		}
		if err != nil || !utf8.Valid(raw) {
			return
		}
		for name, v := range map[string]any{"ours": value, "text": string(raw)} {
			if err := vm.Set(name, v); err != nil {
				t.Fatal(err)
			}
		}
		// Lone surrogates are kept by ours alone.
		same, err := vm.RunString(`(function same(a, b) {
			if (typeof a === "string" && typeof b === "string") return a.replace(/[\ud800-\udfff]/gu, "\ufffd") === b;
			if (typeof a !== "object" || a === null || b === null) return Object.is(a, b);
			var x = Object.keys(a), y = Object.keys(b);
			return Array.isArray(a) === Array.isArray(b) && x.length === y.length && x.every(function (k, i) { return k === y[i] && same(a[k], b[k]) });
		})(ours, JSON.parse(text))`)
		if e, ok := errors.AsType[*goja.Exception](err); ok && strings.Contains(e.Error(), "cannot unmarshal number") {
			return // it takes no number that is out of range, where ours are infinite
		}
		if err != nil || !same.ToBoolean() {
			t.Fatalf("%q is another value: %v, %v", raw, value, err)
		}
	})
}
