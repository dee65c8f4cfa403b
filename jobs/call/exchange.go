package call

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/jobs/call/fence"
)

// mostRedirects is how many redirects are followed where the arguments do not say.
const mostRedirects = 10

// exchange is one call, from its arguments to its outcome.
type exchange struct {
	caller   *Caller
	settings *settings
	task     *jobs.Task
	in       *Arguments
	started  time.Time

	request       *http.Request // the one that is sent next
	body          *body
	transport     http.RoundTripper
	parent, state string // the trace that the document continues
	abroad        bool   // a redirect led away from the host that the document names
	redirects     []string
	host          *host           // that the call is at; nil between two
	report        func(err error) // tells its breaker how it went
	under         []string        // the limits that it has a place under
	counted       bool            // the call has its place among all that are under way

	heard  bool                  // the host has answered
	blamed error                 // what counts against it, as everybody may read it: it gave no answer, or that of a server that is not well
	unread atomic.Pointer[error] // why the body could not be read: no fault of the host
}

// prepare makes the first request.
func (x *exchange) prepare(ctx context.Context) (err error) {
	if x.body, err = bodyOf(x.task, x.in); err != nil {
		return err
	}
	x.request, err = http.NewRequestWithContext(ctx, x.in.method(), x.in.URL, nil)
	if err != nil {
		return jobs.Invalid(inner(err))
	}
	if query := encode(x.in.Query); query != "" {
		if x.request.URL.RawQuery != "" {
			query = x.request.URL.RawQuery + "&" + query
		}
		x.request.URL.RawQuery = query
	}
	x.request.URL.Fragment = ""
	return x.dress(x.request)
}

// dress puts headers and body on a request.
func (x *exchange) dress(r *http.Request) error {
	h := r.Header
	if b := x.body; !b.empty() {
		h["Content-Type"] = []string{b.kind}
		if b.coding != "" {
			h["Content-Encoding"] = []string{b.coding}
		}
		r.ContentLength = b.length
	}
	x.copyHeaders(r)
	x.mark(h)
	if x.abroad {
		return nil
	}
	if err := x.authorize(r); err != nil {
		return err
	}
	if x.in.Callback.Wanted {
		address, err := x.callbackURL()
		if err != nil {
			return err
		}
		h[headerCallback] = []string{address}
	}
	return nil
}

// copyHeaders takes over what the document says, as far as it may.
func (x *exchange) copyHeaders(r *http.Request) {
	for name, values := range x.in.Headers {
		name = http.CanonicalHeaderKey(name)
		switch {
		case len(values) == 0:
		case name == headerParent:
			x.parent = parentOf(values[0])
		case name == headerState:
			x.state = strings.Join(values, ",")
		case name == "Host" && !x.abroad:
			r.Host = values[0]
		case ours(name), x.abroad && !public(name), len(x.redirects) > 0 && x.body.empty() && strings.HasPrefix(name, "Content-"):
		case name == "Content-Encoding" && x.body.coding != "":
		default:
			r.Header[name] = values
		}
	}
}

// authorize puts on what the call logs in with: what the configuration has under the name in the document, or what stands in the URL.
func (x *exchange) authorize(r *http.Request) error {
	if name := x.in.Credential; name != "" {
		c, found := x.settings.credentials[name]
		switch {
		case !found:
			return jobs.Invalid(fmt.Errorf("credential: http.credentials in the worker's configuration has no %q", name))
		case !c.fits(r.URL.Hostname()):
			return jobs.Invalid(fmt.Errorf("credential: %q is not for %s: http.credentials in the worker's configuration says for which hosts it is", name, r.URL.Hostname()))
		}
		r.Header["Authorization"] = []string{c.authorization}
		return nil
	}
	if u := r.URL.User; u != nil && r.Header["Authorization"] == nil {
		password, _ := u.Password()
		r.SetBasicAuth(u.Username(), password)
	}
	return nil
}

