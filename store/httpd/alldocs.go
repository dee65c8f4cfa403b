package httpd

import (
	"encoding/json"
	"math"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"github.com/adlayer/after/store"
)

// viewQuery is what a request asks of a list of documents.
type viewQuery struct {
	r            store.Range
	none         bool // nothing can match
	keys         []json.RawMessage
	hasKeys      bool
	limit, skip  int
	includeDocs  bool
	conflicts    bool
	updateSeq    bool
	files        fileOptions
	sawKey, sawK bool // key or a range; keys
}

// within tells whether a name lies in the range.
func (v *viewQuery) within(name string) bool {
	if v.none {
		return false
	}
	after, before := name >= v.r.Start, !v.r.HasEnd || name < v.r.End || (name == v.r.End && !v.r.ExclusiveEnd)
	if v.r.Descending {
		after = v.r.Start == "" || name <= v.r.Start
		before = !v.r.HasEnd || name > v.r.End || (name == v.r.End && !v.r.ExclusiveEnd)
	}
	return after && before
}

func queryError(format, value string) error {
	return &store.Error{
		Status: http.StatusBadRequest, Name: "query_parse_error", Reason: strings.ReplaceAll(format, "%", value),
	}
}

// param is one parameter, from the query (text) or from a body (JSON).
type param struct {
	text string
	json json.RawMessage
}

func (p param) value() (json.RawMessage, error) {
	if p.json != nil {
		return p.json, nil
	}
	return store.Canonical([]byte(p.text))
}

// word is the text of a parameter, whether it is JSON or not.
func (p param) word() string {
	if p.json == nil {
		return p.text
	}
	var text string
	if p.json[0] == '"' && json.Unmarshal(p.json, &text) == nil {
		return text
	}
	return string(p.json)
}

// boolean reads true or false, in whatever case.
func (p param) boolean() (bool, error) {
	switch strings.ToLower(p.word()) {
	case "true":
		return true, nil
	case "false":
		return false, nil
	}
	return false, queryError("Invalid boolean parameter: %", strconv.Quote(p.word()))
}

// oneOf refuses a word that is none of these.
func (p param) oneOf(name string, words ...string) error {
	if slices.Contains(words, p.word()) {
		return nil
	}
	return queryError("Invalid value for `"+name+"`.", "")
}

func (p param) count() (int, error) {
	if p.json != nil && p.json[0] == '"' {
		return 0, queryError("Invalid value for integer: %", "<<"+string(p.json)+">>")
	}
	text := p.word()
	n, err := strconv.Atoi(text)
	switch {
	case text == "":
		return 0, queryError("Invalid value for integer: %", "[]")
	case err != nil:
		return 0, queryError("Invalid value for integer: %", strconv.Quote(text))
	case n < 0:
		return 0, queryError("Invalid value for positive integer: %", strconv.Quote(text))
	}
	return n, nil
}

// parseView reads the parameters of the query and then those of a body, which win.
func parseView(q url.Values, body map[string]json.RawMessage) (*viewQuery, error) {
	v := &viewQuery{limit: math.MaxInt}
	params := map[string]param{}
	for name := range q {
		params[name] = param{text: q.Get(name)}
	}
	for name, raw := range body {
		params[name] = param{json: raw}
	}
	if p, ok := params["descending"]; ok { // what the others mean depends on it
		var err error
		if v.r.Descending, err = p.boolean(); err != nil {
			return nil, err
		}
	}
	for name, p := range params {
		if err := v.set(name, p); err != nil {
			return nil, err
		}
	}
	if v.sawKey && v.sawK {
		return nil, queryError("`keys` is incompatible with `key`, `start_key` and `end_key`", "")
	}
	return v, nil
}

func (v *viewQuery) set(name string, p param) (err error) {
	switch name {
	case "key", "startkey", "start_key", "endkey", "end_key":
		v.sawKey = true
		return v.setKey(strings.ReplaceAll(name, "_", ""), p)
	case "keys":
		v.sawK = true
		return v.setKeys(p)
	case "limit":
		v.limit, err = p.count()
	case "skip":
		v.skip, err = p.count()
	case "inclusive_end":
		var in bool
		in, err = p.boolean()
		v.r.ExclusiveEnd = !in
	case "include_docs":
		v.includeDocs, err = p.boolean()
	case "conflicts":
		v.conflicts, err = p.boolean()
	case "attachments":
		v.files.data, err = p.boolean()
	case "att_encoding_info":
		v.files.encoding, err = p.boolean()
	case "update_seq":
		v.updateSeq, err = p.boolean()
	case "reduce":
		var reduce bool
		if reduce, err = p.boolean(); reduce {
			err = queryError("Reduce is invalid for map-only views.", "")
		}
	case "group":
		var group bool
		if group, err = p.boolean(); group {
			err = grouped()
		}
	case "group_level":
		var level int
		if level, err = p.count(); level > 0 {
			err = grouped()
		}
	case "sorted":
		_, err = p.boolean()
	case "stale":
		err = p.oneOf(name, "ok", "update_after")
	case "stable":
		err = p.oneOf(name, "true", "false")
	case "update":
		err = p.oneOf(name, "true", "false", "lazy")
	}
	return err
}

