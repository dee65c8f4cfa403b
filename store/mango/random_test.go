package mango_test

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
	"pgregory.net/rapid"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/mango"
)

// documentGenerator makes documents of few fields and few values, so that selectors hit.
func documentGenerator() *rapid.Generator[string] {
	values := rapid.SampledFrom([]string{
		`null`, `true`, `0`, `1`, `1.0`, `1.5`, `2`, `-3`, `"a"`, `"B"`, `"b"`, `"é"`, `"e"`, `""`, `"abc"`, `"Ab"`, `"e\u0301"`, `"été"`, `[]`, `[1]`, `[1,"a"]`, `{}`, `{"c":1}`, `{"c":"b"}`,
	})
	return rapid.Custom(func(t *rapid.T) string {
		var members []string
		for _, name := range []string{"a", "b", "o", "s"} {
			if rapid.IntRange(0, 4).Draw(t, "has "+name) > 0 {
				members = append(members, quote(name)+":"+values.Draw(t, name))
			}
		}
		return strings.Join(members, ",")
	})
}

func selectorGenerator(depth int) *rapid.Generator[string] {
	field := rapid.SampledFrom([]string{"a", "b", "o", "o.c", "s", "_id", "b.0"})
	values := rapid.SampledFrom([]string{`null`, `0`, `1`, `1.5`, `2`, `"a"`, `"b"`, `"é"`, `[1]`, `{"c":1}`, `"d03"`})
	prefix := rapid.SampledFrom([]string{`""`, `"a"`, `"A"`, `"ab"`, `"é"`, `"e"`, `"d0"`, `"d03"`})
	comparison := rapid.SampledFrom([]string{"$eq", "$ne", "$lt", "$lte", "$gt", "$gte"})
	condition := rapid.Custom(func(t *rapid.T) string {
		switch rapid.IntRange(0, 9).Draw(t, "condition") {
		case 0:
			return `{"$in":[` + values.Draw(t, "v") + `,` + values.Draw(t, "w") + `]}`
		case 1:
			return `{"$exists":` + rapid.SampledFrom([]string{"true", "false"}).Draw(t, "v") + `}`
		case 2:
			return values.Draw(t, "v")
		case 3:
			return `{"$not":{"` + comparison.Draw(t, "op") + `":` + values.Draw(t, "v") + `}}`
		case 5:
			return `{"$beginsWith":` + prefix.Draw(t, "prefix") + `}`
		case 6:
			return `{"$beginsWith":` + prefix.Draw(t, "prefix") + `,"` + comparison.Draw(t, "op") + `":` + values.Draw(t, "v") + `}`
		case 4:
			return `{"` + comparison.Draw(t, "op") + `":` + values.Draw(t, "v") + `,"` + comparison.Draw(t, "op2") + `":` + values.Draw(t, "w") + `}`
		}
		return `{"` + comparison.Draw(t, "op") + `":` + values.Draw(t, "v") + `}`
	})
	return rapid.Custom(func(t *rapid.T) string {
		if depth > 0 && rapid.IntRange(0, 3).Draw(t, "combine") == 0 {
			subs := rapid.SliceOfN(selectorGenerator(depth-1), 1, 3).Draw(t, "subs")
			return `{"` + rapid.SampledFrom([]string{"$and", "$or", "$nor"}).Draw(t, "op") + `":[` + strings.Join(subs, ",") + `]}`
		}
		names := rapid.SliceOfNDistinct(field, 1, 3, rapid.ID).Draw(t, "fields")
		var members []string
		for _, name := range names {
			members = append(members, quote(name)+":"+condition.Draw(t, "condition"))
		}
		return `{` + strings.Join(members, ",") + `}`
	})
}

// model is what the database should hold: bodies without _id and _rev.
type model struct {
	db   *store.Database
	docs map[string]string
	revs map[string]string
}

func (m *model) put(t *rapid.T, id, body string) {
	rev := ""
	if m.revs[id] != "" {
		rev = `,"_rev":` + quote(m.revs[id])
	}
	text := `{"_id":` + quote(id) + rev + `}`
	if body != "" {
		text = text[:len(text)-1] + "," + body + "}"
	}
	m.revs[id] = bulk(t, m.db, text)[0].Rev.String()
	m.docs[id] = body
}

func (m *model) drop(t *rapid.T, id string) {
	if m.revs[id] != "" {
		bulk(t, m.db, `{"_id":`+quote(id)+`,"_rev":`+quote(m.revs[id])+`,"_deleted":true}`)
	}
	delete(m.docs, id)
	delete(m.revs, id)
}

// whole is the document as a selector sees it.
func (m *model) whole(id string) string {
	if m.docs[id] == "" {
		return `{"_id":` + quote(id) + `}`
	}
	return `{"_id":` + quote(id) + `,` + m.docs[id] + `}`
}

