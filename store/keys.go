package store

import "encoding/binary"

// The key space. The first byte is the space; everything of one database shares its four-byte number, so that dropping it is one range.
//
//	0x01 name            → a database's number and settings (catalog)
//	0x02 number kind ... → the content of a database:
//	     'd' id            → the document's revision tree (meta, see tree.go)
//	     'l' id            → a local document
//	     'p' name          → counters and settings
//	     's' seq 0x00      → the row of seq is superseded (marker, stands before its row)
//	     's' seq 0x01      → the revision written at seq with its body (row, see row.go)
//	     'x' ...           → rows of indexes, opaque
const (
	spaceCatalog = 0x01
	spaceContent = 0x02

	kindDoc   = 'd'
	kindLocal = 'l'
	kindProp  = 'p'
	kindSeq   = 's'
	kindIndex = 'x'

	markSuperseded = 0x00
	markRow        = 0x01

	prefixLen = 6 // space, number, kind
	seqKeyLen = prefixLen + 8 + 1
)

func appendPrefix(dst []byte, number uint32, kind byte) []byte {
	dst = append(dst, spaceContent)
	dst = binary.BigEndian.AppendUint32(dst, number)
	return append(dst, kind)
}

func appendDocKey(dst []byte, number uint32, id string) []byte {
	return append(appendPrefix(dst, number, kindDoc), id...)
}

func appendSeqKey(dst []byte, number uint32, seq uint64, mark byte) []byte {
	dst = binary.BigEndian.AppendUint64(appendPrefix(dst, number, kindSeq), seq)
	return append(dst, mark)
}

func catalogKey(name string) []byte {
	return append([]byte{spaceCatalog}, name...)
}

func countersKey(number uint32) []byte {
	return append(appendPrefix(nil, number, kindProp), "counters"...)
}

func localKey(number uint32, id string) []byte {
	return append(appendPrefix(nil, number, kindLocal), id...)
}

// contentRange is the range of all keys of a database.
func contentRange(number uint32) (lower, upper []byte) {
	lower = binary.BigEndian.AppendUint32([]byte{spaceContent}, number)
	upper = binary.BigEndian.AppendUint32([]byte{spaceContent}, number+1)
	return lower, upper
}

// seqOf reads the sequence and the mark of a key of kind 's'.
func seqOf(key []byte) (seq uint64, mark byte) {
	return binary.BigEndian.Uint64(key[prefixLen:]), key[prefixLen+8]
}
