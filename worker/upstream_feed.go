package worker

import (
	"context"
	"maps"
	"slices"
	"time"

	"github.com/adlayer/after/changes"
	"github.com/adlayer/after/internal/wait"
)

// With [FilterSelector] the feed leaves out other workers' tasks. Those that ours wait for come through a second feed then, of these
// documents alone, which is there only while somebody waits.

// upstreamPause is how long the second feed stays as it is at least before it follows other documents.
const upstreamPause = time.Second

// tellUpstreams has the second feed follow what our tasks wait for now. It never waits: only the loop calls it, and what was not
// taken yet is replaced.
func (l *loop) tellUpstreams() {
	if !l.upstreams.changed || l.config.Filter != FilterSelector {
		return
	}
	l.upstreams.changed = false
	select {
	case <-l.watched:
	default:
	}
	l.watched <- slices.Sorted(maps.Keys(l.upstreams.waiters))
}

// followUpstreams reads the second feed until its context ends. The documents that it did not follow before are read once it is known where
// it goes on: it is past what became of them until then.
func (l *loop) followUpstreams(ctx context.Context, r *reader) {
	var ids, followed []string // sorted
	since := ""
	for ctx.Err() == nil {
		if len(ids) == 0 {
			since, followed = "", nil
			select {
			case ids = <-l.watched:
			case <-ctx.Done():
			}
			continue
		}
		if since == "" {
			since = l.sequence(ctx)
		}
		l.readUpstreams(ctx, r, slices.DeleteFunc(slices.Clone(ids), func(id string) bool {
			_, found := slices.BinarySearch(followed, id)
			return found
		}))
		followed = ids
		following, stop := context.WithCancel(ctx)
		last := make(chan string, 1)
		go func(ids []string, since string) { last <- l.followIDs(following, r, ids, since) }(ids, since)
		if wait.For(ctx, upstreamPause) {
			select {
			case ids = <-l.watched:
			case <-ctx.Done():
			}
		}
		stop()
		since = <-last
	}
}

// sequence gives the update sequence of the moment; "", the beginning, where the database does not say.
func (l *loop) sequence(ctx context.Context) (since string) {
	err := l.sender.persist(ctx, "reading the update sequence", func() error {
		info, err := l.db.Info(ctx)
		since = info.UpdateSeq
		return err
	})
	if err != nil {
		return ""
	}
	return since
}

// readUpstreams hands on documents as they stand.
func (l *loop) readUpstreams(ctx context.Context, r *reader, ids []string) {
	for part := range slices.Chunk(ids, loadMost) {
		if l.hand(ctx, (&loader{db: l.db, reader: r, log: l.log}).read(ctx, part)) != nil {
			return // the context has ended
		}
	}
}

// followIDs follows some documents, and gives the sequence that it has reached.
func (l *loop) followIDs(ctx context.Context, r *reader, ids []string, since string) string {
	options := changes.Options{Since: since, IncludeDocs: true, Log: l.log, MaxBatch: 1000, DocIDs: ids}
	_ = changes.Follow(ctx, l.db, options, func(ctx context.Context, batch []changes.Row, seq string) error {
		if err := l.hand(ctx, r.fromFeed(batch)); err != nil {
			return err
		}
		since = seq
		return nil
	}) // it ends with its context, and with nothing else
	return since
}

// hand gives rows to the loop.
func (l *loop) hand(ctx context.Context, rows []row) error {
	if len(rows) == 0 {
		return nil
	}
	select {
	case l.rows <- rows:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}
