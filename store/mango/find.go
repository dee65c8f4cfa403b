package mango

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"errors"
	"io"
	"math"
	"strings"
	"time"

	"github.com/adlayer/after/store"
)

const (
	warnNoIndex = "No matching index found, create an index to optimize query time."
	warnScan    = "The number of documents examined is high in proportion to the number of results returned. " +
		"Consider adding a more specific index to improve this."
)

// finding is the course of one query: what it looked at, and the answer as far as it goes.
type finding struct {
	q    *query
	plan *plan
	snap *store.Snapshot
	skip int64
	left int64 // results still wanted

	keys, docs, quorum, results int64
	unshown                     int64 // documents that were read beside these, which statistics do not show

	scanRatio int64
	patience  time.Duration // with patterns that can take long; 0 if there are none

	last []byte        // where the last match stands in the index; nil before the first
	at   []byte        // and what was looked at last
	rest bool          // the view has become old while the asker took the answer: it goes on behind at with a newer one
	held time.Duration // how long the asker took what was sent from this view

	w   io.Writer
	out []byte // of the answer, what has not been written yet
	doc []byte
}

// findBuffer is how much of an answer is gathered before it is written.
const findBuffer = 32 << 10

// find answers a query.
func (f Finder) find(ctx context.Context, db *store.Database, body []byte, w io.Writer) error {
	begin := time.Now()
	settings := f.settings()
	q, err := readQuery(body, settings)
	if err != nil {
		return err
	}
	p, err := planFor(db, q)
	if err != nil {
		return err
	}
	if p.index == nil {
		return refuse("no_usable_index", "No index exists for this sort, try indexing by the sort fields.")
	}
	if p.none {
		return send(w, []byte(`{"docs":[]}`))
	}
	run := &finding{q: q, plan: p, skip: q.skip, left: q.limit, scanRatio: settings.ScanRatio, w: w, out: []byte(`{"docs":[`)}
	if q.selector.root != nil && q.selector.root.slow() {
		run.patience = cmp.Or(f.Patience, defaultPatience)
	}
	if f.Read != nil {
		defer func() { f.Read(run.docs + run.quorum + run.unshown) }()
	}
	if err := run.scan(ctx, db); err != nil {
		return err
	}
	return send(w, run.finish(time.Since(begin)))
}

// scan goes through what the plan leaves, from the bookmark on.
func (f *finding) scan(ctx context.Context, db *store.Database) error {
	from, err := readBookmark(f.q.bookmark, f.plan.index)
	switch {
	case err != nil || f.q.limit == 0:
		return err
	case f.plan.index.special():
		return f.scanDocuments(ctx, db, from)
	}
	return f.scanIndex(ctx, db, from)
}

func send(w io.Writer, b []byte) error {
	_, err := w.Write(b)
	return err
}

// planFor plans a query with the indexes that the database has now.
func planFor(db *store.Database, q *query) (*plan, error) {
	snap, err := db.Snapshot()
	if err != nil {
		return nil, err
	}
	indexes, err := upkeepOf(db).ddocs.indexes(snap)
	if err = errors.Join(err, snap.Close()); err != nil {
		return nil, err
	}
	return makePlan(indexes, q)
}

// scanDocuments goes through the documents by id.
func (f *finding) scanDocuments(ctx context.Context, db *store.Database, from []byte) (err error) {
	if f.snap, err = db.Snapshot(); err != nil {
		return err
	}
	for r, any := f.plan.documentRange(f.q.desc, from); any; any = f.rest {
		if f.rest {
			f.rest, f.held, from = false, 0, bytes.Clone(f.at)
			if r.Start = string(from); !f.q.desc {
				r.Start += "\x00"
			}
			err = f.snap.Renew()
		}
		if err == nil {
			err = f.snap.AllDocs(r, func(row *store.Row) error { return f.visitDocument(ctx, row, from) })
		}
		if err != nil {
			break
		}
	}
	return errors.Join(err, f.snap.Close())
}

// visitDocument looks at a document of a range that goes on from a place.
func (f *finding) visitDocument(ctx context.Context, row *store.Row, from []byte) error {
	if err := f.canceled(ctx); err != nil {
		return err
	}
	if f.q.desc && from != nil && row.ID == string(from) {
		return nil // a range begins with its start, a page behind it
	}
	f.keys++
	f.at = append(f.at[:0], row.ID...)
	matched, err := f.consider(row, !strings.HasPrefix(row.ID, "_design/"))
	if matched {
		f.last = append(f.last[:0], row.ID...)
	}
	return err
}