// question is a query and what is needed to know its answer.
type question struct {
	selector string
	sort     []string
	desc     bool
	fields   []string
	useIndex string
	page     int // results on a page; 0 for all at once
}

func (q question) body(limit int, bookmark string) string {
	body := fmt.Sprintf(`{"selector":%s,"limit":%d,"execution_stats":true`, q.selector, limit)
	if len(q.sort) > 0 {
		fields := make([]string, len(q.sort))
		for i, field := range q.sort {
			fields[i] = `{` + quote(field) + `:"` + map[bool]string{true: "desc", false: "asc"}[q.desc] + `"}`
		}
		body += `,"sort":[` + strings.Join(fields, ",") + `]`
	}
	if q.fields != nil {
		raw, _ := json.Marshal(q.fields)
		body += `,"fields":` + string(raw)
	}
	if q.useIndex != "" {
		body += `,"use_index":` + quote(q.useIndex)
	}
	if bookmark != "" {
		body += `,"bookmark":` + quote(bookmark)
	}
	return body + `}`
}

// found is a document that an answer should have.
type found struct {
	key string // by which it is sorted
	doc any    // as it is shown
}

// check asks the database and compares with a scan of the model.
func (m *model) check(t *rapid.T, q question) {
	plan := explained(t, m.db, q.body(1000, ""))
	if plan.Index == nil {
		if e := refused(t, m.db, "_find", q.body(1000, "")); e.Name != "no_usable_index" {
			t.Fatalf("%s: %v", q.body(1000, ""), e)
		}
		return
	}
	want := m.scan(t, q, string(plan.Index.Def.Filter))
	whole := findPage(t, m.db, q.body(1000, ""))
	if plan.Covering && whole.Stats.Docs > 0 {
		t.Fatalf("%s: %d documents were read for a query that its index covers", q.body(1000, ""), whole.Stats.Docs)
	}
	compareAnswer(t, q, whole.Docs, want)
	if q.page == 0 {
		return
	}
	var pieces []map[string]any
	bookmark := ""
	for {
		p := findPage(t, m.db, q.body(q.page, bookmark))
		if len(p.Docs) == 0 {
			break
		}
		pieces, bookmark = append(pieces, p.Docs...), p.Bookmark
	}
	if diff := cmp.Diff(whole.Docs, pieces, cmpopts.EquateEmpty()); diff != "" {
		t.Fatalf("%s: pages of %d differ from the whole: %s", q.body(1000, ""), q.page, diff)
	}
}

// scan finds by looking at every document. filter is that of a partial index, which leaves out what it leaves out.
func (m *model) scan(t *rapid.T, q question, filter string) []found {
	s, err := mango.Compile([]byte(q.selector))
	if err != nil {
		t.Fatal(err)
	}
	partial, err := mango.Compile([]byte(orElse(filter, "{}")))
	if err != nil {
		t.Fatal(err)
	}
	var want []found
	for id := range m.docs {
		doc := m.whole(id)
		if !s.Match([]byte(doc)) || !partial.Match([]byte(doc)) {
			continue
		}
		var key []byte
		has := true
		for _, field := range q.sort {
			value, ok := plain(doc).(map[string]any)[field]
			raw, _ := json.Marshal(value)
			key, has = mango.AppendKey(key, raw), has && ok
		}
		if has {
			want = append(want, found{string(key), shown(plain(doc), q.fields)})
		}
	}
	slices.SortFunc(want, func(a, b found) int {
		c := strings.Compare(a.key, b.key)
		if q.desc {
			c = -c
		}
		return c
	})
	return want
}

func orElse(a, b string) string {
	if a == "" {
		return b
	}
	return a
}

// shown is a document with its wanted fields alone.
func shown(doc any, fields []string) any {
	if fields == nil {
		return doc
	}
	result := map[string]any{}
	for _, field := range fields {
		path := strings.Split(field, ".")
		value, ok := doc, true
		for _, step := range path {
			switch v := value.(type) {
			case map[string]any:
				value, ok = v[step]
			case []any:
				n, err := strconv.Atoi(step)
				if ok = ok && err == nil && n < len(v); ok {
					value = v[n]
				}
			default:
				ok = false
			}
		}
		if ok && len(path) == 1 {
			result[field] = value
		} else if ok {
			result[path[0]] = map[string]any{path[1]: value}
		}
	}
	return result
}

