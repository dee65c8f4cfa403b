package send

import (
	"context"
	"time"

	"github.com/adlayer/after/couch"
)

// markTold writes that everybody was told of notices whose deletion is refused, as by a validation function that lets nobody but administrators delete.
// They stay, and are told by nobody again; their deletion is tried again now and then. It gives what has to be written again and why.
func (s *sender) markTold(working context.Context, undeleted []ref) (again []ref, why error) {
	if len(undeleted) == 0 {
		return nil, nil
	}
	ids := make([]string, len(undeleted))
	of := map[string]ref{}
	for i, r := range undeleted {
		ids[i], of[r.id] = r.id, r
		s.refusals.add(r.id, time.Now(), mostWait) // before the feed brings what is written here
	}
	listing, err := s.Database.AllDocs(working, couch.Range{Keys: ids, IncludeDocs: true})
	if err != nil {
		return undeleted, err
	}
	var marked []ref
	var bodies [][]byte
	for _, row := range listing.Rows {
		it, err := read(row.Doc)
		if err != nil || it.Rev != of[it.ID].rev || it.over() { // it is gone, or another's by now, or was marked before
			continue
		}
		told := progress{Told: true}
		body, err := it.document(state{URL: told, Email: told})
		if err != nil { // it was read a moment ago
			continue
		}
		marked, bodies = append(marked, of[it.ID]), append(bodies, body)
	}
	if len(marked) == 0 {
		return nil, nil
	}
	results, err := s.bulk(working, bodies)
	if err != nil && !refused(err) {
		return marked, err
	}
	for i, r := range marked {
		failed := err
		if err == nil {
			failed = results[i].Err()
		}
		switch {
		case failed == nil, couch.IsConflict(failed):
		case refused(failed):
			s.unrecorded(r, failed)
		default:
			again, why = append(again, r), failed
		}
	}
	return again, why
}

// unrecorded tells the log that a notice may be told again: the database takes nothing of what came of it.
func (s *sender) unrecorded(r ref, err error) {
	if s.seldom("unrecorded", time.Minute) {
		s.Log.WithError(err).WithField("notice", r.id).Error("what came of notices cannot be written: they may be told again")
	}
}
