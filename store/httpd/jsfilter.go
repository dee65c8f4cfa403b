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
		raw, err := json.Marshal(member.value)
		if err != nil {
			return nil, err
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

// shownQuery has the parameters as text, but for those that are JSON.
func (c *call) shownQuery() map[string]any {
	out := make(map[string]any, len(c.q))
	for name, values := range c.q {
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
	for name, values := range c.r.Header {
		if name != "Authorization" && name != "Cookie" {
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

// readFunction is read with a filter function, for one batch of rows.
func (f *feed) readFunction(snap *store.Snapshot) (more bool, err error) {
	var batch []candidate
	var docs [][]byte
	size := 0
	err = snap.Changes(f.last, func(row *store.Row) error {
		one, asked, err := f.candidate(snap, row)
		if err != nil {
			return err
		}
		batch = append(batch, one)
		for _, doc := range asked {
			docs, size = append(docs, doc), size+len(doc)
		}
		if len(batch) >= maxCandidates || size >= maxCandidateBytes {
			more = true
			return store.ErrStop
		}
		return nil
	})
	if err != nil || len(batch) == 0 {
		return false, err
	}
	return more, f.judge(snap, batch, docs)
}

// candidate copies a row, and makes the documents that stand for it: the winner, or all leaves.
func (f *feed) candidate(snap *store.Snapshot, row *store.Row) (candidate, [][]byte, error) {
	one := candidate{row: *row}
	one.row.Body = append([]byte(nil), row.Body...)
	tree, err := snap.Tree(row.ID)
	if err != nil {
		return one, nil, err
	}
	if !f.q.allLeaves || !row.Branched {
		one.revs = []store.Rev{row.Rev}
		return one, [][]byte{snap.AppendWithHistory(nil, tree, row)}, nil
	}
	var docs [][]byte
	for _, leaf := range tree.Leaves() {
		leafRow, err := snap.Revision(tree, leaf)
		if err != nil {
			return one, nil, err
		}
		one.revs = append(one.revs, leaf.Rev)
		docs = append(docs, snap.AppendWithHistory(nil, tree, leafRow))
	}
	return one, docs, nil
}

// passes asks the filter, of whatever kind, about one row.
func (f *feed) passes(snap *store.Snapshot, row *store.Row) (bool, error) {
	if f.q.function == nil {
		return f.q.match == nil || f.q.match(row), nil
	}
	one, docs, err := f.candidate(snap, row)
	if err != nil {
		return false, err
	}
	passes, err := f.ask(docs)
	if err != nil {
		return false, err
	}
	f.revs = chosen(one.revs, passes)
	return len(f.revs) > 0, nil
}

// ask asks the function about documents.
func (f *feed) ask(docs [][]byte) ([]bool, error) {
	passes, err := f.q.function(docs)
	if err != nil {
		return nil, scriptError(err)
	}
	return passes, nil
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

// judge asks the function about a batch, and adds the rows that pass.
func (f *feed) judge(snap *store.Snapshot, batch []candidate, docs [][]byte) error {
	passes, err := f.ask(docs)
	if err != nil {
		return err
	}
	for i := range batch {
		one := &batch[i]
		f.revs = chosen(one.revs, passes)
		passes = passes[len(one.revs):]
		if len(f.revs) > 0 {
			if err := f.add(snap, &one.row); err != nil {
				return err
			}
		}
		f.last = one.row.Seq
		if f.full() {
			return nil
		}
	}
	return nil
}