// compareAnswer holds an answer against what should be in it, where documents of one key may come in any order.
func compareAnswer(t *rapid.T, q question, got []map[string]any, want []found) {
	if len(got) != len(want) {
		t.Fatalf("%s: %v, want %v", q.body(1000, ""), got, want)
	}
	rest := slices.Clone(want)
	for i, doc := range got {
		if q.fields == nil {
			doc = maps.Clone(doc)
			delete(doc, "_rev")
		}
		at := slices.IndexFunc(rest, func(f found) bool { return f.key == want[i].key && cmp.Equal(f.doc, any(doc)) })
		if at < 0 {
			t.Fatalf("%s: %v in place %d of %v, want %v", q.body(1000, ""), doc, i, got, want)
		}
		rest = slices.Delete(rest, at, at+1)
	}
}

// explanation is what _explain tells of the index.
type explanation struct {
	Index *struct {
		Name string `json:"name"`
		Def  struct {
			Filter json.RawMessage `json:"partial_filter_selector"`
		} `json:"def"`
	} `json:"index"`
	Covering bool `json:"covering"`
	Range    struct {
		Start json.RawMessage `json:"start_key"`
		End   json.RawMessage `json:"end_key"`
		Docs  bool            `json:"include_docs"`
	} `json:"mrargs"`
}

func explained(t fataler, db *store.Database, body string) (e explanation) {
	t.Helper()
	if err := json.Unmarshal([]byte(serve(t, db, "POST", "_explain", body)), &e); err != nil {
		t.Fatal(err)
	}
	return e
}

var indexDefinitions = []string{
	`{"index":{"fields":["a"]},"ddoc":"i1"}`, `{"index":{"fields":["b","a"]},"ddoc":"i2"}`, `{"index":{"fields":["o.c"]},"ddoc":"i3"}`,
	`{"index":{"fields":["a","_id"]},"ddoc":"i4"}`, `{"index":{"fields":["s",{"a":"asc"},"b"]},"ddoc":"i5"}`, `{"index":{"fields":["b.0"]},"ddoc":"i6"}`,
	`{"index":{"fields":[{"s":"desc"}]},"ddoc":"i1","name":"second"}`, `{"index":{"fields":["s"],"partial_filter_selector":{"a":1}},"ddoc":"i7"}`,
}

// TestIndexFindsWhatAScanFinds changes documents and indexes at random and compares every answer with a scan.
func TestIndexFindsWhatAScanFinds(t *testing.T) {
	t.Parallel()
	st := openStore(t)
	document, selector := documentGenerator(), selectorGenerator(2)
	sorts := rapid.SampledFrom([][]string{nil, nil, nil, {"a"}, {"b", "a"}, {"b"}, {"s"}, {"s", "a"}, {"_id"}})
	fields := rapid.SampledFrom([][]string{nil, {"_id"}, {"a"}, {"a", "_id"}, {"s", "b", "a"}, {"o.c"}, {"b.0"}, {"b", "o.c", "a"}})
	useIndex := rapid.SampledFrom([]string{"", "", "i1", "_design/i5", "i7", "i7"})
	id := rapid.Map(rapid.IntRange(0, 15), func(n int) string { return fmt.Sprintf("d%02d", n) })
	number := 0
	rapid.Check(t, func(t *rapid.T) {
		number++
		name := fmt.Sprintf("db%d", number)
		m := &model{db: createDatabase(t, st, name), docs: map[string]string{}, revs: map[string]string{}}
		t.Repeat(map[string]func(*rapid.T){
			"put":    func(t *rapid.T) { m.put(t, id.Draw(t, "id"), document.Draw(t, "doc")) },
			"put 2":  func(t *rapid.T) { m.put(t, id.Draw(t, "id"), document.Draw(t, "doc")) },
			"delete": func(t *rapid.T) { m.drop(t, id.Draw(t, "id")) },
			"index": func(t *rapid.T) {
				serve(t, m.db, "POST", "_index", rapid.SampledFrom(indexDefinitions).Draw(t, "index"))
			},
			"drop index": func(t *rapid.T) {
				serve(t, m.db, "POST", "_index/_bulk_delete", `{"docids":["i`+string(rapid.ByteRange('1', '7').Draw(t, "index"))+`"]}`)
			},
			"update": func(t *rapid.T) {
				if _, err := mango.Update(context.Background(), m.db); err != nil {
					t.Fatal(err)
				}
			},
			"find": func(t *rapid.T) {
				m.check(t, question{
					selector: selector.Draw(t, "selector"), sort: sorts.Draw(t, "sort"), desc: rapid.Bool().Draw(t, "desc"),
					fields: fields.Draw(t, "fields"), useIndex: useIndex.Draw(t, "use_index"), page: rapid.IntRange(0, 3).Draw(t, "page"),
				})
			},
			"": func(t *rapid.T) {},
		})
		if err := mango.Check(context.Background(), st, func(p store.Problem) { t.Errorf("the check says: %s", p) }); err != nil {
			t.Error(err)
		}
		if err := st.DropDatabase(context.Background(), name); err != nil {
			t.Fatal(err)
		}
	})
}
