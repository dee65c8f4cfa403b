package script

import (
	"encoding/json"
	"errors"
	"strings"

	"github.com/dop251/goja"
	"github.com/dop251/goja/parser"
)

// engine has one design document and its compiled functions, apart from all others.
type engine struct {
	key       string
	vm        *goja.Runtime
	ddoc      *goja.Object // `this` of the functions
	stringify goja.Callable
	functions map[string]goja.Callable
	modules   map[string]*goja.Object // by path
	log       func(string)
	calls     int
	emitted   bool
	broken    bool // a function was cut off in the middle
}

// maxCalls is how deep functions may call one another. To unwind calls that go through the interpreter's own functions takes time that grows
// with the square of their depth.
const maxCalls = 1000

func newEngine(key string, log func(string)) *engine {
	e := &engine{key: key, vm: goja.New(), functions: map[string]goja.Callable{}, modules: map[string]*goja.Object{}, log: log}
	e.vm.SetMaxCallStackSize(maxCalls)
	e.vm.SetParserOptions(parser.WithDisableSourceMaps) // a comment must not make it read files
	return e
}

// load reads the document, and gives functions what CouchDB gives them.
func (e *engine) load(doc []byte) error {
	object := e.vm.Get("JSON").ToObject(e.vm)
	e.stringify, _ = goja.AssertFunction(object.Get("stringify"))
	value, err := decode(e.vm, doc)
	if err != nil {
		return e.failure(err)
	}
	e.ddoc = value.ToObject(e.vm)
	for name, value := range map[string]any{
		"log":     e.logValue,
		"toJSON":  object.Get("stringify"),
		"isArray": e.vm.Get("Array").ToObject(e.vm).Get("isArray"),
		"emit":    e.emit,
		"require": e.requireFrom(nil),
	} {
		if err := e.vm.Set(name, value); err != nil {
			return err
		}
	}
	_, err = e.vm.RunScript("sum", `function sum(values) { var total = 0; for (var i in values) total += values[i]; return total; }`)
	return err
}

// encode gives a value as JSON, "undefined" where it has none.
func (e *engine) encode(value goja.Value) ([]byte, error) {
	text, err := e.stringify(goja.Undefined(), value)
	if err != nil {
		return nil, err
	}
	return []byte(text.String()), nil
}

// emit tells that a document is in a view.
func (e *engine) emit(goja.FunctionCall) goja.Value {
	e.emitted = true
	return goja.Undefined()
}

func (e *engine) logValue(call goja.FunctionCall) goja.Value {
	value := call.Argument(0)
	if _, ok := value.Export().(string); ok {
		e.log(value.String())
		return goja.Undefined()
	}
	text, err := e.encode(value)
	if err != nil {
		panic(err) // the interpreter's way to throw
	}
	e.log(string(text))
	return goja.Undefined()
}

// function finds and compiles a function of the design document, once.
func (e *engine) function(path []string) (goja.Callable, error) {
	name := strings.Join(path, ".")
	if fn, ok := e.functions[name]; ok {
		return fn, nil
	}
	var source goja.Value
	err := e.guard(func() {
		point := goja.Value(e.ddoc)
		for _, step := range path {
			object, ok := point.(*goja.Object)
			if !ok {
				return
			}
			if point = object.Get(step); point == nil {
				return
			}
		}
		source = point
	})
	if err != nil {
		return nil, e.failure(err)
	}
	if source == nil || !source.ToBoolean() {
		return nil, &FunctionError{"not_found", "missing " + path[0] + " function " + path[len(path)-1] + " on design doc " + e.id()}
	}
	fn, err := e.compile(name, source)
	if err != nil {
		return nil, err
	}
	e.functions[name] = fn
	return fn, nil
}

// id is the document's, for people.
func (e *engine) id() string {
	if id := e.ddoc.Get("_id"); id != nil {
		return id.String()
	}
	return e.key
}

// maxQuoted is how much of a source an error quotes.
const maxQuoted = 500

func quoted(source string) string {
	if len(source) > maxQuoted {
		source = strings.ToValidUTF8(source[:maxQuoted], "") + "..."
	}
	return " (" + source + ")"
}

// compile evaluates a source that is one function: an expression, which may end with a semicolon, or a script whose value is a function.
func (e *engine) compile(name string, source goja.Value) (goja.Callable, error) {
	text, ok := source.Export().(string)
	if !ok {
		return nil, &FunctionError{nameCompilation, "Expression does not eval to a function." + quoted(source.String())}
	}
	expression := strings.TrimRight(text, "; \t\r\n")
	value, err := e.run(name, "("+expression+"\n)")
	if _, syntax := errors.AsType[*goja.CompilerSyntaxError](err); syntax {
		if other, again := e.run(name, text); again == nil {
			value, err = other, nil
		}
	}
	if err != nil {
		if f := e.cut(err); f != nil {
			return nil, f
		}
		return nil, &FunctionError{nameCompilation, err.Error() + quoted(text)}
	}
	fn, ok := goja.AssertFunction(value)
	if !ok {
		return nil, &FunctionError{nameCompilation, "Expression does not eval to a function." + quoted(text)}
	}
	return fn, nil
}

func (e *engine) run(name, source string) (goja.Value, error) {
	program, err := goja.Parse(name, source, parser.WithDisableSourceMaps)
	if err != nil {
		return nil, &goja.CompilerSyntaxError{CompilerError: goja.CompilerError{Message: strings.TrimPrefix(err.Error(), "SyntaxError: ")}}
	}
	compiled, err := goja.CompileAST(program, false)
	if err != nil {
		return nil, err
	}
	return e.vm.RunProgram(compiled)
}

