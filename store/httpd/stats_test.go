package httpd_test

import (
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/store"
)

// figure reads one of _stats.
func (s *server) figure(path string) gjson.Result {
	s.t.Helper()
	return gjson.Parse(s.want("GET", "/_node/_local/_stats/"+path, "", 200))
}

// TestStats follows the figures of what a server does.
func TestStats(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	steps := []struct {
		method, path, body string
		status             int
		moves              map[string]int64
	}{
		{"PUT", "/db/a", `{}`, 201, map[string]int64{"document_writes": 1, "document_inserts": 1, "database_writes": 1, "httpd_request_methods/PUT": 1}},
		{"PUT", "/db/a", `{}`, 409, map[string]int64{"document_writes": 0, "httpd_status_codes/409": 1}},
		{"PUT", "/db/_local/a", `{}`, 201, map[string]int64{"document_writes": 0, "local_document_writes": 1}},
		{"GET", "/db/a", "", 200, map[string]int64{"database_reads": 1}},
		{
			"POST", "/db/_bulk_docs", `{"docs":[{"_id":"b"},{"_id":"c"},{"_id":"a"}]}`, 201,
			map[string]int64{"document_writes": 2, "document_inserts": 2, "database_writes": 1, "httpd/bulk_requests": 1},
		},
		{"POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"d","_rev":"2-a"}]}`, 201, map[string]int64{"document_writes": 1, "document_inserts": 1}},
		{"POST", "/db/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"d","_rev":"2-b"}]}`, 201, map[string]int64{"document_writes": 1, "document_inserts": 0}},
		{"DELETE", "/db/d?rev=2-b", "", 200, map[string]int64{"document_writes": 1, "document_inserts": 0}},
		{"DELETE", "/db/d?rev=2-a", "", 200, map[string]int64{"document_writes": 1, "document_inserts": 0}},
		{"PUT", "/db/d", `{}`, 201, map[string]int64{"document_writes": 1, "document_inserts": 0}}, // its tombstone was there
		{"POST", "/db/_bulk_get", `{"docs":[{"id":"b"},{"id":"c"}]}`, 200, map[string]int64{"database_reads": 2, "httpd/bulk_requests": 1}},
		{"GET", "/db/_all_docs?include_docs=true", "", 200, map[string]int64{"database_reads": 4}},
		{"GET", "/db/_all_docs", "", 200, map[string]int64{"database_reads": 0}},
		{"GET", "/db/_changes?include_docs=true", "", 200, map[string]int64{"database_reads": 4}},
		{"POST", "/db/_find", `{"selector":{"_id":{"$gt":null}},"limit":3}`, 200, map[string]int64{"database_reads": 3}},
		{"POST", "/db/_find", `{"selector":{"kind":"none"}}`, 200, map[string]int64{"database_reads": 4}},
		{"POST", "/db/_explain", `{"selector":{"kind":"none"}}`, 200, map[string]int64{"database_reads": 0}},
		{"PUT", "/db/file/it", `text`, 201, map[string]int64{"document_writes": 1, "database_reads": 0}},
		{"GET", "/db/file/it", "", 200, map[string]int64{"database_reads": 1}},
		{"PUT", "/other", "", 201, map[string]int64{"open_databases": 1}},
		{"HEAD", "/db/a", "", 200, map[string]int64{"httpd_request_methods/HEAD": 1, "httpd/aborted_requests": 0}},
	}
	for _, step := range steps {
		before := map[string]int64{}
		for name := range step.moves {
			before[name] = s.figure("couchdb/" + name + "/value").Int()
		}
		requests := s.figure("couchdb/httpd/requests/value").Int()
		s.want(step.method, step.path, step.body, step.status)
		if got := s.figure("couchdb/httpd/requests/value").Int(); got != requests+2 {
			t.Errorf("two requests moved the number of them from %d to %d", requests, got)
		}
		for name, by := range step.moves {
			got := s.figure("couchdb/" + name + "/value").Int()
			if got != before[name]+by {
				t.Errorf("%s %s moved %s from %d to %d, not by %d", step.method, step.path, name, before[name], got, by)
			}
		}
	}
	times := s.figure("couchdb/request_time")
	for times.Get("value.n").Int() < 1 { // where more than ten seconds have passed since the last request
		times = s.figure("couchdb/request_time")
	}
	if times.Get("type").String() != "histogram" || times.Get("value.max").Float() <= 0 {
		t.Errorf("the times of requests: %s", times)
	}
	hits := s.figure("couchdb/auth_cache_hits/value").Int()
	if again := s.figure("couchdb/auth_cache_hits/value").Int(); again != hits+1 {
		t.Errorf("a password that is known moved the number of such from %d to %d", hits, again)
	}
	most := int64(0)
	for most == 0 { // likewise
		s.want("POST", "/db/_bulk_docs", `{"docs":[{},{},{},{}]}`, 201)
		most = s.figure("couchdb/httpd/bulk_docs/value/max").Int()
	}
	if most != 4 {
		t.Errorf("the largest _bulk_docs had %d documents", most)
	}
	s.equal("GET", "/_node/_local/_stats/couchdb/nothing/at/all", "", 200, "null")
	s.equal("GET", "/_node/_local/_stats/couch_replicator/jobs/running/value", "", 200, "0")
}

// TestAbortedRequests: an answer that is cut off is none of those that were given.
func TestAbortedRequests(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	before := s.figure("couchdb/httpd/aborted_requests/value").Int()
	res := s.open(t.Context(), "GET", "/db/_changes?feed=continuous&heartbeat=10", "")
	if _, err := res.Body.Read(make([]byte, 1)); err != nil {
		t.Fatal(err)
	}
	res.Body.Close()
	for s.figure("couchdb/httpd/aborted_requests/value").Int() == before { // until the server knows that its client went
	}
}

// TestMetricsUser: who has the role for it reads the figures, and nothing else of the server's.
func TestMetricsUser(t *testing.T) {
	t.Parallel()
	p := openUsers(t)
	p.want("admin:secret", "PUT", userPath("meter"), `{"name":"meter","password":"pw","type":"user","roles":["_metrics"]}`, 201, "")
	for _, path := range []string{"_stats", "_stats/couchdb/httpd", "_system", "_prometheus"} {
		p.want("meter:pw", "GET", "/_node/_local/"+path, "", 200, "")
		p.want("ann:pw", "GET", "/_node/_local/"+path, "", 401, "You are not a server admin or read-only metrics user")
		p.want("", "GET", "/_node/_local/"+path, "", 401, "You are not a server admin or read-only metrics user")
	}
	for _, path := range []string{"/_node/_local/_config", "/_node/_local/_versions", "/_node/_local", "/_all_dbs", "/_active_tasks"} {
		p.want("meter:pw", "GET", path, "", 401, `"You are not a server admin."`)
	}
}

// TestRestart: what CouchDB forgets when it is started anew is forgotten.
func TestRestart(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	s.want("POST", "/_replicate", `{"source":"db","target":"copy","create_target":true,"continuous":true}`, 202)
	s.want("PUT", "/_node/_local/_config/own/kept", `"1"`, 200)
	s.setForNow("own/lost")
	s.equal("GET", "/_node/_local/_config/own", "", 200, `{"kept":"1","lost":"1"}`)
	s.want("GET", "/_node/_local/_restart", "", 405)
	s.equal("POST", "/_node/_local/_restart", "", 200, `{"ok":true}`)
	s.equal("GET", "/_node/_local/_config/own", "", 200, `{"kept":"1"}`)
	if jobs := gjson.Get(s.want("GET", "/_scheduler/jobs", "", 200), "jobs.#").Int(); jobs != 0 {
		t.Errorf("%d replications go on", jobs)
	}
	s.want("GET", "/_up", "", 200)
}

// setForNow gives a setting a value that is not to last.
func (s *server) setForNow(key string) {
	s.t.Helper()
	r, err := http.NewRequestWithContext(s.t.Context(), http.MethodPut, s.url+"/_node/_local/_config/"+key, strings.NewReader(`"1"`))
	if err != nil {
		s.t.Fatal(err)
	}
	r.SetBasicAuth("admin", "secret")
	r.Header.Set("X-Couch-Persist", "false")
	res, err := http.DefaultClient.Do(r)
	if err != nil {
		s.t.Fatal(err)
	}
	res.Body.Close()
	if res.StatusCode != http.StatusOK {
		s.t.Fatalf("setting %s: %d", key, res.StatusCode)
	}
}

// TestRestartBesideSlowPeer: settings are forgotten at once, though a replication waits for its other end to take the last checkpoint.
func TestRestartBesideSlowPeer(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	s.want("PUT", "/db/a", `{}`, 201)
	asked, release := make(chan struct{}, 1), make(chan struct{})
	peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.Contains(r.URL.Path, "/_local/"):
			w.WriteHeader(http.StatusNotFound)
		case strings.HasSuffix(r.URL.Path, "/_ensure_full_commit"):
			select {
			case asked <- struct{}{}:
			default:
			}
			<-release
		}
		_, _ = io.WriteString(w, "{}")
	}))
	defer peer.Close()
	var ended sync.WaitGroup
	defer ended.Wait()
	defer close(release)
	s.want("POST", "/_replicate", `{"source":"db","target":"`+peer.URL+`/there","continuous":true,"checkpoint_interval":3600000}`, 202)
	for !strings.HasPrefix(gjson.Get(s.want("GET", "/_active_tasks", "", 200), "0.through_seq").String(), "1-") { // until there is something to keep
	}
	s.setForNow("own/lost")
	ended.Go(func() {
		if status, answer := s.do("POST", "/_node/_local/_restart", ""); status != http.StatusOK {
			t.Errorf("%d %s", status, answer)
		}
	})
	<-asked
	s.equal("GET", "/_node/_local/_config/own", "", 200, `{}`)
}

