package couchtest

import (
	"bufio"
	"net/http"
	"slices"
	"strings"

	"github.com/tidwall/gjson"
)

// set changes a setting, section/key, until the check ends it with what it gives.
func (c *checker) set(key, value string) (restore func()) {
	path := "/_node/_local/_config/" + key
	before := c.askRoot("GET", path)
	c.askRoot("PUT", path, quoted(value)).wants(200)
	return func() {
		if before.status == http.StatusOK {
			c.askRoot("PUT", path, string(before.body)).wants(200)
			return
		}
		c.askRoot("DELETE", path).wants(200)
	}
}

// nodeChecks are about the server itself: its setup, its figures, and settings that bound what clients may.
func nodeChecks() []check {
	return slices.Concat([]check{
		{"setup/state", func(c *checker) {
			state := func(databases string) string {
				return c.askRoot("GET", "/_cluster_setup?ensure_dbs_exist="+databases).wants(200).get("state").String()
			}
			if got := state(`%5B%22` + c.name + `%22%5D`); !strings.HasSuffix(got, "_enabled") && got != "cluster_finished" {
				c.failf("with its databases there, the setup is %q", got)
			}
			c.askAs("", "", "GET", "/_cluster_setup").refuses(401, "unauthorized")
			c.askAs("", "", "POST", "/_cluster_setup", `{"action":"finish_cluster"}`).refuses(401, "unauthorized")
			c.askRoot("DELETE", "/_cluster_setup").refuses(405, "method_not_allowed")
		}},
		{"setup/finish", func(c *checker) {
			other := c.name + "x"
			c.askRoot("POST", "/_cluster_setup", `{"action":"finish_cluster","ensure_dbs_exist":["`+c.name+`"]}`).
				says(400, "bad_request", "Cluster is already finished")
			c.askRoot("POST", "/_cluster_setup", `{"action":"finish_cluster","ensure_dbs_exist":["`+c.name+`","`+other+`"]}`).
				wants(201).is(`{"ok":true}`)
			c.askRoot("DELETE", "/"+other).wants(200)
			c.askRoot("POST", "/_cluster_setup", `{"action":"nonsense"}`).says(400, "bad_request", "Invalid Action'")
			c.with([]string{"Content-Type", "text/plain"}, "POST", "/_cluster_setup", `{}`).refuses(415, "bad_content_type")
		}},
		{"node/prometheus", func(c *checker) {
			r := c.askRoot("GET", "/_node/_local/_prometheus").wants(200)
			if kind := r.header.Get("Content-Type"); !strings.HasPrefix(kind, "text/plain; version=") {
				c.failf("the type of _prometheus is %q", kind)
			}
			for _, line := range []string{
				"# TYPE couchdb_httpd_requests_total counter\n", "\ncouchdb_httpd_request_methods{method=\"GET\"} ",
				"\ncouchdb_httpd_status_codes{code=\"200\"} ", "\ncouchdb_uptime_seconds ", "\n# TYPE couchdb_open_databases gauge\n",
			} {
				if !strings.Contains("\n"+string(r.body), strings.TrimPrefix(line, "\n")) {
					c.failf("_prometheus has no %q: %s", line, shorten(string(r.body), 2000))
				}
			}
			c.askRoot("POST", "/_node/_local/_prometheus", `{}`).refuses(405, "method_not_allowed")
			c.askAs("", "", "GET", "/_node/_local/_prometheus").refuses(401, "unauthorized")
		}},
		{"node/smoosh", func(c *checker) {
			r := c.askRoot("GET", "/_node/_local/_smoosh/status").wants(200)
			for _, path := range []string{"active", "starting", "waiting.size"} {
				if !r.get("channels.ratio_dbs." + path).Exists() {
					c.failf("%s: no %s of ratio_dbs: %s", r.what, path, r.body)
				}
			}
		}},
		{"node/request-ids", func(c *checker) {
			one, two := c.askRoot("GET", "/").header.Get("X-Couch-Request-Id"), c.askRoot("GET", "/").header.Get("X-Couch-Request-Id")
			if len(one) != 10 || one == two {
				c.failf("two requests have the ids %q and %q", one, two)
			}
		}},
		{"updates/eventsource", func(c *checker) {
			c.updatesDatabase()
			response := c.open(c.server.User, c.server.Password, "GET", "/_db_updates?feed=eventsource&since=now&heartbeat=200")
			defer response.Body.Close() //nolint:errcheck // read as far as wanted
			c.equal("type", response.Header.Get("Content-Type"), "text/event-stream")
			stop := c.meanwhile(func() { c.ask("POST", "", `{}`) })
			defer stop()
			for lines := bufio.NewScanner(response.Body); lines.Scan(); {
				data, ok := strings.CutPrefix(lines.Text(), "data:")
				if ok && gjson.Get(data, "db_name").String() == c.name && gjson.Get(data, "type").String() == "updated" {
					return
				}
			}
			c.failf("the feed ended without an event of the database")
		}},
		{"settings/utc-id", func(c *checker) {
			defer c.set("uuids/algorithm", "utc_id")()
			defer c.set("uuids/utc_id_suffix", "_here")()
			ids := c.askRoot("GET", "/_uuids?count=2").wants(200).get("uuids").Array()
			for _, id := range ids {
				if stamp, ok := strings.CutSuffix(id.String(), "_here"); !ok || len(stamp) != 14 || strings.Trim(stamp, "0123456789abcdef") != "" {
					c.failf("the id %q is no time with the suffix _here", id)
				}
			}
		}},
	}, limitChecks(), corsChecks())
}

