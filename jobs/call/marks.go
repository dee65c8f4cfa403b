package call

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/webhook"
)

// The headers that every call has, in their canonical form.
const (
	headerTask     = "X-Task-Id"
	headerWorker   = "X-After-Worker"
	headerNominal  = "X-After-Nominal-Date"
	headerAttempt  = "X-After-Attempt"
	headerKey      = "Idempotency-Key"
	headerVia      = "X-Via-Jobqueue"
	headerCallback = "X-After-Callback"
	headerParent   = "Traceparent"
	headerState    = "Tracestate"
)

// ours says whether a header, in its canonical form, is none that a document can give: a mark of ours, or one that belongs to the connection.
func ours(name string) bool {
	switch name {
	case headerTask, headerKey, headerVia, "User-Agent", headerParent, headerState, "Webhook-Id", "Webhook-Timestamp", "Webhook-Signature",
		"Host", "Connection", "Keep-Alive", "Proxy-Connection", "Proxy-Authorization", "Te", "Trailer", "Transfer-Encoding", "Upgrade", "Content-Length":
		return true
	}
	return strings.HasPrefix(name, "X-After-")
}

// mark puts on what tells an application that a call is ours, and which.
func (x *exchange) mark(h http.Header) {
	t := x.task
	values := make([]string, 0, 9)    // of all of them in one piece
	set := func(name, value string) { // the names are canonical
		values = append(values, value)
		h[name] = values[len(values)-1 : len(values) : len(values)]
	}
	set("User-Agent", x.settings.UserAgent)
	set(headerTask, escaped(t.ID()))
	set(headerKey, escaped(t.Key()))
	set(headerWorker, escaped(t.Worker()))
	set(headerNominal, t.Nominal().UTC().Format(time.RFC3339Nano))
	set(headerAttempt, strconv.FormatInt(t.Attempt(), 10))
	set(headerVia, "yes")
	set(headerParent, x.span())
	if x.parent != "" && x.state != "" {
		set(headerState, x.state)
	}
}

// span gives the trace that a request belongs to, with an id of its own in it.
func (x *exchange) span() string {
	var span [8]byte
	_, _ = rand.Read(span[:]) // never fails
	text := make([]byte, 0, 64)
	if x.parent != "" {
		text = append(text, x.parent[:36]...)
		text = hex.AppendEncode(text, span[:])
		return string(append(text, x.parent[52:]...))
	}
	key := sha256.Sum256([]byte(x.task.Key())) // all attempts of a firing are one trace
	text = hex.AppendEncode(append(text, "00-"...), key[:16])
	text = hex.AppendEncode(append(text, '-'), span[:])
	return string(append(text, "-00"...))
}

// parentOf gives the trace that a document continues, "" where its header makes no sense.
func parentOf(value string) string {
	if len(value) < 55 || value[:2] == "ff" || len(value) > 55 && (value[:2] == "00" || value[55] != '-') {
		return ""
	}
	version := value[:2]
	value = value[:55] // what a later version has behind it is none of ours
	for i := range len(value) {
		c, dash := value[i], i == 2 || i == 35 || i == 52
		if dash != (c == '-') || !dash && (c < '0' || c > '9') && (c < 'a' || c > 'f') {
			return ""
		}
	}
	if strings.Trim(value[3:35], "0") == "" || strings.Trim(value[36:52], "0") == "" {
		return ""
	}
	if version == "00" {
		return value
	}
	if strings.IndexByte("13579bdf", value[54]) >= 0 { // of its flags we know that it is sampled
		return "00" + value[2:53] + "01"
	}
	return "00" + value[2:53] + "00"
}

// sign signs the next request, over its body as it is sent, where that goes to the host that the document names.
func (x *exchange) sign(ctx context.Context) error {
	if x.settings.signer == nil || x.abroad {
		return nil
	}
	signing, err := x.settings.signer.Start(webhook.ID(cmp.Or(x.task.Key(), x.task.ID())), x.caller.now())
	if err != nil {
		return jobs.Invalid(err)
	}
	if err := x.body.copyTo(ctx, signing); err != nil {
		return err
	}
	signing.Header(x.request.Header)
	return nil
}

// callbackURL is where the endpoint tells how it ended, signed so that it can tell that of this run alone.
func (x *exchange) callbackURL() (string, error) {
	s := x.settings
	if s.signer == nil || s.CallbackURL == "" {
		return "", jobs.Invalid(errors.New("callback: the worker's configuration has no http.callback_url or no http.signing_key"))
	}
	token, err := s.signer.Callback(webhook.Callback{
		Task: x.task.ID(), Key: x.task.Key(), Attempt: x.task.Attempt(), Expires: x.started.Add(x.awaited()).Add(time.Second),
	})
	return s.CallbackURL + "/callback/" + token, err
}

// awaited is how long a callback is awaited.
func (x *exchange) awaited() time.Duration {
	switch within, timeout := x.in.Callback.Within, x.task.Document().Timeout; {
	case within > 0:
		return within
	case timeout > 0:
		return timeout
	default:
		return time.Hour
	}
}

// escaped makes any text fit for a header: what is not printable ASCII is escaped as in a URL.
func escaped(text string) string {
	unfit := func(r rune) bool { return r <= ' ' || r > '~' || r == '%' }
	if !strings.ContainsFunc(text, unfit) {
		return text
	}
	var b strings.Builder
	for i := range len(text) {
		if c := text[i]; c <= ' ' || c > '~' || c == '%' {
			fmt.Fprintf(&b, "%%%02X", c)
		} else {
			b.WriteByte(c)
		}
	}
	return b.String()
}
