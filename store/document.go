package store

import (
	"bytes"
	"encoding/json"
)

// Doc is one document, or one revision, to be written.
type Doc struct {
	// ID is the document's id, never empty once it is written.
	ID string
	// Rev is the revision that the write replaces; with WriteOptions.Replicated it is the revision itself. Zero: none was given.
	Rev Rev
	// Ancestors are the hashes behind Rev, youngest first, as `_revisions` gave them.
	Ancestors []Rev
	// Deleted makes a tombstone.
	Deleted bool
	// Body is the object without the members that begin with an underscore, in canonical form: `{...}`.
	Body []byte
	// Attachments are the document's files, in their order. A write takes those that it uploaded, or gives them up.
	Attachments []Attachment
	// Refused keeps the document from being written, and is its result.
	Refused *Error

	next [16]byte // the hash of the revision that follows Rev; valid if hashed
	had  bool     // next is computed

	fresh bool // it was validated as a document that was never there
}

// Parser reads documents from JSON. It may be used again; the documents of an earlier call stay valid until Reset.
type Parser struct {
	// MaxDocument is the largest document in bytes; 0 means no limit.
	MaxDocument int
	// MaxDocs is how many documents Bulk takes; 0 means no limit.
	MaxDocs int
	// AllOrNothing tells that the body that Bulk read asked for that with "all_or_nothing": true.
	AllOrNothing bool

	scan    scanner
	members []member
}

// member is one member of an object in the scanner's output: from is where its key begins, colon where it ends, to the end of the value.
type member struct{ from, colon, to int }

// Reset makes the parser ready for raw, and gives up the memory of the documents read before.
func (p *Parser) Reset(raw []byte) {
	p.scan = scanner{in: raw, out: p.scan.out[:0]}
	if cap(p.scan.out) < len(raw) {
		p.scan.out = make([]byte, 0, len(raw)+len(raw)/8+64)
	}
}

// Document reads raw as one document. Errors are 400s and 413s.
func (p *Parser) Document(raw []byte, d *Doc) error {
	p.Reset(raw)
	if err := p.document(d); err != nil {
		return err
	}
	return p.end()
}

func (p *Parser) end() error {
	p.scan.space()
	if p.scan.pos != len(p.scan.in) {
		return badJSON()
	}
	return nil
}

// Bulk reads the body of _bulk_docs: {"docs": [...], "new_edits": bool}, appending the documents to docs.
func (p *Parser) Bulk(raw []byte, docs []Doc) (_ []Doc, newEdits bool, err error) {
	p.Reset(raw)
	s := &p.scan
	newEdits, p.AllOrNothing = true, false
	s.space()
	if s.peek() != '{' {
		return docs, true, p.notObject("Request body must be a JSON object")
	}
	found := false
	err = p.eachMember(func(key []byte) error {
		switch string(key) {
		case `"docs"`:
			found = true
			docs, err = p.docs(docs[:0])
			return err
		case `"new_edits"`:
			newEdits, err = p.boolean("`new_edits` parameter must be a boolean.")
			return err
		case `"all_or_nothing"`:
			s.space()
			from := s.pos
			err := s.value()
			p.AllOrNothing = string(s.in[from:s.pos]) == "true"
			return err
		}
		return s.value()
	})
	switch {
	case err != nil:
		return docs, newEdits, err
	case !found:
		return docs, newEdits, BadRequest("POST body must include `docs` parameter.")
	}
	return docs, newEdits, p.end()
}

// notObject says what is wrong with a body that does not begin with a brace: no JSON at all, or another kind of value.
func (p *Parser) notObject(reason string) error {
	if err := p.scan.value(); err != nil {
		return err
	}
	if err := p.end(); err != nil {
		return err
	}
	return BadRequest("%s", reason)
}

// eachMember walks an object at pos. visit must take the value; key is canonical, with its quotes. What visit copies is dropped unless it
// keeps its own record of it.
func (p *Parser) eachMember(visit func(key []byte) error) error {
	s := &p.scan
	s.drop()
	if err := s.enter(); err != nil {
		return err
	}
	if s.peek() == '}' {
		s.pos++
		s.depth--
		s.drop()
		return nil
	}
	for {
		s.space()
		s.drop()
		from := len(s.out)
		if err := s.str(); err != nil {
			return err
		}
		s.flush()
		key := s.out[from:len(s.out):len(s.out)]
		if err := s.expect(':'); err != nil {
			return err
		}
		s.drop()
		if err := visit(key); err != nil {
			return err
		}
		done, err := s.next('}')
		s.drop()
		if done || err != nil {
			return err
		}
	}
}

