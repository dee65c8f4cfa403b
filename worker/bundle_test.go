package worker_test

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"path/filepath"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/tidwall/gjson"

	"github.com/adlayer/after/changes"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/test/faultproxy"
	"github.com/adlayer/after/worker"
)

// patience bounds how long a test waits for something that must come; no test is about how long it takes.
const patience = 90 * time.Second

// bundle is one test's server, database, jobs and workers.
type bundle struct {
	t      *testing.T
	server *server
	proxy  *faultproxy.Proxy // between workers and server
	db     *couch.Database   // direct
	jobs   *jobs.Registry
	state  string

	mu      sync.Mutex
	changed chan struct{} // closed and replaced at each change
	docs    map[string]gjson.Result
	asked   []asked
	runs    []execution
	deaths  []time.Time // when a worker's process died
	late    time.Duration
	clock   func() time.Time         // that of the workers
	open    map[string]chan struct{} // of the job "block", by task id
}

// execution is one run of one of the bundle's jobs.
type execution struct {
	ID, Key string
	Attempt int64
	Nominal time.Time
	Due     time.Time
	At      time.Time
	Ended   time.Time // zero while it runs, and where it was cut short
	Failed  bool
	Cause   error // why it was told to stop
}

func setup(t *testing.T) *bundle {
	t.Helper()
	return setupOn(t, startStore(t))
}

func setupOn(t *testing.T, s *server) *bundle {
	t.Helper()
	b := &bundle{
		t: t, server: s, proxy: faultproxy.New(t, s.address), jobs: jobs.NewRegistry(), state: t.TempDir(),
		changed: make(chan struct{}), docs: map[string]gjson.Result{}, open: map[string]chan struct{}{}, clock: time.Now,
	}
	direct := dial(t, s.url(s.address))
	b.db = direct.Database(s.database)
	must(t, direct.CreateDatabase(t.Context(), s.database))
	b.addJobs()
	b.watch()
	return b
}

