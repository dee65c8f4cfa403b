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

// TestGetManyByPlaces: documents are read without their records where it is remembered at which sequence they were written, and what is remembered
// wrongly does no harm.
func TestGetManyByPlaces(t *testing.T) {
	const documents = 60
	db := create(t, open(t, store.Options{}), "db")
	var ids []string
	for i := range documents {
		ids = append(ids, fmt.Sprintf("d%02d", i))
		put(t, db, `{"_id":%q,"n":%d}`, ids[i], i)
	}
	read := func(snap *store.Snapshot) []string {
		t.Helper()
		rows := make([]string, documents)
		if err := snap.GetMany(ids, func(i int, row *store.Row) error {
			rows[i] = describe(row)
			return nil
		}); err != nil {
			t.Fatal(err)
		}
		return rows
	}
	same := func(snap *store.Snapshot) {
		t.Helper()
		for i, got := range read(snap) {
			row, err := snap.Get(ids[i])
			if err != nil {
				t.Fatal(err)
			}
			if want := describe(row); got != want {
				t.Errorf("%s: %s, want %s", ids[i], got, want)
			}
		}
	}
	view(t, db, func(before *store.Snapshot) error {
		want := read(before)
		if n := store.RecordsRead(before); n != 0 {
			t.Errorf("%d records were read of documents that were just written", n)
		}
		for i := 0; i < documents; i += 2 { // what is remembered is ahead of the snapshot
			row, err := before.Head(ids[i])
			if err != nil {
				return err
			}
			put(t, db, `{"_id":%q,"_rev":%q,"n":"again"}`, ids[i], row.Rev.String())
		}
		if got := read(before); !slices.Equal(got, want) {
			t.Errorf("a snapshot gives %q after later writes, want %q", got, want)
		}
		return nil
	})
	rev, err := store.ParseRev("7-00000000000000000000000000000000")
	if err != nil {
		t.Fatal(err)
	}
	if _, err := db.Write(t.Context(), []store.Doc{{ID: ids[5], Rev: rev, Body: []byte(`{"n":"conflict"}`)}}, store.WriteOptions{Replicated: true}); err != nil {
		t.Fatal(err)
	}
	for _, wrong := range []func(i int) uint64{
		func(int) uint64 { return 1 << 30 },                     // later than the snapshot
		func(i int) uint64 { return uint64(i) + 1 },             // where it was first
		func(i int) uint64 { return uint64(i+1)%documents + 1 }, // another one
		func(int) uint64 { return documents + documents/2 + 1 }, // the one in conflict
	} {
		for i, id := range ids {
			store.Misplace(db, id, wrong(i))
		}
		view(t, db, func(snap *store.Snapshot) error {
			same(snap)
			return nil
		})
		view(t, db, func(snap *store.Snapshot) error { // it has learned better
			same(snap)
			return nil
		})
	}
	view(t, db, func(snap *store.Snapshot) error {
		_ = read(snap)
		if n := store.RecordsRead(snap); n != 1 {
			t.Errorf("%d records were read, of which one is that of a document in conflict", n)
		}
		return nil
	})
}

func describe(row *store.Row) string {
	return fmt.Sprintf("%d %t %s", row.Seq, row.Branched, row.AppendJSON(nil))
}
