package couchtest

import (
	"net/http"
	"slices"
	"strings"
)

func serverChecks() []check {
	return []check{
		{"server/welcome", func(c *checker) {
			r := c.askAs("", "", "GET", "/").wants(200)
			r.has("couchdb", `"Welcome"`)
			if r.get("version").String() == "" {
				c.failf("GET /: no version: %s", r.body)
			}
			c.askAs("", "", "HEAD", "/").wants(200)
		}},
		{"server/up", func(c *checker) { c.askAs("", "", "GET", "/_up").wants(200).has("status", `"ok"`) }},
		{"server/uuids", func(c *checker) {
			r := c.askRoot("GET", "/_uuids?count=3").wants(200)
			ids := r.get("uuids").Array()
			seen := map[string]bool{}
			for _, id := range ids {
				if len(id.String()) != 32 || seen[id.String()] {
					c.failf("GET /_uuids: %s are no three different ids of 32 digits", r.body)
				}
				seen[id.String()] = true
			}
			c.equal("number of ids", len(ids), 3)
		}},
		{"server/all-dbs", func(c *checker) {
			r := c.askRoot("GET", "/_all_dbs").wants(200)
			if names := strings.Fields(r.list("@this")); !slices.Contains(names, c.name) || !slices.IsSorted(names) {
				c.failf("GET /_all_dbs: %v is not sorted, or misses %s", names, c.name)
			}
		}},
		{"server/scheduler", func(c *checker) {
			c.askRoot("GET", "/_scheduler/jobs?skip=1000000&limit=1").wants(200).has("jobs.#", "0")
			c.askRoot("GET", "/_scheduler/docs/_replicator").wants(200).has("docs.#", "0").has("total_rows", "0")
			c.askRoot("GET", "/_scheduler/docs/_replicator/none").refuses(404, "not_found")
			c.askRoot("GET", "/_scheduler/jobs/none").refuses(404, "not_found")
		}},
		{"server/replicate-refuses", func(c *checker) {
			for members, reason := range map[string]string{
				`"proxy":"http://p:1","source_proxy":"http://q:1"`: "`proxy` is mutually exclusive with `source_proxy`",
				`"proxy":"http://p:1","target_proxy":"http://q:1"`: "`proxy` is mutually exclusive with `target_proxy`",
				`"query_params":[]`:         "parameter `query_params` must be an object",
				`"create_target_params":[]`: "parameter `create_target_params` must be a JSON object",
				`"winning_revs_only":1`:     "parameter `winning_revs_only` must be a boolean",
				`"create_target":1`:         "parameter `create_target` must be a boolean",
				`"use_bulk_get":1`:          "parameter `use_bulk_get` must be a boolean",
				`"cancel":1`:                "parameter `cancel` must be a boolean",
			} {
				r := c.askRoot("POST", "/_replicate", `{"source":"`+c.name+`","target":"`+c.name+`",`+members+`}`)
				r.refuses(400, "bad_request").has("reason", quoted(reason))
			}
		}},
		{"server/unknown", func(c *checker) { c.askRoot("GET", "/_no_such_thing").wants(404) }},
		{"auth/session", func(c *checker) {
			r := c.askRoot("GET", "/_session").wants(200).has("userCtx.name", quoted(c.server.User))
			if !slices.Contains(strings.Fields(r.list("userCtx.roles")), "_admin") {
				c.failf("GET /_session: %s has not the role _admin", r.body)
			}
			c.askAs("", "", "GET", "/_session").wants(200).has("userCtx.name", "null")
		}},
		{"auth/wrong-password", func(c *checker) {
			c.askAs(c.server.User, "not the password", "GET", "/"+c.name).refuses(401, "unauthorized")
			c.askAs("nobody", "nothing", "GET", "/"+c.name+"/_all_docs").refuses(401, "unauthorized")
		}},
		{"auth/none", func(c *checker) {
			for _, ask := range [][2]string{
				{"GET", ""}, {"GET", "/_all_docs"}, {"GET", "/doc"}, {"PUT", "/doc"}, {"GET", "/_changes"}, {"DELETE", ""},
			} {
				body := []string{}
				if ask[0] == "PUT" {
					body = append(body, "{}")
				}
				r := c.askAs("", "", ask[0], "/"+c.name+ask[1], body...)
				if r.status != http.StatusUnauthorized && r.status != http.StatusForbidden {
					c.failf("%s without credentials: got status %d, want 401 or 403", r.what, r.status)
				}
			}
			c.ask("GET", "").wants(200)
		}},
		{"auth/none-creates", func(c *checker) { c.askAs("", "", "PUT", "/"+c.name+"x").refuses(401, "unauthorized") }},
		{"database/create-and-delete", func(c *checker) {
			name := "/" + c.name + "x"
			c.askRoot("PUT", name).wants(201).has("ok", "true")
			c.askRoot("PUT", name).refuses(412, "file_exists")
			c.askRoot("HEAD", name).wants(200)
			c.askRoot("GET", name).wants(200).has("doc_count", "0")
			c.askRoot("DELETE", name).wants(200).has("ok", "true")
			c.askRoot("GET", name).refuses(404, "not_found")
			c.askRoot("HEAD", name).wants(404)
			c.askRoot("DELETE", name).refuses(404, "not_found")
			c.askRoot("GET", name+"/doc").refuses(404, "not_found")
		}},
		{"database/names", func(c *checker) {
			for _, bad := range []string{"Capital", "1digit", "_underscore", "sp%20ace", "d%C3%A9j%C3%A0"} {
				c.askRoot("PUT", "/"+bad).refuses(400, "illegal_database_name")
			}
		}},
		{"database/name-with-slash", func(c *checker) {
			name := "/" + c.name + "%2Fx"
			c.askRoot("PUT", name).wants(201)
			c.askRoot("PUT", name+"/doc", `{"n":1}`).wants(201)
			c.askRoot("GET", name).wants(200).has("db_name", quoted(c.name+"/x")).has("doc_count", "1")
			c.askRoot("DELETE", name).wants(200)
		}},
		{"database/info", func(c *checker) {
			c.put("a", `{}`)
			rev := c.put("b", `{}`)
			c.ask("DELETE", "/b?rev="+rev).wants(200)
			c.put("_local/c", `{}`)
			r := c.ask("GET", "").wants(200).has("db_name", quoted(c.name)).has("doc_count", "1")
			if !r.get("update_seq").Exists() {
				c.failf("GET the database: no update_seq: %s", r.body)
			}
		}},
		{"database/info-deleted", func(c *checker) {
			rev := c.put("b", `{}`)
			c.ask("DELETE", "/b?rev="+rev).wants(200)
			c.ask("GET", "").wants(200).has("doc_del_count", "1")
		}},
		{"database/recreated-is-empty", func(c *checker) {
			c.put("a", `{}`)
			c.ask("DELETE", "").wants(200)
			c.ask("PUT", "").wants(201)
			c.ask("GET", "/a").refuses(404, "not_found")
			c.ask("GET", "/_changes").wants(200).lists("results.#.id", "")
			c.put("a", `{}`)
		}},
	}
}
