package httpd_test

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/anishathalye/porcupine"

	"github.com/adlayer/after/internal/torture"
	"github.com/adlayer/after/store"
)

// opKind is a way to read or write.
type opKind int

const (
	opGet opKind = iota
	opPut
	opBulk
	opDelete
	opCopy
	opFeed // the whole of _changes
	opKinds
)

// opInput is a request: about one document, but for opFeed. A write follows rev, or makes the document where it is empty.
type opInput struct {
	kind    opKind
	id, rev string
}

// entry is a document as it is: its revision, and whether that is a deletion.
type entry struct {
	id, rev string
	deleted bool
}

// opOutput is an answer: of a read what was there, of a write the new revision, nothing for a conflict.
type opOutput struct {
	rev     string
	deleted bool
	feed    []entry
}

// stateModel is documents that change by comparing their revision, in the order of their last changes: that is what a feed tells.
func stateModel() porcupine.Model {
	return porcupine.Model{
		Init: func() any { return []entry(nil) },
		Step: func(state, in, out any) (bool, any) {
			s, _ := state.([]entry)
			asked, _ := in.(opInput)
			got, _ := out.(opOutput)
			return step(s, asked, got)
		},
		Equal: func(a, b any) bool {
			x, _ := a.([]entry)
			y, _ := b.([]entry)
			return slices.Equal(x, y)
		},
	}
}

func step(s []entry, asked opInput, got opOutput) (bool, []entry) {
	at := slices.IndexFunc(s, func(e entry) bool { return e.id == asked.id })
	current := entry{id: asked.id}
	if at >= 0 {
		current = s[at]
	}
	switch asked.kind {
	case opFeed:
		return slices.Equal(got.feed, s), s
	case opGet:
		return got.rev == current.rev && got.deleted == current.deleted || got.rev == "" && got.deleted && current.deleted, s
	case opPut, opBulk, opCopy, opDelete, opKinds:
	}
	// A document that is deleted, or was never there, is made without naming a revision.
	follows := current.rev
	if current.deleted {
		follows = ""
	}
	if asked.rev != follows {
		return got.rev == "", s
	}
	next := slices.Clone(s)
	if at >= 0 {
		next = slices.Delete(next, at, at+1)
	}
	return got.rev != "", append(next, entry{asked.id, got.rev, asked.kind == opDelete})
}

// TestLinearizable writes, deletes, makes again, copies over, reads and follows few documents from many clients over HTTP. Porcupine looks for
// an order in which every answer makes sense; what feeds tell from a sequence on is compared with the times of the writes.
func TestLinearizable(t *testing.T) {
	t.Parallel()
	s := start(t, store.Options{})
	s.want("PUT", "/db", "", 201)
	seed := torture.Seed(t)
	run := &linearRun{s: s, begin: time.Now()}
	follower := run.follow()
	var wg sync.WaitGroup
	for client := range 6 {
		r := rand.New(rand.NewPCG(seed, uint64(client)))
		wg.Go(func() { run.client(client, r, 50) })
	}
	wg.Wait()
	run.one(7, opInput{kind: opPut, id: "marker"}, 0)
	rows := follower("marker")
	// The histories are short enough that an answer comes at once; one that does not is no proof.
	switch porcupine.CheckOperationsTimeout(stateModel(), run.history, 2*time.Minute) {
	case porcupine.Illegal:
		t.Error("no order of the requests explains the answers")
	case porcupine.Unknown:
		t.Error("the check was not finished in time")
	case porcupine.Ok:
	}
	run.compareFeeds(rows)
}

// linearRun is a history in the making.
type linearRun struct {
	s     *server
	begin time.Time

	mu      sync.Mutex
	history []porcupine.Operation
	reads   []feedRead
}

func (l *linearRun) now() int64 { return time.Since(l.begin).Nanoseconds() }

// client sends n requests, mostly with the revision that it knows.
func (l *linearRun) client(id int, r *rand.Rand, n int) {
	last := map[string]string{}
	since := feedRead{last: "0"}
	for i := range n {
		in := opInput{kind: opKind(r.IntN(int(opKinds))), id: strconv.Itoa(r.IntN(3))}
		if in.rev = last[in.id]; in.kind == opDelete && in.rev == "" {
			in.kind = opPut
		}
		if in.kind == opFeed && i%2 == 0 {
			since = l.readFeed(since)
			continue
		}
		out := l.one(id, in, id*1000+i)
		switch {
		case in.kind == opFeed:
		case in.kind == opGet && out.deleted, in.kind == opDelete && out.rev != "":
			last[in.id] = ""
		case out.rev != "":
			last[in.id] = out.rev
		default: // a conflict: look what is there, sometimes
			if got := l.one(id, opInput{kind: opGet, id: in.id}, 0); !got.deleted {
				last[in.id] = got.rev
			} else {
				last[in.id] = ""
			}
		}
	}
}

// one sends a request and puts it into the history.
func (l *linearRun) one(client int, in opInput, n int) opOutput {
	op := porcupine.Operation{ClientId: client, Input: in, Call: l.now()}
	out := l.s.linear(in, n)
	op.Return = l.now()
	op.Output = out
	l.mu.Lock()
	defer l.mu.Unlock()
	l.history = append(l.history, op)
	return out
}

// linear sends one request; n makes what it writes its own.
func (s *server) linear(in opInput, n int) opOutput {
	if in.kind == opFeed {
		return opOutput{feed: entries(s.feed("0").rows)}
	}
	status, answer := s.linearRequest(in, n)
	var row struct {
		Rev    string
		Rev2   string `json:"_rev"`
		Reason string
	}
	if in.kind == opBulk {
		answer = strings.Trim(answer, "[]\n")
	}
	if err := json.Unmarshal([]byte(answer), &row); err != nil {
		s.t.Errorf("%+v: %d %s: %v", in, status, answer, err)
	}
	switch {
	case in.kind == opGet && status == http.StatusNotFound:
		return opOutput{deleted: row.Reason == "deleted"}
	case status == http.StatusConflict, in.kind == opDelete && status == http.StatusNotFound && row.Reason == "deleted":
		return opOutput{}
	case status >= http.StatusBadRequest:
		s.t.Errorf("%+v: %d %s", in, status, answer)
	}
	return opOutput{rev: row.Rev + row.Rev2}
}

func (s *server) linearRequest(in opInput, n int) (status int, answer string) {
	rev, query := "", ""
	if in.rev != "" {
		rev, query = `"_rev":"`+in.rev+`",`, "?rev="+in.rev
	}
	body := fmt.Sprintf(`{"_id":%q,%s"n":%d}`, in.id, rev, n)
	switch in.kind {
	case opPut:
		return s.do("PUT", "/db/"+in.id, body)
	case opBulk:
		return s.do("POST", "/db/_bulk_docs", `{"docs":[`+body+`]}`)
	case opDelete:
		return s.do("DELETE", "/db/"+in.id+query, "")
	case opCopy:
		// Of a document of its own, so that the copy is told from all others.
		source := fmt.Sprintf("/db/_local/source-%d", n)
		s.want("PUT", source, fmt.Sprintf(`{"n":%d}`, n), 201)
		return s.copyTo(source, in.id+query)
	case opGet, opFeed, opKinds:
	}
	return s.do("GET", "/db/"+in.id, "")
}
