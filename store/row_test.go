package store_test

import (
	"testing"

	"github.com/adlayer/after/store"
)

// TestClonedRow: a cloned row has nothing in common with the memory that it was read from, which the engine uses again.
func TestClonedRow(t *testing.T) {
	t.Parallel()
	db := create(t, open(t, store.Options{}), "db")
	put(t, db, `{"_id":"a","text":"body","_attachments":{"f":{"data":"eA=="}}}`)
	view(t, db, func(snap *store.Snapshot) error {
		row, err := snap.At(snap.Seq())
		if err != nil {
			return err
		}
		want, one := string(row.AppendJSON(nil)), row.Clone()
		store.Scribble(row)
		if got := string(one.AppendJSON(nil)); got != want || string(row.AppendJSON(nil)) == want {
			t.Errorf("%s has become %s", want, got)
		}
		return nil
	})
}
