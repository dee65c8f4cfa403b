package store

import "fmt"

// Revision is one node of a document's revision tree.
type Revision struct {
	Rev     Rev
	Deleted bool
	// Leaf tells that nothing follows it.
	Leaf bool
	body uint64
}

// Tree is a document's revision tree as a reader sees it.
type Tree struct {
	id   string
	seq  uint64
	tree *tree
}

// Tree reads the revision tree of a document; a 404 if there was never such a document.
func (v *Snapshot) Tree(id string) (*Tree, error) {
	m, err := v.meta(id)
	if err != nil {
		return nil, err
	}
	if m == nil {
		return nil, NotFound("missing")
	}
	t, err := m.decode()
	if err != nil {
		return nil, fmt.Errorf("reading document %q of %s: %w", id, v.db.name, err)
	}
	return &Tree{id: id, seq: t.seq, tree: t}, nil
}

// Seq is the update sequence of the document's last write.
func (t *Tree) Seq() uint64 { return t.seq }

func (n *node) revision() Revision {
	return Revision{Rev: n.rev, Deleted: n.deleted, Leaf: n.children == 0, body: n.body}
}

// Leaves are the ends of all branches, the winner first: live before deleted, longer before shorter, then the higher hash.
func (t *Tree) Leaves() []Revision {
	nodes := t.tree.leaves()
	out := make([]Revision, len(nodes))
	for i, n := range nodes {
		out[i] = n.revision()
	}
	return out
}

// Winner is the first leaf.
func (t *Tree) Winner() Revision { return t.Leaves()[0] }

// Find looks a revision up.
func (t *Tree) Find(rev Rev) (Revision, bool) {
	n := t.tree.nodes[rev]
	if n == nil {
		return Revision{}, false
	}
	return n.revision(), true
}

// Path is the revision and its ancestors, youngest first, as far as they are kept.
func (t *Tree) Path(rev Rev) []Revision {
	var out []Revision
	for n := t.tree.nodes[rev]; n != nil; n = n.parent {
		out = append(out, n.revision())
	}
	return out
}

// LeavesOf are the leaves that descend from rev, itself included where it is one.
func (t *Tree) LeavesOf(rev Rev) []Revision {
	var out []Revision
	for _, leaf := range t.Leaves() {
		for n := t.tree.nodes[leaf.Rev]; n != nil; n = n.parent {
			if n.rev == rev {
				out = append(out, leaf)
				break
			}
		}
	}
	return out
}

// Ancestors are the revisions that could be ancestors of one of the missing revs: leaves of a lower generation.
func (t *Tree) Ancestors(missing []Rev) []Rev {
	var newest uint64
	for _, r := range missing {
		newest = max(newest, r.Pos)
	}
	var out []Rev
	for _, leaf := range t.Leaves() {
		if leaf.Rev.Pos < newest {
			out = append(out, leaf.Rev)
		}
	}
	return out
}

// Revision reads one revision of the tree with its body. A 404 if it is not there or its body is gone.
func (v *Snapshot) Revision(t *Tree, r Revision) (*Row, error) {
	row := &Row{ID: t.id, Seq: t.seq, Rev: r.Rev, Deleted: r.Deleted, Branched: len(t.tree.nodes) > 1}
	if err := v.content(r.body, row); err != nil {
		return nil, fmt.Errorf("reading document %q of %s: %w", t.id, v.db.name, err)
	}
	if row.Body == nil {
		return nil, NotFound("missing")
	}
	return row, nil
}

// HasBody tells whether the body of a revision is still there.
func (v *Snapshot) HasBody(r Revision) (bool, error) {
	var row Row
	err := v.content(r.body, &row)
	return row.Body != nil, err
}
