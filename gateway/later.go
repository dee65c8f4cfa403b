package gateway

import (
	"cmp"
	"encoding/json"
	"errors"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/adlayer/after/when"
)

// bodyName is the attachment that has the body of a request which was handed over.
const bodyName = "body"

// original is a request as it came, for another endpoint.
type original struct {
	headers map[string]string
	body    *payload
}

// into makes the call of a request that is handed over.
func (r *original) into(a *arguments) {
	a.Headers = r.headers
	if r.body.size > 0 {
		a.Attachment = bodyName
	}
}

// later takes a whole request and has it sent to the address in its path, as it is, at its time. rest is the address as it was sent.
func (x *exchange) later(rest string) error {
	if err := x.may(rightPost); err != nil {
		return err
	}
	query, settings, err := x.settings()
	if err != nil {
		return err
	}
	o, wait, err := settings.order()
	if err != nil {
		return err
	}
	if o.URL, err = target(rest, query); err != nil {
		return err
	}
	headers, err := x.handedOn()
	if err != nil {
		return err
	}
	body, release, err := x.spool()
	defer release()
	if err != nil {
		return err
	}
	o.Method, o.raw = x.r.Method, &original{headers, body}
	return settings.spelled(x.accept(o, cmp.Or(settings["idempotency-key"], x.r.Header.Get("Idempotency-Key")), wait))
}

// spelled names the field that an error is about as the caller did.
func (s settings) spelled(err error) error {
	e, ok := errors.AsType[*refusal](err)
	if !ok || e.status != http.StatusBadRequest {
		return err
	}
	field, below, deeper := strings.Cut(e.Field, ".")
	for name, of := range map[string]string{"at": "eta", "in": "countdown", "every": "repeat", "cron": "repeat"} {
		if s[name] != "" && of == field {
			field = name
		}
	}
	if s[field] == "" {
		return err
	}
	if e.Field = settingPrefix + field; deeper {
		e.Field += "." + below
	}
	return err
}

// target is the address that a request is for. It stands in the path percent-encoded as a whole or plain; what is left of the query is its own.
func target(rest, query string) (string, error) {
	lower := strings.ToLower(rest[:min(len(rest), len("https://"))])
	if !strings.HasPrefix(lower, "http://") && !strings.HasPrefix(lower, "https://") {
		decoded, err := url.PathUnescape(rest)
		if err != nil || !strings.Contains(decoded, "://") {
			return "", bad("url", "the path goes on with the address to call: /later/https://host/path, or percent-encoded")
		}
		rest = decoded
	}
	if query == "" {
		return rest, nil
	}
	if strings.Contains(rest, "?") {
		return rest + "&" + query, nil
	}
	return rest + "?" + query, nil
}

// settings are what of a deferred request is meant for us, by their names: after.<name> in the query and X-After-<Name> in the header.
type settings map[string]string

// laterPath is where requests are handed over.
const laterPath = "later"

const (
	settingPrefix = "after."
	headerPrefix  = "X-After-"
)

// marks are the headers of calls that the queue makes itself: a request that was such a call and is handed over gets new ones.
func marks() []string {
	return []string{"X-Task-Id", "X-Via-Jobqueue", "X-After-Nominal-Date", "X-After-Attempt", callbackHeader}
}

// callbackHeader is a mark where it has the address of a callback, and a setting where it asks for one.
const callbackHeader = headerPrefix + "Callback"

func isMark(name, value string) bool {
	return slices.Contains(marks(), name) && (name != callbackHeader || strings.Contains(value, "://"))
}

// settings parts what is ours from the query that is the address's own, which keeps its spelling.
func (x *exchange) settings() (query string, s settings, err error) {
	s = settings{}
	var rest []string
	for part := range strings.SplitSeq(x.r.URL.RawQuery, "&") {
		escaped, value, _ := strings.Cut(part, "=")
		name, wrong := url.QueryUnescape(escaped)
		own, ours := strings.CutPrefix(name, settingPrefix)
		if wrong != nil || !ours {
			if part != "" {
				rest = append(rest, part)
			}
			continue
		}
		if value, err = url.QueryUnescape(value); err != nil {
			return "", nil, bad(name, "the value is not percent-encoded as it should be")
		}
		if err := s.set(name, strings.ToLower(own), value); err != nil {
			return "", nil, err
		}
	}
	for name, values := range x.r.Header {
		own, ours := strings.CutPrefix(name, headerPrefix)
		if !ours || name == CredentialsHeader || isMark(name, values[0]) {
			continue
		}
		if len(values) > 1 {
			return "", nil, bad(name, "the header is there %d times", len(values))
		}
		if err := s.set(name, strings.ToLower(own), values[0]); err != nil {
			return "", nil, err
		}
	}
	return strings.Join(rest, "&"), s, nil
}

