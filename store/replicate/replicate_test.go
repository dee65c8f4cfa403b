package replicate_test

import (
	"encoding/json"
	"maps"
	"net/http"
	"strings"
	"testing"

	"github.com/adlayer/after/store"
)

// pair is a server with the databases a and b.
func pair(t *testing.T) *server {
	t.Helper()
	s := start(t, store.Options{})
	s.want(201, "PUT", "/a", "")
	s.want(201, "PUT", "/b", "")
	return s
}

// TestRefused copies to a target that does not take everything: the rest arrives, and what was refused is counted.
func TestRefused(t *testing.T) {
	t.Parallel()
	source, target := pair(t), start(t, store.Options{MaxDocument: 3000})
	target.want(201, "PUT", "/b", "")
	target.want(201, "PUT", "/_users", "")
	target.want(201, "PUT", "/_users/org.couchdb.user:bob", j{"name": "bob", "type": "user", "roles": []string{}, "password": "pw"})
	target.want(200, "PUT", "/b/_security", j{"members": j{"names": []string{"bob"}}})
	source.fill("a", "doc", 10)
	source.want(201, "PUT", "/a/large", j{"pad": strings.Repeat("x", 5000)})
	source.want(201, "PUT", "/a/_design/d", j{"language": "javascript"})
	bob := strings.Replace(target.with("b"), "admin:secret", "bob:pw", 1)
	out := source.replicate(j{"source": "a", "target": bob})
	if h := out.History[0]; h.Written != 10 || h.Failed != 2 || h.Read != 12 {
		t.Errorf("%+v", out)
	}
	if out := source.replicate(j{"source": "a", "target": bob}); !out.NoChanges {
		t.Errorf("again: %+v", out)
	}
	target.want(200, "GET", "/b/doc-00009", "")
	target.want(404, "GET", "/b/large", "")
	target.want(404, "GET", "/b/_design/d", "")
}

// TestGuilty has the target refuse whole requests because of one document in them.
func TestGuilty(t *testing.T) {
	t.Parallel()
	s := pair(t)
	s.fill("a", "doc", 20)
	m := between(t, s.url)
	f := func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/_bulk_docs") {
			return false
		}
		if strings.Contains(read(t, r), "doc-00007") {
			http.Error(w, `{"error":"too_large","reason":"the request entity is too large"}`, http.StatusRequestEntityTooLarge)
			return true
		}
		return false
	}
	m.instead.Store(&f)
	out := s.replicate(j{"source": "a", "target": m.with("b")})
	if h := out.History[0]; h.Written != 19 || h.Failed != 1 {
		t.Errorf("%+v", out)
	}
	s.want(404, "GET", "/b/doc-00007", "")
	s.want(200, "GET", "/b/doc-00019", "")
}

// TestWithoutBulkGet has a source that does not know _bulk_get.
func TestWithoutBulkGet(t *testing.T) {
	t.Parallel()
	s := pair(t)
	s.fill("a", "doc", 20)
	s.want(201, "POST", "/a/_bulk_docs", j{"new_edits": false, "docs": []j{
		{"_id": "torn", "_rev": "2-aa", "_revisions": j{"start": 2, "ids": []string{"aa", "00"}}},
		{"_id": "torn", "_rev": "2-bb", "_revisions": j{"start": 2, "ids": []string{"bb", "00"}}},
		{"_id": "torn", "_rev": "3-cc", "_deleted": true, "_revisions": j{"start": 3, "ids": []string{"cc", "11", "00"}}},
	}})
	m := between(t, s.url)
	f := func(w http.ResponseWriter, r *http.Request) bool {
		if !strings.HasSuffix(r.URL.Path, "/_bulk_get") {
			return false
		}
		http.Error(w, `{"error":"not_found","reason":"missing"}`, http.StatusNotFound)
		return true
	}
	m.instead.Store(&f)
	if out := s.replicate(j{"source": m.with("a"), "target": "b"}); out.History[0].Written != 23 {
		t.Errorf("%+v", out)
	}
	if a, b := s.state("a"), s.state("b"); !maps.Equal(a, b) {
		t.Errorf("\n%v\n%v", a, b)
	}
}

