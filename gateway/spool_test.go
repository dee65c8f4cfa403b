package gateway_test

import (
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/adlayer/after/gateway"
)

// slowBody is a body of zeros whose last byte comes when it may.
type slowBody struct {
	left    int
	arrived func()          // all but the last byte were read
	proceed <-chan struct{} // closed when that may come
}

func (s *slowBody) Read(into []byte) (int, error) {
	if s.left == 0 {
		return 0, io.EOF
	}
	if s.left == 1 {
		s.arrived()
		<-s.proceed
	}
	n := min(len(into), max(s.left-1, 1))
	clear(into[:n])
	s.left -= n
	return n, nil
}

// backend takes writes without keeping them: each waits until it may end.
type backend struct {
	arrived func()
	proceed <-chan struct{}
	took    atomic.Int64
}

func (b *backend) RoundTrip(r *http.Request) (*http.Response, error) {
	w := httptest.NewRecorder()
	if r.Method != http.MethodPut {
		w.WriteHeader(http.StatusNotFound)
		return w.Result(), nil
	}
	n, err := io.Copy(io.Discard, r.Body)
	if err != nil || n != r.ContentLength {
		return nil, fmt.Errorf("%d of %d bytes, %w", n, r.ContentLength, err)
	}
	b.took.Add(n)
	b.arrived()
	<-b.proceed
	w.WriteHeader(http.StatusCreated)
	_, _ = io.WriteString(w, `{"ok":true,"rev":"1-a"}`)
	return w.Result(), nil
}

// TestLongBodiesInMemory: sixty-four of the longest bodies at a time are never in memory, neither while they come nor while they are written.
func TestLongBodiesInMemory(t *testing.T) { //nolint:paralleltest // it measures the memory of the process
	const posts, size = 64, 1 << 20
	arrived, proceed, written := make(chan struct{}), make(chan struct{}), make(chan struct{})
	server := &backend{arrived: func() { arrived <- struct{}{} }, proceed: written}
	o := options()
	o.MaxBody, o.Folder, o.URL, o.Transport = size, t.TempDir(), "http://server", server
	g, err := gateway.New(o)
	must(t, err)
	var before, now runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	held := func(when string) {
		t.Helper()
		for range posts {
			<-arrived
		}
		runtime.GC()
		runtime.ReadMemStats(&now)
		if n := int64(now.HeapAlloc) - int64(before.HeapAlloc); n > posts*size/4 {
			t.Errorf("%d posts of %d bytes hold %d bytes %s", posts, size, n, when)
		}
	}
	answers := make([]*httptest.ResponseRecorder, posts)
	var posting sync.WaitGroup
	for i := range answers {
		answers[i] = httptest.NewRecorder()
		request := httptest.NewRequest(http.MethodPut, fmt.Sprintf("/later/http://localhost/?after.id=%d&after.in=1h", i),
			&slowBody{left: size, arrived: server.arrived, proceed: proceed})
		posting.Go(func() { g.ServeHTTP(answers[i], request) })
	}
	held("while they come")
	if n := server.took.Load(); n != 0 {
		t.Errorf("%d bytes are written before a body is complete", n)
	}
	close(proceed)
	held("while they are written")
	close(written)
	posting.Wait()
	for i, a := range answers {
		if a.Code != http.StatusCreated {
			t.Errorf("%d: %d %s", i, a.Code, a.Body)
		}
	}
	if n := server.took.Load(); n < posts*size || n > posts*(size+2048) {
		t.Errorf("%d bytes were written", n)
	}
	if left, err := os.ReadDir(o.Folder); err != nil || len(left) > 0 {
		t.Errorf("%v is left, %v", left, err)
	}
}

// TestLongBodies: one that lies in a file arrives as it was, once under its key, and one that ends early leaves nothing.
func TestLongBodies(t *testing.T) {
	t.Parallel()
	o := options()
	o.MaxBody = 1 << 20
	for name, r := range map[string]*rig{"within": within(t, o), "before": before(t, o)} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r.t = t
			body := make([]byte, 100_000)
			for i := range body {
				body[i] = byte(i * 7)
			}
			q := asking{method: http.MethodPost, path: "/later/http://localhost/", body: string(body), header: map[string]string{"X-After-Id": "long"}}
			for i, replayed := range []string{"", "true"} {
				if a := r.ask(q); a.status != http.StatusCreated || a.header.Get("Idempotent-Replayed") != replayed {
					t.Fatalf("post %d: %d %s", i, a.status, a.body)
				}
			}
			kept, err := r.db.Attachment(t.Context(), "long", "body")
			must(t, err)
			defer kept.Close()
			if raw, err := io.ReadAll(kept); err != nil || string(raw) != string(body) {
				t.Errorf("%d bytes were kept, %v", len(raw), err)
			}
			body[99_999]++
			q.body = string(body)
			if a := r.ask(q); a.status != http.StatusConflict || a.get("differs") != `["body"]` {
				t.Errorf("another body: %d %s", a.status, a.body)
			}
			request, err := http.NewRequest(http.MethodPut, r.url+"/later/http://localhost/?after.id=cut", io.MultiReader(http.NoBody, &failing{left: 50_000}))
			must(t, err)
			request.SetBasicAuth(user, password)
			if response, err := caller.Do(request); err == nil {
				response.Body.Close()
				t.Errorf("a body that ends early: %s", response.Status)
			}
			if n := r.documents(); n != 1 {
				t.Errorf("%d documents", n)
			}
		})
	}
}

// failing is a body whose sender goes away.
type failing struct{ left int }

func (f *failing) Read(into []byte) (int, error) {
	if f.left == 0 {
		return 0, io.ErrUnexpectedEOF
	}
	n := min(f.left, len(into))
	f.left -= n
	return n, nil
}
