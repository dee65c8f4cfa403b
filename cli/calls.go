package cli

import (
	"context"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/spf13/cobra"
	"github.com/tidwall/gjson"

	"github.com/adlayer/after/client"
	"github.com/adlayer/after/jobs/call"
	"github.com/adlayer/after/runs"
	"github.com/adlayer/after/task"
	"github.com/adlayer/after/when"
)

func newCalls(a *app) *cobra.Command {
	var worker string
	cmd := &cobra.Command{
		Use:   "calls",
		Short: "Show the endpoints that are called, and how they do",
		Long: `Shows the tasks of the job http that have not ended: what they call and how often, when next, the status and duration of
the last call, and of the last hundred calls how long they typically take (the median), how late they start (median and
worst), and how many of them succeed. The hundred are those of the history (after runs), so a task that never repeats shows
only its last.`,
		Example: `  after calls
  after calls --worker manobi --json | jq 'select(.success < 1)'`,
		Args: none,
		RunE: func(cmd *cobra.Command, _ []string) error { return a.calls(cmd, worker) },
	}
	cmd.Flags().StringVar(&worker, "worker", "", "only calls of this `worker`")
	keyFlags(cmd, serverKeys()...)
	a.jsonFlag(cmd)
	return cmd
}

// endpoint is one called URL as calls prints it with --json. Durations are in milliseconds; what is not known yet is null.
type endpoint struct {
	ID       string   `json:"id"`
	Worker   string   `json:"worker"`
	Method   string   `json:"method"`
	URL      string   `json:"url"`
	Period   string   `json:"period"` // in words; empty: once
	Status   string   `json:"status"`
	Next     string   `json:"next"`      // empty: never
	PutOff   string   `json:"put_off"`   // why that is not sooner; empty: it is when it was meant to be
	Last     *int64   `json:"last"`      // the HTTP status of the last call; 0: no answer
	Duration *int64   `json:"duration"`  // of the last call
	Typical  *int64   `json:"typical"`   // the median
	Late     *int64   `json:"late"`      // the median
	LateMost *int64   `json:"late_most"` // the worst
	Success  *float64 `json:"success"`   // the part that ended as done
	Calls    int      `json:"calls"`     // that these figures are of
	Twice    int      `json:"twice"`     // calls that were made a second time after a crash
}

// callsLooked is how many calls of each endpoint are looked at.
const callsLooked = 100

func (a *app) calls(cmd *cobra.Command, worker string) error {
	s, err := a.connect(cmd)
	if err != nil {
		return err
	}
	defer s.close()
	ctx := cmd.Context()
	done := a.progress("reading the history of calls")
	defer done()
	var all []endpoint
	for one, err := range s.tasks.List(ctx, client.Filter{Worker: worker, Job: "http"}) {
		if err != nil {
			return err
		}
		if one.Ended() {
			continue
		}
		e, err := a.endpointOf(ctx, s, one)
		if err != nil {
			return err
		}
		all = append(all, e)
	}
	done()
	slices.SortFunc(all, func(x, y endpoint) int { return strings.Compare(x.ID, y.ID) })
	if a.json {
		for _, e := range all {
			if err := a.printJSON(e); err != nil {
				return err
			}
		}
		return nil
	}
	if len(all) == 0 {
		a.say("no endpoints: after call schedules calls of one")
		return nil
	}
	return a.printEndpoints(all)
}

func (a *app) endpointOf(ctx context.Context, s *session, t *task.Task) (endpoint, error) {
	e := endpoint{
		ID: t.ID, Worker: t.Worker, Method: call.MethodOf(t.Arguments), URL: gjson.GetBytes(t.Arguments, "url").String(), Status: statusOf(t),
	}
	if !client.IsPaused(t) && t.Plan != nil {
		e.Next, e.PutOff = when.Format(t.Plan.Due), t.PutOff()
	}
	if c, err := courseOf(t, a.now(), s.tasks.Calendars(ctx)); err == nil && c.rule != nil {
		e.Period = wordsOf(c.rule)
	}
	db := s.couch.Database(runs.Database(s.config.Couch.Database))
	var took, late []int64
	succeeded := 0
	for r, err := range runs.List(ctx, db, t.ID, runs.Filter{Limit: callsLooked}) {
		if err != nil {
			return e, err
		}
		took, late = append(took, r.Duration().Milliseconds()), append(late, r.Lag.Milliseconds())
		if r.Status == task.Done {
			succeeded++
		}
		if r.Duplicate {
			e.Twice++
		}
	}
	e.summarize(took, late, succeeded)
	if t.Executions > 0 {
		status, duration := statusOfCall(t), t.Duration.Milliseconds()
		e.Last, e.Duration = &status, &duration
	}
	return e, nil
}

// statusOfCall is the HTTP status of a task's last call, 0 where there was no answer.
func statusOfCall(t *task.Task) int64 {
	if t.Error != nil {
		return t.Error.Code
	}
	return gjson.GetBytes(t.Result, "status").Int()
}

// summarize fills in what the last calls say together.
func (e *endpoint) summarize(took, late []int64, succeeded int) {
	e.Calls = len(took)
	if e.Calls == 0 {
		return
	}
	slices.Sort(took)
	slices.Sort(late)
	success := float64(succeeded) / float64(e.Calls)
	e.Typical, e.Late, e.LateMost, e.Success = &took[len(took)/2], &late[len(late)/2], &late[len(late)-1], &success
}

func (a *app) printEndpoints(all []endpoint) error {
	t := &table{headers: []string{"ID", "CALLS", "PERIOD", "NEXT", "LAST", "TOOK", "TYPICALLY", "LATE (WORST)", "SUCCESS"}}
	for _, e := range all {
		late, success := "-", "-"
		if e.Calls > 0 {
			late = fmt.Sprintf("%s (%s)", milliseconds(e.Late), milliseconds(e.LateMost))
			success = strconv.FormatFloat(100**e.Success, 'f', 1, 64) + " % of " + strconv.Itoa(e.Calls)
		}
		last := "-"
		switch {
		case e.Last != nil && *e.Last == 0:
			last = "no answer"
		case e.Last != nil:
			last = strconv.FormatInt(*e.Last, 10)
		}
		t.add(e.ID, a.shorten(e.Method+" "+e.URL), or(e.Period, "once"), a.nextCall(e), last, milliseconds(e.Duration), milliseconds(e.Typical), late, success)
	}
	return a.printTable(t)
}

// nextCall is when an endpoint is called next, or why it is not.
func (a *app) nextCall(e endpoint) string {
	at, err := time.Parse(time.RFC3339, e.Next)
	if err != nil || !a.terminal {
		return or(e.Next, e.Status)
	}
	return moment(at, a.now())
}

func milliseconds(n *int64) string {
	if n == nil {
		return "-"
	}
	return short(time.Duration(*n) * time.Millisecond)
}
