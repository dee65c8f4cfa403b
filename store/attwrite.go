package store

import (
	"context"
	"errors"
	"net/http"
)

// attach makes the attachments of documents ready to be written: inline content becomes uploads, stubs are found in the revisions before. An
// error refuses all documents, as in CouchDB.
func (d *Database) attach(ctx context.Context, docs []Doc, results []Result, o WriteOptions) (err error) {
	var snap *Snapshot
	defer func() {
		if snap != nil {
			err = errors.Join(err, snap.Close())
		}
	}()
	for i := range docs {
		doc := &docs[i]
		if len(doc.Attachments) == 0 || results[i].Err != nil {
			continue
		}
		if snap == nil {
			if snap, err = d.Snapshot(); err != nil {
				return err
			}
		}
		// Stubs first: a document that is refused for them uploads nothing.
		if err := snap.findStubs(doc, o); err != nil {
			return err
		}
	}
	for i := range docs {
		if results[i].Err != nil {
			continue
		}
		if err := d.uploadInline(ctx, &docs[i]); err != nil {
			return err
		}
	}
	return nil
}

func (d *Database) uploadInline(ctx context.Context, doc *Doc) error {
	for i := range doc.Attachments {
		a := &doc.Attachments[i]
		switch a.source {
		case sourceFollows:
			return invalidData(a.Name)
		case sourceInline:
			u, err := d.Upload(ctx, a.inline(), UploadOptions{Name: a.Name, Type: a.Type})
			if err != nil {
				return err
			}
			a.take(u)
			a.content = nil
		case sourceStored, sourceStub, sourceUpload:
		}
	}
	return nil
}

// discard gives up the uploads of documents that were not written.
func discard(docs []Doc) error {
	var errs []error
	for i := range docs {
		for _, a := range docs[i].Attachments {
			if a.upload != nil {
				errs = append(errs, a.upload.Discard())
			}
		}
	}
	return errors.Join(errs...)
}

// DiscardUploads gives up what was uploaded for d, if it was not written.
func (d *Doc) DiscardUploads() error { return discard([]Doc{*d}) }

// findStubs gives the stubs of a document what they stand for. Where the document will be refused anyway they stay as they are.
func (v *Snapshot) findStubs(doc *Doc, o WriteOptions) error {
	stub := doc.firstStub()
	if stub == nil {
		return nil
	}
	tree, err := v.Tree(doc.ID)
	if IsNotFound(err) {
		return missingStub(doc.ID, stub.Name)
	}
	if err != nil {
		return err
	}
	before, err := v.before(tree, doc, o)
	if err != nil || before == nil {
		return err
	}
	return doc.takeStubs(before.Attachments())
}

func (d *Doc) firstStub() *Attachment {
	for i := range d.Attachments {
		if d.Attachments[i].source == sourceStub {
			return &d.Attachments[i]
		}
	}
	return nil
}

// before reads the revision that stubs of a document stand for; nil where the document will not be written.
func (v *Snapshot) before(tree *Tree, doc *Doc, o WriteOptions) (*Row, error) {
	if !o.Replicated {
		rev := doc.Rev
		if rev.IsZero() {
			if winner := tree.Winner(); !winner.Deleted {
				return nil, nil
			}
			return &Row{}, nil // made anew: there is nothing that a stub could stand for
		}
		r, ok := tree.Find(rev)
		if !ok || !r.Leaf {
			return nil, nil
		}
		return v.Revision(tree, r)
	}
	if r, ok := tree.Find(doc.Rev); ok {
		if there, err := v.HasBody(r); err != nil || there {
			return nil, err
		}
	}
	for _, rev := range doc.Ancestors {
		r, ok := tree.Find(rev)
		if !ok {
			continue
		}
		row, err := v.Revision(tree, r)
		if !IsNotFound(err) {
			return row, err
		}
	}
	return nil, &Error{Status: http.StatusPreconditionFailed, Name: "missing_stub", Reason: "Previous revision missing for document " + doc.ID}
}

// takeStubs finds the stubs of d among the attachments of the revision before.
func (d *Doc) takeStubs(before []Attachment) error {
	for i := range d.Attachments {
		a := &d.Attachments[i]
		if a.source != sourceStub {
			continue
		}
		found := false
		for _, b := range before {
			if b.Name == a.Name && (a.RevPos == 0 || a.RevPos == b.RevPos) {
				*a = b
				found = true
				break
			}
		}
		if !found {
			return missingStub(d.ID, a.Name)
		}
	}
	return nil
}

// Edit gives the document that keeps everything of a row, to be changed and written over it, or elsewhere.
func (r *Row) Edit() Doc {
	return Doc{ID: r.ID, Rev: r.Rev, Deleted: r.Deleted, Body: r.Body, Attachments: r.Attachments()}
}
