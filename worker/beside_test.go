package worker_test

import (
	"net/http"
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/task"
)

// TestBeside is about dates that come during a run, and that have tasks of their own (overlap "allow"), where something goes wrong.
func TestBeside(t *testing.T) {
	t.Parallel()
	onServers(t, map[string]func(t *testing.T, b *bundle){
		"refused":                          testBesideRefused,
		"not made before a crash":          testBesideNotMadeBeforeACrash,
		"made while the run ends":          testBesideMadeWhileTheRunEnds,
		"made before a crash":              testBesideMadeBeforeACrash,
		"made before a crash, all missed":  testBesideMadeBeforeACrashAll,
		"made before a crash, run for one": testBesideMadeBeforeACrashAtMostOnce,
		"calendar that changes":            testBesideCalendarThatChanges,
	})
}

// besides is a task "t" that has n dates from now on.
type besides struct {
	*bundle

	from time.Time
	n    int
}

const besideEvery = 400 * time.Millisecond

func (b *bundle) besides(n int, more string) besides {
	b.t.Helper()
	s := besides{bundle: b, from: time.Now().UTC().Truncate(time.Millisecond), n: n}
	b.put("t", `{"worker":"manobi","job":"block","date":%q,"repeat":{"ms":%d,"until":%q},"overlap":"allow"%s}`,
		s.from.Format(time.RFC3339Nano), besideEvery.Milliseconds(), s.date(n-1).Format(time.RFC3339Nano), more)
	return s
}

func (s besides) date(n int) time.Time { return s.from.Add(time.Duration(n) * besideEvery) }
func (s besides) child(n int) string   { return task.ChildID("t", s.date(n)) }

// wantEachDateOnce checks that each date has run as one task, which may have run more than once where a crash cut a run short.
func (s besides) wantEachDateOnce() {
	s.t.Helper()
	for n := range s.n {
		byParent := slices.ContainsFunc(s.runsOf("t"), func(r execution) bool { return r.Nominal.Equal(s.date(n)) })
		if byChild := len(s.runsOf(s.child(n))) > 0; byParent == byChild {
			s.t.Errorf("date %d: by the task itself %t, beside it %t", n, byParent, byChild)
		}
	}
}

func isChild(doc gjson.Result) bool { return strings.HasPrefix(doc.Get("_id").String(), "t@") }

func testBesideRefused(t *testing.T, b *bundle) {
	t.Helper()
	m := b.tampered()
	var refused atomic.Int64
	refuse := func(doc gjson.Result) string {
		if isChild(doc) {
			refused.Add(1)
			return "forbidden"
		}
		return ""
	}
	m.refuse.Store(&refuse)
	b.start("manobi")
	s := b.besides(3, ``)
	b.awaitRuns("t", 1)
	b.poll("a task for the second date that is refused", func() bool { return refused.Load() > 0 })
	b.put("later", `{"worker":"manobi","job":"run","date":%q}`, s.date(3).Format(time.RFC3339Nano))
	b.awaitStatus("later", "done")
	if n := refused.Load(); n != 1 {
		t.Errorf("it was tried %d times", n)
	}
	close(b.gate("t"))
	doc := b.awaitStatus("t", "done")
	s.wantEachDateOnce()
	b.wantRuns("t", 3)
	want := s.child(1) + " could not be made, its date waited for the run"
	if !strings.Contains(doc.Get("history").Raw, want) {
		t.Errorf("%q is not in the history: %s", want, doc.Raw)
	}
}

// loseChildren has no request reach the server that makes a task for a date.
func (m *tamper) loseChildren() (tried *atomic.Bool) {
	tried = &atomic.Bool{}
	lose := func(docs []gjson.Result) {
		if slices.ContainsFunc(docs, isChild) {
			tried.Store(true)
			panic(http.ErrAbortHandler)
		}
	}
	m.before.Store(&lose)
	return tried
}

func testBesideNotMadeBeforeACrash(t *testing.T, b *bundle) {
	t.Helper()
	m := b.tampered()
	tried := m.loseChildren()
	p := b.start("manobi")
	s := b.besides(2, ``)
	b.awaitRuns("t", 1)
	b.poll("an attempt to make a task for the second date", tried.Load)
	close(b.gate("t"))
	close(b.gate(s.child(1)))
	b.seen("manobi")
	p.crash()
	m.before.Store(nil)
	b.start("manobi")
	b.awaitStatus("t", "done")
	b.await("a run for the second date", func() bool {
		return len(b.runsLocked(s.child(1))) > 0 || slices.ContainsFunc(b.runsLocked("t"), func(r execution) bool { return r.Nominal.Equal(s.date(1)) })
	})
	s.wantEachDateOnce()
}

