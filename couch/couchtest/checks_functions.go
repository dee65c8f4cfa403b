package couchtest

import (
	"slices"
	"strconv"
	"strings"

	"github.com/tidwall/gjson"
)

// validation stores a design document with a validation function, and gives its revision.
func (c *checker) validation(name, source string) string {
	return c.put("_design/"+name, `{"validate_doc_update":`+quoted(source)+`}`)
}

// show makes a validation function that refuses with what an expression gives, as JSON.
func show(expression string) string {
	return `function (doc, old, user, security) { throw({forbidden: JSON.stringify(` + expression + `)}); }`
}

// shown is what such a function showed.
func (r *reply) shown() gjson.Result {
	return gjson.Parse(r.refuses(403, "forbidden").get("reason").String())
}

// wantsShown ends the check unless the function showed this JSON.
func (r *reply) wantsShown(want string) {
	if got := r.shown(); !sameJSON(got.Raw, want) {
		r.c.failf("%s: the function was given %s, want %s", r.what, got.Raw, want)
	}
}

func validationChecks() []check {
	return []check{
		{"validate/refuses", func(c *checker) {
			old := c.put("old", `{}`)
			c.validation("v", `function (doc) { if (doc.bad) throw({forbidden: "no bad"}); if (doc.who) throw({unauthorized: "who?"}); }`)
			for method, path := range map[string]string{"PUT": "/a", "POST": ""} {
				c.ask(method, path, `{"bad":1}`).refuses(403, "forbidden").has("reason", `"no bad"`)
				c.ask(method, path, `{"who":1}`).refuses(401, "unauthorized").has("reason", `"who?"`)
			}
			c.ask("GET", "/a").refuses(404, "not_found")
			c.ask("PUT", "/old", `{"bad":1,"_rev":`, quoted(old), `}`).refuses(403, "forbidden")
			c.ask("GET", "/old").wants(200).has("_rev", quoted(old))
			c.put("a", `{"good":1}`)
		}},
		{"validate/delete", func(c *checker) {
			rev := c.put("a", `{"fixed":true}`)
			c.validation("v", `function (doc, old) { if (old && old.fixed && doc._deleted) throw({forbidden: "fixed"}); }`)
			c.ask("DELETE", "/a?rev="+rev).refuses(403, "forbidden")
			c.ask("PUT", "/a", `{"_deleted":true,"_rev":`, quoted(rev), `}`).refuses(403, "forbidden")
			rev = c.put("a", `{"_rev":`+quoted(rev)+`}`)
			c.ask("DELETE", "/a?rev="+rev).wants(200)
		}},
		{"validate/bulk", func(c *checker) {
			c.validation("v", `function (doc) { if (doc.bad) throw({forbidden: "no bad"}); if (doc.who) throw({unauthorized: "who?"}); }`)
			r := c.ask("POST", "/_bulk_docs", `{"docs":[{"_id":"a"},{"_id":"b","bad":1},{"_id":"c","who":1},{"_id":"d","_deleted":true,"bad":1}]}`).wants(201)
			r.lists("#.id", "a b c d").has("0.ok", "true").has("1.error", `"forbidden"`).has("1.reason", `"no bad"`).lacks("1.rev")
			r.has("2.error", `"unauthorized"`).has("3.error", `"forbidden"`)
			c.ask("GET", "/_all_docs?startkey=%22a%22").wants(200).lists("rows.#.id", "a")
		}},
		{"validate/new-edits-false", func(c *checker) {
			c.edits(`{"_id":"a","_rev":"1-aaa","n":1}`, `{"_id":"a","_rev":"2-bbb","n":2,"_revisions":{"start":2,"ids":["bbb","aaa"]}}`)
			c.validation("v", `function (doc, old) { if (doc.bad) throw({forbidden: "no bad"});
				if (doc.show) throw({forbidden: old ? old._rev : "none"}); }`)
			r := c.ask("POST", "/_bulk_docs", `{"new_edits":false,"docs":[{"_id":"n","_rev":"1-abc","bad":1},{"_id":"n2","_rev":"1-abc"},`,
				`{"_id":"a","_rev":"4-ddd","show":1,"_revisions":{"start":4,"ids":["ddd","ccc","bbb","aaa"]}},`,
				`{"_id":"a","_rev":"7-fff","show":1}]}`).wants(201)
			r.lists("#.id", "n a a").lists("#.rev", "1-abc 4-ddd 7-fff").lists("#.error", "forbidden forbidden forbidden")
			r.lists("#.reason", "no bad 2-bbb none")
			c.ask("GET", "/n2").wants(200)
			c.ask("GET", "/a").wants(200).has("_rev", `"2-bbb"`)
		}},
		{"validate/document", func(c *checker) {
			c.validation("v", `function (doc) { if (doc.show) throw({forbidden: JSON.stringify(doc)}); }`)
			c.ask("PUT", "/a", `{"show":1,"t":"é\u0000","n":[1.5,null,true]}`).wantsShown(
				`{"_id":"a","show":1,"t":"é\u0000","n":[1.5,null,true],"_revisions":{"start":0,"ids":[]}}`)
			rev := c.put("a", `{}`)
			_, hash, _ := strings.Cut(rev, "-")
			c.ask("PUT", "/a", `{"show":1,"_deleted":true,"_rev":`, quoted(rev), `}`).wantsShown(
				`{"_id":"a","_rev":` + quoted(rev) + `,"show":1,"_deleted":true,"_revisions":{"start":1,"ids":[` + quoted(hash) + `]}}`)
		}},
		{"validate/old-document", func(c *checker) {
			rev := c.put("a", `{"n":1}`)
			_, hash, _ := strings.Cut(rev, "-")
			gone := c.put("gone", `{}`)
			c.ask("DELETE", "/gone?rev="+gone).wants(200)
			c.validation("v", show("old"))
			c.ask("PUT", "/new", `{}`).wantsShown(`null`)
			c.ask("PUT", "/gone", `{}`).wantsShown(`null`)
			c.ask("PUT", "/a", `{"n":2,"_rev":`, quoted(rev), `}`).wantsShown(
				`{"_id":"a","_rev":` + quoted(rev) + `,"n":1,"_revisions":{"start":1,"ids":[` + quoted(hash) + `]}}`)
		}},
		{"validate/user-and-security", func(c *checker) {
			c.ask("PUT", "/_security", `{"admins":{"names":["x"],"roles":[]},"members":{"names":[],"roles":[]},"mine":{"a":1}}`).wants(200)
			c.validation("v", show("[user, security]"))
			got := c.ask("PUT", "/a", `{}`).shown()
			c.equal("database", got.Get("0.db").String(), c.name)
			c.equal("name", got.Get("0.name").String(), c.server.User)
			c.equal("role", got.Get("0.roles.0").String(), "_admin")
			c.equal("security", got.Get("1.mine.a").Int(), int64(1))
			got = gjson.Parse(c.askAs("", "", "PUT", "/"+c.name+"/a", `{}`).refuses(403, "forbidden").get("reason").String())
			c.equal("name of nobody", got.Get("0.name").Raw, "null")
			c.equal("roles of nobody", got.Get("0.roles").Raw, "[]")
		}},
		{"validate/all-must-agree", func(c *checker) {
			c.validation("v1", `function (doc) { if (doc.n < 1) throw({forbidden: "small"}); }`)
			c.validation("v2", `function (doc) { if (doc.n > 1) throw({forbidden: "large"}); }`)
			c.ask("PUT", "/a", `{"n":0}`).refuses(403, "forbidden").has("reason", `"small"`)
			c.ask("PUT", "/a", `{"n":2}`).refuses(403, "forbidden").has("reason", `"large"`)
			c.put("a", `{"n":1}`)
		}},
		{"validate/not-local-nor-design", func(c *checker) {
			rev := c.validation("v", `function () { throw({forbidden: "nothing"}); }`)
			c.ask("PUT", "/_local/l", `{}`).wants(201)
			c.put("_design/w", `{}`)
			c.ask("PUT", "/a", `{}`).refuses(403, "forbidden")
			c.ask("DELETE", "/_design/v?rev="+rev).wants(200)
			c.put("a", `{}`)
		}},
		{"validate/changed-function", func(c *checker) {
			rev := c.validation("v", `function () { throw({forbidden: "first"}); }`)
			c.ask("PUT", "/a", `{}`).refuses(403, "forbidden").has("reason", `"first"`)
			c.put("_design/v", `{"_rev":`+quoted(rev)+`,"validate_doc_update":"function () { throw({forbidden: 'second'}); }"}`)
			c.ask("PUT", "/a", `{}`).refuses(403, "forbidden").has("reason", `"second"`)
		}},
		{"validate/conflicts-come-first", func(c *checker) {
			c.put("a", `{}`)
			c.validation("v", `function () { throw({forbidden: "no"}); }`)
			c.ask("PUT", "/a", `{}`).refuses(409, "conflict")
			c.ask("PUT", "/a", `{"_rev":"1-00000000000000000000000000000000"}`).refuses(409, "conflict")
		}},
		{"validate/errors", func(c *checker) {
			c.validation("v", `function (doc) { if (doc.crash) nowhere(); if (doc.text) throw("plain"); if (doc.other) throw({other: "x"}); }`)
			c.ask("PUT", "/a", `{"crash":1}`).refuses(500, "ReferenceError")
			c.ask("PUT", "/a", `{"text":1}`).refuses(500, "unknown_error").has("reason", `"plain"`)
			c.ask("PUT", "/a", `{"other":1}`).refuses(500, "unknown_error").has("reason", `"x"`)
			r := c.ask("POST", "/_bulk_docs", `{"docs":[{"_id":"a","crash":1},{"_id":"b"}]}`).wants(201)
			r.has("0.error", `"ReferenceError"`).has("1.ok", "true")
		}},
		{"validate/does-not-compile", func(c *checker) {
			c.validation("v", `function (doc) { return - }`)
			c.ask("PUT", "/a", `{}`).refuses(500, "compilation_error")
		}},
		{"validate/design-document", func(c *checker) {
			for body, reason := range map[string]string{
				`{"validate_doc_update":7}`:             "`validate_doc_update` field must have string type",
				`{"language":[]}`:                       "`language` field must have string type",
				`{"filters":"x"}`:                       "`filters` field must have object type",
				`{"filters":{"f":7}}`:                   "`filters.f` field must have object or string type",
				`{"rewrites":{}}`:                       "`rewrites` field must have string or array type",
				`{"views":{"v":"function () {}"}}`:      "`views.v` field must have object type",
				`{"views":{"v":{"map":{}}}}`:            "`views.v.map` field must have string type",
				`{"views":{"v":{"reduce":"_count"}}}`:   "View `v` must contain map function",
				`{"views":{"v":{"map":"","reduce":1}}}`: "`views.v.reduce` field must have string type",
			} {
				c.ask("PUT", "/_design/d", body).refuses(400, "invalid_design_doc").has("reason", quoted(reason))
			}
			r := c.ask("POST", "/_bulk_docs", `{"docs":[{"_id":"_design/d","filters":7},{"_id":"a"}]}`).wants(201)
			r.has("0.error", `"invalid_design_doc"`).has("1.ok", "true")
			c.put("_design/d", `{"filters":{},"views":{"lib":{"a":"x"},"v":{"map":"function () {}","reduce":"_sum"}},"rewrites":[],"mine":7}`)
		}},
		{"validate/require", func(c *checker) {
			c.put("_design/v", `{"lib":{"rules":{"a":"exports.ok = function (doc) { return require('../names').list.indexOf(doc.name) >= 0 }"},`+
				`"names":"exports.list = ['x', 'y'];"},`+
				`"validate_doc_update":"function (doc) { if (!require('lib/rules/a').ok(doc)) throw({forbidden: 'name'}); }"}`)
			c.put("a", `{"name":"x"}`)
			c.ask("PUT", "/b", `{"name":"z"}`).refuses(403, "forbidden")
		}},
	}
}

