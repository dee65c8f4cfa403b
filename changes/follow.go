package changes

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/internal/wait"
)

// attempt makes one connection and reads it to its end. nil: the server ended the feed in good order.
func (f *follower) attempt(outer context.Context) error {
	ctx, cancel := context.WithCancelCause(outer)
	defer cancel(nil)
	watchdog := time.AfterFunc(f.o.silence(), func() { cancel(errSilence) })
	defer watchdog.Stop()

	if f.since == "now" {
		info, err := f.db.Info(ctx)
		if err != nil {
			return because(ctx, err)
		}
		f.since = info.UpdateSeq
	}
	query := f.o.query("continuous", f.since)
	query.Heartbeat = f.o.Heartbeat
	body, err := f.db.Changes(ctx, query)
	if err != nil {
		return because(ctx, err)
	}
	f.connected()
	c := connection{follower: f, body: body, watchdog: watchdog, advanced: time.Now()}
	err = c.read(outer) // the receiver's context is not the connection's: its silence is none of the receiver's business
	_ = body.Close()
	if errors.Is(err, errCheckpoint) {
		watchdog.Reset(f.o.silence())
		err = f.checkpoint(ctx, outer, watchdog)
	}
	return because(ctx, err)
}

// because puts the reason for which we gave the connection up before what the reader saw of it.
func because(ctx context.Context, err error) error {
	if err != nil && errors.Is(context.Cause(ctx), errSilence) {
		return errSilence
	}
	return err
}

// connection is one answer of the server, being read.
type connection struct {
	*follower
	body     io.Reader
	watchdog *time.Timer
	buffer   []byte    // what was read and is not yet dealt with begins at 0
	scanned  int       // so much of it holds no line's end
	batch    batch     // rows that wait for their delivery
	advanced time.Time // when a sequence came last
	ended    bool      // the closing line was read
}

const (
	readSize = 64 << 10
	// A row of unusual length makes the buffer grow; past this it is given back once it is empty.
	keptBuffer = 1 << 20
)

// read deals with lines until the feed ends: nil where the server said that it does.
func (c *connection) read(ctx context.Context) error {
	for {
		c.watchdog.Reset(c.o.silence())
		readErr := c.fill()
		c.watchdog.Stop() // what the receiver takes its time for is no silence
		if err := c.lines(ctx); err != nil {
			return err
		}
		switch {
		case c.ended:
			return nil
		case errors.Is(readErr, io.EOF):
			return fmt.Errorf("the feed ended without its closing line: %w", io.ErrUnexpectedEOF)
		case readErr != nil:
			return fmt.Errorf("reading the feed: %w", readErr)
		case len(c.buffer) > c.o.MaxRow:
			return fmt.Errorf("the feed has a row longer than %d bytes", c.o.MaxRow)
		case c.o.filtered() && time.Since(c.advanced) >= c.o.Checkpoint:
			return errCheckpoint
		}
	}
}

// fill reads once: whatever is there, at least a byte.
func (c *connection) fill() error {
	if len(c.buffer) == 0 && cap(c.buffer) > keptBuffer {
		c.buffer = nil
	}
	if free := cap(c.buffer) - len(c.buffer); free < readSize/2 {
		grown := make([]byte, len(c.buffer), max(readSize, 2*cap(c.buffer)))
		copy(grown, c.buffer)
		c.buffer = grown
	}
	n, err := c.body.Read(c.buffer[len(c.buffer):cap(c.buffer)])
	c.buffer = c.buffer[:len(c.buffer)+n]
	return err
}

// lines deals with the whole lines in the buffer, hands on what they bring and leaves the rest for the next read.
func (c *connection) lines(ctx context.Context) error {
	rest := c.buffer
	for !c.ended {
		n := bytes.IndexByte(rest[c.scanned:], '\n')
		if n < 0 {
			c.scanned = len(rest)
			break
		}
		line := bytes.TrimSpace(rest[:c.scanned+n])
		rest = rest[c.scanned+n+1:]
		c.scanned = 0
		if len(line) == 0 {
			c.failures = 0 // a heartbeat: it lives
			continue
		}
		if err := c.line(line); err != nil {
			return errors.Join(c.flush(ctx), err)
		}
		if len(c.batch.rows) >= c.o.MaxBatch {
			if err := c.flush(ctx); err != nil {
				return err
			}
		}
	}
	c.buffer = c.buffer[:copy(c.buffer, rest)]
	return c.flush(ctx)
}

