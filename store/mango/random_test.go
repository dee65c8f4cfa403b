package mango_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/mango"
)

// documentGenerator makes documents of few fields and few values, so that selectors hit.
func documentGenerator() *rapid.Generator[string] {
	values := rapid.SampledFrom([]string{
		`null`, `true`, `0`, `1`, `1.0`, `1.5`, `2`, `-3`, `"a"`, `"B"`, `"b"`, `"é"`, `"e"`, `""`, `[]`, `[1]`, `[1,"a"]`, `{}`, `{"c":1}`, `{"c":"b"}`,
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
	comparison := rapid.SampledFrom([]string{"$eq", "$ne", "$lt", "$lte", "$gt", "$gte"})
	condition := rapid.Custom(func(t *rapid.T) string {
		switch rapid.IntRange(0, 7).Draw(t, "condition") {
		case 0:
			return `{"$in":[` + values.Draw(t, "v") + `,` + values.Draw(t, "w") + `]}`
		case 1:
			return `{"$exists":` + rapid.SampledFrom([]string{"true", "false"}).Draw(t, "v") + `}`
		case 2:
			return values.Draw(t, "v")
		case 3:
			return `{"$not":{"` + comparison.Draw(t, "op") + `":` + values.Draw(t, "v") + `}}`
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

// check asks the database and compares with a scan of the model.
func (m *model) check(t *rapid.T, selector string, sort []string, desc bool) {
	s, err := mango.Compile([]byte(selector))
	if err != nil {
		t.Fatal(err)
	}
	type found struct{ key, id string }
	var want []found
	for id := range m.docs {
		doc := m.whole(id)
		if !s.Match([]byte(doc)) {
			continue
		}
		var key []byte
		has := true
		for _, field := range sort {
			value, ok := plain(doc).(map[string]any)[field]
			raw, _ := json.Marshal(value)
			key, has = mango.AppendKey(key, raw), has && ok
		}
		if has {
			want = append(want, found{string(key), id})
		}
	}
	slices.SortFunc(want, func(a, b found) int {
		c := strings.Compare(a.key, b.key)
		if desc {
			c = -c
		}
		return c
	})
	body := `{"selector":` + selector + `,"limit":1000,"fields":["_id"]`
	if len(sort) > 0 {
		fields := make([]string, len(sort))
		for i, field := range sort {
			fields[i] = `{` + quote(field) + `:"` + map[bool]string{true: "desc", false: "asc"}[desc] + `"}`
		}
		body += `,"sort":[` + strings.Join(fields, ",") + `]`
	}
	_, raw, err := mango.Finder{}.Serve(context.Background(), m.db, "POST", "_find", nil, []byte(body+`}`))
	if err != nil {
		var refusal *store.Error
		if len(sort) > 0 && errors.As(err, &refusal) && refusal.Name == "no_usable_index" {
			return
		}
		t.Fatalf("%s: %v", body, err)
	}
	var p page
	if err := json.Unmarshal(raw, &p); err != nil {
		t.Fatal(err)
	}
	keys := map[string]string{}
	for _, w := range want {
		keys[w.id] = w.key
	}
	if len(p.Docs) != len(want) {
		t.Fatalf("%s: %v, want %v of %v", body, p.ids(), want, m.docs)
	}
	for i, id := range p.ids() {
		if key, ok := keys[id]; !ok || key != want[i].key {
			t.Fatalf("%s: %v, want %v of %v", body, p.ids(), want, m.docs)
		}
		delete(keys, id)
	}
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
				m.check(t, selector.Draw(t, "selector"), sorts.Draw(t, "sort"), rapid.Bool().Draw(t, "desc"))
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
