package client

import (
	"cmp"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"slices"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// Filter says which tasks are meant; every field that is set has to fit. The zero value is all tasks.
type Filter struct {
	Worker    string
	Job       string
	Status    task.Status // waiting includes documents without a status
	DueBefore time.Time   // their next start lies before this; tasks that have ended have none
	IDs       []string
	Invalid   bool // instead of the others: what nobody runs or what nobody could read; see [Client.List]
	Limit     int  // at most so many; 0 is all. Not for Watch
}

const page = 1000

// List gives tasks, in no particular order, page by page as they are asked for. After an error it ends.
//
// With Filter.Invalid it gives the documents that look like tasks and name no worker, which therefore nobody runs, and the
// tasks that ended as error of kind "invalid".
func (c *Client) List(ctx context.Context, f Filter) iter.Seq2[*task.Task, error] {
	return func(yield func(*task.Task, error) bool) {
		found := 0
		now := c.now()
		for raw, err := range c.find(ctx, f) {
			if err != nil {
				yield(nil, err)
				return
			}
			t, err := decode(raw)
			if err != nil || !f.matches(t, now) {
				continue // no document that a server gives cannot be decoded
			}
			if found++; !yield(t, nil) || found == f.Limit {
				return
			}
		}
	}
}

// find reads the documents that the server can tell to match, and perhaps some more.
func (c *Client) find(ctx context.Context, f Filter) iter.Seq2[[]byte, error] {
	if f.IDs != nil {
		return c.byID(ctx, f.IDs)
	}
	q, err := f.query()
	return func(yield func([]byte, error) bool) {
		if err != nil {
			yield(nil, err)
			return
		}
		for p, err := range c.db.FindPages(ctx, q) {
			if err != nil {
				yield(nil, err)
				return
			}
			for _, doc := range p.Docs {
				if !yield(doc, nil) {
					return
				}
			}
		}
	}
}

func (c *Client) byID(ctx context.Context, ids []string) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for chunk := range slices.Chunk(ids, page) {
			listing, err := c.db.AllDocs(ctx, couch.Range{Keys: chunk, IncludeDocs: true})
			if err != nil {
				yield(nil, err)
				return
			}
			for _, row := range listing.Rows {
				if row.Doc != nil && !yield(row.Doc, nil) {
					return
				}
			}
		}
	}
}

type object = map[string]any

// live matches every task that has not ended, in the words of the index that workers have: only then a server uses it.
func live() []any {
	return []any{
		object{"status": object{"$nin": []task.Status{task.Done, task.Failed, task.Canceled}}},
		object{"status": object{"$exists": false}},
	}
}

// query asks for the tasks of a filter. A worker's tasks that have not ended are found by an index; anything else reads the
// whole database. Further conditions may be added.
func (f Filter) query(further ...any) (couch.Query, error) {
	q := couch.Query{Limit: page}
	if f.Limit > 0 && f.DueBefore.IsZero() {
		q.Limit = min(page, f.Limit)
	}
	isTask := object{"$or": []any{object{"type": object{"$exists": false}}, object{"type": "task"}}}
	every := append([]any{isTask}, further...)
	if f.Worker != "" {
		every = append(every, object{"worker": f.Worker})
	}
	if f.Job != "" {
		every = append(every, object{"$or": []any{object{"job": f.Job}, object{"job.name": f.Job}}})
	}
	selector := object{"$and": &every}
	ended := slices.Contains([]task.Status{task.Done, task.Failed, task.Canceled}, f.Status)
	switch {
	case f.Invalid:
		every = append(every, object{"$or": []any{
			object{"worker": object{"$exists": false}},
			object{"worker": ""},
			object{"worker": object{"$not": object{"$type": "string"}}},
			object{"$and": []any{object{"status": task.Failed}, object{"error.kind": task.KindInvalid}}},
		}})
	case f.Status == task.Waiting:
		every = append(every, object{"$or": []any{object{"status": task.Waiting}, object{"status": object{"$exists": false}}}})
	case f.Status != "":
		every = append(every, object{"status": f.Status})
	}
	if !f.Invalid && !ended && (f.Status != "" || !f.DueBefore.IsZero()) {
		selector["$or"] = live()
		if f.Worker != "" {
			selector["worker"] = f.Worker
			q.UseIndex = []string{"after", "live"}
		}
	}
	raw, err := json.Marshal(selector)
	if err != nil {
		return q, fmt.Errorf("making a selector: %w", err)
	}
	q.Selector = raw
	return q, nil
}

