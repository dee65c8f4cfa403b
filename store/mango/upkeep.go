package mango

import (
	"bytes"
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"sync"

	"github.com/adlayer/after/store"
)

// catchUpLimit is how many bytes of rows are written at a time: few enough not to hold up writers, and what is lost by a crash is made again.
const catchUpLimit = 512 << 10

// upkeep is what belongs to one database.
type upkeep struct {
	ddocs ddocCache

	mu    sync.Mutex
	turns map[[8]byte]*turn // by index, of those that somebody is at

	building, again bool // Build is at work; it has another round to make
	tasks           map[*task]struct{}
}

// turn lets one at a time write the rows of an index.
type turn struct {
	token chan struct{} // whoever has put a value in it
	users int           // those who have it or wait for it
}

type upkeepKey struct{}

func upkeepOf(db *store.Database) *upkeep {
	u, ok := db.Attach(upkeepKey{}, func() any { return &upkeep{turns: map[[8]byte]*turn{}, tasks: map[*task]struct{}{}} }).(*upkeep)
	if !ok {
		panic("mango: another package attached a value to this key")
	}
	return u
}

// turn waits until nobody else writes the rows of an index, unless ctx ends before. pass lets the next one.
func (u *upkeep) turn(ctx context.Context, id [8]byte) (pass func(), err error) {
	u.mu.Lock()
	t := u.turns[id]
	if t == nil {
		t = &turn{token: make(chan struct{}, 1)}
		u.turns[id] = t
	}
	t.users++
	u.mu.Unlock()
	select {
	case t.token <- struct{}{}:
		return func() { u.pass(id, t) }, nil
	case <-ctx.Done():
		u.leave(id, t)
		return nil, context.Cause(ctx)
	}
}

// turnNow is turn where nobody has it or waits for it; else pass is nil.
func (u *upkeep) turnNow(id [8]byte) (pass func()) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if u.turns[id] != nil {
		return nil
	}
	t := &turn{token: make(chan struct{}, 1), users: 1}
	t.token <- struct{}{}
	u.turns[id] = t
	return func() { u.pass(id, t) }
}

func (u *upkeep) pass(id [8]byte, t *turn) {
	<-t.token
	u.leave(id, t)
}

func (u *upkeep) leave(id [8]byte, t *turn) {
	u.mu.Lock()
	defer u.mu.Unlock()
	if t.users--; t.users == 0 {
		delete(u.turns, id)
	}
}

// Build brings all indexes of a database up to date. What it has done when ctx ends is kept, and the next one goes on from there. While one is at
// work, others leave it what is new and return at once.
func (Finder) Build(ctx context.Context, db *store.Database) error {
	u := upkeepOf(db)
	u.mu.Lock()
	u.again = u.building
	mine := !u.building
	u.building = true
	u.mu.Unlock()
	for mine {
		if err := buildAll(ctx, db); err != nil {
			u.mu.Lock()
			u.building, u.again = false, false
			u.mu.Unlock()
			return err
		}
		u.mu.Lock()
		mine = u.again
		u.building, u.again = u.again, false
		u.mu.Unlock()
	}
	return nil
}

func buildAll(ctx context.Context, db *store.Database) error {
	indexes, err := currentIndexes(db)
	if err != nil {
		return err
	}
	for _, x := range indexes {
		if x.special() {
			continue
		}
		if err := x.catchUp(ctx, db); err != nil {
			return err
		}
	}
	return nil
}

// catchUp brings the rows of the index up to date. One caller at a time works on an index; the others wait and find the work done.
func (x *index) catchUp(ctx context.Context, db *store.Database) error {
	u := upkeepOf(db)
	if err := u.sweep(ctx, db); err != nil {
		return err
	}
	pass, err := u.turn(ctx, x.id)
	if err != nil {
		return err
	}
	defer pass()
	snap, err := db.Snapshot()
	if err != nil {
		return err
	}
	return errors.Join(x.update(ctx, db, snap), snap.Close())
}

// updater writes rows in batches.
type updater struct {
	index   *index
	db      *store.Database
	rows    *store.Reader
	batch   *store.IndexBatch
	fresh   bool // there are no rows yet
	reached uint64

	now            listed
	row, back, old []byte // scratch
}

