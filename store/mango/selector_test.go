package mango_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/mango"
)

// sample is what the table of operators matches against.
const sample = `{"_id":"a","_rev":"1-x","n":1,"f":1.5,"s":"alpha","e":"été","t":true,"z":null,"tags":["r","g"],"empty":[],"o":{"k":1,"d.t":"q"},
	"arr":[{"p":1,"q":2},{"p":3,"q":4}],"nums":[3,6,9],"a.b":"dot","x":{"y":{"z":7}},"\u006b":"escaped","big":9007199254740993,"m":[[1,2]]}`

func TestMatch(t *testing.T) {
	t.Parallel()
	for selector, want := range map[string]bool{
		`{}`:                                                true,
		`{"n":1}`:                                           true,
		`{"n":1.0}`:                                         true,
		`{"n":"1"}`:                                         false,
		`{"n":{"$eq":1}}`:                                   true,
		`{"n":{"$ne":1}}`:                                   false,
		`{"n":{"$ne":2}}`:                                   true,
		`{"missing":{"$ne":2}}`:                             false,
		`{"n":{"$lt":2}}`:                                   true,
		`{"n":{"$lt":1}}`:                                   false,
		`{"n":{"$lte":1}}`:                                  true,
		`{"n":{"$gt":0,"$lt":2}}`:                           true,
		`{"n":{"$gt":1}}`:                                   false,
		`{"n":{"$gte":1}}`:                                  true,
		`{"f":{"$gt":1,"$lt":2}}`:                           true,
		`{"f":1}`:                                           false,
		`{"n":{"$lt":"a"}}`:                                 true,
		`{"s":{"$gt":1e300}}`:                               true,
		`{"tags":{"$gt":"zzz"}}`:                            true,
		`{"o":{"$gt":["zzz"]}}`:                             true,
		`{"z":null}`:                                        true,
		`{"missing":null}`:                                  false,
		`{"big":9007199254740993}`:                          true,
		`{"big":9007199254740992}`:                          false,
		`{"z":{"$exists":true}}`:                            true,
		`{"z":{"$exists":false}}`:                           false,
		`{"missing":{"$exists":false}}`:                     true,
		`{"o.missing":{"$exists":false}}`:                   true,
		`{"n.missing":{"$exists":false}}`:                   false,
		`{"t":{"$type":"boolean"}}`:                         true,
		`{"z":{"$type":"null"}}`:                            true,
		`{"n":{"$type":"number"}}`:                          true,
		`{"s":{"$type":"string"}}`:                          true,
		`{"tags":{"$type":"array"}}`:                        true,
		`{"o":{"$type":"object"}}`:                          true,
		`{"o":{"$type":"bad"}}`:                             false,
		`{"n":{"$in":[2,1]}}`:                               true,
		`{"n":{"$in":[]}}`:                                  false,
		`{"tags":{"$in":["g"]}}`:                            true,
		`{"m":{"$in":[[1,2]]}}`:                             true,
		`{"nums":{"$in":[[3,6,9]]}}`:                        false,
		`{"n":{"$nin":[2,3]}}`:                              true,
		`{"n":{"$nin":[1]}}`:                                false,
		`{"n":{"$nin":[]}}`:                                 true,
		`{"tags":{"$nin":["r"]}}`:                           false,
		`{"missing":{"$nin":["r"]}}`:                        false,
		`{"tags":{"$all":["g","r"]}}`:                       true,
		`{"tags":{"$all":["g","x"]}}`:                       false,
		`{"tags":{"$all":[]}}`:                              false,
		`{"tags":{"$all":[["r","g"]]}}`:                     true,
		`{"s":{"$all":["alpha"]}}`:                          false,
		`{"tags":{"$size":2}}`:                              true,
		`{"empty":{"$size":0}}`:                             true,
		`{"s":{"$size":5}}`:                                 false,
		`{"n":{"$mod":[2,1]}}`:                              true,
		`{"big":{"$mod":[10,3]}}`:                           true,
		`{"f":{"$mod":[2,1]}}`:                              false,
		`{"n":{"$mod":[0,1]}}`:                              false,
		`{"s":{"$regex":"^al"}}`:                            true,
		`{"s":{"$regex":"(?i)ALPHA$"}}`:                     true,
		`{"e":{"$regex":"té"}}`:                             true,
		`{"e":{"$regex":"^..té"}}`:                          true, // bytes, as in CouchDB
		`{"n":{"$regex":"1"}}`:                              false,
		`{"s":{"$beginsWith":"alp"}}`:                       true,
		`{"s":{"$beginsWith":"Alp"}}`:                       false,
		`{"n":{"$beginsWith":"1"}}`:                         false,
		`{"arr":{"$elemMatch":{"p":1}}}`:                    true,
		`{"arr":{"$elemMatch":{"p":1,"q":4}}}`:              false,
		`{"nums":{"$elemMatch":{"$gt":8}}}`:                 true,
		`{"nums":{"$elemMatch":{"$gt":9}}}`:                 false,
		`{"arr":{"$elemMatch":{"$nor":[{"p":1},{"p":3}]}}}`: false,
		`{"arr":{"$elemMatch":{"$not":{"p":1}}}}`:           true,
		`{"nums":{"$allMatch":{"$gt":2}}}`:                  true,
		`{"nums":{"$allMatch":{"$gt":3}}}`:                  false,
		`{"empty":{"$allMatch":{"$gt":3}}}`:                 false,
		`{"o":{"$keyMapMatch":{"$eq":"k"}}}`:                true,
		`{"o":{"$keyMapMatch":{"$eq":"none"}}}`:             false,
		`{"n":{"$keyMapMatch":{"$eq":"k"}}}`:                false,
		`{"$and":[{"n":1},{"s":"alpha"}]}`:                  true,
		`{"$and":[{"n":1},{"s":"beta"}]}`:                   false,
		`{"n":1,"s":"alpha"}`:                               true,
		`{"$or":[{"n":2},{"s":"alpha"}]}`:                   true,
		`{"$or":[{"n":2},{"s":"beta"}]}`:                    false,
		`{"n":1,"$or":[]}`:                                  true,
		`{"$nor":[{"n":2},{"s":"beta"}]}`:                   true,
		`{"$nor":[{"n":1},{"s":"beta"}]}`:                   false,
		`{"$not":{"n":2}}`:                                  true,
		`{"$not":{"missing":2}}`:                            false,
		`{"$not":{"$and":[{"n":1},{"s":"beta"}]}}`:          true,
		`{"$not":{"$not":{"n":1}}}`:                         true,
		`{"s":{"$not":{"$regex":"^b"}}}`:                    true,
		`{"s":{"$or":["beta","alpha"]}}`:                    true,
		`{"n":{"$and":[{"$gt":0},{"$lt":2}]}}`:              true,
		`{"o.k":1}`:                                         true,
		`{"o":{"k":1}}`:                                     true,
		`{"o":{"k":1,"missing":1}}`:                         false,
		`{"o":{"$eq":{"k":1,"d.t":"q"}}}`:                   true,
		`{"o":{"$eq":{"d.t":"q","k":1}}}`:                   false,
		`{"o":{}}`:                                          false,
		`{"o.d\\.t":"q"}`:                                   true,
		`{"a\\.b":"dot"}`:                                   true,
		`{"a.b":"dot"}`:                                     false,
		`{"x.y.z":7}`:                                       true,
		`{"x":{"y":{"z":{"$gt":6}}}}`:                       true,
		`{"k":"escaped"}`:                                   true,
		`{"arr.0.p":1}`:                                     true,
		`{"arr.1.p":1}`:                                     false,
		`{"arr.[0].p":1}`:                                   false,
		`{"arr.-1.p":1}`:                                    false,
		`{"a..b":1}`:                                        false,
		`{"_id":"a"}`:                                       true,
		`{"_id":{"$gt":null}}`:                              true,
		`{"_id":{"$gt":"A"}}`:                               true,
		`{"_id":{"$lt":"B"}}`:                               false, // by bytes
		`{"_id":{"$gt":{"x":1}}}`:                           true,
		`{"_rev":"1-x"}`:                                    true,
		`{"tags":["r","g"]}`:                                true,
		`{"tags":"g"}`:                                      false,
	} {
		s, err := mango.Compile([]byte(selector))
		if err != nil {
			t.Errorf("%s: %v", selector, err)
			continue
		}
		if got := s.Match([]byte(sample)); got != want {
			t.Errorf("%s: %v, want %v (%s)", selector, got, want, s.Normalized())
		}
	}
}