// documentRange gives the ids that the plan leaves; any is false if there are none.
func (p *plan) documentRange(desc bool, from []byte) (r store.Range, any bool) {
	low, high, hasHigh := "", "", false
	if len(p.spans) > 0 {
		s := p.spans[0]
		if s.low != nil && s.low.kind == kindString {
			low = s.low.text
		}
		switch hasHigh = s.high != nil; {
		case !hasHigh:
		case s.high.kind == kindString:
			high = s.high.text
		case s.high.kind == kindPast:
			high = s.high.text + "\xff" // no id has such a byte
		default:
			return r, false // no id comes before what is no string
		}
	}
	r = store.Range{Start: low, End: high, HasEnd: hasHigh, Descending: desc, Bodies: true}
	if desc {
		r.Start, r.End, r.HasEnd = high, low, low != ""
	}
	switch {
	case from == nil:
	case !desc && string(from) >= low:
		r.Start = string(from) + "\x00"
	case desc && (!hasHigh || string(from) <= high):
		r.Start = string(from)
	}
	return r, !hasHigh || low <= high
}

// scanIndex goes through the rows of the plan's index.
func (f *finding) scanIndex(ctx context.Context, db *store.Database, from []byte) error {
	open := f.plan.index.read
	if !f.q.update || f.q.staleOK {
		open = f.plan.index.asItStands
	}
	for {
		r, err := open(ctx, db)
		if err != nil {
			return err
		}
		f.snap, f.rest, f.held = r.snap, false, 0
		if err := errors.Join(f.scanRows(ctx, r, from), r.close()); err != nil || !f.rest {
			return err
		}
		from = bytes.Clone(f.at)
	}
}

// scanRows goes through the rows of an index behind a place.
func (f *finding) scanRows(ctx context.Context, r *reading, from []byte) error {
	lower, upper := f.plan.index.bounds(f.plan.spans)
	switch {
	case from == nil:
	case f.q.desc && bytes.Compare(from, upper) < 0:
		upper = from
	case !f.q.desc && bytes.Compare(from, lower) >= 0:
		lower = append(bytes.Clone(from), 0)
	}
	if bytes.Compare(lower, upper) >= 0 {
		return nil
	}
	look := f.fetching(r)
	if f.plan.covering {
		look = f.deriving(r)
	}
	first, end := f.plan.index.within(f.plan.spans)
	return r.visit(lower, upper, f.q.desc, func(e entry) error {
		if err := f.canceled(ctx); err != nil {
			return err
		}
		f.keys++
		f.at = append(f.at[:0], e.row...)
		if bytes.Compare(e.row, first) < 0 || bytes.Compare(e.row, end) >= 0 {
			f.pass()
			return nil
		}
		matched, err := look(e)
		if matched {
			f.last = append(f.last[:0], e.row...)
		}
		return err
	})
}

// pass counts a row at an excluded end, whose document CouchDB reads in vain.
func (f *finding) pass() {
	switch {
	case f.plan.covering:
	case f.q.r == 1:
		f.docs++
	default:
		f.quorum++
	}
}

// fetching looks at the documents that an index lists.
func (f *finding) fetching(r *reading) func(entry) (bool, error) {
	return func(e entry) (bool, error) {
		row, err := r.docs.Get(e.id())
		if err != nil {
			return false, err
		}
		return f.consider(row, true)
	}
}

// deriving looks at the values that an index has of the documents. Where they are too long for it, it gets them from the documents, which makes no
// difference to the asker.
func (f *finding) deriving(r *reading) func(entry) (bool, error) {
	c := &cover{index: r.index}
	seen := frame{cover: c}
	return func(e entry) (bool, error) {
		id := e.id()
		c.id = appendString(c.id[:0], id)
		if !c.fill(e.raw) {
			f.unshown++
			row, err := r.docs.Get(id)
			if err != nil || !c.read(row) {
				return false, err
			}
		}
		if !f.q.selector.match(&seen) {
			return false, nil
		}
		return true, f.found(func() error {
			f.out = c.project(f.q.fields).appendJSON(f.out)
			return nil
		})
	}
}

