package worker_test

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	logtest "github.com/sirupsen/logrus/hooks/test"
	"github.com/tidwall/gjson"

	"github.com/adlayer/after/worker"
)

// spoolPath is where the spool of the worker manobi lies.
func (b *bundle) spoolPath() string {
	return filepath.Join(b.state, "members", "manobi", "spool.ndjson")
}

// awaitSpool waits until the spool holds n records that are no half lines.
func (b *bundle) awaitSpool(n int) []byte {
	b.t.Helper()
	for deadline := time.Now().Add(patience); ; pause(20 * time.Millisecond) {
		raw, err := os.ReadFile(b.spoolPath())
		if err != nil && !errors.Is(err, os.ErrNotExist) {
			b.t.Fatal(err)
		}
		if bytes.Count(raw, []byte(`"ran":{"`)) == n && (n == 0 || raw[len(raw)-1] == '\n') {
			return raw
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("the spool has %d bytes, not %d records", len(raw), n)
		}
	}
}

// hooked gives a worker a log whose lines are kept.
func (b *bundle) hooked() (*logtest.Hook, func(*worker.Config)) {
	logger := logrus.New()
	logger.SetOutput(b.t.Output())
	return logtest.NewLocal(logger), func(c *worker.Config) { c.Log = logger }
}

// limit is the size of the largest document that limited lets through.
const limit = 20_000

// limited refuses workers' documents that are too large, before anybody looks whether they are in conflict, as CouchDB does.
func (b *bundle) limited() {
	b.t.Helper()
	refuse := func(doc gjson.Result) string {
		special := len(`"_id":,"_rev":,`) + len(doc.Get("_id").Raw) + len(doc.Get("_rev").Raw)
		if len(doc.Raw)-special > limit {
			return "document_too_large"
		}
		return ""
	}
	b.tampered().refuse.Store(&refuse)
}

// full is a task that the database takes with room for so many bytes more.
func full(job string, room int) string {
	doc := fmt.Sprintf(`{"worker":"manobi","job":%q,"data":""}`, job)
	return strings.Replace(doc, `""`, `"`+strings.Repeat("x", limit-room-len(doc))+`"`, 1)
}

// TestOutcomeThatHasNoRoom waits in the spool, once, and its task does not run again, until somebody makes room for it.
func TestOutcomeThatHasNoRoom(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.limited()
	hook, log := b.hooked()
	p := b.startWith(log, "manobi")
	b.put("edited", "%s", full("run", 10))
	b.put("deleted", "%s", full("run", 10))
	b.awaitSpool(2)
	p.end()
	for range 2 {
		p = b.startWith(log, "manobi")
		b.seen("manobi")
		p.end()
		if raw := b.awaitSpool(2); len(raw) > 2*limit+5000 {
			t.Errorf("the spool has %d bytes", len(raw))
		}
	}
	doc, err := b.db.Get(t.Context(), "deleted")
	must(t, err)
	_, err = b.db.Delete(t.Context(), "deleted", doc.Rev)
	must(t, err)
	p = b.startWith(log, "manobi")
	b.awaitSpool(1)
	b.seen("manobi")
	b.edit("edited", map[string]any{"data": "small"})
	if doc := b.awaitStatus("edited", "done"); doc.Get("data").String() != "small" || doc.Get("executions").Int() != 1 {
		t.Errorf("%s", doc.Raw)
	}
	p.end()
	b.start("manobi")
	b.awaitSpool(0)
	b.check()
	wantShortLines(t, hook)
}

func wantShortLines(t *testing.T, hook *logtest.Hook) {
	t.Helper()
	for _, entry := range hook.AllEntries() {
		line, err := entry.String()
		must(t, err)
		if len(line) > 5000 {
			t.Errorf("a line of %d bytes in the log: %.500s", len(line), line)
		}
	}
}

// TestOutcomeForWhichOnlyAStatusHasRoom is written without the rest.
func TestOutcomeForWhichOnlyAStatusHasRoom(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.limited()
	hook, log := b.hooked()
	b.startWith(log, "manobi")
	b.put("done", "%s", full("run", 50))
	b.put("error", "%s", full("fail", 100))
	b.awaitStatus("done", "done")
	if doc := b.awaitStatus("error", "error"); doc.Get("error.message").String() != "it failed" || doc.Get("plan").Exists() {
		t.Errorf("%s", doc.Get("error").Raw)
	}
	b.awaitSpool(0)
	b.check()
	wantShortLines(t, hook)
}

// TestRefusedOutcomeWaitsInTheSpool for a start at which the database takes it, and its task does not run meanwhile.
func TestRefusedOutcomeWaitsInTheSpool(t *testing.T) {
	t.Parallel()
	b := setup(t)
	m := b.tampered()
	var healed atomic.Bool
	refuse := func(doc gjson.Result) string {
		if doc.Get("status").String() == "done" && doc.Get("_id").String() == "t" && !healed.Load() {
			return "forbidden"
		}
		return ""
	}
	m.refuse.Store(&refuse)
	p := b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run"}`)
	b.awaitSpool(1)
	p.crash() // what was refused is on disk already
	p = b.start("manobi")
	b.seen("manobi")
	b.edit("t", map[string]any{"data": "edited"}) // the outcome meets the edit, and is refused once more
	b.awaitSpool(2)
	p.end()
	p = b.start("manobi")
	b.seen("manobi")
	b.awaitSpool(1)
	p.end()
	b.wantRuns("t", 1)
	healed.Store(true)
	b.start("manobi")
	if doc := b.awaitStatus("t", "done"); doc.Get("executions").Int() != 1 || doc.Get("data").String() != "edited" {
		t.Errorf("%s", doc.Raw)
	}
	b.awaitSpool(0)
	b.wantRuns("t", 1)
}
