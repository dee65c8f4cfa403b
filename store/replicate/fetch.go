package replicate

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
)

// lost are the revisions of one document that the target misses.
type lost struct {
	Missing   []string `json:"missing"`
	Ancestors []string `json:"possible_ancestors"`
}

// wanted are revisions to be fetched: by document, then by revision.
type wanted map[string]map[string]bool

func (w wanted) count() (n int) {
	for _, revs := range w {
		n += len(revs)
	}
	return n
}

func (w wanted) got(id, rev string) {
	delete(w[id], rev)
	if len(w[id]) == 0 {
		delete(w, id)
	}
}

// revision is what has to be known of a fetched document. raw is all of it.
type revision struct {
	ID        string `json:"_id"`
	Rev       string `json:"_rev"`
	Revisions struct {
		Start int      `json:"start"`
		IDs   []string `json:"ids"`
	} `json:"_revisions"`
	Attachments map[string]struct {
		Length int64 `json:"length"`
		Stub   bool  `json:"stub"`
	} `json:"_attachments"`

	raw json.RawMessage
}

// satisfies strikes out the revisions that this one is or descends from.
func (d *revision) satisfies(w wanted) {
	w.got(d.ID, d.Rev)
	for i, hash := range d.Revisions.IDs {
		w.got(d.ID, strconv.Itoa(d.Revisions.Start-i)+"-"+hash)
	}
}

// stubs tells whether attachments are still to be fetched, and how large they are together.
func (d *revision) stubs() (total int64, any bool) {
	for _, a := range d.Attachments {
		if a.Stub {
			any = true
			total += a.Length
		}
	}
	return total, any
}

// batch copies the documents of some changes.
type batch struct {
	*session

	ancestors map[string]lost // of the revisions that are missing
	out       outbox
}

// transfer copies what the target misses of rows.
func (b *batch) transfer(ctx context.Context, rows []change) error {
	ask := map[string][]string{}
	checked := 0
	for _, row := range rows {
		if row.ID == "" {
			continue // nothing can be asked about it
		}
		for _, c := range row.Changes {
			ask[row.ID] = append(ask[row.ID], c.Rev)
			checked++
		}
	}
	if checked == 0 {
		return nil
	}
	missing, err := b.target.revsDiff(ctx, ask)
	if err != nil {
		return err
	}
	w := wanted{}
	for id, l := range missing {
		for _, rev := range l.Missing {
			if w[id] == nil {
				w[id] = map[string]bool{}
			}
			w[id][rev] = true
		}
	}
	b.stats.add(counters{Checked: checked, Found: w.count()})
	b.ancestors = missing
	if err := b.fetch(ctx, w); err != nil {
		return err
	}
	return b.flush(ctx)
}

func (p *peer) revsDiff(ctx context.Context, revs map[string][]string) (map[string]lost, error) {
	var out map[string]lost
	err := p.do(ctx, ask{method: http.MethodPost, path: "_revs_diff", body: jsonBody(revs), read: into(&out)})
	return out, err
}

// fetch reads what is wanted: together, and one by one what does not come that way.
func (b *batch) fetch(ctx context.Context, w wanted) error {
	if len(w) == 0 {
		return nil
	}
	var atts attached
	if b.bulk.Load() {
		n := w.count()
		err := b.bulkGet(ctx, w, false, &atts)
		switch {
		case unsupported(err):
			b.bulk.Store(false)
		case err != nil && !errors.Is(err, errLong): // the long one is found below
			return err
		}
		b.stats.add(counters{Attempts: n, Bulk: n - w.count()})
	}
	for id, revs := range w {
		err := b.openRevs(ctx, id, revs, &atts)
		if errors.Is(err, errLong) {
			b.tooLong(id, err)
		} else if err != nil {
			return err
		}
	}
	return b.withAttachments(ctx, &atts)
}

// unsupported tells that the source does not know _bulk_get.
func unsupported(err error) bool {
	switch statusOf(err) {
	case http.StatusBadRequest, http.StatusNotFound, http.StatusMethodNotAllowed, http.StatusUnsupportedMediaType,
		http.StatusInternalServerError, http.StatusNotImplemented:
		return true
	}
	return false
}

type bulkRow struct {
	ID   string `json:"id"`
	Docs []struct {
		OK json.RawMessage `json:"ok"`
	} `json:"docs"`
}

// bulkGet asks for all that is wanted at once, and strikes out what came. Documents with attachments go to atts, unless they came with them.
func (b *batch) bulkGet(ctx context.Context, w wanted, whole bool, atts *attached) error {
	return b.source.do(ctx, ask{
		method: http.MethodPost, path: "_bulk_get",
		query: url.Values{"revs": {"true"}, "latest": {"true"}, "attachments": {strconv.FormatBool(whole)}},
		body: func() ([]byte, error) {
			type ref struct {
				ID  string `json:"id"`
				Rev string `json:"rev"`
			}
			refs := []ref{}
			for id, revs := range w {
				for rev := range revs {
					refs = append(refs, ref{id, rev})
				}
			}
			return json.Marshal(map[string]any{"docs": refs})
		},
		read: func(res *answer) error {
			return eachElement(res.Body, "results", b.req.most(), func(row *bulkRow) error {
				for _, d := range row.Docs {
					if err := b.take(ctx, d.OK, w, atts); err != nil {
						return err
					}
				}
				return nil
			})
		},
	})
}

