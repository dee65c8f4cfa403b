package store

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"

	"github.com/cockroachdb/pebble/v2"
	"github.com/cockroachdb/pebble/v2/sstable"
)

// Problem is something that is wrong in a store.
type Problem struct {
	Database string `json:"database,omitempty"`
	Document string `json:"document,omitempty"`
	File     string `json:"file,omitempty"`
	Reason   string `json:"reason"`
}

func (p Problem) String() string {
	var b strings.Builder
	if p.File != "" {
		b.WriteString(p.File + ": ")
	}
	if p.Database != "" {
		b.WriteString(p.Database + ": ")
	}
	if p.Document != "" {
		fmt.Fprintf(&b, "document %q: ", p.Document)
	}
	return b.String() + p.Reason
}

// Check reads everything that is in the store, as it is at this moment, and reports what is wrong: blocks whose checksums fail, revision trees
// that do not decode to what they were, winners, rows of the feed, counters and settings that do not agree with one another. It changes nothing;
// reads and writes go on. What belongs to other packages, such as the rows of indexes, they check themselves. The error says why the check could
// not go on to its end; what is wrong in the store is none.
func (s *Store) Check(ctx context.Context, report func(Problem)) error {
	v := s.views.acquire()
	if v == nil {
		return ErrClosed
	}
	defer s.views.release(v)
	c := &checker{ctx: ctx, store: s, view: v, report: report}
	for _, step := range []func() error{c.tables, c.catalog, c.strangers} {
		if err := step(); err != nil {
			return err
		}
	}
	for _, name := range c.names {
		if err := c.database(name, c.entries[name]); err != nil {
			return err
		}
	}
	return nil
}

// checker is one check of a store.
type checker struct {
	ctx    context.Context //nolint:containedctx // of the one call
	store  *Store
	view   *view
	report func(Problem)

	names   []string // of the databases whose records can be read
	entries map[string]catalogEntry
	numbers map[uint32]string
	blind   bool // the catalog could not be read to its end
	visited int
}

func (c *checker) say(database, document, format string, args ...any) {
	c.report(Problem{Database: database, Document: document, Reason: fmt.Sprintf(format, args...)})
}

// tables reads every block of the engine's files, current or not.
func (c *checker) tables() error {
	checked := map[string]bool{}
	for {
		files, err := c.listed()
		if err != nil {
			c.say("", "", "the list of the engine's files cannot be read: %s", shortly(err))
			return nil
		}
		missing := ""
		for _, file := range files {
			if err := c.ctx.Err(); err != nil {
				return err
			}
			if checked[file] {
				continue
			}
			switch err := c.table(file); {
			case err == nil:
				checked[file] = true
			case errors.Is(err, os.ErrNotExist):
				missing = file
			default:
				checked[file] = true
				c.report(Problem{File: file, Reason: "a block is damaged: " + shortly(err)})
			}
		}
		if missing == "" {
			return nil
		}
		// It may have become obsolete meanwhile; then the list has others now.
		if now, err := c.listed(); err == nil && slices.Contains(now, missing) {
			checked[missing] = true
			c.report(Problem{File: missing, Reason: "the file is missing"})
		}
	}
}

func (c *checker) listed() (files []string, err error) {
	levels, err := c.store.db.SSTables()
	if err != nil {
		return nil, err
	}
	for _, level := range levels {
		for i := range level {
			if name := level[i].BackingSSTNum.String() + ".sst"; !slices.Contains(files, name) {
				files = append(files, name)
			}
		}
	}
	return files, nil
}

func (c *checker) table(name string) (err error) {
	fs := c.store.opts.FS
	file, err := fs.Open(fs.PathJoin(c.store.dir, name))
	if err != nil {
		return err
	}
	readable, err := sstable.NewSimpleReadable(file)
	if err != nil {
		return errors.Join(err, file.Close())
	}
	options := &pebble.Options{}
	options.EnsureDefaults()
	reader, err := sstable.NewReader(c.ctx, readable, options.MakeReaderOptions())
	if err != nil {
		return errors.Join(err, readable.Close())
	}
	return errors.Join(reader.ValidateBlockChecksums(), reader.Close())
}

