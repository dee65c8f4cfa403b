package store

import (
	"bytes"
	"errors"
	"fmt"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Snapshot is a consistent view of one database: everything that was on disk when it was taken, and nothing else. It belongs to one goroutine
// and must be closed, soon: while it is open the disk space of what was overwritten since cannot be used again.
type Snapshot struct {
	db    *Database
	view  *view
	stats counters

	taken time.Time

	docs, rows, indexes lookups

	pinned []uint64 // blobs that can be read though the view was given back
}

// Snapshot takes a view of the newest state. A 404 if the database was dropped.
func (d *Database) Snapshot() (*Snapshot, error) {
	if err := d.readable(); err != nil {
		return nil, err
	}
	return d.snapshotAt(d.store.views.acquire())
}

// snapshotAt makes a snapshot of a view, which may be nil where the store is closed. Reading its counters may take long: no lock that writers need is
// held meanwhile.
func (d *Database) snapshotAt(v *view) (*Snapshot, error) {
	if v == nil {
		return nil, ErrClosed
	}
	if err := d.readable(); err != nil {
		d.store.views.release(v)
		return nil, err
	}
	return d.snapshotOf(v)
}

func (d *Database) readable() error {
	if d.dropped.Load() {
		return noDatabase()
	}
	if d.store.broken.Load() {
		return d.store.Failed()
	}
	return nil
}

func (d *Database) snapshotOf(v *view) (*Snapshot, error) {
	s := &Snapshot{
		db: d, view: v, taken: time.Now(),
		docs: newLookups(d.number, kindDoc), rows: newLookups(d.number, kindSeq), indexes: newLookups(d.number, kindIndex),
	}
	raw, err := s.get(countersKey(d.number))
	if err == nil && raw != nil {
		s.stats, err = parseCounters(raw)
	}
	if err != nil {
		_ = s.Close()
		return nil, fmt.Errorf("reading the counters of database %s: %w", d.name, err)
	}
	return s, nil
}

// Another gives a snapshot of the same view, for another goroutine.
func (v *Snapshot) Another() *Snapshot {
	v.db.store.views.again(v.view)
	return &Snapshot{
		db: v.db, view: v.view, stats: v.stats, taken: v.taken,
		docs: newLookups(v.db.number, kindDoc), rows: newLookups(v.db.number, kindSeq), indexes: newLookups(v.db.number, kindIndex),
	}
}

// Detach gives the view back before Close, so that a slow reader of attachments does not keep the disk space of what is written over meanwhile: from
// then on the snapshot is good for these attachments of rows of it, and for nothing else. It tells whether it could be done: where one is being
// removed just then, all stays as it is.
func (v *Snapshot) Detach(list []Attachment) bool {
	var pinned []uint64
	for i := range list {
		if !v.db.pin(list[i].blob) {
			_ = v.db.unpin(pinned) // what could not be removed, the next opening removes
			return false
		}
		pinned = append(pinned, list[i].blob)
	}
	_ = v.release() // the reads have told all there is
	v.pinned = pinned
	return true
}

// Renew makes it a snapshot of the newest state, for answers of many parts that need not be of one moment: who reads them may be slow. After an error
// it is closed.
func (v *Snapshot) Renew() error {
	if err := v.Close(); err != nil {
		return err
	}
	next, err := v.db.Snapshot()
	if err == nil {
		*v = *next
	}
	return err
}

// Old tells that the view was taken long ago, by Options.OldView. Answers that a slow client takes piece by piece go on with a newer one then.
func (v *Snapshot) Old() bool { return time.Since(v.taken) >= v.db.store.opts.OldView }

// Held tells that a client which took its answer for so long kept the view for longer than Options.OldView.
func (v *Snapshot) Held(took time.Duration) bool { return took >= v.db.store.opts.OldView }

// Close gives the view back.
func (v *Snapshot) Close() error {
	err := v.release()
	pinned := v.pinned
	v.pinned = nil
	return errors.Join(err, v.db.unpin(pinned))
}

func (v *Snapshot) release() error {
	if v.view == nil {
		return nil
	}
	err := errors.Join(v.docs.close(), v.rows.close(), v.indexes.close())
	v.db.store.views.release(v.view)
	v.view = nil
	return err
}

// Stats are the counts of a database.
type Stats struct {
	Seq     uint64 // newest update sequence
	Docs    int64  // live documents, design documents too
	Deleted int64  // deleted documents
	Disk    uint64 // about how many bytes the database takes now, on disk or on their way there
	Live    uint64 // about how many of them are of documents as they are now, rather than of superseded revisions
}

// Seq is the update sequence of the view.
func (v *Snapshot) Seq() uint64 { return v.stats.Seq }

// Stats gives the counts of the view.
func (v *Snapshot) Stats() Stats {
	st := Stats{Seq: v.stats.Seq, Docs: v.stats.Docs, Deleted: v.stats.Deleted, Disk: uint64(v.db.size())} //nolint:gosec // never negative
	if now := v.stats.Docs + v.stats.Deleted; now > 0 {
		st.Live = uint64(float64(st.Disk) * float64(now) / float64(now+max(v.stats.Superseded, 0)))
	}
	return st
}

func (v *Snapshot) get(key []byte) ([]byte, error) { return getCopy(v.view.snap, key) }

// copy reads one key; nil if it is not there.
func (v *Snapshot) copy(l *lookups, key []byte) (out []byte, err error) {
	err = l.get(v.view.snap, key, func(value []byte) error {
		if value != nil {
			out = append([]byte{}, value...)
		}
		return nil
	})
	return out, err
}

// meta reads the record of a document; nil if it was never there.
func (v *Snapshot) meta(id string) (meta, error) {
	m, err := v.copy(&v.docs, appendDocKey(nil, v.db.number, id))
	if err != nil {
		return nil, fmt.Errorf("reading document %q of %s: %w", id, v.db.name, err)
	}
	return m, nil
}

// Get reads the winner of a document; Row.Deleted where it is a tombstone. A 404 ("missing") if there was never such a document.
func (v *Snapshot) Get(id string) (*Row, error) {
	m, err := v.meta(id)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, NotFound("missing")
	}
	return v.winner(id, m, true)
}

