package gateway

import (
	"context"
	"errors"
	"net/http"
	"strconv"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

// patience is how long the caller waits for an outcome, at most MaxWait; 0 for no text.
func (x *exchange) patience(text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	if _, err := strconv.ParseUint(text, 10, 32); err == nil {
		text += "s"
	}
	wait, err := when.ParseDuration(text)
	if err != nil || wait < 0 {
		return 0, bad("wait", "%q is no duration: write 30s, say", text)
	}
	return min(wait, x.opts.MaxWait), x.may(rightRead)
}

// errEnough ends a wait.
var errEnough = errors.New("what was waited for is there")

// outcome waits until a task has ended, is deleted, or is as came has it, and gives it as it then is; as it is by then where that takes
// longer than wait. It is woken by the database's feed.
func (x *exchange) outcome(ctx context.Context, t *task.Task, wait time.Duration, came func(*task.Task) bool) (*task.Task, error) {
	if t.Ended() {
		return t, nil
	}
	select {
	case x.waits <- struct{}{}:
		defer func() { <-x.waits }()
	default:
		return nil, busy("too many requests wait for an outcome at the moment; ask without wait")
	}
	// What cannot be set has no deadline.
	_ = http.NewResponseController(x.w).SetWriteDeadline(x.now.Add(wait + answering))
	ctx, cancel := context.WithTimeout(ctx, wait)
	defer cancel()
	_, err := x.tasks.Wait(ctx, []string{t.ID}, func(now *task.Task) error {
		if t = now; came(now) {
			return errEnough
		}
		return nil
	})
	switch {
	case err == nil, errors.Is(err, errEnough):
		return t, nil
	case ctx.Err() != nil:
		return t, nil // it took too long, the gateway ends, or nobody listens any more
	case couch.IsNotFound(err):
		return &task.Task{ID: t.ID, Deleted: true}, nil
	}
	return nil, err
}

// answering is how long a client may take for an answer that it waited for.
const answering = time.Minute
