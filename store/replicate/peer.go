package replicate

import (
	"bytes"
	"context"
	"crypto/tls"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"maps"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/adlayer/after/internal/wait"
	"github.com/adlayer/after/store"
)

// peer is one end, ready to be asked.
type peer struct {
	Endpoint

	web     *http.Client
	retries int
	silence time.Duration // how long it may say nothing
	whole   bool          // it takes and gives attachments only inside of JSON
}

func newPeer(e Endpoint, r *Request) *peer {
	p := &peer{Endpoint: e, retries: r.Retries, silence: r.Timeout}
	if e.Name != "" {
		p.web = &http.Client{Transport: r.Local}
		return p
	}
	t := &http.Transport{
		Proxy:               http.ProxyFromEnvironment,
		DialContext:         (&net.Dialer{Timeout: r.Timeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSHandshakeTimeout: r.Timeout,
		MaxIdleConnsPerHost: r.Workers + 2,
		IdleConnTimeout:     time.Minute,
		DisableCompression:  true, // what is compressed comes in larger pieces, later
		ForceAttemptHTTP2:   true,
		TLSClientConfig:     &tls.Config{MinVersion: tls.VersionTLS12, RootCAs: r.authorities},
	}
	if e.Proxy != nil {
		t.Proxy = http.ProxyURL(e.Proxy)
	}
	p.web = &http.Client{Transport: t}
	return p
}

func (p *peer) close() {
	if p.Name == "" {
		p.web.CloseIdleConnections()
	}
}

// answerError is an answer that is no success.
type answerError struct {
	status       int
	name, reason string
	method, url  string
}

func (e *answerError) Error() string {
	return fmt.Sprintf("%s %s answered %d %s: %s", e.method, e.url, e.status, e.name, e.reason)
}

// finalError is one that asking again does not mend.
type finalError struct{ error }

func (e finalError) Unwrap() error { return e.error }

var errSilent = errors.New("the other end fell silent")

func statusOf(err error) int {
	if e, ok := errors.AsType[*answerError](err); ok {
		return e.status
	}
	return 0
}

// passing tells whether the same request may go well later.
func passing(err error) bool {
	if _, ok := errors.AsType[finalError](err); ok {
		return false
	}
	switch status := statusOf(err); status {
	case 0, http.StatusRequestTimeout, http.StatusTooManyRequests:
		return true
	default:
		return status >= 500 && status != http.StatusNotImplemented
	}
}

// answer is a success.
type answer struct {
	Header http.Header
	Body   io.Reader
}

// ask is a request to a peer.
type ask struct {
	method string
	path   string // below the database, encoded
	query  url.Values
	header http.Header
	// body gives the body of one attempt; nil: none.
	body func() ([]byte, error)
	// stream is a body that can be sent only once.
	stream io.Reader
	// read takes the answer of a success; it may be called again when it failed.
	read func(*answer) error
}

func jsonBody(v any) func() ([]byte, error) {
	return func() ([]byte, error) { return json.Marshal(v) }
}

const (
	firstPause = 250 * time.Millisecond
	lastPause  = 5 * time.Minute
)

// pause is how long to wait before another attempt: twice as long each time, and half of it by chance, so that many that failed together do
// not come back together.
func pause(try int, first, last time.Duration) time.Duration {
	d := last
	if try < 20 {
		d = min(first<<try, last)
	}
	return d/2 + rand.N(d/2+1) //nolint:gosec // no secret
}

// do asks until it succeeds, the trouble is lasting, or the retries are used up.
func (p *peer) do(ctx context.Context, a ask) error {
	for try := 0; ; try++ {
		err := p.once(ctx, a)
		if err == nil || ctx.Err() != nil || try >= p.retries || !passing(err) {
			return err
		}
		if !wait.For(ctx, pause(try, firstPause, lastPause)) {
			return err
		}
	}
}

// once asks one time. An end that neither takes nor gives a byte for too long ends the attempt.
func (p *peer) once(ctx context.Context, a ask) error {
	ctx, cancel := context.WithCancelCause(ctx)
	defer cancel(nil)
	dog := time.AfterFunc(p.silence, func() { cancel(errSilent) })
	defer dog.Stop()
	fed := func() { dog.Reset(p.silence) }
	err := p.send(ctx, a, dog, fed)
	if err != nil && errors.Is(context.Cause(ctx), errSilent) {
		return fmt.Errorf("%s %s: %w for %v", a.method, p.URL+a.path, errSilent, p.silence)
	}
	return err
}

func (p *peer) send(ctx context.Context, a ask, dog *time.Timer, fed func()) error {
	req, err := p.request(ctx, a, fed)
	if err != nil {
		return finalError{err}
	}
	res, err := p.web.Do(req)
	if err != nil {
		return err
	}
	defer res.Body.Close() //nolint:errcheck // read to its end, or given up
	dog.Stop()             // time that passes between two reads is our own
	body := &watched{res.Body, dog, p.silence}
	if res.StatusCode >= http.StatusMultipleChoices {
		return refusal(a.method, p.URL+a.path, res.StatusCode, body)
	}
	if a.read == nil {
		_, err = io.Copy(io.Discard, body)
		return err
	}
	return a.read(&answer{res.Header, body})
}

func (p *peer) request(ctx context.Context, a ask, fed func()) (*http.Request, error) {
	address := p.URL + a.path
	if len(a.query) > 0 {
		address += "?" + a.query.Encode()
	}
	body := a.stream
	if a.body != nil {
		raw, err := a.body()
		if err != nil {
			return nil, err
		}
		body = bytes.NewReader(raw)
	}
	if a.stream != nil {
		body = &feeding{a.stream, fed}
	}
	req, err := http.NewRequestWithContext(ctx, a.method, address, body)
	if err != nil {
		return nil, err
	}
	req.Header.Set("User-Agent", "after-replicator")
	req.Header.Set("Accept", "application/json")
	if a.method == http.MethodPost || a.body != nil {
		req.Header.Set("Content-Type", "application/json")
	}
	for _, more := range []http.Header{p.Header, a.header} {
		maps.Copy(req.Header, more)
	}
	if host := p.Header.Get("Host"); host != "" {
		req.Host = host
	}
	return req, nil
}

// watched is the body of an answer; each read must come to something in time.
type watched struct {
	io.Reader

	dog     *time.Timer
	silence time.Duration
}

func (w *watched) Read(b []byte) (int, error) {
	w.dog.Reset(w.silence)
	n, err := w.Reader.Read(b)
	w.dog.Stop()
	return n, err
}

// feeding is the body of a request that is made while it is sent.
type feeding struct {
	io.Reader

	fed func()
}

func (f *feeding) Read(b []byte) (int, error) {
	n, err := f.Reader.Read(b)
	f.fed()
	return n, err
}

const maxRefusal = 64 << 10

// refusal reads an answer that is no success.
func refusal(method, address string, status int, body io.Reader) error {
	e := &answerError{status: status, name: http.StatusText(status), method: method, url: address}
	raw, err := io.ReadAll(io.LimitReader(body, maxRefusal))
	if err != nil {
		return err
	}
	var told struct {
		Error  string `json:"error"`
		Reason string `json:"reason"`
	}
	if json.Unmarshal(raw, &told) == nil && told.Error != "" {
		e.name, e.reason = told.Error, told.Reason
	}
	return e
}

// maxAnswer bounds what is read as one piece, in bytes.
const maxAnswer = 256 << 20

// into reads the answer as one JSON value, and nothing of an earlier attempt remains.
func into[T any](v *T) func(*answer) error {
	return func(res *answer) error {
		*v = *new(T)
		return readJSON(res.Body, maxAnswer, v)
	}
}

// readJSON reads one value of at most so many bytes.
func readJSON(r io.Reader, most int64, v any) error {
	if err := json.NewDecoder(&bounded{r, most}).Decode(v); err != nil {
		return fmt.Errorf("reading an answer: %w", err)
	}
	_, err := io.Copy(io.Discard, io.LimitReader(r, maxRefusal)) // so that the connection can be used again
	return err
}

// docPath encodes a document's id.
func docPath(id string) string {
	const design, local = "_design/", "_local/"
	for _, prefix := range []string{design, local} {
		if len(id) > len(prefix) && id[:len(prefix)] == prefix {
			return prefix + escape(id[len(prefix):])
		}
	}
	return escape(id)
}

// escape encodes one part of a path. A plus is encoded too: CouchDB reads it as a space.
func escape(part string) string { return strings.ReplaceAll(url.QueryEscape(part), "+", "%20") }

// dbInfo is what an end says of its database.
type dbInfo struct {
	Started json.RawMessage `json:"instance_start_time"`
}

// open looks whether the database is there and may be read, and makes it where that was asked for.
func (p *peer) open(ctx context.Context, create bool, params url.Values) (dbInfo, error) {
	var denied error
	if create {
		err := p.do(ctx, ask{method: http.MethodPut, query: params})
		switch statusOf(err) {
		case http.StatusPreconditionFailed: // it is there already
		case http.StatusUnauthorized, http.StatusForbidden: // it may be
			denied = err
		default:
			if err != nil {
				return dbInfo{}, p.cannotOpen(err)
			}
		}
	}
	var info dbInfo
	err := p.do(ctx, ask{method: http.MethodGet, read: into(&info)})
	switch {
	case err == nil:
		return info, nil
	case denied != nil && statusOf(err) == http.StatusNotFound:
		return info, p.cannotOpen(denied)
	}
	return info, p.cannotOpen(err)
}

// cannotOpen says it as CouchDB does.
func (p *peer) cannotOpen(err error) error {
	switch statusOf(err) {
	case http.StatusNotFound:
		return &store.Error{
			Status: http.StatusInternalServerError, Name: "db_not_found", Reason: "could not open " + p.URL,
		}
	case http.StatusUnauthorized:
		return &store.Error{
			Status: http.StatusUnauthorized, Name: "unauthorized", Reason: "unauthorized to access or create database " + p.URL,
		}
	case http.StatusForbidden:
		return &store.Error{
			Status: http.StatusForbidden, Name: "forbidden", Reason: "forbidden to access or create database " + p.URL,
		}
	}
	return err
}

// look finds out what else is particular about the server.
func (p *peer) look(ctx context.Context) {
	if p.Name != "" {
		return
	}
	u, err := url.Parse(p.URL)
	if err != nil {
		return
	}
	root := *p
	root.URL = u.Scheme + "://" + u.Host + "/"
	var welcome map[string]json.RawMessage
	if root.once(ctx, ask{method: http.MethodGet, read: into(&welcome)}) == nil {
		_, p.whole = welcome["express-pouchdb"]
	}
}
