package repository_test

import (
	"fmt"
	"go/ast"
	"go/parser"
	"go/token"
	"os"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestSecretsAreComparedInConstantTime follows what is secret through the packages that have to do with it – passwords, what is derived from them,
// codes of messages – and refuses comparisons that end early, by whose time somebody could find the secret byte by byte.
func TestSecretsAreComparedInConstantTime(t *testing.T) {
	t.Parallel()
	packages := secretPackages(t)
	for _, want := range []string{"store/httpd", "webhook", "gateway"} {
		if packages[want] == nil {
			t.Errorf("%s is not among the packages that have secrets", want)
		}
	}
	places := 0
	for _, files := range packages {
		w := newSecretWalk(files)
		for _, at := range w.comparisons(false) {
			t.Errorf("%s: a secret is compared by what takes less time for less that fits; use hmac.Equal or subtle.ConstantTimeCompare", at)
		}
		// What is followed is seen where it is compared as it should be: there a wrong comparison would be found.
		seen := w.comparisons(true)
		for _, at := range w.constantTime() {
			places++
			if !slices.Contains(seen, at) {
				t.Errorf("%s: this comparison takes the same time for all values, but the walk does not see that there is a secret", at)
			}
		}
	}
	if places < 6 {
		t.Errorf("%d comparisons in constant time were found, there were 6 once", places)
	}
}

// TestSecretWalk: ways to compare secrets, right and wrong ones.
func TestSecretWalk(t *testing.T) {
	t.Parallel()
	const head = `package p
type user struct { derived []byte; name string }
func mac(key []byte, text string) []byte { m := hmac.New(sha256.New, key); m.Write([]byte(text)); return m.Sum(nil) }
func set(u *user, p string) { u.derived, _ = pbkdf2.Key(sha1.New, p, nil, 1, 20) }
func fits(one, other []byte) bool { return bytes.Equal(one, other) }
func same(one, other string) bool { return one == other }
func compare(u *user, password, given string, raw, key []byte) bool { %s }`
	for body, wrong := range map[string]bool{
		`return hmac.Equal(mac(key, given), raw)`:                                                       false,
		`return subtle.ConstantTimeCompare(u.derived, raw) == 1`:                                        false,
		`return password == "" || u.name == given || len(u.derived) == len(raw)`:                        false,
		`return bytes.Equal(mac(key, given), raw)`:                                                      true,
		`return string(raw) == string(mac(key, given))`:                                                 true,
		`sum := hex.EncodeToString(mac(key, given)); return sum != given`:                               true,
		`return password == given`:                                                                      true,
		`return slices.Equal(raw, u.derived[:])`:                                                        true,
		`switch given { case password: return true }; return false`:                                     true,
		`switch password { case "a", given: return true }; return false`:                                true,
		`got := sha256.Sum256([]byte(password)); return got == [32]byte(raw)`:                           true,
		`for _, one := range [][]byte{u.derived} { return bytes.Compare(one, raw) == 0 }; return false`: true,
		`return fits(raw, u.derived)`:                                                                   true,
		`return same(given, u.name)`:                                                                    false,
		`return strings.HasPrefix(given, fmt.Sprintf("%%x", u.derived))`:                                true,
	} {
		set := token.NewFileSet()
		file, err := parser.ParseFile(set, "p.go", fmt.Sprintf(head, strings.ReplaceAll(body, "%%", "%")), 0)
		if err != nil {
			t.Fatal(err)
		}
		if found := newSecretWalk(&sources{set, []*ast.File{file}}).comparisons(false); len(found) > 0 != wrong {
			t.Errorf("%s: found %v", body, found)
		}
	}
}

// sources are the files of a package.
type sources struct {
	set   *token.FileSet
	files []*ast.File
}

// secretPackages are those that compare in constant time or sign, and the gateway, whose tokens are known by their hashes.
func secretPackages(t *testing.T) map[string]*sources {
	t.Helper()
	found := map[string]*sources{}
	base := root(t)
	err := filepath.WalkDir(base, func(at string, entry os.DirEntry, err error) error {
		if err != nil || !entry.IsDir() {
			return err
		}
		if name := entry.Name(); at != base && (strings.HasPrefix(name, ".") || name == "node_modules" || name == "testdata") {
			return filepath.SkipDir
		}
		names, err := filepath.Glob(filepath.Join(at, "*.go"))
		if err != nil {
			return err
		}
		src := &sources{set: token.NewFileSet()}
		folder := strings.TrimPrefix(strings.TrimPrefix(filepath.ToSlash(at), filepath.ToSlash(base)), "/")
		secret := folder == "gateway"
		var own []string
		for _, name := range names {
			if strings.HasSuffix(name, "_test.go") {
				continue
			}
			file, err := parser.ParseFile(token.NewFileSet(), name, nil, parser.ImportsOnly)
			if err != nil {
				return err
			}
			own = append(own, name)
			for _, imported := range file.Imports {
				secret = secret || slices.Contains([]string{`"crypto/hmac"`, `"crypto/subtle"`, `"crypto/pbkdf2"`}, imported.Path.Value)
			}
		}
		if !secret {
			return nil
		}
		for _, name := range own {
			file, err := parser.ParseFile(src.set, name, nil, parser.SkipObjectResolution)
			if err != nil {
				return err
			}
			src.files = append(src.files, file)
		}
		found[folder] = src
		return nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return found
}

// secretWalk knows what is secret in a package, by name: fields and functions of the whole package, variables of one function.
type secretWalk struct {
	*sources

	fields, constants map[string]bool
	functions         map[string]map[int]bool // results that are secret, by the name of their function
	given             map[string]map[int]bool // parameters that get something secret, by the name of their function
	grown             bool                    // something was found since
}

// secretNames are those of parameters and fields that are secret wherever they come from.
var secretNames = regexp.MustCompile(`(?i)^(password|secret|mac|signature|derived)$|(Password|Secret|MAC)$`)

func newSecretWalk(src *sources) *secretWalk {
	w := &secretWalk{
		sources: src, fields: map[string]bool{}, functions: map[string]map[int]bool{}, given: map[string]map[int]bool{},
		constants: map[string]bool{"nil": true, "true": true, "false": true},
	}
	for _, file := range src.files {
		ast.Inspect(file, func(n ast.Node) bool {
			if decl, ok := n.(*ast.GenDecl); ok && decl.Tok == token.CONST {
				for _, spec := range decl.Specs {
					for _, name := range spec.(*ast.ValueSpec).Names {
						w.constants[name.Name] = true
					}
				}
			}
			return true
		})
	}
	for w.grown = true; w.grown; { // until nothing more turns out to be secret
		w.grown = false
		w.each(func(fn *ast.FuncDecl, locals map[string]bool) {
			w.results(fn, locals)
			w.arguments(fn, locals)
		})
	}
	return w
}

// each visits the functions of the package, with the variables that are secret in them.
func (w *secretWalk) each(visit func(fn *ast.FuncDecl, locals map[string]bool)) {
	for _, file := range w.files {
		for _, decl := range file.Decls {
			if fn, ok := decl.(*ast.FuncDecl); ok && fn.Body != nil {
				visit(fn, w.locals(fn))
			}
		}
	}
}

// locals are the variables of a function that get something secret.
func (w *secretWalk) locals(fn *ast.FuncDecl) map[string]bool {
	locals := map[string]bool{}
	i := 0
	for _, field := range fn.Type.Params.List {
		for _, name := range field.Names {
			if fn.Recv == nil && w.given[fn.Name.Name][i] {
				locals[name.Name] = true
			}
			i++
		}
	}
	for before := -1; before < len(locals); {
		before = len(locals)
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.AssignStmt:
				for i, to := range n.Lhs {
					if w.secretValue(n.Rhs, len(n.Lhs), i, locals) {
						w.mark(to, locals)
					}
				}
			case *ast.ValueSpec:
				for i, name := range n.Names {
					if w.secretValue(n.Values, len(n.Names), i, locals) {
						locals[name.Name] = true
					}
				}
			case *ast.RangeStmt:
				if n.Value != nil && w.secret(n.X, locals) {
					w.mark(n.Value, locals)
				}
			case *ast.KeyValueExpr:
				if name, ok := n.Key.(*ast.Ident); ok && w.secret(n.Value, locals) {
					w.mark(&ast.SelectorExpr{Sel: name}, locals)
				}
			case *ast.CallExpr: // a code may be put behind something
				if _, name := callee(n); name == "Sum" && len(n.Args) == 1 && w.secret(n, locals) {
					w.mark(n.Args[0], locals)
				}
			}
			return true
		})
	}
	return locals
}