// winner makes the row of a document from its record.
func (v *Snapshot) winner(id string, m meta, body bool) (*Row, error) {
	h, err := m.head()
	if err != nil {
		return nil, fmt.Errorf("reading document %q of %s: %w", id, v.db.name, err)
	}
	row := h.row(id)
	if body {
		err = v.content(h.body, row)
	}
	return row, err
}

// row is the winner without its content.
func (h *head) row(id string) *Row {
	return &Row{ID: id, Seq: h.seq, Rev: h.rev, Deleted: h.deleted, Branched: h.branches}
}

// content reads the body and the attachments written at seq into row; the body stays nil if they are gone.
func (v *Snapshot) content(seq uint64, row *Row) error {
	if seq == 0 {
		return nil
	}
	var key [seqKeyLen]byte
	raw, err := v.copy(&v.rows, appendSeqKey(key[:0], v.db.number, seq, markRow))
	if err != nil {
		return err
	}
	return row.fill(raw)
}

// Range is a part of the documents by id, in bytewise order.
type Range struct {
	Start, End     string // Start is included; in descending order it is the higher end
	HasEnd         bool
	ExclusiveEnd   bool
	Descending     bool
	Bodies         bool
	IncludeDeleted bool
}

// AllDocs visits the live documents of a range. The row and its bytes are only valid within visit.
func (v *Snapshot) AllDocs(r Range, visit func(*Row) error) error {
	prefix := string(appendPrefix(nil, v.db.number, kindDoc))
	return v.scan(prefix, r, func(key, value []byte) error {
		m := meta(value)
		if value[0]&metaDeleted != 0 && !r.IncludeDeleted {
			return nil
		}
		row, err := v.winner(string(key[len(prefix):]), m, r.Bodies)
		if err != nil {
			return err
		}
		return visit(row)
	})
}

// scan visits the keys of a prefix within r.
func (v *Snapshot) scan(prefix string, r Range, visit func(key, value []byte) error) error {
	opts := bounds(prefix, r)
	it, err := v.view.snap.NewIter(opts)
	if err != nil {
		return err
	}
	first, next := it.First, it.Next
	if r.Descending {
		first, next = it.Last, it.Prev
	}
	for ok := first(); ok; ok = next() {
		if err = visit(it.Key(), it.Value()); err != nil {
			break
		}
	}
	return endScan(it, err)
}

// endScan closes an iterator and joins its error to the visit's.
func endScan(it *pebble.Iterator, err error) error {
	closing := it.Close()
	if errors.Is(err, ErrStop) {
		err = nil
	}
	return errors.Join(err, closing)
}

