package httpd

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/mango"
)

// Finder answers _find, _index and _explain.
type Finder interface {
	// Serve gets the path behind the database ("_find", "_index", "_index/_design/x/json/name", "_explain"), each part escaped as url.PathEscape
	// does, the query and the body, which is bounded but not yet checked. It writes the JSON of a 200 to w. An error before the first byte is sent
	// in CouchDB's form, a *store.Error with its own status, anything else as a 500; one that comes later cuts the answer off.
	Serve(ctx context.Context, db *store.Database, method, path string, query url.Values, body []byte, w io.Writer) error
	// Build brings all indexes of a database up to date. It ends early, but without harm, when ctx does.
	Build(ctx context.Context, db *store.Database) error
	// Tasks lists the indexes of a database that are being built.
	Tasks(db *store.Database) []mango.Task
}

// Selector compiles what _changes?filter=_selector gets. match takes the whole document, with _id and _rev; interest says which writes
// can make it true.
type Selector func(raw []byte) (match func(doc []byte) bool, interest store.Interest, err error)

func (s *Server) finder() Finder {
	return mango.Finder{
		Settings: func() mango.Settings { return s.settings.now().queries },
		Read:     func(documents int64) { s.counts.reads.Add(documents) },
	}
}

func defaultSelector() Selector {
	return func(raw []byte) (func([]byte) bool, store.Interest, error) {
		selector, err := mango.Compile(raw)
		return selector.Match, selector.Interest(), err
	}
}

// find hands _find, _index and _explain on. The parts are escaped, since names of indexes may have slashes.
func (c *call) find() error {
	parts := slices.Clone(c.path)
	for i := range parts {
		parts[i] = url.PathEscape(parts[i])
	}
	path, method := strings.Join(parts, "/"), c.r.Method
	if method == http.MethodHead {
		method = http.MethodGet
	}
	if allowed := mango.Allowed(path); allowed != "" && !slices.Contains(strings.Split(allowed, ","), method) {
		return c.allow(strings.Split(allowed, ",")...)
	}
	var body []byte
	if method == http.MethodPost {
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
	w := &lateHead{c: c}
	if err := c.s.opts.Find.Serve(c.r.Context(), c.db, method, path, c.q, body, w); err != nil {
		return w.fail(err)
	}
	if path == "_index" && method == http.MethodPost {
		c.s.buildIndexes(c.db)
	}
	_, _ = c.w.Write([]byte{'\n'}) // a reader that has gone is no error of ours
	return nil
}

// lateHead is a body whose head goes out with its first bytes, so that what fails before them still gets a status of its own.
type lateHead struct {
	c    *call
	sent bool
}

func (l *lateHead) Write(b []byte) (int, error) {
	if !l.sent {
		l.sent = true
		l.c.setHead("application/json")
		l.c.w.WriteHeader(http.StatusOK)
	}
	return l.c.w.Write(b)
}

// fail gives an error that can still be told. One that cannot cuts the answer off, so that nobody takes it for whole.
func (l *lateHead) fail(err error) error {
	if l.sent {
		l.c.s.log.WithError(err).Debug("store: an answer ended early")
		panic(http.ErrAbortHandler)
	}
	if e, ok := errors.AsType[*store.Error](err); ok && e.Status == http.StatusInternalServerError {
		return l.c.broke(e)
	}
	return err
}

// stackHashes are CouchDB's numbers of the places in its code where it fails. Clients see them beside the error.
var stackHashes = map[string]string{ //nolint:gochecknoglobals // a constant table
	"invalid_list_index_params": "1763324299",
	"unknown_error":             "2593454397",
	"error_saving_ddoc":         "3269388020",
}

// broke sends an error that CouchDB blames on itself.
func (c *call) broke(e *store.Error) error {
	body := appendError(nil, e)
	if hash := stackHashes[e.Name]; hash != "" {
		c.w.Header().Set("X-Couch-Stack-Hash", hash)
		body = append(body[:len(body)-1], `,"ref":`+hash+`}`...)
	}
	return c.answer(e.Status, body)
}

// buildIndexes writes the rows of new indexes while nobody waits for them yet.
func (s *Server) buildIndexes(db *store.Database) {
	if !s.feeds.enter() {
		return
	}
	go func() {
		defer s.feeds.leave()
		err := s.opts.Find.Build(s.ctx, db)
		if err != nil && s.ctx.Err() == nil && !store.IsNotFound(err) && !errors.Is(err, store.ErrClosed) {
			s.log.WithError(err).WithField("database", db.Name()).Error("store: an index could not be built; the next query that needs it will try again")
		}
	}()
}

// indexTasks lists the indexes that are being built, as _active_tasks shows them.
func (c *call) indexTasks() ([]json.RawMessage, error) {
	var list []json.RawMessage
	for _, name := range c.s.store.Databases() {
		db, err := c.s.store.Database(name)
		if err != nil {
			continue // it was dropped meanwhile
		}
		for _, t := range c.s.opts.Find.Tasks(db) {
			raw, err := json.Marshal(map[string]any{
				"type": "indexer", "node": nodeName, "pid": "<0.1.0>", "database": name, "design_document": t.Design, "changes_done": t.Done,
				"total_changes": t.Total, "progress": t.Done * 100 / max(t.Total, 1), "started_on": t.Started.Unix(), "updated_on": t.Updated.Unix(),
			})
			if err != nil {
				return nil, err
			}
			list = append(list, raw)
		}
	}
	return list, nil
}
