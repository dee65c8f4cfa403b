package script_test

import (
	"context"
	"errors"
	"os/exec"
	"sync"
	"testing"
	"time"

	"github.com/adlayer/after/store/script"
)

// stuck is a pool that tells of each child that it starts, and a design document with functions that never end.
func stuck(t *testing.T, o script.Options) (*script.Pool, <-chan struct{}, *script.Design) {
	t.Helper()
	started, self := make(chan struct{}, 10), script.Self()
	o.Timeout = time.Hour
	o.Command = func(ctx context.Context) *exec.Cmd {
		started <- struct{}{}
		return self(ctx)
	}
	const forever = `function () { for (;;) {} }`
	return pool(t, o), started, design(t, map[string]any{"validate_doc_update": forever, "filters": map[string]any{"f": forever}})
}

// TestBusy: where others have all children, a call is told so after a while.
func TestBusy(t *testing.T) {
	t.Parallel()
	p, started, endless := stuck(t, script.Options{Wait: 50 * time.Millisecond})
	good := design(t, map[string]any{"validate_doc_update": `function () {}`, "filters": map[string]any{"f": `function () { return true }`}})
	var all sync.WaitGroup
	defer all.Wait()
	defer p.Close()
	ask := func() {
		if _, err := p.Validate(t.Context(), endless, nobody, open, []script.Edit{{New: []byte(`{}`)}}); !errors.Is(err, script.ErrClosed) {
			t.Error(err)
		}
	}
	all.Go(func() {
		if _, err := p.Filter(t.Context(), endless, "f", []byte(`{}`), [][]byte{[]byte(`{}`)}); !errors.Is(err, script.ErrClosed) {
			t.Error(err)
		}
	})
	for range 2 {
		all.Go(ask)
	}
	for range 3 {
		<-started
	}
	_, err := p.Validate(t.Context(), good, nobody, open, []script.Edit{{New: []byte(`{}`)}})
	if f, ok := errors.AsType[*script.FunctionError](err); !ok || f.Name != "timeout" {
		t.Errorf("behind two endless functions: %v", err)
	}
	_, err = p.Filter(t.Context(), good, "f", []byte(`{}`), [][]byte{[]byte(`{}`)})
	if f, ok := errors.AsType[*script.FunctionError](err); !ok || f.Name != "timeout" {
		t.Errorf("behind an endless filter: %v", err)
	}
}

// TestSuspects: functions that did not end in time share one child, however many of them are asked; all others have the rest.
func TestSuspects(t *testing.T) {
	t.Parallel()
	p, started, endless := stuck(t, script.Options{})
	good := design(t, map[string]any{"validate_doc_update": `function () {}`})
	p.Accuse(endless)
	var all sync.WaitGroup
	defer all.Wait()
	defer p.Close()
	for range 3 {
		all.Go(func() {
			if _, err := p.Validate(t.Context(), endless, nobody, open, []script.Edit{{New: []byte(`{}`)}}); !errors.Is(err, script.ErrClosed) {
				t.Error(err)
			}
		})
	}
	<-started
	for range 50 {
		if got := validate(t, p, good, `{}`)[0]; got != nil {
			t.Fatal(got)
		}
	}
	if n := 1 + len(started); n != 2 {
		t.Errorf("%d children were started for functions that do not end, and others", n)
	}
}

// TestAccused: who does not end in time is a suspect, and nobody else.
func TestAccused(t *testing.T) {
	t.Parallel()
	short, long := pool(t, script.Options{Timeout: 200 * time.Millisecond}), pool(t, script.Options{Timeout: time.Hour})
	endless := design(t, map[string]any{"validate_doc_update": `function () { for (;;) {} }`})
	refusing := design(t, map[string]any{"validate_doc_update": `function () { throw({forbidden: "no"}) }`})
	for d, p := range map[*script.Design]*script.Pool{endless: short, refusing: long} {
		if got := validate(t, p, d, `{}`)[0]; got == nil || p.Suspects(d) != (got.Name == "os_process_error") || p.Suspects(d) != (d == endless) {
			t.Errorf("%v: %t", got, p.Suspects(d))
		}
	}
}
