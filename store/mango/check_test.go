package mango_test

import (
	"bytes"
	"context"
	"errors"
	"slices"
	"strings"
	"testing"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/mango"
)

// TestCheckFindsDamagedRows damages the rows of an index in each way, and looks for the words that tell of it.
func TestCheckFindsDamagedRows(t *testing.T) {
	t.Parallel()
	rowOf := func(keys [][]byte, space byte, document string) []byte {
		i := slices.IndexFunc(keys, func(key []byte) bool { return key[0] == space && bytes.HasSuffix(key, []byte(document)) })
		return keys[i]
	}
	for name, test := range map[string]struct {
		damage func(b *store.IndexBatch, keys [][]byte)
		want   string
	}{
		"row gone": {func(b *store.IndexBatch, keys [][]byte) {
			b.Delete(rowOf(keys, 'r', "d1"))
		}, `db: document "d1": its row is missing from index a of _design/i`},
		"listed no more": {func(b *store.IndexBatch, keys [][]byte) {
			b.Delete(rowOf(keys, 'r', "d1"))
			b.Delete(rowOf(keys, 'b', "d1"))
		}, `document "d1": index a of _design/i does not list it`},
		"listed all the same": {func(b *store.IndexBatch, keys [][]byte) {
			b.Set(bytes.Replace(rowOf(keys, 'b', "d1"), []byte("d1"), []byte("d3"), 1), []byte("x"))
		}, `document "d3": index a of _design/i lists it, but should not`},
		"another key": {func(b *store.IndexBatch, keys [][]byte) {
			b.Set(rowOf(keys, 'b', "d1"), []byte("x"))
		}, `document "d1": index a of _design/i lists it under another key`},
		"row for ever": {func(b *store.IndexBatch, keys [][]byte) {
			b.Delete(rowOf(keys, 'b', "d1"))
		}, `document "d1": index a of _design/i has a row for it that no update would remove`},
		"row damaged": {func(b *store.IndexBatch, keys [][]byte) {
			b.Set(rowOf(keys, 'r', "d1"), []byte{0xff})
		}, "index a of _design/i has a row that cannot be read"},
		"row with other values": {func(b *store.IndexBatch, keys [][]byte) {
			b.Set(rowOf(keys, 'r', "d1"), []byte("\x0a9"))
		}, `document "d1": its row in index a of _design/i has other values than it was made of`},
		"mark damaged": {func(b *store.IndexBatch, keys [][]byte) {
			b.Set(keys[slices.IndexFunc(keys, func(key []byte) bool { return key[0] == 'm' })], nil)
		}, "index a of _design/i does not say how far it has come"},
		"mark beyond": {func(b *store.IndexBatch, keys [][]byte) {
			b.Set(keys[slices.IndexFunc(keys, func(key []byte) bool { return key[0] == 'm' })], []byte{99})
		}, "index a of _design/i has come to 99, the database only to 4"},
		"mark gone": {func(b *store.IndexBatch, keys [][]byte) {
			b.Delete(keys[slices.IndexFunc(keys, func(key []byte) bool { return key[0] == 'm' })])
		}, "index a of _design/i has rows, but does not say how far it has come"},
		"short key": {func(b *store.IndexBatch, _ [][]byte) {
			b.Set([]byte("rx"), nil)
		}, "an index has a key that nothing writes"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			st := openStore(t)
			db := createDatabase(t, st, "db")
			serve(t, db, "POST", "_index", `{"index":{"fields":["a"]},"ddoc":"i","name":"a"}`)
			bulk(t, db, `{"_id":"d1","a":1}`, `{"_id":"d2","a":2}`, `{"_id":"d3","b":1}`)
			if _, err := mango.Update(t.Context(), db); err != nil {
				t.Fatal(err)
			}
			check := func() (found []string) {
				err := mango.Check(t.Context(), st, func(p store.Problem) { found = append(found, p.String()) })
				if err != nil {
					t.Error(err)
				}
				return found
			}
			if found := check(); found != nil {
				t.Fatalf("before any damage: %q", found)
			}
			batch := db.IndexBatch()
			test.damage(batch, indexKeys(t, db))
			if err := batch.Commit(t.Context()); err != nil {
				t.Fatal(err)
			}
			found := check()
			if !slices.ContainsFunc(found, func(p string) bool { return strings.Contains(p, test.want) }) {
				t.Errorf("no word of %q in %q", test.want, found)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if err := mango.Check(ctx, st, func(store.Problem) {}); !errors.Is(err, context.Canceled) {
				t.Errorf("a check that is called off: %v", err)
			}
		})
	}
}

func indexKeys(t *testing.T, db *store.Database) (keys [][]byte) {
	t.Helper()
	snap, err := db.Snapshot()
	if err == nil {
		err = errors.Join(snap.IndexScan(nil, nil, false, func(key, _ []byte) error {
			keys = append(keys, bytes.Clone(key))
			return nil
		}), snap.Close())
	}
	if err != nil {
		t.Fatal(err)
	}
	return keys
}
