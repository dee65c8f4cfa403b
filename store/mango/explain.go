package mango

import (
	"slices"

	"github.com/adlayer/after/store"
)

// maxEnd is how _explain writes an open upper end.
const maxEnd = "<MAX>"

// explain shows how a query would be answered, in the shape that CouchDB shows it.
func explain(db *store.Database, body []byte, settings Settings) ([]byte, error) {
	q, err := readQuery(body, settings)
	if err != nil {
		return nil, err
	}
	p, err := planFor(db, q)
	if err != nil {
		return nil, err
	}
	fields := stringList(q.fields)
	v := objectValue("dbname", stringValue(db.Name()))
	v.set("index", &value{kind: kindNull})
	if p.index != nil {
		v.set("index", p.index.value())
	}
	v.set("partitioned", boolValue(false))
	v.set("selector", q.selector.value())
	v.set("opts", q.options())
	v.set("limit", integerValue(q.limit))
	v.set("skip", integerValue(q.skip))
	v.set("fields", fields)
	v.set("index_candidates", p.candidates(q))
	v.set("selector_hints", q.hints())
	if p.index != nil {
		v.set("mrargs", p.arguments(q))
		v.set("covering", boolValue(p.covering))
	}
	return v.appendJSON(nil), nil
}

func stringList(list []string) *value {
	v := &value{kind: kindArray}
	for _, s := range list {
		v.items = append(v.items, stringValue(s))
	}
	return v
}

// options are the request's members as they are in force.
func (q *query) options() *value {
	v := objectValue("use_index", stringList(q.useIndex))
	v.set("bookmark", stringValue("nil"))
	if q.bookmark != "" {
		v.set("bookmark", stringValue(q.bookmark))
	}
	v.set("limit", integerValue(q.limit))
	v.set("skip", integerValue(q.skip))
	sort := &value{kind: kindObject}
	for _, field := range q.sort {
		sort.set(field, stringValue(direction(q.desc)))
	}
	v.set("sort", sort)
	v.set("fields", stringList(q.fields))
	v.set("partition", stringValue(""))
	v.set("r", integerValue(q.r))
	v.set("conflicts", boolValue(q.conflicts))
	v.set("stale", boolValue(false))
	if q.staleOK {
		v.set("stale", stringValue("ok"))
	}
	v.set("update", boolValue(q.update))
	v.set("stable", boolValue(q.stable))
	v.set("execution_stats", boolValue(q.stats))
	v.set("allow_fallback", boolValue(q.allowFallback))
	return v
}

func direction(desc bool) string {
	if desc {
		return "desc"
	}
	return "asc"
}

// hints tells which of the selector's fields an index could help with.
func (q *query) hints() *value {
	can := indexable(q.selector)
	cannot := slices.DeleteFunc(q.selector.fieldNames(), func(field string) bool { return slices.Contains(can, field) })
	hint := objectValue("type", stringValue("json"))
	hint.set("indexable_fields", stringList(can))
	hint.set("unindexable_fields", stringList(cannot))
	return &value{kind: kindArray, items: []*value{hint}}
}

// arguments are those of the view query that CouchDB would make.
func (p *plan) arguments(q *query) *value {
	start, end := p.ends()
	if q.desc {
		start, end = end, start
	}
	v := objectValue("include_docs", boolValue(!p.covering && q.r == 1))
	v.set("view_type", stringValue("map"))
	v.set("reduce", boolValue(false))
	v.set("partition", &value{kind: kindNull})
	v.set("start_key", start)
	v.set("end_key", end)
	v.set("direction", stringValue(map[bool]string{false: "fwd", true: "rev"}[q.desc]))
	v.set("stable", boolValue(q.stable || q.staleOK))
	v.set("update", boolValue(q.update && !q.staleOK))
	v.set("conflicts", stringValue("undefined"))
	if q.conflicts {
		v.set("conflicts", boolValue(true))
	}
	return v
}

