package cli

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"
)

// emptyFlag refuses a text flag that is given but empty, most likely by a variable of the shell that is not set: "prune --worker
// $NAME" must not mean every worker. Flags that set a key of the configuration follow its rules.
func emptyFlag(cmd *cobra.Command) error {
	var err error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		if err == nil && f.Value.Type() == "string" && f.Value.String() == "" {
			err = misuse(cmd.CommandPath(), "--%s is empty: leave it out, or say which", f.Name)
		}
	})
	return err
}

// swallowed refuses a flag that was given without its value, and took the flag behind it for that.
func swallowed(cmd *cobra.Command) error {
	var err error
	cmd.Flags().Visit(func(f *pflag.Flag) {
		values := []string{f.Value.String()}
		if list, ok := f.Value.(pflag.SliceValue); ok {
			values = list.GetSlice()
		}
		for _, value := range values {
			name, _, _ := strings.Cut(value, "=")
			long, isLong := strings.CutPrefix(name, "--")
			if isLong && cmd.Flags().Lookup(long) != nil || len(value) == 2 && value[0] == '-' && cmd.Flags().ShorthandLookup(value[1:]) != nil {
				err = fmt.Errorf("--%s wants a value, and what comes behind it is another flag: %s", f.Name, name)
			}
		}
	})
	return err
}

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

// taskIDs wants at least so many ids of tasks, and none of them empty.
func taskIDs(least int) cobra.PositionalArgs {
	return func(_ *cobra.Command, args []string) error {
		if len(args) < least {
			return errors.New("the id of a task is missing")
		}
		if slices.Contains(args, "") {
			return errors.New("an id is empty")
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
		for i, name := range what {
			if args[i] == "" {
				return fmt.Errorf("%s is empty", name)
			}
		}
		return nil
	}
}
