package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/task"
)

func newWatch(a *app) *cobra.Command {
	var worker string
	cmd := &cobra.Command{
		Use:   "watch [id...]",
		Short: "Show changes of tasks as they happen",
		Long: `Shows each change of a task as it happens, until interrupted. With ids it shows these tasks until all have ended; the
exit status is 0 only if all ended as done, 6 otherwise.`,
		Example: `  after watch --worker manobi
  after watch nightly-backup && echo done`,
		Args: taskIDs(0),
		RunE: func(cmd *cobra.Command, ids []string) error {
			s, err := a.connect(cmd)
			if err != nil {
				return err
			}
			defer s.close()
			if len(ids) > 0 {
				if worker != "" {
					return misuse(cmd.CommandPath(), "--worker and ids do not go together: the ids say all")
				}
				return a.await(cmd, s, ids, "")
			}
			ctx, stop := interruptible(cmd.Context())
			defer stop()
			err = s.tasks.Watch(ctx, client.Filter{Worker: worker}, a.changed)
			if ctx.Err() != nil && cmd.Context().Err() == nil {
				return nil // interrupted, as meant
			}
			return err
		},
	}
	cmd.Flags().StringVar(&worker, "worker", "", "only tasks of this `worker`")
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

// changed shows one change.
func (a *app) changed(t *task.Task) error {
	if a.json {
		return a.printTask(t)
	}
	now := a.now()
	parts := []string{now.Format("15:04:05.000"), oneLine(t.ID), a.paint(oneLine(statusOf(t)))}
	if !t.Ended() && a.dueOf(t, now) != "-" {
		parts = append(parts, oneLine(a.dueOf(t, now)))
	}
	if outcome := a.outcomeOf(t); outcome != "-" {
		parts = append(parts, oneLine(outcome))
	}
	return a.write(strings.Join(parts, "  ") + "\n")
}

// await shows the changes of tasks until all have ended, but for a revision that was printed already. It is an error if one did not
// end as done.
func (a *app) await(cmd *cobra.Command, s *session, ids []string, printed string) error {
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	ended, err := s.tasks.Wait(ctx, ids, func(t *task.Task) error {
		if a.json && t.Rev == printed {
			return nil
		}
		return a.changed(t)
	})
	if err != nil {
		return err
	}
	for _, t := range ended {
		if t.Deleted || t.Status != task.Done {
			return &silentError{code: exitTask} // the line above says how it ended
		}
	}
	return nil
}
