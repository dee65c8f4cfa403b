package changes

import (
	"bytes"
	"fmt"
	"strconv"
	"strings"
	"unsafe"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/couch"
)

// rawRow is a row whose parts still lie in the bytes that were read.
type rawRow struct {
	id, rev string // decoded only where they hold escapes
	seq     []byte // JSON; nil where there is none
	deleted bool
	doc     []byte
	closing bool // it is the line that ends a feed
}

// parseRow finds the parts of a row. The strings of the result lie in line where they can: batch.add copies them.
func parseRow(line []byte) (rawRow, error) {
	var r rawRow
	var hasID, hasChanges, last bool
	err := couch.Members(line, func(name, value []byte) bool {
		switch string(name) {
		case "seq":
			r.seq = value
		case "id":
			r.id, hasID = stringOf(value)
		case "changes":
			r.rev, hasChanges = firstRev(value)
		case "deleted":
			r.deleted = string(value) == "true"
		case "doc":
			if string(value) != "null" {
				r.doc = value
			}
		case "last_seq":
			r.seq, last = value, true
		}
		return true
	})
	switch {
	case err != nil:
		return r, fmt.Errorf("the feed has a line that is no row: %s", excerpt(line))
	case last && !hasID:
		r.closing = true
		return r, nil
	case !hasID || !hasChanges:
		return r, fmt.Errorf("the feed has a row without an id or a revision: %s", excerpt(line))
	case r.doc != nil && r.doc[0] != '{':
		return r, fmt.Errorf("the feed has a row whose doc is no object: %s", excerpt(line))
	}
	return r, nil
}

// parseSkipped finds the sequence of a row that is of no interest, and no more: CouchDB writes it first.
func parseSkipped(line []byte) (rawRow, error) {
	var r rawRow
	err := couch.Members(line, func(name, value []byte) bool {
		switch string(name) {
		case "seq":
			r.seq = value
		case "last_seq":
			r.seq, r.closing = value, true
		}
		return r.seq == nil
	})
	if err != nil {
		return r, fmt.Errorf("the feed has a line that is no row: %s", excerpt(line))
	}
	return r, nil
}

// firstRev takes the winner out of [{"rev": "..."}, ...].
func firstRev(changes []byte) (rev string, ok bool) {
	_ = couch.Elements(changes, func(change []byte) bool {
		_ = couch.Members(change, func(name, value []byte) bool {
			if string(name) == "rev" {
				rev, ok = stringOf(value)
			}
			return !ok
		})
		return false
	})
	return rev, ok && rev != ""
}

// stringOf is a JSON string's text; it lies in value where that has no escapes.
func stringOf(value []byte) (string, bool) {
	if len(value) < 2 || value[0] != '"' {
		return "", false
	}
	if bytes.IndexByte(value, '\\') >= 0 {
		return gjson.ParseBytes(value).String(), true
	}
	text := value[1 : len(value)-1]
	return unsafe.String(unsafe.SliceData(text), len(text)), true //nolint:gosec // copied before the buffer is used again
}

// seqText is a sequence as since takes it: a string's text, a number as it stands (older and other servers), nothing for null.
func seqText(value []byte) string {
	if text, ok := stringOf(value); ok {
		return text
	}
	if string(value) == "null" {
		return ""
	}
	return string(value)
}

func excerpt(line []byte) string {
	const most = 120
	if len(line) > most {
		return strconv.Quote(string(line[:most])) + "..."
	}
	return strconv.Quote(string(line))
}

// batch gathers rows between two deliveries.
type batch struct {
	rows  []Row
	seq   []byte // the newest sequence that is not null, as text
	moved bool   // there is something to hand on
}

// add takes a row in, with copies of all its bytes: each part by itself, so that who keeps a revision keeps no document.
func (b *batch) add(r rawRow) {
	row := Row{ID: strings.Clone(r.id), Rev: strings.Clone(r.rev), Deleted: r.deleted}
	if r.seq != nil {
		row.Seq = strings.Clone(seqText(r.seq))
	}
	if r.doc != nil {
		row.Doc = bytes.Clone(r.doc)
	}
	b.rows = append(b.rows, row)
	b.moved = true
	if row.Seq != "" {
		b.seq = append(b.seq[:0], row.Seq...)
	}
}

// advance notes the sequence of a row that is not handed on.
func (b *batch) advance(seq []byte) {
	if text := seqText(seq); text != "" {
		b.seq = append(b.seq[:0], text...)
		b.moved = true
	}
}

// take empties the batch. The rows are the taker's.
func (b *batch) take() (rows []Row, seq string) {
	rows, seq = b.rows, string(b.seq)
	b.rows, b.seq, b.moved = nil, b.seq[:0], false
	return rows, seq
}
