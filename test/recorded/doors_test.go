package recorded_test

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/url"
	"reflect"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/changes"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/couch/couchtest"
)

// everything uses each call of the client that all parts of after speak to their database with, and each of its options: what the rest of the test
// does not happen to need is asked all the same. A call or an option that is new fails the test until somebody uses it here.
func everything(t *testing.T, server couchtest.Server) {
	t.Helper()
	ctx, client := t.Context(), server.Dial(t)
	db := client.Database("everything")
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	must(client.CreateDatabase(ctx, db.Name()))
	knows(t, client, "Server", "Session", "AllDatabases", "HasDatabase", "CreateDatabase", "DropDatabase", "Replicate",
		"Do", "Database", "Close", "String", "User")
	knows(t, db, "Info", "Get", "Put", "PutAttached", "Attachment", "Delete", "Bulk", "BulkGet", "AllDocs", "ListPages", "Find", "FindPages",
		"EnsureIndex", "Indexes", "Changes", "Security", "SetSecurity", "Name", "Client", "String")

	_, err := client.Server(ctx)
	must(err)
	_, err = client.Session(ctx)
	must(err)
	_, err = client.AllDatabases(ctx)
	must(err)
	_, err = client.HasDatabase(ctx, db.Name())
	must(err)

	rev, err := db.Put(ctx, "a", []byte(`{"n":1,"s":"x"}`))
	must(err)
	_, err = db.Get(ctx, "a", couch.AtRev(rev), couch.WithConflicts())
	must(err)
	_, err = db.BulkGet(ctx, []couch.Ref{{ID: "a"}, {ID: "b", Rev: rev}})
	must(err)
	results, err := db.Bulk(ctx, [][]byte{[]byte(`{"_id":"b","n":2}`), []byte(`{"_id":"a","n":2}`), []byte(`{"_id":"_local/x"}`)})
	must(err)
	_, err = db.Delete(ctx, "b", results[0].Rev)
	must(err)
	const body = "bytes"
	_, err = db.PutAttached(ctx, "c", []byte(`{"_attachments":{"f":{"follows":true,"content_type":"text/plain","length":5}}}`),
		func() io.Reader { return strings.NewReader(body) }, int64(len(body)))
	must(err)
	attachment, err := db.Attachment(ctx, "c", "f")
	must(err)
	must(attachment.Close())
	security, err := db.Security(ctx)
	must(err)
	must(db.SetSecurity(ctx, security))
	_, err = db.Info(ctx)
	must(err)
	lists(t, db)
	finds(t, db)
	follows(t, db)
	must(client.DropDatabase(ctx, db.Name()))
}

// knows fails where a type has another call than those that are named, or a struct another option.
func knows(t *testing.T, value any, names ...string) {
	t.Helper()
	var has []string
	kind := reflect.TypeOf(value)
	if kind.Kind() == reflect.Struct {
		for _, field := range reflect.VisibleFields(kind) {
			has = append(has, field.Name)
		}
	} else {
		for method := range kind.Methods() {
			has = append(has, method.Name)
		}
	}
	known := map[string]bool{}
	for _, name := range names {
		known[name] = true
	}
	for _, name := range has {
		if !known[name] {
			t.Errorf("%v has %s, which the test does not use: use it, so that it is known whether the recordings answer what it asks", kind, name)
		}
	}
}

func lists(t *testing.T, db *couch.Database) {
	t.Helper()
	knows(t, couch.Range{}, "Start", "End", "ExclusiveEnd", "Keys", "Descending", "Skip", "Limit", "IncludeDocs")
	for _, r := range []couch.Range{
		{Start: "a", End: "c", ExclusiveEnd: true, Skip: 1, Limit: 2, IncludeDocs: true},
		{Start: "c", End: "a", Descending: true},
		{Keys: []string{"a", "nothing"}, IncludeDocs: true},
	} {
		if _, err := db.AllDocs(t.Context(), r); err != nil {
			t.Error(err)
		}
	}
	for _, err := range db.ListPages(t.Context(), couch.Range{Limit: 2, Skip: 1}) {
		if err != nil {
			t.Error(err)
		}
	}
}

