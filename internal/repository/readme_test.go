package repository_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// TestProgramsOfTheDocs compiles the Go programs that README.md and the pages of docs show, as a reader would who copies them.
func TestProgramsOfTheDocs(t *testing.T) {
	t.Parallel()
	pages, err := filepath.Glob(filepath.Join(root(t), "docs", "*.md"))
	if err != nil {
		t.Fatal(err)
	}
	overlay := struct{ Replace map[string]string }{map[string]string{}}
	var folders []string
	for _, page := range append(pages, filepath.Join(root(t), "README.md")) {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for i, block := range regexp.MustCompile("(?s)```go\n(.*?)```").FindAllStringSubmatch(string(text), -1) {
			folder := fmt.Sprintf("examples/shown-%d", len(folders))
			folders = append(folders, "./"+folder)
			source := filepath.Join(t.TempDir(), fmt.Sprintf("%s-%d.go", filepath.Base(page), i+1)) // the compiler names it
			if err := os.WriteFile(source, []byte(block[1]), 0o600); err != nil {
				t.Fatal(err)
			}
			overlay.Replace[filepath.Join(root(t), folder, "main.go")] = source
		}
	}
	if len(folders) < 2 {
		t.Fatalf("%d programs were found: the pages are written in another way than this test reads them", len(folders))
	}
	content, err := json.Marshal(overlay)
	if err != nil {
		t.Fatal(err)
	}
	file := filepath.Join(t.TempDir(), "overlay.json")
	if err := os.WriteFile(file, content, 0o600); err != nil {
		t.Fatal(err)
	}
	// What is listed with its export data is compiled, and not linked; as the image is built, to share the compiler's cache.
	cmd := exec.CommandContext(t.Context(), "go", slices.Concat([]string{"list", "-export", "-trimpath", "-overlay", file, "-f", "{{.Name}}"}, folders)...)
	cmd.Dir = root(t)
	cmd.Env = append(os.Environ(), "CGO_ENABLED=0")
	out, err := cmd.CombinedOutput()
	if want := strings.Repeat("main\n", len(folders)); err != nil || string(out) != want {
		t.Errorf("%v\n%s", err, out)
	}
}
