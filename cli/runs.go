package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/runs"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

type runsOptions struct {
	since, status string
	limit         int
	follow        bool
}

func newRuns(a *app) *cobra.Command {
	var o runsOptions
	cmd := &cobra.Command{
		Use:   "runs <id>",
		Short: "Show the single runs of a task",
		Long: `Shows the history of a task, the newest run first: every firing of a repeat and every attempt of a retry, with its date,
how late it started, how long it took and what came of it. It is there when the task is deleted, too, for as long as
runs.keep and runs.per_task say. With --follow the last ones come oldest first, and below them each new one as it ends.

Tasks without a repeat whose first run succeeds have no history: after get shows all there is.

"twice" marks a second execution of the same attempt: a worker died after it had run and before its outcome was written.`,
		Example: `  after runs nightly-backup
  after runs nightly-backup --status error --since 7d
  after runs ping --follow --json | jq -r '[.nominal, .duration] | @tsv'`,
		Args: one("the id of a task"),
		RunE: func(cmd *cobra.Command, args []string) error { return a.runs(cmd, args[0], o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.since, "since", "", "only runs that started after this `date`, or so long ago: yesterday, 12h, 7d")
	flags.StringVar(&o.status, "status", "", "only runs that ended with this `status`: done, error or canceled")
	flags.IntVarP(&o.limit, "limit", "n", 20, "at most this `many`, the newest; 0 is all")
	flags.BoolVarP(&o.follow, "follow", "f", false, "show the oldest first, and go on with runs as they end, until interrupted")
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

func (a *app) runs(cmd *cobra.Command, id string, o runsOptions) error {
	f := runs.Filter{Status: task.Status(o.status), Limit: o.limit}
	switch f.Status {
	case "", task.Done, task.Failed, task.Canceled:
	default:
		return misuse(cmd.CommandPath(), "--status %q is none of done, error, canceled", o.status)
	}
	if o.limit < 0 {
		return misuse(cmd.CommandPath(), "--limit %d: cannot be negative", o.limit)
	}
	loc, _, err := zoneOf("")
	if err != nil {
		return err
	}
	if f.Since, err = sinceOf(o.since, a.now(), loc); err != nil {
		return misuse(cmd.CommandPath(), "--since: %v", err)
	}
	s, err := a.connect(cmd)
	if err != nil {
		return err
	}
	defer s.close()
	ctx, stop := interruptible(cmd.Context())
	defer stop()
	db := s.couch.Database(runs.Database(s.config.Couch.Database))
	since := "0" // a database that is not there yet is followed from its beginning
	if o.follow {
		if info, err := db.Info(ctx); err == nil {
			since = info.UpdateSeq
		}
	}
	var all []runs.Run
	for r, err := range runs.List(ctx, db, id, f) {
		if err != nil {
			return err
		}
		all = append(all, r)
	}
	slices.SortStableFunc(all, func(x, y runs.Run) int { return y.Started.Compare(x.Started) }) // also attempts, of which the ids sort 10 before 9
	if o.follow {
		slices.Reverse(all)
	}
	shown := &table{headers: []string{"DATE", "ATTEMPT", "STATUS", "LATE", "TOOK", "MEMBER", "OUTCOME"}}
	if err := a.printRuns(shown, all); err != nil {
		return err
	}
	if !o.follow {
		if len(all) == 0 && !a.json {
			a.say("no runs of %s are kept", id)
		}
		return nil
	}
	err = runs.Follow(ctx, db, id, since, f, func(r runs.Run) error {
		if slices.ContainsFunc(all, func(listed runs.Run) bool { return listed.ID == r.ID }) {
			return nil // it ended while the list was read
		}
		return a.printRuns(shown, []runs.Run{r})
	})
	if context.Cause(ctx) != nil {
		return nil
	}
	return err
}

// sinceOf reads a date, or how long ago it was. Words for what is to come were hardly meant: "1 month", say, is in a month.
func sinceOf(text string, now time.Time, loc *time.Location) (time.Time, error) {
	if text == "" {
		return time.Time{}, nil
	}
	if d, err := when.ParseDuration(strings.TrimSuffix(text, " ago")); err == nil {
		return now.Add(-d), nil
	}
	const yesterday = "yesterday" // which is no date of a task, and so no word of those
	if rest, ok := strings.CutPrefix(strings.ToLower(strings.TrimSpace(text)), yesterday); ok {
		if date, err := when.ParseDate("today"+rest, now.In(loc).AddDate(0, 0, -1), loc); err == nil {
			return date.Time, nil
		}
	}
	date, err := when.ParseDate(text, now, loc)
	if date.Words && date.Time.After(now) {
		return time.Time{}, fmt.Errorf("%q is still to come: write a date that has passed, or how long ago it was, such as 12h or 7d", text)
	}
	return date.Time, err
}

// printRuns shows runs below those that the table has shown.
func (a *app) printRuns(t *table, all []runs.Run) error {
	if a.json {
		for _, r := range all {
			if err := a.printJSON(r); err != nil {
				return err
			}
		}
		return nil
	}
	if len(all) == 0 {
		return nil
	}
	for _, r := range all {
		attempt := strconv.FormatInt(r.Attempt, 10)
		if r.Duplicate {
			attempt += " (twice)"
		}
		t.add(a.dateOf(r.Nominal), attempt, string(r.Status), short(r.Lag), short(r.Duration()), r.Member, a.runOutcome(r))
	}
	return a.printTable(t)
}

// dateOf shows an instant: on a terminal in the person's zone, else in RFC 3339.
func (a *app) dateOf(t time.Time) string {
	if a.terminal {
		return t.In(time.Local).Format("2006-01-02 15:04:05 MST")
	}
	return when.Format(t)
}

// short shows a duration to the millisecond below a second, and to three digits above.
func short(d time.Duration) string {
	switch {
	case d < time.Second:
		return d.Round(time.Millisecond).String()
	case d < time.Minute:
		return d.Round(10 * time.Millisecond).String()
	}
	return d.Round(time.Second).String()
}

func (a *app) runOutcome(r runs.Run) string {
	switch {
	case r.Error != "":
		return a.shorten(r.Kind + ": " + r.Error)
	case len(r.Output) > 0 && string(r.Output) != "null":
		return a.shorten(string(r.Output))
	}
	return "-"
}
