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

// answersOfHTTPMD says what the examples of the queue in docs/http.md answer, by a piece of each.
var answersOfHTTPMD = map[string]string{
	"after start manobi":   `manobi is ready`,
	"task.id=first":        `"id":"first"(?s:.*)"status":"done"(?s:.*)"result":\{"status":200`,
	`"id":"order-7"}`:      `"status":"scheduled","id":"order-7"\}`,
	"Idempotency-Key":      `\{"status":"scheduled","id":"(post-[0-9a-f]+)"\}\n\{"status":"scheduled","id":"post-[0-9a-f]+"\}`,
	"task.eta=":            `"executions":1(?s:.*)\{"status":"ok"(?s:.*)"due":"(?s:.*)"scheduled","id":"order-7"(?s:.*)"cancel","id":"order-7"(?s:.*)"tasks":\[\{"id":"first"`,
	"/queue/batch":         `"status":"scheduled","id":"[^"]+","code":201(?s:.*)"field":"url","code":400`,
	"/later/$ENDPOINT":     `"id":"handed"\}\n\{"status":"scheduled"`,
	"/ping/nightly-backup": `"id":"expect:nightly-backup","due":"(?s:.*)"id":"expect:nightly-backup","due":"`,
	"after gateway token":  `^after_\S+\n\{"gateway":\{"tokens":\{"shop":"sha256:[0-9a-f]{64} post read worker=manobi limit=10/s"`,
	"/openapi.json":        `"openapi": ?"3.1.0"`,
}

// queueSection is the part of docs/http.md that is typed here.
const queueSection = "## The queue\n"

// TestCommandsOfTheQueue types every example of the queue in docs/http.md in order, as it stands, at a worker that the first of them starts.
func TestCommandsOfTheQueue(t *testing.T) {
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
			"AFTER_STORE_DATA=" + filepath.Join(folder, "data"), "AFTER_JOBS_FOLDER=" + folder,
		},
		here: strings.NewReplacer("127.0.0.1:5984", address, "127.0.0.1%3A5984", strings.ReplaceAll(address, ":", "%3A"), "curl ", "curl -sSf "),
	}
	t.Cleanup(func() {
		stop := exec.Command("after", "stop", "--all", "--now")
		stop.Env = r.env
		if out, err := stop.CombinedOutput(); err != nil {
			t.Errorf("stopping the worker: %v\n%s", err, out)
		}
	})
	_, section, found := strings.Cut(page(t, "docs/http.md"), queueSection)
	if !found {
		t.Fatal("the page has no section of the queue")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	var exported strings.Builder // what a shell remembers from one block to the next
	left := map[string]bool{}
	for piece := range answersOfHTTPMD {
		left[piece] = true
	}
	for i, match := range fence.FindAllStringSubmatch(section, -1) {
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
		found := false
		for piece, answer := range answersOfHTTPMD {
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
