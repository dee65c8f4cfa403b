package replicate

import (
	"cmp"
	"context"
	"crypto/x509"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/internal/wait"
	"github.com/adlayer/after/store"
)

// Options configure a Manager.
type Options struct {
	// UUID names the server: the same replication of another server has other checkpoints.
	UUID string
	// Log hears about replications that fail, and of documents that are refused; nil means nobody does.
	Log logrus.FieldLogger
	// MaxJobs bounds the replications that run at the same time; 0 means 500. One user who is no administrator has MaxUserJobs of them; 0 means 50.
	MaxJobs, MaxUserJobs int
	// MaxMemory bounds the bytes that are kept of all requests, long lists of ids for the most part; 0 means 256 MiB. One user who is no
	// administrator has MaxUserMemory of them; 0 means 32 MiB.
	MaxMemory, MaxUserMemory int
	// Authorities sign the certificates that are believed of other servers; nil means those that the system believes.
	Authorities *x509.CertPool
}

const (
	defaultMaxJobs       = 500
	defaultMaxUserJobs   = 50
	defaultMaxMemory     = 256 << 20
	defaultMaxUserMemory = 32 << 20

	firstRest = time.Second
	lastRest  = 5 * time.Minute
)

// Manager runs replications. Its methods may be called from any goroutine.
type Manager struct {
	opts Options
	ctx  context.Context //nolint:containedctx // it ends the replications at Close
	stop context.CancelCauseFunc
	wg   sync.WaitGroup

	mu     sync.Mutex
	jobs   map[string]*job
	closed bool
}

// NewManager makes a manager without replications; it starts no goroutine before there is one.
func NewManager(o Options) *Manager {
	if o.Log == nil {
		quiet := logrus.New()
		quiet.SetOutput(io.Discard)
		o.Log = quiet
	}
	o.MaxJobs = cmp.Or(o.MaxJobs, defaultMaxJobs)
	o.MaxUserJobs = cmp.Or(o.MaxUserJobs, defaultMaxUserJobs)
	o.MaxMemory = cmp.Or(o.MaxMemory, defaultMaxMemory)
	o.MaxUserMemory = cmp.Or(o.MaxUserMemory, defaultMaxUserMemory)
	m := &Manager{opts: o, jobs: map[string]*job{}}
	m.ctx, m.stop = context.WithCancelCause(context.Background())
	return m
}

var (
	errCanceled = errors.New("the replication was canceled")
	errClosed   = errors.New("the server is stopping")
)

// Close ends all replications, each with a last checkpoint, and waits for them.
func (m *Manager) Close() {
	m.mu.Lock()
	m.closed = true
	m.mu.Unlock()
	m.stop(errClosed)
	m.wg.Wait()
}

// Result is what a replication that ended has come to.
type Result struct {
	// NoChanges tells that there was nothing to copy.
	NoChanges bool
	// Stopped tells that it was canceled.
	Stopped bool

	log checkpoint
}

// Body is the answer to the client.
func (r *Result) Body() ([]byte, error) {
	if r.Stopped {
		return []byte(`{"ok":"stopped"}`), nil
	}
	c := r.log
	c.ID, c.Rev = "", ""
	raw, err := json.Marshal(c)
	if err != nil {
		return nil, err
	}
	head := `{"ok":true`
	if r.NoChanges {
		head += `,"no_changes":true`
	}
	if len(raw) > len("{}") {
		head += ","
	}
	return append([]byte(head), raw[1:]...), nil
}

// job is a replication that was asked for.
type job struct {
	names

	req     *Request
	log     logrus.FieldLogger
	cancel  context.CancelCauseFunc
	started time.Time
	stats   tally
	done    chan struct{}

	// These are there once done is closed.
	result *Result
	err    error

	mu      sync.Mutex
	state   string // "running" or "crashing"
	events  []event
	updated time.Time
}

// Replicate does what a request asks. A continuous replication, and one that is canceled, is answered with its id at once; another one with
// its result, once it has ended. The end of ctx ends only the waiting.
func (m *Manager) Replicate(ctx context.Context, r *Request) (id string, result *Result, err error) {
	r.authorities = m.opts.Authorities
	if r.Cancel {
		id, err = m.cancel(ctx, r)
		return id, nil, err
	}
	n, err := r.names(ctx, m.opts.UUID)
	if err != nil {
		return "", nil, asAnswerable(err)
	}
	if err := m.replace(ctx, n.whole, r); err != nil {
		return "", nil, err
	}
	j, err := m.start(n, r) //nolint:contextcheck // the job outlives the request
	if err != nil || r.Continuous {
		return n.whole, nil, err
	}
	select {
	case <-j.done:
		return n.whole, j.result, j.err
	case <-ctx.Done():
		return n.whole, nil, context.Cause(ctx)
	}
}

// replace ends a continuous replication that is asked for again with other credentials or settings, as CouchDB does: one that fails since its
// password is wrong must not be in the way of one with the right password.
func (m *Manager) replace(ctx context.Context, id string, r *Request) error {
	m.mu.Lock()
	j := m.jobs[id]
	m.mu.Unlock()
	if j == nil || !r.Continuous || j.req.same(r) {
		return nil
	}
	return j.end(ctx)
}

