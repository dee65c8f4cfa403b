package mango

import (
	"slices"
	"sync"

	"github.com/adlayer/after/store"
)

// ddocCache keeps the indexes of the design documents, by revision, so that a query need not read them again.
type ddocCache struct {
	mu   sync.Mutex
	docs map[string]cachedDdoc
}

type cachedDdoc struct {
	rev     store.Rev
	indexes []*index
}

// indexes gives all indexes of the database, the primary one first, in the order of their names.
func (c *ddocCache) indexes(snap *store.Snapshot) ([]*index, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all := []*index{primary()}
	docs := map[string]cachedDdoc{}
	designs := store.Range{Start: "_design/", End: "_design0", HasEnd: true, ExclusiveEnd: true}
	err := snap.AllDocs(designs, func(row *store.Row) error {
		known, ok := c.docs[row.ID]
		if !ok || known.rev != row.Rev {
			full, err := snap.Get(row.ID)
			if err != nil {
				return err
			}
			known = cachedDdoc{row.Rev, indexesOf(row.ID, full.Body)}
		}
		docs[row.ID] = known
		all = append(all, known.indexes...)
		return nil
	})
	if err == nil {
		c.docs = docs
	}
	slices.SortFunc(all, (*index).compare)
	return all, err
}
