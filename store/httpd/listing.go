package httpd

import (
	"encoding/json"
	"net/http"
	"strconv"
	"strings"

	"github.com/adlayer/after/store"
)

// listing writes lists of documents.
type listing struct {
	c      *call
	snap   *store.Snapshot
	prefix string // only ids that begin with it; local documents for _local/
	totals bool   // total_rows and offset are known

	v    *viewQuery
	buf  []byte
	rows int
	sent bool // something has gone out

	later *store.Row // its attachments are sent once nothing is being walked through
}

const listBuffer = 64 << 10

func (l *listing) flush() error {
	l.sent = true
	_, err := l.c.w.Write(l.buf)
	l.buf = l.buf[:0]
	return err
}

// rest lets a newer view take the place of one that is old, since the client is slow. Nothing may be walked through.
func (l *listing) rest() error {
	if !l.snap.Old() {
		return nil
	}
	return l.snap.Renew()
}

// flushed is a flusher.
func (l *listing) flushed(b []byte) ([]byte, error) {
	l.buf = b
	err := l.flush()
	return l.buf, err
}

// appendListed adds a document as lists and feeds show it.
func appendListed(b []byte, snap *store.Snapshot, row *store.Row, conflicts bool, files *fileOptions, flush flusher) ([]byte, error) {
	var tree *store.Tree
	o := readOptions{files: *files}
	if conflicts && row.Branched {
		var err error
		if tree, err = snap.Tree(row.ID); err != nil {
			return b, err
		}
		o.conflicts = true
	} else if !files.data && !files.encoding {
		return row.AppendJSON(b), nil
	}
	o.files.since = nil
	return appendDocument(b, snap, tree, row, o, flush)
}

// list writes one list. An error after the head has gone out cuts the answer off.
func (l *listing) list(v *viewQuery) error {
	l.v, l.rows = v, 0
	err := l.write()
	if v.includeDocs {
		l.c.s.counts.reads.Add(int64(l.rows))
	}
	if err != nil && l.sent {
		l.c.s.log.WithError(err).Debug("store: a list ended early")
		panic(http.ErrAbortHandler)
	}
	return err
}

func (l *listing) write() error {
	r, none := l.restrict(l.v.r)
	if l.v.hasKeys {
		if err := l.head(unknownOffset); err != nil {
			return err
		}
		return l.keys()
	}
	offset, err := l.before(r)
	if err != nil {
		return err
	}
	if none || l.v.none {
		if err := l.head(offset); err != nil {
			return err
		}
		l.buf = append(l.buf, "\r\n]}"...)
		return nil
	}
	r.Bodies = l.v.includeDocs
	return l.rangeRows(r, offset+int64(l.v.skip))
}

// rangeRows writes the rows of a range. Where the view has become old meanwhile it goes on behind the last row with a newer one.
func (l *listing) rangeRows(r store.Range, offset int64) error {
	if err := l.head(offset); err != nil {
		return err
	}
	for skipped, more := 0, true; more; {
		more = false
		last, began := r.Start, skipped+l.rows > 0
		err := l.visit(r, func(row *store.Row) error {
			if began && r.Descending && row.ID == r.Start {
				return nil // a range begins with its start
			}
			last = row.ID
			if skipped < l.v.skip {
				skipped++
				return nil
			}
			if l.rows >= l.v.limit {
				return store.ErrStop
			}
			err := l.row(row, false)
			if more = l.later != nil || l.snap.Old(); err == nil && more {
				err = store.ErrStop
			}
			return err
		})
		if err == nil && more {
			err = l.between()
		}
		if err != nil {
			return err
		}
		if r.Start = last; !r.Descending {
			r.Start += "\x00"
		}
	}
	l.buf = append(l.buf, "\r\n]}"...)
	return nil
}

// between does what cannot be done while the rows are walked through.
func (l *listing) between() error {
	if row := l.later; row != nil {
		l.later = nil
		if err := l.content(row); err != nil {
			return err
		}
	}
	return l.rest()
}

func (l *listing) visit(r store.Range, visit func(*store.Row) error) error {
	if l.prefix == localPrefix {
		return l.snap.LocalDocs(r, visit)
	}
	return l.snap.AllDocs(r, visit)
}

// restrict keeps a range within the prefix. none tells that nothing is left.
func (l *listing) restrict(r store.Range) (_ store.Range, none bool) {
	if l.prefix == "" {
		return r, false
	}
	low, high := l.prefix, l.prefix[:len(l.prefix)-1]+"0" // '0' follows '/'
	if r.Descending {
		if r.Start == "" || r.Start > high {
			r.Start = high
		}
		if !r.HasEnd || r.End < low {
			r.End, r.HasEnd = low, true
		}
		return r, r.Start < low
	}
	if r.Start < low {
		r.Start = low
	}
	if !r.HasEnd || r.End > high {
		r.End, r.HasEnd, r.ExclusiveEnd = high, true, true
	}
	return r, r.End < low
}

