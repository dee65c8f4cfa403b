package store

import (
	"context"
	"slices"
	"strings"
	"sync/atomic"
	"time"
)

// Compaction is one compaction of a database, as it is at a moment.
type Compaction struct {
	Database string
	Phase    string    // what it is at: "docid_copy" shortens histories, "document_copy" removes bodies; the names are CouchDB's
	Done     int64     // rows looked at in this phase
	Total    int64     // of so many, as it was at the phase's start
	Started  time.Time // zero where it waits for its turn
	Updated  time.Time
}

// compaction is the compaction of a database that waits for its turn, or runs. One goroutine moves it on.
type compaction struct {
	cancel  context.CancelFunc
	ended   chan struct{} // closed at its end
	started atomic.Int64  // in Unix nanoseconds; 0: it waits for its turn
	updated atomic.Int64
	phase   atomic.Pointer[string]
	done    atomic.Int64
	total   atomic.Int64

	// merge tells that it was asked for, rather than due: it ends when the disk space is free.
	merge atomic.Bool

	written uint64 // what others had written when the last slice ended
	again   bool   // it was asked for behind its start; belongs to Database.compactMu
}

// compactAtOnce is how many databases are compacted at the same time; others wait for their turn.
const compactAtOnce = 2

// Compact removes, in the background, what nothing needs any more: the bodies of revisions that are neither current nor a leaf, with the
// attachments that only they have, and of histories that are longer than the limit of revisions the oldest names. One that has begun already goes
// round once more then: what was superseded since may be behind the place where it is. When it ends, the disk space of what it removed is free.
func (d *Database) Compact() { d.beginCompaction(true) }

// beginCompaction begins one. Without merge, the engine frees the disk space at a time of its own.
func (d *Database) beginCompaction(merge bool) {
	s := d.store
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed || s.readOnly || d.dropped.Load() {
		return
	}
	d.compactMu.Lock()
	defer d.compactMu.Unlock()
	if c := d.compacting.Load(); c != nil {
		if merge {
			c.merge.Store(true)
		}
		c.again = c.again || c.started.Load() != 0
		return
	}
	ctx, cancel := context.WithCancel(s.ctx)
	c := &compaction{cancel: cancel, ended: make(chan struct{})}
	c.merge.Store(merge)
	d.compacting.Store(c)
	s.background.Go(func() {
		defer cancel()
		defer close(c.ended)
		for again := true; again; {
			err := d.compactInTurn(ctx, c)
			if err != nil && ctx.Err() == nil && !d.dropped.Load() && s.Failed() == nil {
				s.log.WithError(err).WithField("database", d.name).Error("store: compacting failed")
			}
			again = d.compactAgain(c, err)
		}
	})
}

// compactAgain ends a round of a compaction. It tells whether another one was asked for meanwhile.
func (d *Database) compactAgain(c *compaction, err error) bool {
	d.compactMu.Lock()
	defer d.compactMu.Unlock()
	again := c.again && err == nil
	c.again = false
	c.started.Store(0)
	if !again {
		d.compacting.Store(nil)
	}
	return again
}

func (d *Database) compactInTurn(ctx context.Context, c *compaction) error {
	select {
	case d.store.compacting <- struct{}{}:
	case <-ctx.Done():
		return ctx.Err()
	}
	defer func() { <-d.store.compacting }()
	return d.compact(ctx, c)
}

func (d *Database) compact(ctx context.Context, c *compaction) error {
	c.written = d.store.written.Load()
	c.started.Store(time.Now().UnixNano())
	if err := d.stem(ctx, c); err != nil {
		return err
	}
	if err := d.removeSuperseded(ctx, c); err != nil {
		return err
	}
	d.thin()
	snap, err := d.Snapshot()
	if err != nil {
		return err
	}
	d.leftOver.Store(snap.stats.Superseded)
	d.lookAt.Store(0)
	if err := snap.Close(); err != nil || !c.merge.Load() {
		return err
	}
	return d.merge(ctx, c)
}

// Compacting tells whether a compaction is under way, or waits for its turn.
func (d *Database) Compacting() bool { return d.compacting.Load() != nil }

// Compactions are those under way in all databases, by name.
func (s *Store) Compactions() []Compaction {
	s.mu.RLock()
	defer s.mu.RUnlock()
	var out []Compaction
	for name, d := range s.databases {
		if c := d.compacting.Load(); c != nil {
			out = append(out, c.show(name))
		}
	}
	slices.SortFunc(out, func(a, b Compaction) int { return strings.Compare(a.Database, b.Database) })
	return out
}

func (c *compaction) show(name string) Compaction {
	shown := Compaction{Database: name, Done: c.done.Load(), Total: c.total.Load()}
	if phase := c.phase.Load(); phase != nil {
		shown.Phase = *phase
	}
	if started := c.started.Load(); started != 0 {
		shown.Started = time.Unix(0, started)
		shown.Updated = time.Unix(0, max(started, c.updated.Load()))
	}
	shown.Total = max(shown.Total, shown.Done) // what was written since the start is looked at, too
	return shown
}

// enter begins a phase in which so many rows are looked at.
func (c *compaction) enter(phase string, total int64) {
	c.done.Store(0)
	c.total.Store(total)
	c.phase.Store(&phase)
	c.updated.Store(time.Now().UnixNano())
}

// restMost bounds how long a compaction leaves the engine to others at a time.
const restMost = time.Second

// rest ends a slice of work that began at since. Where others write meanwhile, the compaction does nothing for as long as the slice took: so it
// has at most half of the committer's time, and less the slower the disk gets.
func (c *compaction) rest(ctx context.Context, s *Store, since time.Time) error {
	now := time.Now()
	c.updated.Store(now.UnixNano())
	written := s.written.Load()
	busy := written != c.written
	c.written = written
	if !busy {
		return ctx.Err()
	}
	timer := time.NewTimer(min(now.Sub(since), restMost))
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
	}
	c.written = s.written.Load()
	return ctx.Err()
}

// slice bounds one look at the rows, and so how long a snapshot is held and how late a compaction hears that it is to end.
type slice struct {
	begun  time.Time
	looked int
}

const sliceTime = 50 * time.Millisecond

// over counts a row and tells whether the slice has lasted long enough.
func (s *slice) over(c *compaction) bool {
	s.looked++
	c.done.Add(1)
	return s.looked%64 == 0 && time.Since(s.begun) > sliceTime
}

// compactIfDue begins a compaction where it pays: half of the rows or more can go, and they are many or take much of the disk. The committer
// calls it.
func (d *Database) compactIfDue() {
	o := &d.store.opts
	rows := d.stats.Docs + d.stats.Deleted + d.stats.Superseded
	garbage := d.stats.Superseded - d.leftOver.Load()
	if o.CompactAfter < 0 || garbage < max(rows-garbage, 1) || garbage < d.lookAt.Load() || d.Compacting() {
		return
	}
	d.lookAt.Store(garbage + min(garbage/8+lookEvery, max(o.CompactAfter, 1)))
	if garbage >= o.CompactAfter || d.size()/rows*garbage >= o.CompactBytes {
		d.beginCompaction(false)
	}
}

// lookEvery is the least number of revisions superseded between two looks at the disk.
const lookEvery = 64
