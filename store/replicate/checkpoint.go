package replicate

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/adlayer/after/store"
)

// idVersion is the version of the way in which CouchDB 3 keeps checkpoints.
const idVersion = 4

// historyLength is how many sessions a checkpoint remembers.
const historyLength = 50

// entry is one session in the history of a checkpoint.
type entry struct {
	SessionID    string          `json:"session_id"`
	StartTime    string          `json:"start_time"`
	EndTime      string          `json:"end_time"`
	StartLastSeq json.RawMessage `json:"start_last_seq"`
	EndLastSeq   json.RawMessage `json:"end_last_seq"`
	RecordedSeq  json.RawMessage `json:"recorded_seq"`
	Checked      int             `json:"missing_checked"`
	Found        int             `json:"missing_found"`
	Read         int             `json:"docs_read"`
	Written      int             `json:"docs_written"`
	Failed       int             `json:"doc_write_failures"`
	Bulk         int             `json:"bulk_get_docs"`
	Attempts     int             `json:"bulk_get_attempts"`
}

// checkpoint is the document that both ends keep. The order of its members is that of the answer to the client.
type checkpoint struct {
	ID            string          `json:"_id,omitempty"`
	Rev           string          `json:"_rev,omitempty"`
	SessionID     string          `json:"session_id,omitempty"`
	SourceLastSeq json.RawMessage `json:"source_last_seq,omitempty"`
	Version       int             `json:"replication_id_version,omitempty"`
	// Of a replication by ids, for the sake of old clients.
	StartTime string          `json:"start_time,omitempty"`
	EndTime   string          `json:"end_time,omitempty"`
	Read      *int            `json:"docs_read,omitempty"`
	Written   *int            `json:"docs_written,omitempty"`
	Failed    *int            `json:"doc_write_failures,omitempty"`
	History   json.RawMessage `json:"history,omitempty"`
}

func (c *checkpoint) entries() (out []entry) {
	if json.Unmarshal(c.History, &out) != nil {
		return nil // another program's; it counts as none
	}
	return out
}

// load reads an end's checkpoint; a zero one where there is none.
func (p *peer) load(ctx context.Context, id string) (checkpoint, error) {
	var c checkpoint
	err := p.do(ctx, ask{method: http.MethodGet, path: "_local/" + id, read: into(&c)})
	if statusOf(err) == http.StatusNotFound {
		return checkpoint{}, nil
	}
	return c, err
}

// common is the sequence up to which both ends agree that everything was copied, zero where they agree on nothing.
func common(source, target *checkpoint) json.RawMessage {
	if source.SessionID == "" || target.SessionID == "" {
		return zeroSeq
	}
	if source.SessionID == target.SessionID {
		return earlier(target.SourceLastSeq, source.SourceLastSeq)
	}
	theirs := map[string]entry{}
	for _, e := range target.entries() {
		theirs[e.SessionID] = e
	}
	for _, e := range source.entries() {
		if other, ok := theirs[e.SessionID]; ok {
			return earlier(other.RecordedSeq, e.RecordedSeq)
		}
	}
	return zeroSeq
}

// earlier is the earlier of the sequences that both ends remember of one session. They differ where one was written and the other was not, and
// where an end has been put back to what it was: the target lacks what came later, and the source gives those sequences to other documents.
func earlier(target, source json.RawMessage) json.RawMessage {
	switch {
	case len(target) == 0 && len(source) == 0:
		return zeroSeq
	case len(source) == 0:
		return target
	case len(target) == 0 || string(target) == string(source):
		return source
	}
	t, knownTarget := seqNumber(target)
	s, knownSource := seqNumber(source)
	switch {
	case !knownTarget || !knownSource:
		return zeroSeq
	case t < s:
		return target
	}
	return source
}

// seqNumber is the number that a sequence begins with, in the forms of all servers: 5, "5", "5-opaque" and [5, "opaque"].
func seqNumber(seq json.RawMessage) (uint64, bool) {
	text := strings.TrimLeft(string(seq), "[\" ")
	end := strings.IndexFunc(text, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(text)
	}
	n, err := strconv.ParseUint(text[:end], 10, 64)
	return n, err == nil
}

// errMoved tells that an end is no longer the database that the session began with.
var errMoved = errors.New("a database was replaced while it was replicated")

// keeper writes the checkpoints of one session.
type keeper struct {
	s         *session
	id        string
	sessionID string
	began     time.Time
	start     json.RawMessage // where the session's feed began
	before    []byte          // the history before it: elements without brackets
	kept      int
	source    checkpoint // as they were last read or written
	target    checkpoint
}

