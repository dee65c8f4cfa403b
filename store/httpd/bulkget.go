package httpd

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"
	"strconv"

	"github.com/adlayer/after/store"
)

// bulkGet reads many documents, each by id or by id and revision.
func (c *call) bulkGet() error {
	if err := c.allow(http.MethodPost); err != nil {
		return err
	}
	if err := c.wantJSON(); err != nil {
		return err
	}
	c.s.counts.bulk.Add(1)
	refs, err := c.bulkRefs()
	if err != nil {
		return err
	}
	for _, name := range []string{"open_revs", "new_edits", "w", "rev", "atts_since"} {
		if c.q.Has(name) {
			return store.BadRequest("%q query parameter is not acceptable", name)
		}
	}
	o, err := c.readOptions()
	if err != nil {
		return err
	}
	o.files.letGo = true
	c.s.counts.reads.Add(int64(len(refs)))
	snap, err := c.db.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	if kind := c.bulkKind(); kind != "" {
		return c.bulkGetParts(kind, snap, refs, o)
	}
	buf := getBuffer()
	defer putBuffer(buf)
	s := &stream{c: c}
	b := append(buf.AvailableBuffer(), `{"results":[`...)
	withFiles := o.files.data || slices.ContainsFunc(refs, func(r bulkRef) bool { return len(r.since) > 0 })
	if len(refs) >= manyRefs && !withFiles {
		return c.bulkGetMany(s, b, snap, refs, o)
	}
	if b, err = s.appendRefs(b, snap, refs, o); err != nil {
		return s.end(b, err)
	}
	return s.end(append(b, "]}"...), nil)
}

// bulkRef is one document asked for. What is wrong with it is told in its row.
type bulkRef struct {
	id     []byte // as JSON: null where there is none
	doc    string
	rev    store.Rev // zero: all leaves
	since  []store.Rev
	wrong  *store.Error
	badRev json.RawMessage // with wrong: what stands for the revision
}

// plain tells that the winner of a document is asked for, or its leaves, and nothing else.
func (r *bulkRef) plain() bool { return r.wrong == nil && r.rev.IsZero() && len(r.since) == 0 }

// bulkRefs reads what is asked for.
func (c *call) bulkRefs() ([]bulkRef, error) {
	m, err := c.object(false)
	if err != nil {
		return nil, err
	}
	raw, ok := m["docs"]
	if !ok {
		return nil, store.BadRequest("Missing JSON list of 'docs'.")
	}
	var list []json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return nil, store.BadRequest("`docs` parameter must be an array.")
	}
	if limit := c.s.settings.now().maxBulkGet; limit > 0 && len(list) > limit {
		return nil, &store.Error{
			Status: http.StatusRequestEntityTooLarge, Name: "max_bulk_get_count_exceeded", Reason: strconv.Itoa(limit),
		}
	}
	refs := make([]bulkRef, len(list))
	for i, one := range list {
		if err := c.parseRef(one, &refs[i]); err != nil {
			return nil, err
		}
	}
	return refs, nil
}

