package store

import (
	"bytes"
	"encoding/hex"
	"strconv"
	"strings"
)

// Rev names one revision of a document: a generation and a hash. The zero Rev is no revision. Hashes of 32 hexadecimal digits are kept as 16
// bytes; any other text that a replicator brought is kept as it is. Revs are comparable with ==.
type Rev struct {
	Pos  uint64
	sum  [16]byte
	text string
}

// maxPos bounds generations, so that a forged one cannot overflow.
const maxPos = 1 << 53

// ParseRev reads "N-hash".
func ParseRev(s string) (Rev, error) {
	dash := strings.IndexByte(s, '-')
	if dash < 1 || dash == len(s)-1 {
		return Rev{}, errBadRev()
	}
	pos, err := strconv.ParseUint(s[:dash], 10, 64)
	if err != nil || pos > maxPos {
		return Rev{}, errBadRev()
	}
	return makeRev(pos, s[dash+1:]), nil
}

func errBadRev() *Error { return BadRequest("Invalid rev format") }

func makeRev(pos uint64, hash string) Rev {
	r := Rev{Pos: pos}
	if !unhex(&r.sum, hash) {
		r.sum = [16]byte{}
		r.text = hash
	}
	return r
}

// unhex reads 32 hexadecimal digits.
func unhex(dst *[16]byte, s string) bool {
	if len(s) != 2*len(dst) {
		return false
	}
	for i := range dst {
		hi, lo := hexDigit(s[2*i]), hexDigit(s[2*i+1])
		if hi > 15 || lo > 15 {
			return false
		}
		dst[i] = hi<<4 | lo
	}
	return true
}

func hexDigit(c byte) byte {
	switch {
	case c >= '0' && c <= '9':
		return c - '0'
	case c >= 'a' && c <= 'f':
		return c - 'a' + 10
	case c >= 'A' && c <= 'F':
		return c - 'A' + 10
	}
	return 255
}

// IsZero tells whether r is no revision.
func (r Rev) IsZero() bool { return r == Rev{} }

// Hash is the part behind the dash.
func (r Rev) Hash() string {
	if r.text != "" {
		return r.text
	}
	return hex.EncodeToString(r.sum[:])
}

func (r Rev) String() string { return string(r.Append(nil)) }

// Append adds "N-hash" to dst.
func (r Rev) Append(dst []byte) []byte {
	dst = strconv.AppendUint(dst, r.Pos, 10)
	dst = append(dst, '-')
	if r.text != "" {
		return append(dst, r.text...)
	}
	return hex.AppendEncode(dst, r.sum[:])
}

// key is the hash as CouchDB compares it: 16 bytes, or the text's own.
func (r Rev) key() []byte {
	if r.text != "" {
		return []byte(r.text)
	}
	return r.sum[:]
}

// compareRevs orders by generation, then by the hash's bytes.
func compareRevs(a, b Rev) int {
	if a.Pos != b.Pos {
		if a.Pos < b.Pos {
			return -1
		}
		return 1
	}
	if a.text == "" && b.text == "" {
		return bytes.Compare(a.sum[:], b.sum[:])
	}
	return bytes.Compare(a.key(), b.key())
}

// CompareRevs orders by generation, then by hash.
func CompareRevs(a, b Rev) int { return compareRevs(a, b) }