// open reads both checkpoints and gives the sequence to go on from.
func (k *keeper) open(ctx context.Context) (err error) {
	if k.source, err = k.s.source.load(ctx, k.id); err != nil {
		return err
	}
	if k.target, err = k.s.target.load(ctx, k.id); err != nil {
		return err
	}
	k.start = common(&k.source, &k.target)
	if string(k.start) == string(zeroSeq) {
		return nil // what happened before is of no use to this session
	}
	entries := []json.RawMessage{}
	if json.Unmarshal(k.source.History, &entries) != nil {
		entries = nil
	}
	entries = entries[:min(len(entries), historyLength-1)]
	k.before = bytes.Join(rawBytes(entries), []byte{','})
	k.kept = len(entries)
	return nil
}

func rawBytes(list []json.RawMessage) [][]byte {
	out := make([][]byte, len(list))
	for i, raw := range list {
		out[i] = raw
	}
	return out
}

// record makes the checkpoint that says that all up to seq is done.
func (k *keeper) record(seq json.RawMessage) (checkpoint, error) {
	n := k.s.stats.counters()
	e := entry{
		SessionID: k.sessionID, StartTime: k.began.UTC().Format(http.TimeFormat), EndTime: time.Now().UTC().Format(http.TimeFormat),
		StartLastSeq: k.start, EndLastSeq: seq, RecordedSeq: seq,
		Checked: n.Checked, Found: n.Found, Read: n.Read, Written: n.Written, Failed: n.Failed, Bulk: n.Bulk, Attempts: n.Attempts,
	}
	raw, err := json.Marshal(e)
	if err != nil {
		return checkpoint{}, err
	}
	history := append([]byte{'['}, raw...)
	if k.kept > 0 {
		history = append(append(history, ','), k.before...)
	}
	c := checkpoint{SessionID: k.sessionID, SourceLastSeq: seq, Version: idVersion, History: append(history, ']')}
	if k.s.req.ByID {
		c.StartTime, c.EndTime, c.Read, c.Written, c.Failed = e.StartTime, e.EndTime, &e.Read, &e.Written, &e.Failed
	}
	return c, nil
}

// save writes the checkpoint on both ends, the target first: what it says was written must be there. Before that it looks whether they are still
// the databases that the session began with.
func (k *keeper) save(ctx context.Context, seq json.RawMessage) error {
	c, err := k.record(seq)
	if err != nil {
		return err
	}
	for _, end := range []struct {
		what string
		peer *peer
		info json.RawMessage
		last *checkpoint
	}{{"target", k.s.target, k.s.targetInfo.Started, &k.target}, {"source", k.s.source, k.s.sourceInfo.Started, &k.source}} {
		if err := end.peer.commit(ctx, end.info); err != nil {
			return checkpointError(end.what, err)
		}
		if err := end.peer.store(ctx, k.id, c, end.last); err != nil {
			return checkpointError(end.what, err)
		}
	}
	return nil
}

func checkpointError(what string, err error) error {
	if errors.Is(err, errMoved) || statusOf(err) == 0 {
		return err
	}
	return &store.Error{
		Status: http.StatusInternalServerError, Name: "checkpoint_commit_failure",
		Reason: fmt.Sprintf("Error updating the %s checkpoint document: %v. Whoever replicates must be allowed to write local documents there, "+
			"or ask for `use_checkpoints`: false.", what, err),
	}
}

// commit has the end put everything on disk, and looks whether it is the database that it was.
func (p *peer) commit(ctx context.Context, started json.RawMessage) error {
	var now dbInfo
	err := p.do(ctx, ask{
		method: http.MethodPost, path: "_ensure_full_commit", body: func() ([]byte, error) { return []byte("{}"), nil },
		read: into(&now),
	})
	if err != nil {
		return err
	}
	if known(started) && known(now.Started) && !bytes.Equal(started, now.Started) {
		return errMoved
	}
	return nil
}

// known tells whether an instance_start_time says anything.
func known(at json.RawMessage) bool {
	return len(at) > 0 && string(at) != `"0"` && string(at) != "null"
}

// store writes a checkpoint over the one that was there last.
func (p *peer) store(ctx context.Context, id string, c checkpoint, last *checkpoint) error {
	now, err := p.load(ctx, id)
	if err != nil {
		return err
	}
	if now.SessionID == "" && last.SessionID != "" {
		return errMoved
	}
	c.Rev = now.Rev
	var told struct {
		Rev string `json:"rev"`
	}
	err = p.do(ctx, ask{method: http.MethodPut, path: "_local/" + id, body: jsonBody(c), read: into(&told)})
	if statusOf(err) == http.StatusConflict {
		// It may be there already: an attempt before this one was carried out, and its answer was lost.
		now, failed := p.load(ctx, id)
		if failed != nil || now.SessionID != c.SessionID || sinceText(now.SourceLastSeq) != sinceText(c.SourceLastSeq) {
			return err
		}
		told.Rev, err = now.Rev, nil
	}
	if err != nil {
		return err
	}
	c.Rev = told.Rev
	*last = c
	return nil
}
