package httpd

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/adlayer/after/store"
)

// feed sends changes. Rows are gathered into a buffer from a short-lived snapshot and written when it is full or nothing more is ready, so
// that a slow reader holds nothing of the store, and one that waits has no buffer.
type feed struct {
	c    *call
	q    *changesQuery
	db   *store.Database
	last uint64 // the newest sequence that was dealt with
	sent int    // rows
	told int    // of them, to those who count
	buf  []byte
	held *bytes.Buffer // whose memory buf is; nil while the feed waits
	ctl  *http.ResponseController

	sub  *store.Subscription // nil for a feed that does not wait
	scan bool                // everything behind last has to be looked at, not only
	due  []uint64            // what the subscription told

	dropped int64 // rows that were not wanted, since the feed last waited

	within bool   // the snapshot is being walked through, and cannot be given back
	later  uint64 // a row whose attachments are sent once it is not

	head bool        // the head of the answer has gone out
	revs []store.Rev // those that a filter function let through, for the row being added
}

const (
	feedBuffer = 128 << 10
	feedSlice  = 200 * time.Millisecond // for which a view is held, and heartbeats wait
	sliceRows  = 256                    // between two looks at the clock
)

// hold takes a buffer for rows.
func (f *feed) hold() {
	if f.held == nil {
		f.held = getBuffer()
		f.held.Grow(feedBuffer + feedBuffer/4)
		f.buf = f.held.AvailableBuffer()
	}
}

// rest gives the buffer, which has been flushed, back.
func (f *feed) rest() {
	if f.held != nil {
		putBuffer(f.held)
		f.held, f.buf = nil, nil
	}
}

func (f *feed) run() error {
	// Before anything is sent, so that a database that has gone is a 404.
	snap, err := f.db.Snapshot()
	if err != nil {
		return err
	}
	_ = snap.Close() // the reads have told all there is
	f.hold()
	defer f.rest()
	f.ctl = http.NewResponseController(f.c.w)
	if f.q.feed == "eventsource" {
		f.c.w.Header().Set("Cache-Control", "no-cache")
		f.c.setHead("text/event-stream")
	} else {
		f.c.setHead("application/json")
	}
	if f.q.feed == "normal" && f.c.w.Header().Get("ETag") == "" {
		f.c.w.Header().Set("ETag", f.c.changesTag())
	}
	f.open()
	if err := f.follow(); err != nil {
		if e, ok := errors.AsType[*store.Error](err); ok {
			return f.refuse(e)
		}
		// The head has gone out: all that can be told now is that the answer is not complete.
		f.c.s.log.WithError(err).WithField("database", f.db.Name()).Debug("store: a feed ended early")
		panic(http.ErrAbortHandler)
	}
	return nil
}

// refuse ends the feed with an error: as the answer, or where that has begun as its last line.
func (f *feed) refuse(e *store.Error) error {
	if !f.head {
		f.c.w.Header().Del("ETag")
		return e
	}
	f.buf = append(appendError(append(f.buf, '\n'), e), '\n')
	return f.flush()
}

// open writes what comes before the first row.
func (f *feed) open() {
	switch f.q.feed {
	case "continuous", "eventsource":
		f.beat()
	default:
		f.buf = append(f.buf, `{"results":[`...)
		f.buf = append(f.buf, '\n')
	}
}

// beat writes an empty message.
func (f *feed) beat() {
	if f.q.feed == "eventsource" {
		f.buf = append(f.buf, "event: heartbeat\ndata: \n\n"...)
	} else {
		f.buf = append(f.buf, '\n')
	}
}

func (f *feed) flush() error {
	if len(f.buf) == 0 {
		return nil
	}
	if !f.head {
		f.head = true
		f.c.w.WriteHeader(http.StatusOK)
	}
	if f.q.includeDocs {
		f.c.s.counts.reads.Add(int64(f.sent - f.told))
		f.told = f.sent
	}
	_, err := f.c.w.Write(f.buf)
	f.buf = f.buf[:0]
	if err == nil && f.q.feed != "normal" {
		err = f.ctl.Flush()
	}
	return err
}

func (f *feed) follow() error {
	if !f.c.s.feeds.enter() {
		return store.ErrClosed
	}
	defer f.c.s.feeds.leave()
	if f.q.descending {
		return f.descend()
	}
	clock := newFeedClock(f.q)
	defer clock.stop()
	f.scan = true
	if f.q.feed != "normal" {
		f.sub = f.db.Subscribe(f.q.interest)
		defer f.sub.Close()
		f.c.s.counts.feeds.Add(1)
		defer f.c.s.counts.feeds.Add(-1)
	}
	for {
		f.hold()
		pending, full, err := f.gather()
		if err != nil {
			return err
		}
		done := f.full() || f.q.feed == "normal" || (f.q.feed == "longpoll" && f.sent > 0)
		switch {
		case full && !f.full():
			if err := f.pass(clock); err != nil {
				return err
			}
			continue
		case done || f.db.Gone():
			f.close(pending)
			return f.flush()
		}
		if err := f.flush(); err != nil {
			return err
		}
		f.rest()
		f.dropped = 0
		ended, err := f.wait(clock)
		if err != nil {
			return err
		}
		if ended {
			f.hold()
			if _, _, err := f.gather(); err != nil { // the writes that it was not told of move last
				f.c.s.log.WithError(err).WithField("database", f.db.Name()).Debug("store: a feed ends behind the newest change")
			}
			f.close(0)
			return f.flush()
		}
	}
}

