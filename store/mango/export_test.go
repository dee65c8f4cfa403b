package mango

import (
	"context"

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
	indexes, err := currentIndexes(db)
	if err != nil {
		return 0, err
	}
	for _, x := range indexes {
		if x.special() {
			continue
		}
		if err := x.catchUp(ctx, db); err != nil {
			return 0, err
		}
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
