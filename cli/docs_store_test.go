//go:build unix

package cli_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// answersOfStoreMD says what the examples of docs/store.md answer, by a piece of each.
var answersOfStoreMD = map[string]string{
	"after serve -b":           `"ok":true,"id":"c"`,
	`"create_target":true}'`:   `"docs_written":3`,
	"_scheduler/jobs":          `"type":"replication"(?s:.*)"total_rows":1(?s:.*)"ok":true`,
	`"selector":{"kind":"x"}}`: `"docs_written":1(?s:.*)"docs_written":2`,
	"/_explain":                `"total_docs_examined":0(?s:.*)"covering":true`,
	"filter=rules/of":          `"id":"_design/rules"(?s:.*)"results":\[\s*\]`,
	"/_node/_local/_config":    `"utc_random"`,
	"/_stats/":                 `"type":"histogram"`,
	"after store restore":      `restored from`,
}

// TestCommandsOfStoreMD types every example of docs/store.md in order, as it stands, at a store that the first of them starts.
func TestCommandsOfStoreMD(t *testing.T) {
	t.Parallel()
	address, err := freeAddress()
	if err != nil {
		t.Fatal(err)
	}
	folder := t.TempDir()
	r := &reader{
		t: t,
		env: []string{
			"PATH=" + os.Getenv("PATH"), "HOME=" + folder, "TZ=UTC", "TERM=dumb", "GORACE=atexit_sleep_ms=0", "AFTER_STORE_LISTEN=" + address,
			"AFTER_COUCH_URL=http://after:after@" + address, "AFTER_STATE_FOLDER=" + filepath.Join(folder, "state"),
			"AFTER_STORE_DATA=" + filepath.Join(folder, "data"), "AFTER_STORE_ADMINS=" + hashedAdmin,
		},
		here: strings.NewReplacer("127.0.0.1:5984", address, "/var/backups", folder, "/var/lib/after/data", filepath.Join(folder, "back"),
			"curl ", "curl -sSf "),
	}
	t.Cleanup(func() {
		stop := exec.Command("after", "stop", "serve")
		stop.Env = r.env
		if out, err := stop.CombinedOutput(); err != nil {
			t.Errorf("stopping the store: %v\n%s", err, out)
		}
	})
	typed := examples{answers: answersOfStoreMD, seen: map[string]bool{}}
	for i, match := range fence.FindAllStringSubmatch(page(t, "docs/store.md"), -1) {
		kind, block := match[1], match[2]
		switch kind {
		case "json":
			r.configures(block)
			continue
		case "js": // a browser runs it
			continue
		case "sh":
		default:
			t.Errorf("block %d is of the kind %q, which nobody tests", i+1, kind)
			continue
		}
		typed.answer(t, block, r.succeeds(typed.exported.String()+block))
		if i == 0 {
			r.succeeds(typed.exported.String() + "curl -X PUT $STORE/tasks") // which a worker makes
		}
	}
	typed.end(t)
}

// examples are those of a page, which are typed one after the other.
type examples struct {
	answers  map[string]string // what they answer, by a piece of each
	seen     map[string]bool   // of these pieces
	exported strings.Builder   // what a shell remembers from one block to the next
}

// answer holds what a block answers to what is said of it, here and in the block itself.
func (e *examples) answer(t *testing.T, block, out string) {
	t.Helper()
	for line := range strings.Lines(block) {
		if strings.HasPrefix(line, "export ") {
			e.exported.WriteString(line)
		}
		if answer, ok := strings.CutPrefix(line, "# "); ok && !strings.Contains(out, answer) {
			t.Errorf("%s\nanswers\n%s\nand the page says\n%s", block, out, answer)
		}
	}
	found := false
	for piece, answer := range e.answers {
		if !strings.Contains(block, piece) {
			continue
		}
		found = true
		e.seen[piece] = true
		if !regexp.MustCompile(answer).MatchString(out) {
			t.Errorf("%s\nanswers\n%s\nwithout %s", block, out, answer)
		}
	}
	if !found {
		t.Errorf("nothing is said of what this answers:\n%s", block)
	}
}

// end finds what is said of examples that are not there.
func (e *examples) end(t *testing.T) {
	t.Helper()
	for piece := range e.answers {
		if !e.seen[piece] {
			t.Errorf("the page has no example any more with %s", piece)
		}
	}
}

// configures reads a configuration that the page shows.
func (r *reader) configures(text string) {
	r.t.Helper()
	path := filepath.Join(r.t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		r.t.Fatal(err)
	}
	r.succeeds("env -u AFTER_COUCH_URL after config --config " + path)
}
