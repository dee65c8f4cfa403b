// Package nanoclient_test uses the embedded store through nano, as a program on a server would.
package nanoclient_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/adlayer/after/test/clienttest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

func TestNano(t *testing.T) {
	t.Parallel()
	clienttest.Run(t, ".", "server", "documents", "bulk", "attachments", "find", "changes", "session", "replicate", "errors", "killed")
}