// secretValue tells whether the value for one of so many variables is secret.
func (w *secretWalk) secretValue(values []ast.Expr, variables, i int, locals map[string]bool) bool {
	switch {
	case len(values) == variables:
		return w.secret(values[i], locals)
	case len(values) == 0:
		return false
	}
	call, ok := values[0].(*ast.CallExpr)
	return ok && w.secretCall(call, i, locals)
}

// mark notes what has become secret: a variable, or a field.
func (w *secretWalk) mark(to ast.Expr, locals map[string]bool) {
	switch to := to.(type) {
	case *ast.Ident:
		if to.Name != "_" && !w.constants[to.Name] {
			locals[to.Name] = true
		}
	case *ast.SelectorExpr:
		w.grown = w.grown || !w.fields[to.Sel.Name]
		w.fields[to.Sel.Name] = true
	case *ast.SliceExpr:
		w.mark(to.X, locals)
	case *ast.IndexExpr:
		w.mark(to.X, locals)
	}
}

// results notes a function that gives something secret back. String is the name of too many for that.
func (w *secretWalk) results(fn *ast.FuncDecl, locals map[string]bool) {
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		if _, ok := n.(*ast.FuncLit); ok {
			return false
		}
		back, ok := n.(*ast.ReturnStmt)
		if !ok || fn.Name.Name == "String" {
			return true
		}
		for i, result := range back.Results {
			if w.secret(result, locals) {
				w.grow(w.functions, fn.Name.Name, i)
			}
		}
		return true
	})
}

