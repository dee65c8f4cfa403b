package fleet_test

import (
	"encoding/json"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/fleet"
)

// Hashes of revisions that win and lose against any other of their generation.
const (
	wins  = "ffffffffffffffffffffffffffffffff"
	loses = "00000000000000000000000000000000"
)

// rival is the lease of another member as the other side of a split cluster takes it, in the form of new_edits=false.
func rival(t *testing.T, of *fleet.Identity, hash string) *string {
	t.Helper()
	body, err := json.Marshal(map[string]any{
		"_id": "worker:manobi", "_rev": "1-" + hash, "type": "lease", "worker": "manobi",
		"member": of.Member, "incarnation": of.Incarnation, "host": "elsewhere", "pid": 1, "since": time.Now().UTC(),
	})
	must(t, err)
	docs := `{"new_edits":false,"docs":[` + string(body) + `]}`
	return &docs
}

// replicate brings a server what another node has.
func replicate(server http.Handler, body string) int {
	request := httptest.NewRequest(http.MethodPost, "/tasks-fleet/_bulk_docs", strings.NewReader(body))
	request.SetBasicAuth("after", "secret")
	request.Header.Set("Content-Type", "application/json")
	answer := httptest.NewRecorder()
	server.ServeHTTP(answer, request)
	return answer.Code
}

// split plays a cluster that is split while a lease is written: the write is accepted without a quorum, and the other side
// takes the rival's.
func split(t *testing.T, rival *atomic.Pointer[string]) func(http.Handler) http.Handler {
	t.Helper()
	return func(server http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPut || !strings.Contains(r.URL.Path, "worker:manobi") {
				server.ServeHTTP(w, r)
				return
			}
			theirs := rival.Swap(nil)
			if theirs == nil {
				server.ServeHTTP(w, r)
				return
			}
			ours := httptest.NewRecorder()
			server.ServeHTTP(ours, r)
			if status := replicate(server, *theirs); status != http.StatusCreated {
				t.Errorf("the other side's lease: status %d", status)
			}
			w.WriteHeader(http.StatusAccepted)
			_, _ = w.Write(ours.Body.Bytes())
		})
	}
}

func wantHolder(t *testing.T, db *couch.Database, member string) {
	t.Helper()
	doc, err := db.Get(t.Context(), "worker:manobi", couch.WithConflicts())
	must(t, err)
	var lease struct {
		Member    string   `json:"member"`
		Conflicts []string `json:"_conflicts"`
	}
	must(t, json.Unmarshal(doc.Body, &lease))
	if lease.Member != member || len(lease.Conflicts) != 0 {
		t.Errorf("member %s holds the lease, not %s; conflicts %q", lease.Member, member, lease.Conflicts)
	}
}

func TestLeaseThatLosesInACluster(t *testing.T) {
	t.Parallel()
	var theirs atomic.Pointer[string]
	db := databaseBehind(t, split(t, &theirs))
	other := open(t, t.TempDir(), false, "manobi")
	joinAs(t, db, other, nil)
	theirs.Store(rival(t, other, wins))
	one := join(t, db, nil)
	err := one.Take(t.Context(), "manobi", false, nil)
	var held *fleet.HeldError
	if !errors.As(err, &held) || held.Lease.Member != other.Member {
		t.Fatalf("the loser got: %v", err)
	}
	if one.MayStart("manobi", time.Now()) {
		t.Error("the loser may start tasks")
	}
	wantHolder(t, db, other.Member)
}

func TestLeaseThatWinsInACluster(t *testing.T) {
	t.Parallel()
	var theirs atomic.Pointer[string]
	db := databaseBehind(t, split(t, &theirs))
	identity := open(t, t.TempDir(), false, "manobi")
	theirs.Store(rival(t, open(t, t.TempDir(), false, "manobi"), loses))
	one := joinAs(t, db, identity, nil)
	must(t, one.Take(t.Context(), "manobi", false, nil))
	if !one.MayStart("manobi", time.Now()) {
		t.Error("the winner may not start tasks")
	}
}

// TestLeaseThatLosesLater: both sides took the name, and learn of each other when the split ends.
func TestLeaseThatLosesLater(t *testing.T) {
	t.Parallel()
	var server http.Handler
	db := databaseBehind(t, func(h http.Handler) http.Handler {
		server = h
		return h
	})
	lost := make(chan fleet.Lease, 1)
	one := join(t, db, func(_ string, to fleet.Lease) { lost <- to })
	must(t, one.Take(t.Context(), "manobi", false, nil))
	other := open(t, t.TempDir(), false, "manobi")
	if status := replicate(server, *rival(t, other, wins)); status != http.StatusCreated {
		t.Fatalf("the other side's lease: status %d", status)
	}
	select {
	case to := <-lost:
		if to.Member != other.Member {
			t.Errorf("lost to %s", to.Member)
		}
	case <-time.After(time.Minute):
		t.Fatal("not told")
	}
	wantHolder(t, db, other.Member)
}
