package mango_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/mango"
)

// endingContext is over after it was asked a number of times.
type endingContext struct {
	context.Context //nolint:containedctx // it is one
	left            atomic.Int64
	asked           func()
}

func (c *endingContext) Err() error {
	c.asked()
	if c.left.Add(-1) < 0 {
		return context.Canceled
	}
	return nil
}

func fill(t *testing.T, db *store.Database, documents int) {
	t.Helper()
	long := strings.Repeat("x", 200)
	for at := 0; at < documents; at += 1000 {
		var docs []string
		for i := at; i < min(at+1000, documents); i++ {
			docs = append(docs, fmt.Sprintf(`{"_id":"%05d","s":"%05d%s","n":%d}`, i, i, long, i))
		}
		bulk(t, db, docs...)
	}
}

// TestBuildGoesOn: what a build has done when it is called off, or the power goes, is kept, and the next one does the rest.
func TestBuildGoesOn(t *testing.T) {
	t.Parallel()
	fs := vfs.NewCrashableMem()
	st, db := openIn(t, fs)
	const documents = 2100
	fill(t, db, documents)
	serve(t, db, "POST", "_index", `{"index":{"fields":["s"]},"name":"s"}`)
	var before uint64
	var crashed vfs.FS
	var tasks []mango.Task
	rounds := 0
	for ; ; rounds++ {
		ctx := &endingContext{Context: context.Background(), asked: func() { tasks = append(tasks, mango.Finder{}.Tasks(db)...) }}
		ctx.left.Store(1)
		err := mango.Finder{}.Build(ctx, db)
		reached, readErr := mango.Reached(db, "s")
		if readErr != nil {
			t.Fatal(readErr)
		}
		if err == nil {
			break
		}
		if !errors.Is(err, context.Canceled) || reached <= before || reached > documents {
			t.Fatalf("round %d: from %d to %d, %v", rounds, before, reached, err)
		}
		before, crashed = reached, fs.CrashClone(vfs.CrashCloneCfg{})
	}
	if rounds == 0 {
		t.Fatal("the build was never called off")
	}
	if len(tasks) == 0 || tasks[0].Total != documents+1 || tasks[len(tasks)-1].Done == 0 || len(mango.Finder{}.Tasks(db)) > 0 {
		t.Errorf("while it was at work it was shown as %+v, then as %+v", tasks, mango.Finder{}.Tasks(db))
	}
	wantBuilt(t, st, db, documents)
	st, db = openIn(t, crashed)
	if reached, err := mango.Reached(db, "s"); reached > before || err != nil {
		t.Errorf("after a crash the index has come to %d, not to %d or less: %v", reached, before, err)
	}
	if err := (mango.Finder{}).Build(t.Context(), db); err != nil {
		t.Fatal(err)
	}
	wantBuilt(t, st, db, documents)
}

// openIn opens a store in a file system, and its one database.
func openIn(t *testing.T, fs vfs.FS) (*store.Store, *store.Database) {
	t.Helper()
	st, err := store.Open("data", store.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := st.Close(); err != nil {
			t.Error(err)
		}
	})
	db, err := st.Database("db")
	if store.IsNotFound(err) {
		return st, createDatabase(t, st, "db")
	}
	if err != nil {
		t.Fatal(err)
	}
	return st, db
}

// wantBuilt looks for all rows of the index s, and for what is wrong with them.
func wantBuilt(t *testing.T, st *store.Store, db *store.Database, documents int) {
	t.Helper()
	if rows, err := mango.IndexRows(db); rows != documents || err != nil {
		t.Errorf("%d rows of %d documents, %v", rows, documents, err)
	}
	if err := mango.Check(t.Context(), st, func(p store.Problem) { t.Errorf("the check says: %s", p) }); err != nil {
		t.Error(err)
	}
	if n := mango.Turns(db); n != 0 {
		t.Errorf("%d indexes are thought to have somebody at work", n)
	}
	if p := findPage(t, db, `{"selector":{"s":{"$beginsWith":"02099"}},"execution_stats":true}`); len(p.Docs) != 1 || p.Stats.Docs != 1 {
		t.Errorf("%v found, %d examined", p.ids(), p.Stats.Docs)
	}
}

