package mailer

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"net/mail"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/adlayer/after/notify"
	"github.com/adlayer/after/task"
)

var noon = time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC)

func notice() *notify.Notice {
	return &notify.Notice{
		ID: "notice:t@2026-12-01T12:00:00Z/1-a#1:error", By: "manobi", Event: task.EventError, Task: "t", Job: "http", Key: "k", Attempt: 2,
		At: noon, Nominal: noon, Started: noon, Finished: noon.Add(1500 * time.Millisecond), Kind: "job", Error: "the disk is full", Code: 507,
	}
}

func settled(t interface {
	Helper()
	Fatal(args ...any)
}, o Options,
) *settings {
	t.Helper()
	o.Host, o.From = "127.0.0.1", "After <after@example.org>"
	s, err := o.read()
	if err != nil {
		t.Fatal(err)
	}
	return s
}

// TestNoHeaderComesFromATask: whatever a task is called, whatever its error says, the mail has our headers and no others.
func TestNoHeaderComesFromATask(t *testing.T) {
	t.Parallel()
	s := settled(t, Options{})
	want := ""
	rapid.Check(t, func(t *rapid.T) {
		text := rapid.OneOf(rapid.String(), rapid.SampledFrom([]string{"x\r\nBcc: evil@example.com", "\r\n\r\nbody", "a\nX: y", "=?utf-8?q?=0D=0ABcc:_x?=", ""}))
		n := notice()
		n.ID, n.Task, n.Job, n.By, n.Kind, n.Error = text.Draw(t, "id"), text.Draw(t, "task"), text.Draw(t, "job"), text.Draw(t, "by"), text.Draw(t, "kind"), text.Draw(t, "error")
		n.Result, _ = json.Marshal(text.Draw(t, "result"))
		l, err := s.single(n)
		if err != nil {
			t.Fatal(err)
		}
		m, err := s.compose(l, []string{"ops@example.org"})
		if err != nil {
			t.Fatal(err)
		}
		var raw bytes.Buffer
		if _, err := m.WriteTo(&raw); err != nil {
			t.Fatal(err)
		}
		read, err := mail.ReadMessage(&raw)
		if err != nil {
			t.Fatal(err)
		}
		names := fmt.Sprint(len(read.Header), read.Header["To"], read.Header["From"], read.Header["Auto-Submitted"], read.Header["Bcc"], read.Header["X"])
		if want == "" {
			want = names
		}
		if names != want || !strings.HasSuffix(want, ` [<ops@example.org>] ["After" <after@example.org>] [auto-generated] [] []`) {
			t.Fatalf("headers: %s, others have %s", names, want)
		}
	})
}

func TestAddresses(t *testing.T) {
	t.Parallel()
	for text, fit := range map[string]bool{
		"ops@example.org": true, "a.b+c@mail.example.org": true, "x@localhost": true,
		"": false, "ops": false, "ops@": false, "@example.org": false, "Ops <ops@example.org>": false, "ops@example.org\r\nBcc: x@y.z": false,
		"a> RCPT TO:<b@example.org": false, "\"a b\"@example.org": false, "a@b@c": false, "m\u00fcller@example.org": false, "a,b@example.org": false,
		strings.Repeat("a", 65) + "@example.org": false,
	} {
		if err := task.CheckAddress(text); (err == nil) != fit {
			t.Errorf("%q: %v", text, err)
		}
	}
	o := Options{Allow: []string{"example.org", "ops@example.com"}}
	for address, want := range map[string]bool{"a@example.org": true, "OPS@EXAMPLE.COM": true, "b@example.com": false, "a@sub.example.org": false} {
		if o.allows(address) != want {
			t.Errorf("%s is allowed: %v", address, !want)
		}
	}
}

func TestResults(t *testing.T) {
	t.Parallel()
	s := settled(t, Options{})
	for result, want := range map[string][2]string{ // in the text, the attachment
		``:             {"the disk is full\n", ""},
		`null`:         {"the disk is full\n", ""},
		`"two\nlines"`: {"Result:\n\ntwo\nlines\n", ""},
		`{"a":[1,2]}`:  {"Result:\n\n{\n  \"a\": [\n    1,", ""},
		`"` + strings.Repeat("x", mostShown+1) + `"`:   {"The result is attached as result.txt.", "result.txt"},
		`["` + strings.Repeat("x", mostShown+1) + `"]`: {"The result is attached as result.json.", "result.json"},
	} {
		n := notice()
		n.Result = json.RawMessage(result)
		l, err := s.single(n)
		if err != nil || !strings.Contains(l.text, want[0]) || l.attachment != want[1] {
			t.Errorf("%.40s: %v, attached %q\n%.500s", result, err, l.attachment, l.text)
		}
	}
}

