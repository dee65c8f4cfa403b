package store

import (
	"encoding/base64"
	"encoding/binary"
	"net/http"
	"strconv"
	"strings"
)

// Attachment is a file that belongs to a revision of a document.
type Attachment struct {
	Name, Type string
	// RevPos is the generation of the revision that brought it.
	RevPos uint64
	// Digest is the MD5 of the bytes as they are stored.
	Digest [16]byte
	// Length is that of the content; where a client sent it compressed without saying how long it is, that of what it sent.
	Length int64
	// Stored is the length of the bytes as they are stored.
	Stored int64
	// Gzip tells that the stored bytes are compressed.
	Gzip bool

	blob    uint64 // where the bytes are; 0: nowhere yet
	source  source
	checked bool   // Digest is what the writer says of it
	content []byte // of sourceInline: base64
	upload  *Upload
}

// source is where the bytes of an attachment of a document that is to be written come from.
type source uint8

const (
	sourceStored  source = iota // a stored revision has it
	sourceStub                  // the revision before has one of that name, which is to be found
	sourceInline                // the document's own JSON
	sourceFollows               // what comes behind the document
	sourceUpload                // an upload
)

// Attach gives d the attachment name with the content of u, in place of one of that name. It comes first, as in CouchDB.
func (d *Doc) Attach(name, contentType string, u *Upload) {
	d.Detach(name)
	a := Attachment{Name: name, Type: contentType}
	a.take(u)
	d.Attachments = append([]Attachment{a}, d.Attachments...)
}

// Detach takes the attachment name from d, and tells whether it was there.
func (d *Doc) Detach(name string) bool {
	for i := range d.Attachments {
		if d.Attachments[i].Name == name {
			kept := append([]Attachment{}, d.Attachments[:i]...)
			d.Attachments = append(kept, d.Attachments[i+1:]...)
			return true
		}
	}
	return false
}

// Follows tells that the bytes come behind the document: Take must give them before it is written.
func (a *Attachment) Follows() bool { return a.source == sourceFollows }

// Take gives an attachment that follows its bytes. The error is a 400 where they are not what the document says of them.
func (a *Attachment) Take(u *Upload) error {
	switch {
	case a.Stored < 0 || u.length == a.Stored:
	case u.length > a.Stored:
		return BadRequest("attachment longer than expected")
	default:
		return BadRequest("attachment shorter than expected")
	}
	if a.checked && a.Digest != u.digest && a.Digest != u.plain {
		return digestMismatch()
	}
	length := a.Length
	a.take(u)
	if u.given && length >= 0 {
		a.Length = length
	}
	return nil
}

func (a *Attachment) take(u *Upload) {
	a.source, a.upload = sourceUpload, u
	a.Digest, a.Length, a.Stored, a.Gzip = u.digest, u.length, u.stored, u.gzip
}

func digestMismatch() *Error {
	return &Error{Status: http.StatusBadRequest, Name: "content_md5_mismatch", Reason: "Possible message corruption."}
}

// CheckAttachmentName tells what is wrong with the name of an attachment, as a 400.
func CheckAttachmentName(name string) error {
	if strings.HasPrefix(name, "_") {
		return BadRequest("Attachment name '%s' starts with prohibited character '_'", name)
	}
	if checkUTF8(name) != nil {
		return BadRequest("Attachment name is not UTF-8 encoded")
	}
	return nil
}

func invalidData(name string) *Error { return BadRequest("Invalid attachment data for %s", name) }

func missingStub(id, name string) *Error {
	return &Error{
		Status: http.StatusPreconditionFailed, Name: "missing_stub", Reason: "Invalid attachment stub in " + id + " for " + name,
	}
}

// SetCompressible says which types of attachments are stored compressed from now on; nil stands for CouchDB's: text, JSON, XML and JavaScript.
func (s *Store) SetCompressible(types func(contentType string) bool) {
	if types == nil {
		types = compressible
	}
	s.types.Store(&types)
}

