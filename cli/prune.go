package cli

import (
	"context"
	"time"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/config"
	"github.com/adlayer/after/couch"
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
	ticker := time.NewTicker(pruneEvery)
	defer ticker.Stop()
	tasks := client.New(server.Database(c.Couch.Database))
	for {
		for _, name := range r.names {
			old := client.Old{Before: r.app.now().Add(-c.Worker.Retention), Status: task.Done, Worker: name}
			switch n, err := tasks.Prune(ctx, old, nil); {
			case ctx.Err() != nil:
				return
			case err != nil:
				r.log.WithField("worker", name).WithError(err).Warn("old tasks were not deleted")
			case n > 0:
				r.log.WithField("worker", name).WithField("deleted", n).Info("old tasks were deleted (worker.retention)")
			}
		}
		select {
		case <-ctx.Done():
			return
		case <-ticker.C:
		}
	}
}
