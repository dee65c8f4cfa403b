package script_test

import (
	"encoding/json"
	"fmt"
	"maps"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/adlayer/after/store/script"
)

// design makes a design document of members, each with JSON or, where it begins with a letter, a source.
func design(tb testing.TB, members map[string]any) *script.Design {
	tb.Helper()
	doc := map[string]any{"_id": "_design/d"}
	maps.Copy(doc, members)
	raw, err := json.Marshal(doc)
	if err != nil {
		tb.Fatal(err)
	}
	return &script.Design{Key: tb.Name() + string(raw), Doc: raw}
}

func validate(tb testing.TB, p *script.Pool, d *script.Design, docs ...string) []*script.FunctionError {
	tb.Helper()
	edits := make([]script.Edit, len(docs))
	for i, doc := range docs {
		edits[i].New = []byte(doc)
	}
	verdicts, err := p.Validate(tb.Context(), d, nobody, open, edits)
	if err != nil {
		tb.Fatal(err)
	}
	return verdicts
}

// verdictOf runs a validation function of this source on one document.
func verdictOf(tb testing.TB, p *script.Pool, source string) *script.FunctionError {
	tb.Helper()
	return validate(tb, p, design(tb, map[string]any{"validate_doc_update": source}), `{"_id":"a"}`)[0]
}

func TestValidate(t *testing.T) {
	t.Parallel()
	p := pool(t, script.Options{})
	for source, want := range map[string]*script.FunctionError{
		`function () {}`:                                               nil,
		`function () {};` + "\n":                                       nil,
		`function named(doc) { return false }`:                         nil,
		`(doc) => { const {_id} = doc; return _id ?? null }`:           nil,
		"function () {} // the end":                                    nil,
		"function () {}\n//# sourceMappingURL=/dev/zero":               nil,
		`function () { throw({forbidden: "no"}) }`:                     {"forbidden", "no"},
		`function () { throw({unauthorized: "who?"}) }`:                {"unauthorized", "who?"},
		`function () { throw({forbidden: {a: [1]}}) }`:                 {"forbidden", `{"a":[1]}`},
		`function () { throw({other: "x"}) }`:                          {"unknown_error", "x"},
		`function () { throw({forbidden: "no", x: 1}) }`:               {"unknown_error", `{"forbidden":"no","x":1}`},
		`function () { throw("plain") }`:                               {"unknown_error", "plain"},
		`function () { throw(undefined) }`:                             {"unknown_error", "undefined"},
		`function () { throw(null) }`:                                  {"unknown_error", "null"},
		`function () { throw(1) }`:                                     nil, // as in CouchDB: it is the answer of a function that accepts
		`function () { throw(["error", "mine", "my reason"]) }`:        {"mine", "my reason"},
		`function () { throw(new Error("broken")) }`:                   {"Error", "broken"},
		`function () { nowhere() }`:                                    {"ReferenceError", "nowhere is not defined"},
		`function () { undefined.x }`:                                  {"TypeError", "Cannot read property 'x' of undefined"},
		`function () { throw({get forbidden() { nowhere() }}) }`:       {"ReferenceError", "nowhere is not defined"},
		`function () { return arguments.callee() }`:                    {"InternalError", "stack overflow"},
		`function () { function f() { [1].forEach(f) } f() }`:          {"InternalError", "stack overflow"},
		`function () { try { (function f() { f() })() } catch (e) {}}`: {"InternalError", "stack overflow"},
		`7`:                        {"compilation_error", "Expression does not eval to a function. (7)"},
		`function () { return - }`: {"compilation_error", "SyntaxError: validate_doc_update: Line 1:25 Unexpected token } (and 2 more errors) (function () { return - })"},
		`nowhere`:                  {"compilation_error", "ReferenceError: nowhere is not defined at validate_doc_update:1:2(0) (nowhere)"},
		`function () { if (typeof require != "function" || this._id != "_design/d") throw({forbidden: "this"}) }`: nil,
	} {
		if diff := cmp.Diff(want, verdictOf(t, p, source)); diff != "" {
			t.Errorf("%s (-want +got):\n%s", source, diff)
		}
	}
	if diff := cmp.Diff(&script.FunctionError{Name: "not_found", Reason: "missing validate_doc_update function validate_doc_update on design doc _design/d"},
		validate(t, p, design(t, nil), `{}`)[0]); diff != "" {
		t.Error(diff)
	}
	if got := validate(t, p, design(t, map[string]any{"validate_doc_update": map[string]any{"a": 1}}), `{}`)[0]; got == nil || got.Name != "compilation_error" {
		t.Errorf("an object as a function: %v", got)
	}
}

