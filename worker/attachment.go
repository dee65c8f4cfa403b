package worker

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"time"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/task"
)

const (
	// unreadPause is for how long a run is put off whose attachment cannot be read at the moment.
	unreadPause = time.Second
	// unreadPatience is for how long after its date that goes on. After that each time is a failed attempt, which people see.
	unreadPatience = time.Hour
)

// opener reads attachments for a run. Where the database is away, the error wraps [jobs.Snooze]: a job that hands it on is put off and uses up no
// attempt, since nothing is wrong with what it does.
func (l *loop) opener(t *task.Task) jobs.Opener {
	return func(ctx context.Context, id, name string) (io.ReadCloser, error) {
		away := func(err error) error {
			if status := couch.Status(err); ctx.Err() != nil || status != 0 && status < http.StatusInternalServerError ||
				l.config.Now().Sub(t.Plan.Nominal) >= unreadPatience {
				return err
			}
			return fmt.Errorf("%w: %w", err, jobs.SnoozeBecause(unreadPause, err.Error()))
		}
		r, err := l.db.Attachment(ctx, id, name)
		if err != nil {
			return nil, away(err)
		}
		return unsteady{r, away}, nil
	}
}

// unsteady is an attachment whose reading may break off.
type unsteady struct {
	io.ReadCloser

	away func(error) error
}

func (u unsteady) Read(p []byte) (int, error) {
	n, err := u.ReadCloser.Read(p)
	if err != nil && !errors.Is(err, io.EOF) {
		err = u.away(err)
	}
	return n, err
}
