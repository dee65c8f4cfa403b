package couch

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/tidwall/gjson"
)

// Database is one database of a server.
type Database struct {
	client *Client
	name   string
	path   string // escaped, with a slash before and none after
}

// Document is one revision of a document.
type Document struct {
	ID, Rev string
	Deleted bool   // it is a tombstone
	Missing bool   // there is no such document or revision (only from BulkGet); Body is nil
	Body    []byte // the whole JSON object, _id and _rev included
	// Conflicts are the live leaves that lost against this winner (only from BulkGet, where no revision was asked for).
	Conflicts []Document
	// Tombstones are the deleted leaves beside a live winner (only from BulkGet, where no revision was asked for, and the server tells).
	Tombstones []string
}

// Beats says whether the database prefers a live revision to another live one: the longer history wins, then the higher hash.
func Beats(rev, other string) bool {
	gen, hash := splitRev(rev)
	otherGen, otherHash := splitRev(other)
	if gen != otherGen {
		return gen > otherGen
	}
	return hash > otherHash
}

// splitRev parts a revision such as "3-0123abcd"; the number of what is no revision is 0.
func splitRev(rev string) (gen uint64, hash string) {
	number, hash, _ := strings.Cut(rev, "-")
	gen, err := strconv.ParseUint(number, 10, 64)
	if err != nil {
		return 0, hash
	}
	return gen, hash
}

// Info is the state of a database.
type Info struct {
	Name      string
	Documents int64  // without tombstones and _local documents
	Deleted   int64  // tombstones
	UpdateSeq string // opaque; what the feed's since takes
}

// Name is the database's name.
func (d *Database) Name() string { return d.name }

// Client is the server that the database lives on.
func (d *Database) Client() *Client { return d.client }

// String is the database's address without credentials.
func (d *Database) String() string { return d.client.String() + d.path }

// Info asks for the state of the database.
func (d *Database) Info(ctx context.Context) (Info, error) {
	answer, _, err := d.client.fetch(ctx, d.client.timeout, call{op: "asking for the state of database " + d.name, method: http.MethodGet, path: d.path})
	if err != nil {
		return Info{}, err
	}
	info := gjson.ParseBytes(answer)
	return Info{
		Name:      info.Get("db_name").String(),
		Documents: info.Get("doc_count").Int(),
		Deleted:   info.Get("doc_del_count").Int(),
		UpdateSeq: seqText(info.Get("update_seq")),
	}, nil
}

// seqText is an update sequence as the feed's since takes it: the text of a string, else the JSON itself (older and other
// servers count in numbers).
func seqText(seq gjson.Result) string {
	if seq.Type == gjson.String {
		return seq.Str
	}
	return seq.Raw
}

// GetOption changes what Get reads.
type GetOption func(url.Values)

// AtRev reads this revision, not the winner; a tombstone too.
func AtRev(rev string) GetOption { return func(q url.Values) { q.Set("rev", rev) } }

// WithConflicts adds _conflicts, the other leaves, where there are any.
func WithConflicts() GetOption { return func(q url.Values) { q.Set("conflicts", "true") } }

// Get reads a document. A missing or deleted one is an error for which [IsNotFound] is true.
func (d *Database) Get(ctx context.Context, id string, options ...GetOption) (Document, error) {
	query := url.Values{}
	for _, o := range options {
		o(query)
	}
	answer, _, err := d.client.fetch(ctx, d.client.timeout, call{
		op: d.about("reading", id), method: http.MethodGet, path: d.document(id), query: query,
	})
	if err != nil {
		return Document{}, err
	}
	doc := parseDocument(answer)
	if doc.Rev == "" {
		return Document{}, fmt.Errorf("%s: the answer is no document: %s", d.about("reading", id), excerpt(answer))
	}
	return doc, nil
}

// parseDocument takes _id, _rev and _deleted out of a document.
func parseDocument(body []byte) Document {
	doc := Document{Body: body}
	_ = Members(body, func(name, value []byte) bool {
		switch string(name) {
		case "_id":
			doc.ID = text(value)
		case "_rev":
			doc.Rev = text(value)
		case "_deleted":
			doc.Deleted = string(value) == "true"
		}
		return true
	})
	return doc
}

// text is a JSON string decoded; any other value as it stands.
func text(value []byte) string {
	if len(value) < 2 || value[0] != '"' {
		return string(value)
	}
	if bytes.IndexByte(value, '\\') >= 0 {
		return gjson.ParseBytes(value).String()
	}
	return string(value[1 : len(value)-1])
}

// Put writes a document and returns its new revision. The body is a JSON object; to change a document that is there it must
// carry the current _rev, else the error is one for which [IsConflict] is true.
func (d *Database) Put(ctx context.Context, id string, body []byte) (rev string, err error) {
	return d.write(ctx, call{op: d.about("writing", id), method: http.MethodPut, path: d.document(id), body: [][]byte{body}})
}

// Delete makes a tombstone of the revision rev and returns the tombstone's.
func (d *Database) Delete(ctx context.Context, id, rev string) (string, error) {
	return d.write(ctx, call{
		op: d.about("deleting", id), method: http.MethodDelete, path: d.document(id), query: url.Values{"rev": {rev}},
	})
}

func (d *Database) write(ctx context.Context, r call) (string, error) {
	answer, _, err := d.client.fetch(ctx, d.client.timeout, r)
	if err != nil {
		return "", err
	}
	rev := gjson.GetBytes(answer, "rev").String()
	if rev == "" {
		return "", fmt.Errorf("%s: the answer names no revision: %s", r.op, excerpt(answer))
	}
	return rev, nil
}

// Security reads the database's security object.
func (d *Database) Security(ctx context.Context) (json.RawMessage, error) {
	answer, _, err := d.client.fetch(ctx, d.client.timeout, call{
		op: "reading the rights of database " + d.name, method: http.MethodGet, path: d.path + "/_security",
	})
	return answer, err
}

// SetSecurity replaces the database's security object.
func (d *Database) SetSecurity(ctx context.Context, security json.RawMessage) error {
	_, _, err := d.client.fetch(ctx, d.client.timeout, call{
		op: "writing the rights of database " + d.name, method: http.MethodPut, path: d.path + "/_security", body: [][]byte{security},
	})
	return err
}

func (d *Database) document(id string) string { return d.path + "/" + escapeID(id) }

func (d *Database) about(what, id string) string { return what + " document " + id + " of " + d.name }

// post sends a body to one of the database's own paths and returns the answer.
func (d *Database) post(ctx context.Context, timeout time.Duration, op, path string, replay bool, body ...[]byte) ([]byte, error) {
	answer, _, err := d.client.fetch(ctx, timeout, call{
		op: op, method: http.MethodPost, path: d.path + path, body: body, replay: replay,
	})
	return answer, err
}