// judge finds the way for the next request, which the fences may refuse.
func (x *exchange) judge(ctx context.Context) (err error) {
	x.transport, err = x.settings.ways.to(ctx, x.request, x.in.TLS)
	var refused *fence.RefusalError
	switch {
	case errors.As(err, &refused):
		return jobs.Permanent(fmt.Errorf("%s: %w", x.told(), err))
	case errors.Is(err, errTLS):
		return jobs.Invalid(err)
	}
	return err
}

// told names the request for the people who may read the task: without a password, but with what else is secret in an address.
func (x *exchange) told() string { return x.request.Method + " " + x.request.URL.Redacted() }

// do sends the request, follows redirects, and reads the answer.
func (x *exchange) do(ctx context.Context) (*Result, error) {
	watch := newStopwatch(x.caller.now)
	ctx = watch.over(ctx)
	follow := mostRedirects
	if x.in.Redirects != nil {
		follow = int(*x.in.Redirects)
	}
	begun := x.caller.now()
	for {
		if err := x.sign(ctx); err != nil {
			return nil, err
		}
		watch.begin(x.caller.now())
		answer, err := x.transport.RoundTrip(x.ready(ctx))
		if err != nil {
			return x.unanswered(ctx, err)
		}
		x.heard = true
		next, err := x.redirected(ctx, answer, follow)
		if err != nil || next == nil {
			if err != nil {
				answer.Body.Close() //nolint:errcheck,gosec // only read
				return nil, err
			}
			return x.answered(ctx, answer, watch, begun)
		}
		_, _ = io.CopyN(io.Discard, answer.Body, 2<<10) // so that the connection can be used again
		answer.Body.Close()                             //nolint:errcheck,gosec // only read
		if err := x.follow(ctx, next); err != nil {
			return nil, err
		}
	}
}

// ready gives the request with its body, which is read for as long as the call may take: a transport waits for the end of that.
func (x *exchange) ready(ctx context.Context) *http.Request {
	r := x.request.WithContext(ctx)
	if b := x.body; !b.empty() {
		r.GetBody = func() (io.ReadCloser, error) { return b.reader(ctx, &x.unread), nil }
		r.Body = b.reader(ctx, &x.unread)
	}
	return r
}

// follow goes on with the request that an answer asked for. Another host is another host's limits, places and breaker.
func (x *exchange) follow(ctx context.Context, next *http.Request) error {
	x.request = next
	if err := x.judge(ctx); err != nil || authority(next.URL) == x.host.name {
		return err
	}
	x.depart(ctx)
	err := x.arrive(ctx)
	if cause := context.Cause(ctx); err != nil && errors.Is(cause, errTimeout) {
		return fmt.Errorf("%s: %w of %v, in which it waited for its turn", x.told(), errTimeout, time.Duration(x.in.Timeout))
	}
	return err
}

// redirected makes the request that an answer asks for; nil where it asks for none that is followed.
func (x *exchange) redirected(ctx context.Context, answer *http.Response, follow int) (*http.Request, error) {
	location := answer.Header.Get("Location")
	switch answer.StatusCode {
	case http.StatusMovedPermanently, http.StatusFound, http.StatusSeeOther, http.StatusTemporaryRedirect, http.StatusPermanentRedirect:
	default:
		return nil, nil //nolint:nilnil // no redirect
	}
	if location == "" || follow == 0 {
		return nil, nil //nolint:nilnil // no redirect that is followed
	}
	former := x.request
	refuse := func(why string) error {
		return jobs.Permanent(jobs.Coded(fmt.Errorf("%s answered %s: %s", x.told(), answer.Status, why), answer.StatusCode))
	}
	if len(x.redirects) == follow {
		return nil, refuse(fmt.Sprintf("it is redirected more than %d times", follow))
	}
	to, err := former.URL.Parse(location)
	if err != nil || to.Hostname() == "" || to.Scheme != "http" && to.Scheme != "https" {
		return nil, refuse("it is redirected to what is no http or https address")
	}
	method := former.Method
	if see := answer.StatusCode == http.StatusSeeOther; see && method != http.MethodHead || answer.StatusCode < http.StatusTemporaryRedirect && method == http.MethodPost {
		method, x.body = http.MethodGet, &body{}
	}
	if away(former.URL, to) {
		x.abroad = true
	} else if to.User == nil && !x.abroad {
		to.User = former.URL.User
	}
	to.Fragment = ""
	x.redirects = append(x.redirects, to.Redacted())
	next, err := http.NewRequestWithContext(ctx, method, to.String(), nil)
	if err != nil {
		return nil, refuse("it is redirected to what is no http or https address")
	}
	return next, x.dress(next)
}

