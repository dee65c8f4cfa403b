package mango

import (
	"math"
	"strconv"
	"strings"
)

// query is a checked request to _find or _explain.
type query struct {
	selector      Selector
	useIndex      []string // design document, and name
	bookmark      string   // "" for none
	limit, skip   int64
	sort          []string
	desc          bool
	fields        []string // nil for whole documents
	r             int64
	conflicts     bool
	staleOK       bool
	update        bool
	stable        bool
	stats         bool
	allowFallback bool
}

// request is a JSON object whose members are taken one by one; what is left over at the end is an error.
type request struct {
	body *value
	err  error // the first one
}

func readRequest(body []byte) (*request, error) {
	v, err := parse(body)
	if err != nil {
		return nil, err
	}
	if v.kind != kindObject {
		return nil, refuse("bad_request", "Request body must be a JSON object")
	}
	return &request{body: v}, nil
}

// take removes a member and gives its value, nil if it is not there or an error came before.
func (r *request) take(name string) *value {
	v := r.body.get(name)
	if r.err != nil {
		return nil
	}
	r.body.drop(name)
	return v
}

func (r *request) fail(err error) {
	if r.err == nil {
		r.err = err
	}
}

// finish gives the first error, also that of a member that nobody took.
func (r *request) finish() error {
	if r.err == nil && len(r.body.members) > 0 {
		r.err = badKey(r.body.members[0].name)
	}
	return r.err
}

// boolean takes true or false; null and absence are the default.
func (r *request) boolean(name string, otherwise bool) bool {
	v := r.take(name)
	if v == nil {
		return otherwise
	}
	if !v.isBool() {
		r.fail(refuse("invalid_boolean", "Invalid boolean value: %s", erlang(v)))
	}
	return v.kind == kindTrue
}

// count takes an integer of at least least. One too large to count is as large as counts go.
func (r *request) count(name string, least, otherwise int64) int64 {
	v := r.take(name)
	if v == nil {
		return otherwise
	}
	if v.integer() {
		n, err := strconv.ParseInt(v.text, 10, 64)
		if err != nil && !strings.HasPrefix(v.text, "-") {
			n = math.MaxInt64
		}
		if n >= least && !strings.HasPrefix(v.text, "-") {
			return n
		}
	}
	if least > 0 {
		r.fail(refuse("invalid_pos_integer", "%s is not an integer greater than zero", erlang(v)))
	} else {
		r.fail(refuse("invalid_non_neg_integer", "%s is not an integer greater than or equal to zero", erlang(v)))
	}
	return 0
}

// readQuery checks the body of _find or _explain.
func readQuery(body []byte, settings Settings) (*query, error) {
	r, err := readRequest(body)
	if err != nil {
		return nil, err
	}
	q := &query{}
	q.selector = r.selector("selector", true)
	q.useIndex = r.useIndex("use_index")
	q.bookmark = r.bookmark()
	q.limit = r.count("limit", 0, settings.Limit)
	q.skip = r.count("skip", 0, 0)
	q.sort, q.desc = splitSort(r.sort("sort"))
	q.fields = r.fields()
	r.partition()
	q.r = r.count("r", 1, 1)
	q.conflicts = r.boolean("conflicts", false)
	q.staleOK = r.stale()
	q.update = r.boolean("update", true)
	q.stable = r.boolean("stable", false)
	q.stats = r.boolean("execution_stats", false)
	q.allowFallback = r.boolean("allow_fallback", true)
	return q, r.finish()
}

func (r *request) selector(name string, required bool) Selector {
	v := r.take(name)
	if v == nil {
		if required {
			r.fail(missingKey(name))
		}
		return Selector{}
	}
	s, err := compile(v)
	if err != nil {
		r.fail(err)
	}
	return s
}

// useIndex takes "ddoc", "ddoc/name", either with _design/ before it, ["ddoc"], ["ddoc", "name"], or nothing.
func (r *request) useIndex(name string) []string {
	v := r.take(name)
	if v == nil || v.kind == kindNull {
		return nil
	}
	names, ok := indexNames(v)
	if !ok {
		r.fail(refuse("invalid_index_name", "Invalid index name: %s", erlang(v)))
	}
	return names
}

func indexNames(v *value) ([]string, bool) {
	if v.kind == kindString {
		names := strings.Split(v.text, "/")
		if len(names) > 1 && names[0] == "_design" {
			names = names[1:]
		}
		return names, len(names) <= 2
	}
	if v.kind != kindArray || len(v.items) > 2 {
		return nil, false
	}
	var names []string
	for _, item := range v.items {
		if item.kind != kindString {
			return nil, false
		}
		names = append(names, item.text)
	}
	return names, true
}

func (r *request) bookmark() string {
	v := r.take("bookmark")
	switch {
	case v == nil || v.kind == kindNull:
		return ""
	case v.kind == kindString:
		return v.text
	}
	r.fail(broke("unknown_error", "Unknown Error: mango_opts :: {invalid_bookmark,%s}", erlang(v)))
	return ""
}

func badBookmark(v *value) error {
	return refuse("invalid_bookmark", "Invalid bookmark value: %s", v.appendJSON(nil))
}

// sorted is one field of a sort or of an index.
type sorted struct {
	field string
	desc  bool
}

// sort takes ["a", {"b": "desc"}]. All fields must go in one direction.
func (r *request) sort(name string) []sorted {
	v := r.take(name)
	if v == nil {
		return nil
	}
	if v.kind != kindArray {
		r.fail(refuse("invalid_sort_json", "Sort must be an array of sort specs, not: %s", erlangPretty(v)))
		return nil
	}
	var fields []sorted
	for _, item := range v.items {
		field, ok := sortField(item)
		if !ok {
			r.fail(refuse("invalid_sort_field", "Invalid sort field: %s", erlangPretty(item)))
			return nil
		}
		fields = append(fields, field)
	}
	for _, field := range fields {
		if field.desc != fields[0].desc {
			r.fail(refuse("unsupported_mixed_sort", "Sorts currently only support a single direction for all fields."))
		}
	}
	return fields
}