// grow notes a result or a parameter.
func (w *secretWalk) grow(all map[string]map[int]bool, name string, i int) {
	if all[name][i] {
		return
	}
	if all[name] == nil {
		all[name] = map[int]bool{}
	}
	all[name][i], w.grown = true, true
}

// arguments notes the functions of the package that are given something secret.
func (w *secretWalk) arguments(fn *ast.FuncDecl, locals map[string]bool) {
	ast.Inspect(fn.Body, func(n ast.Node) bool {
		call, ok := n.(*ast.CallExpr)
		if !ok {
			return true
		}
		_, name := callee(call)
		if _, plain := call.Fun.(*ast.Ident); !plain { // methods of several types have the same name
			return true
		}
		for i, argument := range call.Args {
			if w.secret(argument, locals) {
				w.grow(w.given, name, i)
			}
		}
		return true
	})
}

// callee is the package or the variable that a call begins with, "" for none, and the name of what is called.
func callee(call *ast.CallExpr) (before, name string) {
	switch fun := call.Fun.(type) {
	case *ast.Ident:
		return "", fun.Name
	case *ast.SelectorExpr:
		if x, ok := fun.X.(*ast.Ident); ok {
			before = x.Name
		}
		return before, fun.Sel.Name
	}
	return "", ""
}

var (
	// secretSources are the functions whose results are secret whatever they are given.
	secretSources = []string{"hmac.New", "pbkdf2.Key"}
	// secretCarriers give something back that is as secret as what they were given.
	secretCarriers = regexp.MustCompile(`^(string|append|Sum|Sum1|Sum224|Sum256|Sum384|Sum512|(Append)?EncodeToString|DecodeString|Append|Sprintf?|Appendf|Clone|ToLower|ToUpper|Trim\w*|Load|Bytes|String|Concat|Join)$`)
	// earlyEnds are the functions that compare until something differs.
	earlyEnds = regexp.MustCompile(`^(bytes|strings|slices|reflect|cmp)\.(Equal\w*|Compare|DeepEqual|HasPrefix|HasSuffix|Contains|Index|Cut(Prefix|Suffix))$`)
	// sameTime are those that do not.
	sameTime = regexp.MustCompile(`^(hmac\.Equal|subtle\.\w+)$`)
)