func finds(t *testing.T, db *couch.Database) {
	t.Helper()
	ctx := t.Context()
	knows(t, couch.Index{}, "DDoc", "Name", "Fields", "PartialFilter")
	if err := db.EnsureIndex(ctx, couch.Index{DDoc: "by", Name: "n", Fields: []string{"n"}, PartialFilter: json.RawMessage(`{"s":{"$exists":true}}`)}); err != nil {
		t.Error(err)
	}
	if _, err := db.Indexes(ctx); err != nil {
		t.Error(err)
	}
	knows(t, couch.Query{}, "Selector", "Fields", "Sort", "Limit", "Skip", "Bookmark", "UseIndex", "Stale")
	query := couch.Query{
		Selector: json.RawMessage(`{"n":{"$gt":null},"s":{"$exists":true}}`), Fields: []string{"_id"}, Sort: json.RawMessage(`["n"]`), UseIndex: []string{"by", "n"},
		Limit: 1, Skip: 0, Stale: true,
	}
	for page, err := range db.FindPages(ctx, query) {
		if err != nil || page.Warning != "" {
			t.Error(err, page.Warning)
		}
	}
	query.Skip, query.Sort = 1, json.RawMessage(`[{"n":"desc"}]`)
	if _, err := db.Find(ctx, query); err != nil {
		t.Error(err)
	}
}

func follows(t *testing.T, db *couch.Database) {
	t.Helper()
	knows(t, couch.ChangesQuery{}, "Feed", "Since", "Limit", "Descending", "IncludeDocs", "Conflicts", "AllLeaves", "Heartbeat", "Timeout",
		"Selector", "DocIDs", "Filter", "Params")
	knows(t, changes.Options{}, "Since", "IncludeDocs", "Keep", "Heartbeat", "Selector", "DocIDs", "Filter", "Params",
		"Checkpoint", "Remember", "BackoffMin", "BackoffMax", "MaxBatch", "MaxRow", "OnState", "Log")
	for _, q := range []couch.ChangesQuery{
		{Limit: 2, Descending: true, IncludeDocs: true, Conflicts: true, AllLeaves: true},
		{Feed: "longpoll", Since: "now", Timeout: time.Millisecond},
		{Feed: "eventsource", Since: "0", Timeout: time.Millisecond},
		{Feed: "continuous", Heartbeat: time.Second, Limit: 1, Filter: "_design"},
		{Filter: "_view", Params: url.Values{"view": {"by/n"}}},
	} {
		answer, err := db.Changes(t.Context(), q)
		if q.Filter == "_view" { // there is none
			continue
		}
		if err != nil {
			t.Error(err)
			continue
		}
		_, _ = io.Copy(io.Discard, answer)
		_ = answer.Close()
	}
	// A filtered feed asks now and then how far the database is.
	for _, o := range []changes.Options{
		{Selector: json.RawMessage(`{"n":{"$gt":0}}`)}, {DocIDs: []string{"nothing"}}, {},
	} {
		o.Since, o.Heartbeat, o.Checkpoint, o.IncludeDocs = "now", 10*time.Millisecond, time.Millisecond, true
		ctx, cancel := context.WithTimeoutCause(t.Context(), time.Minute, errors.New("the checkpoint never came"))
		enough := errors.New("enough")
		if o.Selector == nil && o.DocIDs == nil {
			o.OnState = func(s changes.State) {
				if s.Connected {
					cancel()
				}
			}
		}
		err := changes.Follow(ctx, db, o, func(context.Context, []changes.Row, string) error { return enough })
		if !errors.Is(err, enough) && !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		cancel()
	}
}
