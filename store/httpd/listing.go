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
}

const listBuffer = 64 << 10

func (l *listing) flush() error {
	l.sent = true
	_, err := l.c.w.Write(l.buf)
	l.buf = l.buf[:0]
	return err
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
	if err != nil && l.sent {
		l.c.s.log.WithError(err).Debug("store: a list ended early")
		panic(http.ErrAbortHandler)
	}
	return err
}

func (l *listing) write() error {
	r, none := l.restrict(l.v.r)
	if l.v.hasKeys {
		if err := l.head("null"); err != nil {
			return err
		}
		return l.keys()
	}
	offset, err := l.before(r)
	if err != nil {
		return err
	}
	if none || l.v.none {
		if err := l.head(strconv.Itoa(offset)); err != nil {
			return err
		}
		l.buf = append(l.buf, "]}"...)
		return nil
	}
	r.Bodies = l.v.includeDocs
	return l.rangeRows(r, offset)
}

// rangeRows writes the rows of a range; the head waits until it is known how many were skipped.
func (l *listing) rangeRows(r store.Range, offset int) error {
	skipped, begun := 0, false
	begin := func() error {
		begun = true
		return l.head(strconv.Itoa(offset + skipped))
	}
	err := l.visit(r, func(row *store.Row) error {
		if skipped < l.v.skip {
			skipped++
			return nil
		}
		if l.rows >= l.v.limit {
			return store.ErrStop
		}
		if !begun {
			if err := begin(); err != nil {
				return err
			}
		}
		return l.row(row, false)
	})
	if err == nil && !begun {
		err = begin()
	}
	l.buf = append(l.buf, "]}"...)
	return err
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

// maxOffset is how many rows are counted for an offset; clients page by keys.
const maxOffset = 20_000

// before counts the rows that come before a range.
func (l *listing) before(r store.Range) (int, error) {
	if !l.totals || r.Start == "" || (l.prefix != "" && r.Start <= l.prefix && !r.Descending) {
		return 0, nil
	}
	ahead := store.Range{Descending: r.Descending, End: r.Start, HasEnd: true, ExclusiveEnd: true}
	ahead, _ = l.restrict(ahead)
	n := 0
	err := l.visit(ahead, func(*store.Row) error {
		n++
		if n >= maxOffset {
			return store.ErrStop
		}
		return nil
	})
	return n, err
}

// head writes what comes before the rows.
func (l *listing) head(offset string) error {
	total := "null"
	switch {
	case !l.totals:
		offset = "null"
	case l.prefix == "":
		total = strconv.FormatInt(l.snap.Counts().Docs, 10)
	default:
		n := 0
		r, _ := l.restrict(store.Range{})
		if err := l.visit(r, func(*store.Row) error { n++; return nil }); err != nil {
			return err
		}
		total = strconv.Itoa(n)
	}
	l.buf = append(l.buf, `{"total_rows":`+total+`,"offset":`+offset...)
	if l.v.updateSeq {
		l.buf = append(appendSeq(append(l.buf, `,"update_seq":"`...), l.c.db, l.snap.Seq()), '"')
	}
	l.buf = append(l.buf, `,"rows":[`...)
	return nil
}

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
		if err := l.key(key); err != nil {
			return err
		}
	}
	l.buf = append(l.buf, "]}"...)
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
	b = append(b, '}')
	if l.v.includeDocs {
		b = append(b, `,"doc":`...)
		if row.Deleted {
			b = append(b, "null"...)
		} else {
			var err error
			if b, err = appendListed(b, l.snap, row, l.v.conflicts, &l.v.files, l.flushed); err != nil {
				return err
			}
		}
	}
	l.buf = append(b, '}')
	if len(l.buf) >= listBuffer {
		return l.flush()
	}
	return nil
}
