package mango

import (
	"bytes"
	"math/big"
	"strconv"

	"github.com/adlayer/after/store"
)

// maxSlots is how many top-level members one pass over a document collects.
const maxSlots = 8

// frame is one document during a match: its bytes, and the members that the selector names.
type frame struct {
	body  []byte
	row   *store.Row // has _id and _rev where the body lacks them; else nil
	cover *cover     // has all that the selector names, in place of the document; else nil
	spans [maxSlots][]byte
}

// plainString gives the quoted form of a string of printable ASCII without escapes; another such string is equal only if it is the same.
func plainString(v *value) []byte {
	if v.kind != kindString || !isPlain([]byte(v.text)) {
		return nil
	}
	return appendString(nil, v.text)
}

func isPlain(text []byte) bool {
	for _, c := range text {
		if c < ' ' || c >= 0x7f || c == '\\' || c == '"' {
			return false
		}
	}
	return true
}

// Match tells whether a document fits the selector. doc is the whole document as JSON, with _id and _rev, and must be valid.
func (s Selector) Match(doc []byte) bool {
	f := frame{body: doc}
	return s.match(&f)
}

// matchRow is Match for a document whose body lacks _id and _rev, as the store keeps it.
func (s Selector) matchRow(row *store.Row) bool {
	f := frame{body: row.Body, row: row}
	return s.match(&f)
}

func (s Selector) match(f *frame) bool {
	if s.root == nil {
		return true
	}
	f.collect(s.slots)
	return s.root.match(f, f.body)
}

// collect finds all named members in one pass and stops once it has them.
func (f *frame) collect(names []string) {
	if f.cover != nil {
		return
	}
	missing := len(names)
	if f.row != nil {
		for i, name := range names {
			if v, ok := f.special(name); ok {
				f.spans[i] = v
				missing--
			}
		}
	}
	w, ok := walk(f.body, '{')
	for ok && missing > 0 {
		var quoted, v []byte
		if quoted, v, ok = w.member(); !ok {
			return
		}
		for i, name := range names {
			if f.spans[i] == nil && nameIs(quoted, name) {
				f.spans[i] = v
				missing--
				break
			}
		}
	}
}

// special gives _id, _rev and _attachments of a body that lacks them.
func (f *frame) special(name string) ([]byte, bool) {
	switch {
	case f.row == nil:
		return nil, false
	case name == "_id":
		return appendString(nil, f.row.ID), true
	case name == "_rev":
		return appendString(nil, f.row.Rev.String()), true
	case name == "_attachments" && f.row.HasAttachments():
		return f.row.AppendStubs(nil), true
	}
	return nil, false
}

// outcome is what following a path into a document gives.
type outcome uint8

const (
	found   outcome = iota
	missing         // an object lacks the next step
	astray          // the next step leads into a value that has none
)

// follow goes from v along path.
func follow(v []byte, path []string) ([]byte, outcome) {
	for _, step := range path {
		switch kindOf(v) {
		case kindObject:
			next, ok := lookup(v, step)
			if !ok {
				return nil, missing
			}
			v = next
		case kindArray:
			at, ok := position(step)
			if !ok {
				return nil, astray
			}
			if v, ok = elementAt(v, at); !ok {
				return nil, astray
			}
		default:
			return nil, astray
		}
	}
	return v, found
}

// resolve finds the value of a field node.
func (n *node) resolve(f *frame, v []byte) ([]byte, outcome) {
	if n.path == nil {
		return nil, astray
	}
	if n.root && f.cover != nil {
		return f.cover.value(n.field), found
	}
	if n.slot >= 0 {
		if f.spans[n.slot] == nil {
			return nil, missing
		}
		return follow(f.spans[n.slot], n.path[1:])
	}
	if n.root {
		if special, ok := f.special(n.path[0]); ok {
			return follow(special, n.path[1:])
		}
	}
	return follow(v, n.path)
}

// match matches a selector against a value: the document, or an element of it.
func (n *node) match(f *frame, v []byte) bool {
	switch n.op {
	case opAnd:
		for _, sub := range n.subs {
			if !sub.match(f, v) {
				return false
			}
		}
		return true
	case opOr:
		for _, sub := range n.subs {
			if sub.match(f, v) {
				return true
			}
		}
		return len(n.subs) == 0 // as in CouchDB, no alternatives at all exclude nothing
	case opNot:
		return !n.subs[0].match(f, v)
	case opField:
		return n.matchField(f, v)
	default:
		return n.holds(f, v)
	}
}

func (n *node) matchField(f *frame, v []byte) bool {
	if n.field == "" {
		return n.subs[0].match(f, v)
	}
	if n.field == "$default" {
		return true // as in CouchDB without a text index
	}
	at, result := n.resolve(f, v)
	switch result {
	case missing:
		return n.subs[0].op == opExists && n.subs[0].arg.kind == kindFalse
	case astray:
		return false
	default:
		return n.subs[0].match(f, at)
	}
}

