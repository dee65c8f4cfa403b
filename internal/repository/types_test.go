package repository_test

import (
	"encoding/json"
	"errors"
	"go/ast"
	"go/parser"
	"go/token"
	"go/types"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adlayer/after/internal/torture"
)

// systems are those that the program is meant for, beside the one that tests.
var systems = []string{"darwin/arm64", "windows/amd64"}

// TestCompilesEverywhere reads the program with all that it is made of as the compiler does for other systems: each name must be there, with its type.
// That costs a fraction of compiling the standard library anew for each; AFTER_TORTURE compiles.
func TestCompilesEverywhere(t *testing.T) {
	t.Parallel()
	for _, system := range systems {
		t.Run(system, func(t *testing.T) {
			t.Parallel()
			if torture.Asked() {
				if out, err := goFor(t, system, "build", "-buildvcs=false", "-o", os.DevNull, "./cmd/after").CombinedOutput(); err != nil {
					t.Errorf("%v\n%s", err, out)
				}
				return
			}
			checkTypes(t, system)
		})
	}
}

// goFor is a command of Go for a system.
func goFor(t *testing.T, system string, args ...string) *exec.Cmd {
	t.Helper()
	goos, goarch, _ := strings.Cut(system, "/")
	cmd := exec.CommandContext(t.Context(), "go", args...)
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), "GOOS="+goos, "GOARCH="+goarch, "CGO_ENABLED=0")
	return cmd
}

// checkTypes reads all packages of the program, each behind those that it imports.
func checkTypes(t *testing.T, system string) {
	t.Helper()
	cmd := goFor(t, system, "list", "-deps", "-json=ImportPath,Dir,GoFiles,Standard,ImportMap,Error", "./cmd/after")
	cmd.Stderr = os.Stderr
	list, err := cmd.StdoutPipe()
	if err == nil {
		err = cmd.Start()
	}
	if err != nil {
		t.Fatal(err)
	}
	_, goarch, _ := strings.Cut(system, "/")
	known := packages{"unsafe": types.Unsafe}
	ours := 0
	for from := json.NewDecoder(list); ; {
		var p source
		if err := from.Decode(&p); errors.Is(err, io.EOF) {
			break
		} else if err != nil {
			t.Fatal(err)
		}
		if strings.HasPrefix(p.ImportPath, module) {
			ours++
		}
		if p.ImportPath != "unsafe" {
			known[p.ImportPath] = p.check(t, known, goarch)
		}
	}
	if err := cmd.Wait(); err != nil || ours < 10 {
		t.Errorf("go list names %d packages of ours: %v", ours, err)
	}
}

// source is a package as go list gives it.
type source struct {
	ImportPath string
	Dir        string
	GoFiles    []string
	Standard   bool
	ImportMap  map[string]string // of packages that are found elsewhere than their name says
	Error      *struct{ Err string }
}

// check reads a package; of the standard library only what it declares, since that is not ours to test.
func (p *source) check(t *testing.T, known packages, goarch string) *types.Package {
	t.Helper()
	if p.Error != nil {
		t.Errorf("%s: %s", p.ImportPath, p.Error.Err)
	}
	files := token.NewFileSet()
	var parsed []*ast.File
	for _, name := range p.GoFiles {
		file, err := parser.ParseFile(files, filepath.Join(p.Dir, name), nil, parser.SkipObjectResolution)
		if err != nil {
			t.Error(err)
			continue
		}
		parsed = append(parsed, file)
	}
	config := types.Config{
		Importer: importer{known, p.ImportMap}, Sizes: types.SizesFor("gc", goarch), IgnoreFuncBodies: p.Standard, FakeImportC: true,
		Error: func(err error) { t.Errorf("%s: %v", p.ImportPath, err) },
	}
	pkg, _ := config.Check(p.ImportPath, files, parsed, nil) // each error was told
	return pkg
}

// packages are those that were read, by their paths.
type packages map[string]*types.Package

type importer struct {
	packages
	elsewhere map[string]string
}

func (i importer) Import(path string) (*types.Package, error) {
	if to, ok := i.elsewhere[path]; ok {
		path = to
	}
	if pkg := i.packages[path]; pkg != nil {
		return pkg, nil
	}
	return nil, errors.New("go list did not name it before")
}
