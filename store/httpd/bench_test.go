package httpd_test

import (
	"bufio"
	"bytes"
	"context"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
)

// benchServer is a store on the real disk behind a real socket.
func benchServer(b *testing.B) (url string) {
	b.Helper()
	st, err := store.Open(b.TempDir(), store.Options{})
	if err != nil {
		b.Fatal(err)
	}
	h := httpd.New(st, httpd.Options{Admins: map[string]string{"admin": "secret"}, HashRounds: 1000})
	web := httptest.NewServer(h)
	b.Cleanup(func() {
		_ = h.Close()
		web.CloseClientConnections()
		web.Close()
		if err := st.Close(); err != nil {
			b.Error(err)
		}
	})
	send(b, "PUT", web.URL+"/db", nil)
	return web.URL
}

func send(b *testing.B, method, url string, body []byte) []byte {
	b.Helper()
	req, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		b.Fatal(err)
	}
	req.SetBasicAuth("admin", "secret")
	req.Header.Set("Content-Type", "application/json")
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		b.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil || res.StatusCode >= 300 {
		b.Fatalf("%s %s: %d %s %v", method, url, res.StatusCode, raw, err)
	}
	return raw
}

func appendTask(dst []byte, id int, rev, status string) []byte {
	dst = fmt.Appendf(dst, `{"_id":"task-%08d",`, id)
	if rev != "" {
		dst = fmt.Appendf(dst, `"_rev":%q,`, rev)
	}
	return fmt.Appendf(dst, `"type":"task","worker":"manobi","job":{"name":"noop","arguments":[1,2,3]},"date":"2026-12-01T09:00:00Z",`+
		`"status":%q,"plan":{"from":"2026-12-01T09:00:00Z","index":0,"nominal":"2026-12-01T09:00:00Z","due":"2026-12-01T09:00:00Z"},`+
		`"claim":{"worker":"manobi","member":"m1","incarnation":"x1","write":%d},"data":{"customer":%d}}`, status, id, id)
}

func cpuTime() time.Duration {
	var u syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &u); err != nil {
		return 0
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// BenchmarkBulkUpdate measures updates of existing documents: four clients, batches of 500, durable, over a socket. The bodies are made before
// the clock starts.
func BenchmarkBulkUpdate(b *testing.B) {
	const clients, batch, docs = 4, 500, 20_000
	url := benchServer(b)
	revs := make([]string, docs)
	write := func(from int, status string) {
		body := []byte(`{"docs":[`)
		for i := range batch {
			if i > 0 {
				body = append(body, ',')
			}
			body = appendTask(body, from+i, revs[from+i], status)
		}
		takeRevs(b, send(b, "POST", url+"/db/_bulk_docs", append(body, "]}"...)), revs[from:from+batch])
	}
	for from := 0; from < docs; from += batch {
		write(from, "waiting")
	}
	b.ResetTimer()
	cpu, start := cpuTime(), time.Now()
	var wg sync.WaitGroup
	for c := range clients {
		wg.Go(func() {
			for n := 0; n < b.N/clients; n += batch {
				write(c*docs/clients+n%(docs/clients), "scheduled")
			}
		})
	}
	wg.Wait()
	n := float64((b.N/clients+batch-1)/batch*batch) * clients
	b.ReportMetric(n/time.Since(start).Seconds(), "docs/s")
	b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/n, "cpu-ns/doc")
}

// takeRevs reads the revisions of a bulk answer cheaply, so that the client does not measure itself.
func takeRevs(b *testing.B, answer []byte, revs []string) {
	b.Helper()
	i := 0
	for {
		at := bytes.Index(answer, []byte(`"rev":"`))
		if at < 0 {
			break
		}
		answer = answer[at+7:]
		end := bytes.IndexByte(answer, '"')
		revs[i] = string(answer[:end])
		i++
	}
	if i != len(revs) {
		b.Fatalf("%d of %d were written: %.300s", i, len(revs), answer)
	}
}

// BenchmarkChanges measures how fast a feed with documents delivers.
func BenchmarkChanges(b *testing.B) {
	const docs = 20_000
	url := benchServer(b)
	for from := 0; from < docs; from += 1000 {
		body := []byte(`{"docs":[`)
		for i := range 1000 {
			if i > 0 {
				body = append(body, ',')
			}
			body = appendTask(body, from+i, "", "waiting")
		}
		send(b, "POST", url+"/db/_bulk_docs", append(body, "]}"...))
	}
	b.ResetTimer()
	cpu, start := cpuTime(), time.Now()
	for range b.N {
		ctx, cancel := context.WithCancel(b.Context())
		req, _ := http.NewRequestWithContext(ctx, http.MethodGet, url+"/db/_changes?feed=continuous&include_docs=true&since=0&heartbeat=1000", nil)
		req.SetBasicAuth("admin", "secret")
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			b.Fatal(err)
		}
		r := bufio.NewReaderSize(res.Body, 256<<10)
		for rows := 0; rows < docs; {
			line, err := r.ReadSlice('\n')
			if err != nil {
				b.Fatal(err)
			}
			if len(line) > 1 {
				rows++
			}
		}
		cancel()
		res.Body.Close()
	}
	n := float64(b.N * docs)
	b.ReportMetric(n/time.Since(start).Seconds(), "rows/s")
	b.ReportMetric(float64((cpuTime()-cpu).Nanoseconds())/n, "cpu-ns/row")
}
