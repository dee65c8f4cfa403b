package cli

import (
	"context"
	"errors"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/task"
)

type rescheduleOptions struct {
	at, in, zone string
	repeat       repeatFlags
}

func newReschedule(a *app) *cobra.Command {
	var o rescheduleOptions
	cmd := &cobra.Command{
		Use:   "reschedule <id>... [--at <when>] [--repeat <rule>]",
		Short: "Give tasks another date, or another repeat",
		Long: `Gives tasks another date, earlier or later, or another repeat, and plans them anew: also those that are due, and those
that have ended. Words and local times are read in your own zone, or in that of --timezone.

A new repeat is read in the task's zone, unless --timezone says another, which then is the task's; the first one of a task
that names no zone is read in your own. Without --at or --in, one that counts from its first date goes on from the date that
the task has, if that is still ahead; any other begins now.`,
		Example: `  after reschedule nightly-backup --at "tomorrow at noon"
  after reschedule nightly-backup --in 2h
  after reschedule nightly-backup --repeat "every weekday at 2:00" --timezone Europe/Paris`,
		Args: taskIDs(1),
		RunE: func(cmd *cobra.Command, ids []string) error { return a.reschedule(cmd, ids, o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.at, "at", "", "`when`: words, a local time, or RFC 3339")
	flags.StringVar(&o.in, "in", "", "this `long` from now: 30s, 1h30m, 2d")
	flags.StringVar(&o.zone, "timezone", "", "the `zone` to read times in, and of a new repeat (default: your own; for a repeat the task's)")
	o.repeat.add(flags)
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

// plan makes of the flags what changes.
func (o *rescheduleOptions) plan(now time.Time) (p client.Plan, err error) {
	loc, err := ruleZone(o.zone)
	if err != nil {
		return p, err
	}
	if p.Date, err = instant(o.at, o.in, now, loc); err != nil {
		return p, err
	}
	if p.Repeat, err = o.repeat.document(now, loc); err != nil {
		return p, err
	}
	if o.at == "" && o.in == "" && p.Repeat == nil {
		return p, errors.New("say when: --at, --in or --repeat")
	}
	if p.Repeat != nil {
		p.Timezone, p.OwnTimezone = o.zone, localZone()
	}
	return p, nil
}

func (a *app) reschedule(cmd *cobra.Command, ids []string, o rescheduleOptions) error {
	now := a.now()
	plan, err := o.plan(now)
	if err != nil {
		return &usageError{err: err, command: cmd.CommandPath()}
	}
	return a.editEach(cmd, ids, string(task.Reschedule), func(ctx context.Context, s *session, id string) (string, error) {
		t, err := s.tasks.Replan(ctx, id, plan)
		if err != nil {
			return "", err
		}
		text := plans(t, now, s.tasks.Calendars(ctx))
		if plan.Repeat == nil {
			_, repeat, _ := strings.Cut(text, "\n")
			return strings.TrimSuffix("moved to "+moment(plan.Date, now)+"\n"+repeat, "\n"), nil
		}
		return "planned anew, " + text, nil
	})
}