// bounds turns an id range into key bounds.
func bounds(prefix string, r Range) *pebble.IterOptions {
	o := &pebble.IterOptions{LowerBound: []byte(prefix), UpperBound: prefixEnd([]byte(prefix))}
	lower, upper := r.Start, r.End
	hasLower, hasUpper := r.Start != "", r.HasEnd
	lowerIn, upperIn := true, !r.ExclusiveEnd
	if r.Descending {
		lower, upper = r.End, r.Start
		hasLower, hasUpper = r.HasEnd, r.Start != ""
		lowerIn, upperIn = upperIn, true
	}
	if hasLower {
		o.LowerBound = []byte(prefix + lower)
		if !lowerIn {
			o.LowerBound = append(o.LowerBound, 0)
		}
	}
	if hasUpper {
		o.UpperBound = []byte(prefix + upper)
		if upperIn {
			o.UpperBound = append(o.UpperBound, 0)
		}
	}
	if bytes.Compare(o.LowerBound, o.UpperBound) > 0 {
		o.UpperBound = o.LowerBound
	}
	return o
}

func prefixEnd(prefix []byte) []byte {
	end := bytes.Clone(prefix)
	end[len(end)-1]++ // a kind or a space: never 0xFF
	return end
}

// Changes visits the winner of each document with a sequence above since, in ascending order. The row and its bytes are only valid within
// visit.
func (v *Snapshot) Changes(since uint64, visit func(*Row) error) error {
	if since >= v.stats.Seq {
		return nil
	}
	it, err := v.seqIter(since)
	if err != nil {
		return err
	}
	var row Row
	for ok := it.First(); ok; ok = it.Next() {
		seq, mark := seqOf(it.Key())
		if mark == markSuperseded {
			if !it.Next() {
				break
			}
			if next, _ := seqOf(it.Key()); next == seq {
				continue
			}
			seq, mark = seqOf(it.Key())
			if mark == markSuperseded { // its row is gone already
				_ = it.Prev()
				continue
			}
		}
		if err = v.current(it.Value(), seq, &row); err != nil {
			break
		}
		if err = visit(&row); err != nil {
			break
		}
	}
	return endScan(it, err)
}

func (v *Snapshot) seqIter(since uint64) (*pebble.Iterator, error) {
	return v.view.snap.NewIter(&pebble.IterOptions{
		LowerBound: appendSeqKey(nil, v.db.number, since+1, markSuperseded),
		UpperBound: prefixEnd(appendPrefix(nil, v.db.number, kindSeq)),
	})
}

// current reads a stored row into the winner's row.
func (v *Snapshot) current(raw []byte, seq uint64, row *Row) error {
	ask, err := parseRow(raw, row)
	if err != nil {
		return fmt.Errorf("reading change %d of %s: %w", seq, v.db.name, err)
	}
	if ask {
		m, err := v.meta(row.ID)
		if err != nil {
			return err
		}
		winner, err := v.winner(row.ID, m, true)
		if err != nil {
			return err
		}
		*row = *winner
	}
	row.Seq = seq
	return nil
}

// At reads the winner of the document whose last write has this sequence; nil if there was a later one. The row is the caller's.
func (v *Snapshot) At(seq uint64) (*Row, error) {
	var key [seqKeyLen]byte
	mark, err := v.copy(&v.rows, appendSeqKey(key[:0], v.db.number, seq, markSuperseded))
	if err != nil || mark != nil {
		return nil, err
	}
	raw, err := v.copy(&v.rows, appendSeqKey(key[:0], v.db.number, seq, markRow))
	if err != nil || raw == nil {
		return nil, err
	}
	row := &Row{}
	return row, v.current(raw, seq, row)
}

// ChangesDescending visits the same rows as Changes(0), newest first.
func (v *Snapshot) ChangesDescending(visit func(*Row) error) error {
	it, err := v.seqIter(0)
	if err != nil {
		return err
	}
	var row Row
	var value []byte
	for ok := it.Last(); ok; {
		seq, mark := seqOf(it.Key())
		if mark != markRow {
			ok = it.Prev()
			continue
		}
		value = append(value[:0], it.Value()...)
		if ok = it.Prev(); ok {
			if s, m := seqOf(it.Key()); s == seq && m == markSuperseded {
				ok = it.Prev()
				continue
			}
		}
		if err = v.current(value, seq, &row); err == nil {
			err = visit(&row)
		}
		if err != nil {
			break
		}
	}
	return endScan(it, err)
}

// Counts are the counts of the view, without the size on disk, which costs more.
func (v *Snapshot) Counts() Stats {
	return Stats{Seq: v.stats.Seq, Docs: v.stats.Docs, Deleted: v.stats.Deleted}
}

// Head is Get without the body.
func (v *Snapshot) Head(id string) (*Row, error) {
	m, err := v.meta(id)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, NotFound("missing")
	}
	return v.winner(id, m, false)
}
