// Package pouchdbclient_test uses the embedded store through PouchDB, as a web page or an Electron program would.
package pouchdbclient_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/adlayer/after/test/clienttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestPouchDB(t *testing.T) {
	t.Parallel()
	clienttest.Run(t, ".", "documents", "bulk", "live", "find", "sync", "attachments", "conflicts", "killed")
}
