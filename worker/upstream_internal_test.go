package worker

import (
	"context"
	"net/http/httptest"
	"slices"
	"sync"
	"testing"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/scheduler"
	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
	"github.com/adlayer/after/task"
)

// TestUpstreamFeedTakesUpOtherDocuments: what became of a document before the second feed followed it is not passed over, though the feed
// is past it by then.
func TestUpstreamFeedTakesUpOtherDocuments(t *testing.T) {
	t.Parallel()
	db := storeOf(t)
	write := func(id, rev, status string) string {
		t.Helper()
		doc := []byte(`{"worker":"w","job":"j","status":"` + status + `"}`)
		if rev != "" {
			doc = []byte(`{"_rev":"` + rev + `","worker":"w","job":"j","status":"` + status + `"}`)
		}
		rev, err := db.Put(t.Context(), id, doc)
		if err != nil {
			t.Fatal(err)
		}
		return rev
	}
	first := write("a", "", "waiting")
	l := &loop{config: Config{Filter: FilterSelector}, db: db, log: discard(), rows: make(chan []row), watched: make(chan []string, 1)}
	l.sender = sender{db: db, log: l.log}
	ctx, cancel := context.WithCancel(t.Context())
	var following sync.WaitGroup
	following.Go(func() { l.followUpstreams(ctx, &reader{}) })
	defer following.Wait()
	defer cancel()
	came := func(id, rev string) {
		t.Helper()
		limit := time.After(time.Minute)
		for {
			select {
			case rows := <-l.rows:
				if slices.ContainsFunc(rows, func(r row) bool { return r.id == id && r.rev == markOf(rev) }) {
					return
				}
			case <-limit:
				t.Fatalf("revision %s of %s did not come", rev, id)
			}
		}
	}
	l.watched <- []string{"a"}
	came("a", first)
	done := write("b", "", "done")
	came("a", write("a", first, "running")) // the feed is past the end of b
	l.watched <- []string{"a", "b"}
	came("b", done)
}

func storeOf(t *testing.T) *couch.Database {
	t.Helper()
	st, err := store.Open(t.TempDir(), store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	handler := httpd.New(st, httpd.Options{Admins: map[string]string{"after": "secret"}, HashRounds: 1000})
	server := httptest.NewServer(handler)
	client, err := couch.Dial(server.URL, couch.Options{User: "after", Password: "secret"})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.Close()
		server.CloseClientConnections()
		server.Close()
		_ = handler.Close()
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	if err := client.CreateDatabase(t.Context(), "tasks"); err != nil {
		t.Fatal(err)
	}
	return client.Database("tasks")
}

// TestUpstreamIsNotOvertaken: a load that was asked for before a task ended, and answered after the feed told of that, does not take the
// end back, for nothing would tell of it again. A document that is older even when it is asked for again is as it is.
func TestUpstreamIsNotOvertaken(t *testing.T) {
	t.Parallel()
	l := &loop{
		config: Config{Now: time.Now}, table: newTable(), wheel: scheduler.New[uint32](), upstreams: newUpstreams(), workersOf: []*named{{}},
	}
	l.add("waiter", 0)
	known, _ := l.upstreams.look("waiter")
	known("u")
	status := func() task.Status {
		u := l.upstreams.known["u"].task
		if u == nil {
			return ""
		}
		return u.Status
	}
	revision := func(rev, status string) *row {
		return &row{id: "u", rev: markOf(rev), doc: []byte(`{"_id":"u","_rev":"` + rev + `","worker":"w","job":"j","status":"` + status + `"}`)}
	}
	for _, step := range []struct {
		row  *row
		want task.Status
		asks int
	}{
		{revision("2-aa", "running"), task.Running, 0},
		{revision("3-aa", "done"), task.Done, 0},
		{revision("2-aa", "running"), task.Done, 1},
		{revision("3-aa", "done"), task.Done, 1},
		{&row{id: "u", missing: true, deleted: true}, task.Done, 2},
		{revision("1-aa", "waiting"), task.Waiting, 2},
		{&row{id: "u", rev: markOf("2-bb"), deleted: true}, "", 2},
	} {
		l.onUpstream(step.row)
		if got := status(); got != step.want || len(l.wanted) != step.asks {
			t.Fatalf("after %v it is %q and was asked for %d times, want %q and %d", step.row.rev, got, len(l.wanted), step.want, step.asks)
		}
	}
}
