package worker

import (
	"context"
	"fmt"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
)

// doubt is a write of which only the database can tell whether it counts.
type doubt struct {
	index    uint32
	id       string
	accepted string // the revision that a cluster took without a quorum, if it did
}

// readBack asks what the database has in place of our writes. A write that it accepted without a quorum counts if it is the
// winner. Of the leaves that are known to have lost none is left behind, ours or those of others: nobody would ever see them.
func (s *sender) readBack(ctx context.Context, doubtful []doubt, answers []answer) []answer {
	refs := make([]couch.Ref, len(doubtful))
	for i, d := range doubtful {
		refs[i].ID = d.id
	}
	var docs []couch.Document
	err := s.persist(ctx, "reading back conflicts", func() (err error) {
		docs, err = s.db.BulkGet(ctx, refs)
		return err
	})
	var lost []couch.Ref
	for i, d := range doubtful {
		if err != nil {
			answers = append(answers, unread(ctx, d.index, err))
			continue
		}
		a := judge(d, docs[i])
		answers = append(answers, a)
		if d.accepted == "" || a.again || a.gone {
			continue
		}
		if a.rev == "" {
			lost = append(lost, couch.Ref{ID: d.id, Rev: d.accepted})
			continue
		}
		for _, c := range docs[i].Conflicts {
			lost = append(lost, couch.Ref{ID: d.id, Rev: c.Rev})
			s.log.WithField("task", d.id).WithField("document", string(c.Body)).Warn("the cluster was split: this revision lost and is deleted")
		}
	}
	s.remove(ctx, lost)
	return answers
}

func unread(ctx context.Context, index uint32, err error) answer {
	if ctx.Err() != nil {
		return answer{index: index, unwritten: true}
	}
	return answer{index: index, refused: err}
}

// judge decides by what the database shows. Where that could not win against the revision that was accepted, it comes from
// nodes that do not know of ours yet. A document that is older than ours is then asked for again: to delete our leaf because
// of it would delete the task. A tombstone counts without that, and our leaf is left to the database's own rule: either the
// tombstone is its successor, or it is a live leaf that wins once all nodes know it, and then comes through the feed.
func judge(d doubt, doc couch.Document) answer {
	switch {
	case doc.Missing, doc.Deleted:
		return answer{index: d.index, gone: true}
	case d.accepted == "":
	case d.accepted == doc.Rev:
		return answer{index: d.index, rev: doc.Rev}
	case couch.Beats(d.accepted, doc.Rev):
		return answer{index: d.index, again: true}
	}
	theirs, err := task.Decode(doc.Body)
	if err != nil {
		return answer{index: d.index, refused: fmt.Errorf("reading what replaced the document: %w", err)}
	}
	return answer{index: d.index, theirs: theirs}
}

// remove deletes leaves. One that is none any more is let be.
func (s *sender) remove(ctx context.Context, leaves []couch.Ref) {
	if len(leaves) == 0 {
		return
	}
	bodies := make([][]byte, 0, len(leaves))
	for _, leaf := range leaves {
		bodies = append(bodies, leaf.Tombstone())
	}
	results, err := s.bulk(ctx, bodies)
	if err != nil {
		s.log.WithError(err).Warnf("%d losing revisions could not be deleted", len(leaves))
	}
	for i, result := range results {
		if err := result.Err(); err != nil && !couch.IsConflict(err) && !couch.IsNotFound(err) {
			s.log.WithError(err).WithField("task", leaves[i].ID).Warnf("the losing revision %s could not be deleted", leaves[i].Rev)
		}
	}
}
