package httpd

import (
	"errors"
	"io"
	"mime"
	"mime/multipart"
	"net/url"
	"slices"
	"strings"

	"github.com/adlayer/after/store"
)

// readRelated reads a document with its attachments behind it: a part for each that says so, in their order, or by their names where the parts have
// names. done gives the memory back, once the document is written.
func (c *call) readRelated(d *store.Doc) (done func(), err error) {
	_, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || params["boundary"] == "" {
		return nil, store.BadRequest("Missing boundary in the Content-Type of a multipart body.")
	}
	body := multipart.NewReader(c.r.Body, params["boundary"])
	part, err := body.NextRawPart()
	if err != nil {
		return nil, badMultipart(err)
	}
	raw := getBuffer()
	limit := c.s.settings.now().maxRequest
	held := &metered{Reader: io.LimitReader(part, limit+1), memory: &c.s.bodies}
	p := getParser(c.s)
	done = func() {
		putParser(p)
		putBuffer(raw)
		held.release()
	}
	_, err = raw.ReadFrom(held)
	switch {
	case err != nil:
		err = badMultipart(err)
	case int64(raw.Len()) > limit:
		err = requestTooLarge()
	default:
		err = p.Document(raw.Bytes(), d)
	}
	if err == nil {
		err = c.readFollowing(body, d)
	}
	if err != nil {
		err = errors.Join(err, d.DiscardUploads())
		done()
		return nil, err
	}
	return done, nil
}

func badMultipart(err error) error {
	if e, ok := errors.AsType[*store.Error](err); ok {
		return e
	}
	return store.BadRequest("The multipart body could not be read: %v", err)
}

// readFollowing reads what comes behind a document.
func (c *call) readFollowing(body *multipart.Reader, d *store.Doc) error {
	var pending []*store.Attachment
	for i := range d.Attachments {
		if d.Attachments[i].Follows() {
			pending = append(pending, &d.Attachments[i])
		}
	}
	for len(pending) > 0 {
		part, err := body.NextRawPart()
		if errors.Is(err, io.EOF) {
			return store.BadRequest("attachment shorter than expected")
		}
		if err != nil {
			return badMultipart(err)
		}
		at := 0
		if _, params, err := mime.ParseMediaType(part.Header.Get("Content-Disposition")); err == nil {
			at = max(0, slices.IndexFunc(pending, func(a *store.Attachment) bool { return a.Name == params["filename"] }))
		}
		a := pending[at]
		pending = slices.Delete(pending, at, at+1)
		u, err := c.upload(part, store.UploadOptions{Name: a.Name, Type: a.Type, Gzip: a.Gzip})
		if err != nil {
			return err
		}
		if err := a.Take(u); err != nil {
			return errors.Join(err, u.Discard())
		}
	}
	return nil
}

// postForm takes attachments from a form of a web page: files named _attachments, and the revision in _rev, or the whole document in _doc.
func (c *call) postForm(id string) error {
	from, err := url.Parse(c.r.Header.Get("Referer"))
	if err != nil || from.Host != c.r.Host {
		return store.BadRequest("Referer header must match host.")
	}
	if err := c.s.store.CheckID(id); err != nil {
		return err
	}
	if err := c.mayWrite(id); err != nil {
		return err
	}
	kind, params, err := mime.ParseMediaType(c.r.Header.Get("Content-Type"))
	if err != nil || kind != "multipart/form-data" || params["boundary"] == "" {
		return badType("Content-Type must be multipart/form-data")
	}
	var files store.Doc
	held := &metered{memory: &c.s.bodies}
	defer held.release()
	doc, err := c.readForm(held, id, multipart.NewReader(c.r.Body, params["boundary"]), &files)
	if err != nil {
		return errors.Join(err, files.DiscardUploads())
	}
	for _, a := range files.Attachments {
		doc.Detach(a.Name)
	}
	doc.Attachments = append(files.Attachments, doc.Attachments...)
	return c.writeOne([]store.Doc{*doc}, written{tag: true})
}

