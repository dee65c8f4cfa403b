package store

import (
	"encoding/binary"
)

// Row is one document as a reader sees it: its winner.
type Row struct {
	ID      string
	Seq     uint64 // update sequence of the document's last write
	Rev     Rev
	Deleted bool
	// Branched tells that the document has more than one leaf: conflicts, live or deleted.
	Branched bool
	// Body is the object without _id and _rev, in canonical form; nil where it was not asked for, or is gone.
	Body []byte
}

// AppendJSON adds the whole document to dst: {"_id":...,"_rev":...,["_deleted":true,]...}.
func (r *Row) AppendJSON(dst []byte) []byte {
	dst = r.appendHead(dst)
	if len(r.Body) > 2 {
		dst = append(dst, ',')
		return append(dst, r.Body[1:]...)
	}
	return append(dst, '}')
}

func (r *Row) appendHead(dst []byte) []byte {
	dst = append(dst, `{"_id":`...)
	dst = AppendString(dst, r.ID)
	dst = append(dst, `,"_rev":"`...)
	dst = r.Rev.Append(dst)
	dst = append(dst, '"')
	if r.Deleted {
		dst = append(dst, `,"_deleted":true`...)
	}
	return dst
}

// The stored row: flags byte (rowDeleted, rowAsk, nodeText), uvarint generation, hash, uvarint length of id, id, body.
const (
	rowDeleted = 1 << 0
	rowAsk     = 1 << 1 // the document has several leaves: the winner is in its tree
)

func appendRow(dst []byte, d *Doc, rev *Rev, ask bool) []byte {
	var flags byte
	if d.Deleted {
		flags |= rowDeleted
	}
	if ask {
		flags |= rowAsk
	}
	if rev.text != "" {
		dst = append(dst, flags|nodeText)
		dst = binary.AppendUvarint(dst, rev.Pos)
		dst = binary.AppendUvarint(dst, uint64(len(rev.text)))
		dst = append(dst, rev.text...)
	} else {
		dst = append(dst, flags)
		dst = binary.AppendUvarint(dst, rev.Pos)
		dst = append(dst, rev.sum[:]...)
	}
	dst = binary.AppendUvarint(dst, uint64(len(d.ID)))
	dst = append(dst, d.ID...)
	return append(dst, d.Body...)
}

// parseRow reads a stored row into r. The body is a part of raw; ask tells that the winner must be looked up.
func parseRow(raw []byte, r *Row) (ask bool, err error) {
	c := cursor{b: raw}
	flags := c.byte()
	r.Rev = Rev{Pos: c.uvarint()}
	if flags&nodeText != 0 {
		r.Rev.text = string(c.bytes(c.uvarint()))
	} else {
		copy(r.Rev.sum[:], c.bytes(16))
	}
	r.ID = string(c.bytes(c.uvarint()))
	if c.bad {
		return false, errCorrupt
	}
	r.Deleted = flags&rowDeleted != 0
	r.Branched = flags&rowAsk != 0
	r.Body = raw[c.at:]
	return r.Branched, nil
}
