package httpd_test

import (
	"bufio"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"runtime"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/adlayer/after/store"
)

// TestFeedsByValue has many feeds that wait for tasks of a worker each, and writes that concern one of them.
func TestFeedsByValue(t *testing.T) {
	t.Parallel()
	const workers, tasks = 40, 30
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	type row struct {
		ID  string `json:"id"`
		Doc struct {
			Worker string `json:"worker"`
		} `json:"doc"`
	}
	ctx, cancel := context.WithCancel(t.Context())
	defer cancel()
	var readers sync.WaitGroup
	got := make([][]string, workers)
	for w := range workers {
		res := s.open(ctx, "POST", "/db/_changes?feed=continuous&filter=_selector&include_docs=true&heartbeat=60000",
			fmt.Sprintf(`{"selector":{"$or":[{"worker":{"$in":["w%d"]}},{"claim.worker":"w%d"}]}}`, w, w))
		readers.Go(func() {
			defer res.Body.Close()
			lines := bufio.NewScanner(res.Body)
			for len(got[w]) < tasks && lines.Scan() {
				if len(lines.Bytes()) == 0 {
					continue
				}
				var r row
				if err := json.Unmarshal(lines.Bytes(), &r); err != nil || r.Doc.Worker != fmt.Sprintf("w%d", w) {
					t.Errorf("worker %d: %s, %v", w, lines.Bytes(), err)
					return
				}
				got[w] = append(got[w], r.ID)
			}
		})
	}
	for n := range tasks {
		var docs []string
		for w := range workers {
			docs = append(docs, fmt.Sprintf(`{"_id":"%02d-%02d","worker":"w%d"}`, w, n, w), fmt.Sprintf(`{"worker":"other","n":%d}`, n))
		}
		s.want("POST", "/db/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`, 201)
	}
	readers.Wait()
	for w, ids := range got {
		for n, id := range ids {
			if id != fmt.Sprintf("%02d-%02d", w, n) {
				t.Errorf("worker %d got %s as its number %d", w, id, n)
			}
		}
	}
}

// TestSequenceOfAQuietFeed: a feed that no write concerned ends with the newest sequence, so that its next request begins there.
func TestSequenceOfAQuietFeed(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	s.want("PUT", "/db/first", `{"worker":"other"}`, 201)
	const timeout = 2 * time.Second
	ended := make(chan string, 1)
	begun := time.Now()
	go func() {
		_, answer := s.do("POST", fmt.Sprintf("/db/_changes?feed=longpoll&filter=_selector&since=now&timeout=%d", timeout.Milliseconds()), `{"selector":{"worker":"w"}}`)
		ended <- answer
	}()
	written, least := 1, 1 // at least so many were there when it ended
	for {
		s.want("PUT", fmt.Sprintf("/db/more%d", written), `{"worker":"other"}`, 201)
		if written++; time.Since(begun) < timeout {
			least = written
		}
		select {
		case answer := <-ended:
			var end struct {
				Results []any  `json:"results"`
				Last    string `json:"last_seq"`
			}
			if err := json.Unmarshal([]byte(answer), &end); err != nil || len(end.Results) != 0 {
				t.Fatalf("%s: %v", answer, err)
			}
			number, _, _ := strings.Cut(end.Last, "-")
			if n, err := strconv.Atoi(number); err != nil || n < least || n > written {
				t.Errorf("it ended with %s after %d to %d writes", end.Last, least, written)
			}
			return
		default:
		}
	}
}

// BenchmarkWritesBesideFeeds measures writes while many feeds wait for what is not written, and what a waiting feed costs.
func BenchmarkWritesBesideFeeds(b *testing.B) {
	for _, feeds := range []int{0, 2000} {
		for name, selector := range map[string]string{"by value": `{"worker":"w%d"}`, "one by one": `{"worker":{"$regex":"^w%d$"}}`} {
			b.Run(fmt.Sprintf("%d feeds %s", feeds, name), func(b *testing.B) { writesBesideFeeds(b, feeds, selector) })
		}
	}
}

func writesBesideFeeds(b *testing.B, feeds int, selector string) {
	b.Helper()
	url := benchServer(b)
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	client := &http.Client{Transport: &http.Transport{MaxConnsPerHost: 0, DisableKeepAlives: true}}
	for n := range feeds {
		req, err := http.NewRequestWithContext(b.Context(), http.MethodPost, url+"/db/_changes?feed=continuous&filter=_selector&heartbeat=600000",
			strings.NewReader(fmt.Sprintf(`{"selector":`+selector+`}`, n)))
		if err != nil {
			b.Fatal(err)
		}
		req.SetBasicAuth("admin", "secret")
		req.Header.Set("Content-Type", "application/json")
		res, err := client.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		b.Cleanup(func() { _ = res.Body.Close() })
		if _, err := io.ReadFull(res.Body, make([]byte, 1)); err != nil {
			b.Fatal(err)
		}
	}
	runtime.GC()
	runtime.ReadMemStats(&after)
	body := []byte(`{"docs":[`)
	for i := range 100 {
		if i > 0 {
			body = append(body, ',')
		}
		body = appendTask(body, i, "", "waiting")
	}
	body = []byte(strings.ReplaceAll(string(append(body, "]}"...)), `"_id"`, `"x"`)) // new documents each time
	b.ResetTimer()
	began := time.Now()
	for range b.N {
		send(b, "POST", url+"/db/_bulk_docs", body)
	}
	b.ReportMetric(float64(b.N*100)/time.Since(began).Seconds(), "docs/s")
	if feeds > 0 {
		b.ReportMetric(float64(after.HeapInuse+after.StackInuse-before.HeapInuse-before.StackInuse)/float64(feeds), "bytes/feed")
	}
}

// TestPendingOfAFeedInParts: what a filter by ids drops is pending, also where the answer is made in several parts.
func TestPendingOfAFeedInParts(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	text := strings.Repeat("x", 150<<10) // more than the feed gathers at once
	for _, id := range []string{"a", "b", "c"} {
		s.want("PUT", "/db/not-"+id, `{}`, 201)
		s.want("PUT", "/db/_design/"+id, `{"text":"`+text+`"}`, 201)
	}
	s.want("PUT", "/db/last", `{}`, 201)
	for _, c := range []struct{ method, path, body string }{
		{"GET", "/db/_changes?include_docs=true&filter=_design", ""},
		{"POST", "/db/_changes?include_docs=true&filter=_doc_ids", `{"doc_ids":["_design/a","_design/b","_design/c"]}`},
		{"GET", "/db/_changes?include_docs=true&filter=_design&feed=longpoll", ""},
		{"GET", "/db/_changes?include_docs=true&filter=_design&limit=3", ""},
	} {
		if got := s.want(c.method, c.path, c.body, 200); !strings.HasSuffix(got, `"pending":4}`) {
			t.Errorf("%s: %s", c.path, got[max(0, len(got)-100):])
		}
	}
}

// TestDescendingFilter: a filter function is asked about many rows at once by a descending feed, too, which ends with the server.
func TestDescendingFilter(t *testing.T) {
	t.Parallel()
	const many = 600
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	s.want("POST", "/db/_bulk_docs", `{"docs":[`+strings.Repeat(`{},`, many-1)+`{"_id":"last"}]}`, 201)
	db, err := s.st.Database("db")
	if err != nil {
		t.Fatal(err)
	}
	for _, end := range []bool{false, true} {
		w := httptest.NewRecorder()
		asked, err := s.handler.Descend(db, w, httptest.NewRequestWithContext(t.Context(), http.MethodGet, "/", http.NoBody), end)
		rows := strings.Count(w.Body.String(), `"id":`)
		switch {
		case end && (err == nil || len(asked) > many/100):
			t.Errorf("the server has ended, but not the feed: %v, asked for %d rows", err, asked)
		case !end && (err != nil || rows != many || len(asked) > many/100 || !strings.Contains(w.Body.String()[:100], `"last"`)):
			t.Errorf("%d rows, asked for %d: %v", rows, asked, err)
		}
	}
}
