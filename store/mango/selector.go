package mango

import (
	"strconv"
	"strings"
)

// op is one operator of a normalized selector.
type op uint8

const (
	opAnd op = iota
	opOr
	opNot
	opNor   // gone after normalization
	opField // the condition subs[0] on one field
	opEq
	opNe
	opLt
	opLte
	opGt
	opGte
	opIn
	opNin
	opAll
	opExists
	opType
	opSize
	opMod
	opRegex
	opBeginsWith
	opElemMatch
	opAllMatch
	opKeyMapMatch
	opText
)

// operators are the names that a selector may use. The last ones exist in CouchDB's parser only to be refused by another name.
func operatorNamed(name string) (op, bool) {
	switch name {
	case "$and":
		return opAnd, true
	case "$or":
		return opOr, true
	case "$not":
		return opNot, true
	case "$nor":
		return opNor, true
	case "$eq":
		return opEq, true
	case "$ne":
		return opNe, true
	case "$lt":
		return opLt, true
	case "$lte":
		return opLte, true
	case "$gt":
		return opGt, true
	case "$gte":
		return opGte, true
	case "$in":
		return opIn, true
	case "$nin":
		return opNin, true
	case "$all":
		return opAll, true
	case "$exists":
		return opExists, true
	case "$type":
		return opType, true
	case "$size":
		return opSize, true
	case "$mod":
		return opMod, true
	case "$regex":
		return opRegex, true
	case "$beginsWith":
		return opBeginsWith, true
	case "$elemMatch":
		return opElemMatch, true
	case "$allMatch":
		return opAllMatch, true
	case "$keyMapMatch":
		return opKeyMapMatch, true
	case "$text":
		return opText, true
	}
	return 0, false
}

func (o op) String() string {
	return [...]string{
		"$and", "$or", "$not", "$nor", "", "$eq", "$ne", "$lt", "$lte", "$gt", "$gte", "$in", "$nin", "$all", "$exists", "$type", "$size", "$mod",
		"$regex", "$beginsWith", "$elemMatch", "$allMatch", "$keyMapMatch", "$text",
	}[o]
}

// node is a part of a selector: a combination of selectors, a field with its condition, or a condition.
type node struct {
	op   op
	subs []*node // of a combination; the condition of a field; the selector of $elemMatch and its like
	arg  *value

	field string   // of opField, as the normalized selector names it; "" is the value itself
	path  []string // field, split; nil for a field that no document can have
	slot  int      // where the frame has the field's first step; -1 if it does not
	root  bool     // the path starts at the document, not at an element of it

	byID    bool // the field is _id: compare bytes
	key     []byte
	plain   []byte // the quoted argument, if it is a string whose equals are only its own bytes
	set     map[string]struct{}
	pattern pattern
	modulus [2]int64
}

// Selector is a compiled selector. It is immutable; any number of goroutines may use it. The zero value matches everything.
type Selector struct {
	root  *node // nil matches everything
	slots []string
}

// Compile reads a selector, {"field": condition, ...}. What is wrong with it is told with CouchDB's error names and reasons (*store.Error, 400).
func Compile(raw []byte) (Selector, error) {
	v, err := parse(raw)
	if err != nil {
		return Selector{}, err
	}
	return compile(v)
}

func compile(v *value) (Selector, error) {
	if v.kind != kindObject {
		return Selector{}, refuse("invalid_selector_json", "Selector must be a JSON object, not: %s", erlang(v))
	}
	if len(v.members) == 0 {
		return Selector{}, nil
	}
	root, err := parseNode(v)
	if err == nil {
		root, err = pushFields(root, "")
	}
	if err == nil {
		root, err = pushNegations(root)
	}
	if err != nil {
		return Selector{}, err
	}
	if root.op == opField && root.field == "" {
		return Selector{}, refuse("invalid_selector", "One or more conditions is missing a field name.")
	}
	var p preparer
	p.selector(root, true)
	return Selector{root: root, slots: p.slots}, nil
}