// canceled looks at the context now and then, and at the time that patterns have wasted.
func (f *finding) canceled(ctx context.Context) error {
	if f.keys%256 == 0 && ctx.Err() != nil {
		return context.Cause(ctx)
	}
	if f.patience > 0 && f.q.selector.root.wasted() > f.patience {
		return timedOut()
	}
	return nil
}

// consider looks at one document and tells whether it matches. Design documents are looked at, and counted, but never match. The error is ErrStop
// after the last result wanted.
func (f *finding) consider(row *store.Row, eligible bool) (matched bool, err error) {
	switch {
	case f.q.r == 1:
		f.docs++
	case eligible:
		f.quorum++ // CouchDB would ask several nodes for it
	}
	if !eligible || row.Deleted || !f.q.selector.matchRow(row) {
		return false, nil
	}
	return true, f.found(func() error { return f.write(row) })
}

// found puts a match into the answer, unless it is one to skip. The error is ErrStop after the last result wanted.
func (f *finding) found(write func() error) error {
	if f.skip > 0 {
		f.skip--
		return nil
	}
	if f.results++; f.results > 1 {
		f.out = append(f.out, ',')
	}
	if err := write(); err != nil {
		return err
	}
	if f.left--; f.left == 0 {
		return store.ErrStop
	}
	if len(f.out) < findBuffer {
		return nil
	}
	begun := time.Now()
	err := send(f.w, f.out)
	f.out = f.out[:0]
	f.held += time.Since(begun)
	// A long search for a client that takes its answer keeps its view: by an index, a document that changes may lie elsewhere in a newer one.
	if f.rest = f.snap.Held(f.held); err == nil && f.rest {
		return store.ErrStop
	}
	return err
}

// finish ends the answer.
func (f *finding) finish(took time.Duration) []byte {
	bookmark := cmp.Or(f.q.bookmark, "nil")
	if f.last != nil {
		bookmark = f.plan.index.bookmark(f.last)
	}
	out := append(f.out, `],"bookmark":`...)
	out = appendString(out, bookmark)
	if f.q.stats {
		out = append(out, `,"execution_stats":`...)
		out = f.stats(took).appendJSON(out)
	}
	if warning := f.warnings(); warning != "" {
		out = append(out, `,"warning":"`...)
		out = append(out, warning...)
		out = append(out, '"')
	}
	return append(out, '}')
}

func (f *finding) stats(took time.Duration) *value {
	stats := &value{kind: kindObject}
	stats.set("total_keys_examined", integerValue(f.keys))
	stats.set("total_docs_examined", integerValue(f.docs))
	stats.set("total_quorum_docs_examined", integerValue(f.quorum))
	stats.set("results_returned", integerValue(f.results))
	milliseconds := math.Round(float64(took)/float64(time.Microsecond)) / 1000
	stats.set("execution_time_ms", floatValue(milliseconds))
	return stats
}

// warnings gives what the asker should know, as the inside of a JSON string.
func (f *finding) warnings() string {
	var lines []string
	q, x := f.q, f.plan.index
	if len(q.useIndex) > 0 && !q.names(x) {
		reason := " was not used because it does not contain a valid index for this query."
		if len(q.useIndex) > 1 {
			reason = " was not used because it is not a valid index for this query."
		}
		name := appendString(nil, q.indexName())
		lines = append(lines, string(name[1:len(name)-1])+reason)
	}
	if x.special() {
		lines = append(lines, warnNoIndex)
	}
	if looked := f.docs + f.quorum; f.scanRatio > 0 && (looked-1)/f.scanRatio >= max(f.results, 1) {
		lines = append(lines, warnScan)
	}
	return strings.Join(lines, `\n`)
}

// bookmark names a place in the index, for the next page to begin behind it.
func (x *index) bookmark(place []byte) string {
	raw := append([]byte{}, x.id[:]...)
	return base64.RawURLEncoding.EncodeToString(append(raw, place...))
}

// readBookmark gives the place that a bookmark names; nil for none. One of another index is refused, since it would name some other place here.
func readBookmark(text string, x *index) ([]byte, error) {
	if text == "" {
		return nil, nil
	}
	raw, err := base64.RawURLEncoding.DecodeString(text)
	if err != nil || len(raw) < len(x.id) || !bytes.Equal(raw[:len(x.id)], x.id[:]) {
		return nil, badBookmark(stringValue(text))
	}
	return raw[len(x.id):], nil
}
