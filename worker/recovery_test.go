package worker_test

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/worker"
)

// claimedBefore gives a task as a worker left it that died at once: it was due an hour and half a minute ago.
func claimedBefore(id, more string) string {
	date := time.Now().Add(-time.Hour - 30*time.Second).UTC().Truncate(time.Second).Format(time.RFC3339)
	return fmt.Sprintf(`{"_id":%q,"worker":"manobi","job":"run","status":"scheduled","date":%q,%s
		"plan":{"from":%q,"index":0,"nominal":%q,"due":%q,"key":"%s@%s/1-00000000"},
		"claim":{"worker":"manobi","member":"dead","incarnation":"dead","write":1}}`, id, date, more, date, date, date, id, date)
}

func TestMissedDates(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.many(1, func(int) string { return claimedBefore("once", ``) })
	b.many(1, func(int) string { return claimedBefore("once-skip", `"missed":"skip",`) })
	b.many(1, func(int) string { return claimedBefore("latest", `"repeat":{"minutes":10},`) })
	b.many(1, func(int) string { return claimedBefore("skip", `"missed":"skip","repeat":{"minutes":10},`) })
	b.many(1, func(int) string { return claimedBefore("all", `"missed":"all","repeat":{"minutes":10},`) })
	b.start("manobi")
	b.awaitStatus("once", "done")
	if doc := b.awaitStatus("once-skip", "error"); doc.Get("error.kind").String() != "missed" {
		t.Errorf("%s", doc.Raw)
	}
	for id, want := range map[string]int{"latest": 1, "skip": 0, "all": 7} {
		doc := b.awaitDoc(id, func(doc gjson.Result) bool {
			return doc.Get("status").String() == "scheduled" && doc.Get("plan.due").Time().After(time.Now())
		})
		runs := b.runsOf(id)
		if len(runs) != want {
			t.Errorf("%s ran %d times, want %d: %s", id, len(runs), want, doc.Raw)
		}
		if next := doc.Get("plan.nominal").Time(); next.Sub(doc.Get("plan.from").Time()) != 70*time.Minute {
			t.Errorf("%s goes on at %v", id, next)
		}
	}
	if latest := b.runsOf("latest"); len(latest) == 1 && time.Since(latest[0].Nominal) > 10*time.Minute {
		t.Errorf("the latest missed date is not %v", latest[0].Nominal)
	}
}

func TestSleepersAreLoadedBeforeTheirTime(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.start("manobi")
	// Beyond the horizon when they are claimed; an edit of their dates is what brings them near.
	const n = 300
	b.many(n, func(i int) string {
		return fmt.Sprintf(`{"_id":"t%03d","worker":"manobi","job":"run","status":"waiting","date":"in 3 minutes"}`, i)
	})
	b.await("all are scheduled", func() bool { return b.countLocked("scheduled") == n })
	p.end()
	// A clock that is ahead lets them come due from a cold start, with their documents yet to be loaded.
	ahead := 2*time.Minute + 50*time.Second
	b.startWith(func(c *worker.Config) {
		c.Now = func() time.Time { return time.Now().Add(ahead).Round(0) }
	}, "manobi")
	b.awaitDone(n)
	b.check()
}

func (b *bundle) countLocked(status string) int {
	count := 0
	for _, doc := range b.docs {
		if doc.Get("status").String() == status {
			count++
		}
	}
	return count
}

func TestThousandsOnOneSecondStartInParallel(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.startWith(func(c *worker.Config) { c.Concurrency = 50 }, "one", "two")
	second := time.Now().Truncate(time.Second).Add(3 * time.Second).UTC().Format(time.RFC3339)
	const n = 4000
	b.many(n, func(i int) string {
		return fmt.Sprintf(`{"_id":"t%04d","worker":%q,"job":"run","status":"waiting","date":%q}`, i, []string{"one", "two"}[i%2], second)
	})
	b.awaitDone(n)
	b.check()
}

