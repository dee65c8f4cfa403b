package httpd

import (
	"crypto/md5" //nolint:gosec // a tag, no secret
	"errors"
	"math/big"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/adlayer/after/store"
)

// etagOf makes an ETag from content.
func etagOf(b []byte) string {
	sum := md5.Sum(b) //nolint:gosec // a tag
	return `"` + strings.ToUpper(new(big.Int).SetBytes(sum[:]).Text(36)) + `"`
}

func appendUint(b []byte, n uint64) []byte { return strconv.AppendUint(b, n, 10) }

// byRev sorts revisions by generation and hash, lowest first.
func byRev(list []store.Revision) []store.Revision {
	slices.SortFunc(list, func(a, b store.Revision) int { return store.CompareRevs(a.Rev, b.Rev) })
	return list
}

// namedRev is the revision that a request names, in the query or in If-Match; they and the body's must agree.
func (c *call) namedRev(inBody store.Rev) (store.Rev, error) {
	rev := inBody
	if c.q.Has("rev") {
		named, err := store.ParseRev(c.q.Get("rev"))
		if err != nil {
			return rev, err
		}
		if !rev.IsZero() && rev != named {
			return rev, store.BadRequest("Document rev from request body and query string have different values")
		}
		rev = named
	}
	match := strings.Trim(c.r.Header.Get("If-Match"), `"`)
	if match == "" || match == "*" {
		return rev, nil
	}
	named, err := store.ParseRev(match)
	if err != nil {
		return rev, err
	}
	if !rev.IsZero() && rev != named {
		return rev, store.BadRequest("Document rev and etag have different values")
	}
	return named, nil
}

// localTag is the ETag of a local document, whose revision says little.
func localTag(rev store.Rev, body []byte) string { return etagOf(append(rev.Append(nil), body...)) }

func (c *call) putDocument(id string) error {
	if err := c.s.store.CheckID(id); err != nil {
		return err
	}
	if err := c.mayWrite(id); err != nil {
		return err
	}
	docs := make([]store.Doc, 1)
	read, batch := c.readDocument, true
	if strings.HasPrefix(c.r.Header.Get("Content-Type"), "multipart/related") {
		read, batch = c.readRelated, false
	}
	done, err := read(&docs[0])
	if err != nil {
		return err
	}
	defer done()
	docs[0].ID = id
	if !strings.HasPrefix(id, localPrefix) || c.q.Has("rev") {
		if docs[0].Rev, err = c.namedRev(docs[0].Rev); err != nil {
			return errors.Join(err, docs[0].DiscardUploads())
		}
	}
	return c.writeOne(docs, written{tag: true, location: true, batch: batch})
}

func (c *call) postDocument() error {
	if err := c.wantJSON(); err != nil {
		return err
	}
	docs := make([]store.Doc, 1)
	done, err := c.readDocument(&docs[0])
	if err != nil {
		return err
	}
	defer done()
	if docs[0].ID == "" {
		docs[0].ID = c.s.uuids.next()
	}
	if err := c.mayWrite(docs[0].ID); err != nil {
		return err
	}
	return c.writeOne(docs, written{location: true, batch: true})
}

// readDocument reads the body as one document. done gives its memory back, once it is written.
func (c *call) readDocument(d *store.Doc) (done func(), err error) {
	raw, release, err := c.body()
	if err != nil {
		return nil, err
	}
	p := getParser(c.s)
	if err := p.Document(raw, d); err != nil {
		putParser(p)
		release()
		return nil, err
	}
	return func() {
		putParser(p)
		release()
	}, nil
}

// written says how the writing of one document is answered.
type written struct {
	tag, location bool // with these fields in the head
	batch         bool // batch=ok counts
}

// writeOne writes one document and answers.
func (c *call) writeOne(docs []store.Doc, as written) error {
	doc := &docs[0]
	if err := c.prepareUser(doc); err != nil {
		return errors.Join(err, doc.DiscardUploads())
	}
	// With batch=ok CouchDB answers before the write is on disk. This server has no such short cut, only the answer.
	batch := as.batch && c.q.Get("batch") == "ok"
	replicated := c.r.Method == http.MethodPut && c.q.Get("new_edits") == "false"
	results, err := c.write(docs, store.WriteOptions{Replicated: replicated})
	if err != nil {
		return err
	}
	res := &results[0]
	if res.Err != nil {
		return res.Err
	}
	b := store.AppendString([]byte(`{"ok":true,"id":`), res.ID)
	if batch {
		return c.answer(http.StatusAccepted, append(b, '}'))
	}
	b = append(res.Rev.Append(append(b, `,"rev":"`...)), `"}`...)
	h := c.w.Header()
	switch {
	case !as.tag:
	case strings.HasPrefix(doc.ID, localPrefix) && c.r.Method != "COPY":
		h.Set("ETag", localTag(res.Rev, doc.Body))
	default:
		h.Set("ETag", `"`+res.Rev.String()+`"`)
	}
	if as.location {
		h.Set("Location", c.base()+"/"+escape(c.db.Name())+"/"+locationID(doc.ID))
	}
	if doc.Deleted {
		return c.answer(http.StatusOK, b)
	}
	return c.answer(http.StatusCreated, b)
}

// locationID encodes an id as CouchDB does: colons stay.
func locationID(id string) string { return strings.ReplaceAll(escape(id), "%3A", ":") }

func (c *call) deleteDocument(id string) error {
	if err := c.s.store.CheckID(id); err != nil {
		return err
	}
	if err := c.mayWrite(id); err != nil {
		return err
	}
	if !strings.HasPrefix(id, localPrefix) { // as in CouchDB, a document that is not there goes before a revision that is none
		row, err := c.find1(id)
		switch {
		case err != nil:
			return err
		case row.Deleted:
			return store.NotFound("deleted")
		}
	}
	rev, err := c.namedRev(store.Rev{})
	if err != nil {
		return err
	}
	return c.writeOne([]store.Doc{{ID: id, Rev: rev, Deleted: true, Body: []byte("{}")}}, written{tag: true})
}

// mayWrite lets only database administrators write design documents.
func (c *call) mayWrite(id string) error {
	if strings.HasPrefix(id, designPrefix) {
		if c.who.name == "" {
			return c.databaseAdmin(unauthorized(notDatabaseAdmin))
		}
		return c.databaseAdmin(forbidden(notDatabaseAdmin))
	}
	return nil
}
