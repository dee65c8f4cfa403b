package httpd

import (
	"net/http"
	"strings"

	"github.com/adlayer/after/store"
)

const (
	designPrefix = "_design/"
	localPrefix  = "_local/"
)

// document answers what is addressed to a document: c.path is its id, in parts where it begins with _design or _local.
func (c *call) document() error {
	id, rest := c.path[0], c.path[1:]
	if id == localPrefix || id+"/" == localPrefix && len(rest) == 0 {
		return store.BadRequest("Invalid _local document id.")
	}
	if (id == "_design" || id == "_local") && len(rest) > 0 {
		id, rest = id+"/"+rest[0], rest[1:]
	}
	if c.r.Method != http.MethodPut || len(rest) > 0 { // a new document is there for nobody yet
		if err := c.view.gate(id); err != nil {
			return err
		}
	}
	if len(rest) > 0 {
		return c.below(id, rest)
	}
	switch c.r.Method {
	case http.MethodGet, http.MethodHead:
		return c.getDocument(id)
	case http.MethodPut:
		return c.putDocument(id)
	case http.MethodDelete:
		return c.deleteDocument(id)
	case http.MethodPost:
		if c.r.Header.Get("Referer") == "" {
			return store.BadRequest("Referer header required.")
		}
		return c.postForm(id)
	case "COPY":
		return c.copyDocument(id)
	}
	return c.allow(http.MethodDelete, http.MethodGet, http.MethodHead, http.MethodPost, http.MethodPut, "COPY")
}

