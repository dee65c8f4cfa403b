package script_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"os"
	"os/exec"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/store/script"
)

// TestRunaways lets functions take what they can get. Each ends with an error, and what comes after it is served.
func TestRunaways(t *testing.T) {
	t.Parallel()
	const (
		late = "OS process timed out."
		much = "The function needs more than 32 MiB of memory."
	)
	short, small := pool(t, script.Options{Timeout: 300 * time.Millisecond}), pool(t, script.Options{Timeout: time.Hour, Memory: 32 << 20})
	good := design(t, map[string]any{"validate_doc_update": `function () {}`})
	for source, want := range map[string]string{
		`function () { while (true) {} }`: late,
		`function () { for (;;) { try { for (;;) {} } catch (e) {} finally { continue } } }`:                                 late,
		`function () { throw({get forbidden() { for (;;) {} }}) }`:                                                           late,
		`function () { throw({toJSON: function () { for (;;) {} }}) }`:                                                       late,
		`function () { /^(?=(a+)+$)(a+)+$/.test("aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaab") }`:          late,
		`function () { new Promise(function f(r) { r() }).then(function again() { return Promise.resolve().then(again) }) }`: late,
		`function () { var all = []; while (true) all.push("x" + all.length) }`:                                              much,
		`function () { var s = "x"; while (true) s += s + "é" }`:                                                             much,
		`function () { "x".repeat(1 << 29) }`:                                                                                much,
		`function () { var a = []; while (true) a.push(new Uint8Array(1 << 20)) }`:                                           much,
	} {
		p := short
		if want == much {
			p = small
		}
		if got := verdictOf(t, p, source); got == nil || got.Name != "os_process_error" || got.Reason != want {
			t.Errorf("%s: %v", source, got)
		}
		if got := validate(t, p, good, `{}`)[0]; got != nil {
			t.Errorf("after %s: %v", source, got)
		}
	}
}

// TestRunawayAmongMany shows that the rest of a request does not wait for a function that was ended once.
func TestRunawayAmongMany(t *testing.T) {
	t.Parallel()
	p := pool(t, script.Options{Timeout: 200 * time.Millisecond})
	d := design(t, map[string]any{"validate_doc_update": `function (doc) { while (doc.n == 70); if (doc.n > 70) throw({forbidden: "asked"}) }`})
	docs := make([]string, 500)
	for i := range docs {
		docs[i] = `{"n":0}`
	}
	docs[70], docs[71] = `{"n":70}`, `{"n":71}`
	verdicts := validate(t, p, d, docs...)
	for i, got := range verdicts {
		if i < 70 && got != nil || i >= 70 && (got == nil || got.Reason != "OS process timed out.") {
			t.Fatalf("document %d: %v", i, got)
		}
	}
}

// TestLeftovers shows that what a function leaves behind in memory is its own loss, not that of others.
func TestLeftovers(t *testing.T) {
	t.Parallel()
	p := pool(t, script.Options{Memory: 32 << 20})
	leaky := design(t, map[string]any{"validate_doc_update": `function () { kept = typeof kept == "undefined" ? [] : kept; for (var i = 0; i < 20000; i++) kept.push("x" + i) }`})
	other := design(t, map[string]any{"validate_doc_update": `function () { var a = []; for (var i = 0; i < 20000; i++) a.push("x" + i) }`})
	for i := range 40 {
		for _, d := range []*script.Design{leaky, other} {
			if got := validate(t, p, d, `{}`)[0]; got != nil {
				t.Fatalf("round %d: %v", i, got)
			}
		}
	}
}

func TestManyDesigns(t *testing.T) {
	t.Parallel()
	p := pool(t, script.Options{})
	for range 2 {
		for i := range script.MostKnown + 8 {
			d := design(t, map[string]any{"n": i, "validate_doc_update": `function () { throw({forbidden: "" + this.n}) }`})
			if got := validate(t, p, d, `{}`, `{}`)[1]; got == nil || got.Reason != string(bytes.TrimSpace([]byte(itoa(i)))) {
				t.Fatalf("design %d: %v", i, got)
			}
			if n := p.Known(); n > script.MostKnown {
				t.Fatalf("%d are kept of a child", n)
			}
		}
	}
}

func TestLongAnswers(t *testing.T) {
	t.Parallel()
	p := pool(t, script.Options{Output: 1000})
	if got := verdictOf(t, p, `function () { throw({forbidden: "x".repeat(2000)}) }`); got == nil || got.Reason != "The answer of the function is too long." {
		t.Errorf("%.100v", got)
	}
	if got := verdictOf(t, p, `function () { throw(new Error("x".repeat(200000))) }`); got == nil || got.Reason != "The answer of the function is too long." {
		t.Errorf("%.100v", got)
	}
	if got := verdictOf(t, p, `function () { throw({forbidden: "x".repeat(900)}) }`); got == nil || len(got.Reason) != 900 {
		t.Errorf("%v", got)
	}
}

