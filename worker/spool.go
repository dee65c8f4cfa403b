package worker

import (
	"bufio"
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"time"

	"github.com/adlayer/after/task"
)

// The spool is a file of lines, each one the last word on a task: an outcome that the database does not have, or that there is
// none any more. Two kinds of outcomes lie there: those that could not be written before the worker had to go, and those that the
// database refuses. The task of a refused one is left alone, here and at later starts, until its document changes.

// record is a line of the spool.
type record struct {
	Database string `json:"database"`
	ID       string `json:"id"`
	// Over says that the spool holds nothing for the task any more; all that follows is empty then.
	Over bool `json:"over,omitempty"`
	// Rev is the revision that the outcome was to replace.
	Rev string `json:"rev,omitempty"`
	// Ran is the document as the run started from it, and Stored what the database held of it then.
	Ran    json.RawMessage `json:"ran,omitempty"`
	Stored task.Stored     `json:"stored,omitzero"`
	// Incarnation and Write make the same document of it again that was to be written.
	Incarnation string `json:"incarnation,omitempty"`
	Write       int64  `json:"write,omitempty"`
	Outcome     kept   `json:"outcome,omitzero"`
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
	Why         string          `json:"why,omitempty"`
	RetryAfter  time.Duration   `json:"retryAfter,omitempty"`
	Code        int64           `json:"code,omitempty"`
	Covered     time.Time       `json:"covered,omitzero"`
	Note        string          `json:"note,omitempty"`
	Remove      bool            `json:"remove,omitempty"`
	Await       time.Duration   `json:"await,omitempty"`
}

func keptOf(o task.Outcome) kept {
	k := kept{
		Started: o.Started, Finished: o.Finished, Result: o.Result, Kind: o.Kind,
		Permanent: o.Permanent, Interrupted: o.Interrupted, Snooze: o.Snooze, Why: o.Why, RetryAfter: o.RetryAfter,
		Code: o.Code, Covered: o.Covered, Note: o.Note, Remove: o.Remove, Await: o.Await,
	}
	if o.Err != nil {
		k.Error = o.Err.Error()
	}
	return k
}

func (k kept) outcome() task.Outcome {
	o := task.Outcome{
		Started: k.Started, Finished: k.Finished, Result: k.Result, Kind: k.Kind,
		Permanent: k.Permanent, Interrupted: k.Interrupted, Snooze: k.Snooze, Why: k.Why, RetryAfter: k.RetryAfter,
		Code: k.Code, Covered: k.Covered, Note: k.Note, Remove: k.Remove, Await: k.Await,
	}
	if k.Error != "" {
		o.Err = errors.New(k.Error)
	}
	return o
}

// ran gives the task as the run started from it.
func (r record) ran() (*task.Task, error) {
	ran, err := task.Decode(r.Ran)
	if err != nil {
		return nil, fmt.Errorf("reading what is in the spool of task %s: %w", r.ID, err)
	}
	return ran.WithStored(r.Stored), nil
}

// next gives the document that was to be written, if nobody edits the task.
func (r record) next(v task.View) (*task.Task, error) {
	ran, err := r.ran()
	if err != nil {
		return nil, err
	}
	v.Now, v.Self.Incarnation = r.Outcome.Finished, r.Incarnation
	return task.Settle(ran, r.Outcome.outcome(), v).Next.WithWrite(r.Write), nil
}

// spool keeps an entry's outcome for the disk, in place of the document rev.
func (l *loop) spool(e *entry, rev string) {
	l.writes++ // a number of its own tells it from the write that the run started from
	r := record{
		Database: l.config.Database, ID: e.id, Rev: rev, Ran: e.act.ran.Encode(), Stored: e.act.ran.Stored(),
		Incarnation: l.self.Incarnation, Write: l.writes, Outcome: keptOf(*e.act.outcome),
	}
	if next := e.act.next; next != nil && e.act.purpose == settle && next.Claim != nil {
		r.Write = next.Claim.Write // it may have arrived after all
	}
	l.spooled = append(l.spooled, r)
}

// keep puts an outcome that could not be written aside.
func (l *loop) keep(i uint32, e *entry) {
	if e.act.outcome != nil && e.act.run == nil {
		l.spool(e, e.act.ran.Rev)
		e.act = nil
		l.drop(i, e)
	}
}

// spoolFile is where a member's unwritten outcomes lie.
func spoolFile(folder string) string { return filepath.Join(folder, "spool.ndjson") }

// spot is where a record lies in the spool.
type spot struct {
	at   int64
	size int
}

// appendRecords writes records behind those that are there, syncs them, and says where they are.
func appendRecords(path string, records []record) (spots []spot, err error) {
	if len(records) == 0 {
		return nil, nil
	}
	var lines bytes.Buffer
	lines.WriteByte('\n') // what is there may end in half a line
	encoder := json.NewEncoder(&lines)
	encoder.SetEscapeHTML(false)
	for _, r := range records {
		start := lines.Len()
		if err := encoder.Encode(r); err != nil {
			return nil, fmt.Errorf("encoding an outcome for the spool: %w", err)
		}
		spots = append(spots, spot{at: int64(start), size: lines.Len() - start})
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600) //nolint:gosec // the path is our own state folder
	if err != nil {
		return nil, fmt.Errorf("opening the spool: %w", err)
	}
	defer func() { err = errors.Join(err, file.Close()) }()
	end, err := file.Seek(0, io.SeekEnd)
	if err != nil {
		return nil, fmt.Errorf("finding the end of the spool: %w", err)
	}
	if _, err := file.Write(lines.Bytes()); err != nil {
		return nil, fmt.Errorf("writing %d outcomes to the spool: %w", len(records), err)
	}
	if err := file.Sync(); err != nil {
		return nil, fmt.Errorf("syncing the spool: %w", err)
	}
	for i := range spots {
		spots[i].at += end
	}
	return spots, nil
}

// readSpool reads what earlier incarnations left: the last record of each task. A line that a crash cut short is left out.
func readSpool(path string) ([]record, error) {
	file, err := os.Open(path) //nolint:gosec // the path is our own state folder
	if errors.Is(err, os.ErrNotExist) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("opening the spool: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	var records []record
	type key struct{ database, id string }
	known := map[key]int{}
	reader := bufio.NewReader(file)
	for {
		line, err := reader.ReadBytes('\n')
		if errors.Is(err, io.EOF) {
			return living(records), nil
		}
		if err != nil {
			return nil, fmt.Errorf("reading the spool: %w", err)
		}
		var r record
		if json.Unmarshal(line, &r) != nil || r.ID == "" {
			continue
		}
		if i, ok := known[key{r.Database, r.ID}]; ok {
			records[i] = r
			continue
		}
		known[key{r.Database, r.ID}] = len(records)
		records = append(records, r)
	}
}

// living leaves out the records that only say that there is nothing more.
func living(records []record) []record {
	return slices.DeleteFunc(records, func(r record) bool { return r.Over })
}

// readRecord reads one record back.
func readRecord(path string, where spot) (r record, err error) {
	file, err := os.Open(path) //nolint:gosec // the path is our own state folder
	if err != nil {
		return r, fmt.Errorf("opening the spool: %w", err)
	}
	defer file.Close() //nolint:errcheck // only read
	line := make([]byte, where.size)
	if _, err := file.ReadAt(line, where.at); err != nil {
		return r, fmt.Errorf("reading the spool: %w", err)
	}
	if err := json.Unmarshal(line, &r); err != nil {
		return r, fmt.Errorf("reading the spool: %w", err)
	}
	return r, nil
}
