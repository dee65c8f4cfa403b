package httpd

import (
	"context"
	"net/http"
	"net/url"
	"strings"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/mango"
)

// Finder answers _find, _index and _explain.
type Finder interface {
	// Serve gets the path behind the database ("_find", "_index", "_index/_design/x/json/name", "_explain"), the query and the body, which is
	// bounded but not yet checked. It returns the status and the whole JSON answer; an error is sent in CouchDB's form, a *store.Error with
	// its own status, anything else as a 500.
	Serve(ctx context.Context, db *store.Database, method, path string, query url.Values, body []byte) (int, []byte, error)
}

// Selector compiles what _changes?filter=_selector gets. match takes the whole document, with _id and _rev; interest says which writes
// can make it true.
type Selector func(raw []byte) (match func(doc []byte) bool, interest store.Interest, err error)

func defaultFinder() Finder { return mango.Finder{} }

func defaultSelector() Selector {
	return func(raw []byte) (func([]byte) bool, store.Interest, error) {
		selector, err := mango.Compile(raw)
		return selector.Match, selector.Interest(), err
	}
}

// find hands _find, _index and _explain on.
func (c *call) find(path string) error {
	if allowed := mango.Allowed(path); allowed != "" {
		if err := c.allow(strings.Split(allowed, ",")...); err != nil {
			return err
		}
	}
	var body []byte
	if c.r.Method == http.MethodPost {
		if err := c.wantJSON(); err != nil {
			return err
		}
		raw, done, err := c.body()
		if err != nil {
			return err
		}
		defer done()
		body = raw
	}
	status, answer, err := c.s.opts.Find.Serve(c.r.Context(), c.db, c.r.Method, path, c.q, body)
	if err != nil {
		return err
	}
	return c.answer(status, answer)
}