// parseNode reads a selector or a condition and checks the arguments of its operators. Fields still nest as they were written.
func parseNode(v *value) (*node, error) {
	if v.kind != kindObject || len(v.members) == 0 {
		return &node{op: opEq, arg: v}, nil
	}
	if len(v.members) == 1 {
		return parseMember(v.members[0])
	}
	all := &node{op: opAnd}
	for _, m := range v.members {
		sub, err := parseMember(m)
		if err != nil {
			return nil, err
		}
		all.subs = append(all.subs, sub)
	}
	return all, nil
}

func parseMember(m member) (*node, error) {
	if !strings.HasPrefix(m.name, "$") {
		condition, err := parseNode(m.value)
		if err != nil {
			return nil, err
		}
		return &node{op: opField, field: m.name, subs: []*node{condition}}, nil
	}
	operator, ok := operatorNamed(m.name)
	if !ok {
		return nil, unknownOperator(m.name)
	}
	return parseOperator(operator, m.value)
}

func unknownOperator(name string) error {
	switch name {
	case "$where", "$geoWithin", "$geoIntersects", "$near", "$nearSphere":
		return refuse("not_supported", "Unsupported operator: %s", name)
	}
	return badOperator(name)
}

func parseOperator(operator op, arg *value) (*node, error) {
	n := &node{op: operator, arg: arg}
	switch operator {
	case opAnd, opOr, opNor:
		if arg.kind != kindArray {
			return nil, badArgument(operator.String(), arg)
		}
		return n, n.parseSubs(arg.items)
	case opNot, opElemMatch, opAllMatch, opKeyMapMatch:
		if arg.kind != kindObject {
			return nil, badArgument(operator.String(), arg)
		}
		return n, n.parseSubs([]*value{arg})
	case opRegex, opBeginsWith:
		if arg.kind != kindString {
			return nil, badOperator(operator.String())
		}
	default:
	}
	if !validArgument(operator, arg) {
		return nil, badArgument(operator.String(), arg)
	}
	if operator == opRegex {
		var lacks string
		var ok bool
		switch n.pattern, lacks, ok = compilePattern(arg.text); {
		case lacks != "":
			return nil, refuse("not_supported", "Unsupported pattern of $regex: it uses %s. Say it without.", lacks)
		case !ok:
			return nil, badArgument("$regex", arg)
		}
	}
	return n, nil
}

func (n *node) parseSubs(args []*value) error {
	n.arg = nil
	for _, arg := range args {
		sub, err := parseNode(arg)
		if err != nil {
			return err
		}
		n.subs = append(n.subs, sub)
	}
	return nil
}

func validArgument(operator op, arg *value) bool {
	switch operator {
	case opIn, opNin, opAll:
		return arg.kind == kindArray
	case opExists:
		return arg.isBool()
	case opType:
		return arg.kind == kindString
	case opSize:
		return arg.integer() && !strings.HasPrefix(arg.text, "-")
	case opMod:
		return arg.kind == kindArray && len(arg.items) == 2 && arg.items[0].integer() && arg.items[1].integer()
	case opText:
		return arg.isBool() || arg.kind == kindString || arg.kind == kindNumber
	default:
		return true
	}
}

// pushFields moves field names down to the conditions: {"a": {"$and": [{"b": 1}, {"$gt": 2}]}} becomes {"$and": [{"a.b": 1}, {"a": {"$gt": 2}}]}.
func pushFields(n *node, path string) (*node, error) {
	switch n.op {
	case opAnd, opOr, opNot, opNor:
		return n, n.pushSubs(path)
	case opElemMatch, opAllMatch, opKeyMapMatch:
		return &node{op: opField, field: path, subs: []*node{n}}, n.pushSubs("")
	case opField:
		if path != "" {
			return pushFields(n.subs[0], path+"."+n.field)
		}
		return pushFields(n.subs[0], n.field)
	case opText:
		if path != "" {
			return nil, refuse("bad_field", "Invalid field normalization on selector: %s", erlang(objectValue("$default", objectValue("$text", n.arg))))
		}
		return &node{op: opField, field: "$default", subs: []*node{n}}, nil
	default:
		return &node{op: opField, field: path, subs: []*node{n}}, nil
	}
}

