package script

import (
	"strings"

	"github.com/dop251/goja"
)

// CommonJS modules lie within the design document: a path leads through its members to a string of source. A path that begins with a dot
// leads from the module that asks.

// place is a member of the design document, with the way to it.
type place struct {
	value goja.Value
	name  string
	above *place // nil: the document itself
}

func (p *place) id() string {
	if p.above == nil {
		return ""
	}
	if above := p.above.id(); above != "" {
		return above + "/" + p.name
	}
	return p.name
}

// requireFrom makes the require of the module at from; of a function where that is nil.
func (e *engine) requireFrom(from *place) func(goja.FunctionCall) goja.Value {
	return func(call goja.FunctionCall) goja.Value {
		name := call.Argument(0).String()
		at := e.resolve(name, from)
		if exports, ok := e.modules[at.id()]; ok {
			return exports.Get("exports")
		}
		return e.runModule(name, at)
	}
}

// resolve follows a path.
func (e *engine) resolve(name string, from *place) *place {
	at := &place{value: e.ddoc}
	steps := strings.Split(name, "/")
	if steps[0] == "." || steps[0] == ".." {
		if from == nil {
			e.badPath("Object has no parent", e.ddoc)
		}
		at = from.above
	}
	for i, step := range steps {
		switch step {
		case ".":
		case "..":
			if i == 0 && at.above == nil || at.above == nil {
				e.badPath("Object has no parent", at.value)
			}
			at = at.above
		default:
			at = e.member(at, step)
		}
	}
	if _, ok := at.value.Export().(string); !ok {
		e.throw("invalid_require_path", "Must require a JavaScript string, not: "+kind(at.value))
	}
	return at
}

func (e *engine) member(at *place, name string) *place {
	object, ok := at.value.(*goja.Object)
	if !ok {
		e.badPath(`Object has no property "`+name+`".`, at.value)
	}
	value := object.Get(name)
	if value == nil || goja.IsUndefined(value) {
		e.badPath(`Object has no property "`+name+`".`, at.value)
	}
	return &place{value: value, name: name, above: at}
}

func kind(value goja.Value) string {
	if value.ExportType() == nil {
		return "object"
	}
	switch value.ExportType().Kind().String() {
	case "int64", "float64":
		return "number"
	case "bool":
		return "boolean"
	}
	return "object"
}

func (e *engine) badPath(reason string, value goja.Value) {
	e.throw("invalid_require_path", reason+quoted(e.text(value)))
}

// throw throws what CouchDB throws: ["error", name, reason].
func (e *engine) throw(name, reason string) {
	panic(e.vm.NewArray("error", name, reason))
}

// runModule runs a module for the first time. It is there, still empty, for those that it requires and that require it in turn.
func (e *engine) runModule(name string, at *place) goja.Value {
	module := e.vm.NewObject()
	exports := e.vm.NewObject()
	e.modules[at.id()] = module
	value, err := e.run(at.id(), "(function (module, exports, require) { "+at.value.String()+"\n})")
	for _, failed := range []error{
		module.Set("id", at.id()), module.Set("exports", exports), module.Set("current", at.value), err,
	} {
		if failed != nil {
			e.moduleFailed(name, at, failed)
		}
	}
	body, ok := goja.AssertFunction(value)
	if !ok {
		e.throw(nameCompilation, "Module require('"+name+"') is no module")
	}
	if _, err := body(e.vm.GlobalObject(), module, exports, e.vm.ToValue(e.requireFrom(at))); err != nil {
		e.moduleFailed(name, at, err)
	}
	return module.Get("exports")
}

// moduleFailed forgets the module and throws why it failed.
func (e *engine) moduleFailed(name string, at *place, err error) {
	delete(e.modules, at.id())
	if e.cut(err) != nil {
		panic(err)
	}
	e.throw(nameCompilation, "Module require('"+name+"') raised error "+err.Error())
}
