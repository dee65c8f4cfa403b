package httpd

import (
	"context"
	"net/http"
	"strings"
	"time"

	"github.com/adlayer/after/store"
)

// updatesDatabase has a document for each kind of event of each database, as in CouchDB: _db_updates is its feed. Where it was not made, nothing
// is noted.
const updatesDatabase = "_global_changes"

// updatesPause is how long events gather, so that steady writes cost a small one now and then.
const updatesPause = 100 * time.Millisecond

// noteUpdates writes down what happens to databases, until the server ends.
func (s *Server) noteUpdates(ctx context.Context) {
	watch := s.store.Watch()
	defer watch.Close()
	for {
		select {
		case <-ctx.Done():
			return
		case <-watch.Ready():
		}
		if err := s.noteEvents(ctx, watch.Take()); err != nil && ctx.Err() == nil {
			s.log.WithError(err).Warn("store: updates of databases cannot be noted for _db_updates")
		}
		pause, cancel := context.WithTimeout(ctx, updatesPause)
		<-pause.Done()
		cancel()
	}
}

func (s *Server) noteEvents(ctx context.Context, events []store.Event) error {
	db, err := s.store.Database(updatesDatabase)
	if store.IsNotFound(err) {
		return nil
	}
	if err != nil {
		return err
	}
	snap, err := db.Snapshot()
	if err != nil {
		return err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	docs := make([]store.Doc, 0, len(events))
	for _, e := range events {
		if e.Database == updatesDatabase {
			continue
		}
		doc := store.Doc{ID: string(e.Kind) + ":" + e.Database, Body: []byte("{}")}
		row, err := snap.Head(doc.ID)
		if err != nil && !store.IsNotFound(err) {
			return err
		}
		if err == nil && !row.Deleted {
			doc.Rev = row.Rev
		}
		docs = append(docs, doc)
	}
	if len(docs) == 0 {
		return nil
	}
	_, err = db.Write(context.WithoutCancel(ctx), docs, store.WriteOptions{}) // a conflict is the event of another
	return err
}

// eventOf reads the id of a document that notes an event.
func eventOf(id string) (kind, database string, ok bool) {
	kind, database, ok = strings.Cut(id, ":")
	switch store.EventKind(kind) {
	case store.Created, store.Updated, store.Deleted:
		return kind, database, ok
	}
	return "", "", false
}

// databaseUpdates answers _db_updates.
func (c *call) databaseUpdates() error {
	if err := c.needAdmin(); err != nil {
		return err
	}
	if err := c.allow(http.MethodGet); err != nil {
		return err
	}
	if len(c.path) > 1 {
		return store.NotFound("missing")
	}
	q := &changesQuery{feed: c.q.Get("feed"), limit: -1, interval: 1, updates: true, descending: c.flag("descending")}
	switch q.feed {
	case "":
		q.feed = "normal"
	case "normal", "continuous", "longpoll", "eventsource":
	default:
		return store.BadRequest("Supported `feed` types: normal, continuous, longpoll, eventsource")
	}
	db, err := c.s.store.Database(updatesDatabase)
	if err != nil {
		return err
	}
	c.db = db
	if err := c.parseUpdates(q); err != nil {
		return err
	}
	q.match = func(row *store.Row) bool {
		_, _, ok := eventOf(row.ID)
		return ok && !row.Deleted
	}
	if q.feed == "normal" && c.cached(c.changesTag()) {
		return nil
	}
	if c.r.Method == http.MethodHead {
		return c.answer(http.StatusOK, nil)
	}
	f := feed{c: c, q: q, last: q.since, db: c.db}
	return f.run()
}

func (c *call) parseUpdates(q *changesQuery) error {
	for _, parse := range []func(*changesQuery) error{c.parseSince, c.parseTimes, c.parseCounts} {
		if err := parse(q); err != nil {
			return err
		}
	}
	q.allLeaves = false
	return nil
}
