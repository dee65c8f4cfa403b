package httpd

import (
	"bytes"
	"encoding/json"
	"net/http"
	"slices"

	"github.com/adlayer/after/store"
)

// revsDiff tells a replicator which revisions are not here, and from which it could build them.
func (c *call) revsDiff() error {
	return c.diff(func(b []byte, lost []store.Rev, tree *store.Tree) []byte {
		b = appendRevList(append(b, `{"missing":`...), lost)
		if tree != nil {
			if ancestors := tree.Ancestors(lost); len(ancestors) > 0 {
				b = appendRevList(append(b, `,"possible_ancestors":`...), ancestors)
			}
		}
		return append(b, '}')
	}, "{", "}")
}

func (c *call) missingRevs() error {
	return c.diff(func(b []byte, lost []store.Rev, _ *store.Tree) []byte { return appendRevList(b, lost) }, `{"missing_revs":{`, "}}")
}

// askedRevs are revisions of a document that somebody asks for.
type askedRevs struct {
	id   string
	revs []store.Rev
}

// askedRevs reads a body of ids, each with a list of revisions, in its order.
func (c *call) askedRevs() (asked []askedRevs, err error) {
	raw, done, err := c.body()
	if err != nil {
		return nil, err
	}
	defer done()
	err = eachMember(raw, func(id string, value json.RawMessage) error {
		revs, err := parseRevList(value)
		asked = append(asked, askedRevs{id, revs})
		return err
	})
	return asked, err
}

// eachMember visits the members of a body that is a JSON object, in their order.
func eachMember(raw []byte, visit func(name string, value json.RawMessage) error) error {
	canonical, err := store.Canonical(raw)
	if err != nil {
		return err
	}
	if canonical[0] != '{' {
		return store.BadRequest("Request body must be a JSON object")
	}
	decoder := json.NewDecoder(bytes.NewReader(canonical))
	if _, err := decoder.Token(); err != nil {
		return store.BadRequest("invalid UTF-8 JSON")
	}
	for decoder.More() {
		name, err := decoder.Token()
		if err != nil {
			return store.BadRequest("invalid UTF-8 JSON")
		}
		var value json.RawMessage
		if err := decoder.Decode(&value); err != nil {
			return store.BadRequest("invalid UTF-8 JSON")
		}
		text, _ := name.(string) // names of members are
		if err := visit(text, value); err != nil {
			return err
		}
	}
	return nil
}

// diff answers which of the revisions that are asked for are not here, document by document, the last first as CouchDB does.
func (c *call) diff(add func(b []byte, lost []store.Rev, tree *store.Tree) []byte, open, end string) error {
	if err := c.allow(http.MethodPost); err != nil {
		return err
	}
	if err := c.wantJSON(); err != nil {
		return err
	}
	asked, err := c.askedRevs()
	if err != nil {
		return err
	}
	snap, err := c.db.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	s := &stream{c: c}
	b := []byte(open)
	first := true
	for _, a := range slices.Backward(asked) {
		lost, tree, err := lostRevs(snap, a.id, a.revs, c.view)
		if err != nil {
			return s.end(b, err)
		}
		if len(lost) == 0 {
			continue
		}
		if !first {
			b = append(b, ',')
		}
		first = false
		b = add(append(store.AppendString(b, a.id), ':'), lost, tree)
		if b, err = s.more(b); err != nil {
			return s.end(b, err)
		}
	}
	return s.end(append(b, end...), nil)
}

// lostRevs are the revisions of a list that are not in the document's tree, which is nil where there is no such document, or none that is seen.
func lostRevs(snap *store.Snapshot, id string, revs []store.Rev, view *usersView) (lost []store.Rev, tree *store.Tree, err error) {
	if view.gate(id) != nil {
		return revs, nil, nil //nolint:nilerr // to who asks, it is not there
	}
	if tree, err = snap.Tree(id); err != nil && !store.IsNotFound(err) {
		return nil, nil, err
	}
	for _, rev := range revs {
		if tree != nil {
			if _, ok := tree.Find(rev); ok {
				continue
			}
		}
		lost = append(lost, rev)
	}
	return lost, tree, nil
}
