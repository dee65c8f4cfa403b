package couchtest

import (
	"fmt"
	"slices"
	"strings"
)

// people fills the database with a few documents to search.
func people(c *checker) {
	c.ask("POST", "/_bulk_docs", `{"docs":[
		{"_id":"1","name":"ada","age":36,"worker":"w1","status":"waiting","tags":["x","y"],"at":{"city":"London"}},
		{"_id":"2","name":"bob","age":25,"worker":"w1","status":"done","tags":["y"]},
		{"_id":"3","name":"cyd","age":41,"worker":"w2","status":"scheduled","at":{"city":"Paris"}},
		{"_id":"4","name":"dan","age":25,"worker":"w2","status":"done"},
		{"_id":"5","name":"eve","worker":null,"status":"error"}]}`).wants(201)
}

func (c *checker) find(query string) *reply { return c.ask("POST", "/_find", query).wants(200) }

// finds ends the check unless each selector finds the documents of these ids.
func (c *checker) finds(want map[string]string) {
	var wrong []string
	for selector, ids := range want {
		found := strings.Fields(c.find(`{"selector":` + selector + `}`).list("docs.#._id"))
		slices.Sort(found)
		if got := strings.Join(found, " "); got != ids {
			wrong = append(wrong, fmt.Sprintf("%s finds [%s], want [%s]", selector, got, ids))
		}
	}
	if len(wrong) > 0 {
		c.failf("_find: %s", strings.Join(wrong, "; "))
	}
}

func queryChecks() []check {
	return append([]check{
		{"find/operators", func(c *checker) {
			people(c)
			c.finds(map[string]string{
				`{"name":"bob"}`:                                           "2",
				`{"age":{"$gt":30}}`:                                       "1 3",
				`{"age":{"$gte":25,"$lt":41}}`:                             "1 2 4",
				`{"age":{"$in":[41,36]}}`:                                  "1 3",
				`{"age":{"$exists":false}}`:                                "5",
				`{"worker":{"$type":"null"}}`:                              "5",
				`{"at.city":"Paris"}`:                                      "3",
				`{"tags":{"$all":["y"]}}`:                                  "1 2",
				`{"tags":{"$size":2}}`:                                     "1",
				`{"tags":{"$elemMatch":{"$eq":"x"}}}`:                      "1",
				`{"name":{"$regex":"^[ab]"}}`:                              "1 2",
				`{"age":{"$mod":[2,1]}}`:                                   "2 3 4",
				`{"$or":[{"name":"ada"},{"age":41}]}`:                      "1 3",
				`{"$and":[{"worker":"w1"},{"status":{"$ne":"done"}}]}`:     "1",
				`{"$nor":[{"worker":"w1"},{"worker":"w2"}]}`:               "5",
				`{"$not":{"status":"done"}}`:                               "1 3 5",
				`{"worker":"w2","status":{"$in":["waiting","scheduled"]}}`: "3",
				`{"_id":{"$gt":"3"}}`:                                      "4 5",
				`{"_id":{"$gte":"2","$lt":"4"},"status":{"$exists":true}}`: "2 3",
			})
		}},
		{"find/nested-object", func(c *checker) {
			people(c)
			c.finds(map[string]string{`{"at":{"city":"London"}}`: "1"})
		}},
		{"find/absent-fields", func(c *checker) {
			people(c)
			c.finds(map[string]string{`{"age":{"$ne":25}}`: "1 3", `{"age":{"$nin":[41,36]}}`: "2 4"})
		}},
		{"find/fields", func(c *checker) {
			people(c)
			c.find(`{"selector":{"_id":"1"},"fields":["name","at.city"]}`).has("docs", `[{"name":"ada","at":{"city":"London"}}]`)
		}},
		{"find/limit-and-skip", func(c *checker) {
			people(c)
			c.find(`{"selector":{"_id":{"$gt":null}},"limit":2}`).lists("docs.#._id", "1 2")
			c.find(`{"selector":{"_id":{"$gt":null}},"limit":2,"skip":3}`).lists("docs.#._id", "4 5")
			c.find(`{"selector":{"_id":{"$gt":null}},"limit":0}`).lists("docs.#._id", "")
		}},
		{"find/bookmark", func(c *checker) {
			people(c)
			r := c.find(`{"selector":{"_id":{"$gt":null}},"limit":2}`).lists("docs.#._id", "1 2")
			r = c.find(`{"selector":{"_id":{"$gt":null}},"limit":2,"bookmark":` + quoted(r.get("bookmark").String()) + `}`)
			r.lists("docs.#._id", "3 4")
			r = c.find(`{"selector":{"_id":{"$gt":null}},"limit":2,"bookmark":` + quoted(r.get("bookmark").String()) + `}`)
			r.lists("docs.#._id", "5")
		}},
		{"find/bad-requests", func(c *checker) {
			for _, bad := range []string{`{}`, `{"selector":7}`, `{"selector":{"a":{"$nosuch":1}}}`, `{"selector":{},"limit":-1}`, `{`} {
				c.ask("POST", "/_find", bad).wants(400)
			}
		}},
		{"find/without-index-warns", func(c *checker) {
			people(c)
			if r := c.find(`{"selector":{"name":"ada"}}`); r.get("warning").String() == "" {
				c.failf("_find without an index: no warning: %s", r.body)
			}
		}},
		{"index/define", func(c *checker) {
			const index = `{"index":{"fields":["worker","status"]},"ddoc":"by","name":"worker","type":"json"}`
			c.ask("POST", "/_index", index).wants(200).has("result", `"created"`).has("id", `"_design/by"`).has("name", `"worker"`)
			c.ask("POST", "/_index", index).wants(200).has("result", `"exists"`)
			r := c.ask("GET", "/_index").wants(200).lists("indexes.#.name", "_all_docs worker")
			r.has("indexes.1.def.fields", `[{"worker":"asc"},{"status":"asc"}]`)
		}},
		{"index/delete", func(c *checker) {
			c.index("by", "worker", `["worker"]`, "")
			c.ask("DELETE", "/_index/by/json/worker").wants(200).has("ok", "true")
			c.ask("GET", "/_index").wants(200).lists("indexes.#.name", "_all_docs")
			c.ask("DELETE", "/_index/by/json/worker").refuses(404, "not_found")
		}},
		{"index/finds", func(c *checker) {
			people(c)
			c.index("by", "worker", `["worker","status"]`, "")
			r := c.find(`{"selector":{"worker":"w1","status":{"$gt":null}},"use_index":["by","worker"]}`)
			r.lists("docs.#._id", "2 1").lacks("warning")
			c.put("6", `{"worker":"w1","status":"zzz"}`)
			c.find(`{"selector":{"worker":"w1","status":{"$gt":null}},"use_index":["by","worker"]}`).lists("docs.#._id", "2 1 6")
			rev := c.ask("GET", "/2").wants(200).get("_rev").String()
			c.ask("DELETE", "/2?rev="+rev).wants(200)
			c.find(`{"selector":{"worker":"w1","status":{"$gt":null}},"use_index":["by","worker"]}`).lists("docs.#._id", "1 6")
		}},
		{"index/sort", func(c *checker) {
			people(c)
			c.index("by", "age", `["age"]`, "")
			c.find(`{"selector":{"age":{"$gt":0}},"sort":["age"],"fields":["age"]}`).lists("docs.#.age", "25 25 36 41")
			c.find(`{"selector":{"age":{"$gt":0}},"sort":[{"age":"desc"}],"fields":["age"]}`).lists("docs.#.age", "41 36 25 25")
		}},
		{"index/sort-without", func(c *checker) {
			people(c)
			c.ask("POST", "/_find", `{"selector":{"age":{"$gt":0}},"sort":["age"]}`).wants(400)
		}},
	}, partialChecks()...)
}

