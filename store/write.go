package store

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/cockroachdb/pebble/v2"
)

// WriteOptions say how documents are written.
type WriteOptions struct {
	// Replicated stores the revisions as they are given (`new_edits=false`), whatever the current one is.
	Replicated bool
	// Validate, where it is set, is asked about the documents before they are decided.
	Validate Validator
}

// Result is what became of one document.
type Result struct {
	ID  string
	Rev Rev
	Err *Error // why it was not written; nil if it was
	New bool   // nothing was there before, nor a deletion

	seq      uint64 // of the row that was written; 0 for none
	branched bool   // the document has several leaves
}

// Write writes documents, each on its own: one that is refused has its Err, and the others are written all the same. The results are in the
// order of docs. A document that is wrong in itself refuses all: the error is then its *Error with status 400, and nothing was written. Else it
// returns when everything is on disk; another error means that the outcome of all is unknown, or that none was written (ErrClosed, a dropped
// database). Documents without an id get one. The memory of docs belongs to the caller again when it returns.
func (d *Database) Write(ctx context.Context, docs []Doc, o WriteOptions) (_ []Result, err error) {
	if err := ctx.Err(); err != nil {
		return nil, errors.Join(err, discard(docs))
	}
	results := make([]Result, len(docs))
	for i := range docs {
		doc := &docs[i]
		if doc.ID == "" {
			doc.ID = NewID()
		}
		results[i].ID = doc.ID
		if isLocal(doc.ID) { // it has none, as in CouchDB, which says nothing either
			if err := doc.DiscardUploads(); err != nil {
				return nil, errors.Join(err, discard(docs))
			}
			doc.Attachments = nil
		}
		err := d.check(doc, o)
		if err != nil && err.Status == http.StatusBadRequest && doc.Refused == nil {
			return nil, errors.Join(err, discard(docs))
		}
		results[i].Err = err
	}
	if len(docs) == 0 {
		return results, nil
	}
	err = d.write(ctx, docs, results, o)
	if err := errors.Join(err, discard(docs)); err != nil {
		return nil, err
	}
	return results, nil
}

// write writes documents that were checked.
func (d *Database) write(ctx context.Context, docs []Doc, results []Result, o WriteOptions) error {
	if err := d.attach(ctx, docs, results, o); err != nil {
		return err
	}
	if o.Validate != nil {
		if err := d.validate(ctx, docs, results, o); err != nil {
			return err
		}
	}
	for i := range docs {
		if results[i].Err == nil && !o.Replicated {
			docs[i].Prepare()
		}
	}
	return d.store.submit(&request{db: d, docs: docs, results: results, opts: o, done: make(chan error, 1)})
}

// check refuses what no state of the database could take.
func (d *Database) check(doc *Doc, o WriteOptions) *Error {
	if doc.Refused != nil {
		return doc.Refused
	}
	limits := d.store.Limits()
	if len(doc.Body) > limits.Document {
		return tooLarge(doc.ID)
	}
	if limits.ID > 0 && len(doc.ID) > limits.ID {
		return illegalID("Document id is too long")
	}
	if isLocal(doc.ID) {
		if _, err := localNumber(doc.Rev); err != nil {
			return errBadRev()
		}
	} else if o.Replicated && doc.Rev.IsZero() {
		return BadRequest("When `new_edits: false`, the document needs `_rev` or `_revisions` specified")
	}
	return nil
}

// Put writes one document given as JSON with its _id, and _rev where it replaces another. It returns the new revision.
func (d *Database) Put(ctx context.Context, raw []byte) (string, error) {
	p := Parser{MaxDocument: d.store.MaxDocument()}
	docs := make([]Doc, 1)
	if err := p.Document(raw, &docs[0]); err != nil {
		return "", err
	}
	results, err := d.Write(ctx, docs, WriteOptions{})
	if err != nil {
		return "", err
	}
	if results[0].Err != nil {
		return "", results[0].Err
	}
	return results[0].Rev.String(), nil
}

// NewID makes a document id of 32 hexadecimal digits that sorts by the time it was made.
func NewID() string {
	at := strconv.FormatInt(time.Now().UnixMicro(), 16)
	return "0" + at + NewUUID()[1+len(at):]
}

// writer decides documents of one database, in the committer.
type writer struct {
	batch   *pebble.Batch
	db      *Database
	limit   uint64
	scratch []byte
	arena   []byte // meta records live on in the overlay
	docs    lookups
	moves   []move

	designs    bool // a design document was written
	replicated bool
}

