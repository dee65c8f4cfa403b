package client_test

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"go.uber.org/goleak"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
	"github.com/adlayer/after/task"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// tasks serves an embedded store with one empty database, until the test ends.
func tasks(t *testing.T) (*client.Client, *couch.Database) {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	must(t, err)
	handler := httpd.New(st, httpd.Options{Admins: map[string]string{"after": "secret"}, HashRounds: 1000})
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	server := handler.HTTPServer()
	var serving sync.WaitGroup
	serving.Go(func() { _ = server.Serve(listener) })
	t.Cleanup(func() {
		_ = server.Close()
		_ = handler.Close()
		serving.Wait()
		must(t, st.Close())
	})
	dialed, err := couch.Dial("http://after:secret@"+listener.Addr().String(), couch.Options{})
	must(t, err)
	t.Cleanup(dialed.Close)
	must(t, dialed.CreateDatabase(t.Context(), "tasks"))
	db := dialed.Database("tasks")
	return client.New(db), db
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func put(t *testing.T, db *couch.Database, docs ...string) {
	t.Helper()
	raw := make([][]byte, len(docs))
	for i, doc := range docs {
		raw[i] = []byte(doc)
	}
	results, err := db.Bulk(t.Context(), raw)
	must(t, err)
	for _, result := range results {
		must(t, result.Err())
	}
}

// set changes one field of a document, as a worker or a person would.
func set(t *testing.T, db *couch.Database, id, field, value string) {
	t.Helper()
	doc, err := db.Get(t.Context(), id)
	must(t, err)
	read, err := task.Decode(doc.Body)
	must(t, err)
	next, err := read.WithField(field, json.RawMessage(value))
	must(t, err)
	_, err = db.Put(t.Context(), id, next.Encode())
	must(t, err)
}

// body is a document without its revision.
func body(t *testing.T, db *couch.Database, id string) string {
	t.Helper()
	doc, err := db.Get(t.Context(), id)
	must(t, err)
	return strings.Replace(strings.TrimSpace(string(doc.Body)), `"_rev":"`+doc.Rev+`",`, "", 1)
}

func TestAdd(t *testing.T) {
	t.Parallel()
	c, db := tasks(t)
	added, err := c.Add(t.Context(), client.Spec{
		ID: "päckchen/1", Worker: "manobi", Job: "invoice", Arguments: map[string]int{"n": 1},
		When: "2026-12-01 09:00", Timezone: "Europe/Berlin", Repeat: json.RawMessage(`{"days":1}`), Retry: json.RawMessage(`3`),
		Timeout: 90 * time.Second, Missed: task.MissedSkip, Delivery: task.AtMostOnce, Tags: []string{"a"}, Data: "x",
	})
	must(t, err)
	want := `{"_id":"päckchen/1","type":"task","worker":"manobi","job":{"name":"invoice","arguments":{"n":1}},"status":"waiting",` +
		`"date":"2026-12-01T08:00:00Z","timezone":"Europe/Berlin","repeat":{"days":1},"retry":3,"timeout":"90s","missed":"skip",` +
		`"delivery":"at-most-once","tags":["a"],"data":"x"}`
	if diff := cmp.Diff(want, body(t, db, added.ID)); diff != "" {
		t.Error(diff)
	}
	got, err := c.Get(t.Context(), added.ID)
	must(t, err)
	if got.Rev != added.Rev || got.Worker != "manobi" {
		t.Errorf("added at rev %q, read %q", added.Rev, got.Rev)
	}
	if _, err := c.Add(t.Context(), client.Spec{ID: added.ID, Worker: "w", Job: "j"}); !couch.IsConflict(err) {
		t.Errorf("a taken id gives %v", err)
	}
}

func TestAddMakesSortableIDs(t *testing.T) {
	t.Parallel()
	c, _ := tasks(t)
	specs := make([]client.Spec, 2500)
	for i := range specs {
		specs[i] = client.Spec{Worker: "w", Job: "j"}
	}
	specs[7].Job = ""
	specs[8].ID = "mine"
	added, errs := c.AddAll(t.Context(), specs)
	var ids []string
	for i, one := range added {
		switch {
		case i == 7:
			if one != nil || errs[i] == nil || errs[i].Error() != "adding task 7: job: a task names its worker and its job" {
				t.Errorf("a wrong one gives %v, %v", one, errs[i])
			}
		case errs[i] != nil:
			t.Fatal(errs[i])
		case i != 8:
			ids = append(ids, one.ID)
		}
	}
	if !slices.IsSorted(ids) || len(slices.Compact(ids)) != len(ids) {
		t.Error("ids do not rise")
	}
	if _, errs := c.AddAll(t.Context(), []client.Spec{{ID: "mine", Worker: "w", Job: "j"}}); !couch.IsConflict(errs[0]) {
		t.Errorf("a taken id gives %v", errs[0])
	}
	count := 0
	for _, err := range c.List(t.Context(), client.Filter{Worker: "w"}) {
		must(t, err)
		count++
	}
	if count != 2499 {
		t.Errorf("%d listed", count)
	}
}

var now = time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)

