package mailserver_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

var block = regexp.MustCompile("(?ms)^```([a-z]+)\n(.*?)^```$")

// page does what docs/notify.md says: its configuration, its template and its command, and compares what is posted with what it shows.
func page(t *testing.T, w *world) {
	t.Helper()
	ca, certificate, key := certificates(t)
	o := openMailServer(t, map[string]any{"cert": contents(t, certificate), "key": contents(t, key), "user": "after", "password": "s3cret"})
	if o == nil {
		return
	}
	raw, err := os.ReadFile(filepath.Join("..", "..", "docs", "notify.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := map[string][]string{}
	for _, match := range block.FindAllStringSubmatch(string(raw), -1) {
		blocks[match[1]] = append(blocks[match[1]], match[2])
	}
	if len(blocks) != 3 || len(blocks["sh"]) != 1 || len(blocks["json"]) != 2 || len(blocks["template"]) != 1 {
		t.Fatalf("the page has other blocks: %v", slices.Sorted(maps.Keys(blocks)))
	}
	folder, in := t.TempDir(), newInbox(t, func(int) int { return http.StatusOK })
	place := strings.TrimPrefix(w.server.URL, "http://")
	here := strings.NewReplacer("after:after", w.server.User+":"+w.server.Password, "127.0.0.1:5984", place, "https://example.org/nightly", endpoint(t)+"?fail=1",
		"https://example.org/told", in.url, "mail.example.org", "127.0.0.1", "/etc/after", folder, "curl ", "curl -sSf ")
	for name, content := range map[string]string{
		"config.json": here.Replace(blocks["json"][1]), "mail-password": "s3cret\n", "mails/subject.txt": blocks["template"][0],
	} {
		file := filepath.Join(folder, name)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(file, []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	w.start(folder, "AFTER_CONFIG="+filepath.Join(folder, "config.json"), "AFTER_MAIL_PORT="+strconv.Itoa(o.port), "AFTER_MAIL_CA_FILE="+ca,
		"AFTER_HTTP_SIGNING_KEY="+secret)
	if out, err := exec.CommandContext(t.Context(), "sh", "-c", here.Replace(blocks["sh"][0])).CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	if l := o.next(); l.Subject != "[manobi] nightly error" {
		t.Errorf("subject %q", l.Subject)
	}
	w.toldAll()
	if want, got := shape(t, blocks["json"][0]), shape(t, in.bodies[0]); !slices.Equal(want, got) {
		t.Errorf("posted was %s, the page shows %s", got, want)
	}
}

// shape lists the fields of a JSON object, with those of objects in it.
func shape(t *testing.T, text string) []string {
	t.Helper()
	var object map[string]any
	if err := json.Unmarshal([]byte(text), &object); err != nil {
		t.Fatal(err)
	}
	var names []string
	var walk func(prefix string, object map[string]any)
	walk = func(prefix string, object map[string]any) {
		for name, value := range object {
			names = append(names, prefix+name)
			if below, ok := value.(map[string]any); ok && name != "result" { // which is the job's
				walk(prefix+name+".", below)
			}
		}
	}
	walk("", object)
	slices.Sort(names)
	return names
}
