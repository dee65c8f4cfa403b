package store

import (
	"crypto/md5" //nolint:gosec // revision ids are fingerprints of content, not secrets
	"encoding/binary"
)

// hash gives the revision that follows parent when d is written over it: the same content and history give the same revision everywhere.
func (d *Doc) hash(parent Rev) Rev {
	if !d.had || parent != d.Rev {
		d.next = sum(d, parent)
		d.had = parent == d.Rev
	}
	return Rev{Pos: parent.Pos + 1, sum: d.next}
}

// Prepare computes, outside the committer, what the write will most likely need.
func (d *Doc) Prepare() {
	d.next = sum(d, d.Rev)
	d.had = true
}

func sum(d *Doc, parent Rev) [16]byte {
	h := md5.New() //nolint:gosec // a fingerprint
	var head [64]byte
	b := binary.AppendUvarint(head[:0], parent.Pos)
	b = append(b, parent.key()...)
	if d.Deleted {
		b = append(b, 1)
	} else {
		b = append(b, 0)
	}
	_, _ = h.Write(b)
	_, _ = h.Write(d.Body)
	for i := range d.Attachments {
		a := &d.Attachments[i]
		b = binary.AppendUvarint(b[:0], uint64(len(a.Name)))
		b = binary.AppendUvarint(append(b, a.Name...), uint64(len(a.Type)))
		b = append(append(b, a.Type...), a.Digest[:]...)
		_, _ = h.Write(b)
	}
	var out [16]byte
	h.Sum(out[:0])
	return out
}
