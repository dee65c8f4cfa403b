package replicate

import (
	"context"
	"encoding/json"
	"errors"
	"sync"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/store"
)

// session is one run of a replication, from reading the checkpoints to writing the last one.
type session struct {
	req    *Request
	base   string // the checkpoints' name
	log    logrus.FieldLogger
	stats  *tally
	source *peer
	target *peer

	sourceInfo, targetInfo dbInfo
	keep                   keeper
	bulk                   atomic.Bool // _bulk_get is worth a try
}

// chunk is a piece of the feed on its way through the workers.
type chunk struct {
	number int
	rows   []change
	seq    json.RawMessage // all up to it is done when this and all before it are
	err    error
}

// farewell bounds the last checkpoint of a session that was told to end.
const farewell = 3 * time.Second

// newSession prepares a run; close it.
func newSession(r *Request, base string, log logrus.FieldLogger, stats *tally) *session {
	s := &session{req: r, base: base, log: log, stats: stats, source: newPeer(r.Source, r), target: newPeer(r.Target, r)}
	s.bulk.Store(r.BulkGet)
	return s
}

func (s *session) close() {
	s.source.close()
	s.target.close()
}

// open makes sure of both ends and finds out where to begin.
func (s *session) open(ctx context.Context) (err error) {
	if s.sourceInfo, err = s.source.open(ctx, false, nil); err != nil {
		return err
	}
	if s.targetInfo, err = s.target.open(ctx, s.req.CreateTarget, s.req.CreateParams); err != nil {
		return err
	}
	s.target.look(ctx)
	s.keep = keeper{s: s, id: s.base, sessionID: store.NewUUID(), began: time.Now(), start: zeroSeq}
	if s.req.Checkpoints {
		if err := s.keep.open(ctx); err != nil {
			return err
		}
	}
	if s.req.Since != nil {
		s.keep.start = s.req.Since
	}
	if s.keep.kept > 0 && s.stats.counters() == (counters{}) {
		s.resumeCounters()
	}
	s.stats.set(func(t *tally) {
		t.seen, t.through, t.committed = s.keep.start, s.keep.start, s.keep.start
	})
	return nil
}

// resumeCounters goes on counting where the last session stopped, as CouchDB does.
func (s *session) resumeCounters() {
	entries := s.keep.source.entries()
	if len(entries) == 0 {
		return
	}
	e := entries[0]
	s.stats.add(counters{
		Checked: e.Checked, Found: e.Found, Read: e.Read, Written: e.Written, Failed: e.Failed, Bulk: e.Bulk, Attempts: e.Attempts,
	})
}

// run copies until the source has no more, or for ever where the replication is continuous. The result is the last checkpoint.
func (s *session) run(ctx context.Context) (*Result, error) {
	if err := s.open(ctx); err != nil {
		return nil, err
	}
	rows, err := s.pump(ctx)
	through, committed := s.position()
	if err != nil {
		if string(through) != string(committed) && !errors.Is(err, errMoved) {
			s.lastCheckpoint(ctx, through)
		}
		return nil, err
	}
	if rows == 0 { // as in CouchDB, also where only the filter left nothing
		return &Result{NoChanges: true, log: s.keep.source}, nil
	}
	if s.req.Checkpoints && string(through) != string(committed) {
		if err := s.checkpoint(ctx, through); err != nil {
			return nil, err
		}
	}
	c, err := s.keep.record(through)
	return &Result{log: c}, err
}

func (s *session) position() (through, committed json.RawMessage) {
	s.stats.mu.Lock()
	defer s.stats.mu.Unlock()
	return s.stats.through, s.stats.committed
}

// progressed tells whether the session came further than where it began.
func (s *session) progressed() bool {
	through, _ := s.position()
	return s.keep.s != nil && string(through) != string(s.keep.start)
}

func (s *session) checkpoint(ctx context.Context, seq json.RawMessage) error {
	if err := s.keep.save(ctx, seq); err != nil {
		return err
	}
	s.stats.set(func(t *tally) { t.committed = seq })
	return nil
}

// lastCheckpoint keeps what was done before the session was ended.
func (s *session) lastCheckpoint(ctx context.Context, seq json.RawMessage) {
	if !s.req.Checkpoints {
		return
	}
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), farewell)
	defer cancel()
	if err := s.checkpoint(ctx, seq); err != nil {
		s.log.WithError(err).Debug("replication: the last checkpoint was not written; the next session repeats a little")
	}
}

// pump reads, copies and writes checkpoints. rows is the number of changes that were read.
func (s *session) pump(ctx context.Context) (rows int, err error) {
	ctx, cancel := context.WithCancelCause(ctx)
	work, done := make(chan chunk), make(chan chunk)
	var readers, workers sync.WaitGroup
	readers.Go(func() {
		defer close(work)
		if err := s.readFeed(ctx, work, &rows); err != nil {
			cancel(err)
		}
	})
	for range s.req.Workers {
		workers.Go(func() {
			for c := range work {
				b := batch{session: s}
				c.err = b.transfer(ctx, c.rows)
				done <- c
			}
		})
	}
	go func() {
		workers.Wait()
		close(done)
	}()
	s.collect(ctx, cancel, done)
	readers.Wait()
	err = context.Cause(ctx)
	cancel(nil)
	return rows, err
}

// collect moves the position forward as the pieces are done, and writes checkpoints now and then. It ends when the workers have ended.
func (s *session) collect(ctx context.Context, cancel context.CancelCauseFunc, done <-chan chunk) {
	ticker := time.NewTicker(s.req.Interval)
	defer ticker.Stop()
	finished := map[int]json.RawMessage{}
	next := 0
	for {
		select {
		case c, ok := <-done:
			switch {
			case !ok:
				return
			case c.err != nil:
				cancel(c.err)
				continue
			}
			finished[c.number] = c.seq
			for seq, ok := finished[next]; ok; seq, ok = finished[next] {
				delete(finished, next)
				next++
				s.stats.set(func(t *tally) { t.through = seq })
			}
		case <-ticker.C:
			through, committed := s.position()
			if !s.req.Checkpoints || ctx.Err() != nil || string(through) == string(committed) {
				continue
			}
			if err := s.checkpoint(ctx, through); err != nil {
				cancel(err)
			}
		}
	}
}

// readFeed reads the source's changes and hands them out. Once the feed has been read to its end it waits for more, or is done.
func (s *session) readFeed(ctx context.Context, work chan<- chunk, rows *int) error {
	f := feedReader{source: s.source, req: s.req, since: s.keep.start}
	wait, told := false, false
	owed := int64(0) // how many rows a replication that ends has still to read, where the source told
	for number, first := 0, true; ; first = false {
		p, err := f.next(ctx, wait)
		if err != nil {
			return err
		}
		n := len(p.Results)
		*rows += n
		s.stats.set(func(t *tally) {
			t.seen, t.pending = p.LastSeq, -1
			if p.Pending != nil {
				t.pending = *p.Pending
			}
		})
		if n > 0 || s.req.filtered() {
			select {
			case work <- chunk{number: number, rows: p.Results, seq: p.LastSeq}:
				number++
			case <-ctx.Done():
				return context.Cause(ctx)
			}
		}
		if first && p.Pending != nil && !s.req.filtered() {
			told, owed = true, int64(n)+*p.Pending
		}
		owed -= int64(n)
		end := n < s.req.Batch || (told && owed <= 0)
		if end && !s.req.Continuous {
			return nil
		}
		wait = end
	}
}
