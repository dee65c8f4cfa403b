// Package call is the http job: it calls endpoints on time. A call carries marks that tell an application what it is, is signed where the
// configuration says so, and goes nowhere that the fences refuse. What becomes of the task follows from the answer's status. A host that
// fails again and again is left alone for a while, and limits say how often hosts are called; both are shared by all workers of a process.
package call

import (
	"context"
	"errors"
	"io"
	"sync/atomic"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/jobs"
)

// Caller makes calls. There is one in a process, so that its workers share connections, limits and what is known of hosts. [New] makes one.
type Caller struct {
	settings atomic.Pointer[settings]
	now      func() time.Time
	hosts    hosts
	rates    rates
	all      gate
}

// New makes a caller. It does no I/O but for reading the files that the options name.
func New(o Options) (*Caller, error) {
	c := &Caller{now: time.Now, hosts: hosts{known: map[string]*host{}}} //nolint:forbidigo // the only clock of this package
	return c, c.Configure(o)
}

// Configure puts other options in force. Calls under way go on as they began. Limits and what is known of hosts stay, but for the options
// of breakers, which are of those that hosts become known with from then on. After an error all is as it was.
func (c *Caller) Configure(o Options) error {
	next, err := o.read()
	if err != nil {
		return err
	}
	former := c.settings.Swap(next)
	c.all.widen(next.Concurrency)
	c.hosts.mu.Lock()
	defer c.hosts.mu.Unlock()
	if former != nil && former.Breaker != next.Breaker {
		c.hosts.drop()
	}
	for _, h := range c.hosts.known {
		h.gate.widen(next.PerHost)
	}
	if former != nil {
		former.ways.close()
	}
	return nil
}

// Close ends the connections that nobody uses.
func (c *Caller) Close() { c.settings.Load().ways.close() }

func (c *Caller) log() logrus.FieldLogger {
	if log := c.settings.Load().Log; log != nil {
		return log
	}
	discard := logrus.New()
	discard.SetOutput(io.Discard)
	return discard
}

// Job is the http job.
func (c *Caller) Job() (*jobs.Job, error) {
	return jobs.NewTyped("http", c.Run, jobs.Strict(), jobs.Timeout(c.settings.Load().Timeout),
		jobs.Describe("calls an endpoint: url, method, query, headers, and a body as JSON, form, text or attachment"))
}

// Run makes one call. Its error says what becomes of the task: see [Codes], and what package jobs has for errors.
func (c *Caller) Run(ctx context.Context, t *jobs.Task, in Arguments) (*Result, error) {
	x := &exchange{caller: c, settings: c.settings.Load(), task: t, in: &in, started: c.now()}
	if err := x.prepare(ctx); err != nil {
		return nil, err
	}
	if err := x.judge(ctx); err != nil {
		return nil, err
	}
	defer x.end(ctx)
	if err := x.arrive(ctx); err != nil {
		return nil, err
	}
	limited := ctx
	if in.Timeout > 0 {
		var stop context.CancelFunc
		limited, stop = context.WithTimeoutCause(ctx, time.Duration(in.Timeout), errTimeout)
		defer stop()
	}
	return x.do(limited)
}

// errTimeout says that the arguments' timeout has passed.
var errTimeout = errors.New("no answer within the call's timeout")

// overdue says whether the run was ended by its own timeout, as far as can be told: then the host did not answer in time.
func (x *exchange) overdue() bool {
	limit := x.task.Document().Timeout
	if limit == 0 {
		limit = x.settings.Timeout
	}
	return x.caller.now().Sub(x.started) >= limit
}
