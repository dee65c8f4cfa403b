package httpd

import (
	"encoding/json"
	"net/http"
	"net/url"
	"sort"
	"strings"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/script"
)

// functionFilter asks a function of a design document which documents pass.
type functionFilter func(docs [][]byte) ([]bool, error)

// filterDesign finds the filter that is named as design/filter.
func (c *call) filterDesign(q *changesQuery, name string) error {
	design, member, err := splitName(name, "`filter` must be of the form `designname/filtername`")
	if err != nil || design == "" {
		return err
	}
	d, err := c.designWith(design, "The filter "+name, "filters", member)
	if err != nil {
		return err
	}
	request, err := c.requestObject()
	q.function = func(docs [][]byte) ([]bool, error) {
		return c.s.scripts.Filter(c.r.Context(), d, member, request, docs)
	}
	return err
}

// filterView finds the view whose map function decides.
func (c *call) filterView(q *changesQuery) error {
	name := c.q.Get("view")
	if name == "" {
		return store.BadRequest("`view` filter parameter is not provided.")
	}
	const form = "`view` must be of the form `designname/viewname`"
	design, member, err := splitName(name, form)
	if err != nil {
		return err
	}
	if design == "" {
		return store.BadRequest(form)
	}
	d, err := c.designWith(design, "The filter _view", "views", member)
	q.function = func(docs [][]byte) ([]bool, error) { return c.s.scripts.FilterView(c.r.Context(), d, member, docs) }
	return err
}

// designWith finds a design document that has path[0].path[1], of which functions can be asked; what names what needs it.
func (c *call) designWith(name, what string, path ...string) (*script.Design, error) {
	row, err := c.designMember(name, path...)
	if err != nil {
		return nil, err
	}
	d := c.design(row)
	if err := c.runs(d, what); err != nil {
		return nil, err
	}
	return d.Design, nil
}

// splitName reads design/member; empty parts do not count, as in CouchDB.
func splitName(name, form string) (design, member string, err error) {
	parts := strings.FieldsFunc(name, func(r rune) bool { return r == '/' })
	if len(parts) == 0 {
		return "", "", nil
	}
	if len(parts) != 2 {
		return "", "", store.BadRequest("%s", form)
	}
	for i := range parts {
		if text, err := url.PathUnescape(parts[i]); err == nil {
			parts[i] = text
		}
	}
	return parts[0], parts[1], nil
}

// designMember reads a design document that must have path[0].path[1].
func (c *call) designMember(name string, path ...string) (*store.Row, error) {
	row, err := c.find1(designPrefix + name)
	if err != nil {
		return nil, err
	}
	if row.Deleted {
		return nil, store.NotFound("deleted")
	}
	raw := json.RawMessage(row.Body)
	for _, step := range path {
		if raw[0] != '{' {
			return nil, store.NotFound("json_mismatch")
		}
		var members map[string]json.RawMessage
		if err := json.Unmarshal(raw, &members); err != nil {
			return nil, err
		}
		if raw = members[step]; raw == nil {
			return nil, store.NotFound("missing json key: " + step)
		}
	}
	return row, nil
}

// requestObject is the request as CouchDB shows it to functions, but for the credentials that it carries.
func (c *call) requestObject() ([]byte, error) {
	info, err := appendInfo(nil, c.db)
	if err != nil {
		return nil, err
	}
	path := append([]string{c.db.Name()}, c.path...)
	body := "undefined" // as CouchDB writes it where there is none
	if c.r.Method == http.MethodPost {
		body = string(c.sent)
	}
	security := c.db.Security()
	if security == nil {
		security = []byte(defaultSecurity)
	}
	headers, cookies := c.shownHeaders()
	return appendObject(nil, []shown{
		{"info", json.RawMessage(info)},
		{"uuid", store.NewID()},
		{"id", nil},
		{"method", c.r.Method},
		{"requested_path", path},
		{"path", path},
		{"raw_path", c.r.URL.RequestURI()},
		{"query", c.shownQuery()},
		{"headers", headers},
		{"body", body},
		{"peer", host(c.r.RemoteAddr)},
		{"form", json.RawMessage("{}")},
		{"cookie", cookies},
		{"userCtx", json.RawMessage(c.userCtx())},
		{"secObj", security},
	})
}

// shown is a member of what functions are told.
type shown struct {
	name  string
	value any
}

// appendObject adds an object of members in their order.
func appendObject(b []byte, members []shown) ([]byte, error) {
	b = append(b, '{')
	for i, member := range members {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(store.AppendString(b, member.name), ':')
		raw, isRaw := member.value.(json.RawMessage)
		if !isRaw {
			var err error
			if raw, err = json.Marshal(member.value); err != nil {
				return nil, err
			}
		}
		b = append(b, raw...)
	}
	return append(b, '}'), nil
}

// host is an address without its port.
func host(address string) string {
	if i := strings.LastIndexByte(address, ':'); i >= 0 {
		address = address[:i]
	}
	return strings.Trim(address, "[]")
}

