package changes

import "slices"

// recent remembers the revisions of the last documents that were handed on, up to most of them.
type recent struct {
	most int
	revs map[string]string // by id
	ring []string          // the ids in the order in which they came first, around next once there are as many as there may be
	next int
}

// news gives the rows whose revision is not the one that was handed on last, in the slice that it was given, and remembers them.
func (r *recent) news(rows []Row) []Row {
	if r.most <= 0 {
		return rows
	}
	if r.revs == nil {
		r.revs = map[string]string{}
	}
	return slices.DeleteFunc(rows, func(row Row) bool {
		rev, known := r.revs[row.ID]
		if rev == row.Rev {
			return true
		}
		r.revs[row.ID] = row.Rev
		switch {
		case known:
		case len(r.ring) < r.most:
			r.ring = append(r.ring, row.ID)
		default:
			delete(r.revs, r.ring[r.next])
			r.ring[r.next] = row.ID
			r.next = (r.next + 1) % r.most
		}
		return false
	})
}
