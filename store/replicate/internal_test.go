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

	"github.com/adlayer/after/store"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for body, want := range map[string]string{
		`{"source":"a"}`:                                                           "error: Missing replicator database",
		`{"source":"a","target":null}`:                                             "error: Missing replicator database",
		`{"source":"","target":"b"}`:                                               "bad_request: parameter `source` must be a database's name, its URL, or an object with its `url`",
		`{"source":{"url":5},"target":"b"}`:                                        "bad_request: parameter `source` must be a database's name, its URL, or an object with its `url`",
		`{"source":"http://u:pw@/x","target":"b"}`:                                 "bad_request: parameter `source` is not the URL of a database",
		`{"source":"ftp://u:pw@h/x","target":"b"}`:                                 "bad_request: parameter `source` is not the URL of a database",
		`{"source":"a","target":"b","continuous":1}`:                               "bad_request: parameter `continuous` must be a boolean",
		`{"source":"a","target":"b","doc_ids":[1]}`:                                "bad_request: parameter `doc_ids` must be an array of strings",
		`{"source":"a","target":"b","filter":{}}`:                                  "bad_request: parameter `filter` must be a string",
		`{"source":"a","target":"b","query_params":[]}`:                            "bad_request: parameter `query_params` must be an object",
		`{"source":"a","target":"b","worker_batch_size":0}`:                        "bad_request: parameter `worker_batch_size` must be an integer of at least 1",
		`{"source":"a","target":"b","create_target_params":1}`:                     "bad_request: parameter `create_target_params` must be a JSON object",
		`{"source":"a","target":"b","proxy":"http://p","source_proxy":"http://q"}`: "bad_request: `proxy` is mutually exclusive with `source_proxy`",
		`{"source":"a","target":"b","proxy":"http://p","target_proxy":"http://q"}`: "bad_request: `proxy` is mutually exclusive with `target_proxy`",
		`{"source":"a","target":"b","proxy":"","target_proxy":"http://q"}`:         "",
		`{"source":"a","target":"b"}`:                                              "",
		`{"source":"a","target":"b","selector":null}`:                              "",
	} {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &fields); err != nil {
			t.Fatal(err)
		}
		_, err := Parse(fields, "http://here", DefaultSettings())
		got := ""
		if err != nil {
			got = err.Error()
		}
		if got != want {
			t.Errorf("%s: %s", body, got)
		}
	}
}

func TestEndpoints(t *testing.T) {
	t.Parallel()
	for raw, want := range map[string]Endpoint{
		`"a+b/c"`:                          {Name: "a+b/c", URL: "http://here/a%2Bb%2Fc/"},
		`"https://bob:pw@host:1/a%2Fb/?x"`: {URL: "https://host:1/a%2Fb/", User: "bob"},
		`"HTTPS://bob:pw@host/a"`:          {URL: "https://host/a/", User: "bob"},
		`{"url":"http://host/a","auth":{"basic":{"username":"eve","password":"pw"}}}`: {URL: "http://host/a/", User: "eve"},
	} {
		got, err := parseEndpoint("source", map[string]json.RawMessage{"source": json.RawMessage(raw)}, "http://here")
		if err != nil || got.Name != want.Name || got.URL != want.URL || got.User != want.User || strings.Contains(got.Shown(), "pw") {
			t.Errorf("%s: %+v %v", raw, got, err)
		}
		if auth := got.Header.Get("Authorization"); (auth != "") != (want.User != "") {
			t.Errorf("%s: %s", raw, auth)
		}
	}
}

// TestIDs holds the name of the checkpoints to what a replication is about.
func TestIDs(t *testing.T) {
	t.Parallel()
	id := func(body string) string {
		var fields map[string]json.RawMessage
		if err := json.Unmarshal([]byte(body), &fields); err != nil {
			t.Fatal(err)
		}
		r, err := Parse(fields, "http://here", DefaultSettings())
		if err != nil {
			t.Fatal(err)
		}
		n, err := r.names(t.Context(), "uuid")
		if err != nil || !strings.HasPrefix(n.whole, n.base) {
			t.Fatal(n, err)
		}
		return n.base
	}
	same := id(`{"source":"http://u:one@h/a","target":"b"}`)
	for _, body := range []string{
		`{"source":"http://u:two@h/a/","target":"b","continuous":true,"create_target":true,"worker_batch_size":7}`,
		`{"source":{"url":"http://h/a","auth":{"basic":{"username":"u","password":"x"}}},"target":"b"}`,
	} {
		if id(body) != same {
			t.Errorf("%s goes on from another checkpoint", body)
		}
	}
	seen := map[string]string{same: "the first"}
	for _, body := range []string{
		`{"source":"http://h/a","target":"b"}`, `{"source":"http://u:one@h/b","target":"b"}`, `{"source":"http://u:one@h/a","target":"c"}`,
		`{"source":"http://u:one@h/a","target":"b","doc_ids":[]}`, `{"source":"http://u:one@h/a","target":"b","doc_ids":["x"]}`,
		`{"source":"http://u:one@h/a","target":"b","selector":{}}`, `{"source":"http://u:one@h/a","target":"b","filter":"_design"}`,
		`{"source":"http://u:one@h/a","target":"b","winning_revs_only":true}`,
	} {
		if other, ok := seen[id(body)]; ok {
			t.Errorf("%s has the checkpoint of %s", body, other)
		}
		seen[id(body)] = body
	}
}