// shownQuery has the parameters as they were sent, as text, but for those that are JSON.
func (c *call) shownQuery() map[string]any {
	sent := c.r.URL.Query()
	out := make(map[string]any, len(sent))
	for name, values := range sent {
		out[name] = values[len(values)-1]
		switch name {
		case "startkey", "endkey", "key", "descending":
			var value any
			if json.Unmarshal([]byte(values[len(values)-1]), &value) == nil {
				out[name] = value
			}
		}
	}
	return out
}

// shownHeaders has the headers and the cookies, without those that prove who asks.
func (c *call) shownHeaders() (headers, cookies map[string]string) {
	headers, cookies = map[string]string{"Host": c.r.Host}, map[string]string{}
	proof := http.CanonicalHeaderKey(c.s.settings.now().handlers.proxy.proof)
	for name, values := range c.r.Header {
		if name != "Authorization" && name != "Cookie" && name != proof {
			headers[name] = strings.Join(values, ", ")
		}
	}
	var shown []string
	for _, cookie := range c.r.Cookies() {
		if cookie.Name != cookieName {
			cookies[cookie.Name] = cookie.Value
			shown = append(shown, cookie.Name+"="+cookie.Value)
		}
	}
	if len(shown) > 0 {
		sort.Strings(shown)
		headers["Cookie"] = strings.Join(shown, "; ")
	}
	return headers, cookies
}

// candidate is a row that a filter function is asked about.
type candidate struct {
	row  store.Row
	revs []store.Rev // the leaves that are asked about
}

const (
	// maxCandidates and maxCandidateBytes bound what is held while a filter function works.
	maxCandidates     = 128
	maxCandidateBytes = 1 << 20
)

// candidates are rows that a filter function is asked about together; about the leaves of one row in parts, where they are large.
type candidates struct {
	function functionFilter
	rows     []candidate
	docs     [][]byte // of the leaves that it was not asked about yet
	size     int      // their bytes
	all      int      // those of the leaves that it was asked about, too
	passes   []bool   // its answers so far, a leaf each
}

func (s *candidates) full() bool { return len(s.rows) >= maxCandidates || s.all >= maxCandidateBytes }

// add adds a row, and the documents that stand for it: the winner, or all leaves.
func (s *candidates) add(snap *store.Snapshot, row *store.Row, allLeaves bool) error {
	one := candidate{row: row.Clone()}
	tree, err := snap.Tree(row.ID)
	if err != nil {
		return err
	}
	if !allLeaves || !row.Branched {
		one.revs = []store.Rev{row.Rev}
		s.rows = append(s.rows, one)
		return s.addLeaf(snap, tree, row)
	}
	for _, leaf := range tree.Leaves() {
		leafRow, err := snap.Revision(tree, leaf)
		if err != nil {
			return err
		}
		one.revs = append(one.revs, leaf.Rev)
		if err := s.addLeaf(snap, tree, leafRow); err != nil {
			return err
		}
	}
	s.rows = append(s.rows, one)
	return nil
}

func (s *candidates) addLeaf(snap *store.Snapshot, tree *store.Tree, row *store.Row) error {
	doc := snap.AppendWithHistory(nil, tree, row)
	s.docs, s.size, s.all = append(s.docs, doc), s.size+len(doc), s.all+len(doc)
	if s.size < maxCandidateBytes {
		return nil
	}
	return s.ask()
}

// ask asks about the leaves that are left.
func (s *candidates) ask() error {
	if len(s.docs) == 0 {
		return nil
	}
	passes, err := s.function(s.docs)
	if err != nil {
		return scriptError(err)
	}
	s.passes = append(s.passes, passes...)
	s.docs, s.size = nil, 0
	return nil
}

// judged asks about what is left, and gives each row with the leaves that pass.
func (s *candidates) judged(visit func(row *store.Row, passed []store.Rev) error) error {
	if err := s.ask(); err != nil {
		return err
	}
	passes := s.passes
	for i := range s.rows {
		one := &s.rows[i]
		if err := visit(&one.row, chosen(one.revs, passes)); err != nil {
			return err
		}
		passes = passes[len(one.revs):]
	}
	return nil
}

// chosen are the revisions that pass.
func chosen(revs []store.Rev, passes []bool) []store.Rev {
	var out []store.Rev
	for i, rev := range revs {
		if passes[i] {
			out = append(out, rev)
		}
	}
	return out
}

// readFunction is read with a filter function, for one batch of rows.
func (f *feed) readFunction(snap *store.Snapshot) (more bool, err error) {
	batch := candidates{function: f.q.function}
	err = snap.Changes(f.last, func(row *store.Row) error {
		if err := batch.add(snap, row, f.q.allLeaves); err != nil {
			return err
		}
		if batch.full() {
			more = true
			return store.ErrStop
		}
		return nil
	})
	if err != nil {
		return false, err
	}
	err = batch.judged(func(row *store.Row, passed []store.Rev) error {
		if f.full() {
			return nil
		}
		f.last = row.Seq
		if f.revs = passed; len(passed) == 0 {
			return nil
		}
		return f.add(snap, row)
	})
	return more, err
}