func (p *Parser) boolean(reason string) (bool, error) {
	s := &p.scan
	s.space()
	start := s.pos
	if err := s.value(); err != nil {
		return false, err
	}
	switch string(s.in[start:s.pos]) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, BadRequest("%s", reason)
}

func (p *Parser) docs(docs []Doc) ([]Doc, error) {
	s := &p.scan
	s.space()
	if s.peek() != '[' {
		if err := s.value(); err != nil {
			return docs, err
		}
		return docs, BadRequest("`docs` parameter must be an array.")
	}
	if err := s.enter(); err != nil {
		return docs, err
	}
	if s.peek() == ']' {
		s.pos++
		s.depth--
		return docs, nil
	}
	for {
		if p.MaxDocs > 0 && len(docs) >= p.MaxDocs {
			return docs, tooMany(p.MaxDocs)
		}
		docs = append(docs, Doc{})
		if err := p.document(&docs[len(docs)-1]); err != nil {
			return docs, err
		}
		if done, err := s.next(']'); done || err != nil {
			return docs, err
		}
	}
}

// document reads the document at pos. The body is copied to the scanner's output in one piece. Its depth is its own, wherever it stands:
// what a PUT takes, _bulk_docs must take too.
func (p *Parser) document(d *Doc) error {
	*d = Doc{}
	s := &p.scan
	s.space()
	outer := s.depth
	s.depth = 0
	defer func() { s.depth = outer }()
	if s.peek() != '{' {
		return p.notObjectHere()
	}
	start := s.pos
	p.members = p.members[:0]
	if err := s.enter(); err != nil {
		return err
	}
	s.drop() // after enter, which copies the brace where white space follows it
	base := len(s.out)
	s.out = append(s.out, '{')
	if s.peek() == '}' {
		s.pos++
		s.depth--
	} else if err := p.docMembers(d); err != nil {
		return err
	}
	s.drop()
	s.out = append(s.out, '}')
	body := s.out[base:len(s.out):len(s.out)]
	if p.MaxDocument > 0 && s.pos-start > p.MaxDocument && len(body) > p.MaxDocument {
		return tooLarge(d.ID)
	}
	if p.repeats(base) {
		body = p.lastWins(base)
	}
	d.Body = body
	return nil
}

func (p *Parser) notObjectHere() error {
	if err := p.scan.value(); err != nil {
		return err
	}
	return BadRequest("Document must be a JSON object")
}

func (p *Parser) docMembers(d *Doc) error {
	s := &p.scan
	for {
		s.space()
		s.drop()
		comma := len(s.out)
		if len(p.members) > 0 {
			s.out = append(s.out, ',')
		}
		from := len(s.out)
		if err := s.str(); err != nil {
			return err
		}
		s.flush()
		colon := len(s.out)
		if err := s.expect(':'); err != nil {
			return err
		}
		if s.out[from+1] == '_' {
			if err := p.underscore(d, from, comma); err != nil {
				return err
			}
		} else {
			if err := s.value(); err != nil {
				return err
			}
			s.flush()
			p.members = append(p.members, member{from, colon, len(s.out)})
		}
		done, err := s.next('}')
		if err != nil {
			return err
		}
		s.drop()
		if done {
			return nil
		}
	}
}

// underscore takes a member whose key, at s.out[from:], begins with an underscore: it goes into d, is dropped, is kept in the body, or is
// refused.
func (p *Parser) underscore(d *Doc, from, comma int) error {
	s := &p.scan
	s.flush()
	key := string(s.out[from+1 : len(s.out)-2])
	value := len(s.out)
	if key == "_attachments" {
		err := p.attachments(d)
		s.out = s.out[:comma]
		return err
	}
	if err := s.value(); err != nil {
		return err
	}
	s.flush()
	raw := s.out[value:]
	switch key {
	case "_replication_id", "_replication_state", "_replication_state_time", "_replication_state_reason", "_replication_stats":
		p.members = append(p.members, member{from, value - 1, len(s.out)})
		return nil
	}
	s.out = s.out[:comma] // what follows reads raw before anything is written over it
	switch key {
	case "_id":
		return takeID(d, raw)
	case "_rev":
		return takeRev(d, raw)
	case "_deleted":
		if string(raw) != "true" && string(raw) != "false" {
			return badMember(key)
		}
		d.Deleted = raw[0] == 't'
	case "_revisions":
		return takeRevisions(d, raw)
	case "_conflicts", "_deleted_conflicts", "_revs_info", "_local_seq", "_access":
	default:
		return badMember(unquote([]byte(`"` + key + `"`)))
	}
	return nil
}

