package mango

import (
	"bytes"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"
)

// span is what a selector leaves of one field's values. A nil low or high is open.
type span struct {
	empty         bool
	lowOp, highOp op // opGt, opGte, opEq; opLt, opLte, opEq
	low, high     *value
}

// fieldSpan is the span of a named field.
type fieldSpan struct {
	field string
	span
}

// plan is how a query is answered: through which index, and through which part of it.
type plan struct {
	index *index // nil if none can be used
	spans []span // of the index's first columns
	none  bool   // the selector cannot match: nothing is read
	// covering tells that the index has every field of the selector and of the answer: no document is read.
	covering bool
	trace    trace
}

// trace is what the planner weighed, for _explain.
type trace struct {
	all      []*index
	rejected map[*index]string // not usable, and why
	chosen   []*index          // usable and not excluded by use_index
	ofType   []*index          // those of the winner's type
	ranked   []ranked
}

// ranked is a usable index with its distance to the query.
type ranked struct {
	index    *index
	spans    []span
	distance int
}

// makePlan chooses an index for a query as CouchDB does: among those whose columns the selector requires to exist, the one whose leading columns
// cover most of the selector's ranges, then the one with fewest columns, then by name. An index with a partial filter takes part only when
// use_index names it.
func makePlan(indexes []*index, q *query) (*plan, error) {
	p := &plan{trace: trace{all: indexes, rejected: map[*index]string{}}}
	var usable []*index
	for _, x := range indexes {
		if x.partial() && !q.names(x) {
			continue
		}
		if reason := x.unusable(q); reason != "" {
			p.trace.rejected[x] = reason
			continue
		}
		usable = append(usable, x)
	}
	chosen := slices.DeleteFunc(slices.Clone(usable), func(x *index) bool { return !q.names(x) })
	if len(chosen) == 0 {
		if !q.allowFallback && (len(q.useIndex) > 0 || len(usable) < 2) {
			return nil, q.fallbackError() // one alone is taken for the primary index
		}
		chosen = usable
	}
	if len(chosen) == 0 {
		return p, nil
	}
	p.trace.chosen = chosen
	p.choose(chosen, q)
	p.none = p.none || q.selector.noop()
	p.covering = len(q.fields) > 0 && p.index.covers(append(q.selector.fieldNames(), q.fields...))
	return p, nil
}

func (p *plan) choose(chosen []*index, q *query) {
	spans := fieldSpans(q.selector)
	for _, x := range chosen {
		if !x.special() {
			p.trace.ofType = append(p.trace.ofType, x)
		}
	}
	if len(p.trace.ofType) == 0 {
		p.trace.ofType = chosen
		spans = append(spans, fieldSpan{"_id", span{lowOp: opGt, low: &value{kind: kindNull}, highOp: opLt}})
	}
	for _, x := range p.trace.ofType {
		prefix := x.prefix(spans)
		p.trace.ranked = append(p.trace.ranked, ranked{x, prefix, len(spans) - len(prefix)})
	}
	slices.SortStableFunc(p.trace.ranked, func(a, b ranked) int {
		switch {
		case a.distance != b.distance:
			return a.distance - b.distance
		case len(a.index.fields) != len(b.index.fields):
			return len(a.index.fields) - len(b.index.fields)
		}
		return a.index.compare(b.index)
	})
	best := p.trace.ranked[0]
	p.index, p.spans = best.index, best.spans
	p.none = len(p.spans) == 1 && p.spans[0].empty
}

// prefix gives the spans of the index's leading columns, as far as the query has them.
func (x *index) prefix(spans []fieldSpan) []span {
	var prefix []span
	for _, field := range x.fields {
		at := slices.IndexFunc(spans, func(s fieldSpan) bool { return s.field == field })
		if at < 0 {
			break
		}
		prefix = append(prefix, spans[at].span)
	}
	return prefix
}

