package mango

import (
	"strconv"

	"github.com/adlayer/after/store"
)

// write adds a result to the answer.
func (f *finding) write(row *store.Row) error {
	if f.q.fields == nil && !f.q.conflicts {
		f.out = row.AppendJSON(f.out)
		return nil
	}
	f.doc = row.AppendJSON(f.doc[:0])
	if f.q.conflicts && row.Branched {
		if err := f.addConflicts(row); err != nil {
			return err
		}
	}
	if f.q.fields == nil {
		f.out = append(f.out, f.doc...)
		return nil
	}
	f.out = project(f.doc, f.q.fields).appendJSON(f.out)
	return nil
}

// project makes the object that has only the wanted fields of a document, nested as they are there. Elements of arrays become members named by
// their positions, as in CouchDB.
func project(doc []byte, fields []string) *value {
	result := &value{kind: kindObject}
	f := frame{body: doc}
	for _, field := range fields {
		path := splitField(field)
		if v, ok := f.at(path); ok {
			result.put(path, &value{kind: kindRaw, text: string(v)})
		}
	}
	return result
}

// project is project for a document of which an index has all that is wanted.
func (c *cover) project(fields []string) *value {
	result := &value{kind: kindObject}
	for _, field := range fields {
		result.put(splitField(field), &value{kind: kindRaw, text: string(c.value(field))})
	}
	return result
}

// put sets a value at a path, making objects on the way. A whole value that is there already contains it.
func (v *value) put(path []string, item *value) {
	if v.kind != kindObject {
		return
	}
	if len(path) == 1 {
		v.set(path[0], item)
		return
	}
	next := v.get(path[0])
	if next == nil {
		next = &value{kind: kindObject}
		v.set(path[0], next)
	}
	next.put(path[1:], item)
}

func integerValue(n int64) *value {
	return &value{kind: kindNumber, text: strconv.FormatInt(n, 10)}
}

func floatValue(f float64) *value {
	return &value{kind: kindNumber, text: strconv.FormatFloat(f, 'f', -1, 64)}
}

// addConflicts adds _conflicts to the document in f.doc: the live leaves that lost.
func (f *finding) addConflicts(row *store.Row) error {
	tree, err := f.snap.Tree(row.ID)
	if err != nil {
		return err
	}
	separator := `,"_conflicts":[`
	for _, leaf := range tree.Leaves()[1:] {
		if leaf.Deleted {
			continue
		}
		f.doc = append(f.doc[:len(f.doc)-1], separator...)
		f.doc = append(appendString(f.doc, leaf.Rev.String()), "]}"...)
		f.doc = f.doc[:len(f.doc)-1]
		separator = ","
	}
	if separator == "," {
		f.doc = append(f.doc, '}')
	}
	return nil
}
