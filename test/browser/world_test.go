package browser_test

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"net/http"
	"regexp"
	"slices"
	"testing"
	"time"

	"github.com/adlayer/after/couch/couchtest"
	"github.com/adlayer/after/test/faultproxy"
)

const (
	worker = "manobi"
	token  = "after_a-token-of-the-page"
)

// TestPage opens a page that uses a store and its queue at another origin; the server is killed under it now and then. The page then goes to a
// neighbour's origin, which nobody let in, and tries what it can with the session that the browser has.
func TestPage(t *testing.T) {
	t.Parallel()
	b, ok := newBrowser(t)
	if !ok {
		return
	}
	site, origin, neighbour := newSite(t)
	w := newWorld(t, origin)
	site.settings = map[string]string{
		"store": "http://" + w.front.Addr(), "queue": "http://" + w.front.Addr() + "/_after", "token": token,
		"endpoint": origin + "/endpoint", "neighbour": neighbour + "/#neighbour",
	}
	said := make(chan string, 100)
	site.obey = func(line string) error { return w.obey(line, said) }
	site.documented = documented(t, site.settings)
	site.start(t)
	b.open(t, origin)

	var parts []string
	late := time.NewTimer(patience)
	defer late.Stop()
	for line := ""; line != "end"; {
		select {
		case line = <-said:
			parts = append(parts, line)
			if !regexp.MustCompile(`^(\w+: ok|end)$`).MatchString(line) {
				t.Fatalf("the page says: %s", line)
			}
		case <-late.C:
			t.Fatalf("the page did not end within %v; it said %q", patience, parts)
		}
	}
	want := []string{
		"session: ok", "documents: ok", "events: ok", "sync: ok", "queue: ok", "handed: ok", "beacon: ok", "frames: ok", "store: ok", "http: ok",
		"neighbour: ok", "end",
	}
	if !slices.Equal(parts, want) {
		t.Errorf("the page says %q, not %q", parts, want)
	}
	for _, path := range []string{"/_after/queue/stolen-form", "/_after/queue/stolen-image", "/_after/queue/stolen-frame", "/pages/new"} {
		if status := w.get(path); status != http.StatusNotFound {
			t.Errorf("%s: %d after a page of another origin tried to write it", path, status)
		}
	}
	if site.stolen() {
		t.Error("an endpoint was called for a page of another origin")
	}
	w.store.Kill()
	w.store.Check()
}

// world is the processes, and the way to the store, which stays the same whatever address that has.
type world struct {
	t      *testing.T
	store  *couchtest.Process
	worker *couchtest.Process
	front  *faultproxy.Proxy
}

func newWorld(t *testing.T, origin string) *world {
	t.Helper()
	program := couchtest.Program(t)
	hash := sha256.Sum256([]byte(token))
	tokens, err := json.Marshal(map[string]string{"page": "sha256:" + hex.EncodeToString(hash[:]) + " post read cancel worker=" + worker})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, store: couchtest.NewProcess(t, program, "AFTER_STORE_CORS_ORIGINS="+origin, "AFTER_STORE_CORS_CREDENTIALS=true",
		"AFTER_GATEWAY_CORS_ORIGINS="+origin, "AFTER_GATEWAY_CORS_CREDENTIALS=true", "AFTER_GATEWAY_CORS_HEADERS=X-Shop-*",
		"AFTER_GATEWAY_WORKER="+worker, "AFTER_GATEWAY_TOKENS="+string(tokens), "AFTER_COUCH_USER=admin", "AFTER_COUCH_PASSWORD=secret")}
	w.store.Start()
	w.front = faultproxy.New(t, w.store.Address())
	w.worker = couchtest.NewCommand(t, program, regexp.MustCompile(`^`+worker+` is ready`),
		[]string{"AFTER_COUCH_URL=http://admin:secret@" + w.front.Addr(), "AFTER_LOG_LEVEL=error"}, "start", worker)
	w.worker.Start()
	return w
}

// obey kills or starts the store; any other line goes to the test.
func (w *world) obey(line string, said chan<- string) error {
	switch line {
	case "kill":
		w.store.Kill()
		w.front.Cut()
	case "start":
		w.store.Start()
		w.front.SetTarget(w.store.Address())
	default:
		said <- line
		return nil
	}
	if w.t.Failed() {
		return fmt.Errorf("%s failed", line)
	}
	return nil
}

// get gives the status of a request as the admin.
func (w *world) get(path string) int {
	w.t.Helper()
	request, err := http.NewRequestWithContext(w.t.Context(), http.MethodGet, "http://"+w.front.Addr()+path, nil)
	if err != nil {
		w.t.Fatal(err)
	}
	request.SetBasicAuth("admin", "secret")
	answer, err := (&http.Client{Transport: &http.Transport{DisableKeepAlives: true}}).Do(request)
	if err != nil {
		w.t.Fatal(err)
	}
	defer answer.Body.Close()
	return answer.StatusCode
}