func grouped() error { return queryError("Invalid use of grouping on a map view.", "") }

// one makes a list of one key a range with that key: so CouchDB does it where it gets several queries.
func (v *viewQuery) one() error {
	if len(v.keys) != 1 {
		return nil
	}
	key := v.keys[0]
	v.hasKeys, v.keys = false, nil
	return v.setKey("key", param{json: key})
}

// setKey reads a bound. Ids are strings, and every other kind of value sorts before them.
func (v *viewQuery) setKey(name string, p param) error {
	raw, err := p.value()
	if err != nil {
		return err
	}
	var id string
	isID := json.Unmarshal(raw, &id) == nil && raw[0] == '"'
	if !isID {
		lower := (name == "startkey") != v.r.Descending
		v.none = v.none || name == "key" || !lower
		return nil
	}
	switch name {
	case "key":
		v.r.Start, v.r.End, v.r.HasEnd = id, id, true
		v.none = v.none || id == ""
	case "startkey":
		v.r.Start = id
		v.none = v.none || (id == "" && v.r.Descending)
	default:
		v.r.End, v.r.HasEnd = id, true
	}
	return nil
}

func (v *viewQuery) setKeys(p param) error {
	raw, err := p.value()
	if err != nil {
		return err
	}
	if raw[0] != '[' {
		what := "parameter"
		if p.json != nil {
			what = "body member"
		}
		return store.BadRequest("`keys` %s must be an array.", what)
	}
	v.hasKeys = true
	return json.Unmarshal(raw, &v.keys)
}

func (c *call) allDocs() error { return c.listing(&listing{c: c, totals: true}) }
func (c *call) designDocs() error {
	return c.listing(&listing{c: c, prefix: designPrefix, totals: true})
}
func (c *call) localDocs() error { return c.listing(&listing{c: c, prefix: localPrefix}) }

func (c *call) listing(l *listing) error {
	queries := len(c.path) == 2 && c.path[1] == "queries"
	switch {
	case len(c.path) > 1 && !queries:
		return store.NotFound("missing")
	case queries:
		if err := c.allow(http.MethodPost); err != nil {
			return err
		}
	default:
		if err := c.allow(http.MethodGet, http.MethodHead, http.MethodPost); err != nil {
			return err
		}
	}
	var body map[string]json.RawMessage
	if c.r.Method == http.MethodPost {
		if err := c.wantJSON(); err != nil && !queries {
			return err
		}
		var err error
		if body, err = c.object(false); err != nil {
			return err
		}
	}
	snap, err := c.db.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	l.snap = snap
	if queries {
		return l.queries(body)
	}
	v, err := parseView(c.q, body)
	if err != nil {
		return err
	}
	if c.r.Method == http.MethodHead {
		return c.answer(http.StatusOK, nil)
	}
	c.setHead("application/json")
	if err := l.list(v); err != nil {
		return err
	}
	l.buf = append(l.buf, '\n')
	return l.flush()
}

// queries answers several queries in one call.
func (l *listing) queries(body map[string]json.RawMessage) error {
	raw, ok := body["queries"]
	if !ok {
		return store.BadRequest("POST body must include `queries` parameter.")
	}
	var list []map[string]json.RawMessage
	if json.Unmarshal(raw, &list) != nil {
		return store.BadRequest("`queries` member must be an array.")
	}
	views := make([]*viewQuery, len(list))
	for i, m := range list {
		var err error
		if views[i], err = parseView(l.c.q, m); err == nil {
			err = views[i].one()
		}
		if err != nil {
			return err
		}
	}
	l.c.setHead("application/json")
	l.buf = append(l.buf, `{"results":[`...)
	for i, v := range views {
		if i > 0 {
			l.buf = append(l.buf, ',')
		}
		l.buf = append(l.buf, "\r\n"...)
		if err := l.list(v); err != nil {
			return err
		}
	}
	l.buf = append(l.buf, "\r\n]}\n"...)
	return l.flush()
}
