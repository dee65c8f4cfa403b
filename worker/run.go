package worker

import (
	"cmp"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/sirupsen/logrus"

	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/task"
)

// grace is how long a job may take to end after it was told to.
const grace = 5 * time.Second

// run is one execution of a job. The owner loop owns it; its goroutine only reads what is set before it starts.
type run struct {
	index   uint32
	name    uint16
	job     *jobs.Job
	cancel  context.CancelCauseFunc
	started time.Time
	// limit is when the job's time is up; zero means never.
	limit time.Time
	// told is when the job was told to stop, by the monotonic clock, marked that the document says running, detached that the run was given up
	// because the job ignores that it was told.
	told     time.Time
	marked   bool
	detached bool
	// covered is the last date for which a task of its own was made while this run was on, beside that one is being made, and note what
	// the database refused. over is the run's end where that has to wait for it. Its goroutine reads none of them.
	covered time.Time
	beside  bool
	note    string
	over    *ended
}

// ended is a run's outcome, with the document that follows from it if nobody edited the task in the meantime.
type ended struct {
	run      *run
	ran      *task.Task
	outcome  task.Outcome
	decision task.Decision
}

// execute runs a job to its end and reports it. It is the body of a run's goroutine.
func (l *loop) execute(ctx context.Context, r *run, t *task.Task, upstream map[string]*task.Task) {
	var result json.RawMessage
	err := errGoexit
	defer func() { // deferred, because a job may end its goroutine without returning
		o := outcomeOf(ctx, result, err)
		o.Started, o.Finished = r.started, l.config.Now()
		r.cancel(nil)
		l.outcomes <- ended{run: r, ran: t, outcome: o, decision: task.Settle(t, o, l.view())}
	}()
	handle := jobs.NewTask(t, t.Retries+1, l.log).WithUpstream(upstream).WithAttachments(l.opener(t))
	growStack(len(t.ID))
	result, err = r.job.Run(ctx, handle)
}

// growStack has a goroutine's stack grow to 16 KiB while next to nothing stands on it. Most jobs need as much, and a stack that grows by and
// by, moved each time with all that is on it, took a twentieth of the processor time of calls.
//
//go:noinline
func growStack(n int) byte {
	var room [9 << 10]byte
	return room[n&(len(room)-1)]
}

var errGoexit = errors.New("the job ended its goroutine without returning")

// outcomeOf reads what a job returned, in the light of why it was told to stop, if it was.
func outcomeOf(ctx context.Context, result json.RawMessage, err error) task.Outcome {
	if err == nil {
		return task.Outcome{Result: result}
	}
	cause := context.Cause(ctx)
	if d, ok := jobs.SnoozeOf(err); ok {
		return task.Outcome{Snooze: max(d, time.Millisecond), Why: jobs.SnoozeReason(err)} // no time at all would be no snooze
	}
	if jobs.IsRemove(err) {
		return task.Outcome{Result: result, Remove: true}
	}
	if d, ok := jobs.AwaitOf(err); ok {
		return task.Outcome{Await: cmp.Or(d, -1)}
	}
	o := task.Outcome{Result: result, Err: err, Kind: "job", Permanent: jobs.IsPermanent(err)}
	o.RetryAfter, _ = jobs.RetryAfterOf(err)
	if code, ok := jobs.CodeOf(err); ok {
		o.Code = int64(code)
	}
	var panicked *jobs.PanicError
	switch {
	case errors.Is(cause, jobs.ErrDraining), errors.Is(cause, jobs.ErrLeaseLost):
		return task.Outcome{Err: err, Interrupted: true}
	case errors.Is(cause, jobs.ErrTimeout):
		o.Kind = "timeout"
	case errors.Is(cause, jobs.ErrOverlap):
		o.Kind, o.Permanent = task.KindOverlap, true
	case errors.Is(cause, jobs.ErrCanceled), errors.Is(cause, jobs.ErrDeleted):
		o.Kind = "canceled"
	case errors.As(err, &panicked):
		o.Kind = "panic"
	case jobs.IsInvalid(err):
		o.Kind = task.KindInvalid
	case jobs.IsMissed(err):
		o.Kind = task.KindMissed
	}
	return o
}

// tellRun has the log say how a run ended: whoever watches a worker sees what fails, and with debug lines what does not.
func (l *loop) tellRun(end ended, e *entry) {
	o := end.outcome
	failed := !o.Interrupted && o.Snooze == 0 && o.Kind != "canceled" && (o.Err != nil || o.Kind != "")
	if !failed && !l.debugging() { // most runs: nothing of this is worth their time
		return
	}
	line := l.logOf(e).WithFields(logrus.Fields{"job": end.run.job.Name, "attempt": end.ran.Attempt()})
	next := cmp.Or(end.decision.Note, "it has ended")
	switch {
	case failed && o.Err != nil:
		line.WithField("next", next).Warnf("the run failed: %s", shortened(o.Err.Error(), mostTold))
	case failed:
		line.WithField("next", next).Warnf("the run failed: %s", o.Kind)
	default:
		line.WithField("next", next).Debugf("the run took %v: %s", o.Finished.Sub(o.Started).Round(time.Millisecond), shortened(said(o), mostTold))
	}
}

// debugging says whether the log takes debug lines; a log that does not tell gets them.
func (l *loop) debugging() bool {
	switch log := l.log.(type) {
	case interface{ IsLevelEnabled(level logrus.Level) bool }: // a logger, or what has one in it
		return log.IsLevelEnabled(logrus.DebugLevel)
	case *logrus.Entry:
		return log.Logger.IsLevelEnabled(logrus.DebugLevel)
	}
	return true
}

// said puts an outcome into words, for the log where no document can take it.
func said(o task.Outcome) string {
	switch {
	case o.Interrupted:
		return "interrupted"
	case o.Err != nil:
		return "error: " + shortened(o.Err.Error(), mostSaid)
	case len(o.Result) > 0:
		return "done: " + shortened(string(o.Result), mostSaid)
	}
	return "done"
}

// mostSaid is how many bytes of an outcome a line of the log holds where no document does, and mostTold where one does.
const (
	mostSaid = 4000
	mostTold = 500
)

// shortened cuts a text to so many bytes.
func shortened(text string, most int) string {
	if len(text) <= most {
		return text
	}
	return fmt.Sprintf("%s… (%d bytes, cut)", strings.ToValidUTF8(text[:most], ""), len(text))
}
