package worker

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/couch"
)

// The index over live tasks: its cost follows the number of tasks that wait, not the history of those that ended.
const (
	indexDesign = "after"
	indexName   = "live"
)

// live matches every task that has not ended; one without a status has not begun.
const live = `"$or":[{"status":{"$nin":["done","error","canceled"]}},{"status":{"$exists":false}}]`

// Index is the index that workers read their live tasks by.
func Index() couch.Index {
	return couch.Index{
		DDoc: indexDesign, Name: indexName, Fields: []string{"worker"},
		PartialFilter: json.RawMessage(`{` + live + `}`),
	}
}

const (
	// In a cluster an index may lag behind the update sequence: what the first reading missed, later ones find.
	secondSweep = 10 * time.Second
	laterSweeps = 5 * time.Minute
)

// page is a part of a worker's live tasks.
type page struct {
	rows []row
	// sweep: the rows have no documents; what is not known of them is to be loaded.
	sweep bool
}

// readLive pages through a worker's live tasks and gives each page to deliver. fields limits what is read of a document.
func readLive(ctx context.Context, db *couch.Database, name string, fields []string, deliver func(docs [][]byte) error) error {
	worker, err := json.Marshal(name)
	if err != nil {
		return fmt.Errorf("encoding the name %q: %w", name, err)
	}
	q := couch.Query{
		Selector: json.RawMessage(`{"worker":` + string(worker) + `,` + live + `}`),
		Fields:   fields, UseIndex: Index().Use(),
		Stale: true, // what changes after the first page comes through the feed: the index need not follow the worker's own writes
	}
	for p, err := range db.FindPages(ctx, q) {
		if err == nil {
			err = deliver(p.Docs)
		}
		if err != nil {
			return fmt.Errorf("reading the live tasks of %s: %w", name, err)
		}
	}
	return nil
}

// fromPage makes rows of documents that the index gave; whole says that they are more than an id and a revision.
func (r *reader) fromPage(docs [][]byte, whole bool) []row {
	rows := make([]row, 0, len(docs))
	for _, doc := range docs {
		id, rev := gjson.GetBytes(doc, "_id").String(), gjson.GetBytes(doc, "_rev").String()
		if reserved(id) {
			continue
		}
		if !whole {
			doc = nil
		}
		rows = append(rows, r.row(id, rev, false, doc))
	}
	return rows
}

// recover gives the loop all live tasks of a name that was taken.
func (l *loop) recover(ctx context.Context, r *reader, name string) error {
	return l.insist(ctx, func() error {
		return readLive(ctx, l.db, name, nil, func(docs [][]byte) error {
			rows := r.fromPage(docs, true)
			for i := range rows {
				rows[i].found = true
			}
			return l.deliver(ctx, page{rows: rows})
		})
	})
}

// sweep compares the database's live tasks with ours.
func (l *loop) sweep(ctx context.Context, r *reader, name string) error {
	return l.insist(ctx, func() error {
		return readLive(ctx, l.db, name, []string{"_id", "_rev"}, func(docs [][]byte) error {
			return l.deliver(ctx, page{rows: r.fromPage(docs, false), sweep: true})
		})
	})
}

// insist repeats a reading until it succeeds or its context ends. What was delivered twice does no harm.
func (l *loop) insist(ctx context.Context, read func() error) error {
	return l.sender.persist(ctx, "reading live tasks", func() error {
		err := read()
		if errors.Is(err, context.Canceled) {
			return context.Cause(ctx)
		}
		return err
	})
}

func (l *loop) deliver(ctx context.Context, p page) error {
	select {
	case l.pages <- p:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// onPage takes in a page of live tasks.
func (l *loop) onPage(p page) {
	if !p.sweep {
		l.onRows(p.rows)
		return
	}
	for k := range p.rows {
		r := &p.rows[k]
		_, e := l.table.find(r.id)
		switch {
		case e == nil && !l.finished.covers(r.id, r.rev.gen):
			l.wanted = append(l.wanted, r.id)
		case e != nil && e.rev.gen < r.rev.gen && (e.act == nil || !e.act.inFlight):
			l.want(e)
		}
	}
}
