package store

import (
	"encoding/binary"
	"errors"
	"slices"
)

// A document's meta record holds its revision tree. The winner's path comes first, leaf to root, so that the common write (a new revision on
// the only leaf) copies the old record behind a new head without decoding it, and the common read needs only the head:
//
//	flags byte      (metaDeleted, metaBranches)
//	uvarint seq     of the document's row
//	uvarint paths   only with metaBranches
//	path:  uvarint generation of its leaf, uvarint nodes, [uvarint parent path + 1 (0: a root), from the second path on], node...
//	node:  flags byte (nodeDeleted, nodeBody, nodeText), hash (16 bytes, or uvarint length and text), [uvarint seq of its body]
type meta []byte

const (
	metaDeleted  = 1 << 0
	metaBranches = 1 << 1

	nodeDeleted = 1 << 0
	nodeBody    = 1 << 1
	nodeText    = 1 << 2
)

var errCorrupt = errors.New("a document's record is damaged")

// head is what the front of a meta record tells: the winner.
type head struct {
	rev      Rev
	seq      uint64 // of the document's row
	body     uint64 // seq of the winner's body; 0 if it is not there
	deleted  bool
	branches bool
	count    uint64 // nodes on the winner's path
	nodes    int    // where the winner's path begins
}

// cursor reads a record.
type cursor struct {
	b   []byte
	at  int
	bad bool
}

func (c *cursor) byte() byte {
	if c.at >= len(c.b) {
		c.bad = true
		return 0
	}
	c.at++
	return c.b[c.at-1]
}

func (c *cursor) uvarint() uint64 {
	v, n := binary.Uvarint(c.b[min(c.at, len(c.b)):])
	if n <= 0 {
		c.bad = true
		return 0
	}
	c.at += n
	return v
}

func (c *cursor) bytes(n uint64) []byte {
	if n > uint64(len(c.b)-c.at) { //nolint:gosec // at never passes the end
		c.bad = true
		return nil
	}
	from := c.at
	c.at += int(n) //nolint:gosec // bounded above
	return c.b[from:c.at]
}

// node reads one node; pos is its generation.
func (c *cursor) node(pos uint64) (rev Rev, deleted bool, body uint64) {
	flags := c.byte()
	rev.Pos = pos
	if flags&nodeText != 0 {
		rev.text = string(c.bytes(c.uvarint()))
	} else {
		copy(rev.sum[:], c.bytes(16))
	}
	if flags&nodeBody != 0 {
		body = c.uvarint()
	}
	return rev, flags&nodeDeleted != 0, body
}

func (c *cursor) skipNode() {
	flags := c.byte()
	n := uint64(16)
	if flags&nodeText != 0 {
		n = c.uvarint()
	}
	c.bytes(n)
	if flags&nodeBody != 0 {
		c.uvarint()
	}
}

func appendNode(dst []byte, rev *Rev, deleted bool, body uint64) []byte {
	var flags byte
	if deleted {
		flags |= nodeDeleted
	}
	if body != 0 {
		flags |= nodeBody
	}
	if rev.text != "" {
		dst = append(dst, flags|nodeText)
		dst = binary.AppendUvarint(dst, uint64(len(rev.text)))
		dst = append(dst, rev.text...)
	} else {
		dst = append(dst, flags)
		dst = append(dst, rev.sum[:]...)
	}
	if body != 0 {
		dst = binary.AppendUvarint(dst, body)
	}
	return dst
}

// head reads the winner.
func (m meta) head() (h head, err error) {
	c := cursor{b: m}
	flags := c.byte()
	h.deleted = flags&metaDeleted != 0
	h.branches = flags&metaBranches != 0
	h.seq = c.uvarint()
	if h.branches {
		c.uvarint()
	}
	pos := c.uvarint()
	h.count = c.uvarint()
	h.nodes = c.at
	h.rev, _, h.body = c.node(pos)
	if c.bad {
		return h, errCorrupt
	}
	return h, nil
}

// appendGrown adds to dst the record that follows m when rev, written at seq, replaces the only leaf. m is nil for a new document; then
// parents are the ancestors that the writer named. limit is the number of generations kept.
func appendGrown(dst []byte, m meta, h *head, parents []Rev, rev *Rev, deleted bool, seq, limit uint64) []byte {
	var flags byte
	if deleted {
		flags = metaDeleted
	}
	dst = append(dst, flags)
	dst = binary.AppendUvarint(dst, seq)
	dst = binary.AppendUvarint(dst, rev.Pos)
	if m == nil {
		parents = parents[:min(uint64(len(parents)), limit-1)]
		dst = binary.AppendUvarint(dst, uint64(len(parents))+1)
		dst = appendNode(dst, rev, deleted, seq)
		for i := range parents {
			dst = appendNode(dst, &parents[i], false, 0)
		}
		return dst
	}
	count := min(h.count+1, limit)
	dst = binary.AppendUvarint(dst, count)
	dst = appendNode(dst, rev, deleted, seq)
	if count == h.count+1 {
		return append(dst, m[h.nodes:]...)
	}
	c := cursor{b: m, at: h.nodes}
	for range count - 1 {
		c.skipNode()
	}
	return append(dst, m[h.nodes:c.at]...)
}

// node is one revision in a decoded tree.
type node struct {
	rev      Rev
	parent   *node
	deleted  bool
	body     uint64
	children int
}

