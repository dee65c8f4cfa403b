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
	var exported strings.Builder // what a shell remembers from one block to the next
	left := map[string]bool{}
	for piece := range answersOfStoreMD {
		left[piece] = true
	}
	for i, match := range fence.FindAllStringSubmatch(page(t, "docs/store.md"), -1) {
		kind, block := match[1], match[2]
		if kind == "json" {
			r.configures(block)
			continue
		}
		if kind != "sh" {
			t.Errorf("block %d is of the kind %q, which nobody tests", i+1, kind)
			continue
		}
		out := r.succeeds(exported.String() + block)
		for line := range strings.Lines(block) {
			if strings.HasPrefix(line, "export ") {
				exported.WriteString(line)
			}
		}
		if i == 0 {
			r.succeeds(exported.String() + "curl -X PUT $STORE/tasks") // which a worker makes
		}
		found := false
		for piece, answer := range answersOfStoreMD {
			if strings.Contains(block, piece) {
				found = true
				delete(left, piece)
				if !regexp.MustCompile(answer).MatchString(out) {
					t.Errorf("%s\nanswers\n%s\nwithout %s", block, out, answer)
				}
			}
		}
		if !found {
			t.Errorf("nothing is said of what this answers:\n%s", block)
		}
	}
	for piece := range left {
		t.Errorf("the page has no example any more with %s", piece)
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
