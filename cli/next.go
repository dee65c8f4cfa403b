package cli

import (
	"context"
	"fmt"
	"strings"
	"time"
	"unicode"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/when"
)

type nextOptions struct {
	rule, from, zone string
	count            int
}

func newNext(a *app) *cobra.Command {
	var o nextOptions
	cmd := &cobra.Command{
		Use:   "next <id> | <rule>",
		Short: "Show when a task or a rule fires next",
		Long: `Shows the next dates of a task, or of a rule: first what the rule means in words, then each date as the clocks of its
zone show it, in UTC, and how far away it is. Dates that a change of the clocks affects are marked: one that comes at the end
of the gap in spring because the clocks jump over its time, and one whose time the clocks show twice in autumn.

An argument that is no id of a task is taken as a rule, in any of its grammars, and so is --rule. A rule needs a server only
for the calendars that it names: where none answers, it is shown without them, which is said. Rules that count from their
first date, such as "every 5 minutes", count from now or --from.

Of a task everything counts that the document says: its zone, plan, limit, calendars, and whether it is paused.

A rule that cannot be read, or that never comes, is a mistake (exit status 2). In JSON, "date" is UTC in RFC 3339, and "mark"
is "gap", "first", "second" or "".`,
		Example: `  after next nightly-backup
  after next "30 2 * * *" --timezone Europe/Paris --from 2027-03-27
  after next --rule "every other friday" -n 3 --json`,
		Args: func(_ *cobra.Command, args []string) error {
			switch {
			case o.rule != "" && len(args) > 0:
				return fmt.Errorf("%q is too much: --rule says what is meant", args[0])
			case o.rule == "":
				return some("the id of a task, or a rule")(nil, args)
			}
			return nil
		},
		RunE: func(cmd *cobra.Command, args []string) error { return a.next(cmd, args, o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.rule, "rule", "", "a `rule` as --repeat of after add takes it, instead of a task")
	flags.IntVarP(&o.count, "count", "n", 10, "how `many` dates to show")
	flags.StringVar(&o.from, "from", "", "show dates from this `date` on, itself included (default: now)")
	flags.StringVar(&o.zone, "timezone", "", "the `zone` to read and show in: Europe/Paris (default: the task's; for a rule your own)")
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

// mostDates bounds what next shows.
const mostDates = 100_000

func (a *app) next(cmd *cobra.Command, args []string, o nextOptions) error {
	if o.count < 1 || o.count > mostDates {
		return misuse(cmd.CommandPath(), "-n %d: between 1 and %d dates can be shown", o.count, mostDates)
	}
	now := a.now()
	if o.rule != "" {
		return a.nextOfRule(cmd, o.rule, o, now)
	}
	text := strings.Join(args, " ")
	loc, err := ruleZone(o.zone)
	if err != nil {
		return &usageError{err: err, command: cmd.CommandPath()}
	}
	_, _, unread := ruleOf(text, when.Scope{Now: now, Zone: loc, Calendar: anyCalendar})
	if len(args) > 1 {
		return a.nextOfRule(cmd, text, o, now)
	}
	found, err := a.nextOfTask(cmd, text, o, now, unread == nil)
	switch {
	case found:
		return err
	case unread == nil:
		return a.nextOfRule(cmd, text, o, now)
	case strings.ContainsFunc(text, unicode.IsSpace): // no id looks like this
		return &usageError{err: unread, command: cmd.CommandPath()}
	}
	if why, ok := standing(err); ok {
		return fail(exitNotFound, "%s: %s, and no rule either: %w", text, why, unread)
	}
	return fmt.Errorf("%w\nNor is it a rule: %w", err, unread)
}

// nextOfRule shows the dates of a rule.
func (a *app) nextOfRule(cmd *cobra.Command, text string, o nextOptions, now time.Time) error {
	loc, err := ruleZone(o.zone)
	if err != nil {
		return &usageError{err: err, command: cmd.CommandPath()}
	}
	closures := a.closures(cmd)
	defer closures.close()
	scope := when.Scope{Now: now, Zone: loc, Calendar: closures.calendar}
	rule, _, err := ruleOf(text, scope)
	if err != nil {
		return &usageError{err: err, command: cmd.CommandPath()}
	}
	from := startOf(rule, now)
	if o.from != "" {
		date, err := when.ParseDate(o.from, now, rule.Zone())
		if err != nil {
			return misuse(cmd.CommandPath(), "--from: %w", err)
		}
		from = date.Time
	}
	firings := upcoming(rule, from, o.count)
	if len(firings) == 0 {
		return &usageError{err: fmt.Errorf("it never comes from %s on: %s", when.Format(from), rule.Words()), command: cmd.CommandPath()}
	}
	closures.tell(a)
	if spread(text, scope) {
		a.say("part of it is spread by the id of a task (H or ~): each has other dates than these")
	}
	return a.showFirings(wordsOf(rule), firings, now)
}

// showFirings prints a line of words and the table of dates, or one JSON value a date.
func (a *app) showFirings(words string, firings []firing, now time.Time) error {
	if a.json {
		for _, f := range firings {
			if err := a.printJSON(f); err != nil {
				return err
			}
		}
		return nil
	}
	if err := a.println(words); err != nil {
		return err
	}
	return a.printFirings(firings, now)
}

func (a *app) printFirings(firings []firing, now time.Time) error {
	t := firingTable()
	for _, f := range firings {
		t.add(f.row(now)...)
	}
	return a.printTable(t)
}

// nextOfTask shows the dates of a task, if there is one of that id. Where the id reads as a rule too, a server that cannot be asked is
// no error: found is false then.
func (a *app) nextOfTask(cmd *cobra.Command, id string, o nextOptions, now time.Time, likelyRule bool) (found bool, err error) {
	s, err := a.connect(cmd)
	if err != nil {
		return false, err
	}
	defer s.close()
	ctx := cmd.Context()
	if likelyRule {
		var cancel context.CancelFunc
		ctx, cancel = context.WithTimeout(ctx, lookupTime)
		defer cancel()
	}
	t, err := s.tasks.Get(ctx, id)
	if err != nil {
		return false, err
	}
	if !t.IsTask() {
		return true, fail(exitNotFound, "%s: it is no task, its type is %s", id, t.Type)
	}
	c, err := courseOf(t, now, s.tasks.Calendars(cmd.Context()))
	if err != nil {
		return true, fmt.Errorf("%s: %w", id, err)
	}
	if o.zone != "" {
		if c.shown, err = ruleZone(o.zone); err != nil {
			return true, &usageError{err: err, command: cmd.CommandPath()}
		}
	}
	from := time.Time{}
	if o.from != "" {
		date, err := when.ParseDate(o.from, now, c.zone())
		if err != nil {
			return true, misuse(cmd.CommandPath(), "--from: %w", err)
		}
		from = date.Time
	}
	for _, note := range c.notes() {
		a.say("%s: %s", id, note)
	}
	var firings []firing
	for f := range c.firings(from) {
		if firings = append(firings, f); len(firings) == o.count {
			break
		}
	}
	if len(firings) == 0 {
		a.say("%s: nothing fires any more", id)
	}
	return true, a.showFirings(c.words(), firings, now)
}