func TestWorkersShareTheProcessFairly(t *testing.T) {
	t.Parallel()
	b := setup(t)
	date := time.Now().Add(-time.Hour).UTC().Format(time.RFC3339)
	b.many(40, func(i int) string {
		return fmt.Sprintf(`{"_id":"greedy%02d","worker":"greedy","job":"block","date":%q}`, i, date)
	})
	b.many(2, func(i int) string { return fmt.Sprintf(`{"_id":"modest%02d","worker":"modest","job":"block"}`, i) })
	b.startWith(func(c *worker.Config) { c.Concurrency = 4 }, "greedy", "modest")
	b.await("four run", func() bool { return len(b.runs) == 4 })
	for range 4 {
		b.mu.Lock()
		var first string
		for _, r := range b.runs {
			if strings.HasPrefix(r.ID, "greedy") && b.docs[r.ID].Get("status").String() != "done" {
				first = r.ID
				break
			}
		}
		b.mu.Unlock()
		if first == "" {
			break
		}
		close(b.gate(first))
		b.awaitStatus(first, "done")
	}
	b.awaitRuns("modest00", 1)
	b.awaitRuns("modest01", 1)
}

func TestBadDocuments(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.start("manobi")
	deep := strings.Repeat("[", 1500) + strings.Repeat("]", 1500)
	for id, doc := range map[string]string{
		"a/b c/ü/😀":  `{"worker":"manobi","job":"run"}`,
		"many":       `{"worker":"manobi","job":{"name":"run","arguments":[` + strings.Repeat("0,", 999_999) + `0]}}`,
		"deep":       `{"worker":"manobi","job":"run","data":` + deep + `}`,
		"null job":   `{"worker":"manobi","job":null}`,
		"number job": `{"worker":"manobi","job":7}`,
		"no job":     `{"worker":"manobi"}`,
		"status":     `{"worker":"manobi","job":"run","status":"wating"}`,
		"retry":      `{"worker":"manobi","job":"run","retry":{"limt":5}}`,
		"timeout":    `{"worker":"manobi","job":"run","timeout":"soon"}`,
		"zone":       `{"worker":"manobi","job":"run","timezone":"Mars/Olympus"}`,
		"never":      `{"worker":"manobi","job":"run","repeat":{"days":1,"until":"2001-01-01"}}`,
		"huge":       `{"worker":"manobi","job":"large","data":"` + strings.Repeat("x", 6_000_000) + `"}`,
	} {
		b.put(id, "%s", doc)
	}
	for _, id := range []string{"a/b c/ü/😀", "many", "deep", "huge"} {
		b.awaitStatus(id, "done")
	}
	for id, word := range map[string]string{
		"null job": "job", "number job": "job", "no job": "job", "status": "wating", "retry": "limt", "timeout": "timeout",
		"zone": "Mars", "never": "until",
	} {
		doc := b.awaitStatus(id, "error")
		if got := doc.Get("error.message").String(); !strings.Contains(got, word) || doc.Get("error.kind").String() != "invalid" {
			t.Errorf("%s: %s", id, doc.Get("error").Raw)
		}
	}
	b.put("after", `{"worker":"manobi","job":"run"}`)
	b.awaitStatus("after", "done")
}

// TestDesignDocumentsAreNoTasks, whatever fields they have: not at a start, not through the feed, and not as an upstream.
func TestDesignDocumentsAreNoTasks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	rev := b.put("_design/before", `{"worker":"manobi","job":"run"}`)
	b.start("manobi")
	b.put("_design/since", `{"worker":"manobi","job":"run"}`)
	b.put("waits", `{"worker":"manobi","job":"run","after":["_design/before"]}`)
	b.seen("manobi")
	b.wantRuns("_design/before", 0)
	b.wantRuns("_design/since", 0)
	b.wantRuns("waits", 0)
	doc, err := b.db.Get(t.Context(), "_design/before")
	must(t, err)
	if doc.Rev != rev {
		t.Errorf("the design document was written: %s", doc.Body)
	}
}