func TestLog(t *testing.T) {
	t.Parallel()
	var said bytes.Buffer
	log := logrus.New()
	log.SetOutput(&said)
	p := pool(t, script.Options{Log: log})
	if got := verdictOf(t, p, `function () { log("a line"); log({a: 1}); log("y".repeat(1e5)); for (var i = 0; i < 1000; i++) log("more") }`); got != nil {
		t.Fatal(got)
	}
	p.Close()
	text := said.String()
	if !strings.Contains(text, "a line") || !strings.Contains(text, `{\"a\":1}`) || strings.Count(text, "more") != 97 || len(text) > 30_000 {
		t.Errorf("%d bytes: %.300s", len(text), text)
	}
}

// TestConcurrent has more callers than there are children.
func TestConcurrent(t *testing.T) {
	t.Parallel()
	p := pool(t, script.Options{})
	d := design(t, map[string]any{
		"validate_doc_update": `function (doc) { throw({forbidden: doc._id}) }`,
		"filters":             map[string]any{"f": `function (doc) { return doc.n == 1 }`},
	})
	var all sync.WaitGroup
	for i := range 16 {
		all.Go(func() {
			for range 20 {
				id := itoa(i)
				verdicts, err := p.Validate(t.Context(), d, nobody, open, []script.Edit{{New: []byte(`{"_id":"` + id + `"}`)}})
				if err != nil || verdicts[0].Reason != id {
					t.Errorf("%v %v", verdicts, err)
				}
				passes, err := p.Filter(t.Context(), d, "f", []byte(`{}`), [][]byte{[]byte(`{"n":` + id + `}`)})
				if err != nil || passes[0] != (i == 1) {
					t.Errorf("%v %v", passes, err)
				}
			}
		})
	}
	all.Wait()
}

// TestFiltersKeepNobodyWaiting has filters that never end, and writers beside them.
func TestFiltersKeepNobodyWaiting(t *testing.T) {
	t.Parallel()
	p := pool(t, script.Options{Timeout: time.Hour})
	endless := design(t, map[string]any{"filters": map[string]any{"f": `function () { log("begun"); while (true); }`}})
	ctx, cancel := context.WithCancel(t.Context())
	var all sync.WaitGroup
	for range 3 {
		all.Go(func() {
			if _, err := p.Filter(ctx, endless, "f", []byte(`{}`), [][]byte{[]byte(`{}`)}); err == nil {
				t.Error("it ended")
			}
		})
	}
	for range 20 {
		if got := verdictOf(t, p, `function () {}`); got != nil {
			t.Error(got)
		}
	}
	cancel()
	p.Close() // ends the one that runs
	all.Wait()
	if _, err := p.Validate(t.Context(), endless, nobody, open, []script.Edit{{New: []byte(`{}`)}}); !errors.Is(err, script.ErrClosed) {
		t.Errorf("after the end: %v", err)
	}
}

// TestIdle shows that a child without work ends, and that another takes its place.
func TestIdle(t *testing.T) {
	t.Parallel()
	type pipe struct{ reader, writer *os.File } // the child has the writer too, and does nothing with it
	started := make(chan pipe, 2)
	p := pool(t, script.Options{Idle: time.Millisecond, Command: func(ctx context.Context) *exec.Cmd {
		cmd := script.Self()(ctx)
		reader, writer, err := os.Pipe()
		if err != nil {
			t.Error(err)
			return cmd
		}
		cmd.ExtraFiles = []*os.File{writer}
		started <- pipe{reader, writer}
		return cmd
	}})
	for range 2 {
		if got := verdictOf(t, p, `function () {}`); got != nil {
			t.Fatal(got)
		}
		ends := <-started
		if err := ends.writer.Close(); err != nil {
			t.Error(err)
		}
		if _, err := io.ReadAll(ends.reader); err != nil { // until the child has ended
			t.Error(err)
		}
		_ = ends.reader.Close()
	}
}

func TestNoCommand(t *testing.T) {
	t.Parallel()
	p := script.NewPool(script.Options{})
	defer p.Close()
	if p.Runs() {
		t.Error("a pool without a command runs functions")
	}
	p = pool(t, script.Options{Command: func(ctx context.Context) *exec.Cmd { return exec.CommandContext(ctx, "/nonexistent/program") }})
	if _, err := p.Validate(t.Context(), design(t, nil), nobody, open, []script.Edit{{New: []byte(`{}`)}}); err == nil || !strings.Contains(err.Error(), "starting a child for design functions") {
		t.Errorf("%v", err)
	}
}