// filters stores the design document d with filters; each is a name and a source.
func (c *checker) filters(sources ...string) {
	var list []string
	for pair := range slices.Chunk(sources, 2) {
		list = append(list, quoted(pair[0])+":"+quoted(pair[1]))
	}
	c.put("_design/d", `{"filters":{`+strings.Join(list, ",")+`}}`)
}

func filterChecks() []check {
	const byType = `function (doc, req) { return doc.type == req.query.type; }`
	return []check{
		{"filter/query", func(c *checker) {
			c.filters("type", byType)
			c.put("a", `{"type":"x"}`)
			c.put("b", `{"type":"y"}`)
			c.put("c", `{"type":"x"}`)
			c.ask("GET", "/_changes?filter=d/type&type=x").wants(200).lists("results.#.id", "a c")
			c.ask("GET", "/_changes?filter=d/type&type=x&descending=true").wants(200).lists("results.#.id", "c a")
			c.ask("GET", "/_changes?filter=d/type&type=x&limit=1").wants(200).lists("results.#.id", "a")
			c.ask("GET", "/_changes?filter=d/type&type=z").wants(200).lists("results.#.id", "")
			c.ask("POST", "/_changes?filter=d/type&type=y", `{}`).wants(200).lists("results.#.id", "b")
		}},
		{"filter/many", func(c *checker) {
			c.filters("third", `function (doc) { return doc.n % 3 == 0; }`)
			var docs strings.Builder
			for i := range 600 {
				docs.WriteString(`,{"n":` + strconv.Itoa(i) + `}`)
			}
			c.ask("POST", "/_bulk_docs", `{"docs":[`, docs.String()[1:], `]}`).wants(201)
			c.equal("rows", len(c.ask("GET", "/_changes?filter=d/third").wants(200).get("results").Array()), 200)
		}},
		{"filter/longpoll", func(c *checker) {
			c.filters("type", byType)
			last := seqOf(c.ask("GET", "/_changes").wants(200).get("last_seq"))
			defer c.meanwhile(func() {
				c.ask("POST", "", `{"type":"y"}`).wants(201)
				c.ask("POST", "", `{"type":"x","n":1}`).wants(201)
			})()
			r := c.ask("GET", "/_changes?feed=longpoll&filter=d/type&type=x&include_docs=true&since="+last).wants(200)
			r.has("results.0.doc.n", "1")
		}},
		{"filter/continuous", func(c *checker) {
			c.filters("type", byType)
			f := c.feed("GET", "/_changes?feed=continuous&heartbeat=1000&filter=d/type&type=x")
			defer f.close()
			c.put("a", `{"type":"x"}`)
			c.put("b", `{"type":"y"}`)
			c.put("c", `{"type":"x"}`)
			f.wants("a", "c")
		}},
		{"filter/deleted", func(c *checker) {
			c.filters("gone", `function (doc) { return doc._deleted === true; }`)
			rev := c.put("a", `{}`)
			c.put("b", `{}`)
			c.ask("DELETE", "/a?rev="+rev).wants(200)
			c.ask("GET", "/_changes?filter=d/gone").wants(200).lists("results.#.id", "a")
		}},
		{"filter/all-leaves", func(c *checker) {
			c.filters("odd", `function (doc) { return doc.n % 2 == 1; }`)
			c.edits(`{"_id":"a","_rev":"1-aaa","n":1}`, `{"_id":"a","_rev":"1-bbb","n":2}`, `{"_id":"a","_rev":"1-ccc","n":3}`,
				`{"_id":"b","_rev":"1-aaa","n":1}`, `{"_id":"b","_rev":"1-bbb","n":2}`)
			r := c.ask("GET", "/_changes?filter=d/odd&style=all_docs").wants(200)
			r.lists("results.#.id", "a b").lists("results.0.changes.#.rev", "1-ccc 1-aaa").lists("results.1.changes.#.rev", "1-aaa")
			c.ask("GET", "/_changes?filter=d/odd").wants(200).lists("results.#.id", "a")
		}},
		{"filter/request", func(c *checker) {
			c.filters("req", `function (doc, req) {
				var parts = [req.method, req.path.join("/"), req.query.a, req.userCtx.name, req.userCtx.db, typeof req.headers, typeof req.info, req.peer.length > 0, req.id, typeof req.cookie,
					typeof req.secObj, req.raw_path.indexOf("filter=d/req") > 0, req.headers["X-Mine"] || "none"];
				return doc.want == JSON.stringify(parts);
			}`)
			want := `["GET",` + quoted(c.name+"/_changes") + `,"b c",` + quoted(c.server.User) + `,` + quoted(c.name) +
				`,"object","object",true,null,"object","object",true,"none"]`
			c.put("a", `{"want":`+quoted(want)+`}`)
			c.ask("GET", "/_changes?filter=d/req&a=b%20c").wants(200).lists("results.#.id", "a")
		}},
		{"filter/body", func(c *checker) {
			c.filters("body", `function (doc, req) { return JSON.parse(req.body).ids.indexOf(doc._id) >= 0; }`)
			c.put("a", `{}`)
			c.put("b", `{}`)
			c.ask("POST", "/_changes?filter=d/body", `{"ids":["b"]}`).wants(200).lists("results.#.id", "b")
		}},
		{"filter/missing", func(c *checker) {
			c.filters("f", byType)
			c.put("_design/bare", `{}`)
			c.ask("GET", "/_changes?filter=none/f").refuses(404, "not_found").has("reason", `"missing"`)
			c.ask("GET", "/_changes?filter=d/none").refuses(404, "not_found").has("reason", `"missing json key: none"`)
			c.ask("GET", "/_changes?filter=bare/f").refuses(404, "not_found").has("reason", `"missing json key: filters"`)
			for _, bad := range []string{"d", "a/b/c", "_unknown"} {
				c.ask("GET", "/_changes?filter="+bad).refuses(400, "bad_request")
			}
			c.ask("GET", "/_changes?feed=continuous&filter=none/f").refuses(404, "not_found")
		}},
		{"filter/errors", func(c *checker) {
			c.filters("crash", `function () { nowhere(); }`, "broken", `function () { return - }`)
			c.put("a", `{}`)
			c.ask("GET", "/_changes?filter=d/crash").refuses(500, "ReferenceError")
			c.ask("GET", "/_changes?filter=d/broken").refuses(500, "compilation_error")
			c.ask("GET", "/_changes").wants(200).lists("results.#.id", "_design/d a")
		}},
		{"filter/view", func(c *checker) {
			c.put("_design/d", `{"views":{"v":{"map":"function (doc) { if (doc.n) emit(doc.n, null); }"}}}`)
			c.put("a", `{"n":1}`)
			c.put("b", `{}`)
			c.ask("GET", "/_changes?filter=_view&view=d/v").wants(200).lists("results.#.id", "a")
			c.ask("GET", "/_changes?filter=_view&view=d/none").refuses(404, "not_found")
			c.ask("GET", "/_changes?filter=_view").refuses(400, "bad_request")
		}},
	}
}