// TestTemplates of a folder take the place of ours; what is wrong with one is told with its place.
func TestTemplates(t *testing.T) {
	t.Parallel()
	with := func(files map[string]string) Options {
		folder := t.TempDir()
		for name, text := range files {
			if err := os.WriteFile(filepath.Join(folder, name), []byte(text), 0o600); err != nil {
				t.Fatal(err)
			}
		}
		return Options{Templates: folder}
	}
	s := settled(t, with(map[string]string{"subject.txt": "{{.Worker}}\n{{.Task}}"}))
	l, err := s.single(notice())
	if err != nil || l.subject != "manobi t" || !strings.Contains(l.text, "Attempt   2\nKind      job\nCode      507\n\nError:\n\nthe disk is full") {
		t.Errorf("%v: %s\n%s", err, l.subject, l.text)
	}
	// One that fails on some notice alone: nobody is kept from it.
	s = settled(t, with(map[string]string{"subject.txt": "{{slice .Error 0 10}}", "body.txt": "{{.Event}} {{slice .Error 0 10}}"}))
	n := notice()
	n.Error = "short"
	l, err = s.single(n)
	if err != nil || l.subject != "t: error: short" || !strings.Contains(l.text, "\nshort\n") || !strings.Contains(l.text, "body.txt:1:13: executing") {
		t.Errorf("%v: %s\n%s", err, l.subject, l.text)
	}
	for says, files := range map[string]map[string]string{
		"body.txt:2: missing value for if":          {"body.txt": "\n{{if}}"},
		"at <.Tusks>":                               {"digest.txt": "a\u00e4b cd{{.Tusks}}"},
		"bodi.txt is none of subject.txt, body.txt": {"bodi.txt": ""},
	} {
		if _, err := with(files).read(); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%v, want %s", err, says)
		}
	}
	if _, err := (Options{Templates: filepath.Join(t.TempDir(), "none")}).read(); !errors.Is(err, os.ErrNotExist) {
		t.Error(err)
	}
}

// TestDigest is bounded whatever it gathers, and tells the worst first.
func TestDigest(t *testing.T) {
	t.Parallel()
	s := settled(t, Options{})
	d := NewDigest()
	const tasks = 300
	for i := range 10 * tasks {
		n := notice()
		n.Task, n.At, n.Error = fmt.Sprintf("t%03d", i%tasks), noon.Add(time.Duration(i)*time.Second), strings.Repeat("e", 5000)
		n.Event = []task.Event{task.EventDone, task.EventError, task.EventMissed, task.EventRecovered}[i%4]
		d.Add(n)
	}
	l, err := s.gathered(d)
	if err != nil {
		t.Fatal(err)
	}
	if want := "3000 notices of more than 100 tasks, 750 of errors, 750 of tasks that did not run"; l.subject != want {
		t.Errorf("subject %q, want %q", l.subject, want)
	}
	if !strings.Contains(l.text, "Beside these, 2000 notices of other tasks.") || len(l.text) > 200*mostDigestError || !strings.Contains(l.text, "10 × error, from 2026-12-01 12:00:01 UTC to 2026-12-01 12:45:01 UTC") {
		t.Errorf("%d bytes: %.1500s", len(l.text), l.text)
	}
	if first := d.view().Groups[0]; first.events[task.EventError]+first.events[task.EventMissed] == 0 {
		t.Errorf("first comes %+v", first)
	}
}

// TestIDs: the same notice is the same mail, another one is another.
func TestIDs(t *testing.T) {
	t.Parallel()
	s := settled(t, Options{})
	n := notice()
	a, errA := s.single(n)
	b, errB := s.single(n)
	n.ID += "x"
	c, errC := s.single(n)
	if errA != nil || errB != nil || errC != nil || a.id != b.id || a.id == c.id {
		t.Errorf("%s, %s, %s: %v", a.id, b.id, c.id, errors.Join(errA, errB, errC))
	}
}
