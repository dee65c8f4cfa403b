package store

import (
	"context"
	"fmt"
	"runtime"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// How writes flow: callers queue requests; the committer decides them one after the other into the batch of a group, while the syncer writes
// and syncs the group before. A group is handed over when the syncer is free, so under load groups grow by themselves and one sync serves
// all. The committer sees its own undecided past through Database.decided and behind. A request that comes while nothing is under way is all of
// this in one: its caller decides and syncs it, since waking others would take as long as what they do for it.

// request is one caller's part of a group.
type request struct {
	db      *Database
	docs    []Doc
	results []Result
	opts    WriteOptions
	op      func(b *pebble.Batch) error // instead of docs
	synced  func()                      // runs when the group is on disk, before anybody is answered
	done    chan error
	err     error
}

// group is what one batch writes.
type group struct {
	batch    *pebble.Batch
	requests []*request
	touched  map[*Database]uint64 // its sequence after the group
	designs  []*Database          // whose design documents change
	moves    map[*Database][]move // of databases whose documents are counted
}

// maxGroup bounds a group's batch in bytes: more would only make all wait.
const maxGroup = 8 << 20

// submit queues r and waits for the answer. It does not end before the answer is there, since the committer holds r's memory until then.
func (s *Store) submit(r *request) error {
	if err := s.begin(); err != nil {
		return err
	}
	defer s.writers.Done()
	if err := s.Failed(); err != nil {
		return err
	}
	defer s.inFlight.Add(-1)
	if s.inFlight.Add(1) > 1 || !s.alone(r) {
		s.queue <- r
	}
	return <-r.done
}

// alone decides, writes and answers r, unless another request is in flight. Who is in flight is counted again under the lock: one that came since
// may be with the committer, and its group on the way to the disk. Those who come later wait for the committer, which waits for deciding.
func (s *Store) alone(r *request) bool {
	if !s.deciding.TryLock() {
		return false
	}
	if s.inFlight.Load() > 1 {
		s.deciding.Unlock()
		return false
	}
	defer runtime.Gosched() // feeds that were woken come before the answer: they have little to do, and would wait for all of it until a thread is awake
	defer s.deciding.Unlock()
	defer func() {
		if p := recover(); p != nil { // the caller's goroutine may live on, but what was done by half must not be built upon
			s.fail(fmt.Errorf("a write panicked: %v", p)) //nolint:err113 // what it says
			panic(p)
		}
	}()
	g := s.newGroup()
	s.decide(g, r)
	s.finish(g)
	s.rotate(g)
	s.complete(g)
	return true
}

func (s *Store) newGroup() *group {
	return &group{batch: s.db.NewBatch(), touched: map[*Database]uint64{}}
}

// begin keeps the store open until writers is Done.
func (s *Store) begin() error {
	s.mu.RLock()
	defer s.mu.RUnlock()
	switch {
	case s.closed:
		return ErrClosed
	case s.readOnly && s.Failed() == nil:
		return ErrReadOnly
	}
	s.writers.Add(1)
	return nil
}

// do runs op in the committer, in order with all writes, and returns when its batch is on disk.
func (s *Store) do(ctx context.Context, op func(b *pebble.Batch) error, synced func()) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	return s.submit(&request{op: op, synced: synced, done: make(chan error, 1)})
}

// commitLoop is the committer.
func (s *Store) commitLoop() {
	defer s.committing.Done()
	defer close(s.ready)
	for r := range s.queue {
		s.deciding.Lock()
		g := s.newGroup()
		s.decide(g, r)
		s.gather(g)
		s.deciding.Unlock()
	}
}

// gather takes requests into g until the syncer takes g.
func (s *Store) gather(g *group) {
	for {
		open := s.drain(g)
		s.finish(g)
		if !open || g.batch.Len() >= maxGroup {
			s.ready <- g
			s.rotate(g)
			return
		}
		select {
		case s.ready <- g:
			s.rotate(g)
			return
		case r, open := <-s.queue:
			if open {
				s.decide(g, r)
			}
		}
	}
}

// drain takes what is queued. It tells whether the queue is still open.
func (s *Store) drain(g *group) bool {
	for g.batch.Len() < maxGroup {
		select {
		case r, open := <-s.queue:
			if !open {
				return false
			}
			s.decide(g, r)
		default:
			return true
		}
	}
	return true
}

// rotate makes what g decided the past that is being synced; the group before it is in the engine by now.
func (s *Store) rotate(g *group) {
	for _, d := range s.unsynced {
		clear(d.behind)
		d.pins.removed(d.blobsBehind.gone)
		d.blobsBehind.clear()
	}
	s.unsynced = s.unsynced[:0]
	for d := range g.touched {
		d.behind, d.decided = d.decided, d.behind
		d.blobsBehind, d.blobs = d.blobs, d.blobsBehind
		s.unsynced = append(s.unsynced, d)
	}
}

// finish writes the counters of the databases that g touched.
func (s *Store) finish(g *group) {
	for d := range g.touched {
		if (g.touched[d] == d.stats.Seq && !d.uncounted) || d.dropped.Load() {
			continue
		}
		g.touched[d] = d.stats.Seq
		d.uncounted = false
		if err := g.batch.Set(countersKey(d.number), d.stats.append(nil), nil); err != nil {
			s.fail(err)
		}
	}
}

