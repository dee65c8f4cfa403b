package mango

import (
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/adlayer/after/store"
)

// Finder answers _find, _index and _explain of a store. It has no state of its own; any number of goroutines may use it.
type Finder struct {
	// Patience is how long the patterns of one query may try without coming to an end, all documents together; 0 means 5 s.
	Patience time.Duration
	// Settings, where it is set, is asked by each request what is in force; else DefaultSettings are.
	Settings func() Settings
	// Read, where it is set, is told how many documents a query has read.
	Read func(documents int64)
}

// Settings are what a server may set for all queries.
type Settings struct {
	// Limit is how many documents an answer has at most if the request does not say.
	Limit int64
	// ScanRatio is how many documents a query may look at for each result before its answer warns; 0: it never does.
	ScanRatio int64
}

// DefaultSettings are CouchDB's.
func DefaultSettings() Settings { return Settings{Limit: 25, ScanRatio: 10} }

func (f Finder) settings() Settings {
	if f.Settings == nil {
		return DefaultSettings()
	}
	return f.Settings()
}

// defaultPatience is long for a person who waits, and short for a server.
const defaultPatience = 5 * time.Second

// Serve answers one request: it writes the JSON of a 200 to w, a longer one piece by piece. path is what follows the database: "_find", "_explain",
// "_index", "_index/_bulk_delete", "_index/<ddoc>/json/<name>", each part escaped as in a URL. An error is a *store.Error with its status where the
// request is at fault; where it comes before the first byte was written, it is the answer.
func (f Finder) Serve(ctx context.Context, db *store.Database, method, path string, query url.Values, body []byte, w io.Writer) error {
	var answer []byte
	var err error
	switch {
	case path == "_find" && method == http.MethodPost:
		return f.find(ctx, db, body, w)
	case path == "_explain" && method == http.MethodPost:
		answer, err = explain(db, body, f.settings())
	case path == "_index" && method == http.MethodGet:
		answer, err = listIndexes(db, query)
	case path == "_index" && method == http.MethodPost:
		answer, err = createIndex(ctx, db, body)
	case path == "_index/_bulk_delete" && method == http.MethodPost:
		answer, err = deleteIndexes(ctx, db, body)
	case method == http.MethodDelete && Allowed(path) == http.MethodDelete:
		answer, err = deleteIndex(ctx, db, path)
	default:
		err = notServed(path)
	}
	if err != nil {
		return err
	}
	return send(w, answer)
}

func notServed(path string) error {
	if allowed := Allowed(path); allowed != "" {
		return &store.Error{Status: http.StatusMethodNotAllowed, Name: "method_not_allowed", Reason: "Only " + allowed + " allowed"}
	}
	return notFound("missing")
}

// Allowed gives the methods of a path, as the Allow header lists them; "" if there is no such path.
func Allowed(path string) string {
	switch path {
	case "_find", "_explain", "_index/_bulk_delete":
		return http.MethodPost
	case "_index":
		return "GET,POST"
	}
	if _, _, _, ok := indexPath(path); ok {
		return http.MethodDelete
	}
	return ""
}

// indexPath takes _index/<ddoc>/<type>/<name> apart; the design document may come with its _design/.
func indexPath(path string) (ddoc, kind, name string, ok bool) {
	parts := strings.Split(path, "/")
	for i, part := range parts {
		var err error
		if parts[i], err = url.PathUnescape(part); err != nil {
			return "", "", "", false
		}
	}
	if len(parts) == 5 && parts[1] == "_design" {
		parts = append(parts[:1], parts[2:]...)
	}
	if len(parts) != 4 || parts[0] != "_index" {
		return "", "", "", false
	}
	return "_design/" + strings.TrimPrefix(parts[1], "_design/"), parts[2], parts[3], true
}

func badListing() error {
	return broke("invalid_list_index_params", "Index parameter ranges: limit > 1, skip > 0")
}

// listIndexes answers GET _index.
func listIndexes(db *store.Database, query url.Values) ([]byte, error) {
	indexes, err := currentIndexes(db)
	if err != nil {
		return nil, err
	}
	total := len(indexes)
	limit, skip := total, 0
	if query.Has("limit") {
		if limit, err = strconv.Atoi(query.Get("limit")); err != nil || limit < 1 {
			return nil, badListing()
		}
	}
	if query.Has("skip") {
		if skip, err = strconv.Atoi(query.Get("skip")); err != nil || skip < 0 {
			return nil, badListing()
		}
	}
	list := &value{kind: kindArray}
	indexes = indexes[min(skip, total):]
	for _, x := range indexes[:min(limit, len(indexes))] {
		list.items = append(list.items, x.value())
	}
	v := objectValue("total_rows", integerValue(int64(total)))
	v.set("indexes", list)
	return v.appendJSON(nil), nil
}

func currentIndexes(db *store.Database) ([]*index, error) {
	snap, err := db.Snapshot()
	if err != nil {
		return nil, err
	}
	indexes, err := upkeepOf(db).ddocs.indexes(snap)
	return indexes, errors.Join(err, snap.Close())
}

// designDocument is a design document being changed.
type designDocument struct {
	id   string
	rev  string // "" if there is none
	body *value
}