// readForm reads a form: its files go into files, and the document that they belong to is given. The rest of it is counted by held.
func (c *call) readForm(held *metered, id string, body *multipart.Reader, files *store.Doc) (*store.Doc, error) {
	var rev, whole []byte
	for {
		part, err := body.NextPart()
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return nil, badMultipart(err)
		}
		switch part.FormName() {
		case "_rev":
			held.Reader = io.LimitReader(part, 1<<10)
			rev, err = io.ReadAll(held)
		case "_doc":
			limit := min(int64(c.s.store.MaxDocument()), c.s.settings.now().maxRequest)
			held.Reader = io.LimitReader(part, limit+1)
			whole, err = io.ReadAll(held)
		case "_attachments":
			if err := c.readFormFile(part, files); err != nil {
				return nil, err // its own: it may be the server's
			}
		}
		if err != nil {
			return nil, badMultipart(err)
		}
	}
	if whole != nil {
		doc := &store.Doc{}
		p := store.Parser{MaxDocument: c.s.store.MaxDocument()}
		err := p.Document(whole, doc)
		doc.ID = id
		return doc, err
	}
	named, err := store.ParseRev(string(rev))
	if err != nil {
		return nil, err
	}
	snap, err := c.db.Snapshot()
	if err != nil {
		return nil, err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	return editedDocument(snap, id, named)
}

func (c *call) readFormFile(part *multipart.Part, files *store.Doc) error {
	name := part.FileName()
	if err := store.CheckAttachmentName(name); err != nil {
		return err
	}
	o := store.UploadOptions{Name: name, Type: part.Header.Get("Content-Type")}
	if o.Type == "" {
		o.Type = "application/octet-stream"
	}
	u, err := c.upload(part, o)
	if err != nil {
		return err
	}
	for _, before := range files.Attachments {
		if before.Name == name { // the last of a name is the one
			err = (&store.Doc{Attachments: []store.Attachment{before}}).DiscardUploads()
		}
	}
	files.Attach(name, o.Type, u)
	return err
}

// copyDocument writes a document once more under another id, with its attachments.
func (c *call) copyDocument(id string) error {
	target, rev, err := c.destination()
	if err != nil {
		return err
	}
	if err := c.mayWrite(target); err != nil {
		return err
	}
	snap, err := c.db.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	var row *store.Row
	if strings.HasPrefix(id, localPrefix) {
		row, err = snap.Local(id)
	} else {
		row, err = c.copied(snap, id)
	}
	if err != nil {
		return err
	}
	doc := row.Edit()
	doc.ID, doc.Rev = target, rev
	return c.writeOne([]store.Doc{doc}, written{tag: true, location: true})
}

// copied is the revision that a COPY takes: the one that the query or If-Match names, else the winner.
func (c *call) copied(snap *store.Snapshot, id string) (*store.Row, error) {
	rev, err := c.namedRev(store.Rev{})
	if err != nil {
		return nil, err
	}
	return c.revisionOf(snap, id, rev)
}

// destination is where a COPY goes.
func (c *call) destination() (id string, rev store.Rev, err error) {
	header := c.r.Header.Get("Destination")
	switch {
	case header == "":
		return "", rev, store.BadRequest("Destination header is mandatory for COPY.")
	case strings.HasPrefix(header, "http://"), strings.HasPrefix(header, "https://"):
		return "", rev, store.BadRequest("Destination URL must be relative.")
	}
	path, query, _ := strings.Cut(header, "?")
	if id, err = url.PathUnescape(path); err != nil {
		return "", rev, store.BadRequest("Destination is not a path: %s", header)
	}
	if err := c.s.store.CheckID(id); err != nil {
		return "", rev, err
	}
	q, err := url.ParseQuery(query)
	if err != nil {
		return "", rev, store.BadRequest("Destination is not a path: %s", header)
	}
	if q.Has("rev") {
		rev, err = store.ParseRev(q.Get("rev"))
	}
	return id, rev, err
}
