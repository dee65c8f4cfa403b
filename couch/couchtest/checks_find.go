package couchtest

import (
	"fmt"
	"slices"
	"strings"
)

// things fills the database with documents of many shapes.
func things(c *checker) {
	c.ask("POST", "/_bulk_docs", `{"docs":[
		{"_id":"1","n":1,"s":"Anna","l":[1,"x",{"k":1}],"o":{"a.b":"dot","a":{"b":"path"}}},
		{"_id":"2","n":2.5,"s":"anna-lena","l":[1.0,2],"o":{"x":1,"y":2}},
		{"_id":"3","n":-7,"s":"Ännchen","l":[]},
		{"_id":"4","n":12,"s":"bob bob","l":[[1,2]],"o":null},
		{"_id":"5","n":"12","s":"cost $42\n","l":"x"},
		{"_id":"6","s":null,"l":[null,true,"y"],"o":[{"v":5},{"v":7}]}]}`).wants(201)
}

func findChecks() []check {
	return slices.Concat(operatorChecks(), patternChecks(), planChecks(), coverChecks())
}

func operatorChecks() []check {
	return []check{
		{"find/several-operators", func(c *checker) {
			things(c)
			c.finds(map[string]string{
				`{"n":{"$gt":-8,"$lt":13,"$ne":12,"$type":"number"}}`:         "1 2 3",
				`{"n":{"$gte":1,"$mod":[4,0]}}`:                               "4",
				`{"n":{"$mod":[-4,-3]}}`:                                      "3",
				`{"n":{"$in":[12,"12"],"$nin":["12"]}}`:                       "4",
				`{"n":{"$not":{"$in":[1,2.5]}}}`:                              "3 4 5",
				`{"n":{"$not":{"$not":{"$gt":2}}}}`:                           "2 4 5",
				`{"s":{"$exists":true,"$ne":null,"$regex":"o"}}`:              "4 5",
				`{"l":{"$size":2,"$all":[2]}}`:                                "2",
				`{"l":{"$elemMatch":{"$gt":0,"$lt":2}}}`:                      "1 2",
				`{"l":{"$elemMatch":{"$in":["x","y"]}}}`:                      "1 6",
				`{"l":{"$elemMatch":{"k":1}}}`:                                "1",
				`{"l":{"$elemMatch":{"0":1}}}`:                                "4",
				`{"l":{"$not":{"$elemMatch":{"$type":"number"}}}}`:            "3 4 5 6",
				`{"o":{"$allMatch":{"v":{"$gte":5}}}}`:                        "6",
				`{"o":{"$allMatch":{"v":{"$gt":5}}}}`:                         "",
				`{"o":{"$elemMatch":{"$or":[{"v":7},{"v":8}]}}}`:              "6",
				`{"o":{"$keyMapMatch":{"$in":["x","z"]}}}`:                    "2",
				`{"o":{"$keyMapMatch":{"$gt":"x"}}}`:                          "2",
				`{"$and":[{"n":{"$gt":0}},{"$or":[{"s":"Anna"},{"l":"x"}]}]}`: "1 5",
				`{"$nor":[{"n":{"$type":"number"}},{"l":{"$size":3}}]}`:       "5",
				`{"$not":{"$or":[{"n":{"$lt":2}},{"s":{"$exists":false}}]}}`:  "2 4 5",
				`{"l":{"$in":["x"]}}`:                                         "1 5",
				`{"l":{"$nin":["x",1]}}`:                                      "3 4 6",
				`{"l":{"$all":[[1,2]]}}`:                                      "2 4",
				`{"l":{"$all":[1,2]}}`:                                        "",
				`{"n":{"$eq":1.0}}`:                                           "1",
				`{"n":{"$or":[{"$lt":0},{"$gt":11}],"$type":"number"}}`:       "3 4",
				`{"l.2.k":1}`:                                                       "1",
				`{"l.0":{"$exists":true}}`:                                          "1 2 4 6",
				`{"o.0.v":5}`:                                                       "6",
				`{"o.a\\.b":"dot"}`:                                                 "1",
				`{"o.a.b":"path"}`:                                                  "1",
				`{"o":{"a":{"b":{"$beginsWith":"pa"}}}}`:                            "1",
				`{"s":{"$beginsWith":"Ä"}}`:                                         "3",
				`{"s":{"$beginsWith":"A","$gt":"anna"}}`:                            "1",
				`{"o.x":{"$exists":false},"n":{"$exists":true}}`:                    "1 3 5",
				`{"_id":{"$beginsWith":"1"}}`:                                       "1",
				`{"_id":{"$regex":"[12]"},"_rev":{"$beginsWith":"1-"}}`:             "1 2",
				`{"_id":{"$gt":"2"},"$and":[{"_id":{"$lte":"4"}},{"n":{"$gt":0}}]}`: "4",
			})
		}},
		{"find/all-is-exact", func(c *checker) {
			things(c)
			c.finds(map[string]string{`{"l":{"$all":[1]}}`: "1", `{"l":{"$all":[1.0]}}`: "2", `{"l":{"$all":[null,true]}}`: "6"})
		}},
		{"find/bad-arguments", func(c *checker) {
			for _, bad := range []struct{ selector, name, reason string }{
				{`{"n":{"$in":{}}}`, "bad_arg", "Bad argument for operator $in: {[]}"},
				{`{"n":{"$nin":"x"}}`, "bad_arg", "Bad argument for operator $nin: <<120>>"},
				{`{"n":{"$all":{"a":1}}}`, "bad_arg", "Bad argument for operator $all: {[{<<97>>,1}]}"},
				{`{"n":{"$exists":null}}`, "bad_arg", "Bad argument for operator $exists: null"},
				{`{"n":{"$type":["string"]}}`, "bad_arg", "Bad argument for operator $type: [<<115,116,114,105,110,103>>]"},
				{`{"n":{"$mod":[2,1,0]}}`, "bad_arg", "Bad argument for operator $mod: [2,1,0]"},
				{`{"n":{"$mod":[2.5,1]}}`, "bad_arg", "Bad argument for operator $mod: [2.5,1]"},
				{`{"n":{"$size":1.5}}`, "bad_arg", "Bad argument for operator $size: 1.5"},
				{`{"n":{"$size":null}}`, "bad_arg", "Bad argument for operator $size: null"},
				{`{"n":{"$elemMatch":true}}`, "bad_arg", "Bad argument for operator $elemMatch: true"},
				{`{"n":{"$allMatch":[]}}`, "bad_arg", "Bad argument for operator $allMatch: []"},
				{`{"n":{"$keyMapMatch":"x"}}`, "bad_arg", "Bad argument for operator $keyMapMatch: <<120>>"},
				{`{"n":{"$beginsWith":null}}`, "invalid_operator", "Invalid operator: $beginsWith"},
				{`{"n":{"$regex":{}}}`, "invalid_operator", "Invalid operator: $regex"},
				{`{"n":{"$regex":"(?<=a"}}`, "bad_arg", "Bad argument for operator $regex: <<40,63,60,61,97>>"},
				{`{"n":{"$not":[1]}}`, "bad_arg", "Bad argument for operator $not: [1]"},
				{`{"$and":{"n":1}}`, "bad_arg", "Bad argument for operator $and: {[{<<110>>,1}]}"},
				{`{"$or":"x"}`, "bad_arg", "Bad argument for operator $or: <<120>>"},
				{`{"$where":"x"}`, "not_supported", "Unsupported operator: $where"},
				{`{"n":{"$near":[1,2]}}`, "not_supported", "Unsupported operator: $near"},
				{`{"n":{"$Eq":1}}`, "invalid_operator", "Invalid operator: $Eq"},
				{`{"$and":[{"n":{"$in":1}}]}`, "bad_arg", "Bad argument for operator $in: 1"},
				{`{"n":{"$elemMatch":{"$bad":1}}}`, "invalid_operator", "Invalid operator: $bad"},
				{`{"$eq":1}`, "invalid_selector", "One or more conditions is missing a field name."},
				{`{"n":{"$text":"x"}}`, "bad_field", "Invalid field normalization on selector: {[{<<36,100,101,102,97,117,108,116>>,{[{<<36,116,101,120,116>>,<<120>>}]}}]}"},
				{`{"$not":{"$text":"x"}}`, "bad_arg", "Bad argument for operator $not: {[{<<36,100,101,102,97,117,108,116>>,{[{<<36,116,101,120,116>>,<<120>>}]}}]}"},
				{`{"$text":null}`, "bad_arg", "Bad argument for operator $text: null"},
			} {
				r := c.ask("POST", "/_find", `{"selector":`, bad.selector, `}`).refuses(400, bad.name)
				c.equal(bad.selector, r.get("reason").String(), bad.reason)
			}
		}},
	}
}

