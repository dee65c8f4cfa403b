package cli

import (
	"context"

	"github.com/spf13/cobra"
)

func newRetry(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:   "retry <id>...",
		Short: "Run tasks again that have ended",
		Long:  `Asks that tasks which have ended, as error, canceled or done, run again at once: their status becomes "waiting".`,
		Example: `  after retry nightly-backup
  after retry $(after tasks --status error | cut -f1)`,
		Args: taskIDs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.edit(cmd, ids, "waiting", "runs again", func(ctx context.Context, s *session, id string) error {
				return s.tasks.Retry(ctx, id)
			})
		},
	}
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}
