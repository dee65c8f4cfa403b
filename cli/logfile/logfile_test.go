package logfile_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/adlayer/after/cli/logfile"
)

func TestMain(m *testing.M) {
	// lumberjack keeps the goroutine that removes old files for the life of the process.
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("gopkg.in/natefinch/lumberjack%2ev2.(*Logger).millRun"))
}

// open gives a writer that puts the file aside after a megabyte.
func open(t *testing.T, path string) *logfile.Writer {
	t.Helper()
	w, err := logfile.Open(path, 1, 3)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := w.Close(); err != nil {
			t.Error(err)
		}
	})
	return w
}

func put(t *testing.T, w *logfile.Writer, line string) {
	t.Helper()
	if _, err := w.Write([]byte(line + "\n")); err != nil {
		t.Fatal(err)
	}
}

func tail(t *testing.T, path string, n int) string {
	t.Helper()
	lines, _, err := logfile.Tail(path, n)
	if err != nil {
		t.Fatal(err)
	}
	return string(lines)
}

func TestPathStaysInTheFolder(t *testing.T) {
	t.Parallel()
	for _, name := range []string{"../../etc/passwd", "a/b", "..", "with space", "müller"} {
		path := logfile.Path("/state", name)
		if filepath.Dir(path) != filepath.FromSlash("/state/log") {
			t.Errorf("%q is at %s", name, path)
		}
	}
}

func TestTail(t *testing.T) {
	t.Parallel()
	path := logfile.Path(t.TempDir(), "manobi")
	w := open(t, path)
	if got := tail(t, path, 10); got != "" {
		t.Errorf("an empty log: %q", got)
	}
	put(t, w, "one")
	put(t, w, "two")
	put(t, w, "three")
	for n, want := range map[int]string{0: "", 1: "three\n", 2: "two\nthree\n", 3: "one\ntwo\nthree\n", 100: "one\ntwo\nthree\n"} {
		if got := tail(t, path, n); got != want {
			t.Errorf("the last %d: %q, want %q", n, got, want)
		}
	}
}

func TestRotation(t *testing.T) {
	t.Parallel()
	path := logfile.Path(t.TempDir(), "manobi")
	w := open(t, path)
	line := strings.Repeat("x", 1000)
	const lines = 2500 // two and a half megabytes: two files are put aside
	for i := range lines {
		put(t, w, fmt.Sprintf("%06d %s", i, line))
	}
	aside, err := logfile.Aside(path)
	if err != nil || len(aside) != 2 {
		t.Fatalf("put aside: %v, %v", aside, err)
	}
	all := strings.Split(strings.TrimSpace(tail(t, path, lines)), "\n")
	if len(all) != lines {
		t.Fatalf("%d lines, want %d", len(all), lines)
	}
	for i, l := range all {
		if !strings.HasPrefix(l, fmt.Sprintf("%06d ", i)) {
			t.Fatalf("line %d is %.20q", i, l)
		}
	}
}

// TestCleanWhileWritten: an emptied log goes on at its beginning, without a hole, also in a file that rotation made.
func TestCleanWhileWritten(t *testing.T) {
	t.Parallel()
	path := logfile.Path(t.TempDir(), "manobi")
	w := open(t, path)
	for range 1100 {
		put(t, w, strings.Repeat("x", 1000))
	}
	if err := logfile.Clean(path); err != nil {
		t.Fatal(err)
	}
	put(t, w, "fresh")
	if got := tail(t, path, 100); got != "fresh\n" {
		t.Errorf("after cleaning: %.50q", got)
	}
	if aside, err := logfile.Aside(path); err != nil || len(aside) != 0 {
		t.Errorf("old files: %v, %v", aside, err)
	}
	if err := logfile.Clean(filepath.Join(t.TempDir(), "none.log")); err == nil {
		t.Error("a log that is not there was cleaned")
	}
}

// screen is a writer that a test can wait on.
type screen struct {
	mu    sync.Mutex
	text  bytes.Buffer
	wrote chan struct{}
}

func (s *screen) Write(p []byte) (int, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.text.Write(p)
	select {
	case s.wrote <- struct{}{}:
	default:
	}
	return len(p), nil
}

func (s *screen) await(t *testing.T, want string) {
	t.Helper()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	for {
		s.mu.Lock()
		got := s.text.String()
		s.mu.Unlock()
		if strings.HasSuffix(got, want) {
			return
		}
		select {
		case <-s.wrote:
		case <-limit.C:
			t.Fatalf("shown: %.200q, want %q at the end", got, want)
		}
	}
}

func TestFollow(t *testing.T) {
	t.Parallel()
	path := logfile.Path(t.TempDir(), "manobi")
	w := open(t, path)
	put(t, w, "before")
	_, offset, err := logfile.Tail(path, 0)
	if err != nil {
		t.Fatal(err)
	}
	s := &screen{wrote: make(chan struct{}, 1)}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- logfile.Follow(ctx, path, offset, s) }()

	put(t, w, "one")
	s.await(t, "one\n")
	for range 1100 { // through a rotation
		put(t, w, strings.Repeat("x", 1000))
	}
	put(t, w, "two")
	s.await(t, "two\n")
	if err := logfile.Clean(path); err != nil {
		t.Fatal(err)
	}
	put(t, w, "three")
	s.await(t, "three\n")
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if got := s.text.String(); strings.Contains(got, "before") || strings.Count(got, "xxx\n") != 1100 {
		t.Errorf("%d of 1100 lines went through the rotation", strings.Count(got, "xxx\n"))
	}
}

func TestTailOfNothing(t *testing.T) {
	t.Parallel()
	if _, _, err := logfile.Tail(filepath.Join(t.TempDir(), "none.log"), 1); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("got %v", err)
	}
}
