package cli

import (
	"github.com/spf13/cobra"

	"github.com/adlayer/after/cli/logfile"
)

func newClean(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "clean <name>",
		Short:   "Empty the log of a worker of this machine",
		Long:    `Empties a worker's log and removes its older files. The worker may run meanwhile.`,
		Example: `  after clean manobi`,
		Args:    one("the name of a worker"),
		RunE: func(cmd *cobra.Command, args []string) error {
			path, err := a.logPath(cmd, args[0])
			if err != nil {
				return err
			}
			if err := logfile.Clean(path); err != nil {
				return err
			}
			return a.println("the log of " + args[0] + " is empty")
		},
	}
	keyFlags(cmd, stateKeys()...)
	return cmd
}
