package replicate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
)

// A document whose attachments are small comes with them inside of JSON, many documents at a time. One with larger attachments goes alone,
// from the answer of the source right into a request to the target, as multipart/related, which both read and write in pieces.

const (
	smallAttachments = 64 << 10 // bytes in one document
	manyAttachments  = 1 << 20  // bytes in one request for several documents
)

// attached are documents whose attachments are still to be fetched.
type attached struct {
	small []*revision
	sizes []int64
	large []*revision
}

func (a *attached) add(d *revision, total int64) {
	if total > smallAttachments {
		a.large = append(a.large, d)
		return
	}
	a.small, a.sizes = append(a.small, d), append(a.sizes, total)
}

// withAttachments copies documents that have attachments.
func (b *batch) withAttachments(ctx context.Context, atts *attached) error {
	for i := 0; i < len(atts.small); {
		w, total := wanted{}, int64(0)
		from := i
		for ; i < len(atts.small) && (i == from || total+atts.sizes[i] <= manyAttachments); i++ {
			d := atts.small[i]
			if w[d.ID] == nil {
				w[d.ID] = map[string]bool{}
			}
			w[d.ID][d.Rev] = true
			total += atts.sizes[i]
		}
		if err := b.smallOnes(ctx, w); err != nil {
			return err
		}
	}
	for _, d := range atts.large {
		if err := b.alone(ctx, d.ID, d.Rev); err != nil {
			return err
		}
	}
	return nil
}

func (b *batch) smallOnes(ctx context.Context, w wanted) error {
	if b.bulk.Load() {
		var again attached // of a source that left stubs where data was asked for
		if err := b.bulkGet(ctx, w, true, &again); err != nil && !unsupported(err) && !errors.Is(err, errLong) {
			return err
		}
		for _, d := range append(again.small, again.large...) {
			if w[d.ID] == nil {
				w[d.ID] = map[string]bool{}
			}
			w[d.ID][d.Rev] = true
		}
	}
	for id, revs := range w {
		for rev := range revs {
			if err := b.alone(ctx, id, rev); err != nil {
				return err
			}
		}
	}
	return nil
}

// alone copies one revision with its attachments. Those that the target has since an ancestor stay where they are; if it turns out not to have
// them, they are sent after all.
func (b *batch) alone(ctx context.Context, id, rev string) error {
	err := b.pass(ctx, id, rev, b.ancestors[id].Ancestors)
	if statusOf(err) == http.StatusPreconditionFailed {
		err = b.pass(ctx, id, rev, nil)
	}
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errLong):
		b.tooLong(id, err)
		return nil
	case refusedDocument(err):
		if err := b.mayWrite(ctx, err); err != nil {
			return err
		}
		b.refuse(id, err)
		return nil
	}
	return err
}

// mayWrite tells a document that the target does not want from a target that takes nothing of us any more: where it refused one as forbidden, it is
// asked to write nothing, which takes the right to write and no more. The error is that there is none, or that it cannot be told.
func (b *batch) mayWrite(ctx context.Context, refusal error) error {
	if status := statusOf(refusal); status != http.StatusUnauthorized && status != http.StatusForbidden {
		return nil
	}
	err := b.target.do(ctx, ask{
		method: http.MethodPost, path: "_bulk_docs", body: func() ([]byte, error) { return bulkBody(nil), nil },
	})
	if status := statusOf(err); status == http.StatusUnauthorized || status == http.StatusForbidden || (err != nil && passing(err)) {
		return err
	}
	return nil
}

// pass reads a revision from the source and writes it to the target at the same time.
func (b *batch) pass(ctx context.Context, id, rev string, since []string) error {
	q := url.Values{"rev": {rev}, "revs": {"true"}, "attachments": {"true"}}
	if len(since) > 0 {
		list, err := json.Marshal(since[:min(len(since), revsPerRequest)])
		if err != nil {
			return err
		}
		q.Set("atts_since", string(list))
	}
	accept := "multipart/related, application/json"
	if b.target.whole {
		accept = "application/json"
	}
	err := b.source.do(ctx, ask{
		method: http.MethodGet, path: docPath(id), query: q, header: http.Header{"Accept": {accept}},
		read: func(res *answer) error {
			if isMultipart(res.Header) {
				return b.passOn(ctx, id, res)
			}
			var raw json.RawMessage
			if err := readJSON(res.Body, b.req.most(), &raw); err != nil {
				return err
			}
			b.stats.add(counters{Read: 1})
			return b.put(ctx, &revision{ID: id, Rev: rev, raw: raw})
		},
	})
	if e := asAnswer(err); e != nil && e.status == http.StatusNotFound && e.method == http.MethodGet {
		return nil // it was replaced in the meantime; a later change brings what replaced it
	}
	return err
}

func (b *batch) passOn(ctx context.Context, id string, res *answer) error {
	from := &noting{Reader: res.Body}
	err := b.target.once(ctx, ask{
		method: http.MethodPut, path: docPath(id), query: url.Values{"new_edits": {"false"}},
		header: http.Header{"Content-Type": {res.Header.Get("Content-Type")}},
		stream: from,
	})
	ended, failure := from.state()
	switch {
	case failure != nil:
		// Whatever the target says of what it got, it is not the document that is wrong.
		return fmt.Errorf("reading %s from %s: %w", id, b.source.URL, failure)
	case err != nil:
		return err
	case ended:
		_, _ = io.Copy(io.Discard, io.LimitReader(res.Body, maxRefusal)) // so that the connection can be used again
	}
	b.stats.add(counters{Read: 1, Written: 1})
	return nil
}

// noting remembers how its reader ended. A transport may still read from it when the answer is there.
type noting struct {
	io.Reader

	mu  sync.Mutex
	err error
}

func (n *noting) Read(b []byte) (int, error) {
	k, err := n.Reader.Read(b)
	if err != nil {
		n.mu.Lock()
		n.err = err
		n.mu.Unlock()
	}
	return k, err
}

func (n *noting) state() (ended bool, failure error) {
	n.mu.Lock()
	defer n.mu.Unlock()
	if errors.Is(n.err, io.EOF) {
		return true, nil
	}
	return false, n.err
}
