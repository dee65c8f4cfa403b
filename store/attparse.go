package store

import (
	"bytes"
	"encoding/base64"
	"errors"
	"io"
	"strconv"
)

const defaultType = "application/octet-stream"

// attachments reads the value of `_attachments` at pos. What is inline stays where it is: in the input, if nothing in it is escaped.
func (p *Parser) attachments(d *Doc) error {
	s := &p.scan
	s.space()
	if s.peek() != '{' {
		if err := s.value(); err != nil {
			return err
		}
		return badMember("_attachments")
	}
	return p.eachMember(func(key []byte) error {
		s.space()
		if s.peek() != '{' {
			return s.value() // CouchDB overlooks what is no object
		}
		a := Attachment{Name: unquote(key), Type: defaultType, Length: -1, Stored: -1}
		if err := CheckAttachmentName(a.Name); err != nil {
			return err
		}
		if err := p.attachment(&a); err != nil {
			return err
		}
		d.Detach(a.Name)
		d.Attachments = append(d.Attachments, a)
		return nil
	})
}

// attachmentParts are the members of an attachment whose order does not matter.
type attachmentParts struct {
	stub, follows, data bool
	encoded             int64
}

func (p *Parser) attachment(a *Attachment) error {
	s := &p.scan
	parts := attachmentParts{encoded: -1}
	err := p.eachMember(func(key []byte) error {
		s.space()
		if string(key) == `"data"` && s.peek() == '"' {
			parts.data = true
			return p.attachmentData(a)
		}
		from := len(s.out)
		if err := s.value(); err != nil {
			return err
		}
		s.flush()
		a.set(string(key), s.out[from:], &parts)
		return nil
	})
	if err != nil {
		return err
	}
	a.Stored = a.Length
	if a.Gzip && parts.encoded >= 0 {
		a.Stored = parts.encoded
	}
	switch {
	case parts.stub:
		a.source = sourceStub
	case parts.follows:
		a.source = sourceFollows
	case parts.data:
		a.source = sourceInline
		a.Gzip = false
	default:
		return invalidData(a.Name)
	}
	return nil
}

// attachmentData takes the string of inline data without copying it.
func (p *Parser) attachmentData(a *Attachment) error {
	s := &p.scan
	from, copied := s.pos, len(s.out)
	if err := s.str(); err != nil {
		return err
	}
	raw := s.in[from:s.pos]
	if bytes.IndexByte(raw, '\\') < 0 {
		a.content = raw[1 : len(raw)-1]
		s.drop()
		return nil
	}
	s.flush()
	a.content = []byte(unquote(s.out[copied:]))
	return nil
}

func (a *Attachment) set(key string, raw []byte, parts *attachmentParts) {
	switch key {
	case `"content_type"`:
		if raw[0] == '"' {
			a.Type = unquote(raw)
		}
	case `"stub"`:
		parts.stub = string(raw) == "true"
	case `"follows"`:
		parts.follows = string(raw) == "true"
	case `"revpos"`:
		a.RevPos, _ = strconv.ParseUint(string(raw), 10, 53)
	case `"digest"`:
		text, ok := bytes.CutPrefix(raw, []byte(`"md5-`))
		var sum [24]byte
		if n, err := base64.StdEncoding.Decode(sum[:], bytes.TrimSuffix(text[:min(len(text), 33)], []byte{'"'})); ok && err == nil && n == len(a.Digest) {
			copy(a.Digest[:], sum[:])
			a.checked = true
		}
	case `"length"`:
		a.Length = length(raw)
	case `"encoded_length"`:
		parts.encoded = length(raw)
	case `"encoding"`:
		a.Gzip = string(raw) == `"gzip"`
	}
}

func length(raw []byte) int64 {
	n, err := strconv.ParseInt(string(raw), 10, 63)
	if err != nil || n < 0 {
		return -1
	}
	return n
}

// inline reads the content of inline data. Like CouchDB's, the decoder skips white space and wants the padding.
func (a *Attachment) inline() io.Reader {
	return &strictReader{r: base64.NewDecoder(base64.StdEncoding, &spaceless{a.content}), name: a.Name}
}

// spaceless reads bytes without the white space among them.
type spaceless struct{ rest []byte }

func (s *spaceless) Read(p []byte) (int, error) {
	if len(s.rest) == 0 {
		return 0, io.EOF
	}
	n := 0
	for n < len(p) && len(s.rest) > 0 {
		run := s.rest[:min(len(p)-n, len(s.rest))]
		if at := bytes.IndexAny(run, " \t\r\n"); at >= 0 {
			run = run[:at]
		}
		n += copy(p[n:], run)
		s.rest = s.rest[len(run):]
		for len(s.rest) > 0 && (s.rest[0] == ' ' || s.rest[0] == '\t' || s.rest[0] == '\r' || s.rest[0] == '\n') {
			s.rest = s.rest[1:]
		}
	}
	return n, nil
}

// strictReader turns what is no base64 into the error that clients know.
type strictReader struct {
	r    io.Reader
	name string
}

func (s *strictReader) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = invalidData(s.name)
	} else if errors.Is(err, io.ErrUnexpectedEOF) {
		err = invalidData(s.name)
	}
	return n, err
}
