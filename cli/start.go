package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/cli/process"
	"github.com/adlayer/after/config"
)

func newStart(a *app) *cobra.Command {
	var m modes
	var standby bool
	cmd := &cobra.Command{
		Use:   "start <name>...",
		Short: "Start one or more workers",
		Long: `Starts the named workers in one process, which share its concurrency fairly, in the foreground or, with -b, in the
background. They run the tasks whose "worker" is their name.

Where couch.url is the address of the embedded store (store.listen) and nothing answers there, the process serves
the store itself. Other processes of this machine stand by to serve it on when this one ends.

SIGINT and SIGTERM let running jobs finish for the time of worker.drain; a second one ends at once. SIGHUP reads the
configuration again.

A worker's name is held by one live process of the whole fleet. A second one is refused, or waits with --standby until
the first one ends or dies.`,
		Example: `  after start manobi
  after start -b manobi nightly --concurrency 20
  after start --standby manobi`,
		Args: some("the name of a worker"),
		RunE: func(cmd *cobra.Command, names []string) error {
			if err := checkNames(names); err != nil {
				return &usageError{err: err, command: cmd.CommandPath()}
			}
			return a.stay(cmd, m, names, func(c *config.Config, v *voice) error { return a.start(cmd.Context(), cmd, c, names, standby, v) })
		},
	}
	m.flags(cmd)
	cmd.Flags().BoolVar(&standby, "standby", false, "where another process holds a name, wait and take over when it ends")
	keyFlags(cmd, "couch.url", "couch.database", "store.listen", "store.data", "jobs.folder", "worker.concurrency", "worker.drain",
		"state.folder", "log.level")
	a.jsonFlag(cmd)
	return cmd
}

// checkNames refuses what could not be told apart, typed or shown.
func checkNames(names []string) error {
	seen := map[string]bool{}
	for _, name := range names {
		switch {
		case strings.TrimSpace(name) != name || name == "":
			return fmt.Errorf("%q cannot be a worker's name: it is empty or has spaces around it", name)
		case strings.ContainsFunc(name, unicode.IsControl) || len(name) > 100:
			return fmt.Errorf("%q cannot be a worker's name: it has control characters or more than 100 bytes", name)
		case name == process.Serve:
			return fmt.Errorf("%q cannot be a worker's name: it means the store in \"after stop\" and \"after log\"", name)
		case name == process.Gateway:
			return fmt.Errorf("%q cannot be a worker's name: it means the queue over HTTP in \"after stop\" and \"after log\"", name)
		case seen[name]:
			return fmt.Errorf("%s is named twice", name)
		}
		seen[name] = true
	}
	return nil
}

func (a *app) start(ctx context.Context, cmd *cobra.Command, c *config.Config, names []string, standby bool, v *voice) (err error) {
	log, entry, err := a.enter(c, names, v.detached)
	if err != nil {
		return err
	}
	defer func() { err = errors.Join(err, log.close(), entry.Close()) }()
	if running, listErr := a.alsoRun(c, names); running || listErr != nil {
		log.hold()
	}
	defer func() {
		if !held(err) {
			log.release()
		}
		if err != nil && (v.detached || v.told) {
			log.WithError(err).Error("ended")
		}
	}()
	server, err := dial(c)
	if err != nil {
		return &codeError{err: err, code: exitUsage}
	}
	served := &queue{log: log, config: c}
	h := &host{config: c, client: server, log: log, note: v.note, serves: entry.Serves, queue: served}
	// Everything that is served ends after everything that needs it.
	defer func() { err = errors.Join(err, h.close(ctx)) }()
	working, stop := interruptible(ctx)
	defer stop()
	err = h.up(working)
	if working.Err() != nil {
		return nil // stopped as asked, before there was anything to stop
	}
	if err != nil {
		return err
	}
	r := &runner{
		app: a, command: cmd, config: c, client: server, names: names, standby: standby, log: log, entry: entry, queue: served,
		ready: func() { a.started(ctx, c, names, standby, v, log) },
	}
	return r.run(working, h.failed())
}

// alsoRun says whether another process on the same state folder runs one of the names.
func (a *app) alsoRun(c *config.Config, names []string) (bool, error) {
	state, err := c.StateFolder()
	if err != nil {
		return false, err
	}
	live, err := process.List(state)
	return slices.ContainsFunc(live, func(other process.Info) bool {
		return other.PID != os.Getpid() && slices.ContainsFunc(names, other.Has)
	}), err
}

// started tells everybody that the workers are ready.
func (a *app) started(ctx context.Context, c *config.Config, names []string, standby bool, v *voice, log *logger) {
	log.release()
	log.WithField("workers", strings.Join(names, ",")).WithField("concurrency", c.Worker.Concurrency).Info("ready")
	state := "ready"
	if standby {
		state = "ready, or standing by where another process holds the name" // after list tells which
	}
	v.note("%s %s %s. Schedule a task five seconds ahead:\n\n  %s\n", strings.Join(names, ", "), isAre(names), state, curl(c, names[0]))
	if err := errors.Join(v.ready(names), process.Notify(ctx, "READY=1")); err != nil {
		log.WithError(err).Warn("nobody could be told that the workers are ready")
	}
}

func isAre(names []string) string {
	if len(names) == 1 {
		return "is"
	}
	return "are"
}
