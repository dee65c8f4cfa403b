package httpd

import (
	"context"
	_ "embed" // for the function
	"encoding/json"
	"net/http"
	"strings"

	jsonv2 "github.com/go-json-experiment/json"

	"github.com/adlayer/after/store"
)

// authDesign is the design document that CouchDB keeps in _users. Its function says in JavaScript what prepareUser and validateUsers hold
// documents to, for who reads it; it is asked only where somebody has changed it.
const authDesign = designPrefix + "_auth"

//go:embed usersvalidate.js
var usersValidation string

// authDocument is the body of the document.
type authDocument struct {
	Language string `json:"language"`
	Validate string `json:"validate_doc_update"`
}

func ownAuthDocument() authDocument {
	return authDocument{Language: "javascript", Validate: strings.TrimSpace(usersValidation)}
}

// isOwnAuth tells whether a design document is the one that this server has put there.
func isOwnAuth(database, id string, body []byte) bool {
	if database != usersDatabase || id != authDesign {
		return false
	}
	var doc authDocument
	return jsonv2.Unmarshal(body, &doc) == nil && doc == ownAuthDocument()
}

// keepAuthDesign has the design document where its database is. That the database is there and is served does not hang on it.
func (s *Server) keepAuthDesign(ctx context.Context, db *store.Database) {
	if db.Name() != usersDatabase {
		return
	}
	if err := s.ensureAuthDesign(ctx, db); err != nil {
		s.log.WithError(err).Warn("store: _users/_design/_auth cannot be written; its rules hold without it")
	}
}

// ensureAuthDesign puts the design document into _users where it is not there, or has another function, as CouchDB does when it starts.
func (s *Server) ensureAuthDesign(ctx context.Context, db *store.Database) error {
	snap, err := db.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	row, err := snap.Get(authDesign)
	if err != nil && !store.IsNotFound(err) {
		return err
	}
	doc := store.Doc{ID: authDesign}
	members := map[string]json.RawMessage{}
	if err == nil && !row.Deleted {
		if isOwnAuth(db.Name(), row.ID, row.Body) {
			return nil
		}
		if err := json.Unmarshal(row.Body, &members); err != nil {
			return err
		}
		doc = row.Edit()
	}
	own := ownAuthDocument()
	members["language"] = store.AppendString(nil, own.Language)
	members["validate_doc_update"] = store.AppendString(nil, own.Validate)
	if doc.Body, err = json.Marshal(members); err != nil {
		return err
	}
	if doc.Body, err = store.Canonical(doc.Body); err != nil {
		return err
	}
	results, err := db.Write(ctx, []store.Doc{doc}, store.WriteOptions{})
	if err == nil && results[0].Err != nil && results[0].Err.Status != http.StatusConflict { // then somebody else has just put it there
		err = results[0].Err
	}
	return err
}
