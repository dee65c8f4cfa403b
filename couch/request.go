package couch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-kivik/kivik/v4/couchdb/chttp"
	"github.com/tidwall/gjson"
)

// maxErrorBody is how much of a refusal is read: enough for every answer of CouchDB.
const maxErrorBody = 64 << 10

// call is one request to be made.
type call struct {
	op     string
	method string
	path   string     // escaped, begins with a slash
	query  url.Values // may be nil
	body   [][]byte   // pieces of the body, sent one after the other; nil: none
	stream *stream    // instead of the pieces
	replay bool       // a POST that only reads: the transport may send it again on a fresh connection
}

// send makes the request and returns the answer, whatever its status is. The caller closes its body, then calls release.
func (c *Client) send(ctx context.Context, r call) (response *http.Response, release func(), err error) {
	path := r.path
	if len(r.query) > 0 {
		path += "?" + r.query.Encode()
	}
	request, err := c.http.NewRequest(ctx, r.method, path, nil, nil)
	if err != nil {
		return nil, nil, fmt.Errorf("%s: %w", r.op, err)
	}
	rawPath, _, _ := strings.Cut(path, "?")
	request.URL.RawPath = c.basePath + rawPath
	request.Header["Accept"] = []string{"application/json"}
	if r.replay {
		request.Header[chttp.HeaderIdempotencyKey] = nil
	}
	release = func() {}
	if r.body != nil {
		source := &pieces{list: r.body}
		request.Header["Content-Type"] = []string{"application/json"}
		request.Body = source.open()
		request.GetBody = func() (io.ReadCloser, error) { return source.open(), nil }
		request.ContentLength = source.size()
		release = source.withdraw
	}
	if r.stream != nil {
		request.Header["Content-Type"] = []string{r.stream.kind}
		request.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(r.stream.open()), nil }
		request.Body, request.ContentLength = io.NopCloser(r.stream.open()), r.stream.length
	}
	response, err = c.http.Do(request)
	if err != nil {
		release()
		return nil, nil, fmt.Errorf("%s: %w", r.op, err)
	}
	return response, release, nil
}

// fetch makes the request and reads the whole answer into memory of its own. A status of 300 or more is an *Error.
func (c *Client) fetch(ctx context.Context, timeout time.Duration, r call) ([]byte, http.Header, error) {
	ctx, cancel := withTimeout(ctx, timeout)
	defer cancel()
	response, release, err := c.send(ctx, r)
	if err != nil {
		return nil, nil, err
	}
	defer release()
	defer response.Body.Close() //nolint:errcheck // nothing is lost: the answer was read, or its error is returned
	if response.StatusCode >= http.StatusMultipleChoices {
		return nil, response.Header, refusal(r.op, response)
	}
	answer, err := readAll(response, nil)
	if err != nil {
		return nil, response.Header, fmt.Errorf("%s: reading the answer: %w", r.op, err)
	}
	return answer, response.Header, nil
}

// readAll reads an answer into buffer, which grows where it must.
func readAll(response *http.Response, buffer []byte) ([]byte, error) {
	const largest = 64 << 20 // what a header alone makes us allocate
	if n := response.ContentLength; n > int64(cap(buffer)) && n <= largest {
		buffer = make([]byte, 0, n+bytes.MinRead)
	}
	into := bytes.NewBuffer(buffer[:0])
	_, err := into.ReadFrom(response.Body)
	return into.Bytes(), err
}

// refusal reads why a server refused.
func refusal(op string, response *http.Response) error {
	e := &Error{Op: op, Status: response.StatusCode}
	body, err := io.ReadAll(io.LimitReader(response.Body, maxErrorBody))
	if err != nil || len(body) == 0 {
		return e
	}
	if parsed := gjson.ParseBytes(body); parsed.IsObject() {
		e.Name, e.Reason = parsed.Get("error").String(), parsed.Get("reason").String()
	}
	if e.Name == "" && e.Reason == "" {
		e.Reason = "the answer is not CouchDB's: " + excerpt(body)
	}
	return e
}

// excerpt is the beginning of an answer, for a message.
func excerpt(body []byte) string {
	const most = 120
	if len(body) > most {
		body = append(bytes.Clone(body[:most]), "..."...)
	}
	return fmt.Sprintf("%q", body)
}

func withTimeout(ctx context.Context, timeout time.Duration) (context.Context, context.CancelFunc) {
	if timeout <= 0 {
		return ctx, func() {}
	}
	return context.WithTimeoutCause(ctx, timeout, fmt.Errorf("no answer within %v: %w", timeout, context.DeadlineExceeded))
}

// pieces is a request body that is sent from where its bytes lie. net/http may go on reading a body after the answer is
// there; withdraw ends that, so that the caller's bytes are the caller's again.
type pieces struct {
	list  [][]byte
	mutex sync.Mutex
	gone  bool
}

var errWithdrawn = errors.New("the request is over")

func (p *pieces) size() int64 {
	var n int64
	for _, piece := range p.list {
		n += int64(len(piece))
	}
	return n
}

func (p *pieces) open() io.ReadCloser { return &piecesReader{source: p} }

func (p *pieces) withdraw() {
	p.mutex.Lock()
	defer p.mutex.Unlock()
	p.gone = true
	p.list = nil
}

// piecesReader is one pass over the pieces.
type piecesReader struct {
	source *pieces
	index  int // of the piece
	offset int // within it
}

func (r *piecesReader) Read(into []byte) (int, error) {
	r.source.mutex.Lock()
	defer r.source.mutex.Unlock()
	if r.source.gone {
		return 0, errWithdrawn
	}
	n := 0
	for n < len(into) && r.index < len(r.source.list) {
		piece := r.source.list[r.index]
		moved := copy(into[n:], piece[r.offset:])
		n += moved
		r.offset += moved
		if r.offset == len(piece) {
			r.index, r.offset = r.index+1, 0
		}
	}
	if n == 0 && len(into) > 0 {
		return 0, io.EOF
	}
	return n, nil
}

func (r *piecesReader) Close() error { return nil }
