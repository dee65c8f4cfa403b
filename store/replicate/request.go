package replicate

import (
	"bytes"
	"cmp"
	"crypto/x509"
	"encoding/json"
	"net/http"
	"net/url"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/adlayer/after/store"
)

// Request is one replication, as it was asked for.
type Request struct {
	Source, Target Endpoint

	Continuous   bool
	CreateTarget bool
	// CreateParams go into the query that creates the target.
	CreateParams url.Values
	// Cancel ends the replication instead: the one that the rest describes, or the one of CancelID.
	Cancel   bool
	CancelID string

	// DocIDs, Selector and Filter say which documents are copied; no more than one of them is given.
	DocIDs      []string
	ByID        bool // DocIDs is given, even if it is empty
	Selector    json.RawMessage
	Filter      string
	QueryParams url.Values
	// WinningOnly leaves conflicts behind.
	WinningOnly bool

	// Since is where the source's feed is read from, whatever the checkpoints say; nil: from the checkpoint.
	Since json.RawMessage
	Settings

	// User is who asked, empty for nobody; Admin may cancel what others started.
	User  string
	Admin bool
	// Size is how many bytes the request had: a measure of what is kept of it, together with the number of DocIDs.
	Size int
	// Local reaches the server's own databases, with the rights of who asked.
	Local http.RoundTripper

	authorities *x509.CertPool // whose certificates are believed; nil: the system's
	longest     int64          // bytes of a document that is read as one piece; 0: maxAnswer
}

func (r *Request) most() int64 { return cmp.Or(r.longest, maxAnswer) }

// weight is about how many bytes of memory are kept of the request while it is replicated.
func (r *Request) weight() int {
	const each = 32 // beside the bytes of an id
	return r.Size + each*len(r.DocIDs)
}

// same tells whether two requests of one name ask for the same in all respects.
func (r *Request) same(other *Request) bool {
	a, b := *r, *other
	a.Local, b.Local = nil, nil
	a.Size, b.Size = 0, 0
	return reflect.DeepEqual(a, b)
}

// Settings say how a replication works.
type Settings struct {
	// Checkpoints are read and written.
	Checkpoints bool
	// Interval is the time between two checkpoints.
	Interval time.Duration
	// Retries is how often a request that failed is sent again.
	Retries int
	// Timeout is how long an end may be silent.
	Timeout time.Duration
	// Batch is the number of changes that are dealt with together, Workers how many batches are under way.
	Batch, Workers int
	// BulkGet reads revisions with _bulk_get where the source has it.
	BulkGet bool
}

// DefaultSettings are CouchDB's.
func DefaultSettings() Settings {
	return Settings{
		Checkpoints: true, BulkGet: true, Interval: 30 * time.Second, Timeout: 30 * time.Second, Retries: 5, Batch: 500, Workers: 4,
	}
}

const (
	maxInterval = 24 * time.Hour
	maxTimeout  = time.Hour
	maxBatch    = 5000
	maxWorkers  = 16
	maxRetries  = 100
)

// Bounded gives settings that make sense as they are, but for what is more than any replication may have.
func (s Settings) Bounded() Settings {
	s.Interval, s.Timeout = min(max(s.Interval, time.Millisecond), maxInterval), min(max(s.Timeout, time.Millisecond), maxTimeout)
	s.Retries, s.Batch, s.Workers = min(max(s.Retries, 0), maxRetries), min(max(s.Batch, 1), maxBatch), min(max(s.Workers, 1), maxWorkers)
	return s
}

// Parse reads the body of POST /_replicate. base is the address of the server that was asked, which stands before the names of its own
// databases in messages. What the body does not say is as in settings.
func Parse(fields map[string]json.RawMessage, base string, settings Settings) (*Request, error) {
	r := &Request{Settings: settings}
	p := fieldReader{fields: fields}
	p.boolean("cancel", &r.Cancel)
	for _, name := range []string{"replication_id", "id", "_local_id"} {
		if r.CancelID == "" {
			p.text(name, &r.CancelID)
		}
	}
	if p.err == nil && r.Cancel && r.CancelID != "" {
		return r, nil
	}
	p.boolean("continuous", &r.Continuous)
	p.boolean("create_target", &r.CreateTarget)
	p.boolean("use_checkpoints", &r.Checkpoints)
	p.boolean("use_bulk_get", &r.BulkGet)
	p.boolean("winning_revs_only", &r.WinningOnly)
	p.times(r)
	p.proxies()
	p.what(r)
	p.create(r)
	if p.err != nil {
		return nil, p.err
	}
	return r, r.ends(fields, base)
}