// take deals with a document that came.
func (b *batch) take(ctx context.Context, raw json.RawMessage, w wanted, atts *attached) error {
	if len(raw) == 0 {
		return nil
	}
	d := &revision{raw: raw}
	if err := json.Unmarshal(raw, d); err != nil || d.ID == "" || d.Rev == "" {
		return finalError{fmt.Errorf("%s gave a document without an id or a revision", b.source.URL)}
	}
	total, stubs := d.stubs()
	d.satisfies(w)
	if stubs {
		d.raw = nil // it is read again, with its attachments
		atts.add(d, total)
		return nil
	}
	b.stats.add(counters{Read: 1})
	return b.put(ctx, d)
}

// eachElement reads the array that is member name of an object, element by element; without a name the value itself. No element may have more
// bytes than most.
func eachElement[T any](r io.Reader, name string, most int64, visit func(*T) error) error {
	element := &bounded{r, most}
	d := json.NewDecoder(element)
	if name != "" {
		if err := skipTo(d, name); err != nil {
			return err
		}
	}
	if t, err := d.Token(); err != nil || t != json.Delim('[') {
		return badAnswer(err)
	}
	for d.More() {
		element.left = most
		v := new(T)
		if err := d.Decode(v); err != nil {
			return err
		}
		if err := visit(v); err != nil {
			return err
		}
	}
	if _, err := d.Token(); err != nil {
		return badAnswer(err)
	}
	_, err := io.Copy(io.Discard, io.LimitReader(r, maxRefusal))
	return err
}

// errLong is a value that is longer than what is read as one piece. Asking again does not make it shorter.
var errLong = fmt.Errorf("%w: a document is too large to be read as one piece", errAnswer)

// tooLong leaves out a document that the source gives only as one piece which is too long.
func (b *batch) tooLong(id string, err error) {
	b.stats.add(counters{Failed: 1})
	b.log.WithField("document", id).WithError(err).Warnf("replication: the document cannot be read from %s and is left out", b.source.URL)
}

// bounded gives an error once more is read than is left.
type bounded struct {
	r    io.Reader
	left int64
}

func (b *bounded) Read(p []byte) (int, error) {
	if b.left <= 0 {
		return 0, finalError{errLong}
	}
	n, err := b.r.Read(p)
	b.left -= int64(n)
	return n, err
}

var errAnswer = errors.New("an answer has not the form that it should have")

func badAnswer(err error) error {
	if err == nil {
		return finalError{errAnswer}
	}
	return fmt.Errorf("%w: %w", errAnswer, err)
}

// skipTo reads up to the value of a member.
func skipTo(d *json.Decoder, name string) error {
	if t, err := d.Token(); err != nil || t != json.Delim('{') {
		return badAnswer(err)
	}
	for d.More() {
		key, err := d.Token()
		if err != nil {
			return badAnswer(err)
		}
		if key == name {
			return nil
		}
		var other json.RawMessage
		if err := d.Decode(&other); err != nil {
			return badAnswer(err)
		}
	}
	return finalError{errAnswer}
}

// revsPerRequest bounds the length of an address.
const revsPerRequest = 40

// openRevs asks for revisions of one document. Those that the source no longer has are left out: where they were replaced, a later change
// brings what replaced them.
func (b *batch) openRevs(ctx context.Context, id string, revs map[string]bool, atts *attached) error {
	list := make([]string, 0, len(revs))
	for rev := range revs {
		list = append(list, rev)
	}
	for len(list) > 0 {
		n := min(len(list), revsPerRequest)
		if err := b.openSome(ctx, id, list[:n], atts); err != nil && statusOf(err) != http.StatusNotFound {
			return err
		}
		list = list[n:]
	}
	return nil
}

func (b *batch) openSome(ctx context.Context, id string, revs []string, atts *attached) error {
	left := wanted{id: {}}
	for _, rev := range revs {
		left[id][rev] = true
	}
	seen := map[string]bool{} // several may have the same latest leaf; and an attempt may have come half way
	open, err := json.Marshal(revs)
	if err != nil {
		return err
	}
	type element struct {
		OK json.RawMessage `json:"ok"`
	}
	return b.source.do(ctx, ask{
		method: http.MethodGet, path: docPath(id),
		query: url.Values{"revs": {"true"}, "latest": {"true"}, "open_revs": {string(open)}},
		read: func(res *answer) error {
			return eachElement(res.Body, "", b.req.most(), func(e *element) error {
				rev := revOf(e.OK)
				if rev == "" || seen[rev] {
					return nil
				}
				err := b.take(ctx, e.OK, left, atts)
				seen[rev] = err == nil
				return err
			})
		},
	})
}

// revOf is the revision of a document, empty where there is none.
func revOf(raw json.RawMessage) string {
	var d struct {
		Rev string `json:"_rev"`
	}
	if len(raw) == 0 || json.Unmarshal(raw, &d) != nil {
		return ""
	}
	return d.Rev
}

// isMultipart tells whether an answer came in parts.
func isMultipart(h http.Header) bool { return strings.HasPrefix(h.Get("Content-Type"), "multipart/") }
