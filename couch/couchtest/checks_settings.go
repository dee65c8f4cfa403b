package couchtest

import (
	"bufio"
	"io"
	"net/http"
	"strings"

	"github.com/tidwall/gjson"
)

// with sends a request to the server, as an administrator, with header fields as pairs of name and value.
func (c *checker) with(fields []string, method, path string, body ...string) *reply {
	return c.withAs(c.server.User, c.server.Password, fields, method, path, body...)
}

// withAs is with as somebody; an empty user sends no name and password.
func (c *checker) withAs(user, password string, fields []string, method, path string, body ...string) *reply {
	var content io.Reader
	if len(body) > 0 {
		content = strings.NewReader(strings.Join(body, ""))
	}
	request, err := http.NewRequestWithContext(c.ctx, method, c.server.URL+path, content)
	c.must(err)
	if user != "" {
		request.SetBasicAuth(user, password)
	}
	request.Header.Set("Accept", "application/json")
	if content != nil {
		request.Header.Set("Content-Type", "application/json")
	}
	for i := 0; i+1 < len(fields); i += 2 {
		request.Header.Set(fields[i], fields[i+1])
	}
	response, err := c.http.Do(request)
	c.must(err)
	defer response.Body.Close() //nolint:errcheck // it was read
	r := &reply{c: c, what: method + " " + path, status: response.StatusCode, header: response.Header}
	r.body, err = io.ReadAll(response.Body)
	c.must(err)
	return r
}

// is ends the check unless the whole answer is this JSON.
func (r *reply) is(want string) {
	if !sameJSON(string(r.body), want) {
		r.c.failf("%s: got %s, want %s", r.what, shorten(string(r.body), 500), want)
	}
}

// says ends the check unless the answer is a refusal with this reason.
func (r *reply) says(status int, name, reason string) {
	r.refuses(status, name).has("reason", quoted(reason))
}

