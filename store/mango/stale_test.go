package mango_test

import (
	"testing"

	"github.com/adlayer/after/store/mango"
)

// TestStalePagesKnowWhatTheFirstKnew: who asks for a first page and then for the others with "update": false misses nothing that was there at first.
func TestStalePagesKnowWhatTheFirstKnew(t *testing.T) {
	t.Parallel()
	db := openDatabase(t)
	serve(t, db, "POST", "_index", `{"index":{"fields":["n"]},"name":"n"}`)
	fill(t, db, mango.PendingLimit/2) // few enough for a query not to write rows for them
	first := findPage(t, db, `{"selector":{"n":{"$gte":0}},"limit":10,"use_index":["n","n"]}`)
	rest := findPage(t, db, `{"selector":{"n":{"$gte":0}},"limit":1000,"update":false,"bookmark":"`+first.Bookmark+`"}`)
	if n := len(first.Docs) + len(rest.Docs); n != mango.PendingLimit/2 {
		t.Errorf("%d of %d documents", n, mango.PendingLimit/2)
	}
}
