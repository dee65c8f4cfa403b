// Package pouchdbclient_test uses the embedded store through PouchDB, as a web page or an Electron program would.
package pouchdbclient_test

import (
	"context"
	"net/url"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"go.uber.org/goleak"

	"github.com/adlayer/after/couch/couchtest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// patience is how long the script may take; it needs about a second.
const patience = 2 * time.Minute

func TestPouchDB(t *testing.T) {
	t.Parallel()
	node, err := couchtest.NPM(t, ".")
	if err != nil {
		couchtest.Without(t, "PouchDB", err)
		return
	}
	if _, err := os.Stat("client.js"); err != nil { // go test runs anew what it saw a test look at
		t.Fatal(err)
	}
	server := couchtest.Embedded(t)
	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	address.User = url.UserPassword(server.User, server.Password)
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	defer cancel()
	output, err := exec.CommandContext(ctx, node, "client.js", address.String()).CombinedOutput()
	if err != nil {
		t.Fatalf("%v\n%s", err, output)
	}
	for _, part := range []string{"documents", "bulk", "live", "find", "sync"} {
		if !strings.Contains(string(output), part+": ok\n") {
			t.Errorf("the part %s did not run:\n%s", part, output)
		}
	}
}
