package couchtest_test

import (
	"testing"

	"go.uber.org/goleak"

	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/store/script"
)

func TestMain(m *testing.M) {
	script.Main()
	goleak.VerifyTestMain(m, goleak.IgnoreAnyFunction("github.com/dlclark/regexp2/v2.runClock")) // it ends by itself, a second after the last match
}

func TestServers(t *testing.T) {
	for _, server := range couchtest.Servers(t) {
		t.Run(server.Name, func(t *testing.T) { couchtest.Run(t, server) })
	}
}

func TestReplayEmbedded(t *testing.T) {
	couchtest.Replay(t, couchtest.Embedded(t), couchtest.Recordings())
}

func TestReplayCouch(t *testing.T) {
	server, ok := couchtest.Couch(t)
	if !ok {
		t.Skipf("%s names no CouchDB", couchtest.CouchVariable)
	}
	couchtest.Replay(t, server, couchtest.Recordings())
}
