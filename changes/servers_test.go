package changes_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/url"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/adlayer/after/changes"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/test/faultproxy"
)

// On every server: while documents are written, and the connection is cut again and again, the follower sees the newest
// revision of each.
func TestFollowOnServers(t *testing.T) {
	t.Parallel()
	for _, server := range couchtest.Servers(t) {
		t.Run(server.Name, func(t *testing.T) { followServer(t, server) })
	}
}

const (
	rounds   = 30
	perRound = 20
)

func followServer(t *testing.T, server couchtest.Server) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 2*patience)
	defer cancel()
	name := "f" + strconv.FormatUint(rand.Uint64(), 36)
	db := server.Dial(t).Database(name)
	if err := db.Client().CreateDatabase(ctx, name); err != nil {
		t.Fatal(err)
	}
	defer func() {
		if err := db.Client().DropDatabase(context.WithoutCancel(ctx), name); err != nil {
			t.Errorf("dropping %s: %v", name, err)
		}
	}()

	address, err := url.Parse(server.URL)
	if err != nil {
		t.Fatal(err)
	}
	proxy := faultproxy.New(t, address.Host)
	through, err := couch.Dial("http://"+proxy.Addr(), couch.Options{User: server.User, Password: server.Password})
	if err != nil {
		t.Fatal(err)
	}
	defer through.Close()

	written := make(chan map[string]string, 1)
	var writing sync.WaitGroup
	writing.Go(func() {
		written <- write(ctx, t, db, proxy)
		// The follower looks for the end when a batch comes.
		if _, err := db.Put(ctx, "last", []byte(`{}`)); err != nil {
			t.Errorf("writing: %v", err)
		}
	})
	defer writing.Wait()

	var want map[string]string
	seen := map[string]string{}
	done := errors.New("all of it came")
	o := changes.Options{IncludeDocs: true, Heartbeat: time.Second, BackoffMin: time.Millisecond, BackoffMax: 20 * time.Millisecond}
	err = changes.Follow(ctx, through.Database(name), o, func(_ context.Context, rows []changes.Row, seq string) error {
		if seq == "" {
			t.Error("a batch without a sequence")
		}
		for _, r := range rows {
			seen[r.ID] = r.Rev
			if len(r.Doc) == 0 || r.Deleted {
				t.Errorf("row of %s: deleted %v, document %q", r.ID, r.Deleted, r.Doc)
			}
		}
		select {
		case want = <-written:
		default:
		}
		if want != nil && sameRevs(seen, want) {
			return done
		}
		return nil
	})
	if !errors.Is(err, done) {
		t.Errorf("Follow ended with %v; seen %d documents of %d", err, len(seen), len(want))
	}
	t.Logf("%d connections", proxy.Accepted())
}

func sameRevs(seen, want map[string]string) bool {
	for id, rev := range want {
		if seen[id] != rev {
			return false
		}
	}
	return true
}

// write changes documents and cuts connections, and gives the newest revisions.
func write(ctx context.Context, t *testing.T, db *couch.Database, proxy *faultproxy.Proxy) map[string]string {
	t.Helper()
	revs := map[string]string{}
	for round := range rounds {
		docs := make([][]byte, 0, perRound)
		for i := range perRound {
			id := fmt.Sprintf("doc%d", (round*7+i)%50)
			rev := ""
			if known := revs[id]; known != "" {
				rev = `"_rev":"` + known + `",`
			}
			docs = append(docs, fmt.Appendf(nil, `{"_id":"%s",%s"round":%d}`, id, rev, round))
		}
		results, err := db.Bulk(ctx, docs)
		if err != nil {
			t.Errorf("writing: %v", err)
			break
		}
		for _, r := range results {
			if err := r.Err(); err != nil {
				t.Errorf("writing: %v", err)
			}
			revs[r.ID] = r.Rev
		}
		if round%3 == 0 {
			proxy.CutAfter(1 + rand.Int64N(2000))
		}
	}
	proxy.Heal()
	return revs
}