// catalog reads the records of the databases.
func (c *checker) catalog() error {
	c.entries, c.numbers = map[string]catalogEntry{}, map[uint32]string{}
	var highest uint32
	complete, err := c.scan([]byte{spaceCatalog}, []byte{spaceCatalog + 1}, "the list of databases", func(key, value []byte) {
		name := string(key[1:])
		var e catalogEntry
		if err := json.Unmarshal(value, &e); err != nil || e.Number == 0 {
			c.say(name, "", "the record of the database cannot be read: %q", value)
			c.blind = true // its number is not known
			return
		}
		if err := checkDatabaseName(name); err != nil {
			c.say(name, "", "no database can have this name")
		}
		if len(e.UUID) != 32 {
			c.say(name, "", "the record of the database has no UUID")
		}
		if e.Security != nil && e.Security[0] != '{' {
			c.say(name, "", "its security object is none: %s", e.Security)
		}
		if other, taken := c.numbers[e.Number]; taken {
			c.say(name, "", "the database shares its content with %s", other)
			return
		}
		highest = max(highest, e.Number)
		c.numbers[e.Number] = name
		c.entries[name] = e
		c.names = append(c.names, name)
	})
	c.blind = c.blind || !complete
	if err != nil {
		return err
	}
	c.lastNumber(highest)
	return nil
}

// lastNumber compares the last number given with those in use: a number that is given again would mix two databases.
func (c *checker) lastNumber(highest uint32) {
	raw, err := getCopy(c.view.snap, numberKey())
	var last uint32
	if len(raw) == 4 {
		last = uint32(raw[0])<<24 | uint32(raw[1])<<16 | uint32(raw[2])<<8 | uint32(raw[3])
	}
	switch {
	case err != nil:
		c.say("", "", "the last database number cannot be read: %s", shortly(err))
	case raw != nil && len(raw) != 4, last < highest:
		c.say("", "", "the last database number is %d, but %s has %d", last, c.numbers[highest], highest)
	}
}

// strangers looks for content that belongs to no database, and for keys that nothing writes.
func (c *checker) strangers() error {
	it, err := c.view.snap.NewIter(&pebble.IterOptions{LowerBound: []byte{spaceContent}})
	if err != nil {
		c.say("", "", "the content cannot be read: %s", shortly(err))
		return nil
	}
	for ok := it.First(); ok; {
		if err := c.ctx.Err(); err != nil {
			return errors.Join(err, it.Close())
		}
		key := it.Key()
		if key[0] != spaceContent || len(key) < prefixLen {
			c.say("", "", "a key that nothing writes: %q", key)
			ok = it.Next()
			continue
		}
		number := uint32(key[1])<<24 | uint32(key[2])<<16 | uint32(key[3])<<8 | uint32(key[4])
		name, known := c.numbers[number]
		if !known {
			if !c.blind {
				c.say("", "", "the content of a database that is not listed (number %d)", number)
			}
			_, end := contentRange(number)
			ok = it.SeekGE(end)
			continue
		}
		kind := key[prefixLen-1]
		if !strings.ContainsRune(knownKinds, rune(kind)) {
			c.say(name, "", "a key that nothing writes: %q", key[prefixLen-1:])
		}
		ok = it.SeekGE(prefixEnd(appendPrefix(nil, number, kind)))
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		c.say("", "", "the content cannot be read to its end: %s", shortly(err))
	}
	return nil
}

// knownKinds are the kinds of keys that a database has.
const knownKinds = string(kindDoc) + string(kindLocal) + string(kindProp) + string(kindSeq) + string(kindIndex) +
	string(kindBlob) + string(kindKey) + string(kindName) + string(kindRef) + string(kindRefs) + string(kindUpload)

// scan visits a range of keys. complete is false where it could not be read to its end, which is reported; the error is the context's.
func (c *checker) scan(lower, upper []byte, what string, visit func(key, value []byte)) (complete bool, err error) {
	it, err := c.view.snap.NewIter(&pebble.IterOptions{LowerBound: lower, UpperBound: upper})
	if err != nil {
		c.say("", "", "%s cannot be read: %s", what, shortly(err))
		return false, nil
	}
	complete = true
	for ok := it.First(); ok; ok = it.Next() {
		if c.visited++; c.visited%1024 == 0 && c.ctx.Err() != nil {
			return false, errors.Join(c.ctx.Err(), it.Close())
		}
		value, err := it.ValueAndErr()
		if err != nil {
			c.say("", "", "%s: the value of %q cannot be read: %s", what, it.Key(), shortly(err))
			complete = false
			continue
		}
		visit(it.Key(), value)
	}
	if err := errors.Join(it.Error(), it.Close()); err != nil {
		c.say("", "", "%s cannot be read to its end: %s", what, shortly(err))
		return false, nil
	}
	return complete, nil
}
