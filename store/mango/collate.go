package mango

import (
	"encoding/binary"
	"math"
	"math/big"
	"strconv"
	"sync"

	"golang.org/x/text/collate"
	"golang.org/x/text/language"

	"github.com/adlayer/after/internal/jsonscan"
)

// A key is one value after the other, each starting with the byte of its kind; no value's encoding is the beginning of another's. So keys of
// several values compare value by value, and all that starts with given values lies between their encoding and the same with keyMax behind it.
const (
	keyEnd    = 0x01 // ends an array or an object, below any kind
	keyNull   = 0x02
	keyFalse  = 0x03
	keyTrue   = 0x04
	keyNumber = 0x05
	keyString = 0x06
	keyArray  = 0x07
	keyObject = 0x08
	keyMax    = 0xff // above any kind
)

// Within a string every zero byte is written 00 ff, and each level of weights ends with 00 and one of these.
const (
	levelLast = 0x01 // nothing but common weights follows
	levelNext = 0x02
	levelZero = 0xff
)

// keyDepth bounds the recursion. The store refuses documents of more than 2,000 levels, so nothing is ever cut there.
const keyDepth = 10_000

// AppendKey appends the key of a raw JSON value to dst. Keys compare, as bytes, in CouchDB's collation: null, false, true, numbers by value,
// strings by the Unicode collation algorithm, arrays element by element, objects member by member in the order in which they are written.
// Values that CouchDB holds to be equal (1 and 1.0) have equal keys. The value must be valid JSON.
func AppendKey(dst, raw []byte) []byte { return appendKey(dst, raw, 0) }

func appendKey(dst, raw []byte, depth int) []byte {
	raw = raw[jsonscan.Space(raw, 0):]
	switch kindOf(raw) {
	case kindFalse:
		return append(dst, keyFalse)
	case kindTrue:
		return append(dst, keyTrue)
	case kindNumber:
		return appendNumber(append(dst, keyNumber), raw)
	case kindString:
		return appendQuoted(append(dst, keyString), raw)
	case kindArray:
		dst = append(dst, keyArray)
		for w, ok := walk(raw, '['); ok && depth < keyDepth; {
			var element []byte
			if element, ok = w.element(); ok {
				dst = appendKey(dst, element, depth+1)
			}
		}
		return append(dst, keyEnd)
	case kindObject:
		dst = append(dst, keyObject)
		for w, ok := walk(raw, '{'); ok && depth < keyDepth; {
			var name, v []byte
			if name, v, ok = w.member(); ok {
				dst = appendKey(appendQuoted(append(dst, keyString), name), v, depth+1)
			}
		}
		return append(dst, keyEnd)
	default:
		return append(dst, keyNull)
	}
}

// appendBytes appends a string that compares by its bytes, as document ids do.
func appendBytes(dst []byte, s string) []byte {
	dst = append(dst, keyString)
	for i := range len(s) {
		if dst = append(dst, s[i]); s[i] == 0 {
			dst = append(dst, levelZero)
		}
	}
	return append(dst, 0, levelLast)
}

// appendNumber writes a number in nine bytes: the float64, turned so that its bytes sort, and what it leaves of a large integer.
func appendNumber(dst, literal []byte) []byte {
	if n, ok := smallInteger(literal); ok {
		return appendFloat(dst, float64(n))
	}
	if isInteger(literal) {
		if n, ok := new(big.Int).SetString(string(literal), 10); ok {
			return appendBig(dst, n)
		}
	}
	f, _ := strconv.ParseFloat(string(literal), 64) // out of range gives an infinity, which is as good as it gets
	return appendFloat(dst, f)
}

// smallInteger reads an integer that a float64 holds exactly.
func smallInteger(literal []byte) (n int64, ok bool) {
	digits := literal
	if len(digits) > 0 && digits[0] == '-' {
		digits = digits[1:]
	}
	if len(digits) == 0 || len(digits) > 15 {
		return 0, false
	}
	for _, c := range digits {
		if c < '0' || c > '9' {
			return 0, false
		}
		n = n*10 + int64(c-'0')
	}
	if literal[0] == '-' {
		n = -n
	}
	return n, true
}

// appendFloat writes a number that leaves no rest. Rests make a positive number larger and a negative one smaller, so none is 00 there and ff here.
func appendFloat(dst []byte, f float64) []byte {
	if f == 0 {
		f = 0 // no negative zero
	}
	dst = appendBits(dst, f)
	if f < 0 {
		return append(dst, 0xff)
	}
	return append(dst, 0)
}

