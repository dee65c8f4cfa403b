package httpd

import (
	"compress/gzip"
	"errors"
	"io"
	"net/http"
	"slices"
	"strconv"
	"strings"

	"github.com/adlayer/after/store"
)

// attachment answers what is addressed to one attachment of a document.
func (c *call) attachment(id, name string) error {
	switch c.r.Method {
	case http.MethodGet, http.MethodHead:
		return c.getAttachment(id, name)
	case http.MethodPut:
		return c.putAttachment(id, name)
	case http.MethodDelete:
		return c.deleteAttachment(id, name)
	}
	return c.allow(http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPut)
}

func noAttachment() error { return store.NotFound("Document is missing attachment") }

func (c *call) getAttachment(id, name string) error {
	snap, err := c.db.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Close()      //nolint:errcheck // the reads have told all there is
	c.s.counts.reads.Add(1) // of its document
	row, err := c.revisionNamed(snap, id)
	if err != nil {
		return err
	}
	for _, a := range row.Attachments() {
		if a.Name == name {
			snap.Detach([]store.Attachment{a}) // the client may be slow
			return c.sendAttachment(snap, &a)
		}
	}
	return noAttachment()
}

// revisionNamed reads the revision that the query names, else the winner.
func (c *call) revisionNamed(snap *store.Snapshot, id string) (*store.Row, error) {
	var rev store.Rev
	if c.q.Has("rev") {
		var err error
		if rev, err = store.ParseRev(c.q.Get("rev")); err != nil {
			return nil, err
		}
	}
	return c.revisionOf(snap, id, rev)
}

// revisionOf reads a revision; the winner where rev is zero.
func (c *call) revisionOf(snap *store.Snapshot, id string, rev store.Rev) (*store.Row, error) {
	if rev.IsZero() {
		row, err := snap.Get(id)
		if err == nil && row.Deleted {
			err = store.NotFound("deleted")
		}
		if err != nil {
			return nil, err
		}
		return c.view.show(row)
	}
	tree, err := snap.Tree(id)
	if err != nil {
		return nil, err
	}
	r, ok := tree.Find(rev)
	if !ok {
		return nil, store.NotFound("missing")
	}
	row, err := snap.Revision(tree, r)
	if err != nil {
		return nil, err
	}
	return c.view.show(row)
}

func (c *call) sendAttachment(snap *store.Snapshot, a *store.Attachment) error {
	h := c.w.Header()
	etag := string(append(a.AppendDigest([]byte{'"'}), '"'))
	if c.cached(etag) {
		return nil
	}
	encoded := a.Gzip && acceptsGzip(c.r.Header.Get("Accept-Encoding"))
	size := int64(-1)
	switch {
	case !a.Gzip || encoded:
		size = a.Stored
	case a.Length != a.Stored:
		size = a.Length // else it came compressed, and nobody said how long it is
	}
	if header := c.r.Header.Get("Range"); header != "" && size >= 0 {
		ranges, err := parseRanges(header, size)
		if err != nil {
			h.Del("ETag")
			return err
		}
		if len(ranges) > 0 && !a.Gzip {
			c.attachmentHead(a, encoded)
			return c.sendRanges(snap.Attachment(*a), a, ranges)
		}
	}
	c.attachmentHead(a, encoded)
	if size >= 0 {
		h.Set("Content-Length", strconv.FormatInt(size, 10))
	}
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method == http.MethodHead {
		return nil
	}
	r := io.Reader(snap.Attachment(*a))
	if a.Gzip && !encoded {
		var err error
		if r, err = gzip.NewReader(r); err != nil {
			return c.cutOff(err)
		}
	}
	_, err := io.Copy(c.w, r) //nolint:gosec // it goes out as it comes, and takes no memory
	return c.cutOff(err)
}

func (c *call) attachmentHead(a *store.Attachment, encoded bool) {
	h := c.w.Header()
	h.Set("Cache-Control", "must-revalidate")
	h.Set("Content-Type", a.Type)
	if policy := c.s.settings.now().attachmentPolicy; policy != "" {
		h.Set("Content-Security-Policy", policy)
	}
	if a.Gzip {
		h.Set("Accept-Ranges", "none")
	} else {
		h.Set("Accept-Ranges", "bytes")
	}
	if encoded {
		h.Set("Content-Encoding", "gzip")
	}
}

// acceptsGzip reads an Accept-Encoding.
func acceptsGzip(header string) bool {
	for name, q := range qualities(header) {
		if strings.EqualFold(name, "gzip") || name == "*" {
			return q > 0
		}
	}
	return false
}