func patternChecks() []check {
	return []check{
		{"find/patterns", func(c *checker) {
			things(c)
			c.finds(map[string]string{
				`{"s":{"$regex":"^a(?=nna)"}}`:          "2",
				`{"s":{"$regex":"^(?!bob)\\w+$"}}`:      "1",
				`{"s":{"$regex":"(?<=\\$)\\d+$"}}`:      "5",
				`{"s":{"$regex":"^(\\w+) \\1$"}}`:       "4",
				`{"s":{"$regex":"^(?<w>bob) \\k<w>$"}}`: "4",
				`{"s":{"$regex":"n++a"}}`:               "1 2",
				`{"s":{"$regex":"n++na"}}`:              "",
				`{"s":{"$regex":"(?i)^ANNA"}}`:          "1 2",
				`{"s":{"$regex":"(?x) ^ b o b"}}`:       "4",
				`{"s":{"$regex":"^..nnchen"}}`:          "3",
				`{"s":{"$regex":"\\A(?>b|bo)b"}}`:       "",
				`{"s":{"$regex":"[[:upper:]]nna"}}`:     "1",
				`{"s":{"$regex":"\\Q$42\\E"}}`:          "5",
			})
		}},
	}
}

// stats are the counts of an answer: keys and documents examined, those of a quorum, and the results.
func (r *reply) stats() string {
	s := r.get("execution_stats")
	return fmt.Sprintf("%d %d %d %d", s.Get("total_keys_examined").Int(), s.Get("total_docs_examined").Int(),
		s.Get("total_quorum_docs_examined").Int(), s.Get("results_returned").Int())
}

