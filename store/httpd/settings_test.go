package httpd_test

import (
	"fmt"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/httpd"
)

// TestUsualSettings: what acts is shown, also where nobody has set it; what was set and makes no sense acts as if it were not; and what is shown can
// be set.
func TestUsualSettings(t *testing.T) {
	t.Parallel()
	h := httpd.New(memory(t), httpd.Options{
		Admins: map[string]string{"admin": "secret"}, HashRounds: 10, CORS: httpd.CORS{Origins: []string{"https://app.example"}, Credentials: true},
	})
	web := httptest.NewServer(h)
	defer func() {
		web.Close()
		if err := h.Close(); err != nil {
			t.Error(err)
		}
	}()
	s := &server{t: t, url: web.URL}
	const at = "/_node/_local/_config/"
	sections := gjson.Parse(s.want("GET", at, "", 200))
	for path, want := range map[string]string{
		"couchdb.max_document_size": "8000000", "couchdb.max_attachment_size": "4294967296", "couchdb.max_document_id_length": "infinity",
		"couchdb.users_db_security_editable": "false", "couchdb.default_security": "admin_only", "couchdb.maintenance_mode": "false",
		"chttpd.max_http_request_size": "268435456", "chttpd.require_valid_user": "false", "chttpd.enable_cors": "true",
		"chttpd.changes_timeout": "60000", "chttpd.max_db_number_for_dbs_info_req": "100", "chttpd.max_uri_length": "infinity",
		"chttpd_auth.timeout": "600", "chttpd_auth.allow_persistent_cookies": "true", "chttpd_auth.min_iterations": "1",
		"chttpd_auth_lockout.mode": "enforce", "chttpd_auth_lockout.threshold": "5", "cluster.q": "2", "csp.attachments_enable": "true",
		"attachments.compression_level": "8", "attachments.compressible_types": "text/*, application/javascript, application/json, application/xml",
		"cors.origins": "https://app.example", "cors.credentials": "true", "uuids.algorithm": "sequential", "uuids.max_count": "1000",
		"mango.default_limit": "25", "mango.index_scan_warning_threshold": "10", "jwt_auth.required_claims": "exp",
		"replicator.checkpoint_interval": "30000", "replicator.connection_timeout": "30000", "replicator.retries_per_request": "5",
		"replicator.worker_batch_size": "500", "replicator.worker_processes": "4", "replicator.use_checkpoints": "true", "replicator.use_bulk_get": "true",
	} {
		if got := sections.Get(path); got.String() != want {
			t.Errorf("%s: %q instead of %q", path, got, want)
		}
	}
	for _, path := range []string{"couchdb.file_compression", "mango.index_all_disabled", "replicator.http_connections", "log.writer", "chttpd.port", "compactions"} {
		if got := sections.Get(path); got.Exists() {
			t.Errorf("%s does nothing and is shown as %s", path, got)
		}
	}
	sections.ForEach(func(section, keys gjson.Result) bool {
		keys.ForEach(func(key, value gjson.Result) bool {
			if section.String() != "admins" {
				s.want("PUT", at+section.String()+"/"+url.PathEscape(key.String()), value.Raw, 200)
			}
			return true
		})
		return true
	})
	if again := s.want("GET", at, "", 200); again != sections.Raw {
		t.Errorf("after all was set that was shown: %s instead of %s", again, sections.Raw)
	}
}

