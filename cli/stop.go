package cli

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/cli/process"
)

type stopOptions struct {
	all     bool
	now     bool
	timeout time.Duration
}

func newStop(a *app) *cobra.Command {
	var o stopOptions
	cmd := &cobra.Command{
		Use:   "stop <name>... | --all",
		Short: "Stop workers of this machine, and the store",
		Long: `Asks the processes of this machine that run the named workers to end, and waits until they have. They start
nothing new, give running jobs the time of worker.drain, and write every outcome. "serve" names the store
that "after serve" runs.

One process may run several workers; then all of them are to be named.`,
		Example: `  after stop manobi
  after stop manobi --timeout 10s
  after stop --all --now`,
		Args: cobra.ArbitraryArgs,
		RunE: func(cmd *cobra.Command, args []string) error {
			if o.all == (len(args) > 0) {
				return misuse(cmd.CommandPath(), "name the workers to stop, or say --all")
			}
			return a.stop(cmd, args, o)
		},
	}
	cmd.Flags().BoolVar(&o.all, "all", false, "stop every process of after on this machine")
	cmd.Flags().BoolVar(&o.now, "now", false, "do not wait for running jobs: they are told to end, and run again at the next start")
	cmd.Flags().DurationVar(&o.timeout, "timeout", 0, "give up waiting after this `time`; the processes go on draining (default: wait)")
	keyFlags(cmd, stateKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

// stopped is what stop prints with --json.
type stopped struct {
	PID   int      `json:"pid"`
	Names []string `json:"names"`
}

func (a *app) stop(cmd *cobra.Command, names []string, o stopOptions) error {
	c, err := a.load(cmd)
	if err != nil {
		return err
	}
	state, err := c.StateFolder()
	if err != nil {
		return err
	}
	live, err := process.List(state)
	if err != nil {
		return err
	}
	chosen, err := choose(live, names, o.all)
	if err != nil {
		return err
	}
	if len(chosen) == 0 {
		a.say("no process of after runs on this machine (state folder %s)", state)
		return nil
	}
	ctx := cmd.Context()
	if o.timeout > 0 {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, o.timeout)
		defer cancel()
	}
	// Who serves the store ends last: the others write their outcomes to it.
	for _, serves := range []bool{false, true} {
		if err := a.stopThose(ctx, state, chosen, serves, o.now); err != nil {
			return err
		}
	}
	return nil
}

// stopThose asks the processes that serve the store, or those that do not, to end, and waits for them.
func (a *app) stopThose(ctx context.Context, state string, chosen []process.Info, serves, now bool) error {
	for _, info := range chosen {
		// A second signal would end it at once, which is for --now to say.
		if info.Serves == serves && !info.Ending {
			if err := process.Drain(info.PID); err != nil && !now {
				return err
			}
		}
	}
	for _, info := range chosen {
		if info.Serves != serves {
			continue
		}
		if err := a.awaitEnd(ctx, state, info, now); err != nil {
			return err
		}
		if err := a.told(stopped{info.PID, info.Names}, "%s stopped (process %d)", strings.Join(info.Names, ", "), info.PID); err != nil {
			return err
		}
	}
	return nil
}

// told prints a value with --json, a sentence without.
func (a *app) told(value any, format string, args ...any) error {
	if a.json {
		return a.printJSON(value)
	}
	return a.println(fmt.Sprintf(format, args...))
}

// choose picks the processes that run the named workers. A process is stopped as a whole, so all its names must be there.
func choose(live []process.Info, names []string, all bool) ([]process.Info, error) {
	if all {
		return live, nil
	}
	var chosen []process.Info
	found := map[string]bool{}
	for _, info := range live {
		var named, others []string
		for _, name := range info.Names {
			if slices.Contains(names, name) {
				named = append(named, name)
				found[name] = true
			} else {
				others = append(others, name)
			}
		}
		switch {
		case len(named) == 0:
		case len(others) > 0:
			return nil, fail(exitConflict, "process %d runs %s together with %s: name them all to stop it",
				info.PID, strings.Join(named, ", "), strings.Join(others, ", "))
		default:
			chosen = append(chosen, info)
		}
	}
	for _, name := range names {
		if !found[name] {
			return nil, fail(exitNotFound, "no process on this machine runs %s (\"after list\" shows the whole fleet)", name)
		}
	}
	return chosen, nil
}

// patience is how long a process that was told to end at once may take before it is killed.
const patience = 10 * time.Second

func (a *app) awaitEnd(ctx context.Context, state string, info process.Info, now bool) error {
	done := a.progress(fmt.Sprintf("waiting for %s to end (process %d)", strings.Join(info.Names, ", "), info.PID))
	defer done()
	if now {
		hurried, cancel := context.WithTimeout(ctx, patience)
		defer cancel()
		if err := process.Hurry(info.PID); err != nil {
			return err
		}
		if awaitGone(hurried, state, info.PID) == nil {
			return nil
		}
		if err := process.Kill(info.PID); err != nil {
			return err
		}
	}
	err := awaitGone(ctx, state, info.PID)
	if err != nil && timedOut(ctx) {
		return fail(exitTimeout, "%s has not ended in time and goes on draining (process %d); --now ends it at once", strings.Join(info.Names, ", "), info.PID)
	}
	return err
}

func timedOut(ctx context.Context) bool { return errors.Is(ctx.Err(), context.DeadlineExceeded) }

// awaitGone waits until the process has released its entry.
func awaitGone(ctx context.Context, state string, pid int) error {
	ticker := time.NewTicker(50 * time.Millisecond)
	defer ticker.Stop()
	for {
		alive, err := process.Alive(state, pid)
		if err != nil || !alive {
			return err
		}
		select {
		case <-ctx.Done():
			return context.Cause(ctx)
		case <-ticker.C:
		}
	}
}
