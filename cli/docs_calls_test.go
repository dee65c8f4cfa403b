//go:build unix

package cli_test

import (
	"context"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/adlayer/after/config"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/jobs/call"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/webhook"
)

// TestCallsOfHTTPMD types the commands of docs/http.md on calling endpoints, and makes the call of each task that they write. The
// configurations of the page are read.
func TestCallsOfHTTPMD(t *testing.T) {
	t.Parallel()
	_, section, _ := strings.Cut(page(t, "docs/http.md"), "\n## Calling endpoints\n")
	section, _, _ = strings.Cut(section, "\n## ")
	r := reading(t)
	exported, verified := "", false
	for i, match := range fence.FindAllStringSubmatch(section, -1) {
		switch kind, block := match[1], match[2]; {
		case kind == "sh" && strings.Contains(block, "openssl"):
			verified = true
			r.verifies(block)
		case kind == "sh":
			for line := range strings.Lines(block) {
				if strings.HasPrefix(line, "export ") {
					exported += line
					continue
				}
				r.succeeds(exported + strings.TrimSpace(line))
			}
		case kind == "json":
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
		case kind == "go": // the tests of the repository compile it
		default:
			t.Errorf("block %d is of the kind %q, which nobody tests", i+1, kind)
		}
	}
	if made := r.calls(); r.typed < 12 || made != r.typed || !verified {
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

// secretOfHTTPMD signs what is called.
const secretOfHTTPMD = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8="

// verifies types the block that verifies a signature, of what is genuine and of what is not.
func (r *reader) verifies(block string) {
	r.t.Helper()
	signer, err := webhook.NewSigner(secretOfHTTPMD, webhook.NewSecret())
	if err != nil {
		r.t.Fatal(err)
	}
	body, header, path := []byte("{\"a\": 1}\n\x00\n"), http.Header{}, filepath.Join(r.t.TempDir(), "body")
	if err := errors.Join(signer.Sign(header, "t@2026-12-01T09:00:00Z/1-aaaaaaaa", time.Now(), body), os.WriteFile(path, body, 0o600)); err != nil {
		r.t.Fatal(err)
	}
	one := *r
	for secret, want := range map[string]string{secretOfHTTPMD: "genuine\n", webhook.NewSecret(): "forged\n"} {
		one.env = append(slices.Clone(r.env), "SECRET="+secret, "ID="+header.Get("Webhook-Id"), "TIME="+header.Get("Webhook-Timestamp"),
			"SIGNATURE="+header.Get("Webhook-Signature"), "BODY="+path)
		if said := one.succeeds(block); said != want {
			r.t.Errorf("%s\nsays %s, want %s", block, said, want)
		}
	}
}

// endpointsOfHTTPMD are the servers in place of those that the page names, and what is configured for them.
func (r *reader) endpointsOfHTTPMD() (here *strings.Replacer, o call.Options) {
	r.t.Helper()
	handler := http.HandlerFunc(func(w http.ResponseWriter, q *http.Request) {
		body, err := io.ReadAll(q.Body)
		switch {
		case q.Header.Get("X-After-Callback") != "":
			w.WriteHeader(http.StatusAccepted)
		case q.URL.Path == "/moved":
			http.Redirect(w, q, "/elsewhere", http.StatusFound)
		case q.URL.Path == "/elsewhere", q.URL.Path == "/account" && q.Header.Get("Authorization") != "Bearer of-the-shop":
			w.WriteHeader(http.StatusForbidden)
		case q.URL.Path == "/upload" && (string(body) != "a,b\n" || q.Header.Get("Content-Type") != "text/csv" || err != nil):
			r.t.Errorf("the upload is %q, %s: %v", body, q.Header.Get("Content-Type"), err)
		}
	})
	endpoint, inside := httptest.NewServer(handler), httptest.NewTLSServer(handler)
	r.t.Cleanup(endpoint.Close)
	r.t.Cleanup(inside.Close)
	ca := filepath.Join(r.t.TempDir(), "ca.pem")
	if err := os.WriteFile(ca, pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: inside.Certificate().Raw}), 0o600); err != nil {
		r.t.Fatal(err)
	}
	return strings.NewReplacer("https://example.org", endpoint.URL, "https://inside.example.org", inside.URL), call.Options{
		Proxy: "none", SigningKeys: []string{secretOfHTTPMD}, CallbackURL: "https://after.example.org",
		Credentials: map[string]string{"shop": "127.0.0.1 bearer of-the-shop"}, TLS: map[string]string{"inside": "ca=" + ca},
	}
}

// calls makes the call of every task of the database, to a server in place of the page's.
func (r *reader) calls() (made int) {
	r.t.Helper()
	here, o := r.endpointsOfHTTPMD()
	caller, err := call.New(o)
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
		document, err := task.Decode([]byte(here.Replace(string(row.Doc))))
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
		want := http.StatusOK
		if document.ID == "moved" {
			want = http.StatusFound
		}
		if err == nil && !strings.Contains(string(result), fmt.Sprintf(`"status":%d`, want)) {
			r.t.Errorf("%s: %s", document.ID, result)
		}
	}
	return made
}
