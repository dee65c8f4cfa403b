package call

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/when"
)

// Arguments are those of the http job, as they stand in the task's document.
type Arguments struct {
	URL     string            `json:"url"`
	Method  string            `json:"method"`  // GET, or POST where there is a body
	Query   map[string]Values `json:"query"`   // added to what the URL has
	Headers map[string]Values `json:"headers"` // but for the marks of after, which nobody can give

	// The body; one of these.
	Body       json.RawMessage   `json:"body"` // a string is sent as it is, anything else as JSON
	Form       map[string]Values `json:"form"`
	Text       *string           `json:"text"`
	Base64     []byte            `json:"base64"`
	Attachment string            `json:"attachment"` // the name of an attachment of the task's document
	Gzip       bool              `json:"gzip"`       // it is sent compressed

	Timeout    Span     `json:"timeout"`    // of the request; the task's own holds too
	Redirects  *Follow  `json:"redirects"`  // how many are followed: 10, or what is said here; false is none
	Credential string   `json:"credential"` // a name of the worker's configuration
	TLS        string   `json:"tls"`        // a name of the worker's configuration
	Codes      Codes    `json:"codes"`      // instead of the worker's, list by list
	Limit      string   `json:"limit"`      // such as 10/s, for all tasks with this tag and limit; without a tag, for the host
	Tag        string   `json:"tag"`        // see Limit; a limit of the configuration may name it too
	Callback   Callback `json:"callback"`   // the endpoint may answer 202 and call back
}

// Validate is asked before the job runs. What is wrong is an [ArgumentError].
func (a *Arguments) Validate() error {
	u, err := url.Parse(a.URL)
	switch {
	case a.URL == "":
		return wrong("url", "url is missing")
	case err != nil:
		return wrong("url", "url cannot be read") // the library's error repeats it, and a password may stand in it
	case u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "":
		return wrong("url", "url %s is no http or https address", u.Redacted())
	case portOf(u) == 0:
		return wrong("url", "url %s has a port that is none of 1 to 65535", u.Redacted())
	}
	bodies := 0
	for _, given := range [...]bool{len(a.Body) > 0 && string(a.Body) != "null", a.Form != nil, a.Text != nil, a.Base64 != nil, a.Attachment != ""} {
		if given {
			bodies++
		}
	}
	if bodies > 1 {
		return wrong("", "only one of body, form, text, base64 and attachment can be sent")
	}
	if err := checkMethod(a.Method); err != nil {
		return err
	}
	if a.Limit != "" {
		if _, err := parseLimit(a.Limit); err != nil {
			return wrong("limit", "limit: %w", err)
		}
	}
	if err := a.Codes.check(); err != nil {
		return wrong("codes", "codes: %w", err)
	}
	return checkHeaders(a.Headers)
}

// MethodOf gives the method of the call that arguments ask for, as they stand in a document; empty where they cannot be read.
func MethodOf(raw []byte) string {
	if method := gjson.GetBytes(raw, "method").Str; method != "" { // without a look at what may be a long body
		return strings.ToUpper(method)
	}
	var a Arguments
	if json.Unmarshal(raw, &a) != nil {
		return ""
	}
	return a.method()
}

// method is GET, or POST where there is a body, unless the arguments say which.
func (a *Arguments) method() string {
	if a.Method != "" {
		return strings.ToUpper(a.Method)
	}
	if body := string(a.Body); body != "" && body != "null" && body != `""` || encode(a.Form) != "" || a.Text != nil && *a.Text != "" || len(a.Base64) > 0 ||
		a.Attachment != "" {
		return http.MethodPost
	}
	return http.MethodGet
}

func checkHeaders(headers map[string]Values) error {
	for name, values := range headers {
		if !isToken(name) {
			return wrong("headers", "headers: %q is no name of a header", name)
		}
		for _, value := range values {
			if i := strings.IndexFunc(value, func(c rune) bool { return c < ' ' && c != '\t' || c == 0x7f }); i >= 0 {
				return wrong("headers."+name, "headers: the value of %s has a line break or another control character in it", name)
			}
		}
	}
	return nil
}

// isToken says whether a text may be the name of a header.
func isToken(name string) bool {
	return name != "" && !strings.ContainsFunc(name, func(c rune) bool {
		return c <= ' ' || c >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, c)
	})
}

// Values are one value or several, in JSON a text, a number, true, false, or an array of those.
type Values []string

// UnmarshalJSON reads them.
func (v *Values) UnmarshalJSON(raw []byte) error {
	var items []json.RawMessage
	if raw[0] != '[' {
		items = []json.RawMessage{raw}
	} else if err := json.Unmarshal(raw, &items); err != nil {
		return err
	}
	*v = make(Values, 0, len(items))
	for _, item := range items {
		switch item[0] {
		case '"':
			var text string
			if err := json.Unmarshal(item, &text); err != nil {
				return err
			}
			*v = append(*v, text)
		case '{', '[', 'n':
			return fmt.Errorf("%.80s found, where a text or an array of texts is wanted", item)
		default: // numbers, true and false as they are written
			*v = append(*v, string(item))
		}
	}
	return nil
}

// Span is a duration, in JSON as everywhere in a task.
type Span time.Duration

// UnmarshalJSON reads it.
func (s *Span) UnmarshalJSON(raw []byte) error {
	d, err := when.ParseDurationJSON(raw)
	if err == nil && d <= 0 {
		err = fmt.Errorf("the duration %s is not above zero", raw)
	}
	*s = Span(d)
	return err
}

// Follow is how many redirects are followed, in JSON a number, or false for none.
type Follow int

// UnmarshalJSON reads it.
func (f *Follow) UnmarshalJSON(raw []byte) error {
	switch string(raw) {
	case "false":
		*f = 0
		return nil
	case "true":
		*f = mostRedirects
		return nil
	}
	var n int
	if err := json.Unmarshal(raw, &n); err != nil || n < 0 || n > 20 {
		return fmt.Errorf("redirects: %.80s found, where false or a number from 0 to 20 is wanted", raw)
	}
	*f = Follow(n)
	return nil
}

// Callback says that the endpoint may finish later, and for how long that is awaited: in JSON true, for as long as the task's timeout or an
// hour, or a duration.
type Callback struct {
	Wanted bool
	Within time.Duration // 0: the task's timeout, or an hour
}

// UnmarshalJSON reads it.
func (c *Callback) UnmarshalJSON(raw []byte) error {
	switch string(raw) {
	case "true":
		c.Wanted = true
		return nil
	case "false", "null":
		return nil
	}
	var span Span
	if span.UnmarshalJSON(bytes.TrimSpace(raw)) != nil {
		return fmt.Errorf("callback: %.80s is neither true nor false, nor a duration above zero such as 2h", raw)
	}
	c.Wanted, c.Within = true, time.Duration(span)
	return nil
}