func sortField(v *value) (sorted, bool) {
	if v.kind == kindString {
		return sorted{field: v.text}, v.text != ""
	}
	if v.kind != kindObject || len(v.members) != 1 || v.members[0].value.kind != kindString {
		return sorted{}, false
	}
	switch m := v.members[0]; m.value.text {
	case "asc":
		return sorted{field: m.name}, true
	case "desc":
		return sorted{field: m.name, desc: true}, true
	}
	return sorted{}, false
}

func splitSort(fields []sorted) (names []string, desc bool) {
	for _, field := range fields {
		names, desc = append(names, field.field), field.desc
	}
	return names, desc
}

func (r *request) fields() []string {
	v := r.take("fields")
	if v == nil {
		return nil
	}
	if v.kind != kindArray {
		r.fail(refuse("invalid_fields", "Fields must be an array of strings, not: %s", erlang(v)))
		return nil
	}
	var fields []string
	for _, item := range v.items {
		if item.kind != kindString {
			r.fail(refuse("invalid_field", "Invalid JSON for field spec: %s", erlang(item)))
			return nil
		}
		fields = append(fields, item.text)
	}
	return fields
}

// partition takes the partition of a partitioned database, which none here is.
func (r *request) partition() {
	if v := r.take("partition"); v != nil && (v.kind != kindString || v.text != "") {
		r.fail(refuse("query_parse_error", "`partition` parameter is not supported on this db"))
	}
}

func (r *request) stale() bool {
	v := r.take("stale")
	switch {
	case v == nil, v.kind == kindFalse, v.kind == kindString && v.text == "false":
		return false
	case v.kind == kindString && v.text == "ok":
		return true
	}
	r.fail(refuse("invalid_value", "Invalid value for stale: %s", erlang(v)))
	return false
}

// indexRequest is a checked request to make an index.
type indexRequest struct {
	definition  *value // as it came
	kind        string
	name, ddoc  *value // nil: to be generated
	w           *value
	partitioned string // an Erlang atom: true, false, or db_default where the request does not say
	view        *value // the view that holds the index
}

// readIndexRequest checks the body of POST _index.
func readIndexRequest(body []byte) (*indexRequest, error) {
	r, err := readRequest(body)
	if err != nil {
		return nil, err
	}
	x := &indexRequest{}
	if x.definition = r.take("index"); x.definition == nil {
		r.fail(missingKey("index"))
	}
	x.kind = "json"
	if v := r.take("type"); v != nil {
		x.kind = v.text
		if v.kind != kindString {
			r.fail(refuse("invalid_string", "Invalid string: %s", erlang(v)))
		}
	}
	x.name, x.ddoc = r.indexName("name"), r.indexName("ddoc")
	if x.w = r.body.get("w"); x.w == nil {
		x.w = &value{kind: kindNumber, text: "2"}
	}
	r.count("w", 1, 2)
	x.partitioned = "db_default"
	if v := r.take("partitioned"); v != nil {
		x.partitioned = string(v.appendJSON(nil))
		if !v.isBool() {
			r.fail(refuse("invalid_partitioned_value", "Invalid value for partitioned: %s", erlang(v)))
		}
	}
	if err := r.finish(); err != nil {
		return nil, err
	}
	return x, x.check()
}

func (r *request) indexName(key string) *value {
	v := r.take(key)
	switch {
	case v == nil:
		return nil
	case v.kind != kindString:
		r.fail(refuse("invalid_string", "Invalid string: %s", erlang(v)))
	case v.text == "":
		r.fail(refuse("invalid_empty_string", "Index name or ddoc cannot be empty string"))
	}
	return v
}

// check looks at the type and the definition, and makes the view of it.
func (x *indexRequest) check() error {
	switch {
	case x.kind == "text", x.kind == "nouveau":
		return unavailable(x.kind)
	case x.kind != "json":
		return refuse("invalid_index", "Invalid type for index: %s", x.kind)
	case x.definition.kind != kindObject:
		return refuse("invalid_index", "JSON indexes must be an object, not: %s", erlang(x.definition))
	}
	r := &request{body: &value{kind: kindObject, members: append([]member(nil), x.definition.members...)}}
	if r.body.get("fields") == nil {
		r.fail(missingKey("fields"))
	}
	fields := r.sort("fields")
	filter := r.selector("partial_filter_selector", false)
	if err := r.finish(); err != nil {
		return err
	}
	if x.partitioned == "true" {
		return broke("error_saving_ddoc", "Unknown error while saving the design document: invalid_design_doc")
	}
	columns := &value{kind: kindObject}
	for _, field := range fields {
		direction := "asc"
		if field.desc {
			direction = "desc"
		}
		columns.set(field.field, stringValue(direction))
	}
	index := objectValue("fields", columns)
	index.set("partial_filter_selector", filter.value())
	x.view = objectValue("map", index)
	x.view.set("reduce", stringValue("_count"))
	x.view.set("options", objectValue("def", x.definition))
	return nil
}

// names gives the design document and the name of the index, generated where the request has none.
func (x *indexRequest) names() (ddoc, name string) {
	generated := x.autoName()
	ddoc, name = "_design/"+generated, generated
	if x.ddoc != nil {
		ddoc = "_design/" + strings.TrimPrefix(x.ddoc.text, "_design/")
	}
	if x.name != nil {
		name = x.name.text
	}
	return ddoc, name
}