// TestJobs starts a continuous replication, looks at it, and cancels it.
func TestJobs(t *testing.T) {
	t.Parallel()
	s := pair(t)
	body := j{"source": s.with("a"), "target": "b", "continuous": true}
	id := decode[outcome](t, s.want(202, "POST", "/_replicate", body)).LocalID
	if again := decode[outcome](t, s.want(202, "POST", "/_replicate", body)).LocalID; again != id || !strings.HasSuffix(id, "+continuous") {
		t.Errorf("the same replication has the ids %s and %s", id, again)
	}
	s.want(201, "PUT", "/a/x", j{"n": 1})
	if err := s.follow(t.Context(), "b", map[string]bool{"x": true}); err != nil {
		t.Fatal(err)
	}
	tasks := decode[[]map[string]any](t, s.want(200, "GET", "/_active_tasks", ""))
	if len(tasks) != 1 || tasks[0]["type"] != "replication" || tasks[0]["replication_id"] != id || tasks[0]["docs_written"] == nil {
		t.Errorf("%v", tasks)
	}
	jobs := s.want(200, "GET", "/_scheduler/jobs", "")
	if !strings.Contains(jobs, id) || strings.Contains(jobs, "secret") || !strings.Contains(jobs, "admin:*****@") {
		t.Error(jobs)
	}
	s.want(200, "GET", "/_scheduler/jobs/"+strings.ReplaceAll(id, "+", "%2B"), "")
	if got := s.want(200, "POST", "/_replicate", j{"replication_id": id, "cancel": true}); got != `{"ok":true,"_local_id":"`+id+`"}` {
		t.Error(got)
	}
	s.want(404, "POST", "/_replicate", merge(body, j{"cancel": true}))
	if got := s.want(200, "GET", "/_scheduler/jobs", ""); got != `{"total_rows":0,"offset":0,"jobs":[]}` {
		t.Error(got)
	}
	// What it did is in its last checkpoint.
	if out := s.replicate(j{"source": s.with("a"), "target": "b"}); !out.NoChanges || len(out.History) != 1 || out.History[0].Written != 1 {
		t.Errorf("%+v", out)
	}
}

// TestRights lets users replicate with their own rights, and cancel only what is theirs.
func TestRights(t *testing.T) {
	t.Parallel()
	s := pair(t)
	s.want(201, "PUT", "/_users", "")
	s.want(201, "PUT", "/_users/org.couchdb.user:bob", j{"name": "bob", "type": "user", "roles": []string{}, "password": "pw"})
	as := func(user, body string) (int, string) {
		req, err := http.NewRequest(http.MethodPost, s.url+"/_replicate", strings.NewReader(body))
		if err != nil {
			t.Fatal(err)
		}
		if user != "" {
			req.SetBasicAuth(user, "pw")
		}
		req.Header.Set("Content-Type", "application/json")
		res, err := s.web.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		defer res.Body.Close()
		return res.StatusCode, read(t, res)
	}
	if status, answer := as("", `{"source":"a","target":"b"}`); status != 401 {
		t.Error(status, answer)
	}
	if status, answer := as("bob", `{"source":"a","target":"b"}`); status != 403 || !strings.Contains(answer, "forbidden to access") {
		t.Error("databases of administrators alone: ", status, answer)
	}
	for _, db := range []string{"a", "b"} {
		s.want(200, "PUT", "/"+db+"/_security", j{"members": j{"names": []string{"bob"}}})
	}
	if status, answer := as("bob", `{"source":"a","target":"b","create_target":true}`); status != 200 {
		t.Error(status, answer)
	}
	if status, answer := as("bob", `{"source":"a","target":"c","create_target":true}`); status != 401 || !strings.Contains(answer, "create") {
		t.Error("bob creates a database: ", status, answer)
	}
	s.want(202, "POST", "/_replicate", j{"source": "a", "target": "b", "continuous": true})
	if status, answer := as("bob", `{"source":"a","target":"b","continuous":true,"cancel":true}`); status != 401 {
		t.Error("bob cancels the administrator's: ", status, answer)
	}
	s.want(200, "POST", "/_replicate", j{"source": "a", "target": "b", "continuous": true, "cancel": true})
}

// TestObjectEnds gives the ends as objects.
func TestObjectEnds(t *testing.T) {
	t.Parallel()
	s := pair(t)
	s.fill("a", "doc", 3)
	basic := j{"basic": j{"username": "admin", "password": "secret"}}
	out := s.replicate(j{
		"source": j{"url": s.url + "/a", "auth": basic},
		"target": j{"url": s.url + "/b/", "headers": j{"Authorization": "Basic YWRtaW46c2VjcmV0"}},
	})
	if out.History[0].Written != 3 {
		t.Errorf("%+v", out)
	}
	basic = j{"basic": j{"username": "admin", "password": "wrong"}}
	status, answer := s.do("POST", "/_replicate", j{"source": j{"url": s.url + "/a", "auth": basic}, "target": "b"})
	if status != 401 || strings.Contains(answer, "wrong") {
		t.Error(status, answer)
	}
}

