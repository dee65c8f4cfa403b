package couch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"unsafe"
)

// Result is what became of one document of a bulk write.
type Result struct {
	ID  string
	Rev string // the new revision; empty where the row was refused
	// Error and Reason say why the row was refused: "conflict", "forbidden", "unauthorized", ... Both empty: it was written.
	Error, Reason string
	// Accepted: a cluster took the row without a quorum; another revision may yet win.
	Accepted bool
}

// OK says whether the document was written.
func (r Result) OK() bool { return r.Error == "" && r.Rev != "" }

// Err is why the row was refused, as an error for which [IsConflict] and the others work; nil where it was written.
func (r Result) Err() error {
	if r.OK() {
		return nil
	}
	status := http.StatusInternalServerError
	switch r.Error {
	case "conflict":
		status = http.StatusConflict
	case "forbidden":
		status = http.StatusForbidden
	case "unauthorized":
		status = http.StatusUnauthorized
	case "bad_request", "doc_validation":
		status = http.StatusBadRequest
	case "document_too_large", "too_large":
		status = http.StatusRequestEntityTooLarge
	}
	return &Error{Op: "writing document " + r.ID, Status: status, Name: r.Error, Reason: r.Reason}
}

//nolint:gochecknoglobals // constants in the form that a body is made of
var (
	docsHead  = []byte(`{"docs":[`)
	comma     = []byte(`,`)
	arrayTail = []byte(`]}`)
)

// answers holds the memory that answers of bulk writes are read into; nothing of them outlives the call.
//
//nolint:gochecknoglobals // a pool
var answers = sync.Pool{New: func() any { b := make([]byte, 0, bufferSize); return &b }}

// largestPooled is how large a buffer may have become to be used again.
const largestPooled = 4 << 20

// Bulk writes documents in one request and returns one result for each, in their order. Each is a JSON object that carries
// its _id, and its _rev where the document is there already; the bytes are sent from where they lie and are not kept. One
// that is refused does not hold up the others. An error means that the request as a whole failed: the server refused it
// (400, 413: a document that it cannot read, or too much at once), or no answer came, and then it is open whether the
// documents were written.
func (d *Database) Bulk(ctx context.Context, docs [][]byte) ([]Result, error) {
	if len(docs) == 0 {
		return nil, nil
	}
	op := fmt.Sprintf("writing %d documents to %s", len(docs), d.name)
	body := make([][]byte, 0, 2*len(docs)+1)
	body = append(body, docsHead)
	for i, doc := range docs {
		if i > 0 {
			body = append(body, comma)
		}
		body = append(body, doc)
	}
	body = append(body, arrayTail)

	ctx, cancel := withTimeout(ctx, d.client.timeout)
	defer cancel()
	response, release, err := d.client.send(ctx, call{op: op, method: http.MethodPost, path: d.path + "/_bulk_docs", body: body})
	if err != nil {
		return nil, err
	}
	defer release()
	defer response.Body.Close() //nolint:errcheck // the answer was read, or its error is returned
	if response.StatusCode >= http.StatusMultipleChoices {
		return nil, refusal(op, response)
	}
	buffer := answers.Get().(*[]byte) //nolint:errcheck,forcetypeassert // the pool holds nothing else
	answer, err := readAll(response, (*buffer)[:0])
	defer func() {
		if cap(answer) <= largestPooled {
			*buffer = answer[:0]
			answers.Put(buffer)
		}
	}()
	if err != nil {
		return nil, fmt.Errorf("%s: reading the answer: %w", op, err)
	}
	results, err := parseResults(answer, len(docs))
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return results, nil
}

// parseResults reads the rows of a bulk write. All ids share one string, and so do all revisions: two allocations instead of
// two thousand, and who keeps a revision keeps no ids.
func parseResults(answer []byte, count int) ([]Result, error) {
	results := make([]Result, 0, count)
	ids, revs := make([]byte, 0, 32*count), make([]byte, 0, 36*count)
	err := Elements(answer, func(row []byte) bool {
		var r Result
		_ = Members(row, func(name, value []byte) bool {
			switch string(name) {
			case "id":
				ids, r.ID = share(ids, value)
			case "rev":
				revs, r.Rev = share(revs, value)
			case "error":
				r.Error = text(value)
			case "reason":
				r.Reason = text(value)
			case "accepted":
				r.Accepted = string(value) == "true"
			}
			return true
		})
		if r.Error == "" && r.Rev == "" {
			r.Error, r.Reason = "unknown_error", "the answer's row names neither a revision nor an error: "+excerpt(row)
		}
		results = append(results, r)
		return true
	})
	if err != nil {
		return nil, fmt.Errorf("%w: %s", ErrForeign, excerpt(answer))
	}
	if len(results) != count {
		return nil, fmt.Errorf("the answer has %d rows for %d documents", len(results), count)
	}
	return results, nil
}

// share appends a JSON string's text to the arena and returns it as a string that lies there; what does not fit gets memory
// of its own. Bytes of the arena are never changed once written, which is what lets strings lie in it.
func share(arena, value []byte) (rest []byte, s string) {
	n := len(value) - 2
	if n <= 0 || value[0] != '"' || len(arena)+n > cap(arena) {
		return arena, text(value)
	}
	if bytes.IndexByte(value, '\\') >= 0 {
		return arena, text(value)
	}
	start := len(arena)
	arena = append(arena, value[1:n+1]...)
	return arena, unsafe.String(&arena[start], n) //nolint:gosec // see above: written once
}

