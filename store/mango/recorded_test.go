package mango_test

import (
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/adlayer/after/couch/couchtest"
)

// TestRecordedExchanges replays what was recorded from a real CouchDB against the real handler: every answer of _find, _index and _explain.
func TestRecordedExchanges(t *testing.T) {
	t.Parallel()
	recordings := fstest.MapFS{}
	for _, name := range []string{"mango-find.json", "mango-index.json"} {
		raw, err := fs.ReadFile(couchtest.Recordings(), name)
		if err != nil {
			t.Fatal(err)
		}
		recordings[name] = &fstest.MapFile{Data: raw}
	}
	server := couchtest.Embedded(t)
	server.Recorded = nil // nothing in these is a known gap
	couchtest.Replay(t, server, recordings)
}
