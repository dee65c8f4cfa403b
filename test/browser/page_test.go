package browser_test

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"sync"
	"testing"
)

// site serves the page, obeys what it asks for, and is the endpoint that the queue calls.
type site struct {
	settings   map[string]string
	documented string // a script, with what the documentation shows
	obey       func(line string) error
	servers    [2]*httptest.Server

	mu    sync.Mutex
	calls []call
}

// call is a request to the endpoint.
type call struct {
	Method string `json:"method"`
	Query  string `json:"query"`
	Body   string `json:"body"`
	Kind   string `json:"kind"`  // its content type
	Order  string `json:"order"` // its header X-Shop-Order
	Task   string `json:"task"`  // its header X-Task-Id
}

// newSite gives the addresses of the site's two origins. It is served from when it is started, with its settings.
func newSite(t *testing.T) (s *site, origin, neighbour string) {
	t.Helper()
	s = &site{}
	mux := http.NewServeMux()
	for path, file := range map[string]string{
		"GET /{$}": "page.html", "GET /page.js": "page.js",
		"GET /pouchdb.js":      filepath.Join("node_modules", "pouchdb", "dist", "pouchdb.min.js"),
		"GET /pouchdb.find.js": filepath.Join("node_modules", "pouchdb", "dist", "pouchdb.find.min.js"),
	} {
		mux.HandleFunc(path, func(w http.ResponseWriter, r *http.Request) { http.ServeFile(w, r, file) })
	}
	mux.HandleFunc("GET /settings", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(s.settings) })
	mux.HandleFunc("GET /calls", func(w http.ResponseWriter, _ *http.Request) { _ = json.NewEncoder(w).Encode(s.called()) })
	mux.HandleFunc("GET /documented.js", func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "text/javascript")
		_, _ = io.WriteString(w, s.documented)
	})
	mux.HandleFunc("POST /said", s.listen)
	mux.HandleFunc("/endpoint", s.endpoint)
	for i := range s.servers {
		s.servers[i] = httptest.NewUnstartedServer(mux)
	}
	return s, "http://" + s.servers[0].Listener.Addr().String(), "http://" + s.servers[1].Listener.Addr().String()
}

func (s *site) start(t *testing.T) {
	t.Helper()
	for _, server := range s.servers {
		server.Start()
		t.Cleanup(func() { server.CloseClientConnections(); server.Close() })
	}
}

// listen hears a line of the page, and does what it asks for.
func (s *site) listen(w http.ResponseWriter, r *http.Request) {
	line, err := io.ReadAll(r.Body)
	if err == nil {
		err = s.obey(string(line))
	}
	if err != nil {
		http.Error(w, err.Error(), http.StatusInternalServerError)
	}
}

// endpoint answers with a page whose script says, before the page has loaded, that it ran, or with a word.
func (s *site) endpoint(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	s.mu.Lock()
	s.calls = append(s.calls, call{
		r.Method, "?" + r.URL.RawQuery, string(body), r.Header.Get("Content-Type"), r.Header.Get("X-Shop-Order"), r.Header.Get("X-Task-Id"),
	})
	s.mu.Unlock()
	name := r.URL.Query().Get("page")
	if name == "" {
		w.Header().Set("Content-Type", "text/plain; charset=utf-8")
		_, _ = io.WriteString(w, "taken")
		return
	}
	ran := s.settings["endpoint"] + "?ran=" + url.QueryEscape(name)
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	_, _ = io.WriteString(w, `<script>const r = new XMLHttpRequest(); r.open('GET', '`+ran+`', false); r.send()</script>a page`)
}

func (s *site) called() []call {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.calls)
}

// stolen tells whether a call was made that only a page which nobody let in had asked for.
func (s *site) stolen() bool {
	return slices.ContainsFunc(s.called(), func(c call) bool { return strings.Contains(c.Query, "stolen") })
}

var block = regexp.MustCompile("(?ms)^```js\n(.*?)^```$")

// documented makes a function of each page's block for browsers, at the addresses of the test. It gives the constants of the block.
func documented(t *testing.T, settings map[string]string) string {
	t.Helper()
	here := strings.NewReplacer("http://127.0.0.1:5984", settings["store"], "https://app.example/reports", settings["endpoint"]+"?order=documented",
		"name: 'after', password: 'after'", "name: 'admin', password: 'secret'")
	var script strings.Builder
	script.WriteString("const documented = {\n")
	for page, constants := range map[string]string{"store": "note, feed, syncing", "http": "status, report"} {
		raw, err := os.ReadFile(filepath.Join("..", "..", "docs", page+".md"))
		if err != nil {
			t.Fatal(err)
		}
		blocks := block.FindAllStringSubmatch(string(raw), -1)
		if len(blocks) != 1 {
			t.Fatalf("docs/%s.md has %d blocks for browsers, not 1", page, len(blocks))
		}
		fmt.Fprintf(&script, "async %s (token) {\n%sreturn { %s }\n},\n", page, here.Replace(blocks[0][1]), constants)
	}
	script.WriteString("}\n")
	return script.String()
}
