package mango

import (
	"slices"
	"strconv"
)

// preparer makes normalized selectors ready to match, and gathers the top-level members that they name.
type preparer struct{ slots []string }

// selector prepares a selector. root: it is matched against a whole document, not against an element of it.
func (p *preparer) selector(n *node, root bool) {
	if n.op != opField {
		for _, sub := range n.subs {
			p.selector(sub, root)
		}
		return
	}
	if n.field != "" && n.field != "$default" {
		n.path = splitField(n.field)
	}
	n.slot, n.root = -1, root
	if root && len(n.path) > 0 {
		n.slot = p.slotOf(n.path[0])
	}
	n.subs[0].prepareCondition(n.field == "_id")
	p.condition(n.subs[0])
}

// condition prepares the selectors within a condition.
func (p *preparer) condition(n *node) {
	if n.op == opNot {
		p.condition(n.subs[0])
		return
	}
	for _, sub := range n.subs {
		p.selector(sub, false)
	}
}

func (p *preparer) slotOf(name string) int {
	if at := slices.Index(p.slots, name); at >= 0 {
		return at
	}
	if len(p.slots) == maxSlots {
		return -1
	}
	p.slots = append(p.slots, name)
	return len(p.slots) - 1
}

func (n *node) prepareCondition(byID bool) {
	n.byID = byID
	switch n.op {
	case opNot:
		n.subs[0].prepareCondition(byID)
	case opEq, opNe, opLt, opLte, opGt, opGte:
		n.key = n.keyOf(n.arg)
		n.plain = plainString(n.arg)
	case opAll:
		n.set = make(map[string]struct{}, len(n.arg.items))
		for _, item := range n.arg.items {
			n.set[string(appendExact(nil, item.appendJSON(nil), true))] = struct{}{}
		}
		if len(n.arg.items) == 1 && n.arg.items[0].kind == kindArray {
			n.key = appendExact(nil, n.arg.items[0].appendJSON(nil), false)
		}
	case opIn, opNin:
		n.set = make(map[string]struct{}, len(n.arg.items))
		for _, item := range n.arg.items {
			n.set[string(n.keyOf(item))] = struct{}{}
		}
	case opMod:
		for i, item := range n.arg.items {
			n.modulus[i], _ = strconv.ParseInt(item.text, 10, 64)
		}
	default:
	}
}

// keyOf is the key of an argument as the condition compares it.
func (n *node) keyOf(v *value) []byte {
	if v.kind == kindPast {
		return appendPast(nil, v.text, n.byID)
	}
	if n.byID && v.kind == kindString {
		return appendBytes(nil, v.text)
	}
	if n.byID {
		// To Erlang, which compares ids, every string comes after all that is no string.
		return []byte{keyNull}
	}
	return AppendKey(nil, v.appendJSON(nil))
}