// start runs a job, unless the same one is running.
func (m *Manager) start(n names, r *Request) (*job, error) {
	m.mu.Lock()
	defer m.mu.Unlock()
	switch {
	case m.closed:
		return nil, store.ErrClosed
	case m.jobs[n.whole] != nil:
		return m.jobs[n.whole], nil
	}
	if err := m.room(r); err != nil {
		return nil, err
	}
	ctx, cancel := context.WithCancelCause(m.ctx)
	j := &job{
		names: n, req: r, cancel: cancel, started: time.Now(), done: make(chan struct{}),
		log: m.opts.Log.WithFields(logrus.Fields{"replication": n.whole, "source": r.Source.Shown(), "target": r.Target.Shown()}),
	}
	j.note("added", "")
	m.jobs[n.whole] = j
	m.wg.Go(func() {
		j.run(ctx)
		cancel(nil)
		m.mu.Lock()
		delete(m.jobs, n.whole)
		m.mu.Unlock()
		close(j.done)
	})
	return j, nil
}

// room refuses a request for which there is none, beside all others or beside those of the same user. The caller holds the lock.
func (m *Manager) room(r *Request) error {
	jobs, size, own, ownSize := 1, r.weight(), 1, r.weight()
	for _, j := range m.jobs {
		jobs, size = jobs+1, size+j.req.weight()
		if j.req.User == r.User {
			own, ownSize = own+1, ownSize+j.req.weight()
		}
	}
	var reason string
	switch {
	case !r.Admin && own > m.opts.MaxUserJobs:
		reason = "As many of your replications run as may run at the same time. Cancel one, or wait until one ends."
	case !r.Admin && ownSize > m.opts.MaxUserMemory:
		reason = "Your replications that run have as many doc_ids as they may have together. Cancel one, wait until one ends, or name fewer."
	case jobs > m.opts.MaxJobs:
		reason = "As many replications run as may run at the same time. Cancel one, or wait until one ends."
	case size > m.opts.MaxMemory:
		reason = "The replications that run have as many doc_ids as they may have together. Cancel one, wait until one ends, or name fewer."
	default:
		return nil
	}
	return &store.Error{Status: http.StatusServiceUnavailable, Name: "service_unavailable", Reason: reason}
}

// cancel ends a replication and waits until it has ended.
func (m *Manager) cancel(ctx context.Context, r *Request) (string, error) {
	n := names{whole: r.CancelID}
	if n.whole == "" {
		var err error
		if n, err = r.names(ctx, m.opts.UUID); err != nil {
			return "", asAnswerable(err)
		}
	}
	j := m.find(n)
	if j == nil {
		return "", store.NotFound("missing")
	}
	if !r.Admin && j.req.User != r.User {
		return "", &store.Error{
			Status: http.StatusUnauthorized, Name: "unauthorized", Reason: "Can't cancel a replication triggered by another user",
		}
	}
	return j.whole, j.end(ctx)
}

// find gives the job of that name, or else one of somebody else that does the same.
func (m *Manager) find(n names) *job {
	m.mu.Lock()
	j := m.jobs[n.whole]
	m.mu.Unlock()
	if j != nil || n.what == "" {
		return j
	}
	all := m.list()
	if i := slices.IndexFunc(all, func(j *job) bool { return j.what == n.what }); i >= 0 {
		return all[i]
	}
	return nil
}

// end ends a job and waits until it has ended.
func (j *job) end(ctx context.Context) error {
	j.cancel(errCanceled)
	select {
	case <-j.done:
		return nil
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// EndAll ends the replications that there are now, each with a last checkpoint, and waits for them.
func (m *Manager) EndAll(ctx context.Context) error {
	all := m.list()
	for _, j := range all {
		j.cancel(errCanceled)
	}
	for _, j := range all {
		if err := j.end(ctx); err != nil {
			return err
		}
	}
	return nil
}

// run replicates: once, or again and again as long as it is wanted.
func (j *job) run(ctx context.Context) {
	for try := 0; ; try++ {
		j.note("started", "")
		s := newSession(j.req, j.base, j.log, &j.stats)
		j.result, j.err = s.run(ctx)
		s.close()
		switch cause := context.Cause(ctx); {
		case errors.Is(cause, errCanceled):
			j.result, j.err = &Result{Stopped: true}, nil
			return
		case cause != nil:
			j.err = store.ErrClosed
			return
		}
		if j.err == nil {
			return
		}
		moved := errors.Is(j.err, errMoved)
		if !j.req.Continuous && (!moved || try >= j.req.Retries) {
			j.err = asAnswerable(j.err)
			return
		}
		j.note("crashed", j.err.Error())
		if j.req.Continuous && (s.progressed() || moved) {
			try = 0 // it had gone well for a while
		}
		rest := pause(try, firstRest, lastRest)
		j.log.WithError(j.err).Warnf("replication: it failed and is tried again in %v", rest.Round(time.Millisecond))
		if !wait.For(ctx, rest) {
			continue // the next session ends at once, and says why
		}
	}
}

// asAnswerable makes of any error one that a client can be told.
func asAnswerable(err error) error {
	if e, ok := errors.AsType[*store.Error](err); ok {
		return e
	}
	e := &store.Error{Status: http.StatusInternalServerError, Name: "replication_error", Reason: err.Error()}
	if a := asAnswer(err); a != nil {
		e.Name = a.name
		switch a.status {
		case http.StatusUnauthorized, http.StatusForbidden:
			e.Status = a.status
		}
		return e
	}
	var dns *net.DNSError
	var op *net.OpError
	switch {
	case errors.As(err, &dns):
		e.Name = "nxdomain"
	case errors.Is(err, errSilent):
		e.Name = "req_timedout"
	case errors.As(err, &op) && op.Op == "dial":
		e.Name = "econnrefused"
	}
	return e
}

// list gives the jobs, in the order of their ids.
func (m *Manager) list() []*job {
	m.mu.Lock()
	defer m.mu.Unlock()
	out := make([]*job, 0, len(m.jobs))
	for _, j := range m.jobs {
		out = append(out, j)
	}
	slices.SortFunc(out, func(a, b *job) int { return strings.Compare(a.whole, b.whole) })
	return out
}
