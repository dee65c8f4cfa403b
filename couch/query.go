package couch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"unicode/utf8"

	"github.com/go-kivik/kivik/v4"
	"github.com/tidwall/gjson"
)

// Query is a question to _find.
type Query struct {
	Selector json.RawMessage `json:"selector"`            // required
	Fields   []string        `json:"fields,omitempty"`    // which members of the documents; none: all
	Sort     json.RawMessage `json:"sort,omitempty"`      // an array of fields, or of {"field": "asc"}
	Limit    int             `json:"limit,omitempty"`     // at most so many; 0: the server's default, 25
	Skip     int             `json:"skip,omitempty"`      // leave out so many first
	Bookmark string          `json:"bookmark,omitempty"`  // of the page before
	UseIndex []string        `json:"use_index,omitempty"` // design document, and the index's name
	Stale    bool            `json:"-"`                   // take the index as it stands instead of waiting for it to be brought up to date
}

func (q Query) encode() ([]byte, error) {
	type wire Query
	if !q.Stale {
		return json.Marshal(wire(q))
	}
	return json.Marshal(struct {
		wire
		Update bool `json:"update"`
	}{wire: wire(q)})
}

// Page is one page of answers to a [Query].
type Page struct {
	Docs     [][]byte
	Bookmark string // of the next page
	Warning  string // the server's words, such as that no index fits
}

// Continues says whether the page has a bookmark to go on by. A server that knows none gives nothing, or "nil".
func (p Page) Continues() bool { return p.Bookmark != "" && p.Bookmark != "nil" }

// Find asks for documents by a selector. Where the index that it is to use is not there the server takes another: CouchDB does so by itself.
func (d *Database) Find(ctx context.Context, q Query) (Page, error) {
	p, err := d.find(ctx, q)
	if e, ok := errors.AsType[*Error](err); ok && e.Name == "no_usable_index" && q.UseIndex != nil {
		q.UseIndex = nil
		return d.find(ctx, q)
	}
	return p, err
}

func (d *Database) find(ctx context.Context, q Query) (Page, error) {
	op := "searching " + d.name
	body, err := q.encode()
	if err != nil {
		return Page{}, fmt.Errorf("%s: the selector or the sort is not JSON: %w", op, err)
	}
	answer, err := d.post(ctx, d.client.queryTimeout, op, "/_find", true, body)
	if err != nil {
		return Page{}, err
	}
	page := Page{}
	err = Members(answer, func(name, value []byte) bool {
		switch string(name) {
		case "docs":
			err := Elements(value, func(doc []byte) bool { page.Docs = append(page.Docs, doc); return true })
			return err == nil
		case "bookmark":
			page.Bookmark = text(value)
		case "warning":
			page.Warning = text(value)
		}
		return true
	})
	if err != nil {
		return Page{}, fmt.Errorf("%s: %w: %s", op, ErrForeign, excerpt(answer))
	}
	return page, nil
}

// Index is a definition for _index.
type Index struct {
	DDoc          string          // the design document, without _design/
	Name          string          // the index's name
	Fields        []string        // at least one
	PartialFilter json.RawMessage // a selector; only what matches is in the index; nil: all
}

// Use names the index for [Query.UseIndex].
func (i Index) Use() []string { return []string{i.DDoc, i.Name} }

// EnsureIndex creates an index, or leaves the equal one that is there. It needs an administrator of the database.
func (d *Database) EnsureIndex(ctx context.Context, index Index) error {
	definition := map[string]any{"fields": index.Fields}
	if index.PartialFilter != nil {
		definition["partial_filter_selector"] = index.PartialFilter
	}
	ctx, cancel := withTimeout(ctx, d.client.queryTimeout)
	defer cancel()
	err := d.client.kivik.DB(d.name).CreateIndex(ctx, index.DDoc, index.Name, definition)
	return kivikError("defining index "+index.Name+" of "+d.name, err)
}

