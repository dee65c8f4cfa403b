package cli

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

type addOptions struct {
	at, in, zone   string
	repeat         repeatFlags
	retry, timeout string
	missed, expiry string
	overlap        string
	pauseAfter     int
	after          []string
	afterWhen      string
	note           string
	once           bool
	id, data       string
	arguments      string
	tags           []string
	told           toldFlags
	wait           bool
}

func newAdd(a *app) *cobra.Command {
	var o addOptions
	cmd := &cobra.Command{
		Use:   "add <worker> <job> [argument...]",
		Short: "Schedule a task",
		Long: `Schedules a task for a worker: at once, or when --at or --in say. Words and local times are read in your own zone,
or in that of --timezone; the instant they mean is shown. A repeat is shown in words, with its first three dates.

Arguments are texts; one that begins with { or [ is JSON, and a single one of these is the arguments as a whole. Put --
before arguments that begin with a dash.`,
		Example: `  after add manobi log hello
  after add manobi report --at "next friday at 9am" --data @report.json
  after add manobi http '{"url": "https://example.org/ping"}' --in 5m --retry 3
  after add manobi backup --repeat "every day at 2:00" --id nightly-backup --jitter 5m --pause-after 3
  after add manobi report --repeat "0 9 * * MON-FRI" --except holidays --after nightly-backup
  after add manobi backup --repeat "every day at 2:00" --expect 25h --notify ops@example.org
  after add manobi exec -- df -h`,
		Args: some("the name of a worker", "the name of a job"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.add(cmd, args, o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.at, "at", "", "`when`: words, a local time, or RFC 3339")
	flags.StringVar(&o.in, "in", "", "this `long` from now: 30s, 1h30m, 2d")
	flags.StringVar(&o.zone, "timezone", "", "the `zone` to read times in, and of a repeat: Europe/Paris (default: your own)")
	o.repeat.add(flags)
	flags.StringVar(&o.retry, "retry", "", "`how` often to try again after an error, or the document's object")
	flags.StringVar(&o.timeout, "timeout", "", "the longest `run`: 30s, 10m")
	flags.StringVar(&o.missed, "missed", "", "for `dates` that passed while no worker was there: run, skip, all, or the document's object")
	flags.StringVar(&o.overlap, "overlap", "", "for `dates` that come during a run: skip, queue, queue-all, cancel or allow")
	flags.StringVar(&o.expiry, "expires", "", "do not start later than this: a `date`, or a time after the firing's own, such as 10m")
	flags.IntVar(&o.pauseAfter, "pause-after", 0, "pause after this `many` errors in a row")
	flags.StringSliceVar(&o.after, "after", nil, "run only after the task of this `id`; may be given more than once")
	flags.StringVar(&o.afterWhen, "when", "", "`how` those of --after have to end: done (as without it), ended or error")
	flags.StringVar(&o.note, "note", "", "a `text` for people that is left in the document")
	flags.BoolVar(&o.once, "at-most-once", false, "rather never than twice: a run whose worker dies is an error")
	flags.StringVar(&o.id, "id", "", "the document's `id`; one that is there already is a conflict (default: a new one)")
	flags.StringVar(&o.data, "data", "", "`JSON` for the task's data, or @file, or @- for standard input")
	flags.StringVar(&o.arguments, "arguments", "", "the job's arguments as `JSON`, or @file, or @-")
	flags.StringSliceVar(&o.tags, "tag", nil, "a `tag`; may be given more than once")
	o.told.add(flags)
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
		err = a.println(fmt.Sprintf("%s: %s for %s, %s", added.ID, added.Job, added.Worker, plans(added, now, s.tasks.Calendars(ctx))))
	}
	if err != nil {
		return err
	}
	a.warnOfAbsence(ctx, s, added.Worker, now)
	if !o.wait {
		return nil
	}
	return a.await(cmd, s, []string{added.ID}, added.Rev)
}

// plans says when a task that was just written starts first, and on lines of their own when it repeats: in words, and its first dates.
func plans(t *task.Task, now time.Time, calendar func(string) (*when.Calendar, error)) string {
	text := "at once"
	c, err := courseOf(t, now, calendar)
	if err == nil && c.left != 0 && c.first.After(now) {
		text = "at " + moment(c.first, now)
	}
	if len(t.After) > 0 {
		text += ", after " + strings.Join(t.After, ", ")
	}
	if err != nil || c.rule == nil {
		return text
	}
	var dates []string
	for f := range c.firings(time.Time{}) {
		if dates = append(dates, f.short()); len(dates) == datesShown {
			break
		}
	}
	return text + "\n  " + wordsOf(c.rule) + "\n  " + strings.Join(dates, ", ")
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
	if o.zone != "" || o.repeat.rule != "" {
		spec.Timezone = zone // calendar arithmetic happens in the zone that was meant
	}
	if spec.Arguments, err = a.argumentsOf(args[2:], o.arguments); err != nil {
		return none, err
	}
	if spec.Repeat, err = o.repeat.document(now, loc); err != nil {
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
	if err := o.policies(&spec, now, loc); err != nil {
		return none, err
	}
	if err := o.told.into(&spec); err != nil {
		return none, err
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

// policies are the flags that say what becomes of firings that cannot be as planned.
func (o addOptions) policies(spec *client.Spec, now time.Time, loc *time.Location) error {
	switch {
	case strings.HasPrefix(o.missed, "{"):
		if spec.MissedRule = json.RawMessage(o.missed); !json.Valid(spec.MissedRule) {
			return fmt.Errorf("--missed %q begins like JSON and is none", o.missed)
		}
	case slices.Contains([]string{"", "run", "skip", "all"}, o.missed):
		spec.Missed = task.Missed(o.missed)
	default:
		return fmt.Errorf("--missed %q is none of run, skip, all", o.missed)
	}
	if !slices.Contains([]string{"", "skip", "queue", "queue-all", "cancel", "allow"}, o.overlap) {
		return fmt.Errorf("--overlap %q is none of skip, queue, queue-all, cancel, allow", o.overlap)
	}
	if o.expiry != "" {
		spec.Expires = o.expiry
		if _, err := when.ParseDuration(o.expiry); err != nil {
			date, err := when.ParseDate(o.expiry, now, loc)
			if err != nil {
				return fmt.Errorf("--expires: %w; or write a time after the firing's own, such as 10m", err)
			}
			spec.Expires = when.Format(date.Time)
		}
	}
	if o.pauseAfter < 0 {
		return fmt.Errorf("--pause-after %d: cannot be negative", o.pauseAfter)
	}
	switch {
	case !slices.Contains([]string{"", "done", "ended", "error"}, o.afterWhen):
		return fmt.Errorf("--when %q is none of done, ended, error", o.afterWhen)
	case o.afterWhen != "" && len(o.after) == 0:
		return errors.New("--when belongs to --after: say when a task runs with --at or --in")
	}
	spec.Overlap, spec.PauseAfter, spec.After, spec.AfterWhen, spec.Note = task.Overlap(o.overlap), o.pauseAfter, o.after, o.afterWhen, o.note
	return nil
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