func appendBits(dst []byte, f float64) []byte {
	bits := math.Float64bits(f)
	if bits>>63 == 0 {
		bits |= 1 << 63
	} else {
		bits = ^bits
	}
	return binary.BigEndian.AppendUint64(dst, bits)
}

// appendBig keeps integers of more than 53 bits apart, as CouchDB does: the float64 towards zero, then the length of the rest and the rest.
func appendBig(dst []byte, n *big.Int) []byte {
	f, _ := new(big.Float).SetMode(big.ToZero).SetPrec(53).SetInt(n).Float64()
	if math.IsInf(f, 0) {
		return appendFloat(dst, f)
	}
	whole, _ := new(big.Float).SetFloat64(f).Int(nil)
	rest := new(big.Int).Sub(n, whole).Bytes()
	if len(rest) == 0 {
		return appendFloat(dst, f)
	}
	dst = appendBits(dst, f)
	start := len(dst)
	dst = append(append(dst, byte(len(rest))), rest...) //nolint:gosec // at most 122 bytes, as a float64 ends at 1024 bits
	if n.Sign() < 0 {
		for i := start; i < len(dst); i++ {
			dst[i] = ^dst[i]
		}
	}
	return dst
}

// appendQuoted appends the key of a quoted JSON string, without the byte of its kind.
func appendQuoted(dst, quoted []byte) []byte {
	if len(quoted) < 2 {
		return append(dst, 0, levelLast)
	}
	plain := true
	for _, c := range quoted {
		if c >= 0x80 || c == '\\' {
			plain = false
			break
		}
	}
	if plain {
		return appendASCII(dst, quoted[1:len(quoted)-1])
	}
	return appendText(dst, unquote(quoted))
}

func appendText(dst, text []byte) []byte {
	if isASCII(text) {
		return appendASCII(dst, text)
	}
	return appendCollated(dst, text)
}

// appendPast appends a key that comes behind those of all strings that begin with text, and before those of any other string behind them.
func appendPast(dst []byte, text string, byID bool) []byte {
	dst = append(dst, keyString)
	switch {
	case byID:
		dst = appendBytes(dst[:len(dst)-1], text)
		return append(dst[:len(dst)-2], keyMax)
	case isASCII([]byte(text)):
		dst, _ = appendASCIIPrimary(dst, []byte(text))
		return append(dst, keyMax)
	}
	weigh([]byte(text), func(primary, _, _ []byte) { dst = appendWeights(dst, primary) })
	return append(dst, keyMax)
}

func isASCII(text []byte) bool {
	for _, c := range text {
		if c >= 0x80 {
			return false
		}
	}
	return true
}

// appendASCII does what appendCollated does for text of ASCII alone, from a table: a tenth of the time.
func appendASCII(dst, text []byte) []byte {
	dst, last := appendASCIIPrimary(dst, text)
	if last == 0 {
		return append(dst, 0, levelLast)
	}
	dst = append(dst, 0, levelNext, 0, levelNext)
	for _, c := range text {
		switch {
		case last == 0 || asciiWeights[2*int(c)] == 0:
			continue
		case c >= 'A' && c <= 'Z':
			dst = append(dst, tertiaryCapital)
		default:
			dst = append(dst, tertiaryCommon)
		}
		last--
	}
	return append(dst, 0, levelLast)
}

// appendASCIIPrimary appends the primary weights alone. last is the number of letters up to the last capital.
func appendASCIIPrimary(dst, text []byte) (_ []byte, last int) {
	n := 0
	for _, c := range text {
		high, low := asciiWeights[2*int(c)], asciiWeights[2*int(c)+1]
		if high == 0 {
			continue
		}
		n++
		if c >= 'A' && c <= 'Z' {
			last = n
		}
		if dst = append(dst, high, low); low == 0 {
			dst = append(dst, levelZero)
		}
	}
	return dst, last
}

// Weights that most characters have. Both are the least of their level, so that a string may leave them out at its end.
const (
	secondaryCommon = 0x20
	tertiaryCommon  = 0x02
	tertiaryCapital = 0x08
)

