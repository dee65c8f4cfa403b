package webhook

import (
	"encoding/base64"
	"fmt"
	"hash"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// The headers of a signed request.
const (
	HeaderID        = "webhook-id"
	HeaderTimestamp = "webhook-timestamp"
	HeaderSignature = "webhook-signature"
)

// version begins every signature of this kind.
const version = "v1,"

// Signer signs. It can be used by several goroutines. [NewSigner] makes one.
type Signer struct{ keys [][]byte }

// NewSigner takes one secret or more. Every one of them signs, the first first.
func NewSigner(secrets ...string) (*Signer, error) {
	keys, err := keysOf(secrets)
	if err != nil {
		return nil, err
	}
	return &Signer{keys}, nil
}

// Sign puts the three headers of a request with this body into h. The id must be fit for one: see [ID].
func (s *Signer) Sign(h http.Header, id string, at time.Time, body []byte) error {
	signing, err := s.Start(id, at)
	if err != nil {
		return err
	}
	_, _ = signing.Write(body) // never fails
	signing.Header(h)
	return nil
}

// Signing is a signature in the making, for bodies that are not in memory: the body is written to it, then Header gives the headers.
type Signing struct {
	id, timestamp string
	macs          []hash.Hash
}

// Start begins a signature. It fails where the id is not fit for one: see [ID].
func (s *Signer) Start(id string, at time.Time) (*Signing, error) {
	if err := checkID(id); err != nil {
		return nil, fmt.Errorf("webhook: %w", err)
	}
	signing := &Signing{id: id, timestamp: strconv.FormatInt(at.Unix(), 10), macs: macsOf(s.keys)}
	_, _ = signing.Write([]byte(id + "." + signing.timestamp + "."))
	return signing, nil
}

// Write takes a part of the body. It never fails.
func (s *Signing) Write(part []byte) (int, error) {
	for _, mac := range s.macs {
		mac.Write(part)
	}
	return len(part), nil
}

// Header puts the three headers into h.
func (s *Signing) Header(h http.Header) {
	var b strings.Builder
	for i, mac := range s.macs {
		if i > 0 {
			b.WriteByte(' ')
		}
		b.WriteString(version)
		b.WriteString(base64.StdEncoding.EncodeToString(mac.Sum(nil)))
	}
	h.Set(HeaderID, s.id)
	h.Set(HeaderTimestamp, s.timestamp)
	h.Set(HeaderSignature, b.String())
}

// ID makes any text fit for an id: characters that are not printable ASCII, spaces, full stops and percent signs are escaped as in a URL.
// Full stops separate what is signed, so one in the id would let a message be read in two ways.
func ID(text string) string {
	if text != "" && checkID(text) == nil && !strings.Contains(text, "%") {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; unfit(c) || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

func unfit(c byte) bool { return c <= ' ' || c > '~' || c == '.' }

func checkID(id string) error {
	if id == "" {
		return fmt.Errorf("%s is empty", HeaderID)
	}
	for i := range len(id) {
		if unfit(id[i]) {
			return fmt.Errorf("%s has %q in it, which is not fit for an id", HeaderID, id[i])
		}
	}
	return nil
}
