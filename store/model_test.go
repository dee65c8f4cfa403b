package store_test

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"testing"

	"github.com/cockroachdb/pebble/v2/vfs"
	"pgregory.net/rapid"

	"github.com/adlayer/after/store"
)

// model is a revision tree as plainly as can be: each revision with its parent.
type model struct {
	parent  map[store.Rev]store.Rev
	deleted map[store.Rev]bool
	body    map[store.Rev]string
	seq     int
	limit   int // generations kept above each leaf
}

func newModel() *model {
	return &model{map[store.Rev]store.Rev{}, map[store.Rev]bool{}, map[store.Rev]string{}, 0, 1000}
}

// stem forgets what is beyond the limit above every leaf.
func (m *model) stem() {
	keep := map[store.Rev]bool{}
	for _, rev := range m.leaves() {
		for n := 0; n < m.limit && !rev.IsZero(); n++ {
			keep[rev] = true
			rev = m.parent[rev]
		}
	}
	for rev, parent := range m.parent {
		switch {
		case !keep[rev]:
			delete(m.parent, rev)
			delete(m.deleted, rev)
			delete(m.body, rev)
		case !keep[parent]:
			m.parent[rev] = store.Rev{}
		}
	}
}

// lose forgets what a compaction takes: the bodies of ancestors.
func (m *model) lose() {
	leaves := m.leaves()
	for rev := range m.body {
		if !slices.Contains(leaves, rev) {
			delete(m.body, rev)
		}
	}
}

// state is everything there is to know of the tree.
func (m *model) state() string { return fmt.Sprint(m.parent, m.deleted, m.body) }

// leaves are the revisions that are nobody's parent, the winner first.
func (m *model) leaves() []store.Rev {
	inner := map[store.Rev]bool{}
	for _, p := range m.parent {
		inner[p] = true
	}
	var out []store.Rev
	for rev := range m.parent {
		if !inner[rev] {
			out = append(out, rev)
		}
	}
	slices.SortFunc(out, func(a, b store.Rev) int {
		if m.deleted[a] != m.deleted[b] {
			if m.deleted[a] {
				return 1
			}
			return -1
		}
		return store.CompareRevs(b, a)
	})
	return out
}

// accepts tells over which revision a write without new_edits=false goes, if it is not a conflict.
func (m *model) accepts(rev store.Rev, deleted bool) (parent store.Rev, ok bool) {
	leaves := m.leaves()
	switch {
	case len(leaves) == 0:
		return rev, true
	case rev.IsZero():
		return leaves[0], m.deleted[leaves[0]] && !deleted
	}
	return rev, slices.Contains(leaves, rev) && !m.deleted[rev]
}

func (m *model) add(rev store.Rev, ancestors []store.Rev, deleted bool, body string) {
	if _, there := m.parent[rev]; !there {
		m.parent[rev] = store.Rev{}
	}
	if _, stored := m.body[rev]; !stored {
		m.body[rev], m.deleted[rev] = body, deleted
	}
	child := rev
	for _, a := range ancestors {
		if _, there := m.parent[a]; !there {
			m.parent[a] = store.Rev{}
		}
		if m.parent[child].IsZero() {
			m.parent[child] = a
		}
		child = a
	}
}

// write adds a revision, and stems the tree if that has changed it. It tells whether the document has changed.
func (m *model) write(rev store.Rev, ancestors []store.Rev, deleted bool, body string) bool {
	before := m.state()
	if m.add(rev, ancestors, deleted, body); m.state() == before {
		return false
	}
	m.stem()
	return m.state() != before
}

// TestTreesAgainstModel writes at random, in all the ways there are, and compares everything a reader can see with the model.
func TestTreesAgainstModel(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(rt *rapid.T) {
		fs := vfs.NewMem()
		st, err := store.Open("data", store.Options{FS: fs, CompactAfter: -1})
		if err != nil {
			rt.Fatal(err)
		}
		defer func() {
			err := st.Check(t.Context(), func(p store.Problem) { rt.Errorf("the check says: %s", p) })
			if err := errors.Join(err, st.Close()); err != nil {
				rt.Error(err)
			}
		}()
		db, err := st.CreateDatabase(t.Context(), "db")
		if err != nil {
			rt.Fatal(err)
		}
		models := map[string]*model{"a": newModel(), "b": newModel()}
		locals := localModel{}
		rt.Repeat(map[string]func(*rapid.T){
			"edit":      func(rt *rapid.T) { randomEdit(t, rt, db, models) },
			"replicate": func(rt *rapid.T) { randomReplica(t, rt, db, models) },
			"local":     func(rt *rapid.T) { locals.random(t, rt, db) },
			"compact": func(rt *rapid.T) {
				if err := store.CompactNow(db); err != nil {
					rt.Fatal(err)
				}
				for _, m := range models {
					m.stem()
					m.lose()
				}
			},
			"limit": func(rt *rapid.T) {
				limit := rapid.IntRange(1, 6).Draw(rt, "limit")
				if err := db.SetRevsLimit(t.Context(), uint64(limit)); err != nil {
					rt.Fatal(err)
				}
				for _, m := range models {
					m.limit = limit
				}
			},
			"reopen": func(rt *rapid.T) {
				if err := st.Close(); err != nil {
					rt.Fatal(err)
				}
				if st, err = store.Open("data", store.Options{FS: fs, CompactAfter: -1}); err != nil {
					rt.Fatal(err)
				}
				if db, err = st.Database("db"); err != nil {
					rt.Fatal(err)
				}
			},
			"": func(rt *rapid.T) {
				compareModels(rt, db, models)
				locals.compare(rt, db)
			},
		})
	})
}

