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
	o, err := c.readOptions()
	if err != nil {
		return err
	}
	if kind := c.bulkKind(); kind != "" {
		return c.bulkGetParts(kind, snap, refs, o)
	}
	buf := getBuffer()
	defer putBuffer(buf)
	s := &stream{c: c}
	b := append(buf.AvailableBuffer(), `{"results":[`...)
	for i, ref := range refs {
		if i > 0 {
			b = append(b, ',')
		}
		if b, err = appendBulkGet(b, snap, ref, o, s.flush); err != nil {
			return s.end(b, err)
		}
	}
	return s.end(append(b, "]}"...), nil)
}

// bulkRef is one document asked for.
type bulkRef struct {
	ID    *string         `json:"id"`
	Rev   *string         `json:"rev"`
	Since json.RawMessage `json:"atts_since"`
}

// bulkResult is what was found of one document asked for.
type bulkResult struct {
	ref   bulkRef
	o     readOptions
	tree  *store.Tree // nil where it was not needed
	found []openRev
	err   error  // instead
	noRev string // with err: what stands where no revision was named
}

// bulkGetOne reads one document asked for. An error refuses the whole request.
func bulkGetOne(snap *store.Snapshot, raw json.RawMessage, o readOptions) (res bulkResult, err error) {
	res = bulkResult{o: o, noRev: "null"}
	if raw[0] != '{' {
		res.err = store.BadRequest("document must be a JSON object")
		return res, nil
	}
	if json.Unmarshal(raw, &res.ref) != nil {
		return res, store.BadRequest("`id` and `rev` must be strings")
	}
	ref := &res.ref
	if ref.ID == nil {
		ref.Rev = nil
		res.err = store.BadRequest("document id missed")
		return res, nil
	}
	if res.err = store.CheckID(*ref.ID); res.err != nil {
		return res, nil //nolint:nilerr // it is told in the row
	}
	if ref.Since != nil {
		if res.o.files.since, err = parseRevList(ref.Since); err != nil {
			return res, err
		}
	}
	if ref.Rev == nil && !res.o.needTree() {
		row, err := snap.Get(*ref.ID)
		if err == nil && !row.Branched {
			res.found = []openRev{{row.Rev, row}}
			return res, nil
		}
		if err != nil && !store.IsNotFound(err) {
			return res, err
		}
	}
	var revs []store.Rev
	if ref.Rev != nil {
		var rev store.Rev
		if rev, res.err = store.ParseRev(*ref.Rev); res.err != nil {
			return res, nil //nolint:nilerr // it is told in the row
		}
		revs = []store.Rev{rev}
	}
	res.tree, res.found, err = leavesOrRevs(snap, *ref.ID, revs, ref.Rev == nil, res.o)
	if store.IsNotFound(err) {
		res.err, res.noRev, err = err, `"undefined"`, nil
	}
	return res, err
}

func appendBulkGet(b []byte, snap *store.Snapshot, raw json.RawMessage, o readOptions, flush flusher) ([]byte, error) {
	got, err := bulkGetOne(snap, raw, o)
	if err != nil {
		return b, err
	}
	b = append(append(append(b, `{"id":`...), got.ref.id()...), `,"docs":[`...)
	if got.err != nil {
		return append(appendBulkError(append(b, `{"error":`...), got.ref, got.noRev, got.err), "}]}"...), nil //nolint:nilerr // it is told in the row
	}
	for i, f := range got.found {
		if i > 0 {
			b = append(b, ',')
		}
		if f.row == nil {
			b = append(appendBulkMissing(append(b, `{"error":`...), got.ref, f.rev), '}')
			continue
		}
		if b, err = appendDocument(append(b, `{"ok":`...), snap, got.tree, f.row, got.o, flush); err != nil {
			return b, err
		}
		b = append(b, '}')
	}
	return append(b, "]}"...), nil
}

// id is the id as JSON.
func (r *bulkRef) id() []byte {
	if r.ID == nil {
		return []byte("null")
	}
	return store.AppendString(nil, *r.ID)
}

// appendBulkMissing adds the error of a revision that is not there.
func appendBulkMissing(b []byte, ref bulkRef, rev store.Rev) []byte {
	b = append(rev.Append(append(b, `{"rev":"`...)), `","reason":"missing","id":`...)
	return append(append(b, ref.id()...), `,"error":"not_found"}`...)
}

// appendBulkError adds an error of _bulk_get; noRev stands where no revision was named.
func appendBulkError(b []byte, ref bulkRef, noRev string, err error) []byte {
	e := asError(err)
	b = append(b, `{"rev":`...)
	if ref.Rev != nil {
		b = store.AppendString(b, *ref.Rev)
	} else {
		b = append(b, noRev...)
	}
	b = store.AppendString(append(b, `,"reason":`...), e.Reason)
	b = append(append(b, `,"id":`...), ref.id()...)
	return append(store.AppendString(append(b, `,"error":`...), e.Name), '}')
}
