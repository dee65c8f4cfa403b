package store

import (
	"context"
	"crypto/md5" //nolint:gosec // the digest that CouchDB's clients know
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"net/http"
	"sync"

	"github.com/cockroachdb/pebble/v2"
)

// chunkSize is how much of an attachment is one value in the engine.
const chunkSize = 64 << 10

// uploadBatch is how many chunks are given to the engine at once.
const uploadBatch = 4

const (
	// storingAtOnce is how many uploads give chunks to the engine at a time: each copies them once more for that.
	storingAtOnce = 8
	// uploadOver is what the keys of these chunks take at most.
	uploadOver = 1 << 10
)

// uploadRoom is the memory of an upload under way. It is used again: there may be many at once, and small ones.
type uploadRoom struct {
	read   [32 << 10]byte
	chunks [uploadBatch * chunkSize]byte
	packer *compressor
}

var uploadRooms sync.Pool //nolint:gochecknoglobals // a pool is shared by nature

func (r *uploadRoom) compressor(w io.Writer) *compressor {
	if r.packer == nil {
		r.packer = &compressor{}
	}
	r.packer.begin(w)
	return r.packer
}

// Upload is the content of an attachment on its way into a database: its bytes are there, but nothing refers to them yet. It must be given to a
// document that is written, or discarded; what neither happened to is removed when the store is opened the next time.
type Upload struct {
	db     *Database
	digest [16]byte // of what is stored
	plain  [16]byte // of what came
	key    [32]byte // what it is known by: two of the same bytes are one
	length int64
	stored int64
	gzip   bool
	given  bool   // it came compressed
	small  []byte // all of it, where it is one chunk at most: it goes with the document
	blob   uint64 // else its number
	taken  bool   // a document has it, or there was one like it
}

// UploadOptions say what an upload is.
type UploadOptions struct {
	// Name is that of the attachment, for errors.
	Name string
	// Type is its content type: some are stored compressed.
	Type string
	// Gzip tells that it comes compressed, and is stored as it is.
	Gzip bool
}

// Upload reads r to its end into the database, a piece at a time. A 413 if it is larger than attachments may be. What r fails with is given as it
// is, and nothing is left behind.
func (d *Database) Upload(ctx context.Context, r io.Reader, o UploadOptions) (*Upload, error) {
	u := &Upload{db: d, given: o.Gzip, gzip: o.Gzip || d.store.compressible(o.Type)}
	room, ok := uploadRooms.Get().(*uploadRoom)
	if !ok {
		room = &uploadRoom{}
	}
	defer uploadRooms.Put(room)
	sink := &chunks{ctx: ctx, u: u, digest: md5.New(), key: sha256.New(), buf: room.chunks[:0], room: room} //nolint:gosec // see above
	err := u.copy(sink, r, o)
	if err == nil {
		err = sink.end()
	}
	if err != nil {
		return nil, errors.Join(err, u.Discard())
	}
	return u, nil
}

func (u *Upload) copy(sink *chunks, r io.Reader, o UploadOptions) error {
	if u.gzip && !u.given {
		z := sink.room.compressor(sink)
		if err := u.pump(z, r, sink.room, o); err != nil {
			return err
		}
		return z.Close()
	}
	return u.pump(sink, r, sink.room, o)
}

// pump copies what comes, counts it and takes its digest.
func (u *Upload) pump(dst io.Writer, r io.Reader, room *uploadRoom, o UploadOptions) error {
	plain := md5.New() //nolint:gosec // see above
	limit := u.db.store.Limits().Attachment
	buf := room.read[:]
	for {
		n, err := r.Read(buf)
		u.length += int64(n)
		if limit > 0 && u.length > limit {
			return &Error{Status: http.StatusRequestEntityTooLarge, Name: "attachment_too_large", Reason: o.Name}
		}
		_, _ = plain.Write(buf[:n])
		if _, err := dst.Write(buf[:n]); err != nil {
			return err
		}
		if errors.Is(err, io.EOF) {
			plain.Sum(u.plain[:0])
			return nil
		}
		if err != nil {
			return err
		}
	}
}

// Digest is the MD5 of the bytes as they came.
func (u *Upload) Digest() [16]byte { return u.plain }

// Discard gives up an upload that no document has. It is safe to call after a write.
func (u *Upload) Discard() error {
	if u.taken || u.blob == 0 {
		return nil
	}
	u.taken = true
	err := u.db.apply(0, func(b *pebble.Batch) error { return dropUpload(b, u.db.number, u.blob) })
	if errors.Is(err, ErrClosed) || IsNotFound(err) {
		return nil // the next opening, or the end of the database, removes it
	}
	return err
}

