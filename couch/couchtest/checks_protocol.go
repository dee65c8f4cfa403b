package couchtest

import (
	"fmt"
	"strconv"
	"strings"
)

// protocolChecks are about what clients meet in passing: conditions, parameters, other methods, counts.
func protocolChecks() []check {
	return []check{
		{"conditional/lists", func(c *checker) {
			rev := c.put("a", `{}`)
			for _, path := range []string{"/a", "/_changes", "/_local/l"} {
				c.ask("PUT", "/_local/l", `{}`)
				tag := c.ask("GET", path).wants(200).header.Get("ETag")
				if tag == "" {
					c.failf("GET %s: no ETag", path)
				}
				c.with([]string{"If-None-Match", `"1-x", ` + tag}, "GET", "/"+c.name+path).wants(304)
				c.with([]string{"If-None-Match", `"1-x"`}, "GET", "/"+c.name+path).wants(200)
			}
			c.with([]string{"If-None-Match", `"` + rev + `"`}, "GET", "/"+c.name+"/a?revs_info=true").wants(200)
			none := c.askRoot("GET", "/_uuids?count=0").wants(200).header.Get("ETag")
			c.with([]string{"If-None-Match", none}, "GET", "/_uuids?count=0").wants(304)
		}},
		{"conditional/uuids-are-not-kept", func(c *checker) {
			h := c.askRoot("GET", "/_uuids").wants(200).header
			c.equal("Cache-Control", h.Get("Cache-Control"), "no-cache")
			c.equal("Pragma", h.Get("Pragma"), "no-cache")
			c.equal("Expires", h.Get("Expires"), "Fri, 01 Jan 1990 00:00:00 GMT")
		}},
		{"method/override", func(c *checker) {
			rev := c.put("a", `{}`)
			path := "/" + c.name + "/a?rev=" + rev
			c.with([]string{"X-HTTP-Method-Override", "DELETE"}, "PUT", path, `{}`).wants(201) // of POST alone
			rev = c.ask("GET", "/a").wants(200).get("_rev").String()
			c.with([]string{"X-HTTP-Method-Override", "DELETE"}, "POST", "/"+c.name+"/a?rev="+rev, `{}`).wants(200)
			c.ask("GET", "/a").says(404, "not_found", "deleted")
		}},
		{"method/head-is-get", func(c *checker) {
			c.put("a", `{"n":1}`)
			for _, path := range []string{"/a", "", "/_all_docs", "/_security", "/_revs_limit", "/_changes"} {
				head := c.ask("HEAD", path).wants(200)
				c.equal("body of HEAD "+path, len(head.body), 0)
			}
			got := c.ask("GET", "/a").wants(200)
			c.equal("Content-Length", c.ask("HEAD", "/a").header.Get("Content-Length"), strconv.Itoa(len(got.body)))
		}},
		{"path/empty-parts", func(c *checker) {
			c.put("a", `{"n":1}`)
			c.askRoot("GET", "//"+c.name+"///a/").wants(200).has("n", "1")
			c.askRoot("GET", "/"+c.name+"/").wants(200).has("doc_count", "1")
		}},
		{"document/prefix-is-no-id", func(c *checker) {
			for _, id := range []string{"_design/", "_local/"} {
				c.ask("POST", "", `{"_id":"`+id+`"}`).says(400, "illegal_docid", "Illegal document id `"+id+"`")
				c.ask("POST", "/_bulk_docs", `{"docs":[{"_id":"`+id+`"}]}`).says(400, "illegal_docid", "Illegal document id `"+id+"`")
			}
		}},
		{"revision/no-list", func(c *checker) {
			rev := c.put("a", `{}`)
			for _, parameter := range []string{"open_revs", "atts_since"} {
				c.ask("GET", "/a?"+parameter+"=%22"+rev+"%22").says(400, "bad_request", "Invalid list of revisions")
				c.ask("GET", "/a?"+parameter+"=[5]").says(400, "bad_request", "Invalid rev format")
			}
		}},
		{"document/deleted-is-shown", func(c *checker) {
			rev := c.put("a", `{}`)
			gone := c.ask("DELETE", "/a?rev="+rev).wants(200).rev()
			c.ask("GET", "/a?deleted=true").wants(200).has("_rev", quoted(gone)).has("_deleted", "true")
		}},
		{"design/what-is-below-a-missing-one", func(c *checker) {
			for _, path := range []string{"_view/v", "_info", "_show/s", "_update/u", "_list/l/v", "_rewrite/x"} {
				c.ask("GET", "/_design/none/"+path).says(404, "not_found", "missing")
			}
		}},
		{"database/shards", func(c *checker) {
			c.ask("DELETE", "").wants(200)
			c.ask("PUT", "?q=3").wants(201)
			c.ask("GET", "").wants(200).has("cluster.q", "3")
			c.equal("ranges", len(c.ask("GET", "/_shards").wants(200).get("shards").Map()), 3)
			r := c.ask("GET", "/_shards/doc").wants(200)
			if len(r.get("range").String()) != 17 || len(r.get("nodes").Array()) == 0 {
				c.failf("%s: %s", r.what, r.body)
			}
			c.ask("POST", "/_sync_shards", `{}`).wants(202).has("ok", "true")
			c.askRoot("PUT", "/"+c.name+"x?placement=moon").says(400, "bad_request", "The `placement` value should be in a format `zone:n`.")
			c.askRoot("GET", "/_reshard").wants(200).has("state", `"running"`)
		}},
		{"attachment/delete-unnamed", func(c *checker) {
			c.ask("DELETE", "/a/f").says(404, "not_found", "missing")
			rev := c.ask("PUT", "/a/f", "one").wants(201).rev()
			c.ask("DELETE", "/a/g").says(404, "not_found", "Document is missing attachment")
			c.ask("DELETE", "/a/f").refuses(409, "conflict")
			c.ask("DELETE", "/a/f?rev="+rev).wants(200)
		}},
		{"database/compact-a-design", func(c *checker) {
			c.put("_design/d", `{"views":{"v":{"map":"function(){}"}}}`)
			c.ask("POST", "/_compact/d", `{}`).wants(202).has("ok", "true")
			c.ask("POST", "/_compact/none", `{}`).refuses(404, "not_found")
		}},
		{"databases/info-range", func(c *checker) {
			other := c.name + "a"
			c.askRoot("PUT", "/"+other).wants(201)
			defer c.askRoot("DELETE", "/"+other)
			from := "startkey=%22" + c.name + "%22&endkey=%22" + other + "%22"
			c.askRoot("GET", "/_dbs_info?"+from).wants(200).lists("#.key", c.name+" "+other).has("0.info.db_name", quoted(c.name))
			c.askRoot("GET", "/_dbs_info?limit=1&"+from).wants(200).lists("#.key", c.name)
			c.askRoot("GET", "/_dbs_info?skip=1&"+from).wants(200).lists("#.key", other)
			c.askRoot("GET", "/_dbs_info?descending=true&start_key=%22"+other+"%22&end_key=%22"+c.name+"%22").wants(200).lists("#.key", other+" "+c.name)
			many := `["` + strings.Repeat(`x","`, 100) + `x"]`
			c.askRoot("POST", "/_dbs_info", `{"keys":`+many+`}`).refuses(400, "bad_request")
		}},
		{"all-docs/exact-offset", func(c *checker) {
			c.many(3000)
			c.ask("GET", "/_all_docs?limit=1&startkey=%22doc2500%22").wants(200).has("offset", "2500").has("total_rows", "3000")
			c.ask("GET", "/_all_docs?limit=1&skip=7&startkey=%22doc2500%22").wants(200).has("offset", "2507")
			c.ask("GET", "/_all_docs?limit=1&descending=true&startkey=%22doc0009%22").wants(200).has("offset", "2990")
			rev := c.ask("GET", "/doc0001").wants(200).get("_rev").String()
			c.ask("DELETE", "/doc0001?rev="+rev).wants(200)
			c.put("aaa", `{}`)
			c.put("doc0003a", `{}`)
			c.ask("GET", "/_all_docs?limit=1&startkey=%22doc2500%22").wants(200).has("offset", "2501").has("total_rows", "3001")
		}},
		{"changes/exact-pending", func(c *checker) {
			c.many(3000)
			r := c.ask("GET", "/_changes?limit=100").wants(200).has("pending", "2900")
			c.put("more", `{}`)
			c.ask("GET", "/_changes?limit=100&since="+seqOf(r.get("last_seq"))).wants(200).has("pending", "2801")
		}},
		{"all-docs/parameters", func(c *checker) {
			c.put("a", `{}`)
			for _, good := range []string{
				"update=lazy", "update=false", "stable=true", "stale=ok", "stale=update_after", "sorted=false", "reduce=false", "group=false", "group_level=0",
				"descending=TRUE", "limit=%2B1",
			} {
				c.ask("GET", "/_all_docs?"+good).wants(200).lists("rows.#.id", "a")
			}
			for bad, reason := range map[string]string{
				"update=x": "Invalid value for `update`.", "stable=x": "Invalid value for `stable`.", "stale=x": "Invalid value for `stale`.",
				"sorted=x": `Invalid boolean parameter: "x"`, "include_docs=1": `Invalid boolean parameter: "1"`,
				"group_level=x": `Invalid value for integer: "x"`, "update_seq=x": `Invalid boolean parameter: "x"`,
			} {
				c.ask("GET", "/_all_docs?"+bad).says(400, "query_parse_error", reason)
			}
		}},
		{"bulk/get-refuses-parameters", func(c *checker) {
			for _, name := range []string{"rev", "open_revs", "atts_since", "w", "new_edits"} {
				c.ask("POST", "/_bulk_get?"+name+"=1", `{"docs":[{"id":"a"}]}`).says(400, "bad_request", `"`+name+`" query parameter is not acceptable`)
			}
		}},
		{"bulk/get-wrong-rows", func(c *checker) {
			rev := c.put("a", `{}`)
			r := c.ask("POST", "/_bulk_get", `{"docs":[{"id":"a","atts_since":5},{"id":"a","rev":"x"},{"id":"a","atts_since":["x"]},{"id":"a"}]}`).wants(200)
			r.has("results.0.docs.0.error.reason", `"att_since value must be array of revs."`)
			r.has("results.1.docs.0.error.reason", `"Invalid rev format"`).has("results.1.docs.0.error.rev", `"x"`)
			r.has("results.2.docs.0.error.reason", `"Invalid rev format"`)
			r.has("results.3.docs.0.ok._rev", quoted(rev))
		}},
	}
}

// many writes documents doc0000 and so on.
func (c *checker) many(n int) {
	var docs strings.Builder
	for i := range n {
		fmt.Fprintf(&docs, `,{"_id":"doc%04d"}`, i)
	}
	r := c.ask("POST", "/_bulk_docs", `{"docs":[`, docs.String()[1:], `]}`).wants(201)
	c.equal("written", len(r.get("#.rev").Array()), n)
}