// unusable says in CouchDB's word why the index cannot answer the query, "" if it can.
func (x *index) unusable(q *query) string {
	if x.special() {
		switch {
		case len(q.sort) == 0:
			return ""
		case !slices.Contains(indexable(q.selector), "_id"):
			return "field_mismatch"
		case len(q.sort) != 1 || q.sort[0] != "_id":
			return "sort_order_mismatch"
		}
		return ""
	}
	required := slices.DeleteFunc(slices.Clone(x.fields), func(field string) bool {
		return slices.Contains(q.sort, field) || field == "_id" || field == "_rev"
	})
	switch {
	case len(q.selector.unrequired(required)) > 0:
		return "field_mismatch"
	case q.selector.root != nil && q.selector.root.searchesText():
		return "needs_text_search"
	case !q.selector.sortable(x.fields, q.sort):
		return "sort_order_mismatch"
	}
	return ""
}

// unrequired gives those of the fields that a document can lack and still match.
func (s Selector) unrequired(fields []string) []string {
	if s.root == nil {
		return fields
	}
	return s.root.unrequired(fields)
}

func (n *node) unrequired(fields []string) []string {
	switch {
	case n.op == opAnd:
		for _, sub := range n.subs {
			fields = sub.unrequired(fields)
		}
	case n.op == opOr && len(n.subs) > 0:
		var left []string
		for _, sub := range n.subs {
			left = append(left, sub.unrequired(fields)...)
		}
		slices.Sort(left)
		return slices.Compact(left)
	case n.op == opField && (n.subs[0].op != opExists || n.subs[0].arg.kind == kindTrue):
		return slices.DeleteFunc(slices.Clone(fields), func(field string) bool { return field == n.field })
	}
	return fields
}

func (n *node) searchesText() bool {
	return n.op == opText || slices.ContainsFunc(n.subs, (*node).searchesText)
}

// sortable tells whether rows in the order of columns are in the wanted order: it starts the columns, but for ones that the selector holds constant.
func (s Selector) sortable(columns, sort []string) bool {
	for len(sort) > 0 {
		switch {
		case len(columns) == 0:
			return false
		case columns[0] == sort[0]:
			return len(sort) <= len(columns) && slices.Equal(columns[:len(sort)], sort)
		case s.root == nil || !s.root.holdsConstant(columns[0]):
			return false
		}
		columns = columns[1:]
	}
	return true
}

func (n *node) holdsConstant(field string) bool {
	switch n.op {
	case opAnd:
		return slices.ContainsFunc(n.subs, func(sub *node) bool { return sub.holdsConstant(field) })
	case opField:
		return n.field == field && n.subs[0].op == opEq
	default:
		return false
	}
}

// noop tells whether the selector is one of those that CouchDB answers with nothing, without a look.
func (s Selector) noop() bool {
	return s.root != nil && (s.root.op == opAnd || s.root.op == opOr) && len(s.root.subs) == 0
}

// indexable gives the fields, sorted, that the selector bounds by a comparison.
func indexable(s Selector) []string {
	if s.root == nil {
		return nil
	}
	fields := s.root.indexable(nil)
	slices.Sort(fields)
	return slices.Compact(fields)
}

func (n *node) indexable(fields []string) []string {
	switch n.op {
	case opAnd:
		for _, sub := range n.subs {
			fields = sub.indexable(fields)
		}
	case opField:
		switch n.subs[0].op {
		case opLt, opLte, opEq, opGte, opGt, opBeginsWith:
			return append(fields, n.field)
		default:
		}
	default:
	}
	return fields
}

// fieldNames gives all fields that the selector names, sorted.
func (s Selector) fieldNames() []string {
	if s.root == nil {
		return nil
	}
	fields := s.root.fieldNames(nil)
	slices.Sort(fields)
	return slices.Compact(fields)
}

func (n *node) fieldNames(fields []string) []string {
	if n.op == opField {
		return append(fields, n.field)
	}
	for _, sub := range n.subs {
		fields = sub.fieldNames(fields)
	}
	return fields
}