// before counts the documents that come before a range, whether or not they are of the kind that is listed, as CouchDB does.
func (l *listing) before(r store.Range) (int64, error) {
	switch {
	case !l.totals || r.Start == "":
		return 0, nil
	case r.Descending:
		return l.c.db.NotBefore(r.Start + "\x00")
	}
	return l.c.db.Before(r.Start)
}

// total counts the documents of the list.
func (l *listing) total() (n int64, err error) {
	if l.prefix == "" {
		return l.snap.Counts().Docs, nil
	}
	r, _ := l.restrict(store.Range{})
	err = l.visit(r, func(*store.Row) error { n++; return nil })
	return n, err
}

// head writes what comes before the rows; offset is that of the first, less than 0 where it is not known.
func (l *listing) head(offset int64) error {
	l.buf = append(l.buf, `{"total_rows":`...)
	if l.totals {
		total, err := l.total()
		if err != nil {
			return err
		}
		offset = min(offset, total)
		l.buf = strconv.AppendInt(l.buf, total, 10)
	} else {
		offset = unknownOffset
		l.buf = append(l.buf, "null"...)
	}
	l.buf = append(l.buf, `,"offset":`...)
	if offset == unknownOffset {
		l.buf = append(l.buf, "null"...)
	} else {
		l.buf = strconv.AppendInt(l.buf, offset, 10)
	}
	if l.v.updateSeq {
		l.buf = append(appendSeq(append(l.buf, `,"update_seq":"`...), l.c.db, l.snap.Seq()), '"')
	}
	l.buf = append(l.buf, `,"rows":[`...)
	return nil
}

const unknownOffset = -1

// keys writes a row for each key, in their order.
func (l *listing) keys() error {
	keys := l.v.keys
	if l.v.r.Descending {
		for i, j := 0, len(keys)-1; i < j; i, j = i+1, j-1 {
			keys[i], keys[j] = keys[j], keys[i]
		}
	}
	keys = keys[min(l.v.skip, len(keys)):]
	keys = keys[:min(l.v.limit, len(keys))]
	for _, key := range keys {
		err := l.key(key)
		if err == nil {
			err = l.between()
		}
		if err != nil {
			return err
		}
	}
	l.buf = append(l.buf, "\r\n]}"...)
	return nil
}

func (l *listing) key(key json.RawMessage) error {
	var id string
	if key[0] == '"' && json.Unmarshal(key, &id) == nil && strings.HasPrefix(id, l.prefix) {
		get := l.snap.Head
		switch {
		case l.prefix == localPrefix:
			get = l.snap.Local
		case l.v.includeDocs:
			get = l.snap.Get
		}
		row, err := get(id)
		if err == nil {
			return l.row(row, true)
		}
		if !store.IsNotFound(err) {
			return err
		}
	} else if l.prefix == designPrefix {
		return nil
	}
	l.comma()
	l.buf = append(append(append(l.buf, `{"key":`...), key...), `,"error":"not_found"}`...)
	return nil
}

func (l *listing) comma() {
	if l.rows > 0 {
		l.buf = append(l.buf, ',')
	}
	l.buf = append(l.buf, "\r\n"...) // a row a line, for those who read lines
	l.rows++
}

// row writes one document; byKey tells that it was asked for by its key, and may be deleted.
func (l *listing) row(row *store.Row, byKey bool) error {
	l.comma()
	b := store.AppendString(append(l.buf, `{"id":`...), row.ID)
	b = store.AppendString(append(b, `,"key":`...), row.ID)
	b = append(row.Rev.Append(append(b, `,"value":{"rev":"`...)), '"')
	if row.Deleted && byKey {
		b = append(b, `,"deleted":true`...)
	}
	l.buf = append(b, '}')
	if l.v.includeDocs {
		l.buf = append(l.buf, `,"doc":`...)
		switch {
		case row.Deleted:
			l.buf = append(l.buf, "null"...)
		case l.v.files.data && row.HasAttachments():
			one := row.Clone()
			l.later = &one
			return nil
		default:
			var err error
			if l.buf, err = appendListed(l.buf, l.snap, row, l.v.conflicts, &l.v.files, l.flushed); err != nil {
				return err
			}
		}
	}
	return l.end()
}

// content ends a row with a document whose attachments are sent, which may take long. The view is a newer one afterwards.
func (l *listing) content(row *store.Row) (err error) {
	files := l.v.files
	files.letGo = true
	if l.buf, err = appendListed(l.buf, l.snap, row, l.v.conflicts, &files, l.flushed); err != nil {
		return err
	}
	return l.end()
}

// end ends a row.
func (l *listing) end() error {
	l.buf = append(l.buf, '}')
	if len(l.buf) >= listBuffer {
		return l.flush()
	}
	return nil
}
