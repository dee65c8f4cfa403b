package mango

import (
	"crypto/sha1" //nolint:gosec // the name that CouchDB gives an index is a SHA-1; nothing is secured by it
	"encoding/binary"
	"encoding/hex"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
)

// CouchDB's reasons show values as Erlang writes them, and it names an index by a hash over an Erlang term. Clients have seen both, so they are kept.

// erlang writes a value as Erlang's ~w does: strings as the numbers of their bytes.
func erlang(v *value) string { return erlangTerm(v, false) }

// erlangPretty writes a value as Erlang's ~p does: strings as text where they can be printed.
func erlangPretty(v *value) string { return erlangTerm(v, true) }

func erlangTerm(v *value, pretty bool) string {
	switch v.kind {
	case kindNull:
		return "null"
	case kindFalse:
		return "false"
	case kindTrue:
		return "true"
	case kindNumber:
		return erlangNumber(v)
	case kindString:
		return erlangBinary(v.text, pretty)
	case kindArray:
		parts := make([]string, len(v.items))
		for i, item := range v.items {
			parts[i] = erlangTerm(item, pretty)
		}
		return "[" + strings.Join(parts, ",") + "]"
	default:
	}
	parts := make([]string, len(v.members))
	for i, m := range v.members {
		parts[i] = "{" + erlangBinary(m.name, pretty) + "," + erlangTerm(m.value, pretty) + "}"
	}
	return "{[" + strings.Join(parts, ",") + "]}"
}

func erlangNumber(v *value) string {
	if v.integer() {
		return v.text
	}
	f, _ := strconv.ParseFloat(v.text, 64)
	text := strconv.FormatFloat(f, 'g', -1, 64)
	if !strings.ContainsAny(text, ".e") {
		text += ".0"
	}
	return text
}

func erlangBinary(s string, pretty bool) string {
	if pretty && s != "" && printable(s) {
		return `<<"` + s + `">>`
	}
	parts := make([]string, len(s))
	for i := range len(s) {
		parts[i] = strconv.Itoa(int(s[i]))
	}
	return "<<" + strings.Join(parts, ",") + ">>"
}

func printable(s string) bool {
	for i := range len(s) {
		if c := s[i]; c < ' ' || c == 0x7f || c == '"' || c == '\\' {
			return false
		}
	}
	return true
}

// autoName is the name of an index whose request gives none: the hash that CouchDB takes over the definition and the options as they came,
// so that the same request makes the same design document on both.
func (r *indexRequest) autoName() string {
	term := []byte{131, 104, 2}
	term = appendTerm(term, r.definition)
	term = append(term, 108, 0, 0, 0, 6)
	term = appendTerm(appendAtom(append(term, 104, 2), "ddoc"), r.ddoc)
	term = appendTerm(appendAtom(append(term, 104, 2), "def"), r.definition)
	term = appendTerm(appendAtom(append(term, 104, 2), "name"), r.name)
	term = appendAtom(appendAtom(append(term, 104, 2), "partitioned"), r.partitioned)
	term = appendTerm(appendAtom(append(term, 104, 2), "type"), stringValue(r.kind))
	term = appendTerm(appendAtom(append(term, 104, 2), "w"), r.w)
	sum := sha1.Sum(append(term, 106)) //nolint:gosec // as above
	return hex.EncodeToString(sum[:])
}

func appendAtom(dst []byte, name string) []byte {
	return append(append(dst, 100, 0, byte(len(name))), name...) //nolint:gosec // the names above are short
}

// appendTerm writes a value in Erlang's external term format. No value at all is the atom auto_name.
func appendTerm(dst []byte, v *value) []byte {
	if v == nil {
		return appendAtom(dst, "auto_name")
	}
	switch v.kind {
	case kindNull:
		return appendAtom(dst, "null")
	case kindFalse:
		return appendAtom(dst, "false")
	case kindTrue:
		return appendAtom(dst, "true")
	case kindNumber:
		return appendNumberTerm(dst, v)
	case kindString:
		return appendBinary(dst, v.text)
	case kindArray:
		return appendListTerm(dst, v.items)
	default:
	}
	dst = append(dst, 104, 1)
	if len(v.members) == 0 {
		return append(dst, 106)
	}
	dst = binary.BigEndian.AppendUint32(append(dst, 108), uint32(len(v.members))) //nolint:gosec // bounded by the request's size
	for _, m := range v.members {
		dst = appendTerm(appendBinary(append(dst, 104, 2), m.name), m.value)
	}
	return append(dst, 106)
}

func appendBinary(dst []byte, s string) []byte {
	dst = binary.BigEndian.AppendUint32(append(dst, 109), uint32(len(s))) //nolint:gosec // bounded by the request's size
	return append(dst, s...)
}

// appendListTerm writes a list; one of nothing but small integers is a string to Erlang.
func appendListTerm(dst []byte, items []*value) []byte {
	if len(items) == 0 {
		return append(dst, 106)
	}
	if text, ok := byteList(items); ok {
		dst = binary.BigEndian.AppendUint16(append(dst, 107), uint16(len(text))) //nolint:gosec // byteList is bounded
		return append(dst, text...)
	}
	dst = binary.BigEndian.AppendUint32(append(dst, 108), uint32(len(items))) //nolint:gosec // bounded by the request's size
	for _, item := range items {
		dst = appendTerm(dst, item)
	}
	return append(dst, 106)
}

func byteList(items []*value) (text []byte, ok bool) {
	if len(items) > math.MaxUint16 {
		return nil, false
	}
	for _, item := range items {
		n, err := strconv.ParseUint(item.text, 10, 8)
		if item.kind != kindNumber || err != nil {
			return nil, false
		}
		text = append(text, byte(n))
	}
	return text, true
}

func appendNumberTerm(dst []byte, v *value) []byte {
	if !v.integer() {
		f, _ := strconv.ParseFloat(v.text, 64)
		return binary.BigEndian.AppendUint64(append(dst, 70), math.Float64bits(f))
	}
	n, ok := new(big.Int).SetString(v.text, 10)
	switch {
	case !ok:
		return append(dst, 97, 0)
	case n.IsInt64() && n.Int64() >= 0 && n.Int64() <= math.MaxUint8:
		return append(dst, 97, byte(n.Int64())) //nolint:gosec // in range, by the case
	case n.IsInt64() && n.Int64() >= math.MinInt32 && n.Int64() <= math.MaxInt32:
		return binary.BigEndian.AppendUint32(append(dst, 98), uint32(int32(n.Int64()))) //nolint:gosec // in range, by the case
	}
	return appendBigTerm(dst, n)
}

func appendBigTerm(dst []byte, n *big.Int) []byte {
	digits := n.Bytes()
	sign := byte(0)
	if n.Sign() < 0 {
		sign = 1
	}
	if len(digits) <= math.MaxUint8 {
		dst = append(dst, 110, byte(len(digits)), sign) //nolint:gosec // in range, by the condition
	} else {
		dst = append(binary.BigEndian.AppendUint32(append(dst, 111), uint32(len(digits))), sign) //nolint:gosec // bounded by the request's size
	}
	for _, digit := range slices.Backward(digits) {
		dst = append(dst, digit)
	}
	return dst
}
