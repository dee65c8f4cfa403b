package worker_test

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/changes"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/notify"
)

// TestNotices: what workers leave for those who are to be told.
func TestNotices(t *testing.T) {
	t.Parallel()
	onServers(t, map[string]func(t *testing.T, b *bundle){
		"errors and what follows":           testNoticesOfRepeat,
		"what never ran":                    testNoticesOfMissed,
		"a notice stands before the rest":   testNoticeFirst,
		"an outcome beside a person's word": testNoticeOfEdited,
		"one that is refused":               testNoticeRefused,
	})
}

// notices gives what stands in the database to be told, by task: "event error" in the order of the firings.
func (b *bundle) notices() map[string][]notify.Notice {
	b.t.Helper()
	listing, err := b.db.AllDocs(b.t.Context(), couch.Range{Start: "notice:", End: "notice:\ufff0", IncludeDocs: true})
	must(b.t, err)
	all := map[string][]notify.Notice{}
	for _, row := range listing.Rows {
		n, err := notify.Decode(row.Doc)
		must(b.t, err)
		all[n.Task] = append(all[n.Task], n)
	}
	for _, list := range all {
		slices.SortFunc(list, func(a, b notify.Notice) int { return a.Nominal.Compare(b.Nominal) })
	}
	return all
}

// addFailingFirst registers the job "fail-first", whose first runs of each task fail, as many as its argument says.
func (b *bundle) addFailingFirst() {
	var mu sync.Mutex
	ran := map[string]int{}
	job, err := jobs.NewTyped("fail-first", func(ctx context.Context, t *jobs.Task, arguments []int) (any, error) {
		mu.Lock()
		ran[t.ID()]++
		n := ran[t.ID()]
		mu.Unlock()
		var err error
		if n <= arguments[0] {
			err = fmt.Errorf("run %d failed", n)
		}
		b.note(t)(ctx, err)
		return nil, err
	})
	must(b.t, err)
	must(b.t, b.jobs.Add(job))
}

func events(list []notify.Notice) string {
	var all []string
	for _, n := range list {
		all = append(all, string(n.Event))
	}
	return strings.Join(all, " ")
}

func testNoticesOfRepeat(t *testing.T, b *bundle) {
	t.Helper()
	const to = `"notify":{"url":"https://example.org/told","email":["ops@example.org"]}`
	b.addFailingFirst()
	b.start("manobi")
	b.put("all", `{"worker":"manobi","job":{"name":"fail-first","arguments":[2]},"repeat":{"milliseconds":50,"limit":4},`+to+`}`)
	b.put("mails", `{"worker":"manobi","job":{"name":"fail-first","arguments":[1]},"repeat":{"milliseconds":50,"limit":3},"notify":{"email":"ops@example.org"}}`)
	b.put("chosen", `{"worker":"manobi","job":{"name":"fail-first","arguments":[1]},"repeat":{"milliseconds":50,"limit":3},"notify":{"email":"ops@example.org","on":["done"]}}`)
	b.put("retried", `{"worker":"manobi","job":{"name":"fail-first","arguments":[1]},"retry":{"limit":2,"interval":"10ms"},`+to+`}`)
	b.put("again", `{"worker":"manobi","job":{"name":"fail-first","arguments":[1]},`+to+`}`)
	b.put("nobody", `{"worker":"manobi","job":{"name":"fail-first","arguments":[1]}}`)
	for _, id := range []string{"all", "mails", "chosen", "retried"} {
		b.awaitStatus(id, "done")
	}
	b.awaitStatus("nobody", "error")
	b.awaitStatus("again", "error")
	b.edit("again", map[string]any{"status": "reschedule"})
	b.awaitStatus("again", "done")
	got := b.notices()
	for id, want := range map[string]string{
		"all": "error error recovered done", "mails": "error recovered", "chosen": "recovered done", "retried": "done", "again": "error recovered", "nobody": "",
	} {
		if told := events(got[id]); told != want {
			t.Errorf("of %s is told %q, not %q", id, told, want)
		}
	}
	first := got["all"][0]
	if first.To.URL != "https://example.org/told" || len(first.To.Email) != 1 || first.Error == "" || first.Kind != "job" || first.By != "manobi" ||
		first.Job != "fail-first" || first.Attempt != 1 || first.Started.IsZero() || first.Key == "" {
		t.Errorf("%+v", first)
	}
	if last := got["all"][3]; len(last.To.Email) != 0 || last.Error != "" {
		t.Errorf("%+v", last)
	}
}