func randomEdit(t *testing.T, rt *rapid.T, db *store.Database, models map[string]*model) {
	t.Helper()
	id := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "id")
	m := models[id]
	known := []store.Rev{{}}
	for rev := range m.parent {
		known = append(known, rev)
	}
	slices.SortFunc(known, store.CompareRevs)
	rev := rapid.SampledFrom(known).Draw(rt, "over")
	deleted := rapid.Bool().Draw(rt, "deleted")
	m.seq++
	body := fmt.Sprintf(`{"n":%d}`, m.seq)
	results, err := db.Write(t.Context(), []store.Doc{{ID: id, Rev: rev, Deleted: deleted, Body: []byte(body)}}, store.WriteOptions{})
	if err != nil {
		rt.Fatal(err)
	}
	parent, ok := m.accepts(rev, deleted)
	if res := results[0]; ok != (res.Err == nil) {
		rt.Fatalf("writing %s over %s: %v, the model says %v", id, rev, res.Err, ok)
	}
	if ok {
		var ancestors []store.Rev
		if !parent.IsZero() {
			ancestors = []store.Rev{parent}
		}
		m.write(results[0].Rev, ancestors, deleted, body)
	}
}

func randomReplica(t *testing.T, rt *rapid.T, db *store.Database, models map[string]*model) {
	t.Helper()
	id := rapid.SampledFrom([]string{"a", "b"}).Draw(rt, "id")
	m := models[id]
	// Hashes name their ancestors, as real ones do: a path is a word, each revision one of its prefixes.
	word := rapid.StringMatching(`[xy]{1,5}`).Draw(rt, "path")
	kept := rapid.IntRange(1, len(word)).Draw(rt, "kept")
	deleted := rapid.Bool().Draw(rt, "deleted")
	var path []store.Rev
	for n := len(word); n > len(word)-kept; n-- {
		rev, err := store.ParseRev(fmt.Sprintf("%d-%s", n, word[:n]))
		if err != nil {
			rt.Fatal(err)
		}
		path = append(path, rev)
	}
	m.seq++
	body := fmt.Sprintf(`{"r":%d}`, m.seq)
	doc := store.Doc{ID: id, Rev: path[0], Ancestors: path[1:], Deleted: deleted, Body: []byte(body)}
	seq := db.Seq()
	results, err := db.Write(t.Context(), []store.Doc{doc}, store.WriteOptions{Replicated: true})
	if err != nil || results[0].Err != nil {
		rt.Fatal(err, results)
	}
	if changed := m.write(path[0], path[1:], deleted, body); changed != (db.Seq() > seq) {
		rt.Fatalf("%s of %s: the model has changed: %v, the sequence from %d to %d", path[0], id, changed, seq, db.Seq())
	}
}

func compareModels(rt *rapid.T, db *store.Database, models map[string]*model) {
	snap, err := db.Snapshot()
	if err != nil {
		rt.Fatal(err)
	}
	defer snap.Close()
	var live, dead int64
	feed := map[string]*store.Row{}
	if err := snap.Changes(0, func(row *store.Row) error {
		copied := *row
		copied.Body = slices.Clone(row.Body)
		if feed[row.ID] != nil {
			rt.Fatalf("%s is in the feed twice", row.ID)
		}
		feed[row.ID] = &copied
		return nil
	}); err != nil {
		rt.Fatal(err)
	}
	for id, m := range models {
		leaves := m.leaves()
		if len(leaves) == 0 {
			continue
		}
		if m.deleted[leaves[0]] {
			dead++
		} else {
			live++
		}
		compareTree(rt, snap, id, m, leaves)
		row := feed[id]
		if row == nil || row.Rev != leaves[0] || row.Deleted != m.deleted[leaves[0]] || string(row.Body) != m.body[leaves[0]] {
			rt.Fatalf("the feed says %+v of %s, the model %s %s", row, id, leaves[0], m.body[leaves[0]])
		}
	}
	if c := snap.Counts(); c.Docs != live || c.Deleted != dead {
		rt.Fatalf("counters %+v, the model has %d and %d", c, live, dead)
	}
}

func compareTree(rt *rapid.T, snap *store.Snapshot, id string, m *model, leaves []store.Rev) {
	tree, err := snap.Tree(id)
	if err != nil {
		rt.Fatal(err)
	}
	var got []store.Rev
	for _, leaf := range tree.Leaves() {
		got = append(got, leaf.Rev)
	}
	if !slices.Equal(got, leaves) {
		rt.Fatalf("leaves of %s are %v, the model has %v", id, got, leaves)
	}
	known := map[store.Rev]bool{}
	for _, leaf := range got {
		for _, r := range tree.Path(leaf) {
			known[r.Rev] = true
		}
	}
	if len(known) != len(m.parent) {
		rt.Fatalf("%s has %d revisions, the model has %d", id, len(known), len(m.parent))
	}
	for rev, parent := range m.parent {
		r, ok := tree.Find(rev)
		if !ok || r.Deleted != m.deleted[rev] {
			rt.Fatalf("%s of %s: %+v %v", rev, id, r, ok)
		}
		if path := tree.Path(rev); len(path) > 1 != !parent.IsZero() || (len(path) > 1 && path[1].Rev != parent) {
			rt.Fatalf("the parent of %s is not %s: %v", rev, parent, path)
		}
		row, err := snap.Revision(tree, r)
		want, stored := m.body[rev]
		switch {
		case store.IsNotFound(err) && !stored:
		case err != nil:
			rt.Fatalf("reading %s of %s: %v", rev, id, err)
		case cmp.Compare(string(row.Body), want) != 0:
			rt.Fatalf("%s of %s is %s, the model has %s", rev, id, row.Body, want)
		}
	}
}
