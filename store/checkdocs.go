package store

import (
	"bytes"
	"encoding/binary"
	"encoding/json"
	"strings"
)

// databaseCheck is the check of one database.
type databaseCheck struct {
	*checker
	name  string
	snap  *Snapshot
	known bool // the counters could be read
	whole bool // so far everything could be read
	found counters
}

// database checks the content of one database.
func (c *checker) database(name string, e catalogEntry) error {
	d := c.store.newDatabase(name, e)
	k := &databaseCheck{checker: c, name: name, whole: true, snap: &Snapshot{
		db: d, view: c.view,
		docs: newLookups(d.number, kindDoc), rows: newLookups(d.number, kindSeq), indexes: newLookups(d.number, kindIndex),
	}}
	// The view is the check's own: only the lookups are closed. What they could not read has been told.
	defer func() { _, _, _ = k.snap.docs.close(), k.snap.rows.close(), k.snap.indexes.close() }()
	raw, err := k.snap.get(countersKey(d.number))
	if err == nil && raw != nil {
		k.snap.stats, err = parseCounters(raw)
	}
	if k.known = err == nil; err != nil {
		k.wrong("", "the counters cannot be read: %s", shortly(err))
	}
	for _, step := range []func() error{k.documents, k.feed, k.locals, k.attachments} {
		if err := step(); err != nil {
			return err
		}
	}
	k.counters()
	return nil
}

// attachments checks what revisions refer to.
func (k *databaseCheck) attachments() error {
	_, err := k.snap.CheckAttachments(k.ctx)
	if k.ctx.Err() != nil {
		return k.ctx.Err()
	}
	if err != nil {
		k.wrong("", "%s", shortly(err))
	}
	return nil
}

func (k *databaseCheck) wrong(document, format string, args ...any) {
	k.say(k.name, document, format, args...)
}

// each visits the keys of a kind, without their prefix.
func (k *databaseCheck) each(kind byte, what string, visit func(key, value []byte)) error {
	prefix := appendPrefix(nil, k.snap.db.number, kind)
	complete, err := k.scan(prefix, prefixEnd(prefix), k.name+": "+what, func(key, value []byte) { visit(key[prefixLen:], value) })
	k.whole = k.whole && complete
	return err
}

// counters compares what was counted with what was found.
func (k *databaseCheck) counters() {
	if !k.known || !k.whole {
		return
	}
	for _, n := range []struct {
		what          string
		counted, were int64
	}{
		{"documents", k.snap.stats.Docs, k.found.Docs},
		{"deleted documents", k.snap.stats.Deleted, k.found.Deleted},
		{"superseded revisions", k.snap.stats.Superseded, k.found.Superseded},
	} {
		if n.counted != n.were {
			k.wrong("", "it counts %d %s, but there are %d", n.counted, n.what, n.were)
		}
	}
	if k.snap.stats.Seq != k.found.Seq {
		k.wrong("", "its update sequence is %d, but the newest row is at %d", k.snap.stats.Seq, k.found.Seq)
	}
}

// documents checks each revision tree, and the rows it refers to.
func (k *databaseCheck) documents() error {
	return k.each(kindDoc, "the documents", func(key, value []byte) { k.document(string(key), value) })
}

func (k *databaseCheck) document(id string, m meta) {
	t, err := m.decode()
	if err != nil {
		k.wrong(id, "its revision tree cannot be read: %v", err)
		k.whole = false
		return
	}
	leaves := t.leaves()
	h, err := m.head()
	if err != nil || len(leaves) == 0 {
		k.wrong(id, "its revision tree has no leaf that can be read")
		k.whole = false
		return
	}
	winner := leaves[0]
	switch {
	case h.rev != winner.rev || h.deleted != winner.deleted:
		k.wrong(id, "its record names %s as the winner, its revision tree %s", h.rev, winner.rev)
	case !bytes.Equal(t.encode(t.seq), m):
		k.wrong(id, "its revision tree does not encode to what was read")
	}
	if winner.deleted {
		k.found.Deleted++
	} else {
		k.found.Docs++
	}
	k.lastRow(id, t, winner)
	for _, leaf := range leaves {
		k.leaf(id, leaf)
	}
}

// row reads the row written at seq for a check of a document; what is wrong with the row itself is left to the check of the feed.
func (k *databaseCheck) row(id string, seq uint64, mark byte, use func(raw []byte)) {
	var key [seqKeyLen]byte
	err := k.snap.rows.get(k.view.snap, appendSeqKey(key[:0], k.snap.db.number, seq, mark), func(raw []byte) error {
		use(raw)
		return nil
	})
	if err != nil {
		k.wrong(id, "what was written at %d cannot be read: %s", seq, shortly(err))
		k.whole = false
	}
}