// TestReshard switches the splitting of shards off and on, which there is none of.
func TestReshard(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.equal("GET", "/_reshard/state", "", 200, `{"state":"running","reason":null}`)
	s.equal("PUT", "/_reshard/state", `{"state":"stopped","reason":"a test"}`, 200, `{"ok":true}`)
	s.equal("GET", "/_reshard/state", "", 200, `{"state":"stopped","reason":"a test"}`)
	if got := gjson.Get(s.want("GET", "/_reshard", "", 200), "state_reason").String(); got != "a test" {
		t.Errorf("the summary has the reason %q", got)
	}
	s.equal("PUT", "/_reshard/state", `{"state":"stopped"}`, 200, `{"ok":true}`)
	s.equal("GET", "/_reshard/state", "", 200, `{"state":"stopped","reason":"Shard splitting stopped on the cluster by user"}`)
	s.equal("PUT", "/_reshard/state", `{"state":"running"}`, 200, `{"ok":true}`)
	s.equal("GET", "/_reshard/state", "", 200, `{"state":"running","reason":null}`)
	s.equal("PUT", "/_reshard/state", `{}`, 400, "{\"error\":\"bad_request\",\"reason\":\"Expected a `state` field\"}")
	s.equal("PUT", "/_reshard/state", `{"state":"x"}`, 400, "{\"error\":\"bad_request\",\"reason\":\"State field not `running` or `stopped`\"}")
	s.want("PUT", "/_reshard", `{}`, 405)
	s.want("GET", "/_reshard/jobs/none", "", 404)
	s.want("PUT", "/_reshard/jobs/none", `{}`, 405)
	s.want("GET", "/_reshard/jobs/none/state", "", 404)
	s.want("POST", "/_reshard/jobs", `{}`, 501)
}

// TestBodyTime: answers tell how long their request's body took to come.
func TestBodyTime(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	for _, path := range []string{"/", "/_all_dbs", "/nothing"} {
		res := s.open(t.Context(), "GET", path, "")
		res.Body.Close()
		if got := res.Header.Get("X-CouchDB-Body-Time"); got != "0" {
			t.Errorf("%s: the body that there is not took %q ms", path, got)
		}
	}
}