// asciiWeights holds the two bytes of primary weight of each ASCII character, zero for those that collation ignores. A test compares it with the library.
const asciiWeights = "" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x01\x00\x01\x01\x01\x02\x01\x03\x01\x04\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00\x00" +
	"\x01\x09\x01\x5d\x01\xf0\x02\x75\x13\xef\x02\x76\x02\x73\x01\xe9" +
	"\x01\xfa\x01\xfb\x02\x6c\x04\x9c\x01\x20\x01\x0d\x01\x72\x02\x71" +
	"\x14\xe6\x14\xe7\x14\xe8\x14\xe9\x14\xea\x14\xeb\x14\xec\x14\xed" +
	"\x14\xee\x14\xef\x01\x36\x01\x31\x04\xa0\x04\xa1\x04\xa2\x01\x62" +
	"\x02\x6b\x15\xef\x16\x05\x16\x1d\x16\x31\x16\x4c\x16\x84\x16\x91" +
	"\x16\xb4\x16\xcd\x16\xe6\x16\xff\x17\x11\x17\x41\x17\x4f\x17\x71" +
	"\x17\x96\x17\xab\x17\xbd\x17\xf3\x18\x16\x18\x36\x18\x5f\x18\x71" +
	"\x18\x7b\x18\x80\x18\x95\x01\xfc\x02\x72\x01\xfd\x03\x12\x01\x0b" +
	"\x03\x0f\x15\xef\x16\x05\x16\x1d\x16\x31\x16\x4c\x16\x84\x16\x91" +
	"\x16\xb4\x16\xcd\x16\xe6\x16\xff\x17\x11\x17\x41\x17\x4f\x17\x71" +
	"\x17\x96\x17\xab\x17\xbd\x17\xf3\x18\x16\x18\x36\x18\x5f\x18\x71" +
	"\x18\x7b\x18\x80\x18\x95\x01\xfe\x04\xa4\x01\xff\x04\xa6\x00\x00"

// collators keeps collators for reuse: they are large, and not safe for use from two goroutines.
var collators = sync.Pool{ //nolint:gochecknoglobals // a cache; nobody can tell one collator from another
	New: func() any { return &collatorBuffer{collator: collate.New(language.Und)} },
}

type collatorBuffer struct {
	collator *collate.Collator
	buffer   collate.Buffer
}

// longText is the length from which a collator is not kept, as its buffers have grown with it.
const longText = 16 << 10

// appendCollated appends the collation key of text: the primary weights, then the secondary and tertiary ones as far as they are not common.
func appendCollated(dst, text []byte) []byte {
	weigh(text, func(primary, secondary, tertiary []byte) {
		for len(tertiary) > 0 && tertiary[len(tertiary)-1] == tertiaryCommon {
			tertiary = tertiary[:len(tertiary)-1]
		}
		for n := len(secondary); n > 1 && secondary[n-1] == secondaryCommon && secondary[n-2] == 0; n = len(secondary) {
			secondary = secondary[:n-2]
		}
		dst = appendLevel(dst, primary, len(secondary)+len(tertiary) > 0)
		if len(secondary)+len(tertiary) > 0 {
			dst = appendLevel(dst, secondary, len(tertiary) > 0)
		}
		if len(tertiary) > 0 {
			dst = appendLevel(dst, tertiary, false)
		}
	})
	return dst
}

// weigh gives the weights of text to use, which must not keep them.
func weigh(text []byte, use func(primary, secondary, tertiary []byte)) {
	c, ok := collators.Get().(*collatorBuffer)
	if !ok || len(text) > longText {
		c = &collatorBuffer{collator: collate.New(language.Und)}
	}
	c.buffer.Reset()
	use(splitWeights(c.collator.Key(&c.buffer, text)))
	if len(text) <= longText {
		collators.Put(c)
	}
}

func appendLevel(dst, weights []byte, more bool) []byte {
	dst = appendWeights(dst, weights)
	if more {
		return append(dst, 0, levelNext)
	}
	return append(dst, 0, levelLast)
}

func appendWeights(dst, weights []byte) []byte {
	for _, c := range weights {
		if dst = append(dst, c); c == 0 {
			dst = append(dst, levelZero)
		}
	}
	return dst
}

// splitWeights takes a key of x/text/collate apart: primary weights of two bytes, or of three where the first has its high bit set, two zero bytes,
// secondary weights of two bytes, two zero bytes, tertiary weights of one.
func splitWeights(key []byte) (primary, secondary, tertiary []byte) {
	i := 0
	for i+1 < len(key) && (key[i] != 0 || key[i+1] != 0) {
		if key[i]&0x80 != 0 {
			i++
		}
		i += 2
	}
	primary = key[:min(i, len(key))]
	j := i + 2
	for j+1 < len(key) && (key[j] != 0 || key[j+1] != 0) {
		j += 2
	}
	if i+2 <= j && j <= len(key) {
		secondary = key[i+2 : j]
	}
	if j+2 <= len(key) {
		tertiary = key[j+2:]
	}
	return primary, secondary, tertiary
}
