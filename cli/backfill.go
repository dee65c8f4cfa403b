package cli

import (
	"fmt"
	"time"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/when"
)

type backfillOptions struct {
	from, until, zone string
	most              int
	dry               bool
}

func newBackfill(a *app) *cobra.Command {
	var o backfillOptions
	cmd := &cobra.Command{
		Use:   "backfill <id> --from <date>",
		Short: "Run a repeating task for dates that passed",
		Long: `Runs a repeating task for its dates in a range that passed, both ends included: for each date it writes a task of its own,
with the id <id>@<date>, which runs once as soon as the worker can. The task itself is not changed.

Each date is written only once: tasks that are there already are left as they are, and told of. Where the repeat counts
from its first date, there are no dates before that. Dates are read in the task's zone, or in that of --timezone; a day alone
as --until is that whole day.`,
		Example: `  after backfill report --from 2026-11-01 --until 2026-11-15
  after backfill report --from 2026-11-01 --timezone Europe/Paris --dry-run`,
		Args: one("the id of the task"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.backfill(cmd, args[0], o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.from, "from", "", "the first `date` of the range")
	flags.StringVar(&o.until, "until", "", "the last `date` of the range (default: now)")
	flags.StringVar(&o.zone, "timezone", "", "the `zone` to read these dates in (default: the task's)")
	flags.IntVar(&o.most, "most", 1000, "refuse to write more than this `many` tasks")
	flags.BoolVar(&o.dry, "dry-run", false, "show the dates, and write nothing")
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

// backfilled is one date as backfill prints it with --json.
type backfilled struct {
	ID     string `json:"id"`
	Date   string `json:"date"`
	Status string `json:"status"` // "waiting", "there", or with --dry-run "planned"
}

func (a *app) backfill(cmd *cobra.Command, id string, o backfillOptions) error {
	now := a.now()
	switch {
	case o.from == "":
		return misuse(cmd.CommandPath(), "say from when: --from")
	case o.most < 1:
		return misuse(cmd.CommandPath(), "--most %d: must be 1 or more", o.most)
	}
	s, err := a.connect(cmd)
	if err != nil {
		return err
	}
	defer s.close()
	t, err := s.tasks.Get(cmd.Context(), id)
	if why, ok := standing(err); ok {
		return fail(codeOf(err), "%s: %s", id, why)
	}
	if err != nil {
		return err
	}
	zone := t.Timezone
	if o.zone != "" {
		zone = o.zone
	}
	loc, err := when.LoadLocation(zone)
	if err != nil {
		return misuse(cmd.CommandPath(), "--timezone: %w", err)
	}
	from, until, err := spanOf(o.from, o.until, now, loc)
	if err != nil {
		return &usageError{err: err, command: cmd.CommandPath()}
	}
	switch {
	case until.IsZero():
		until = now
	case isDay(o.until): // that whole day, as far as it has passed
		if end := until.In(loc).AddDate(0, 0, 1).Add(-time.Millisecond); until.Before(now) {
			until = end
			if until.After(now) {
				until = now
			}
		}
	}
	done := a.progress("writing tasks")
	all, err := s.tasks.Backfill(cmd.Context(), id, client.Backfill{From: from, Until: until, Most: o.most, DryRun: o.dry})
	done()
	if told := a.tellBackfill(all, o.dry); told != nil {
		return told
	}
	if err != nil {
		return err
	}
	a.sumUpBackfill(all, from, until, o.dry)
	if !o.dry && len(all) > 0 {
		a.warnOfAbsence(cmd.Context(), s, t.Worker, now)
	}
	return nil
}

func (a *app) tellBackfill(all []client.Backfilled, dry bool) error {
	t := &table{headers: []string{"ID", "DATE", "STATUS"}}
	for _, one := range all {
		status := "waiting"
		switch {
		case one.There:
			status = "there"
		case dry:
			status = "planned"
		}
		if a.json {
			if err := a.printJSON(backfilled{ID: one.ID, Date: when.Format(one.Date), Status: status}); err != nil {
				return err
			}
			continue
		}
		t.add(one.ID, when.Format(one.Date), status)
	}
	if a.json || len(all) == 0 {
		return nil
	}
	return a.printTable(t)
}

func (a *app) sumUpBackfill(all []client.Backfilled, from, until time.Time, dry bool) {
	there := 0
	for _, one := range all {
		if one.There {
			there++
		}
	}
	text := counted(len(all)-there, "task") + " written"
	switch {
	case len(all) == 0:
		text = fmt.Sprintf("it has no date from %s to %s", when.Format(from), when.Format(until))
	case dry:
		text = counted(len(all)-there, "task") + " would be written"
	}
	if there > 0 {
		text += fmt.Sprintf("; %d were there already", there)
	}
	a.say("%s", text)
}