// TestQuerySettings: settings of [mango] act on queries that do not say it themselves.
func TestQuerySettings(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	docs := make([]string, 60)
	for i := range docs {
		docs[i] = fmt.Sprintf(`{"n":%d}`, i)
	}
	s.want("POST", "/db/_bulk_docs", `{"docs":[`+strings.Join(docs, ",")+`]}`, 201)
	for _, step := range []struct {
		limit, threshold string // "": not set
		query            string
		found            int
		warns            bool
	}{
		{"", "", `{"selector":{"n":{"$gte":0}}}`, 25, false},
		{"7", "", `{"selector":{"n":{"$gte":0}}}`, 7, false},
		{"7", "", `{"selector":{"n":{"$gte":0}},"limit":40}`, 40, false},
		{"many", "", `{"selector":{"n":{"$gte":0}}}`, 25, false},
		{"-1", "", `{"selector":{"n":{"$gte":0}}}`, 25, false},
		{"infinity", "", `{"selector":{"n":{"$gte":0}}}`, 60, false},
		{"", "", `{"selector":{"n":{"$gte":56}}}`, 4, true},
		{"", "15", `{"selector":{"n":{"$gte":56}}}`, 4, false},
		{"", "14", `{"selector":{"n":{"$gte":56}}}`, 4, true},
		{"", "0", `{"selector":{"n":-1}}`, 0, false},
		{"", "1", `{"selector":{"n":-1}}`, 0, true},
	} {
		for key, value := range map[string]string{"default_limit": step.limit, "index_scan_warning_threshold": step.threshold} {
			if at := "/_node/_local/_config/mango/" + key; value != "" {
				s.want("PUT", at, `"`+value+`"`, 200)
			} else {
				s.do("DELETE", at, "")
			}
		}
		answer := gjson.Parse(s.want("POST", "/db/_find", step.query, 200))
		found, warning := int(answer.Get("docs.#").Int()), answer.Get("warning").String()
		if warns := strings.Contains(warning, "high in proportion"); found != step.found || warns != step.warns {
			t.Errorf("%+v: %d found, warning %q", step, found, warning)
		}
		if limit := gjson.Get(s.want("POST", "/db/_explain", step.query, 200), "limit").Int(); step.limit == "7" && !strings.Contains(step.query, "limit") && limit != 7 {
			t.Errorf("%+v is explained with a limit of %d", step, limit)
		}
	}
}

// TestReplicationSettings: settings of [replicator] act on replications that do not say it themselves.
func TestReplicationSettings(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	set := func(key, value string) {
		t.Helper()
		s.want("PUT", "/_node/_local/_config/replicator/"+key, `"`+value+`"`, 200)
	}
	s.want("PUT", "/a", "", 201)
	s.want("PUT", "/a/x", "{}", 201)
	checkpoints := func(body string) int64 {
		t.Helper()
		s.want("POST", "/_replicate", `{"source":"a","target":"b","create_target":true`+body+`}`, 200)
		return gjson.Get(s.want("GET", "/b/_local_docs", "", 200), "rows.#").Int()
	}
	set("use_checkpoints", "false")
	if n := checkpoints(""); n != 0 {
		t.Errorf("%d checkpoints without use_checkpoints", n)
	}
	if n := checkpoints(`,"use_checkpoints":true`); n != 1 {
		t.Errorf("%d checkpoints for who asked for them", n)
	}

	interval := func(value string, want int64) {
		t.Helper()
		set("checkpoint_interval", value)
		body := `{"source":"a","target":"b","continuous":true`
		s.want("POST", "/_replicate", body+`}`, 202)
		var got int64
		for got == 0 { // until it runs
			got = gjson.Get(s.want("GET", "/_active_tasks", "", 200), "0.checkpoint_interval").Int()
		}
		s.want("POST", "/_replicate", body+`,"cancel":true}`, 200)
		if got != want {
			t.Errorf("checkpoint_interval %s acts as %d", value, got)
		}
	}
	interval("4321", 4321)
	interval("-5", 30000)
	interval("soon", 30000)
	interval("infinity", 24*60*60*1000)

	var asked atomic.Int64
	peer := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		asked.Add(1)
		http.Error(w, `{"error":"busy","reason":"later"}`, http.StatusServiceUnavailable)
	}))
	defer peer.Close()
	for retries, want := range map[string]int64{"0": 1, "1": 2} {
		set("retries_per_request", retries)
		asked.Store(0)
		s.want("POST", "/_replicate", `{"source":"`+peer.URL+`/db","target":"b"}`, 500)
		if asked.Load() != want {
			t.Errorf("with %s retries it asked %d times", retries, asked.Load())
		}
	}
}
