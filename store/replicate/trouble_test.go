package replicate

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"
)

// TestInnocent has a document whose validation function has to be ended: those that came with it are written all the same.
func TestInnocent(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		written := map[string]bool{}
		bulk := func(r *http.Request) string {
			var body struct{ Docs []revision }
			if err := json.NewDecoder(r.Body).Decode(&body); err != nil {
				t.Error(err)
			}
			results, ended := []bulkResult{}, false
			for _, d := range body.Docs {
				if ended = ended || d.ID == "b"; ended {
					results = append(results, bulkResult{d.ID, d.Rev, endedProcess, "OS process timed out."})
				} else {
					written[d.ID] = true
				}
			}
			raw, err := json.Marshal(results)
			if err != nil {
				t.Error(err)
			}
			return string(raw)
		}
		local := fake(func(r *http.Request) (int, string, error) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/_changes"):
				return 200, `{"results":[{"seq":1,"id":"a","changes":[{"rev":"1-a"}]},{"seq":2,"id":"b","changes":[{"rev":"1-b"}]},` +
					`{"seq":3,"id":"c","changes":[{"rev":"1-c"}]}],"last_seq":3,"pending":0}`, nil
			case strings.HasSuffix(r.URL.Path, "/_revs_diff"):
				return 200, `{"a":{"missing":["1-a"]},"b":{"missing":["1-b"]},"c":{"missing":["1-c"]}}`, nil
			case strings.HasSuffix(r.URL.Path, "/_bulk_get"):
				doc := func(id string) string { return `{"docs":[{"ok":{"_id":"` + id + `","_rev":"1-` + id + `"}}]}` }
				return 200, `{"results":[` + doc("a") + `,` + doc("b") + `,` + doc("c") + `]}`, nil
			case strings.HasSuffix(r.URL.Path, "/_bulk_docs"):
				return 201, bulk(r), nil
			}
			return empty(r)
		})
		m := NewManager(Options{UUID: "u"})
		defer m.Close()
		_, result, err := m.Replicate(t.Context(), request(local, false))
		if err != nil {
			t.Fatal(err)
		}
		e := result.log.entries()[0]
		if !written["a"] || !written["c"] || written["b"] || e.Written != 2 || e.Failed != 1 {
			t.Errorf("%v was written: %+v", written, e)
		}
	})
}

// TestAlwaysAnother has a target that is never twice the same database: a replication that should end does not go on for ever.
func TestAlwaysAnother(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		began := time.Now()
		local := fake(func(r *http.Request) (int, string, error) {
			switch {
			case strings.HasSuffix(r.URL.Path, "/_changes"):
				return 200, `{"results":[{"seq":1,"id":"a","changes":[{"rev":"1-a"}]}],"last_seq":1,"pending":0}`, nil
			case strings.HasSuffix(r.URL.Path, "/_revs_diff"):
				return 200, `{}`, nil
			case strings.HasSuffix(r.URL.Path, "/_ensure_full_commit"):
				return 201, `{"instance_start_time":"` + time.Since(began).String() + `"}`, nil
			case r.URL.Path == "/b/":
				time.Sleep(time.Millisecond)
				return 200, `{"instance_start_time":"1"}`, nil
			}
			return empty(r)
		})
		m := NewManager(Options{UUID: "u"})
		defer m.Close()
		ctx, leave := context.WithTimeout(t.Context(), 24*time.Hour)
		defer leave()
		if _, _, err := m.Replicate(ctx, request(local, false)); err == nil || errors.Is(err, context.DeadlineExceeded) {
			t.Error(err)
		}
	})
}

// TestCheckpointAnswerLost loses the answer to a checkpoint, which was written.
func TestCheckpointAnswerLost(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		stored := map[string]string{}
		local := fake(func(r *http.Request) (int, string, error) {
			at := r.URL.Path
			switch {
			case strings.HasSuffix(at, "/_changes"):
				return 200, `{"results":[{"seq":1,"id":"a","changes":[{"rev":"1-a"}]}],"last_seq":1,"pending":0}`, nil
			case strings.HasSuffix(at, "/_revs_diff"):
				return 200, `{}`, nil
			case strings.Contains(at, "/_local/") && r.Method == http.MethodPut && stored[at] != "":
				return 409, `{"error":"conflict","reason":"Document update conflict."}`, nil
			case strings.Contains(at, "/_local/") && r.Method == http.MethodPut:
				raw, err := io.ReadAll(r.Body)
				if err != nil {
					t.Error(err)
				}
				stored[at] = strings.Replace(string(raw), "{", `{"_rev":"0-1",`, 1)
				return 0, "", errors.New("connection reset")
			case strings.Contains(at, "/_local/") && stored[at] != "":
				return 200, stored[at], nil
			}
			return empty(r)
		})
		m := NewManager(Options{UUID: "u"})
		defer m.Close()
		_, result, err := m.Replicate(t.Context(), request(local, false))
		if err != nil || string(result.log.SourceLastSeq) != "1" || len(stored) != 2 {
			t.Errorf("%+v %v %v", result, err, stored)
		}
	})
}

