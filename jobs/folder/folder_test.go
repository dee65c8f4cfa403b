//go:build unix

package folder_test

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/sirupsen/logrus"
	"go.uber.org/goleak"

	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/jobs/folder"
	"github.com/adlayer/after/task"
)

// childVariable makes the test binary a process that runs the job x of the folder it names.
const childVariable = "AFTER_TEST_FOLDER"

func TestMain(m *testing.M) {
	if in := os.Getenv(childVariable); in != "" {
		job, _ := folder.New(in, folder.Options{}).Lookup("x")
		doc, err := task.Decode([]byte(document))
		if err == nil {
			_, err = job.Run(context.Background(), jobs.NewTask(doc, 1, logrus.New()))
		}
		fmt.Fprintln(os.Stderr, "the job ended:", err)
		os.Exit(1)
	}
	goleak.VerifyTestMain(m)
}

const document = `{"_id":"päckchen 1","_rev":"2-b","worker":"manobi","job":{"name":"x","arguments":["a",1]},` +
	`"plan":{"from":"2026-03-01T10:00:00Z","index":0,"nominal":"2026-03-01T10:00:00Z","due":"2026-03-01T10:00:00Z",` +
	`"key":"key1"},"status":"scheduled","mine":"<kept>"}`

func handle(t *testing.T, log io.Writer) *jobs.Task {
	t.Helper()
	doc, err := task.Decode([]byte(document))
	if err != nil {
		t.Fatal(err)
	}
	logger := logrus.New()
	logger.SetOutput(log)
	logger.SetFormatter(&logrus.JSONFormatter{})
	return jobs.NewTask(doc, 2, logger)
}

// script puts an executable into a folder.
func script(t *testing.T, in, name, text string) string {
	t.Helper()
	path := filepath.Join(in, name)
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	chmod(t, path, 0o755)
	return path
}

func chmod(t *testing.T, path string, mode os.FileMode) {
	t.Helper()
	if err := os.Chmod(path, mode); err != nil {
		t.Fatal(err)
	}
}

// place makes a folder that only its owner writes to, whatever the umask.
func place(t *testing.T) string {
	t.Helper()
	path := t.TempDir()
	chmod(t, path, 0o755)
	return path
}

func find(t *testing.T, source jobs.Source, name string) *jobs.Job {
	t.Helper()
	job, ok := source.Lookup(name)
	if !ok {
		t.Fatalf("no job %s", name)
	}
	return job
}

func TestRun(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, script   string
		result, fails  string
		logged         []string
		resultContains string
	}{
		{name: "nothing", script: `:`},
		{name: "json", script: `echo '{"n": 1}'`, result: `{"n": 1}`},
		{name: "text", script: `echo "say \"hi\" <&>"`, result: `"say \"hi\" \u003c\u0026\u003e"`},
		{name: "document on standard input", script: `cat`, result: document},
		{name: "does not read its input", script: `exec 0<&-; echo 1`, result: `1`},
		{
			name:   "variables",
			script: `echo "$AFTER_TASK|$AFTER_KEY|$AFTER_JOB|$AFTER_WORKER|$AFTER_NOMINAL|$AFTER_ATTEMPT"`,
			result: `"päckchen 1|key1|x|manobi|2026-03-01T10:00:00Z|2"`,
		},
		{name: "log", script: `echo one >&2; printf 'two\r\n\nthree' >&2`, logged: []string{"one", "two", "three"}},
		{name: "exit", script: `echo because >&2; echo 5; exit 3`, fails: "x: exit status 3: because", logged: []string{"because"}},
		{name: "silent exit", script: `exit 1`, fails: "x: exit status 1"},
		{name: "signal", script: `kill -9 $$`, fails: "x: signal: killed"},
		{
			name: "last lines only", script: `for i in 1 2 3 4 5 6 7 8 9 10 11 12; do echo $i >&2; done; exit 1`,
			fails: "x: exit status 1: 3\n4\n5\n6\n7\n8\n9\n10\n11\n12",
		},
		{name: "no interpreter", script: "", fails: "running "},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			in := place(t)
			path := script(t, in, "x", test.script)
			if test.name == "no interpreter" {
				if err := os.WriteFile(path, []byte("#!/no/such/interpreter\n"), 0o600); err != nil {
					t.Fatal(err)
				}
			}
			var log bytes.Buffer
			result, err := find(t, folder.New(in, folder.Options{}), "x").Run(t.Context(), handle(t, &log))
			switch {
			case test.fails == "" && err != nil:
				t.Fatalf("%v\n%s", err, &log)
			case test.fails != "" && (err == nil || !strings.HasPrefix(err.Error(), test.fails)):
				t.Fatalf("error %v, want %s", err, test.fails)
			case test.fails != "" && jobs.IsPermanent(err):
				t.Error("is not retried")
			}
			if code, ok := jobs.CodeOf(err); ok != strings.Contains(test.fails, "exit status") || test.name == "exit" && code != 3 {
				t.Errorf("code %d of %v", code, err)
			}
			if diff := cmp.Diff(test.result, string(result)); diff != "" {
				t.Error(diff)
			}
			if test.logged != nil {
				if diff := cmp.Diff(test.logged, messages(t, &log)); diff != "" {
					t.Error(diff)
				}
			}
		})
	}
}

