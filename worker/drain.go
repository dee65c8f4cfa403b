package worker

import (
	"time"

	"github.com/adlayer/after/jobs"
)

// flushTime is how long the last outcomes may take to be written before they go to the spool.
const flushTime = 10 * time.Second

// drain leads a worker to its end in steps: running jobs get time, then they are told to stop, then what ignores that is
// given up, then what cannot be written is kept.
type drain struct {
	loop  *loop
	timer *time.Timer
	steps []drainStep
}

type drainStep struct {
	after time.Duration
	do    func()
}

func newDrain(l *loop) *drain { return &drain{loop: l} }

func (d *drain) begin() {
	l := d.loop
	l.draining = true
	l.giveBackNoted()
	l.log.WithField("running", len(l.runs)).Info("stopping: no new task starts, running jobs get their time")
	d.steps = []drainStep{
		{l.config.Drain, func() {
			for r := range l.runs {
				l.tell(r, jobs.ErrDraining)
			}
		}},
		{grace, func() {
			for r := range l.runs {
				if !r.detached {
					l.detach(l.table.at(r.index), r, l.now())
				}
			}
		}},
		{flushTime, func() { l.stopWriting(errStopped) }},
		{time.Second, l.giveUp},
	}
	d.timer = time.NewTimer(d.steps[0].after)
}

// step fires when the next step is due.
func (d *drain) step() <-chan time.Time {
	if d.timer == nil {
		return nil
	}
	return d.timer.C
}

func (d *drain) next() {
	if len(d.steps) == 0 {
		return
	}
	d.steps[0].do()
	d.steps = d.steps[1:]
	if len(d.steps) > 0 {
		d.timer.Reset(d.steps[0].after)
	}
}

// hasten passes over the time for running jobs once none is left: what remains is to write.
func (d *drain) hasten() {
	if len(d.steps) > writingSteps && !d.loop.anyRun() {
		d.steps = d.steps[len(d.steps)-writingSteps:]
		d.timer.Reset(d.steps[0].after)
	}
}

// writingSteps is how many of a drain's steps, the last ones, are about writing.
const writingSteps = 2

func (d *drain) end() {
	if d.timer != nil {
		d.timer.Stop()
	}
}

// giveBackNoted writes back what was noted as an at-most-once run and has not started: it did not run, and may later.
func (l *loop) giveBackNoted() {
	l.table.each(func(i uint32, e *entry) {
		if e.act == nil || !e.act.noted || e.act.run != nil || e.act.inFlight {
			return
		}
		next, err := e.task().WithField("status", []byte(`"scheduled"`))
		if err != nil {
			return // then it ends as an interrupted at-most-once run
		}
		e.act.noted = false
		l.leavePlace(i, e)
		l.submit(i, e, claim, next)
	})
}