// tree is a decoded revision tree: all its nodes by revision.
type tree struct {
	seq   uint64
	nodes map[Rev]*node
}

func newTree() *tree { return &tree{nodes: map[Rev]*node{}} }

// decode reads the whole tree.
func (m meta) decode() (*tree, error) {
	t := newTree()
	c := cursor{b: m}
	flags := c.byte()
	t.seq = c.uvarint()
	paths := uint64(1)
	if flags&metaBranches != 0 {
		paths = c.uvarint()
	}
	var leaves []*node
	for i := uint64(0); i < paths && !c.bad; i++ {
		pos, count := c.uvarint(), c.uvarint()
		var parentPath uint64
		if i > 0 {
			parentPath = c.uvarint()
		}
		if count == 0 || count > pos+1 || parentPath > i {
			return nil, errCorrupt
		}
		leaf, last := t.decodePath(&c, pos, count)
		if c.bad {
			break
		}
		if parentPath > 0 {
			t.link(last, ancestorAt(leaves[parentPath-1], pos-count))
		}
		leaves = append(leaves, leaf)
	}
	if c.bad || len(leaves) == 0 {
		return nil, errCorrupt
	}
	return t, nil
}

func (t *tree) decodePath(c *cursor, pos, count uint64) (leaf, last *node) {
	for i := uint64(0); i < count && !c.bad; i++ {
		n := &node{}
		n.rev, n.deleted, n.body = c.node(pos - i)
		t.nodes[n.rev] = n
		if last != nil {
			t.link(last, n)
		} else {
			leaf = n
		}
		last = n
	}
	return leaf, last
}

func (t *tree) link(child, parent *node) {
	if parent != nil && child.parent == nil {
		child.parent = parent
		parent.children++
	}
}

func ancestorAt(n *node, pos uint64) *node {
	for n != nil && n.rev.Pos > pos {
		n = n.parent
	}
	return n
}

// insert adds the revision with its ancestors; body is the seq it is stored at. It tells whether the tree changed, and whether the body is
// wanted: the revision was not there, or only its name was.
func (t *tree) insert(rev Rev, ancestors []Rev, deleted bool, body uint64) (changed, stored bool) {
	n := t.nodes[rev]
	if n == nil {
		n = &node{rev: rev, deleted: deleted, body: body}
		t.nodes[rev] = n
		changed, stored = true, true
	} else if n.body == 0 {
		n.body, n.deleted = body, deleted
		changed, stored = true, true
	}
	child := n
	for _, r := range ancestors {
		parent := t.nodes[r]
		if parent == nil {
			parent = &node{rev: r}
			t.nodes[r] = parent
		}
		if child.parent == nil {
			t.link(child, parent)
			changed = true
		}
		child = parent
	}
	return changed, stored
}

// leaves are the ends of all branches, the winner first, then by CouchDB's order: live before deleted, longer first, higher hash first.
func (t *tree) leaves() []*node {
	var out []*node
	for _, n := range t.nodes {
		if n.children == 0 {
			out = append(out, n)
		}
	}
	slices.SortFunc(out, compareLeaves)
	return out
}

func compareLeaves(a, b *node) int {
	if a.deleted != b.deleted {
		if a.deleted {
			return 1
		}
		return -1
	}
	return compareRevs(b.rev, a.rev)
}

// stem keeps limit generations above each leaf.
func (t *tree) stem(limit uint64) {
	keep := make(map[*node]bool, len(t.nodes))
	for _, leaf := range t.leaves() {
		for n, i := leaf, uint64(0); n != nil && i < limit; n, i = n.parent, i+1 {
			keep[n] = true
		}
	}
	if len(keep) == len(t.nodes) {
		return
	}
	for rev, n := range t.nodes {
		if !keep[n] {
			delete(t.nodes, rev)
		} else if n.parent != nil && !keep[n.parent] {
			n.parent = nil
		}
	}
}

// encode writes the record of the tree with its row at seq.
func (t *tree) encode(seq uint64) meta {
	leaves := t.leaves()
	var flags byte
	if leaves[0].deleted {
		flags |= metaDeleted
	}
	if len(leaves) > 1 {
		flags |= metaBranches
	}
	dst := binary.AppendUvarint([]byte{flags}, seq)
	if len(leaves) > 1 {
		dst = binary.AppendUvarint(dst, uint64(len(leaves)))
	}
	owner := make(map[*node]uint64, len(t.nodes)) // path number + 1
	for i, leaf := range leaves {
		var own []*node
		n := leaf
		for ; n != nil && owner[n] == 0; n = n.parent {
			own = append(own, n)
			owner[n] = uint64(i) + 1
		}
		dst = binary.AppendUvarint(dst, leaf.rev.Pos)
		dst = binary.AppendUvarint(dst, uint64(len(own)))
		if i > 0 {
			dst = binary.AppendUvarint(dst, owner[n]) // 0 for nil: a root of its own
		}
		for _, n := range own {
			dst = appendNode(dst, &n.rev, n.deleted, n.body)
		}
	}
	return dst
}

// branched tells whether readers of a row must ask the tree: there is more than one leaf.
func (t *tree) branched() bool {
	n := 0
	for _, x := range t.nodes {
		if x.children == 0 {
			n++
		}
	}
	return n > 1
}