// line takes one line into the batch.
func (c *connection) line(line []byte) error {
	r, kept, err := c.row(line)
	switch {
	case err != nil:
		return err
	case r.closing:
		c.ended = true
		c.batch.advance(r.seq)
		return nil
	case kept:
		c.batch.add(r)
	default:
		c.batch.advance(r.seq)
	}
	c.failures = 0
	return nil
}

// row takes a row apart, as far as it must be known: of one that Keep refuses, only the sequence.
func (f *follower) row(line []byte) (r rawRow, kept bool, err error) {
	if kept = f.o.Keep == nil || f.o.Keep(line); kept {
		r, err = parseRow(line)
	} else {
		r, err = parseSkipped(line)
	}
	return r, kept, err
}

// flush hands the batch on.
func (c *connection) flush(ctx context.Context) error {
	if !c.batch.moved {
		return nil
	}
	c.advanced = time.Now()
	rows, seq := c.batch.take()
	return c.hand(ctx, rows, seq)
}

// hand gives rows to the receiver; the feed goes on after them only once it has taken them.
func (f *follower) hand(ctx context.Context, rows []Row, seq string) error {
	if seq == "" {
		seq = f.since
	}
	rows = f.recent.news(rows)
	if err := f.deliver(ctx, rows, seq); err != nil {
		f.refused = err
		return err
	}
	f.since = seq
	f.selected = f.selected || f.o.Selector != nil
	return nil
}

// checkpoint asks with the same filter how far the database is, and hands on what it finds.
func (f *follower) checkpoint(ctx, outer context.Context, watchdog *time.Timer) error {
	query := f.o.query("", f.since)
	query.Limit = f.o.MaxBatch
	body, err := f.db.Changes(ctx, query)
	if err != nil {
		return err
	}
	answer, err := io.ReadAll(io.LimitReader(body, int64(f.o.MaxRow)))
	_ = body.Close()
	if err != nil {
		return fmt.Errorf("reading the changes: %w", err)
	}
	watchdog.Stop()
	var b batch
	var failed error
	row := func(raw []byte) bool {
		r, kept, err := f.row(raw)
		switch {
		case err != nil:
			failed = err
		case kept:
			b.add(r)
		default:
			b.advance(r.seq)
		}
		return failed == nil
	}
	err = couch.Members(answer, func(name, value []byte) bool {
		switch string(name) {
		case "results":
			failed = errors.Join(couch.Elements(value, row), failed)
		case "last_seq":
			b.advance(value)
		}
		return failed == nil
	})
	if err = errors.Join(err, failed); err != nil {
		return fmt.Errorf("the changes are not CouchDB's: %w", err)
	}
	rows, seq := b.take()
	return f.hand(outer, rows, seq)
}

func (f *follower) connected() {
	if f.down && f.o.Log != nil {
		f.o.Log.WithField("database", f.db.Name()).Info("the changes feed is back")
	}
	f.down = false
	f.o.OnState(State{Connected: true, Since: f.since})
}

// pause waits before the next attempt; false: ctx ended meanwhile. A feed that the server ended in good order is followed
// again at once, unless it does nothing but end.
func (f *follower) pause(ctx context.Context, err error) bool {
	var rest time.Duration
	if err != nil || f.failures > 0 {
		rest = f.backoff()
	}
	f.failures++
	if err != nil {
		if f.o.Log != nil && !f.down {
			f.o.Log.WithField("database", f.db.Name()).WithError(err).Warn("the changes feed is lost; trying again until it is back")
		}
		f.down = true
	}
	f.o.OnState(State{Err: err, Failures: f.failures, Wait: rest, Since: f.since})
	if rest == 0 {
		return ctx.Err() == nil
	}
	return wait.For(ctx, rest)
}

func (f *follower) backoff() time.Duration {
	rest := wait.Doubled(f.o.BackoffMin, f.failures+1, f.o.BackoffMax)
	return rest/2 + rand.N(rest/2+1) //nolint:gosec // spreads load; nobody gains by guessing it
}