// loadDesign reads a design document; one that is not there, or deleted, is an empty one.
func loadDesign(db *store.Database, id string) (*designDocument, error) {
	snap, err := db.Snapshot()
	if err != nil {
		return nil, err
	}
	row, err := snap.Get(id)
	if closing := snap.Close(); closing != nil {
		return nil, closing
	}
	if store.IsNotFound(err) || (err == nil && row.Deleted) {
		return &designDocument{id: id, body: objectValue("language", stringValue("query"))}, nil
	}
	if err != nil {
		return nil, err
	}
	body, err := parse(row.Body)
	if err != nil {
		return nil, refuse("invalid_ddoc", "Design document %s cannot be read: %s", id, err)
	}
	if language := body.get("language"); language == nil || language.text != "query" {
		found := "false"
		if language != nil {
			found = "{<<\"language\">>," + erlang(language) + "}"
		}
		return nil, refuse("invalid_ddoc_lang", "Existing design doc has an invalid language: %s", found)
	}
	return &designDocument{id: id, rev: row.Rev.String(), body: body}, nil
}

// save writes the document back; without views it is deleted, unless it holds something else.
func (d *designDocument) save(ctx context.Context, db *store.Database) error {
	doc := objectValue("_id", stringValue(d.id))
	if d.rev != "" {
		doc.set("_rev", stringValue(d.rev))
	}
	if len(d.body.members) == 1 && d.body.get("language") != nil {
		doc.set("_deleted", boolValue(true))
	} else {
		doc.members = append(doc.members, d.body.members...)
	}
	_, err := db.Put(ctx, doc.appendJSON(nil))
	return err
}

// saveAttempts is how often a change of a design document is made anew when somebody else changes it at the same time.
const saveAttempts = 10

// changeDesign loads, changes and saves a design document. change tells whether there is anything to save.
func changeDesign(ctx context.Context, db *store.Database, id string, change func(*designDocument) (bool, error)) error {
	for attempt := 1; ; attempt++ {
		d, err := loadDesign(db, id)
		if err != nil {
			return err
		}
		changed, err := change(d)
		if err != nil || !changed {
			return err
		}
		if err = d.save(ctx, db); err == nil || !store.IsConflict(err) || attempt == saveAttempts {
			return err
		}
	}
}

// createIndex answers POST _index. The rows are written by Build, or when a query first needs them.
func createIndex(ctx context.Context, db *store.Database, body []byte) ([]byte, error) {
	r, err := readIndexRequest(body)
	if err != nil {
		return nil, err
	}
	id, name := r.names()
	var result string
	err = changeDesign(ctx, db, id, func(d *designDocument) (bool, error) {
		result = "exists"
		views := d.body.get("views")
		if views == nil || views.kind != kindObject {
			views = &value{kind: kindObject}
			d.body.set("views", views)
		}
		if old := views.get(name); old != nil && string(old.appendJSON(nil)) == string(r.view.appendJSON(nil)) {
			return false, nil
		}
		views.set(name, r.view)
		result = "created"
		return true, nil
	})
	if err != nil {
		return nil, err
	}
	v := objectValue("result", stringValue(result))
	v.set("id", stringValue(id))
	v.set("name", stringValue(name))
	return v.appendJSON(nil), nil
}

// removeViews takes indexes out of their design document: the one of that name, or all if the name is empty.
func removeViews(ctx context.Context, db *store.Database, ddoc, name string) error {
	indexes, err := currentIndexes(db)
	if err != nil {
		return err
	}
	return changeDesign(ctx, db, ddoc, func(d *designDocument) (bool, error) {
		views := d.body.get("views")
		found := false
		for _, x := range indexes {
			if x.ddoc == ddoc && (name == "" || x.name == name) && views != nil {
				found = views.drop(x.name) || found
			}
		}
		if !found {
			return false, notFound("missing")
		}
		if len(views.members) == 0 {
			d.body.drop("views")
		}
		return true, nil
	})
}

// deleteIndex answers DELETE _index/<ddoc>/json/<name>.
func deleteIndex(ctx context.Context, db *store.Database, path string) ([]byte, error) {
	ddoc, kind, name, _ := indexPath(path)
	if kind != "json" || name == "" {
		return nil, notFound("missing")
	}
	return []byte(`{"ok":true}`), removeViews(ctx, db, ddoc, name)
}

// deleteIndexes answers POST _index/_bulk_delete, last document first, as CouchDB does.
func deleteIndexes(ctx context.Context, db *store.Database, body []byte) ([]byte, error) {
	r, err := readRequest(body)
	if err != nil {
		return nil, err
	}
	ids, err := r.documentIDs()
	if err != nil {
		return nil, err
	}
	success, fail := &value{kind: kindArray}, &value{kind: kindArray}
	for _, id := range ids {
		result := objectValue("id", stringValue(id))
		err := removeViews(ctx, db, id, "")
		var refusal *store.Error
		switch {
		case err == nil:
			result.set("ok", boolValue(true))
			success.items = append([]*value{result}, success.items...)
		case errors.As(err, &refusal):
			result.set("error", stringValue(refusal.Name))
			fail.items = append([]*value{result}, fail.items...)
		default:
			return nil, err
		}
	}
	v := objectValue("success", success)
	v.set("fail", fail)
	return v.appendJSON(nil), nil
}

// documentIDs takes the design documents of _bulk_delete.
func (r *request) documentIDs() ([]string, error) {
	list := r.take("docids")
	switch {
	case list == nil:
		r.fail(missingKey("docids"))
	case list.kind != kindArray:
		r.fail(refuse("invalid_bulk_docs", "Bulk Delete requires an array of non-null docids. Docids: %s", erlang(list)))
	}
	r.count("w", 1, 2)
	if err := r.finish(); err != nil {
		return nil, err
	}
	var ids []string
	for _, item := range list.items {
		if item.kind != kindString {
			return nil, refuse("invalid_index_name", "Invalid index name: %s", erlang(item))
		}
		ids = append(ids, "_design/"+strings.TrimPrefix(item.text, "_design/"))
	}
	return ids, nil
}
