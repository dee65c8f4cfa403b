package httpd_test

import (
	"bufio"
	"context"
	"encoding/json"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// feedRow is a row of _changes.
type feedRow struct {
	Seq     string
	ID      string
	Deleted bool
	Changes []struct{ Rev string }
}

// seqNumber is the part of a sequence that says which of two is later.
func seqNumber(seq string) int {
	text, _, _ := strings.Cut(seq, "-")
	n, err := strconv.Atoi(text)
	if err != nil {
		return -1
	}
	return n
}

// feedRead is a feed that was read from a sequence on, and when.
type feedRead struct {
	since       string
	known       int64 // when the read that gave since was answered
	call, ended int64
	rows        []feedRow
	last        string
}

func (s *server) feed(since string) feedRead {
	s.t.Helper()
	var answer struct {
		Results []feedRow
		Last    string `json:"last_seq"`
	}
	raw := s.want("GET", "/db/_changes?since="+url.QueryEscape(since), "", http.StatusOK)
	if err := json.Unmarshal([]byte(raw), &answer); err != nil {
		s.t.Error(err)
	}
	return feedRead{since: since, rows: answer.Results, last: answer.Last}
}

func entries(rows []feedRow) (out []entry) {
	for _, r := range rows {
		out = append(out, entry{r.ID, r.Changes[0].Rev, r.Deleted})
	}
	return out
}

// readFeed reads on from where another read ended.
func (l *linearRun) readFeed(before feedRead) feedRead {
	call := l.now()
	read := l.s.feed(before.last)
	read.known, read.call, read.ended = before.ended, call, l.now()
	l.mu.Lock()
	defer l.mu.Unlock()
	l.reads = append(l.reads, read)
	return read
}

// follow opens a continuous feed; what it gives reads that feed up to the row of a document.
func (l *linearRun) follow() (until func(id string) []feedRow) {
	ctx, cancel := context.WithCancel(l.s.t.Context())
	res := l.s.open(ctx, "GET", "/db/_changes?feed=continuous&heartbeat=10000", "") //nolint:bodyclose // the cleanup closes it
	rows := make(chan feedRow, 1000)                                                // more than are ever written
	go func() {
		defer close(rows)
		lines := bufio.NewScanner(res.Body)
		for lines.Scan() {
			var row feedRow
			if lines.Text() == "" {
				continue
			}
			if err := json.Unmarshal(lines.Bytes(), &row); err != nil || len(row.Changes) == 0 {
				return // the end of the test
			}
			rows <- row
		}
	}()
	l.s.t.Cleanup(func() {
		cancel()
		_ = res.Body.Close()
	})
	return func(id string) (out []feedRow) {
		for row := range rows {
			out = append(out, row)
			if row.ID == id {
				return out
			}
		}
		l.s.t.Error("the continuous feed ended before the last write")
		return out
	}
}

// compareFeeds compares what feeds told with the times of the writes.
func (l *linearRun) compareFeeds(followed []feedRow) {
	t := l.s.t
	t.Helper()
	l.reads = append(l.reads, feedRead{since: "0", call: l.now(), rows: followed, last: followed[len(followed)-1].Seq})
	seqs := map[entry]int{}
	at := 0
	for i, read := range l.reads {
		before := seqNumber(read.since)
		seen := map[string]string{}
		for _, row := range read.rows {
			at++
			n, e := seqNumber(row.Seq), entry{row.ID, row.Changes[0].Rev, row.Deleted}
			if n <= before {
				t.Errorf("the row %+v of a feed since %s comes behind %d", row, read.since, before)
			}
			before = n
			if known, ok := seqs[e]; ok && known != n {
				t.Errorf("%+v has the sequence %d, and %d elsewhere", e, n, known)
			}
			seqs[e] = n
			if rev, twice := seen[row.ID]; twice && (i < len(l.reads)-1 || rev == e.rev) {
				t.Errorf("a feed since %s shows %s twice", read.since, row.ID)
			}
			seen[row.ID] = e.rev
		}
		if seqNumber(read.last) < before {
			t.Errorf("a feed since %s ends with %s, before its last row", read.since, read.last)
		}
		l.compareWrites(read, seen)
	}
	if at < len(l.reads) {
		t.Errorf("%d feeds have shown %d rows: too few to tell anything", len(l.reads), at)
	}
	l.compareTimes(seqs)
}

// compareWrites looks for each write that was asked for after the feed's beginning was known, and answered before it was read: the feed shows
// it, or a later one.
func (l *linearRun) compareWrites(read feedRead, seen map[string]string) {
	t := l.s.t
	t.Helper()
	for _, op := range l.history {
		in, _ := op.Input.(opInput)
		out, _ := op.Output.(opOutput)
		if in.kind == opGet || in.kind == opFeed || out.rev == "" || op.Call < read.known || op.Return > read.call {
			continue
		}
		got, ok := seen[in.id]
		if !ok {
			t.Errorf("a feed since %s does not show %s of %s, which was answered before", read.since, out.rev, in.id)
		} else if seqNumber(got) < seqNumber(out.rev) { // generations, in the same form
			t.Errorf("a feed since %s shows %s of %s, of which %s was answered before", read.since, got, in.id, out.rev)
		}
	}
}

// compareTimes holds sequences to the order of writes of which one was answered before the other was asked for.
func (l *linearRun) compareTimes(seqs map[entry]int) {
	t := l.s.t
	t.Helper()
	type timed struct {
		seq         int
		call, ended int64
	}
	var writes []timed
	for _, op := range l.history {
		in, _ := op.Input.(opInput)
		out, _ := op.Output.(opOutput)
		if n, shown := seqs[entry{in.id, out.rev, in.kind == opDelete}]; shown && in.kind != opGet && in.kind != opFeed {
			writes = append(writes, timed{n, op.Call, op.Return})
		}
	}
	for _, a := range writes {
		for _, b := range writes {
			if a.ended < b.call && a.seq >= b.seq {
				t.Errorf("a write has the sequence %d, one that was asked for after its answer has %d", a.seq, b.seq)
			}
		}
	}
}

// copyTo copies a document.
func (s *server) copyTo(path, destination string) (int, string) {
	s.t.Helper()
	req, err := http.NewRequestWithContext(s.t.Context(), "COPY", s.url+path, http.NoBody)
	if err != nil {
		s.t.Fatal(err)
	}
	req.SetBasicAuth("admin", "secret")
	req.Header.Set("Destination", destination)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		s.t.Fatal(err)
	}
	defer res.Body.Close()
	raw, err := io.ReadAll(res.Body)
	if err != nil {
		s.t.Fatal(err)
	}
	return res.StatusCode, string(raw)
}