// ended tells why the answer need not go on: nobody waits for it, or the server ends.
func (f *feed) ended() error {
	select {
	case <-f.c.r.Context().Done():
		return context.Cause(f.c.r.Context())
	case <-f.c.s.ctx.Done():
		return context.Cause(f.c.s.ctx)
	default:
		return nil
	}
}

// pass sends what there is of a long way through the changes, and a heartbeat where one is due.
func (f *feed) pass(clock *feedClock) error {
	if err := f.ended(); err != nil {
		return err
	}
	select {
	case <-clock.beat():
		f.beat()
	default:
	}
	if f.q.function != nil && f.q.feed == "normal" && len(f.buf) < feedBuffer {
		return nil // an error can still be told with its status
	}
	return f.flush()
}

// wait blocks until there may be news, sending heartbeats. ended tells that the feed is over.
func (f *feed) wait(clock *feedClock) (ended bool, err error) {
	for {
		select {
		case <-f.sub.Ready():
			return false, nil
		case <-f.c.r.Context().Done():
			return true, context.Cause(f.c.r.Context())
		case <-f.c.s.ctx.Done():
			return true, nil
		case <-clock.timeout():
			return true, nil
		case <-clock.beat():
			f.beat()
			if err := f.flush(); err != nil {
				return true, err
			}
		}
	}
}

func (f *feed) full() bool { return f.q.limit >= 0 && f.sent >= f.q.limit }

// gather reads rows behind last into the buffer: until there are no more, the buffer is full, the limit is reached or it has taken long.
// pending is the number of rows behind the last one.
func (f *feed) gather() (pending int64, more bool, err error) {
	f.scan = f.scan || f.q.function != nil // which is asked about many rows at once
	snap, err := f.view()
	if err != nil {
		if f.db.Gone() {
			return 0, false, nil
		}
		return 0, false, err
	}
	defer snap.Close() //nolint:errcheck // the reads have told all there is
	seq := snap.Seq()  // reading may renew the snapshot
	if !f.full() {
		if more, err = f.read(snap); err != nil {
			return 0, false, err
		}
	}
	if f.q.counted {
		pending = f.dropped
	}
	if f.full() {
		behind, err := f.db.Pending(f.last)
		return pending + behind, more, err
	}
	if !more {
		f.last = max(f.last, seq)
		f.scan = false
	}
	return pending, more, nil
}

// view takes a snapshot, and what the subscription tells of the writes up to it.
func (f *feed) view() (*store.Snapshot, error) {
	if f.sub == nil {
		return f.db.Snapshot()
	}
	snap, due, all, err := f.sub.Take()
	f.scan = f.scan || all
	f.due = append(f.due, due...)
	if f.scan {
		f.due = f.due[:0]
	}
	return snap, err
}

// read adds the rows of a view that are wanted; more tells that it stopped before their end.
func (f *feed) read(snap *store.Snapshot) (more bool, err error) {
	if f.q.function != nil {
		return f.readFunction(snap)
	}
	if !f.scan {
		return f.readDue(snap)
	}
	began := time.Now()
	looked := 0
	f.within = true
	err = snap.Changes(f.last, func(row *store.Row) error {
		taken, err := f.take(snap, row)
		if err != nil {
			return err
		}
		if !taken {
			f.dropped++
		}
		looked++
		if f.later != 0 || f.full() || len(f.buf) >= feedBuffer || looked%sliceRows == 0 && time.Since(began) > feedSlice {
			more = true
			return store.ErrStop
		}
		return nil
	})
	f.within = false
	if err == nil && f.later != 0 {
		err = f.addLater(snap)
	}
	return more, err
}

// readDue adds the rows that the subscription told of.
func (f *feed) readDue(snap *store.Snapshot) (more bool, err error) {
	for i, seq := range f.due {
		if f.full() || len(f.buf) >= feedBuffer {
			f.due = append(f.due[:0], f.due[i:]...)
			return true, nil
		}
		row, err := snap.At(seq)
		if err != nil {
			return false, err
		}
		if row != nil && seq > f.last {
			if _, err := f.take(snap, row); err != nil {
				return false, err
			}
		}
	}
	f.due = f.due[:0]
	return f.full(), nil
}

// close writes what comes behind the last row.
func (f *feed) close(pending int64) {
	b := f.buf
	switch f.q.feed {
	case "eventsource":
		return
	case "continuous":
		b = append(b, `{"last_seq":"`...)
	default:
		if f.sent > 0 {
			b = append(b, '\n')
		}
		b = append(b, "],\n\"last_seq\":\""...)
	}
	if b = appendSeq(b, f.db, f.last); f.q.updates {
		f.buf = append(b, "\"}\n"...)
		return
	}
	b = append(b, `","pending":`...)
	f.buf = append(strconv.AppendInt(b, pending, 10), "}\n"...)
}