func (c *checker) explains(query, index string) *reply {
	r := c.ask("POST", "/_explain", query).wants(200)
	if got := r.get("index.name").String(); got != index {
		c.failf("%s is planned with %s, want %s: %s", query, got, index, shorten(string(r.body), 300))
	}
	return r
}

func planChecks() []check {
	return []check{
		{"find/index-choice", func(c *checker) {
			for _, one := range []struct{ ddoc, name, fields string }{
				{"z", "n", `["n"]`}, {"b", "ns", `["n","s"]`}, {"a", "nsl", `["n","s","l"]`}, {"a", "ns", `["n","s"]`}, {"c", "sn", `["s","n"]`},
			} {
				c.index(one.ddoc, one.name, one.fields, "")
			}
			for query, want := range map[string]string{
				`{"selector":{"n":1}}`:                                               "n",
				`{"selector":{"n":1,"s":{"$gt":null}}}`:                              "ns",
				`{"selector":{"n":1,"s":{"$exists":true}}}`:                          "n",
				`{"selector":{"n":{"$gt":1},"s":{"$beginsWith":"x"},"l":1}}`:         "nsl",
				`{"selector":{"s":{"$in":["x"]},"n":{"$in":[1]}}}`:                   "n",
				`{"selector":{"$or":[{"n":1},{"n":2}]}}`:                             "n",
				`{"selector":{"$or":[{"n":1},{"s":2}]}}`:                             "_all_docs",
				`{"selector":{"$and":[{"$and":[{"n":1}]},{"s":{"$lt":"x"}}]}}`:       "ns",
				`{"selector":{"n":{"$not":{"$gt":1}}}}`:                              "n",
				`{"selector":{"n":{"$exists":false}}}`:                               "_all_docs",
				`{"selector":{"l":1}}`:                                               "_all_docs",
				`{"selector":{"n":1,"s":{"$gt":null}},"sort":["s"],"use_index":"c"}`: "sn",
				`{"selector":{"n":1,"s":{"$gt":null}},"sort":[{"s":"desc"}]}`:        "ns",
				`{"selector":{"s":"x","n":{"$gt":1}},"sort":["s","n"]}`:              "sn",
			} {
				c.explains(query, want)
			}
			r := c.explains(`{"selector":{"n":1,"s":{"$gt":null}}}`, "ns")
			r.has("index.ddoc", `"_design/a"`).has("mrargs.start_key", `[1,null]`).has("mrargs.end_key", `[1,"<MAX>"]`)
			for name, want := range map[string]string{"n": "less_overlap", "nsl": "field_mismatch", "_all_docs": "unfavored_type"} {
				reason := r.get(`index_candidates.#(index.name=="` + name + `").analysis.reasons.0.name`).String()
				c.equal("why "+name+" is not chosen", reason, want)
			}
			r.has("selector_hints", `[{"type":"json","indexable_fields":["n","s"],"unindexable_fields":[]}]`)
		}},
		{"find/begins-with-narrows", func(c *checker) {
			things(c)
			c.index("by", "s", `["s"]`, "")
			r := c.explains(`{"selector":{"s":{"$beginsWith":"an"}}}`, "s")
			r.has("mrargs.start_key", `["an"]`).has("mrargs.end_key", `["an\uffff","<MAX>"]`)
			r = c.find(`{"selector":{"s":{"$beginsWith":"bo"}},"execution_stats":true}`).lists("docs.#._id", "4").lacks("warning")
			c.equal("examined", r.stats(), "1 1 0 1")
			c.find(`{"selector":{"s":{"$beginsWith":"an"}}}`).lists("docs.#._id", "2")
			c.find(`{"selector":{"s":{"$beginsWith":"An"}}}`).lists("docs.#._id", "1")
			c.find(`{"selector":{"s":{"$beginsWith":""}}}`).lists("docs.#._id", "1 2 3 4 5")
		}},
		{"find/use-index-forms", func(c *checker) {
			things(c)
			c.index("by", "n", `["n"]`, "")
			for _, form := range []string{`"by"`, `"_design/by"`, `"by/n"`, `"_design/by/n"`, `["by"]`, `["_design/by","n"]`} {
				c.find(`{"selector":{"n":1},"use_index":`+form+`}`).lists("docs.#._id", "1").lacks("warning")
			}
			for _, form := range []string{`"by/n/x"`, `{"a":1}`, `[1]`, `["by",null]`} {
				c.ask("POST", "/_find", `{"selector":{"n":1},"use_index":`+form+`}`).refuses(400, "invalid_index_name")
			}
			c.find(`{"selector":{"n":1},"use_index":null}`).lacks("warning")
		}},
		{"find/allow-fallback", func(c *checker) {
			things(c)
			c.index("by", "n", `["n"]`, "")
			c.find(`{"selector":{"n":1},"allow_fallback":false}`).lists("docs.#._id", "1").lacks("warning")
			c.find(`{"selector":{"n":1},"use_index":"by","allow_fallback":false}`).lists("docs.#._id", "1").lacks("warning")
			r := c.ask("POST", "/_find", `{"selector":{"s":"x"},"allow_fallback":false}`).refuses(400, "invalid_index")
			r.has("reason", `"You must specify an index with the `+"`use_index`"+` parameter."`)
			r = c.ask("POST", "/_find", `{"selector":{"s":"x"},"use_index":["by","n"],"allow_fallback":false}`).refuses(400, "invalid_index")
			r.has("reason", `"_design/by, n specified by `+"`use_index`"+` could not be found or it is not suitable."`)
		}},
		{"find/quorum", func(c *checker) {
			things(c)
			c.index("by", "n", `["n"]`, "")
			r := c.find(`{"selector":{"n":{"$gt":11}},"r":2,"execution_stats":true}`).lists("docs.#._id", "4 5")
			c.equal("examined", r.stats(), "2 0 2 2")
		}},
		{"find/examined-ends", func(c *checker) {
			things(c)
			c.index("by", "n", `["n"]`, "")
			c.index("two", "np", `["n","p"]`, "")
			c.ask("POST", "/_bulk_docs", `{"docs":[{"_id":"7","n":1,"p":1},{"_id":"8","n":1,"p":2},{"_id":"9","n":2,"p":3}]}`).wants(201)
			for query, examined := range map[string]string{
				`{"selector":{"n":{"$gt":1,"$lt":12}}`:                                         "6 6 0 2",
				`{"selector":{"n":{"$gte":1,"$lte":12}}`:                                       "6 6 0 6",
				`{"selector":{"n":{"$gt":1,"$lt":12}},"r":2`:                                   "6 0 6 2",
				`{"selector":{"n":{"$gt":1,"$lt":12}},"fields":["n"]`:                          "6 0 0 2",
				`{"selector":{"n":{"$gt":1,"$lt":12}},"sort":[{"n":"desc"}],"limit":1`:         "2 2 0 1",
				`{"selector":{"n":{"$gt":1},"p":{"$gte":2}},"use_index":["two","np"]`:          "2 2 0 1",
				`{"selector":{"n":{"$gte":1},"p":{"$gt":2}},"use_index":["two","np"]`:          "2 2 0 1",
				`{"selector":{"n":{"$lt":2},"p":{"$lt":3}},"use_index":["two","np"]`:           "3 3 0 2",
				`{"selector":{"n":1,"p":{"$gt":1,"$lt":3}},"use_index":["two","np"],"limit":1`: "2 2 0 1",
			} {
				c.equal("examined by "+query, c.find(query+`,"execution_stats":true}`).stats(), examined)
			}
		}},
		{"find/bookmark-and-skip", func(c *checker) {
			things(c)
			c.index("by", "n", `["n"]`, "")
			const query = `{"selector":{"n":{"$gte":-7}},"limit":1,"skip":1`
			r := c.find(query+`}`).lists("docs.#._id", "1")
			r = c.find(query+`,"bookmark":`+quoted(r.get("bookmark").String())+`}`).lists("docs.#._id", "4")
			last := r.get("bookmark").String()
			r = c.find(query+`,"bookmark":`+quoted(last)+`}`).lists("docs.#._id", "")
			if r.get("bookmark").String() == "" {
				c.failf("an empty page has no bookmark: %s", r.body)
			}
		}},
	}
}

