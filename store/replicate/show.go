package replicate

import (
	"encoding/json"
	"fmt"
	"time"
)

// event is something that happened to a job.
type event struct {
	At     string `json:"timestamp"`
	Type   string `json:"type"`
	Reason string `json:"reason,omitempty"`
}

// eventsKept is how many a job remembers.
const eventsKept = 20

const stampForm = "2006-01-02T15:04:05Z"

// note remembers an event, newest first.
func (j *job) note(kind, reason string) {
	now := time.Now()
	j.mu.Lock()
	defer j.mu.Unlock()
	j.updated = now
	j.events = append([]event{{now.UTC().Format(stampForm), kind, reason}}, j.events...)
	j.events = j.events[:min(len(j.events), eventsKept)]
	switch kind {
	case "started":
		j.state = "running"
	case "crashed":
		j.state = "crashing"
	}
}

// progress is what the server shows of the work of a job, in _active_tasks and in _scheduler/jobs.
type progress struct {
	Checked     int             `json:"revisions_checked"`
	Found       int             `json:"missing_revisions_found"`
	Read        int             `json:"docs_read"`
	Written     int             `json:"docs_written"`
	Failed      int             `json:"doc_write_failures"`
	Bulk        int             `json:"bulk_get_docs"`
	Attempts    int             `json:"bulk_get_attempts"`
	Pending     *int64          `json:"changes_pending"`
	SourceSeq   json.RawMessage `json:"source_seq"`
	Through     json.RawMessage `json:"through_seq"`
	Checkpoints json.RawMessage `json:"checkpointed_source_seq"`
}

func (t *tally) progress() progress {
	t.mu.Lock()
	defer t.mu.Unlock()
	p := progress{
		Checked: t.n.Checked, Found: t.n.Found, Read: t.n.Read, Written: t.n.Written, Failed: t.n.Failed, Bulk: t.n.Bulk,
		Attempts: t.n.Attempts, SourceSeq: orZero(t.seen), Through: orZero(t.through), Checkpoints: orZero(t.committed),
	}
	if pending := t.pending; pending >= 0 && t.seen != nil {
		p.Pending = &pending
	}
	return p
}

func orZero(seq json.RawMessage) json.RawMessage {
	if len(seq) == 0 {
		return zeroSeq
	}
	return seq
}

// task is a job as an element of _active_tasks.
type task struct {
	Node     string  `json:"node"`
	PID      string  `json:"pid"`
	Type     string  `json:"type"`
	ID       string  `json:"replication_id"`
	Source   string  `json:"source"`
	Target   string  `json:"target"`
	User     *string `json:"user"`
	Database *string `json:"database"`
	DocID    *string `json:"doc_id"`
	Live     bool    `json:"continuous"`
	Interval int64   `json:"checkpoint_interval"`
	Started  int64   `json:"started_on"`
	Updated  int64   `json:"updated_on"`

	progress
}

// node is the name of the one node, as _membership gives it.
const node = "after@127.0.0.1"

func (j *job) user() *string {
	if j.req.User == "" {
		return nil
	}
	return &j.req.User
}

// pid stands where CouchDB shows an Erlang process.
func (j *job) pid() string { return fmt.Sprintf("<0.%d.0>", j.started.UnixMilli()%1_000_000) }

// ActiveTasks are the replications that run, each as an element of _active_tasks.
func (m *Manager) ActiveTasks() ([]json.RawMessage, error) {
	out := []json.RawMessage{}
	for _, j := range m.list() {
		j.mu.Lock()
		running, updated := j.state == "running", j.updated
		j.mu.Unlock()
		if !running {
			continue
		}
		raw, err := json.Marshal(task{
			Node: node, PID: j.pid(), Type: "replication", ID: j.whole, Source: j.req.Source.Shown(), Target: j.req.Target.Shown(),
			User: j.user(), Live: j.req.Continuous, Interval: j.req.Interval.Milliseconds(), Started: j.started.Unix(),
			Updated: updated.Unix(), progress: j.stats.progress(),
		})
		if err != nil {
			return nil, err
		}
		out = append(out, raw)
	}
	return out, nil
}

// Count tells how many replications run, and how many failed and are tried again.
func (m *Manager) Count() (running, crashed int) {
	for _, j := range m.list() {
		j.mu.Lock()
		if j.state == "running" {
			running++
		} else {
			crashed++
		}
		j.mu.Unlock()
	}
	return running, crashed
}

// jobShown is a job as _scheduler/jobs shows it.
type jobShown struct {
	Database *string  `json:"database"`
	ID       string   `json:"id"`
	PID      *string  `json:"pid"`
	Source   string   `json:"source"`
	Target   string   `json:"target"`
	User     *string  `json:"user"`
	DocID    *string  `json:"doc_id"`
	Info     progress `json:"info"`
	History  []event  `json:"history"`
	Node     string   `json:"node"`
	Started  string   `json:"start_time"`
}

func (j *job) show() (json.RawMessage, error) {
	j.mu.Lock()
	s := jobShown{
		ID: j.whole, Source: j.req.Source.Shown(), Target: j.req.Target.Shown(), User: j.user(), Info: j.stats.progress(),
		History: append([]event(nil), j.events...), Node: node, Started: j.started.UTC().Format(stampForm),
	}
	if j.state == "running" {
		pid := j.pid()
		s.PID = &pid
	}
	j.mu.Unlock()
	return json.Marshal(s)
}

// Jobs are the replications as _scheduler/jobs shows them, in the order of their ids.
func (m *Manager) Jobs() ([]json.RawMessage, error) {
	out := []json.RawMessage{}
	for _, j := range m.list() {
		raw, err := j.show()
		if err != nil {
			return nil, err
		}
		out = append(out, raw)
	}
	return out, nil
}

// Job is one of Jobs, nil if there is none of that id.
func (m *Manager) Job(id string) (json.RawMessage, error) {
	m.mu.Lock()
	j := m.jobs[id]
	m.mu.Unlock()
	if j == nil {
		return nil, nil
	}
	return j.show()
}
