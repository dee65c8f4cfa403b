package repository_test

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// shells are those that install.sh must run under. dash is the strictest of the usual ones; where it is not installed,
// sh alone is tested, and that is said.
func shells(t *testing.T) []string {
	t.Helper()
	if _, err := exec.LookPath("dash"); err != nil {
		t.Log("dash is not installed: install.sh is tested under sh only")
		return []string{"sh"}
	}
	return []string{"sh", "dash"}
}

func install(t *testing.T, shell string, wantError bool, args ...string) string {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), shell, append([]string{filepath.Join(root(t), "install.sh")}, args...)...)
	cmd.Dir = t.TempDir()
	out, err := cmd.CombinedOutput()
	if (err != nil) != wantError {
		t.Fatalf("%s install.sh %s: %v\n%s", shell, strings.Join(args, " "), err, out)
	}
	return string(out)
}

func TestInstall(t *testing.T) {
	t.Parallel()
	for _, shell := range shells(t) {
		t.Run(shell, func(t *testing.T) {
			t.Parallel()
			prefix := filepath.Join(t.TempDir(), "with a space & more")
			in := func(path string) string { return filepath.Join(prefix, filepath.FromSlash(path)) }
			install(t, shell, false, "--prefix", prefix)
			for _, path := range []string{
				"bin/after", "etc/after/config.json", "etc/after/jobs", "share/man/man1/after.1", "share/man/man1/after-start.1",
				"share/bash-completion/completions/after", "share/zsh/site-functions/_after", "share/fish/vendor_completions.d/after.fish",
			} {
				if _, err := os.Stat(in(path)); err != nil {
					t.Error(err)
				}
			}
			theProgramFindsItsConfiguration(t, prefix)

			// A second time, over a configuration that somebody has changed.
			changed := []byte(`{"couch": {"database": "mine"}}`)
			if err := os.WriteFile(in("etc/after/config.json"), changed, 0o600); err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(in("etc/after/jobs/mine"), []byte("#!/bin/sh\n"), 0o700); err != nil {
				t.Fatal(err)
			}
			install(t, shell, false, "--prefix="+prefix)
			if got, err := os.ReadFile(in("etc/after/config.json")); err != nil || !bytes.Equal(got, changed) {
				t.Errorf("the configuration was overwritten: %s, %v", got, err)
			}

			out := install(t, shell, false, "--uninstall", "--prefix", prefix)
			if !strings.Contains(out, "kept "+in("etc/after/config.json")) || !strings.Contains(out, "kept "+in("etc/after/jobs")) {
				t.Errorf("it does not say what it kept:\n%s", out)
			}
			if left, want := files(t, prefix), "etc/after/config.json etc/after/jobs/mine"; left != want {
				t.Errorf("left behind: %s, want %s", left, want)
			}
		})
	}
}

func TestInstallLeavesNothing(t *testing.T) {
	t.Parallel()
	prefix := filepath.Join(t.TempDir(), "after")
	install(t, "sh", false, "--prefix", prefix)
	install(t, "sh", false, "--prefix", prefix, "--uninstall")
	if left := files(t, prefix); left != "" {
		t.Errorf("left behind: %s", left)
	}
	if out := install(t, "sh", true, "--prefix", prefix, "--uninstall"); !strings.Contains(out, "is not installed below") {
		t.Errorf("a second time: %s", out)
	}
}

func TestInstallRefuses(t *testing.T) {
	t.Parallel()
	if out := install(t, "sh", true, "--perfix", "/x"); !strings.Contains(out, `what is "--perfix"?`) || !strings.Contains(out, "usage:") {
		t.Errorf("a misspelt flag: %s", out)
	}
	if out := install(t, "sh", true, "--prefix"); !strings.Contains(out, "needs a folder") {
		t.Errorf("no folder: %s", out)
	}
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	if out := install(t, "sh", true, "--prefix", filepath.Join(file, "x")); !strings.Contains(out, "cannot be written to") {
		t.Errorf("below a file: %s", out)
	}
}

// theProgramFindsItsConfiguration: the installed program, in somebody's empty home, reads <prefix>/etc/after/config.json,
// and its jobs folder is the one beside it.
func theProgramFindsItsConfiguration(t *testing.T, prefix string) {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), filepath.Join(prefix, "bin", "after"), "config", "--json")
	home := t.TempDir()
	cmd.Dir = home
	cmd.Env = []string{"HOME=" + home, "PATH=" + os.Getenv("PATH")}
	out, err := cmd.Output()
	if err != nil {
		t.Fatalf("after config: %v\n%s", err, out)
	}
	var shown struct {
		File     string
		Settings []struct {
			Key   string
			Value any
		}
	}
	if err := json.Unmarshal(out, &shown); err != nil {
		t.Fatal(err)
	}
	if want := filepath.Join(prefix, "etc", "after", "config.json"); !sameFile(shown.File, want) {
		t.Errorf("it reads %q, want %q", shown.File, want)
	}
	for _, s := range shown.Settings {
		if folder, _ := s.Value.(string); s.Key == "jobs.folder" && !sameFile(folder, filepath.Join(prefix, "etc", "after", "jobs")) {
			t.Errorf("its jobs folder is %q", folder)
		}
	}
}

func sameFile(a, b string) bool {
	x, errX := os.Stat(a)
	y, errY := os.Stat(b)
	return errX == nil && errY == nil && os.SameFile(x, y)
}

// files lists what is below a folder, sorted.
func files(t *testing.T, folder string) string {
	t.Helper()
	var found []string
	err := filepath.WalkDir(folder, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		short, err := filepath.Rel(folder, path)
		found = append(found, filepath.ToSlash(short))
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return strings.Join(found, " ")
}