func (w *writer) write(doc *Doc, res *Result, o WriteOptions) error {
	switch {
	case isLocal(doc.ID):
		return w.writeLocal(doc, res)
	case o.Replicated:
		return w.replicate(doc, res)
	}
	m, err := w.lookup(doc.ID)
	if err != nil {
		return err
	}
	if m == nil {
		return w.grow(doc, res, nil, &head{})
	}
	h, err := m.head()
	switch {
	case err != nil:
		return err
	case doc.fresh && !doc.Rev.IsZero(): // it was judged as if there were no such document
		res.Err = Conflict()
		return nil
	case h.branches:
		return w.editBranched(doc, res, m)
	case h.deleted && (!doc.Rev.IsZero() || doc.Deleted), !h.deleted && doc.Rev != h.rev:
		res.Err = Conflict()
		return nil
	}
	return w.grow(doc, res, m, &h)
}

// lookup finds the newest record of a document, decided or stored; nil if there is none. It stays valid.
func (w *writer) lookup(id string) (meta, error) {
	if m, ok := w.db.decided[id]; ok {
		return m, nil
	}
	if m, ok := w.db.behind[id]; ok {
		return m, nil
	}
	w.scratch = appendDocKey(w.scratch[:0], w.db.number, id)
	return w.get(w.scratch)
}

func (w *writer) get(key []byte) (m meta, err error) {
	err = w.docs.get(w.db.store.db, key, func(value []byte) error {
		if value != nil {
			m = w.keep(value)
		}
		return nil
	})
	return m, err
}

// keep copies b to where it stays.
func (w *writer) keep(b []byte) []byte {
	if cap(w.arena)-len(w.arena) < len(b) {
		w.arena = make([]byte, 0, max(min(16<<10, 4*cap(w.arena)), 512, 2*len(b))) // one document needs little, and a batch soon has much
	}
	at := len(w.arena)
	w.arena = append(w.arena, b...)
	return w.arena[at:len(w.arena):len(w.arena)]
}

// grow writes a new revision over the only leaf of m, or a new document.
func (w *writer) grow(doc *Doc, res *Result, m meta, h *head) error {
	if ok, err := w.attachable(doc, res); !ok || err != nil {
		return err
	}
	d := w.db
	parent := h.rev
	var parents []Rev
	if m == nil && !doc.Rev.IsZero() {
		parent = doc.Rev
		parents = append([]Rev{doc.Rev}, doc.Ancestors...)
	}
	rev := doc.hash(parent)
	d.stats.Seq++
	seq := d.stats.Seq
	w.scratch = appendGrown(w.scratch[:0], m, h, parents, &rev, doc.Deleted, seq, w.limit)
	if err := w.store(doc, &rev, false, w.keep(w.scratch), h.seq, 1); err != nil {
		return err
	}
	w.count(m != nil, h.deleted, doc.Deleted)
	w.move(doc.ID, lives(!doc.Deleted)-lives(m != nil && !h.deleted), h.seq, seq)
	res.Rev, res.New, res.seq = rev, m == nil, seq
	return nil
}

func lives(live bool) int64 {
	if live {
		return 1
	}
	return 0
}

// count follows what a document was and has become.
func (w *writer) count(was, wasDeleted, deleted bool) {
	c := &w.db.stats
	if was {
		if wasDeleted {
			c.Deleted--
		} else {
			c.Docs--
		}
	}
	if deleted {
		c.Deleted++
	} else {
		c.Docs++
	}
}

// editBranched writes over one leaf of several: the one that is named, if it is live; without a name, a deleted document is made anew.
func (w *writer) editBranched(doc *Doc, res *Result, m meta) error {
	t, err := m.decode()
	if err != nil {
		return err
	}
	leaves := t.leaves()
	var parent *node
	switch {
	case !doc.Rev.IsZero():
		if n := t.nodes[doc.Rev]; n != nil && n.children == 0 && !n.deleted {
			parent = n
		}
	case leaves[0].deleted && !doc.Deleted:
		parent = leaves[0]
	}
	if parent == nil {
		res.Err = Conflict()
		return nil
	}
	rev := doc.hash(parent.rev)
	return w.insert(doc, res, m, t, rev, []Rev{parent.rev})
}

