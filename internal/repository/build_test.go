package repository_test

import (
	"debug/elf"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"strings"
	"testing"
)

// TestImageBuild runs the very line that the Dockerfile builds the program with, and looks that the outcome needs no
// library: the image has none.
func TestImageBuild(t *testing.T) {
	t.Parallel()
	dockerfile, err := os.ReadFile(filepath.Join(root(t), "Dockerfile"))
	if err != nil {
		t.Fatal(err)
	}
	line := regexp.MustCompile(`(?m)^RUN (CGO_ENABLED=0 go build .*) -o /out/bin/after (\S+)$`).FindStringSubmatch(string(dockerfile))
	if line == nil {
		t.Fatal("the Dockerfile has no line that builds the program")
	}
	if runtime.GOOS != "linux" {
		t.Log("not on Linux: that the program is static is not looked at")
	}
	program := filepath.Join(t.TempDir(), "after")
	cmd := exec.CommandContext(t.Context(), "sh", "-c", line[1]+` -o "$PROGRAM" `+line[2])
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), "PROGRAM="+program)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("%v\n%s", err, out)
	}
	if out, err := exec.CommandContext(t.Context(), program, "--version").CombinedOutput(); err != nil || !strings.HasPrefix(string(out), "after ") {
		t.Errorf("--version: %v: %s", err, out)
	}
	if runtime.GOOS == "linux" {
		mustBeStatic(t, program)
	}
}

func mustBeStatic(t *testing.T, program string) {
	t.Helper()
	file, err := elf.Open(program)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	for _, segment := range file.Progs {
		if segment.Type == elf.PT_INTERP {
			t.Error("the program needs a dynamic linker")
		}
	}
	if libraries, err := file.ImportedLibraries(); err != nil || len(libraries) > 0 {
		t.Errorf("the program needs %v (%v)", libraries, err)
	}
}