// index defines an index; partial is a selector, or empty.
func (c *checker) index(ddoc, name, fields, partial string) {
	filter := ""
	if partial != "" {
		filter = `,"partial_filter_selector":` + partial
	}
	c.ask("POST", "/_index", `{"index":{"fields":`, fields, filter, `},"ddoc":`, quoted(ddoc), `,"name":`, quoted(name), `,"type":"json"}`).wants(200)
}

func partialChecks() []check {
	const live = `{"status":{"$in":["waiting","scheduled"]}}`
	return []check{
		{"index/explain", func(c *checker) {
			c.index("by", "worker", `["worker"]`, "")
			r := c.ask("POST", "/_explain", `{"selector":{"worker":"w1"}}`).wants(200).has("index.name", `"worker"`)
			r.has("index.ddoc", `"_design/by"`)
			c.ask("POST", "/_explain", `{"selector":{"name":"x"}}`).wants(200).has("index.name", `"_all_docs"`)
		}},
		{"index/use-index-missing", func(c *checker) {
			people(c)
			r := c.ask("POST", "/_find", `{"selector":{"name":"ada"},"use_index":["no","such"]}`)
			if r.status != 200 && r.status != 400 {
				c.failf("%s: got status %d", r.what, r.status)
			}
			if r.status == 200 && r.get("warning").String() == "" {
				c.failf("%s: no warning: %s", r.what, r.body)
			}
		}},
		{"index/partial-finds", func(c *checker) {
			people(c)
			c.index("live", "worker", `["worker"]`, live)
			c.find(`{"selector":{"worker":{"$gt":null}},"use_index":["live","worker"]}`).lists("docs.#._id", "1 3")
		}},
		{"index/partial-follows-writes", func(c *checker) {
			people(c)
			c.index("live", "worker", `["worker"]`, live)
			const query = `{"selector":{"worker":{"$gt":null}},"use_index":["live","worker"],"limit":200}`
			c.find(query).lists("docs.#._id", "1 3")
			rev := c.ask("GET", "/1").wants(200).get("_rev").String()
			c.put("1", `{"worker":"w1","status":"done","_rev":`+quoted(rev)+`}`)
			c.put("6", `{"worker":"w0","status":"waiting"}`)
			c.find(query).lists("docs.#._id", "6 3")
			c.find(query).lacks("warning")
		}},
		{"index/partial-pages", func(c *checker) {
			var docs strings.Builder
			for i := range 90 {
				fmt.Fprintf(&docs, `,{"_id":"doc%02d","worker":"w","status":"%s"}`, i, []string{"done", "waiting", "done"}[i%3])
			}
			c.ask("POST", "/_bulk_docs", `{"docs":[`, docs.String()[1:], `]}`).wants(201)
			c.index("live", "worker", `["worker"]`, live)
			seen, bookmark := 0, ""
			for {
				query := `{"selector":{"worker":"w"},"use_index":["live","worker"],"limit":7`
				if bookmark != "" {
					query += `,"bookmark":` + quoted(bookmark)
				}
				r := c.find(query + `}`)
				n := len(r.get("docs").Array())
				if n == 0 {
					break
				}
				if seen += n; seen > 90 {
					c.failf("%s: pages come again and again", r.what)
				}
				bookmark = r.get("bookmark").String()
			}
			c.equal("documents on all pages", seen, 30)
		}},
	}
}
