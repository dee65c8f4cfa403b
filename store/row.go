package store

import (
	"bytes"
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
	// Body is the object without _id, _rev and _attachments, in canonical form; nil where it was not asked for, or is gone.
	Body []byte

	files []byte // the attachments as the row has them; nil if there are none
}

// HasAttachments tells whether the revision has any.
func (r *Row) HasAttachments() bool { return r.files != nil }

// Attachments are those of the revision, in the order in which they were written.
func (r *Row) Attachments() []Attachment {
	if r.files == nil {
		return nil
	}
	list, _ := parseAttachments(r.files) // parseRow has checked it
	return list
}

// fill takes the body and the attachments of a stored row, whose memory they stay; nil: they are gone.
func (r *Row) fill(raw []byte) error {
	if raw == nil {
		return nil
	}
	var stored Row
	if _, err := parseRow(raw, &stored); err != nil {
		return err
	}
	r.Body, r.files = stored.Body, stored.files
	return nil
}

// Clone is a row for longer than the visit that it was given to.
func (r *Row) Clone() Row {
	one := *r
	one.Body, one.files = bytes.Clone(r.Body), bytes.Clone(r.files)
	return one
}

// AppendJSON adds the whole document to dst: {"_id":...,"_rev":...,...,["_deleted":true,]["_attachments":{...}]}. Attachments are stubs.
func (r *Row) AppendJSON(dst []byte) []byte {
	dst = r.AppendOpen(dst)
	if r.files != nil {
		dst = r.AppendStubs(append(dst, `,"_attachments":`...))
	}
	return append(dst, '}')
}

// AppendOpen adds the document without its attachments and without the closing brace, for more to follow.
func (r *Row) AppendOpen(dst []byte) []byte {
	dst = AppendString(append(dst, `{"_id":`...), r.ID)
	dst = append(r.Rev.Append(append(dst, `,"_rev":"`...)), '"')
	if len(r.Body) > 2 {
		dst = append(append(dst, ','), r.Body[1:len(r.Body)-1]...)
	}
	if r.Deleted {
		dst = append(dst, `,"_deleted":true`...)
	}
	return dst
}

// AppendStubs adds the object of the attachments, as stubs.
func (r *Row) AppendStubs(dst []byte) []byte {
	return appendStubs(dst, r.Attachments())
}

func appendStubs(dst []byte, list []Attachment) []byte {
	dst = append(dst, '{')
	for i, a := range list {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(a.AppendLength(a.AppendOpen(dst), "stub"), '}')
	}
	return append(dst, '}')
}

// The stored row: flags byte (rowDeleted, rowAsk, nodeText, rowFiles), uvarint generation, hash, uvarint length of id, id, [uvarint length of the
// attachments, attachments], body.
const (
	rowDeleted = 1 << 0
	rowAsk     = 1 << 1 // the document has several leaves: the winner is in its tree
	rowFiles   = 1 << 3 // 1 << 2 is nodeText
)

func appendRow(dst []byte, d *Doc, rev *Rev, files []Attachment, ask bool) []byte {
	var flags byte
	if d.Deleted {
		flags |= rowDeleted
	}
	if ask {
		flags |= rowAsk
	}
	if len(files) > 0 {
		flags |= rowFiles
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
	if len(files) > 0 {
		list := appendAttachments(nil, files)
		dst = append(binary.AppendUvarint(dst, uint64(len(list))), list...)
	}
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
	r.files = nil
	if flags&rowFiles != 0 {
		r.files = c.bytes(c.uvarint())
		if _, err := parseAttachments(r.files); err != nil {
			return false, err
		}
	}
	if c.bad {
		return false, errCorrupt
	}
	r.Deleted = flags&rowDeleted != 0
	r.Branched = flags&rowAsk != 0
	r.Body = raw[c.at:]
	return r.Branched, nil
}
