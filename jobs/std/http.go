package std

import (
	"bytes"
	"cmp"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/adlayer/after/jobs"
)

// request is the arguments of the http job.
type request struct {
	URL     string            `json:"url"`
	Method  string            `json:"method"`  // GET, or POST where there is a body
	Headers map[string]string `json:"headers"` // these win over our own
	Body    json.RawMessage   `json:"body"`    // a string is sent as it is, anything else as JSON
}

// Validate is asked before the job runs.
func (r *request) Validate() error {
	u, err := url.Parse(r.URL)
	switch {
	case r.URL == "":
		return errors.New("url is missing")
	case err != nil:
		return errors.New("url cannot be read") // the library's error repeats it, and a password may stand in it
	case u.Scheme != "http" && u.Scheme != "https" || u.Host == "":
		return fmt.Errorf("url %s is no http or https address", u.Redacted())
	}
	return nil
}

// response is the result of the http job.
type response struct {
	Status    int               `json:"status"`
	Headers   map[string]string `json:"headers"`             // names in lower case; several values joined by ", "
	Body      any               `json:"body,omitempty"`      // JSON as JSON, text as text
	Base64    string            `json:"base64,omitempty"`    // the body where it is neither
	Truncated bool              `json:"truncated,omitempty"` // the body was longer than what is kept
}

type httpJob struct {
	client *http.Client
	agent  string
	most   int
}

func newHTTP(o Options) httpJob {
	j := httpJob{client: o.HTTP, agent: cmp.Or(o.UserAgent, "after"), most: cmp.Or(o.MaxBody, 64<<10)}
	if j.client == nil {
		j.client = &http.Client{Transport: &http.Transport{
			Proxy:                 http.ProxyFromEnvironment,
			ForceAttemptHTTP2:     true,
			MaxIdleConns:          100,
			MaxIdleConnsPerHost:   32,
			IdleConnTimeout:       30 * time.Second,
			TLSHandshakeTimeout:   10 * time.Second,
			ExpectContinueTimeout: time.Second,
		}}
	}
	return j
}

// run sends the request. A status of 400 or more is an error. One that says that the request itself is wrong is permanent;
// 5xx, 408, 425 and 429 may pass, and so may a failure of the network. Retry-After is kept to.
func (j httpJob) run(ctx context.Context, t *jobs.Task, in request) (*response, error) {
	r, err := j.prepare(ctx, t, in)
	if err != nil {
		return nil, jobs.Invalid(err)
	}
	answer, err := j.client.Do(r)
	if err != nil {
		return nil, fmt.Errorf("%s %s: %w", r.Method, r.URL.Redacted(), inner(err))
	}
	defer answer.Body.Close() //nolint:errcheck // only read
	body, err := io.ReadAll(io.LimitReader(answer.Body, int64(j.most)+1))
	if err != nil {
		return nil, fmt.Errorf("%s %s: reading the answer: %w", r.Method, r.URL.Redacted(), err)
	}
	if answer.StatusCode >= http.StatusBadRequest {
		return nil, refusal(r, answer, body)
	}
	return j.result(answer, body), nil
}

func (j httpJob) prepare(ctx context.Context, t *jobs.Task, in request) (*http.Request, error) {
	body, kind := []byte(in.Body), "application/json"
	if len(body) > 0 && body[0] == '"' {
		var text string
		if err := json.Unmarshal(body, &text); err != nil {
			return nil, fmt.Errorf("arguments.body: %w", err)
		}
		body, kind = []byte(text), "text/plain; charset=utf-8"
	}
	if string(body) == "null" {
		body = nil
	}
	method := strings.ToUpper(in.Method)
	if method == "" {
		method = http.MethodGet
		if len(body) > 0 {
			method = http.MethodPost
		}
	}
	r, err := http.NewRequestWithContext(ctx, method, in.URL, bytes.NewReader(body))
	if err != nil {
		return nil, inner(err)
	}
	if len(body) > 0 {
		r.Header.Set("Content-Type", kind)
	}
	r.Header.Set("User-Agent", j.agent)
	r.Header.Set("X-Task-Id", header(t.ID()))
	r.Header.Set("Idempotency-Key", header(t.Key()))
	for name, value := range in.Headers {
		if strings.EqualFold(name, "host") {
			r.Host = value
		}
		r.Header.Set(name, value)
	}
	return r, nil
}

// header makes any id fit for a header: what is not printable ASCII is escaped as in a URL.
func header(id string) string {
	plain := func(r rune) bool { return r <= ' ' || r > '~' || r == '%' }
	if !strings.ContainsFunc(id, plain) {
		return id
	}
	var b strings.Builder
	for i := range len(id) {
		if c := id[i]; c <= ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}

// inner takes off what net/http puts around an error: it repeats the address, with what may stand in its query.
func inner(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}

func refusal(r *http.Request, answer *http.Response, body []byte) error {
	const shown = 300
	text := strings.TrimSpace(strings.ToValidUTF8(string(body[:min(len(body), shown)]), ""))
	if text != "" {
		text = ": " + text
	}
	err := fmt.Errorf("%s %s answered %s%s", r.Method, r.URL.Redacted(), answer.Status, text)
	err = jobs.Coded(err, answer.StatusCode)
	switch code := answer.StatusCode; {
	case code >= http.StatusInternalServerError, code == http.StatusRequestTimeout, code == http.StatusTooEarly,
		code == http.StatusTooManyRequests:
		if d := retryAfter(answer.Header); d > 0 {
			err = jobs.RetryAfter(err, d)
		}
		return err
	default:
		return jobs.Permanent(err)
	}
}

// retryAfter reads the header Retry-After: seconds, or a date as seen by the clock of the server that sent it.
func retryAfter(h http.Header) time.Duration {
	const most = 24 * time.Hour
	value := h.Get("Retry-After")
	if seconds, err := strconv.ParseInt(value, 10, 64); err == nil {
		return min(time.Duration(min(max(seconds, 0), int64(most/time.Second)))*time.Second, most)
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	now, err := http.ParseTime(h.Get("Date"))
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), most)
}

func (j httpJob) result(answer *http.Response, body []byte) *response {
	r := &response{Status: answer.StatusCode, Headers: map[string]string{}, Truncated: len(body) > j.most}
	for name, values := range answer.Header {
		r.Headers[strings.ToLower(name)] = strings.Join(values, ", ")
	}
	body = body[:min(len(body), j.most)]
	kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	isJSON := err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
	switch {
	case len(body) == 0:
	case isJSON && json.Valid(body):
		r.Body = json.RawMessage(body)
	case r.Truncated && utf8.Valid(trimRune(body)):
		r.Body = string(trimRune(body))
	case utf8.Valid(body):
		r.Body = string(body)
	default:
		r.Base64 = base64.StdEncoding.EncodeToString(body)
	}
	return r
}

// trimRune takes off a character that was cut in the middle.
func trimRune(body []byte) []byte {
	for i := 1; i <= min(utf8.UTFMax, len(body)); i++ {
		if start := len(body) - i; utf8.RuneStart(body[start]) {
			if !utf8.FullRune(body[start:]) {
				return body[:start]
			}
			break
		}
	}
	return body
}
