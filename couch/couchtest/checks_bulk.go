package couchtest

import (
	"fmt"
	"strings"
)

func bulkChecks() []check {
	return []check{
		{"bulk/write", func(c *checker) {
			one := c.put("old", `{"n":1}`)
			gone := c.put("gone", `{"n":1}`)
			r := c.ask("POST", "/_bulk_docs", `{"docs":[{"_id":"new","n":1},{"_id":"old","n":2,"_rev":`, quoted(one),
				`},{"_id":"old","n":3},{"_id":"gone","_deleted":true,"_rev":`, quoted(gone), `}]}`).wants(201)
			r.lists("#.id", "new old old gone").has("0.ok", "true").has("2.error", `"conflict"`).lacks("2.rev").lacks("2.ok")
			c.equal("generation of new", generation(r.get("0.rev").String()), "1")
			c.equal("generation of old", generation(r.get("1.rev").String()), "2")
			c.equal("generation of gone", generation(r.get("3.rev").String()), "2")
			c.ask("GET", "/old").wants(200).has("n", "2").has("_rev", quoted(r.get("1.rev").String()))
			c.ask("GET", "/gone").refuses(404, "not_found")
		}},
		{"bulk/same-id-twice", func(c *checker) {
			r := c.ask("POST", "/_bulk_docs", `{"docs":[{"_id":"a","n":1},{"_id":"a","n":2}]}`).wants(201)
			r.has("0.ok", "true").has("1.error", `"conflict"`)
			c.ask("GET", "/a").wants(200).has("n", "1")
		}},
		{"bulk/without-ids", func(c *checker) {
			r := c.ask("POST", "/_bulk_docs", `{"docs":[{"n":1},{"n":2}]}`).wants(201)
			if a, b := r.get("0.id").String(), r.get("1.id").String(); a == "" || a == b {
				c.failf("%s: the ids are %q and %q", r.what, a, b)
			}
		}},
		{"bulk/thousand", func(c *checker) {
			var docs strings.Builder
			for i := range 1000 {
				fmt.Fprintf(&docs, `,{"_id":"doc%04d","n":%d}`, i, i)
			}
			r := c.ask("POST", "/_bulk_docs", `{"docs":[`, docs.String()[1:], `]}`).wants(201)
			c.equal("rows", len(r.get("#.rev").Array()), 1000)
			c.ask("GET", "").wants(200).has("doc_count", "1000")
			c.ask("GET", "/doc0999").wants(200).has("n", "999")
		}},
		{"bulk/bad-shapes", func(c *checker) {
			for _, bad := range []string{`{}`, `[]`, `{"docs":7}`, `{"docs":[`} {
				c.ask("POST", "/_bulk_docs", bad).wants(400)
			}
			c.ask("POST", "/_bulk_docs", `{"docs":[]}`).wants(201).has("@this", "[]")
		}},
		{"bulk/new-edits-false", func(c *checker) {
			c.edits(`{"_id":"a","_rev":"2-bbb","v":1,"_revisions":{"start":2,"ids":["bbb","aaa"]}}`)
			c.edits(`{"_id":"a","_rev":"2-bbb","v":1,"_revisions":{"start":2,"ids":["bbb","aaa"]}}`) // is there already
			c.ask("GET", "/a?revs=true").wants(200).has("_rev", `"2-bbb"`).has("_revisions.ids", `["bbb","aaa"]`)
			c.edits(`{"_id":"a","_rev":"3-ccc","v":2,"_revisions":{"start":3,"ids":["ccc","bbb"]}}`) // joins
			c.ask("GET", "/a?conflicts=true&revs=true").wants(200).has("_revisions.ids", `["ccc","bbb","aaa"]`).lacks("_conflicts")
		}},
		{"bulk/get", func(c *checker) {
			one := c.put("a", `{"n":1}`)
			two := c.put("a", `{"n":2,"_rev":`+quoted(one)+`}`)
			r := c.ask("POST", "/_bulk_get", `{"docs":[{"id":"a"},{"id":"a","rev":`, quoted(one), `},{"id":"none"}]}`).wants(200)
			r.lists("results.#.id", "a a none")
			r.has("results.0.docs.0.ok.n", "2").has("results.0.docs.0.ok._rev", quoted(two)).has("results.0.docs.#", "1")
			r.has("results.1.docs.0.ok.n", "1")
			if r.get("results.2.docs.0.ok").Exists() || !r.get("results.2.docs.0.error").Exists() {
				c.failf("%s: a missing document: %s", r.what, r.get("results.2").Raw)
			}
		}},
		{"bulk/get-tombstone", func(c *checker) {
			rev := c.put("a", `{"n":1}`)
			gone := c.ask("DELETE", "/a?rev="+rev).wants(200).rev()
			c.ask("POST", "/_bulk_get", `{"docs":[{"id":"a","rev":`, quoted(gone), `}]}`).wants(200).
				has("results.0.docs.0.ok._deleted", "true")
		}},
		{"bulk/get-winner-is-a-tombstone", func(c *checker) {
			rev := c.put("a", `{"n":1}`)
			gone := c.ask("DELETE", "/a?rev="+rev).wants(200).rev()
			c.ask("POST", "/_bulk_get", `{"docs":[{"id":"a"}]}`).wants(200).
				has("results.0.docs.0.ok._deleted", "true").has("results.0.docs.0.ok._rev", quoted(gone))
		}},
		{"bulk/revs-diff", func(c *checker) {
			rev := c.put("a", `{}`)
			c.ask("POST", "/_revs_diff", `{"a":[`, quoted(rev), `,"9-zzz"],"b":["1-aaa"]}`).wants(200).
				has("a.missing", `["9-zzz"]`).has("b.missing", `["1-aaa"]`)
		}},
	}
}