func (r *Request) ends(fields map[string]json.RawMessage, base string) (err error) {
	for _, name := range []string{"source", "target"} {
		if end, ok := fields[name]; !ok || string(end) == "null" {
			return &store.Error{Status: http.StatusInternalServerError, Name: "error", Reason: "Missing replicator database"}
		}
	}
	if r.Source, err = parseEndpoint("source", fields, base); err != nil {
		return err
	}
	r.Target, err = parseEndpoint("target", fields, base)
	return err
}

// fieldReader reads members, and keeps the first mistake.
type fieldReader struct {
	fields map[string]json.RawMessage
	err    error
}

func (p *fieldReader) get(name string) json.RawMessage {
	if raw := p.fields[name]; p.err == nil && len(raw) > 0 && string(raw) != "null" {
		return raw
	}
	return nil
}

func (p *fieldReader) wrong(name, what string) {
	p.err = store.BadRequest("parameter `%s` must be %s", name, what)
}

func (p *fieldReader) boolean(name string, to *bool) {
	if raw := p.get(name); raw != nil && json.Unmarshal(raw, to) != nil {
		p.wrong(name, "a boolean")
	}
}

func (p *fieldReader) text(name string, to *string) {
	if raw := p.get(name); raw != nil && json.Unmarshal(raw, to) != nil {
		p.wrong(name, "a string")
	}
}

// number reads an integer, which may stand in quotes, within bounds.
func (p *fieldReader) number(name string, least, most int64) (n int64, ok bool) {
	raw := p.get(name)
	if raw == nil {
		return 0, false
	}
	n, err := strconv.ParseInt(strings.Trim(string(raw), `"`), 10, 64)
	if err != nil || n < least {
		p.wrong(name, "an integer of at least "+strconv.FormatInt(least, 10))
		return 0, false
	}
	return min(n, most), true
}

func (p *fieldReader) times(r *Request) {
	if n, ok := p.number("checkpoint_interval", 1, maxInterval.Milliseconds()); ok {
		r.Interval = time.Duration(n) * time.Millisecond
	}
	if n, ok := p.number("connection_timeout", 1, maxTimeout.Milliseconds()); ok {
		r.Timeout = time.Duration(n) * time.Millisecond
	}
	if n, ok := p.number("retries_per_request", 0, maxRetries); ok {
		r.Retries = int(n)
	}
	if n, ok := p.number("worker_batch_size", 1, maxBatch); ok {
		r.Batch = int(n)
	}
	if n, ok := p.number("worker_processes", 1, maxWorkers); ok {
		r.Workers = int(n)
	}
	if since := p.get("since_seq"); since != nil {
		r.Since = since
	}
}

// proxies refuses two for one end.
func (p *fieldReader) proxies() {
	for _, name := range []string{"source_proxy", "target_proxy"} {
		if given(p.get("proxy")) && given(p.get(name)) {
			p.err = store.BadRequest("`proxy` is mutually exclusive with `%s`", name)
		}
	}
}

// given tells whether there is a value, and more than an empty string.
func given(raw json.RawMessage) bool { return raw != nil && string(raw) != `""` }

// what reads which documents are copied.
func (p *fieldReader) what(r *Request) {
	given := 0
	if raw := p.get("doc_ids"); raw != nil {
		given++
		if raw[0] != '[' {
			p.wrong("doc_ids", "an array")
		} else if json.Unmarshal(raw, &r.DocIDs) != nil {
			p.wrong("doc_ids", "an array of strings")
		}
		r.DocIDs = withDecoded(r.DocIDs)
		r.ByID = true
	}
	if raw := p.get("selector"); raw != nil {
		given++
		if raw[0] != '{' {
			p.wrong("selector", "a JSON object")
		}
		r.Selector = raw
	}
	if p.get("filter") != nil {
		given++
		p.text("filter", &r.Filter)
	}
	if given > 1 && p.err == nil {
		p.err = store.BadRequest("`doc_ids`,`filter`,`selector` are mutually exclusive")
	}
	r.QueryParams = p.values("query_params", "an object")
}