// dropUpload removes an upload and its bytes.
func dropUpload(b *pebble.Batch, number uint32, blob uint64) error {
	if err := dropChunks(b, number, blob); err != nil {
		return err
	}
	return b.Delete(appendBlobKey(nil, number, kindUpload, blob), nil)
}

func dropChunks(b *pebble.Batch, number uint32, blob uint64) error {
	return b.DeleteRange(appendBlobKey(nil, number, kindBlob, blob), appendBlobKey(nil, number, kindBlob, blob+1), nil)
}

// chunks cuts what is written to it into chunks and stores them.
type chunks struct {
	ctx    context.Context //nolint:containedctx // of one upload, which is one call
	u      *Upload
	digest hash.Hash
	key    hash.Hash
	room   *uploadRoom
	buf    []byte // up to uploadBatch chunks, in room
	next   uint32 // number of the chunk that buf begins with
}

func (c *chunks) Write(p []byte) (int, error) {
	_, _ = c.digest.Write(p)
	_, _ = c.key.Write(p)
	c.u.stored += int64(len(p))
	n := len(p)
	for len(p) > 0 {
		// More is to come: what is in buf is not the whole.
		if len(c.buf) == uploadBatch*chunkSize {
			if err := c.flush(); err != nil {
				return 0, err
			}
		}
		take := min(len(p), uploadBatch*chunkSize-len(c.buf))
		c.buf = append(c.buf, p[:take]...)
		p = p[take:]
	}
	return n, nil
}

// flush stores what is gathered, without waiting for the disk: the document's own batch does.
func (c *chunks) flush() error {
	if err := c.ctx.Err(); err != nil {
		return err
	}
	u := c.u
	select {
	case u.db.store.storing <- struct{}{}:
		defer func() { <-u.db.store.storing }()
	case <-c.ctx.Done():
		return c.ctx.Err()
	}
	first := u.blob == 0
	if first {
		u.blob = u.db.lastBlob.Add(1)
	}
	err := u.db.apply(len(c.buf)+uploadOver, func(b *pebble.Batch) error {
		if first {
			if err := b.Set(appendBlobKey(nil, u.db.number, kindUpload, u.blob), nil, nil); err != nil {
				return err
			}
		}
		for from := 0; from < len(c.buf); from += chunkSize {
			chunk := c.buf[from:min(from+chunkSize, len(c.buf))]
			if err := b.Set(appendChunkKey(nil, u.db.number, u.blob, c.next), chunk, nil); err != nil {
				return err
			}
			c.next++
		}
		return nil
	})
	c.buf = c.buf[:0]
	return err
}

// end stores the rest.
func (c *chunks) end() error {
	u := c.u
	c.digest.Sum(u.digest[:0])
	// How it is encoded belongs to what it is known by: a reader of one must never get the other.
	if u.gzip {
		_, _ = c.key.Write([]byte{1})
	} else {
		_, _ = c.key.Write([]byte{0})
	}
	c.key.Sum(u.key[:0])
	if u.blob == 0 && len(c.buf) <= chunkSize {
		u.small = append([]byte{}, c.buf...)
		return nil
	}
	return c.flush()
}

// apply writes a batch of its own, of about so many bytes, outside of the committer and without waiting for the disk.
func (d *Database) apply(size int, fill func(b *pebble.Batch) error) (err error) {
	s := d.store
	if err := s.begin(); err != nil {
		return err
	}
	defer s.writers.Done()
	d.uploading.RLock()
	defer d.uploading.RUnlock()
	if d.dropped.Load() {
		return noDatabase()
	}
	if err := s.Failed(); err != nil {
		return err
	}
	b := s.db.NewBatchWithSize(size)
	if err := fill(b); err != nil {
		return errors.Join(err, b.Close())
	}
	return s.commit(b, pebble.NoSync)
}

// commit gives a batch to the engine. An error of it ends the store.
func (s *Store) commit(b *pebble.Batch, o *pebble.WriteOptions) (err error) {
	defer func() {
		if p := recover(); p != nil {
			s.fail(fmt.Errorf("the engine panicked: %v", p)) //nolint:err113 // the engine's own words
		}
		if failed := s.Failed(); failed != nil {
			err = failed
		}
	}()
	if err := s.pass(b.Len()); err != nil {
		return errors.Join(err, b.Close())
	}
	if err := b.Commit(o); err != nil {
		s.fail(err)
		return err
	}
	return b.Close()
}