// matches looks at what a selector cannot tell, and at all the rest for those who have none.
func (f Filter) matches(t *task.Task, now time.Time) bool {
	switch {
	case strings.HasPrefix(t.ID, "_design/") || !t.IsTask() && !t.Deleted,
		f.Invalid && t.Worker != "" && (t.Error == nil || t.Error.Kind != task.KindInvalid),
		f.Worker != "" && t.Worker != f.Worker,
		f.Job != "" && t.Job != f.Job,
		f.Status != "" && statusOf(t) != f.Status,
		f.IDs != nil && !slices.Contains(f.IDs, t.ID):
		return false
	case f.DueBefore.IsZero():
		return true
	}
	due, ok := next(t, now)
	return ok && due.Before(f.DueBefore)
}

// next is when a task starts next, as far as its document tells.
func next(t *task.Task, now time.Time) (time.Time, bool) {
	if t.Ended() {
		return time.Time{}, false
	}
	if t.Plan != nil && statusOf(t) != task.Waiting && t.Status != task.Reschedule {
		return t.Plan.Due, true
	}
	loc, err := when.LoadLocation(t.Timezone)
	if err != nil {
		return time.Time{}, false
	}
	date, err := when.ParseDateJSON(t.Date, now, loc)
	return date.Time, err == nil
}

// Old says which tasks [Client.Prune] deletes. Before is required.
type Old struct {
	Before time.Time   // they ended before this
	Status task.Status // done, error or canceled; empty: all three
	Worker string      // empty: of all workers
}

// Prune deletes tasks that ended long ago and gives their number. Documents that somebody changed meanwhile are left.
// progress, which may be nil, is told the number so far, page by page.
func (c *Client) Prune(ctx context.Context, o Old, progress func(deleted int)) (int, error) {
	ended := []task.Status{task.Done, task.Failed, task.Canceled}
	if o.Before.IsZero() || o.Status != "" && !slices.Contains(ended, o.Status) {
		return 0, fmt.Errorf("pruning tasks: only tasks that ended (as done, error or canceled) before some date can be pruned, not %q", o.Status)
	}
	if o.Status != "" {
		ended = []task.Status{o.Status}
	}
	selector := object{
		"status": object{"$in": ended},
		// A task that never ran has no finished; its history tells.
		"$or": []any{object{"finished": object{"$lt": when.Format(o.Before)}}, object{"finished": object{"$exists": false}}},
	}
	if o.Worker != "" {
		selector["worker"] = o.Worker
	}
	q := couch.Query{Limit: page, Sort: json.RawMessage(`["_id"]`), Fields: []string{"_id", "_rev", "type", "worker", "status", "finished", "history"}}
	deleted := 0
	// By their ids rather than by bookmarks, which not every server has: what is deleted must not move the pages.
	for last := ""; ; {
		selector["_id"] = object{"$gt": last}
		raw, err := json.Marshal(selector)
		if err != nil {
			return deleted, fmt.Errorf("making a selector: %w", err)
		}
		q.Selector = raw
		p, err := c.db.Find(ctx, q)
		if err != nil {
			return deleted, err
		}
		n, err := c.bury(ctx, p.Docs, o.Before)
		deleted += n
		if progress != nil {
			progress(deleted)
		}
		if err != nil || len(p.Docs) < page {
			return deleted, err
		}
		last = gjson.GetBytes(p.Docs[len(p.Docs)-1], "_id").Str
	}
}

func (c *Client) bury(ctx context.Context, docs [][]byte, before time.Time) (int, error) {
	var graves [][]byte
	for _, raw := range docs {
		t, err := decode(raw)
		if err != nil || !t.IsTask() || !endedBefore(t, before) {
			continue
		}
		graves = append(graves, couch.Ref{ID: t.ID, Rev: t.Rev}.Tombstone())
	}
	results, err := c.db.Bulk(ctx, graves)
	if err != nil {
		return 0, err
	}
	deleted := 0
	for _, result := range results {
		switch {
		case result.OK():
			deleted++
		case !conflicted(result):
			err = cmp.Or(err, result.Err())
		}
	}
	return deleted, err
}

// endedBefore asks the document when its task ended; where it does not know, it is not old.
func endedBefore(t *task.Task, before time.Time) bool {
	at := t.Finished
	for _, transition := range t.History() {
		if transition.At.After(at) {
			at = transition.At
		}
	}
	return !at.IsZero() && at.Before(before)
}
