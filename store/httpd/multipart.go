package httpd

import (
	"encoding/json"
	"net/http"
	"strings"

	"github.com/adlayer/after/store"
)

// multipartKind is the multipart type that a client gets several documents in; empty where it takes JSON. As in CouchDB, one that says
// nothing gets multipart/mixed.
func (c *call) multipartKind() string {
	accept := c.r.Header.Get("Accept")
	switch {
	case accept == "", strings.Contains(accept, "multipart/mixed"):
		return "multipart/mixed"
	case strings.Contains(accept, "multipart/related"):
		return "multipart/related"
	}
	return ""
}

// parts writes a multipart answer of JSON parts.
type parts struct {
	boundary string
	buf      []byte
}

func (p *parts) add(doc []byte, failed bool) {
	p.buf = append(append(p.buf, "\r\n--"...), p.boundary...)
	p.buf = append(p.buf, "\r\nContent-Type: application/json"...)
	if failed {
		p.buf = append(p.buf, `; error="true"`...)
	}
	p.buf = append(append(p.buf, "\r\n\r\n"...), doc...)
}

func (c *call) sendParts(kind string, p *parts) error {
	p.buf = append(append(append(p.buf, "\r\n--"...), p.boundary...), "--"...)
	c.w.Header().Set("Content-Type", kind+`; boundary="`+p.boundary+`"`)
	c.w.WriteHeader(http.StatusOK)
	_, _ = c.w.Write(p.buf) // a reader that has gone is no error of ours
	return nil
}

func (c *call) sendOpenRevs(kind string, found []openRev) error {
	p := &parts{boundary: store.NewUUID()}
	for _, f := range found {
		if f.doc != nil {
			p.add(f.doc, false)
		} else {
			p.add(append(f.rev.Append([]byte(`{"missing":"`)), `"}`...), true)
		}
	}
	return c.sendParts(kind, p)
}

// bulkGetParts answers _bulk_get part by part.
func (c *call) bulkGetParts(kind string, snap *store.Snapshot, refs []json.RawMessage, o readOptions) error {
	p := &parts{boundary: store.NewUUID()}
	for _, ref := range refs {
		row, err := appendBulkGet(nil, snap, ref, o)
		if err != nil {
			return err
		}
		var result struct {
			Docs []struct {
				OK    json.RawMessage `json:"ok"`
				Error json.RawMessage `json:"error"`
			} `json:"docs"`
		}
		if err := json.Unmarshal(row, &result); err != nil {
			return err
		}
		for _, d := range result.Docs {
			if d.OK != nil {
				p.add(d.OK, false)
			} else {
				p.add(d.Error, true)
			}
		}
	}
	return c.sendParts(kind, p)
}
