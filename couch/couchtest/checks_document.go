package couchtest

import (
	"strings"
)

func documentChecks() []check {
	return []check{
		{"document/put-and-get", func(c *checker) {
			r := c.ask("PUT", "/a", `{"n":1,"o":{"x":[true,null,"é😀"]}}`).wants(201).has("ok", "true").has("id", `"a"`)
			rev := r.rev()
			c.equal("generation", generation(rev), "1")
			r = c.ask("GET", "/a").wants(200).has("@this", `{"_id":"a","_rev":`+quoted(rev)+`,"n":1,"o":{"x":[true,null,"é😀"]}}`)
			c.equal("ETag", r.header.Get("ETag"), quoted(rev))
		}},
		{"document/white-space", func(c *checker) {
			one := c.ask("PUT", "/a", "{ }").wants(201).rev()
			c.ask("GET", "/a").wants(200).has("@this", `{"_id":"a","_rev":`+quoted(one)+`}`)
			two := c.ask("PUT", "/b", " {\n  \"n\" : 1 ,\n\t\"o\": { \"x\": [ ] } }\r\n").wants(201).rev()
			c.ask("GET", "/b").wants(200).has("@this", `{"_id":"b","_rev":`+quoted(two)+`,"n":1,"o":{"x":[]}}`)
			c.ask("POST", "/_bulk_docs", `{ "docs" : [ { "_id" : "c" , "n" : 1 } ] }`).wants(201)
			c.ask("GET", "/c").wants(200).has("n", "1")
		}},
		{"document/head", func(c *checker) {
			rev := c.put("a", `{}`)
			c.equal("ETag", c.ask("HEAD", "/a").wants(200).header.Get("ETag"), quoted(rev))
			c.ask("HEAD", "/b").wants(404)
		}},
		{"document/update", func(c *checker) {
			one := c.put("a", `{"n":1}`)
			two := c.ask("PUT", "/a", `{"n":2,"_rev":`+quoted(one)+`}`).wants(201).rev()
			c.equal("generation", generation(two), "2")
			three := c.ask("PUT", "/a?rev="+two, `{"n":3}`).wants(201).rev()
			c.ask("GET", "/a").wants(200).has("n", "3").has("_rev", quoted(three))
		}},
		{"document/conflict", func(c *checker) {
			one := c.put("a", `{"n":1}`)
			c.ask("PUT", "/a", `{"n":2}`).refuses(409, "conflict")
			c.put("a", `{"n":2,"_rev":`+quoted(one)+`}`)
			c.ask("PUT", "/a", `{"n":3,"_rev":`+quoted(one)+`}`).refuses(409, "conflict")
			c.ask("DELETE", "/a?rev="+one).refuses(409, "conflict")
			c.ask("GET", "/a").wants(200).has("n", "2")
		}},
		{"document/delete-needs-the-rev", func(c *checker) {
			c.put("a", `{"n":1}`)
			c.ask("DELETE", "/a").refuses(409, "conflict")
			c.ask("GET", "/a").wants(200)
		}},
		{"document/missing", func(c *checker) { c.ask("GET", "/none").refuses(404, "not_found").has("reason", `"missing"`) }},
		{"document/delete", func(c *checker) {
			rev := c.put("a", `{"n":1}`)
			gone := c.ask("DELETE", "/a?rev="+rev).wants(200).rev()
			c.equal("generation", generation(gone), "2")
			c.ask("GET", "/a").refuses(404, "not_found")
			c.ask("GET", "/a?rev="+gone).wants(200).has("_deleted", "true").lacks("n")
			c.ask("GET", "/a?rev="+rev).wants(200).has("n", "1")
			again := c.put("a", `{"n":2}`)
			c.equal("generation", generation(again), "3")
			c.ask("GET", "/a").wants(200).has("n", "2")
		}},
		{"document/deleted-reason", func(c *checker) {
			rev := c.put("a", `{}`)
			c.ask("DELETE", "/a?rev="+rev).wants(200)
			c.ask("GET", "/a").refuses(404, "not_found").has("reason", `"deleted"`)
		}},
		{"document/deleted-with-body", func(c *checker) {
			rev := c.put("a", `{"n":1}`)
			r := c.ask("PUT", "/a", `{"_deleted":true,"why":"test","_rev":`+quoted(rev)+`}`)
			if r.status != 200 && r.status != 201 {
				c.failf("%s: got status %d: %s", r.what, r.status, r.body)
			}
			gone := r.rev()
			c.ask("GET", "/a").refuses(404, "not_found")
			c.ask("GET", "/a?rev="+gone).wants(200).has("_deleted", "true").has("why", `"test"`)
		}},
		{"document/post", func(c *checker) {
			r := c.ask("POST", "", `{"n":1}`).wants(201)
			id := r.get("id").String()
			if len(id) < 8 {
				c.failf("POST: the id it chose is %q", id)
			}
			c.ask("GET", "/"+id).wants(200).has("n", "1")
			c.ask("POST", "", `{"_id":"named","n":2}`).wants(201).has("id", `"named"`)
			c.ask("POST", "", `{"_id":"named","n":3}`).refuses(409, "conflict")
		}},
		{"document/ids", func(c *checker) {
			for id, path := range map[string]string{
				"with space": "with%20space", "a/b": "a%2Fb", "é😀": "%C3%A9%F0%9F%98%80", "a+b": "a%2Bb", "q?#&=": "q%3F%23%26%3D",
				"dot.dot": "dot.dot", `quo"te`: "quo%22te", "per%cent": "per%25cent", "tasks:2026": "tasks:2026",
			} {
				rev := c.ask("PUT", "/"+path, `{}`).wants(201).has("id", quoted(id)).rev()
				c.ask("GET", "/"+path).wants(200).has("_id", quoted(id)).has("_rev", quoted(rev))
			}
		}},
		{"document/bad-ids", func(c *checker) {
			c.ask("PUT", "/_under", `{}`).wants(400)
			c.ask("POST", "", `{"_id":"_under"}`).wants(400)
			c.ask("POST", "", `{"_id":7}`).wants(400)
		}},
		{"document/bad-bodies", func(c *checker) {
			for _, bad := range []string{`[]`, `7`, `"x"`, `{`, `{"a":}`} {
				c.ask("PUT", "/a", bad).wants(400)
			}
			c.ask("GET", "/a").wants(404)
		}},
		{"document/unknown-underscore", func(c *checker) { c.ask("PUT", "/a", `{"_odd":1}`).refuses(400, "doc_validation") }},
		{"document/values", func(c *checker) {
			const body = `{"empty":{},"list":[],"deep":[[[[{"a":[]}]]]],"esc":"\"\\\/\n\u0001\u00e9","zero":0,"neg":-1.5,"big":123456789012,"t":true,"f":false,"n":null}`
			c.put("a", body)
			r := c.ask("GET", "/a").wants(200)
			for _, name := range []string{"empty", "list", "deep", "esc", "zero", "neg", "big", "t", "f", "n"} {
				want := (&reply{body: []byte(body)}).get(name).Raw
				r.has(name, want)
			}
		}},
		{"document/numbers-kept", func(c *checker) {
			// Sequences and ids of other systems: a store that reads numbers into doubles spoils them.
			c.put("a", `{"big":12345678901234567890,"exact":9007199254740993}`)
			body := string(c.ask("GET", "/a").wants(200).body)
			for _, number := range []string{"12345678901234567890", "9007199254740993"} {
				if !strings.Contains(body, number) {
					c.failf("GET a: %s came back as %s", number, body)
				}
			}
		}},
		{"document/large", func(c *checker) {
			text := strings.Repeat("0123456789", 200_000)
			c.put("a", `{"text":"`+text+`"}`)
			if got := c.ask("GET", "/a").wants(200).get("text").String(); got != text {
				c.failf("GET a: a text of %d bytes came back with %d", len(text), len(got))
			}
		}},
	}
}

