package worker

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"github.com/adlayer/after/task"
)

// record is an outcome that could not be written to the database: a line of the spool.
type record struct {
	Database string          `json:"database"`
	Ran      json.RawMessage `json:"ran"`    // the document as the run started from it
	Stored   task.Stored     `json:"stored"` // what the database held of it then
	Next     json.RawMessage `json:"next"`   // the document that should have been written
	Outcome  kept            `json:"outcome"`
}

// kept is an outcome on disk.
type kept struct {
	Started     time.Time       `json:"started"`
	Finished    time.Time       `json:"finished"`
	Result      json.RawMessage `json:"result,omitempty"`
	Error       string          `json:"error,omitempty"`
	Kind        string          `json:"kind,omitempty"`
	Permanent   bool            `json:"permanent,omitempty"`
	Interrupted bool            `json:"interrupted,omitempty"`
	Snooze      time.Duration   `json:"snooze,omitempty"`
	RetryAfter  time.Duration   `json:"retryAfter,omitempty"`
}

func keptOf(o task.Outcome) kept {
	k := kept{
		Started: o.Started, Finished: o.Finished, Result: o.Result, Kind: o.Kind,
		Permanent: o.Permanent, Interrupted: o.Interrupted, Snooze: o.Snooze, RetryAfter: o.RetryAfter,
	}
	if o.Err != nil {
		k.Error = o.Err.Error()
	}
	return k
}

func (k kept) outcome() task.Outcome {
	o := task.Outcome{
		Started: k.Started, Finished: k.Finished, Result: k.Result, Kind: k.Kind,
		Permanent: k.Permanent, Interrupted: k.Interrupted, Snooze: k.Snooze, RetryAfter: k.RetryAfter,
	}
	if k.Error != "" {
		o.Err = errors.New(k.Error)
	}
	return o
}

// spool keeps an entry's outcome for the disk.
func (l *loop) spool(e *entry) {
	act := e.act
	next := act.next
	if next == nil || act.purpose != settle {
		l.writes++ // a number of its own tells it from the write that the run started from
		next = task.Settle(act.ran, *act.outcome, l.view()).Next.WithWrite(l.writes)
	}
	l.spooled = append(l.spooled, record{
		Database: l.config.Database, Ran: act.ran.Encode(), Stored: act.ran.Stored(), Next: next.Encode(), Outcome: keptOf(*act.outcome),
	})
}

// keep puts an outcome that could not be written aside.
func (l *loop) keep(i uint32, e *entry) {
	if e.act.outcome != nil && e.act.run == nil {
		l.spool(e)
		e.act = nil
		l.drop(i, e)
	}
}

// spoolFile is where a member's unwritten outcomes lie.
func spoolFile(folder string) string { return filepath.Join(folder, "spool.ndjson") }

// appendSpool writes records behind those that are there, and syncs them.
func appendSpool(folder string, records []record) error {
	if len(records) == 0 {
		return nil
	}
	return appendRecords(spoolFile(folder), records)
}

func appendRecords(path string, records []record) (err error) {
	var lines bytes.Buffer
	lines.WriteByte('\n') // what is there may end in half a line
	encoder := json.NewEncoder(&lines)
	encoder.SetEscapeHTML(false)
	for _, r := range records {
		if err := encoder.Encode(r); err != nil {
			return fmt.Errorf("encoding an outcome for the spool: %w", err)
		}
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // the path is our own state folder
	if err != nil {
		return fmt.Errorf("opening the spool: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	if _, err := file.Write(lines.Bytes()); err != nil {
		return fmt.Errorf("writing %d outcomes to the spool: %w", len(records), err)
	}
	if err := file.Sync(); err != nil {
		return fmt.Errorf("syncing the spool: %w", err)
	}
	return nil
}

// readSpool reads the records of an earlier incarnation. A line that a crash cut short is left out.
func readSpool(folder string) ([]record, error) {
	file, err := os.Open(spoolFile(folder))
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the spool: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	var records []record
	reader := bufio.NewReader(file)
	for {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return records, nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the spool: %w", err)
		}
		var r record
		if json.Unmarshal(line, &r) == nil {
			records = append(records, r)
		}
	}
}

// replay writes what an earlier incarnation could not, and empties the spool once the database has all of it.
func (l *loop) replay(ctx context.Context, folder string) error {
	records, err := readSpool(folder)
	if err != nil || len(records) == 0 {
		return err
	}
	l.log.Infof("writing %d outcomes of an earlier run from the spool", len(records))
	var batch []write
	var left []record
	spooled := map[uint32]record{}
	for i, r := range records {
		next, err := task.Decode(r.Next)
		if err != nil || r.Database != l.config.Database {
			left = append(left, r)
			continue
		}
		index := uint32(i)
		spooled[index] = r
		batch = append(batch, write{index: index, doc: next})
	}
	for len(batch) > 0 {
		var again []write
		failed := false
		sent := map[uint32]*task.Task{}
		for _, w := range batch {
			sent[w.index] = w.doc
		}
		for _, a := range l.sender.send(ctx, batch) {
			switch r := spooled[a.index]; {
			case a.unwritten:
				return fmt.Errorf("writing outcomes from the spool: %w", context.Cause(ctx))
			case a.again:
				again, failed = append(again, write{index: a.index, doc: sent[a.index]}), true
			case a.refused != nil:
				left = append(left, r) // whoever refuses it now may take it at the next start
				l.log.WithError(a.refused).WithField("outcome", string(r.Next)).Error("the database refuses an outcome from the spool")
			case a.theirs != nil:
				if next := l.resolveSpooled(r, a.theirs); next != nil {
					again = append(again, write{index: a.index, doc: next})
				}
			}
		}
		if failed && !wait(ctx, backoffFirst) {
			return fmt.Errorf("writing outcomes from the spool: %w", context.Cause(ctx))
		}
		batch = again
	}
	return l.emptySpool(folder, left)
}

// resolveSpooled gives the document to write where the database has another one than the outcome expected; nil for none.
func (l *loop) resolveSpooled(r record, theirs *task.Task) *task.Task {
	ran, err := task.Decode(r.Ran)
	if err != nil {
		return nil
	}
	next, err := task.Decode(r.Next)
	if err != nil || theirs.Claim != nil && next.Claim != nil && *theirs.Claim == *next.Claim {
		return nil // it arrived before, and only the answer was lost
	}
	if l.takenOver(r.Stored, theirs) {
		l.log.WithField("task", theirs.ID).WithField("outcome", string(r.Next)).Warn("another member has taken the task over: the outcome from the spool is only here")
		return nil
	}
	return task.Resolve(ran.WithStored(r.Stored), r.Outcome.outcome(), theirs, l.view()).Next
}

// emptySpool leaves in the spool what could not be written; at no instant is that nowhere.
func (l *loop) emptySpool(folder string, left []record) error {
	path := spoolFile(folder)
	if len(left) == 0 {
		if err := os.Remove(path); err != nil {
			return fmt.Errorf("emptying the spool: %w", err)
		}
		return nil
	}
	kept := path + ".new"
	if err := os.Remove(kept); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("emptying the spool: %w", err)
	}
	if err := appendRecords(kept, left); err != nil {
		return err
	}
	if err := os.Rename(kept, path); err != nil {
		return fmt.Errorf("emptying the spool: %w", err)
	}
	return nil
}
