package cli

import (
	"context"

	"github.com/spf13/cobra"
)

func newCancel(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "cancel <id>...",
		Short: "Cancel tasks",
		Long: `Asks that tasks do not run: their status becomes "cancel", and the worker makes it "canceled". A job that runs is told
to stop. A task that has ended stays as it is, which is a conflict.`,
		Example: `  after cancel nightly-backup
  after cancel a b c`,
		Args: taskIDs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.edit(cmd, ids, "cancel", "will not run", func(ctx context.Context, s *session, id string) error {
				return s.tasks.Cancel(ctx, id)
			})
		},
	}
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}
