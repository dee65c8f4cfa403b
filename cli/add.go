package cli

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

type addOptions struct {
	at, in, zone   string
	repeat, until  string
	times          int64
	retry, timeout string
	missed         string
	once           bool
	id, data       string
	arguments      string
	tags           []string
	wait           bool
}

func newAdd(a *app) *cobra.Command {
	var o addOptions
	cmd := &cobra.Command{
		Use:   "add <worker> <job> [argument...]",
		Short: "Schedule a task",
		Long: `Schedules a task for a worker: at once, or when --at or --in say. Words and local times are read in your own zone,
or in that of --timezone; the instant they mean is shown.

Arguments are texts; one that begins with { or [ is JSON, and a single one of these is the arguments as a whole. Put --
before arguments that begin with a dash.`,
		Example: `  after add manobi log hello
  after add manobi report --at "next friday at 9am" --data @report.json
  after add manobi http '{"url": "https://example.org/ping"}' --in 5m --retry 3
  after add manobi backup --at "2026-12-01 02:00" --repeat 1d --id nightly-backup
  after add manobi exec -- df -h`,
		Args: some("the name of a worker", "the name of a job"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.add(cmd, args, o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.at, "at", "", "`when`: words, a local time, or RFC 3339")
	flags.StringVar(&o.in, "in", "", "this `long` from now: 30s, 1h30m, 2d")
	flags.StringVar(&o.zone, "timezone", "", "the `zone` to read times in, and of a repeat: Europe/Paris (default: your own)")
	flags.StringVar(&o.repeat, "repeat", "", "`again` and again: 5m, 1d12h, \"every month\", P1M, or the document's object")
	flags.Int64Var(&o.times, "times", 0, "how `often` a repeat fires in all (default: for ever)")
	flags.StringVar(&o.until, "until", "", "the last `date` a repeat may have")
	flags.StringVar(&o.retry, "retry", "", "`how` often to try again after an error, or the document's object")
	flags.StringVar(&o.timeout, "timeout", "", "the longest `run`: 30s, 10m")
	flags.StringVar(&o.missed, "missed", "", "for dates that passed while no worker was there: run, skip or all")
	flags.BoolVar(&o.once, "at-most-once", false, "rather never than twice: a run whose worker dies is an error")
	flags.StringVar(&o.id, "id", "", "the document's `id`; one that is there already is a conflict (default: a new one)")
	flags.StringVar(&o.data, "data", "", "`JSON` for the task's data, or @file, or @- for standard input")
	flags.StringVar(&o.arguments, "arguments", "", "the job's arguments as `JSON`, or @file, or @-")
	flags.StringSliceVar(&o.tags, "tag", nil, "a `tag`; may be given more than once")
	flags.BoolVar(&o.wait, "wait", false, "wait until it has ended; the exit status is 6 if that is not as done")
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) add(cmd *cobra.Command, args []string, o addOptions) error {
	now := a.now()
	spec, err := a.spec(args, o, now)
	if err != nil {
		return &usageError{err: err, command: cmd.CommandPath()}
	}
	s, err := a.connect(cmd)
	if err != nil {
		return err
	}
	defer s.close()
	ctx := cmd.Context()
	added, err := s.tasks.Add(ctx, spec)
	if couch.IsConflict(err) && o.id != "" {
		return fail(exitConflict, "there is a document %s already: nothing was written", o.id)
	}
	if err != nil {
		return err
	}
	if a.json {
		err = a.printTask(added)
	} else {
		err = a.println(fmt.Sprintf("%s: %s for %s, %s", added.ID, added.Job, added.Worker, due(added, now)))
	}
	if err != nil {
		return err
	}
	a.warnOfAbsence(ctx, s, added.Worker, now)
	if !o.wait {
		return nil
	}
	return a.await(cmd, s, []string{added.ID})
}

func due(t *task.Task, now time.Time) string {
	date, err := when.ParseDateJSON(t.Date, now, time.UTC)
	if err != nil || t.Date == nil || !date.Time.After(now) {
		return "at once"
	}
	return "at " + moment(date.Time, now)
}

// spec makes the task of the command line.
func (a *app) spec(args []string, o addOptions, now time.Time) (client.Spec, error) {
	var none client.Spec
	loc, zone, err := zoneOf(o.zone)
	if err != nil {
		return none, fmt.Errorf("--timezone: %w", err)
	}
	date, err := instant(o.at, o.in, now, loc)
	if err != nil {
		return none, err
	}
	spec := client.Spec{ID: o.id, Worker: args[0], Job: args[1], Date: date, Tags: o.tags}
	if o.zone != "" || o.repeat != "" {
		spec.Timezone = zone // calendar arithmetic happens in the zone that was meant
	}
	if spec.Arguments, err = a.argumentsOf(args[2:], o.arguments); err != nil {
		return none, err
	}
	if spec.Repeat, err = repeatOf(o.repeat, o.times, o.until, now, loc); err != nil {
		return none, err
	}
	if spec.Retry, err = retryOf(o.retry); err != nil {
		return none, err
	}
	if o.timeout != "" {
		if spec.Timeout, err = when.ParseDuration(o.timeout); err != nil {
			return none, fmt.Errorf("--timeout: %w", err)
		}
	}
	switch o.missed {
	case "", "run", "skip", "all":
		spec.Missed = task.Missed(o.missed)
	default:
		return none, fmt.Errorf("--missed %q is none of run, skip, all", o.missed)
	}
	if o.once {
		spec.Delivery = "at-most-once"
	}
	if o.data != "" {
		if spec.Data, err = a.jsonOf("data", o.data); err != nil {
			return none, err
		}
	}
	// What a worker would refuse is a mistake of the command line, before anything is written.
	_, err = spec.Task(now)
	return spec, err
}

func (a *app) argumentsOf(words []string, flag string) (json.RawMessage, error) {
	if flag == "" {
		return argumentsOf(words)
	}
	if len(words) > 0 {
		return nil, fmt.Errorf("--arguments and %q are both the job's arguments: give one of them", words[0])
	}
	return a.jsonOf("arguments", flag)
}

// warnOfAbsence says if nobody would run the task. That the fleet cannot be read is no reason to fail: the task is there.
func (a *app) warnOfAbsence(ctx context.Context, s *session, worker string, now time.Time) {
	running, err := s.running(ctx, now)
	switch {
	case err != nil:
		a.say("whether %s is running is not known: %s", worker, err)
	case !running[worker]:
		a.say("no worker named %s is running: the task waits for one (after start %s)", worker, quoted(worker))
	}
}
