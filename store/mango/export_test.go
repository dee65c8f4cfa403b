package mango

import (
	"context"
	"errors"

	"github.com/adlayer/after/store"
)

// AsciiWeights is the table that the collator must agree with.
const ASCIIWeights = asciiWeights

// AppendText is the key of a string, without the byte of its kind.
func AppendText(dst []byte, text string) []byte { return appendText(dst, []byte(text)) }

// AppendCollated is AppendText without the fast path.
func AppendCollated(dst []byte, text string) []byte { return appendCollated(dst, []byte(text)) }

// Normalized is the selector as _explain shows it.
func (s Selector) Normalized() string { return string(s.value().appendJSON(nil)) }

// Update brings all indexes of a database up to date, and tells how many rows they have together.
func Update(ctx context.Context, db *store.Database) (rows int, err error) {
	if err := buildAll(ctx, db); err != nil {
		return 0, err
	}
	return IndexRows(db)
}

// IndexRows counts the rows of all indexes in a database, of dropped ones too.
func IndexRows(db *store.Database) (rows int, err error) {
	snap, err := db.Snapshot()
	if err != nil {
		return 0, err
	}
	err = snap.IndexScan([]byte{spaceRows}, []byte{spaceRows + 1}, false, func(_, _ []byte) error {
		rows++
		return nil
	})
	if closing := snap.Close(); err == nil {
		err = closing
	}
	return rows, err
}

// PendingLimit is how many changed documents a query takes along.
const PendingLimit = pendingLimit

// AppendPast is a key behind those of all strings that begin with text.
func AppendPast(dst []byte, text string) []byte { return appendPast(dst, text, false) }

// AppendString is the key of a string.
func AppendString(dst []byte, text string) []byte {
	return appendText(append(dst, keyString), []byte(text))
}

// Matches compiles a $regex and matches it; linear tells that it takes time in proportion to the subject.
func Matches(expression, subject string) (matched, linear, ok bool) {
	p, _, ok := compilePattern(expression)
	if !ok {
		return false, false, false
	}
	return p.match([]byte(subject)), p.linear != nil, true
}

// Reached gives how far the rows of an index have come; 0 if there are none.
func Reached(db *store.Database, name string) (seq uint64, err error) {
	indexes, err := currentIndexes(db)
	if err != nil {
		return 0, err
	}
	snap, err := db.Snapshot()
	if err != nil {
		return 0, err
	}
	defer snap.Close()
	for _, x := range indexes {
		if x.name == name {
			return x.reached(snap)
		}
	}
	return 0, errors.New("no such index")
}

// Busy keeps everybody from writing rows of an index until the result is called.
func Busy(db *store.Database, name string) (free func(), err error) {
	indexes, err := currentIndexes(db)
	for _, x := range indexes {
		if x.name == name {
			return upkeepOf(db).turn(context.Background(), x.id)
		}
	}
	return nil, errors.Join(err, errors.New("no such index"))
}

// PrefixSpan is the part of an index's keys that $beginsWith leaves; narrowed is false if it leaves all.
func PrefixSpan(prefix string) (low, high []byte, narrowed bool) {
	n := &node{op: opBeginsWith, arg: stringValue(prefix)}
	s := span{lowOp: opGt, highOp: opLt}
	n.bound(&s)
	if s.low == nil || s.high == nil {
		return nil, nil, false
	}
	x := &index{fields: []string{"s"}}
	low, high = x.bounds([]span{s})
	return low, high, true
}

// Turns is how many indexes somebody is at.
func Turns(db *store.Database) int {
	u := upkeepOf(db)
	u.mu.Lock()
	defer u.mu.Unlock()
	return len(u.turns)
}