// withDecoded adds what ids mean that are written as in a path, which CouchDB takes them for. They mean themselves, too: most callers write them as
// they are.
func withDecoded(ids []string) []string {
	for _, id := range slices.Clone(ids) {
		if text, err := url.PathUnescape(id); err == nil && text != id {
			ids = append(ids, text)
		}
	}
	return ids
}

// values reads an object of parameters; what is no string stands for its JSON.
func (p *fieldReader) values(name, what string) url.Values {
	raw := p.get(name)
	if raw == nil {
		return nil
	}
	var members map[string]json.RawMessage
	if json.Unmarshal(raw, &members) != nil {
		p.wrong(name, what)
		return nil
	}
	out := url.Values{}
	for key, value := range members {
		text := string(value)
		if value[0] == '"' && json.Unmarshal(value, &text) != nil {
			p.wrong(name, what)
		}
		out.Set(key, text)
	}
	return out
}

func (p *fieldReader) create(r *Request) {
	r.CreateParams = p.values("create_target_params", "a JSON object")
}

// Endpoint is one of the two databases.
type Endpoint struct {
	// Name is that of a database of the server itself; empty for a remote one.
	Name string
	// URL is the database's, without credentials, with a slash at its end.
	URL string
	// Header goes with every request.
	Header http.Header
	// User names the credentials, which are in Header.
	User string
	// Proxy carries the requests; nil: none but what the environment names.
	Proxy *url.URL
}

type endpointObject struct {
	URL     string            `json:"url"`
	Headers map[string]string `json:"headers"`
	Auth    struct {
		Basic *struct {
			Username string `json:"username"`
			Password string `json:"password"`
		} `json:"basic"`
	} `json:"auth"`
}

func parseEndpoint(which string, fields map[string]json.RawMessage, base string) (Endpoint, error) {
	raw := bytes.TrimSpace(fields[which])
	var o endpointObject
	var err error
	switch raw[0] {
	case '{':
		err = json.Unmarshal(raw, &o)
	case '"':
		err = json.Unmarshal(raw, &o.URL)
	default: // as in CouchDB, the name of a database that cannot be there
		o.URL = string(raw)
	}
	if err != nil || o.URL == "" {
		return Endpoint{}, store.BadRequest("parameter `%s` must be a database's name, its URL, or an object with its `url`", which)
	}
	e := Endpoint{Header: http.Header{}}
	for name, value := range o.Headers {
		e.Header.Set(name, value)
	}
	if !strings.Contains(o.URL, "://") {
		e.Name = o.URL
		e.URL = base + "/" + url.QueryEscape(o.URL) + "/"
		return e, nil
	}
	if err := e.parseURL(which, o.URL); err != nil {
		return Endpoint{}, err
	}
	if b := o.Auth.Basic; b != nil {
		e.basic(b.Username, b.Password)
	}
	return e, e.parseProxy(which, fields)
}

func (e *Endpoint) parseURL(which, text string) error {
	u, err := url.Parse(text)
	if err != nil || u.Host == "" || (u.Scheme != "http" && u.Scheme != "https") {
		return store.BadRequest("parameter `%s` is not the URL of a database", which) // the URL itself may hold a password
	}
	if u.User != nil {
		password, _ := u.User.Password()
		e.basic(u.User.Username(), password)
	}
	u.User, u.Fragment, u.RawQuery = nil, "", ""
	e.URL = strings.TrimSuffix(u.String(), "/") + "/"
	return nil
}

func (e *Endpoint) basic(name, password string) {
	r := http.Request{Header: e.Header}
	r.SetBasicAuth(name, password)
	e.User = name
}

func (e *Endpoint) parseProxy(which string, fields map[string]json.RawMessage) error {
	for _, name := range []string{which + "_proxy", "proxy"} {
		var text string
		if raw, ok := fields[name]; !ok || json.Unmarshal(raw, &text) != nil || text == "" {
			continue
		}
		u, err := url.Parse(text)
		if err != nil || u.Host == "" {
			return store.BadRequest("parameter `%s` is not the URL of a proxy", name)
		}
		e.Proxy = u
		return nil
	}
	return nil
}

// Shown is the address as people may see it: with the name of the user, without the password.
func (e *Endpoint) Shown() string {
	if e.User == "" {
		return e.URL
	}
	u, err := url.Parse(e.URL)
	if err != nil {
		return e.URL
	}
	scheme, rest, _ := strings.Cut(u.String(), "://")
	return scheme + "://" + url.User(e.User).String() + ":*****@" + rest
}
