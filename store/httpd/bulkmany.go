package httpd

import (
	"cmp"
	"errors"
	"fmt"
	"runtime"
	"slices"
	"sync"

	"github.com/adlayer/after/store"
)

const (
	manyRefs    = 128     // documents asked for from which on several read
	mostReaders = 8       // at most, as each holds what it reads
	firstPart   = 512     // of which each takes so many at first,
	leastPart   = 16      // at least so many,
	mostPart    = 1024    // and at most so many, as they turn out to be large or small,
	refsSize    = 1 << 20 // and no more when they have come to this size
)

// refReader makes rows of an answer of _bulk_get.
type refReader struct {
	snap *store.Snapshot
	b    []byte
	err  error
}

// gatheredRow is where the row of a document asked for is; zero where it was left to be read when its turn comes.
type gatheredRow struct {
	reader     *refReader
	start, end int
}

// errLarge ends the gathering of a row that is very large: all revisions of a document that has many, say. It is sent while it is read.
var errLarge = errors.New("a row is too large to be gathered")

// bulkGetMany answers for many documents. One from anywhere in a large database is found in some tens of microseconds, nearly all of it for
// blocks that have to be read and unpacked: so every processor reads a part of those that come next, in the order in which they lie.
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
	rows := make([]gatheredRow, min(len(refs), len(readers)*mostPart))
	size := firstPart
	for comma := false; len(refs) > 0; {
		before := s.renewed
		n := min(len(refs), len(readers)*size)
		part, rows := refs[:n], rows[:n]
		refs = refs[n:]
		if err := gatherRows(readers, part, rows, o); err != nil {
			return s.end(b, err)
		}
		size = nextPart(readers, rows)
		for i := range part {
			if comma {
				b = append(b, ',')
			}
			comma = true
			var err error
			if r := rows[i]; r.reader != nil {
				b, err = s.more(append(b, r.reader.b[r.start:r.end]...))
			} else {
				b, err = s.appendRef(b, snap, &part[i], o)
			}
			if err != nil {
				return s.end(b, err)
			}
		}
		if s.out >= renewAfter || s.renewed != before {
			if err := c.renewReaders(s, snap, readers); err != nil {
				return s.end(b, err)
			}
		}
	}
	return s.end(append(b, "]}"...), nil)
}

// gatherRows has the readers share the rows of refs, each those that lie near each other.
func gatherRows(readers []refReader, refs []bulkRef, rows []gatheredRow, o readOptions) error {
	clear(rows)
	order := make([]int, len(refs))
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(refs[a].doc, refs[b].doc) })
	var under sync.WaitGroup
	for i := range readers {
		r, mine := &readers[i], order[i*len(order)/len(readers):(i+1)*len(order)/len(readers)]
		under.Go(func() { r.read(refs, mine, rows, o) })
	}
	under.Wait()
	for i := range readers {
		if readers[i].err != nil {
			return readers[i].err
		}
	}
	return nil
}

// nextPart is how many documents each reader may take next, so that they come to half of what it may gather.
func nextPart(readers []refReader, rows []gatheredRow) int {
	taken, size := 0, 0
	for i := range rows {
		if rows[i].reader != nil {
			taken++
		}
	}
	for i := range readers {
		size += len(readers[i].b)
	}
	if taken == 0 { // they are all large
		return leastPart
	}
	return min(max(refsSize/2*taken/max(size, 1), leastPart), mostPart)
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

// read makes the rows of those of refs that are mine, until they are large.
func (r *refReader) read(refs []bulkRef, mine []int, rows []gatheredRow, o readOptions) {
	defer func() {
		if p := recover(); p != nil { // on the request's own goroutine it would end the request alone, too
			r.err = errors.Join(r.err, fmt.Errorf("reading documents: %v", p)) //nolint:err113 // the engine's own words
		}
	}()
	r.b, r.err = r.b[:0], nil
	if r.err = r.winners(refs, mine, rows, o); r.err != nil {
		return
	}
	gather := func(b []byte) ([]byte, error) {
		if len(b) >= 2*refsSize {
			return b, errLarge
		}
		return b, nil
	}
	for _, i := range mine {
		if rows[i].reader != nil {
			continue
		}
		if len(r.b) >= refsSize {
			return
		}
		before := len(r.b)
		b, err := appendBulkGet(r.b, r.snap, &refs[i], o, gather)
		switch {
		case errors.Is(err, errLarge):
			r.b = b[:before]
			continue
		case err != nil:
			r.err = err
			return
		}
		r.b, rows[i] = b, gatheredRow{r, before, len(b)}
	}
}

// winners makes the rows of documents that are asked for without anything special, in the order in which they lie.
func (r *refReader) winners(refs []bulkRef, mine []int, rows []gatheredRow, o readOptions) error {
	if o.needTree() {
		return nil
	}
	var places []int
	var ids []string
	for _, i := range mine {
		if ref := &refs[i]; ref.plain() && o.view.gate(ref.doc) == nil {
			places, ids = append(places, i), append(ids, ref.doc)
		}
	}
	return r.snap.GetMany(ids, func(n int, row *store.Row) error {
		if row.Branched || len(row.Body) > refsSize {
			return nil
		}
		row, err := o.view.show(row)
		if err != nil {
			return nil //nolint:nilerr // it is told in the row, which is made like those of others that are not as usual
		}
		i, before := places[n], len(r.b)
		r.b = append(append(append(r.b, `{"id":`...), refs[i].id...), `,"docs":[{"ok":`...)
		if r.b, err = appendDocument(r.b, r.snap, nil, row, o, func(b []byte) ([]byte, error) { return b, nil }); err != nil {
			return err
		}
		r.b = append(r.b, "}]}"...)
		rows[i] = gatheredRow{r, before, len(r.b)}
		if len(r.b) >= refsSize {
			return store.ErrStop
		}
		return nil
	})
}

// appendRefs adds the rows of refs one after the other, and sends what has gathered now and then.
func (s *stream) appendRefs(b []byte, snap *store.Snapshot, refs []bulkRef, o readOptions) (_ []byte, err error) {
	for i := range refs {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = s.appendRef(b, snap, &refs[i], o); err != nil {
			return b, err
		}
	}
	return b, nil
}

// appendRef adds one row.
func (s *stream) appendRef(b []byte, snap *store.Snapshot, ref *bulkRef, o readOptions) (_ []byte, err error) {
	if b, err = appendBulkGet(b, snap, ref, o, s.flush); err == nil {
		b, err = s.more(b)
	}
	if err == nil {
		err = s.renew(snap)
	}
	return b, err
}