// TestOptions holds options to what they mean.
func TestOptions(t *testing.T) {
	t.Parallel()
	s := pair(t)
	s.fill("a", "doc", 10)
	since := decode[struct {
		Seq string `json:"update_seq"`
	}](t, s.want(200, "GET", "/a", "")).Seq
	s.fill("a", "more", 5)
	if out := s.replicate(j{"source": "a", "target": "b", "since_seq": since, "use_checkpoints": false}); out.History[0].Written != 5 {
		t.Errorf("since_seq: %+v", out)
	}
	if got := s.want(200, "GET", "/b/_local_docs", ""); strings.Contains(got, `"id"`) {
		t.Errorf("use_checkpoints: false left %s", got)
	}
	if out := s.replicate(j{"source": "a", "target": "b", "selector": j{"n": j{"$gte": 8}}}); out.History[0].Written != 2 {
		t.Errorf("selector: %+v", out)
	}
	if out := s.replicate(j{"source": "a", "target": "b", "selector": j{"n": "none"}}); !out.NoChanges {
		t.Errorf("a selector that nothing matches: %+v", out)
	}
	s.want(201, "POST", "/a/_bulk_docs", j{"new_edits": false, "docs": []j{{"_id": "doc-00000", "_rev": "1-zz"}}})
	if out := s.replicate(j{"source": "a", "target": "b", "doc_ids": []string{"doc-00000"}, "winning_revs_only": true}); out.History[0].Written != 1 {
		t.Errorf("winning_revs_only: %+v", out)
	}
	s.want(500, "POST", "/_replicate", j{"source": "a", "target": "b", "filter": "d/f"})
}

// TestRecreated replaces the target of a continuous replication by an empty database of the same name: it is filled again.
func TestRecreated(t *testing.T) {
	t.Parallel()
	s := pair(t)
	m := between(t, s.url)
	saved := m.checkpoints()
	s.fill("a", "doc", 5)
	s.want(202, "POST", "/_replicate", j{"source": "a", "target": m.with("b"), "continuous": true, "checkpoint_interval": 20})
	await(t, saved)
	s.want(200, "DELETE", "/b", "")
	s.want(201, "PUT", "/b", "")
	s.want(201, "PUT", "/a/x", j{})
	if err := s.follow(t.Context(), "b", map[string]bool{"x": true, "doc-00000": true, "doc-00004": true}); err != nil {
		t.Fatal(err)
	}
}

func read(t *testing.T, from any) string {
	t.Helper()
	switch v := from.(type) {
	case *http.Request:
		return string(readAll(t, v.Body, func(b []byte) { v.Body = again(b); v.ContentLength = int64(len(b)) }))
	case *http.Response:
		return string(readAll(t, v.Body, func([]byte) {}))
	}
	t.Fatalf("%T", from)
	return ""
}

// TestBodies holds the answers to what clients read.
func TestBodies(t *testing.T) {
	t.Parallel()
	s := pair(t)
	s.fill("a", "doc", 2)
	raw := s.want(200, "POST", "/_replicate", j{"source": "a", "target": "b"})
	order := []string{
		`{"ok":true,"session_id":"`, `"source_last_seq":"`, `"replication_id_version":4,"history":[{"session_id":"`, `"start_time":"`,
		`"end_time":"`, `"start_last_seq":0,"end_last_seq":"`, `"recorded_seq":"`, `"missing_checked":2,"missing_found":2,"docs_read":2,` +
			`"docs_written":2,"doc_write_failures":0,"bulk_get_docs":2,"bulk_get_attempts":2}]}`,
	}
	rest := raw
	for _, part := range order {
		_, after, ok := strings.Cut(rest, part)
		if !ok {
			t.Fatalf("no %s in its place in %s", part, raw)
		}
		rest = after
	}
	var doc struct {
		Rows []struct{ ID string }
	}
	if err := json.Unmarshal([]byte(s.want(200, "GET", "/b/_local_docs", "")), &doc); err != nil || len(doc.Rows) != 1 {
		t.Fatal(doc, err)
	}
	kept := s.want(200, "GET", "/b/"+doc.Rows[0].ID, "")
	if _, history, _ := strings.Cut(raw, `"session_id"`); !strings.HasSuffix(kept, `"session_id"`+history) {
		t.Errorf("the checkpoint is not what was answered:\n%s\n%s", kept, raw)
	}
}
