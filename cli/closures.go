package cli

import (
	"context"
	"errors"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/couch"
	"github.com/adlayer/after/when"
)

// lookupTime is how long a command waits for a server that it can do without.
const lookupTime = 2 * time.Second

// closures finds the calendars that a rule without a task names, in the database of the configuration. The server is asked only when a
// rule names one. Where it cannot be asked, the rule goes without: [closures.tell] says so.
type closures struct {
	open func() (ask func(string) (*when.Calendar, error), done func(), err error)

	ask  func(string) (*when.Calendar, error)
	done func()

	away   error    // why the database cannot be asked
	unread []string // the calendars that it was not asked for
}

// closures prepares the search; close it.
func (a *app) closures(cmd *cobra.Command) *closures {
	return &closures{done: func() {}, open: func() (func(string) (*when.Calendar, error), func(), error) {
		s, err := a.connect(cmd)
		if err != nil {
			return nil, nil, err
		}
		ctx, cancel := context.WithTimeout(cmd.Context(), lookupTime)
		return s.tasks.Calendars(ctx), func() { cancel(); s.close() }, nil
	}}
}

func (c *closures) close() { c.done() }

// calendar is the Calendar of a [when.Scope].
func (c *closures) calendar(id string) (*when.Calendar, error) {
	if c.away == nil {
		if err := c.begin(); err != nil {
			return nil, err
		}
		found, err := c.ask(id)
		if !unasked(err) {
			return found, err
		}
		c.away = err
	}
	if !slices.Contains(c.unread, id) {
		c.unread = append(c.unread, id)
	}
	return &when.Calendar{}, nil
}

// begin connects, once. An error is a mistake in the configuration.
func (c *closures) begin() error {
	if c.ask != nil {
		return nil
	}
	ask, done, err := c.open()
	if err != nil {
		return err
	}
	c.ask, c.done = ask, done
	return nil
}

// unasked says whether an error is of the way to the database, and says nothing of the document.
func unasked(err error) bool {
	return err != nil && (couch.Status(err) != 0 || unreachable(err) || foreign(err) || errors.Is(err, context.DeadlineExceeded))
}

// tell says which calendars were not read, why, and what to do about it.
func (c *closures) tell(a *app) {
	if len(c.unread) == 0 {
		return
	}
	why := hint(c.away)
	if errors.Is(c.away, context.DeadlineExceeded) {
		why = "the server does not answer within " + span(lookupTime)
	}
	what := "calendar %s was not read, so that its days are not left out: %s"
	if len(c.unread) > 1 {
		what = "calendars %s were not read, so that their days are not left out: %s"
	}
	a.say("the "+what, strings.Join(c.unread, ", "), why)
	a.say("Calendars are read from the database of the tasks: --url and --database say where it is.")
}
