package store

import (
	"context"
	"crypto/rand"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"sort"
	"sync"
	"sync/atomic"
	"time"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/vfs"
	"github.com/sirupsen/logrus"
)

// Options configure a Store. The zero value works.
type Options struct {
	// FS is the file system; nil means the operating system's.
	FS vfs.FS
	// Log hears about trouble; nil means nobody does.
	Log logrus.FieldLogger
	// CacheSize is the memory for blocks read from disk, in bytes; 0 means 12 MiB: what is
	// not in it comes from the system's own cache. Up to two thirds of it, eight bytes for each document, come to tell where documents are.
	CacheSize int64
	// MemTableSize is the memory in which writes gather before they are sorted to disk, in bytes; 0 means 12 MiB.
	// Up to three are held; with 8 MiB merging them costs a quarter more for each new document.
	MemTableSize uint64
	// MaxDocument is the largest document, in bytes; 0 means 8,000,000, as in CouchDB.
	MaxDocument int
	// MaxAttachment is the largest attachment, in bytes as they are sent; 0 means 4 GiB, negative no limit.
	MaxAttachment int64
	// MaxID is the longest document id, in bytes; 0 means no limit.
	MaxID int
	// CompactAfter is the number of superseded revisions of a database after which their bodies are removed by themselves, provided that
	// they also outnumber the documents; 0 means 100,000; negative means never.
	CompactAfter int64
	// CompactBytes is the disk space that superseded revisions of a database take, as it is estimated, after which they are removed, however
	// many they are, provided that they outnumber the documents; 0 means 64 MiB.
	CompactBytes int64
	// OldView is the age from which on answers that are still being sent give a view of a database up for a newer one; 0 means two seconds.
	OldView time.Duration
	// Relaxed answers writes before they are on disk: a power cut, or the death of the process, can cost those of the last second or so.
	// Whole batches are lost, the newest first, never one of those that others build on.
	Relaxed bool
}

const (
	defaultMaxDocument   = 8_000_000
	defaultMaxAttachment = 4 << 30
)

func (o Options) withDefaults() Options {
	if o.FS == nil {
		o.FS = private{vfs.Default}
	}
	if o.Log == nil {
		quiet := logrus.New()
		quiet.SetOutput(io.Discard)
		o.Log = quiet
	}
	if o.CacheSize == 0 {
		o.CacheSize = 12 << 20
	}
	if o.MemTableSize == 0 {
		o.MemTableSize = 12 << 20
	}
	if o.MaxDocument == 0 {
		o.MaxDocument = defaultMaxDocument
	}
	if o.MaxAttachment == 0 {
		o.MaxAttachment = defaultMaxAttachment
	}
	if o.CompactAfter == 0 {
		o.CompactAfter = 100_000
	}
	if o.OldView == 0 {
		o.OldView = 2 * time.Second
	}
	if o.CompactBytes == 0 {
		o.CompactBytes = 64 << 20
	}
	return o
}

// Store is an open folder of databases. Its methods may be called from any goroutine.
type Store struct {
	dir   string
	opts  Options
	log   logrus.FieldLogger
	db    *pebble.DB
	lock  *folderLock
	uuid  string
	queue chan *request // to the committer
	ready chan *group   // from the committer to the syncer

	readOnly bool

	damaged   damage
	trouble   trouble
	gate      gate
	flushes   flushes
	places    *places
	opening   atomic.Bool           // the engine is not open yet
	logFailed atomic.Bool           // the engine's log of writes ends here: see guard
	unflushed atomic.Bool           // writes were answered that are not on disk: Options.Relaxed
	broken    atomic.Bool           // the engine's state itself cannot be trusted: nothing is read any more
	failure   atomic.Pointer[error] // the first error after which nothing is written any more

	inFlight   atomic.Int32  // requests that are not answered yet
	written    atomic.Uint64 // requests that brought documents
	compacting chan struct{} // has a place for each compaction that runs
	storing    chan struct{} // and one for each upload that gives chunks to the engine
	backups    sync.Map      // the folders into which backups are being made

	mu        sync.RWMutex
	databases map[string]*Database
	making    map[string]bool // names of databases that are decided, but not on disk yet
	closed    bool
	writers   sync.WaitGroup // requests between check and answer
	views     viewHolder
	watches   watches
	limits    atomic.Pointer[Limits]
	types     atomic.Pointer[func(contentType string) bool] // of attachments that are stored compressed

	// These belong to who decides: the committer, or the caller of a request that is alone.
	deciding   sync.Mutex
	lastNumber uint32
	unsynced   []*Database // whose behind is not empty
	scratch    []byte

	committing sync.WaitGroup
	background sync.WaitGroup // compactions of databases
	stop       context.CancelFunc
	ctx        context.Context //nolint:containedctx // it ends the store's own background work
	due        func(*Database) // is asked after each write of a database; what it begins belongs to the store, not to the request
}

