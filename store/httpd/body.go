package httpd

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"sync"
	"time"

	"github.com/adlayer/after/store"
)

// buffers are used again from request to request; very large ones are left to the collector.
var buffers = sync.Pool{New: func() any { return new(bytes.Buffer) }} //nolint:gochecknoglobals // a pool is shared by nature

const keepBuffer = 4 << 20

func putBuffer(b *bytes.Buffer) {
	if b.Cap() <= keepBuffer {
		b.Reset()
		buffers.Put(b)
	}
}

func getBuffer() *bytes.Buffer {
	b, ok := buffers.Get().(*bytes.Buffer)
	if !ok {
		b = new(bytes.Buffer)
	}
	return b
}

// body reads the request's body. done gives its memory back.
func (c *call) body() (raw []byte, done func(), err error) {
	return c.bodyUpTo(c.s.settings.now().maxRequest)
}

// firstGrow bounds what is set aside on the word of a Content-Length alone, which nobody counts before the bytes are there.
const firstGrow = 256 << 10

func (c *call) bodyUpTo(limit int64) (raw []byte, done func(), err error) {
	if c.r.ContentLength > limit {
		return nil, nil, requestTooLarge()
	}
	b := getBuffer()
	held := &metered{memory: &c.s.bodies}
	var src io.Reader = c.r.Body
	switch encoding := c.r.Header.Get("Content-Encoding"); encoding {
	case "", "identity":
		if n := c.r.ContentLength; n > 0 {
			b.Grow(int(min(n, firstGrow)) + bytes.MinRead)
		}
	case "gzip":
		z, err := gzip.NewReader(io.LimitReader(c.r.Body, limit))
		if err != nil {
			putBuffer(b)
			return nil, nil, badGzip(err)
		}
		src = z
	default:
		putBuffer(b)
		return nil, nil, badType(encoding + " is not a supported content encoding.")
	}
	held.Reader = io.LimitReader(src, limit+1)
	began := time.Now()
	defer func() { c.reading += time.Since(began) }()
	done = func() {
		putBuffer(b)
		held.release()
	}
	if _, err := b.ReadFrom(held); err != nil {
		done()
		if errors.Is(err, gzip.ErrChecksum) || errors.Is(err, gzip.ErrHeader) {
			err = badGzip(err)
		}
		return nil, nil, badBody(err)
	}
	if int64(b.Len()) > limit {
		done()
		return nil, nil, requestTooLarge()
	}
	return b.Bytes(), done, nil
}

// badBody is the error of a body that ended early; one that has a status already keeps it.
func badBody(err error) error {
	if e, ok := errors.AsType[*store.Error](err); ok {
		return e
	}
	return store.BadRequest("The request body could not be read: %v", err)
}

func badGzip(err error) error {
	if e, ok := errors.AsType[*store.Error](err); ok {
		return e
	}
	return store.BadRequest("Request body is not properly gzipped.")
}

func requestTooLarge() error {
	return &store.Error{Status: http.StatusRequestEntityTooLarge, Name: "too_large", Reason: "the request entity is too large"}
}

// object reads a body that is a JSON object into its members. A missing body counts as {} where empty allows it.
func (c *call) object(empty bool) (map[string]json.RawMessage, error) {
	raw, done, err := c.body()
	if err != nil {
		return nil, err
	}
	defer done()
	if c.keep {
		c.sent = bytes.Clone(raw)
	}
	if len(raw) == 0 && empty {
		return map[string]json.RawMessage{}, nil
	}
	return decodeObject(raw)
}

func decodeObject(raw []byte) (map[string]json.RawMessage, error) {
	canonical, err := store.Canonical(raw)
	if err != nil {
		return nil, err
	}
	if canonical[0] != '{' {
		return nil, store.BadRequest("Request body must be a JSON object")
	}
	var m map[string]json.RawMessage
	if err := json.Unmarshal(canonical, &m); err != nil {
		return nil, store.BadRequest("invalid UTF-8 JSON")
	}
	return m, nil
}
