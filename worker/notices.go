package worker

import (
	"context"
	"net/http"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/internal/wait"
	"github.com/adlayer/after/notify"
)

// notify writes the notices of what a batch has to tell, before it is written: an outcome never stands in the database without them. It says
// whether the worker may go on: false is that it stopped before the database could be reached.
func (s *sender) notify(ctx context.Context, batch []write) bool {
	var bodies [][]byte
	var of []string
	for _, w := range batch {
		n, ok := notify.Of(w.doc, s.now(), s.self)
		if !ok {
			continue
		}
		n.Site = s.site
		body, err := n.Encode()
		if err != nil {
			s.log.WithError(err).WithField("task", w.doc.ID).Error("nobody is told of it")
			continue
		}
		bodies, of = append(bodies, body), append(of, w.doc.ID)
	}
	for len(bodies) > 0 {
		n := 0
		for size := 0; n < len(bodies) && (n == 0 || size < batchBytes); n++ {
			size += len(bodies[n])
		}
		again, ids, err := s.notifyPart(ctx, bodies[:n], of[:n])
		if err != nil {
			return false
		}
		bodies, of = append(again, bodies[n:]...), append(ids, of[n:]...)
	}
	return true
}

// notifyPart gives the notices that have to be written again; the error is the context's end. One that is there already is told by
// whoever wrote it.
func (s *sender) notifyPart(ctx context.Context, bodies [][]byte, of []string) (again [][]byte, ids []string, err error) {
	results, err := s.bulk(ctx, bodies)
	switch {
	case ctx.Err() != nil:
		return nil, nil, err
	case err != nil && len(bodies) > 1: // the guilty one is to stand alone
		half := len(bodies) / 2
		again, ids, err = s.notifyPart(ctx, bodies[:half], of[:half])
		if err != nil {
			return nil, nil, err
		}
		more, moreIDs, err := s.notifyPart(ctx, bodies[half:], of[half:])
		return append(again, more...), append(ids, moreIDs...), err
	case err != nil:
		s.log.WithError(err).WithField("task", of[0]).Error("the database refuses a notice: nobody is told of the task's outcome")
		return nil, nil, nil
	}
	for i, result := range results {
		switch err := result.Err(); {
		case err == nil, couch.IsConflict(err):
		case couch.Status(err) >= http.StatusInternalServerError:
			again, ids = append(again, bodies[i]), append(ids, of[i])
		default:
			s.log.WithError(err).WithField("task", of[i]).Error("the database refuses a notice: nobody is told of the task's outcome")
		}
	}
	if len(again) > 0 && !wait.For(ctx, backoffFirst) {
		return nil, nil, context.Cause(ctx)
	}
	return again, ids, nil
}
