// Package changes follows one _changes feed for as long as its context lives: through cut connections, restarts and silence.
//
// [Follow] reads rows and hands them on in batches, as many as are there without waiting. It remembers the sequence of the
// last row it has handed on and goes on from there, so a row may come twice, but none is left out, and none is ever handed on
// in part. Documents are raw bytes; rows of no interest can be refused before anything of them is decoded or copied.
package changes

import (
	"context"
	"encoding/json"
	"errors"
	"net/url"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/couch"
)

// Row is one change: the newest revision of one document. Its bytes are the receiver's.
type Row struct {
	ID      string
	Seq     string // where the feed goes on after this row; empty where the server left it out
	Rev     string // the winning revision
	Deleted bool
	Doc     []byte // the document, with IncludeDocs; nil where the server sent none
}

// State is what became of the connection to the feed.
type State struct {
	Connected bool          // the server has begun to answer
	Err       error         // why there is no connection; nil where the server ended the feed in good order
	Failures  int           // how many times in a row it went wrong
	Wait      time.Duration // until the next attempt
	Since     string        // where the feed goes on
}

// Options say what to follow and how. The zero value follows everything from the beginning, without documents.
type Options struct {
	// Since is the sequence to begin after. Empty or "0": from the beginning. "now": what comes from now on; the sequence of
	// that moment is asked for once, so that nothing is lost however often the connection is.
	Since string

	// IncludeDocs makes rows carry their documents.
	IncludeDocs bool

	// Keep looks at the bytes of a row, a JSON object without the line's end, before anything is decoded, and says whether it
	// is of interest. The bytes are only its for the call. A row that it refuses is not handed on, but the feed advances
	// past it. Nil keeps all.
	Keep func(line []byte) bool

	// Heartbeat is how often the server shows that it lives. Zero means 5 s. Nothing at all for two and a half of them, and
	// the connection is given up.
	Heartbeat time.Duration

	// At most one of these three filters, as in [couch.ChangesQuery]. Where the server knows no selectors, as PouchDB Server, the whole feed is
	// followed instead: whoever gives one looks at the rows himself, too.
	Selector json.RawMessage
	DocIDs   []string
	Filter   string
	Params   url.Values

	// Checkpoint is how long a filtered feed may go without a sequence: nothing comes while nothing matches. Then one request
	// with the same filter asks how far the database is. Zero means a minute. Without a filter it has no meaning.
	Checkpoint time.Duration

	// MaxBatch is the largest number of rows handed on at once. Zero means 1000.
	MaxBatch int

	// MaxRow is the largest row in bytes, a bound on memory where what answers is no feed. Zero means 128 MiB.
	MaxRow int

	// BackoffMin and BackoffMax bound the wait before another attempt; it doubles from one to the other, and each wait is
	// drawn from its upper half. Zero means 0.25 s and 10 s.
	BackoffMin, BackoffMax time.Duration

	// Remember is of how many documents the revision is remembered that was handed on last, so that a row which brings the same one again is left out: a
	// cluster may begin a feed anew from an earlier sequence. Zero means none: rows may come twice.
	Remember int

	// OnState is told each time the connection is made or lost, in the goroutine of Follow. May be nil.
	OnState func(State)

	// Log gets a line when the connection is lost, not again for each attempt that fails, and one when it is back. May be nil.
	Log logrus.FieldLogger
}

func (o Options) withDefaults() Options {
	setDefault(&o.Heartbeat, 5*time.Second)
	setDefault(&o.Checkpoint, time.Minute)
	setDefault(&o.BackoffMin, 250*time.Millisecond)
	setDefault(&o.BackoffMax, 10*time.Second)
	setDefault(&o.MaxBatch, 1000)
	setDefault(&o.MaxRow, 128<<20)
	if o.OnState == nil {
		o.OnState = func(State) {}
	}
	return o
}

func setDefault[T int | time.Duration](value *T, fallback T) {
	if *value <= 0 {
		*value = fallback
	}
}

// silence is how long nothing may come before the connection is given up.
func (o Options) silence() time.Duration { return o.Heartbeat * 5 / 2 }

func (o Options) filtered() bool { return o.Selector != nil || o.DocIDs != nil || o.Filter != "" }

func (o Options) query(feed, since string) couch.ChangesQuery {
	return couch.ChangesQuery{
		Feed: feed, Since: since, IncludeDocs: o.IncludeDocs,
		Selector: o.Selector, DocIDs: o.DocIDs, Filter: o.Filter, Params: o.Params,
	}
}

// Follow hands rows to deliver, batch by batch, until ctx ends or deliver returns an error, and returns that error (of ctx,
// its cause). seq is the sequence to go on from once the batch is dealt with; a batch may have no rows where Keep refused them
// all or a filtered feed moved on. While deliver runs nothing is read: the server waits.
//
// Everything else that goes wrong is told to OnState and tried again for ever: a cut connection, a silent one, a server that
// is not there, one that refuses (401, 403, 404, 5xx), an answer that is no feed. After a 404 the feed begins anew: the
// database that comes back under the name counts from the beginning.
func Follow(ctx context.Context, db *couch.Database, o Options, deliver func(ctx context.Context, rows []Row, seq string) error) error {
	f := &follower{db: db, o: o.withDefaults(), deliver: deliver, since: o.Since, recent: recent{most: o.Remember}}
	for {
		err := f.attempt(ctx)
		switch {
		case ctx.Err() != nil:
			return context.Cause(ctx)
		case f.refused != nil:
			return f.refused
		case couch.IsNotFound(err) && f.unselected(ctx):
			continue
		case couch.IsNotFound(err):
			f.since, f.recent = "", recent{most: f.o.Remember}
		}
		if !f.pause(ctx, err) {
			return context.Cause(ctx)
		}
	}
}

// unselected gives up the selector where the database is there, so that it is the filter that the server does not find. It has to be so twice:
// the database may have come in between. It says whether the feed goes on where it was.
func (f *follower) unselected(ctx context.Context) bool {
	if f.o.Selector == nil || f.selected {
		return false
	}
	if _, err := f.db.Info(ctx); err != nil {
		return false
	}
	if f.unfound++; f.unfound == 1 {
		return true
	}
	f.o.Selector = nil
	if f.o.Log != nil {
		f.o.Log.WithField("database", f.db.Name()).Info("the server knows no selectors: following all changes of the database")
	}
	return true
}

// follower is the state of one Follow; its goroutine owns all of it.
type follower struct {
	db      *couch.Database
	o       Options
	deliver func(ctx context.Context, rows []Row, seq string) error

	since    string // where the feed goes on
	failures int    // attempts in a row that brought nothing
	unfound  int    // times that the server did not find the selector's filter
	selected bool   // it has followed the selector
	down     bool   // the last thing said about the connection was that it is lost
	recent   recent // what was handed on last
	refused  error  // what deliver returned
}

var (
	errSilence    = errors.New("the server has been silent for two and a half heartbeats")
	errCheckpoint = errors.New("time for a checkpoint")
)