// Indexes lists the indexes of the database.
func (d *Database) Indexes(ctx context.Context) ([]kivik.Index, error) {
	ctx, cancel := withTimeout(ctx, d.client.timeout)
	defer cancel()
	indexes, err := d.client.kivik.DB(d.name).GetIndexes(ctx)
	return indexes, kivikError("listing the indexes of "+d.name, err)
}

// Range says which documents AllDocs lists.
type Range struct {
	Start, End   string   // the first and the last id; empty: no bound
	ExclusiveEnd bool     // End itself is left out
	Keys         []string // these ids in this order instead of a range; not nil and empty: none
	Descending   bool     // the other way round: Start is the highest id
	Skip, Limit  int      // Limit 0: all
	IncludeDocs  bool
}

// Listing is a part of a database's documents.
type Listing struct {
	Total int64 // documents of the database
	Rows  []Listed
}

// Listed is one row of a [Listing].
type Listed struct {
	ID, Rev string
	Deleted bool   // only where it was asked for by its key
	Missing bool   // only where it was asked for by its key
	Doc     []byte // with IncludeDocs; nil for tombstones
}

// AllDocs lists documents in the order of their ids.
func (d *Database) AllDocs(ctx context.Context, r Range) (Listing, error) {
	query := url.Values{}
	setString(query, "startkey", r.Start)
	setString(query, "endkey", r.End)
	setInt(query, "skip", r.Skip)
	setInt(query, "limit", r.Limit)
	setTrue(query, "descending", r.Descending)
	setTrue(query, "include_docs", r.IncludeDocs)
	if r.ExclusiveEnd {
		query.Set("inclusive_end", "false")
	}
	request := call{op: "listing " + d.name, method: http.MethodGet, path: d.path + "/_all_docs", query: query}
	if r.Keys != nil {
		body := append([]byte(nil), `{"keys":[`...)
		for i, key := range r.Keys {
			if i > 0 {
				body = append(body, ',')
			}
			body = appendString(body, key)
		}
		request.method, request.replay, request.body = http.MethodPost, true, [][]byte{append(body, `]}`...)}
	}
	answer, _, err := d.client.fetch(ctx, d.client.queryTimeout, request)
	if err != nil {
		return Listing{}, err
	}
	listing := Listing{}
	err = Members(answer, func(name, value []byte) bool {
		switch string(name) {
		case "total_rows":
			listing.Total = gjson.ParseBytes(value).Int()
		case "rows":
			return Elements(value, func(row []byte) bool { listing.Rows = append(listing.Rows, parseListed(row)); return true }) == nil
		}
		return true
	})
	if err != nil {
		return Listing{}, fmt.Errorf("%s: %w: %s", request.op, ErrForeign, excerpt(answer))
	}
	return listing, nil
}

func parseListed(row []byte) Listed {
	var l Listed
	_ = Members(row, func(name, value []byte) bool {
		switch string(name) {
		case "id":
			l.ID = text(value)
		case "key":
			if l.ID == "" {
				l.ID = text(value)
			}
		case "value":
			detail := gjson.ParseBytes(value)
			l.Rev, l.Deleted = detail.Get("rev").String(), detail.Get("deleted").Bool()
		case "error":
			l.Missing = true
		case "doc":
			if string(value) != "null" {
				l.Doc = value
			}
		}
		return true
	})
	return l
}

func setString(query url.Values, name, value string) {
	if value != "" {
		query.Set(name, string(appendString(nil, value)))
	}
}

func setInt(query url.Values, name string, value int) {
	if value != 0 {
		query.Set(name, strconv.Itoa(value))
	}
}

func setTrue(query url.Values, name string, value bool) {
	if value {
		query.Set(name, "true")
	}
}

// appendString appends s as a JSON string.
func appendString(to []byte, s string) []byte {
	for i := range len(s) {
		if b := s[i]; b < ' ' || b == '"' || b == '\\' || b >= utf8.RuneSelf {
			quoted, _ := json.Marshal(s)
			return append(to, quoted...)
		}
	}
	to = append(to, '"')
	to = append(to, s...)
	return append(to, '"')
}
