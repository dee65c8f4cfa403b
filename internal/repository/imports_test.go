package repository_test

import (
	"encoding/json"
	"errors"
	"io"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
)

const module = "github.com/adlayer/after"

// root is the folder of the module.
func root(t *testing.T) string {
	t.Helper()
	path, err := filepath.Abs(filepath.Join("..", ".."))
	if err != nil {
		t.Fatal(err)
	}
	return path
}

// pkg is what go list says of a package.
type pkg struct {
	ImportPath   string
	Name         string
	Doc          string
	Imports      []string
	TestImports  []string
	XTestImports []string
	GoFiles      []string
	Standard     bool
}

func list(t *testing.T, args ...string) []pkg {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), "go", append([]string{"list", "-json=ImportPath,Name,Doc,Imports,TestImports,XTestImports,GoFiles,Standard"}, args...)...)
	cmd.Dir = root(t)
	var problems strings.Builder
	cmd.Stderr = &problems
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("go list: %v\n%s", err, problems.String())
	}
	var packages []pkg
	decoder := json.NewDecoder(strings.NewReader(string(out)))
	for {
		var p pkg
		if err := decoder.Decode(&p); errors.Is(err, io.EOF) {
			return packages
		} else if err != nil {
			t.Fatal(err)
		}
		packages = append(packages, p)
	}
}

// allowed says which packages of ours a package may import, by the path below the module; "*" is everything. A
// package that is not here may import nothing of ours: whoever adds one decides where it stands. The packages below
// one may import what it may, and one another. internal/jsonscan, which knows bytes
// alone, and internal/wait, which knows the clock alone, lie below the leaves.
func allowed() map[string][]string {
	return map[string][]string{
		"task":            {"when"},
		"when":            {"internal/jsonscan"},
		"scheduler":       {},
		"changes":         {"couch", "internal/wait"},
		"couch":           {"internal/jsonscan", "internal/wait"},
		"couch/couchtest": {"couch", "store"}, // the suite starts the servers it runs on
		"fleet":           {"couch", "internal/wait"},
		"jobs":            {"task", "when", "webhook", "internal/wait", "internal/authorities"},
		"runs":            {"task", "when", "couch", "changes"},
		"notify":          {"task", "when", "couch"},
		"notify/mailer":   {"notify", "task", "internal/authorities"},
		"notify/send":     {"notify", "task", "when", "couch", "changes", "jobs", "internal/wait"},
		"expect":          {"task", "when", "couch", "changes", "jobs", "internal/wait"},
		"worker":          {"task", "when", "scheduler", "changes", "couch", "fleet", "jobs", "notify", "runs", "internal/wait"},
		"store":           {"internal/jsonscan", "internal/cors", "internal/wait"},
		"gateway":         {"task", "when", "client", "changes", "couch", "expect", "fleet", "jobs", "webhook", "internal/cors"},
		"client":          {"task", "when", "couch", "changes", "jobs"},
		"webhook":         {},
		"config":          {"when"},
		"cli":             {"*"},
		"cmd/after":       {"cli"},
		"bench":           {"*"},
		"examples":        {"cli", "jobs"},
		"internal":        {},
		"test":            {"*"},
	}
}

// joints are imported by none but those named: they know everybody, so nobody may lean on them.
func joints() map[string][]string {
	return map[string][]string{
		"worker":  {"cli", "bench"},
		"gateway": {"cli"},
		"config":  {"cli"},
		"store":   {"cli", "bench", "couch/couchtest"},
		"cli":     {"cmd/after", "examples"},
	}
}