// catalogEntry is what the catalog keeps of a database.
type catalogEntry struct {
	Number   uint32          `json:"number"`
	UUID     string          `json:"uuid"`
	Created  int64           `json:"created"` // Unix seconds
	Security json.RawMessage `json:"security,omitempty"`
	Limit    uint64          `json:"revs_limit,omitempty"`
	Shards   int             `json:"q,omitempty"`
	Purges   uint64          `json:"purged_infos_limit,omitempty"`
	Longest  uint64          `json:"longest_history,omitempty"` // no revision tree has more generations; 0: see longest

	changes int // of Limit since the store was opened
}

// Open opens the folder dir, making it where it is not there. A folder that another process holds, or that a newer version wrote, is refused
// with an error that says so.
func Open(dir string, o Options) (*Store, error) {
	s, err := open(dir, o.withDefaults(), false)
	if err != nil {
		return nil, err
	}
	s.committing.Add(2)
	go s.commitLoop()
	go s.syncLoop()
	if s.opts.Relaxed {
		s.background.Go(s.flushLoop)
	}
	return s, nil
}

// OpenReadOnly opens a folder that is there to look at it: nothing of what is stored changes, and every write gets ErrReadOnly. A database whose
// record cannot be read is left out, and told to the log: see Check.
func OpenReadOnly(dir string, o Options) (*Store, error) {
	o = o.withDefaults()
	if err := IsStore(dir, o); err != nil {
		return nil, err
	}
	o.FS = readOnlyFS{o.FS}
	return open(dir, o, true)
}

// OpenFailed opens a folder to read it after opening it to write has failed for a reason: the store is one that has failed so from the start.
func OpenFailed(dir string, o Options, reason error) (*Store, error) {
	s, err := OpenReadOnly(dir, o)
	if err == nil {
		s.failure.Store(&reason)
	}
	return s, err
}

func open(dir string, o Options, readOnly bool) (*Store, error) {
	lock, err := lockFolder(o.FS, dir)
	if err != nil {
		return nil, err
	}
	s := &Store{
		dir: dir, opts: o, log: o.Log, lock: lock, readOnly: readOnly,
		queue: make(chan *request, 256), ready: make(chan *group),
		databases: map[string]*Database{}, making: map[string]bool{},
		compacting: make(chan struct{}, compactAtOnce), storing: make(chan struct{}, storingAtOnce),
		damaged: damage{log: o.Log}, trouble: trouble{log: o.Log},
	}
	s.SetLimits(Limits{Document: o.MaxDocument, Attachment: o.MaxAttachment, ID: o.MaxID})
	s.ctx, s.stop = context.WithCancel(context.Background())
	s.due = (*Database).compactIfDue
	if s.uuid, err = checkFormat(o.FS, dir); err == nil {
		err = s.openEngine()
	}
	if err == nil && s.Failed() != nil {
		err = s.closeEngine() // which gives it
	}
	if err != nil {
		s.stop()
		return nil, errors.Join(err, lock.release())
	}
	s.views.set(s.db.NewSnapshot())
	return s, nil
}