// limitChecks set bounds so low that requests meet them.
func limitChecks() []check {
	return []check{
		{"limits/request", func(c *checker) {
			defer c.set("chttpd/max_http_request_size", "1000")()
			c.ask("PUT", "/a", `{"text":"`+strings.Repeat("x", 2000)+`"}`).refuses(413, "too_large")
			c.ask("GET", "/a").refuses(404, "not_found")
			c.put("a", `{"text":"`+strings.Repeat("x", 500)+`"}`)
		}},
		{"limits/id", func(c *checker) {
			defer c.set("couchdb/max_document_id_length", "8")()
			c.put("12345678", `{}`)
			c.ask("PUT", "/123456789", `{}`).says(400, "illegal_docid", "Document id is too long")
		}},
		{"limits/attachment", func(c *checker) {
			defer c.set("couchdb/max_attachment_size", "8")()
			fields := []string{"Content-Type", "application/octet-stream"}
			c.with(fields, "PUT", "/"+c.name+"/a/long", "123456789").refuses(413, "attachment_too_large")
			c.with(fields, "PUT", "/"+c.name+"/a/short", "12345678").wants(201)
			c.ask("PUT", "/b", `{"_attachments":{"long":{"data":"MTIzNDU2Nzg5"}}}`).refuses(413, "attachment_too_large")
		}},
		{"limits/bulk", func(c *checker) {
			defer c.set("couchdb/max_bulk_docs_count", "2")()
			defer c.set("couchdb/max_bulk_get_count", "2")()
			c.ask("POST", "/_bulk_docs", `{"docs":[{},{},{}]}`).says(413, "max_bulk_docs_count_exceeded", "2")
			c.ask("POST", "/_bulk_docs", `{"docs":[{},{}]}`).wants(201)
			c.ask("POST", "/_bulk_get", `{"docs":[{"id":"a"},{"id":"b"},{"id":"c"}]}`).says(413, "max_bulk_get_count_exceeded", "2")
		}},
		{"limits/users", func(c *checker) {
			restore := c.set("chttpd/require_valid_user", "true")
			root, session := c.askAs("", "", "GET", "/"), c.askAs("", "", "POST", "/_session", `{"name":"nobody-at-all","password":"x"}`)
			known := c.askRoot("GET", "/")
			restore()
			root.says(401, "unauthorized", "Authentication required.")
			session.says(401, "unauthorized", "Name or password is incorrect.")
			known.wants(200)
			c.askAs("", "", "GET", "/").wants(200)
		}},
		{"limits/users-but-for-up", func(c *checker) {
			restore := c.set("chttpd/require_valid_user_except_for_up", "true")
			root, up := c.askAs("", "", "GET", "/"), c.askAs("", "", "GET", "/_up")
			restore()
			root.says(401, "unauthorized", "Authentication required.")
			up.wants(200)
		}},
		{"limits/default-security", func(c *checker) {
			restore := c.set("couchdb/default_security", "everyone")
			c.ask("DELETE", "").wants(200)
			c.ask("PUT", "").wants(201)
			restore()
			c.askAs("", "", "PUT", "/"+c.name+"/a", `{}`).wants(201)
			c.ask("DELETE", "").wants(200)
			c.ask("PUT", "").wants(201)
			c.askAs("", "", "PUT", "/"+c.name+"/a", `{}`).refuses(401, "unauthorized")
		}},
	}
}

