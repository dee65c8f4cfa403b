package store

import (
	"encoding/binary"
	"errors"

	"github.com/cockroachdb/pebble/v2"
)

// blobChanges are what groups that may not be in the engine yet do to the blobs of a database. They belong to the committer.
type blobChanges struct {
	refs map[uint64]map[uint64]bool // blob, row: the reference is made (true) or removed
	keys map[[32]byte]uint64        // the blob of a content; 0: it has gone
	gone []uint64                   // blobs that are removed
}

func newBlobChanges() blobChanges {
	return blobChanges{refs: map[uint64]map[uint64]bool{}, keys: map[[32]byte]uint64{}}
}

func (c *blobChanges) clear() {
	clear(c.refs)
	clear(c.keys)
	c.gone = c.gone[:0]
}

func (c *blobChanges) ref(blob, seq uint64, made bool) {
	rows := c.refs[blob]
	if rows == nil {
		rows = map[uint64]bool{}
		c.refs[blob] = rows
	}
	rows[seq] = made
}

// referred tells whether a row refers to a blob, as of the newest decision, not counting rows that are going.
func (d *Database) referred(blob uint64, going map[uint64]bool) (bool, error) {
	newest, older := d.blobs.refs[blob], d.blobsBehind.refs[blob]
	for seq, made := range newest {
		if made && !going[seq] {
			return true, nil
		}
	}
	for seq, made := range older {
		if _, later := newest[seq]; made && !later && !going[seq] {
			return true, nil
		}
	}
	it, err := d.store.db.NewIter(&pebble.IterOptions{
		LowerBound: appendBlobKey(nil, d.number, kindRef, blob), UpperBound: appendBlobKey(nil, d.number, kindRef, blob+1),
	})
	if err != nil {
		return false, err
	}
	found := false
	for ok := it.First(); ok && !found; ok = it.Next() {
		seq := binary.BigEndian.Uint64(it.Key()[prefixLen+8:])
		_, changed := newest[seq]
		if !changed {
			_, changed = older[seq]
		}
		found = !changed && !going[seq] // those that are made have been seen above
	}
	return found, it.Close()
}

// blobOf finds the blob with a content; 0 if there is none.
func (d *Database) blobOf(key *[32]byte) (uint64, error) {
	for _, c := range []*blobChanges{&d.blobs, &d.blobsBehind} {
		if blob, ok := c.keys[*key]; ok {
			return blob, nil
		}
	}
	raw, err := getCopy(d.store.db, appendContentKey(nil, d.number, key))
	if err != nil || raw == nil {
		return 0, err
	}
	blob, n := binary.Uvarint(raw)
	if n <= 0 {
		return 0, errCorrupt
	}
	return blob, nil
}

// attachable tells whether the attachments of a document can be referred to: what it takes from another revision must still be there. All that
// is to be read for them is read here, before anything is written.
func (w *writer) attachable(doc *Doc, res *Result) (bool, error) {
	for i := range doc.Attachments {
		a := &doc.Attachments[i]
		there := false
		var err error
		switch a.source {
		case sourceUpload:
			a.blob, err = w.db.blobOf(&a.upload.key)
			there = true
		case sourceStored:
			there, err = w.db.referred(a.blob, nil)
		case sourceStub, sourceInline, sourceFollows: // Write has left none of them but in documents that it expected to be refused
		}
		if err != nil {
			return false, err
		}
		if !there {
			res.Err = missingStub(doc.ID, a.Name)
			return false, nil
		}
	}
	return true, nil
}

// refer makes the row at seq, of the revision rev, refer to the blobs of the document's attachments; uploads become blobs.
func (w *writer) refer(doc *Doc, rev *Rev, seq uint64) error {
	d := w.db
	blobs := make(map[uint64]bool, len(doc.Attachments))
	var list []byte
	for i := range doc.Attachments {
		a := &doc.Attachments[i]
		if a.source == sourceUpload {
			if err := w.adopt(a); err != nil {
				return err
			}
			if !w.replicated || a.RevPos == 0 {
				a.RevPos = rev.Pos
			}
		}
		if blobs[a.blob] {
			continue
		}
		blobs[a.blob] = true
		d.blobs.ref(a.blob, seq, true)
		if err := w.batch.Set(appendRefKey(nil, d.number, a.blob, seq), nil, nil); err != nil {
			return err
		}
		list = binary.AppendUvarint(list, a.blob)
	}
	return w.batch.Set(refsKey(d.number, seq), list, nil)
}

// adopt gives the content of an upload its place: that of one which is there already, or its own.
func (w *writer) adopt(a *Attachment) (err error) {
	d, u := w.db, a.upload
	if a.blob == 0 {
		a.blob = d.blobs.keys[u.key] // another attachment of this document may have brought it
	}
	taken := u.taken
	u.taken = true
	switch {
	case a.blob != 0 && u.blob != 0 && !taken && a.blob != u.blob:
		return dropUpload(w.batch, d.number, u.blob)
	case a.blob != 0:
		return nil
	}
	if u.blob == 0 {
		a.blob = d.lastBlob.Add(1)
		if len(u.small) > 0 {
			err = w.batch.Set(appendChunkKey(nil, d.number, a.blob, 0), u.small, nil)
		}
	} else {
		a.blob = u.blob
		err = w.batch.Delete(appendBlobKey(nil, d.number, kindUpload, u.blob), nil)
	}
	if err != nil {
		return err
	}
	d.blobs.keys[u.key] = a.blob
	if err := w.batch.Set(appendContentKey(nil, d.number, &u.key), binary.AppendUvarint(nil, a.blob), nil); err != nil {
		return err
	}
	return w.batch.Set(appendBlobKey(nil, d.number, kindName, a.blob), u.key[:], nil)
}