func (s *Store) openEngine() (err error) {
	defer func() {
		if p := recover(); p != nil { // so the engine tells of what it cannot go on with
			err = fmt.Errorf("opening the store in %s: %v: restore the folder from a backup", s.dir, p) //nolint:err113 // the engine's own words
		}
		if err != nil { // what the engine may have begun in the background must not change the folder any more
			s.failure.CompareAndSwap(nil, &err)
		}
	}()
	// The engine takes the memory of writes out of the cache; without an allowance for it nothing would be left for blocks under load.
	cache := pebble.NewCache(s.cacheSize())
	defer cache.Unref()
	s.opening.Store(true)
	db, err := pebble.Open(s.dir, engineOptions(s, cache))
	if err != nil {
		return fmt.Errorf("opening the store in %s: %w", s.dir, err)
	}
	s.db = db
	s.places = newPlaces(s.opts.CacheSize*2/3, func(bytes int) { cache.Reserve(bytes) })
	if s.Failed() != nil { // what it says of the folder may not be so
		return nil
	}
	s.opening.Store(false)
	if err := s.loadCatalog(); err != nil {
		return errors.Join(err, db.Close())
	}
	return nil
}

func (s *Store) loadCatalog() error {
	it, err := s.db.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceCatalog}, UpperBound: []byte{spaceCatalog + 1}})
	if err != nil {
		return fmt.Errorf("reading the list of databases in %s: %w", s.dir, err)
	}
	for ok := it.First(); ok; ok = it.Next() {
		name := string(it.Key()[1:])
		d, err := s.readDatabase(name, it.Value())
		switch {
		case err == nil:
			s.databases[name] = d
		case s.readOnly:
			s.log.WithError(err).Error("store: a database is left out")
		default:
			return errors.Join(err, it.Close())
		}
	}
	return it.Close()
}

func (s *Store) readDatabase(name string, record []byte) (*Database, error) {
	var e catalogEntry
	if err := json.Unmarshal(record, &e); err != nil {
		return nil, fmt.Errorf("reading the record of database %s in %s: %w", name, s.dir, err)
	}
	return s.loadDatabase(name, e)
}

// UUID names the store: 32 hexadecimal digits, the same for ever.
func (s *Store) UUID() string { return s.uuid }

// Close ends feeds and writers and closes the folder. Calls after it get ErrClosed.
func (s *Store) Close() error {
	s.mu.Lock()
	if s.closed {
		s.mu.Unlock()
		return ErrClosed
	}
	s.closed = true
	for _, d := range s.databases {
		d.end()
	}
	s.mu.Unlock()
	s.stop()
	err := s.closeEngine()
	return errors.Join(err, s.lock.release())
}

// closeEngine ends everything that uses the engine, and it.
func (s *Store) closeEngine() error {
	if s.Failed() == nil {
		return s.end()
	}
	// A failed engine may wait for ever for what can no longer be written. Its files are complete up to the last sync.
	done := make(chan error, 1)
	go func() { done <- s.end() }()
	timer := time.NewTimer(10 * time.Second)
	defer timer.Stop()
	select {
	case err := <-done:
		return err
	case <-timer.C:
		return errors.Join(s.Failed(), ErrStuck)
	}
}

func (s *Store) end() error {
	s.background.Wait()
	s.writers.Wait()
	close(s.queue)
	s.committing.Wait()
	s.views.close()
	err := s.db.Close()
	return errors.Join(s.Failed(), err)
}

// Failed gives the error after which the store takes no writes any more, nil while it is sound. What was on disk until then can still be
// read, unless the engine itself broke.
func (s *Store) Failed() error {
	if p := s.failure.Load(); p != nil {
		return *p
	}
	return nil
}

// RoomToOpen tells how many bytes of disk opening the folder again takes at most: for the writes that are in the log alone, which it sorts to
// disk, and for another log. The store must not be closed.
func (s *Store) RoomToOpen() int64 { return int64(s.db.Metrics().MemTable.Size + s.opts.MemTableSize) } //nolint:gosec // far below the limit

// fail remembers the first fatal error.
func (s *Store) fail(err error) {
	err = fmt.Errorf("the store in %s cannot write any more and must be opened again: %w", s.dir, err)
	if s.failure.CompareAndSwap(nil, &err) {
		s.log.WithError(err).Error("store failed")
	}
	s.gate.move()
}

// Databases lists the names of all databases, sorted.
func (s *Store) Databases() []string {
	s.mu.RLock()
	defer s.mu.RUnlock()
	names := make([]string, 0, len(s.databases))
	for name := range s.databases {
		names = append(names, name)
	}
	sort.Strings(names)
	return names
}