// Ref names a document, or one revision of it.
type Ref struct {
	ID  string
	Rev string // empty: the winner
}

// Tombstone is the document that deletes the revision when it is written.
func (r Ref) Tombstone() []byte {
	raw, _ := json.Marshal(map[string]any{"_id": r.ID, "_rev": r.Rev, "_deleted": true}) // texts can always be encoded
	return raw
}

// BulkGet reads many documents in one request and returns one for each ref, in their order: the winner with its conflicts, or
// the revision asked for. An id may come only once: some servers make one row of several. What is deleted comes as its
// tombstone, marked Deleted; what is not there is marked Missing. The bodies share one block of memory, which lives as long as
// any of them.
func (d *Database) BulkGet(ctx context.Context, refs []Ref) ([]Document, error) {
	if len(refs) == 0 {
		return nil, nil
	}
	op := fmt.Sprintf("reading %d documents of %s", len(refs), d.name)
	body := make([]byte, 0, 64*len(refs)+16)
	body = append(body, docsHead...)
	for i, ref := range refs {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, `{"id":`...)
		body = appendString(body, ref.ID)
		if ref.Rev != "" {
			body = append(body, `,"rev":`...)
			body = appendString(body, ref.Rev)
		}
		body = append(body, '}')
	}
	body = append(body, arrayTail...)
	answer, err := d.post(ctx, d.client.timeout, op, "/_bulk_get", true, body)
	if err != nil {
		return nil, err
	}
	docs, err := parseBulkGet(answer, refs)
	if err != nil {
		return nil, fmt.Errorf("%s: %w", op, err)
	}
	return docs, nil
}

func parseBulkGet(answer []byte, refs []Ref) ([]Document, error) {
	docs := make([]Document, 0, len(refs))
	var failed error
	eachResult := func(result []byte) bool {
		if len(docs) == len(refs) {
			failed = fmt.Errorf("the answer has more rows than the %d documents asked for", len(refs))
			return false
		}
		doc, err := parseBulkGetRow(result, refs[len(docs)])
		docs = append(docs, doc)
		failed = err
		return err == nil
	}
	err := Members(answer, func(name, value []byte) bool {
		if string(name) == "results" && Elements(value, eachResult) != nil {
			failed = errShape
		}
		return failed == nil
	})
	switch {
	case err != nil:
		return nil, fmt.Errorf("%w: %s", ErrForeign, excerpt(answer))
	case failed != nil:
		return nil, failed
	case len(docs) != len(refs):
		return nil, fmt.Errorf("the answer has %d rows for %d documents", len(docs), len(refs))
	}
	return docs, nil
}

// parseBulkGetRow reads {"id": ..., "docs": [{"ok": {...}} or {"error": {...}}, ...]}. Where no revision was asked for, the
// elements are all leaves, in any order.
func parseBulkGetRow(row []byte, ref Ref) (Document, error) {
	doc := Document{ID: ref.ID, Rev: ref.Rev, Missing: true}
	var refused error
	leaf := func(name, value []byte) bool {
		switch string(name) {
		case "ok":
			if found := parseDocument(value); found.Rev != "" {
				found.ID = ref.ID
				doc = doc.with(found)
			}
		case "error":
			refused = rowRefusal(value, ref)
		}
		return true
	}
	err := Members(row, func(name, value []byte) bool {
		if string(name) != "docs" {
			return true
		}
		_ = Elements(value, func(element []byte) bool { return Members(element, leaf) == nil })
		return true
	})
	if err != nil {
		return doc, fmt.Errorf("the answer's row is not CouchDB's: %s", excerpt(row))
	}
	if !doc.Missing {
		return doc, nil
	}
	return doc, refused
}

// with gives the winner of what was found so far and another leaf; it knows of those that lost.
func (d Document) with(leaf Document) Document {
	if d.Missing {
		return leaf
	}
	winner, loser := d, leaf
	if leaf.Deleted == d.Deleted && Beats(leaf.Rev, d.Rev) || d.Deleted && !leaf.Deleted {
		winner, loser = leaf, d
	}
	winner.Conflicts, winner.Tombstones = d.Conflicts, d.Tombstones
	loser.Conflicts, loser.Tombstones = nil, nil
	if loser.Deleted {
		winner.Tombstones = append(winner.Tombstones, loser.Rev)
	} else {
		winner.Conflicts = append(winner.Conflicts, loser)
	}
	return winner
}

// rowRefusal is nil for a document that is not there, which is an answer and no failure.
func rowRefusal(value []byte, ref Ref) error {
	var name, reason string
	_ = Members(value, func(key, value []byte) bool {
		switch string(key) {
		case "error":
			name = text(value)
		case "reason":
			reason = text(value)
		}
		return true
	})
	if name == "not_found" || name == "" || name == "undefined" && reason == "missing" {
		return nil
	}
	return fmt.Errorf("document %s: %s: %s", strconv.Quote(ref.ID), name, reason)
}
