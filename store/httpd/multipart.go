package httpd

import (
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/adlayer/after/store"
)

// bulkKind is the multipart type that a client gets the documents of _bulk_get in; empty where it takes JSON.
func (c *call) bulkKind() string {
	switch {
	case c.accepts("application/json"):
		return ""
	case c.accepts("multipart/mixed"):
		return "multipart/mixed"
	case c.accepts("multipart/related"):
		return "multipart/related"
	}
	return ""
}

// parts writes a multipart answer.
type parts struct {
	c        *call
	snap     *store.Snapshot
	boundary string
	named    bool // documents that have attachments come with their names
	begun    bool
	out      int // bytes since snap was taken
	err      error
}

// newParts begins an answer; nothing is sent before the first part.
func (c *call) newParts(kind string, snap *store.Snapshot) *parts {
	p := &parts{c: c, snap: snap, boundary: store.NewUUID()}
	c.w.Header().Set("Content-Type", kind+`; boundary="`+p.boundary+`"`)
	return p
}

func (p *parts) write(text string) {
	if p.err == nil {
		p.out += len(text)
		_, p.err = io.WriteString(p.c.w, text)
	}
}

// renew takes a newer snapshot if much was sent since the last one was taken.
func (p *parts) renew() error {
	if p.err != nil || p.out < renewAfter {
		return p.err
	}
	p.out = 0
	return p.snap.Renew()
}

func (p *parts) bytes(b []byte) {
	if p.err == nil {
		p.out += len(b)
		_, p.err = p.c.w.Write(b)
	}
}

// open begins a part.
func (p *parts) open() {
	if !p.begun {
		p.begun = true
		p.c.w.WriteHeader(http.StatusOK)
		p.write("--" + p.boundary)
		return
	}
	p.write("\r\n--" + p.boundary)
}

// failed adds a part that is an error.
func (p *parts) failed(doc []byte) {
	p.open()
	p.write("\r\nContent-Type: application/json; error=\"true\"\r\n\r\n")
	p.bytes(doc)
}

// document adds a part that is a document, with its attachments behind it.
func (p *parts) document(tree *store.Tree, row *store.Row, o readOptions) error {
	o.files.data, o.files.follows, o.files.encoding = true, true, true
	doc, _, err := adorn(p.snap, tree, row, o)
	if err == nil {
		doc, err = appendFiles(doc, p.snap, tree, row, &o.files, nil)
	}
	if err != nil {
		return err
	}
	p.open()
	files := o.files.wanted(tree, row)
	if len(files) == 0 {
		p.write("\r\nContent-Type: application/json\r\n\r\n")
		p.bytes(doc)
		return p.err
	}
	if p.named {
		p.write("\r\nX-Doc-Id: " + headerText(row.ID) + "\r\nX-Rev-Id: " + row.Rev.String())
	}
	inner := store.NewUUID()
	p.write("\r\nContent-Type: multipart/related; boundary=\"" + inner + "\"\r\n\r\n")
	if p.err != nil {
		return p.err
	}
	detached := p.snap.Detach(files) // the client may be slow
	if p.err = writeRelated(p.c.w, inner, p.snap, doc, files); p.err == nil && detached {
		p.err = p.snap.Renew()
	}
	return p.err
}

// end ends the answer.
func (p *parts) end(err error) error {
	if err != nil && !p.begun {
		return err
	}
	if !p.begun {
		p.open()
		p.write("--")
	} else {
		p.write("\r\n--" + p.boundary + "--")
	}
	if err == nil {
		err = p.err
	}
	return p.c.cutOff(err)
}

// writeRelated writes a document and its attachments, as they are stored.
func writeRelated(w io.Writer, boundary string, snap *store.Snapshot, doc []byte, files []store.Attachment) error {
	head := append([]byte("--"+boundary+"\r\nContent-Type: application/json\r\n\r\n"), doc...)
	if _, err := w.Write(append(head, "\r\n--"+boundary...)); err != nil {
		return err
	}
	for _, a := range files {
		if _, err := io.WriteString(w, relatedHead(&a)); err != nil {
			return err
		}
		if _, err := io.Copy(w, snap.Attachment(a)); err != nil {
			return err
		}
		if _, err := io.WriteString(w, "\r\n--"+boundary); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "--")
	return err
}

func relatedHead(a *store.Attachment) string {
	name := strings.NewReplacer(`\`, `\\`, `"`, `\"`).Replace(headerText(a.Name))
	head := "\r\nContent-Disposition: attachment; filename=\"" + name + "\"\r\nContent-Type: " + headerText(a.Type) +
		"\r\nContent-Length: " + strconv.FormatInt(a.Stored, 10)
	if a.Gzip {
		head += "\r\nContent-Encoding: gzip"
	}
	return head + "\r\n\r\n"
}

// sendRelated sends one document with its attachments.
func (c *call) sendRelated(snap *store.Snapshot, doc []byte, files []store.Attachment) error {
	boundary := store.NewUUID()
	length := len("--\r\nContent-Type: application/json\r\n\r\n") + len(boundary) + len(doc) + len("\r\n--") + len(boundary) + len("--")
	total := int64(length)
	for i := range files {
		total += int64(len(relatedHead(&files[i]))+len("\r\n--")+len(boundary)) + files[i].Stored
	}
	h := c.w.Header()
	h.Set("Content-Type", `multipart/related; boundary="`+boundary+`"`)
	h.Set("Content-Length", strconv.FormatInt(total, 10))
	c.w.WriteHeader(http.StatusOK)
	if c.r.Method == http.MethodHead {
		return nil
	}
	return c.cutOff(writeRelated(c.w, boundary, snap, doc, files))
}

func (c *call) sendOpenRevs(snap *store.Snapshot, tree *store.Tree, found []openRev, o readOptions) error {
	p := c.newParts("multipart/mixed", snap)
	for i := range found {
		row, err := found[i].read(snap, tree)
		switch {
		case err != nil:
		case row == nil:
			p.failed(append(found[i].rev.Append([]byte(`{"missing":"`)), `"}`...))
		default:
			err = p.document(tree, row, o)
		}
		if err == nil {
			err = p.renew()
		}
		if err != nil {
			return p.end(err)
		}
	}
	return p.end(nil)
}

// bulkGetParts answers _bulk_get part by part.
func (c *call) bulkGetParts(kind string, snap *store.Snapshot, refs []bulkRef, o readOptions) error {
	p := c.newParts(kind, snap)
	if len(refs) == 0 { // as in CouchDB, no part is followed by no end
		c.w.WriteHeader(http.StatusOK)
		return nil
	}
	p.named = true
	for i := range refs {
		got, err := bulkGetOne(snap, &refs[i], o)
		if err == nil && got.wrong != nil {
			p.failed(appendBulkError(nil, &refs[i], &got))
			continue
		}
		for n := 0; n < len(got.found) && err == nil; n++ {
			var row *store.Row
			if row, err = got.found[n].read(snap, got.tree); err != nil {
				break
			}
			if row == nil {
				p.failed(appendBulkMissing(nil, &refs[i], got.found[n].rev))
			} else {
				err = p.document(got.tree, row, got.o)
			}
		}
		if err == nil {
			err = p.renew()
		}
		if err != nil {
			return p.end(err)
		}
	}
	return p.end(nil)
}