func TestSpecs(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		spec func(*client.Spec)
		date string // or
		err  string
	}{
		"now":                     {func(*client.Spec) {}, "", ""},
		"words":                   {func(s *client.Spec) { s.When = "in 5 minutes" }, "2026-03-01T12:05:00Z", ""},
		"words in a zone":         {func(s *client.Spec) { s.When, s.Timezone = "tomorrow at 9am", "America/New_York" }, "2026-03-02T14:00:00Z", ""},
		"instant":                 {func(s *client.Spec) { s.Date = now.Add(time.Millisecond) }, "2026-03-01T12:00:00.001Z", ""},
		"two dates":               {func(s *client.Spec) { s.Date, s.When = now, "tomorrow" }, "", "date: both an instant and words are given"},
		"no date":                 {func(s *client.Spec) { s.When = "whenever you like" }, "", "date: "},
		"no zone":                 {func(s *client.Spec) { s.Timezone = "Mars/Base" }, "", "timezone: "},
		"no worker":               {func(s *client.Spec) { s.Worker = "" }, "", "worker: a task names its worker and its job"},
		"no job":                  {func(s *client.Spec) { s.Job = "" }, "", "job: a task names its worker and its job"},
		"control character":       {func(s *client.Spec) { s.Worker = "a\n" }, "", `worker "a\n": a name is plain text`},
		"reserved id":             {func(s *client.Spec) { s.ID = "_design/x" }, "", `id "_design/x": ids that begin with _ belong to the database`},
		"note that is no text":    {func(s *client.Spec) { s.Note = "a\xff" }, "", `note "a\xff" is no valid UTF-8`},
		"site that is no text":    {func(s *client.Spec) { s.Site = "\xff" }, "", `site "\xff" is no valid UTF-8`},
		"tag that is no text":     {func(s *client.Spec) { s.Tags = []string{"a", "\xff"} }, "", `tags "\xff" is no valid UTF-8`},
		"address that is no text": {func(s *client.Spec) { s.Notify = &task.Notify{URL: "http://h/\xff"} }, "", `notify.url "http://h/\xff" is no valid UTF-8`},
		"field that is no text":   {func(s *client.Spec) { s.Fields = map[string]json.RawMessage{"a": []byte("\"\xff\"")} }, "", `"a": "\"\xff\"" is no JSON`},
		"id that is no text":      {func(s *client.Spec) { s.ID = "\xff" }, "", `id "\xff" is no valid UTF-8`},
		"argument that is no text": {
			func(s *client.Spec) { s.Arguments = map[string]any{"a": []any{1, "x\xff"}} }, "", `arguments.a.1 is no valid UTF-8`,
		},
		"data with a name that is no text": {
			func(s *client.Spec) { s.Data = map[string]any{"a": map[string]int{"b\xff": 1}} }, "", "data.a is no valid UTF-8",
		},
		"data with a field that is no text": {
			func(s *client.Spec) {
				s.Data = struct {
					Note string `json:"note"`
				}{"\xff"}
			}, "", `data.note is no valid UTF-8`,
		},
		"data of JSON that is no text": {func(s *client.Spec) { s.Data = json.RawMessage("{\"a\":\"\xff\"}") }, "", `data is no valid UTF-8`},
		"data with JSON that is no text": {
			func(s *client.Spec) { s.Data = map[string]any{"x": []any{json.RawMessage("{\"a\":\"\xff\"}")}} }, "", `data.x.0 is no valid UTF-8`,
		},
		"data that was replaced":  {func(s *client.Spec) { s.Data = []any{"\ufffd", json.RawMessage(`"\ufffd"`), `\ufffd`} }, "", ""},
		"repeat that is no text":  {func(s *client.Spec) { s.Repeat = json.RawMessage("{\"days\":1,\"x\":\"\xff\"}") }, "", `repeat: "{\"days\":1,\"x\":\"\xff\"}" is no JSON`},
		"arguments are a number":  {func(s *client.Spec) { s.Arguments = 1 }, "", "arguments: 1 is neither an array nor an object"},
		"arguments are a channel": {func(s *client.Spec) { s.Arguments = make(chan int) }, "", "arguments: json: unsupported type: chan int"},
		"data is a channel":       {func(s *client.Spec) { s.Data = make(chan int) }, "", "data: json: unsupported type: chan int"},
		"repeat never advances":   {func(s *client.Spec) { s.Repeat = json.RawMessage(`{"days":0}`) }, "", "repeat"},
		"repeat is no JSON":       {func(s *client.Spec) { s.Repeat = json.RawMessage(`{`) }, "", `repeat: "{" is no JSON`},
		"repeat without until":    {func(s *client.Spec) { s.Repeat = json.RawMessage(`{"days":1,"until":"eventually"}`) }, "", "repeat.until: "},
		"retry":                   {func(s *client.Spec) { s.Retry = json.RawMessage(`"often"`) }, "", "retry"},
		"timeout below zero":      {func(s *client.Spec) { s.Timeout = -1 }, "", "timeout: -1ns is not a number of milliseconds from 0"},
		"missed":                  {func(s *client.Spec) { s.Missed = "perhaps" }, "", "missed"},
		"delivery":                {func(s *client.Spec) { s.Delivery = "twice" }, "", "delivery"},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			spec := client.Spec{Worker: "w", Job: "j"}
			test.spec(&spec)
			got, err := spec.Task(now)
			if test.err != "" {
				if err == nil || !strings.HasPrefix(err.Error(), test.err) {
					t.Errorf("error %v, want %s", err, test.err)
				}
				return
			}
			must(t, err)
			if date := strings.Trim(string(got.Date), `"`); date != test.date {
				t.Errorf("date %s, want %s", date, test.date)
			}
		})
	}
}