func revisionChecks() []check {
	return []check{
		{"revision/old-ones", func(c *checker) {
			one := c.put("a", `{"n":1}`)
			two := c.put("a", `{"n":2,"_rev":`+quoted(one)+`}`)
			c.ask("GET", "/a?rev="+one).wants(200).has("n", "1").has("_rev", quoted(one))
			c.ask("GET", "/a?rev="+two).wants(200).has("n", "2")
			c.ask("GET", "/a?rev=7-abc").refuses(404, "not_found")
		}},
		{"revision/history", func(c *checker) {
			one := c.put("a", `{"n":1}`)
			two := c.put("a", `{"n":2,"_rev":`+quoted(one)+`}`)
			c.ask("GET", "/a?revs=true").wants(200).has("_revisions", `{"start":2,"ids":[`+quoted(two[2:])+`,`+quoted(one[2:])+`]}`)
		}},
		{"revision/new-edits-false", func(c *checker) {
			c.ask("PUT", "/a?new_edits=false", `{"_rev":"3-ccc","n":1,"_revisions":{"start":3,"ids":["ccc","bbb","aaa"]}}`).wants(201)
			c.ask("GET", "/a?revs=true").wants(200).has("_rev", `"3-ccc"`).has("_revisions.ids", `["ccc","bbb","aaa"]`)
		}},
		{"revision/conflicts", func(c *checker) {
			c.edits(`{"_id":"a","_rev":"1-aaa","v":"a"}`, `{"_id":"a","_rev":"1-bbb","v":"b"}`, `{"_id":"a","_rev":"1-0cc","v":"c"}`)
			c.ask("GET", "/a?conflicts=true").wants(200).has("_rev", `"1-bbb"`).has("_conflicts", `["1-aaa","1-0cc"]`)
			c.ask("GET", "/a").wants(200).lacks("_conflicts")
			c.ask("DELETE", "/a?rev=1-bbb").wants(200)
			c.ask("GET", "/a?conflicts=true").wants(200).has("_rev", `"1-aaa"`).has("_conflicts", `["1-0cc"]`)
			c.ask("GET", "").wants(200).has("doc_count", "1")
		}},
		{"revision/winner-longest", func(c *checker) {
			c.edits(`{"_id":"a","_rev":"1-fff"}`, `{"_id":"a","_rev":"2-aaa","_revisions":{"start":2,"ids":["aaa","000"]}}`)
			c.ask("GET", "/a").wants(200).has("_rev", `"2-aaa"`)
		}},
		{"revision/winner-live", func(c *checker) {
			c.edits(`{"_id":"a","_rev":"1-aaa"}`, `{"_id":"a","_rev":"3-fff","_deleted":true,"_revisions":{"start":3,"ids":["fff","eee","ddd"]}}`)
			c.ask("GET", "/a").wants(200).has("_rev", `"1-aaa"`)
		}},
		{"revision/winner-live-deleted-leaf", func(c *checker) {
			c.edits(`{"_id":"a","_rev":"1-aaa"}`, `{"_id":"a","_rev":"3-fff","_deleted":true,"_revisions":{"start":3,"ids":["fff","eee","ddd"]}}`)
			c.ask("GET", "/a?deleted_conflicts=true").wants(200).has("_deleted_conflicts", `["3-fff"]`)
		}},
		{"revision/open-revs", func(c *checker) {
			c.edits(`{"_id":"a","_rev":"1-aaa","v":"a"}`, `{"_id":"a","_rev":"1-bbb","v":"b"}`)
			r := c.ask("GET", "/a?open_revs=all").wants(200)
			c.equal("leaves", len(r.get("@this").Array()), 2)
			c.ask("GET", `/a?open_revs=%5B%221-aaa%22,%229-zzz%22%5D`).wants(200).has("0.ok.v", `"a"`).has("1.missing", `"9-zzz"`)
		}},
		{"revision/open-revs-once", func(c *checker) {
			c.edits(`{"_id":"a","_rev":"1-aaa","v":"a"}`, `{"_id":"a","_rev":"3-ccc","v":"c","_revisions":{"start":3,"ids":["ccc","bbb","aaa"]}}`)
			const list = "%229-zzz%22,%223-ccc%22,%222-bbb%22,%221-aaa%22,%223-ccc%22,%229-zzz%22"
			r := c.ask("GET", "/a?open_revs=%5B"+list+"%5D").wants(200).lists("#.ok._rev", "1-aaa 3-ccc")
			r.lists("#.missing", "2-bbb 9-zzz").has("2.missing", `"2-bbb"`)
			c.ask("GET", "/a?latest=true&open_revs=%5B"+list+"%5D").wants(200).lists("#.ok._rev", "3-ccc").lists("#.missing", "9-zzz")
		}},
		{"revision/edit-a-losing-leaf", func(c *checker) {
			c.edits(`{"_id":"a","_rev":"1-aaa","v":"a"}`, `{"_id":"a","_rev":"1-bbb","v":"b"}`)
			two := c.put("a", `{"_rev":"1-aaa","v":"a2"}`)
			c.ask("GET", "/a?conflicts=true").wants(200).has("_rev", quoted(two)).has("_conflicts", `["1-bbb"]`)
		}},
	}
}

// edits writes revisions as they are.
func (c *checker) edits(docs ...string) {
	c.ask("POST", "/_bulk_docs", `{"new_edits":false,"docs":[`+strings.Join(docs, ",")+`]}`).wants(201).has("#", "0")
}
