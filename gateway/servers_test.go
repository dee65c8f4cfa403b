package gateway_test

import (
	"context"
	"fmt"
	"net/http/httptest"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/fleet"
	"github.com/adlayer/after/gateway"
)

// TestOtherServers: in front of servers that are not ours the queue does what it does in front of ours. PouchDB Server
// cannot read documents that come in parts with their attachments.
func TestOtherServers(t *testing.T) {
	t.Parallel()
	for _, server := range couchtest.Servers(t)[1:] {
		for name, test := range map[string]func(*testing.T, *rig){
			"post": posts, "bad posts": badPosts, "show": shows, "cancel and reschedule": cancelsAndReschedules, "list": lists,
			"warning": warns, "wait": waits, "later": handsOver, "result": results, "batch": batches,
		} {
			if name == "later" && server.Name == "PouchDB Server" {
				continue
			}
			t.Run(server.Name+"/"+name, func(t *testing.T) {
				t.Parallel()
				test(t, inFrontOf(t, server))
			})
		}
	}
}

// databases have made so many, so that each test has its own.
var databases atomic.Int64

func inFrontOf(t *testing.T, server couchtest.Server) *rig {
	t.Helper()
	dialed := server.Dial(t)
	name := fmt.Sprintf("after-gateway-%d-%d", time.Now().UnixNano(), databases.Add(1))
	must(t, dialed.CreateDatabase(t.Context(), name))
	t.Cleanup(func() {
		for _, name := range []string{name, fleet.Database(name)} {
			if err := dialed.DropDatabase(context.Background(), name); err != nil && !couch.IsNotFound(err) {
				t.Error(err)
			}
		}
	})
	o := options()
	o.URL, o.Database, o.User, o.Password = server.URL, name, server.User, server.Password
	g, err := gateway.New(o)
	must(t, err)
	listener := httptest.NewServer(g)
	t.Cleanup(func() { listener.Close(); g.Close() })
	db := dialed.Database(name)
	return &rig{
		t: t, url: listener.URL, store: server.URL, db: db, tasks: client.New(db), count: &atomic.Int64{}, user: server.User, password: server.Password,
	}
}