func (x *index) update(ctx context.Context, db *store.Database, snap *store.Snapshot) (err error) {
	since, err := x.reached(snap)
	if err != nil || since == snap.Seq() {
		return err
	}
	task, end := upkeepOf(db).begin(x, snap.Seq()-since)
	defer end()
	u := &updater{index: x, db: db, rows: snap.Reader(), batch: db.IndexBatch(), fresh: since == 0}
	defer func() {
		u.batch.Discard()
		err = errors.Join(err, u.rows.Close())
	}()
	seen := 0
	err = snap.Changes(since, func(row *store.Row) error {
		if seen++; seen%1024 == 0 {
			task.reach(row.Seq - since)
			switch {
			case ctx.Err() != nil:
				return context.Cause(ctx)
			case db.Gone():
				return store.ErrClosed
			}
		}
		if err := u.add(row); err != nil {
			return err
		}
		u.reached = row.Seq
		if u.batch.Len() < catchUpLimit {
			return nil
		}
		return u.commit(ctx)
	})
	if err != nil {
		return fmt.Errorf("bringing index %s up to date: %w", x.name, err)
	}
	u.reached = snap.Seq()
	return u.commit(ctx)
}

func (u *updater) commit(ctx context.Context) error {
	u.batch.Set(u.index.space(spaceReached), binary.AppendUvarint(nil, u.reached))
	if err := u.batch.Commit(ctx); err != nil {
		return fmt.Errorf("writing rows of index %s: %w", u.index.name, err)
	}
	u.batch = u.db.IndexBatch()
	return nil
}

// add brings one document's row up to date. A row that stays as it is costs one look and no write.
func (u *updater) add(row *store.Row) error {
	lists := u.index.list(&u.now, row)
	u.back = append(append(append(u.back[:0], spaceBack), u.index.id[:]...), row.ID...)
	entry := len(u.back)
	if lists {
		u.back = u.now.appendBack(u.back)
	}
	if !u.fresh {
		stays, err := u.remove(row.ID, u.back[:entry], u.back[entry:])
		if err != nil || stays {
			return err
		}
	}
	if !lists {
		return nil
	}
	u.batch.Set(u.back[:entry], u.back[entry:])
	u.row = append(append(append(append(u.row[:0], spaceRows), u.index.id[:]...), u.now.key...), row.ID...)
	key := len(u.row)
	u.row = u.now.appendRowValue(u.row)
	u.batch.Set(u.row[:key], u.row[key:])
	return nil
}

// remove takes a document's row away, and its own entry unless there is a new one. It leaves all as it is, and says so, where both are the same.
func (u *updater) remove(id string, at, entry []byte) (stays bool, err error) {
	old, err := u.rows.IndexGet(at)
	switch {
	case err != nil || old == nil:
		return false, err
	case bytes.Equal(old, entry):
		return true, nil
	}
	var ok bool
	if u.old, ok = u.index.appendKeyOf(append(append(u.old[:0], spaceRows), u.index.id[:]...), old, id); !ok {
		return false, fmt.Errorf("index %s: what it has of document %q is damaged: remove the index and make it again", u.index.name, id)
	}
	u.old = append(u.old, id...)
	u.batch.Delete(u.old)
	if len(entry) == 0 {
		u.batch.Delete(at)
	}
	return false, nil
}

// sweep removes the rows of indexes that no design document has any more.
func (u *upkeep) sweep(ctx context.Context, db *store.Database) error {
	gone, err := u.forgotten(db)
	for _, id := range gone {
		if err = u.drop(ctx, db, id); err != nil {
			return err
		}
	}
	return err
}

// forgotten gives the indexes that have rows, but no design document.
func (u *upkeep) forgotten(db *store.Database) (gone [][8]byte, err error) {
	snap, err := db.Snapshot()
	if err != nil {
		return nil, err
	}
	indexes, err := u.ddocs.indexes(snap)
	wanted := map[[8]byte]bool{}
	for _, x := range indexes {
		wanted[x.id] = true
	}
	if err == nil {
		err = snap.IndexScan([]byte{spaceReached}, []byte{spaceReached + 1}, false, func(key, _ []byte) error {
			var id [8]byte
			if copy(id[:], key[1:]) == len(id) && !wanted[id] {
				gone = append(gone, id)
			}
			return nil
		})
	}
	return gone, errors.Join(err, snap.Close())
}

// drop removes the rows of an index, unless somebody is at work on them or wants them again: then it is for the next one to do.
func (u *upkeep) drop(ctx context.Context, db *store.Database, id [8]byte) error {
	pass := u.turnNow(id)
	if pass == nil {
		return nil
	}
	defer pass()
	still, err := u.forgotten(db)
	if err != nil {
		return err
	}
	for _, other := range still {
		if other != id {
			continue
		}
		x := &index{id: id}
		batch := db.IndexBatch()
		batch.DeleteRange(x.space(spaceRows), x.spaceEnd(spaceRows))
		batch.DeleteRange(x.space(spaceBack), x.spaceEnd(spaceBack))
		batch.Delete(x.space(spaceReached))
		return batch.Commit(ctx)
	}
	return nil
}
