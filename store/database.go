package store

import (
	"context"
	"encoding/binary"
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// Database is one database of a Store. Its methods may be called from any goroutine.
type Database struct {
	store  *Store
	name   string
	number uint32

	dropped atomic.Bool
	seq     atomic.Uint64 // the newest sequence on disk
	wake    wake
	hub     hub
	ranks   ranks
	entry   atomic.Pointer[catalogEntry]

	attachedMu sync.Mutex
	attached   map[any]any

	compactMu  sync.Mutex                 // held while a compaction begins and ends
	compacting atomic.Pointer[compaction] // nil where none is under way
	lookAt     atomic.Int64               // how much must be superseded before anybody looks whether a compaction is due
	leftOver   atomic.Int64               // what the last compaction left of Superseded: the leaves of conflicts
	pins       pins
	unflushed  unflushed

	designs   atomic.Uint64 // how many groups have changed design documents
	uploading sync.RWMutex  // held while an upload gives bytes to the engine, and while the database is dropped
	lastBlob  atomic.Uint64 // the last number given to a blob

	// The rest belongs to who holds Store.deciding.
	stats   counters        // as of the last write decided
	decided map[string]meta // records decided in the group being gathered; they win over
	behind  map[string]meta // those of the group being synced, and over the engine's; a nil local document is a deletion

	blobs, blobsBehind blobChanges // likewise, of what attachments have

	uncounted bool // stats are not yet in the batch
}

// counters are what a database counts, stored with every group of writes.
type counters struct {
	Seq        uint64
	Docs       int64 // live documents, design documents too
	Deleted    int64 // documents whose winner is deleted
	Superseded int64 // revisions no longer current whose bodies may still be there
}

func (c *counters) append(dst []byte) []byte {
	dst = binary.AppendUvarint(dst, c.Seq)
	dst = binary.AppendVarint(dst, c.Docs)
	dst = binary.AppendVarint(dst, c.Deleted)
	return binary.AppendVarint(dst, c.Superseded)
}

func parseCounters(raw []byte) (c counters, err error) {
	var n int
	ok := true
	c.Seq, n = binary.Uvarint(raw)
	next := func() (v int64) {
		ok = ok && n > 0
		if !ok {
			return 0
		}
		raw = raw[n:]
		v, n = binary.Varint(raw)
		return v
	}
	c.Docs, c.Deleted, c.Superseded = next(), next(), next()
	if !ok || n <= 0 {
		return c, errCorrupt
	}
	return c, nil
}

// loadDatabase makes the database of a catalog entry, with its counters.
func (s *Store) loadDatabase(name string, e catalogEntry) (*Database, error) {
	d := s.newDatabase(name, e)
	raw, err := getCopy(s.db, countersKey(e.Number))
	if err == nil && raw != nil {
		d.stats, err = parseCounters(raw)
	}
	if err != nil {
		return nil, fmt.Errorf("reading the counters of database %s: %w", name, err)
	}
	d.seq.Store(d.stats.Seq)
	if err := d.recoverBlobs(); err != nil {
		return nil, fmt.Errorf("looking for the attachments of database %s: %w", name, err)
	}
	return d, nil
}

func (s *Store) newDatabase(name string, e catalogEntry) *Database {
	d := &Database{
		store: s, name: name, number: e.Number, wake: newWake(),
		decided: map[string]meta{}, behind: map[string]meta{}, blobs: newBlobChanges(), blobsBehind: newBlobChanges(),
	}
	d.entry.Store(&e)
	return d
}

// addDatabase writes a new database into b; the committer calls it.
func (s *Store) addDatabase(b *pebble.Batch, name string, shards int) (*Database, error) {
	number, err := s.nextNumber(b)
	if err != nil {
		return nil, err
	}
	e := catalogEntry{Number: number, UUID: NewUUID(), Created: time.Now().Unix(), Shards: shards}
	d := s.newDatabase(name, e)
	return d, d.putEntry(b, e)
}

// numberKey holds the last database number given; numbers are never used twice.
func numberKey() []byte { return []byte{0x00} }

func (s *Store) nextNumber(b *pebble.Batch) (uint32, error) {
	if s.lastNumber == 0 {
		raw, err := getCopy(s.db, numberKey())
		if err != nil {
			return 0, fmt.Errorf("reading the last database number: %w", err)
		}
		if len(raw) == 4 {
			s.lastNumber = binary.BigEndian.Uint32(raw)
		}
	}
	s.lastNumber++
	return s.lastNumber, b.Set(numberKey(), binary.BigEndian.AppendUint32(nil, s.lastNumber), nil)
}

func (d *Database) putEntry(b *pebble.Batch, e catalogEntry) error {
	raw, err := json.Marshal(e)
	if err != nil {
		return err
	}
	return b.Set(catalogKey(d.name), raw, nil)
}

// getCopy reads one key; nil, nil if it is not there.
func getCopy(r pebble.Reader, key []byte) ([]byte, error) {
	value, closer, err := r.Get(key)
	if errors.Is(err, pebble.ErrNotFound) {
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	out := append([]byte{}, value...)
	return out, closer.Close()
}

// Name is the database's name.
func (d *Database) Name() string { return d.name }

// UUID names this database apart from an earlier or later one of the same name.
func (d *Database) UUID() string { return d.entry.Load().UUID }

// Created is when the database was made.
func (d *Database) Created() time.Time { return time.Unix(d.entry.Load().Created, 0) }

// Seq is the newest update sequence on disk.
func (d *Database) Seq() uint64 { return d.seq.Load() }

// Gave says whether readers can have seen a sequence: they see a group of writes a moment before Seq tells of it.
func (d *Database) Gave(seq uint64) bool {
	if seq <= d.seq.Load() {
		return true
	}
	snap, err := d.Snapshot()
	if err != nil {
		return false
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	return seq <= snap.Seq()
}

// Designs is a number that changes whenever design documents do. Take it before looking at what is there.
func (d *Database) Designs() uint64 { return d.designs.Load() }

// Wait gives a channel that is closed when there are new writes, when the database is dropped or when the store is closed. Take it before
// looking at what is there.
func (d *Database) Wait() <-chan struct{} { return d.wake.wait() }

// Gone tells whether the database was dropped or the store closed.
func (d *Database) Gone() bool {
	d.store.mu.RLock()
	defer d.store.mu.RUnlock()
	return d.store.closed || d.dropped.Load()
}

// Attach gives the value that belongs to key, made by make at the first call. It lives as long as the open database: a place for what another
// package keeps for each database.
func (d *Database) Attach(key any, make func() any) any {
	d.attachedMu.Lock()
	defer d.attachedMu.Unlock()
	if v, ok := d.attached[key]; ok {
		return v
	}
	if d.attached == nil {
		d.attached = map[any]any{}
	}
	v := make()
	d.attached[key] = v
	return v
}

// Security is the database's security object as it was put, nil if none was.
func (d *Database) Security() json.RawMessage { return d.entry.Load().Security }

// SetSecurity stores the security object, which must be a JSON object.
func (d *Database) SetSecurity(ctx context.Context, raw json.RawMessage) error {
	return d.changeEntry(ctx, func(e *catalogEntry) { e.Security = raw })
}

const defaultRevsLimit = 1000

// RevsLimit is the number of generations kept of each branch.
func (d *Database) RevsLimit() uint64 {
	if n := d.entry.Load().Limit; n > 0 {
		return n
	}
	return defaultRevsLimit
}

// SetRevsLimit changes the number of generations kept, at least 1. It works on documents as they are written, and on the others with the next
// compaction.
func (d *Database) SetRevsLimit(ctx context.Context, n uint64) error {
	if n == 0 {
		return BadRequest("`revs_limit` must be a positive integer")
	}
	return d.changeEntry(ctx, func(e *catalogEntry) {
		if longest := e.longest(); longest != unknownLength {
			e.Longest = max(longest, n)
		}
		e.Limit = n
		e.changes++
	})
}

// unknownLength is what longest says of databases whose limit was changed before anybody kept it.
const unknownLength = math.MaxUint64

// longest is what no history of the database is longer than.
func (e *catalogEntry) longest() uint64 {
	switch {
	case e.Longest > 0:
		return e.Longest
	case e.Limit > 0:
		return unknownLength
	}
	return defaultRevsLimit
}

// Shards is the number of shards that the database was made with, at least 1.
func (d *Database) Shards() int { return max(1, d.entry.Load().Shards) }

const defaultPurgesLimit = 1000

// PurgesLimit is the number of purges that would be kept.
func (d *Database) PurgesLimit() uint64 {
	if n := d.entry.Load().Purges; n > 0 {
		return n
	}
	return defaultPurgesLimit
}

// SetPurgesLimit changes that number.
func (d *Database) SetPurgesLimit(ctx context.Context, n uint64) error {
	return d.changeEntry(ctx, func(e *catalogEntry) { e.Purges = n })
}

func (d *Database) changeEntry(ctx context.Context, change func(*catalogEntry)) error {
	var e catalogEntry
	return d.store.do(ctx, func(b *pebble.Batch) error {
		if d.dropped.Load() {
			return noDatabase()
		}
		e = *d.entry.Load()
		change(&e)
		d.entry.Store(&e)
		return d.putEntry(b, e)
	}, nil)
}
