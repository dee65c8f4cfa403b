package httpd

import (
	"encoding/json"
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
	p.MaxDocs = maxBulkDocs
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

// maxBulkDocs bounds the documents of one bulk write: many tiny ones take far more memory than their bytes.
const maxBulkDocs = 200_000

func (c *call) bulkDocs() error {
	if err := c.allow(http.MethodPost); err != nil {
		return err
	}
	if err := c.wantJSON(); err != nil {
		return err
	}
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
		if err := c.mayWrite(docs[i].ID); err != nil {
			docs[i].Refused = asError(err)
			continue
		}
		if err := c.prepareUser(&docs[i]); err != nil {
			return err
		}
	}
	results, err := c.write(docs, store.WriteOptions{Replicated: !newEdits})
	if err != nil {
		return err
	}
	b := getBuffer()
	defer putBuffer(b)
	return c.answer(http.StatusCreated, appendResults(b.AvailableBuffer(), docs, results, newEdits))
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

// bulkGet reads many documents, each by id or by id and revision.
func (c *call) bulkGet() error {
	if err := c.allow(http.MethodPost); err != nil {
		return err
	}
	if err := c.wantJSON(); err != nil {
		return err
	}
	m, err := c.object(false)
	if err != nil {
		return err
	}
	raw, ok := m["docs"]
	var refs []json.RawMessage
	if !ok {
		return store.BadRequest("Missing JSON list of 'docs'.")
	}
	if json.Unmarshal(raw, &refs) != nil {
		return store.BadRequest("`docs` parameter must be an array.")
	}
	snap, err := c.db.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	o := c.readOptions()
	if kind := c.multipartKind(); kind != "" {
		return c.bulkGetParts(kind, snap, refs, o)
	}
	buf := getBuffer()
	defer putBuffer(buf)
	b := append(buf.AvailableBuffer(), `{"results":[`...)
	for i, ref := range refs {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendBulkGet(b, snap, ref, o); err != nil {
			return err
		}
	}
	return c.answer(http.StatusOK, append(b, "]}"...))
}

// bulkRef is one document asked for.
type bulkRef struct {
	ID  *string `json:"id"`
	Rev *string `json:"rev"`
}

func appendBulkGet(b []byte, snap *store.Snapshot, raw json.RawMessage, o readOptions) ([]byte, error) {
	var ref bulkRef
	if raw[0] != '{' {
		return appendBulkError(b, ref, "null", store.BadRequest("document must be a JSON object")), nil
	}
	if json.Unmarshal(raw, &ref) != nil {
		return b, store.BadRequest("`id` and `rev` must be strings")
	}
	if ref.ID == nil {
		ref.Rev = nil
		return appendBulkError(b, ref, "null", store.BadRequest("document id missed")), nil
	}
	if err := store.CheckID(*ref.ID); err != nil {
		return appendBulkError(b, ref, "null", err), nil
	}
	if ref.Rev == nil && !o.needTree() {
		row, err := snap.Get(*ref.ID)
		if err == nil && !row.Branched {
			b = store.AppendString(append(b, `{"id":`...), *ref.ID)
			return append(row.AppendJSON(append(b, `,"docs":[{"ok":`...)), `}]}`...), nil
		}
		if err != nil && !store.IsNotFound(err) {
			return b, err
		}
	}
	return appendBulkRevs(b, snap, ref, o)
}

func appendBulkRevs(b []byte, snap *store.Snapshot, ref bulkRef, o readOptions) ([]byte, error) {
	var revs []store.Rev
	if ref.Rev != nil {
		rev, err := store.ParseRev(*ref.Rev)
		if err != nil {
			return appendBulkError(b, ref, "null", err), nil
		}
		revs = []store.Rev{rev}
	}
	found, err := leavesOrRevs(snap, *ref.ID, revs, ref.Rev == nil, o)
	if err != nil {
		if store.IsNotFound(err) {
			return appendBulkError(b, ref, `"undefined"`, err), nil
		}
		return b, err
	}
	b = store.AppendString(append(b, `{"id":`...), *ref.ID)
	b = append(b, `,"docs":[`...)
	for i, f := range found {
		if i > 0 {
			b = append(b, ',')
		}
		if f.doc != nil {
			b = append(append(append(b, `{"ok":`...), f.doc...), '}')
			continue
		}
		b = append(f.rev.Append(append(b, `{"error":{"rev":"`...)), `","reason":"missing","id":`...)
		b = append(store.AppendString(b, *ref.ID), `,"error":"not_found"}}`...)
	}
	return append(b, "]}"...), nil
}

// appendBulkError adds a row of _bulk_get that is an error; noRev stands where no revision was named.
func appendBulkError(b []byte, ref bulkRef, noRev string, err error) []byte {
	e := asError(err)
	id := []byte("null")
	if ref.ID != nil {
		id = store.AppendString(nil, *ref.ID)
	}
	b = append(append(append(b, `{"id":`...), id...), `,"docs":[{"error":{"rev":`...)
	if ref.Rev != nil {
		b = store.AppendString(b, *ref.Rev)
	} else {
		b = append(b, noRev...)
	}
	b = store.AppendString(append(b, `,"reason":`...), e.Reason)
	b = append(append(b, `,"id":`...), id...)
	return append(store.AppendString(append(b, `,"error":`...), e.Name), `}}]}`...)
}
