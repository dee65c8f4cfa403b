package expect_test

import (
	"context"
	"fmt"
	"sync"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/tidwall/gjson"

	"github.com/adlayer/after/changes"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/expect"
)

// kept is a database, a keeper for the worker "manobi" that runs on it, and what the feed tells of it.
type kept struct {
	t    *testing.T
	db   *couch.Database
	stop func()
}

func keep(t *testing.T, db *couch.Database) *kept {
	t.Helper()
	log := logrus.New()
	log.SetOutput(t.Output())
	ctx, cancel := context.WithCancel(t.Context())
	var running sync.WaitGroup
	running.Go(func() { (&expect.Keeper{DB: db, Names: []string{"manobi"}, Log: log, Now: time.Now}).Run(ctx) })
	k := &kept{t: t, db: db, stop: func() { cancel(); running.Wait() }}
	t.Cleanup(k.stop)
	return k
}

func (k *kept) put(id, doc string) {
	k.t.Helper()
	if before, err := k.db.Get(k.t.Context(), id); err == nil {
		doc = `{"_rev":"` + before.Rev + `",` + doc[1:]
	}
	if _, err := k.db.Put(k.t.Context(), id, []byte(doc)); err != nil {
		k.t.Fatal(err)
	}
}

// await follows the database until a document is as it shall be.
func (k *kept) await(id string, is func(doc gjson.Result) bool) gjson.Result {
	k.t.Helper()
	ctx, cancel := context.WithTimeout(k.t.Context(), time.Minute)
	defer cancel()
	var found gjson.Result
	_ = changes.Follow(ctx, k.db, changes.Options{IncludeDocs: true}, func(_ context.Context, rows []changes.Row, _ string) error {
		for _, row := range rows {
			if doc := gjson.ParseBytes(row.Doc); row.ID == id && is(doc) {
				found = doc
				cancel()
			}
		}
		return nil
	})
	if !found.Exists() {
		doc, err := k.db.Get(k.t.Context(), id)
		k.t.Fatalf("%s never came to be as it shall: %s, %v", id, doc.Body, err)
	}
	return found
}

// TestKeeper: tasks that say how often they are expected get switches, and these follow what the tasks say.
func TestKeeper(t *testing.T) {
	t.Parallel()
	for i, server := range couchtest.Servers(t) {
		t.Run(server.Name, func(t *testing.T) {
			t.Parallel()
			client := server.Dial(t)
			db := client.Database(fmt.Sprintf("after-expect-%d-%d", i, time.Now().UnixNano()))
			t.Cleanup(func() {
				if err := client.DropDatabase(context.Background(), db.Name()); err != nil && !couch.IsNotFound(err) {
					t.Error(err)
				}
			})
			testKeeper(t, client, db)
		})
	}
}

func testKeeper(t *testing.T, client *couch.Client, db *couch.Database) {
	t.Helper()
	k := keep(t, db) // the database is not there yet
	if err := client.CreateDatabase(t.Context(), db.Name()); err != nil {
		t.Fatal(err)
	}
	there := func(doc gjson.Result) bool { return doc.Get("job.name").Str == "expect" }

	k.put("beat", `{"worker":"manobi","job":"noop","expect":"every 1h","notify":{"url":"https://example.org/told","on":["error","missed"]}}`)
	first := k.await("expect:beat", there)
	if first.Get("worker").Str != "manobi" || first.Get("repeat").Int() != 3_600_000 || !first.Get("job.arguments.task").Bool() ||
		first.Get("notify").Raw != `{"url":"https://example.org/told","on":["missed"]}` {
		t.Errorf("%s", first.Raw)
	}

	k.stop() // what was written meanwhile is taken up at the next start
	k.put("elsewhere", `{"worker":"zoe","job":"noop","expect":{"every":"2h","worker":"manobi"}}`)
	k.put("others", `{"worker":"zoe","job":"noop","expect":"every 2h"}`)
	k.put("beat", `{"worker":"manobi","job":"noop","expect":"every 3h"}`)
	k = keep(t, db)
	if doc := k.await("expect:elsewhere", there); doc.Get("worker").Str != "manobi" {
		t.Errorf("%s", doc.Raw)
	}
	k.await("expect:beat", func(doc gjson.Result) bool {
		return doc.Get("repeat").Int() == 3*3_600_000 && !doc.Get("notify").Exists() && doc.Get("status").Str == "reschedule"
	})
	if _, err := db.Get(t.Context(), "expect:others"); !couch.IsNotFound(err) {
		t.Errorf("another worker's switch was made here: %v", err)
	}

	// One that was deleted, because the task was expected no more, is made again when it is.
	doc, err := db.Get(t.Context(), "expect:elsewhere")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Delete(t.Context(), doc.ID, doc.Rev); err != nil {
		t.Fatal(err)
	}
	k.put("elsewhere", `{"worker":"zoe","job":"noop","expect":{"every":"2h","worker":"manobi"}}`)
	k.await("expect:elsewhere", func(again gjson.Result) bool { return there(again) && again.Get("_rev").Str > "2" })

	// A switch that has raised "missed" is run at once when its task is done again.
	now := time.Now().UTC().Format(time.RFC3339)
	const plan = `"plan":{"from":"2026-12-01T09:00:00Z","index":1,"nominal":"2026-12-01T10:00:00Z","due":"2026-12-01T10:00:00Z","key":"k",`
	k.put("expect:beat", `{"worker":"manobi","status":"scheduled","repeat":10800000,"date":"2026-12-01T10:00:00Z",`+plan+
		`"last":{"nominal":"2026-12-01T09:00:00Z","at":"2026-12-01T09:00:00Z","status":"error"}},
		"job":{"name":"expect","arguments":{"id":"beat","every":"3h","since":"2026-12-01T06:00:00Z","task":true}}}`)
	k.put("beat", `{"worker":"manobi","job":"noop","expect":"every 3h","status":"scheduled",`+plan+`"done":"`+now+`"}}`)
	if doc := k.await("expect:beat", func(doc gjson.Result) bool { return doc.Get("status").Str == "run" }); doc.Get("date").Str != "2026-12-01T10:00:00Z" {
		t.Errorf("%s", doc.Raw)
	}
}
