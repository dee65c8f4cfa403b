package script

import (
	"context"
	"errors"
	"slices"
	"sync"
	"time"
)

// Pool runs functions in at most three children: two of validation functions, one of filters. A filter that never ends keeps no writer waiting, and a
// validation function that never ends keeps those of other design documents waiting once: from then on it has one child at most. Its methods may be
// called from any goroutine.
type Pool struct {
	opts Options
	ctx  context.Context //nolint:containedctx // it ends the children at Close
	stop context.CancelFunc
	// A place for each child that validates, that filters, and that validates for a suspect, which is one of those that validate.
	validators, filters, guarded chan struct{}

	mu     sync.Mutex
	late   map[string]time.Time // when a function of a design document did not end in time, by key
	idle   []*process           // most recently used last
	closed bool
	reaper *time.Timer

	generation int // of children; those of an older one are not used again

	busy sync.WaitGroup // calls, and children that are being dismissed
}

const (
	maxValidators = 2
	maxFilters    = 1
	// suspicion is how long a function that did not end in time is taken for one that does not.
	suspicion = time.Minute
	// maxSuspects bounds what is remembered; beyond it all is forgotten.
	maxSuspects = 1000
)

// ErrClosed is what calls get after Close.
var ErrClosed = errors.New("the server is stopping")

// NewPool makes a pool. It starts nothing yet.
func NewPool(o Options) *Pool {
	p := &Pool{
		opts: o.withDefaults(), late: map[string]time.Time{},
		validators: make(chan struct{}, maxValidators), filters: make(chan struct{}, maxFilters), guarded: make(chan struct{}, 1),
	}
	p.ctx, p.stop = context.WithCancel(context.Background())
	return p
}

// Runs tells whether there is a command to run functions with.
func (p *Pool) Runs() bool { return p.opts.Command != nil }

// Close ends all children, in the middle of their work if need be, and waits for their ends.
func (p *Pool) Close() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.closed = true
	idle := p.idle
	p.idle = nil
	if p.reaper != nil {
		p.reaper.Stop()
	}
	p.mu.Unlock()
	for _, child := range idle {
		child.dismiss()
	}
	p.stop()
	p.busy.Wait()
}

// enter counts a call, unless the pool is closed.
func (p *Pool) enter() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.closed {
		return ErrClosed
	}
	p.busy.Add(1)
	return nil
}

// suspect tells whether the function of a design document was ended a while ago.
func (p *Pool) suspect(key string) bool {
	p.mu.Lock()
	defer p.mu.Unlock()
	at, ok := p.late[key]
	return ok && time.Since(at) < suspicion
}

// accuse remembers that the function of a design document had to be ended.
func (p *Pool) accuse(key string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	if len(p.late) >= maxSuspects {
		clear(p.late)
	}
	p.late[key] = time.Now()
}

// take waits for a place, for as long as the options say.
func (p *Pool) take(ctx context.Context, places chan struct{}) error {
	timer := time.NewTimer(p.opts.Wait)
	defer timer.Stop()
	select {
	case places <- struct{}{}:
		return nil
	case <-timer.C:
		return busy(p.opts.Wait)
	case <-ctx.Done():
		return context.Cause(ctx)
	case <-p.ctx.Done():
		return ErrClosed
	}
}

// child gives an idle child, one that knows the design document if there is one, or starts one.
func (p *Pool) child(key string, fresh bool) (*process, error) {
	p.mu.Lock()
	if i := len(p.idle) - 1; i >= 0 && !fresh {
		if known := slices.IndexFunc(p.idle, func(one *process) bool { return one.known[key] }); known >= 0 {
			i = known
		}
		child := p.idle[i]
		p.idle = slices.Delete(p.idle, i, i+1)
		p.mu.Unlock()
		return child, nil
	}
	generation := p.generation
	p.mu.Unlock()
	child, err := startProcess(p.ctx, p.opts)
	if err == nil {
		child.generation = generation
	}
	return child, err
}

// give takes a child back that can be used again.
func (p *Pool) give(child *process) {
	child.fresh, child.since = false, time.Now()
	p.mu.Lock()
	keep := !p.closed && child.generation == p.generation
	if keep {
		p.idle = append(p.idle, child)
		if p.reaper == nil {
			p.reaper = time.AfterFunc(p.opts.Idle, p.reap)
		}
	}
	p.mu.Unlock()
	if !keep {
		child.dismiss()
	}
}

// Renew dismisses the children that are idle, and the others once they have done their work.
func (p *Pool) Renew() {
	p.mu.Lock()
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.busy.Add(1)
	defer p.busy.Done()
	idle := p.idle
	p.idle = nil
	p.generation++
	p.mu.Unlock()
	for _, one := range idle {
		one.dismiss()
	}
}

// reap dismisses children that have been idle for long.
func (p *Pool) reap() {
	p.mu.Lock()
	p.reaper = nil
	if p.closed {
		p.mu.Unlock()
		return
	}
	p.busy.Add(1)
	defer p.busy.Done()
	now := time.Now()
	var old []*process
	p.idle = slices.DeleteFunc(p.idle, func(one *process) bool {
		if now.Sub(one.since) < p.opts.Idle {
			return false
		}
		old = append(old, one)
		return true
	})
	if len(p.idle) > 0 {
		p.reaper = time.AfterFunc(p.opts.Idle-now.Sub(p.idle[0].since), p.reap)
	}
	p.mu.Unlock()
	for _, one := range old {
		one.dismiss()
	}
}

// with runs work with a child that knows d. Where a child that others have used before ends in the middle, another may finish: it may have
// been brought to its end by what they left behind.
func (p *Pool) with(d *Design, work func(*process) error) error {
	err := p.try(d, false, work)
	broken, ok := errors.AsType[*brokenError](err)
	if ok && broken.again {
		err = p.try(d, true, work)
		broken, ok = errors.AsType[*brokenError](err)
	}
	if p.ctx.Err() != nil && err != nil {
		return ErrClosed
	}
	if ok {
		return broken.failure
	}
	return err
}

func (p *Pool) try(d *Design, fresh bool, work func(*process) error) error {
	child, err := p.child(d.Key, fresh)
	if err != nil {
		return err
	}
	first := child.fresh
	for again := true; ; again = false {
		if err = child.teach(d); err == nil {
			err = work(child)
		}
		if f, ok := errors.AsType[*FunctionError](err); ok && f.Name == nameProtocol && f.Reason == uncached+d.Key && again && child.known[d.Key] {
			delete(child.known, d.Key) // it had too many to keep them all
			continue
		}
		break
	}
	broken, ended := errors.AsType[*brokenError](err)
	switch {
	case ended:
		if first {
			broken.again = false
		}
	case errors.Is(err, errGiveUp):
		child.kill()
	default:
		p.give(child)
	}
	return err
}

// errGiveUp marks a child with which the conversation was cut off in the middle.
var errGiveUp = errors.New("given up")