// fieldSpans gives the span of each field that the selector bounds. One that is empty makes the whole query empty and stands alone.
func fieldSpans(s Selector) []fieldSpan {
	var spans []fieldSpan
	for _, field := range indexable(s) {
		all := span{lowOp: opGt, highOp: opLt}
		s.root.narrow(field, &all)
		if all.empty {
			return []fieldSpan{{field, all}}
		}
		spans = append(spans, fieldSpan{field, all})
	}
	return spans
}

func (n *node) narrow(field string, s *span) {
	switch {
	case n.op == opAnd:
		for _, sub := range n.subs {
			sub.narrow(field, s)
		}
	case n.op == opField && n.field == field && !s.empty:
		n.subs[0].bound(s)
	}
}

// bound takes what a condition refuses out of the span.
func (n *node) bound(s *span) {
	if n.op == opBeginsWith {
		n.boundPrefix(s)
		return
	}
	low, high := n.against(s.low, -1), n.against(s.high, 1)
	switch n.op {
	case opLt, opLte:
		switch {
		case low < 0, low == 0 && (n.op == opLt || s.lowOp == opGt):
			s.empty = true
		case low == 0:
			*s = span{lowOp: opEq, low: n.arg, highOp: opEq, high: n.arg}
		case high < 0, high == 0 && n.op == opLt:
			s.highOp, s.high = n.op, n.arg
		}
	case opGt, opGte:
		switch {
		case high > 0, high == 0 && (n.op == opGt || s.highOp == opLt):
			s.empty = true
		case high == 0:
			*s = span{lowOp: opEq, low: n.arg, highOp: opEq, high: n.arg}
		case low > 0, low == 0 && n.op == opGt:
			s.lowOp, s.low = n.op, n.arg
		}
	case opEq:
		if low < 0 || high > 0 || (low == 0 && s.lowOp == opGt) || (high == 0 && s.highOp == opLt) {
			s.empty = true
			return
		}
		*s = span{lowOp: opEq, low: n.arg, highOp: opEq, high: n.arg}
	default:
	}
}

// boundPrefix leaves what $beginsWith can find. That is one part of the collation, but for letters that sort behind the one that follows them.
func (n *node) boundPrefix(s *span) {
	if last, _ := utf8.DecodeLastRuneInString(n.arg.text); !n.byID && unicode.Is(unicode.Logical_Order_Exception, last) {
		return
	}
	low := node{op: opGte, arg: n.arg, byID: n.byID}
	high := node{op: opLte, arg: &value{kind: kindPast, text: n.arg.text}, byID: n.byID}
	low.key, high.key = low.keyOf(low.arg), high.keyOf(high.arg)
	if low.bound(s); !s.empty {
		high.bound(s)
	}
}

// against compares the condition's argument with an end of a span; an open end is beyond everything, on the given side.
func (n *node) against(end *value, side int) int {
	if end == nil {
		return -side
	}
	return bytes.Compare(n.key, n.keyOf(end))
}

// fallbackError is why a query that allows no other index than its own has none.
func (q *query) fallbackError() error {
	if len(q.useIndex) == 0 {
		return refuse("invalid_index", "You must specify an index with the `use_index` parameter.")
	}
	return refuse("invalid_index", "%s specified by `use_index` could not be found or it is not suitable.", q.indexName())
}

// indexName is how reasons name what use_index asks for.
func (q *query) indexName() string {
	name := "_design/" + strings.TrimPrefix(q.useIndex[0], "_design/")
	if len(q.useIndex) > 1 {
		name += ", " + q.useIndex[1]
	}
	return name
}

// names tells whether use_index names the index.
func (q *query) names(x *index) bool {
	if len(q.useIndex) == 0 || x.ddoc != "_design/"+strings.TrimPrefix(q.useIndex[0], "_design/") {
		return false
	}
	return len(q.useIndex) == 1 || q.useIndex[1] == x.name
}
