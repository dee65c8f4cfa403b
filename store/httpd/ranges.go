package httpd

import (
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"

	"github.com/adlayer/after/store"
)

// byteRange is a part of an attachment: both ends belong to it.
type byteRange struct{ from, to int64 }

func (r byteRange) length() int64 { return r.to - r.from + 1 }

func (r byteRange) header(size int64) string {
	return fmt.Sprintf("bytes %d-%d/%d", r.from, r.to, size)
}

// maxRanges is how many parts a request may ask for; one that asks for more gets the whole, as in CouchDB.
const maxRanges = 9

func badRange() error {
	return &store.Error{
		Status: http.StatusRequestedRangeNotSatisfiable, Name: "requested_range_not_satisfiable", Reason: "Requested range not satisfiable",
	}
}

// parseRanges reads a Range header; nil for what asks for the whole, or for nothing that is understood. A 416 for what is not there.
func parseRanges(header string, size int64) ([]byteRange, error) {
	list, ok := strings.CutPrefix(header, "bytes=")
	if !ok {
		return nil, nil
	}
	var out []byteRange
	for text := range strings.SplitSeq(list, ",") {
		r, ok := parseRange(strings.TrimSpace(text), size)
		if !ok {
			return nil, nil
		}
		if text = strings.TrimSpace(text); text == "0-" {
			return nil, nil
		}
		out = append(out, r)
	}
	for _, r := range out {
		if r.to < r.from {
			return nil, badRange()
		}
	}
	if len(out) > maxRanges {
		return nil, nil
	}
	return out, nil
}

// parseRange reads one of a-b, a- and -n.
func parseRange(text string, size int64) (r byteRange, ok bool) {
	first, last, ok := strings.Cut(text, "-")
	if !ok {
		return r, false
	}
	if first == "" {
		n, err := strconv.ParseInt(last, 10, 63)
		return byteRange{max(size-n, 0), size - 1}, err == nil && n >= 0
	}
	from, err := strconv.ParseInt(first, 10, 63)
	if err != nil || from < 0 {
		return r, false
	}
	to := size - 1
	if last != "" {
		if to, err = strconv.ParseInt(last, 10, 63); err != nil || to < 0 {
			return r, false
		}
	}
	return byteRange{from, min(to, size-1)}, true
}

// sendRanges sends parts of an attachment that is stored as it is.
func (c *call) sendRanges(r *store.AttachmentReader, a *store.Attachment, ranges []byteRange) error {
	h := c.w.Header()
	if len(ranges) == 1 {
		h.Set("Content-Range", ranges[0].header(a.Stored))
		h.Set("Content-Length", strconv.FormatInt(ranges[0].length(), 10))
		c.w.WriteHeader(http.StatusPartialContent)
		if c.r.Method == http.MethodHead {
			return nil
		}
		return c.cutOff(copyRange(c.w, r, ranges[0]))
	}
	boundary := store.NewUUID()
	for _, name := range []string{"ETag", "Accept-Ranges", "Cache-Control", "Content-Security-Policy"} { // CouchDB leaves them out here
		h.Del(name)
	}
	h.Set("Content-Type", `multipart/byteranges; boundary="`+boundary+`"`)
	c.w.WriteHeader(http.StatusPartialContent)
	if c.r.Method == http.MethodHead {
		return nil
	}
	_, err := io.WriteString(c.w, "--"+boundary)
	for _, one := range ranges {
		if err != nil {
			break
		}
		head := "\r\nContent-Type: " + headerText(a.Type) + "\r\nContent-Range: " + one.header(a.Stored) + "\r\n\r\n"
		if _, err = io.WriteString(c.w, head); err == nil {
			err = copyRange(c.w, r, one)
		}
		if err == nil {
			_, err = io.WriteString(c.w, "\r\n--"+boundary)
		}
	}
	if err == nil {
		_, err = io.WriteString(c.w, "--")
	}
	return c.cutOff(err)
}

func copyRange(w io.Writer, r *store.AttachmentReader, one byteRange) error {
	if _, err := r.Seek(one.from, io.SeekStart); err != nil {
		return err
	}
	_, err := io.CopyN(w, r, one.length())
	return err
}

// headerText is text that can stand in a header of a part.
func headerText(text string) string { return strings.NewReplacer("\r", " ", "\n", " ").Replace(text) }