func settingsChecks() []check {
	const at = "/_node/_local/_config/"
	return []check{
		{"settings/cycle", func(c *checker) {
			key := at + "after_suite/" + c.name // nobody else's
			c.askRoot("GET", key).says(404, "not_found", "unknown_config_value")
			c.askRoot("DELETE", key).says(404, "not_found", "unknown_config_value")
			c.askRoot("PUT", key, `"one"`).wants(200).is(`""`)
			c.askRoot("PUT", key, `" two "`).wants(200).is(`"one"`)
			c.askRoot("GET", key).wants(200).is(`"two"`)
			c.askRoot("GET", at+"after_suite").wants(200).has(c.name, `"two"`)
			c.askRoot("GET", "/_node/_local/_config").wants(200).has("after_suite."+c.name, `"two"`)
			c.askRoot("DELETE", key).wants(200).is(`"two"`)
			c.askRoot("GET", key).refuses(404, "not_found")
		}},
		{"settings/refused", func(c *checker) {
			c.askRoot("PUT", at+"query_servers/x", `"/bin/true"`).refuses(403, "forbidden")
			c.askRoot("PUT", at+"after_suite/x", `x`).says(400, "bad_request", "invalid UTF-8 JSON")
			c.askRoot("POST", at+"after_suite", `{}`).refuses(405, "method_not_allowed")
			c.askRoot("POST", at+"after_suite/x", `"x"`).refuses(405, "method_not_allowed")
			c.askAs("", "", "GET", "/_node/_local/_config").refuses(401, "unauthorized")
		}},
		{"settings/max-document-size", func(c *checker) {
			set := at + "couchdb/max_document_size"
			c.askRoot("PUT", set, `"200"`).wants(200)
			long := `{"text":"` + strings.Repeat("x", 300) + `"}`
			refused := c.ask("PUT", "/a", long)
			c.askRoot("DELETE", set).wants(200).is(`"200"`)
			refused.refuses(413, "document_too_large")
			c.ask("PUT", "/a", long).wants(201)
		}},
		{"settings/administrators", func(c *checker) {
			key := at + "admins/" + c.name
			c.askAs(c.name, "pw", "GET", "/_all_dbs").refuses(401, "unauthorized")
			c.askRoot("PUT", key, `"pw"`).wants(200).is(`""`)
			got := c.askAs(c.name, "pw", "GET", "/_all_dbs")
			hash := c.askRoot("GET", key).wants(200)
			c.askRoot("DELETE", key).wants(200)
			got.wants(200)
			if !strings.HasPrefix(string(hash.body), `"-pbkdf2`) {
				c.failf("the password is kept as %s", hash.body)
			}
			c.askAs(c.name, "pw", "GET", "/_all_dbs").refuses(401, "unauthorized")
		}},
		{"settings/uuids", func(c *checker) {
			set := at + "uuids/algorithm"
			ids := func(algorithm string) []gjson.Result {
				c.askRoot("PUT", set, quoted(algorithm)).wants(200)
				return c.askRoot("GET", "/_uuids?count=3").wants(200).get("uuids").Array()
			}
			sequential, random, utc := ids("sequential"), ids("random"), ids("utc_random")
			c.askRoot("DELETE", set).wants(200)
			for i := range 2 {
				one, two := sequential[i].String(), sequential[i+1].String()
				if one[:26] != two[:26] && one[26:] < "ff0000" || one[:26] == two[:26] && one >= two {
					c.failf("sequential ids: %s, then %s", one, two)
				}
				if random[i].String()[:8] == random[i+1].String()[:8] {
					c.failf("random ids: %s, then %s", random[i], random[i+1])
				}
				if utc[i].String()[:7] != utc[i+1].String()[:7] || utc[i].String()[14:] == utc[i+1].String()[14:] {
					c.failf("ids of the time: %s, then %s", utc[i], utc[i+1])
				}
			}
		}},
		{"node/self", func(c *checker) {
			name := c.askRoot("GET", "/_node/_local").wants(200).get("name").String()
			nodes := strings.Fields(c.askRoot("GET", "/_membership").wants(200).list("all_nodes"))
			if len(nodes) == 0 || name == "" {
				c.failf("the node is called %q, one of %q", name, nodes)
			}
			c.askRoot("GET", "/_node/"+name+"/_config/after_suite").wants(200)
			c.askRoot("GET", "/_node").says(400, "bad_request", "Incomplete path to _node request")
			c.askRoot("GET", "/_node/_local/_versions").wants(200)
			if !c.askRoot("GET", "/_node/_local/_system").wants(200).get("uptime").Exists() {
				c.failf("_system knows no uptime")
			}
		}},
		{"node/stats", func(c *checker) {
			const requests = "/_node/_local/_stats/couchdb/httpd/requests"
			r := c.askRoot("GET", requests+"?flush=true").wants(200)
			c.equal("type", r.get("type").String(), "counter")
			if !r.get("value").Exists() || !r.get("desc").Exists() {
				c.failf("%s: %s", r.what, r.body)
			}
			c.askRoot("GET", "/_node/_local/_stats").wants(200).has("couchdb.httpd.requests.type", `"counter"`)
			r = c.askRoot("GET", "/_node/_local/_stats/couchdb/request_time").wants(200).has("type", `"histogram"`)
			for member := range strings.FieldsSeq("min max arithmetic_mean geometric_mean harmonic_mean median variance standard_deviation " +
				"skewness kurtosis percentile.0.1 histogram.0.1 n") {
				if !r.get("value." + member).Exists() {
					c.failf("%s: no %s: %s", r.what, member, r.body)
				}
			}
			c.equal("percentiles", r.get("value.percentile.#.0").String(), "[50,75,90,95,99,999]")
			for name := range strings.FieldsSeq("database_reads database_writes document_writes open_databases open_os_files auth_cache_hits " +
				"auth_cache_misses httpd/view_reads httpd/bulk_requests httpd/clients_requesting_changes") {
				c.askRoot("GET", "/_node/_local/_stats/couchdb/"+name).wants(200).has("type", `"counter"`)
			}
			c.askRoot("GET", "/_node/_local/_stats/couchdb/no/such/figure").wants(200).is("null")
			c.askAs("", "", "GET", "/_node/_local/_stats").says(401, "unauthorized", "You are not a server admin or read-only metrics user")
		}},
		{"updates/events", func(c *checker) {
			c.updatesDatabase()
			since := c.askRoot("GET", "/_db_updates").wants(200).get("last_seq").String()
			c.put("a", `{}`)
			c.awaitUpdate(since, "updated")
			c.ask("DELETE", "").wants(200)
			c.awaitUpdate(since, "deleted")
			c.ask("PUT", "").wants(201)
			c.awaitUpdate(since, "created")
			c.askRoot("GET", "/_db_updates?feed=bad").says(400, "bad_request", "Supported `feed` types: normal, continuous, longpoll, eventsource")
			c.askRoot("POST", "/_db_updates", `{}`).refuses(405, "method_not_allowed")
		}},
		{"updates/continuous", func(c *checker) {
			c.updatesDatabase()
			f := &feed{c: c}
			f.response = c.open(c.server.User, c.server.Password, "GET", "/_db_updates?feed=continuous&since=now&timeout=20000") //nolint:bodyclose // close does
			f.lines = bufio.NewScanner(f.response.Body)
			defer f.close()
			stop := c.meanwhile(func() { c.ask("POST", "", `{}`) })
			defer stop()
			for {
				line, ok := f.any()
				if !ok {
					c.failf("the feed ended without an event of the database")
				}
				if gjson.Get(line, "db_name").String() == c.name && gjson.Get(line, "type").String() == "updated" {
					return
				}
			}
		}},
	}
}

// updatesDatabase sees that _db_updates is there.
func (c *checker) updatesDatabase() {
	if r := c.askRoot("PUT", "/_global_changes"); r.status != 412 {
		r.wants(201)
	}
}

// awaitUpdate waits for an event of the check's database: servers note them with a delay.
func (c *checker) awaitUpdate(since, kind string) {
	for c.ctx.Err() == nil {
		r := c.askRoot("GET", "/_db_updates?feed=longpoll&timeout=5000&since="+since).wants(200)
		for _, event := range r.get("results").Array() {
			if event.Get("db_name").String() == c.name && event.Get("type").String() == kind {
				return
			}
		}
		since = r.get("last_seq").String()
	}
	c.failf("no event %s of the database", kind)
}