func (s settings) set(spelled, name, value string) error {
	if _, twice := s[name]; twice {
		return bad(spelled, "%s is given twice", name)
	}
	s[name] = value
	return plainValues(spelled, spelled, []string{value})
}

// order reads the settings into an order, and how long its caller waits for the outcome.
func (s settings) order() (o *order, wait string, err error) {
	o = &order{}
	texts := map[string]*string{
		"worker": &o.Worker, "id": &o.ID, "timezone": &o.Timezone, "timeout": &o.Timeout, "limit": &o.Limit, "wait": &wait,
	}
	values := map[string]*json.RawMessage{
		"at": &o.ETA, "in": &o.Countdown, "cron": &o.Repeat, "repeat": &o.Repeat, "every": &o.Repeat, "retry": &o.Retry, "notify": &o.Notify,
		"expect": &o.Expect, "codes": &o.Codes,
	}
	for name, value := range s {
		if at, ok := texts[name]; ok {
			*at = value
			continue
		}
		at, ok := values[name]
		switch {
		case ok && *at != nil:
			return nil, "", bad(settingPrefix+name, "every, cron and repeat say the same thing: give one of them")
		case ok && name == "cron" && !when.LooksLikeCron(value):
			return nil, "", bad("after.cron", "%.60q is no crontab line: it has five fields, \"0 9 * * MON-FRI\" say, or is a word such as @daily", value)
		case ok && name == "every" && !strings.HasPrefix(value, "every "):
			*at = quoted("every " + value)
		case ok:
			*at = valueOf(value, name == "retry")
		case name == "callback":
			o.Callback = callbackOf(value)
		case name == "idempotency-key":
		default:
			names := append(slices.Collect(maps.Keys(texts)), slices.Collect(maps.Keys(values))...)
			names = slices.Sorted(slices.Values(append(names, "callback")))
			return nil, "", bad(settingPrefix+name, "there is no setting %q: there are %s", name, strings.Join(names, ", "))
		}
	}
	if o.ETA != nil && o.Countdown != nil {
		return nil, "", bad("after.in", "both at and in are given: they say the same thing")
	}
	return o, wait, nil
}

// connectionHeaders are about a connection, not about what is sent over it, or are made anew for each call.
func connectionHeaders() []string {
	return []string{
		"Connection", "Keep-Alive", "Proxy-Authenticate", "Proxy-Authorization", "Proxy-Connection", "Te", "Trailer", "Transfer-Encoding", "Upgrade",
		"Content-Length", "Expect", "Accept-Encoding", "Host",
	}
}

// handedOn are the headers that go to the endpoint: all but ours and those of the connection.
func (x *exchange) handedOn() (map[string]string, error) {
	left := append(connectionHeaders(), marks()...)
	for _, line := range x.r.Header["Connection"] {
		for name := range strings.SplitSeq(line, ",") {
			left = append(left, http.CanonicalHeaderKey(strings.TrimSpace(name)))
		}
	}
	if x.r.Header.Get(CredentialsHeader) == "" {
		left = append(left, "Authorization") // it was for us
	}
	headers := map[string]string{}
	for name, values := range x.r.Header {
		if slices.Contains(left, name) || strings.HasPrefix(name, headerPrefix) {
			continue
		}
		value := strings.Join(values, ", ")
		if name == "Cookie" {
			if value = withoutSession(strings.Join(values, "; ")); value == "" {
				continue
			}
		}
		if !utf8.ValidString(value) {
			return nil, bad(name, "the header is no UTF-8, and cannot be kept")
		}
		headers[name] = value
	}
	return headers, nil
}

// withoutSession leaves the session of the database out of cookies.
func withoutSession(cookies string) string {
	var kept []string
	for one := range strings.SplitSeq(cookies, ";") {
		if one = strings.TrimSpace(one); one != "" && !strings.HasPrefix(one, sessionCookie+"=") {
			kept = append(kept, one)
		}
	}
	return strings.Join(kept, "; ")
}
