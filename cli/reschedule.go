package cli

import (
	"context"
	"errors"

	"github.com/spf13/cobra"
)

func newReschedule(a *app) *cobra.Command {
	var at, in, zone string
	cmd := &cobra.Command{
		Use:   "reschedule <id>... --at <when>",
		Short: "Give tasks another date",
		Long: `Gives tasks another date, earlier or later, and plans them anew from it: also those that are due, and those that have
ended. Words and local times are read in your own zone, or in that of --timezone.`,
		Example: `  after reschedule nightly-backup --at "tomorrow at noon"
  after reschedule nightly-backup --in 2h`,
		Args: taskIDs(1),
		RunE: func(cmd *cobra.Command, ids []string) error {
			now := a.now()
			loc, _, err := zoneOf(zone)
			if err != nil {
				return misuse(cmd.CommandPath(), "--timezone: %w", err)
			}
			date, err := instant(at, in, now, loc)
			if err == nil && at == "" && in == "" {
				err = errors.New("say when: --at or --in")
			}
			if err != nil {
				return &usageError{err: err, command: cmd.CommandPath()}
			}
			return a.edit(cmd, ids, "reschedule", "moved to "+moment(date, now), func(ctx context.Context, s *session, id string) error {
				return s.tasks.Reschedule(ctx, id, date)
			})
		},
	}
	cmd.Flags().StringVar(&at, "at", "", "`when`: words, a local time, or RFC 3339")
	cmd.Flags().StringVar(&in, "in", "", "this `long` from now: 30s, 1h30m, 2d")
	cmd.Flags().StringVar(&zone, "timezone", "", "the `zone` to read times in (default: your own)")
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}