// TestImportDirections holds the packages to the table of the design: leaves import nothing of ours that knows anything, worker is the
// single joint, nothing imports what stands above it. Test files are free, since suites bring packages together.
func TestImportDirections(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, "./...") {
		from := below(p.ImportPath)
		owner, may := ruleOf(from)
		for _, imported := range p.Imports {
			if !strings.HasPrefix(imported, module+"/") {
				continue
			}
			to := below(imported)
			inFamily := owner != "" && within(to, owner)
			if !inFamily && !slices.Contains(may, "*") && !slices.ContainsFunc(may, func(a string) bool { return within(to, a) }) {
				t.Errorf("%s imports %s: it may import %s of ours", from, to, orNothing(may))
			}
			for joint, by := range joints() {
				if within(to, joint) && !within(from, joint) && !slices.ContainsFunc(by, func(b string) bool { return within(from, b) }) {
					t.Errorf("%s imports %s: only %s may", from, to, strings.Join(by, ", "))
				}
			}
		}
	}
}

// TestTortureReachesProperties: make torture lengthens the properties of every package that has some.
func TestTortureReachesProperties(t *testing.T) {
	t.Parallel()
	found := 0
	for _, p := range list(t, "./...") {
		imported := slices.Concat(p.TestImports, p.XTestImports)
		if !slices.Contains(imported, "pgregory.net/rapid") {
			continue
		}
		found++
		if !slices.Contains(imported, module+"/internal/torture") {
			t.Errorf("%s has properties that make torture does not lengthen: its TestMain is to call torture.Checks", below(p.ImportPath))
		}
	}
	if found == 0 {
		t.Error("no package has properties")
	}
}

// TestDomainDoesNoIO keeps files, sockets and processes out of the packages that are pure rules.
func TestDomainDoesNoIO(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, "./task/...", "./when/...", "./scheduler/...") {
		for _, imported := range p.Imports {
			if slices.Contains([]string{"net", "net/http", "os", "os/exec", "io/ioutil", "database/sql"}, imported) {
				t.Errorf("%s imports %s: its rules are pure", below(p.ImportPath), imported)
			}
			if below(p.ImportPath) == "scheduler" && strings.Contains(strings.SplitN(imported, "/", 2)[0], ".") {
				t.Errorf("scheduler imports %s: it needs nothing but the standard library", imported)
			}
		}
	}
}

// TestEveryPackageSaysWhatItIs: one clear sentence at least.
func TestEveryPackageSaysWhatItIs(t *testing.T) {
	t.Parallel()
	for _, p := range list(t, "./...") {
		if len(p.GoFiles) > 0 && len(strings.Fields(p.Doc)) < 4 {
			t.Errorf("%s has no comment that says what it is", p.ImportPath)
		}
	}
}

// TestProgramHasNoTestModules keeps what only tests need out of the program.
func TestProgramHasNoTestModules(t *testing.T) {
	t.Parallel()
	testOnly := []string{
		"testing", "go.uber.org/goleak", "pgregory.net/rapid", "github.com/anishathalye/porcupine",
		"github.com/rogpeppe/go-internal/testscript", "github.com/google/go-cmp/cmp", module + "/couch/couchtest", module + "/store/storetest",
		module + "/internal/runcheck", module + "/internal/testcert", module + "/internal/torture", module + "/test",
	}
	for _, p := range list(t, "-deps", "./cmd/after") {
		if slices.ContainsFunc(testOnly, func(only string) bool { return within(p.ImportPath, only) }) {
			t.Errorf("the program is linked with %s, which is for tests", p.ImportPath)
		}
	}
}

func below(importPath string) string { return strings.TrimPrefix(importPath, module+"/") }

func within(path, folder string) bool { return path == folder || strings.HasPrefix(path, folder+"/") }

// ruleOf finds the rule for a package: its own, or that of the nearest package above it.
func ruleOf(path string) (owner string, may []string) {
	rules := allowed()
	for at := path; at != "."; at = filepath.ToSlash(filepath.Dir(at)) {
		if may, ok := rules[at]; ok {
			return at, may
		}
	}
	return "", nil
}

func orNothing(may []string) string {
	if len(may) == 0 {
		return "nothing"
	}
	return strings.Join(may, ", ")
}
