package cli

import (
	"errors"
	"os"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/cli/logfile"
)

func newLog(a *app) *cobra.Command {
	var follow bool
	var lines int
	cmd := &cobra.Command{
		Use:   "log <name>",
		Short: "Show the log of a worker of this machine",
		Long: `Shows the end of a worker's log on this machine. Workers in the foreground write it too. "serve" is the
log of the store that "after serve" runs.`,
		Example: `  after log manobi
  after log manobi -f
  after log manobi -n 1000 | grep task=`,
		Args: one("the name of a worker"),
		RunE: func(cmd *cobra.Command, args []string) error {
			if lines < 0 {
				return misuse(cmd.CommandPath(), "-n %d: cannot be negative", lines)
			}
			return a.log(cmd, args[0], lines, follow)
		},
	}
	cmd.Flags().BoolVarP(&follow, "follow", "f", false, "go on showing what comes, until interrupted")
	cmd.Flags().IntVarP(&lines, "lines", "n", 100, "how many lines to show from the `end`")
	keyFlags(cmd, stateKeys()...)
	return cmd
}

func (a *app) log(cmd *cobra.Command, name string, lines int, follow bool) error {
	path, err := a.logPath(cmd, name)
	if err != nil {
		return err
	}
	end, offset, err := logfile.Tail(path, lines)
	if err != nil {
		return err
	}
	if err := a.write(string(end)); err != nil {
		return err
	}
	if !follow {
		return nil
	}
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	return logfile.Follow(ctx, path, offset, a.Out)
}

// logPath is a worker's log file, which must be there.
func (a *app) logPath(cmd *cobra.Command, name string) (string, error) {
	c, err := a.load(cmd)
	if err != nil {
		return "", err
	}
	state, err := c.StateFolder()
	if err != nil {
		return "", err
	}
	path := logfile.Path(state, name)
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return "", fail(exitNotFound, "there is no log of %s on this machine (%s)", name, path)
	}
	return path, nil
}
