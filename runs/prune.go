package runs

import (
	"context"
	"fmt"
	"time"

	"github.com/adlayer/after/couch"
)

// Keep says which runs are kept. Zero values keep all.
type Keep struct {
	Since   time.Time // those for dates from then on
	PerTask int       // of each task so many, the newest
}

const prunePage = 2000

// Prune deletes the runs that are not kept, and gives their number. It reads ids only.
func Prune(ctx context.Context, db *couch.Database, k Keep) (int, error) {
	p := pruner{db: db, keep: k, seen: map[string]int{}}
	// From the highest id down: of each task the newest firing comes first.
	for rows, err := range db.ListPages(ctx, couch.Range{Descending: true, Limit: prunePage}) {
		if couch.IsNotFound(err) {
			return p.deleted, nil
		}
		if err != nil {
			return p.deleted, fmt.Errorf("listing runs: %w", err)
		}
		for _, row := range rows {
			p.look(row)
		}
		if err := p.bury(ctx); err != nil {
			return p.deleted, err
		}
	}
	return p.deleted, nil
}

type pruner struct {
	db      *couch.Database
	keep    Keep
	seen    map[string]int // runs by task; ids of tasks may lie among the runs of others
	graves  [][]byte
	deleted int
}

// look decides about one run.
func (p *pruner) look(row couch.Listed) {
	id, nominal, ok := parseID(row.ID)
	if !ok {
		return // no run of ours
	}
	p.seen[id]++
	date, err := time.Parse(time.RFC3339Nano, nominal)
	old := err == nil && date.Before(p.keep.Since)
	if !old && (p.keep.PerTask == 0 || p.seen[id] <= p.keep.PerTask) {
		return
	}
	p.graves = append(p.graves, couch.Ref{ID: row.ID, Rev: row.Rev}.Tombstone())
}

func (p *pruner) bury(ctx context.Context) error {
	if len(p.graves) == 0 {
		return nil
	}
	results, err := p.db.Bulk(ctx, p.graves)
	if err != nil {
		return fmt.Errorf("deleting runs: %w", err)
	}
	for _, result := range results {
		if result.OK() {
			p.deleted++
		}
	}
	p.graves = p.graves[:0]
	return nil
}
