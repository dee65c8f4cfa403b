package store

import (
	"errors"
	"fmt"
	"io"
)

// AttachmentReader reads the bytes of an attachment as they are stored, a chunk at a time. It belongs to one goroutine, and is good for as long
// as its snapshot is open.
type AttachmentReader struct {
	v     *Snapshot
	a     Attachment
	at    int64
	chunk []byte
	key   []byte
	have  int64 // which chunk is in chunk; -1: none
}

// Attachment begins reading an attachment of a row of this view.
func (v *Snapshot) Attachment(a Attachment) *AttachmentReader {
	return &AttachmentReader{v: v, a: a, have: -1}
}

// Read reads the next bytes.
func (r *AttachmentReader) Read(p []byte) (int, error) {
	if r.at >= r.a.Stored {
		return 0, io.EOF
	}
	if err := r.load(); err != nil {
		return 0, err
	}
	n := copy(p, r.chunk[r.at%chunkSize:])
	r.at += int64(n)
	return n, nil
}

// WriteTo writes what is left.
func (r *AttachmentReader) WriteTo(w io.Writer) (written int64, err error) {
	for r.at < r.a.Stored {
		if err := r.load(); err != nil {
			return written, err
		}
		n, err := w.Write(r.chunk[r.at%chunkSize:])
		r.at += int64(n)
		written += int64(n)
		if err != nil {
			return written, err
		}
	}
	return written, nil
}

// Seek goes to a place.
func (r *AttachmentReader) Seek(offset int64, whence int) (int64, error) {
	switch whence {
	case io.SeekCurrent:
		offset += r.at
	case io.SeekEnd:
		offset += r.a.Stored
	}
	if offset < 0 {
		return 0, errors.New("a place before the start")
	}
	r.at = offset
	return offset, nil
}

// load reads the chunk at r.at.
func (r *AttachmentReader) load() error {
	number := r.at / chunkSize
	if r.have == number {
		return nil
	}
	r.key = appendChunkKey(r.key[:0], r.v.db.number, r.a.blob, uint32(number)) //nolint:gosec // 2^48 bytes at most
	if err := r.get(); err != nil {
		return fmt.Errorf("reading attachment %q of a document of %s: %w", r.a.Name, r.v.db.name, err)
	}
	r.have = number
	if int64(len(r.chunk)) != min(chunkSize, r.a.Stored-number*chunkSize) {
		return fmt.Errorf("attachment %q of a document of %s is not as long as it should be: %w", r.a.Name, r.v.db.name, errCorrupt)
	}
	return nil
}

// get reads the value of r.key into r.chunk.
func (r *AttachmentReader) get() error {
	view := r.v.view
	if view == nil { // it was detached: any view has the blob
		if err := r.v.db.readable(); err != nil {
			return err
		}
		s := r.v.db.store
		if view = s.views.acquire(); view == nil {
			return ErrClosed
		}
		defer s.views.release(view)
	}
	return pointRead(view.snap, r.key, func(value []byte) error {
		if value == nil {
			return errCorrupt
		}
		r.chunk = append(r.chunk[:0], value...)
		return nil
	})
}