func listingChecks() []check {
	fill := func(c *checker, ids string) {
		for id := range strings.FieldsSeq(ids) {
			c.put(id, `{"name":"`+id+`"}`)
		}
	}
	return []check{
		{"all-docs/order", func(c *checker) {
			fill(c, "b a B 10 9 é z")
			c.ask("GET", "/_all_docs").wants(200).has("total_rows", "7").has("offset", "0").lists("rows.#.id", "10 9 B a b z é")
		}},
		{"all-docs/row", func(c *checker) {
			rev := c.put("a", `{"n":1}`)
			c.ask("GET", "/_all_docs").wants(200).has("rows.0", `{"id":"a","key":"a","value":{"rev":`+quoted(rev)+`}}`)
		}},
		{"all-docs/range", func(c *checker) {
			fill(c, "a b c d e")
			for query, want := range map[string]string{
				`startkey="b"&endkey="d"`:                     "b c d",
				`startkey="b"&endkey="d"&inclusive_end=false`: "b c",
				`start_key="d"`:                               "d e",
				`endkey="b"`:                                  "a b",
				`startkey="bb"`:                               "c d e",
				`limit=2`:                                     "a b",
				`skip=3`:                                      "d e",
				`skip=1&limit=2`:                              "b c",
				`descending=true`:                             "e d c b a",
				`descending=true&startkey="d"&endkey="b"`: "d c b",
				`descending=true&limit=1`:                 "e",
				`key="c"`:                                 "c",
				`key="x"`:                                 "",
				`limit=0`:                                 "",
				`startkey="b"&endkey="d"&descending=false&skip=1&limit=9`: "c d",
			} {
				c.ask("GET", "/_all_docs?"+strings.ReplaceAll(query, `"`, "%22")).wants(200).lists("rows.#.id", want)
			}
		}},
		{"all-docs/keys", func(c *checker) {
			fill(c, "a b c")
			rev := c.ask("GET", "/b").wants(200).get("_rev").String()
			c.ask("DELETE", "/b?rev="+rev).wants(200)
			r := c.ask("POST", "/_all_docs", `{"keys":["c","none","a","b","c"]}`).wants(200).lists("rows.#.key", "c none a b c")
			r.has("rows.1.error", `"not_found"`).has("rows.3.value.deleted", "true")
			c.ask("POST", "/_all_docs?include_docs=true", `{"keys":["a","b"]}`).wants(200).
				has("rows.0.doc.name", `"a"`).has("rows.1.doc", "null")
			c.ask("GET", `/_all_docs?keys=%5B%22c%22,%22a%22%5D`).wants(200).lists("rows.#.id", "c a")
		}},
		{"all-docs/include-docs", func(c *checker) {
			fill(c, "a b")
			c.ask("GET", "/_all_docs?include_docs=true").wants(200).lists("rows.#.doc.name", "a b")
			c.ask("GET", "/_all_docs").wants(200).lacks("rows.0.doc")
		}},
		{"all-docs/without-deleted", func(c *checker) {
			fill(c, "a b")
			rev := c.ask("GET", "/a").wants(200).get("_rev").String()
			c.ask("DELETE", "/a?rev="+rev).wants(200)
			c.ask("GET", "/_all_docs").wants(200).lists("rows.#.id", "b").has("total_rows", "1")
		}},
		{"all-docs/paging", func(c *checker) {
			var docs strings.Builder
			for i := range 250 {
				fmt.Fprintf(&docs, `,{"_id":"doc%04d"}`, i)
			}
			c.ask("POST", "/_bulk_docs", `{"docs":[`, docs.String()[1:], `]}`).wants(201)
			seen, start := 0, ""
			for {
				path := "/_all_docs?limit=101"
				if start != "" {
					path += "&skip=1&startkey=%22" + start + "%22"
				}
				rows := c.ask("GET", path).wants(200).get("rows.#.id").Array()
				if len(rows) == 0 {
					break
				}
				for _, row := range rows {
					if row.String() <= start {
						c.failf("page after %q: %q comes again", start, row.String())
					}
					start = row.String()
					seen++
				}
			}
			c.equal("documents on all pages", seen, 250)
		}},
		{"all-docs/bad-parameters", func(c *checker) {
			for _, bad := range []string{"limit=x", "skip=-1", "startkey=unquoted", "descending=maybe"} {
				c.ask("GET", "/_all_docs?"+bad).wants(400)
			}
		}},
	}
}

func localChecks() []check {
	return []check{
		{"local/cycle", func(c *checker) {
			one := c.put("_local/a", `{"n":1}`)
			c.ask("GET", "/_local/a").wants(200).has("n", "1").has("_id", `"_local/a"`).has("_rev", quoted(one))
			two := c.put("_local/a", `{"n":2,"_rev":`+quoted(one)+`}`)
			c.ask("GET", "/_local/a").wants(200).has("n", "2").has("_rev", quoted(two))
			c.ask("DELETE", "/_local/a?rev="+two).wants(200)
			c.ask("GET", "/_local/a").refuses(404, "not_found")
		}},
		{"local/hidden", func(c *checker) {
			c.put("_local/a", `{"n":1}`)
			c.put("b", `{}`)
			c.ask("GET", "/_all_docs").wants(200).lists("rows.#.id", "b")
			c.ask("GET", "/_changes").wants(200).lists("results.#.id", "b")
			c.ask("GET", "").wants(200).has("doc_count", "1")
		}},
		{"local/revs", func(c *checker) {
			c.equal("first revision", c.put("_local/a", `{}`), "0-1")
			c.equal("second revision", c.put("_local/a", `{"_rev":"0-1"}`), "0-2")
		}},
	}
}
