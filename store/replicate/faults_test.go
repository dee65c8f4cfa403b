package replicate_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"math/rand/v2"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/store"
)

// TestCuts replicates through a middleman that cuts most answers short: everything comes over all the same.
func TestCuts(t *testing.T) {
	t.Parallel()
	seed := uint64(time.Now().UnixNano())
	t.Logf("seed %d", seed)
	source, target := start(t, store.Options{}), start(t, store.Options{})
	for _, s := range []*server{source, target} {
		s.want(201, "PUT", "/db", "")
	}
	source.fill("db", "doc", 300)
	rev := decode[struct{ Rev string }](t, source.want(201, "PUT", "/db/gone", j{})).Rev
	source.want(200, "DELETE", "/db/gone?rev="+rev, "")
	var mu sync.Mutex
	random := rand.New(rand.NewPCG(seed, 0))
	cuts := 0
	harm := func(*http.Request) int64 {
		mu.Lock()
		defer mu.Unlock()
		if cuts >= 30 || random.IntN(3) == 0 {
			return 0
		}
		cuts++
		return 1 + random.Int64N(8000)
	}
	m := between(t, source.url)
	m.cutAfter.Store(&harm)
	n := between(t, target.url)
	n.cutAfter.Store(&harm)
	// The retries are more than the cuts, so that no chance lets it fail.
	body := j{"source": m.with("db"), "target": n.with("db"), "worker_batch_size": 20, "retries_per_request": 0, "checkpoint_interval": 20}
	tries := 0
	for ; ; tries++ {
		status, answer := target.do("POST", "/_replicate", body)
		if status == 200 {
			break
		}
		if tries > 35 {
			t.Fatal(status, answer)
		}
	}
	if tries == 0 {
		t.Error("nothing was cut")
	}
	if a, b := source.state("db"), target.state("db"); !maps.Equal(a, b) {
		t.Errorf("%d documents in the source, %d in the target", len(a), len(b))
	}
}

// TestRetries has each request fail twice before it is answered.
func TestRetries(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want(201, "PUT", "/a", "")
	s.want(201, "PUT", "/b", "")
	s.fill("a", "doc", 20)
	m := between(t, s.url)
	var mu sync.Mutex
	seen := map[string]int{}
	f := func(w http.ResponseWriter, r *http.Request) bool {
		mu.Lock()
		defer mu.Unlock()
		key := r.Method + r.URL.Path
		seen[key]++
		if seen[key] > 2 {
			return false
		}
		http.Error(w, `{"error":"busy","reason":"later"}`, http.StatusServiceUnavailable)
		return true
	}
	m.instead.Store(&f)
	if out := s.replicate(j{"source": m.with("a"), "target": "b"}); out.History[0].Written != 20 {
		t.Fatalf("%+v", out)
	}
	if n := seen["GET/a/_changes"]; n < 3 {
		t.Errorf("the feed was asked for %d times", n)
	}
}

// follow reads a continuous feed until all documents are there.
func (s *server) follow(ctx context.Context, db string, wanted map[string]bool) error {
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, s.url+"/"+db+"/_changes?feed=continuous&heartbeat=1000", nil)
	if err != nil {
		return err
	}
	req.SetBasicAuth("admin", "secret")
	res, err := s.web.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close()
	left := maps.Clone(wanted)
	lines := bufio.NewScanner(res.Body)
	for len(left) > 0 && lines.Scan() {
		var row struct{ ID string }
		if json.Unmarshal(lines.Bytes(), &row) == nil {
			delete(left, row.ID)
		}
	}
	if len(left) > 0 {
		return fmt.Errorf("the feed ended with %d documents missing: %w", len(left), lines.Err())
	}
	return nil
}

