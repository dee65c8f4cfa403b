package worker

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/internal/wait"
	"github.com/adlayer/after/runs"
	"github.com/adlayer/after/task"
)

const (
	// batchMost is how many documents one request carries, and batchBytes how much of them.
	batchMost  = 1000
	batchBytes = 4 << 20
	// requestsMost is how many bulk writes are in flight at once; a second one leaves early only if it is worth its while.
	requestsMost = 3
	worthwhile   = 250
	// shrunkTo is what a refused document is cut to.
	shrunkTo = 256 << 10

	backoffFirst = 100 * time.Millisecond
	backoffMost  = 5 * time.Second
	// tellAgain is how often the log says of one request that it fails.
	tellAgain = time.Minute
)

// purpose says what a write is for, and so what its answer means.
type purpose uint8

const (
	// claim: the task is planned; it enters the wheel once the database has it.
	claim purpose = iota
	// first: an at-most-once run may start once the database knows of it.
	first
	// begun: a run lasts longer than a second.
	begun
	// settle: what came of a run.
	settle
	// end: what cannot or must not run.
	end
)

// write is one document on its way to the database.
type write struct {
	index uint32
	doc   *task.Task
	run   *runs.Run // the history that goes before it; nil where there is none
}

// answer is what became of one write. Exactly one of rev, theirs, gone, refused, again and unwritten says it.
type answer struct {
	index uint32
	// rev: the database has the document under this revision.
	rev string
	// theirs is what the database has instead.
	theirs *task.Task
	// gone: there is no such document any more.
	gone bool
	// refused: the database will not take the document, ever.
	refused error
	// again: the database could not write the document this time, though it may have written others.
	again bool
	// unwritten: the worker stopped before the database could be reached.
	unwritten bool
}

// sender writes batches until the database has answered each document, or its context ends.
type sender struct {
	db   *couch.Database
	runs *runs.Writer
	self task.Self
	site string
	now  func() time.Time
	log  logrus.FieldLogger
}

// send writes one batch and gives one answer for each document, in any order.
func (s *sender) send(ctx context.Context, batch []write) []answer {
	s.tell(ctx, batch)
	if !s.notify(ctx, batch) {
		return unwritten(batch, nil)
	}
	answers := make([]answer, 0, len(batch))
	for len(batch) > 0 {
		n, size := 0, 0
		bodies := make([][]byte, 0, len(batch))
		for n < len(batch) && (n == 0 || size < batchBytes) {
			bodies = append(bodies, batch[n].doc.Encode())
			size += len(bodies[n])
			n++
		}
		answers = s.sendPart(ctx, batch[:n], bodies, answers)
		batch = batch[n:]
	}
	return answers
}

// tell writes the history of the runs whose outcomes are in a batch. Outcomes do not wait for it any longer than one request takes.
func (s *sender) tell(ctx context.Context, batch []write) {
	var list []runs.Run
	for _, w := range batch {
		if w.run != nil {
			list = append(list, *w.run)
		}
	}
	if len(list) > 0 {
		s.runs.Write(ctx, list)
	}
}

// unwritten answers for a batch that the worker had no time for.
func unwritten(batch []write, answers []answer) []answer {
	for _, w := range batch {
		answers = append(answers, answer{index: w.index, unwritten: true})
	}
	return answers
}

// sendPart writes what fits into one request, and splits it where the database refuses it as a whole.
func (s *sender) sendPart(ctx context.Context, batch []write, bodies [][]byte, answers []answer) []answer {
	results, err := s.bulk(ctx, bodies)
	switch {
	case err == nil:
		return s.sort(ctx, batch, results, answers)
	case ctx.Err() != nil:
		return unwritten(batch, answers)
	case len(batch) > 1:
		half := len(batch) / 2
		answers = s.sendPart(ctx, batch[:half], bodies[:half], answers)
		return s.sendPart(ctx, batch[half:], bodies[half:], answers)
	}
	return s.sendShorter(ctx, batch[0], err, answers)
}

// sendShorter writes a document that was refused with less of what a worker put into it, as far as there is any.
func (s *sender) sendShorter(ctx context.Context, w write, why error, answers []answer) []answer {
	line := s.log.WithError(why).WithField("task", w.doc.ID)
	size := len(w.doc.Encode())
	small := w.doc.Shrink(shrunkTo)
	body := small.Encode()
	if len(body) < size {
		line.Warn("document refused: writing it with a shorter result")
		return s.sendPart(ctx, []write{{index: w.index, doc: small}}, [][]byte{body}, answers)
	}
	if couch.Status(why) == http.StatusRequestEntityTooLarge {
		small = w.doc.Least()
		if body = small.Encode(); len(body) < size {
			line.WithField("result", shortened(string(w.doc.Result), mostSaid)).Warn("document refused: writing its status alone")
			return s.sendPart(ctx, []write{{index: w.index, doc: small}}, [][]byte{body}, answers)
		}
	}
	return append(answers, answer{index: w.index, refused: why})
}

// bulk sends one request until it is answered. The error is a refusal of the whole request, or the end of the context.
func (s *sender) bulk(ctx context.Context, bodies [][]byte) ([]couch.Result, error) {
	var results []couch.Result
	err := s.persist(ctx, "writing outcomes", func() (err error) {
		results, err = s.db.Bulk(ctx, bodies)
		return err
	})
	return results, err
}

// persist repeats a request with growing pauses until it succeeds, is refused for what it says, or the context ends.
func (s *sender) persist(ctx context.Context, what string, request func() error) error {
	pause := backoffFirst
	var told time.Time
	for {
		err := request()
		if err == nil || couch.IsInvalid(err) {
			return err
		}
		if ctx.Err() != nil {
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		}
		if time.Since(told) >= tellAgain {
			told = time.Now()
			s.log.WithError(err).Warnf("%s failed: trying again until it succeeds", what)
		}
		if !wait.For(ctx, pause/2+rand.N(pause)) { //nolint:gosec // jitter
			return fmt.Errorf("%s: %w", what, context.Cause(ctx))
		}
		pause = min(2*pause, backoffMost)
	}
}

// sort turns the results of one request into answers; what met another revision is read back.
func (s *sender) sort(ctx context.Context, batch []write, results []couch.Result, answers []answer) []answer {
	var failed []error
	var doubtful []doubt
	for i, result := range results {
		w := batch[i]
		err := result.Err()
		switch {
		case err == nil && !result.Accepted:
			answers = append(answers, answer{index: w.index, rev: result.Rev})
		case err == nil, couch.IsConflict(err):
			doubtful = append(doubtful, doubt{index: w.index, id: w.doc.ID, accepted: result.Rev})
		case couch.IsInvalid(err):
			answers = s.sendShorter(ctx, w, err, answers)
		case couch.IsForbidden(err), couch.IsUnauthorized(err):
			answers = append(answers, answer{index: w.index, refused: err})
		default:
			failed = append(failed, err)
			answers = append(answers, answer{index: w.index, again: true})
		}
	}
	if len(doubtful) > 0 {
		answers = s.readBack(ctx, doubtful, answers)
	}
	if len(failed) > 0 {
		s.log.WithError(failed[0]).Warnf("%d of %d documents were not written: trying again", len(failed), len(batch))
	}
	return answers
}

// errStopped is the cause that ends requests when a worker has to go.
var errStopped = errors.New("the worker stops")
