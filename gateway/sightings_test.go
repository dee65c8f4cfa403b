package gateway_test

import (
	"context"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/gateway"
	"github.com/adlayer/after/store/httpd"
)

// TestLookOfOneWhoHangsUp: one post looks at the fleet for all that come meanwhile; that its client goes away is nothing to the others.
func TestLookOfOneWhoHangsUp(t *testing.T) {
	t.Parallel()
	r := newRig(t, nil, func(s *httpd.Server) http.Handler { return s })
	must(t, r.db.Client().CreateDatabase(t.Context(), "tasks-fleet"))
	o := options()
	looks := gate{&http.Transport{}, make(chan struct{}), make(chan struct{})}
	o.URL, o.Transport, o.LookWait = r.store, looks, time.Hour
	g, err := gateway.New(o)
	must(t, err)
	came := make(chan context.Context, 2)
	listener := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		came <- q.Context()
		g.ServeHTTP(w, q)
	}))
	t.Cleanup(func() { listener.Close(); g.Close() })
	r.url = listener.URL
	ctx, hangUp := context.WithCancel(t.Context())
	gone := make(chan error)
	go func() {
		_, err := r.send(ctx, asking{method: http.MethodPost, path: "/queue", kind: form, body: "task.url=http://localhost/&task.worker=nobody"})
		gone <- err
	}()
	<-looks.asked
	hangUp()
	if err := <-gone; err == nil {
		t.Error("it was answered")
	}
	<-(<-came).Done()
	close(looks.open)
	if a := r.post("/queue", form, "task.url=http://localhost/&task.worker=nobody"); a.status != http.StatusCreated || !strings.HasPrefix(a.get("warning"), "no worker named nobody") {
		t.Errorf("%d %s", a.status, a.body)
	}
}

// gate holds back who looks at the fleet, as a slow server would, until it is open.
type gate struct {
	*http.Transport

	asked, open chan struct{}
}

func (g gate) RoundTrip(r *http.Request) (*http.Response, error) {
	if strings.Contains(r.URL.Path, "/tasks-fleet") {
		select {
		case g.asked <- struct{}{}:
		case <-g.open:
		}
		<-g.open
	}
	return g.Transport.RoundTrip(r)
}