func TestManyFields(t *testing.T) {
	t.Parallel()
	var selector, doc []string
	for i := range 20 {
		selector = append(selector, fmt.Sprintf(`"f%d":%d`, i, i))
		doc = append(doc, fmt.Sprintf(`"f%d":%d`, i, i))
	}
	s, err := mango.Compile([]byte("{" + strings.Join(selector, ",") + `,"_id":"x"}`))
	if err != nil {
		t.Fatal(err)
	}
	if !s.Match([]byte(`{"_id":"x",` + strings.Join(doc, ",") + "}")) {
		t.Error("a document with all the fields does not match")
	}
	if s.Match([]byte(`{"_id":"y",` + strings.Join(doc, ",") + "}")) {
		t.Error("a document with another id matches")
	}
}

func TestNormalize(t *testing.T) {
	t.Parallel()
	for selector, want := range map[string]string{
		`{}`:                               `{}`,
		`{"n":{"$gt":1}}`:                  `{"n":{"$gt":1}}`,
		`{"t":"x","n":{"$gt":1,"$lte":3}}`: `{"$and":[{"t":{"$eq":"x"}},{"$and":[{"n":{"$gt":1}},{"n":{"$lte":3}}]}]}`,
		`{"foo":{"bar":{"$gt":10}}}`:       `{"foo.bar":{"$gt":10}}`,
		`{"$not":{"foo":{"$gt":10}}}`:      `{"foo":{"$lte":10}}`,

		`{"$not":{"$and":[{"a":{"$gt":1}},{"b":2}]}}`:   `{"$or":[{"a":{"$lte":1}},{"b":{"$ne":2}}]}`,
		`{"$nor":[{"a":1},{"b":{"$in":[2]}}]}`:          `{"$and":[{"a":{"$ne":1}},{"b":{"$nin":[2]}}]}`,
		`{"a":{"$not":{"$exists":true}}}`:               `{"a":{"$exists":false}}`,
		`{"a":{"$not":{"$regex":"x"}}}`:                 `{"a":{"$not":{"$regex":"x"}}}`,
		`{"a":{"$elemMatch":{"$gte":80,"$lt":85}}}`:     `{"a":{"$elemMatch":{"$and":[{"":{"$gte":80}},{"":{"$lt":85}}]}}}`,
		`{"a":{"$or":["x",{"b":{"$gt":"\u0001\"é"}}]}}`: `{"$or":[{"a":{"$eq":"x"}},{"a.b":{"$gt":"\u0001\"é"}}]}`,
	} {
		s, err := mango.Compile([]byte(selector))
		if err != nil {
			t.Errorf("%s: %v", selector, err)
		} else if got := s.Normalized(); got != want {
			t.Errorf("%s: %s, want %s", selector, got, want)
		}
	}
}

