package worker_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/tidwall/gjson"

	"github.com/adlayer/after/internal/runcheck"
	"github.com/adlayer/after/jobs"
	"github.com/adlayer/after/when"
)

// asked is a task as a test wrote it.
type asked struct {
	id  string
	at  time.Time
	doc gjson.Result
}

// lateness is how late a start may be in a test that has no reason for more: none is about how long something takes.
const lateness = 10 * time.Minute

// noteAsked remembers what a test asks for; what is no task is nothing to run.
func (b *bundle) noteAsked(id string, doc []byte) {
	parsed := gjson.ParseBytes(doc)
	if parsed.Get("worker").String() == "" {
		return
	}
	if id == "" {
		id = parsed.Get("_id").String()
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	b.asked = append(b.asked, asked{id: id, at: time.Now(), doc: parsed})
}

// died notes that a worker's process has ended and left nothing behind.
func (b *bundle) died() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.deaths = append(b.deaths, time.Now())
}

// check holds the runs of the bundle's jobs against what was asked for: each date ran once, and nothing else did.
func (b *bundle) check() {
	b.t.Helper()
	b.mu.Lock()
	var runs []runcheck.Run
	for _, r := range b.runs {
		runs = append(runs, runcheck.Run{
			Task: r.ID, Key: r.Key, Attempt: r.Attempt, Nominal: r.Nominal, Due: r.Due, Started: r.At, Ended: r.Ended, Failed: r.Failed,
		})
	}
	b.mu.Unlock()
	b.checkRuns(runs)
}

// checkJournal does the same with what processes noted.
func (b *bundle) checkJournal(path string) {
	b.t.Helper()
	b.checkRuns(journal(b.t, path))
}

func (b *bundle) checkRuns(runs []runcheck.Run) {
	b.t.Helper()
	b.mu.Lock()
	defer b.mu.Unlock()
	var tasks []runcheck.Task
	for _, a := range b.asked {
		tasks = append(tasks, runcheck.Task{ID: a.id, Orders: []runcheck.Order{{At: a.at, Terms: terms(b.t, a, runs)}}})
	}
	now := time.Now()
	var present []runcheck.Span
	from := now.Add(-24 * time.Hour)
	for _, death := range b.deaths {
		present = append(present, runcheck.Span{From: from, To: death})
		from = death
	}
	present = append(present, runcheck.Span{From: from, To: now.Add(24 * time.Hour)})
	report := runcheck.Check(tasks, present, runs, runcheck.Options{
		Until: now.Add(2 * max(b.late, lateness)), Late: max(b.late, lateness), MissedAfter: 5 * time.Second, Deaths: b.deaths,
	})
	if err := report.Err(); err != nil {
		b.t.Error(err)
	}
	b.t.Logf("%d deaths, %s", len(b.deaths), report)
}

// terms gives what a task asks for. One without an instant as its date is planned when its worker first sees it, which its first run
// tells.
func terms(t *testing.T, a asked, runs []runcheck.Run) runcheck.Terms {
	t.Helper()
	first, err := time.Parse(time.RFC3339Nano, a.doc.Get("date").String())
	if err != nil {
		first = a.at
		if i := slices.IndexFunc(runs, func(r runcheck.Run) bool { return r.Task == a.id }); i >= 0 {
			first = runs[i].Nominal
		}
	}
	first = first.Truncate(time.Millisecond) // the precision that dates have
	all := runcheck.Terms{Dates: runcheck.Once(first), Once: true, AtMostOnce: a.doc.Get("delivery").String() == "at-most-once", RetryWithin: lateness}
	if repeat := a.doc.Get("repeat"); repeat.Exists() {
		rule, err := when.ParseRule([]byte(repeat.Raw), when.Scope{Zone: time.UTC})
		must(t, err)
		all.Once = false
		all.Dates = func(after time.Time) (time.Time, bool) { return rule.After(first, after) }
	}
	retry := a.doc.Get("retry")
	if retry.IsObject() {
		retry = retry.Get("limit")
	}
	all.Retries = int(retry.Int())
	return all
}

// noted is a line of the journal: a run that began, or one that ended.
type noted struct {
	Process     int
	Task, Key   string
	Attempt     int64
	Nominal     time.Time
	Due         time.Time
	At          time.Time
	Over, Error bool
}

// noteRun writes a line into the journal.
func noteRun(path string, task *jobs.Task, over bool, failed error) error {
	line, err := json.Marshal(noted{
		Process: os.Getpid(), Task: task.ID(), Key: task.Key(), Attempt: task.Attempt(), Nominal: task.Nominal(),
		Due: task.Document().Plan.Due, At: time.Now().Round(0), Over: over, Error: failed != nil,
	})
	if err != nil {
		return err
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o600)
	if err != nil {
		return err
	}
	_, err = fmt.Fprintf(file, "%s\n", line)
	return errors.Join(err, file.Close())
}

// journal gives the runs that processes noted, in order of start.
func journal(t *testing.T, path string) (runs []runcheck.Run) {
	t.Helper()
	raw, err := os.ReadFile(path)
	must(t, err)
	type identity struct {
		process   int
		task, key string
		attempt   int64
	}
	on := map[identity]int{}
	for line := range strings.Lines(string(raw)) {
		var n noted
		must(t, json.Unmarshal([]byte(line), &n))
		which := identity{n.Process, n.Task, n.Key, n.Attempt}
		if n.Over {
			runs[on[which]].Ended, runs[on[which]].Failed = n.At, n.Error
			continue
		}
		on[which] = len(runs)
		runs = append(runs, runcheck.Run{Task: n.Task, Key: n.Key, Attempt: n.Attempt, Nominal: n.Nominal, Due: n.Due, Started: n.At})
	}
	return runs
}