func testBesideMadeWhileTheRunEnds(t *testing.T, b *bundle) {
	t.Helper()
	m := b.tampered()
	tried := m.loseChildren()
	b.start("manobi")
	s := b.besides(2, ``)
	b.awaitRuns("t", 1)
	b.poll("an attempt to make a task for the second date", tried.Load)
	close(b.gate("t"))
	close(b.gate(s.child(1)))
	b.seen("manobi")
	m.before.Store(nil)
	b.awaitStatus("t", "done")
	b.awaitStatus(s.child(1), "done")
	s.wantEachDateOnce()
	b.wantRuns("t", 1)
}

// testBesideCalendarThatChanges gives the dates after the first one free while that runs.
func testBesideCalendarThatChanges(t *testing.T, b *bundle) {
	t.Helper()
	s := besides{bundle: b, from: time.Now().UTC().Truncate(time.Millisecond), n: 3}
	b.put("closed", `{"type":"calendar","dates":[{"from":%q,"until":%q}]}`,
		s.date(1).Format(time.RFC3339Nano), s.date(1).Add(time.Hour).Format(time.RFC3339Nano))
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"block","date":%q,"repeat":{"ms":%d,"until":%q,"except":"closed"},"overlap":"allow"}`,
		s.from.Format(time.RFC3339Nano), besideEvery.Milliseconds(), s.date(2).Format(time.RFC3339Nano))
	b.awaitRuns("t", 1)
	b.edit("closed", map[string]any{"dates": []any{}})
	for n := 1; n < s.n; n++ {
		b.awaitRuns(s.child(n), 1)
		close(b.gate(s.child(n)))
		b.awaitStatus(s.child(n), "done")
	}
	close(b.gate("t"))
	b.awaitStatus("t", "done")
	s.wantEachDateOnce()
}

// besideACrash kills the worker while each of three dates runs, and starts another, under which all runs end.
func (b *bundle) besideACrash(more string) besides {
	b.t.Helper()
	p := b.start("manobi")
	s := b.besides(3, more)
	for n := 1; n < s.n; n++ {
		b.awaitRuns(s.child(n), 1)
	}
	p.crash()
	for _, id := range []string{"t", s.child(1), s.child(2)} {
		close(b.gate(id))
	}
	b.start("manobi")
	for _, id := range []string{"t", s.child(1), s.child(2)} {
		b.await(id+" ended", func() bool { return slices.Contains([]string{"done", "error"}, b.docs[id].Get("status").String()) })
	}
	s.wantEachDateOnce()
	return s
}

func testBesideMadeBeforeACrash(t *testing.T, b *bundle) {
	t.Helper()
	b.besideACrash(``)
}

func testBesideMadeBeforeACrashAll(t *testing.T, b *bundle) {
	t.Helper()
	b.besideACrash(`,"missed":"all"`)
}

func testBesideMadeBeforeACrashAtMostOnce(t *testing.T, b *bundle) {
	t.Helper()
	s := b.besideACrash(`,"delivery":"at-most-once"`)
	for _, id := range []string{"t", s.child(1), s.child(2)} {
		b.wantRuns(id, 1)
	}
}

// TestNothingRunsBesideWhatIsToBePaused: dates that come after a pause was heard do not run beside the run that is still on.
func TestNothingRunsBesideWhatIsToBePaused(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"block","repeat":{"ms":300},"overlap":"allow"}`)
	besides := func() (ids []string) {
		for id := range b.docs {
			if strings.HasPrefix(id, "t@") {
				ids = append(ids, id)
			}
		}
		return ids
	}
	b.await("a date runs beside", func() bool { return len(besides()) > 0 })
	b.edit("t", map[string]any{"status": "pause"})
	b.seen("manobi")
	b.mu.Lock()
	most := len(besides()) + 1 // one may be on its way
	b.mu.Unlock()
	b.put("later", `{"worker":"manobi","job":"run","date":%q}`, time.Now().Add(1500*time.Millisecond).UTC().Format(time.RFC3339Nano))
	b.awaitStatus("later", "done")
	close(b.gate("t"))
	b.awaitStatus("t", "paused")
	b.mu.Lock()
	ids := besides()
	b.mu.Unlock()
	if len(ids) > most {
		t.Errorf("%d dates ran beside a run that is to be paused, not %d", len(ids), most)
	}
	for _, id := range ids {
		close(b.gate(id))
	}
}
