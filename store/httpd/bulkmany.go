package httpd

import (
	"errors"
	"fmt"
	"runtime"
	"sync"

	"github.com/adlayer/after/store"
)

const (
	manyRefs    = 128     // documents asked for from which on several read
	mostReaders = 8       // at most, as each holds what it reads
	refsPart    = 128     // of which each takes so many at a time
	refsSize    = 1 << 20 // and no more when they have come to this size
)

// refReader makes a part of an answer of _bulk_get.
type refReader struct {
	snap *store.Snapshot
	b    []byte
	left []bulkRef // what it did not come to
	next bool      // and whether that comes behind other rows
	err  error
}

// errLarge ends the gathering of a row that is very large: all revisions of a document that has many, say. It is sent while it is read.
var errLarge = errors.New("a row is too large to be gathered")

// bulkGetMany answers for many documents. One from anywhere in a large database is found in some tens of microseconds, nearly all of it for
// blocks that have to be read and unpacked: so every processor reads a part of those that come next.
func (c *call) bulkGetMany(s *stream, b []byte, snap *store.Snapshot, refs []bulkRef, o readOptions) error {
	readers := make([]refReader, min(runtime.GOMAXPROCS(0), len(refs)/manyRefs+1, mostReaders))
	for i := range readers {
		readers[i].snap = snap.Another()
	}
	defer func() {
		for i := range readers {
			_ = readers[i].snap.Close() // the reads have told all there is
		}
	}()
	for comma := false; len(refs) > 0; comma = true {
		var under sync.WaitGroup
		for i := range readers {
			r, n := &readers[i], min(refsPart, len(refs))
			part := refs[:n]
			refs = refs[n:]
			comma := comma || i > 0
			under.Go(func() { r.read(part, o, comma) })
		}
		under.Wait()
		for i := range readers {
			r := &readers[i]
			err := r.err
			if err == nil {
				b, err = s.more(append(b, r.b...))
			}
			if err == nil {
				b, err = s.appendRefs(b, snap, r.left, o, r.next)
			}
			if err != nil {
				return s.end(b, err)
			}
		}
		if s.out >= renewAfter {
			if err := c.renewReaders(s, snap, readers); err != nil {
				return s.end(b, err)
			}
		}
	}
	return s.end(append(b, "]}"...), nil)
}

// renewReaders takes a newer snapshot for all.
func (c *call) renewReaders(s *stream, snap *store.Snapshot, readers []refReader) error {
	if err := s.renew(snap); err != nil {
		return err
	}
	for i := range readers {
		_ = readers[i].snap.Close() // the reads have told all there is
		readers[i].snap = snap.Another()
	}
	return nil
}

// read makes the rows of refs until they are large; comma tells that there are others before.
func (r *refReader) read(refs []bulkRef, o readOptions, comma bool) {
	defer func() {
		if p := recover(); p != nil { // on the request's own goroutine it would end the request alone, too
			r.err = errors.Join(r.err, fmt.Errorf("reading documents: %v", p)) //nolint:err113 // the engine's own words
		}
	}()
	r.b, r.left = r.b[:0], nil
	gather := func(b []byte) ([]byte, error) {
		if len(b) >= 2*refsSize {
			return b, errLarge
		}
		return b, nil
	}
	for i := range refs {
		before := len(r.b)
		if r.next = comma || i > 0; r.next {
			r.b = append(r.b, ',')
		}
		r.b, r.err = appendBulkGet(r.b, r.snap, &refs[i], o, gather)
		switch {
		case errors.Is(r.err, errLarge):
			r.b, r.left, r.err = r.b[:before], refs[i:], nil
			return
		case r.err != nil:
			return
		case len(r.b) >= refsSize:
			r.left, r.next = refs[i+1:], true
			return
		}
	}
}

// appendRefs adds the rows of refs one after the other, and sends what has gathered now and then.
func (s *stream) appendRefs(b []byte, snap *store.Snapshot, refs []bulkRef, o readOptions, comma bool) (_ []byte, err error) {
	for i := range refs {
		if i > 0 || comma {
			b = append(b, ',')
		}
		if b, err = appendBulkGet(b, snap, &refs[i], o, s.flush); err == nil {
			b, err = s.more(b)
		}
		if err == nil {
			err = s.renew(snap)
		}
		if err != nil {
			return b, err
		}
	}
	return b, nil
}
