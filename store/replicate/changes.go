package replicate

import (
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// change is one row of the source's feed.
type change struct {
	Seq     json.RawMessage `json:"seq"`
	ID      string          `json:"id"`
	Changes []struct {
		Rev string `json:"rev"`
	} `json:"changes"`
}

// page is one answer of the feed.
type page struct {
	Results []change        `json:"results"`
	LastSeq json.RawMessage `json:"last_seq"`
	Pending *int64          `json:"pending"`
}

// zeroSeq is the beginning of every feed.
var zeroSeq = json.RawMessage("0") //nolint:gochecknoglobals // a constant

// sinceText is a sequence as a parameter: a string stands without its quotes, all else as its JSON.
func sinceText(seq json.RawMessage) string {
	var text string
	if len(seq) > 0 && seq[0] == '"' && json.Unmarshal(seq, &text) == nil {
		return text
	}
	return string(seq)
}

// feedReader reads the source's changes, page by page.
type feedReader struct {
	source *peer
	req    *Request
	since  json.RawMessage
}

// next reads the changes behind since. With wait it waits for the first one.
func (f *feedReader) next(ctx context.Context, wait bool) (*page, error) {
	q := url.Values{
		"feed": {"normal"}, "style": {"all_docs"}, "since": {sinceText(f.since)}, "limit": {strconv.Itoa(f.req.Batch)},
	}
	if wait {
		q.Set("feed", "longpoll")
		q.Set("heartbeat", strconv.FormatInt(max(f.req.Timeout/3, time.Millisecond).Milliseconds(), 10))
	}
	if f.req.WinningOnly {
		q.Set("style", "main_only")
	}
	a := ask{method: http.MethodGet, path: "_changes", query: q}
	f.filter(&a)
	var p page
	a.read = into(&p)
	if err := f.source.do(ctx, a); err != nil {
		return nil, err
	}
	if n := len(p.Results); len(p.LastSeq) == 0 && n > 0 {
		p.LastSeq = p.Results[n-1].Seq
	}
	if len(p.LastSeq) == 0 {
		p.LastSeq = f.since
	}
	f.since = p.LastSeq
	return &p, nil
}

// filter has the source leave out what is not wanted.
func (f *feedReader) filter(a *ask) {
	r := f.req
	switch {
	case r.ByID:
		ids := r.DocIDs
		if ids == nil {
			ids = []string{}
		}
		a.method, a.body = http.MethodPost, jsonBody(map[string]any{"doc_ids": ids})
		a.query.Set("filter", "_doc_ids")
	case r.Selector != nil:
		a.method, a.body = http.MethodPost, jsonBody(map[string]any{"selector": r.Selector})
		a.query.Set("filter", "_selector")
	case r.Filter != "":
		a.query.Set("filter", r.Filter)
	}
	for name, values := range r.QueryParams {
		if !a.query.Has(name) {
			a.query[name] = values
		}
	}
}

// filtered tells whether the source may leave something out.
func (r *Request) filtered() bool { return r.ByID || r.Selector != nil || r.Filter != "" }
