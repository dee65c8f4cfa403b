package mango

import (
	"cmp"
	"crypto/sha256"
	"slices"
)

// index is one index: a view of a design document in the language "query", or, with no design document, the primary one over _id.
type index struct {
	ddoc   string // "_design/..."; "" for the primary index
	name   string
	fields []string
	paths  [][]string // of the fields; a nil path is one that no document has
	desc   bool
	filter Selector
	shown  *value  // the definition as _index and _explain show it; nil for the primary index
	id     [8]byte // names the rows; the same definition has the same rows, whatever design document holds it
}

// layout is part of every index id. It changes with the encoding of keys, so that rows of an older encoding are never read.
const layout = "2"

// primary is the index over all documents by id.
func primary() *index { return &index{name: "_all_docs", fields: []string{"_id"}} }

// newIndex makes an index of a view's definition, {"fields": {"a": "asc", ...}, "partial_filter_selector": {...}}; nil if it is none.
func newIndex(ddoc, name string, definition *value) *index {
	fields := definition.get("fields")
	if fields == nil || fields.kind != kindObject {
		return nil
	}
	x := &index{ddoc: ddoc, name: name, shown: shownDefinition(definition)}
	for _, m := range fields.members {
		x.fields = append(x.fields, m.name)
		x.paths = append(x.paths, splitField(m.name))
		x.desc = m.value.text == "desc"
	}
	if filter := definition.get("partial_filter_selector"); filter != nil {
		selector, err := compile(filter)
		if err != nil {
			return nil
		}
		x.filter = selector
	}
	hash := sha256.New()
	hash.Write([]byte(layout))
	for _, field := range x.fields {
		hash.Write(appendString(nil, field))
	}
	hash.Write(x.filter.value().appendJSON(nil))
	copy(x.id[:], hash.Sum(nil))
	return x
}

// indexesOf reads the indexes of a design document's body; none if it is of another language. What is no index in it is passed over.
func indexesOf(ddoc string, body []byte) []*index {
	raw, ok := lookup(body, "language")
	if !ok || string(raw) != `"query"` {
		return nil
	}
	doc, err := parse(body)
	if err != nil {
		return nil
	}
	var indexes []*index
	if views := doc.get("views"); views != nil {
		for _, view := range views.members {
			if options := view.value.get("options"); options == nil || options.kind != kindObject {
				continue // as CouchDB does, which makes no index without them
			}
			if x := newIndex(ddoc, view.name, view.value.get("map")); x != nil {
				indexes = append(indexes, x)
			}
		}
	}
	return indexes
}

func (x *index) special() bool { return x.ddoc == "" }

func (x *index) partial() bool { return x.filter.root != nil }

func (x *index) compare(y *index) int {
	return cmp.Or(cmp.Compare(x.ddoc, y.ddoc), cmp.Compare(x.name, y.name))
}

// covers tells whether the index alone knows all these fields. No fields stand for all of them.
func (x *index) covers(fields []string) bool {
	return !x.special() && len(fields) > 0 && !slices.ContainsFunc(fields, func(field string) bool {
		return field != "_id" && !slices.Contains(x.fields, field)
	})
}

// shownDefinition is a definition with its fields in a list.
func shownDefinition(definition *value) *value {
	shown := &value{kind: kindObject}
	for _, m := range definition.members {
		switch {
		case m.name == "fields":
			fields := &value{kind: kindArray}
			for _, field := range m.value.members {
				fields.items = append(fields.items, objectValue(field.name, field.value))
			}
			shown.set(m.name, fields)
		case m.name == "partial_filter_selector" && len(m.value.members) == 0:
		default:
			shown.set(m.name, m.value)
		}
	}
	return shown
}

// value is the index as _index and _explain show it.
func (x *index) value() *value {
	v := &value{kind: kindObject}
	if x.special() {
		v.set("ddoc", &value{kind: kindNull})
		v.set("name", stringValue(x.name))
		v.set("type", stringValue("special"))
		field := objectValue("_id", stringValue("asc"))
		v.set("def", objectValue("fields", &value{kind: kindArray, items: []*value{field}}))
		return v
	}
	v.set("ddoc", stringValue(x.ddoc))
	v.set("name", stringValue(x.name))
	v.set("type", stringValue("json"))
	v.set("partitioned", boolValue(false))
	v.set("def", x.shown)
	return v
}

// at finds a value by its path in the document.
func (f *frame) at(path []string) ([]byte, bool) {
	if path == nil {
		return nil, false
	}
	if v, ok := f.special(path[0]); ok {
		v, result := follow(v, path[1:])
		return v, result == found
	}
	v, result := follow(f.body, path)
	return v, result == found
}

// bounds gives the part of the index's keys that CouchDB looks at for the spans, [lower, upper): it has the ends, also where a span excludes them.
func (x *index) bounds(spans []span) (lower, upper []byte) {
	lower, upper = []byte{}, []byte{}
	for i, s := range spans {
		if s.low == nil {
			break
		}
		lower = x.appendBound(lower, i, s.low)
	}
	for i, s := range spans {
		if s.high == nil {
			break
		}
		upper = x.appendBound(upper, i, s.high)
	}
	return lower[:min(len(lower), maxKey)], append(upper[:min(len(upper), maxKey)], keyMax)
}

// within gives the part of the bounds in which something can match.
func (x *index) within(spans []span) (lower, upper []byte) {
	lower, upper = []byte{}, []byte{}
	for i, s := range spans {
		if s.low == nil {
			break
		}
		lower = x.appendBound(lower, i, s.low)
		if s.lowOp == opGt {
			if len(lower) < maxKey {
				lower = append(lower, keyMax) // past all that equals it
			}
			break
		}
	}
	for i, s := range spans {
		if s.high == nil {
			break
		}
		upper = x.appendBound(upper, i, s.high)
		if s.highOp == opLt && len(upper) < maxKey {
			return lower[:min(len(lower), maxKey)], upper // before all that equals it
		}
	}
	return lower[:min(len(lower), maxKey)], append(upper[:min(len(upper), maxKey)], keyMax)
}

func (x *index) appendBound(dst []byte, column int, v *value) []byte {
	n := node{byID: x.fields[column] == "_id"}
	return append(dst, n.keyOf(v)...)
}