// replicate stores a revision as it is given.
func (w *writer) replicate(doc *Doc, res *Result) error {
	m, err := w.lookup(doc.ID)
	if err != nil {
		return err
	}
	t := newTree()
	if m != nil {
		if t, err = m.decode(); err != nil {
			return err
		}
		if err := w.miss(t.nodes[doc.Rev]); err != nil {
			return err
		}
	}
	return w.insert(doc, res, m, t, doc.Rev, doc.Ancestors)
}

// miss notes of an ancestor that its body is not there any more, if a compaction has taken it: what brings it again gives it back. What is not on
// disk yet, no compaction has seen.
func (w *writer) miss(n *node) error {
	if n == nil || n.children == 0 || n.body == 0 || n.body > w.db.seq.Load() {
		return nil
	}
	w.scratch = appendSeqKey(w.scratch[:0], w.db.number, n.body, markRow)
	return pointRead(w.db.store.db, w.scratch, func(row []byte) error {
		if row == nil {
			n.body = 0
		}
		return nil
	})
}

// insert adds a revision to the tree of m, if there is one, and stores both.
func (w *writer) insert(doc *Doc, res *Result, m meta, t *tree, rev Rev, ancestors []Rev) error {
	if ok, err := w.attachable(doc, res); !ok || err != nil {
		return err
	}
	d := w.db
	res.Rev = rev
	was := m != nil
	wasDeleted := was && t.leaves()[0].deleted
	changed, stored := t.insert(rev, ancestors, doc.Deleted, d.stats.Seq+1)
	if !changed {
		return nil
	}
	t.stem(w.limit)
	stored = stored && t.nodes[rev] != nil
	if !stored && bytes.Equal(t.encode(t.seq), m) {
		return nil // all that was new is beyond the limit
	}
	winner := t.leaves()[0]
	d.stats.Seq++
	// Where only the history became longer, the row is there for the feed: leaves may have become ancestors. Readers go by the tree.
	ask := !stored || t.branched() || winner.rev != rev
	if err := w.place(doc, &rev, t, stored, ask); err != nil {
		return err
	}
	w.count(was, wasDeleted, winner.deleted)
	w.move(doc.ID, lives(!winner.deleted)-lives(was && !wasDeleted), t.seq, d.stats.Seq)
	res.New, res.seq, res.branched = !was, d.stats.Seq, ask
	return nil
}

// place writes the document's row for a revision in its tree. The body of an ancestor has a row of its own, which that of the document supersedes
// at once: so a compaction takes it.
func (w *writer) place(doc *Doc, rev *Rev, t *tree, stored, ask bool) error {
	seq := &w.db.stats.Seq
	over, mark := t.seq, byte(0)
	if stored && t.nodes[*rev].children > 0 {
		if err := w.store(doc, rev, ask, t.encode(*seq), over, mark); err != nil {
			return err
		}
		stored, over, mark = false, *seq, 1
		*seq++
	}
	if !stored { // attachments belong to the row with the body, or are given up
		doc = &Doc{ID: doc.ID, Deleted: doc.Deleted, Body: []byte("{}")}
	}
	return w.store(doc, rev, ask, t.encode(*seq), over, mark)
}

// store writes the row at the newest sequence, the record m, and marks the row that was the document's. mark 1 says that no leaf's body is in
// that row.
func (w *writer) store(doc *Doc, rev *Rev, ask bool, m meta, oldSeq uint64, mark byte) error {
	d := w.db
	w.designs = w.designs || strings.HasPrefix(doc.ID, designPrefix)
	if err := w.putMeta(doc.ID, m); err != nil {
		return err
	}
	if len(doc.Attachments) > 0 {
		if err := w.refer(doc, rev, d.stats.Seq); err != nil {
			return err
		}
	}
	n := seqKeyLen
	w.scratch = appendSeqKey(w.scratch[:0], d.number, d.stats.Seq, markRow)
	w.scratch = appendRow(w.scratch, doc, rev, doc.Attachments, ask)
	if err := w.batch.Set(w.scratch[:n], w.scratch[n:], nil); err != nil {
		return err
	}
	if !ask {
		d.store.places.put(d.number, doc.ID, d.stats.Seq)
	}
	if oldSeq == 0 {
		return nil
	}
	d.stats.Superseded++
	w.scratch = append(appendSeqKey(w.scratch[:0], d.number, oldSeq, markSuperseded), mark)
	return w.batch.Set(w.scratch[:n], w.scratch[n:], nil)
}

func (w *writer) putMeta(id string, m meta) error {
	w.scratch = appendDocKey(w.scratch[:0], w.db.number, id)
	w.db.decided[id] = m
	return w.batch.Set(w.scratch, m, nil)
}