func coverChecks() []check {
	return []check{
		{"find/covering", func(c *checker) {
			things(c)
			c.index("by", "ns", `["n","o.x"]`, "")
			for query, covering := range map[string]bool{
				`{"selector":{"n":{"$gt":0},"o.x":1},"fields":["_id","n","o.x"],"execution_stats":true}`:     true,
				`{"selector":{"n":{"$gt":0},"o.x":1},"fields":["_id"],"execution_stats":true}`:               true,
				`{"selector":{"n":{"$gt":0},"o.x":1},"fields":["o"],"execution_stats":true}`:                 false,
				`{"selector":{"n":{"$gt":0},"o.x":1},"fields":["_rev"],"execution_stats":true}`:              false,
				`{"selector":{"n":{"$gt":0},"o.x":1,"s":"anna-lena"},"fields":["n"],"execution_stats":true}`: false,
				`{"selector":{"n":{"$gt":0},"o.x":1},"execution_stats":true}`:                                false,
			} {
				r := c.ask("POST", "/_explain", query).wants(200)
				c.equal("covering of "+query, r.get("covering").Bool(), covering)
				c.equal("include_docs of "+query, r.get("mrargs.include_docs").Bool(), !covering)
				examined := c.find(query).stats()
				if covering != strings.HasPrefix(examined, "1 0 0 1") {
					c.failf("%s: examined %s", query, examined)
				}
			}
			c.find(`{"selector":{"n":{"$gt":0},"o.x":1},"fields":["o.x","n"]}`).has("docs", `[{"o":{"x":1},"n":2.5}]`).lacks("warning")
		}},
		{"find/covering-partial", func(c *checker) {
			people(c)
			c.index("live", "worker", `["worker"]`, `{"status":{"$in":["waiting","scheduled"]}}`)
			const query = `"use_index":["live","worker"],"fields":["worker"],"execution_stats":true}`
			r := c.find(`{"selector":{"worker":{"$gt":null}},`+query).lists("docs.#.worker", "w1 w2")
			c.equal("examined", r.stats(), "2 0 0 2")
			r = c.find(`{"selector":{"worker":{"$gt":null},"status":"waiting"},`+query).lists("docs.#.worker", "w1")
			c.equal("examined", r.stats(), "2 2 0 1")
		}},
		{"index/by-hand", func(c *checker) {
			things(c)
			rev := c.put("_design/hand", `{"language":"query","views":{
				"n":{"map":{"fields":{"n":"asc"},"partial_filter_selector":{}},"reduce":"_count","options":{"def":{"fields":["n"]}}},
				"odd":{"map":{"fields":{"s":"asc"}}}}}`)
			c.ask("GET", "/_index").wants(200).lists("indexes.#.name", "_all_docs n")
			c.ask("HEAD", "/_index").wants(200)
			c.find(`{"selector":{"n":{"$gt":0}},"sort":["n"]}`).lists("docs.#._id", "1 2 4 5").lacks("warning")
			c.ask("DELETE", "/_design/hand?rev="+rev).wants(200)
			c.ask("GET", "/_index").wants(200).lists("indexes.#.name", "_all_docs")
			c.ask("POST", "/_find", `{"selector":{"n":{"$gt":0}},"sort":["n"]}`).refuses(400, "no_usable_index")
		}},
		{"index/bulk-delete", func(c *checker) {
			c.index("a", "n", `["n"]`, "")
			c.index("b", "s", `["s"]`, "")
			r := c.ask("POST", "/_index/_bulk_delete", `{"docids":["_design/a","none","b"]}`).wants(200)
			r.has("success", `[{"id":"_design/b","ok":true},{"id":"_design/a","ok":true}]`).has("fail", `[{"id":"_design/none","error":"not_found"}]`)
			c.ask("GET", "/_index").wants(200).lists("indexes.#.name", "_all_docs")
			c.ask("POST", "/_index/_bulk_delete", `{"docids":"a"}`).refuses(400, "invalid_bulk_docs")
			c.ask("POST", "/_index/_bulk_delete", `{}`).refuses(400, "missing_required_key")
		}},
		{"index/names-with-slashes", func(c *checker) {
			c.index("a b/c", "n/é", `["n"]`, "")
			c.index("d", "s%2Fs", `["s"]`, "")
			c.ask("DELETE", "/_index/a%20b/c/json/n%2F%C3%A9").refuses(404, "not_found")
			c.ask("DELETE", "/_index/a%20b%2Fc/json/n%2F%C3%A9").wants(200).has("ok", "true")
			c.ask("DELETE", "/_index/_design/d/json/s%2Fs").refuses(404, "not_found")
			c.ask("DELETE", "/_index/_design/d/json/s%252Fs").wants(200).has("ok", "true")
			c.ask("GET", "/_index").wants(200).lists("indexes.#.name", "_all_docs")
		}},
		{"index/paths-with-dots", func(c *checker) {
			things(c)
			c.index("by", "dot", `["o.a\\.b"]`, "")
			c.index("by2", "path", `["o.a.b"]`, "")
			c.explains(`{"selector":{"o.a\\.b":"dot"}}`, "dot")
			c.find(`{"selector":{"o.a\\.b":"dot"},"fields":["o.a\\.b"]}`).has("docs", `[{"o":{"a.b":"dot"}}]`).lacks("warning")
			c.find(`{"selector":{"o.a.b":{"$gt":null}},"fields":["o.a.b"]}`).has("docs", `[{"o":{"a":{"b":"path"}}}]`).lacks("warning")
		}},
	}
}
