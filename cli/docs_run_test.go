//go:build unix

package cli_test

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/task"
)

// pageTime is when the pages were written: what they say of "in 5 d 11 h" is from then.
const pageTime = "2026-11-22T06:16:00+01:00"

// reader types what a page shows, as somebody would who reads it.
type reader struct {
	t     *testing.T
	db    *couch.Database
	env   []string
	typed int
	// The page shows things that are not the same everywhere; each is replaced before it is typed.
	here *strings.Replacer
	// Lines that are not typed, by how they begin, with the reason.
	passed map[string]string
}

// reading prepares a machine for one page: a server, jobs, the time of the page.
func reading(t *testing.T) *reader {
	t.Helper()
	server, folder := couchtest.Embedded(t), t.TempDir()
	db := server.Dial(t).Database("tasks")
	if err := server.Dial(t).CreateDatabase(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	// The crontab of the page.
	crontab := "#!/bin/sh\nprintf '%s\\n' '' '# nightly' '30 2 * * * backup --all' '@reboot start'\n"
	if err := os.WriteFile(filepath.Join(folder, "crontab"), []byte(crontab), 0o700); err != nil {
		t.Fatal(err)
	}
	env := outside(t, server, clockVariable+"="+pageTime, "TZ=Europe/Berlin", "AFTER_SETUP_PASSWORD="+server.Password,
		"PATH="+folder+string(os.PathListSeparator)+os.Getenv("PATH"))
	root := strings.TrimPrefix(server.URL, "http://")
	return &reader{
		t: t, db: db, env: env,
		passed: map[string]string{
			"go run ./cmd/after start": "it runs until it is stopped; TestScripts does it",
			"make test":                "this is it",
			"AFTER_COUCH_URL=http://couch.example.org:5984 AFTER_COUCH_USER=after AFTER_COUCH_PASSWORD=… after start": "as above",
		},
		here: strings.NewReplacer("go run ./cmd/after", "after", "http://couch.example.org:5984", server.URL, "127.0.0.1:5984", root,
			"after:after", server.User+":"+server.Password, "hello-$(date +%s)", "hello", "hello-…", "hello", "PASSWORD=…", "PASSWORD=secret",
			"/usr/local/etc/after/jobs", folder, "curl ", "curl -sSf "),
	}
}

// types types a command, and gives all that it says.
func (r *reader) types(command string) string {
	r.t.Helper()
	r.typed++
	shell := exec.CommandContext(r.t.Context(), "sh", "-c", r.here.Replace(command))
	shell.Env = r.env
	out, err := shell.CombinedOutput()
	if _, exited := err.(*exec.ExitError); err != nil && !exited { //nolint:errorlint // it is not wrapped
		r.t.Fatal(err)
	}
	status := shell.ProcessState.ExitCode()
	r.t.Logf("$ %s\n%s(%d)", command, out, status)
	if status == 127 {
		r.t.Errorf("%s: there is no such command", command)
	}
	return string(out)
}

// succeeds types a command that must.
func (r *reader) succeeds(command string) string {
	r.t.Helper()
	out := r.types("set -e\n" + command + "\necho succeeded")
	said, ok := strings.CutSuffix(out, "succeeded\n")
	if !ok {
		r.t.Errorf("%s\nfailed: %s", command, out)
	}
	return said
}

// console types the commands of a block and compares what it shows. Columns may be any number of blanks apart.
func (r *reader) console(block string) {
	r.t.Helper()
	for _, entry := range strings.Split("\n"+block, "\n$ ")[1:] {
		command, want, _ := strings.Cut(entry, "\n")
		if diff := cmp.Diff(shown(want), shown(r.types(command))); diff != "" {
			r.t.Errorf("$ %s\n%s", command, diff)
		}
	}
}

var (
	columns = regexp.MustCompile(`\S(\t|  +)`)
	version = regexp.MustCompile(`(?m)^after \S+$`)
	aside   = regexp.MustCompile(`(?m)^(See "after .*|no worker named .*)\n`)
)

// shown is an output as a page shows it.
func shown(text string) string {
	text = version.ReplaceAllString(aside.ReplaceAllString(strings.TrimRight(text, "\n")+"\n", ""), "after <version>")
	lines := strings.Split(strings.TrimRight(text, "\n"), "\n")
	for i, line := range lines {
		lines[i] = strings.TrimRight(columns.ReplaceAllStringFunc(line, func(s string) string { return s[:1] + "  " }), " \t")
	}
	return strings.Join(lines, "\n")
}

// writes puts a document as the worker of the page has left it, in place of the one that is there.
func (r *reader) writes(document string) {
	r.t.Helper()
	var fields map[string]any
	if err := json.Unmarshal([]byte(document), &fields); err != nil {
		r.t.Fatal(err)
	}
	id := fmt.Sprint(fields["_id"])
	if there, err := r.db.Get(r.t.Context(), id); err == nil {
		fields["_rev"] = there.Rev
	} else if !couch.IsNotFound(err) {
		r.t.Fatal(err)
	}
	body, err := json.Marshal(fields)
	if err != nil {
		r.t.Fatal(err)
	}
	if _, err := r.db.Put(r.t.Context(), id, body); err != nil {
		r.t.Fatal(err)
	}
}

var (
	fence   = regexp.MustCompile("(?ms)^```(\\w+)\n(.*?)^```$")
	control = regexp.MustCompile("(?m)^\\| `(after [^`]*)` \\| (.*) \\|$")
	child   = regexp.MustCompile("`(\\S+@\\S+)`")
)

func page(t *testing.T, name string) string {
	t.Helper()
	content, err := os.ReadFile(filepath.Join("..", name))
	if err != nil {
		t.Fatal(err)
	}
	return string(content)
}

// TestCommandsOfTimeMD types every command of docs/time.md in order, and compares what it says with what the page shows.
func TestCommandsOfTimeMD(t *testing.T) {
	t.Parallel()
	text := page(t, "docs/time.md")
	r := reading(t)
	r.writes(`{"_id": "report", "worker": "manobi", "job": "report", "timezone": "Europe/Berlin", "repeat": "0 9 * * *", "after": ["nightly"],
		"date": "2026-11-23T08:00:00Z", "status": "scheduled", "plan": {"from": "2026-11-22T08:00:00Z", "index": 1, "nominal": "2026-11-23T08:00:00Z",
		"due": "2026-11-23T08:00:00Z", "key": "k"}}`)
	for i, match := range fence.FindAllStringSubmatch(text, -1) {
		switch kind, block := match[1], match[2]; {
		case kind == "sh":
			for line := range strings.Lines(block) {
				r.succeeds(strings.TrimSpace(line))
			}
		case kind == "console" && strings.Contains(block, "$ after tasks"):
			for _, command := range control.FindAllStringSubmatch(text, -1) {
				r.controls(command[1], command[2])
			}
			r.writes(`{"_id": "nightly", "worker": "manobi", "job": "backup", "date": "2026-11-23T01:30:00Z", "repeat": "every day at 2:30",
				"timezone": "Europe/Berlin", "status": "paused", "note": "disk is being replaced", "plan": {"from": "2026-11-23T01:30:00Z", "index": 0,
				"nominal": "2026-11-23T01:30:00Z", "due": "2026-11-23T01:30:00Z", "key": "k", "paused": true}, "history": [{"status": "paused",
				"at": "2026-11-22T05:16:00Z", "note": "disk is being replaced"}]}`)
			r.writes(`{"_id": "report", "worker": "manobi", "job": "report", "date": "2026-11-27T17:00:00Z", "repeat": "every other friday at 18:00",
				"timezone": "Europe/Berlin", "status": "scheduled", "after": ["nightly"], "plan": {"from": "2026-11-27T17:00:00Z", "index": 0,
				"nominal": "2026-11-27T17:00:00Z", "due": "2026-11-27T17:00:00Z", "key": "k"}}`)
			r.console(block)
		case kind == "console":
			r.console(block)
		case kind != "json": // which the tests of package when read
			t.Errorf("block %d is of the kind %q, which nobody tests", i+1, kind)
		}
	}
	if r.typed < 16 {
		t.Errorf("%d commands were found: the page is written in another way than this test reads it", r.typed)
	}
}

// controls types a command of the table of those that control a task, and looks for the tasks that the page says it makes.
func (r *reader) controls(command, means string) {
	r.t.Helper()
	if strings.Contains(command, "--wait") {
		command = strings.Replace(command, " --wait", "", 1) // nobody runs it here; the script control.txtar waits
	}
	out := r.succeeds(command)
	if made := child.FindStringSubmatch(means); made != nil && !strings.Contains(out, made[1]) {
		r.t.Errorf("%s says nothing of %s, but:\n%s", command, made[1], out)
	}
}

// TestCommandsOfTheReadme types those of README.md that end, and writes its task.
func TestCommandsOfTheReadme(t *testing.T) {
	t.Parallel()
	r := reading(t)
	for _, match := range fence.FindAllStringSubmatch(page(t, "README.md"), -1) {
		switch kind, block := match[1], match[2]; kind {
		case "sh":
			r.succeeds(r.without(block))
		case "json":
			r.writes(block)
			if out := r.succeeds("after next invoices-2026-12 -n 2"); !strings.Contains(out, "Tue 2026-12-01 09:00:00 +01:00") || !strings.Contains(out, "Fri 2027-01-01 09:00:00 +01:00") {
				t.Errorf("the task of the page fires at\n%s", out)
			}
		case "go": // the tests of the repository compile it
		default:
			t.Errorf("a block of the kind %q, which nobody tests", kind)
		}
	}
	for line := range r.passed {
		t.Errorf("the page has no line any more that begins with %s", line)
	}
}

// without leaves out the lines that are not typed.
func (r *reader) without(block string) string {
	var kept strings.Builder
	for line := range strings.Lines(block) {
		left := false
		for begin := range r.passed {
			if strings.HasPrefix(line, begin) {
				delete(r.passed, begin)
				left = true
			}
		}
		if !left {
			kept.WriteString(line)
		}
	}
	return kept.String()
}

var policy = regexp.MustCompile("`(?:\"(\\w+)\": )?(\\{\"(rule|limit)\"[^`]*\\}|\"skip\"|\"all\"|\\[\"fetch\", \"clean\"\\])`")

// TestPoliciesOfTheDocs reads the objects for retries and missed dates that the pages show.
func TestPoliciesOfTheDocs(t *testing.T) {
	t.Parallel()
	found := 0
	for _, name := range []string{"docs/task.md", "docs/time.md"} {
		for _, match := range policy.FindAllStringSubmatch(page(t, name), -1) {
			field := map[string]string{"rule": "missed", "limit": "retry"}[match[3]]
			if match[1] != "" {
				field = match[1]
			}
			if field == "" {
				continue
			}
			found++
			read, err := task.Decode([]byte(`{"_id": "x", "_rev": "1-a", "worker": "manobi", "job": "noop", "` + field + `": ` + match[2] + `}`))
			if err == nil {
				err = read.Invalid()
			}
			if err != nil {
				t.Errorf("%s: %s: %v", name, match[0], err)
			}
		}
	}
	if found < 5 {
		t.Errorf("%d were found: the pages are written in another way than this test reads them", found)
	}
}
