// Package cli is the command line of after: one file a command, and the wiring of everything else.
//
// It is the only package that prints, reads signals or exits. A program with jobs of its own imports them and calls
// [Main]; it then has all of these commands, and its workers run its jobs beside the built-in ones.
package cli

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime/debug"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"golang.org/x/term"

	"github.com/adlayer/after/store/script"
	"github.com/adlayer/after/when"
)

// Main runs the program with the arguments, the environment and the streams of the process, and exits.
func Main() {
	script.Main() // this process may be one that runs the functions of design documents
	if os.Getenv("GOGC") == "" {
		debug.SetGCPercent(gcPercent)
	}
	name := strings.TrimSuffix(filepath.Base(os.Args[0]), ".exe")
	os.Exit(Run(context.Background(), name, os.Args[1:], Streams{In: os.Stdin, Out: os.Stdout, Err: os.Stderr}))
}

// tidies tells whether the program looks after its memory itself: not where the environment says what Go's runtime should do.
func tidies() bool { return os.Getenv("GOGC") == "" && os.Getenv("GOMEMLIMIT") == "" }

// Streams are where a run reads and writes. Tables, colours and progress appear where Out and Err are terminals.
type Streams struct {
	In  io.Reader
	Out io.Writer
	Err io.Writer
}

// Run runs one command line and gives the exit status, one of [ExitCodes].
func Run(ctx context.Context, program string, args []string, streams Streams) int {
	return newApp(streams).run(ctx, program, args)
}

func (a *app) run(ctx context.Context, program string, args []string) int {
	root := newRoot(a, program) //nolint:contextcheck // the commands get theirs when they run
	root.SetArgs(args)
	err := root.ExecuteContext(ctx)
	if err == nil {
		return exitOK
	}
	if _, silent := errors.AsType[*silentError](err); !silent {
		fmt.Fprintf(a.Err, "%s: %s\n", program, plainText(hint(err))) //nolint:errcheck // there is nobody left to tell
	}
	return codeOf(err)
}

func newApp(streams Streams) *app {
	a := &app{Streams: streams, now: time.Now}
	if f, ok := streams.Out.(*os.File); ok {
		a.terminal = term.IsTerminal(int(f.Fd()))
	}
	if f, ok := streams.Err.(*os.File); ok {
		a.talks = term.IsTerminal(int(f.Fd()))
	}
	if os.Getenv("TERM") == "dumb" {
		a.talks = false
	}
	a.colour = a.terminal && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"
	return a
}

func newRoot(a *app, program string) *cobra.Command {
	root := &cobra.Command{
		Use:   program,
		Short: "Run tasks when they are due: a worker fleet driven by documents",
		Long: `after runs tasks when they are due. A task is one JSON document in a CouchDB database, or in the store that
comes with after; a named worker runs its job on its second and writes the outcome back into the document.

Start a worker, which brings up the store if there is none:
  ` + program + ` start manobi

Schedule a task for it, from another terminal:
  ` + program + ` add manobi log "hello" --in 5s`,
		Version:           Version(),
		SilenceErrors:     true,
		SilenceUsage:      true,
		DisableAutoGenTag: true,
		Args:              cobra.ArbitraryArgs,
		PersistentPreRunE: func(cmd *cobra.Command, _ []string) error { return emptyFlag(cmd) },
		RunE: func(cmd *cobra.Command, args []string) error {
			if len(args) > 0 {
				return unknownCommand(cmd, args[0])
			}
			return cmd.Help()
		},
	}
	root.SetIn(a.In)
	root.SetOut(a.Out)
	root.SetErr(a.Err)
	root.SetVersionTemplate("{{.Name}} {{.Version}}\ntime zones " + when.ZoneVersion() + ", those in the program; the machine's are not used\n")
	root.Flags().BoolP("version", "V", false, "print the version, and that of the time zones")
	root.PersistentFlags().StringVar(&a.configPath, "config", "", "read the configuration from this `file`")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err: flagMistake(err), command: cmd.CommandPath()}
	})
	root.AddGroup(
		&cobra.Group{ID: groupWorkers, Title: "Workers:"},
		&cobra.Group{ID: groupTasks, Title: "Tasks:"},
		&cobra.Group{ID: groupTime, Title: "Time:"},
		&cobra.Group{ID: groupServer, Title: "Server and set-up:"},
	)
	grouped(root, groupWorkers, newStart(a), newStop(a), newList(a), newLog(a), newClean(a), newJobs(a))
	grouped(root, groupTasks, newAdd(a), newGet(a), newTasks(a), newWatch(a), newCancel(a), newReschedule(a), newRetry(a),
		newCall(a), newCalls(a), newRuns(a), newPause(a), newResume(a), newRun(a), newSkip(a), newBackfill(a), newDelete(a), newPrune(a))
	grouped(root, groupTime, newNext(a), newExplain(a), newCalendar(a), newImport(a), newExport(a))
	grouped(root, groupServer, newServe(a), newGateway(a), newStore(a), newSetup(a), newConfig(a))
	man := newMan()
	checked(man)
	root.AddCommand(man)
	return root
}

const (
	groupWorkers = "workers"
	groupTasks   = "tasks"
	groupTime    = "time"
	groupServer  = "server"
)

func grouped(root *cobra.Command, group string, commands ...*cobra.Command) {
	for _, command := range commands {
		command.GroupID = group
		checked(command)
		root.AddCommand(command)
	}
}

// checked makes a wrong number of arguments a mistake in usage, with the exit status of one. What took a flag for its value is told first.
func checked(command *cobra.Command) {
	check := command.Args
	command.Args = func(cmd *cobra.Command, args []string) error {
		if err := cmp.Or(swallowed(cmd), check(cmd, args)); err != nil {
			return &usageError{err: err, command: cmd.CommandPath()}
		}
		return nil
	}
}

func unknownCommand(cmd *cobra.Command, name string) error {
	cmd.SuggestionsMinimumDistance = 2
	text := fmt.Sprintf("there is no command %q", name)
	if near := cmd.SuggestionsFor(name); len(near) > 0 {
		text += "; is " + near[0] + " meant?"
	}
	return &usageError{err: errors.New(text), command: cmd.CommandPath()}
}
