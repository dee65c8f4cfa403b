package cli

import (
	"fmt"
	"strconv"
	"time"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/fleet"
	"github.com/adlayer/after/when"
)

func newList(a *app) *cobra.Command {
	cmd := &cobra.Command{
		Use:     "list",
		Aliases: []string{"ls"},
		Short:   "Show the fleet: every worker, where it runs and how it does",
		Long: `Shows the fleet from the documents of its members, wherever they run: each worker with its host and process,
since when, how many tasks sleep until later, are scheduled for the next minutes, run, ended as done and as error since
the process started, how late the last one started, and how far the machine's clock is from the store's. In brackets stand
due tasks that wait for a free place, jobs that ignore their end, and documents that the database would not take: those
stay as they are, and the worker's log says why.

Every member writes its document every five seconds, so the figures are as old as that.

A member without a sign of life is shown as lost until it comes back or another takes its workers.`,
		Example: `  after list
  after list --json | jq -r 'select(.running > 0) | .name'`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.list(cmd) },
	}
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

// listed is one worker as list prints it with --json. Lag and clock are in milliseconds; clock is null where nothing can be said,
// since it is read from a header of whole seconds.
type listed struct {
	Name      string    `json:"name"`
	State     string    `json:"state"` // holding, standby or lost
	Host      string    `json:"host"`
	PID       int       `json:"pid"`
	Since     time.Time `json:"since"`
	Sleeping  int       `json:"sleeping"`
	Scheduled int       `json:"scheduled"`
	Queued    int       `json:"queued"`
	Running   int       `json:"running"`
	Stuck     int       `json:"stuck"`
	Done      int64     `json:"done"`
	Errors    int64     `json:"errors"`
	Refused   int64     `json:"refused"`
	Lag       int64     `json:"lag"`
	Clock     *int64    `json:"clock"`
	Version   string    `json:"version"`
	Member    string    `json:"member"`
	// Avoided are the hosts that calls of the worker's process leave alone for now.
	Avoided []fleet.Avoided `json:"avoided,omitempty"`
}

func (a *app) list(cmd *cobra.Command) error {
	s, err := a.connect(cmd)
	if err != nil {
		return err
	}
	defer s.close()
	defer a.progress("asking " + s.config.Couch.Redacted() + " for the fleet")()
	now := a.now()
	members, err := s.members(cmd.Context(), now)
	if err != nil {
		return err
	}
	t := &table{headers: []string{"NAME", "STATE", "HOST", "PID", "SINCE", "SLEEPING", "SCHEDULED", "RUNNING", "DONE", "ERRORS", "LAG", "CLOCK"}}
	for _, m := range members {
		for _, l := range workersOf(m) {
			if a.json {
				if err := a.printJSON(l); err != nil {
					return err
				}
				continue
			}
			t.add(l.Name, l.State, l.Host, strconv.Itoa(l.PID), a.sinceOf(l, now),
				strconv.Itoa(l.Sleeping), strconv.Itoa(l.Scheduled), running(l), strconv.FormatInt(l.Done, 10),
				failed(l), lateness(l.Lag), clock(l.Clock))
		}
	}
	if a.json {
		return nil
	}
	if len(t.rows) == 0 {
		a.say("no worker runs: \"after start <name>\" starts one")
		return nil
	}
	if err := a.printTable(t); err != nil {
		return err
	}
	a.sayAvoided(members, now)
	return nil
}

// sayAvoided tells which hosts are left alone. Their names and the reasons come from tasks and from networks.
func (a *app) sayAvoided(members []fleet.Sight, now time.Time) {
	for _, m := range members {
		for _, h := range m.Avoided {
			if m.Alive && h.Until.After(now) {
				a.say("%s is not called by process %d on %s until %s: %s", oneLine(h.Host), m.PID, oneLine(m.Host), when.Format(h.Until), oneLine(h.Error))
			}
		}
	}
}

// sinceOf is when the process started: on a terminal how long ago, else in RFC 3339.
func (a *app) sinceOf(l listed, now time.Time) string {
	if !a.terminal {
		return when.Format(l.Since)
	}
	return distance(l.Since.Sub(now))
}

func workersOf(m fleet.Sight) []listed {
	list := make([]listed, 0, len(m.Workers))
	for _, w := range m.Workers {
		state := w.State
		if !m.Alive {
			state = "lost"
		}
		list = append(list, listed{
			Name: w.Name, State: state, Host: m.Host, PID: m.PID, Since: m.Since,
			Sleeping: w.Sleeping, Scheduled: w.Scheduled, Queued: w.Queued, Running: w.Running, Stuck: w.Stuck,
			Done: w.Done, Errors: w.Errors, Refused: w.Refused, Lag: w.Lag, Clock: known(m.Clock), Version: m.Version, Member: m.Member,
			Avoided: m.Avoided,
		})
	}
	return list
}

// running shows how many run, and in brackets what needs a look: due tasks that wait for room, runs that ignore their end.
func running(l listed) string {
	text := strconv.Itoa(l.Running)
	if l.Queued > 0 {
		text += fmt.Sprintf(" (+%d waiting)", l.Queued)
	}
	if l.Stuck > 0 {
		text += fmt.Sprintf(" (%d stuck)", l.Stuck)
	}
	return text
}

// failed shows how many ended as error, and in brackets what else needs a look: documents that the database would not take.
func failed(l listed) string {
	text := strconv.FormatInt(l.Errors, 10)
	if l.Refused > 0 {
		text += fmt.Sprintf(" (%d refused)", l.Refused)
	}
	return text
}

// lateness is precise where that says something: a task that is written with a date of last year starts late by a year.
func lateness(ms int64) string {
	const exact = 100_000
	if ms >= exact {
		return span(time.Duration(ms) * time.Millisecond)
	}
	return strconv.FormatInt(ms, 10) + " ms"
}

const second = 1000 // milliseconds

// known is a difference of clocks, nil where it is less than what it is measured in.
func known(ms int64) *int64 {
	if -second < ms && ms < second {
		return nil
	}
	return &ms
}

// clock shows how far a machine's clock is from the store's.
func clock(ms *int64) string {
	if ms == nil {
		return "0 s"
	}
	return fmt.Sprintf("%+d s", *ms/second)
}