// Database finds a database; a 404 if it is not there.
func (s *Store) Database(name string) (*Database, error) {
	s.mu.RLock()
	defer s.mu.RUnlock()
	if s.closed {
		return nil, ErrClosed
	}
	if d := s.databases[name]; d != nil {
		return d, nil
	}
	return nil, noDatabase()
}

// CreateDatabase makes an empty database and returns when it is on disk. A 412 if it is there already, a 400 for a bad name.
func (s *Store) CreateDatabase(ctx context.Context, name string) (*Database, error) {
	return s.CreateSharded(ctx, name, 1)
}

// CreateSharded is CreateDatabase with the number of shards that was asked for. It is kept for those who ask for it: nothing is divided.
func (s *Store) CreateSharded(ctx context.Context, name string, shards int) (*Database, error) {
	if err := checkDatabaseName(name); err != nil {
		return nil, err
	}
	var made *Database
	err := s.do(ctx, func(b *pebble.Batch) error {
		if !s.claim(name) {
			return &Error{412, "file_exists", "The database could not be created, the file already exists."}
		}
		d, err := s.addDatabase(b, name, shards)
		made = d
		if err != nil {
			s.mu.Lock()
			delete(s.making, name)
			s.mu.Unlock()
		}
		return err
	}, func() {
		s.mu.Lock()
		delete(s.making, name)
		s.databases[name] = made
		if s.closed {
			made.end()
		}
		s.mu.Unlock()
		s.tell(name, Created)
	})
	return made, err
}

// claim tells whether a database may be made under a name: there is none, nor one that is on its way to the disk.
func (s *Store) claim(name string) bool {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.making[name] || s.databases[name] != nil {
		return false
	}
	s.making[name] = true
	return true
}

// DropDatabase removes a database and all that is in it.
func (s *Store) DropDatabase(ctx context.Context, name string) error {
	return s.do(ctx, func(b *pebble.Batch) error {
		s.mu.Lock()
		d := s.databases[name]
		delete(s.databases, name)
		s.mu.Unlock()
		if d == nil {
			return noDatabase()
		}
		d.uploading.Lock() // after it no upload writes any more
		d.dropped.Store(true)
		d.uploading.Unlock()
		d.end()
		if err := b.Delete(catalogKey(name), nil); err != nil {
			return err
		}
		lower, upper := contentRange(d.number)
		return b.DeleteRange(lower, upper, nil)
	}, func() { s.tell(name, Deleted) })
}

// end wakes all who wait for something new in a database that is dropped or closed, and ends its compaction.
func (d *Database) end() {
	d.wake.close()
	d.hub.close()
	if c := d.compacting.Load(); c != nil {
		c.cancel()
	}
}

// checkDatabaseName tells what is wrong with a database's name, as a 400.
func checkDatabaseName(name string) error {
	switch name {
	case "_users", "_replicator", "_global_changes":
		return nil
	}
	good := name != "" && len(name) <= 238 && name[0] >= 'a' && name[0] <= 'z'
	for i := 0; good && i < len(name); i++ {
		c := name[i]
		switch {
		case c >= 'a' && c <= 'z', c >= '0' && c <= '9':
		case c == '_', c == '$', c == '(', c == ')', c == '+', c == '-', c == '/':
		default:
			good = false
		}
	}
	if good {
		return nil
	}
	return &Error{400, "illegal_database_name", "Name: '" + name + "'. Only lowercase characters (a-z), digits (0-9), and any of " +
		"the characters _, $, (, ), +, -, and / are allowed. Must begin with a letter."}
}

// NewUUID gives 32 random hexadecimal digits.
func NewUUID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails
	return hex.EncodeToString(b[:])
}

// Memory is what the engine holds in memory, in bytes: its cache, and the tables in which writes gather. The store must not be closed.
func (s *Store) Memory() int64 {
	m := s.db.Metrics()
	return max(s.cacheSize(), s.opts.CacheSize+int64(m.MemTable.Size+m.MemTable.ZombieSize)) //nolint:gosec // far below the limit
}

// cacheSize is that of the engine's cache, of which tables of writes take their part.
func (s *Store) cacheSize() int64 { return s.opts.CacheSize + 2*int64(s.opts.MemTableSize) } //nolint:gosec // far below the limit

// MaxDocument is the largest document that is taken, in bytes.
func (s *Store) MaxDocument() int { return s.Limits().Document }
