package runs

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
)

// keptMost is how many runs a writer keeps in memory while their database cannot be written.
const keptMost = 10_000

// tellAgain is how often the log says that it cannot.
const tellAgain = time.Minute

// Writer writes runs. A nil Writer writes none. It is safe for concurrent use.
type Writer struct {
	db  *couch.Database
	log logrus.FieldLogger

	mu   sync.Mutex
	left []Run // what could not be written yet, oldest first
	lost int   // how many could not even be kept
	told time.Time
}

// NewWriter gives the writer of a database. It sends no request.
func NewWriter(db *couch.Database, log logrus.FieldLogger) *Writer { return &Writer{db: db, log: log} }

// Write writes runs, and what earlier calls could not write. What this one cannot write is kept for the next: a database of runs that is
// gone, full or closed to us holds up no outcome. The newest runs are kept where there is no room for all.
func (w *Writer) Write(ctx context.Context, list []Run) {
	if w == nil {
		return
	}
	w.mu.Lock()
	all := append(w.left, list...)
	w.left = nil
	w.mu.Unlock()
	if len(all) == 0 {
		return
	}
	left, err := w.write(ctx, all)
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.left = append(left, w.left...); len(w.left) > keptMost {
		w.lost += len(w.left) - keptMost
		w.left = w.left[len(w.left)-keptMost:]
	}
	if err != nil && time.Since(w.told) >= tellAgain {
		w.told = time.Now()
		w.log.WithError(err).Warnf("the history of %d runs is not written yet (%s), that of %d is lost: the outcomes are in their tasks", len(w.left), w.db.Name(), w.lost)
	}
}

// Waiting says whether there is anything that an earlier call could not write.
func (w *Writer) Waiting() bool {
	if w == nil {
		return false
	}
	w.mu.Lock()
	defer w.mu.Unlock()
	return len(w.left) > 0
}

const batchMost = 1000

// write gives what could not be written, and why.
func (w *Writer) write(ctx context.Context, list []Run) (left []Run, err error) {
	for len(list) > 0 {
		part := list[:min(len(list), batchMost)]
		again, partErr := w.send(ctx, part, w.takeFirst)
		left, err = append(left, again...), errors.Join(err, partErr)
		if list = list[len(part):]; partErr != nil {
			return append(left, list...), err
		}
	}
	return left, err
}

// answered takes in what the database said to each of some runs, and gives those that have to be written again.
type answered func(ctx context.Context, part []Run, results []couch.Result) (left []Run, err error)

// send writes what one request carries, and half of it at a time where the database refuses that as a whole: one run that it will not take
// holds up no others.
func (w *Writer) send(ctx context.Context, part []Run, take answered) (left []Run, err error) {
	results, err := w.bulk(ctx, part)
	switch {
	case refused(err) && len(part) == 1:
		w.log.WithError(err).WithField("task", part[0].Task).Warn("the database refuses the history of a run")
		return nil, nil
	case refused(err):
		half := len(part) / 2
		first, firstErr := w.send(ctx, part[:half], take)
		second, secondErr := w.send(ctx, part[half:], take)
		return append(slices.Clip(first), second...), errors.Join(firstErr, secondErr)
	case err != nil:
		return part, err
	}
	return take(ctx, part, results)
}

// takeFirst takes in the answers to runs under their own _ids. Those that are there already come a second time: those of another execution
// beside them.
func (w *Writer) takeFirst(ctx context.Context, part []Run, results []couch.Result) (left []Run, err error) {
	var twice []Run
	for i, result := range results {
		switch err := result.Err(); {
		case err == nil:
		case couch.IsConflict(err):
			twice = append(twice, part[i])
		case couch.Status(err) >= http.StatusInternalServerError:
			left = append(left, part[i])
		default:
			w.log.WithError(err).WithField("task", part[i].Task).Warn("the database refuses the history of a run")
		}
	}
	if len(left) > 0 {
		err = fmt.Errorf("%d runs were not written to %s", len(left), w.db.Name())
	}
	if len(twice) == 0 {
		return left, err
	}
	again, besideErr := w.writeBeside(ctx, twice)
	return append(left, again...), errors.Join(err, besideErr)
}

// writeBeside writes runs whose _id is taken: nothing where it is the same execution, else beside it.
func (w *Writer) writeBeside(ctx context.Context, twice []Run) (left []Run, err error) {
	refs := make([]couch.Ref, 0, len(twice))
	known := map[string]bool{}
	for _, r := range twice {
		if !known[r.ID] { // an id may come only once
			known[r.ID] = true
			refs = append(refs, couch.Ref{ID: r.ID})
		}
	}
	docs, err := w.db.BulkGet(ctx, refs)
	if err != nil {
		return twice, err
	}
	there := map[string]Run{}
	for _, doc := range docs {
		if r, ok := decode(doc.Body); ok {
			there[doc.ID] = r
		}
	}
	var beside []Run
	for _, r := range twice {
		if r.Kind == task.KindUnknown {
			continue // nothing ran: nobody knew how the first one ended, and now it is known
		}
		if first, ok := there[r.ID]; !ok || !r.same(first) {
			beside = append(beside, r.beside())
		}
	}
	if len(beside) == 0 {
		return nil, nil
	}
	return w.send(ctx, beside, w.takeSecond)
}

// takeSecond takes in the answers to runs that lie beside others.
func (w *Writer) takeSecond(_ context.Context, beside []Run, results []couch.Result) (left []Run, err error) {
	for i, result := range results {
		// A conflict here is the same execution: the name tells incarnation and start.
		switch err := result.Err(); {
		case err == nil, couch.IsConflict(err):
		case couch.Status(err) >= http.StatusInternalServerError:
			left = append(left, beside[i])
		default:
			w.log.WithError(err).WithField("task", beside[i].Task).Warn("the database refuses the history of a second run")
		}
	}
	if len(left) > 0 {
		return left, fmt.Errorf("%d second runs were not written to %s", len(left), w.db.Name())
	}
	return nil, nil
}

// errUnreadable says that a run is no JSON.
var errUnreadable = errors.New("it cannot be encoded")

// refused says that a request is refused for what is in it, or could not even be made.
func refused(err error) bool { return couch.IsInvalid(err) || errors.Is(err, errUnreadable) }

// bulk sends one request; where the database is not there yet, it is made.
func (w *Writer) bulk(ctx context.Context, list []Run) ([]couch.Result, error) {
	bodies := make([][]byte, 0, len(list))
	for _, r := range list {
		body, err := r.encode()
		if err != nil {
			return nil, fmt.Errorf("%w: the run %s: %w", errUnreadable, r.ID, err)
		}
		bodies = append(bodies, body)
	}
	results, err := w.db.Bulk(ctx, bodies)
	if !couch.IsNotFound(err) {
		return results, err
	}
	if err := w.db.Client().CreateDatabase(ctx, w.db.Name()); err != nil && !couch.IsExists(err) {
		return nil, err
	}
	return w.db.Bulk(ctx, bodies)
}
