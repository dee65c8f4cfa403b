package cli

import (
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

var update = flag.Bool("update", false, "write docs/cli.md anew")

// TestDocumentation holds docs/cli.md to the commands. `make docs` writes it anew.
func TestDocumentation(t *testing.T) {
	t.Parallel()
	path := filepath.Join("..", "docs", "cli.md")
	want := documentation()
	if *update {
		if err := os.WriteFile(path, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	got, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(want, string(got)); diff != "" {
		t.Errorf("docs/cli.md is not current, run `make docs`:\n%s", diff)
	}
}

// TestEveryCommandIsExplained: a sentence, a longer text, an example.
func TestEveryCommandIsExplained(t *testing.T) {
	t.Parallel()
	for _, cmd := range documented() {
		if cmd.Short == "" || cmd.Long == "" || cmd.Example == "" {
			t.Errorf("%s lacks its short or long text, or an example", cmd.CommandPath())
		}
		if strings.HasSuffix(cmd.Short, ".") {
			t.Errorf("%s: the short text is no sentence, it has no full stop", cmd.CommandPath())
		}
		for line := range strings.SplitSeq(cmd.Long, "\n") {
			if len(line) > 125 {
				t.Errorf("%s: a line of the long text has %d characters: %s", cmd.CommandPath(), len(line), line)
			}
		}
		for line := range strings.SplitSeq(cmd.Example, "\n") {
			if !strings.Contains(line, "after "+cmd.Name()) {
				t.Errorf("%s: the example is of something else: %s", cmd.CommandPath(), line)
			}
		}
	}
}

// documented are the commands of ours that people see.
func documented() []*cobra.Command {
	root := newRoot(newApp(Streams{Out: io.Discard, Err: io.Discard}), "after")
	var list []*cobra.Command
	for _, group := range root.Groups() {
		for _, cmd := range root.Commands() {
			if cmd.GroupID == group.ID {
				list = append(list, cmd)
			}
		}
	}
	return list
}

func documentation() string {
	var b strings.Builder
	b.WriteString(`<!-- Written by "make docs" from the commands in cli. -->
# The command line

Every command takes ` + "`--help`, and `--config <file>`" + ` to read another configuration. ` + "`after completion <shell>`" + ` prints
the completions of bash, zsh, fish or PowerShell, and ` + "`after man <folder>`" + ` writes the manual pages; the installer puts both
in their places.

Tables and colours appear on terminals; elsewhere the columns are separated by tabs, without headers, and with ` + "`--json`" + ` each
line is one JSON value. What is said on the way goes to standard error.

| command | |
|---|---|
`)
	for _, cmd := range documented() {
		fmt.Fprintf(&b, "| [`after %s`](#after-%s) | %s |\n", cmd.Name(), cmd.Name(), cmd.Short)
	}
	b.WriteString("\n## Exit statuses\n\n| status | meaning |\n|---|---|\n")
	for _, code := range ExitCodes() {
		fmt.Fprintf(&b, "| %d | %s |\n", code.Code, code.Meaning)
	}
	for _, cmd := range documented() {
		fmt.Fprintf(&b, "\n## after %s\n\n%s\n\n```\n%s\n```\n", cmd.Name(), cmd.Long, strings.TrimSuffix(cmd.UseLine(), " [flags]"))
		if usage := strings.TrimRight(cmd.LocalNonPersistentFlags().FlagUsages(), "\n"); usage != "" {
			fmt.Fprintf(&b, "\n```\n%s\n```\n", usage)
		}
		fmt.Fprintf(&b, "\n```sh\n%s\n```\n", unindent(cmd.Example))
	}
	return b.String()
}

func unindent(text string) string {
	lines := strings.Split(text, "\n")
	for i := range lines {
		lines[i] = strings.TrimPrefix(lines[i], "  ")
	}
	return strings.Join(lines, "\n")
}
