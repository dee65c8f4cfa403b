package mango

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"

	"github.com/adlayer/after/store"
)

// Check compares the rows of all indexes of a store with the documents, and reports what is wrong. An index that lacks the newest changes is
// sound: queries take them along. What store.Check reports is not looked at.
func Check(ctx context.Context, st *store.Store, report func(store.Problem)) error {
	for _, name := range st.Databases() {
		if err := ctx.Err(); err != nil {
			return err
		}
		db, err := st.Database(name)
		if err == nil {
			err = checkDatabase(ctx, db, report)
		}
		if err != nil && !store.IsNotFound(err) { // it may have been dropped meanwhile
			return err
		}
	}
	return nil
}

func checkDatabase(ctx context.Context, db *store.Database, report func(store.Problem)) error {
	snap, err := db.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	c := &rowCheck{ctx: ctx, snap: snap, name: db.Name(), report: report, known: map[[8]byte]*index{}, reached: map[[8]byte]uint64{}}
	indexes, err := upkeepOf(db).ddocs.indexes(snap)
	if err != nil {
		c.say("", "the design documents cannot be read: %v", err)
		return nil
	}
	for _, x := range indexes {
		c.known[x.id] = x
	}
	for _, step := range []func() error{c.marks, c.rows, c.backs, c.documents} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// rowCheck is the check of one database's indexes.
type rowCheck struct {
	ctx     context.Context //nolint:containedctx // of the one call
	snap    *store.Snapshot
	name    string
	report  func(store.Problem)
	known   map[[8]byte]*index
	reached map[[8]byte]uint64
	visited int
}

func (c *rowCheck) say(document, format string, args ...any) {
	c.report(store.Problem{Database: c.name, Document: document, Reason: fmt.Sprintf(format, args...)})
}

func (c *rowCheck) title(id [8]byte) string {
	if x := c.known[id]; x != nil {
		return fmt.Sprintf("index %s of %s", x.name, x.ddoc)
	}
	return fmt.Sprintf("the rows of a former index (%x)", id)
}

// each visits the keys of a space, split into the index and what follows. The error is the context's.
func (c *rowCheck) each(space byte, visit func(id [8]byte, key, value []byte)) error {
	err := c.snap.IndexScan([]byte{space}, []byte{space + 1}, false, func(key, value []byte) error {
		if c.visited++; c.visited%1024 == 0 && c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
		var id [8]byte
		if copy(id[:], key[1:]) != len(id) {
			c.say("", "an index has a key that nothing writes: %q", key)
			return nil
		}
		visit(id, key[1+len(id):], value)
		return nil
	})
	return c.unread(err, "rows of indexes")
}

// unread reports what could not be read; the context's error ends the check.
func (c *rowCheck) unread(err error, what string) error {
	if err == nil || c.ctx.Err() != nil && errors.Is(err, context.Cause(c.ctx)) {
		return err
	}
	c.say("", "%s cannot be read: %v", what, err)
	return nil
}

// marks reads how far the rows of each index have come.
func (c *rowCheck) marks() error {
	return c.each(spaceReached, func(id [8]byte, rest, value []byte) {
		seq, n := binary.Uvarint(value)
		if n <= 0 || n != len(value) || len(rest) != 0 {
			c.say("", "%s does not say how far it has come: make it again", c.title(id))
			return
		}
		if seq > c.snap.Seq() {
			c.say("", "%s has come to %d, the database only to %d", c.title(id), seq, c.snap.Seq())
		}
		c.reached[id] = seq
	})
}

// rows checks that each row is the one by which its document is listed.
func (c *rowCheck) rows() error {
	return c.each(spaceRows, func(id [8]byte, row, value []byte) {
		length, n := binary.Uvarint(value)
		if n <= 0 || length > uint64(len(row)) {
			c.say("", "%s has a row that cannot be read: %q", c.title(id), row)
			return
		}
		c.row(id, row[:length], row[length:], value[n:])
		if _, ok := c.reached[id]; !ok {
			c.reached[id] = 0
			c.say("", "%s has rows, but does not say how far it has come", c.title(id))
		}
	})
}

// row compares a row with the document's own entry. Nobody knows what the entries of a former index mean.
func (c *rowCheck) row(id [8]byte, key, document, values []byte) {
	x := c.known[id]
	if x == nil {
		return
	}
	back, err := c.snap.IndexGet(join(x.space(spaceBack), document))
	if err != nil {
		c.say(string(document), "its row in %s cannot be read: %v", c.title(id), err)
		return
	}
	listed, ok := x.appendKeyOf(nil, back, string(document))
	switch {
	case !ok || !bytes.Equal(listed, key):
		c.say(string(document), "%s has a row for it that no update would remove", c.title(id))
	case back[0] == backValues && !bytes.Equal(back[1:], values), back[0] == backKey && len(values) > 0:
		c.say(string(document), "its row in %s has other values than it was made of", c.title(id))
	}
}

// backs checks that the row by which each document is listed is there.
func (c *rowCheck) backs() error {
	return c.each(spaceBack, func(id [8]byte, document, entry []byte) {
		x := c.known[id]
		if x == nil {
			return
		}
		key, ok := x.appendKeyOf(x.space(spaceRows), entry, string(document))
		if !ok {
			c.say(string(document), "what %s has of it is damaged", c.title(id))
			return
		}
		row, err := c.snap.IndexGet(append(key, document...))
		switch {
		case err != nil:
			c.say(string(document), "its row in %s cannot be read: %v", c.title(id), err)
		case row == nil:
			c.say(string(document), "its row is missing from %s", c.title(id))
		}
	})
}

// documents compares each document with its rows, in the indexes that have come so far.
func (c *rowCheck) documents() error {
	if len(c.reached) == 0 {
		return nil
	}
	var now listed
	reader := c.snap.Reader()
	defer reader.Close() //nolint:errcheck // the reads have told all there is
	err := c.snap.Changes(0, func(row *store.Row) error {
		if c.visited++; c.visited%1024 == 0 && c.ctx.Err() != nil {
			return context.Cause(c.ctx)
		}
		for id, reached := range c.reached {
			x := c.known[id]
			if x == nil || x.special() || row.Seq > reached {
				continue
			}
			lists := x.list(&now, row)
			back, err := reader.IndexGet(append(x.space(spaceBack), row.ID...))
			switch {
			case err != nil:
				c.say(row.ID, "its row in %s cannot be read: %v", c.title(id), err)
			case lists && back == nil:
				c.say(row.ID, "%s does not list it", c.title(id))
			case lists && !bytes.Equal(now.appendBack(nil), back):
				c.say(row.ID, "%s lists it under another key", c.title(id))
			case !lists && back != nil:
				c.say(row.ID, "%s lists it, but should not", c.title(id))
			}
		}
		return nil
	})
	return c.unread(err, "the documents")
}