func testNoticesOfMissed(t *testing.T, b *bundle) {
	t.Helper()
	yesterday := time.Now().Add(-24 * time.Hour).UTC().Format(time.RFC3339)
	const to = `"notify":{"email":"ops@example.org"}`
	b.put("once", `{"worker":"manobi","job":"run","date":%q,"missed":"skip",`+to+`}`, yesterday)
	b.put("expired", `{"worker":"manobi","job":"run","date":%q,"expires":"1h",`+to+`}`, yesterday)
	b.put("unknown", `{"worker":"manobi","job":"no-such-job",`+to+`}`)
	b.start("manobi")
	b.awaitStatus("unknown", "error")
	b.awaitStatus("expired", "error")
	b.awaitStatus("once", "error")
	got := b.notices()
	if events(got["once"]) != "missed" || events(got["expired"]) != "missed" || events(got["unknown"]) != "error" || got["unknown"][0].Kind != "invalid" {
		t.Errorf("%+v", got)
	}
}

// testNoticeFirst: in the order in which the database was written, the notice comes before what it tells of.
func testNoticeFirst(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	b.put("t", `{"worker":"manobi","job":"run","notify":{"url":"https://example.org/told"}}`)
	doc := b.awaitStatus("t", "done")
	list := b.notices()["t"]
	if len(list) != 1 || list[0].Key != doc.Get("plan.key").String() || !strings.HasPrefix(list[0].ID, "notice:"+list[0].Key+"#1") {
		t.Fatalf("%+v", list)
	}
	var order []string
	ctx, stop := context.WithTimeout(t.Context(), time.Minute)
	defer stop()
	_ = changes.Follow(ctx, b.db, changes.Options{}, func(_ context.Context, rows []changes.Row, _ string) error {
		for _, row := range rows {
			if row.ID == "t" || row.ID == list[0].ID {
				order = append(order, row.ID)
			}
		}
		if len(order) == 2 {
			stop()
		}
		return nil
	})
	if !slices.Equal(order, []string{list[0].ID, "t"}) {
		t.Errorf("written were %q", order)
	}
}

// testNoticeRefused: of notices that the database refuses as a whole, the guilty one is left out alone.
func testNoticeRefused(t *testing.T, b *bundle) {
	t.Helper()
	const n = 60
	b.tampered().bulkMost.Store(20_000)
	b.many(n, func(i int) string {
		return fmt.Sprintf(`{"_id":"t%02d","worker":"manobi","job":"run","notify":{"url":"https://example.org/told"}}`, i)
	})
	b.put("guilty", `{"worker":"manobi","job":"large","notify":{"url":"https://example.org/told"}}`)
	b.start("manobi")
	b.awaitDone(n + 1)
	if told := b.notices(); len(told) != n || told["guilty"] != nil {
		t.Errorf("%d are told of, and of the guilty one: %v", len(told), told["guilty"] != nil)
	}
}

// testNoticeOfEdited: a person asks for another date while the task runs; how that run ended is told all the same.
func testNoticeOfEdited(t *testing.T, b *bundle) {
	t.Helper()
	b.start("manobi")
	gate := b.gate("t")
	b.put("t", `{"worker":"manobi","job":"deaf","notify":{"url":"https://example.org/told"}}`)
	b.awaitRuns("t", 1)
	b.edit("t", map[string]any{"status": "reschedule", "date": time.Now().Add(time.Hour).UTC().Format(time.RFC3339)})
	close(gate)
	b.awaitDoc("t", func(doc gjson.Result) bool { return doc.Get("executions").Int() == 1 })
	if told := events(b.notices()["t"]); told != "done" {
		t.Errorf("told is %q", told)
	}
}