func TestMoveBetweenWorkersOfOneProcess(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.start("one", "two")
	b.put("asleep", `{"worker":"one","job":"run","date":"in 1 hour","status":"waiting"}`)
	b.put("running", `{"worker":"one","job":"block"}`)
	b.awaitStatus("asleep", "scheduled")
	b.awaitStatus("running", "running")
	b.edit("asleep", map[string]any{"worker": "two", "date": "now"})
	b.edit("running", map[string]any{"worker": "two"})
	close(b.gate("running"))
	for id, runs := range map[string]int{"asleep": 1, "running": 2} {
		doc := b.awaitStatus(id, "done")
		if got := doc.Get("claim.worker").String(); got != "two" {
			t.Errorf("%s was run by %s", id, got)
		}
		if n := len(b.runsOf(id)); n != runs {
			t.Errorf("%s ran %d times, want %d", id, n, runs)
		}
	}
}

func TestFeedFilteredByTheServer(t *testing.T) {
	t.Parallel()
	b := setup(t)
	filtered := func(c *worker.Config) { c.Filter = worker.FilterSelector }
	b.startWith(filtered, "one")
	b.put("others", `{"worker":"somebody","job":"run"}`)
	b.put("moved", `{"worker":"one","job":"run","date":"in 2 seconds","status":"waiting"}`)
	b.put("deleted", `{"worker":"one","job":"run","date":"in 2 seconds","status":"waiting"}`)
	b.awaitStatus("moved", "scheduled")
	rev := b.awaitStatus("deleted", "scheduled").Get("_rev").String()
	b.edit("moved", map[string]any{"worker": "somebody"})
	_, err := b.db.Delete(t.Context(), "deleted", rev)
	must(t, err)
	b.put("last", `{"worker":"one","job":"run","date":"in 3 seconds","status":"waiting"}`)
	b.awaitStatus("last", "done")
	for _, id := range []string{"others", "moved", "deleted"} {
		if n := len(b.runsOf(id)); n != 0 {
			t.Errorf("%s ran", id)
		}
	}
}

// TestFilteredFeedTellsOfOthersTasks: what a task waits for comes at once also where the server leaves out other workers' tasks, and so do
// calendars.
func TestFilteredFeedTellsOfOthersTasks(t *testing.T) {
	t.Parallel()
	b := setup(t)
	p := b.startWith(func(c *worker.Config) { c.Filter = worker.FilterSelector }, "one")
	b.startWith(elsewhere, "somebody")
	b.put("first", `{"worker":"somebody","job":"block"}`)
	b.awaitRuns("first", 1)
	b.put("t", `{"worker":"one","job":"run","after":["first","second"]}`)
	b.put("u", `{"worker":"one","job":"run","after":"t"}`)
	b.seen("one")
	b.put("second", `{"worker":"somebody","job":"run"}`)
	b.awaitStatus("second", "done")
	b.put("v", `{"worker":"one","job":"run","after":["second","third"],"when":"ended"}`)
	b.wantRuns("t", 0)
	close(b.gate("first"))
	b.awaitStatus("t", "done")
	b.awaitStatus("u", "done")
	b.put("third", `{"worker":"somebody","job":"fail"}`)
	b.awaitStatus("v", "done")

	day := func(n int) string { return time.Now().UTC().AddDate(0, 0, n).Format(time.DateOnly) }
	b.put("closed", `{"type":"calendar","dates":[]}`)
	b.put("w", `{"worker":"one","job":"run","date":%q,"repeat":{"every":"P1D","except":"closed"}}`, day(1)+"T09:00:00Z")
	b.awaitStatus("w", "scheduled")
	b.edit("closed", map[string]any{"dates": []string{day(1)}})
	b.awaitDoc("w", func(doc gjson.Result) bool { return doc.Get("plan.nominal").String() == day(2)+"T09:00:00Z" })
	b.put("x", `{"worker":"one","job":"run","after":"never"}`)
	b.seen("one")
	p.end() // while it follows what x waits for
}

func TestSite(t *testing.T) {
	t.Parallel()
	b := setup(t)
	b.startWith(func(c *worker.Config) { c.Site = "here" }, "manobi")
	b.put("there", `{"worker":"manobi","job":"run","site":"there"}`)
	b.put("anywhere", `{"worker":"manobi","job":"run"}`)
	b.put("here", `{"worker":"manobi","job":"run","site":"here"}`)
	b.awaitStatus("anywhere", "done")
	b.awaitStatus("here", "done")
	if runs := b.runsOf("there"); len(runs) != 0 {
		t.Error("a task of another site ran")
	}
}
