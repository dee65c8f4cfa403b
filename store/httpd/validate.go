package httpd

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strings"
	"sync"

	"github.com/adlayer/after/store"
	"github.com/adlayer/after/store/script"
)

// write writes documents of the request's database: the one way for all of them, by which the validation functions are asked.
func (c *call) write(docs []store.Doc, o store.WriteOptions) ([]store.Result, error) {
	for i := range docs {
		switch doc := &docs[i]; {
		case doc.Deleted || doc.Refused != nil:
		case strings.HasPrefix(doc.ID, designPrefix):
			doc.Refused = c.checkDesign(doc.Body)
		case c.db.Name() == replicatorDatabase && !strings.HasPrefix(doc.ID, localPrefix):
			doc.Refused = store.NotImplemented("A replication that is asked for by a document of _replicator (POST /_replicate is there)")
		}
	}
	designs, err := c.validators()
	if err != nil {
		for i := range docs {
			err = errors.Join(err, docs[i].DiscardUploads())
		}
		return nil, err
	}
	users := c.db.Name() == usersDatabase
	if users || len(designs) > 0 {
		o.Validate = func(ctx context.Context, edits []store.Edit) error {
			if users {
				if err := c.validateUsers(ctx, edits); err != nil {
					return err
				}
			}
			return c.validate(ctx, designs, edits)
		}
	}
	results, err := c.db.Write(c.ctx(), docs, o)
	if err == nil {
		c.s.counts.wrote(results)
	}
	return results, err
}

const validation = "A validation function (validate_doc_update)"

// checkDesign refuses design documents that make no sense, and those that this server could not hold to.
func (c *call) checkDesign(body []byte) *store.Error {
	if err := checkDesign(body); err != nil {
		return err
	}
	if !c.s.scripts.Runs() && bytes.Contains(body, []byte(`"validate_doc_update"`)) {
		return store.NotImplemented(validation)
	}
	return nil
}

// validates tells whether a document may have a validation function.
func validates(id string, body []byte) bool {
	return strings.HasPrefix(id, designPrefix) && bytes.Contains(body, []byte(`"validate_doc_update"`))
}

// validatorsKey is where a database keeps its validation functions.
type validatorsKey struct{}

type validatorsCache struct {
	mu      sync.Mutex
	loaded  bool
	at      uint64 // of the database's Designs
	designs []design
}

// design is a revision of a design document as functions of it are asked.
type design struct {
	*script.Design

	language string
}

// validators are the design documents with a validation function, by id.
func (c *call) validators() ([]design, error) {
	cache, ok := c.db.Attach(validatorsKey{}, func() any { return new(validatorsCache) }).(*validatorsCache)
	if !ok {
		cache = new(validatorsCache)
	}
	cache.mu.Lock()
	defer cache.mu.Unlock()
	at := c.db.Designs()
	if cache.loaded && cache.at == at {
		return cache.designs, nil
	}
	snap, err := c.db.Snapshot()
	if err != nil {
		return nil, err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	var designs []design
	r := store.Range{Start: designPrefix, End: "_design0", HasEnd: true, ExclusiveEnd: true, Bodies: true}
	err = snap.AllDocs(r, func(row *store.Row) error {
		var doc struct {
			Validate json.RawMessage `json:"validate_doc_update"`
		}
		if validates(row.ID, row.Body) && !isOwnAuth(c.db.Name(), row.ID, row.Body) && json.Unmarshal(row.Body, &doc) == nil && doc.Validate != nil {
			designs = append(designs, c.design(row))
		}
		return nil
	})
	if err == nil {
		cache.designs, cache.at, cache.loaded = designs, at, true
	}
	return designs, err
}

func (c *call) design(row *store.Row) design {
	var doc struct {
		Language any `json:"language"`
	}
	d := design{&script.Design{Key: c.db.UUID() + " " + row.ID + " " + row.Rev.String(), Doc: row.AppendJSON(nil)}, "javascript"}
	if json.Unmarshal(row.Body, &doc) == nil && doc.Language != nil {
		d.language = fmt.Sprint(doc.Language)
	}
	return d
}

// validate asks the validation functions about edits. The first that refuses has the word.
func (c *call) validate(ctx context.Context, designs []design, edits []store.Edit) error {
	user := c.userCtx()
	security := c.db.Security()
	if security == nil {
		security = []byte(defaultSecurity)
	}
	if len(designs) == 0 {
		return nil
	}
	open := make([]int, 0, len(edits)) // those that nobody has refused
	questions := make([]script.Edit, 0, len(edits))
	for i := range edits {
		if edits[i].Err == nil {
			open = append(open, i)
			questions = append(questions, script.Edit{New: edits[i].AppendNew(nil), Old: edits[i].AppendOld(nil)})
		}
	}
	if len(open) == 0 {
		return nil
	}
	for _, d := range designs {
		if err := c.runs(d, validation); err != nil {
			for _, i := range open {
				edits[i].Err = err
			}
			return nil
		}
		verdicts, err := c.s.scripts.Validate(ctx, d.Design, user, security, questions)
		if err != nil {
			return scriptError(err)
		}
		left := 0
		for n, i := range open {
			if verdicts[n] != nil {
				edits[i].Err = failureError(verdicts[n])
				c.s.counts.rejects.Add(1)
				continue
			}
			open[left], questions[left] = i, questions[n]
			left++
		}
		if open, questions = open[:left], questions[:left]; left == 0 {
			return nil
		}
	}
	return nil
}

// runs refuses a design document whose functions cannot be run, for what needs them.
func (c *call) runs(d design, what string) *store.Error {
	if !c.s.scripts.Runs() {
		return store.NotImplemented(what)
	}
	if d.language != "javascript" {
		return &store.Error{Status: http.StatusInternalServerError, Name: "unknown_query_language", Reason: d.language}
	}
	return nil
}

// userCtx is who asks, for functions.
func (c *call) userCtx() []byte {
	b := store.AppendString([]byte(`{"db":`), c.db.Name())
	return append(append(b, ','), appendUser(nil, c.who)[1:]...)
}

// failureError is what a client gets of a function that refused or failed.
func failureError(f *script.FunctionError) *store.Error {
	status := http.StatusInternalServerError
	switch f.Name {
	case "forbidden":
		status = http.StatusForbidden
	case "unauthorized":
		status = http.StatusUnauthorized
	case "not_found":
		status = http.StatusNotFound
	}
	return &store.Error{Status: status, Name: f.Name, Reason: f.Reason}
}

// scriptError is what a client gets where a function gave no answer.
func scriptError(err error) error {
	if f, ok := errors.AsType[*script.FunctionError](err); ok {
		return failureError(f)
	}
	if errors.Is(err, script.ErrClosed) {
		return store.ErrClosed
	}
	return err
}