// lastRow checks the row that stands for the document in the feed.
func (k *databaseCheck) lastRow(id string, t *tree, winner *node) {
	k.row(id, t.seq, markRow, func(raw []byte) {
		var row Row
		if raw == nil {
			k.wrong(id, "it was last written at %d, where there is no row", t.seq)
			return
		}
		ask, err := parseRow(raw, &row)
		switch {
		case err != nil:
		case row.ID != id:
			k.wrong(id, "it was last written at %d, where the row is that of %q", t.seq, row.ID)
		case !ask && (t.branched() || row.Rev != winner.rev || row.Deleted != winner.deleted):
			k.wrong(id, "the row of its last write, at %d, names %s as the winner, its revision tree %s", t.seq, row.Rev, winner.rev)
		}
	})
	k.row(id, t.seq, markSuperseded, func(mark []byte) {
		if mark != nil {
			k.wrong(id, "its last write, at %d, is marked as superseded", t.seq)
		}
	})
}

// leaf checks that the body of a leaf is there.
func (k *databaseCheck) leaf(id string, leaf *node) {
	if leaf.body == 0 {
		k.wrong(id, "its leaf %s has no body", leaf.rev)
		return
	}
	k.row(id, leaf.body, markRow, func(raw []byte) {
		var row Row
		if raw == nil {
			k.wrong(id, "the body of its leaf %s, written at %d, is gone", leaf.rev, leaf.body)
			return
		}
		if _, err := parseRow(raw, &row); err == nil && (row.ID != id || row.Rev != leaf.rev || row.Deleted != leaf.deleted) {
			k.wrong(id, "the body of its leaf %s should be at %d, where %s of %q is", leaf.rev, leaf.body, row.Rev, row.ID)
		}
	})
}

// feed checks the rows by sequence, and the documents they belong to.
func (k *databaseCheck) feed() error {
	var marked uint64 // the sequence of a mark whose row has not come yet
	sure := false
	alone := func() {
		if marked != 0 {
			k.wrong("", "there is a mark at %d, but no row", marked)
			marked = 0
		}
	}
	err := k.each(kindSeq, "the rows of the feed", func(key, value []byte) {
		if len(key) != seqKeyLen-prefixLen || key[len(key)-1] > markRow {
			k.wrong("", "a row has a key that nothing writes: %q", key)
			return
		}
		seq := binary.BigEndian.Uint64(key)
		if key[len(key)-1] == markSuperseded {
			alone()
			k.found.Superseded++
			marked, sure = seq, len(value) == 1 && value[0] == 1
			if len(value) != 1 || value[0] > 1 {
				k.wrong("", "the mark at %d says nothing known: %q", seq, value)
			}
			return
		}
		superseded := marked == seq
		if superseded {
			marked = 0
		}
		alone()
		k.found.Seq = seq
		k.feedRow(seq, value, superseded, sure)
	})
	alone()
	return err
}

func (k *databaseCheck) feedRow(seq uint64, raw []byte, superseded, sure bool) {
	var row Row
	if _, err := parseRow(raw, &row); err != nil {
		k.wrong("", "the row at %d cannot be read: %v", seq, err)
		return
	}
	if len(row.Body) < 2 || row.Body[0] != '{' || !json.Valid(row.Body) {
		k.wrong(row.ID, "the body written at %d is no JSON object", seq)
	}
	if k.known && seq > k.snap.stats.Seq {
		k.wrong(row.ID, "it was written at %d, but the database's update sequence is %d", seq, k.snap.stats.Seq)
	}
	m, err := k.snap.meta(row.ID)
	if err != nil {
		k.wrong(row.ID, "its record cannot be read: %s", shortly(err))
		k.whole = false
		return
	}
	if m == nil {
		k.wrong(row.ID, "there is a row at %d, but no such document", seq)
		return
	}
	h, err := m.head()
	switch {
	case err != nil: // told with the documents
	case !superseded && h.seq != seq:
		k.wrong(row.ID, "the row at %d stands in the feed, though the document was last written at %d", seq, h.seq)
	case superseded && h.seq < seq:
		k.wrong(row.ID, "the row at %d is marked as superseded, but the document was last written at %d", seq, h.seq)
	case superseded && sure:
		k.removable(seq, row.ID, m, &h)
	}
}

// removable checks that no leaf needs a row that a compaction would remove without a look at the tree.
func (k *databaseCheck) removable(seq uint64, id string, m meta, h *head) {
	needed := h.body == seq
	if h.branches {
		t, err := m.decode()
		if err != nil {
			return // told with the documents
		}
		for _, leaf := range t.leaves() {
			needed = needed || leaf.body == seq
		}
	}
	if needed {
		k.wrong(id, "the row at %d is marked as removable, but it holds the body of a leaf", seq)
	}
}

// locals checks the local documents.
func (k *databaseCheck) locals() error {
	return k.each(kindLocal, "the local documents", func(key, value []byte) {
		id := string(key)
		_, n := binary.Uvarint(value)
		switch {
		case !strings.HasPrefix(id, localPrefix):
			k.wrong(id, "no local document can have this id")
		case n <= 0 || len(value) < n+2 || value[n] != '{' || !json.Valid(value[n:]):
			k.wrong(id, "the local document cannot be read")
		}
	})
}