// ends are the keys between which the plan looks.
func (p *plan) ends() (start, end *value) {
	null := &value{kind: kindNull}
	if p.none {
		return null, null
	}
	if p.index.special() {
		start, end = null, stringValue(maxEnd)
		if s := p.spans[0]; s.low != nil {
			start = s.low
		}
		if s := p.spans[0]; s.high != nil {
			end = s.high
		}
		return start, end
	}
	start, end = &value{kind: kindArray}, &value{kind: kindArray}
	for _, s := range p.spans {
		if s.low == nil {
			break
		}
		start.items = append(start.items, s.low)
	}
	for _, s := range p.spans {
		if s.high == nil {
			break
		}
		end.items = append(end.items, s.high)
	}
	end.items = append(end.items, stringValue(maxEnd))
	return start, end
}

// candidate is an index that was not chosen, and why.
type candidate struct {
	index  *index
	usable bool
	reason string
	rank   int
}

// candidates lists the indexes that were not chosen, with CouchDB's reasons and ranks.
func (p *plan) candidates(q *query) *value {
	list := &value{kind: kindArray}
	all := slices.Clone(p.trace.all)
	slices.Reverse(all)
	ranks := p.ranks(q)
	for _, x := range all {
		if x == p.index {
			continue
		}
		c := p.judge(x, q, ranks)
		analysis := objectValue("usable", boolValue(c.usable))
		analysis.set("reasons", &value{kind: kindArray, items: []*value{objectValue("name", stringValue(c.reason))}})
		analysis.set("ranking", integerValue(int64(c.rank)))
		analysis.set("covering", boolValue(x.covers(q.fields)))
		if x.special() {
			analysis.set("covering", &value{kind: kindNull})
		}
		item := objectValue("index", x.value())
		item.set("analysis", analysis)
		list.items = append(list.items, item)
	}
	return list
}

// ranking holds the rank of each class of index: after the ranked ones come those of another type, those that use_index excludes, those that cannot be
// used, and partial ones. A class nobody is in takes no rank.
type ranking struct{ unfavored, excluded, unusable, partial int }

func (p *plan) ranks(q *query) ranking {
	var r ranking
	r.unfavored = 1
	if p.index != nil && !p.index.special() {
		r.unfavored = max(1, len(p.trace.ranked))
	}
	step := func(rank int, class func(*index) bool) int {
		if slices.ContainsFunc(p.trace.all, class) {
			return rank + 1
		}
		return rank
	}
	r.excluded = step(r.unfavored, p.unfavored)
	r.unusable = step(r.excluded, func(x *index) bool { return p.excluded(x, q) })
	r.partial = step(r.unusable, func(x *index) bool { return p.trace.rejected[x] != "" })
	return r
}

func (p *plan) unfavored(x *index) bool {
	return slices.Contains(p.trace.chosen, x) && !slices.Contains(p.trace.ofType, x)
}

func (p *plan) excluded(x *index, q *query) bool {
	return p.trace.rejected[x] == "" && !slices.Contains(p.trace.chosen, x) && (!x.partial() || q.names(x))
}

func (p *plan) judge(x *index, q *query, ranks ranking) candidate {
	switch {
	case p.trace.rejected[x] != "":
		return candidate{x, false, p.trace.rejected[x], ranks.unusable}
	case x.partial() && !q.names(x):
		return candidate{x, false, "is_partial", ranks.partial}
	case p.excluded(x, q):
		return candidate{x, true, "excluded_by_user", ranks.excluded}
	case p.unfavored(x):
		return candidate{x, true, "unfavored_type", ranks.unfavored}
	}
	at := slices.IndexFunc(p.trace.ranked, func(r ranked) bool { return r.index == x })
	reason := "alphabetically_comes_after"
	switch {
	case p.trace.ranked[at].distance > 0:
		reason = "less_overlap"
	case len(x.fields) > len(p.index.fields):
		reason = "too_many_fields"
	}
	return candidate{x, true, reason, at}
}
