package runs

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"iter"
	"time"

	"github.com/adlayer/after/changes"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
)

// Filter says which runs of a task are meant; every field that is set has to fit.
type Filter struct {
	Since  time.Time   // they started then or later
	Status task.Status // done, error or canceled
	Limit  int         // at most so many, the newest; 0 is all
}

func (f Filter) matches(r Run) bool {
	return (f.Since.IsZero() || !r.Started.Before(f.Since)) && (f.Status == "" || r.Status == f.Status)
}

const (
	page       = 500
	remembered = 10_000 // runs, while they are followed
)

// List gives the runs of a task, the newest firing first, page by page as they are asked for. After an error it ends. Where there is no
// database of runs, there are none.
func List(ctx context.Context, db *couch.Database, id string, f Filter) iter.Seq2[Run, error] {
	return func(yield func(Run, error) bool) {
		found := 0
		// All that begins with the task's id and an @; ids in which that is not the end of it are sorted out.
		r := couch.Range{Start: id + "@\ufff0", End: id + "@", Descending: true, IncludeDocs: true, Limit: page}
		for rows, err := range db.ListPages(ctx, r) {
			if couch.IsNotFound(err) {
				return
			}
			if err != nil {
				yield(Run{}, fmt.Errorf("listing the runs of %s: %w", id, err))
				return
			}
			for _, row := range rows {
				run, ok := decode(row.Doc)
				if !ok || run.Task != id || !f.matches(run) {
					continue
				}
				if found++; !yield(run, nil) || found == f.Limit {
					return
				}
			}
		}
	}
}

// Follow gives the runs of a task that end from the update sequence since on ("now": from now on), until ctx ends or the function returns an error,
// which it gives back. One that a cluster tells again is given once.
func Follow(ctx context.Context, db *couch.Database, id, since string, f Filter, each func(Run) error) error {
	quoted, err := json.Marshal(id)
	if err != nil {
		return fmt.Errorf("looking for the runs of %s: %w", id, err)
	}
	options := changes.Options{
		Since: since, IncludeDocs: true, Remember: remembered,
		// Not every server selects, and one may write the same text with other escapes: what looks plain is told from its bytes.
		Keep: func(line []byte) bool { return bytes.IndexByte(quoted, '\\') >= 0 || bytes.Contains(line, quoted) },
	}
	return changes.Follow(ctx, db, options, func(_ context.Context, rows []changes.Row, _ string) error {
		for _, row := range rows {
			if run, ok := decode(row.Doc); ok && !row.Deleted && run.Task == id && f.matches(run) {
				if err := each(run); err != nil {
					return err
				}
			}
		}
		return nil
	})
}
