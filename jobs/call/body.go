package call

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"sync/atomic"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/jobs"
)

// body is what is sent. It can be read several times: to be signed, to be sent, and to be sent again to where the first answer points.
type body struct {
	memory []byte
	open   func(ctx context.Context) (io.ReadCloser, error) // nil: it is in memory
	length int64                                            // -1: nobody knows
	kind   string                                           // its content type
	coding string                                           // its content encoding
}

func (b *body) empty() bool { return b.open == nil && len(b.memory) == 0 }

// reader reads it for a transport. What is not in memory is opened by the first read; why it cannot be read is put into failed.
func (b *body) reader(ctx context.Context, failed *atomic.Pointer[error]) io.ReadCloser {
	if b.open == nil {
		return io.NopCloser(bytes.NewReader(b.memory))
	}
	return &source{ctx: ctx, open: b.open, failed: failed}
}

// source is a body that is opened when it is read. A transport reads and closes it from different goroutines.
type source struct {
	ctx    context.Context //nolint:containedctx // of the request whose body it is
	open   func(ctx context.Context) (io.ReadCloser, error)
	failed *atomic.Pointer[error]

	mu     sync.Mutex
	opened io.ReadCloser
	closed bool
}

func (s *source) Read(p []byte) (int, error) {
	r, err := s.reader()
	if err != nil {
		s.fail(err)
		return 0, err
	}
	n, err := r.Read(p)
	if err != nil && err != io.EOF { //nolint:errorlint // as io.Reader has it, unwrapped
		s.fail(err)
	}
	return n, err
}

// fail remembers why the body cannot be read. A transport whose connection is lost closes it while it is read: what such a read says is no reason
// for anything.
func (s *source) fail(err error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.closed {
		s.failed.Store(&err)
	}
}

func (s *source) reader() (io.ReadCloser, error) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.closed {
		return nil, http.ErrBodyReadAfterClose
	}
	if s.opened == nil {
		r, err := s.open(s.ctx)
		if err != nil {
			return nil, err
		}
		s.opened = r
	}
	return s.opened, nil
}

func (s *source) Close() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.closed = true
	if s.opened == nil {
		return nil
	}
	return s.opened.Close()
}

func (b *body) copyTo(ctx context.Context, w io.Writer) error {
	if b.open == nil {
		_, err := w.Write(b.memory)
		return err
	}
	r, err := b.open(ctx)
	if err != nil {
		return err
	}
	defer r.Close() //nolint:errcheck // only read
	_, err = io.Copy(w, r)
	return err
}

// bodyOf makes the body that the arguments ask for.
func bodyOf(t *jobs.Task, in *Arguments) (*body, error) {
	b := &body{}
	switch {
	case len(in.Body) > 0 && in.Body[0] == '"':
		var text string
		if err := json.Unmarshal(in.Body, &text); err != nil {
			return nil, jobs.Invalid(fmt.Errorf("arguments.body: %w", err))
		}
		b.memory, b.kind = []byte(text), "text/plain; charset=utf-8"
	case len(in.Body) > 0 && string(in.Body) != "null":
		b.memory, b.kind = in.Body, "application/json"
	case in.Form != nil:
		b.memory, b.kind = []byte(encode(in.Form)), "application/x-www-form-urlencoded"
	case in.Text != nil:
		b.memory, b.kind = []byte(*in.Text), "text/plain; charset=utf-8"
	case in.Base64 != nil:
		b.memory, b.kind = in.Base64, "application/octet-stream"
	case in.Attachment != "":
		b.attach(t, in.Attachment)
	}
	if b.open == nil {
		b.length = int64(len(b.memory))
	}
	if in.Gzip && !b.empty() {
		return b, b.compress()
	}
	return b, nil
}

func encode(values map[string]Values) string {
	form := make(url.Values, len(values))
	for name, list := range values {
		form[name] = list
	}
	return form.Encode()
}

// attach makes an attachment of the task's document the body. Its type and length are told by the document: not every endpoint takes a body
// whose length is not told ahead.
func (b *body) attach(t *jobs.Task, name string) {
	b.open = func(ctx context.Context) (io.ReadCloser, error) {
		r, err := t.Attachment(ctx, name)
		if err != nil {
			return nil, fmt.Errorf("attachment %s: %w", name, err)
		}
		return r, nil
	}
	stub := gjson.GetBytes(t.Document().Encode(), "_attachments").Get(gjson.Escape(name))
	if b.kind = stub.Get("content_type").String(); b.kind == "" || checkHeaders(map[string]Values{"Content-Type": {b.kind}}) != nil {
		b.kind = "application/octet-stream"
	}
	b.length = -1
	if length := stub.Get("length"); length.Type == gjson.Number && length.Int() >= 0 {
		b.length = length.Int()
	}
}

// compress has the body sent with gzip. What is in memory is compressed there.
func (b *body) compress() error {
	b.coding = "gzip"
	if plain := b.open; plain != nil {
		b.length = -1
		b.open = func(ctx context.Context) (io.ReadCloser, error) {
			source, err := plain(ctx)
			if err != nil {
				return nil, err
			}
			c := &compressor{source: source}
			c.zip = gzip.NewWriter(&c.ready)
			return c, nil
		}
		return nil
	}
	var out bytes.Buffer
	zip := gzip.NewWriter(&out)
	_, err := zip.Write(b.memory)
	if err == nil {
		err = zip.Close()
	}
	b.memory, b.length = out.Bytes(), int64(out.Len())
	return err
}

// compressor compresses what it reads.
type compressor struct {
	source io.ReadCloser
	zip    *gzip.Writer
	ready  bytes.Buffer
	plain  [16 << 10]byte
	ended  bool
}

func (c *compressor) Read(p []byte) (int, error) {
	for c.ready.Len() == 0 {
		if c.ended {
			return 0, io.EOF
		}
		n, err := c.source.Read(c.plain[:])
		if _, err := c.zip.Write(c.plain[:n]); err != nil {
			return 0, err
		}
		switch {
		case err == io.EOF:
			c.ended = true
			if err := c.zip.Close(); err != nil {
				return 0, err
			}
		case err != nil:
			return 0, err
		}
	}
	return c.ready.Read(p)
}

func (c *compressor) Close() error { return c.source.Close() }
