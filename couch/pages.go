package couch

import (
	"context"
	"iter"
)

// pageSize is how many documents or rows a page has where nobody says.
const pageSize = 1000

// FindPages asks for all that a query finds, page by page as they are asked for: q.Limit documents on each, 1,000 where it is 0. After an error
// it ends. With q.Stale the index is brought up to date for the first page, and taken as it stands for the others. A server that gives no bookmarks
// is asked to skip what it gave: what is deleted from one page to the next makes it leave out as many of the others.
func (d *Database) FindPages(ctx context.Context, q Query) iter.Seq2[Page, error] {
	if q.Limit == 0 {
		q.Limit = pageSize
	}
	return func(yield func(Page, error) bool) {
		q := q // each walk begins with the first page
		stale := q.Stale
		q.Stale = false
		for {
			p, err := d.Find(ctx, q)
			if !yield(p, err) || err != nil || len(p.Docs) < q.Limit {
				return
			}
			q.Stale = stale
			if p.Continues() {
				q.Bookmark, q.Skip = p.Bookmark, 0 // it stands behind what was skipped
			} else {
				q.Skip += len(p.Docs)
			}
		}
	}
}

// ListPages lists the rows of a range, which has no Keys, page by page as they are asked for: r.Limit on each, 1,000 where it is less than 2. After
// an error it ends. No row comes twice, and none is left out that is there all along, whatever is written and deleted meanwhile.
func (d *Database) ListPages(ctx context.Context, r Range) iter.Seq2[[]Listed, error] {
	if r.Limit < 2 { //nolint:mnd // see below: one row of a page may be the last one of the page before
		r.Limit = pageSize
	}
	return func(yield func([]Listed, error) bool) {
		r := r // each walk begins with the first page
		for last := ""; ; {
			listing, err := d.AllDocs(ctx, r)
			rows := listing.Rows
			full := len(rows) == r.Limit
			if last != "" && len(rows) > 0 && rows[0].ID == last { // unless it is gone by now
				rows = rows[1:]
			}
			if !yield(rows, err) || err != nil || !full {
				return
			}
			last = rows[len(rows)-1].ID
			r.Start, r.Skip = last, 0
		}
	}
}
