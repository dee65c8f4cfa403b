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
//	     's' seq 0x01      → the revision written at seq with its body and its attachments' names (row, see row.go)
//	     'b' blob chunk    → 64 KiB of the bytes of an attachment, as they are stored
//	     'g' key           → the number of the blob with this content
//	     'n' blob          → the key of the blob's content
//	     'r' blob seq      → the row at seq refers to the blob
//	     'w' seq           → the blobs that the row at seq refers to
//	     'u' blob          → an upload: nothing refers to the blob yet
//	     'x' ...           → rows of indexes, opaque
const (
	spaceCatalog = 0x01
	spaceContent = 0x02

	kindDoc   = 'd'
	kindLocal = 'l'
	kindProp  = 'p'
	kindSeq   = 's'
	kindIndex = 'x'

	kindBlob   = 'b'
	kindKey    = 'g'
	kindName   = 'n'
	kindRef    = 'r'
	kindRefs   = 'w'
	kindUpload = 'u'

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

// appendBlobKey is the key of an upload, or the front of those of a blob's chunks or references.
func appendBlobKey(dst []byte, number uint32, kind byte, blob uint64) []byte {
	return binary.BigEndian.AppendUint64(appendPrefix(dst, number, kind), blob)
}

func appendChunkKey(dst []byte, number uint32, blob uint64, chunk uint32) []byte {
	return binary.BigEndian.AppendUint32(appendBlobKey(dst, number, kindBlob, blob), chunk)
}

func appendRefKey(dst []byte, number uint32, blob, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(appendBlobKey(dst, number, kindRef, blob), seq)
}

func refsKey(number uint32, seq uint64) []byte {
	return binary.BigEndian.AppendUint64(appendPrefix(nil, number, kindRefs), seq)
}

func appendContentKey(dst []byte, number uint32, key *[32]byte) []byte {
	return append(appendPrefix(dst, number, kindKey), key[:]...)
}