// corsChecks let web pages of one origin in.
func corsChecks() []check {
	const origin = "https://app.example"
	asks := func(c *checker, method, headers, from string) *reply {
		return c.with([]string{"Origin", from, "Access-Control-Request-Method", method, "Access-Control-Request-Headers", headers}, "OPTIONS", "/"+c.name)
	}
	allowed := func(r *reply) string { return r.header.Get("Access-Control-Allow-Origin") }
	return []check{
		{"cors/off", func(c *checker) {
			defer c.set("chttpd/enable_cors", "false")()
			c.equal("allowed", allowed(c.with([]string{"Origin", origin}, "GET", "/"+c.name).wants(200)), "")
			c.equal("allowed to ask", allowed(asks(c, "PUT", "content-type", origin)), "")
		}},
		{"cors/preflight", func(c *checker) {
			defer c.set("chttpd/enable_cors", "true")()
			defer c.set("cors/origins", origin+", http://localhost:3000")()
			defer c.set("cors/credentials", "true")()
			defer c.set("cors/max_age", "3600")()
			r := asks(c, "PUT", "content-type, x-couch-id", origin).wants(204)
			c.equal("allowed", allowed(r), origin)
			c.equal("credentials", r.header.Get("Access-Control-Allow-Credentials"), "true")
			c.equal("max age", r.header.Get("Access-Control-Max-Age"), "3600")
			c.equal("headers", r.header.Get("Access-Control-Allow-Headers"), "content-type, x-couch-id")
			if methods := r.header.Get("Access-Control-Allow-Methods"); !strings.Contains(methods, "COPY") {
				c.failf("the methods are %q", methods)
			}
			c.equal("another origin", allowed(asks(c, "PUT", "content-type", "https://evil.example")), "")
			c.equal("another method", allowed(asks(c, "PATCH", "content-type", origin)), "")
			c.equal("another header", allowed(asks(c, "PUT", "x-unheard-of", origin)), "")
		}},
		{"cors/requests", func(c *checker) {
			defer c.set("chttpd/enable_cors", "true")()
			defer c.set("cors/origins", origin)()
			defer c.set("cors/exposed_headers", "etag, x-mine")()
			r := c.with([]string{"Origin", origin}, "GET", "/"+c.name).wants(200)
			c.equal("allowed", allowed(r), origin)
			if exposed := r.header.Get("Access-Control-Expose-Headers"); !strings.HasSuffix(exposed, "etag, x-mine") || !strings.Contains(exposed, "content-type") {
				c.failf("the exposed headers are %q", exposed)
			}
			c.equal("of an error", allowed(c.with([]string{"Origin", origin}, "GET", "/"+c.name+"/none").refuses(404, "not_found")), origin)
			c.equal("another origin", allowed(c.with([]string{"Origin", "https://evil.example"}, "GET", "/"+c.name).wants(200)), "")
			c.equal("no origin", allowed(c.ask("GET", "").wants(200)), "")
		}},
		{"cors/methods-and-headers", func(c *checker) {
			defer c.set("chttpd/enable_cors", "true")()
			defer c.set("cors/origins", "*")()
			defer c.set("cors/methods", "GET,POST")()
			defer c.set("cors/headers", "X-Mine")()
			c.equal("all origins", allowed(asks(c, "POST", "x-mine", origin)), origin)
			c.equal("a method", allowed(asks(c, "PUT", "x-mine", origin)), "")
			c.equal("a header", allowed(asks(c, "POST", "content-type", origin)), "")
		}},
	}
}
