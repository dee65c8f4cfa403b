package gateway_test

import (
	"context"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/gateway"
	"github.com/adlayer/after/task"
)

// fixed has the clock of the gateway stand still.
func fixed(o gateway.Options) gateway.Options {
	o.Now = func() time.Time { return time.Date(2026, 11, 22, 12, 0, 0, 0, time.UTC) }
	return o
}

// TestWait: the answer comes with the outcome.
func TestWait(t *testing.T) {
	t.Parallel()
	both(t, waits)
}

func waits(t *testing.T, r *rig) {
	t.Helper()
	answers := make(chan answer, 2)
	ask := func(q asking) {
		go func() {
			a, err := r.send(t.Context(), q)
			if err != nil {
				t.Error(err)
			}
			answers <- a
		}()
	}
	there := make(chan string, 1)
	ctx, stop := context.WithCancel(t.Context())
	watching := make(chan error, 1)
	go func() {
		watching <- r.tasks.Watch(ctx, client.Filter{}, func(t *task.Task) error { there <- t.ID; return nil })
	}()
	ask(asking{method: http.MethodPost, path: "/queue?wait=60s", kind: form, body: "task.id=a&task.url=http://localhost/"})
	// The watch may begin after the post; then the task is there.
	for id := ""; id != "a"; {
		if a := r.get("/queue/a"); a.status == http.StatusOK {
			break
		}
		select {
		case id = <-there:
		case <-t.Context().Done():
		}
	}
	stop()
	<-watching
	ask(asking{method: http.MethodGet, path: "/queue/a?wait=60"})
	r.work("a", map[string]any{"status": "running"})
	r.work("a", ended(map[string]any{"status": 200}))
	for range 2 {
		if a := <-answers; a.get("status") != "done" || a.get("result.status") != "200" || a.get("id") != "a" {
			t.Errorf("%d %s", a.status, a.body)
		}
	}
	// What does not come in time is answered as it stands.
	r.post("/queue", form, "task.id=b&task.url=http://localhost/")
	if a := r.get("/queue/b?wait=20ms"); a.status != http.StatusOK || a.get("status") != "waiting" {
		t.Errorf("without an outcome: %d %s", a.status, a.body)
	}
	// Who knows a revision waits for another one.
	rev := r.get("/queue/b").get("rev")
	r.work("b", map[string]any{"status": "scheduled"})
	if a := r.get("/queue/b?wait=60s&rev=" + rev); a.get("status") != "scheduled" || a.get("rev") == rev {
		t.Errorf("another revision: %s", a.body)
	}
}

// TestNoRoomToWait: what is posted when nobody more can wait is written, and the answer says so. An error would have it posted once more.
func TestNoRoomToWait(t *testing.T) {
	t.Parallel()
	o := options()
	o.Waits = 1
	waiting := listeners{&http.Transport{}, make(chan struct{}, 8)}
	o.Transport = waiting
	r := before(t, o)
	r.post("/queue", form, "task.id=a&task.url=http://localhost/")
	for len(waiting.opened) > 0 {
		<-waiting.opened
	}
	ctx, stop := context.WithCancel(t.Context())
	left := make(chan struct{})
	go func() {
		defer close(left)
		_, _ = r.send(ctx, asking{method: http.MethodGet, path: "/queue/a?wait=60s"}) // it is left alone
	}()
	<-waiting.opened
	a := r.post("/queue?wait=60s", form, "task.id=b&task.url=http://localhost/")
	if a.status != http.StatusCreated || a.get("id") != "b" || !strings.Contains(a.get("warning"), "too many requests wait") || r.document("b").Get("_id").Str != "b" {
		t.Errorf("a post that would wait: %d %s", a.status, a.body)
	}
	if a := r.get("/queue/b?wait=60s"); a.status != http.StatusServiceUnavailable || a.header.Get("Retry-After") == "" {
		t.Errorf("who only asks: %d %s", a.status, a.body)
	}
	stop()
	<-left
}
