package httpd_test

import (
	"encoding/json"
	"net/http"
	"path/filepath"
	"strings"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"

	"github.com/adlayer/after/store"
)

// TestOwnPaths: what is not CouchDB's lives under a name that no database can have, and is for administrators.
func TestOwnPaths(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	fs := vfs.NewMem()
	if err := fs.MkdirAll(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	s := start(t, store.Options{FS: fs})
	s.want("PUT", "/db", "", 201)
	s.want("PUT", "/db/a", `{"x":1}`, 201)
	var stats store.Report
	if err := json.Unmarshal([]byte(s.want("GET", "/_after/store/stats", "", 200)), &stats); err != nil {
		t.Fatal(err)
	}
	if len(stats.Databases) != 1 || stats.Databases[0].Docs != 1 || stats.UUID != s.st.UUID() {
		t.Errorf("%+v", stats)
	}
	folder, err := json.Marshal(map[string]string{"folder": filepath.Join(dir, "backup")})
	if err != nil {
		t.Fatal(err)
	}
	s.want("POST", "/_after/store/backup", string(folder), 200)
	if answer := s.want("POST", "/_after/store/backup", string(folder), 412); !strings.Contains(answer, "is there already") {
		t.Error(answer)
	}
	backup, err := store.OpenReadOnly(filepath.Join(dir, "backup"), store.Options{FS: fs})
	if err != nil {
		t.Fatal(err)
	}
	if names := backup.Databases(); len(names) != 1 || names[0] != "db" {
		t.Errorf("the backup has %v", names)
	}
	if err := backup.Close(); err != nil {
		t.Error(err)
	}
	s.want("POST", "/_after/store/backup", `{"folder":"backup"}`, 400)
	s.want("POST", "/_after/store/backup", `{}`, 400)
	s.want("GET", "/_after/store/backup", "", 405)
	s.want("POST", "/_after/store/stats", "{}", 405)
	s.want("GET", "/_after", "", 404)
	s.want("PUT", "/_after", "", 404)
	s.want("GET", "/_after/other", "", 404)
	for _, path := range []string{"/_after", "/_after/store/stats"} {
		req, err := http.NewRequestWithContext(t.Context(), http.MethodGet, s.url+path, nil)
		if err != nil {
			t.Fatal(err)
		}
		res, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		if err := res.Body.Close(); err != nil || res.StatusCode != http.StatusUnauthorized {
			t.Errorf("%s of somebody: %d %v", path, res.StatusCode, err)
		}
	}
}
