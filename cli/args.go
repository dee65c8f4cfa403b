package cli

import (
	"fmt"

	"github.com/spf13/cobra"
)

// none refuses arguments.
func none(_ *cobra.Command, args []string) error {
	if len(args) > 0 {
		return fmt.Errorf("%q is too much: this command takes no arguments", args[0])
	}
	return nil
}

// one wants exactly one argument; what says which.
func one(what string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		switch {
		case len(args) == 0:
			return fmt.Errorf("%s is missing", what)
		case len(args) > 1:
			return fmt.Errorf("%q is too much: only %s is wanted", args[1], what)
		}
		return nil
	}
}

// some wants at least as many arguments as there are words for them.
func some(what ...string) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < len(what) {
			return fmt.Errorf("%s is missing", what[len(args)])
		}
		return nil
	}
}
