package couch

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"time"

	"github.com/tidwall/gjson"
)

// Server is what a server says of itself.
type Server struct {
	Couch   string // the greeting; every CouchDB says "Welcome"
	Version string
	Vendor  string
	UUID    string // of the server; may be empty
	// Clock is how far the server's clock is ahead of ours, read from a header of whole seconds: half a second of error is usual.
	// Zero where the server sends no date.
	Clock time.Duration
}

// Session is who the server takes us for.
type Session struct {
	User  string // empty: nobody in particular
	Roles []string
}

// Admin says whether the session is a server administrator's.
func (s Session) Admin() bool {
	return slices.Contains(s.Roles, "_admin")
}

// Server asks for the server's greeting. Something that answers, but not as a CouchDB does, is an error that says so.
func (c *Client) Server(ctx context.Context) (Server, error) {
	op := "greeting " + c.String()
	before := c.now()
	answer, header, err := c.fetch(ctx, c.timeout, call{op: op, method: http.MethodGet, path: "/"})
	if err != nil {
		return Server{}, err
	}
	after := c.now()
	greeting := gjson.ParseBytes(answer)
	s := Server{
		Couch:   greeting.Get("couchdb").String(),
		Version: greeting.Get("version").String(),
		Vendor:  greeting.Get("vendor.name").String(),
		UUID:    greeting.Get("uuid").String(),
	}
	if s.Couch == "" && !greeting.Get("express-pouchdb").Exists() {
		return Server{}, fmt.Errorf("%s: %w: %s", op, ErrForeign, excerpt(answer))
	}
	if date, err := http.ParseTime(header.Get("Date")); err == nil {
		// The header is cut to the second, and was written about halfway between asking and reading.
		s.Clock = date.Add(time.Second / 2).Sub(before.Add(after.Sub(before) / 2))
	}
	return s, nil
}

// Session asks who the server takes us for. Wrong credentials are an error for which [IsUnauthorized] is true.
func (c *Client) Session(ctx context.Context) (Session, error) {
	ctx, cancel := withTimeout(ctx, c.timeout)
	defer cancel()
	session, err := c.kivik.Session(ctx)
	if err != nil {
		return Session{}, kivikError("asking "+c.String()+" for the session", err)
	}
	return Session{User: session.Name, Roles: session.Roles}, nil
}

// AllDatabases lists the names of the databases, in the server's order. It may need an administrator.
func (c *Client) AllDatabases(ctx context.Context) ([]string, error) {
	ctx, cancel := withTimeout(ctx, c.timeout)
	defer cancel()
	names, err := c.kivik.AllDBs(ctx)
	return names, kivikError("listing the databases of "+c.String(), err)
}

// HasDatabase says whether there is a database of that name.
func (c *Client) HasDatabase(ctx context.Context, name string) (bool, error) {
	ctx, cancel := withTimeout(ctx, c.timeout)
	defer cancel()
	there, err := c.kivik.DBExists(ctx, name)
	return there, kivikError("looking for database "+name, err)
}

// CreateDatabase creates a database. One that is there already is an error for which [IsExists] is true.
func (c *Client) CreateDatabase(ctx context.Context, name string) error {
	ctx, cancel := withTimeout(ctx, c.timeout)
	defer cancel()
	return kivikError("creating database "+name, c.kivik.CreateDB(ctx, name))
}

// DropDatabase deletes a database with all its documents.
func (c *Client) DropDatabase(ctx context.Context, name string) error {
	ctx, cancel := withTimeout(ctx, c.timeout)
	defer cancel()
	return kivikError("deleting database "+name, c.kivik.DestroyDB(ctx, name))
}

// Replicate asks the server to replicate, with the body that its _replicate takes, and returns its answer. Without
// "continuous" it lasts as long as the replication does: only ctx bounds it.
func (c *Client) Replicate(ctx context.Context, body json.RawMessage) (json.RawMessage, error) {
	answer, _, err := c.fetch(ctx, 0, call{op: "replicating", method: http.MethodPost, path: "/_replicate", body: [][]byte{body}})
	return answer, err
}

// Do makes any other request and returns its status, whatever it is, and its answer. The path begins with a slash, is
// escaped and may have a query. A nil body sends none.
func (c *Client) Do(ctx context.Context, method, path string, body []byte) (status int, answer []byte, err error) {
	op := method + " " + path
	ctx, cancel := withTimeout(ctx, c.timeout)
	defer cancel()
	r := call{op: op, method: method, path: path}
	if body != nil {
		r.body = [][]byte{body}
	}
	response, release, err := c.send(ctx, r)
	if err != nil {
		return 0, nil, err
	}
	defer release()
	defer response.Body.Close() //nolint:errcheck // the answer was read, or its error is returned
	if answer, err = readAll(response, nil); err != nil {
		return response.StatusCode, nil, fmt.Errorf("%s: reading the answer: %w", op, err)
	}
	return response.StatusCode, answer, nil
}