func TestCommon(t *testing.T) {
	t.Parallel()
	at := func(session, seq string, history ...string) *checkpoint {
		entries := []entry{}
		for i := 0; i < len(history); i += 2 {
			entries = append(entries, entry{SessionID: history[i], RecordedSeq: json.RawMessage(history[i+1])})
		}
		raw, err := json.Marshal(entries)
		if err != nil {
			t.Fatal(err)
		}
		return &checkpoint{SessionID: session, SourceLastSeq: json.RawMessage(seq), History: raw}
	}
	for name, c := range map[string]struct {
		source, target *checkpoint
		want           string
	}{
		"none":                    {&checkpoint{}, &checkpoint{}, "0"},
		"only one":                {at("x", `"5"`, "x", `"5"`), &checkpoint{}, "0"},
		"the same":                {at("x", `"5"`, "x", `"5"`), at("x", `"5"`, "x", `"5"`), `"5"`},
		"the target is ahead":     {at("x", `"5"`, "x", `"5"`), at("y", `"9"`, "y", `"9"`, "x", `"5"`), `"5"`},
		"the source is ahead":     {at("y", `9`, "y", `9`, "x", `5`), at("x", `5`, "x", `5`), `5`},
		"nothing in common":       {at("y", `9`, "y", `9`), at("x", `5`, "x", `5`), `0`},
		"a history of a friend":   {at("y", `9`, "y", `9`, "z", `7`, "x", `5`), at("w", `8`, "w", `8`, "x", `5`), `5`},
		"the source was put back": {at("x", `"5-a"`, "x", `"5-a"`), at("x", `"9-a"`, "x", `"9-a"`), `"5-a"`},
		"the target was put back": {at("x", `[10,"a"]`, "x", `[10,"a"]`), at("x", `[9,"a"]`, "x", `[9,"a"]`), `[9,"a"]`},
		"both in the history":     {at("y", `12`, "y", `12`, "x", `5`), at("w", `8`, "w", `8`, "x", `7`), `5`},
		"no numbers":              {at("x", `"a"`, "x", `"a"`), at("x", `"b"`, "x", `"b"`), `0`},
		"no history":              {&checkpoint{SessionID: "x", History: json.RawMessage(`7`)}, at("y", "1"), `0`},
	} {
		if got := string(common(c.source, c.target)); got != c.want {
			t.Errorf("%s: %s instead of %s", name, got, c.want)
		}
	}
}

// fake is a server that answers what it is told to.
type fake func(r *http.Request) (status int, body string, err error)

func (f fake) RoundTrip(r *http.Request) (*http.Response, error) {
	status, body, err := f(r)
	if err != nil {
		return nil, err
	}
	return &http.Response{StatusCode: status, Header: http.Header{}, Body: io.NopCloser(strings.NewReader(body)), Request: r}, nil
}

// empty answers like a server with empty databases.
func empty(r *http.Request) (int, string, error) {
	switch {
	case strings.HasSuffix(r.URL.Path, "/_changes") && r.URL.Query().Get("feed") == "longpoll":
		<-r.Context().Done()
		return 0, "", r.Context().Err()
	case strings.HasSuffix(r.URL.Path, "/_changes"):
		return 200, `{"results":[],"last_seq":0}`, nil
	case strings.Contains(r.URL.Path, "/_local/") && r.Method == http.MethodGet:
		return 404, `{"error":"not_found","reason":"missing"}`, nil
	}
	return 200, `{"instance_start_time":"0"}`, nil
}

func request(local http.RoundTripper, continuous bool) *Request {
	return &Request{
		Source: Endpoint{Name: "a", URL: "http://here/a/"}, Target: Endpoint{Name: "b", URL: "http://here/b/"}, Local: local,
		Continuous: continuous, Settings: DefaultSettings(),
	}
}