// validate calls a validation function with the new document, the old one, the user and the security object. The answer is 1, or what was
// thrown: an error of the language is an error, anything else the function's own word.
func (e *engine) validate(fn goja.Callable, args []json.RawMessage) ([]byte, error) {
	values, err := e.decodeAll(args)
	if err != nil {
		return nil, err
	}
	if _, err = fn(e.ddoc, values...); err == nil {
		return []byte("1"), nil
	}
	thrown, ok := errors.AsType[*goja.Exception](err)
	if !ok {
		return nil, e.failure(err)
	}
	var out []byte
	err = e.guard(func() {
		if isError(thrown.Value()) {
			return
		}
		var bad error
		if out, bad = e.encode(thrown.Value()); bad != nil {
			panic(bad)
		}
	})
	if err != nil {
		return nil, e.failure(err)
	}
	if out == nil {
		return nil, e.failure(thrown)
	}
	if !json.Valid(out) {
		out, err = json.Marshal(string(out))
	}
	return out, err
}

func isError(value goja.Value) bool {
	object, ok := value.(*goja.Object)
	return ok && truthy(object.Get("name")) && truthy(object.Get("stack"))
}

func truthy(value goja.Value) bool { return value != nil && value.ToBoolean() }

func (e *engine) decodeAll(args []json.RawMessage) ([]goja.Value, error) {
	values := make([]goja.Value, len(args))
	for i, raw := range args {
		value, err := decode(e.vm, raw)
		if err != nil {
			return nil, e.failure(err)
		}
		values[i] = value
	}
	return values, nil
}

// filter calls a filter for each document of a list, with the request, and answers [true, [bool, ...]]. next is called before each.
func (e *engine) filter(fn goja.Callable, args []json.RawMessage, next func()) ([]byte, error) {
	if len(args) != 2 {
		return nil, protocolError("a filter is called with a list of documents and a request")
	}
	request, err := decode(e.vm, args[1])
	if err != nil {
		return nil, e.failure(err)
	}
	return e.each(args[0], func(doc goja.Value) (bool, error) {
		next()
		verdict, err := fn(e.ddoc, doc, request)
		return err == nil && verdict.ToBoolean(), err
	})
}

// filterView calls the map function of a view, and tells of which documents it emits anything.
func (e *engine) filterView(fn goja.Callable, args []json.RawMessage, next func()) ([]byte, error) {
	if len(args) != 1 {
		return nil, protocolError("a map function is called with a list of documents")
	}
	return e.each(args[0], func(doc goja.Value) (bool, error) {
		next()
		e.emitted = false
		_, err := fn(e.ddoc, doc)
		return e.emitted, err
	})
}

// each answers [true, [bool, ...]] for a list of documents.
func (e *engine) each(raw json.RawMessage, ask func(doc goja.Value) (bool, error)) ([]byte, error) {
	var docs []json.RawMessage
	if json.Unmarshal(raw, &docs) != nil {
		return nil, protocolError("documents are a list")
	}
	passes := make([]bool, len(docs))
	for i, raw := range docs {
		doc, err := decode(e.vm, raw)
		if err == nil {
			passes[i], err = ask(doc)
		}
		if err != nil {
			return nil, e.failure(err)
		}
	}
	return json.Marshal([]any{true, passes})
}

// guard runs what looks at values, which can run code of theirs.
func (e *engine) guard(look func()) (err error) {
	defer func() {
		switch p := recover().(type) {
		case nil:
		case *goja.InterruptedError:
			err = p
		case *goja.StackOverflowError:
			err = p
		default:
			panic(p)
		}
	}()
	if thrown := e.vm.Try(look); thrown != nil {
		return thrown
	}
	return nil
}

// cut is the failure of a function that was ended, nil where it ended by itself. What it left behind is not used again.
func (e *engine) cut(err error) *FunctionError {
	if _, ok := errors.AsType[*goja.InterruptedError](err); ok {
		e.broken = true
		return timedOut()
	}
	if _, ok := errors.AsType[*goja.StackOverflowError](err); ok {
		e.broken = true
		return &FunctionError{nameInternal, "stack overflow"}
	}
	return nil
}

// failure makes what a function threw an error, as CouchDB does: a list that says so itself, an object with error and reason, an error of the
// language with its name.
func (e *engine) failure(err error) error {
	if f, ok := errors.AsType[*FunctionError](err); ok {
		return f
	}
	if f := e.cut(err); f != nil {
		return f
	}
	thrown, ok := errors.AsType[*goja.Exception](err)
	if !ok {
		return &FunctionError{nameUnknown, err.Error()}
	}
	f := &FunctionError{"unnamed_error", ""}
	if again := e.guard(func() { e.describe(thrown.Value(), f) }); again != nil {
		if cut := e.cut(again); cut != nil {
			return cut
		}
		f.Reason = "the error cannot be read"
	}
	return f
}

func (e *engine) describe(value goja.Value, f *FunctionError) {
	object, ok := value.(*goja.Object)
	if !ok {
		f.Reason = value.String()
		return
	}
	get := func(name string) string {
		if v := object.Get(name); truthy(v) {
			return e.text(v)
		}
		return ""
	}
	kind, name := get("error"), get("name")
	reason := get("reason")
	switch {
	case object.ClassName() == "Array" && get("0") == "error":
		f.Name, f.Reason = get("1"), get("2")
	case kind != "" && reason != "":
		f.Name, f.Reason = kind, reason
	case name != "":
		f.Name, f.Reason = name, get("message")
	default:
		f.Reason = e.text(value)
	}
}

// text is a value for people: a string as it is, anything else as JSON.
func (e *engine) text(value goja.Value) string {
	if text, ok := value.Export().(string); ok {
		return text
	}
	out, err := e.encode(value)
	if err != nil {
		panic(err)
	}
	return string(out)
}
