package mango

import (
	"strings"

	"github.com/adlayer/after/store"
)

// Interest says which writes can make a document fit the selector, as far as that can be told by values of fields: a feed that waits for
// them need not look at any other. The zero value where it cannot be told.
func (s Selector) Interest() store.Interest {
	if s.root == nil {
		return store.Interest{}
	}
	i, ok := s.root.interest()
	if !ok {
		return store.Interest{}
	}
	return i
}

func (n *node) interest() (all store.Interest, ok bool) {
	switch n.op {
	case opAnd: // what one part asks for is enough
		for _, sub := range n.subs {
			if i, ok := sub.interest(); ok {
				return i, true
			}
		}
	case opOr:
		for _, sub := range n.subs {
			i, ok := sub.interest()
			if !ok {
				return store.Interest{}, false
			}
			all.Fields = append(all.Fields, i.Fields...)
			all.IDs = append(all.IDs, i.IDs...)
			all.Deleted = all.Deleted || i.Deleted
		}
		return all, len(n.subs) > 0
	case opField:
		return n.fieldInterest()
	default:
	}
	return store.Interest{}, false
}

// mostValues bounds the values that one condition may name.
const mostValues = 1000

func (n *node) fieldInterest() (all store.Interest, ok bool) {
	condition := n.subs[0]
	var values []*value
	switch condition.op {
	case opEq:
		values = []*value{condition.arg}
	case opIn:
		values = condition.arg.items
	default:
	}
	if len(values) == 0 || len(values) > mostValues || !n.root || len(n.path) == 0 {
		return store.Interest{}, false
	}
	if n.field == "_deleted" {
		return store.Interest{Deleted: true}, len(values) == 1 && values[0].kind == kindTrue
	}
	for _, v := range values {
		switch {
		case v.kind != kindString:
			return store.Interest{}, false
		case n.field == "_id":
			all.IDs = append(all.IDs, v.text)
		case !isPlain([]byte(v.text)), !plainPath(n.path):
			return store.Interest{}, false
		default:
			all.Fields = append(all.Fields, store.FieldIs{Path: n.path, Value: v.text})
		}
	}
	return all, true
}

// plainPath says whether a path can only be found one way: its steps are no positions of elements and no fields of the store's own, and
// have one spelling.
func plainPath(path []string) bool {
	for _, step := range path {
		if _, ok := position(step); ok || strings.HasPrefix(step, "_") || !isPlain([]byte(step)) {
			return false
		}
	}
	return true
}