// parseRef reads one of them. An error refuses the whole request.
func (c *call) parseRef(raw json.RawMessage, ref *bulkRef) error {
	ref.id, ref.badRev = []byte("null"), json.RawMessage("null")
	if raw[0] != '{' || len(raw) == len("{}") {
		ref.wrong = store.BadRequest("document must be a JSON object")
		return nil
	}
	if id, ok := onlyID(raw); ok {
		ref.id, ref.doc = id, string(id[1:len(id)-1])
		ref.check(c.s.store)
		return nil
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(raw, &m); err != nil {
		return err
	}
	id, ok := m["id"]
	if !ok {
		ref.wrong = store.BadRequest("document id missed")
		return nil
	}
	if id[0] != '"' || json.Unmarshal(id, &ref.doc) != nil {
		return store.BadRequest("`id` must be a string")
	}
	ref.id = id
	if !ref.check(c.s.store) {
		return nil
	}
	if rev, ok := m["rev"]; ok {
		if ref.rev, ref.wrong = parseJSONRev(rev); ref.wrong != nil {
			ref.badRev = rev
			return nil //nolint:nilerr // it is told in the row
		}
	}
	if since, ok := m["atts_since"]; ok {
		ref.parseSince(since)
	}
	return nil
}

// onlyID gives the id, as JSON, of a canonical object that has nothing else and spells it without escapes, as nearly all do.
func onlyID(raw []byte) (id []byte, ok bool) {
	const open = `{"id":`
	if !bytes.HasPrefix(raw, []byte(open+`"`)) {
		return nil, false
	}
	id = raw[len(open) : len(raw)-1]
	return id, len(id) >= 2 && id[len(id)-1] == '"' && !bytes.ContainsAny(id[1:len(id)-1], `"\`)
}

// check tells whether the id can be one, and notes what is wrong with it.
func (r *bulkRef) check(s *store.Store) bool {
	if err := s.CheckID(r.doc); err != nil {
		r.wrong = asError(err)
	}
	return r.wrong == nil
}

func parseJSONRev(raw json.RawMessage) (store.Rev, *store.Error) {
	var text string
	if raw[0] == '"' && json.Unmarshal(raw, &text) == nil {
		if rev, err := store.ParseRev(text); err == nil {
			return rev, nil
		}
	}
	return store.Rev{}, store.BadRequest("Invalid rev format")
}

func (r *bulkRef) parseSince(raw json.RawMessage) {
	var list []json.RawMessage
	if raw[0] != '[' || json.Unmarshal(raw, &list) != nil {
		r.wrong, r.badRev = store.BadRequest("att_since value must be array of revs."), raw
		return
	}
	for _, one := range list {
		rev, wrong := parseJSONRev(one)
		if wrong != nil {
			r.wrong, r.badRev = wrong, one
			return
		}
		r.since = append(r.since, rev)
	}
}

// bulkResult is what was found of one document asked for.
type bulkResult struct {
	o     readOptions
	tree  *store.Tree // nil where it was not needed
	found []openRev
	wrong *store.Error    // instead
	rev   json.RawMessage // with wrong: what stands for the revision
}

// bulkGetOne reads one document asked for.
func bulkGetOne(snap *store.Snapshot, ref *bulkRef, o readOptions) (res bulkResult, err error) {
	res = bulkResult{o: o, wrong: ref.wrong, rev: ref.badRev}
	if res.wrong != nil {
		return res, nil //nolint:nilerr // it is told in the row
	}
	if err := o.view.gate(ref.doc); err != nil {
		res.wrong = asError(err)
		return res, nil
	}
	if len(ref.since) > 0 {
		res.o.files.since, res.o.files.data = ref.since, true
	}
	all := ref.rev.IsZero()
	if all && !res.o.needTree() {
		row, err := snap.Get(ref.doc)
		if err == nil {
			row, err = o.view.show(row)
		}
		if err == nil && !row.Branched {
			res.found = []openRev{{rev: row.Rev, row: row}}
			return res, nil
		}
		if err != nil && !store.IsNotFound(err) {
			return res, err
		}
	}
	res.tree, res.found, err = leavesOrRevs(snap, ref.doc, []store.Rev{ref.rev}, all, res.o)
	if store.IsNotFound(err) {
		res.wrong, res.rev, err = asError(err), json.RawMessage(`"undefined"`), nil
	}
	return res, err
}

func appendBulkGet(b []byte, snap *store.Snapshot, ref *bulkRef, o readOptions, flush flusher) ([]byte, error) {
	got, err := bulkGetOne(snap, ref, o)
	if err != nil {
		return b, err
	}
	b = append(append(append(b, `{"id":`...), ref.id...), `,"docs":[`...)
	if got.wrong != nil {
		return append(appendBulkError(append(b, `{"error":`...), ref, &got), "}]}"...), nil //nolint:nilerr // it is told in the row
	}
	for i := range got.found {
		if i > 0 {
			b = append(b, ',')
		}
		row, err := got.found[i].read(snap, got.tree)
		if err != nil {
			return b, err
		}
		if row == nil {
			b = append(appendBulkMissing(append(b, `{"error":`...), ref, got.found[i].rev), '}')
			continue
		}
		if b, err = appendDocument(append(b, `{"ok":`...), snap, got.tree, row, got.o, flush); err != nil {
			return b, err
		}
		if b = append(b, '}'); len(b) >= fileBuffer {
			if b, err = flush(b); err != nil {
				return b, err
			}
		}
	}
	return append(b, "]}"...), nil
}

// appendBulkMissing adds the error of a revision that is not there.
func appendBulkMissing(b []byte, ref *bulkRef, rev store.Rev) []byte {
	b = append(rev.Append(append(b, `{"rev":"`...)), `","reason":"missing","id":`...)
	return append(append(b, ref.id...), `,"error":"not_found"}`...)
}

// appendBulkError adds what is wrong with a document asked for.
func appendBulkError(b []byte, ref *bulkRef, got *bulkResult) []byte {
	e := got.wrong
	b = append(append(b, `{"rev":`...), got.rev...)
	b = store.AppendString(append(b, `,"reason":`...), e.Reason)
	b = append(append(b, `,"id":`...), ref.id...)
	return append(store.AppendString(append(b, `,"error":`...), e.Name), '}')
}