func (n *node) pushSubs(path string) error {
	for i, sub := range n.subs {
		pushed, err := pushFields(sub, path)
		if err != nil {
			return err
		}
		n.subs[i] = pushed
	}
	return nil
}

// pushNegations moves $not and $nor down to the conditions, where most of them vanish, so that the planner sees the conditions below.
func pushNegations(n *node) (*node, error) {
	switch n.op {
	case opNot:
		return negate(n.subs[0])
	case opNor:
		return n.with(opAnd, negate)
	case opAnd, opOr:
		return n.with(n.op, pushNegations)
	case opField:
		return n, n.subs[0].pushInner()
	default:
		return n, nil
	}
}

// pushInner normalizes the selector within $elemMatch and its like.
func (n *node) pushInner() error {
	switch n.op {
	case opElemMatch, opAllMatch, opKeyMapMatch:
		sub, err := pushNegations(n.subs[0])
		n.subs[0] = sub
		return err
	default:
		return nil
	}
}

func (n *node) with(operator op, change func(*node) (*node, error)) (*node, error) {
	changed := &node{op: operator}
	for _, sub := range n.subs {
		s, err := change(sub)
		if err != nil {
			return nil, err
		}
		changed.subs = append(changed.subs, s)
	}
	return changed, nil
}

func negate(n *node) (*node, error) {
	switch n.op {
	case opNot:
		return pushNegations(n.subs[0])
	case opNor:
		return n.with(opOr, pushNegations)
	case opAnd:
		return n.with(opOr, negate)
	case opOr:
		return n.with(opAnd, negate)
	case opField:
		if err := n.subs[0].pushInner(); err != nil {
			return nil, err
		}
		condition, err := negateCondition(n.subs[0])
		return &node{op: opField, field: n.field, subs: []*node{condition}}, err
	default:
		return n, nil
	}
}

func negateCondition(n *node) (*node, error) {
	inverse := map[op]op{opLt: opGte, opLte: opGt, opEq: opNe, opNe: opEq, opGte: opLt, opGt: opLte, opIn: opNin, opNin: opIn}
	if operator, ok := inverse[n.op]; ok {
		return &node{op: operator, arg: n.arg}, nil
	}
	switch n.op {
	case opExists:
		return &node{op: opExists, arg: boolValue(n.arg.kind == kindFalse)}, nil
	case opText:
		return nil, badArgument("$not", objectValue("$default", objectValue("$text", n.arg)))
	default:
		return &node{op: opNot, subs: []*node{n}}, nil
	}
}

// value is the normalized selector as JSON, the form that _explain and design documents show.
func (s Selector) value() *value {
	if s.root == nil {
		return &value{kind: kindObject}
	}
	return s.root.value()
}

func (n *node) value() *value {
	switch n.op {
	case opAnd, opOr:
		list := &value{kind: kindArray}
		for _, sub := range n.subs {
			list.items = append(list.items, sub.value())
		}
		return objectValue(n.op.String(), list)
	case opNot, opElemMatch, opAllMatch, opKeyMapMatch:
		return objectValue(n.op.String(), n.subs[0].value())
	case opField:
		return objectValue(n.field, n.subs[0].value())
	default:
		return objectValue(n.op.String(), n.arg)
	}
}

// splitField splits a field name at its dots; a backslash takes the next dot for a part of the name. nil: a name with an empty step, which
// no document can have.
func splitField(field string) []string {
	var path []string
	var step strings.Builder
	for i := 0; i <= len(field); i++ {
		switch {
		case i == len(field) || (field[i] == '.' && (i == 0 || field[i-1] != '\\')):
			if step.Len() == 0 {
				return nil
			}
			path = append(path, step.String())
			step.Reset()
		case field[i] != '\\':
			step.WriteByte(field[i])
		}
	}
	return path
}

// position reads a step of a path as the position of an element.
func position(step string) (int, bool) {
	n, err := strconv.Atoi(step)
	return n, err == nil && n >= 0
}