func TestUntilIsWritten(t *testing.T) {
	t.Parallel()
	got, err := client.Spec{Worker: "w", Job: "j", Repeat: json.RawMessage(`{"days":1,"until":"in 3 days"}`)}.Task(now)
	must(t, err)
	if string(got.Repeat) != `{"days":1,"until":"2026-03-04T12:00:00Z"}` {
		t.Errorf("repeat %s", got.Repeat)
	}
}

func TestEditsKeepEverythingElse(t *testing.T) {
	t.Parallel()
	const head, tail = `{"_id":"a","worker":"w","mine":{"b":1.0,"a":"é"},"job":"j"`, `}`
	date := time.Date(2027, 1, 1, 0, 0, 0, 0, time.UTC)
	tests := map[string]struct {
		before, after string // between head and tail
		edit          func(*client.Client, context.Context) error
		conflict      string
	}{
		"cancel": {
			before: `,"status":"scheduled"`, after: `,"status":"cancel"`,
			edit: func(c *client.Client, ctx context.Context) error { return c.Cancel(ctx, "a") },
		},
		"cancel one without status": {
			after: `,"status":"cancel"`,
			edit:  func(c *client.Client, ctx context.Context) error { return c.Cancel(ctx, "a") },
		},
		"cancel one that ended": {
			before: `,"status":"done"`, conflict: "it has ended as done",
			edit: func(c *client.Client, ctx context.Context) error { return c.Cancel(ctx, "a") },
		},
		"reschedule": {
			before: `,"status":"scheduled","date":"2026-01-01T00:00:00Z"`, after: `,"status":"reschedule","date":"2027-01-01T00:00:00Z"`,
			edit: func(c *client.Client, ctx context.Context) error { return c.Reschedule(ctx, "a", date) },
		},
		"reschedule one that ended": {
			before: `,"status":"error"`, after: `,"status":"reschedule","date":"2027-01-01T00:00:00Z"`,
			edit: func(c *client.Client, ctx context.Context) error { return c.Reschedule(ctx, "a", date) },
		},
		"retry": {
			before: `,"status":"error","error":{"message":"x"}`, after: `,"status":"waiting","error":{"message":"x"}`,
			edit: func(c *client.Client, ctx context.Context) error { return c.Retry(ctx, "a") },
		},
		"retry one that has not ended": {
			before: `,"status":"scheduled"`, conflict: "it has not ended: it is scheduled",
			edit: func(c *client.Client, ctx context.Context) error { return c.Retry(ctx, "a") },
		},
		"cancel what is no task": {
			before: `,"type":"calendar"`, conflict: "it is no task: its type is calendar",
			edit: func(c *client.Client, ctx context.Context) error { return c.Cancel(ctx, "a") },
		},
	}
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			c, db := tasks(t)
			put(t, db, head+test.before+tail)
			err := test.edit(c, t.Context())
			if test.conflict != "" {
				if !couch.IsConflict(err) || !strings.Contains(err.Error(), test.conflict) {
					t.Errorf("error %v, want %s", err, test.conflict)
				}
				test.after = test.before
			} else if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(head+test.after+tail, body(t, db, "a")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestEditsOfWhatIsNotThere(t *testing.T) {
	t.Parallel()
	c, _ := tasks(t)
	for name, err := range map[string]error{
		"cancel": c.Cancel(t.Context(), "a"), "retry": c.Retry(t.Context(), "a"), "delete": c.Delete(t.Context(), "a"),
		"reschedule": c.Reschedule(t.Context(), "a", now),
	} {
		if !couch.IsNotFound(err) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestDelete(t *testing.T) {
	t.Parallel()
	c, db := tasks(t)
	put(t, db, `{"_id":"a/b","worker":"w"}`)
	must(t, c.Delete(t.Context(), "a/b"))
	if _, err := c.Get(t.Context(), "a/b"); !couch.IsNotFound(err) {
		t.Errorf("it is there: %v", err)
	}
}

// Many edit one document at once: each edit is made, on whatever the document then is.
func TestEditsMeet(t *testing.T) {
	t.Parallel()
	c, db := tasks(t)
	put(t, db, `{"_id":"a","worker":"w","job":"j","status":"scheduled"}`)
	var editing sync.WaitGroup
	errs := make(chan error, 8)
	for i := range cap(errs) {
		editing.Go(func() { errs <- c.Reschedule(t.Context(), "a", now.Add(time.Duration(i)*time.Second)) })
	}
	editing.Wait()
	close(errs)
	for err := range errs {
		must(t, err)
	}
	doc, err := db.Get(t.Context(), "a")
	must(t, err)
	if !strings.HasPrefix(doc.Rev, "9-") {
		t.Errorf("revision %s after 8 edits", doc.Rev)
	}
}

func TestList(t *testing.T) {
	t.Parallel()
	c, db := tasks(t)
	put(t, db,
		`{"_id":"waiting","worker":"w","job":"j","date":"2026-03-01T10:00:00Z","status":"waiting"}`,
		`{"_id":"bare","worker":"w","job":{"name":"j"}}`,
		`{"_id":"scheduled","worker":"w","job":"other","status":"scheduled","date":"2020-01-01","plan":{"from":"2026-03-01T11:00:00Z",
			"index":0,"nominal":"2026-03-01T11:00:00Z","due":"2026-03-01T11:00:00Z","key":"k"}}`,
		`{"_id":"done","worker":"w","job":"j","status":"done","date":"2026-03-01T10:00:00Z"}`,
		`{"_id":"failed","worker":"v","job":"j","status":"error","error":{"message":"m","kind":"job"}}`,
		`{"_id":"unreadable","worker":"v","job":"j","status":"error","error":{"message":"m","kind":"invalid"}}`,
		`{"_id":"nobody","job":"j"}`,
		`{"_id":"number","worker":5,"job":"j"}`,
		`{"_id":"calendar","type":"calendar","worker":"w"}`,
		`{"_id":"task","type":"task","worker":"v","job":"j","status":"cancel","date":"2099-01-01"}`,
	)
	tests := map[string]struct {
		filter client.Filter
		want   []string
	}{
		"all":                 {client.Filter{}, []string{"bare", "done", "failed", "nobody", "number", "scheduled", "task", "unreadable", "waiting"}},
		"worker":              {client.Filter{Worker: "w"}, []string{"bare", "done", "scheduled", "waiting"}},
		"job":                 {client.Filter{Job: "j", Worker: "w"}, []string{"bare", "done", "waiting"}},
		"waiting":             {client.Filter{Status: task.Waiting}, []string{"bare", "nobody", "number", "waiting"}},
		"waiting of a worker": {client.Filter{Status: task.Waiting, Worker: "w"}, []string{"bare", "waiting"}},
		"scheduled":           {client.Filter{Status: task.Scheduled, Worker: "w"}, []string{"scheduled"}},
		"errors":              {client.Filter{Status: task.Failed}, []string{"failed", "unreadable"}},
		"due at ten":          {client.Filter{DueBefore: time.Date(2026, 3, 1, 10, 0, 0, 1, time.UTC)}, []string{"waiting"}},
		"due at eleven":       {client.Filter{DueBefore: time.Date(2026, 3, 1, 11, 0, 0, 1, time.UTC), Worker: "w"}, []string{"scheduled", "waiting"}},
		"invalid":             {client.Filter{Invalid: true}, []string{"nobody", "number", "unreadable"}},
		"invalid of a worker": {client.Filter{Invalid: true, Worker: "v"}, []string{"unreadable"}},
		"ids":                 {client.Filter{IDs: []string{"done", "none", "calendar", "task"}}, []string{"done", "task"}},
		"no ids":              {client.Filter{IDs: []string{}}, nil},
		"nothing":             {client.Filter{Worker: "u"}, nil},
	}
	for _, indexed := range []bool{false, true} {
		if indexed {
			must(t, db.EnsureIndex(t.Context(), couch.Index{
				DDoc: "after", Name: "live", Fields: []string{"worker"},
				PartialFilter: json.RawMessage(`{"$or":[{"status":{"$nin":["done","error","canceled"]}},{"status":{"$exists":false}}]}`),
			}))
		}
		for name, test := range tests {
			if diff := cmp.Diff(test.want, ids(t, c, test.filter)); diff != "" {
				t.Errorf("%s (indexed: %v):\n%s", name, indexed, diff)
			}
		}
	}
	if got := ids(t, c, client.Filter{Worker: "w", Limit: 2}); len(got) != 2 {
		t.Errorf("limit 2 gives %v", got)
	}
}

func ids(t *testing.T, c *client.Client, f client.Filter) []string {
	t.Helper()
	var all []string
	for one, err := range c.List(t.Context(), f) {
		must(t, err)
		all = append(all, one.ID)
	}
	slices.Sort(all)
	return all
}

func TestListTellsErrors(t *testing.T) {
	t.Parallel()
	_, db := tasks(t)
	c := client.New(db.Client().Database("none"))
	seen := 0
	for one, err := range c.List(t.Context(), client.Filter{}) {
		if seen++; one != nil || !couch.IsNotFound(err) {
			t.Errorf("%v, %v", one, err)
		}
	}
	if seen != 1 {
		t.Errorf("%d results", seen)
	}
}

func TestPrune(t *testing.T) {
	t.Parallel()
	c, db := tasks(t)
	var docs []string
	for i := range 1500 {
		docs = append(docs, fmt.Sprintf(`{"_id":"old%d","worker":"w","status":"done","finished":"2026-01-01T00:00:00.5Z"}`, i))
	}
	put(t, db, append(docs,
		`{"_id":"young","worker":"w","status":"done","finished":"2026-02-02T00:00:00Z"}`,
		`{"_id":"failed","worker":"w","status":"error","finished":"2026-01-01T00:00:00Z"}`,
		`{"_id":"canceled","worker":"w","status":"canceled","history":[{"status":"canceled","at":"2026-01-01T00:00:00Z"}]}`,
		`{"_id":"unknown","worker":"w","status":"canceled"}`,
		`{"_id":"again","worker":"w","status":"scheduled","finished":"2026-01-01T00:00:00Z"}`,
		`{"_id":"other","worker":"v","status":"done","finished":"2026-01-01T00:00:00Z"}`,
		`{"_id":"calendar","type":"calendar","worker":"w","status":"done","finished":"2026-01-01T00:00:00Z"}`)...)
	before := time.Date(2026, 2, 1, 0, 0, 0, 0, time.UTC)
	var told []int
	steps := []struct {
		old  client.Old
		want int
		left []string
	}{
		{client.Old{Before: before, Status: task.Done, Worker: "w"}, 1500, []string{"again", "canceled", "failed", "other", "unknown", "young"}},
		{client.Old{Before: before}, 3, []string{"again", "unknown", "young"}},
		{client.Old{Before: before}, 0, []string{"again", "unknown", "young"}},
	}
	for _, step := range steps {
		n, err := c.Prune(t.Context(), step.old, func(n int) { told = append(told, n) })
		must(t, err)
		if n != step.want {
			t.Errorf("%d deleted, want %d", n, step.want)
		}
		if diff := cmp.Diff(step.left, ids(t, c, client.Filter{})); diff != "" {
			t.Error(diff)
		}
	}
	if diff := cmp.Diff(1500, slices.Max(told)); diff != "" || len(told) < 4 {
		t.Errorf("progress %v", told)
	}
	for _, wrong := range []client.Old{{}, {Before: before, Status: task.Scheduled}} {
		if _, err := c.Prune(t.Context(), wrong, nil); err == nil {
			t.Errorf("%+v is pruned", wrong)
		}
	}
}
