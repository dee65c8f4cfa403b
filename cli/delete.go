package cli

import (
	"context"

	"github.com/spf13/cobra"
)

func newDelete(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "delete <id>...",
		Short:   "Delete tasks",
		Long:    `Deletes the documents of tasks. A job that runs is told to stop; its outcome goes to the worker's log alone.`,
		Example: `  after delete nightly-backup`,
		Args:    taskIDs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			return a.edit(cmd, ids, "deleted", "deleted", func(ctx context.Context, s *session, id string) error {
				return s.tasks.Delete(ctx, id)
			})
		},
	}
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}
