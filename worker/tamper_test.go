package worker_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/http/httputil"
	"net/url"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/tidwall/gjson"
)

// tamper stands between workers and server and speaks HTTP, where faultproxy knows bytes only. It can be told to change
// what becomes of bulk writes.
type tamper struct {
	t      *testing.T
	target *url.URL
	// refuse gives the error that a document's row gets instead of being written, "" for none.
	refuse atomic.Pointer[func(doc gjson.Result) string]
	// before is called before a request is passed on, after before its answer is; either may wait, or end the connection by
	// panicking with http.ErrAbortHandler.
	before, after atomic.Pointer[func(docs []gjson.Result)]
	// split says that a cluster takes a document without a quorum, and what its other side takes in its place: the body of
	// another leaf, "" for none. It is asked before the document is passed on.
	split atomic.Pointer[func(doc gjson.Result) (rival string, accepted bool)]
	// stale is what the next bulk read of the one document with its id gets as an answer.
	stale atomic.Pointer[gjson.Result]
	finds atomic.Int64
	skips atomic.Int64 // finds that pass over what other pages had
	// bulkMost is how many bytes a bulk write may have; 0 is no limit.
	bulkMost atomic.Int64
	getMost  atomic.Int64 // bulk reads of more documents than this are refused; 0 is no limit
}

// tampered puts a tamper between the bundle's proxy and its server.
func (b *bundle) tampered() *tamper {
	b.t.Helper()
	target, err := url.Parse("http://" + b.server.address)
	must(b.t, err)
	m := &tamper{t: b.t, target: target}
	pass := httputil.NewSingleHostReverseProxy(target)
	pass.FlushInterval = -1
	pass.Transport = &http.Transport{DisableCompression: true, DisableKeepAlives: true} // servers hold back the feeds that they compress
	pass.ErrorHandler = func(http.ResponseWriter, *http.Request, error) { panic(http.ErrAbortHandler) }
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case strings.HasSuffix(r.URL.Path, "/_bulk_docs"):
			m.bulk(w, r)
			return
		case strings.HasSuffix(r.URL.Path, "/_bulk_get"):
			docs := m.asked(r)
			if most := m.getMost.Load(); most > 0 && int64(len(docs)) > most {
				w.WriteHeader(http.StatusRequestEntityTooLarge)
				return
			}
			if stale := m.stale.Load(); stale != nil && len(docs) == 1 && docs[0].Get("id").String() == stale.Get("_id").String() {
				m.stale.Store(nil)
				_, _ = fmt.Fprintf(w, `{"results":[{"id":%s,"docs":[{"ok":%s}]}]}`, stale.Get("_id").Raw, stale.Raw)
				return
			}
		case strings.HasSuffix(r.URL.Path, "/_find"):
			m.finds.Add(1)
			if bytes.Contains(m.body(r), []byte(`"skip"`)) {
				m.skips.Add(1)
			}
		}
		pass.ServeHTTP(w, r)
	}))
	b.t.Cleanup(func() {
		server.CloseClientConnections()
		server.Close()
	})
	b.proxy.SetTarget(strings.TrimPrefix(server.URL, "http://"))
	return m
}

// body is what a request says; it stays there to be passed on.
func (m *tamper) body(r *http.Request) []byte {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	r.Body = io.NopCloser(bytes.NewReader(body))
	return body
}

// asked is what a bulk read asks for.
func (m *tamper) asked(r *http.Request) []gjson.Result {
	return gjson.GetBytes(m.body(r), "docs").Array()
}

// bulk passes on what is not refused, and joins the answers.
func (m *tamper) bulk(w http.ResponseWriter, r *http.Request) {
	body, err := io.ReadAll(r.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	if most := m.bulkMost.Load(); most > 0 && int64(len(body)) > most {
		w.WriteHeader(http.StatusRequestEntityTooLarge)
		return
	}
	docs := gjson.GetBytes(body, "docs").Array()
	if before := m.before.Load(); before != nil {
		(*before)(docs)
	}
	var good []string
	why := make([]string, len(docs))
	accepted := make([]bool, len(docs))
	var rivals []string
	for i, doc := range docs {
		if split := m.split.Load(); split != nil {
			var rival string
			if rival, accepted[i] = (*split)(doc); rival != "" {
				rivals = append(rivals, rival)
			}
		}
		if refuse := m.refuse.Load(); refuse != nil {
			why[i] = (*refuse)(doc)
		}
		if why[i] == "" {
			good = append(good, doc.Raw)
		}
	}
	status, answer := m.pass(r, `{"docs":[`+strings.Join(good, ",")+`]}`)
	if len(rivals) > 0 {
		m.pass(r, `{"new_edits":false,"docs":[`+strings.Join(rivals, ",")+`]}`)
	}
	if after := m.after.Load(); after != nil {
		(*after)(docs)
	}
	if status >= http.StatusMultipleChoices {
		w.WriteHeader(status)
		_, _ = w.Write(answer)
		return
	}
	written := gjson.ParseBytes(answer).Array()
	rows := make([]json.RawMessage, len(docs))
	for i, doc := range docs {
		if why[i] != "" {
			rows[i] = fmt.Appendf(nil, `{"id":%s,"error":%q,"reason":"the test wants it"}`, doc.Get("_id").Raw, why[i])
			continue
		}
		rows[i], written = json.RawMessage(written[0].Raw), written[1:]
		if accepted[i] && gjson.GetBytes(rows[i], "rev").Exists() {
			rows[i] = append(rows[i][:len(rows[i])-1], `,"accepted":true}`...)
		}
	}
	_ = json.NewEncoder(w).Encode(rows)
}

func (m *tamper) pass(r *http.Request, body string) (int, []byte) {
	request, err := http.NewRequestWithContext(r.Context(), http.MethodPost, m.target.String()+r.URL.RequestURI(), bytes.NewBufferString(body))
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	request.Header = r.Header.Clone()
	request.Header.Del("Content-Length")
	response, err := http.DefaultTransport.RoundTrip(request)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	defer response.Body.Close()
	answer, err := io.ReadAll(response.Body)
	if err != nil {
		panic(http.ErrAbortHandler)
	}
	return response.StatusCode, answer
}

// holds says whether one of the documents is the task, with a status.
func holds(docs []gjson.Result, id, status string) bool {
	for _, doc := range docs {
		if doc.Get("_id").String() == id && doc.Get("status").String() == status {
			return true
		}
	}
	return false
}

// holdAnswer makes the answer to a task's write with a status wait until the channel is closed.
func (m *tamper) holdAnswer(id, status string) chan struct{} {
	open := make(chan struct{})
	hold := func(docs []gjson.Result) {
		if holds(docs, id, status) {
			<-open
		}
	}
	m.after.Store(&hold)
	return open
}