// holds tells whether a condition holds for a value that is there.
func (n *node) holds(f *frame, v []byte) bool {
	switch n.op {
	case opEq, opNe:
		return n.equals(v) == (n.op == opEq)
	case opLt, opLte, opGt, opGte:
		return n.ordered(v)
	case opIn:
		return n.contains(v)
	case opNin:
		return !n.contains(v)
	case opAll:
		return n.hasAll(v)
	case opExists:
		return n.arg.kind == kindTrue
	case opType:
		return typeName(kindOf(v)) == n.arg.text
	case opSize:
		return kindOf(v) == kindArray && strconv.Itoa(count(v)) == n.arg.text
	case opMod:
		return n.divides(v)
	case opRegex:
		return kindOf(v) == kindString && n.pattern.match(unquote(v))
	case opBeginsWith:
		return kindOf(v) == kindString && beginsWith(unquote(v), n.arg.text)
	case opElemMatch, opAllMatch:
		return n.elements(f, v)
	case opKeyMapMatch:
		return n.names(f, v)
	default:
		return true
	}
}

// appendKey is the key of a document's value as the condition compares it.
func (n *node) appendKey(dst, v []byte) []byte {
	if n.byID && kindOf(v) == kindString {
		return appendBytes(dst, string(unquote(v)))
	}
	return AppendKey(dst, v)
}

func (n *node) equals(v []byte) bool {
	if n.plain != nil {
		if bytes.Equal(v, n.plain) {
			return true
		}
		if kindOf(v) != kindString || isPlain(v[1:len(v)-1]) {
			return false
		}
	}
	var scratch [128]byte
	return bytes.Equal(n.appendKey(scratch[:0], v), n.key)
}

func (n *node) ordered(v []byte) bool {
	var scratch [128]byte
	c := bytes.Compare(n.appendKey(scratch[:0], v), n.key)
	switch n.op {
	case opLt:
		return c < 0
	case opLte:
		return c <= 0
	case opGt:
		return c > 0
	default:
		return c >= 0
	}
}

func (n *node) has(v []byte) bool {
	var scratch [128]byte
	_, ok := n.set[string(n.appendKey(scratch[:0], v))]
	return ok
}

// contains is $in: of an array, any element.
func (n *node) contains(v []byte) bool {
	w, ok := walk(v, '[')
	if !ok {
		return n.has(v)
	}
	for {
		element, ok := w.element()
		if !ok {
			return false
		}
		if n.has(element) {
			return true
		}
	}
}

// hasAll is $all: each argument is exactly an element, or the single argument is the array itself.
func (n *node) hasAll(v []byte) bool {
	w, ok := walk(v, '[')
	if !ok || len(n.set) == 0 {
		return false
	}
	seen := make(map[string]struct{}, len(n.set))
	for {
		element, ok := w.element()
		if !ok {
			break
		}
		key := string(appendExact(nil, element, true))
		if _, ok := n.set[key]; ok {
			seen[key] = struct{}{}
		}
	}
	return len(seen) == len(n.set) || n.key != nil && bytes.Equal(appendExact(nil, v, false), n.key)
}

// appendExact appends what two values have in common only if Erlang takes them for the same: texts by their bytes and, where numbers are typed,
// integers apart from others.
func appendExact(dst, raw []byte, typed bool) []byte {
	switch kindOf(raw) {
	case kindNumber:
		if typed && isInteger(raw) {
			dst = append(dst, 'i')
		}
		return appendNumber(append(dst, keyNumber), raw)
	case kindString:
		return appendBytes(dst, string(unquote(raw)))
	case kindArray:
		dst = append(dst, keyArray)
		for w, ok := walk(raw, '['); ok; {
			var element []byte
			if element, ok = w.element(); ok {
				dst = appendExact(dst, element, typed)
			}
		}
		return append(dst, keyEnd)
	case kindObject:
		dst = append(dst, keyObject)
		for w, ok := walk(raw, '{'); ok; {
			var name, v []byte
			if name, v, ok = w.member(); ok {
				dst = appendExact(appendExact(dst, name, typed), v, typed)
			}
		}
		return append(dst, keyEnd)
	default:
		return AppendKey(dst, raw)
	}
}

func (n *node) divides(v []byte) bool {
	if kindOf(v) != kindNumber || !isInteger(v) || n.modulus[0] == 0 {
		return false
	}
	if i, err := strconv.ParseInt(string(v), 10, 64); err == nil {
		return i%n.modulus[0] == n.modulus[1]
	}
	large, ok := new(big.Int).SetString(string(v), 10)
	return ok && new(big.Int).Rem(large, big.NewInt(n.modulus[0])).Int64() == n.modulus[1]
}

// elements is $elemMatch and $allMatch; an empty array fits neither.
func (n *node) elements(f *frame, v []byte) bool {
	w, ok := walk(v, '[')
	some := false
	for ok {
		var element []byte
		if element, ok = w.element(); !ok {
			break
		}
		if some = n.subs[0].match(f, element); some != (n.op == opAllMatch) {
			return some
		}
	}
	return some
}

// names is $keyMapMatch: the name of any member fits.
func (n *node) names(f *frame, v []byte) bool {
	w, ok := walk(v, '{')
	for ok {
		var quoted []byte
		if quoted, _, ok = w.member(); ok && n.subs[0].match(f, quoted) {
			return true
		}
	}
	return false
}

func count(array []byte) int {
	w, ok := walk(array, '[')
	total := 0
	for ok {
		if _, ok = w.element(); ok {
			total++
		}
	}
	return total
}

func typeName(k kind) string {
	switch k {
	case kindNull:
		return "null"
	case kindFalse, kindTrue:
		return "boolean"
	case kindNumber:
		return "number"
	case kindString:
		return "string"
	case kindArray:
		return "array"
	default:
		return "object"
	}
}
