package httpd_test

import (
	"cmp"
	"crypto/md5"
	"encoding/base64"
	"maps"
	"slices"
	"strconv"
	"strings"
)

// treeModel is one document as plainly as can be: every revision that was ever seen, with its parent.
type treeModel map[string]*modelRev

// modelRev is a revision; one that is known by name alone is not stored.
type modelRev struct {
	parent          string
	stored, deleted bool
	n               int
	files           map[string]modelFile
}

// modelFile is an attachment: its content, and the generation that brought it.
type modelFile struct {
	data   string
	revpos int
}

func (f modelFile) digest() string {
	sum := md5.Sum([]byte(f.data))
	return "md5-" + base64.StdEncoding.EncodeToString(sum[:])
}

func generationOf(rev string) int {
	text, _, _ := strings.Cut(rev, "-")
	n, _ := strconv.Atoi(text)
	return n
}

// children are the revisions that follow one, or all roots.
func (m treeModel) children(parent string) (out []string) {
	for rev, r := range m {
		if r.parent == parent {
			out = append(out, rev)
		}
	}
	return out
}

// leaves are the ends of all branches: the winner first, live before deleted, longer before shorter, then by their hashes.
func (m treeModel) leaves() (out []string) {
	for rev := range m {
		if len(m.children(rev)) == 0 {
			out = append(out, rev)
		}
	}
	slices.SortFunc(out, func(a, b string) int {
		if x, y := m[a].deleted, m[b].deleted; x != y {
			if x {
				return 1
			}
			return -1
		}
		return cmp.Or(generationOf(b)-generationOf(a), strings.Compare(b, a))
	})
	return out
}

// below are the leaves that descend from a revision, itself included.
func (m treeModel) below(rev string) []string {
	next := m.children(rev)
	if len(next) == 0 {
		return []string{rev}
	}
	var out []string
	for _, child := range next {
		out = append(out, m.below(child)...)
	}
	return out
}

// path is a revision with its ancestors, the newest first.
func (m treeModel) path(rev string) (out []string) {
	for ; rev != ""; rev = m[rev].parent {
		out = append(out, rev)
	}
	return out
}

// known are all revisions, in one order.
func (m treeModel) known() []string { return slices.Sorted(maps.Keys(m)) }

// over tells which revision an edit follows that names one, or none, and whether it may.
func (m treeModel) over(named string, deletion bool) (parent string, ok bool) {
	leaves := m.leaves()
	switch {
	case len(leaves) == 0:
		return "", named == ""
	case named == "":
		return leaves[0], m[leaves[0]].deleted && !deletion
	}
	return named, slices.Contains(leaves, named) && !m[named].deleted
}

// add puts a revision into the tree, with the ancestors that came with it.
func (m treeModel) add(rev string, ancestors []string, r modelRev) {
	if m[rev] == nil {
		m[rev] = &modelRev{}
	}
	if !m[rev].stored {
		r.parent, r.stored = m[rev].parent, true
		*m[rev] = r
	}
	child := rev
	for _, a := range ancestors {
		if m[a] == nil {
			m[a] = &modelRev{}
		}
		if m[child].parent == "" {
			m[child].parent = a
		}
		child = a
	}
}

// stem forgets what is more than limit generations above the nearest leaf.
func (m treeModel) stem(limit int) {
	keep := map[string]bool{}
	for _, leaf := range m.leaves() {
		path := m.path(leaf)
		for _, rev := range path[:min(limit, len(path))] {
			keep[rev] = true
		}
	}
	for rev, r := range m {
		if !keep[rev] {
			delete(m, rev)
		} else if !keep[r.parent] {
			r.parent = ""
		}
	}
}

// compact forgets what revisions hold that others follow.
func (m treeModel) compact() {
	for rev, r := range m {
		if len(m.children(rev)) > 0 {
			r.stored, r.n, r.files = false, 0, nil
		}
	}
}