// TestEndlessDocument reads a document that never ends.
func TestEndlessDocument(t *testing.T) {
	t.Parallel()
	read := 0
	endless := io.MultiReader(strings.NewReader(`{"results":[{"id":"a"},{"id":"`), endlessly(func(p []byte) { read += len(p) }))
	err := eachElement(endless, "results", 1<<20, func(*bulkRow) error { return nil })
	if !errors.Is(err, errAnswer) || passing(err) || read > 4<<20 {
		t.Errorf("%v after %d bytes", err, read)
	}
}

type endlessly func(p []byte)

func (e endlessly) Read(p []byte) (int, error) {
	for i := range p {
		p[i] = 'x'
	}
	e(p)
	return len(p), nil
}

// TestTwoUsers has two users ask for the same: neither gets the replication of the other, nor stands in its way.
func TestTwoUsers(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		denied := fake(func(*http.Request) (int, string, error) {
			return 403, `{"error":"forbidden","reason":"not yours"}`, nil
		})
		m := NewManager(Options{UUID: "u"})
		defer m.Close()
		ask := func(user string, local http.RoundTripper) *Request {
			r := request(local, true)
			r.User = user
			return r
		}
		first, _, err := m.Replicate(t.Context(), ask("eve", denied))
		if err != nil {
			t.Fatal(err)
		}
		second, _, err := m.Replicate(t.Context(), ask("ann", fake(empty)))
		if err != nil || first == second {
			t.Fatal(first, second, err)
		}
		synctest.Wait()
		if m.jobs[first].state != "crashing" || m.jobs[second].state != "running" {
			t.Errorf("%s is %s, %s is %s", first, m.jobs[first].state, second, m.jobs[second].state)
		}
		stop := ask("eve", nil)
		stop.Cancel = true
		if id, _, err := m.Replicate(t.Context(), stop); err != nil || id != first {
			t.Error(id, err)
		}
		if _, _, err := m.Replicate(t.Context(), stop); err == nil {
			t.Error("eve has ended what ann had started")
		}
		stop.User, stop.Admin = "admin", true
		if id, _, err := m.Replicate(t.Context(), stop); err != nil || id != second {
			t.Error(id, err)
		}
	})
}

// TestOtherPassword asks for a continuous replication again, this time with the right password.
func TestOtherPassword(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var wrong atomic.Int32
		following := make(chan struct{}, 1)
		local := fake(func(r *http.Request) (int, string, error) {
			if r.URL.Path == "/a/" && r.Header.Get("Authorization") != "right" {
				wrong.Add(1)
				return 401, `{"error":"unauthorized","reason":"Name or password is incorrect."}`, nil
			}
			if r.URL.Query().Get("feed") == "longpoll" {
				select {
				case following <- struct{}{}:
				default:
				}
			}
			return empty(r)
		})
		m := NewManager(Options{UUID: "u"})
		defer m.Close()
		jobs := map[*job]bool{}
		for _, password := range []string{"wrong", "right", "right"} {
			r := request(local, true)
			r.Source.Header = http.Header{"Authorization": {password}}
			if _, _, err := m.Replicate(t.Context(), r); err != nil {
				t.Fatal(err)
			}
			all := m.list()
			if len(all) != 1 {
				t.Errorf("%d replications run", len(all))
			}
			jobs[all[0]] = true
			synctest.Wait()
		}
		<-following
		before := wrong.Load()
		time.Sleep(time.Hour)
		if len(jobs) != 2 || before == 0 || wrong.Load() != before {
			t.Errorf("%d jobs, %d and %d wrong attempts", len(jobs), before, wrong.Load())
		}
	})
}
