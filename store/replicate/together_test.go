package replicate_test

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/store"
)

// TestConvergeTogether writes a random history to a store, to another one that is killed in the middle, and to PouchDB Server, while all are
// replicated continuously by the first. Once nothing is written any more, all three have the same winners and conflicts.
func TestConvergeTogether(t *testing.T) {
	t.Parallel()
	p := pouch(t)
	s := start(t, store.Options{})
	process := couchtest.NewProcess(t, os.Args[0])
	process.Start()
	m := between(t, process.Server().URL) // it has another address after each start
	other := at(t, process.Server().URL)
	for _, one := range []*server{s, p, other} {
		one.want(201, "PUT", "/db", "")
	}
	ends := []string{"db", m.with("db"), p.with("db")}
	pairs := [][2]int{{0, 1}, {1, 0}, {0, 2}, {2, 0}}
	for _, pair := range pairs {
		s.want(202, "POST", "/_replicate", j{
			"source": ends[pair[0]], "target": ends[pair[1]], "continuous": true, "retries_per_request": 1, "checkpoint_interval": 10, "worker_batch_size": 3,
		})
	}
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	h := history{rand: rand.New(rand.NewPCG(seed, seed))}
	for range 30 {
		h.step(s, other, p)
	}
	process.Kill()
	for range 10 {
		h.step(s, p)
	}
	process.Start()
	m.point(t, process.Server().URL)
	other = at(t, process.Server().URL)
	for range 30 {
		h.step(s, other, p)
	}
	for i, one := range []*server{s, other, p} {
		one.want(201, "PUT", fmt.Sprintf("/db/last-%d", i), j{})
	}
	wanted := map[string]bool{"last-0": true, "last-1": true, "last-2": true}
	for _, one := range []*server{s, other} {
		if err := one.follow(t.Context(), "db", wanted); err != nil {
			t.Fatal(err)
		}
	}
	for since := 0; len(wanted) > 0; { // a continuous feed of PouchDB Server tells nothing of what was before
		page := decode[struct {
			Results []struct{ ID string }
			LastSeq int `json:"last_seq"`
		}](t, p.want(200, "GET", fmt.Sprintf("/db/_changes?feed=longpoll&since=%d", since), ""))
		for _, row := range page.Results {
			delete(wanted, row.ID)
		}
		since = page.LastSeq
	}
	for _, pair := range pairs {
		s.want(200, "POST", "/_replicate", j{"source": ends[pair[0]], "target": ends[pair[1]], "continuous": true, "cancel": true})
	}
	for range 2 {
		for _, pair := range pairs {
			if out := s.replicate(j{"source": ends[pair[0]], "target": ends[pair[1]]}); len(out.History) > 0 && out.History[0].Failed > 0 {
				t.Errorf("%v: %+v", pair, out.History[0])
			}
		}
	}
	if a, b := s.state("db"), other.state("db"); !maps.Equal(a, b) {
		t.Errorf("the stores differ:\n%v\n%v", a, b)
	}
	if a, b := s.leaves(h.ids()...), p.leaves(h.ids()...); !maps.Equal(a, b) {
		t.Errorf("PouchDB Server differs:\n%v\n%v", a, b)
	}
}

// history makes writes by chance, and remembers the documents that there are.
type history struct {
	rand   *rand.Rand
	writes int
	known  map[string]bool
}

func (h *history) ids() (ids []string) {
	for id := range h.known {
		ids = append(ids, id)
	}
	return ids
}

// step edits, deletes or tears one of a few documents on one of the servers. Where a replication has come in between it is no edit.
func (h *history) step(servers ...*server) {
	s, id := servers[h.rand.IntN(len(servers))], fmt.Sprintf("doc-%d", h.rand.IntN(6))
	h.writes++
	doc := j{"_id": id, "n": h.writes}
	if h.rand.IntN(3) == 0 {
		hash := fmt.Sprintf("%032x", h.rand.Uint64())
		doc["_rev"], doc["_revisions"] = "2-"+hash, j{"start": 2, "ids": []string{hash, strings.Repeat("0", 32)}}
		doc["_deleted"] = h.rand.IntN(3) == 0
		s.want(201, "POST", "/db/_bulk_docs", j{"new_edits": false, "docs": []j{doc}})
		h.remember(id)
		return
	}
	if status, raw := s.do("GET", "/db/"+id, ""); status == 200 {
		doc["_rev"] = decode[map[string]any](s.t, raw)["_rev"]
		doc["_deleted"] = h.rand.IntN(4) == 0
	}
	switch status, answer := s.do("PUT", "/db/"+id, doc); status {
	case 200, 201:
		h.remember(id)
	case 409:
	default:
		s.t.Fatal(status, answer)
	}
}

func (h *history) remember(id string) {
	if h.known == nil {
		h.known = map[string]bool{}
	}
	h.known[id] = true
}