// decide puts one request into g.
func (s *Store) decide(g *group, r *request) {
	g.requests = append(g.requests, r)
	d := r.db
	if d == nil {
		r.err = r.op(g.batch)
		return
	}
	if d.dropped.Load() {
		r.err = noDatabase()
		return
	}
	if _, ok := g.touched[d]; !ok {
		g.touched[d] = 0
	}
	d.uncounted = true
	before := g.batch.Len()
	defer func() { d.unflushed.add(&s.flushes, g.batch.Len()-before) }()
	if r.op != nil {
		r.err = r.op(g.batch)
		return
	}
	w := writer{batch: g.batch, db: d, limit: d.RevsLimit(), scratch: s.scratch, docs: newLookups(d.number, kindDoc), replicated: r.opts.Replicated}
	for i := range r.docs {
		if r.results[i].Err != nil {
			continue
		}
		written := g.batch.Count()
		err := w.write(&r.docs[i], &r.results[i], r.opts)
		if err == nil {
			continue
		}
		err = fmt.Errorf("writing document %q of %s: %w", r.docs[i].ID, d.name, err)
		if g.batch.Count() != written { // it is half in the batch
			s.fail(err)
			r.err = s.Failed()
			break
		}
		s.log.WithError(err).Error("store: a document cannot be written")
		r.results[i].Err = unreadable()
	}
	if err := w.docs.close(); err != nil {
		s.log.WithError(err).WithField("database", d.name).Error("store: reading before writing failed") // each document said so itself
	}
	s.scratch = w.scratch
	if len(w.moves) > 0 {
		if g.moves == nil {
			g.moves = map[*Database][]move{}
		}
		g.moves[d] = append(g.moves[d], w.moves...)
	}
	if w.designs {
		g.designs = append(g.designs, d)
	}
	s.due(d)
}

// syncLoop is the syncer.
func (s *Store) syncLoop() {
	defer s.committing.Done()
	for g := range s.ready {
		s.complete(g)
	}
}

// complete brings g to disk, shows it and answers.
func (s *Store) complete(g *group) {
	err := s.sync(g)
	if err == nil {
		s.publish(g)
	}
	for _, r := range g.requests {
		if r.err == nil {
			r.err = err
		}
		r.done <- r.err
	}
	if err == nil {
		_ = g.batch.Close() // has nothing left to fail
	}
}

// sync writes g's batch and waits until it is on disk.
func (s *Store) sync(g *group) (err error) {
	if err := s.Failed(); err != nil {
		return err
	}
	if g.batch.Empty() {
		return nil
	}
	if err := s.pass(g.batch.Len()); err != nil {
		return err
	}
	defer func() {
		if p := recover(); p != nil {
			s.fail(fmt.Errorf("the engine panicked: %v", p)) //nolint:err113 // the engine's own words
		}
		if failed := s.Failed(); failed != nil {
			err = failed
		}
	}()
	if s.opts.Relaxed {
		err = g.batch.Commit(pebble.NoSync)
		s.unflushed.Store(true)
	} else {
		err = g.batch.Commit(pebble.Sync)
	}
	if err != nil {
		s.fail(err)
	}
	return nil
}

// flushEvery bounds what a power cut can cost where writes are answered before they are on disk.
const flushEvery = time.Second

// flushLoop brings such writes to disk in the background.
func (s *Store) flushLoop() {
	ticker := time.NewTicker(flushEvery)
	defer ticker.Stop()
	for {
		select {
		case <-s.ctx.Done():
			return
		case <-ticker.C:
			s.flush()
		}
	}
}

func (s *Store) flush() {
	defer func() {
		if p := recover(); p != nil {
			s.fail(fmt.Errorf("the engine panicked: %v", p)) //nolint:err113 // the engine's own words
		}
	}()
	if s.Failed() != nil || !s.unflushed.Swap(false) {
		return
	}
	if err := s.db.LogData(nil, pebble.Sync); err != nil {
		s.fail(err)
	}
}

// publish shows g to readers and wakes them. A subscriber takes a view together with what it was told up to it, hence the locks.
func (s *Store) publish(g *group) {
	snap := s.db.NewSnapshot()
	for d := range g.touched {
		d.hub.mu.Lock()
	}
	s.views.set(snap)
	for _, d := range g.designs {
		d.designs.Add(1)
	}
	for d, moves := range g.moves {
		d.ranks.follow(moves)
	}
	for _, r := range g.requests {
		if r.db != nil && r.op == nil && r.err == nil {
			r.db.hub.dispatch(r)
			s.written.Add(1)
		}
	}
	for d := range g.touched {
		d.hub.mu.Unlock()
	}
	for d, seq := range g.touched {
		if seq > d.seq.Load() {
			d.seq.Store(seq)
			d.wake.signal()
			s.tell(d.name, Updated) // before a drop in the same group is told
		}
	}
	for _, r := range g.requests {
		if r.synced != nil && r.err == nil {
			r.synced()
		}
	}
}