// TestArguments shows what a function is given, and what else there is for it.
func TestArguments(t *testing.T) {
	t.Parallel()
	p := pool(t, script.Options{})
	d := design(t, map[string]any{"validate_doc_update": `function (doc, old, user, security) {
		throw({forbidden: toJSON([doc, old, user, security, arguments.length, isArray([]), isArray({}), sum([1, 2, 3]), emit(1, 2) === undefined,
			typeof process, typeof Go])});
	}`})
	verdicts, err := p.Validate(t.Context(), d, nobody, open, []script.Edit{
		{New: []byte(`{"_id":"é\u0000\ud800","n":[1,-0.5e3,1e400,9007199254740993],"t":[true,false,null],"":{}}`)},
		{New: []byte(` { "_id" : "b" , "__proto__" : { "a" : [ ] } , "esc":"\"\\\/\b\f\n\r\t" } `), Old: []byte(`{"_id":"b","_deleted":true}`)},
	})
	if err != nil {
		t.Fatal(err)
	}
	rest := `{"db":"db","name":null,"roles":[]},{"admins":{},"members":{}},4,true,false,6,true,"undefined","undefined"]`
	for i, want := range []string{
		`[{"_id":"é\u0000\ud800","n":[1,-500,null,9007199254740992],"t":[true,false,null],"":{}},null,` + rest,
		`[{"_id":"b","__proto__":{"a":[]},"esc":"\"\\/\b\f\n\r\t"},{"_id":"b","_deleted":true},` + rest,
	} {
		if diff := cmp.Diff(&script.FunctionError{Name: "forbidden", Reason: want}, verdicts[i]); diff != "" {
			t.Errorf("(-want +got):\n%s", diff)
		}
	}
}

// TestStateOfItsOwn shows that design documents see nothing of one another, and that a revision keeps what it made.
func TestStateOfItsOwn(t *testing.T) {
	t.Parallel()
	p := pool(t, script.Options{})
	one := design(t, map[string]any{"validate_doc_update": `function () { Object.prototype.mine = 1; count = typeof count == "number" ? count + 1 : 1;
		throw({forbidden: "" + count}) }`})
	two := design(t, map[string]any{"validate_doc_update": `function () { throw({forbidden: typeof count + typeof ({}).mine}) }`})
	for i, want := range []string{"1", "2"} {
		if got := validate(t, p, one, `{}`)[0]; got.Reason != want {
			t.Errorf("call %d: %v", i, got)
		}
	}
	if got := validate(t, p, two, `{}`)[0]; got.Reason != "undefinedundefined" {
		t.Errorf("another document sees %v", got)
	}
}