// released is what goes with rows that go.
type released struct {
	rows  []releasedRow
	blobs map[uint64][32]byte // those to which nothing refers any more, with the keys of their contents
}

type releasedRow struct {
	seq   uint64
	blobs []uint64
}

// release removes the references of rows that go, and the blobs to which nothing refers any more. The sequences ascend. All is read before
// anything is written, so that what cannot be read leaves nothing by half.
func (d *Database) release(b *pebble.Batch, seqs []uint64) error {
	r, err := d.releasable(seqs)
	if err != nil {
		return err
	}
	for _, row := range r.rows {
		if err := b.Delete(refsKey(d.number, row.seq), nil); err != nil {
			return err
		}
		for _, blob := range row.blobs {
			d.blobs.ref(blob, row.seq, false)
			if err := b.Delete(appendRefKey(nil, d.number, blob, row.seq), nil); err != nil {
				return err
			}
		}
	}
	for blob, key := range r.blobs {
		if err := d.free(b, blob, &key); err != nil {
			return err
		}
	}
	return nil
}

func (d *Database) releasable(seqs []uint64) (r released, err error) {
	it, err := d.store.db.NewIter(&pebble.IterOptions{
		LowerBound: refsKey(d.number, seqs[0]), UpperBound: refsKey(d.number, seqs[len(seqs)-1]+1),
	})
	if err != nil {
		return r, err
	}
	going := make(map[uint64]bool, len(seqs))
	for _, seq := range seqs {
		going[seq] = true
	}
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		if seq := binary.BigEndian.Uint64(it.Key()[prefixLen:]); going[seq] {
			row := releasedRow{seq: seq}
			row.blobs, err = parseRefs(it.Value())
			r.rows = append(r.rows, row)
		}
	}
	if err := errors.Join(err, it.Close()); err != nil {
		return r, err
	}
	r.blobs = map[uint64][32]byte{}
	looked := map[uint64]bool{}
	for _, row := range r.rows {
		for _, blob := range row.blobs {
			if looked[blob] {
				continue
			}
			looked[blob] = true
			if kept, err := d.referred(blob, going); err != nil || kept {
				if err != nil {
					return r, err
				}
				continue
			}
			if r.blobs[blob], err = d.contentOf(blob); err != nil {
				return r, err
			}
		}
	}
	return r, nil
}

// parseRefs reads the blobs that a row refers to.
func parseRefs(raw []byte) (blobs []uint64, err error) {
	for len(raw) > 0 {
		blob, n := binary.Uvarint(raw)
		if n <= 0 {
			return nil, errCorrupt
		}
		raw = raw[n:]
		blobs = append(blobs, blob)
	}
	return blobs, nil
}

// contentOf reads the key of a blob's content.
func (d *Database) contentOf(blob uint64) (key [32]byte, err error) {
	raw, err := getCopy(d.store.db, appendBlobKey(nil, d.number, kindName, blob))
	if err == nil && copy(key[:], raw) != len(key) {
		err = errCorrupt
	}
	return key, err
}

// free removes a blob. Where somebody reads it, its bytes become an upload that nothing refers to: the last reader removes them, or the next opening.
func (d *Database) free(b *pebble.Batch, blob uint64, key *[32]byte) error {
	d.blobs.keys[*key] = 0
	err := errors.Join(b.Delete(appendBlobKey(nil, d.number, kindName, blob), nil), b.Delete(appendContentKey(nil, d.number, key), nil))
	if err != nil {
		return err
	}
	if d.pins.free(blob) {
		return b.Set(appendBlobKey(nil, d.number, kindUpload, blob), nil, nil)
	}
	d.blobs.gone = append(d.blobs.gone, blob)
	return dropChunks(b, d.number, blob)
}

// recoverBlobs removes the uploads that a crash cut short, and finds the last number given.
func (d *Database) recoverBlobs() error {
	if d.store.readOnly {
		return nil
	}
	db := d.store.db
	lower := appendPrefix(nil, d.number, kindUpload)
	it, err := db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: prefixEnd(lower)})
	if err != nil {
		return err
	}
	b := db.NewBatch()
	last := uint64(0)
	for ok := it.First(); ok && err == nil; ok = it.Next() {
		last = binary.BigEndian.Uint64(it.Key()[prefixLen:])
		err = dropUpload(b, d.number, last)
	}
	if err = errors.Join(err, it.Close()); err == nil && !b.Empty() {
		err = b.Commit(pebble.Sync)
	}
	if err = errors.Join(err, b.Close()); err != nil {
		return err
	}
	lower = appendPrefix(nil, d.number, kindRef)
	it, err = db.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: prefixEnd(lower)})
	if err != nil {
		return err
	}
	if it.Last() {
		last = max(last, binary.BigEndian.Uint64(it.Key()[prefixLen:]))
	}
	d.lastBlob.Store(last)
	return it.Close()
}