// find1 reads a document's winner in a snapshot of its own.
func (c *call) find1(id string) (*store.Row, error) {
	snap, err := c.db.Snapshot()
	if err != nil {
		return nil, err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	return snap.Get(id)
}

// below is an attachment, or a function of a design document.
func (c *call) below(id string, rest []string) error {
	if strings.HasPrefix(id, designPrefix) && strings.HasPrefix(rest[0], "_") {
		if _, err := c.designMember(strings.TrimPrefix(id, designPrefix)); err != nil {
			return err
		}
		switch rest[0] {
		case "_view":
			return store.NotImplemented("A view (_view)")
		case "_show", "_list", "_update", "_rewrite", "_info":
			return store.NotImplemented("A design function (" + rest[0] + ")")
		case "_search", "_search_info", "_search_disk_size", "_nouveau", "_nouveau_info":
			return store.NotImplemented("Text search (" + rest[0] + ")")
		}
	}
	if strings.HasPrefix(id, localPrefix) {
		return store.BadRequest("_local documents do not accept attachments.")
	}
	return c.attachment(id, strings.Join(rest, "/"))
}

// readOptions are what GET can add to a document.
type readOptions struct {
	revs, revsInfo, conflicts, deletedConflicts, localSeq, latest bool

	files fileOptions
	view  *usersView
}

func (c *call) readOptions() (readOptions, error) {
	meta := c.flag("meta")
	files, err := c.fileOptions()
	return readOptions{
		files: files, view: c.view,
		revs: c.flag("revs"), revsInfo: c.flag("revs_info") || meta, conflicts: c.flag("conflicts") || meta,
		deletedConflicts: c.flag("deleted_conflicts") || meta, localSeq: c.flag("local_seq"), latest: c.flag("latest"),
	}, err
}

// adorned tells whether the answer is more than one revision, so that the revision is no ETag for it.
func (o readOptions) adorned() bool {
	return o.revsInfo || o.conflicts || o.deletedConflicts || o.localSeq
}

func (o readOptions) needTree() bool {
	return o.revs || o.adorned() || o.latest || len(o.files.since) > 0
}

func (c *call) getDocument(id string) error {
	snap, err := c.db.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	c.s.counts.reads.Add(1)
	if strings.HasPrefix(id, localPrefix) {
		return c.getLocal(snap, id)
	}
	revs, all, none, err := c.namedRevs()
	if err != nil {
		return err
	}
	if !none {
		return c.openRevs(snap, id, revs, all)
	}
	o, err := c.readOptions()
	if err != nil {
		return err
	}
	if !c.q.Has("rev") && !o.needTree() {
		row, err := snap.Get(id)
		switch {
		case err != nil:
			return err
		case row.Deleted && !c.flag("deleted"):
			return store.NotFound("deleted")
		}
		if row, err = c.view.show(row); err != nil {
			return err
		}
		return c.sendDocument(snap, nil, row, o)
	}
	return c.getRevision(snap, id, o)
}

func (c *call) getLocal(snap *store.Snapshot, id string) error {
	row, err := snap.Local(id)
	if err != nil {
		return err
	}
	doc := row.AppendJSON(nil)
	if c.flag("revs") {
		doc = append(doc[:len(doc)-1], `,"_revisions":{"start":0,"ids":[`...)
		doc = append(store.AppendString(doc, row.Rev.Hash()), "]}}"...)
	}
	if c.cached(localTag(row.Rev, row.Body)) {
		return nil
	}
	return c.answer(http.StatusOK, doc)
}

// sendDocument sends a document, or says that it is the one the client has. One with what can change while its revision does not has no ETag, as
// in CouchDB. Content comes in the JSON, or behind it where the client takes that.
func (c *call) sendDocument(snap *store.Snapshot, tree *store.Tree, row *store.Row, o readOptions) error {
	related := c.flag("attachments") && row.HasAttachments() && c.accepts("multipart/related")
	if related {
		o.files.follows, o.files.encoding = true, true
	}
	doc, extra, err := adorn(snap, tree, row, o)
	if err != nil {
		return err
	}
	if !extra {
		if c.cached(`"` + row.Rev.String() + `"`) {
			return nil
		}
	}
	s := &stream{c: c}
	snap.Detach(o.files.wanted(tree, row)) // the client may be slow
	doc, err = appendFiles(doc, snap, tree, row, &o.files, s.flush)
	if related && err == nil {
		if files := o.files.wanted(tree, row); len(files) > 0 {
			return c.sendRelated(snap, doc, files)
		}
	}
	return s.end(doc, err)
}

func (c *call) getRevision(snap *store.Snapshot, id string, o readOptions) error {
	var want store.Rev
	if c.q.Has("rev") {
		var err error
		if want, err = store.ParseRev(c.q.Get("rev")); err != nil {
			return err
		}
	}
	tree, err := snap.Tree(id)
	if err != nil {
		return err
	}
	target := tree.Winner()
	switch {
	case want.IsZero():
		if target.Deleted && !c.flag("deleted") {
			return store.NotFound("deleted")
		}
	case o.latest && len(tree.LeavesOf(want)) > 0:
		leaves := tree.LeavesOf(want)
		target = leaves[0]
		if c.q.Has("rev") && !target.Deleted {
			target = tree.Winner()
		}
	default:
		found, ok := tree.Find(want)
		if !ok {
			return store.NotFound("missing")
		}
		target = found
	}
	row, err := snap.Revision(tree, target)
	if err == nil {
		row, err = c.view.show(row)
	}
	if err != nil {
		return err
	}
	return c.sendDocument(snap, tree, row, o)
}

// adorn makes the document with what was asked for beside it, but for its attachments and the closing brace. extra tells that something of it can
// change while the revision does not. tree may be nil where o needs none.
func adorn(snap *store.Snapshot, tree *store.Tree, row *store.Row, o readOptions) (doc []byte, extra bool, err error) {
	return appendAdorned(nil, snap, tree, row, o)
}

func appendAdorned(doc []byte, snap *store.Snapshot, tree *store.Tree, row *store.Row, o readOptions) (_ []byte, extra bool, err error) {
	doc = row.AppendOpen(doc)
	if o.revs {
		doc = appendRevisions(doc, tree.Path(row.Rev))
	}
	if o.revsInfo {
		extra = true
		if doc, err = appendRevsInfo(doc, snap, tree, row.Rev); err != nil {
			return nil, false, err
		}
	}
	if o.conflicts || o.deletedConflicts {
		before := len(doc)
		doc = appendConflicts(doc, tree, row.Rev, o)
		extra = extra || len(doc) > before
	}
	if o.localSeq {
		extra = true
		doc = appendUint(append(doc, `,"_local_seq":`...), tree.Seq())
	}
	return doc, extra, nil
}

func appendRevisions(b []byte, path []store.Revision) []byte {
	b = appendUint(append(b, `,"_revisions":{"start":`...), path[0].Rev.Pos)
	b = append(b, `,"ids":[`...)
	for i, r := range path {
		if i > 0 {
			b = append(b, ',')
		}
		b = store.AppendString(b, r.Rev.Hash())
	}
	return append(b, "]}"...)
}

func appendRevsInfo(b []byte, snap *store.Snapshot, tree *store.Tree, rev store.Rev) ([]byte, error) {
	b = append(b, `,"_revs_info":[`...)
	for i, r := range tree.Path(rev) {
		if i > 0 {
			b = append(b, ',')
		}
		there, err := snap.HasBody(r)
		if err != nil {
			return nil, err
		}
		status := "missing" // a deletion, too, that a compaction left only the name of
		switch {
		case there && r.Deleted:
			status = "deleted"
		case there:
			status = "available"
		}
		b = append(r.Rev.Append(append(b, `{"rev":"`...)), `","status":"`+status+`"}`...)
	}
	return append(b, ']'), nil
}

func appendConflicts(b []byte, tree *store.Tree, rev store.Rev, o readOptions) []byte {
	var live, dead []store.Rev
	for _, leaf := range tree.Leaves() {
		switch {
		case leaf.Rev == rev:
		case leaf.Deleted:
			dead = append(dead, leaf.Rev)
		default:
			live = append(live, leaf.Rev)
		}
	}
	if o.conflicts && len(live) > 0 {
		b = appendRevList(append(b, `,"_conflicts":`...), live)
	}
	if o.deletedConflicts && len(dead) > 0 {
		b = appendRevList(append(b, `,"_deleted_conflicts":`...), dead)
	}
	return b
}

func appendRevList(b []byte, revs []store.Rev) []byte {
	b = append(b, '[')
	for i, r := range revs {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(r.Append(append(b, '"')), '"')
	}
	return append(b, ']')
}

// appendDocument adds a whole document with what was asked for beside it. With o.files.letGo, snap is a newer one afterwards where content was sent.
func appendDocument(b []byte, snap *store.Snapshot, tree *store.Tree, row *store.Row, o readOptions, flush flusher) ([]byte, error) {
	b, _, err := appendAdorned(b, snap, tree, row, o)
	if err != nil {
		return b, err
	}
	files := o.files.wanted(tree, row)
	if len(files) == 0 || !o.files.letGo || !snap.Detach(files) {
		return appendFiles(b, snap, tree, row, &o.files, flush)
	}
	if b, err = appendFiles(b, snap, tree, row, &o.files, flush); err != nil {
		return b, err
	}
	return b, snap.Renew()
}
