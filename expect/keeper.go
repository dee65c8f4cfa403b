package expect

import (
	"context"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/changes"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/internal/wait"
	"github.com/adlayer/after/task"
)

const (
	page = 200

	// pauseFirst is how long the first pause is before what failed is tried again, and pauseMost how long they grow.
	pauseFirst = 100 * time.Millisecond
	pauseMost  = 5 * time.Second
)

// Index is the index by which tasks that are expected are found.
func Index() couch.Index {
	return couch.Index{DDoc: "after", Name: "expected", Fields: []string{"worker"}, PartialFilter: json.RawMessage(`{"expect":{"$exists":true}}`)}
}

// Keeper makes the switches of tasks that say how often they are expected, for the workers that watch: those of the tasks, or those that the
// tasks name. One per process; it is not safe for concurrent use.
type Keeper struct {
	DB    *couch.Database
	Names []string // of the workers that watch here
	Log   logrus.FieldLogger
	Now   func() time.Time // the wall clock

	known map[string]known // by the id of what is expected
}

// known is a switch as it was last seen or written, and whether it waits for a sign of life.
type known struct {
	is   Switch
	late bool
}

// Run keeps switches until its context ends.
func (k *Keeper) Run(ctx context.Context) {
	k.known = map[string]known{}
	since := ""
	for failures := 1; ctx.Err() == nil; failures++ {
		err := k.begin(ctx, &since)
		if err == nil {
			break
		}
		if !couch.IsNotFound(err) && ctx.Err() == nil { // where there is none, the worker is about to make it
			k.Log.WithError(err).Warn("looking for tasks that are expected failed: trying again")
		}
		wait.For(ctx, wait.Doubled(pauseFirst, failures, pauseMost))
	}
	names, _ := json.Marshal(k.Names) // strings can always be encoded
	selector := fmt.Appendf(nil, `{"$or":[{"worker":{"$in":%[1]s},"expect":{"$exists":true}},{"expect.worker":{"$in":%[1]s}},{"_id":{"$gt":%[2]q,"$lt":"expect;"}}]}`, names, prefix)
	options := changes.Options{Since: since, IncludeDocs: true, Selector: selector, Log: k.Log}
	_ = changes.Follow(ctx, k.DB, options, func(ctx context.Context, rows []changes.Row, _ string) error {
		for _, row := range rows {
			if id, is := strings.CutPrefix(row.ID, prefix); is && row.Deleted {
				delete(k.known, id)
			}
			k.take(ctx, row.Doc, row.Deleted)
		}
		return nil
	}) // it ends with its context, and with nothing else
}

// begin reads what stands, and gives the sequence from which on the feed tells the rest.
func (k *Keeper) begin(ctx context.Context, since *string) error {
	if err := k.DB.EnsureIndex(ctx, Index()); err != nil && !couch.IsForbidden(err) && !couch.IsUnauthorized(err) {
		return err
	}
	info, err := k.DB.Info(ctx)
	if err != nil {
		return err
	}
	*since = info.UpdateSeq
	if err := k.switches(ctx); err != nil {
		return err
	}
	query := couch.Query{Selector: json.RawMessage(`{"worker":{"$gt":null},"expect":{"$exists":true}}`), Limit: page, UseIndex: Index().Use()}
	for found, err := range k.DB.FindPages(ctx, query) {
		if err != nil {
			return err
		}
		for _, doc := range found.Docs {
			k.take(ctx, doc, false)
		}
	}
	return nil
}

// switches reads those that are there.
func (k *Keeper) switches(ctx context.Context) error {
	for rows, err := range k.DB.ListPages(ctx, couch.Range{Start: prefix, End: prefix + "\ufff0", Limit: page, IncludeDocs: true}) {
		if err != nil {
			return err
		}
		for _, row := range rows {
			k.take(ctx, row.Doc, false)
		}
	}
	return nil
}

// take looks at a document: a switch is remembered, a task that is expected gets its own.
func (k *Keeper) take(ctx context.Context, raw []byte, deleted bool) {
	if raw == nil || deleted {
		return
	}
	t, err := task.Decode(raw)
	if err != nil || !t.IsTask() {
		return
	}
	if is, ok := Of(t); ok {
		if slices.Contains(k.Names, is.Worker) {
			k.known[is.ID] = known{is, Late(t)}
		}
		return
	}
	if t.Expect == nil || t.Worker == "" || t.Status == task.Canceled || t.Job == Job {
		return
	}
	want := Switch{ID: t.ID, Worker: t.Expect.Worker, Every: t.Expect.Every, Task: true, Notify: t.Notify}
	if want.Worker == "" {
		want.Worker = t.Worker
	}
	if !slices.Contains(k.Names, want.Worker) {
		return
	}
	have, there := k.known[t.ID]
	recovered := have.late && k.Now().Sub(t.LastDone()) < want.Every
	if there && !recovered && have.is.same(want) {
		return
	}
	for failures := 1; ctx.Err() == nil; failures++ {
		err := k.write(ctx, want, t, recovered)
		if err == nil || ctx.Err() != nil {
			return
		}
		log := k.Log.WithError(err).WithField("task", t.ID)
		if couch.IsInvalid(err) || couch.IsForbidden(err) {
			log.Error("the database refuses the switch of a task that is expected: nobody watches it")
			return
		}
		if failures == 1 {
			log.Warn("the switch of a task that is expected was not written: trying again until it is")
		}
		wait.For(ctx, wait.Doubled(pauseFirst, failures, pauseMost))
	}
}

// same says whether two switches are the same to those who read their documents.
func (s Switch) same(other Switch) bool {
	return s.Worker == other.Worker && s.Every == other.Every && s.Task == other.Task && reflect.DeepEqual(s.told(), other.told())
}

// write makes the switch of a task, or brings it in line.
func (k *Keeper) write(ctx context.Context, want Switch, of *task.Task, recovered bool) error {
	return couch.Again(ctx, func() error {
		var body []byte
		now := k.Now()
		doc, err := k.DB.Get(ctx, ID(want.ID))
		if couch.IsNotFound(err) {
			body, err = want.Document(now)
		} else if err == nil {
			body, err = want.inLine(doc.Body, of, recovered, now)
		}
		if err != nil || body == nil {
			return err
		}
		if _, err = k.DB.Put(ctx, ID(want.ID), body); err == nil {
			k.known[want.ID] = known{is: want}
		}
		return err
	})
}

// inLine gives the document of a switch that is there as it is to be; nil where that is how it stands.
func (s Switch) inLine(raw []byte, of *task.Task, recovered bool, now time.Time) ([]byte, error) {
	t, err := task.Decode(raw)
	if err != nil {
		return nil, err
	}
	if t.Job != Job { // a task of somebody's own with that _id
		return nil, nil
	}
	if is, ok := Of(t); ok && is.same(s) && (!recovered || !Late(t)) {
		return nil, nil
	}
	seen := of.LastDone()
	if seen.IsZero() {
		seen = now
	}
	next, err := s.Seen(t, seen)
	if err != nil {
		return nil, err
	}
	return next.Encode(), nil
}
