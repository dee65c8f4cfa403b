package couchtest

import (
	"slices"
	"strings"
)

// smallChecks are about what few clients ask for, and those miss.
func smallChecks() []check {
	return []check{
		{"changes/capitals", func(c *checker) {
			c.put("a", `{"n":1}`)
			c.put("b", `{"n":2}`)
			c.ask("GET", "/_changes?Limit=1&INCLUDE_DOCS=true").wants(200).lists("results.#.doc.n", "1").has("pending", "1")
			c.ask("POST", "/_changes?Filter=_doc_ids", `{"doc_ids":["b"]}`).wants(200).lists("results.#.id", "b")
		}},
		{"document/delete-nothing", func(c *checker) {
			c.ask("DELETE", "/a?rev=bad").refuses(404, "not_found").has("reason", `"missing"`)
			c.ask("DELETE", "/a?rev="+c.put("a", `{}`)).wants(200)
			c.ask("DELETE", "/a?rev=bad").refuses(404, "not_found").has("reason", `"deleted"`)
		}},
		{"prefer/minimal", func(c *checker) {
			rev := c.put("a", `{"n":1}`)
			names := func(prefer string) (names []string) {
				for name := range c.with([]string{"Prefer", prefer}, "GET", "/"+c.name+"/a").wants(200).has("n", "1").header {
					names = append(names, name)
				}
				slices.Sort(names)
				return names
			}
			c.equal("headers", strings.Join(names("return=minimal"), " "), "Cache-Control Content-Length Content-Type Date Etag Server")
			if !slices.Contains(names("return=representation"), "X-Couch-Request-Id") {
				c.failf("who does not ask for few headers misses some")
			}
			fields := []string{"Prefer", "Return=Minimal", "Destination", "b"}
			r := c.with(fields, "COPY", "/"+c.name+"/a").wants(201)
			c.equal("Location", r.header.Get("Location"), "")
			c.equal("rows", c.with(fields, "GET", "/"+c.name+"/_all_docs").wants(200).list("rows.#.value.rev"), rev+" "+r.rev())
		}},
		{"prefer/headers", func(c *checker) {
			defer c.set("chttpd/prefer_minimal", "Content-Type, ETag")()
			c.put("a", `{}`)
			r := c.with([]string{"Prefer", "return=minimal"}, "GET", "/"+c.name+"/a").wants(200)
			c.equal("Cache-Control", r.header.Get("Cache-Control"), "")
			if r.header.Get("ETag") == "" {
				c.failf("%s: no ETag", r.what)
			}
		}},
		{"users/expressions", func(c *checker) {
			path := "/_users/org.couchdb.user:" + c.name
			user := func(password string) string {
				return `{"name":"` + c.name + `","type":"user","roles":[],"password":"` + password + `"}`
			}
			const rules = `[{".{10,}", "Min length is 10 chars."}, "[A-Z]+", {"^(?!.*secret)", "Not \"secret\"."}, "\\d+"]`
			restore := c.set("chttpd_auth/password_regexp", rules)
			short, small := c.askRoot("PUT", path, user("Short1")), c.askRoot("PUT", path, user("long enough 1"))
			secret, good := c.askRoot("PUT", path, user("My secret is 1")), c.askRoot("PUT", path, user("Long enough 1"))
			restore()
			if good.status == 201 {
				c.askRoot("DELETE", path+"?rev="+good.rev()).wants(200)
			}
			short.says(400, "bad_request", "Password does not conform to requirements. Min length is 10 chars.")
			small.says(400, "bad_request", "Password does not conform to requirements.")
			secret.says(400, "bad_request", `Password does not conform to requirements. Not "secret".`)
			good.wants(201)
		}},
		{"replicate/doc-ids-as-in-paths", func(c *checker) {
			c.ask("POST", "/_bulk_docs", `{"docs":[{"_id":"a b"},{"_id":"x/y"},{"_id":"plain"},{"_id":"50% more"},{"_id":"other"}]}`).wants(201)
			at := strings.Replace(c.server.URL, "://", "://"+c.server.User+":"+c.server.Password+"@", 1) + "/" + c.name
			defer c.askRoot("DELETE", "/"+c.name+"x")
			c.askRoot("POST", "/_replicate", `{"source":"`+at+`","target":"`+at+`x","create_target":true,"doc_ids":["a%20b","x%2Fy","plain","50% more"]}`).wants(200)
			c.askRoot("GET", "/"+c.name+"x/_all_docs").wants(200).lists("rows.#.id", "50% more a b plain x/y")
		}},
	}
}