// TestBackoff has the source away for an hour: a continuous replication asks less and less often, and goes on when it is back.
func TestBackoff(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		var asked atomic.Int64
		var back atomic.Bool
		following := make(chan struct{}, 1)
		m := NewManager(Options{UUID: "u"})
		defer m.Close()
		local := fake(func(r *http.Request) (int, string, error) {
			asked.Add(1)
			if !back.Load() {
				return 0, "", errors.New("connection refused")
			}
			if r.URL.Query().Get("feed") == "longpoll" {
				select {
				case following <- struct{}{}:
				default:
				}
			}
			return empty(r)
		})
		if _, _, err := m.Replicate(t.Context(), request(local, true)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Hour)
		if n := asked.Load(); n < 60 || n > 175 {
			t.Errorf("the source was asked %d times in an hour", n)
		}
		if jobs, err := m.Jobs(); err != nil || !strings.Contains(string(jobs[0]), "connection refused") {
			t.Errorf("%s %v", jobs, err)
		}
		if tasks, err := m.ActiveTasks(); err != nil || len(tasks) > 1 {
			t.Errorf("%s %v", tasks, err)
		}
		back.Store(true)
		began := time.Now()
		<-following
		if took := time.Since(began); took > 2*lastRest {
			t.Errorf("it took %v to notice that the source is back", took)
		}
	})
}

// TestOneShotGivesUp answers after the retries.
func TestOneShotGivesUp(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		m := NewManager(Options{UUID: "u"})
		defer m.Close()
		local := fake(func(*http.Request) (int, string, error) {
			asked++
			return 503, `{"error":"busy","reason":"later"}`, nil
		})
		began := time.Now()
		_, _, err := m.Replicate(t.Context(), request(local, false))
		var e *store.Error
		if !errors.As(err, &e) || e.Status != 500 || e.Name != "busy" || asked != DefaultSettings().Retries+1 {
			t.Errorf("%v after %d attempts", err, asked)
		}
		if took := time.Since(began); took < 3*time.Second || took > 8*time.Second {
			t.Errorf("it took %v", took)
		}
	})
}

// TestSilentEnd gives up an end that says nothing.
func TestSilentEnd(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := NewManager(Options{UUID: "u"})
		defer m.Close()
		local := fake(func(r *http.Request) (int, string, error) {
			<-r.Context().Done()
			return 0, "", r.Context().Err()
		})
		r := request(local, false)
		r.Retries = 1
		began := time.Now()
		_, _, err := m.Replicate(t.Context(), r)
		if err == nil || !strings.Contains(err.Error(), "req_timedout") {
			t.Error(err)
		}
		if took, silent := time.Since(began), DefaultSettings().Timeout; took < 2*silent || took > 3*silent {
			t.Errorf("it took %v", took)
		}
	})
}

// TestClose ends what runs, and takes nothing more.
func TestClose(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := NewManager(Options{UUID: "u", MaxJobs: 1})
		if _, _, err := m.Replicate(t.Context(), request(fake(empty), true)); err != nil {
			t.Fatal(err)
		}
		another := request(fake(empty), true)
		another.Target.Name = "c"
		var e *store.Error
		if _, _, err := m.Replicate(t.Context(), another); !errors.As(err, &e) || e.Status != 503 {
			t.Errorf("one too many: %v", err)
		}
		waiting := make(chan error)
		go func() {
			_, _, err := m.Replicate(t.Context(), request(fake(func(r *http.Request) (int, string, error) {
				<-r.Context().Done()
				return 0, "", r.Context().Err()
			}), false))
			waiting <- err
		}()
		synctest.Wait()
		if err := <-waiting; err == nil {
			t.Error("one too many was taken")
		}
		m.Close()
		if _, _, err := m.Replicate(t.Context(), another); !errors.Is(err, store.ErrClosed) {
			t.Error(err)
		}
	})
}

// TestCanceledOneShot answers the one who waits.
func TestCanceledOneShot(t *testing.T) {
	t.Parallel()
	synctest.Test(t, func(t *testing.T) {
		m := NewManager(Options{UUID: "u"})
		defer m.Close()
		stuck := fake(func(r *http.Request) (int, string, error) {
			<-r.Context().Done()
			return 0, "", r.Context().Err()
		})
		ctx, leave := context.WithCancel(t.Context())
		gone := make(chan error, 1)
		results := make(chan *Result, 1)
		go func() {
			_, _, err := m.Replicate(ctx, request(stuck, false))
			gone <- err
		}()
		go func() {
			_, result, _ := m.Replicate(t.Context(), request(stuck, false))
			results <- result
		}()
		synctest.Wait()
		leave()
		if err := <-gone; !errors.Is(err, context.Canceled) {
			t.Error(err)
		}
		r := request(stuck, false)
		r.Cancel, r.Admin = true, true
		if _, _, err := m.Replicate(t.Context(), r); err != nil {
			t.Error(err)
		}
		if result := <-results; result == nil || !result.Stopped {
			t.Errorf("%+v", result)
		}
	})
}
