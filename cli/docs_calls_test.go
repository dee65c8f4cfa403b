//go:build unix

package cli_test

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/adlayer/after/config"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/jobs/call"
	"github.com/adlayer/after/task"
)

// TestCallsOfHTTPMD types the commands of docs/http.md on calling endpoints, and makes the call of each task that they write. The
// configurations of the page are read.
func TestCallsOfHTTPMD(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(page(t, "docs/http.md"), "\n## Calling endpoints\n")
	section, _, _ = strings.Cut(section, "\n## ")
	r := reading(t)
	for i, match := range fence.FindAllStringSubmatch(section, -1) {
		switch kind, block := match[1], match[2]; kind {
		case "sh":
			for line := range strings.Lines(block) {
				r.succeeds(strings.TrimSpace(line))
			}
		case "json":
			path := filepath.Join(t.TempDir(), "config.json")
			if err := os.WriteFile(path, []byte(block), 0o600); err != nil {
				t.Fatal(err)
			}
			c, err := config.Load(config.Options{Path: path, Environ: []string{}})
			if err != nil {
				t.Fatal(err)
			}
			if _, err := call.New(call.Options{Allow: c.HTTP.Allow, Deny: c.HTTP.Deny, Limit: c.HTTP.Limit, Limits: c.HTTP.Limits}); err != nil {
				t.Errorf("block %d: %v", i+1, err)
			}
		case "go": // the tests of the repository compile it
		default:
			t.Errorf("block %d is of the kind %q, which nobody tests", i+1, kind)
		}
	}
	if made := r.calls(); r.typed < 9 || made != r.typed {
		t.Errorf("%d commands were found, %d calls were made: the page is written in another way than this test reads it", r.typed, made)
	}
}

// TestIntervalsOfHTTPMD types the commands of docs/http.md on endpoints that are called every so often.
func TestIntervalsOfHTTPMD(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(page(t, "docs/http.md"), "\n## Endpoints on an interval\n")
	section, _, _ = strings.Cut(section, "\n## ")
	r := reading(t)
	for _, match := range fence.FindAllStringSubmatch(section, -1) {
		for line := range strings.Lines(match[2]) {
			r.succeeds(strings.TrimSpace(line))
		}
	}
	r.succeeds("after calls")
	if info, err := r.db.Info(t.Context()); err != nil || info.Documents != 3 {
		t.Errorf("the page's three calls are %d documents, %v", info.Documents, err)
	}
}

// calls makes the call of every task of the database, to a server in place of the page's.
func (r *reader) calls() (made int) {
	r.t.Helper()
	endpoint := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		if q.Header.Get("X-After-Callback") != "" {
			w.WriteHeader(http.StatusAccepted)
		}
		body, err := io.ReadAll(q.Body)
		if q.URL.Path == "/upload" && (string(body) != "a,b\n" || q.Header.Get("Content-Type") != "text/csv" || err != nil) {
			r.t.Errorf("the upload is %q, %s: %v", body, q.Header.Get("Content-Type"), err)
		}
	}))
	defer endpoint.Close()
	caller, err := call.New(call.Options{
		Proxy: "none", SigningKeys: []string{"whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="}, CallbackURL: "https://after.example.org",
	})
	if err != nil {
		r.t.Fatal(err)
	}
	defer caller.Close()
	job, err := caller.Job()
	if err != nil {
		r.t.Fatal(err)
	}
	var all struct {
		Rows []struct {
			Doc json.RawMessage `json:"doc"`
		} `json:"rows"`
	}
	listing := r.succeeds("curl http://after:after@127.0.0.1:5984/tasks/_all_docs?include_docs=true")
	if err := json.Unmarshal([]byte(listing), &all); err != nil {
		r.t.Fatal(err)
	}
	r.typed--
	for _, row := range all.Rows {
		document, err := task.Decode([]byte(strings.ReplaceAll(string(row.Doc), "https://example.org", endpoint.URL)))
		if err == nil && document.Invalid() != nil {
			err = document.Invalid()
		}
		if err != nil {
			r.t.Fatal(err)
		}
		if document.Job != "http" {
			continue
		}
		made++
		handle := jobs.NewTask(document, 1, nil).WithAttachments(func(ctx context.Context, id, name string) (io.ReadCloser, error) {
			return r.db.Attachment(ctx, id, name)
		})
		result, err := job.Run(r.t.Context(), handle)
		if _, awaited := jobs.AwaitOf(err); err != nil && awaited != strings.Contains(string(document.Arguments), "callback") {
			r.t.Errorf("%s: %s, %v", document.ID, result, err)
		}
		if err == nil && !strings.Contains(string(result), fmt.Sprintf(`"status":%d`, http.StatusOK)) {
			r.t.Errorf("%s: %s", document.ID, result)
		}
	}
	return made
}