// away says whether a redirect leads to another host or port, or away from TLS: then what is secret stays here.
func away(from, to *url.URL) bool {
	if !strings.EqualFold(from.Hostname(), to.Hostname()) {
		return true
	}
	if from.Scheme == to.Scheme {
		return portOf(from) != portOf(to)
	}
	return to.Scheme != "https" || portOf(from) != 80 || portOf(to) != 443
}

// unanswered says what becomes of the task where no answer came.
func (x *exchange) unanswered(ctx context.Context, err error) (*Result, error) {
	err = inner(err)
	if refused, ok := errors.AsType[*fence.RefusalError](err); ok {
		return nil, jobs.Permanent(fmt.Errorf("%s: %w", x.told(), refused))
	}
	if unread := x.unread.Load(); unread != nil {
		return nil, fmt.Errorf("reading what is sent: %w", *unread)
	}
	if cause := context.Cause(ctx); errors.Is(cause, errTimeout) {
		err = fmt.Errorf("%w of %v", errTimeout, time.Duration(x.in.Timeout))
	}
	x.blamed = reasonOf(ctx, err)
	err = fmt.Errorf("%s: %w", x.told(), err)
	if ctx.Err() != nil && !errors.Is(err, errTimeout) { // told to stop: whoever told knows what comes next
		return nil, err
	}
	switch nothing := (&Result{Headers: map[string]string{}}); x.in.Codes.of(0, &x.settings.defaults) {
	case done:
		return nothing, nil
	case remove:
		return nil, jobs.Remove(nothing)
	case retry:
		return nil, err
	default:
		return nil, jobs.Permanent(err)
	}
}

// answered reads the answer, and says what becomes of the task.
func (x *exchange) answered(ctx context.Context, answer *http.Response, watch *stopwatch, begun time.Time) (*Result, error) {
	defer answer.Body.Close() //nolint:errcheck // only read
	most, status := x.settings.MaxBody, answer.StatusCode
	body, read, err := readBody(answer, most)
	if err != nil {
		return x.unanswered(ctx, fmt.Errorf("reading the answer: %w", err))
	}
	if x.in.Callback.Wanted && status == http.StatusAccepted {
		return nil, jobs.Await(x.awaited())
	}
	result := newResult(answer, body, most)
	result.Bytes, result.Redirects, result.Timing = read, x.redirects, watch.read()
	result.Timing.Total = millis(x.caller.now().Sub(begun))
	watch.release(answer)
	if status >= http.StatusInternalServerError && status != http.StatusNotImplemented {
		x.blamed = reasonOfStatus(status)
	}
	switch x.in.Codes.of(status, &x.settings.defaults) {
	case done:
		return result, nil
	case remove:
		return nil, jobs.Remove(result)
	case retry:
		return nil, jobs.WithResult(jobs.RetryAfter(x.refused(answer, body), retryAfter(answer.Header, x.caller.now())), result)
	default:
		return nil, jobs.WithResult(jobs.Permanent(x.refused(answer, body)), result)
	}
}

// refused is the error of an answer that means one. What it said stays the task's result.
func (x *exchange) refused(answer *http.Response, body []byte) error {
	return jobs.Coded(fmt.Errorf("%s answered %s%s", x.told(), answer.Status, excerpt(body)), answer.StatusCode)
}

// inner takes off what net/http puts around an error: it repeats the address, with what may stand in its query.
func inner(err error) error {
	if wrapped, ok := errors.AsType[*url.Error](err); ok {
		return wrapped.Err
	}
	return err
}
