package mango

import (
	"encoding/binary"
	"slices"
	"strings"

	"github.com/adlayer/after/internal/jsonscan"
	"github.com/adlayer/after/store"
)

const (
	// maxKey bounds the stored key of a document. Keys beyond it are cut: they still sort among the others, and what a query finds by one is looked at.
	maxKey = 16 << 10
	// maxKept bounds the values that a row keeps for queries that need no more than them; where they are longer, the document is read.
	maxKept = 2 << 10
)

// listed is how an index lists one document.
type listed struct {
	key  []byte
	raw  []byte // the values of the columns other than _id, as the document has them, with commas between; nothing if they are not kept
	kept bool
}

// list finds out how the index lists a document; false if it does not. l's buffers are used again.
func (x *index) list(l *listed, row *store.Row) bool {
	l.key, l.raw, l.kept = l.key[:0], l.raw[:0], true
	if row.Deleted || strings.HasPrefix(row.ID, "_design/") {
		return false
	}
	f := frame{body: row.Body, row: row}
	if x.partial() && !x.filter.match(&f) {
		return false
	}
	for i, path := range x.paths {
		if x.fields[i] == "_id" {
			l.key = appendBytes(l.key, row.ID)
			continue
		}
		v, ok := f.at(path)
		if !ok {
			return false
		}
		l.key = AppendKey(l.key, v)
		if l.kept = l.kept && len(l.raw)+len(v) < maxKept; l.kept {
			l.raw = appendListedValue(l.raw, v)
		}
	}
	l.key = l.key[:min(len(l.key), maxKey)]
	if !l.kept {
		l.raw = l.raw[:0]
	}
	return true
}

func appendListedValue(raw, v []byte) []byte {
	if len(raw) > 0 {
		raw = append(raw, ',')
	}
	return append(raw, v...)
}

// appendRowValue appends what a row has behind its key and id: the length of the key, and the values of the columns.
func (l *listed) appendRowValue(dst []byte) []byte {
	return append(binary.AppendUvarint(dst, uint64(len(l.key))), l.raw...)
}

// What a document's own entry begins with: its key follows, or the values that the key is made of.
const (
	backKey    = 0
	backValues = 1
)

// appendBack appends a document's own entry, from which its row is found when it changes.
func (l *listed) appendBack(dst []byte) []byte {
	if l.kept {
		return append(append(dst, backValues), l.raw...)
	}
	return append(append(dst, backKey), l.key...)
}

// appendKeyOf appends the key that a document's own entry stands for; false if the entry is damaged.
func (x *index) appendKeyOf(dst, back []byte, id string) ([]byte, bool) {
	if len(back) == 0 || back[0] > backValues {
		return dst, false
	}
	if back[0] == backKey {
		return append(dst, back[1:]...), true
	}
	c := cover{index: x}
	if !c.fill(back[1:]) {
		return dst, false
	}
	start := len(dst)
	for i, v := range c.values {
		if x.fields[i] == "_id" {
			dst = appendBytes(dst, id)
		} else {
			dst = AppendKey(dst, v)
		}
	}
	return dst[:min(len(dst), start+maxKey)], true
}

// cover has the values of an index's columns in one document: what a query that names no other field needs of it.
type cover struct {
	index  *index
	id     []byte   // quoted
	values [][]byte // of the columns, in their order; none for _id
}

// fill takes the values of a row apart; false if they are not those of the index's columns.
func (c *cover) fill(raw []byte) bool {
	c.values = c.values[:0]
	at, first := 0, true
	for _, field := range c.index.fields {
		if field == "_id" {
			c.values = append(c.values, nil)
			continue
		}
		if !first {
			at++ // the comma
		}
		first = false
		end := jsonscan.ValueEnd(raw, at)
		if end < 0 {
			return false
		}
		c.values = append(c.values, raw[at:end])
		at = end
	}
	return at == len(raw)
}

// read takes the values from the document itself; false if it has them no more.
func (c *cover) read(row *store.Row) bool {
	c.values = c.values[:0]
	f := frame{body: row.Body, row: row}
	for i, path := range c.index.paths {
		if c.index.fields[i] == "_id" {
			c.values = append(c.values, nil)
			continue
		}
		v, ok := f.at(path)
		if !ok || row.Deleted {
			return false
		}
		c.values = append(c.values, v)
	}
	return !row.Deleted
}

// value is the value of a field that the index covers.
func (c *cover) value(field string) []byte {
	if field == "_id" {
		return c.id
	}
	return c.values[slices.Index(c.index.fields, field)]
}