func takeID(d *Doc, raw []byte) error {
	if raw[0] != '"' {
		return illegalID("Document id must be a string")
	}
	id := unquote(raw)
	if err := CheckID(id); err != nil {
		return err
	}
	d.ID = id
	return nil
}

func takeRev(d *Doc, raw []byte) error {
	if raw[0] != '"' {
		return errBadRev()
	}
	var err error
	if len(d.Ancestors) > 0 {
		return nil // _revisions says more
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		d.Rev, err = parseRevBytes(raw[1 : len(raw)-1])
		return err
	}
	d.Rev, err = ParseRev(unquote(raw))
	return err
}

func parseRevBytes(raw []byte) (Rev, error) {
	// The usual form without an allocation: a short number, a dash, 32 digits.
	if dash := bytes.IndexByte(raw, '-'); dash > 0 && dash < 16 && len(raw)-dash-1 == 32 {
		var pos uint64
		for _, c := range raw[:dash] {
			if c < '0' || c > '9' {
				return Rev{}, errBadRev()
			}
			pos = pos*10 + uint64(c-'0')
		}
		r := Rev{Pos: pos}
		for i := range r.sum {
			hi, lo := hexDigit(raw[dash+1+2*i]), hexDigit(raw[dash+2+2*i])
			if hi > 15 || lo > 15 {
				return ParseRev(string(raw))
			}
			r.sum[i] = hi<<4 | lo
		}
		return r, nil
	}
	return ParseRev(string(raw))
}

// takeRevisions reads {"start": n, "ids": [...]}: the revision and its ancestors.
func takeRevisions(d *Doc, raw []byte) error {
	var v struct {
		Start *uint64   `json:"start"`
		IDs   *[]string `json:"ids"`
	}
	if err := json.Unmarshal(raw, &v); err != nil || v.Start == nil || v.IDs == nil || *v.Start > maxPos ||
		uint64(len(*v.IDs)) > *v.Start {
		return badMember("_revisions")
	}
	if len(*v.IDs) == 0 {
		return nil
	}
	revs := make([]Rev, len(*v.IDs))
	for i, hash := range *v.IDs {
		if hash == "" {
			return badMember("_revisions")
		}
		revs[i] = makeRev(*v.Start-uint64(i), hash)
	}
	d.Rev, d.Ancestors = revs[0], revs[1:]
	return nil
}

// repeats tells whether two members of the body at base have the same key.
func (p *Parser) repeats(base int) bool {
	_ = base
	out, m := p.scan.out, p.members
	if len(m) > 48 {
		seen := make(map[string]struct{}, len(m))
		for _, x := range m {
			seen[string(out[x.from:x.colon])] = struct{}{}
		}
		return len(seen) != len(m)
	}
	for i := 1; i < len(m); i++ {
		n, key := m[i].colon-m[i].from, out[m[i].from:m[i].colon]
		for j := range i {
			if m[j].colon-m[j].from == n && bytes.Equal(out[m[j].from:m[j].colon], key) {
				return true
			}
		}
	}
	return false
}

// lastWins writes the body again behind itself, each key once with its last value.
func (p *Parser) lastWins(base int) []byte {
	_ = base
	out := p.scan.out
	last := make(map[string]int, len(p.members))
	for i, x := range p.members {
		last[string(out[x.from:x.colon])] = i
	}
	body := []byte{'{'}
	for i, x := range p.members {
		if last[string(out[x.from:x.colon])] != i {
			continue
		}
		if len(body) > 1 {
			body = append(body, ',')
		}
		body = append(body, out[x.from:x.to]...)
	}
	return append(body, '}')
}

// unquote reads a canonical JSON string.
func unquote(raw []byte) string {
	if len(raw) < 2 {
		return ""
	}
	if bytes.IndexByte(raw, '\\') < 0 {
		return string(raw[1 : len(raw)-1])
	}
	var s string
	if json.Unmarshal(raw, &s) != nil {
		return ""
	}
	return s
}

// Size is the memory that the parser keeps, in bytes.
func (p *Parser) Size() int { return cap(p.scan.out) }