func TestRequire(t *testing.T) {
	t.Parallel()
	p := pool(t, script.Options{})
	d := design(t, map[string]any{
		"lib": map[string]any{
			"a":     `exports.name = "a of " + module.id; exports.b = require("./b").name;`,
			"b":     `exports.name = "b"; exports.a = require("lib/a");`,
			"deep":  map[string]any{"c": `module.exports = function () { return require("../a").name + require("../../top").n }`},
			"fails": `nowhere()`,
			"loop":  `while (true) {}`,
		},
		"top": `exports.n = (typeof counted == "undefined") ? 1 : 2; counted = 1; // a comment at the end`,
		"n":   7,
		"filters": map[string]any{
			"cycle":   `function () { return require("lib/a").b == "b" && require("lib/b").a.name == "a of lib/a" }`,
			"deep":    `function () { return require("lib/deep/c")() == "a of lib/a1" && require("top").n == 1 }`,
			"caught":  `function () { try { require("lib/nothing") } catch (e) { return e[1] == "invalid_require_path" } }`,
			"nothing": `function () { require("lib/nothing") }`,
			"number":  `function () { require("n") }`,
			"above":   `function () { require("../lib") }`,
			"fails":   `function () { require("lib/fails") }`,
			"loop":    `function () { require("lib/loop") }`,
		},
	})
	ask := func(name string) (bool, string) {
		passes, err := p.Filter(t.Context(), d, name, []byte(`{}`), [][]byte{[]byte(`{}`)})
		if err != nil {
			return false, err.Error()
		}
		return passes[0], ""
	}
	for _, name := range []string{"cycle", "deep", "caught"} {
		if passes, err := ask(name); !passes || err != "" {
			t.Errorf("%s: %t %s", name, passes, err)
		}
	}
	for name, want := range map[string]string{
		"nothing": `invalid_require_path: Object has no property "nothing".`,
		"number":  `invalid_require_path: Must require a JavaScript string, not: number`,
		"above":   `invalid_require_path: Object has no parent`,
		"fails":   `compilation_error: Module require('lib/fails') raised error ReferenceError: nowhere is not defined`,
	} {
		if _, err := ask(name); !strings.HasPrefix(err, want) {
			t.Errorf("%s: %s", name, err)
		}
	}
	short := pool(t, script.Options{Timeout: 50 * time.Millisecond})
	if _, err := short.Filter(t.Context(), d, "loop", []byte(`{}`), [][]byte{[]byte(`{}`)}); err == nil || err.Error() != "os_process_error: OS process timed out." {
		t.Errorf("a module without end: %v", err)
	}
}

func TestFilter(t *testing.T) {
	t.Parallel()
	p := pool(t, script.Options{})
	d := design(t, map[string]any{"filters": map[string]any{
		"odd":    `function (doc, req) { return doc.n % 2 == req.query.rest }`,
		"truthy": `function (doc) { return doc.v }`,
		"throws": `function (doc) { if (doc.n == 40) throw({forbidden: "f"}); return true }`,
		"fields": `function (doc) { if (doc.n == 40) throw({error: "forbidden", reason: "f"}); return true }`,
	}})
	docs := make([][]byte, 100)
	for i := range docs {
		docs[i] = fmt.Appendf(nil, `{"n":%d,"text":"%s"}`, i, strings.Repeat("x", i*300))
	}
	passes, err := p.Filter(t.Context(), d, "odd", []byte(`{"query":{"rest":1}}`), docs)
	if err != nil || len(passes) != len(docs) {
		t.Fatal(len(passes), err)
	}
	for i, pass := range passes {
		if pass != (i%2 == 1) {
			t.Errorf("%d passes: %t", i, pass)
		}
	}
	passes, err = p.Filter(t.Context(), d, "truthy", []byte(`{}`), [][]byte{[]byte(`{"v":""}`), []byte(`{"v":"0"}`), []byte(`{}`), []byte(`{"v":[]}`)})
	if diff := cmp.Diff([]bool{false, true, false, true}, passes); diff != "" || err != nil {
		t.Error(diff, err)
	}
	for name, want := range map[string]string{
		"throws": `unnamed_error: {"forbidden":"f"}`, "fields": "forbidden: f", "none": "not_found: missing filters function none on design doc _design/d",
	} {
		if passes, err := p.Filter(t.Context(), d, name, []byte(`{}`), docs); err == nil || err.Error() != want {
			t.Errorf("%s: %v %v", name, passes, err)
		}
	}
	view := design(t, map[string]any{"views": map[string]any{
		"lib": map[string]any{"odd": `module.exports = function (n) { return n % 2 }`},
		"odd": map[string]any{"map": `function (doc) { if (require("views/lib/odd")(doc.n)) { emit(doc.n); emit(doc.n) } return true }`},
	}})
	passes, err = p.FilterView(t.Context(), view, "odd", docs[:3])
	if diff := cmp.Diff([]bool{false, true, false}, passes); diff != "" || err != nil {
		t.Error(diff, err)
	}
	if passes, err := p.Filter(t.Context(), d, "odd", []byte(`{}`), nil); len(passes) != 0 || err != nil {
		t.Errorf("of nothing: %v %v", passes, err)
	}
}