// messages are the lines of a log, each of which must carry the task's id.
func messages(t *testing.T, log io.Reader) []string {
	t.Helper()
	var all []string
	for decoder := json.NewDecoder(log); ; {
		var line struct{ Msg, Task string }
		if err := decoder.Decode(&line); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		if line.Task != "päckchen 1" {
			t.Errorf("line %q has no task", line.Msg)
		}
		all = append(all, line.Msg)
	}
}

func TestPasswordsStayOut(t *testing.T) {
	t.Setenv("AFTER_COUCH_PASSWORD", "secret")
	t.Setenv("OTHER", "fine")
	in := place(t)
	script(t, in, "x", `env`)
	result, err := find(t, folder.New(in, folder.Options{}), "x").Run(t.Context(), handle(t, io.Discard))
	if err != nil {
		t.Fatal(err)
	}
	if s := string(result); strings.Contains(s, "secret") || !strings.Contains(s, "OTHER=fine") {
		t.Error(s)
	}
}

func TestMuchOutput(t *testing.T) {
	t.Parallel()
	const size = 1 << 30
	for name, text := range map[string]string{
		"standard output":      `head -c 1073741824 /dev/zero`,
		"standard error":       `yes | head -c 1073741824 >&2`,
		"one line of an error": `head -c 100000000 /dev/zero | tr '\0' x >&2`,
	} {
		t.Run(name, func(t *testing.T) {
			in := place(t)
			script(t, in, "x", text)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			var log counter
			result, err := find(t, folder.New(in, folder.Options{}), "x").Run(t.Context(), handle(t, &log))
			runtime.ReadMemStats(&after)
			if err != nil {
				t.Fatal(err)
			}
			if grown := int64(after.Sys) - int64(before.Sys); grown > 64<<20 {
				t.Errorf("took %d MB of memory", grown>>20)
			}
			if log.n > 64<<20 {
				t.Errorf("%d MB went to the log", log.n>>20)
			}
			if name == "standard output" {
				var cut struct {
					Cut   bool
					Bytes int64
				}
				if err := json.Unmarshal(result, &cut); err != nil || !cut.Cut || cut.Bytes != size {
					t.Errorf("result %.200s", result)
				}
			} else if !strings.Contains(log.last, "bytes more on standard error were not logged") {
				t.Errorf("the log ends with %q", log.last)
			}
		})
	}
}

// counter counts what is written and keeps the last write.
type counter struct {
	n    int
	last string
}

func (c *counter) Write(p []byte) (int, error) {
	c.n += len(p)
	c.last = string(p)
	return len(p), nil
}

