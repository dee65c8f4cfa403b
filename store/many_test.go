package store_test

import (
	"fmt"
	"slices"
	"testing"

	"github.com/adlayer/after/store"
)

// TestGetMany: many documents are what each of them is alone, whatever the order in which they are asked for, and those that are not there are left out.
func TestGetMany(t *testing.T) {
	db := create(t, open(t, store.Options{}), "db")
	for i := range 100 {
		rev := put(t, db, `{"_id":"d%02d","n":%d}`, i*37%100, i)
		if i%3 == 0 {
			put(t, db, `{"_id":"d%02d","_rev":%q,"_deleted":true}`, i*37%100, rev)
		}
	}
	rev, err := store.ParseRev("7-00000000000000000000000000000000")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Write(t.Context(), []store.Doc{{ID: "d05", Rev: rev, Body: []byte(`{"n":"conflict"}`)}}, store.WriteOptions{Replicated: true}); err != nil {
		t.Fatal(err)
	}
	var ids []string
	for i := range 150 {
		ids = append(ids, fmt.Sprintf("d%02d", i*71%130)) // some twice, some never written
	}
	view(t, db, func(snap *store.Snapshot) error {
		got := make([][]string, len(ids))
		err := snap.GetMany(ids, func(i int, row *store.Row) error {
			got[i] = append(got[i], describe(row))
			return nil
		})
		for i, rows := range got {
			var want []string
			if row, err := snap.Get(ids[i]); err == nil {
				want = []string{describe(row)}
			}
			if !slices.Equal(rows, want) {
				t.Errorf("%s: %q, want %q", ids[i], rows, want)
			}
		}
		return err
	})
	view(t, db, func(snap *store.Snapshot) error {
		visits := 0
		err := snap.GetMany(ids, func(int, *store.Row) error {
			visits++
			return store.ErrStop
		})
		if visits != 1 {
			t.Errorf("%d visits after the one that stopped", visits-1)
		}
		return err
	})
}

func describe(row *store.Row) string {
	return fmt.Sprintf("%d %t %s", row.Seq, row.Branched, row.AppendJSON(nil))
}
