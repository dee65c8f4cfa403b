package store

import (
	"encoding/binary"
	"sync"
	"sync/atomic"

	"github.com/cockroachdb/pebble/v2"
)

// ranks answer how many documents come before an id, and how many changes before a sequence, without counting them all each time. They are in
// memory alone, about 50 bytes for 512 documents, made by one walk through the keys when somebody asks for the first time, and
// followed with every write from then on. Updates leave spans behind that no document has its row in any more; a compaction, which removes what
// else was there, makes them one with others.
type ranks struct {
	cut     sync.Mutex  // held by the one who makes spans
	collect atomic.Bool // the committer writes down what changes

	// The rest belongs to the hub.
	active bool
	ids    spans // of live documents, by id
	seqs   spans // of all documents, by the sequence of their row
}

// move is what a write did to a document.
type move struct {
	id       string
	live     int64 // 1: there is one more that is not deleted; -1: one less
	from, to uint64
}

// few is up to how many keys are counted one by one.
const few = 2000

func seqKey(seq uint64) string { return string(binary.BigEndian.AppendUint64(nil, seq)) }

// move writes a change down for those who count.
func (w *writer) move(id string, live int64, from, to uint64) {
	if w.db.ranks.collect.Load() {
		w.moves = append(w.moves, move{id, live, from, to})
	}
}

// follow counts what a group has changed. The hub is locked.
func (r *ranks) follow(moves []move) {
	if !r.active {
		return
	}
	for _, m := range moves {
		if m.live != 0 {
			r.ids.add(change{m.id, m.live})
		}
		if m.from != 0 {
			r.seqs.add(change{seqKey(m.from), -1})
		}
		r.seqs.add(change{seqKey(m.to), 1})
	}
}

// thin gives back what counting took for sequences whose rows have gone. Ids stay: a deleted document keeps its record.
func (d *Database) thin() {
	d.hub.mu.Lock()
	defer d.hub.mu.Unlock()
	if d.ranks.active {
		d.ranks.seqs.thin()
	}
}

// follows tells whether counts can be kept: not where nothing is written, as one only looks or the store has failed.
func (d *Database) follows() bool { return !d.store.readOnly && d.store.Failed() == nil }

// follow begins to count.
func (d *Database) follow() error {
	if d.ranks.collect.Load() {
		return nil
	}
	d.ranks.collect.Store(true)
	// When this is answered, all that was decided before has been published: what comes from now on is written down.
	if err := d.store.do(d.store.ctx, func(*pebble.Batch) error { return nil }, nil); err != nil {
		d.ranks.collect.Store(false)
		return err
	}
	d.hub.mu.Lock()
	v := d.store.views.acquire()
	d.ranks.ids, d.ranks.seqs = newSpans(0), newSpans(0) // what the view has is added when it was read
	d.ranks.active = true
	d.hub.mu.Unlock()
	snap, err := d.snapshotAt(v)
	d.hub.mu.Lock()
	defer d.hub.mu.Unlock()
	if err != nil {
		d.ranks.active = false
		d.ranks.collect.Store(false)
		return err
	}
	d.ranks.ids.add(change{"", snap.stats.Docs})
	d.ranks.seqs.add(change{"", snap.stats.Docs + snap.stats.Deleted})
	return snap.Close()
}