func TestCompileRefuses(t *testing.T) {
	t.Parallel()
	for selector, want := range map[string]string{
		`5`:                          "invalid_selector_json: Selector must be a JSON object, not: 5",
		`"é"`:                        "invalid_selector_json: Selector must be a JSON object, not: <<195,169>>",
		`[]`:                         "invalid_selector_json: Selector must be a JSON object, not: []",
		`{`:                          "bad_request: invalid UTF-8 JSON",
		``:                           "bad_request: invalid UTF-8 JSON",
		`{"n":{"$bad":1}}`:           "invalid_operator: Invalid operator: $bad",
		`{"$near":1}`:                "not_supported: Unsupported operator: $near",
		`{"n":{"$in":5}}`:            "bad_arg: Bad argument for operator $in: 5",
		`{"n":{"$exists":"x"}}`:      "bad_arg: Bad argument for operator $exists: <<120>>",
		`{"n":{"$size":1.5}}`:        "bad_arg: Bad argument for operator $size: 1.5",
		`{"n":{"$size":2.0}}`:        "bad_arg: Bad argument for operator $size: 2.0",
		`{"n":{"$mod":["a",1]}}`:     "bad_arg: Bad argument for operator $mod: [<<97>>,1]",
		`{"n":{"$regex":"["}}`:       "bad_arg: Bad argument for operator $regex: <<91>>",
		`{"n":{"$regex":5}}`:         "invalid_operator: Invalid operator: $regex",
		`{"n":{"$beginsWith":{}}}`:   "invalid_operator: Invalid operator: $beginsWith",
		`{"$nor":{}}`:                "bad_arg: Bad argument for operator $nor: {[]}",
		`{"$and":{"a":[true,null]}}`: "bad_arg: Bad argument for operator $and: {[{<<97>>,[true,null]}]}",
		`{"n":{"$elemMatch":[]}}`:    "bad_arg: Bad argument for operator $elemMatch: []",
		`{"n":{"$keyMapMatch":5}}`:   "bad_arg: Bad argument for operator $keyMapMatch: 5",
		`{"":1}`:                     "invalid_selector: One or more conditions is missing a field name.",
		`{"$gt":1}`:                  "invalid_selector: One or more conditions is missing a field name.",
		`{"a":{"$text":"x"}}`:        "bad_field: Invalid field normalization on selector: {[{<<36,100,101,102,97,117,108,116>>,{[{<<36,116,101,120,116>>,<<120>>}]}}]}",
		strings.Repeat(`{"$and":[`, 400) + `{}` + strings.Repeat(`]}`, 400): "bad_request: JSON is nested too deeply: more than 500 levels",
	} {
		_, err := mango.Compile([]byte(selector))
		var refusal *store.Error
		if !errors.As(err, &refusal) {
			t.Errorf("%.60s: %v", selector, err)
			continue
		}
		if got := refusal.Error(); got != want || refusal.Status != 400 {
			t.Errorf("%.60s: %d %s, want %s", selector, refusal.Status, got, want)
		}
	}
}

