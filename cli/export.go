package cli

import (
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/client"
)

type exportOptions struct {
	worker, out string
	days        int
}

func newExport(a *app) *cobra.Command {
	var o exportOptions
	cmd := &cobra.Command{
		Use:   "export ics",
		Short: "Write the plan of the fleet as an iCalendar file",
		Long: `Writes what tasks will fire in the next days as an iCalendar file (RFC 5545), for calendar programs. A repeat is one event
that repeats where iCalendar can say its rule, with the same dates; where it cannot, there is one event for each date, at
most 1000 of a task. Paused tasks are left out, and told of.`,
		Example: `  after export ics -o plan.ics
  after export ics --days 31 --worker manobi`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case len(args) == 0:
				return errors.New("say as what: ics")
			case args[0] != "ics":
				return fmt.Errorf("%q cannot be exported, only ics can", args[0])
			case len(args) > 1:
				return fmt.Errorf("%q is too much", args[1])
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, _ []string) error { return a.export(cmd, o) },
	}
	flags := cmd.Flags()
	flags.IntVar(&o.days, "days", 365, "how `many` days from now")
	flags.StringVar(&o.worker, "worker", "", "only tasks of this `worker`")
	flags.StringVarP(&o.out, "output", "o", "", "the `file` to write (default: standard output)")
	keyFlags(cmd, serverKeys()...)
	return cmd
}

func (a *app) export(cmd *cobra.Command, o exportOptions) error {
	if o.days < 1 || o.days > mostDays {
		return misuse(cmd.CommandPath(), "--days %d: between 1 and %d can be exported", o.days, mostDays)
	}
	s, err := a.connect(cmd)
	if err != nil {
		return err
	}
	defer s.close()
	now := a.now().Truncate(time.Second)
	w := &ical{from: now, until: now.AddDate(0, 0, o.days), now: now}
	done := a.progress("reading tasks")
	defer done()
	var courses []*course
	calendars := s.tasks.Calendars(cmd.Context())
	for t, err := range s.tasks.List(cmd.Context(), client.Filter{Worker: o.worker, DueBefore: w.until}) {
		if err != nil {
			return err
		}
		if t.Worker == "" {
			continue
		}
		c, err := courseOf(t, now, calendars)
		switch {
		case err != nil:
			w.notes = append(w.notes, fmt.Sprintf("%s: %v", t.ID, err))
		case c.paused():
			w.notes = append(w.notes, t.ID+" is paused")
		default:
			courses = append(courses, c)
		}
	}
	slices.SortFunc(courses, func(a, b *course) int { return strings.Compare(a.task.ID, b.task.ID) })
	text := w.write(courses)
	done()
	for _, note := range w.notes {
		a.say("%s", oneLine(note))
	}
	if o.out == "" || o.out == "-" {
		return a.write(text)
	}
	if err := os.WriteFile(o.out, []byte(text), 0o644); err != nil { //nolint:gosec // a plan is no secret to whoever may read the folder
		return fmt.Errorf("writing the plan: %w", err)
	}
	return nil
}
