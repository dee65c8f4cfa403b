package cli

import (
	"context"
	"time"

	"github.com/sirupsen/logrus"
	"github.com/spf13/cobra"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/config"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/runs"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

func newPrune(a *app) *cobra.Command {
	var older, status, worker string
	cmd := &cobra.Command{
		Use:   "prune --older <duration>",
		Short: "Delete tasks that ended long ago",
		Long: `Deletes the documents of tasks that have ended, as done if --status says nothing else, for longer than --older.
worker.retention in the configuration has workers do it by themselves.`,
		Example: `  after prune --older 30d
  after prune --older 1w --status error --worker manobi`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error {
			age, err := when.ParseDuration(older)
			if older == "" || err != nil {
				return misuse(cmd.CommandPath(), "--older %q: say for how long tasks must have ended: 30d, 12h", older)
			}
			switch task.Status(status) {
			case task.Done, task.Failed, task.Canceled:
			default:
				return misuse(cmd.CommandPath(), "--status %q is none of done, error, canceled", status)
			}
			return a.prune(cmd, age, task.Status(status), worker)
		},
	}
	cmd.Flags().StringVar(&older, "older", "", "ended longer ago than this `duration`: 30d, 12h")
	cmd.Flags().StringVar(&status, "status", "done", "those that ended with this `status`: done, error or canceled")
	cmd.Flags().StringVar(&worker, "worker", "", "only tasks of this `worker`")
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) prune(cmd *cobra.Command, age time.Duration, status task.Status, worker string) error {
	s, err := a.connect(cmd)
	if err != nil {
		return err
	}
	defer s.close()
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	done := a.progress("deleting tasks")
	n, err := s.tasks.Prune(ctx, client.Old{Before: a.now().Add(-age), Status: status, Worker: worker}, nil)
	done()
	if err != nil {
		if n > 0 {
			a.say("%d tasks were deleted before this:", n)
		}
		return err
	}
	return a.told(map[string]int{"deleted": n}, "%d tasks deleted", n)
}

// pruneEvery is how often a worker deletes what worker.retention no longer keeps.
const pruneEvery = time.Hour

// prune deletes the done tasks of the workers that are older than worker.retention, at the start and then every hour.
func (r *runner) prune(ctx context.Context, c *config.Config, server *couch.Client) {
	tasks := client.New(server.Database(c.Couch.Database))
	everyHour(ctx, func() {
		for _, name := range r.names {
			old := client.Old{Before: r.app.now().Add(-c.Worker.Retention), Status: task.Done, Worker: name}
			n, err := tasks.Prune(ctx, old, nil)
			r.pruned(ctx, r.log.WithField("worker", name), "old tasks (worker.retention)", n, err)
		}
	})
}

// pruneRuns deletes the history of runs that runs.keep and runs.per_task no longer keep, at the start and then every hour.
func (r *runner) pruneRuns(ctx context.Context, c *config.Config, db *couch.Database) {
	everyHour(ctx, func() {
		keep := runs.Keep{PerTask: c.Runs.PerTask}
		if c.Runs.Keep > 0 {
			keep.Since = r.app.now().Add(-c.Runs.Keep)
		}
		n, err := runs.Prune(ctx, db, keep)
		r.pruned(ctx, r.log, "old runs (runs.keep, runs.per_task)", n, err)
	})
}

// pruned has the log say what was deleted.
func (r *runner) pruned(ctx context.Context, log logrus.FieldLogger, what string, n int, err error) {
	switch {
	case ctx.Err() != nil:
	case err != nil:
		log.WithError(err).Warnf("%s were not deleted", what)
	case n > 0:
		log.WithField("deleted", n).Infof("%s were deleted", what)
	}
}

// everyHour calls a function now and then every hour, until ctx ends.
func everyHour(ctx context.Context, f func()) {
	ticker := time.NewTicker(pruneEvery)
	defer ticker.Stop()
	for {
		f()
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