// TestBuildsDoNotWaitForEachOther: while one index is being built, another one is brought up to date and answers.
func TestBuildsDoNotWaitForEachOther(t *testing.T) {
	t.Parallel()
	db := openDatabase(t)
	serve(t, db, "POST", "_index", `{"index":{"fields":["s"]},"name":"s"}`)
	serve(t, db, "POST", "_index", `{"index":{"fields":["n"]},"name":"n"}`)
	fill(t, db, 2*mango.PendingLimit)
	free, err := mango.Busy(db, "s")
	if err != nil {
		t.Fatal(err)
	}
	if p := findPage(t, db, `{"selector":{"n":{"$gte":501}},"execution_stats":true}`); len(p.Docs) != 11 || p.Stats.Docs != 11 {
		t.Errorf("%d found, %d examined", len(p.Docs), p.Stats.Docs)
	}
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	var answer bytes.Buffer
	if err := (mango.Finder{}).Serve(ctx, db, "POST", "_find", nil, []byte(`{"selector":{"s":{"$gt":null}}}`), &answer); !errors.Is(err, context.Canceled) {
		t.Errorf("an asker who goes while an index is built: %v", err)
	}
	if p := findPage(t, db, `{"selector":{"s":{"$gt":null}},"update":false,"limit":1000}`); len(p.Docs) > mango.PendingLimit {
		t.Errorf("without waiting for the rows: %d documents", len(p.Docs))
	}
	free()
	if p := findPage(t, db, `{"selector":{"s":{"$gt":null}},"limit":1000}`); len(p.Docs) != 2*mango.PendingLimit {
		t.Errorf("%d found", len(p.Docs))
	}
}

// pieces is a reader of an answer who notes how it came.
type pieces struct {
	count, longest, total int
	fail                  error
}

func (p *pieces) Write(b []byte) (int, error) {
	p.count, p.longest, p.total = p.count+1, max(p.longest, len(b)), p.total+len(b)
	return len(b), p.fail
}

// TestAnswersAreStreamed: a long answer goes out in pieces, and ends where nobody takes them.
func TestAnswersAreStreamed(t *testing.T) {
	t.Parallel()
	db := openDatabase(t)
	fill(t, db, 2000)
	serve(t, db, "POST", "_index", `{"index":{"fields":["n"]}}`)
	for _, query := range []string{`{"selector":{},"limit":10000}`, `{"selector":{"n":{"$gte":0}},"limit":10000}`, `{"selector":{"n":{"$gte":0}},"fields":["n","_id"],"limit":10000}`} {
		var p pieces
		if err := (mango.Finder{}).Serve(t.Context(), db, "POST", "_find", nil, []byte(query), &p); err != nil {
			t.Fatal(err)
		}
		if p.count < 2 || p.longest > 64<<10 {
			t.Errorf("%s: %d bytes in %d pieces, the longest of %d", query, p.total, p.count, p.longest)
		}
		gone := pieces{fail: errors.New("the reader has gone")}
		if err := (mango.Finder{}).Serve(t.Context(), db, "POST", "_find", nil, []byte(query), &gone); !errors.Is(err, gone.fail) || gone.count != 1 {
			t.Errorf("%s: %d pieces after the reader went, %v", query, gone.count, err)
		}
	}
}

// TestDesignDocumentsBecomeIndexes: whoever writes them, and however they go.
func TestDesignDocumentsBecomeIndexes(t *testing.T) {
	t.Parallel()
	db := openDatabase(t)
	bulk(t, db, `{"_id":"a","n":1,"t":"x"}`, `{"_id":"b","n":2,"t":"y"}`)
	rev := bulk(t, db, `{"_id":"_design/hand","language":"query","views":{"n":{"map":{"fields":{"n":"desc"},"partial_filter_selector":{"t":"x"}},"options":{"def":{"fields":[{"n":"desc"}]}}}}}`)[0].Rev
	if e := explained(t, db, `{"selector":{"n":{"$gt":0}},"use_index":"hand"}`); e.Index.Name != "n" || string(e.Index.Def.Filter) != `{"t":"x"}` {
		t.Errorf("planned with %s, filter %s", e.Index.Name, e.Index.Def.Filter)
	}
	if p := findPage(t, db, `{"selector":{"n":{"$gt":0}},"use_index":"hand"}`); len(p.Docs) != 1 || p.Warning != "" {
		t.Errorf("%v, warning %q", p.ids(), p.Warning)
	}
	rev = bulk(t, db, fmt.Sprintf(`{"_id":"_design/hand","_rev":%q,"language":"query","views":{"n":{"map":{"fields":{"n":"asc"}},"options":{}}}}`, rev))[0].Rev
	if p := findPage(t, db, `{"selector":{"n":{"$gt":0}},"sort":["n"]}`); len(p.Docs) != 2 || p.Warning != "" {
		t.Errorf("%v, warning %q", p.ids(), p.Warning)
	}
	bulk(t, db, fmt.Sprintf(`{"_id":"_design/hand","_rev":%q,"_deleted":true}`, rev))
	if e := refused(t, db, "_find", `{"selector":{"n":{"$gt":0}},"sort":["n"]}`); e.Name != "no_usable_index" {
		t.Errorf("sorting after the design document went: %v", e)
	}
}