// compressible tells whether an attachment of a type is stored compressed.
func (s *Store) compressible(contentType string) bool {
	if types := s.types.Load(); types != nil {
		return (*types)(contentType)
	}
	return compressible(contentType)
}

// compressible tells the same where nothing else was said: the same types as in CouchDB.
func compressible(contentType string) bool {
	kind, _, _ := strings.Cut(contentType, ";")
	switch kind = strings.ToLower(strings.TrimSpace(kind)); kind {
	case "application/javascript", "application/json", "application/xml":
		return true
	}
	return strings.HasPrefix(kind, "text/")
}

// AppendDigest adds the digest as clients see it behind "md5-" and in an ETag: base64.
func (a *Attachment) AppendDigest(dst []byte) []byte {
	return base64.StdEncoding.AppendEncode(dst, a.Digest[:])
}

// AppendOpen adds the attachment as a member of `_attachments` up to what says where its bytes are: {"content_type":...,"revpos":...,"digest":...
func (a *Attachment) AppendOpen(dst []byte) []byte {
	dst = append(AppendString(dst, a.Name), `:{"content_type":`...)
	dst = AppendString(dst, a.Type)
	dst = strconv.AppendUint(append(dst, `,"revpos":`...), a.RevPos, 10)
	dst = append(dst, `,"digest":"md5-`...)
	return append(a.AppendDigest(dst), '"')
}

// AppendEncoding adds what `att_encoding_info` shows of a compressed one.
func (a *Attachment) AppendEncoding(dst []byte) []byte {
	if !a.Gzip {
		return dst
	}
	return strconv.AppendInt(append(dst, `,"encoding":"gzip","encoded_length":`...), a.Stored, 10)
}

// AppendLength adds the length, and the word that says where the bytes are: stub or follows.
func (a *Attachment) AppendLength(dst []byte, word string) []byte {
	dst = strconv.AppendInt(append(dst, `,"length":`...), a.Length, 10)
	return append(append(append(dst, `,"`...), word...), `":true`...)
}

// The attachments in a row: uvarint count, then of each uvarint length and name, uvarint length and type, uvarint revpos, digest (16 bytes),
// uvarint length, uvarint stored length, flags (attachmentGzip), uvarint blob.
const attachmentGzip = 1 << 0

func appendAttachments(dst []byte, list []Attachment) []byte {
	dst = binary.AppendUvarint(dst, uint64(len(list)))
	for i := range list {
		a := &list[i]
		dst = append(binary.AppendUvarint(dst, uint64(len(a.Name))), a.Name...)
		dst = append(binary.AppendUvarint(dst, uint64(len(a.Type))), a.Type...)
		dst = binary.AppendUvarint(dst, a.RevPos)
		dst = append(dst, a.Digest[:]...)
		dst = binary.AppendUvarint(dst, uint64(a.Length)) //nolint:gosec // lengths are not negative
		dst = binary.AppendUvarint(dst, uint64(a.Stored)) //nolint:gosec // lengths are not negative
		var flags byte
		if a.Gzip {
			flags |= attachmentGzip
		}
		dst = append(dst, flags)
		dst = binary.AppendUvarint(dst, a.blob)
	}
	return dst
}

func parseAttachments(raw []byte) ([]Attachment, error) {
	c := cursor{b: raw}
	count := c.uvarint()
	if c.bad || count > uint64(len(raw)) {
		return nil, errCorrupt
	}
	list := make([]Attachment, 0, count)
	for range count {
		a := Attachment{Name: string(c.bytes(c.uvarint())), Type: string(c.bytes(c.uvarint())), RevPos: c.uvarint()}
		copy(a.Digest[:], c.bytes(uint64(len(a.Digest))))
		a.Length = int64(c.uvarint()) //nolint:gosec // it was one
		a.Stored = int64(c.uvarint()) //nolint:gosec // it was one
		a.Gzip = c.byte()&attachmentGzip != 0
		a.blob = c.uvarint()
		list = append(list, a)
	}
	if c.bad || c.at != len(raw) {
		return nil, errCorrupt
	}
	return list, nil
}