// secret tells whether an expression has something secret.
func (w *secretWalk) secret(e ast.Expr, locals map[string]bool) bool {
	switch e := e.(type) {
	case *ast.ParenExpr:
		return w.secret(e.X, locals)
	case *ast.StarExpr:
		return w.secret(e.X, locals)
	case *ast.UnaryExpr:
		return w.secret(e.X, locals)
	case *ast.IndexExpr:
		return w.secret(e.X, locals)
	case *ast.SliceExpr:
		return w.secret(e.X, locals)
	case *ast.Ident:
		return locals[e.Name] || secretNames.MatchString(e.Name)
	case *ast.SelectorExpr:
		return w.fields[e.Sel.Name] || secretNames.MatchString(e.Sel.Name)
	case *ast.BinaryExpr:
		return e.Op == token.ADD && (w.secret(e.X, locals) || w.secret(e.Y, locals))
	case *ast.CompositeLit:
		return slices.ContainsFunc(e.Elts, func(one ast.Expr) bool { return w.secret(one, locals) })
	case *ast.CallExpr:
		return w.secretCall(e, 0, locals)
	}
	return false
}

// secretCall tells whether a result of a call is secret. Of the functions of other packages it is the first.
func (w *secretWalk) secretCall(call *ast.CallExpr, result int, locals map[string]bool) bool {
	before, name := callee(call)
	given := func(e ast.Expr) bool { return w.secret(e, locals) }
	if _, ok := call.Fun.(*ast.ArrayType); ok {
		return slices.ContainsFunc(call.Args, given)
	}
	switch {
	case w.functions[name] != nil:
		return w.functions[name][result]
	case result > 0:
		return false
	case slices.Contains(secretSources, before+"."+name):
		return true
	case !secretCarriers.MatchString(name):
		return false
	}
	if on, ok := call.Fun.(*ast.SelectorExpr); ok && w.secret(on.X, locals) {
		return true
	}
	return slices.ContainsFunc(call.Args, given)
}

// fixed tells whether an expression is the same for everybody who knows the program, or a length.
func (w *secretWalk) fixed(e ast.Expr) bool {
	switch e := e.(type) {
	case *ast.BasicLit:
		return true
	case *ast.Ident:
		return w.constants[e.Name]
	case *ast.CallExpr:
		_, name := callee(e)
		return name == "len"
	}
	return false
}

// comparisons are the places where something secret is compared by what ends early; with right those by what does not.
func (w *secretWalk) comparisons(right bool) (places []string) {
	w.each(func(fn *ast.FuncDecl, locals map[string]bool) {
		note := func(n ast.Node, operands ...ast.Expr) {
			if slices.ContainsFunc(operands, func(e ast.Expr) bool { return w.secret(e, locals) }) && !slices.ContainsFunc(operands, w.fixed) {
				places = append(places, w.at(n))
			}
		}
		ast.Inspect(fn.Body, func(n ast.Node) bool {
			switch n := n.(type) {
			case *ast.BinaryExpr:
				if !right && slices.Contains([]token.Token{token.EQL, token.NEQ, token.LSS, token.GTR, token.LEQ, token.GEQ}, n.Op) {
					note(n, n.X, n.Y)
				}
			case *ast.SwitchStmt:
				if n.Tag == nil || right {
					return true
				}
				for _, clause := range n.Body.List {
					for _, value := range clause.(*ast.CaseClause).List {
						note(n, n.Tag, value)
					}
				}
			case *ast.CallExpr:
				before, name := callee(n)
				ends := earlyEnds
				if right {
					ends = sameTime
				}
				if ends.MatchString(before + "." + name) {
					note(n, n.Args...)
				}
			}
			return true
		})
	})
	return places
}

// constantTime are the places of all comparisons that take the same time for all values.
func (w *secretWalk) constantTime() (places []string) {
	for _, file := range w.files {
		ast.Inspect(file, func(n ast.Node) bool {
			if call, ok := n.(*ast.CallExpr); ok {
				if before, name := callee(call); sameTime.MatchString(before + "." + name) {
					places = append(places, w.at(n))
				}
			}
			return true
		})
	}
	return places
}

// at is where something stands.
func (w *secretWalk) at(n ast.Node) string {
	p := w.set.Position(n.Pos())
	return fmt.Sprintf("%s/%s:%d", path.Base(filepath.ToSlash(filepath.Dir(p.Filename))), filepath.Base(p.Filename), p.Line)
}