// pipe makes a named pipe. Reading it to its end waits until no process holds it open any more.
func pipe(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "pipe")
	if err := syscall.Mkfifo(path, 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

func TestEndOfContextEndsTheWholeGroup(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"asked":     `(echo child >&3; exec sleep 600) & echo parent >&3; wait`,
		"unwilling": `(trap '' TERM; echo child >&3; sleep 600; sleep 600) & trap '' TERM; echo parent >&3; wait; wait`,
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := place(t)
			// Every process of the group holds the pipe open, so its end is the end of all of them.
			fifo := pipe(t)
			script(t, in, "x", `exec 3>"`+fifo+`"; `+text)
			ctx, cancel := context.WithCancelCause(t.Context())
			defer cancel(nil)
			var wg sync.WaitGroup
			var err error
			wg.Go(func() {
				_, err = find(t, folder.New(in, folder.Options{Grace: 500 * time.Millisecond}), "x").Run(ctx, handle(t, io.Discard))
			})
			read, openErr := os.Open(fifo) // waits for the script
			if openErr != nil {
				t.Fatal(openErr)
			}
			defer read.Close()
			seen := make([]byte, 0, 64)
			for !bytes.Contains(seen, []byte("child")) || !bytes.Contains(seen, []byte("parent")) {
				n, readErr := read.Read(seen[len(seen):cap(seen)])
				if readErr != nil {
					t.Fatalf("after %q: %v", seen, readErr)
				}
				seen = seen[:len(seen)+n]
			}
			cause := errors.New("the task was cancelled")
			cancel(cause)
			if rest, readErr := io.ReadAll(read); readErr != nil {
				t.Errorf("after %q: %v", rest, readErr)
			}
			wg.Wait()
			if !errors.Is(err, cause) || !strings.Contains(fmt.Sprint(err), "x was ended: the task was cancelled") {
				t.Errorf("error %v", err)
			}
		})
	}
}

func TestBackgroundProcessDoesNotHoldTheResult(t *testing.T) {
	t.Parallel()
	in := place(t)
	fifo := pipe(t)
	script(t, in, "x", `cat "`+fifo+`" & echo 1`)
	result, err := find(t, folder.New(in, folder.Options{Grace: 100 * time.Millisecond}), "x").Run(t.Context(), handle(t, io.Discard))
	if err != nil || string(result) != "1" {
		t.Errorf("result %s, error %v", result, err)
	}
	if err := os.WriteFile(fifo, nil, 0o600); err != nil { // lets cat end
		t.Error(err)
	}
}

