package recorded_test

import (
	"encoding/json"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/couch/couchtest"
)

// replicates has an embedded store replicate with the database, both ways and in each way that it knows.
func replicates(t *testing.T, server couchtest.Server) {
	t.Helper()
	ctx, here, there := t.Context(), couchtest.Embedded(t).Dial(t), server.Dial(t)
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	remote := func(name string) string {
		address, err := url.Parse(server.URL)
		must(err)
		address.User, address.Path = url.UserPassword(server.User, server.Password), "/"+name
		return address.String()
	}
	must(there.CreateDatabase(ctx, "carried"))
	const attached = `{"_id":"attached/1","n":1,"_attachments":{"f.txt":{"content_type":"text/plain","data":"YWJj"}}}`
	const filter = `{"_id":"_design/pick","filters":{"all":"function () { return true; }"}}`
	docs := [][]byte{[]byte(attached), []byte(filter), []byte(`{"_id":"a","n":2}`), []byte(`{"_id":"gone","n":3}`)}
	results, err := there.Database("carried").Bulk(ctx, docs)
	must(err)
	_, err = there.Database("carried").Delete(ctx, "gone", results[3].Rev)
	must(err)
	conflict := []byte(`{"new_edits":false,"docs":[{"_id":"a","n":4,"_rev":"1-ffffffffffffffffffffffffffffffff"}]}`)
	status, answer, err := there.Do(ctx, http.MethodPost, "/carried/_bulk_docs", conflict)
	if must(err); status != http.StatusCreated {
		t.Fatalf("%d %s", status, answer)
	}
	for _, task := range []map[string]any{
		{"source": remote("carried"), "target": "copy", "create_target": true},
		{"source": remote("carried"), "target": "copy"},
		{"source": remote("carried"), "target": "copy", "doc_ids": []string{"a"}},
		{"source": remote("carried"), "target": "copy", "selector": map[string]any{"n": 1}},
		{"source": remote("carried"), "target": "copy", "filter": "pick/all", "query_params": map[string]any{"a": "b"}},
		{"source": "copy", "target": remote("back"), "create_target": true},
		{"source": "copy", "target": remote("back")},
	} {
		body, err := json.Marshal(task)
		must(err)
		if _, err := here.Replicate(ctx, body); err != nil {
			t.Errorf("%s: %v", body, err)
		}
	}
	// A continuous one waits at the feed; it is done when what is written then has come.
	task := `{"source":"` + remote("carried") + `","target":"copy","continuous":true}`
	_, err = here.Replicate(ctx, json.RawMessage(task))
	must(err)
	_, err = there.Database("carried").Put(ctx, "late", []byte(`{}`))
	must(err)
	arrives(t, here.Database("copy"), "late")
	_, err = here.Replicate(ctx, json.RawMessage(strings.Replace(task, `"continuous"`, `"cancel":true,"continuous"`, 1)))
	must(err)
}

// arrives waits until a database has a document.
func arrives(t *testing.T, db *couch.Database, id string) {
	t.Helper()
	feed, err := db.Changes(t.Context(), couch.ChangesQuery{Feed: "continuous", DocIDs: []string{id}, Limit: 1})
	if err != nil {
		t.Fatal(err)
	}
	defer feed.Close()
	if _, err := feed.Read(make([]byte, 1)); err != nil {
		t.Error(err)
	}
}
