package couch

import (
	"context"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"time"
)

// ChangesQuery says which changes are asked for, and how. The zero value asks for all of them at once.
type ChangesQuery struct {
	Feed        string        // "normal" (also empty), "longpoll", "continuous", "eventsource"
	Since       string        // an update sequence, "0" or "now"; empty: from the beginning
	Limit       int           // 0: no limit
	Descending  bool          // newest first
	IncludeDocs bool          // rows carry the document
	Conflicts   bool          // with IncludeDocs: documents name their conflicts
	AllLeaves   bool          // rows name every leaf, not only the winner
	Heartbeat   time.Duration // an empty line at least so often; 0: none
	Timeout     time.Duration // a feed that waits ends after so long without a change; 0: the server's default

	// At most one of these three filters.
	Selector json.RawMessage // only documents that match
	DocIDs   []string        // only these documents
	Filter   string          // any other filter by its name, with its parameters in Params

	Params url.Values // further parameters, as they are
}

func (q ChangesQuery) values() (url.Values, []byte, error) {
	query := url.Values{}
	maps.Copy(query, q.Params)
	setText := func(name, value string) {
		if value != "" {
			query.Set(name, value)
		}
	}
	setMilliseconds := func(name string, d time.Duration) {
		if d > 0 {
			query.Set(name, strconv.FormatInt(max(1, d.Milliseconds()), 10))
		}
	}
	setText("feed", q.Feed)
	setText("since", q.Since)
	setText("filter", q.Filter)
	setInt(query, "limit", q.Limit)
	setTrue(query, "descending", q.Descending)
	setTrue(query, "include_docs", q.IncludeDocs)
	setTrue(query, "conflicts", q.Conflicts)
	setMilliseconds("heartbeat", q.Heartbeat)
	setMilliseconds("timeout", q.Timeout)
	if q.AllLeaves {
		query.Set("style", "all_docs")
	}
	var body []byte
	var err error
	switch {
	case q.Selector != nil:
		query.Set("filter", "_selector")
		body, err = json.Marshal(map[string]json.RawMessage{"selector": q.Selector})
	case q.DocIDs != nil:
		query.Set("filter", "_doc_ids")
		body, err = json.Marshal(map[string][]string{"doc_ids": q.DocIDs})
	}
	return query, body, err
}

// Changes asks for changes and returns the answer's raw body as it arrives. A refusal is an *Error. Closing the body ends the
// request, also while another goroutine reads from it; that read then fails. Only ctx bounds how long the request lasts.
//
// A server may send the headers of a feed that waits only with its first byte: Changes blocks until then, so who watches for
// silence must cancel ctx, and a heartbeat bounds the wait.
func (d *Database) Changes(ctx context.Context, q ChangesQuery) (io.ReadCloser, error) {
	op := "reading the changes of " + d.name
	query, body, err := q.values()
	if err != nil {
		return nil, fmt.Errorf("%s: the selector is not JSON: %w", op, err)
	}
	request := call{op: op, method: http.MethodGet, path: d.path + "/_changes", query: query, replay: true}
	if body != nil {
		request.method, request.body = http.MethodPost, [][]byte{body}
	}
	ctx, cancel := context.WithCancel(ctx)
	response, release, err := d.client.send(ctx, request)
	if err != nil {
		cancel()
		return nil, err
	}
	if response.StatusCode >= http.StatusMultipleChoices {
		err = refusal(op, response)
		cancel()
		release()
		_ = response.Body.Close()
		return nil, err
	}
	return &feedBody{body: response.Body, cancel: cancel, release: release}, nil
}

// feedBody ends the request when it is closed.
type feedBody struct {
	body    io.ReadCloser
	cancel  context.CancelFunc
	release func()
}

func (f *feedBody) Read(into []byte) (int, error) { return f.body.Read(into) }

func (f *feedBody) Close() error {
	f.cancel() // first: it is what ends a read that waits
	f.release()
	return f.body.Close()
}
