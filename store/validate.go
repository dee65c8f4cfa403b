package store

import (
	"context"
	"strconv"
	"strings"
)

// Edit is a document that is about to be written, with the revision that it replaces.
type Edit struct {
	Doc *Doc
	// Err, where a validator sets it, keeps the document from being written, and is its result.
	Err *Error

	old     *Row // nil: none
	oldPath []Revision
}

// Validator is asked about documents before they are decided. An error of its own refuses all.
type Validator func(ctx context.Context, edits []Edit) error

// maxOldRevs is how many revisions the replaced document names, as in CouchDB.
const maxOldRevs = 20

// AppendNew adds the document as it would be: with the revision it follows in `_rev`, and its history in `_revisions`.
func (e *Edit) AppendNew(dst []byte) []byte {
	d := e.Doc
	dst = AppendString(append(dst, `{"_id":`...), d.ID)
	if !d.Rev.IsZero() {
		dst = append(d.Rev.Append(append(dst, `,"_rev":"`...)), '"')
	}
	if len(d.Body) > 2 {
		dst = append(append(dst, ','), d.Body[1:len(d.Body)-1]...)
	}
	if d.Deleted {
		dst = append(dst, `,"_deleted":true`...)
	}
	dst = strconv.AppendUint(append(dst, `,"_revisions":{"start":`...), d.Rev.Pos, 10)
	dst = append(dst, `,"ids":[`...)
	if !d.Rev.IsZero() {
		dst = AppendString(dst, d.Rev.Hash())
		for _, r := range d.Ancestors {
			dst = AppendString(append(dst, ','), r.Hash())
		}
	}
	dst = append(dst, "]}"...)
	if len(d.Attachments) > 0 {
		dst = appendStubs(append(dst, `,"_attachments":`...), d.Attachments)
	}
	return append(dst, '}')
}

// AppendOld adds the revision that is replaced, null where there is none.
func (e *Edit) AppendOld(dst []byte) []byte {
	if e.old == nil {
		return append(dst, "null"...)
	}
	return appendWithHistory(dst, e.old, e.oldPath)
}

// AppendWithHistory adds a revision as functions see it: the document with the newest part of its history in `_revisions`.
func (v *Snapshot) AppendWithHistory(dst []byte, t *Tree, row *Row) []byte {
	return appendWithHistory(dst, row, t.Path(row.Rev))
}

func appendWithHistory(dst []byte, row *Row, path []Revision) []byte {
	dst = row.AppendOpen(dst)
	dst = strconv.AppendUint(append(dst, `,"_revisions":{"start":`...), row.Rev.Pos, 10)
	dst = append(dst, `,"ids":[`...)
	for i, r := range path[:min(len(path), maxOldRevs)] {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = AppendString(dst, r.Rev.Hash())
	}
	dst = append(dst, "]}"...)
	if row.files != nil {
		dst = row.AppendStubs(append(dst, `,"_attachments":`...))
	}
	return append(dst, '}')
}

// validate asks o.Validate about the documents that it has a say in: not about local and design documents, nor about those that lose anyway.
//
// What is true of an edit here must be true when it is decided. A revision never changes, so that one that follows a leaf was judged against
// that leaf, or meets a conflict. One without a revision was judged as new, and is only taken where the document is not there or deleted. Whatever
// loses by the state as it is now is refused now, since it has not been judged by the state that would let it in. What a replicator brings is
// judged by the nearest ancestor that is there; another may come before it is decided, as in CouchDB.
func (d *Database) validate(ctx context.Context, docs []Doc, results []Result, o WriteOptions) error {
	for from := 0; from < len(docs); {
		edits, places, to, err := d.edits(docs, results, from, o)
		if err != nil {
			return err
		}
		from = to
		if len(edits) == 0 {
			continue
		}
		if err := o.Validate(ctx, edits); err != nil {
			return err
		}
		for i := range edits {
			results[places[i]].Err = edits[i].Err
		}
	}
	return nil
}

// editBytes bounds the documents that are shown to a validator at once.
const editBytes = 8 << 20

// edits makes the edits of the next documents, and tells where it stopped. places has the place of each.
func (d *Database) edits(docs []Doc, results []Result, from int, o WriteOptions) (edits []Edit, places []int, to int, err error) {
	snap, err := d.Snapshot()
	if err != nil {
		return nil, nil, 0, err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	size := 0
	for to = from; to < len(docs) && size < editBytes; to++ {
		doc := &docs[to]
		if results[to].Err != nil || isLocal(doc.ID) || strings.HasPrefix(doc.ID, designPrefix) {
			continue
		}
		edit := Edit{Doc: doc}
		ask, err := snap.replaced(&edit, o, &results[to])
		if err != nil {
			return nil, nil, 0, err
		}
		if !ask {
			continue
		}
		edits, places = append(edits, edit), append(places, to)
		size += len(doc.Body)
		if edit.old != nil {
			size += len(edit.old.Body)
		}
	}
	return edits, places, to, nil
}

// replaced finds what an edit replaces. It tells whether a validator has a say in it.
func (v *Snapshot) replaced(e *Edit, o WriteOptions, res *Result) (ask bool, err error) {
	doc := e.Doc
	t, err := v.Tree(doc.ID)
	if IsNotFound(err) {
		doc.fresh = !o.Replicated
		return true, nil
	}
	if err != nil {
		return false, err
	}
	switch {
	case o.Replicated:
		return v.replacedBy(e, t)
	case doc.Rev.IsZero():
		if !t.Winner().Deleted {
			res.Err = Conflict()
			return false, nil
		}
		return true, nil
	}
	leaf, ok := t.Find(doc.Rev)
	if !ok || !leaf.Leaf || leaf.Deleted {
		res.Err = Conflict()
		return false, nil
	}
	e.old, err = v.Revision(t, leaf)
	e.oldPath = t.Path(leaf.Rev)
	return true, err
}

// replacedBy finds the nearest ancestor of a replicated revision that is there. One that is there itself is not written again.
func (v *Snapshot) replacedBy(e *Edit, t *Tree) (ask bool, err error) {
	if known, ok := t.Find(e.Doc.Rev); ok && known.body != 0 {
		return false, nil
	}
	for _, rev := range append([]Rev{e.Doc.Rev}, e.Doc.Ancestors...) {
		path := t.Path(rev)
		for i, r := range path {
			row, err := v.Revision(t, r)
			if IsNotFound(err) {
				continue
			}
			e.old, e.oldPath = row, path[i:]
			return true, err
		}
		if len(path) > 0 {
			break // the rest of the history is in the tree
		}
	}
	return true, nil
}
