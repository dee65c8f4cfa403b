package replicate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
)

const (
	flushBytes = 512 << 10
	flushDocs  = 500
)

// outbox are documents on their way to the target.
type outbox struct {
	docs []*revision
	size int
}

// put writes a document, sooner or later.
func (b *batch) put(ctx context.Context, d *revision) error {
	b.out.docs = append(b.out.docs, d)
	b.out.size += len(d.raw)
	if b.out.size < flushBytes && len(b.out.docs) < flushDocs {
		return nil
	}
	if err := b.flush(ctx); err != nil {
		return finalError{err} // asking the source again does not mend the target
	}
	return nil
}

// flush writes what waits to be written.
func (b *batch) flush(ctx context.Context) error {
	docs := b.out.docs
	b.out = outbox{}
	return b.write(ctx, docs)
}

// write sends documents. A request that is refused as a whole because of what is in it is divided until the guilty one stands alone.
func (b *batch) write(ctx context.Context, docs []*revision) error {
	if len(docs) == 0 {
		return nil
	}
	err := b.send(ctx, docs)
	switch status := statusOf(err); {
	case err == nil:
		return nil
	case status != http.StatusBadRequest && status != http.StatusRequestEntityTooLarge && status != http.StatusPreconditionFailed:
		return err
	case len(docs) == 1:
		b.refuse(docs[0].ID, err)
		return nil
	}
	half := len(docs) / 2
	if err := b.write(ctx, docs[:half]); err != nil {
		return err
	}
	return b.write(ctx, docs[half:])
}

type bulkResult struct {
	ID     string `json:"id"`
	Rev    string `json:"rev"`
	Error  string `json:"error"`
	Reason string `json:"reason"`
}

func (b *batch) send(ctx context.Context, docs []*revision) error {
	var results []json.RawMessage
	err := b.target.do(ctx, ask{
		method: http.MethodPost, path: "_bulk_docs",
		body: func() ([]byte, error) { return bulkBody(docs), nil },
		read: into(&results),
	})
	if err != nil {
		return err
	}
	return b.judge(ctx, docs, results)
}

func bulkBody(docs []*revision) []byte {
	size := 64
	for _, d := range docs {
		size += len(d.raw) + 1
	}
	body := append(make([]byte, 0, size), `{"new_edits":false,"docs":[`...)
	for i, d := range docs {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, d.raw...)
	}
	return append(body, "]}"...)
}

// judge looks at what became of each document. One that the target refuses is counted and left out; one that it could not write just now is
// written again, alone.
func (b *batch) judge(ctx context.Context, docs []*revision, results []json.RawMessage) error {
	var again []*revision
	failed := 0
	for _, raw := range results {
		var r bulkResult
		if json.Unmarshal(raw, &r) != nil || r.Error == "" {
			continue
		}
		if len(docs) > 1 && (transient(r.Error) || r.Error == endedProcess) {
			again = append(again, find(docs, &r)...)
			continue
		}
		if transient(r.Error) {
			return fmt.Errorf("%s could not write %s: %s: %s", b.target.URL, r.ID, r.Error, r.Reason)
		}
		failed++
		b.refused(r.ID, r.Error, r.Reason)
	}
	b.stats.add(counters{Written: len(docs) - failed - len(again), Failed: failed})
	for _, d := range again {
		if err := b.write(ctx, []*revision{d}); err != nil {
			return err
		}
	}
	return nil
}

// endedProcess is the error of documents whose validation function was ended, and of those that were to be asked about behind them: they have done
// nothing, and are written alone.
const endedProcess = "os_process_error"

// transient tells of the error of one document that says nothing against the document.
func transient(name string) bool {
	switch name {
	case "internal_server_error", "error", "unknown_error", "timeout", "service_unavailable", "no_majority":
		return true
	}
	return false
}

// find gives the documents that a result means: those of its id, and of its revision where it names one.
func find(docs []*revision, r *bulkResult) (out []*revision) {
	for _, d := range docs {
		if d.ID == r.ID && (r.Rev == "" || r.Rev == d.Rev) {
			out = append(out, d)
		}
	}
	return out
}

func asAnswer(err error) *answerError {
	e, _ := errors.AsType[*answerError](err)
	return e
}

// refusedDocument tells whether the answer to a document that went alone is about the document.
func refusedDocument(err error) bool {
	e := asAnswer(err)
	if e == nil || e.method != http.MethodPut {
		return false
	}
	switch e.status {
	case http.StatusBadRequest, http.StatusUnauthorized, http.StatusForbidden, http.StatusPreconditionFailed,
		http.StatusRequestEntityTooLarge, http.StatusUnsupportedMediaType:
		return true
	}
	return false
}

// refuse counts a document that the target does not take.
func (b *batch) refuse(id string, err error) {
	name, reason := "error", err.Error()
	if e := asAnswer(err); e != nil {
		name, reason = e.name, e.reason
	}
	b.stats.add(counters{Failed: 1})
	b.refused(id, name, reason)
}

func (b *batch) refused(id, name, reason string) {
	b.log.WithField("document", id).Warnf("replication: the target does not take the document: %s: %s", name, reason)
}
