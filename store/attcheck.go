package store

import (
	"bytes"
	"context"
	"crypto/md5" //nolint:gosec // the digest that CouchDB's clients know
	"encoding/binary"
	"errors"
	"fmt"
	"hash"

	"github.com/cockroachdb/pebble/v2"
)

// AttachmentStats is what CheckAttachments has seen.
type AttachmentStats struct {
	Blobs   int   // contents, each kept once
	Refs    int   // revisions' references to them
	Bytes   int64 // of all contents
	Uploads int   // under way
}

// CheckAttachments reads everything that a database keeps for attachments and tells what is wrong: each content is there, whole and with its
// digest, if and only if a revision refers to it.
func (v *Snapshot) CheckAttachments(ctx context.Context) (AttachmentStats, error) {
	c := attachmentCheck{ctx: ctx, v: v, blobs: map[uint64]*checkedBlob{}}
	for _, step := range []func() error{c.uploads, c.rows, c.refs, c.rowRefs, c.names, c.chunks} {
		if err := step(); err != nil {
			return c.stats, fmt.Errorf("its attachments: %w", err)
		}
		if c.partial {
			break
		}
	}
	return c.stats, nil
}

var errAttachments = errors.New("damaged")

type checkedBlob struct {
	digest [16]byte
	length int64
	upload bool
	rows   int // references made by rows
	refs   int // references kept
	named  bool

	sum  hash.Hash
	read int64
}

type attachmentCheck struct {
	ctx     context.Context //nolint:containedctx // of the one call
	v       *Snapshot
	blobs   map[uint64]*checkedBlob
	files   int  // rows with attachments
	partial bool // some rows cannot be read: what refers to what is not known
	stats   AttachmentStats
}

func (c *attachmentCheck) each(kind byte, size int, visit func(key, value []byte) error) error {
	prefix := appendPrefix(nil, c.v.db.number, kind)
	it, err := c.v.view.snap.NewIter(&pebble.IterOptions{LowerBound: prefix, UpperBound: prefixEnd(prefix)})
	if err != nil {
		return err
	}
	for ok := it.First(); ok && c.ctx.Err() == nil; ok = it.Next() {
		key := it.Key()[prefixLen:]
		if len(key) == size {
			err = visit(key, it.Value())
		} else if kind != kindSeq { // of rows, others tell
			err = fmt.Errorf("a key that nothing writes: %q: %w", it.Key()[prefixLen-1:], errAttachments)
		}
		if err != nil {
			break
		}
	}
	return endScan(it, errors.Join(err, c.ctx.Err()))
}

func (c *attachmentCheck) uploads() error {
	return c.each(kindUpload, 8, func(key, _ []byte) error {
		c.blobs[binary.BigEndian.Uint64(key)] = &checkedBlob{upload: true}
		c.stats.Uploads++
		return nil
	})
}

// rows looks at what revisions have.
func (c *attachmentCheck) rows() error {
	var row Row
	return c.each(kindSeq, 9, func(key, value []byte) error {
		if key[8] != markRow {
			return nil
		}
		if _, err := parseRow(value, &row); err != nil {
			c.partial = true
			return nil //nolint:nilerr // the check of the feed tells of it
		}
		if row.files == nil {
			return nil
		}
		c.files++
		seq := binary.BigEndian.Uint64(key)
		var list []byte
		seen := map[uint64]bool{}
		for _, a := range row.Attachments() {
			b := c.blobs[a.blob]
			if b == nil {
				b = &checkedBlob{digest: a.Digest, length: a.Stored}
				c.blobs[a.blob] = b
			}
			if b.upload || b.digest != a.Digest || b.length != a.Stored {
				return fmt.Errorf("%q of %q at %d does not fit its content: %w", a.Name, row.ID, seq, errAttachments)
			}
			if !seen[a.blob] {
				seen[a.blob] = true
				b.rows++
				list = binary.AppendUvarint(list, a.blob)
			}
		}
		kept, err := c.v.get(refsKey(c.v.db.number, seq))
		if err == nil && !bytes.Equal(kept, list) {
			err = fmt.Errorf("the list of the revision of %q at %d differs: %w", row.ID, seq, errAttachments)
		}
		return err
	})
}

func (c *attachmentCheck) refs() error {
	err := c.each(kindRef, 16, func(key, _ []byte) error {
		b := c.blobs[binary.BigEndian.Uint64(key)]
		if b == nil || b.upload {
			return fmt.Errorf("a reference to content %d that no revision has: %w", binary.BigEndian.Uint64(key), errAttachments)
		}
		b.refs++
		c.stats.Refs++
		return nil
	})
	for n, b := range c.blobs {
		if err == nil && b.refs != b.rows {
			err = fmt.Errorf("content %d has %d references, %d revisions have it: %w", n, b.refs, b.rows, errAttachments)
		}
	}
	return err
}

func (c *attachmentCheck) rowRefs() error {
	lists := 0
	err := c.each(kindRefs, 8, func(_, _ []byte) error {
		lists++
		return nil
	})
	if err == nil && lists != c.files {
		err = fmt.Errorf("%d revisions have lists, %d have attachments: %w", lists, c.files, errAttachments)
	}
	return err
}

func (c *attachmentCheck) names() error {
	keys := 0
	err := c.each(kindName, 8, func(key, value []byte) error {
		n := binary.BigEndian.Uint64(key)
		b := c.blobs[n]
		if b == nil || b.upload {
			return fmt.Errorf("the name of content %d, which no revision has: %w", n, errAttachments)
		}
		b.named = true
		back, err := c.v.get(append(appendPrefix(nil, c.v.db.number, kindKey), value...))
		if err == nil && !bytes.Equal(back, binary.AppendUvarint(nil, n)) {
			err = fmt.Errorf("content %d is not found by its name: %w", n, errAttachments)
		}
		keys++
		return err
	})
	if err != nil {
		return err
	}
	for n, b := range c.blobs {
		if !b.upload && !b.named {
			return fmt.Errorf("content %d has no name: %w", n, errAttachments)
		}
	}
	return c.each(kindKey, 32, func(_, _ []byte) error {
		if keys--; keys < 0 {
			return fmt.Errorf("a name without content: %w", errAttachments)
		}
		return nil
	})
}

// chunks reads all bytes.
func (c *attachmentCheck) chunks() error {
	err := c.each(kindBlob, 12, func(key, value []byte) error {
		n := binary.BigEndian.Uint64(key)
		b := c.blobs[n]
		switch {
		case b == nil:
			return fmt.Errorf("content %d, which no revision has: %w", n, errAttachments)
		case b.upload:
			return nil
		case int64(binary.BigEndian.Uint32(key[8:]))*chunkSize != b.read:
			return fmt.Errorf("content %d lacks bytes from %d on: %w", n, b.read, errAttachments)
		case b.sum == nil:
			b.sum = md5.New() //nolint:gosec // see above
		}
		_, _ = b.sum.Write(value)
		b.read += int64(len(value))
		return nil
	})
	for n, b := range c.blobs {
		if err != nil || b.upload {
			continue
		}
		if b.sum == nil {
			b.sum = md5.New() //nolint:gosec // see above
		}
		if b.read != b.length || !bytes.Equal(b.sum.Sum(nil), b.digest[:]) {
			err = fmt.Errorf("content %d has %d bytes of %d, or another digest: %w", n, b.read, b.length, errAttachments)
		}
		c.stats.Blobs++
		c.stats.Bytes += b.read
	}
	return err
}