// rank counts the keys of s before one, and all. each visits the keys of a part of the snapshot.
func (d *Database) rank(s *spans, key string, each func(*Snapshot, string, string, bool, func(string)) error) (n, total int64, err error) {
	if err := d.makeSpans(s, key, each); err != nil {
		return 0, 0, err
	}
	d.hub.mu.Lock()
	span := s.at(key)
	n, total = s.before(span), s.total()
	start := s.starts[span]
	v := d.store.views.acquire()
	d.hub.mu.Unlock()
	snap, err := d.snapshotAt(v)
	if err != nil {
		return 0, 0, err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	err = each(snap, start, key, true, func(string) { n++ })
	return n, total, err
}

// makeSpans cuts the span of a key where it is too long.
func (d *Database) makeSpans(s *spans, key string, each func(*Snapshot, string, string, bool, func(string)) error) error {
	d.ranks.cut.Lock()
	defer d.ranks.cut.Unlock()
	if err := d.follow(); err != nil {
		return err
	}
	d.hub.mu.Lock()
	span := s.at(key)
	if s.counts[span] < spanMost {
		d.hub.mu.Unlock()
		return nil
	}
	start := s.starts[span]
	end, bounded := s.end(span)
	v := d.store.views.acquire()
	s.begin()
	d.hub.mu.Unlock()
	starts, counts, last, err := d.walked(v, start, end, bounded, each)
	d.hub.mu.Lock()
	defer d.hub.mu.Unlock()
	if err != nil {
		s.cutting, s.log = false, nil
		return err
	}
	s.replace(starts, counts, last)
	return nil
}

// walked counts the keys of a part of a view, and cuts them into spans. last is the greatest of them.
func (d *Database) walked(v *view, start, end string, bounded bool, each func(*Snapshot, string, string, bool, func(string)) error,
) (starts []string, counts []int64, last string, err error) {
	snap, err := d.snapshotAt(v)
	if err != nil {
		return nil, nil, "", err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	starts, counts = []string{start}, []int64{0}
	n := 0
	err = each(snap, start, end, bounded, func(key string) {
		last = key
		if n++; n > spanKeys {
			starts, counts, n = append(starts, key), append(counts, 0), 1
		}
		counts[len(counts)-1]++
	})
	return starts, counts, last, err
}

// liveIDs visits the ids of the documents from one to another, which is left out, that are not deleted.
func liveIDs(v *Snapshot, start, end string, bounded bool, visit func(id string)) error {
	prefix := string(appendPrefix(nil, v.db.number, kindDoc))
	r := Range{Start: start, End: end, HasEnd: bounded, ExclusiveEnd: true}
	return v.scan(prefix, r, func(key, value []byte) error {
		if value[0]&metaDeleted == 0 {
			visit(string(key[len(prefix):]))
		}
		return nil
	})
}

// currentSeqs visits the sequences from one to another, which is left out, of rows that are not superseded.
func currentSeqs(v *Snapshot, start, end string, bounded bool, visit func(seq string)) error {
	prefix := string(appendPrefix(nil, v.db.number, kindSeq))
	r := Range{Start: start, End: end, HasEnd: bounded, ExclusiveEnd: true}
	superseded := ""
	return v.scan(prefix, r, func(key, _ []byte) error {
		seq := string(key[prefixLen : prefixLen+8])
		switch {
		case key[prefixLen+8] == markSuperseded:
			superseded = seq
		case seq != superseded:
			visit(seq)
		}
		return nil
	})
}

// Before counts the documents that are not deleted and come before an id, in the order of ids. It is exact for a moment during the call, and cheap
// however many there are, but for the first time.
func (d *Database) Before(id string) (n int64, err error) {
	n, _, err = d.counted(id)
	return n, err
}

// NotBefore counts the documents that are not deleted with this id or one that comes behind it, as Before does.
func (d *Database) NotBefore(id string) (int64, error) {
	n, total, err := d.counted(id)
	return total - n, err
}

func (d *Database) counted(id string) (n, total int64, err error) {
	snap, err := d.Snapshot()
	if err != nil {
		return 0, 0, err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	if snap.stats.Docs > few && d.follows() {
		return d.rank(&d.ranks.ids, id, liveIDs)
	}
	if id != "" {
		err = liveIDs(snap, "", id, true, func(string) { n++ })
	}
	return n, snap.stats.Docs, err
}

// Pending counts the changes behind a sequence, one for each document, as Before does.
func (d *Database) Pending(since uint64) (n int64, err error) {
	snap, err := d.Snapshot()
	if err != nil {
		return 0, err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	if since >= snap.stats.Seq {
		return 0, nil
	}
	if snap.stats.Seq-since > few && d.follows() {
		n, total, err := d.rank(&d.ranks.seqs, seqKey(since+1), currentSeqs)
		return total - n, err
	}
	err = currentSeqs(snap, seqKey(since+1), "", false, func(string) { n++ })
	return n, err
}
