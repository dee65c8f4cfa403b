package httpd

import (
	"compress/gzip"
	"encoding/base64"
	"errors"
	"io"
	"net/http"
	"slices"

	"github.com/adlayer/after/store"
)

// fileOptions say how the attachments of a document are shown.
type fileOptions struct {
	data     bool        // with their content, instead of stubs
	follows  bool        // the content comes behind the document
	encoding bool        // how they are compressed
	since    []store.Rev // only of those that are newer than these revisions
	letGo    bool        // while content is sent the snapshot is given back, and is another one afterwards
}

func (c *call) fileOptions() (o fileOptions, err error) {
	o = fileOptions{data: c.flag("attachments"), encoding: c.flag("att_encoding_info")}
	if c.q.Has("atts_since") {
		o.data = true
		o.since, err = parseRevList([]byte(c.q.Get("atts_since")))
	}
	return o, err
}

// known is the generation up to which a client that has o.since knows the attachments of a revision.
func (o *fileOptions) known(tree *store.Tree, rev store.Rev) uint64 {
	if tree == nil || len(o.since) == 0 {
		return 0
	}
	for _, r := range tree.Path(rev) {
		if slices.Contains(o.since, r.Rev) {
			return r.Rev.Pos
		}
	}
	return 0
}

// wanted are the attachments whose content is sent.
func (o *fileOptions) wanted(tree *store.Tree, row *store.Row) []store.Attachment {
	if !o.data || !row.HasAttachments() {
		return nil
	}
	known := o.known(tree, row.Rev)
	return slices.DeleteFunc(row.Attachments(), func(a store.Attachment) bool { return a.RevPos <= known && known > 0 })
}

// flusher sends what has gathered, and gives the empty buffer back.
type flusher func(b []byte) ([]byte, error)

// fileBuffer is how much of a document gathers before it is sent.
const fileBuffer = 64 << 10

// appendFiles adds the attachments of a row as a member of the document, with what o wants of them, and the brace that ends it.
func appendFiles(b []byte, snap *store.Snapshot, tree *store.Tree, row *store.Row, o *fileOptions, flush flusher) ([]byte, error) {
	if !row.HasAttachments() {
		return append(b, '}'), nil
	}
	known := o.known(tree, row.Rev)
	b = append(b, `,"_attachments":{`...)
	for i, a := range row.Attachments() {
		if i > 0 {
			b = append(b, ',')
		}
		b = a.AppendOpen(b)
		switch {
		case !o.data || (known > 0 && a.RevPos <= known):
			b = a.AppendLength(b, "stub")
		case o.follows:
			b = a.AppendLength(b, "follows")
		default:
			var err error
			if b, err = appendData(append(b, `,"data":"`...), snap, a, flush); err != nil {
				return b, err
			}
			b = append(b, '"')
		}
		if o.encoding {
			b = a.AppendEncoding(b)
		}
		b = append(b, '}')
	}
	return append(b, "}}"...), nil
}

// gathering is a writer that appends, and flushes now and then.
type gathering struct {
	b     []byte
	flush flusher
}

func (g *gathering) Write(p []byte) (n int, err error) {
	g.b = append(g.b, p...)
	if len(g.b) >= fileBuffer {
		g.b, err = g.flush(g.b)
	}
	return len(p), err
}

// appendData adds the content of an attachment in base64.
func appendData(b []byte, snap *store.Snapshot, a store.Attachment, flush flusher) ([]byte, error) {
	r, err := plainContent(snap, a)
	if err != nil {
		return b, err
	}
	g := &gathering{b, flush}
	enc := base64.NewEncoder(base64.StdEncoding, g)
	_, err = io.Copy(enc, r)
	return g.b, errors.Join(err, enc.Close())
}

// plainContent reads an attachment as it was before it was compressed.
func plainContent(snap *store.Snapshot, a store.Attachment) (io.Reader, error) {
	r := snap.Attachment(a)
	if !a.Gzip {
		return r, nil
	}
	return gzip.NewReader(r)
}

// stream sends a JSON answer that may be too large to be gathered.
type stream struct {
	c    *call
	sent bool
	out  int // bytes since the snapshot was taken

	renewed int // how often the snapshot gave way to a newer one
}

// renewAfter is how much is sent of an answer of many documents before its snapshot gives way to a newer one, so that a slow client keeps nothing of
// what is written over meanwhile.
const renewAfter = 1 << 20

// renew gives snap back for a newer one if much was sent since.
func (s *stream) renew(snap *store.Snapshot) error {
	if s.out < renewAfter {
		return nil
	}
	s.out = 0
	s.renewed++
	return snap.Renew()
}

func (s *stream) flush(b []byte) ([]byte, error) {
	if !s.sent {
		s.sent = true
		s.c.setHead("application/json")
		s.c.w.WriteHeader(http.StatusOK)
	}
	s.out += len(b)
	if s.c.r.Method == http.MethodHead {
		return b[:0], nil
	}
	_, err := s.c.w.Write(b)
	return b[:0], err
}

// more sends what has gathered, once it is much.
func (s *stream) more(b []byte) ([]byte, error) {
	if len(b) < fileBuffer {
		return b, nil
	}
	return s.flush(b)
}

// end sends the rest.
func (s *stream) end(b []byte, err error) error {
	switch {
	case !s.sent && err != nil:
		return err
	case !s.sent:
		return s.c.answer(http.StatusOK, b)
	}
	if err == nil {
		_, err = s.flush(append(b, '\n'))
	}
	return s.c.cutOff(err)
}

// cutOff ends an answer whose head has gone out: all that can be told is that it is not complete.
func (c *call) cutOff(err error) error {
	if err == nil {
		return nil
	}
	c.s.log.WithError(err).WithField("path", c.r.URL.Path).Debug("store: an answer ended early")
	panic(http.ErrAbortHandler)
}
