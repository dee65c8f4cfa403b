package call

import (
	"encoding/base64"
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"
)

// Result is the result of the http job.
type Result struct {
	Status    int               `json:"status"`
	Headers   map[string]string `json:"headers"`             // names in lower case; several values joined by ", "
	Body      any               `json:"body,omitempty"`      // JSON as JSON, text as text
	Base64    string            `json:"base64,omitempty"`    // the body where it is neither
	Truncated bool              `json:"truncated,omitempty"` // the body was longer than what is kept
	Bytes     int64             `json:"bytes,omitempty"`     // of the body, as far as it was read
	Redirects []string          `json:"redirects,omitempty"` // where they led
	Timing    Timing            `json:"timing"`
}

// mostHeaders is how many bytes of an answer's headers are kept.
const mostHeaders = 16 << 10

func newResult(answer *http.Response, body []byte, most int) *Result {
	r := &Result{Status: answer.StatusCode, Headers: make(map[string]string, len(answer.Header)), Truncated: len(body) > most}
	room := mostHeaders
	for name, values := range answer.Header {
		value := strings.Join(values, ", ")
		if room -= len(name) + len(value); room < 0 {
			break
		}
		r.Headers[strings.ToLower(name)] = strings.ToValidUTF8(value, "\ufffd")
	}
	body = body[:min(len(body), most)]
	kind, _, err := mime.ParseMediaType(answer.Header.Get("Content-Type"))
	isJSON := err == nil && (kind == "application/json" || strings.HasSuffix(kind, "+json"))
	switch {
	case len(body) == 0:
	case isJSON && utf8.Valid(body) && json.Valid(body): // JSON is UTF-8, which json.Valid does not look at
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

// beyond is how many bytes of a body are read that are not kept, so that the connection can be used again.
const beyond = 64 << 10

// readBody reads as much of a body as is kept and one byte more, and passes over the rest where that is known to be short.
func readBody(answer *http.Response, most int) (body []byte, read int64, err error) {
	body, err = io.ReadAll(io.LimitReader(answer.Body, int64(most)+1))
	if err != nil {
		return nil, 0, err
	}
	read = int64(len(body))
	if rest := answer.ContentLength - read; rest > 0 && rest <= beyond {
		passed, _ := io.Copy(io.Discard, answer.Body) // what is kept has come: the rest may fail
		read += passed
	}
	return body, read, nil
}

// excerpt is what an error shows of an answer's body.
func excerpt(body []byte) string {
	const shown = 300
	text := strings.TrimSpace(strings.ToValidUTF8(string(body[:min(len(body), shown)]), ""))
	if text == "" {
		return ""
	}
	return ": " + text
}

// retryAfter reads the header Retry-After: seconds, or a date as seen by the clock of the server that sent it, or by ours where that does not
// tell the time.
func retryAfter(h http.Header, now time.Time) time.Duration {
	const most = 24 * time.Hour
	value := h.Get("Retry-After")
	if value != "" && strings.Trim(value, "0123456789") == "" {
		seconds, err := strconv.ParseInt(value, 10, 64)
		if err != nil || seconds > int64(most/time.Second) {
			return most
		}
		return time.Duration(seconds) * time.Second
	}
	at, err := http.ParseTime(value)
	if err != nil {
		return 0
	}
	if theirs, err := http.ParseTime(h.Get("Date")); err == nil {
		now = theirs
	}
	return min(max(at.Sub(now), 0), most)
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
