package mango

import (
	"cmp"
	"slices"
	"sync/atomic"
	"time"

	"github.com/adlayer/after/store"
)

// longBuild is from how many changes on bringing an index up to date is a task to be shown.
const longBuild = 1000

// Task is the work on one index.
type Task struct {
	Design           string // the design document
	Done, Total      uint64 // changes
	Started, Updated time.Time
}

// task is a Task at work.
type task struct {
	design        string
	total         uint64
	done, updated atomic.Uint64 // updated is a Unix time
	started       time.Time
}

// Tasks lists the indexes of a database that are being built, or brought up to date with many changes.
func (Finder) Tasks(db *store.Database) []Task {
	u := upkeepOf(db)
	u.mu.Lock()
	defer u.mu.Unlock()
	var list []Task
	for t := range u.tasks {
		updated := time.Unix(int64(t.updated.Load()), 0) //nolint:gosec // it was one
		list = append(list, Task{Design: t.design, Done: t.done.Load(), Total: t.total, Started: t.started, Updated: updated})
	}
	slices.SortFunc(list, func(a, b Task) int { return cmp.Or(a.Started.Compare(b.Started), cmp.Compare(a.Design, b.Design)) })
	return list
}

// begin shows work on an index until end is called; nothing is shown of little.
func (u *upkeep) begin(x *index, changes uint64) (t *task, end func()) {
	t = &task{design: x.ddoc, total: changes, started: time.Now()}
	t.reach(0)
	if changes < longBuild {
		return t, func() {}
	}
	u.mu.Lock()
	u.tasks[t] = struct{}{}
	u.mu.Unlock()
	return t, func() {
		u.mu.Lock()
		delete(u.tasks, t)
		u.mu.Unlock()
	}
}

func (t *task) reach(done uint64) {
	t.done.Store(done)
	t.updated.Store(uint64(time.Now().Unix())) //nolint:gosec // after 1970
}
