package store

// The keys of a database's content, for tests that damage it.

func CatalogKey(name string) []byte { return catalogKey(name) }

func NumberKey() []byte { return numberKey() }

func CountersKey(d *Database) []byte { return countersKey(d.number) }

func DocKey(d *Database, id string) []byte { return appendDocKey(nil, d.number, id) }

func LocalKey(d *Database, id string) []byte { return localKey(d.number, id) }

func RowKey(d *Database, seq uint64) []byte { return appendSeqKey(nil, d.number, seq, markRow) }

func MarkKey(d *Database, seq uint64) []byte { return appendSeqKey(nil, d.number, seq, markSuperseded) }

func KindKey(number uint32, kind byte) []byte { return appendPrefix(nil, number, kind) }

// Counters encodes what a database counts.
func Counters(seq uint64, docs, deleted, superseded int64) []byte {
	c := counters{Seq: seq, Docs: docs, Deleted: deleted, Superseded: superseded}
	return c.append(nil)
}

// Flush brings to disk what was answered before it was there, as the background does.
func Flush(s *Store) { s.flush() }

// ChunkKey is where a chunk of a content lies.
func ChunkKey(d *Database, blob uint64, chunk uint32) []byte {
	return appendChunkKey(nil, d.number, blob, chunk)
}

// BlobKey is a key of a content: 'n' for its name, 'u' for an upload.
func BlobKey(d *Database, kind byte, blob uint64) []byte {
	return appendBlobKey(nil, d.number, kind, blob)
}

// RefKey is a reference to a content.
func RefKey(d *Database, blob, seq uint64) []byte { return appendRefKey(nil, d.number, blob, seq) }

// RefsKey is the list of the contents of a revision.
func RefsKey(d *Database, seq uint64) []byte { return refsKey(d.number, seq) }