// putAttachment writes one attachment over a revision, or over nothing.
func (c *call) putAttachment(id, name string) error {
	if err := c.s.store.CheckID(id); err != nil {
		return err
	}
	if err := c.mayWrite(id); err != nil {
		return err
	}
	if err := store.CheckAttachmentName(name); err != nil {
		return err
	}
	o := store.UploadOptions{Name: name, Type: c.r.Header.Get("Content-Type")}
	if o.Type == "" {
		o.Type = "application/octet-stream"
	}
	switch c.r.Header.Get("Content-Encoding") {
	case "", "identity":
	case "gzip":
		o.Gzip = true
	default:
		return badType("Only gzip and identity content-encodings are supported")
	}
	doc, err := c.editedDocument(id)
	if err != nil {
		return err
	}
	u, err := c.upload(c.r.Body, o)
	if err != nil {
		return err
	}
	doc.Attach(name, o.Type, u)
	return c.writeAttachment(doc, http.StatusCreated, name)
}

func (c *call) deleteAttachment(id, name string) error {
	if err := c.mayWrite(id); err != nil {
		return err
	}
	if rev, err := c.namedRev(store.Rev{}); err != nil || rev.IsZero() {
		if err == nil {
			err = c.refuseDetach(id, name)
		}
		return err
	}
	doc, err := c.editedDocument(id)
	if err != nil {
		return err
	}
	if !doc.Detach(name) {
		return noAttachment()
	}
	return c.writeAttachment(doc, http.StatusOK, name)
}

// refuseDetach says why an attachment is not removed where no revision is named: the document or the attachment is not there, else it is a
// conflict.
func (c *call) refuseDetach(id, name string) error {
	row, err := c.find1(id)
	switch {
	case err != nil:
		return err
	case row.Deleted:
		return store.NotFound("deleted")
	case !slices.ContainsFunc(row.Attachments(), func(a store.Attachment) bool { return a.Name == name }):
		return noAttachment()
	}
	return store.Conflict()
}

// upload reads an attachment from a client.
func (c *call) upload(r io.Reader, o store.UploadOptions) (*store.Upload, error) {
	u, err := c.db.Upload(c.ctx(), r, o)
	if errors.Is(err, io.ErrUnexpectedEOF) {
		return nil, store.BadRequest("attachment shorter than expected")
	}
	return u, err
}

// editedDocument is the document that the request changes, as of the revision that it names. Refusals come before anything is uploaded.
func (c *call) editedDocument(id string) (*store.Doc, error) {
	rev, err := c.namedRev(store.Rev{})
	if err != nil {
		return nil, err
	}
	snap, err := c.db.Snapshot()
	if err != nil {
		return nil, err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	return editedDocument(snap, id, rev)
}

func editedDocument(snap *store.Snapshot, id string, rev store.Rev) (*store.Doc, error) {
	tree, err := snap.Tree(id)
	if rev.IsZero() {
		switch {
		case store.IsNotFound(err):
		case err != nil:
			return nil, err
		case !tree.Winner().Deleted:
			return nil, store.Conflict()
		}
		return &store.Doc{ID: id, Body: []byte("{}")}, nil
	}
	missing := &store.Error{Status: http.StatusConflict, Name: "not_found", Reason: "missing_rev"}
	if err != nil {
		if store.IsNotFound(err) {
			return nil, missing
		}
		return nil, err
	}
	r, ok := tree.Find(rev)
	switch {
	case !ok:
		return nil, missing
	case !r.Leaf || r.Deleted:
		return nil, store.Conflict()
	}
	row, err := snap.Revision(tree, r)
	if err != nil {
		return nil, err
	}
	doc := row.Edit()
	return &doc, nil
}

func (c *call) writeAttachment(doc *store.Doc, status int, name string) error {
	docs := []store.Doc{*doc}
	if err := c.prepareUser(&docs[0]); err != nil {
		return errors.Join(err, docs[0].DiscardUploads())
	}
	results, err := c.write(docs, store.WriteOptions{})
	if err != nil {
		return err
	}
	res := &results[0]
	if res.Err != nil {
		return res.Err
	}
	if status == http.StatusCreated {
		c.w.Header().Set("Location", c.base()+"/"+escape(c.db.Name())+"/"+locationID(doc.ID)+"/"+escape(name))
	}
	b := store.AppendString([]byte(`{"ok":true,"id":`), res.ID)
	return c.answer(status, append(res.Rev.Append(append(b, `,"rev":"`...)), `"}`...))
}
