package httpd

import (
	"encoding/json"
	"slices"

	"github.com/adlayer/after/store"
)

// openRevs answers several revisions at once: all leaves, or those that are named.
func (c *call) openRevs(snap *store.Snapshot, id string, revs []store.Rev, all bool) error {
	o, err := c.readOptions()
	if err != nil {
		return err
	}
	o.files.letGo = true
	tree, found, err := leavesOrRevs(snap, id, revs, all, o)
	if err != nil {
		return err
	}
	if c.accepts("multipart/mixed") {
		return c.sendOpenRevs(snap, tree, found, o)
	}
	s := &stream{c: c}
	b := []byte{'['}
	for i := range found {
		if i > 0 {
			b = append(b, ',')
		}
		row, err := found[i].read(snap, tree)
		switch {
		case err != nil:
		case row == nil:
			b = append(found[i].rev.Append(append(b, `{"missing":"`...)), `"}`...)
		default:
			b, err = appendDocument(append(b, `{"ok":`...), snap, tree, row, o, s.flush)
			b = append(b, '}')
		}
		if err == nil {
			b, err = s.more(b)
		}
		if err == nil {
			err = s.renew(snap)
		}
		if err != nil {
			return s.end(b, err)
		}
	}
	return s.end(append(b, ']'), nil)
}

// namedRevs are the revisions of an open_revs parameter. none tells that there is no such parameter, or that it names none.
func (c *call) namedRevs() (revs []store.Rev, all, none bool, err error) {
	switch text := c.q.Get("open_revs"); {
	case !c.q.Has("open_revs"):
		return nil, false, true, nil
	case text == "all":
		return nil, true, false, nil
	default:
		revs, err = parseRevList([]byte(text))
		return revs, false, len(revs) == 0, err
	}
}

func parseRevList(raw []byte) ([]store.Rev, error) {
	canonical, err := store.Canonical(raw)
	if err != nil {
		return nil, err
	}
	if canonical[0] != '[' {
		return nil, store.BadRequest("Invalid list of revisions")
	}
	var texts []string
	if json.Unmarshal(canonical, &texts) != nil {
		return nil, store.BadRequest("Invalid rev format")
	}
	revs := make([]store.Rev, len(texts))
	for i, text := range texts {
		if revs[i], err = store.ParseRev(text); err != nil {
			return nil, err
		}
	}
	return revs, nil
}

// openRev is one revision asked for. It is read when its turn comes, so that only one is in memory.
type openRev struct {
	rev  store.Rev
	at   store.Revision
	here bool       // at is where it is
	row  *store.Row // it was read already
	view *usersView
}

// read gives the revision, nil where it is not there.
func (o *openRev) read(snap *store.Snapshot, tree *store.Tree) (*store.Row, error) {
	if o.row != nil || !o.here {
		return o.row, nil
	}
	row, err := snap.Revision(tree, o.at)
	if err == nil {
		row, err = o.view.show(row)
	}
	if store.IsNotFound(err) {
		return nil, nil
	}
	return row, err
}

// leavesOrRevs finds all leaves of a document, or the revisions named (with o.latest the leaves that descend from them). As in CouchDB each comes
// once, those that are there first, by generation and hash. A 404 only for all leaves of a document that was never there.
func leavesOrRevs(snap *store.Snapshot, id string, revs []store.Rev, all bool, o readOptions) (
	tree *store.Tree, out []openRev, err error,
) {
	tree, err = snap.Tree(id)
	if err != nil && (all || !store.IsNotFound(err)) {
		return nil, nil, err
	}
	var found []store.Revision
	var missing []store.Rev
	if all {
		found, revs = tree.Leaves(), nil
	}
	for _, rev := range revs {
		var here []store.Revision
		if tree != nil && o.latest {
			here = tree.LeavesOf(rev)
		} else if tree != nil {
			r, ok := tree.Find(rev)
			if ok && len(revs) > 1 { // a single one needs no place among others
				if ok, err = snap.HasBody(r); err != nil {
					return nil, nil, err
				}
			}
			if ok {
				here = []store.Revision{r}
			}
		}
		if found = append(found, here...); len(here) == 0 {
			missing = append(missing, rev)
		}
	}
	for _, r := range slices.CompactFunc(byRev(found), func(a, b store.Revision) bool { return a.Rev == b.Rev }) {
		out = append(out, openRev{rev: r.Rev, at: r, here: true, view: o.view})
	}
	slices.SortFunc(missing, store.CompareRevs)
	for _, rev := range slices.Compact(missing) {
		out = append(out, openRev{rev: rev})
	}
	return tree, out, nil
}
