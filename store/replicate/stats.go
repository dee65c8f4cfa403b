package replicate

import (
	"encoding/json"
	"sync"
)

// counters count revisions.
type counters struct {
	Checked  int // compared with the target
	Found    int // missing there
	Read     int
	Written  int
	Failed   int // refused by the target
	Bulk     int // that came with _bulk_get
	Attempts int // that were asked for with it
}

func (c *counters) plus(d counters) {
	c.Checked += d.Checked
	c.Found += d.Found
	c.Read += d.Read
	c.Written += d.Written
	c.Failed += d.Failed
	c.Bulk += d.Bulk
	c.Attempts += d.Attempts
}

// tally is what a replication has come to; anybody may look.
type tally struct {
	mu sync.Mutex
	n  counters

	pending   int64           // changes that are not read yet; negative: not known
	seen      json.RawMessage // the newest sequence that was read
	through   json.RawMessage // all before it is done
	committed json.RawMessage // of the last checkpoint
}

func (t *tally) add(d counters) {
	t.mu.Lock()
	t.n.plus(d)
	t.mu.Unlock()
}

func (t *tally) counters() counters {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.n
}

func (t *tally) set(change func(*tally)) {
	t.mu.Lock()
	change(t)
	t.mu.Unlock()
}