// TestTargetKilled replicates continuously to a process that is killed again and again while documents are written.
func TestTargetKilled(t *testing.T) {
	t.Parallel()
	source := start(t, store.Options{})
	source.want(201, "PUT", "/db", "")
	c := couchtest.NewProcess(t, os.Args[0])
	c.Start()
	m := between(t, c.Server().URL)
	at(t, c.Server().URL).want(201, "PUT", "/db", "")
	saved := m.checkpoints()
	body := j{
		"source": "db", "target": m.with("db"), "continuous": true, "retries_per_request": 1, "checkpoint_interval": 10,
		"worker_batch_size": 10,
	}
	source.want(202, "POST", "/_replicate", body)
	wanted := map[string]bool{}
	for round := range 3 {
		for part := range 4 {
			prefix := fmt.Sprintf("r%d-%d", round, part)
			source.fill("db", prefix, 50)
			for i := range 50 {
				wanted[fmt.Sprintf("%s-%05d", prefix, i)] = true
			}
			if part == 1 {
				await(t, saved)
				c.Kill()
			}
		}
		c.Start()
		m.point(t, c.Server().URL)
	}
	if err := at(t, c.Server().URL).follow(t.Context(), "db", wanted); err != nil {
		t.Fatal(err)
	}
	source.want(200, "POST", "/_replicate", merge(body, j{"cancel": true}))
	if a, b := source.state("db"), at(t, c.Server().URL).state("db"); !maps.Equal(a, b) {
		t.Errorf("%d documents in the source, %d in the target", len(a), len(b))
	}
}

func await(t *testing.T, event <-chan struct{}) {
	t.Helper()
	select {
	case <-event:
	case <-time.After(time.Minute):
		t.Fatal("what was waited for did not come within a minute")
	}
}

func merge(objects ...j) j {
	out := j{}
	for _, m := range objects {
		maps.Copy(out, m)
	}
	return out
}

// TestReplicatorKilled kills the process that replicates, after a checkpoint: the next one goes on from there.
func TestReplicatorKilled(t *testing.T) {
	t.Parallel()
	source := start(t, store.Options{})
	source.want(201, "PUT", "/db", "")
	source.fill("db", "doc", 400)
	m := between(t, source.url)
	saved := m.checkpoints()
	c := couchtest.NewProcess(t, os.Args[0])
	c.Start()
	body := j{"source": m.with("db"), "target": "db", "create_target": true, "worker_batch_size": 10, "checkpoint_interval": 1}
	at(t, c.Server().URL).want(202, "POST", "/_replicate", merge(body, j{"continuous": true}))
	await(t, saved)
	c.Kill()
	c.Start()
	replicator := at(t, c.Server().URL)
	if jobs := replicator.want(200, "GET", "/_scheduler/jobs", ""); !strings.Contains(jobs, `"total_rows":0`) {
		t.Errorf("a replication outlived its process: %s", jobs)
	}
	source.fill("db", "more", 10)
	out := replicator.replicate(body)
	if len(out.History) < 2 || fmt.Sprint(out.History[0].StartLastSeq) == "0" {
		t.Errorf("it began anew: %+v", out)
	}
	if a, b := source.state("db"), replicator.state("db"); !maps.Equal(a, b) {
		t.Errorf("%d documents in the source, %d in the target", len(a), len(b))
	}
}

// TestSilence has the source fall silent in the middle of an answer.
func TestSilence(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want(201, "PUT", "/a", "")
	s.want(201, "PUT", "/b", "")
	s.fill("a", "doc", 20)
	m := between(t, s.url)
	var once sync.Once
	f := func(w http.ResponseWriter, r *http.Request) (silent bool) {
		if !strings.HasSuffix(r.URL.Path, "/_changes") {
			return false
		}
		once.Do(func() {
			silent = true
			fmt.Fprint(w, `{"results":[`)
			_ = http.NewResponseController(w).Flush()
			<-r.Context().Done()
		})
		return silent
	}
	m.instead.Store(&f)
	if out := s.replicate(j{"source": m.with("a"), "target": "b", "connection_timeout": 200}); out.History[0].Written != 20 {
		t.Fatalf("%+v", out)
	}
}