func FuzzCompile(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"n":1}`, `{"a.b\\.c":{"$gt":1,"$lt":[1,{"x":null}]}}`, `{"$or":[{"a":{"$in":[1,"x"]}},{"$not":{"b":{"$regex":"^(a|b)+$"}}}]}`,
		`{"a":{"$elemMatch":{"$gt":1,"b":{"$allMatch":{"$keyMapMatch":{"$eq":"é"}}}}}}`, `{"a":{"$mod":[3,-1]}}`, `{"a":{"$size":99999999999999999999}}`,
		`{"a":{"$all":[[1],{"$x":1}]}}`, `{"$text":true}`, `{"\ud800":"\udc00"}`, `{"a":{"$beginsWith":""}}`, `[]`, `{"":{"":{}}}`,
	} {
		f.Add([]byte(seed), []byte(sample))
	}
	f.Fuzz(func(t *testing.T, selector, doc []byte) {
		s, err := mango.Compile(selector)
		if err != nil {
			var refusal *store.Error
			if !errors.As(err, &refusal) || refusal.Status != 400 {
				t.Fatalf("%q: %v", selector, err)
			}
			return
		}
		normalized := s.Normalized()
		if !json.Valid([]byte(normalized)) {
			t.Fatalf("%q: normalized to %q", selector, normalized)
		}
		matches := s.Match(doc) // must not panic, whatever the document
		if !json.Valid(doc) {
			return
		}
		again, err := mango.Compile([]byte(normalized))
		if err != nil {
			return // the normalized form of a nameless condition is not a selector
		}
		if again.Match(doc) != matches {
			t.Fatalf("%q matches %v, as normalized %q %v", selector, matches, normalized, !matches)
		}
	})
}

func BenchmarkMatch(b *testing.B) {
	doc := []byte(`{"_id":"task-000001234","_rev":"3-0123456789abcdef0123456789abcdef","type":"task","worker":"manobi","job":{"name":"noop","arguments":[1,2,3]},` +
		`"date":"2026-11-22T00:00:00Z","status":"scheduled","data":{"customer":"c-12345","amount":12.5,"note":"some words that take room in the document"}}`)
	for name, selector := range map[string]string{
		"worker":       `{"worker":"manobi"}`,
		"other":        `{"worker":"another"}`,
		"workerIn":     `{"worker":{"$in":["manobi","other"]}}`,
		"statusIn":     `{"status":{"$in":["waiting","scheduled","running","reschedule","cancel"]}}`,
		"three":        `{"worker":"manobi","status":{"$ne":"done"},"data.amount":{"$gt":10}}`,
		"missingAtEnd": `{"absent":{"$exists":false}}`,
	} {
		s, err := mango.Compile([]byte(selector))
		if err != nil {
			b.Fatal(err)
		}
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			for b.Loop() {
				s.Match(doc)
			}
		})
	}
}