func TestChangesArePickedUp(t *testing.T) {
	t.Parallel()
	in := filepath.Join(place(t), "jobs")
	source := folder.New(in, folder.Options{})
	names := func() []string {
		var all []string
		for _, info := range source.List() {
			all = append(all, info.Name+": "+info.Description)
		}
		return all
	}
	expect := func(want ...string) {
		t.Helper()
		if diff := cmp.Diff(want, names()); diff != "" {
			t.Error(diff)
		}
	}
	expect()
	if err := os.Mkdir(in, 0o755); err != nil {
		t.Fatal(err)
	}
	expect()
	path := script(t, in, "report.sh", "# after: the report\n# after timeout: 90s\n# after limit: 2\necho 1")
	script(t, in, ".hidden", "echo 1")
	script(t, in, "copy~", "echo 1")
	if err := os.Mkdir(filepath.Join(in, "folder"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(in, "README"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	expect("report.sh: the report")
	job := find(t, source, "report.sh")
	if job.Timeout != 90*time.Second || job.Limit != 2 {
		t.Errorf("timeout %v, limit %d", job.Timeout, job.Limit)
	}
	if again := find(t, source, "report.sh"); again != job {
		t.Error("an unchanged file is another job")
	}
	script(t, in, "report.sh", "# after: the other report\n\necho 2")
	expect("report.sh: the other report")
	if result, err := find(t, source, "report.sh").Run(t.Context(), handle(t, io.Discard)); err != nil || string(result) != "2" {
		t.Errorf("result %s, error %v", result, err)
	}
	if err := os.Remove(path); err != nil {
		t.Fatal(err)
	}
	expect()
	for _, name := range []string{"report.sh", "README", "folder", ".hidden", "copy~", "..", "", "../jobs/report.sh", "a\x00b"} {
		if _, ok := source.Lookup(name); ok {
			t.Errorf("%q is a job", name)
		}
	}
}

// TestExplain: a file that is no job says what to do about it, and nothing else says anything.
func TestExplain(t *testing.T) {
	t.Parallel()
	in := place(t)
	source := folder.New(in, folder.Options{})
	for name, command := range map[string]string{
		"report.sh": "chmod +x " + in + "/report.sh", "größe": "chmod +x " + in + "/größe", "two words": "chmod +x '" + in + "/two words'",
		"it's": "chmod +x '" + in + `/it'\''s'`,
	} {
		path := script(t, in, name, "echo 1")
		if why := source.Explain(name); why != "" {
			t.Errorf("%s can run, but: %s", name, why)
		}
		chmod(t, path, 0o644)
		if why := source.Explain(name); !strings.HasPrefix(why, "the file "+path+" is there") || !strings.HasSuffix(why, command) {
			t.Errorf("%s: %s", name, why)
		}
		if _, ok := source.Lookup(name); ok {
			t.Errorf("%s is a job", name)
		}
	}
	if err := os.Mkdir(filepath.Join(in, "folder"), 0o700); err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"absent", "folder", "../" + filepath.Base(in), ".", ""} {
		if why := source.Explain(name); why != "" {
			t.Errorf("%s: %s", name, why)
		}
	}
	script(t, in, "mine", "echo 1")
	chmod(t, filepath.Join(in, "mine"), 0o600)
	if why := jobs.Explain(jobs.Sources(jobs.NewRegistry(), source), "mine"); !strings.Contains(why, "chmod +x") {
		t.Errorf("joined sources: %s", why)
	}
}

func TestDescriptions(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		"#!/bin/sh\n# after: one\n":                               "one",
		"#!/usr/bin/env node\n// after: two: more\n":              "two: more",
		"#!/usr/bin/env lua\n\n-- Copyright\n--\n-- after: three": "three",
		"#!/bin/sh\necho\n# after: too late":                      "",
		"#!/bin/sh\n# thereafter: no":                             "",
		"\x7fELF\x00\n# after: a binary":                          "",
		"":                                                        "",
	} {
		in := place(t)
		path := filepath.Join(in, "x")
		if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		chmod(t, path, 0o700)
		if got := folder.New(in, folder.Options{}).List(); len(got) != 1 || got[0].Description != want || got[0].Path != path {
			t.Errorf("%q gives %+v, want %q", text, got, want)
		}
	}
}

func TestRefused(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spoil func(t *testing.T, in, path string)
		why   string
	}{
		"file for the group": {func(t *testing.T, _, path string) { t.Helper(); chmod(t, path, 0o775) }, "x can be written by others"},
		"file for all":       {func(t *testing.T, _, path string) { t.Helper(); chmod(t, path, 0o757) }, "x can be written by others"},
		"folder for all":     {func(t *testing.T, in, _ string) { t.Helper(); chmod(t, in, 0o777) }, "can be written by others"},
		"link to a file in a folder for all": {func(t *testing.T, in, path string) {
			t.Helper()
			open := t.TempDir()
			chmod(t, open, 0o777)
			if err := os.Remove(path); err != nil {
				t.Fatal(err)
			}
			if err := os.Symlink(script(t, open, "y", "echo 1"), filepath.Join(in, "x")); err != nil {
				t.Fatal(err)
			}
		}, "can be written by others"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			in := place(t)
			path := script(t, in, "x", "echo 1")
			var log bytes.Buffer
			logger := logrus.New()
			logger.SetOutput(&log)
			source := folder.New(in, folder.Options{Log: logger})
			if job := find(t, source, "x"); source.List()[0].Refused != "" {
				t.Fatalf("%+v is refused", job)
			}
			test.spoil(t, in, path)
			job := find(t, source, "x")
			_, err := job.Run(t.Context(), handle(t, io.Discard))
			if err == nil || !jobs.IsPermanent(err) || !strings.Contains(err.Error(), test.why) || !strings.Contains(err.Error(), "chmod go-w") {
				t.Errorf("error %v", err)
			}
			if why := source.List()[0].Refused; !strings.Contains(why, test.why) {
				t.Errorf("the list says %q", why)
			}
			if n := strings.Count(log.String(), "is refused"); n != 1 {
				t.Errorf("told %d times:\n%s", n, &log)
			}
		})
	}
}
