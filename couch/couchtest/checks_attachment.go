package couchtest

import (
	"net/url"
	"strings"
)

func attachmentChecks() []check {
	const inline = `{"_attachments":{"f":{"content_type":"application/octet-stream","data":"aGVsbG8="}}}`
	return []check{
		{"attachment/inline", func(c *checker) {
			c.put("a", inline)
			c.ask("GET", "/a").wants(200).has("_attachments.f.stub", "true").has("_attachments.f.length", "5").has("_attachments.f.revpos", "1").
				has("_attachments.f.digest", `"md5-XUFAKrxLKna5cZ2REBfFkg=="`)
			c.ask("GET", "/a?attachments=true").wants(200).has("_attachments.f.data", `"aGVsbG8="`).lacks("_attachments.f.stub")
			r := c.ask("GET", "/a/f").wants(200)
			c.equal("content", string(r.body), "hello")
			c.equal("Content-Type", r.header.Get("Content-Type"), "application/octet-stream")
		}},
		{"attachment/stubs", func(c *checker) {
			rev := c.put("a", inline)
			second := c.put("a", `{"_rev":`+quoted(rev)+`,"n":1,"_attachments":{"f":{"stub":true}}}`)
			c.ask("GET", "/a").wants(200).has("_attachments.f.revpos", "1")
			c.ask("PUT", "/a", `{"_rev":`+quoted(second)+`,"_attachments":{"g":{"stub":true}}}`).refuses(412, "missing_stub")
			c.put("a", `{"_rev":`+quoted(second)+`}`)
			c.ask("GET", "/a/f").refuses(404, "not_found")
			c.equal("content", string(c.ask("GET", "/a/f?rev="+second).wants(200).body), "hello")
		}},
		{"attachment/alone", func(c *checker) {
			rev := c.ask("PUT", "/a/f", "one").wants(201).rev()
			c.ask("PUT", "/a/f", "two").refuses(409, "conflict")
			second := c.ask("PUT", "/a/f?rev="+rev, "two").wants(201).rev()
			c.equal("content", string(c.ask("GET", "/a/f").wants(200).body), "two")
			c.equal("before", string(c.ask("GET", "/a/f?rev="+rev).wants(200).body), "one")
			c.ask("HEAD", "/a/g").wants(404)
			c.ask("DELETE", "/a/f?rev="+second).wants(200)
			c.ask("GET", "/a/f").refuses(404, "not_found")
			c.ask("GET", "/a").wants(200).lacks("_attachments")
		}},
		{"attachment/bad", func(c *checker) {
			c.ask("PUT", "/a", `{"_attachments":{"_f":{"data":"aGVsbG8="}}}`).refuses(400, "bad_request")
			c.ask("PUT", "/a", `{"_attachments":{"f":{"data":"***"}}}`).refuses(400, "bad_request")
			c.ask("PUT", "/a", `{"_attachments":[]}`).refuses(400, "doc_validation")
			c.ask("GET", "/a").wants(404)
		}},
		{"attachment/sandboxed", func(c *checker) {
			rev := c.ask("PUT", "/a/f", "<script>").wants(201).rev()
			c.equal("Content-Security-Policy", c.ask("GET", "/a/f").wants(200).header.Get("Content-Security-Policy"), "sandbox")
			c.ask("GET", "/_local").says(400, "bad_request", "Invalid _local document id.")
			c.askRoot("PUT", "/"+c.name+"x?engine=none").says(400, "bad_request", "invalid_engine_extension")
			c.equal("lines", strings.Count(string(c.ask("GET", "/_all_docs").wants(200).body), "\r\n"), 2)
			c.with([]string{"Destination", "b", "If-Match", "1-" + strings.Repeat("0", 32)}, "COPY", "/"+c.name+"/a").refuses(404, "not_found")
			c.with([]string{"Destination", "b", "If-Match", rev}, "COPY", "/"+c.name+"/a?batch=ok").wants(201).has("id", `"b"`).rev()
			c.ask("DELETE", "/a?batch=ok&rev="+rev).wants(200).rev()
		}},
		{"settings/compressible-types", func(c *checker) {
			stored := func(id, kind string) string {
				c.ask("PUT", "/"+id, `{"_attachments":{"f":{"content_type":`+quoted(kind)+`,"data":"aGVsbG8="}}}`).wants(201)
				c.equal(id, string(c.ask("GET", "/"+id+"/f").wants(200).body), "hello")
				return c.ask("GET", "/"+id+"?att_encoding_info=true").wants(200).get("_attachments.f.encoding").String()
			}
			kinds := map[string]string{
				"text/plain": "gzip", "TEXT/PLAIN; charset=utf-8": "gzip", "text/html": "", "image/svg+xml": "gzip", "image/png": "", "application/json": "",
			}
			func() {
				defer c.set("attachments/compressible_types", "text/plain, image/*+xml")()
				for kind, encoding := range kinds {
					c.equal("encoding of "+kind, stored(url.PathEscape(kind), kind), encoding)
				}
			}()
			c.equal("encoding of HTML as always", stored("a", "text/html"), "gzip")
			defer c.set("attachments/compression_level", "0")()
			c.equal("encoding without compression", stored("b", "text/plain"), "")
		}},
		{"attachment/bulk", func(c *checker) {
			text := `{"docs":[{"_id":"a","_attachments":{"f":{"content_type":"a/b","data":"aGVsbG8="}}},{"_id":"b"}]}`
			c.ask("POST", "/_bulk_docs", text).wants(201).has("0.ok", "true")
			c.ask("POST", "/_bulk_get?attachments=true", `{"docs":[{"id":"a"}]}`).wants(200).has("results.0.docs.0.ok._attachments.f.data", `"aGVsbG8="`)
			c.ask("GET", "/_all_docs?include_docs=true&attachments=true").wants(200).has("rows.0.doc._attachments.f.data", `"aGVsbG8="`)
			c.ask("GET", "/_changes?include_docs=true&attachments=true&doc_ids=[%22a%22]&filter=_doc_ids").wants(200).
				has("results.0.doc._attachments.f.data", `"aGVsbG8="`)
		}},
		{"attachment/conflicts", func(c *checker) {
			branch := func(hash, data string) string {
				return `{"_id":"a","_revisions":{"start":2,"ids":["` + hash + `","` + strings.Repeat("0", 32) + `"]},` +
					`"_attachments":{"f":{"content_type":"a/b","data":"` + data + `","revpos":2}}}`
			}
			x, y := strings.Repeat("a", 32), strings.Repeat("b", 32)
			c.ask("POST", "/_bulk_docs", `{"new_edits":false,"docs":[`+branch(x, "bGVmdA==")+`,`+branch(y, "cmlnaHQ=")+`]}`).wants(201)
			c.equal("one", string(c.ask("GET", "/a/f?rev=2-"+x).wants(200).body), "left")
			c.equal("other", string(c.ask("GET", "/a/f?rev=2-"+y).wants(200).body), "right")
			c.equal("winner", string(c.ask("GET", "/a/f").wants(200).body), "right")
		}},
	}
}
