package cli

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

type tasksOptions struct {
	worker, status, job string
	dueBefore           string
	limit               int
	invalid             bool
}

func newTasks(a *app) *cobra.Command {
	var o tasksOptions
	cmd := &cobra.Command{
		Use:   "tasks",
		Short: "Show the tasks",
		Long: `Shows tasks, all of them or those that the flags leave, up to --limit. With --json each line is a whole document.

--invalid shows instead what nobody runs or what could not be understood: documents without a worker or a job, and tasks
that ended as an error of kind "invalid".

The last column says what holds a task up, be it a person's note on a pause, other tasks that it waits for, or a host that
is left alone; what came of its last run; and how many dates were skipped since it was planned. after next shows a task's
further dates.`,
		Example: `  after tasks --worker manobi --status scheduled
  after tasks --status error --json | jq -r '[._id, .error.message] | @tsv'
  after tasks --due-before "tomorrow"`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.tasks(cmd, o) },
	}
	flags := cmd.Flags()
	flags.StringVar(&o.worker, "worker", "", "only tasks for this `worker`")
	flags.StringVar(&o.status, "status", "", "only tasks of this `status`")
	flags.StringVar(&o.job, "job", "", "only tasks that run this `job`")
	flags.StringVar(&o.dueBefore, "due-before", "", "only tasks that are due before this `date`")
	flags.IntVar(&o.limit, "limit", 100, "at most this `many`; 0 is all")
	flags.BoolVar(&o.invalid, "invalid", false, "only what nobody runs, or what could not be understood")
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

func (o tasksOptions) filter(now time.Time) (client.Filter, error) {
	f := client.Filter{Worker: o.worker, Job: o.job, Status: task.Status(o.status), Limit: o.limit, Invalid: o.invalid}
	if o.status != "" && !slices.Contains(task.Statuses(), o.status) {
		return f, fmt.Errorf("--status %q is none of %s", o.status, strings.Join(task.Statuses(), ", "))
	}
	if o.limit < 0 {
		return f, fmt.Errorf("--limit %d: cannot be negative", o.limit)
	}
	if o.dueBefore != "" {
		loc, _, err := zoneOf("")
		if err != nil {
			return f, err
		}
		date, err := when.ParseDate(o.dueBefore, now, loc)
		if err != nil {
			return f, fmt.Errorf("--due-before: %w", err)
		}
		f.DueBefore = date.Time
	}
	return f, nil
}

func (a *app) tasks(cmd *cobra.Command, o tasksOptions) error {
	now := a.now()
	filter, err := o.filter(now)
	if err != nil {
		return &usageError{err: err, command: cmd.CommandPath()}
	}
	s, err := a.connect(cmd)
	if err != nil {
		return err
	}
	defer s.close()
	done := a.progress("reading tasks")
	defer done()
	var all []*task.Task
	found := 0
	for one, err := range s.tasks.List(cmd.Context(), filter) {
		if err != nil {
			return err
		}
		found++
		if !a.json {
			all = append(all, one)
			continue
		}
		done()
		if err := a.printTask(one); err != nil {
			return err
		}
	}
	waits, err := s.waits(cmd.Context(), all)
	done()
	if err != nil {
		return err
	}
	if !a.json {
		if err := a.printTasks(all, waits, now); err != nil {
			return err
		}
	}
	switch {
	case found == 0 && !a.json:
		a.say("no tasks")
	case found == o.limit && a.terminal:
		a.say("the first %d; --limit shows more", found)
	}
	return nil
}

func (a *app) printTasks(all []*task.Task, waits map[string]string, now time.Time) error {
	t := &table{headers: []string{"ID", "WORKER", "JOB", "STATUS", "DUE", "OUTCOME"}}
	for _, one := range all {
		t.add(one.ID, or(one.Worker, "-"), or(one.Job, "-"), statusOf(one), a.dueOf(one, now), a.stateOf(one, waits[one.ID]))
	}
	return a.printTable(t)
}

func or(text, otherwise string) string {
	if text == "" {
		return otherwise
	}
	return text
}

func statusOf(t *task.Task) string {
	if t.Deleted {
		return "deleted"
	}
	return or(string(t.Status), string(task.Waiting))
}

// dueOf is when a task starts next: on a terminal as people read it, else in RFC 3339.
func (a *app) dueOf(t *task.Task, now time.Time) string {
	if t.Ended() || client.IsPaused(t) {
		return "-"
	}
	var date time.Time
	if t.Plan != nil && !t.Plan.Due.IsZero() {
		date = t.Plan.Due
	} else if d, err := when.ParseDateJSON(t.Date, now, time.UTC); err == nil && t.Date != nil {
		date = d.Time
	} else {
		return "-"
	}
	if !a.terminal {
		return when.Format(date)
	}
	return moment(date, now)
}

// outcomeOf is what there is to say of the last run in a few words.
func (a *app) outcomeOf(t *task.Task) string {
	switch {
	case t.Worker == "" && !t.Deleted:
		return "worker: is missing or no text, so nobody runs it"
	case t.Invalid() != nil:
		return a.shorten(task.KindInvalid + ": " + t.Invalid().Error())
	case t.Error != nil:
		return a.shorten(t.Error.Kind + ": " + t.Error.Message)
	case len(t.Result) > 0 && string(t.Result) != "null":
		return a.shorten(string(t.Result))
	}
	return "-"
}

// shorten fits a text into a column of a terminal; programs get more of it.
func (a *app) shorten(text string) string {
	most := 1000
	if a.terminal {
		most = 60
	}
	text = strings.Join(strings.Fields(text), " ")
	if letters := []rune(text); len(letters) > most {
		return string(letters[:most-1]) + "…"
	}
	return text
}
