package cli

import (
	"strings"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/when"
)

func newExplain(a *app) *cobra.Command {
	var zone string
	var verbose bool
	cmd := &cobra.Command{
		Use:   "explain <rule>",
		Short: "Say a repeat rule in words",
		Long: `Says in words when a rule fires: a cron line, a phrase, an ISO 8601 duration or repeating interval, an iCalendar rule, or
the document's object. Several words are taken as one rule; a shell needs quotation marks around * and ?.

It asks a server only for the calendars that the rule names: where none answers, it goes without them, which is said. A rule
that cannot be read, or that never comes, is a mistake (exit status 2).`,
		Example: `  after explain "0 0 9 ? * MON#2"
  after explain every other friday at 18:00 -v
  after explain "FREQ=MONTHLY;BYDAY=-1FR" --json`,
		Args: some("the rule"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.explain(cmd, strings.Join(args, " "), zone, verbose)
		},
	}
	cmd.Flags().StringVar(&zone, "timezone", "", "the `zone` that the rule is read in: Europe/Paris (default: none is said, dates are in your own)")
	cmd.Flags().BoolVarP(&verbose, "verbose", "v", false, "show also the rule in its plainest form, and its next three dates")
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

// explained is a rule as explain prints it with --json.
type explained struct {
	Rule      string   `json:"rule"`
	Words     string   `json:"words"`
	Canonical string   `json:"canonical"`
	Next      []firing `json:"next"`
}

// datesShown is how many dates show what a rule means.
const datesShown = 3

func (a *app) explain(cmd *cobra.Command, text, zone string, verbose bool) error {
	now := a.now()
	loc, err := ruleZone(zone)
	if err != nil {
		return &usageError{err: err, command: cmd.CommandPath()}
	}
	closures := a.closures(cmd)
	defer closures.close()
	dated, understood, err := ruleOf(text, when.Scope{Now: now, Zone: loc, Calendar: closures.calendar})
	if err != nil {
		return &usageError{err: err, command: cmd.CommandPath()}
	}
	// The words are those of the rule, not of where it is read.
	plain := dated
	if zone == "" {
		if plain, _, err = ruleOf(text, when.Scope{Now: now, Calendar: closures.calendar}); err != nil {
			return &usageError{err: err, command: cmd.CommandPath()}
		}
	}
	next := upcoming(dated, startOf(dated, now), datesShown)
	closures.tell(a)
	if len(next) == 0 {
		a.say("nothing of it comes from now on")
	}
	switch {
	case a.json:
		return a.printJSON(explained{Rule: understood, Words: plain.Words(), Canonical: plain.String(), Next: next})
	case !verbose:
		return a.println(oneLine(plain.Words()))
	}
	if err := a.println(oneLine(plain.Words()) + "\n" + plain.String()); err != nil {
		return err
	}
	return a.printFirings(next, now)
}
