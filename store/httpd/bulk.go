package httpd

import (
	"net/http"
	"sync"

	"github.com/adlayer/after/store"
)

// parsers keep their memory from request to request.
var parsers = sync.Pool{New: func() any { return new(store.Parser) }} //nolint:gochecknoglobals // a pool is shared by nature

func getParser(s *Server) *store.Parser {
	p, ok := parsers.Get().(*store.Parser)
	if !ok {
		p = new(store.Parser)
	}
	p.MaxDocument = s.store.MaxDocument()
	p.MaxDocs = s.settings.now().maxBulkDocs
	return p
}

func putParser(p *store.Parser) {
	if p.Size() <= keepBuffer {
		parsers.Put(p)
	}
}

// docLists are the documents of bulk writes, kept likewise.
var docLists = sync.Pool{New: func() any { return new([]store.Doc) }} //nolint:gochecknoglobals // a pool is shared by nature

const keepDocs = 10_000

func (c *call) bulkDocs() error {
	if err := c.allow(http.MethodPost); err != nil {
		return err
	}
	if err := c.wantJSON(); err != nil {
		return err
	}
	c.s.counts.bulk.Add(1)
	raw, done, err := c.body()
	if err != nil {
		return err
	}
	defer done()
	p := getParser(c.s)
	defer putParser(p)
	list, ok := docLists.Get().(*[]store.Doc)
	if !ok {
		list = new([]store.Doc)
	}
	docs, newEdits, err := p.Bulk(raw, (*list)[:0])
	defer func() {
		if cap(docs) <= keepDocs {
			clear(docs)
			*list = docs[:0]
			docLists.Put(list)
		}
	}()
	if err != nil {
		return err
	}
	for i := range docs {
		if docs[i].ID == "" {
			docs[i].ID = c.s.uuids.next()
		}
	}
	if p.AllOrNothing && newEdits && len(docs) > 0 { // replicators do not ask for it
		return c.refuseAll(docs)
	}
	for i := range docs {
		if err := c.mayWrite(docs[i].ID); err != nil {
			docs[i].Refused = asError(err)
			continue
		}
		if err := c.prepareUser(&docs[i]); err != nil {
			docs[i].Refused = asError(err)
		}
	}
	c.s.counts.batches.add(c.s.counts.seconds(), uint64(len(docs)))
	results, err := c.write(docs, store.WriteOptions{Replicated: !newEdits})
	if err != nil {
		return err
	}
	b := getBuffer()
	defer putBuffer(b)
	return c.answer(http.StatusCreated, appendResults(b.AvailableBuffer(), docs, results, newEdits))
}

// refuseAll answers who wants all documents to be written or none, which CouchDB has had no more since 2.0: it writes none.
func (c *call) refuseAll(docs []store.Doc) error {
	b := []byte{'['}
	for i := range docs {
		if i > 0 {
			b = append(b, ',')
		}
		rev := "0-"
		if !docs[i].Rev.IsZero() {
			rev = docs[i].Rev.String()
		}
		b = store.AppendString(append(b, `{"id":`...), docs[i].ID)
		b = store.AppendString(append(b, `,"rev":`...), rev)
		b = append(b, `,"error":"not_implemented","reason":"all_or_nothing is not supported"}`...)
	}
	return c.answer(http.StatusExpectationFailed, append(b, ']'))
}

// appendResults adds the rows of a bulk write; of a replicator's only those that were refused.
func appendResults(b []byte, docs []store.Doc, results []store.Result, newEdits bool) []byte {
	b = append(b, '[')
	empty := true
	for i := range results {
		r := &results[i]
		if r.Err == nil && !newEdits {
			continue
		}
		if !empty {
			b = append(b, ',')
		}
		empty = false
		if r.Err == nil {
			b = store.AppendString(append(b, `{"ok":true,"id":`...), r.ID)
			b = append(r.Rev.Append(append(b, `,"rev":"`...)), `"}`...)
			continue
		}
		b = store.AppendString(append(b, `{"id":`...), r.ID)
		if !newEdits {
			b = append(docs[i].Rev.Append(append(b, `,"rev":"`...)), '"')
		}
		b = store.AppendString(append(b, `,"error":`...), r.Err.Name)
		b = append(store.AppendString(append(b, `,"reason":`...), r.Err.Reason), '}')
	}
	return append(b, ']')
}