func dial(t *testing.T, url string) *couch.Client {
	t.Helper()
	client, err := couch.Dial(url, couch.Options{Timeout: 20 * time.Second})
	must(t, err)
	t.Cleanup(client.Close)
	return client
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// watch keeps the newest revision of every document at hand.
func (b *bundle) watch() {
	ctx, cancel := context.WithCancel(context.Background())
	var following sync.WaitGroup
	following.Go(func() {
		_ = changes.Follow(ctx, b.db, changes.Options{IncludeDocs: true}, func(_ context.Context, rows []changes.Row, _ string) error {
			b.mu.Lock()
			defer b.mu.Unlock()
			for _, row := range rows {
				doc := gjson.ParseBytes(row.Doc)
				if row.Deleted {
					doc = gjson.Parse(fmt.Sprintf(`{"_deleted":true,"_rev":%q,"status":"(deleted)"}`, row.Rev))
				}
				b.docs[row.ID] = doc
			}
			b.changedLocked()
			return nil
		})
	})
	b.t.Cleanup(func() { cancel(); following.Wait() })
}

// await waits until the condition holds. It is asked again at each change of a document and at each run of a job.
func (b *bundle) await(what string, condition func() bool) {
	b.t.Helper()
	deadline := time.NewTimer(patience)
	defer deadline.Stop()
	for {
		b.mu.Lock()
		ok, changed := condition(), b.changed
		b.mu.Unlock()
		if ok {
			return
		}
		select {
		case <-changed:
		case <-deadline.C:
			b.mu.Lock()
			defer b.mu.Unlock()
			b.t.Fatalf("waited %v in vain for: %s\ndocuments: %v\nruns: %v", patience, what, summary(b.docs), len(b.runs))
		}
	}
}

func summary(docs map[string]gjson.Result) string {
	text := ""
	for id, doc := range docs {
		if len(text) > 2000 {
			return text + " …"
		}
		text += "\n  " + id + ": " + doc.Raw
	}
	return text
}

// poll waits for what neither a document nor a run tells of.
func (b *bundle) poll(what string, condition func() bool) {
	b.t.Helper()
	for deadline := time.Now().Add(patience); !condition(); pause(50 * time.Millisecond) {
		if time.Now().After(deadline) {
			b.t.Fatalf("waited %v in vain for: %s", patience, what)
		}
	}
}

// awaitDoc waits for a document that meets the condition, and gives it.
func (b *bundle) awaitDoc(id string, condition func(doc gjson.Result) bool) gjson.Result {
	b.t.Helper()
	var doc gjson.Result
	b.await("document "+id, func() bool {
		doc = b.docs[id]
		return doc.Exists() && condition(doc)
	})
	return doc
}

// awaitStatus waits until a document has a status.
func (b *bundle) awaitStatus(id, status string) gjson.Result {
	b.t.Helper()
	var doc gjson.Result
	b.await(id+" is "+status, func() bool {
		doc = b.docs[id]
		return doc.Get("status").String() == status
	})
	return doc
}

// awaitDone waits until n tasks are done.
func (b *bundle) awaitDone(n int) {
	b.t.Helper()
	b.await(fmt.Sprintf("%d tasks are done", n), func() bool { return b.doneLocked() >= n })
}

// put writes a document, which may be given as text with verbs.
func (b *bundle) put(id, format string, args ...any) string {
	b.t.Helper()
	doc := fmt.Appendf(nil, format, args...)
	b.noteAsked(id, doc)
	rev, err := b.db.Put(b.t.Context(), id, doc)
	must(b.t, err)
	return rev
}

// edit changes fields of a document as a person would: read, change, write, and again after a conflict. Nil removes a field. What is awaited
// afterwards is no revision of before.
func (b *bundle) edit(id string, fields map[string]any) {
	b.t.Helper()
	for {
		doc, err := b.db.Get(b.t.Context(), id)
		must(b.t, err)
		var object map[string]any
		must(b.t, json.Unmarshal(doc.Body, &object))
		for name, value := range fields {
			if value == nil {
				delete(object, name)
			} else {
				object[name] = value
			}
		}
		body, err := json.Marshal(object)
		must(b.t, err)
		rev, err := b.db.Put(b.t.Context(), id, body)
		if couch.IsConflict(err) {
			continue
		}
		must(b.t, err)
		b.await("the edit of "+id, func() bool { return !couch.Beats(rev, b.docs[id].Get("_rev").String()) })
		return
	}
}

// many writes n tasks in bulk; document gives each.
func (b *bundle) many(n int, document func(i int) string) {
	b.t.Helper()
	for first := 0; first < n; first += 500 {
		var docs [][]byte
		for i := first; i < min(n, first+500); i++ {
			doc := []byte(document(i))
			b.noteAsked("", doc)
			docs = append(docs, doc)
		}
		results, err := b.db.Bulk(b.t.Context(), docs)
		must(b.t, err)
		for _, r := range results {
			must(b.t, r.Err())
		}
	}
}

// runsOf gives the runs of one task so far.
func (b *bundle) runsOf(id string) []execution {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.runsLocked(id)
}

func (b *bundle) runsLocked(id string) []execution {
	var runs []execution
	for _, r := range b.runs {
		if r.ID == id {
			runs = append(runs, r)
		}
	}
	return runs
}

// awaitRuns waits until a task has run n times, or is running for the n-th time.
func (b *bundle) awaitRuns(id string, n int) []execution {
	b.t.Helper()
	b.await(fmt.Sprintf("%s has run %d times", id, n), func() bool { return len(b.runsLocked(id)) >= n })
	return b.runsOf(id)
}

// wantRuns checks how often a task has run so far.
func (b *bundle) wantRuns(id string, n int) {
	b.t.Helper()
	if runs := b.runsOf(id); len(runs) != n {
		b.t.Errorf("%s ran %d times, not %d: %+v", id, len(runs), n, runs)
	}
}

// note remembers a run that begins, and gives what is to be called when it ends.
func (b *bundle) note(task *jobs.Task) (over func(ctx context.Context, err error)) {
	b.mu.Lock()
	defer b.mu.Unlock()
	i := len(b.runs)
	b.runs = append(b.runs, execution{
		ID: task.ID(), Key: task.Key(), Attempt: task.Attempt(), Nominal: task.Nominal(), Due: task.Document().Plan.Due, At: b.clock(),
	})
	b.changedLocked()
	return func(ctx context.Context, err error) {
		b.mu.Lock()
		defer b.mu.Unlock()
		if cause := context.Cause(ctx); err != nil && (errors.Is(cause, jobs.ErrDraining) || errors.Is(cause, jobs.ErrLeaseLost)) {
			return // no outcome
		}
		b.runs[i].Ended, b.runs[i].Failed = b.clock(), err != nil
	}
}

// changedLocked wakes who waits for a change.
func (b *bundle) changedLocked() {
	close(b.changed)
	b.changed = make(chan struct{})
}

var errPanicked = errors.New("the job did not return")

// gate gives the channel that the job "block" of a task waits for.
func (b *bundle) gate(id string) chan struct{} {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.open[id] == nil {
		b.open[id] = make(chan struct{})
	}
	return b.open[id]
}

// addJobs registers what the tests run: run, fail (with the error named), fail-times (so many times), block (until its
// gate opens or it is told to stop), deaf (until its gate opens, whatever it is told), panic, typed (its argument amount).
func (b *bundle) addJobs() {
	add := func(name string, run jobs.Func, options ...jobs.Option) {
		job, err := jobs.New(name, func(ctx context.Context, task *jobs.Task) (result any, err error) {
			over := b.note(task)
			err = errPanicked
			defer func() { over(ctx, err) }()
			return run(ctx, task)
		}, options...)
		must(b.t, err)
		must(b.t, b.jobs.Add(job))
	}
	add("run", func(_ context.Context, task *jobs.Task) (any, error) {
		return map[string]string{"ran": task.ID()}, nil
	})
	add("fail", func(_ context.Context, task *jobs.Task) (any, error) {
		return nil, errors.New("it failed")
	})
	add("fail-times", func(_ context.Context, task *jobs.Task) (any, error) {
		if task.Attempt() <= gjson.GetBytes(task.Arguments(), "0").Int() {
			return nil, fmt.Errorf("attempt %d failed", task.Attempt())
		}
		return "at last", nil
	})
	add("block", func(ctx context.Context, task *jobs.Task) (any, error) {
		select {
		case <-b.gate(task.ID()):
			return "opened", nil
		case <-ctx.Done():
			b.mu.Lock()
			for i := range b.runs {
				if b.runs[i].ID == task.ID() {
					b.runs[i].Cause = context.Cause(ctx)
				}
			}
			b.changedLocked()
			b.mu.Unlock()
			return nil, context.Cause(ctx)
		}
	})
	add("deaf", func(_ context.Context, task *jobs.Task) (any, error) {
		<-b.gate(task.ID())
		return "heard at last", nil
	})
	add("large", func(_ context.Context, task *jobs.Task) (any, error) {
		return strings.Repeat("large ", 100_000), nil
	})
	add("panic", func(context.Context, *jobs.Task) (any, error) { panic("oh no") })
	typed, err := jobs.NewTyped("typed", func(_ context.Context, _ *jobs.Task, in struct {
		Amount float64 `json:"amount"`
	},
	) (float64, error) {
		return in.Amount, nil
	})
	must(b.t, err)
	must(b.t, b.jobs.Add(typed))
	add("one-at-a-time", func(ctx context.Context, task *jobs.Task) (any, error) {
		select {
		case <-b.gate(task.ID()):
		case <-ctx.Done():
		}
		return nil, nil
	}, jobs.Limit(1))
}

// process is a worker process within the test.
type process struct {
	b     *bundle
	stop  context.CancelFunc
	kill  chan struct{}
	ended chan struct{}
	err   error
	once  sync.Once
}

// start runs workers through the proxy and returns once they are ready.
func (b *bundle) start(names ...string) *process {
	b.t.Helper()
	return b.startWith(nil, names...)
}

// drainFor has a worker give its jobs so much time at its end.
func drainFor(d time.Duration) func(*worker.Config) {
	return func(c *worker.Config) { c.Drain = d }
}

// elsewhere makes a worker another member, with a state folder of its own.
func elsewhere(c *worker.Config) { c.StateFolder = filepath.Join(c.StateFolder, "elsewhere") }

// shiftedClock has a worker go by a clock that is ahead of the machine's by what is stored in offset, in nanoseconds.
func shiftedClock(offset *atomic.Int64) func(*worker.Config) {
	return func(c *worker.Config) {
		c.Now = func() time.Time { return time.Now().Add(time.Duration(offset.Load())).Round(0) }
	}
}

func (b *bundle) startWith(change func(*worker.Config), names ...string) *process {
	b.t.Helper()
	p, ready := b.begin(change, names...)
	select {
	case <-ready:
	case <-p.ended:
		b.t.Fatalf("the worker ended: %v", p.err)
	case <-time.After(patience):
		b.t.Fatal("the worker did not get ready")
	}
	return p
}

// begin runs workers and does not wait for them.
func (b *bundle) begin(change func(*worker.Config), names ...string) (*process, <-chan struct{}) {
	b.t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	ready := make(chan struct{})
	p := &process{b: b, stop: cancel, kill: make(chan struct{}), ended: make(chan struct{})}
	c := worker.Config{
		Names: names, Client: dial(b.t, b.server.url(b.proxy.Addr())), Database: b.server.database, Jobs: b.jobs,
		StateFolder: b.state, Drain: 10 * time.Second, Log: testLog(b.t), Ready: func() { close(ready) }, Kill: p.kill, Version: "test",
	}
	if change != nil {
		change(&c)
	}
	if c.Now != nil {
		b.mu.Lock()
		b.clock = c.Now
		b.mu.Unlock()
	}
	go func() {
		defer close(p.ended)
		p.err = worker.Run(ctx, c)
	}()
	b.t.Cleanup(p.end)
	return p, ready
}

// end stops a worker gracefully and waits for it.
func (p *process) end() {
	p.once.Do(func() {
		p.stop()
		select {
		case <-p.ended:
		case <-time.After(patience):
			p.b.t.Error("the worker did not end")
		}
	})
}

// crash ends a worker as kill -9 would, as far as that is possible within one process: nothing more is written.
func (p *process) crash() {
	p.once.Do(func() {
		close(p.kill)
		<-p.ended
		p.b.died()
	})
}

// testLog writes into the test's log while the test runs.
func testLog(t *testing.T) logrus.FieldLogger {
	t.Helper()
	logger := logrus.New()
	logger.SetLevel(logrus.DebugLevel)
	logger.SetOutput(t.Output())
	return logger
}
