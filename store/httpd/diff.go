package httpd

import (
	"encoding/json"
	"net/http"

	"github.com/adlayer/after/store"
)

// revsDiff tells a replicator which revisions are not here, and from which it could build them.
func (c *call) revsDiff() error {
	return c.diff(func(b []byte, id string, lost []store.Rev, tree *store.Tree) []byte {
		b = appendRevList(append(store.AppendString(b, id), `:{"missing":`...), lost)
		if tree != nil {
			if ancestors := tree.Ancestors(lost); len(ancestors) > 0 {
				b = appendRevList(append(b, `,"possible_ancestors":`...), ancestors)
			}
		}
		return append(b, '}')
	}, "{", "}")
}

func (c *call) missingRevs() error {
	return c.diff(func(b []byte, id string, lost []store.Rev, _ *store.Tree) []byte {
		return appendRevList(append(store.AppendString(b, id), ':'), lost)
	}, `{"missing_revs":{`, "}}")
}

func (c *call) diff(add func(b []byte, id string, lost []store.Rev, tree *store.Tree) []byte, open, end string) error {
	if err := c.allow(http.MethodPost); err != nil {
		return err
	}
	if err := c.wantJSON(); err != nil {
		return err
	}
	m, err := c.object(false)
	if err != nil {
		return err
	}
	snap, err := c.db.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	b := []byte(open)
	for id, raw := range m {
		lost, tree, err := lostRevs(snap, id, raw)
		if err != nil {
			return err
		}
		if len(lost) == 0 {
			continue
		}
		if len(b) > len(open) {
			b = append(b, ',')
		}
		b = add(b, id, lost, tree)
	}
	return c.answer(http.StatusOK, append(b, end...))
}

// lostRevs are the revisions of a list that are not in the document's tree, which is nil where there is no such document.
func lostRevs(snap *store.Snapshot, id string, raw json.RawMessage) (lost []store.Rev, tree *store.Tree, err error) {
	revs, err := parseRevList(raw)
	if err != nil {
		return nil, nil, err
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
